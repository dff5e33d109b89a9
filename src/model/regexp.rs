//! Regular expressions with RE2's syntax and meaning, anchored at both ends, on the `regex` crate.

//! The whole: wiring, supervision, swap, status.

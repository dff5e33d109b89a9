//! Lists and watches, and the stores they keep up to date.

pub mod informers;
mod machine;
pub(super) mod reflector;
pub mod store;

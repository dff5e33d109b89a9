//! Lists and watches, and the stores they keep up to date.

pub(super) mod informers;
mod machine;
pub(super) mod reflector;
pub(super) mod scope;
pub mod store;
pub(super) mod store_key;

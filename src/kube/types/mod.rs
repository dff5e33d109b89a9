//! Kubernetes objects, with only the fields that are read.

pub mod core;
pub mod discovery;
pub mod kind;
pub mod meta;
pub mod networking;
pub mod object;

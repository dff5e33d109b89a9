//! Kubernetes objects, with only the fields that are read.

pub mod meta;

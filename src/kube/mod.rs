//! The Kubernetes side: configuration, client, list and watch, stores. Nothing of monitoring or Prometheus is known here.

pub mod manifest;
pub mod selector;
pub mod types;

//! The Kubernetes side: configuration, client, list and watch, stores. Nothing of monitoring or Prometheus is known here.

mod auth;
pub mod client;
pub mod config;
pub mod decode;
pub mod error;
pub mod fields;
pub mod folder;
pub mod informers;
pub mod kubeconfig;
mod list;
pub mod manifest;
mod reflector;
pub mod store;
pub mod types;
mod watch;

pub use client::Client;
pub use config::Config;
pub use folder::FolderProblem;
pub use informers::{Informers, Scope, Source, Subscription};
pub use list::ListLimits;
pub use reflector::Tuning;

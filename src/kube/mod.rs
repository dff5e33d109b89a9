//! The Kubernetes side: configuration, client, list and watch, stores. Nothing of monitoring or Prometheus is known here.

mod api;
pub mod decode;
pub mod fields;
pub mod folder;
pub mod manifest;
pub mod types;
mod watch;

pub use api::client::Client;
pub use api::config::Config;
pub use api::list::ListLimits;
pub use api::{config, error, kubeconfig};
pub use folder::FolderProblem;
pub use watch::informers::{Informers, Source, Subscription};
pub use watch::reflector::Tuning;
pub use watch::scope::{Scope, SubscribeError};
pub use watch::store;
pub use watch::store_key::WatchHealth;

/// The namespace of whoever names none (apimachinery: metav1.NamespaceDefault).
pub const DEFAULT_NAMESPACE: &str = "default";

//! The custom resources of `monitoring.coreos.com`: types only. What is done with them is decided in `operator`.
//!
//! Reading an object prunes unknown fields and fills the defaults of the custom resource definitions, as the API server
//! does. Enumerations stay text: older definitions let other values in, and the generator then writes what it was given.

mod common;
mod decode;
mod pod_monitor;
mod quantity;
mod schema;
mod service_monitor;

pub use common::{
    AttachMetadata, Authorization, BasicAuth, IntOrString, KeySelector, NamespaceSelector, OAuth2,
    Proxy, Relabeling, SecretOrConfigMap, Tls,
};
pub use decode::{culprit, decode, unread};
pub use pod_monitor::{PodMetricsEndpoint, PodMonitor, PodMonitorSpec};
pub use quantity::Quantity;
pub use schema::Definitions;
pub use service_monitor::{Endpoint, ServiceMonitor, ServiceMonitorSpec};

/// Group and version of both kinds.
pub const API_VERSION: &str = "monitoring.coreos.com/v1";

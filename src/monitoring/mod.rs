//! The custom resources of `monitoring.coreos.com`: types only. What is done with them is decided in `operator`.
//!
//! Reading an object prunes unknown fields and fills the defaults of the custom resource definitions, as the API server
//! does. Enumerations stay text: older definitions let other values in, and the generator then writes what it was given.

mod common;
mod pod_monitor;
mod quantity;
mod schema;
mod service_monitor;

pub use crate::kube::decode::{culprit, decode, unread};
pub use common::{
    AttachMetadata, Authorization, BasicAuth, IntOrString, KeySelector, NamespaceSelector, OAuth2,
    Proxy, Relabeling, SecretOrConfigMap, Tls,
};
pub use pod_monitor::{PodMetricsEndpoint, PodMonitor, PodMonitorSpec};
pub use quantity::Quantity;
pub use schema::Definitions;
pub use service_monitor::{Endpoint, ServiceMonitor, ServiceMonitorSpec};

/// Group and version of both kinds.
pub const API_VERSION: &str = "monitoring.coreos.com/v1";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_nulls_and_defaults() {
        let monitor: ServiceMonitor = decode(json!({
            "metadata": {"name": "a", "namespace": "b", "labels": null},
            "spec": {
                "selector": {}, "jobLabel": null, "unknown": 1, "sampleLimit": 1e6, "namespaceSelector": null,
                "nativeHistogramMinBucketFactor": 1.25, "targetLabels": null, "attachMetadata": {"node": null},
                "endpoints": [{
                    "targetPort": 80.0, "relabelings": [{"regex": "x", "action": null}], "proxyUrl": "http://p",
                    "bearerTokenSecret": {}, "params": {"a": null}, "tlsConfig": {"ca": {}, "cert": null},
                }],
            },
        }))
        .unwrap();
        assert_eq!(monitor.spec.sample_limit, Some(1_000_000));
        let endpoint = &monitor.spec.endpoints[0];
        assert_eq!(endpoint.target_port, Some(IntOrString::Int(80)));
        assert_eq!(endpoint.relabelings[0].action, "replace");
        assert_eq!(endpoint.proxy.proxy_url.as_deref(), Some("http://p"));
    }

    #[test]
    fn errors_name_the_field() {
        for (endpoint, want) in [
            (
                json!({"params": {"a/b": ["x", 1]}}),
                "params.a/b[1]: invalid type: integer `1`, expected a string",
            ),
            (
                json!({"targetPort": 80.5}),
                "targetPort: a whole number or text is expected",
            ),
            (
                json!({"relabelings": [null]}),
                "relabelings[0]: invalid type: null",
            ),
        ] {
            let object = json!({"spec": {"endpoints": [{}, endpoint]}});
            let error = decode::<ServiceMonitor>(object).unwrap_err();
            let want = format!("spec.endpoints[1].{want}");
            assert!(error.starts_with(&want), "{error}");
        }
    }
}

//! EndpointSlice of `discovery.k8s.io/v1`.

use super::core::ObjectReference;
use super::meta::{ObjectMeta, null_as_default};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A part of a service's endpoints.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// The endpoints.
    #[serde(deserialize_with = "null_as_default")]
    pub endpoints: Vec<Endpoint>,
    /// Ports of all endpoints.
    #[serde(deserialize_with = "null_as_default")]
    pub ports: Vec<EndpointPort>,
}

/// One endpoint of a slice.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// Addresses, all of the same thing.
    #[serde(deserialize_with = "null_as_default")]
    pub addresses: Vec<String>,
    /// Conditions.
    pub conditions: EndpointConditions,
    /// Host name.
    pub hostname: Option<String>,
    /// What it is an endpoint of.
    pub target_ref: Option<ObjectReference>,
    /// Left over from v1beta1.
    #[serde(deserialize_with = "null_as_default")]
    pub deprecated_topology: BTreeMap<String, String>,
    /// The node it is on.
    pub node_name: Option<String>,
    /// The zone it is in.
    pub zone: Option<String>,
}

/// Conditions of an endpoint; unknown ones are absent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EndpointConditions {
    /// Ready for traffic.
    pub ready: Option<bool>,
    /// Ready, whether terminating or not.
    pub serving: Option<bool>,
    /// About to end.
    pub terminating: Option<bool>,
}

/// A port of a slice.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointPort {
    /// Name.
    pub name: Option<String>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Option<String>,
    /// Number; absent means all ports.
    pub port: Option<i32>,
    /// Protocol above it, such as `http`.
    pub app_protocol: Option<String>,
}

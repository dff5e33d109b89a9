//! Ingress of `networking.k8s.io/v1`.

use super::meta::{ObjectMeta, null_as_default};
use serde::Deserialize;

/// An ingress.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ingress {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec`.
    pub spec: IngressSpec,
}

/// `spec` of an ingress.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressSpec {
    /// The class.
    pub ingress_class_name: Option<String>,
    /// Hosts with certificates.
    #[serde(deserialize_with = "null_as_default")]
    pub tls: Vec<IngressTls>,
    /// Rules by host.
    #[serde(deserialize_with = "null_as_default")]
    pub rules: Vec<IngressRule>,
}

/// Hosts that share a certificate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IngressTls {
    /// The hosts; the first part may be `*`.
    #[serde(deserialize_with = "null_as_default")]
    pub hosts: Vec<String>,
}

/// One rule of an ingress.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IngressRule {
    /// The host.
    pub host: String,
    /// Its paths; absent means all.
    pub http: Option<HttpIngress>,
}

/// `http` of a rule.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpIngress {
    /// The paths.
    #[serde(deserialize_with = "null_as_default")]
    pub paths: Vec<HttpIngressPath>,
}

/// One path of a rule.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpIngressPath {
    /// The path.
    pub path: String,
}

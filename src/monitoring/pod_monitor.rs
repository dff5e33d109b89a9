//! `PodMonitor`.

use super::common::{
    AttachMetadata, Authorization, BasicAuth, IntOrString, KeySelector, NamespaceSelector, OAuth2,
    Proxy, Relabeling, Tls, without_credentials_file, without_files,
};
use super::quantity::Quantity;
use crate::kube::types::meta::{ObjectMeta, SelectorSpec};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Selects Pods, which are scraped.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodMonitor {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What it asks for.
    pub spec: PodMonitorSpec,
}

/// `spec` of a [`PodMonitor`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMonitorSpec {
    /// The Pod's label that gives the `job` label.
    pub job_label: String,
    /// Labels of the Pod copied to the target.
    pub pod_target_labels: Vec<String>,
    /// One job each.
    pub pod_metrics_endpoints: Vec<PodMetricsEndpoint>,
    /// Selects Pods.
    pub selector: SelectorSpec,
    /// `RelabelConfig` or `RoleSelector`.
    pub selector_mechanism: Option<String>,
    /// Where Pods are looked for.
    pub namespace_selector: NamespaceSelector,
    /// `sample_limit`.
    pub sample_limit: Option<i64>,
    /// `target_limit`.
    pub target_limit: Option<i64>,
    /// `scrape_protocols`.
    pub scrape_protocols: Vec<String>,
    /// `fallback_scrape_protocol`.
    pub fallback_scrape_protocol: Option<String>,
    /// `label_limit`.
    pub label_limit: Option<i64>,
    /// `label_name_length_limit`.
    pub label_name_length_limit: Option<i64>,
    /// `label_value_length_limit`.
    pub label_value_length_limit: Option<i64>,
    /// `scrape_native_histograms`.
    pub scrape_native_histograms: Option<bool>,
    /// `always_scrape_classic_histograms`.
    pub scrape_classic_histograms: Option<bool>,
    /// `native_histogram_bucket_limit`.
    pub native_histogram_bucket_limit: Option<i64>,
    /// `native_histogram_min_bucket_factor`.
    pub native_histogram_min_bucket_factor: Option<Quantity>,
    /// `convert_classic_histograms_to_nhcb`.
    #[serde(rename = "convertClassicHistogramsToNHCB")]
    pub convert_classic_histograms_to_nhcb: Option<bool>,
    /// `keep_dropped_targets`.
    pub keep_dropped_targets: Option<i64>,
    /// Metadata discovery attaches.
    pub attach_metadata: Option<AttachMetadata>,
    /// The scrape class.
    #[serde(rename = "scrapeClass")]
    pub scrape_class: Option<String>,
    /// `body_size_limit`.
    pub body_size_limit: String,
}

/// One entry of `podMetricsEndpoints`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMetricsEndpoint {
    /// Name of the container's port.
    pub port: Option<String>,
    /// Number of the container's port.
    pub port_number: Option<i32>,
    /// Number or name of the container's port; deprecated.
    pub target_port: Option<IntOrString>,
    /// `metrics_path`.
    pub path: String,
    /// `scheme`.
    pub scheme: Option<String>,
    /// `params`.
    pub params: Option<BTreeMap<String, Vec<String>>>,
    /// `scrape_interval`.
    pub interval: String,
    /// `scrape_timeout`.
    pub scrape_timeout: String,
    /// `honor_labels`.
    pub honor_labels: bool,
    /// `honor_timestamps`.
    pub honor_timestamps: Option<bool>,
    /// `track_timestamps_staleness`.
    pub track_timestamps_staleness: Option<bool>,
    /// Rules for samples.
    pub metric_relabelings: Vec<Relabeling>,
    /// Rules for targets.
    pub relabelings: Vec<Relabeling>,
    /// Whether finished Pods are left out; yes if unset.
    pub filter_running: Option<bool>,
    /// A bearer token.
    pub bearer_token_secret: Option<KeySelector>,
    /// The Authorization header.
    #[serde(deserialize_with = "without_credentials_file")]
    pub authorization: Option<Authorization>,
    /// User name and password.
    pub basic_auth: Option<BasicAuth>,
    /// Tokens by OAuth2.
    pub oauth2: Option<OAuth2>,
    /// TLS, without file fields.
    #[serde(deserialize_with = "without_files")]
    pub tls_config: Option<Tls>,
    /// `follow_redirects`.
    pub follow_redirects: Option<bool>,
    /// `enable_http2`.
    #[serde(rename = "enableHttp2")]
    pub enable_http2: Option<bool>,
    /// The proxy.
    #[serde(flatten)]
    pub proxy: Proxy,
}

//! The fields of `spec` of a `Prometheus` or `PrometheusAgent` object that are honoured.

use super::types::Error;
use crate::kube::types::meta::SelectorSpec;
use crate::monitoring::{
    AttachMetadata, Authorization, BasicAuth, KeySelector, Proxy, Relabeling, Tls,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The fields of `spec` that are honoured.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The Prometheus version to generate for; the newest if unset.
    pub version: Option<String>,
    /// Which ServiceMonitors; unset selects none.
    pub service_monitor_selector: Option<SelectorSpec>,
    /// Of which namespaces; unset means the own one.
    pub service_monitor_namespace_selector: Option<SelectorSpec>,
    /// Which PodMonitors; unset selects none.
    pub pod_monitor_selector: Option<SelectorSpec>,
    /// Of which namespaces; unset means the own one.
    pub pod_monitor_namespace_selector: Option<SelectorSpec>,
    /// Only looked at to know whether a server is managed at all.
    pub probe_selector: Option<SelectorSpec>,
    /// Only looked at to know whether a server is managed at all.
    pub scrape_config_selector: Option<SelectorSpec>,
    /// `global.scrape_interval`; `30s` if unset.
    pub scrape_interval: Option<String>,
    /// `global.scrape_timeout`.
    pub scrape_timeout: String,
    /// `global.scrape_protocols`.
    pub scrape_protocols: Vec<String>,
    /// `global.external_labels`.
    pub external_labels: BTreeMap<String, String>,
    /// Name of the external label with namespace and name; empty: no such label.
    pub prometheus_external_label_name: Option<String>,
    /// Name of the external label with the pod's name; empty: no such label.
    pub replica_external_label_name: Option<String>,
    /// Label that every target and sample gets with the monitor's namespace.
    pub enforced_namespace_label: String,
    /// Monitors whose targets do not get it.
    pub excluded_from_enforcement: Vec<ObjectReference>,
    /// Upper bound of `sampleLimit`.
    pub enforced_sample_limit: Option<i64>,
    /// Upper bound of `targetLimit`.
    pub enforced_target_limit: Option<i64>,
    /// Upper bound of `labelLimit`.
    pub enforced_label_limit: Option<i64>,
    /// Upper bound of `labelNameLengthLimit`.
    pub enforced_label_name_length_limit: Option<i64>,
    /// Upper bound of `labelValueLengthLimit`.
    pub enforced_label_value_length_limit: Option<i64>,
    /// Upper bound of `keepDroppedTargets`.
    pub enforced_keep_dropped_targets: Option<i64>,
    /// Upper bound of `bodySizeLimit`.
    pub enforced_body_size_limit: String,
    /// `global.sample_limit`.
    pub sample_limit: Option<i64>,
    /// `global.target_limit`.
    pub target_limit: Option<i64>,
    /// `global.label_limit`.
    pub label_limit: Option<i64>,
    /// `global.label_name_length_limit`.
    pub label_name_length_limit: Option<i64>,
    /// `global.label_value_length_limit`.
    pub label_value_length_limit: Option<i64>,
    /// `global.keep_dropped_targets`.
    pub keep_dropped_targets: Option<i64>,
    /// `global.body_size_limit`.
    pub body_size_limit: Option<String>,
    /// No job honours the labels of its samples.
    pub override_honor_labels: bool,
    /// No job honours the timestamps of its samples.
    pub override_honor_timestamps: bool,
    /// Targets are looked for in the monitor's namespace only.
    pub ignore_namespace_selectors: bool,
    /// Whether ServiceMonitors may name files.
    #[serde(rename = "arbitraryFSAccessThroughSMs")]
    pub arbitrary_fs_access_through_sms: ArbitraryFsAccess,
    /// Labels of Pods that every target gets.
    pub pod_target_labels: Vec<String>,
    /// Scrape classes.
    pub scrape_classes: Vec<ScrapeClass>,
    /// `Endpoints` or `EndpointSlice`.
    pub service_discovery_role: Option<String>,
    /// `global.metric_name_validation_scheme`.
    pub name_validation_scheme: Option<String>,
    /// `global.metric_name_escaping_scheme`.
    pub name_escaping_scheme: Option<String>,
    /// `global.convert_classic_histograms_to_nhcb`.
    #[serde(rename = "convertClassicHistogramsToNHCB")]
    pub convert_classic_histograms_to_nhcb: Option<bool>,
    /// `global.always_scrape_classic_histograms`.
    pub scrape_classic_histograms: Option<bool>,
    /// `global.scrape_native_histograms`.
    pub scrape_native_histograms: Option<bool>,
    /// `global.scrape_failure_log_file`.
    pub scrape_failure_log_file: Option<String>,
    /// Into how many shards targets are divided; 1 if unset.
    pub shards: Option<i32>,
    /// How.
    pub sharding_strategy: Option<ShardingStrategy>,
    /// Agents: `StatefulSet` or `DaemonSet`.
    pub mode: Option<String>,
    /// Key of a Secret with further scrape configurations.
    pub additional_scrape_configs: Option<KeySelector>,
    /// How discovery reaches the API server; unset: in-cluster.
    pub apiserver_config: Option<ApiServer>,
    /// Servers: `global.evaluation_interval`; `30s` if unset. Rules are not evaluated here.
    pub evaluation_interval: Option<String>,
    /// Servers: `global.rule_query_offset`, written only.
    pub rule_query_offset: Option<String>,
    /// Servers: `global.query_log_file`, written only.
    pub query_log_file: String,
    /// Servers: `storage`, written only.
    pub retention: String,
    /// Servers: `storage`, written only.
    pub retention_size: String,
}

impl Spec {
    /// `scrapeInterval`, or the definition's default.
    pub fn scrape_interval(&self) -> &str {
        self.scrape_interval.as_deref().unwrap_or("30s")
    }

    /// `evaluationInterval`, or the definition's default.
    pub fn evaluation_interval(&self) -> &str {
        self.evaluation_interval.as_deref().unwrap_or("30s")
    }

    /// `shards`, at least 1.
    pub fn shards(&self) -> u32 {
        u32::try_from(self.shards.unwrap_or(1)).unwrap_or(1).max(1)
    }
}

/// One entry of `excludedFromEnforcement`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ObjectReference {
    /// Group; `monitoring.coreos.com` if empty.
    pub group: String,
    /// `servicemonitors`, `podmonitors`, …
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Name; all of the namespace if empty.
    pub name: String,
}

/// `arbitraryFSAccessThroughSMs`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ArbitraryFsAccess {
    /// ServiceMonitors that name files are rejected.
    pub deny: bool,
}

/// One entry of `scrapeClasses`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScrapeClass {
    /// Name.
    pub name: String,
    /// Whether monitors that name no class have this one.
    pub default: Option<bool>,
    /// For monitors without their own.
    pub fallback_scrape_protocol: Option<String>,
    /// For endpoints without their own.
    pub tls_config: Option<Tls>,
    /// For endpoints without their own.
    pub authorization: Option<Authorization>,
    /// Before the endpoint's own.
    pub relabelings: Vec<Relabeling>,
    /// Before the endpoint's own.
    pub metric_relabelings: Vec<Relabeling>,
    /// For monitors without their own.
    pub attach_metadata: Option<AttachMetadata>,
}

/// `shardingStrategy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ShardingStrategy {
    /// `Address` or `Topology`.
    pub mode: Option<String>,
    /// For `Topology`.
    pub topology: Option<Topology>,
}

/// `shardingStrategy.topology`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Topology {
    /// Name of the external label with the zone; empty: no such label.
    pub external_label_name: Option<String>,
    /// The zones.
    pub values: Vec<String>,
}

/// `apiserverConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiServer {
    /// Its address.
    pub host: String,
    /// User name and password.
    pub basic_auth: Option<BasicAuth>,
    /// A token.
    pub bearer_token: String,
    /// A file with a token.
    pub bearer_token_file: String,
    /// The Authorization header.
    pub authorization: Option<Authorization>,
    /// TLS.
    pub tls_config: Option<Tls>,
    /// The proxy.
    #[serde(flatten)]
    pub proxy: Proxy,
}

impl ApiServer {
    /// Prometheus takes one kind of credentials (prometheus/common: config/http_config.go, `Validate`).
    pub(super) fn check_credentials(&self) -> Result<(), Error> {
        let given = [
            self.basic_auth.is_some(),
            !self.bearer_token.is_empty(),
            !self.bearer_token_file.is_empty(),
            self.authorization.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(Error::new(
                "apiserverConfig: set only one of basicAuth, bearerToken, bearerTokenFile and authorization",
            ));
        }
        Ok(())
    }
}

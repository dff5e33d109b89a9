//! What a `Prometheus` or `PrometheusAgent` object says about scraping. The names are those of the object's `spec`, so
//! that a settings file, flags and an inherited object mean the same.

use super::Error;
use super::version::{self, Version};
use crate::kube::types::meta::LabelSelector;
use crate::model::size;
use crate::monitoring::{
    self, AttachMetadata, Authorization, BasicAuth, KeySelector, Proxy, Relabeling, Tls,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Everything generation depends on, besides monitors and assets.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which kind of object they stand for.
    pub workload: Workload,
    /// The object's namespace: "own" namespace for selectors, and where the settings' own Secrets are.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Its `spec`.
    pub spec: Spec,
    /// What upstream decides by flags, gates and the cluster's version.
    pub features: Features,
    /// What becomes of `$(SHARD)` and its like.
    pub placeholders: Placeholders,
}

/// Server or agent: they order jobs differently, and a server has sections of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// `Prometheus`
    Prometheus,
    /// `PrometheusAgent`
    PrometheusAgent,
}

impl Default for Settings {
    /// Without any object: every monitor in every namespace, EndpointSlices, no external labels, the newest version.
    fn default() -> Self {
        let everything = Some(LabelSelector::default());
        Self {
            workload: Workload::PrometheusAgent,
            namespace: "monitoring".to_owned(),
            name: "promop".to_owned(),
            spec: Spec {
                service_monitor_selector: everything.clone(),
                service_monitor_namespace_selector: everything.clone(),
                pod_monitor_selector: everything.clone(),
                pod_monitor_namespace_selector: everything,
                service_discovery_role: Some("EndpointSlice".to_owned()),
                prometheus_external_label_name: Some(String::new()),
                replica_external_label_name: Some(String::new()),
                ..Spec::default()
            },
            features: Features::of(Workload::PrometheusAgent, None),
            placeholders: Placeholders::default(),
        }
    }
}

impl Settings {
    /// The settings of [`Settings::default`] with those fields replaced that a settings file names.
    ///
    /// # Errors
    /// A field is unknown or has the wrong type.
    pub fn from_fields(fields: Value) -> Result<Self, Error> {
        let Value::Object(mut fields) = fields else {
            return Err(Error::new("not a map of fields"));
        };
        if let Some(unknown) = fields.keys().find(|field| !is_honoured(field)) {
            return Err(Error::new(format!("unknown field {unknown:?}")));
        }
        let defaults = json!({
            "serviceMonitorSelector": {}, "serviceMonitorNamespaceSelector": {},
            "podMonitorSelector": {}, "podMonitorNamespaceSelector": {},
            "serviceDiscoveryRole": "EndpointSlice",
            "prometheusExternalLabelName": "", "replicaExternalLabelName": "",
        });
        if let Value::Object(defaults) = defaults {
            for (field, value) in defaults {
                fields.entry(field).or_insert(value);
            }
        }
        let spec: Spec = monitoring::decode(Value::Object(fields)).map_err(Error::new)?;
        let features = Features::of(Workload::PrometheusAgent, spec.mode.as_deref());
        Ok(Self {
            spec,
            features,
            ..Self::default()
        })
    }

    /// What a `Prometheus` or `PrometheusAgent` object says, and which of its fields have no counterpart here.
    ///
    /// # Errors
    /// It is neither, or a field has the wrong type.
    pub fn from_prometheus(object: &Value) -> Result<(Self, Vec<NotCarriedOver>), Error> {
        let text = |pointer: &str| {
            let value = object.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let workload = match (text("/apiVersion").as_str(), text("/kind").as_str()) {
            ("monitoring.coreos.com/v1", "Prometheus") => Workload::Prometheus,
            ("monitoring.coreos.com/v1alpha1", "PrometheusAgent") => Workload::PrometheusAgent,
            (version, kind) => {
                return Err(Error::new(format!(
                    "{version} {kind} is neither a Prometheus nor a PrometheusAgent"
                )));
            }
        };
        let spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
        let left = not_carried_over(&spec);
        let spec: Spec = monitoring::decode(spec).map_err(|error| {
            Error::new(format!(
                "{workload} {}: spec: {error}",
                text("/metadata/name")
            ))
        })?;
        let features = Features::of(workload, spec.mode.as_deref());
        let settings = Self {
            workload,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            spec,
            features,
            placeholders: Placeholders::default(),
        };
        Ok((settings, left))
    }

    /// For a receiver: it speaks like the newest Prometheus, so the text is generated for that one. Of an inherited 2.x
    /// version only the default that differs is kept: label and metric names are legacy ones.
    ///
    /// # Errors
    /// The version is none, or a field would spoil jobs of monitors that are not at fault: upstream writes it as it is, and
    /// Prometheus refuses the whole.
    pub fn for_run(mut self) -> Result<Self, Error> {
        let size = &self.spec.enforced_body_size_limit;
        if !size.is_empty()
            && let Err(error) = size::parse(size)
        {
            return Err(Error::new(format!(
                "enforcedBodySizeLimit: {size:?}: {error}"
            )));
        }
        if let Some(server) = &self.spec.apiserver_config {
            server.check_credentials()?;
        }
        if self.version()?.major() == 2 && self.spec.name_validation_scheme.is_none() {
            self.spec.name_validation_scheme = Some("Legacy".to_owned());
        }
        self.spec.version = None;
        Ok(self)
    }

    /// The Prometheus version to generate for.
    ///
    /// # Errors
    /// It is none, or not a supported one.
    pub fn version(&self) -> Result<Version, Error> {
        match self.spec.version.as_deref() {
            None | Some("") => Version::parse(version::NEWEST),
            Some(text) => Version::parse(text),
        }
    }

    /// The zones, if targets are divided by zone.
    pub(super) fn zones(&self) -> Option<&[String]> {
        let strategy = self.spec.sharding_strategy.as_ref()?;
        let topology = strategy.topology.as_ref()?;
        let active = self.features.topology_sharding
            && strategy.mode.as_deref() == Some("Topology")
            && !topology.values.is_empty();
        active.then_some(topology.values.as_slice())
    }

    /// The zone of a shard and its position within it, if targets are divided by zone.
    pub fn zone_of_shard(&self, shard: u32) -> Option<(&str, u32)> {
        let zones = self.zones()?;
        let count = u32::try_from(zones.len()).ok()?;
        let zone = zones.get(usize::try_from(shard % count).ok()?)?;
        (!zone.is_empty()).then_some((zone.as_str(), shard / count))
    }
}

impl Features {
    /// The operator's defaults on Kubernetes 1.35.
    fn of(workload: Workload, mode: Option<&str>) -> Self {
        Self {
            endpoint_slices: true,
            retention_policies: workload == Workload::Prometheus,
            topology_sharding: true,
            pod_topology_labels: true,
            daemon_set: workload == Workload::PrometheusAgent && mode == Some("DaemonSet"),
            inline_tls: false,
            version_checks: true,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prometheus => "Prometheus",
            Self::PrometheusAgent => "PrometheusAgent",
        })
    }
}

/// Upstream's generator options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// The cluster has EndpointSlices (Kubernetes 1.21).
    pub endpoint_slices: bool,
    /// Feature gate `PrometheusShardRetentionPolicy`, servers only: two more rules in every job.
    pub retention_policies: bool,
    /// Feature gate `PrometheusTopologySharding`.
    pub topology_sharding: bool,
    /// Pods have topology labels (Kubernetes 1.35).
    pub pod_topology_labels: bool,
    /// An agent in `DaemonSet` mode.
    pub daemon_set: bool,
    /// Certificates and keys as text instead of as files.
    pub inline_tls: bool,
    /// Keys are left out where the version does not know them.
    pub version_checks: bool,
}

/// What is written where upstream writes a variable for its config-reloader to replace. Only what the generator itself
/// wrote is meant: a monitor's string that looks alike stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placeholders {
    values: BTreeMap<String, String>,
}

impl Placeholders {
    /// Values by name, such as `SHARD`; a name without one is written as `$(NAME)`.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }

    /// What stands for a variable in the text.
    pub(super) fn text(&self, name: &str) -> String {
        self.values
            .get(name)
            .cloned()
            .unwrap_or_else(|| format!("$({name})"))
    }
}

/// The fields of `spec` that are honoured.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The Prometheus version to generate for; the newest if unset.
    pub version: Option<String>,
    /// Which ServiceMonitors; unset selects none.
    pub service_monitor_selector: Option<LabelSelector>,
    /// Of which namespaces; unset means the own one.
    pub service_monitor_namespace_selector: Option<LabelSelector>,
    /// Which PodMonitors; unset selects none.
    pub pod_monitor_selector: Option<LabelSelector>,
    /// Of which namespaces; unset means the own one.
    pub pod_monitor_namespace_selector: Option<LabelSelector>,
    /// Only looked at to know whether a server is managed at all.
    pub probe_selector: Option<LabelSelector>,
    /// Only looked at to know whether a server is managed at all.
    pub scrape_config_selector: Option<LabelSelector>,
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
    fn check_credentials(&self) -> Result<(), Error> {
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

/// A field of an inherited object that has no counterpart here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCarriedOver {
    /// Its name below `spec`.
    pub field: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl fmt::Display for NotCarriedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spec.{}: {}", self.field, self.advice)
    }
}

/// The fields of [`Spec`], by their names in the object.
const HONOURED: &[&str] = &[
    "version",
    "serviceMonitorSelector",
    "serviceMonitorNamespaceSelector",
    "podMonitorSelector",
    "podMonitorNamespaceSelector",
    "scrapeInterval",
    "scrapeTimeout",
    "scrapeProtocols",
    "externalLabels",
    "prometheusExternalLabelName",
    "replicaExternalLabelName",
    "enforcedNamespaceLabel",
    "excludedFromEnforcement",
    "enforcedSampleLimit",
    "enforcedTargetLimit",
    "enforcedLabelLimit",
    "enforcedLabelNameLengthLimit",
    "enforcedLabelValueLengthLimit",
    "enforcedKeepDroppedTargets",
    "enforcedBodySizeLimit",
    "sampleLimit",
    "targetLimit",
    "labelLimit",
    "labelNameLengthLimit",
    "labelValueLengthLimit",
    "keepDroppedTargets",
    "bodySizeLimit",
    "overrideHonorLabels",
    "overrideHonorTimestamps",
    "ignoreNamespaceSelectors",
    "arbitraryFSAccessThroughSMs",
    "podTargetLabels",
    "scrapeClasses",
    "serviceDiscoveryRole",
    "nameValidationScheme",
    "nameEscapingScheme",
    "convertClassicHistogramsToNHCB",
    "scrapeClassicHistograms",
    "scrapeNativeHistograms",
    "scrapeFailureLogFile",
    "shards",
    "shardingStrategy",
    "mode",
    "additionalScrapeConfigs",
    "apiserverConfig",
    "evaluationInterval",
    "ruleQueryOffset",
    "queryLogFile",
    "retention",
    "retentionSize",
];

/// Fields that shape what is scraped or what arrives, or what people expect of the object, with what to do instead.
const NOT_CARRIED_OVER: &[(&str, &str)] = &[
    ("probeSelector", "Probe objects are not read"),
    ("probeNamespaceSelector", "Probe objects are not read"),
    (
        "scrapeConfigSelector",
        "ScrapeConfig objects are not read; use additionalScrapeConfigs",
    ),
    (
        "scrapeConfigNamespaceSelector",
        "ScrapeConfig objects are not read; use additionalScrapeConfigs",
    ),
    (
        "ruleSelector",
        "rules are not evaluated; let the backend do it",
    ),
    (
        "ruleNamespaceSelector",
        "rules are not evaluated; let the backend do it",
    ),
    ("alerting", "alerts are not sent; let the backend do it"),
    (
        "additionalAlertManagerConfigs",
        "alerts are not sent; let the backend do it",
    ),
    (
        "additionalAlertRelabelConfigs",
        "alerts are not sent; let the backend do it",
    ),
    ("remoteWrite", "configure an exporter instead"),
    ("remoteRead", "nothing is stored here; query the backend"),
    ("otlp", "nothing is received here"),
    ("tracingConfig", "no traces are sent"),
    (
        "thanos",
        "nothing is stored here; configure an exporter instead",
    ),
    ("tsdb", "nothing is stored here"),
    (
        "exemplars",
        "nothing is stored here; exemplars are handed on",
    ),
    ("runtime", "the Go runtime's settings have no meaning here"),
    (
        "enableFeatures",
        "use the receiver's own settings of the same meaning",
    ),
    (
        "additionalArgs",
        "use the receiver's own flags of the same meaning",
    ),
    (
        "secrets",
        "mount those that monitors name as files at /etc/prometheus/secrets",
    ),
    (
        "configMaps",
        "mount those that monitors name as files at /etc/prometheus/configmaps",
    ),
    (
        "volumes",
        "mount files that monitors name at the same paths",
    ),
    (
        "volumeMounts",
        "mount files that monitors name at the same paths",
    ),
    (
        "containers",
        "set the variables that they set, such as HTTP_PROXY, on the receiver",
    ),
    (
        "initContainers",
        "do on the receiver's pod what they do, if scraping needs it",
    ),
    (
        "serviceAccountName",
        "give the receiver's own service account the same rights",
    ),
    (
        "hostNetwork",
        "set it on the receiver's pod, if targets need it",
    ),
    (
        "hostAliases",
        "set it on the receiver's pod, if targets need it",
    ),
    (
        "dnsPolicy",
        "set it on the receiver's pod, if targets need it",
    ),
    (
        "dnsConfig",
        "set it on the receiver's pod, if targets need it",
    ),
    ("shardRetentionPolicy", "nothing is stored here"),
];

fn is_honoured(field: &str) -> bool {
    HONOURED.contains(&field)
}

/// What concerns only upstream's pod (image, resources, storage, web, probes, scheduling, …) is not worth a word.
fn not_carried_over(spec: &Value) -> Vec<NotCarriedOver> {
    let fields = spec.as_object().into_iter().flatten();
    let set = fields.filter(|(_, value)| !value.is_null());
    set.filter_map(|(field, _)| {
        let (_, advice) = NOT_CARRIED_OVER.iter().find(|(name, _)| name == field)?;
        Some(NotCarriedOver {
            field: field.clone(),
            advice,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_settings_file_go_over_the_defaults() {
        let settings =
            Settings::from_fields(json!({"scrapeInterval": "10s", "shards": 3})).unwrap();
        let mut want = Settings::default();
        want.spec.scrape_interval = Some("10s".to_owned());
        want.spec.shards = Some(3);
        assert_eq!(settings, want);
        assert!(Settings::from_fields(json!({"scrapeIntervall": "10s"})).is_err());
        assert!(Settings::from_fields(json!({"shards": "3"})).is_err());
    }

    #[test]
    fn every_honoured_field_is_read() {
        // A field that is not read would accept any type.
        for field in HONOURED {
            let broken = json!({ *field: [[[]]] });
            assert!(Settings::from_fields(broken).is_err(), "{field}");
        }
    }

    #[test]
    fn an_inherited_object_lists_what_is_left_behind() {
        let object = json!({
            "apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus",
            "metadata": {"namespace": "m", "name": "k8s"},
            "spec": {"version": "2.55.0", "image": "x", "remoteWrite": [], "ruleSelector": {}, "shards": null},
        });
        let (settings, left) = Settings::from_prometheus(&object).unwrap();
        let fields: Vec<_> = left.iter().map(|l| l.field.as_str()).collect();
        assert_eq!(fields, ["remoteWrite", "ruleSelector"]);
        assert_eq!(settings.spec.service_monitor_selector, None);
        assert!(settings.features.retention_policies);
        let settings = settings.for_run().unwrap();
        assert_eq!(settings.spec.version, None);
        assert_eq!(
            settings.spec.name_validation_scheme.as_deref(),
            Some("Legacy")
        );
    }

    #[test]
    fn what_would_spoil_every_job_is_an_error_of_the_settings() {
        let check = |fields: Value, want: Option<&str>| {
            let run = Settings::from_fields(fields).unwrap().for_run();
            let error = run.err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), want);
        };
        check(json!({"enforcedBodySizeLimit": "10MB"}), None);
        check(
            json!({"enforcedBodySizeLimit": "x1B"}),
            Some(
                "enforcedBodySizeLimit: \"x1B\": not a valid size (want for example 10MB or 512KiB)",
            ),
        );
        check(
            json!({"apiserverConfig": {"host": "h", "bearerToken": "t"}}),
            None,
        );
        check(
            json!({"apiserverConfig": {"host": "h", "bearerToken": "t", "authorization": {}}}),
            Some(
                "apiserverConfig: set only one of basicAuth, bearerToken, bearerTokenFile and authorization",
            ),
        );
    }
}

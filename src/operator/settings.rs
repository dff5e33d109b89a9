//! What a `Prometheus` or `PrometheusAgent` object says about scraping. The names are those of the object's `spec`, so
//! that a settings file, flags and an inherited object mean the same.

use super::Error;
use super::carried_over::{HONOURED, NotCarriedOver, is_honoured, not_carried_over};
use super::check::check;
use super::spec::Spec;
use super::version::{self, Version};
use crate::kube::types::meta::SelectorSpec;
use crate::model::nearest::nearest;
use crate::model::quote::quoted;
use crate::model::size;
use crate::monitoring;
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
    /// Most bytes of text for one monitor; a larger one is rejected. Upstream has no bound.
    pub max_monitor_bytes: usize,
}

/// The default of [`Settings::max_monitor_bytes`].
pub const MAX_MONITOR_BYTES: usize = 16 << 20;

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
        let everything = Some(SelectorSpec::default());
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
            max_monitor_bytes: MAX_MONITOR_BYTES,
        }
    }
}

impl Settings {
    /// The settings of [`Settings::default`] with those fields replaced that a settings file names.
    ///
    /// # Errors
    /// A field is unknown, has the wrong type, or a value that it cannot have. Begins with the field's path.
    pub fn from_fields(fields: Value) -> Result<Self, Error> {
        let Value::Object(mut fields) = fields else {
            return Err(Error::new("a map of fields is expected"));
        };
        if let Some(unknown) = fields.keys().find(|field| !is_honoured(field)) {
            let meant = nearest(unknown, HONOURED.iter().copied());
            let meant = meant.map(|meant| format!("; did you mean {meant}?"));
            let meant = meant.unwrap_or_default();
            return Err(Error::new(format!("{unknown}: unknown field{meant}")));
        }
        let negative = fields
            .iter()
            .find(|(_, value)| value.as_i64() < Some(0) && value.is_i64());
        if let Some((field, value)) = negative {
            let error = format!("{field}: {value}: a number from 0 is expected");
            return Err(Error::new(error));
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
        let fields = Value::Object(fields);
        let spec: Spec = monitoring::decode(fields.clone()).map_err(Error::new)?;
        if let Some(unknown) = monitoring::unread::<Spec>(&fields) {
            return Err(Error::new(format!("{unknown}: unknown field")));
        }
        check(&spec)?;
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
            max_monitor_bytes: MAX_MONITOR_BYTES,
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
                "enforcedBodySizeLimit: {size}: {error}",
                size = quoted(size)
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
    fn mistakes_are_named_with_their_place() {
        for (fields, want) in [
            (
                json!({"scrapeIntervall": "1s"}),
                "scrapeIntervall: unknown field; did you mean scrapeInterval?",
            ),
            (
                json!({"scrapeInterval": "3x"}),
                "scrapeInterval: \"3x\": a duration such as 30s or 1m30s is expected",
            ),
            (
                json!({"scrapeInterval": "3s", "scrapeTimeout": "4s"}),
                "scrapeTimeout: \"4s\": longer than the scrapeInterval 3s",
            ),
            (
                json!({"scrapeInterval": 3}),
                "scrapeInterval: invalid type: integer `3`, expected a string",
            ),
            (
                json!({"bodySizeLimit": "10 apples"}),
                "bodySizeLimit: \"10 apples\": a size such as 10MB or 512KiB is expected",
            ),
            (
                json!({"sampleLimit": -1}),
                "sampleLimit: -1: a number from 0 is expected",
            ),
            (
                json!({"serviceDiscoveryRole": "Endpoint"}),
                "serviceDiscoveryRole: \"Endpoint\": one of Endpoints, EndpointSlice is expected",
            ),
            (
                json!({"scrapeClasses": [{"name": "a"}, {"nam": "b"}]}),
                "scrapeClasses[1].nam: unknown field",
            ),
            (
                json!({"podMonitorSelector": {"matchLabel": {"a": "b"}}}),
                "podMonitorSelector.matchLabel: unknown field",
            ),
            (
                json!({"scrapeProtocols": ["PrometheusText0.0.4", "x"]}),
                "scrapeProtocols[1]: \"x\": one of",
            ),
            (
                json!({"podMonitorSelector": {"matchExpressions": [{"key": "a", "operator": "in"}]}}),
                "podMonitorSelector: \"in\" is not a valid label selector operator",
            ),
        ] {
            let error = Settings::from_fields(fields).unwrap_err().to_string();
            assert!(error.starts_with(want), "{error}");
        }
        let fine = json!({
            "externalLabels": {"a": "b"}, "podMonitorSelector": {"matchLabels": {"x/y": "b"}},
            "scrapeTimeout": null, "scrapeClasses": [{"name": "a", "relabelings": [{"action": "drop"}]}],
            "apiserverConfig": {"host": "h", "proxyUrl": "http://p"},
        });
        Settings::from_fields(fine).unwrap();
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
            "spec": {"version": "2.55.0", "image": "x", "remoteWrite": [{}], "ruleSelector": {"a": {}}, "ruleNamespaceSelector": {}, "shards": null},
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
            let run = Settings::from_fields(fields).and_then(Settings::for_run);
            let error = run.err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), want);
        };
        check(json!({"enforcedBodySizeLimit": "10MB"}), None);
        check(
            json!({"enforcedBodySizeLimit": "x1B"}),
            Some("enforcedBodySizeLimit: \"x1B\": a size such as 10MB or 512KiB is expected"),
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

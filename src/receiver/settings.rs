//! Our knobs, as they are given; what they mean here is found in [`super::resolved`]. `Settings` is ours, `Config` is always a
//! Prometheus configuration.

use super::error::{Error, ErrorKind};
use super::vetting;
use crate::kube::decode::wording;
use crate::model::bounds::Bounds;
use crate::model::nearest::nearest;
use crate::monitoring;
use crate::operator::{self, NotCarriedOver, Workload};
use crate::pipeline::PipelineSettings;
use crate::scrape::pool::PoolSettings;
use crate::wire::yaml;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Everything that can be set. The default needs no cluster-side preparation but read access:
/// the cluster is found as `kubectl` finds it, and every monitor in it is selected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Where monitors, services and pods come from.
    pub source: Source,
    /// Namespaces that are looked at; empty: all. `own` stands for the namespace of the pod.
    pub namespaces: Vec<String>,
    /// Namespaces that are not looked at; `own` likewise.
    pub deny_namespaces: Vec<String>,
    /// Fields of a Prometheus object's `spec`: selectors, intervals, limits, external labels, … They replace the defaults, or
    /// those of the inherited object.
    #[serde(skip)]
    pub prometheus: Map<String, Value>,
    /// The object whose `spec` takes the place of the defaults of `prometheus`. It is watched.
    pub inherit: Option<Inherit>,
    /// Which shard's targets are scraped; none: the number at the end of the pod's name, or the first one.
    pub shard: Option<u32>,
    /// A file with a YAML list of Prometheus scrape configs, as the operator's `additionalScrapeConfigs`.
    pub additional_scrape_configs: Option<PathBuf>,
    /// Further folders in which monitors may name files (`bearerTokenFile`, `tlsConfig.caFile`, …), beside the service
    /// account's and those that prometheus-operator mounts; `any`: every file.
    pub monitor_files: Vec<String>,
    /// Where the admin server listens; none: no server.
    pub web_listen_address: Option<SocketAddr>,
    /// How long queues may drain at the end.
    #[serde(deserialize_with = "duration")]
    pub shutdown_timeout: Duration,
    /// How long the last good version of a monitor that became invalid is kept; 0: not at all, as upstream.
    #[serde(deserialize_with = "duration")]
    pub last_good_max_age: Duration,
    /// How often referenced Secrets and ConfigMaps are read again: the bound within which a rotation is seen.
    #[serde(deserialize_with = "duration")]
    pub asset_refresh: Duration,
    /// Whether Kubernetes Events are written on rejected monitors.
    pub events: bool,
    /// Most scrape threads.
    pub max_workers: usize,
    /// Most bytes that wait for one exporter; beyond it the oldest are dropped.
    pub queue_bytes: usize,
    /// Shortest time between two scrapes of a target; a monitor or target that asks for less is rejected.
    #[serde(deserialize_with = "duration")]
    pub min_scrape_interval: Duration,
    /// Most bytes of a page, inflated, whatever `bodySizeLimit` says.
    pub max_page_bytes: u64,
    /// Most bytes of a label's name or value.
    pub max_label_bytes: usize,
    /// Most bytes of all labels of a series, or of a target.
    pub max_labels_bytes: usize,
    /// Most attributes from a row of `target_info`, and most labels of an exemplar.
    pub max_attributes: usize,
    /// Most bytes of the configuration that is generated for one monitor; a larger one is rejected.
    pub max_monitor_bytes: usize,
}

/// Where monitors, services and pods come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The cluster: the service account in a pod, else a kubeconfig.
    #[default]
    Cluster,
    /// The cluster of a kubeconfig.
    Kubeconfig {
        /// Its path; none: `$KUBECONFIG`, then `~/.kube/config`.
        path: Option<String>,
        /// The context in it; none: its current one.
        context: Option<String>,
    },
    /// A folder of Kubernetes YAML files plays the API server.
    Folder(PathBuf),
    /// No monitors at all: only additional scrape configs.
    None,
}

/// The object that settings are inherited from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherit {
    /// Its kind.
    pub workload: Workload,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// As flags and the settings file write it.
impl fmt::Display for Inherit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.workload.to_string().to_ascii_lowercase();
        write!(f, "{kind}/{}/{}", self.namespace, self.name)
    }
}

impl FromStr for Inherit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is neither prometheus/NAMESPACE/NAME nor prometheusagent/…");
        let mut parts = text.split('/');
        let (Some(kind), Some(namespace), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let workload = match kind.to_ascii_lowercase().as_str() {
            "prometheus" => Workload::Prometheus,
            "prometheusagent" => Workload::PrometheusAgent,
            _ => return Err(wrong()),
        };
        if namespace.is_empty() || name.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            workload,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for Inherit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let bounds = Bounds::default();
        Self {
            source: Source::Cluster,
            namespaces: Vec::new(),
            deny_namespaces: Vec::new(),
            prometheus: Map::new(),
            inherit: None,
            shard: None,
            additional_scrape_configs: None,
            monitor_files: Vec::new(),
            web_listen_address: Some(SocketAddr::from(([127, 0, 0, 1], 9099))),
            shutdown_timeout: Duration::from_secs(10),
            last_good_max_age: Duration::from_secs(3600),
            asset_refresh: Duration::from_secs(60),
            events: false,
            max_workers: PoolSettings::default().max_workers,
            queue_bytes: PipelineSettings::default().queue_bytes,
            min_scrape_interval: bounds.min_interval,
            max_page_bytes: bounds.page,
            max_label_bytes: bounds.label_value,
            max_labels_bytes: bounds.labels,
            max_attributes: bounds.attributes,
            max_monitor_bytes: operator::MAX_MONITOR_BYTES,
        }
    }
}

impl Settings {
    /// Reads settings from YAML; what is not given keeps its default.
    ///
    /// # Errors
    /// The text is no YAML, has an unknown key or a value that is not possible. Names the path of the field.
    pub fn from_yaml(text: &str) -> Result<Self, Error> {
        Self::from_fields(Self::fields_from_yaml(text)?)
    }

    /// The fields of a settings file.
    ///
    /// # Errors
    /// The text is no YAML, or no map.
    pub fn fields_from_yaml(text: &str) -> Result<Map<String, Value>, Error> {
        // By way of JSON, whose enums need no YAML tags.
        match yaml::serde::from_str(text) {
            Ok(Value::Null) => Ok(Map::new()),
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(wrong("a map of fields is expected".to_owned())),
            Err(error) => Err(wrong(format!("not YAML that can be read: {error}"))),
        }
    }

    /// Settings from the fields of a file.
    ///
    /// # Errors
    /// One is unknown, or has a value that is not possible. Names the path of the field.
    pub fn from_fields(mut fields: Map<String, Value>) -> Result<Self, Error> {
        let prometheus = fields.remove("prometheus").filter(|value| !value.is_null());
        // One by one: of several mistakes the first is named.
        for (field, value) in &fields {
            let alone = Value::Object(Map::from_iter([(field.clone(), value.clone())]));
            Self::deserialize(&alone).map_err(|error| {
                let error = in_short(&wording(&error.to_string()));
                let is_readable = |rest: &Value| Self::deserialize(rest).is_ok();
                let path = monitoring::culprit(&alone, &is_readable);
                wrong(format!("{}: {error}", path.as_ref().unwrap_or(field)))
            })?;
        }
        let mut settings = Self::deserialize(&Value::Object(fields))
            .map_err(|error| wrong(in_short(&wording(&error.to_string()))))?;
        if let Some(prometheus) = prometheus {
            operator::Settings::from_fields(prometheus.clone())
                .map_err(|error| wrong(in_prometheus(&error)))?;
            settings.prometheus = prometheus.as_object().cloned().unwrap_or_default();
        }
        Ok(settings)
    }

    /// What a `Prometheus` or `PrometheusAgent` object says, with the fields that are given here in place of its own; and
    /// what of it has no counterpart.
    ///
    /// # Errors
    /// It is neither, or a field has the wrong type.
    pub fn inherited(
        &self,
        mut object: Value,
    ) -> Result<(operator::Settings, Vec<NotCarriedOver>), operator::Error> {
        if let Value::Object(object) = &mut object {
            let spec = object.entry("spec").or_insert(Value::Null);
            let mut fields = spec.as_object().cloned().unwrap_or_default();
            fields.extend(self.prometheus.clone());
            *spec = Value::Object(fields);
        }
        operator::Settings::from_prometheus(&object)
    }

    /// What a target may cost.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            label_value: self.max_label_bytes,
            labels: self.max_labels_bytes,
            attributes: self.max_attributes,
            page: self.max_page_bytes,
            min_interval: self.min_scrape_interval,
        }
    }

    /// What of the settings cannot hold together.
    pub(super) fn contradiction(&self) -> Option<String> {
        if !self.namespaces.is_empty() && !self.deny_namespaces.is_empty() {
            return Some(
                "namespaces and denyNamespaces exclude each other: keep one of them".to_owned(),
            );
        }
        if let Some(wrong) = self.monitor_files.iter().find(|f| !vetting::is_folder(f)) {
            return Some(format!(
                "monitorFiles: {wrong:?} is neither an absolute path nor \"any\""
            ));
        }
        match (&self.source, &self.additional_scrape_configs, &self.inherit) {
            (Source::None, None, _) => Some(
                "without Kubernetes nothing is left to scrape: name --additional-scrape-configs FILE, or set additionalScrapeConfigs".to_owned(),
            ),
            (Source::None, Some(_), Some(inherit)) => {
                Some(format!("without Kubernetes there is no {inherit} to inherit from"))
            }
            _ => None,
        }
    }
}

fn wrong(error: String) -> Error {
    Error::new(ErrorKind::Settings, error)
}

/// The environment of the process, handed in by the program: the library reads none itself.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// From pairs such as those of `std::env::vars()`.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// The value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The operator's settings begin with the path within them, unless they are at fault as a whole.
fn in_prometheus(error: &operator::Error) -> String {
    let text = error.to_string();
    let dot = if text.starts_with("a map") { ": " } else { "." };
    format!("prometheus{dot}{text}")
}

/// serde lists every word that it knows; the one that may be meant is enough.
fn in_short(error: &str) -> String {
    let mut words = error.split('`').skip(1).step_by(2);
    let unknown = ["unknown field `", "unknown variant `"];
    let Some(what) = unknown.iter().find(|what| error.starts_with(**what)) else {
        return error.to_owned();
    };
    let word = words.next().unwrap_or_default();
    let what = what.trim_end_matches(" `");
    let known: Vec<&str> = words.collect();
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("{what}; did you mean {meant}?"),
        None if known.len() < 8 => {
            format!("{what} {word:?}; one of {} is expected", known.join(", "))
        }
        None => what.to_owned(),
    }
}

/// Durations as Prometheus writes them: `1h30m`.
fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    crate::model::duration::parse(&text).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_of_a_settings_file_are_named_with_their_place() {
        for (text, want) in [
            (
                "prometheus: {scrapeIntervall: 1s}",
                "prometheus.scrapeIntervall: unknown field; did you mean scrapeInterval?",
            ),
            (
                "prometheus: {scrapeInterval: 3x}",
                "prometheus.scrapeInterval: \"3x\": a duration",
            ),
            ("prometheus: []", "prometheus: a map of fields is expected"),
            (
                "queueByte: 1",
                "queueByte: unknown field; did you mean queueBytes?",
            ),
            ("frobnicate: 1", "frobnicate: unknown field"),
            (
                "queueBytes: many",
                "queueBytes: invalid type: string \"many\"",
            ),
            (
                "queueBytes: -1\nmaxWorkers: many",
                "maxWorkers: invalid type: string \"many\", expected a whole number from 0",
            ),
            (
                "shutdownTimeout: 3",
                "shutdownTimeout: invalid type: integer `3`",
            ),
            ("source: folder", "source: "),
            (
                "source: {dir: x}",
                "source: unknown variant \"dir\"; one of cluster, kubeconfig, folder, none is expected",
            ),
            ("[a]", "a map of fields is expected"),
            ("a: [", "not YAML that can be read: "),
        ] {
            let error = Settings::from_yaml(text).unwrap_err().to_string();
            let error = error.trim_start_matches("settings: ");
            assert!(error.starts_with(want), "{error}");
        }
        let fine = "webListenAddress: null\nprometheus:\nsource: none\nadditionalScrapeConfigs: a";
        assert_eq!(Settings::from_yaml(fine).unwrap().web_listen_address, None);
    }

    #[track_caller]
    fn check_inherit(text: &str, good: bool) {
        let parsed = text.parse::<Inherit>();
        assert_eq!(parsed.is_ok(), good, "{parsed:?}");
        if let Ok(inherit) = parsed {
            assert_eq!(inherit.to_string(), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn objects_are_named_by_kind_namespace_and_name() {
        check_inherit("prometheus/monitoring/k8s", true);
        check_inherit("PrometheusAgent/monitoring/k8s", true);
        check_inherit("alertmanager/monitoring/main", false);
        check_inherit("prometheus/k8s", false);
        check_inherit("prometheus//k8s", false);
        check_inherit("prometheus/monitoring/k8s/x", false);
    }
}

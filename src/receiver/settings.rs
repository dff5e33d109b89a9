//! Our knobs. `Settings` is ours, `Config` is always a Prometheus configuration.

use super::error::{Error, ErrorKind};
use super::inherit::Inherit;
use super::{pod, vetting};
use crate::model::bounds::Bounds;
use crate::model::nearest::nearest;
use crate::monitoring;
use crate::operator::{self, NotCarriedOver};
use crate::wire::yaml;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set. The default needs no cluster-side preparation but read access:
/// the cluster is found as `kubectl` finds it, and every monitor in it is selected.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Where monitors, services and pods come from.
    pub source: Source,
    /// Namespaces that are looked at; empty: all. `own` stands for the namespace of the pod.
    pub namespaces: Vec<String>,
    /// Namespaces that are not looked at.
    pub deny_namespaces: Vec<String>,
    /// What the `spec` of a Prometheus object would say: selectors, intervals, limits, external labels, …
    #[serde(skip)]
    pub prometheus: operator::Settings,
    /// The object whose `spec` takes the place of the defaults of `prometheus`. It is watched.
    pub inherit: Option<Inherit>,
    /// The fields that are said in `prometheus`, as they were said: they replace those of the inherited object.
    #[serde(skip)]
    pub(crate) said: Map<String, Value>,
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

impl Default for Settings {
    fn default() -> Self {
        let bounds = Bounds::default();
        Self {
            source: Source::Cluster,
            namespaces: Vec::new(),
            deny_namespaces: Vec::new(),
            prometheus: operator::Settings::default(),
            inherit: None,
            said: Map::new(),
            shard: None,
            additional_scrape_configs: None,
            monitor_files: Vec::new(),
            web_listen_address: Some(SocketAddr::from(([127, 0, 0, 1], 9099))),
            shutdown_timeout: Duration::from_secs(10),
            last_good_max_age: Duration::from_secs(3600),
            asset_refresh: Duration::from_secs(60),
            events: false,
            max_workers: 1024,
            queue_bytes: 64 << 20,
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
    /// Reads settings from YAML; what is not said keeps its default.
    ///
    /// # Errors
    /// The text is no YAML, has an unknown key or a value that is not possible. Names the path of the field.
    pub fn from_yaml(text: &str) -> Result<Self, Error> {
        // By way of JSON, whose enums need no YAML tags.
        let wrong = |error: String| Error::new(ErrorKind::Settings, error);
        let value: Value = yaml::serde::from_str(text)
            .map_err(|error| wrong(format!("not YAML that can be read: {error}")))?;
        let mut value = if value.is_null() { json!({}) } else { value };
        let Some(fields) = value.as_object_mut() else {
            return Err(wrong("a map of fields is expected".to_owned()));
        };
        let said = fields.remove("prometheus").filter(|said| !said.is_null());
        let mut settings = Self::deserialize(&value).map_err(|error| {
            let error = in_short(&error.to_string());
            wrong(
                match monitoring::culprit(&value, &|rest| Self::deserialize(rest).is_ok()) {
                    Some(path) => format!("{path}: {error}"),
                    None => error,
                },
            )
        })?;
        if let Some(said) = said {
            settings.prometheus = operator::Settings::from_fields(said.clone())
                .map_err(|error| wrong(in_prometheus(&error)))?;
            settings.said = said.as_object().cloned().unwrap_or_default();
        }
        settings.checked()
    }

    /// Says a field of `prometheus`.
    ///
    /// # Errors
    /// It is unknown, or has the wrong type.
    pub fn say(&mut self, field: &str, value: Value) -> Result<(), Error> {
        self.said.insert(field.to_owned(), value);
        self.prometheus = operator::Settings::from_fields(Value::Object(self.said.clone()))
            .map_err(|error| Error::new(ErrorKind::Settings, in_prometheus(&error)))?;
        Ok(())
    }

    /// What a `Prometheus` or `PrometheusAgent` object says, with the fields that are said here in place of its own;
    /// and what of it has no counterpart.
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
            fields.extend(self.said.clone());
            *spec = Value::Object(fields);
        }
        operator::Settings::from_prometheus(&object)
    }

    /// The variables that stand in the generated text as `$(NAME)`, for the pod of our shard: that of these settings, else
    /// `SHARD`, else the number in `POD_NAME`. `POD_NAME` and `NODE_NAME` of the environment go over upstream's.
    ///
    /// # Errors
    /// `SHARD` is no number, or there is no such shard.
    pub fn pod_environment(
        &self,
        generator: &operator::Settings,
        environment: &Environment,
    ) -> Result<BTreeMap<String, String>, Error> {
        let shard = pod::shard(self, environment)?;
        if let Some(problem) = pod::shard_problem(generator, shard, environment) {
            return Err(Error::new(ErrorKind::Settings, problem));
        }
        Ok(pod::pod_environment(generator, shard, environment))
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

    /// The settings, unless they contradict each other.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        if !self.namespaces.is_empty() && !self.deny_namespaces.is_empty() {
            let detail = "namespaces and denyNamespaces exclude each other: keep one of them";
            return Err(Error::new(ErrorKind::Settings, detail));
        }
        if let Some(wrong) = self.monitor_files.iter().find(|f| !vetting::is_folder(f)) {
            let detail = format!("monitorFiles: {wrong:?} is neither an absolute path nor \"any\"");
            return Err(Error::new(ErrorKind::Settings, detail));
        }
        if self.source == Source::None && self.additional_scrape_configs.is_none() {
            let detail =
                "without Kubernetes there is nothing to scrape: name additionalScrapeConfigs";
            return Err(Error::new(ErrorKind::Settings, detail));
        }
        if self.source == Source::None
            && let Some(inherit) = &self.inherit
        {
            let detail = format!("without Kubernetes there is no {inherit} to inherit from");
            return Err(Error::new(ErrorKind::Settings, detail));
        }
        Ok(self)
    }
}

/// What the environment of the process says, handed in by the program: the library reads none itself.
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
}

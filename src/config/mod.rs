//! Prometheus configurations: loaded strictly, defaulted and validated as Prometheus does. Text in, values out;
//! referenced files arrive through [`Files`]. Here are the types of what was loaded; [`Loader`] does it: a `Decoder` turns
//! YAML into raw values (`RawJob`, `RawClient`, …), which then inherit from `global` and are validated.

mod client;
mod decode;
mod divide;
mod environment;
mod global;
mod job;
mod limits;
mod loader;
mod paths;
pub mod print;
mod protocol;
mod remote;
mod rules;
mod sd;
mod sections;
mod shared;

pub use limits::Limits;
pub use loader::{Loader, unsupported};
pub use protocol::ScrapeProtocol;

use crate::http;
use crate::model::group::TargetGroup;
use crate::model::labels::{Labels, Text};
use crate::model::name::{EscapingScheme, ValidationScheme};
use crate::model::relabel::RelabelRules;
use crate::rt::files::Files;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a load needs from outside.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Path of the configuration, for relative paths in it and for error texts.
    pub path: &'a str,
    /// Where `scrape_config_files` are read.
    pub files: &'a dyn Files,
    /// Environment variables, for `external_labels`.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A loaded configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `global`.
    pub global: Arc<Global>,
    /// `scrape_config_files`: patterns, seen from where the load took place.
    pub scrape_config_files: Vec<Box<str>>,
    /// The jobs of the document, then those of `scrape_config_files`.
    pub jobs: Vec<Arc<ScrapeConfig>>,
}

/// `global`, as far as scraping goes. 0 and empty mean "not set".
#[derive(Debug, Clone, PartialEq)]
pub struct Global {
    /// `scrape_interval`.
    pub scrape_interval: Duration,
    /// `scrape_timeout`.
    pub scrape_timeout: Duration,
    /// `evaluation_interval`: rules are not evaluated here, but the value is printed.
    pub evaluation_interval: Duration,
    /// `rule_query_offset`: printed only.
    pub rule_query_offset: Option<Duration>,
    /// `query_log_file`: printed only.
    pub query_log_file: Box<str>,
    /// `scrape_protocols`, if set.
    pub scrape_protocols: Option<Vec<ScrapeProtocol>>,
    /// `scrape_failure_log_file`.
    pub scrape_failure_log_file: Box<str>,
    /// `external_labels`, environment expanded.
    pub external_labels: Labels,
    /// `sample_limit` and its companions.
    pub limits: Limits,
    /// `keep_dropped_targets`.
    pub keep_dropped_targets: u64,
    /// `metric_name_validation_scheme`, if set.
    pub validation_scheme: Option<ValidationScheme>,
    /// `metric_name_escaping_scheme` as written (a bad one is an error of each job).
    pub escaping_scheme: Box<str>,
    /// `scrape_native_histograms`.
    pub scrape_native_histograms: Option<bool>,
    /// `always_scrape_classic_histograms`.
    pub always_scrape_classic_histograms: bool,
    /// `convert_classic_histograms_to_nhcb`.
    pub convert_classic_histograms_to_nhcb: bool,
    /// `extra_scrape_metrics`.
    pub extra_scrape_metrics: Option<bool>,
}

/// One job after inheritance and validation.
#[derive(Debug, Clone, PartialEq)]
pub struct ScrapeConfig {
    /// `job_name`.
    pub job_name: Text,
    /// `honor_labels`.
    pub honor_labels: bool,
    /// `honor_timestamps`.
    pub honor_timestamps: bool,
    /// `track_timestamps_staleness`.
    pub track_timestamps_staleness: bool,
    /// `params`.
    pub params: BTreeMap<Text, Vec<Text>>,
    /// `scrape_interval`.
    pub interval: Duration,
    /// `scrape_timeout`, at most the interval.
    pub timeout: Duration,
    /// `scrape_protocols`, in order of preference.
    pub protocols: Vec<ScrapeProtocol>,
    /// `fallback_scrape_protocol`.
    pub fallback_protocol: Option<ScrapeProtocol>,
    /// `scrape_native_histograms`.
    pub native_histograms: bool,
    /// `always_scrape_classic_histograms`.
    pub classic_histograms: bool,
    /// `convert_classic_histograms_to_nhcb`.
    pub convert_to_nhcb: bool,
    /// `extra_scrape_metrics`.
    pub extra_scrape_metrics: bool,
    /// `scrape_failure_log_file`.
    pub failure_log_file: Box<str>,
    /// `metrics_path`.
    pub metrics_path: Text,
    /// `scheme`: any text at load; a bad one fails at request time.
    pub scheme: Text,
    /// `enable_compression`.
    pub enable_compression: bool,
    /// `sample_limit` and its companions.
    pub limits: Limits,
    /// `native_histogram_bucket_limit`.
    pub bucket_limit: u64,
    /// `native_histogram_min_bucket_factor`.
    pub min_bucket_factor: f64,
    /// `keep_dropped_targets`.
    pub keep_dropped_targets: u64,
    /// `metric_name_validation_scheme`.
    pub validation_scheme: ValidationScheme,
    /// `metric_name_escaping_scheme`.
    pub escaping_scheme: EscapingScheme,
    /// `relabel_configs`.
    pub target_rules: RelabelRules,
    /// `metric_relabel_configs`.
    pub metric_rules: RelabelRules,
    /// HTTP client settings.
    pub http: Arc<http::config::Config>,
    /// Service discovery, in upstream's order; static groups come last.
    pub discovery: Vec<SdConfig>,
    /// From a file of `scrape_config_files`.
    pub from_file: bool,
}

/// One service discovery of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum SdConfig {
    /// `file_sd_configs`.
    File(FileSd),
    /// `http_sd_configs`.
    Http(HttpSd),
    /// `kubernetes_sd_configs`.
    Kubernetes(Arc<KubernetesSd>),
    /// `static_configs`, all of the job's groups together.
    Static(Vec<Arc<TargetGroup>>),
}

/// One entry of `file_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSd {
    /// Paths, `*` allowed in the last element.
    pub files: Vec<Box<str>>,
    /// `refresh_interval`: files are read again at least this often.
    pub refresh_interval: Duration,
}

/// One entry of `http_sd_configs`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSd {
    /// `url`.
    pub url: Box<str>,
    /// `refresh_interval`.
    pub refresh_interval: Duration,
    /// HTTP client settings.
    pub http: Arc<http::config::Config>,
}

/// One entry of `kubernetes_sd_configs`.
#[derive(Debug, Clone, PartialEq)]
pub struct KubernetesSd {
    /// `api_server`; `None` means the cluster that promop itself talks to.
    pub api_server: Option<Box<str>>,
    /// `role`.
    pub role: Role,
    /// `kubeconfig_file`.
    pub kubeconfig_file: Box<str>,
    /// `namespaces.own_namespace`.
    pub own_namespace: bool,
    /// `namespaces.names`; empty means all.
    pub namespaces: Vec<Box<str>>,
    /// `selectors`.
    pub selectors: Vec<Selector>,
    /// `attach_metadata`.
    pub attach: AttachMetadata,
    /// HTTP client settings, for `api_server`.
    pub http: Arc<http::config::Config>,
}

/// What `kubernetes_sd_configs` discovers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Addresses of Endpoints objects.
    Endpoints,
    /// Addresses of EndpointSlice objects.
    EndpointSlice,
    /// Hosts of Ingress objects.
    Ingress,
    /// Nodes.
    Node,
    /// Containers of pods.
    Pod,
    /// Ports of services.
    Service,
}

/// One entry of `selectors`, both parts as written (and known to parse).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector {
    /// The kind it restricts.
    pub role: Role,
    /// Label selector, maybe empty.
    pub label: Box<str>,
    /// Field selector, maybe empty.
    pub field: Box<str>,
}

/// `attach_metadata`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct AttachMetadata {
    /// Labels of the node a pod runs on.
    pub node: bool,
    /// Labels of the namespace.
    pub namespace: bool,
    /// The Deployment that owns a pod.
    pub deployment: bool,
    /// The Job that owns a pod.
    pub job: bool,
    /// The CronJob that owns a pod.
    pub cronjob: bool,
}

/// At which step a load failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The YAML is malformed, has unknown or duplicate keys, or a value of the wrong type.
    Decode,
    /// A value is wrong in itself: a duration, a regular expression, a missing name.
    Value,
    /// The values contradict each other.
    Validate,
}

/// A configuration that Prometheus would refuse, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The step.
    pub stage: Stage,
    /// Where: `scrape_configs[2].relabel_configs[0].regex`; empty for the whole document.
    pub path: String,
    /// The lines concerned, counted from 1; upstream collects several decoding errors into one report.
    pub lines: Vec<u32>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.lines.first() {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The values at a path contradict each other.
    fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            stage: Stage::Validate,
            path: path.into(),
            lines: Vec::new(),
            message: message.into(),
        }
    }
}

/// Loads a whole document.
///
/// # Errors
/// Prometheus would refuse it.
pub fn load(text: &[u8], cx: &Context<'_>) -> Result<Config, Error> {
    Loader::new().load(text, cx)
}

/// Loads one job: a fragment is a YAML list with one scrape config.
///
/// # Errors
/// Prometheus would refuse a document with this job.
pub fn load_job(
    fragment: &[u8],
    global: &Arc<Global>,
    cx: &Context<'_>,
) -> Result<Arc<ScrapeConfig>, Error> {
    Loader::new().load_job(fragment, global, cx)
}

#[cfg(test)]
mod tests;

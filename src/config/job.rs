//! A scrape config: decoding, inheritance from `global`, validation (prometheus: config/config.go, `ScrapeConfig`).

use super::client::RawClient;
use super::decode::{Decoder, Result, Shape};
use super::protocol::protocols;
use super::rules::{self, RawRules};
use super::sd::{self, RawDiscovery};
use super::shared::Shared;
use super::{Global, Limits, ScrapeConfig, ScrapeProtocol, SdConfig};
use crate::model::labels::Text;
use crate::model::name::{EscapingScheme, ValidationScheme};
use crate::model::quote::quoted;
use crate::wire::yaml::Node;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the document says of a job, before inheritance.
pub(super) struct RawJob {
    job_name: Text,
    honor_labels: bool,
    honor_timestamps: bool,
    track_timestamps_staleness: bool,
    params: BTreeMap<Text, Vec<Text>>,
    interval: Duration,
    timeout: Duration,
    protocols: Option<Vec<Box<str>>>,
    fallback_protocol: Box<str>,
    native_histograms: Option<bool>,
    classic_histograms: Option<bool>,
    convert_to_nhcb: Option<bool>,
    extra_scrape_metrics: Option<bool>,
    failure_log_file: Box<str>,
    metrics_path: Text,
    scheme: Text,
    enable_compression: bool,
    limits: Limits,
    bucket_limit: u64,
    min_bucket_factor: f64,
    keep_dropped_targets: u64,
    validation_scheme: Option<ValidationScheme>,
    escaping_scheme: Box<str>,
    client: RawClient,
    raw_discovery: RawDiscovery,
    discovery: Vec<SdConfig>,
    relabel: RawRules,
    metric_relabel: RawRules,
}

impl RawJob {
    fn new(shared: &mut Shared) -> Self {
        Self {
            job_name: shared.intern(""),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            params: BTreeMap::new(),
            interval: Duration::ZERO,
            timeout: Duration::ZERO,
            protocols: None,
            fallback_protocol: Box::default(),
            native_histograms: None,
            classic_histograms: None,
            convert_to_nhcb: None,
            extra_scrape_metrics: None,
            failure_log_file: Box::default(),
            metrics_path: shared.intern("/metrics"),
            scheme: shared.intern("http"),
            enable_compression: true,
            limits: Limits::default(),
            bucket_limit: 0,
            min_bucket_factor: 0.0,
            keep_dropped_targets: 0,
            validation_scheme: None,
            escaping_scheme: Box::default(),
            client: RawClient::default(),
            raw_discovery: RawDiscovery::default(),
            discovery: Vec::new(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
        }
    }

    /// `None` if it had type errors, which have been noted.
    pub(super) fn decode<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<Self>> {
        let before = d.problems();
        let mut job = Self::new(d.shared);
        let shape = d.fields(node, &mut |d, key, node| job.field(d, key, node))?;
        if d.problems() > before {
            return Ok(None);
        }
        if shape == Shape::Null || job.job_name.is_empty() {
            return d.wrong("job_name is empty");
        }
        job.discovery = std::mem::take(&mut job.raw_discovery).finish(d)?;
        job.client.validate(d)?;
        if job.relabel.is_empty() {
            sd::check_static_targets(d, &job.discovery)?;
        }
        if job.relabel.iter().any(Option::is_none) {
            return d.wrong("empty or null target relabeling rule in scrape config");
        }
        if job.metric_relabel.iter().any(Option::is_none) {
            return d.wrong("empty or null metric relabeling rule in scrape config");
        }
        Ok(Some(job))
    }

    fn field<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        match key {
            "job_name" => d.text(node, &mut self.job_name)?,
            "honor_labels" => d.bool(node, &mut self.honor_labels)?,
            "honor_timestamps" => d.bool(node, &mut self.honor_timestamps)?,
            "track_timestamps_staleness" => d.bool(node, &mut self.track_timestamps_staleness)?,
            "params" => self.params(d, node)?,
            "scrape_interval" => d.duration(node, &mut self.interval)?,
            "scrape_timeout" => d.duration(node, &mut self.timeout)?,
            "scrape_protocols" => protocols(d, node, &mut self.protocols)?,
            "fallback_scrape_protocol" => d.boxed(node, &mut self.fallback_protocol)?,
            "scrape_native_histograms" => d.maybe_bool(node, &mut self.native_histograms)?,
            "always_scrape_classic_histograms" => {
                d.maybe_bool(node, &mut self.classic_histograms)?
            }
            "convert_classic_histograms_to_nhcb" => {
                d.maybe_bool(node, &mut self.convert_to_nhcb)?
            }
            "extra_scrape_metrics" => d.maybe_bool(node, &mut self.extra_scrape_metrics)?,
            "scrape_failure_log_file" => d.boxed(node, &mut self.failure_log_file)?,
            "metrics_path" => d.text(node, &mut self.metrics_path)?,
            "scheme" => d.text(node, &mut self.scheme)?,
            "enable_compression" => d.bool(node, &mut self.enable_compression)?,
            "native_histogram_bucket_limit" => d.uint(node, &mut self.bucket_limit)?,
            "native_histogram_min_bucket_factor" => d.float(node, &mut self.min_bucket_factor)?,
            "keep_dropped_targets" => d.uint(node, &mut self.keep_dropped_targets)?,
            "metric_name_validation_scheme" => {
                d.validation_scheme(node, &mut self.validation_scheme)?
            }
            "metric_name_escaping_scheme" => d.boxed(node, &mut self.escaping_scheme)?,
            "relabel_configs" => rules::rules(d, node, &mut self.relabel)?,
            "metric_relabel_configs" => rules::rules(d, node, &mut self.metric_relabel)?,
            _ => {
                return Ok(self.limits.field(d, key, node)?
                    || self.client.field(d, key, node)?
                    || self.raw_discovery.field(d, key, node)?);
            }
        }
        Ok(true)
    }

    fn params<'n>(&mut self, d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
        let mut params = BTreeMap::new();
        d.entries(node, &mut |d, key, value| {
            let (shape, values) = d.strings(value)?;
            if shape == Shape::Wrong {
                return Ok(true);
            }
            let values = values.iter().map(|value| d.shared.intern(value)).collect();
            Ok(params.insert(d.shared.intern(&key), values).is_none())
        })?;
        self.params = params;
        Ok(())
    }

    /// Inherits from `global` and checks what belongs together.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn resolve(
        self,
        global: &Global,
        shared: &mut Shared,
    ) -> std::result::Result<ScrapeConfig, String> {
        let for_job = format!("for scrape config with job name {}", quoted(&self.job_name));
        let interval = if self.interval.is_zero() {
            global.scrape_interval
        } else {
            self.interval
        };
        if self.timeout > interval {
            return Err(format!(
                "scrape timeout greater than scrape interval {for_job}"
            ));
        }
        let timeout = if self.timeout.is_zero() {
            global.scrape_timeout.min(interval)
        } else {
            self.timeout
        };
        let native_histograms = self
            .native_histograms
            .or(global.scrape_native_histograms)
            .unwrap_or(false);
        let protocols = match (&self.protocols, &global.scrape_protocols) {
            (Some(words), _) => {
                ScrapeProtocol::list(words).map_err(|what| format!("{what} {for_job}"))?
            }
            (None, Some(protocols)) => protocols.clone(),
            (None, None) => ScrapeProtocol::defaults(native_histograms),
        };
        let fallback_protocol =
            match &*self.fallback_protocol {
                "" => None,
                word => Some(ScrapeProtocol::from_word(word).map_err(|what| {
                    format!("invalid fallback_scrape_protocol {for_job}: {what}")
                })?),
            };
        let Some(global_scheme) = global.validation_scheme else {
            return Err("global name validation method must be set".to_owned());
        };
        let validation_scheme = self.validation_scheme.unwrap_or(global_scheme);
        let escaping_scheme = self.escaping(global, global_scheme)?;
        if escaping_scheme == EscapingScheme::AllowUtf8
            && validation_scheme != ValidationScheme::Utf8
        {
            return Err(
                "utf8 metric names requested but validation scheme is not set to UTF8".to_owned(),
            );
        }
        let target_rules = rules::validated(self.relabel, validation_scheme, shared)?;
        let metric_rules = rules::validated(self.metric_relabel, validation_scheme, shared)?;
        let failure_log_file = match &*self.failure_log_file {
            "" => global.scrape_failure_log_file.clone(),
            _ => self.failure_log_file,
        };
        Ok(ScrapeConfig {
            job_name: self.job_name,
            honor_labels: self.honor_labels,
            honor_timestamps: self.honor_timestamps,
            track_timestamps_staleness: self.track_timestamps_staleness,
            params: self.params,
            interval,
            timeout,
            protocols,
            fallback_protocol,
            native_histograms,
            classic_histograms: self
                .classic_histograms
                .unwrap_or(global.always_scrape_classic_histograms),
            convert_to_nhcb: self
                .convert_to_nhcb
                .unwrap_or(global.convert_classic_histograms_to_nhcb),
            extra_scrape_metrics: self
                .extra_scrape_metrics
                .or(global.extra_scrape_metrics)
                .unwrap_or(false),
            failure_log_file,
            metrics_path: self.metrics_path,
            scheme: self.scheme,
            enable_compression: self.enable_compression,
            limits: self.limits.or(global.limits),
            bucket_limit: self.bucket_limit,
            min_bucket_factor: self.min_bucket_factor,
            keep_dropped_targets: if self.keep_dropped_targets == 0 {
                global.keep_dropped_targets
            } else {
                self.keep_dropped_targets
            },
            validation_scheme,
            escaping_scheme,
            target_rules,
            metric_rules,
            http: self.client.finish(&shared.plain_client),
            discovery: self.discovery,
            from_file: false,
        })
    }

    /// The escaping scheme follows the validation scheme that was written nearest to it.
    fn escaping(
        &self,
        global: &Global,
        global_scheme: ValidationScheme,
    ) -> std::result::Result<EscapingScheme, String> {
        let known = |word: &str, whose: &str| {
            EscapingScheme::from_word(word).ok_or_else(|| {
                format!(
                    "unknown {whose} name escaping method specified, must be one of 'allow-utf-8', 'underscores', 'dots', or \
                     'values', got {word}", word = quoted(word))
            })
        };
        let fitting = |scheme| match scheme {
            ValidationScheme::Legacy => EscapingScheme::Underscores,
            ValidationScheme::Utf8 => EscapingScheme::AllowUtf8,
        };
        let inherited = match &*global.escaping_scheme {
            "" => fitting(global_scheme),
            word => known(word, "global")?,
        };
        match (&*self.escaping_scheme, self.validation_scheme) {
            ("", None) => Ok(inherited),
            ("", Some(scheme)) => Ok(fitting(scheme)),
            (word, _) => known(word, "scrape config"),
        }
    }
}

//! `global`: decoding and validation (prometheus: config/config.go, `GlobalConfig`).

use super::decode::{Decoder, Result, Shape};
use super::protocol::protocols;
use super::{Global, Limits, ScrapeProtocol};
use crate::model::labels::Labels;
use crate::model::name::ValidationScheme;
use crate::model::quote::quoted;
use crate::wire::yaml::Node;
use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const TEN_SECONDS: Duration = Duration::from_secs(10);

/// `global` as far as it is known before the whole document is.
pub(super) struct RawGlobal {
    pub(super) global: Global,
    /// External labels before the environment is put in; empty values are kept.
    pub(super) external_labels: BTreeMap<Box<str>, Box<str>>,
}

impl Default for RawGlobal {
    /// What applies when there is no `global`.
    fn default() -> Self {
        let mut raw = Self::zero();
        raw.global.scrape_interval = MINUTE;
        raw.global.scrape_timeout = TEN_SECONDS;
        raw.global.evaluation_interval = MINUTE;
        raw.global.scrape_native_histograms = Some(false);
        raw.global.extra_scrape_metrics = Some(false);
        raw.global.validation_scheme = Some(ValidationScheme::Utf8);
        raw.global.escaping_scheme = "allow-utf-8".into();
        raw
    }
}

impl RawGlobal {
    /// What a document that is nothing but null leaves.
    pub(super) fn zero() -> Self {
        let global = Global {
            scrape_interval: Duration::ZERO,
            scrape_timeout: Duration::ZERO,
            evaluation_interval: Duration::ZERO,
            rule_query_offset: None,
            query_log_file: Box::default(),
            scrape_protocols: None,
            scrape_failure_log_file: Box::default(),
            external_labels: Labels::empty(),
            limits: Limits::default(),
            keep_dropped_targets: 0,
            validation_scheme: None,
            escaping_scheme: Box::default(),
            scrape_native_histograms: None,
            always_scrape_classic_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            extra_scrape_metrics: None,
        };
        Self {
            global,
            external_labels: BTreeMap::new(),
        }
    }

    /// Decodes a `global` block; null leaves the defaults.
    pub(super) fn decode<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Self> {
        if d.is_null(node)? {
            return Ok(Self::default());
        }
        let before = d.problems();
        let mut raw = Self::zero();
        let mut words = None;
        let shape = d.fields(node, &mut |d, key, node| match key {
            "scrape_protocols" => protocols(d, node, &mut words).map(|()| true),
            _ => raw.field(d, key, node),
        })?;
        if shape == Shape::Null {
            (raw, words) = (Self::zero(), None);
        }
        if d.problems() == before {
            raw.complete(d, words)?;
        }
        Ok(raw)
    }

    fn field<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        let global = &mut self.global;
        match key {
            "scrape_interval" => d.duration(node, &mut global.scrape_interval)?,
            "scrape_timeout" => d.duration(node, &mut global.scrape_timeout)?,
            "evaluation_interval" => d.duration(node, &mut global.evaluation_interval)?,
            "rule_query_offset" => {
                let mut offset = Duration::ZERO;
                d.duration(node, &mut offset)?;
                global.rule_query_offset = Some(offset).filter(|offset| !offset.is_zero());
            }
            "query_log_file" => d.boxed(node, &mut global.query_log_file)?,
            "scrape_failure_log_file" => d.boxed(node, &mut global.scrape_failure_log_file)?,
            "external_labels" => self.external_labels(d, node)?,
            "keep_dropped_targets" => d.uint(node, &mut global.keep_dropped_targets)?,
            "metric_name_validation_scheme" => {
                d.validation_scheme(node, &mut global.validation_scheme)?
            }
            "metric_name_escaping_scheme" => d.boxed(node, &mut global.escaping_scheme)?,
            "scrape_native_histograms" => {
                d.maybe_bool(node, &mut global.scrape_native_histograms)?
            }
            "always_scrape_classic_histograms" => {
                d.bool(node, &mut global.always_scrape_classic_histograms)?
            }
            "convert_classic_histograms_to_nhcb" => {
                d.bool(node, &mut global.convert_classic_histograms_to_nhcb)?
            }
            "extra_scrape_metrics" => d.maybe_bool(node, &mut global.extra_scrape_metrics)?,
            _ => return global.limits.field(d, key, node),
        }
        Ok(true)
    }

    fn external_labels<'n>(&mut self, d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
        self.external_labels.clear();
        d.entries(node, &mut |d, key, value| {
            let Some(value) = d.string(value)? else {
                return Ok(true);
            };
            Ok(self
                .external_labels
                .insert(Box::from(key), Box::from(value))
                .is_none())
        })?;
        Ok(())
    }

    /// Checks, and fills in what is not set.
    fn complete(&mut self, d: &Decoder<'_, '_>, words: Option<Vec<Box<str>>>) -> Result {
        let global = &mut self.global;
        let scheme = *global.validation_scheme.get_or_insert_default();
        for (name, value) in &self.external_labels {
            d.refuse_not_utf8(name)?;
            d.refuse_not_utf8(value)?;
            if !scheme.is_label_name(name) {
                return d.wrong(format!(
                    "external_labels: {name} is not a valid label name",
                    name = quoted(name)
                ));
            }
        }
        let set = |slot: &mut Duration, value| {
            if slot.is_zero() {
                *slot = value;
            }
        };
        set(&mut global.scrape_interval, MINUTE);
        if global.scrape_timeout > global.scrape_interval {
            return d.wrong("global scrape timeout greater than scrape interval");
        }
        set(
            &mut global.scrape_timeout,
            TEN_SECONDS.min(global.scrape_interval),
        );
        set(&mut global.evaluation_interval, MINUTE);
        global.scrape_native_histograms.get_or_insert_default();
        global.extra_scrape_metrics.get_or_insert_default();
        if let Some(words) = words {
            let list = ScrapeProtocol::list(&words);
            global.scrape_protocols =
                Some(list.or_else(|what| d.wrong(format!("{what} for global config")))?);
        }
        Ok(())
    }
}

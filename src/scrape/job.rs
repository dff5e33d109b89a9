//! What all targets of a job share while they are scraped: its settings, its client, options, counters.

use super::accept;
use super::failure::FailureLog;
use super::target::Targets;
use crate::config::ScrapeConfig;
use crate::http::client::Client;
use crate::model::bounds::Bounds;
use crate::model::labels::Labels;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the program, not the configuration, decides about scrapes (prometheus: scrape/manager.go, Options).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Reads start timestamps.
    pub parse_start: bool,
    /// Makes up start timestamps for cumulative series without them.
    pub synthesize_start: bool,
    /// Adds `__type__` and `__unit__`.
    pub type_and_unit_labels: bool,
    /// What a target may cost.
    pub bounds: Bounds,
}

/// A job that is being scraped. One for all its targets; kept by reference over a swap if the job is unchanged.
#[derive(Debug)]
pub struct Job {
    /// The job's settings.
    pub config: Arc<ScrapeConfig>,
    /// The client of its targets.
    pub client: Arc<Client>,
    /// `external_labels`, passed on with every batch.
    pub external: Labels,
    /// What the program decides.
    pub options: Options,
    /// Counts what went wrong, over all jobs.
    pub counters: Arc<Counters>,
    /// `scrape_failure_log_file`, opened.
    pub failure_log: Option<Arc<FailureLog>>,
    /// How many targets there are if that is over `target_limit`, else 0.
    over_target_limit: AtomicU64,
    pub(super) accept: String,
}

impl Job {
    /// A job, with the client built from its settings.
    pub fn new(
        config: Arc<ScrapeConfig>,
        client: Arc<Client>,
        external: Labels,
        options: Options,
        counters: Arc<Counters>,
        failure_log: Option<Arc<FailureLog>>,
    ) -> Self {
        Self {
            accept: accept::accept(&config),
            config,
            client,
            external,
            options,
            counters,
            failure_log,
            over_target_limit: AtomicU64::new(0),
        }
    }

    /// Takes note of the targets that a sync has found: over `target_limit` none is scraped, until a later sync finds fewer.
    pub fn note_sync(&self, targets: &Targets) {
        let n = if targets.over_limit {
            self.counters
                .exceeded_target_limit
                .fetch_add(1, Ordering::Relaxed);
            targets.active.len() as u64
        } else {
            0
        };
        self.over_target_limit.store(n, Ordering::Relaxed);
    }

    /// Why no target of the job is to be scraped, if so (prometheus: scrape/scrape.go, refreshTargetLimitErr).
    pub fn forced_error(&self) -> Option<String> {
        let n = self.over_target_limit.load(Ordering::Relaxed);
        let limit = self.config.limits.targets;
        (n > 0).then(|| format!("target_limit exceeded (number of targets: {n}, limit: {limit})"))
    }
}

/// The scrape counters of Prometheus.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bodies over `body_size_limit`.
    pub exceeded_body_size_limit: AtomicU64,
    /// Scrapes over `sample_limit`.
    pub exceeded_sample_limit: AtomicU64,
    /// Scrapes over `native_histogram_bucket_limit`.
    pub exceeded_bucket_limit: AtomicU64,
    /// Samples with another value for the same time.
    pub sample_duplicate: AtomicU64,
    /// Samples that came late.
    pub sample_out_of_order: AtomicU64,
    /// Samples too old or too far in the future.
    pub sample_out_of_bounds: AtomicU64,
    /// Exemplars that came late.
    pub exemplar_out_of_order: AtomicU64,
    /// Exemplars with too many labels.
    pub exemplar_too_large: AtomicU64,
    /// Caches emptied because failing pages made them grow.
    pub cache_flush_forced: AtomicU64,
    /// Scrapes over one of the label limits.
    pub exceeded_label_limits: AtomicU64,
    /// Syncs over `target_limit`.
    pub exceeded_target_limit: AtomicU64,
}

/// One of [`Counters`], for a page of metrics.
#[derive(Debug, Clone, Copy)]
pub struct Counter {
    /// Prometheus' name, if it has such a counter.
    pub name: &'static str,
    /// What is counted.
    pub help: &'static str,
    /// How many so far.
    pub value: u64,
}

impl Counters {
    /// All counters.
    pub fn all(&self) -> [Counter; 11] {
        [
            (
                "promop_exemplars_dropped_total",
                "Exemplars with more labels than maxAttributes.",
                &self.exemplar_too_large,
            ),
            (
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "Scrapes whose page was larger than body_size_limit.",
                &self.exceeded_body_size_limit,
            ),
            (
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "Scrapes with more samples than sample_limit.",
                &self.exceeded_sample_limit,
            ),
            (
                "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
                "Scrapes with a native histogram of more buckets than the limit.",
                &self.exceeded_bucket_limit,
            ),
            (
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "Samples with the timestamp of another one of their series.",
                &self.sample_duplicate,
            ),
            (
                "prometheus_target_scrapes_sample_out_of_order_total",
                "Samples older than one of their series before.",
                &self.sample_out_of_order,
            ),
            (
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "Samples too far in the future.",
                &self.sample_out_of_bounds,
            ),
            (
                "prometheus_target_scrapes_exemplar_out_of_order_total",
                "Exemplars older than one of their series before.",
                &self.exemplar_out_of_order,
            ),
            (
                "prometheus_target_scrapes_cache_flush_forced_total",
                "Times that what is known of a target's series was thrown away because it grew too large.",
                &self.cache_flush_forced,
            ),
            (
                "prometheus_target_scrape_pool_exceeded_label_limits_total",
                "Scrapes with a series over a label limit.",
                &self.exceeded_label_limits,
            ),
            (
                "prometheus_target_scrape_pool_exceeded_target_limit_total",
                "Times that a job had more targets than target_limit.",
                &self.exceeded_target_limit,
            ),
        ]
        .map(|(name, help, counter)| Counter {
            name,
            help,
            value: counter.load(Ordering::Relaxed),
        })
    }
}

//! What all targets of a job share while they are scraped: its settings, options, counters.

use crate::config::ScrapeConfig;
use crate::http::client::Client;
use crate::model::labels::Labels;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the program, not the configuration, decides about scrapes (prometheus: scrape/manager.go, Options).
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Says which family a sample belongs to. Off, rows have no family, though the table still lists the families.
    pub append_metadata: bool,
    /// Reads start timestamps.
    pub parse_start: bool,
    /// Makes up start timestamps for cumulative series without them.
    pub synthesize_start: bool,
    /// Adds `__type__` and `__unit__`.
    pub type_and_unit_labels: bool,
    /// The User-Agent of the requests.
    pub user_agent: Box<str>,
}

/// A job that is being scraped. One for all its targets; kept by reference over a swap if the job is unchanged.
#[derive(Debug)]
pub struct Job {
    /// The job's settings.
    pub config: Arc<ScrapeConfig>,
    /// Asks the targets.
    pub client: Arc<Client>,
    /// `external_labels`, passed on with every batch.
    pub external: Labels,
    /// What the program decides.
    pub options: Options,
    /// Counts what went wrong, over all jobs.
    pub counters: Arc<Counters>,
    /// How many targets there are if that is over `target_limit`, else 0: then nothing is scraped.
    pub over_target_limit: AtomicU64,
}

impl Job {
    /// Why no target of the job is to be scraped, if so (prometheus: scrape/scrape.go, refreshTargetLimitErr).
    pub fn forced_error(&self) -> Option<String> {
        let n = self.over_target_limit.load(Ordering::Relaxed);
        let limit = self.config.limits.targets;
        (n > 0).then(|| format!("target_limit exceeded (number of targets: {n}, limit: {limit})"))
    }
}

/// The scrape counters of Prometheus (`prometheus_target_scrapes_…` and companions).
#[derive(Debug, Default)]
pub struct Counters {
    /// `prometheus_target_scrapes_exceeded_body_size_limit_total`
    pub exceeded_body_size_limit: AtomicU64,
    /// `prometheus_target_scrapes_exceeded_sample_limit_total`
    pub exceeded_sample_limit: AtomicU64,
    /// `prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total`
    pub exceeded_bucket_limit: AtomicU64,
    /// `prometheus_target_scrapes_sample_duplicate_timestamp_total`
    pub sample_duplicate: AtomicU64,
    /// `prometheus_target_scrapes_sample_out_of_order_total`
    pub sample_out_of_order: AtomicU64,
    /// `prometheus_target_scrapes_sample_out_of_bounds_total`
    pub sample_out_of_bounds: AtomicU64,
    /// `prometheus_target_scrapes_exemplar_out_of_order_total`
    pub exemplar_out_of_order: AtomicU64,
    /// `prometheus_target_scrapes_cache_flush_forced_total`
    pub cache_flush_forced: AtomicU64,
    /// `prometheus_target_scrape_pool_exceeded_label_limits_total`
    pub exceeded_label_limits: AtomicU64,
    /// `prometheus_target_scrape_pool_exceeded_target_limit_total`
    pub exceeded_target_limit: AtomicU64,
}

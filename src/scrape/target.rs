//! From what discovery says to targets: defaults, relabelling, checks, URL, identity (prometheus: scrape/target.go).

use crate::config::ScrapeConfig;
use crate::model::group::{RawLabels, TargetGroup};
use crate::model::identity::{Discovered, Identity};
use crate::model::labels::{Interner, LabelsBuilder};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An endpoint to scrape.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its identity within the job: a hash of all labels and the URL. Equal hash, same target: it keeps its state.
    pub hash: u64,
    /// Its labels.
    pub identity: Arc<Identity>,
    /// What is asked for. May be no valid URL: then every scrape fails.
    pub url: Box<str>,
    /// Time between scrapes.
    pub interval: Duration,
    /// Longest time for a scrape, at most the interval.
    pub timeout: Duration,
    /// Deliver native histograms.
    pub native_histograms: bool,
    /// Deliver the classic form of native histograms, too.
    pub classic_histograms: bool,
    /// Turn classic histograms into native ones with custom buckets.
    pub convert_to_nhcb: bool,
    /// The job.
    pub config: Arc<ScrapeConfig>,
}

impl Target {
    /// The time from `now` (nanoseconds since the Unix epoch) to the next slot. Slots depend on the wall clock and the identity
    /// only, so a target keeps its phase over restarts; `seed` gives each instance of the program another phase.
    pub fn offset(&self, seed: u64, now_ns: i64) -> Duration {
        offset(self.interval, self.hash ^ seed, now_ns)
    }
}

fn offset(interval: Duration, hash: u64, now_ns: i64) -> Duration {
    let interval = u64::try_from(interval.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1);
    let into = i128::from(now_ns).rem_euclid(i128::from(interval));
    let base = interval - u64::try_from(into).unwrap_or(0);
    let next = base.saturating_add(hash % interval);
    Duration::from_nanos(if next > interval {
        next - interval
    } else {
        next
    })
}

/// A target that can't be built; its neighbours are unharmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError {
    /// The place within the group.
    pub index: usize,
    /// The group's source.
    pub group: Box<str>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "instance {} in group {}: {}",
            self.index, self.group, self.message
        )
    }
}

impl std::error::Error for TargetError {}

/// The targets of a job.
#[derive(Debug, Default)]
pub struct Targets {
    /// To be scraped. Unique by hash after [`sync`].
    pub active: Vec<Target>,
    /// Dropped by relabelling; after [`sync`] at most `keep_dropped_targets` of them.
    pub dropped: Vec<Discovered>,
    /// How many were dropped.
    pub dropped_count: usize,
    /// Those that can't be built.
    pub errors: Vec<TargetError>,
    /// The job has more targets than `target_limit`: none is to be scraped.
    pub over_limit: bool,
}

/// The targets of one group.
pub fn targets_from_group(
    config: &Arc<ScrapeConfig>,
    group: &Arc<TargetGroup>,
    builder: &mut LabelsBuilder,
    interner: &mut Interner,
) -> Targets {
    let _ = (builder, interner);
    let errors = group
        .targets
        .iter()
        .enumerate()
        .map(|(index, _)| TargetError {
            index,
            group: (*group.source).into(),
            message: format!("building targets of {} is not built yet", config.job_name),
        });
    Targets {
        errors: errors.collect(),
        ..Targets::default()
    }
}

/// The targets of all groups of a job, each once (prometheus: scrape/scrape.go, scrapePool.Sync).
pub fn sync(
    config: &Arc<ScrapeConfig>,
    groups: &[Arc<TargetGroup>],
    interner: &mut Interner,
) -> Targets {
    let mut builder = LabelsBuilder::new();
    let mut all = Targets::default();
    for group in groups {
        all.errors
            .extend(targets_from_group(config, group, &mut builder, interner).errors);
    }
    all
}

/// What a target was before relabelling: what discovery says of it and what the job adds (`discoveredLabels` in the API).
pub fn discovered_labels(config: &ScrapeConfig, discovered: &Discovered) -> RawLabels {
    let _ = config;
    discovered.labels()
}

//! What one scrape hands on: values for the rows of a table, and the seam to whoever takes them.

use super::exemplar::Exemplar;
use super::histogram::Histogram;
use super::identity::Identity;
use super::labels::{Labels, METRIC_NAME};
use super::series::{SeriesId, SeriesTable, merge};
use std::sync::Arc;

/// The committed result of one scrape. Borrows the worker's buffers; whoever keeps something copies it.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The target.
    pub identity: &'a Arc<Identity>,
    /// Its rows.
    pub table: &'a Arc<SeriesTable>,
    /// The scrape's timestamp, milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// A value per row of the table (meaningless where the row is absent, dropped or a histogram).
    pub values: &'a [f64],
    /// A bit per row: set if the row was on this page and is to be delivered.
    pub present: &'a [u64],
    /// Series that went stale: a marker is due at `time_ms`.
    pub stale: &'a [SeriesId],
    /// What few rows have.
    pub extras: &'a Extras,
    /// `up` and its companions, at `time_ms`.
    pub report: &'a [ReportSample],
    /// The configuration's external labels.
    pub external: &'a Labels,
}

impl Batch<'_> {
    /// Whether a row was on this page.
    pub fn is_present(&self, row: usize) -> bool {
        self.present
            .get(row / 64)
            .is_some_and(|word| word >> (row % 64) & 1 == 1)
    }
}

/// Parts of rows that most pages don't have. Each list is sorted by row (the index in the table's rows).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extras {
    /// Explicit timestamps, milliseconds since the Unix epoch.
    pub timestamps: Vec<(u32, i64)>,
    /// Start timestamps, milliseconds since the Unix epoch.
    pub starts: Vec<(u32, i64)>,
    /// Exemplars; a row may have several.
    pub exemplars: Vec<(u32, Exemplar)>,
    /// Native histograms.
    pub histograms: Vec<(u32, Histogram)>,
}

impl Extras {
    /// Puts the lists into the order of rows; entries of one row keep theirs.
    pub fn sort(&mut self) {
        self.timestamps.sort_by_key(|entry| entry.0);
        self.starts.sort_by_key(|entry| entry.0);
        self.exemplars.sort_by_key(|entry| entry.0);
        self.histograms.sort_by_key(|entry| entry.0);
    }

    /// Empties the lists, keeps their memory.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.starts.clear();
        self.exemplars.clear();
        self.histograms.clear();
    }
}

/// A sample of a report series such as `up`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReportSample {
    /// The metric's name.
    pub name: &'static str,
    /// Its value; the staleness marker at the end of a run.
    pub value: f64,
}

impl ReportSample {
    /// Its labels, sorted: the target's and the name. As upstream (prometheus: scrape/scrape.go, mutateReportSampleLabels),
    /// a label `exported_x` is lost if the target has a label `x` that sorts behind it.
    pub fn labels<'a>(&self, target: &'a Identity) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lost = |name: &str| {
            let original = name.strip_prefix("exported_");
            original.is_some_and(|x| x > name && target.labels.get(x).is_some())
        };
        merge(std::iter::once((METRIC_NAME, self.name)), target)
            .filter(move |(name, _)| !lost(name))
    }
}

/// The way from scrapes to exporters and consumers.
pub trait Delivery: Send + Sync + std::fmt::Debug {
    /// A place to deliver one target's batches to; it lives as long as the target's state.
    fn open(&self) -> Box<dyn TargetOutput>;
}

/// Takes the batches of one target, in order. Only committed batches arrive here.
pub trait TargetOutput: Send + std::fmt::Debug {
    /// Takes one batch: translates and encodes it. Called behind the CPU gate, so it must not block.
    fn deliver(&mut self, batch: &Batch<'_>);

    /// Hands on what [`TargetOutput::deliver`] left to be handed on by someone who may block: the consumers of an
    /// embedding program. Called after each delivery, when the gate is free for others.
    fn hand_on(&mut self) {}
}

//! Who decides whether a sample is taken. The product takes everything that has a proper label set, as the collector's
//! receiver does; tests put a storage with rules (order, bounds, duplicates) in its place.

use crate::model::batch::ReportSample;
use crate::model::exemplar::Exemplar;
use crate::model::histogram::Histogram;
use crate::model::identity::Identity;
use crate::model::labels::Text;
use crate::model::metadata::{Family, MetricKind};
use crate::model::series::{SeriesId, SeriesTable, merge};
use std::fmt::Debug;

/// Judges samples one by one, in the order of the page. What it has taken counts once it is told to commit.
pub trait Storage: Debug {
    /// Whether it has a say in samples of series that it has taken before: it must be asked each time then.
    const IS_CHOOSY: bool = true;

    /// Takes a sample.
    ///
    /// # Errors
    /// The sample is not taken, for the reason given.
    fn append(&mut self, sample: &Sample<'_>) -> Result<(), Rejected>;

    /// What was taken since the last commit or rollback stands.
    fn commit(&mut self);

    /// What was taken since the last commit or rollback never was.
    fn rollback(&mut self);
}

/// Why a sample is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// Older than what the series has. The scrape goes on.
    OutOfOrder,
    /// The series has another value for this time. The scrape goes on.
    Duplicate,
    /// Too old or too far in the future. The scrape goes on.
    OutOfBounds,
    /// The sample itself is taken, but so many of its exemplars are out of order.
    Exemplars(usize),
    /// It is no proper sample: the scrape fails.
    Invalid(String),
}

/// A sample on its way into the storage.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Its labels.
    pub labels: SampleLabels<'a>,
    /// Its value.
    pub value: Value<'a>,
    /// Its timestamp, milliseconds since the Unix epoch.
    pub time: i64,
    /// Its start timestamp; 0 if unknown.
    pub start: i64,
    /// Its exemplars, sorted.
    pub exemplars: &'a [Exemplar],
    /// What is known of its family.
    pub metadata: Option<Metadata<'a>>,
    /// A sample that comes late is refused even by a storage that could take it.
    pub reject_out_of_order: bool,
}

/// A sample's value.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(&'a Histogram),
}

/// What is known of a sample's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The family's name.
    pub family: &'a str,
    /// Its type.
    pub kind: MetricKind,
    /// Its unit.
    pub unit: &'a str,
    /// Its help text.
    pub help: &'a str,
}

impl<'a> Metadata<'a> {
    /// What is known of this family.
    pub fn of(family: &'a Family) -> Self {
        Self {
            family: &family.name,
            kind: family.kind,
            unit: &family.unit,
            help: &family.help,
        }
    }
}

/// Where the final labels of a sample are.
#[derive(Debug, Clone, Copy)]
pub enum SampleLabels<'a> {
    /// Of a series that is new: sorted, but a name may occur twice.
    New(&'a [(Text, Text)]),
    /// Of a series that was new in this very scrape: its own labels, and the target.
    Fresh(&'a [(Text, Text)], &'a Identity),
    /// Of a known series of the target.
    Known(&'a SeriesTable, SeriesId, &'a Identity),
    /// Of a report series.
    Report(ReportSample, &'a Identity),
}

impl<'a> SampleLabels<'a> {
    /// The labels as a list, sorted by name.
    pub fn to_vec(self) -> Vec<(&'a str, &'a str)> {
        match self {
            Self::New(pairs) => texts(pairs).collect(),
            Self::Fresh(own, target) => merge(texts(own), target).collect(),
            Self::Known(table, series, target) => table.labels(series, target).collect(),
            Self::Report(sample, target) => sample.labels(target).collect(),
        }
    }

    /// A name that occurs twice.
    pub fn duplicate_name(self) -> Option<&'a str> {
        let Self::New(pairs) = self else {
            return None;
        };
        let mut pairs = pairs.windows(2);
        pairs.find_map(|pair| match pair {
            [(name, _), (next, _)] if name == next => Some(&**name),
            _ => None,
        })
    }
}

fn texts(pairs: &[(Text, Text)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (&**name, &**value))
}

/// The product's storage: batches are handed on, nothing is remembered.
#[derive(Debug, Clone, Copy, Default)]
pub struct AcceptAll;

impl Storage for AcceptAll {
    const IS_CHOOSY: bool = false;

    fn append(&mut self, sample: &Sample<'_>) -> Result<(), Rejected> {
        match sample.labels.duplicate_name() {
            Some(name) => Err(Rejected::Invalid(format!(
                "label name {name:?} is not unique: invalid sample"
            ))),
            None => Ok(()),
        }
    }

    fn commit(&mut self) {}

    fn rollback(&mut self) {}
}

//! How a table of series becomes resources, scopes, metrics and points; and for every point the rows its parts come from.
//!
//! [`super::build`] makes a plan as the receiver would translate a page on which every row is present, followed by the
//! markers of the series that have no row, followed by the report. Which of them a scrape really has, the walker sees.

use crate::model::series::SeriesId;
use crate::pdata::{Attributes, Resource, Scope, Text};
use std::collections::HashSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) resources: Vec<ResourcePlan>,
    pub(super) scopes: Vec<ScopePlan>,
    pub(super) metrics: Vec<MetricPlan>,
    pub(super) points: Vec<PointPlan>,
    /// Float rows that can't be part of a point, of series that have no other.
    pub(super) refused: Vec<(u32, SeriesId)>,
}

/// A resource and its scopes.
#[derive(Debug)]
pub(super) struct ResourcePlan {
    pub(super) resource: Resource,
    /// Rows of `target_info`, whose labels become attributes while they are present.
    pub(super) infos: Vec<(u32, Vec<(Text, Text)>)>,
    pub(super) scopes: Vec<usize>,
}

/// A scope and its metrics.
#[derive(Debug)]
pub(super) struct ScopePlan {
    pub(super) scope: Scope,
    pub(super) schema_url: Text,
    pub(super) metrics: Vec<usize>,
}

/// A metric and its points.
#[derive(Debug)]
pub(super) struct MetricPlan {
    pub(super) name: Text,
    pub(super) description: Text,
    pub(super) unit: Text,
    /// `prometheus.type`.
    pub(super) metadata: Attributes,
    pub(super) kind: PointKind,
    pub(super) points: Vec<usize>,
    /// A metric that takes this one's place as soon as it has anything to say: upstream keeps one of a name.
    pub(super) yields_to: Option<usize>,
}

/// What the points of a metric are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PointKind {
    Gauge,
    Sum {
        is_monotonic: bool,
    },
    Histogram,
    /// Native histograms with custom bounds: an explicit histogram, too, but whole.
    CustomHistogram,
    ExponentialHistogram,
    Summary,
}

/// A point and where its parts come from, in the order of their sources within each role; buckets by their bounds.
#[derive(Debug)]
pub(super) struct PointPlan {
    pub(super) attributes: Attributes,
    pub(super) parts: Vec<Part>,
}

/// A part of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    pub(super) source: Source,
    pub(super) role: Role,
}

/// Where a part's value comes from, in the order in which the receiver sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A row of the page, or the marker that its series is gone.
    Row { row: u32, series: SeriesId },
    /// A row of the page unless it holds the marker: markers of this series mean another point.
    LiveRow { row: u32 },
    /// The marker that a series is gone, be it written by the scrape or exposed by the target in one of its rows.
    Marker { series: SeriesId, row: Option<u32> },
    /// A sample of the report, by its place.
    Report { index: u32 },
}

/// What a part is to its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// The value of a number.
    Value,
    /// `_sum`.
    Sum,
    /// `_count`.
    Count,
    /// A bucket or quantile with its bound.
    Bucket(f64),
    /// `_created`: the start time in seconds.
    Created,
    /// A whole native histogram.
    Native,
}

/// Texts of one plan, each held once.
#[derive(Debug, Default)]
pub(super) struct TextSet(HashSet<Text>);

impl TextSet {
    pub(super) fn share(&mut self, text: &str) -> Text {
        if let Some(known) = self.0.get(text) {
            return Text::clone(known);
        }
        let new = Text::from(text);
        self.0.insert(Text::clone(&new));
        new
    }
}

//! The structs of `opentelemetry/proto/metrics/v1/metrics.proto`, as far as scraped metrics need them:
//! points have no minimum and maximum.

use super::Attributes;
use std::sync::Arc;

/// Shared text: names and attributes are the same at every scrape.
pub type Text = Arc<str>;

/// The flag of a point whose series has gone: it has no value (`DataPointFlags`, bit 0).
pub const NO_RECORDED_VALUE: u32 = 1;

/// What one scrape, or one request, carries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// One element per resource.
    pub resource_metrics: Vec<ResourceMetrics>,
}

impl Metrics {
    /// How many data points there are in all.
    pub fn point_count(&self) -> usize {
        let scopes = self.resource_metrics.iter().flat_map(|r| &r.scope_metrics);
        scopes
            .flat_map(|s| &s.metrics)
            .map(|m| m.data.point_count())
            .sum()
    }
}

/// The metrics of one resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceMetrics {
    /// The resource.
    pub resource: Resource,
    /// One element per scope.
    pub scope_metrics: Vec<ScopeMetrics>,
}

/// What is described by metrics: here, a scraped target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// Its attributes.
    pub attributes: Attributes,
}

/// The metrics of one instrumentation scope.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScopeMetrics {
    /// The scope.
    pub scope: Scope,
    /// Its metrics.
    pub metrics: Vec<Metric>,
    /// Schema of the scope and its metrics, empty if unknown.
    pub schema_url: Text,
}

/// Who produced metrics: a library, or the receiver itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Name.
    pub name: Text,
    /// Version.
    pub version: Text,
    /// Attributes.
    pub attributes: Attributes,
}

/// One metric: a name and its data points.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Name.
    pub name: Text,
    /// Description.
    pub description: Text,
    /// Unit in UCUM's notation, empty if unknown.
    pub unit: Text,
    /// Further facts; `prometheus.type` holds the type that the target declared.
    pub metadata: Attributes,
    /// The points.
    pub data: Data,
}

/// The points of a metric, by its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Not said.
    Empty,
    /// Current values.
    Gauge(Gauge),
    /// Sums over time.
    Sum(Sum),
    /// Histograms with explicit bounds.
    Histogram(Histogram),
    /// Histograms with exponential buckets.
    ExponentialHistogram(ExponentialHistogram),
    /// Quantiles.
    Summary(Summary),
}

impl Data {
    /// How many points there are.
    pub fn point_count(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Gauge(gauge) => gauge.points.len(),
            Self::Sum(sum) => sum.points.len(),
            Self::Histogram(histogram) => histogram.points.len(),
            Self::ExponentialHistogram(histogram) => histogram.points.len(),
            Self::Summary(summary) => summary.points.len(),
        }
    }
}

/// Current values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gauge {
    /// The points.
    pub points: Vec<NumberPoint>,
}

/// Sums over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sum {
    /// The points.
    pub points: Vec<NumberPoint>,
    /// Since when values are summed up.
    pub temporality: Temporality,
    /// Whether it only grows.
    pub is_monotonic: bool,
}

/// Histograms with explicit bounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// The points.
    pub points: Vec<HistogramPoint>,
    /// Since when values are summed up.
    pub temporality: Temporality,
}

/// Histograms with exponential buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExponentialHistogram {
    /// The points.
    pub points: Vec<ExponentialHistogramPoint>,
    /// Since when values are summed up.
    pub temporality: Temporality,
}

/// Quantiles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The points.
    pub points: Vec<SummaryPoint>,
}

/// Since when the values of a point are summed up. The numbers are those of the protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Temporality {
    /// Not said.
    #[default]
    Unspecified = 0,
    /// Since the point before.
    Delta = 1,
    /// Since the start.
    Cumulative = 2,
}

/// A number at a time. Times are nanoseconds since the Unix epoch; 0 means "not known".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumberPoint {
    /// Attributes.
    pub attributes: Attributes,
    /// When counting started.
    pub start_nanos: u64,
    /// The time of the value.
    pub time_nanos: u64,
    /// The value; none if the point is flagged as having none.
    pub value: Option<Number>,
    /// Exemplars.
    pub exemplars: Vec<Exemplar>,
    /// See [`NO_RECORDED_VALUE`].
    pub flags: u32,
}

/// The value of a [`NumberPoint`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A double; scraped values always are.
    Double(f64),
    /// An integer.
    Int(i64),
}

/// A histogram with explicit bounds at a time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistogramPoint {
    /// Attributes.
    pub attributes: Attributes,
    /// When counting started.
    pub start_nanos: u64,
    /// The time of the values.
    pub time_nanos: u64,
    /// Number of observations.
    pub count: u64,
    /// Their sum, if known.
    pub sum: Option<f64>,
    /// Observations per bucket: one more than there are bounds.
    pub bucket_counts: Vec<u64>,
    /// Upper bounds, ascending, without +Inf.
    pub explicit_bounds: Vec<f64>,
    /// Exemplars.
    pub exemplars: Vec<Exemplar>,
    /// See [`NO_RECORDED_VALUE`].
    pub flags: u32,
}

/// A histogram with exponential buckets at a time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExponentialHistogramPoint {
    /// Attributes.
    pub attributes: Attributes,
    /// When counting started.
    pub start_nanos: u64,
    /// The time of the values.
    pub time_nanos: u64,
    /// Number of observations.
    pub count: u64,
    /// Their sum, if known.
    pub sum: Option<f64>,
    /// Bucket bounds are powers of 2^(2^-scale).
    pub scale: i32,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Buckets of positive values.
    pub positive: Buckets,
    /// Buckets of negative values.
    pub negative: Buckets,
    /// Exemplars.
    pub exemplars: Vec<Exemplar>,
    /// See [`NO_RECORDED_VALUE`].
    pub flags: u32,
}

/// Consecutive exponential buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Index of the first bucket.
    pub offset: i32,
    /// Observations per bucket.
    pub counts: Vec<u64>,
}

/// Quantiles at a time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SummaryPoint {
    /// Attributes.
    pub attributes: Attributes,
    /// When counting started.
    pub start_nanos: u64,
    /// The time of the values.
    pub time_nanos: u64,
    /// Number of observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Pairs of quantile and value, ascending.
    pub quantiles: Vec<(f64, f64)>,
    /// See [`NO_RECORDED_VALUE`].
    pub flags: u32,
}

/// One observation among those that a point sums up.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Labels that say more than the point's attributes.
    pub filtered_attributes: Attributes,
    /// The time of the observation.
    pub time_nanos: u64,
    /// The observed value.
    pub value: Number,
    /// The trace it belongs to, if known.
    pub trace_id: Option<[u8; 16]>,
    /// The span it belongs to, if known.
    pub span_id: Option<[u8; 8]>,
}

impl Exemplar {
    /// The trace's id, unless it is all zeros, which mean "none" in the protocol.
    pub fn known_trace_id(&self) -> Option<&[u8; 16]> {
        self.trace_id.as_ref().filter(|id| **id != [0; 16])
    }

    /// The span's id, unless it is all zeros.
    pub fn known_span_id(&self) -> Option<&[u8; 8]> {
        self.span_id.as_ref().filter(|id| **id != [0; 8])
    }
}

//! Native histograms (prometheus: model/histogram).

/// The schema number of histograms with custom bucket bounds.
pub const CUSTOM_BUCKETS: i32 = -53;

/// Consecutive buckets: `offset` empty ones since the last span (or the index of the first bucket), then `length` used ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Gap before the span; for the first span the index of its first bucket.
    pub offset: i32,
    /// Number of buckets in the span.
    pub length: u32,
}

/// What a histogram says about counter resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetHint {
    /// Nothing is known.
    #[default]
    Unknown,
    /// A reset happened before this sample.
    CounterReset,
    /// No reset happened before this sample.
    NotCounterReset,
    /// A gauge histogram: resets have no meaning.
    Gauge,
}

/// The counts of a histogram: integers as deltas, or absolute floats.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// Integer histogram; buckets hold the difference to the bucket before, the first its own count.
    Integer {
        /// All observations.
        count: u64,
        /// Observations in the zero bucket.
        zero_count: u64,
        /// Positive buckets as deltas.
        positive: Vec<i64>,
        /// Negative buckets as deltas.
        negative: Vec<i64>,
    },
    /// Float histogram; buckets hold their own counts.
    Float {
        /// All observations.
        count: f64,
        /// Observations in the zero bucket.
        zero_count: f64,
        /// Positive buckets.
        positive: Vec<f64>,
        /// Negative buckets.
        negative: Vec<f64>,
    },
}

/// A native histogram, with exponential or custom buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Resolution: -4 to 8 exponential, [`CUSTOM_BUCKETS`] for custom bounds.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Sum of the observations.
    pub sum: f64,
    /// The counts.
    pub counts: Counts,
    /// Where the positive buckets are.
    pub positive_spans: Vec<Span>,
    /// Where the negative buckets are.
    pub negative_spans: Vec<Span>,
    /// Upper bounds of custom buckets, ascending, without +Inf.
    pub custom_bounds: Vec<f64>,
    /// What is known of counter resets.
    pub reset_hint: ResetHint,
}

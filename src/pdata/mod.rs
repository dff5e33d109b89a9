//! OTLP metrics as plain data, their JSON form, and the contract of programs that consume them.
//! Where metrics come from and how they travel is known above.

mod attributes;
mod json;
mod metrics;
mod split;

pub use attributes::{Attributes, Value};
pub use json::write_json;
pub use metrics::{
    Buckets, Data, Exemplar, ExponentialHistogram, ExponentialHistogramPoint, Gauge, Histogram,
    HistogramPoint, Metric, Metrics, NO_RECORDED_VALUE, Number, NumberPoint, Resource,
    ResourceMetrics, Scope, ScopeMetrics, Sum, Summary, SummaryPoint, Temporality, Text,
};

use std::fmt;

/// Takes metrics inside the embedding program; the collector's contract (`consumer.Metrics`).
///
/// It is called by the thread that scraped: while it blocks, the next scrape of that target waits. An error drops
/// the batch and is counted; the next scrape brings new values.
pub trait Consumer: Send + Sync {
    /// Takes what one scrape of one target yielded.
    ///
    /// # Errors
    /// The batch could not be taken; it is lost.
    fn consume(&self, metrics: &Metrics) -> Result<(), ConsumeError>;
}

impl<F: Fn(&Metrics) -> Result<(), ConsumeError> + Send + Sync> Consumer for F {
    fn consume(&self, metrics: &Metrics) -> Result<(), ConsumeError> {
        self(metrics)
    }
}

impl fmt::Debug for dyn Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Consumer")
    }
}

/// Why a consumer did not take a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumeError(String);

impl ConsumeError {
    /// An error with a text for the log.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConsumeError {}

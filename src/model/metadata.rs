//! Metric families as an exposition page describes them.

use std::fmt;
use std::sync::Arc;

/// The type of a metric family, by the words of Prometheus' metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum MetricKind {
    /// A value that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// A histogram of current values, not of events.
    GaugeHistogram,
    /// A histogram of events, classic or native.
    Histogram,
    /// Constant 1 with labels that say something.
    Info,
    /// A set of booleans, one of them true.
    StateSet,
    /// Quantiles computed by the target.
    Summary,
    /// Not said (text format: `untyped`).
    #[default]
    Unknown,
}

impl MetricKind {
    /// The word that Prometheus uses in its metadata API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Histogram => "histogram",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Summary => "summary",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A metric family: what TYPE, HELP and UNIT lines say of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Family {
    /// The family's name as on its metadata lines (in OpenMetrics without `_total`).
    pub name: Box<str>,
    /// The type.
    pub kind: MetricKind,
    /// The help text, unescaped. Shared: a page may say other things of the family again and again.
    pub help: Arc<str>,
    /// The unit, empty if none was said.
    pub unit: Box<str>,
}

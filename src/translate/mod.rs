//! How Prometheus becomes OTLP. It is worked out once per table of series, as a plan; a scrape only fills in its values.
//! Mirrors the collector's Prometheus receiver. Pure: batches in, metrics or bytes out.

pub mod protobuf;

use crate::model::batch::Batch;
use crate::pdata::{Metrics, Text};

/// What the receiver's own settings change about the translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Takes type and unit off the ends of metric names (`trim_metric_suffixes`).
    pub trim_metric_suffixes: bool,
    /// Name of the scope of all metrics that don't say theirs.
    pub scope_name: Text,
    /// Version of that scope.
    pub scope_version: Text,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trim_metric_suffixes: false,
            scope_name: "prometheus-operator-receiver".into(),
            scope_version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// Translates the batches of one target; remembers the plan between them.
#[derive(Debug)]
pub struct Translator {
    #[expect(dead_code)]
    settings: Settings,
}

impl Translator {
    /// A translator without a plan yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// The metrics of one batch; none if not a single point results.
    pub fn translate(&mut self, _batch: &Batch<'_>) -> Option<Metrics> {
        None
    }
}

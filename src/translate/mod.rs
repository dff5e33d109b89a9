//! How Prometheus becomes OTLP. It is worked out once per table of series, as a plan; a scrape only fills in its values.
//! Mirrors the collector's Prometheus receiver. Pure: batches in, metrics or bytes out.

mod build;
mod histogram;
mod metadata;
mod name;
mod number;
mod plan;
pub mod protobuf;
mod refused;
mod resource;
mod walk;

use crate::model::batch::Batch;
use crate::model::identity::Identity;
use crate::model::labels::Labels;
use crate::pdata::{Metrics, Text};
use plan::Plan;
use refused::Refused;
use std::sync::Arc;

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

/// Translates the batches of one target; remembers the plan between them, and what the last one refused.
#[derive(Debug)]
pub struct Translator {
    settings: Settings,
    known: Option<Known>,
    refused: Refused,
}

/// A plan and what it was made for.
#[derive(Debug)]
struct Known {
    generation: u64,
    identity: Arc<Identity>,
    external: Labels,
    report: Vec<&'static str>,
    plan: Plan,
}

impl Translator {
    /// A translator without a plan yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            known: None,
            refused: Refused::default(),
        }
    }

    /// One that has seen the same, but works out everything anew: it gives the same.
    pub fn without_plan(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            known: None,
            refused: self.refused.clone(),
        }
    }

    /// The metrics of one batch; none if not a single point results.
    pub fn translate(&mut self, batch: &Batch<'_>) -> Option<Metrics> {
        let known = self.known.take().filter(|known| known.fits(batch));
        let known = known.unwrap_or_else(|| Known::new(batch, &self.settings));
        let metrics = walk::metrics(&known.plan, batch, &self.refused);
        self.refused = Refused::of(&known.plan, batch);
        self.known = Some(known);
        (metrics.point_count() > 0).then_some(metrics)
    }
}

impl Known {
    fn new(batch: &Batch<'_>, settings: &Settings) -> Self {
        Self {
            generation: batch.table.generation(),
            identity: Arc::clone(batch.identity),
            external: batch.external.clone(),
            report: batch.report.iter().map(|report| report.name).collect(),
            plan: build::plan(batch, settings),
        }
    }

    fn fits(&self, batch: &Batch<'_>) -> bool {
        self.generation == batch.table.generation()
            && Arc::ptr_eq(&self.identity, batch.identity)
            && (Labels::same(&self.external, batch.external) || self.external == *batch.external)
            && batch
                .report
                .iter()
                .map(|report| report.name)
                .eq(self.report.iter().copied())
    }
}

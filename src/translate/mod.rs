//! How Prometheus becomes OTLP. It is worked out once per table of series, as a plan; a scrape only fills in its values. A table that
//! stays gets a template, which writes the bytes of a request without metrics between.
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
mod template;
mod templates;
mod walk;

use crate::model::batch::Batch;
use crate::model::identity::Identity;
use crate::model::labels::Labels;
use crate::pdata::{Metrics, Text};
use plan::Plan;
use refused::Refused;
use std::sync::Arc;
use template::{TargetBytes, Template};

pub use templates::Templates;

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
    templates: Templates,
    known: Option<Known>,
    refused: Refused,
}

/// What was worked out, and what for.
#[derive(Debug)]
struct Known {
    generation: u64,
    identity: Arc<Identity>,
    external: Labels,
    report: Vec<&'static str>,
    /// Built when it is needed, and dropped while the template does.
    plan: Option<Plan>,
    template: Written,
}

/// The template of a table: written when the table has come a second time.
#[derive(Debug)]
enum Written {
    NotYet,
    Never,
    Done(Arc<Template>, TargetBytes),
}

impl Translator {
    /// A translator that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self::sharing(settings, Templates::default())
    }

    /// The same, with the templates of other targets.
    pub fn sharing(settings: Settings, templates: Templates) -> Self {
        Self {
            settings,
            templates,
            known: None,
            refused: Refused::default(),
        }
    }

    /// One that has seen the same, but works out everything anew: it gives the same.
    pub fn without_plan(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            templates: Templates::default(),
            known: None,
            refused: self.refused.clone(),
        }
    }

    /// The metrics of one batch; none if not a single point results.
    pub fn translate(&mut self, batch: &Batch<'_>) -> Option<Metrics> {
        let (mut known, _) = self.known(batch);
        let metrics = known.walk(batch, &self.settings, &mut self.refused);
        self.known = Some(known);
        (metrics.point_count() > 0).then_some(metrics)
    }

    /// The same as bytes of a request: `take` gets pieces of about `most` bytes, in order, each with its number of points.
    /// They can be concatenated. `scratch` is a buffer that is kept between calls.
    pub fn encode(
        &mut self,
        batch: &Batch<'_>,
        most: usize,
        scratch: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8], usize),
    ) {
        let (mut known, is_steady) = self.known(batch);
        if is_steady && matches!(known.template, Written::NotYet) {
            known.write(batch, &self.settings, &self.templates);
        }
        let is_done = match &known.template {
            Written::Done(template, target) => template.run(target, batch, most, scratch, take),
            Written::NotYet | Written::Never => false,
        };
        if is_done {
            known.plan = None;
            self.refused = Refused::default();
        } else {
            let metrics = known.walk(batch, &self.settings, &mut self.refused);
            protobuf::pieces(metrics, most, take);
        }
        self.known = Some(known);
    }

    /// What is known for this batch, and whether it was known before.
    fn known(&mut self, batch: &Batch<'_>) -> (Known, bool) {
        match self.known.take().filter(|known| known.fits(batch)) {
            Some(known) => (known, true),
            None => (Known::new(batch), false),
        }
    }
}

impl Known {
    fn new(batch: &Batch<'_>) -> Self {
        Self {
            generation: batch.table.generation(),
            identity: Arc::clone(batch.identity),
            external: batch.external.clone(),
            report: batch.report.iter().map(|report| report.name).collect(),
            plan: None,
            template: Written::NotYet,
        }
    }

    fn plan(&mut self, batch: &Batch<'_>, settings: &Settings) -> &Plan {
        self.plan
            .get_or_insert_with(|| build::plan(batch, &build::target_attributes(batch), settings))
    }

    fn walk(&mut self, batch: &Batch<'_>, settings: &Settings, refused: &mut Refused) -> Metrics {
        let plan = self.plan(batch, settings);
        let metrics = walk::metrics(plan, batch, refused);
        *refused = Refused::of(plan, batch);
        metrics
    }

    fn write(&mut self, batch: &Batch<'_>, settings: &Settings, templates: &Templates) {
        let target = build::target_attributes(batch);
        let written = Template::compile(self.plan(batch, settings), batch, &target);
        self.template = written.map_or(Written::Never, |(template, bytes)| {
            Written::Done(templates.share(template), bytes)
        });
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

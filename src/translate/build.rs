//! Builds a plan: the one place that knows how Prometheus' series become OTLP
//! (contrib: prometheusreceiver/internal/{transaction,metricfamily,metadata}.go).

use super::Settings;
use super::metadata::{Metadata, Store};
use super::name;
use super::number::parse_float;
use super::plan::{
    MetricPlan, Part, Plan, PointKind, PointPlan, ResourcePlan, Role, ScopePlan, Source, TextSet,
};
use super::resource;
use crate::model::batch::Batch;
use crate::model::labels::METRIC_NAME;
use crate::model::metadata::MetricKind;
use crate::model::series::{RowKind, SeriesId};
use crate::pdata::{Attributes, Resource, Scope, Text, Value};
use std::collections::HashMap;

/// The plan for a batch's table, target, external labels and report; `target` are [`target_attributes`]. Values and presence are not looked at.
pub(super) fn plan(batch: &Batch<'_>, target: &[(Text, Value)], settings: &Settings) -> Plan {
    let mut builder = Builder::new(batch, target, settings);
    let table = batch.table;
    // The first float row of each series that is part of a point.
    let mut floats = vec![None; table.n_series()];
    for (at, row) in table.rows().iter().enumerate() {
        let Some(sample) = builder.sample(row.series, at) else {
            continue;
        };
        let (at, series) = (at as u32, row.series);
        match row.kind {
            RowKind::Dropped => {}
            RowKind::Histogram => builder.histogram(&sample, at),
            RowKind::Float => {
                let float = floats.get_mut(series.0 as usize);
                let is_first = float.as_ref().is_none_or(|float| float.is_none());
                // The end of a series is marked once, however many rows it is.
                let source = if is_first && !builder.ends_elsewhere(sample.name, at as usize) {
                    Source::Row { row: at, series }
                } else {
                    Source::LiveRow { row: at }
                };
                if !builder.float(&sample, source) {
                    if sample.name != TARGET_INFO {
                        builder.plan.refused.push((at, series));
                    }
                } else if let Some(float @ None) = float {
                    *float = Some(at);
                }
            }
        }
    }
    let is_refused = |series: SeriesId| floats.get(series.0 as usize) == Some(&None);
    let refused = &mut builder.plan.refused;
    refused.retain(|(_, series)| is_refused(*series));
    for (at, row) in floats.into_iter().enumerate() {
        let series = SeriesId(at as u32);
        let Some(sample) = builder.sample(series, usize::MAX) else {
            continue;
        };
        let source = Source::Marker { series, row };
        if builder.ends_as_native(sample.name) {
            builder.native_marker(&sample, source);
        } else if row.is_none_or(|row| builder.ends_elsewhere(sample.name, row as usize)) {
            builder.float(&sample, source);
        }
    }
    for (index, report) in batch.report.iter().enumerate() {
        let labels = report.labels(batch.identity);
        let labels = labels.filter(|(name, _)| *name != METRIC_NAME).collect();
        let sample = builder.with_external(report.name, labels, usize::MAX);
        builder.float(
            &sample,
            Source::Report {
                index: index as u32,
            },
        );
    }
    builder.finish()
}

/// A series as the receiver sees one of its samples.
struct Sample<'a> {
    name: &'a str,
    /// All labels but the name, external ones included, sorted.
    labels: Vec<(&'a str, &'a str)>,
    /// Metadata is looked up as it was when the page had been read this far.
    row: usize,
}

impl Sample<'_> {
    fn label(&self, name: &str) -> &str {
        self.labels
            .iter()
            .find(|(n, _)| *n == name)
            .map_or("", |(_, value)| value)
    }

    /// The labels that tell points of one metric apart: not those that name the resource, the scope, or a part. Those that
    /// are the target's stand last, if all of them are there: every point has them.
    fn distinguishing(
        &self,
        part_label: Option<&str>,
        target: &[(Text, Value)],
        texts: &mut TextSet,
    ) -> Attributes {
        let of_target = |name: &str, value: &str| {
            let at = target.binary_search_by(|(n, _)| (**n).cmp(name));
            at.is_ok_and(|at| target[at].1.as_str() == Some(value))
        };
        let mut kept = Vec::new();
        let mut last = Vec::new();
        for (name, value) in &self.labels {
            if !is_elsewhere(name) && part_label != Some(*name) {
                let pair = (texts.share(name), texts.share(value));
                if of_target(name, value) {
                    last.push(pair);
                } else {
                    kept.push(pair);
                }
            }
        }
        if last.len() == target.len() {
            kept.extend(last);
        } else if !last.is_empty() {
            kept.extend(last);
            kept.sort();
        }
        kept.into_iter().collect()
    }
}

/// Whether a label says something of the resource or the scope, not of a point.
fn is_elsewhere(name: &str) -> bool {
    matches!(name, "instance" | "job" | "__scheme__" | "__metrics_path__")
        || name.starts_with(SCOPE_PREFIX)
}

/// The attributes that the target and the external labels give to every point, sorted; a series' own labels may take
/// the place of the target's.
pub(super) fn target_attributes(batch: &Batch<'_>) -> Vec<(Text, Value)> {
    let of_target = batch.identity.labels.iter();
    let of_target = of_target.filter(|(name, _)| batch.external.get(name).is_none());
    let mut pairs: Vec<(Text, Value)> = of_target
        .chain(batch.external.iter())
        .filter(|(name, value)| !is_elsewhere(name) && *name != METRIC_NAME && !value.is_empty())
        .map(|(name, value)| (Text::from(name), Value::from(value)))
        .collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs
}

const SCOPE_PREFIX: &str = "otel_scope_";
const TARGET_INFO: &str = "target_info";

/// A family of the receiver: a metric, or for native histograms one for each kind of buckets.
#[derive(Clone)]
struct FamilyPlan {
    metric: usize,
    /// For native histograms: the metric of those with custom bounds.
    custom: Option<usize>,
    name: String,
    /// The family's name in the target's metadata.
    metadata_name: String,
}

/// Classic and native form of a histogram have one name, but are two metrics.
type FamilyKey = (bool, String);

struct Builder<'a> {
    batch: &'a Batch<'a>,
    settings: &'a Settings,
    target: &'a [(Text, Value)],
    store: Store<'a>,
    texts: TextSet,
    plan: Plan,
    resources: HashMap<(String, String), usize>,
    scopes: HashMap<(usize, Scope, Text), usize>,
    families: HashMap<(usize, FamilyKey), FamilyPlan>,
    points: HashMap<(usize, Attributes), usize>,
}

impl<'a> Builder<'a> {
    fn new(batch: &'a Batch<'a>, target: &'a [(Text, Value)], settings: &'a Settings) -> Self {
        Self {
            batch,
            settings,
            target,
            store: Store::new(batch.table),
            texts: TextSet::default(),
            plan: Plan::default(),
            resources: HashMap::new(),
            scopes: HashMap::new(),
            families: HashMap::new(),
            points: HashMap::new(),
        }
    }

    /// A series' sample; none without a name.
    fn sample(&self, series: SeriesId, row: usize) -> Option<Sample<'a>> {
        let mut name = None;
        let labels = self.batch.table.labels(series, self.batch.identity);
        let others = labels.filter(|(label, value)| {
            if *label == METRIC_NAME {
                name = Some(*value);
            }
            *label != METRIC_NAME
        });
        let others = others.collect();
        Some(self.with_external(name?, others, row))
    }

    /// External labels overwrite a sample's own, before anything is read from them.
    fn with_external(
        &self,
        mut name: &'a str,
        mut labels: Vec<(&'a str, &'a str)>,
        row: usize,
    ) -> Sample<'a> {
        for (label, value) in self.batch.external.iter() {
            if label == METRIC_NAME {
                name = value;
                continue;
            }
            match labels.binary_search_by(|(n, _)| (*n).cmp(label)) {
                Ok(at) => labels[at].1 = value,
                Err(at) => labels.insert(at, (label, value)),
            }
        }
        Sample { name, labels, row }
    }

    /// False if the sample can't be part of any point.
    fn float(&mut self, sample: &Sample<'a>, source: Source) -> bool {
        let resource = self.resource(sample);
        if sample.name == TARGET_INFO {
            // Its value means nothing, and neither does its marker.
            if let Source::Row { row, .. } | Source::LiveRow { row } = source {
                self.target_info(resource, sample, row);
            }
            return false;
        }
        let scope = self.scope(resource, sample);
        let family = self.family(scope, sample, false);
        let kind = self
            .plan
            .metrics
            .get(family.metric)
            .map(|metric| metric.kind);
        let role = kind.and_then(|kind| role(kind, &family.metadata_name, sample));
        if let Some(role) = role {
            self.part(family.metric, sample, Part { source, role });
        }
        role.is_some()
    }

    /// Whether the histogram has custom bounds is seen only when it comes: it has a place in both metrics.
    fn histogram(&mut self, sample: &Sample<'a>, row: u32) {
        let resource = self.resource(sample);
        let scope = self.scope(resource, sample);
        let family = self.family(scope, sample, true);
        let part = Part {
            source: Source::LiveRow { row },
            role: Role::Native,
        };
        self.part(family.metric, sample, part);
        if let Some(custom) = family.custom {
            self.part(custom, sample, part);
        }
    }

    fn native_marker(&mut self, sample: &Sample<'a>, source: Source) {
        let resource = self.resource(sample);
        let scope = self.scope(resource, sample);
        let family = self.family(scope, sample, true);
        self.part(
            family.metric,
            sample,
            Part {
                source,
                role: Role::Native,
            },
        );
    }

    /// Whether the float that marks this series' end stands for a native histogram: the target declares a histogram of
    /// exactly this name (contrib: transaction.go, detectAndStoreNativeHistogramStaleness).
    fn ends_as_native(&self, name: &str) -> bool {
        name != TARGET_INFO
            && self
                .store
                .get(name, usize::MAX)
                .is_some_and(|metadata| metadata.kind == MetricKind::Histogram)
    }

    /// Whether the marker of a series' end belongs to another metric than its row: markers come last, when the target may
    /// have said something else of the name.
    fn ends_elsewhere(&self, name: &'a str, row: usize) -> bool {
        let of = |row| {
            let (metadata, name) = self.store.find(name, row);
            (metadata.kind, metadata.family, name)
        };
        self.ends_as_native(name) || of(row) != of(usize::MAX)
    }

    fn resource(&mut self, sample: &Sample<'_>) -> usize {
        let target = &self.batch.identity.labels;
        let of = |label| match sample.label(label) {
            // Federated series may lack them.
            "" => target.get(label).unwrap_or_default(),
            own => own,
        };
        let (job, instance) = (of("job"), of("instance"));
        let key = (job.to_owned(), instance.to_owned());
        if let Some(&known) = self.resources.get(&key) {
            return known;
        }
        let identity = self.batch.identity;
        let attributes = resource::attributes(
            job,
            instance,
            &identity.discovered_scheme,
            &identity.discovered.labels(),
            &mut self.texts,
        );
        let at = self.plan.resources.len();
        self.plan.resources.push(ResourcePlan {
            resource: Resource { attributes },
            infos: Vec::new(),
            scopes: Vec::new(),
        });
        self.resources.insert(key, at);
        at
    }

    fn target_info(&mut self, resource: usize, sample: &Sample<'_>, row: u32) {
        let labels = sample
            .labels
            .iter()
            .filter(|(name, _)| !matches!(*name, "job" | "instance"));
        let attributes = labels
            .map(|(name, value)| (self.texts.share(name), self.texts.share(value)))
            .collect();
        if let Some(resource) = self.plan.resources.get_mut(resource) {
            resource.infos.push((row, attributes));
        }
    }

    fn scope(&mut self, resource: usize, sample: &Sample<'_>) -> usize {
        let mut scope = Scope::default();
        let mut schema_url = Text::default();
        let mut attributes = Vec::new();
        for (label, value) in &sample.labels {
            let Some(key) = label.strip_prefix(SCOPE_PREFIX) else {
                continue;
            };
            let value = self.texts.share(value);
            match key {
                "name" => scope.name = value,
                "version" => scope.version = value,
                "schema_url" => schema_url = value,
                other => attributes.push((self.texts.share(other), value)),
            }
        }
        scope.attributes = attributes.into_iter().collect();
        if scope == Scope::default() && schema_url.is_empty() {
            scope.name = Text::clone(&self.settings.scope_name);
            scope.version = Text::clone(&self.settings.scope_version);
        }
        let key = (resource, scope, schema_url);
        if let Some(&known) = self.scopes.get(&key) {
            return known;
        }
        let at = self.plan.scopes.len();
        self.plan.scopes.push(ScopePlan {
            scope: key.1.clone(),
            schema_url: Text::clone(&key.2),
            metrics: Vec::new(),
        });
        if let Some(resource) = self.plan.resources.get_mut(resource) {
            resource.scopes.push(at);
        }
        self.scopes.insert(key, at);
        at
    }

    /// The family of a sample (contrib: transaction.go, getOrCreateMetricFamily).
    fn family(&mut self, scope: usize, sample: &Sample<'a>, is_native: bool) -> FamilyPlan {
        let exact = (scope, (is_native, sample.name.to_owned()));
        if let Some(known) = self.families.get(&exact) {
            return known.clone();
        }
        let candidate = (
            scope,
            (is_native, self.store.candidate(sample.name, sample.row)),
        );
        match self.families.get(&candidate) {
            Some(known) if self.includes(known, sample.name) => known.clone(),
            _ => self.new_family(scope, sample, is_native),
        }
    }

    fn includes(&self, family: &FamilyPlan, name: &str) -> bool {
        let metric = self.plan.metrics.get(family.metric);
        let is_merged = metric.is_some_and(|metric| !metric.is_plain_gauge());
        match metric.map(|metric| metric.kind) {
            Some(PointKind::Sum { .. }) => name::normalized(name) == family.metadata_name,
            _ if is_merged => name::normalized(name) == family.name,
            _ => name == family.name,
        }
    }

    fn new_family(&mut self, scope: usize, sample: &Sample<'a>, is_native: bool) -> FamilyPlan {
        let (mut metadata, name) = self.store.find(sample.name, sample.row);
        if is_native {
            metadata.kind = MetricKind::Histogram;
        }
        let kind = if is_native {
            PointKind::ExponentialHistogram
        } else {
            match metadata.kind {
                MetricKind::Counter => PointKind::Sum { is_monotonic: true },
                MetricKind::Info | MetricKind::StateSet => PointKind::Sum {
                    is_monotonic: false,
                },
                MetricKind::Histogram => PointKind::Histogram,
                MetricKind::Summary => PointKind::Summary,
                MetricKind::Gauge | MetricKind::Unknown | MetricKind::GaugeHistogram => {
                    PointKind::Gauge
                }
            }
        };
        let metric = self.metric(scope, &name, &metadata, kind);
        let custom =
            is_native.then(|| self.metric(scope, &name, &metadata, PointKind::CustomHistogram));
        if let Some(plan) = self.plan.metrics.get_mut(metric) {
            // One family upstream: while histograms with custom bounds live, the markers of others find no place.
            plan.yields_to = custom;
        }
        let family = FamilyPlan {
            metric,
            custom,
            name: name.clone(),
            metadata_name: metadata.family.into(),
        };
        let replaced = self
            .families
            .insert((scope, (is_native, name)), family.clone());
        if let Some(before) = replaced.and_then(|family| self.plan.metrics.get_mut(family.metric)) {
            before.yields_to = Some(metric);
        }
        family
    }

    fn metric(
        &mut self,
        scope: usize,
        name: &str,
        metadata: &Metadata<'_>,
        kind: PointKind,
    ) -> usize {
        let is_sum = matches!(kind, PointKind::Sum { .. });
        let name = if self.settings.trim_metric_suffixes {
            name::trimmed(name, is_sum, metadata.unit)
        } else {
            name.to_owned()
        };
        let texts = &mut self.texts;
        let at = self.plan.metrics.len();
        let prometheus_type = (texts.share(TYPE_KEY), texts.share(metadata.kind.as_str()));
        self.plan.metrics.push(MetricPlan {
            name: texts.share(&name),
            description: texts.share(metadata.help),
            unit: texts.share(&name::ucum(metadata.unit)),
            metadata: [prometheus_type].into_iter().collect(),
            kind,
            points: Vec::new(),
            yields_to: None,
        });
        if let Some(scope) = self.plan.scopes.get_mut(scope) {
            scope.metrics.push(at);
        }
        at
    }

    fn part(&mut self, metric: usize, sample: &Sample<'_>, part: Part) {
        let Some(plan) = self.plan.metrics.get_mut(metric) else {
            return;
        };
        let part_label = match plan.kind {
            PointKind::Histogram | PointKind::CustomHistogram => Some("le"),
            PointKind::Summary => Some("quantile"),
            _ => None,
        };
        let key = sample.distinguishing(part_label, self.target, &mut self.texts);
        let points = &mut self.plan.points;
        let at = *self
            .points
            .entry((metric, key))
            .or_insert_with_key(|(_, key)| {
                plan.points.push(points.len());
                let attributes = match plan.kind {
                    // Two points that differ in `le` only look alike afterwards, as upstream.
                    PointKind::ExponentialHistogram => without(key, "le"),
                    _ => key.clone(),
                };
                points.push(PointPlan {
                    attributes,
                    parts: Vec::new(),
                });
                points.len() - 1
            });
        if let Some(point) = points.get_mut(at) {
            point.parts.push(part);
        }
    }

    /// Buckets in the order of their bounds, so that a scrape need not sort them.
    fn finish(mut self) -> Plan {
        for point in &mut self.plan.points {
            point.parts.sort_by(|a, b| match (a.role, b.role) {
                (Role::Bucket(a), Role::Bucket(b)) => a.partial_cmp(&b).unwrap_or_else(|| {
                    // NaN stands before all numbers.
                    b.is_nan().cmp(&a.is_nan())
                }),
                (Role::Bucket(_), _) => std::cmp::Ordering::Greater,
                (_, Role::Bucket(_)) => std::cmp::Ordering::Less,
                _ => a.source.cmp(&b.source),
            });
        }
        self.plan
    }
}

const TYPE_KEY: &str = "prometheus.type";

impl MetricPlan {
    /// A gauge that is no remnant of a gauge histogram: only samples of exactly its name belong to it.
    fn is_plain_gauge(&self) -> bool {
        self.kind == PointKind::Gauge
            && self.metadata.get(TYPE_KEY).and_then(Value::as_str)
                != Some(MetricKind::GaugeHistogram.as_str())
    }
}

fn without(attributes: &Attributes, key: &str) -> Attributes {
    let kept = attributes.pairs().iter().filter(|(k, _)| **k != *key);
    kept.cloned().collect()
}

/// What a sample is to its point; none if it can't be part of one (contrib: metricfamily.go, addSeries).
fn role(kind: PointKind, metadata_name: &str, sample: &Sample<'_>) -> Option<Role> {
    let name = sample.name;
    let is_created = name.strip_suffix("_created") == Some(metadata_name);
    let bound_label = match kind {
        PointKind::Histogram => "le",
        PointKind::Summary => "quantile",
        PointKind::Sum { .. } if is_created => return Some(Role::Created),
        _ => return Some(Role::Value),
    };
    if name.ends_with("_sum") {
        Some(Role::Sum)
    } else if name.ends_with("_count") {
        Some(Role::Count)
    } else if is_created {
        Some(Role::Created)
    } else {
        parse_float(sample.label(bound_label)).map(Role::Bucket)
    }
}

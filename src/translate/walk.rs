//! Plan and batch to metrics: takes the values that a scrape has, point by point. What they mean is in the plan.

use super::histogram;
use super::number::{nanos_of_ms, nanos_of_seconds, to_u64};
use super::plan::{MetricPlan, Part, Plan, PointKind, PointPlan, ResourcePlan, Role, Source};
use super::refused::Refused;
use super::resource::AttributeSet;
use crate::model::batch::Batch;
use crate::model::exemplar::Exemplar as ScrapedExemplar;
use crate::model::histogram::{CUSTOM_BUCKETS, Histogram as Native};
use crate::model::series::SeriesId;
use crate::model::value::{is_stale, stale_nan};
use crate::pdata::{
    Attributes, Data, Exemplar, ExponentialHistogram, ExponentialHistogramPoint, Gauge, Histogram,
    HistogramPoint, Metric, Metrics, NO_RECORDED_VALUE, Number, NumberPoint, Resource,
    ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryPoint, Temporality, Text,
};
use std::collections::HashSet;

/// The metrics of a batch; what has no point is left out.
pub(super) fn metrics(plan: &Plan, batch: &Batch<'_>, refused: &Refused) -> Metrics {
    let stale = batch.stale.iter().copied();
    let walk = Walk {
        plan,
        batch,
        stale: stale
            .filter(|series| !refused.contains(batch, *series))
            .collect(),
    };
    let resources = plan
        .resources
        .iter()
        .map(|resource| walk.resource(resource));
    Metrics {
        resource_metrics: resources.filter(|r| !r.scope_metrics.is_empty()).collect(),
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    batch: &'a Batch<'a>,
    stale: HashSet<SeriesId>,
}

/// A part that this scrape has, with its value (of a native histogram: 0).
#[derive(Clone, Copy)]
struct Live {
    part: Part,
    value: f64,
}

/// What all kinds of points have.
struct Common {
    start_nanos: u64,
    time_nanos: u64,
    exemplars: Vec<Exemplar>,
}

impl Walk<'_> {
    fn resource(&self, plan: &ResourcePlan) -> ResourceMetrics {
        let scopes = plan
            .scopes
            .iter()
            .filter_map(|&at| self.plan.scopes.get(at));
        let scoped = scopes.map(|scope| ScopeMetrics {
            scope: scope.scope.clone(),
            metrics: scope
                .metrics
                .iter()
                .filter_map(|&at| self.metric(at))
                .collect(),
            schema_url: Text::clone(&scope.schema_url),
        });
        let scope_metrics = scoped.filter(|scoped| !scoped.metrics.is_empty()).collect();
        ResourceMetrics {
            resource: plan.with_infos(|row| self.batch.is_present(row as usize)),
            scope_metrics,
        }
    }

    fn metric(&self, at: usize) -> Option<Metric> {
        let metric = self.plan.metrics.get(at)?;
        if metric
            .yields_to
            .is_some_and(|other| self.has_samples(other))
        {
            return None;
        }
        let data = self.data(metric);
        (data.point_count() > 0).then(|| Metric {
            name: Text::clone(&metric.name),
            description: Text::clone(&metric.description),
            unit: Text::clone(&metric.unit),
            metadata: metric.metadata.clone(),
            data,
        })
    }

    fn data(&self, metric: &MetricPlan) -> Data {
        let temporality = Temporality::Cumulative;
        match metric.kind {
            PointKind::Gauge => {
                let points = self.points(metric, |point, live| self.number(point, live, false));
                Data::Gauge(Gauge { points })
            }
            PointKind::Sum { is_monotonic } => {
                let points = self.points(metric, |point, live| self.number(point, live, true));
                Data::Sum(Sum {
                    points,
                    temporality,
                    is_monotonic,
                })
            }
            PointKind::Histogram => {
                let points = self.points(metric, |point, live| self.classic(point, live));
                Data::Histogram(Histogram {
                    points,
                    temporality,
                })
            }
            PointKind::CustomHistogram => {
                let points = self.points(metric, |point, live| self.custom(point, live));
                Data::Histogram(Histogram {
                    points,
                    temporality,
                })
            }
            PointKind::ExponentialHistogram => {
                let points = self.points(metric, |point, live| self.exponential(point, live));
                Data::ExponentialHistogram(ExponentialHistogram {
                    points,
                    temporality,
                })
            }
            PointKind::Summary => {
                let points = self.points(metric, |point, live| self.summary(point, live));
                Data::Summary(Summary { points })
            }
        }
    }

    fn points<P>(
        &self,
        metric: &MetricPlan,
        build: impl Fn(&PointPlan, &[Live]) -> Option<P>,
    ) -> Vec<P> {
        let mut live = Vec::new();
        let mut points = Vec::with_capacity(metric.points.len());
        for point in metric
            .points
            .iter()
            .filter_map(|&at| self.plan.points.get(at))
        {
            self.live_parts(metric.kind, point, &mut live);
            if !live.is_empty() {
                points.extend(build(point, &live));
            }
        }
        points
    }

    /// The parts that this scrape has. All of a point have one time, that of the first (contrib: metricfamily.go, addSeries).
    fn live_parts(&self, kind: PointKind, point: &PointPlan, live: &mut Vec<Live>) {
        live.clear();
        for &part in &point.parts {
            live.extend(self.value(kind, part).map(|value| Live { part, value }));
        }
        if !self.batch.extras.timestamps.is_empty() {
            let first = live.iter().map(|live| live.part.source).min();
            let time = first.map(|source| self.time_ms(source));
            live.retain(|live| Some(self.time_ms(live.part.source)) == time);
        }
    }

    fn has_samples(&self, metric: usize) -> bool {
        let Some(metric) = self.plan.metrics.get(metric) else {
            return false;
        };
        let points = metric
            .points
            .iter()
            .filter_map(|&at| self.plan.points.get(at));
        points
            .flat_map(|point| &point.parts)
            .any(|&part| self.value(metric.kind, part).is_some())
    }

    fn value(&self, kind: PointKind, part: Part) -> Option<f64> {
        let of_row = |row: u32| {
            let present = self.batch.is_present(row as usize);
            present
                .then(|| self.batch.values.get(row as usize).copied())
                .flatten()
        };
        let marker = |series| self.stale.contains(&series).then(stale_nan);
        match part.source {
            Source::LiveRow { row } if part.role == Role::Native => {
                let is_custom = self.native(row)?.schema == CUSTOM_BUCKETS;
                (is_custom == (kind == PointKind::CustomHistogram)).then_some(0.0)
            }
            Source::Row { row, series } => of_row(row).or_else(|| marker(series)),
            Source::LiveRow { row } => of_row(row).filter(|value| !is_stale(*value)),
            Source::Marker { series, row } => {
                marker(series).or_else(|| row.and_then(of_row).filter(|value| is_stale(*value)))
            }
            Source::Report { index } => self
                .batch
                .report
                .get(index as usize)
                .map(|report| report.value),
        }
    }

    fn native(&self, row: u32) -> Option<&Native> {
        if !self.batch.is_present(row as usize) {
            return None;
        }
        find(&self.batch.extras.histograms, row)
            .first()
            .map(|(_, histogram)| histogram)
    }

    fn time_ms(&self, source: Source) -> i64 {
        let explicit = row_of(source)
            .and_then(|row| find(&self.batch.extras.timestamps, row).first())
            .map(|(_, time)| *time);
        explicit.unwrap_or(self.batch.time_ms)
    }

    fn common(&self, live: &[Live]) -> Common {
        let time_ms = live
            .first()
            .map_or(self.batch.time_ms, |live| self.time_ms(live.part.source));
        let mut start = 0.0;
        for live in live {
            if let Some((_, ms)) = row_of(live.part.source)
                .and_then(|row| find(&self.batch.extras.starts, row).first())
            {
                start = *ms as f64 / 1000.0;
            }
            if live.part.role == Role::Created {
                start = live.value;
            }
        }
        Common {
            start_nanos: if start == 0.0 {
                0
            } else {
                nanos_of_seconds(start)
            },
            time_nanos: nanos_of_ms(time_ms),
            exemplars: self.exemplars(live, time_ms),
        }
    }

    fn exemplars(&self, live: &[Live], time_ms: i64) -> Vec<Exemplar> {
        let all = &self.batch.extras.exemplars;
        if all.is_empty() {
            return Vec::new();
        }
        let mut rows: Vec<u32> = live
            .iter()
            .filter_map(|live| row_of(live.part.source))
            .collect();
        rows.sort_unstable();
        let of_rows = rows.into_iter().flat_map(|row| find(all, row));
        of_rows
            .map(|(_, scraped)| exemplar(scraped, time_ms))
            .collect()
    }

    fn number(&self, point: &PointPlan, live: &[Live], has_start: bool) -> Option<NumberPoint> {
        let value = last(live, Role::Value)?;
        let common = self.common(live);
        Some(NumberPoint {
            attributes: point.attributes.clone(),
            start_nanos: if has_start { common.start_nanos } else { 0 },
            time_nanos: common.time_nanos,
            value: (!is_stale(value)).then_some(Number::Double(value)),
            exemplars: common.exemplars,
            flags: flags(is_stale(value)),
        })
    }

    /// A histogram from its `_bucket`, `_sum` and `_count` series (contrib: metricfamily.go, toDistributionPoint).
    fn classic(&self, point: &PointPlan, live: &[Live]) -> Option<HistogramPoint> {
        let count = last(live, Role::Count)?;
        let sum = last(live, Role::Sum);
        let is_gone = is_stale(count) || sum.is_some_and(is_stale);
        let mut bounds = Vec::new();
        let mut cumulative = Vec::new();
        for (bound, value) in buckets(live) {
            bounds.push(bound);
            cumulative.push(value);
        }
        // The count stands for the bucket without bound.
        if bounds.last() == Some(&f64::INFINITY) {
            bounds.pop();
            cumulative.pop();
        }
        let bucket_counts = if is_gone {
            vec![0; cumulative.len() + 1]
        } else {
            cumulative.push(count);
            histogram::differences(&cumulative)?
        };
        let common = self.common(live);
        Some(HistogramPoint {
            attributes: point.attributes.clone(),
            start_nanos: common.start_nanos,
            time_nanos: common.time_nanos,
            count: if is_gone { 0 } else { to_u64(count) },
            sum: sum.filter(|_| !is_gone),
            bucket_counts,
            explicit_bounds: bounds,
            exemplars: common.exemplars,
            flags: flags(is_gone),
        })
    }

    fn custom(&self, point: &PointPlan, live: &[Live]) -> Option<HistogramPoint> {
        let native = self.last_native(live)?;
        let common = self.common(live);
        Some(HistogramPoint {
            attributes: point.attributes.clone(),
            start_nanos: common.start_nanos,
            time_nanos: common.time_nanos,
            exemplars: common.exemplars,
            ..histogram::explicit(native)?
        })
    }

    fn exponential(&self, point: &PointPlan, live: &[Live]) -> Option<ExponentialHistogramPoint> {
        let is_marker = |live: &Live| matches!(live.part.source, Source::Marker { .. });
        let values = match self.last_native(live) {
            Some(native) if !live.last().is_some_and(is_marker) => histogram::exponential(native)?,
            _ => ExponentialHistogramPoint {
                flags: NO_RECORDED_VALUE,
                ..Default::default()
            },
        };
        let common = self.common(live);
        Some(ExponentialHistogramPoint {
            attributes: point.attributes.clone(),
            start_nanos: common.start_nanos,
            time_nanos: common.time_nanos,
            exemplars: common.exemplars,
            ..values
        })
    }

    fn last_native(&self, live: &[Live]) -> Option<&Native> {
        let rows = live
            .iter()
            .rev()
            .filter_map(|live| row_of(live.part.source));
        rows.filter_map(|row| self.native(row)).next()
    }

    fn summary(&self, point: &PointPlan, live: &[Live]) -> Option<SummaryPoint> {
        let count = last(live, Role::Count)?;
        let sum = last(live, Role::Sum).unwrap_or(0.0);
        let is_gone = is_stale(count) || is_stale(sum);
        let value = |value| if is_gone { 0.0 } else { value };
        let common = self.common(live);
        Some(SummaryPoint {
            attributes: point.attributes.clone(),
            start_nanos: common.start_nanos,
            time_nanos: common.time_nanos,
            count: if is_gone { 0 } else { to_u64(count) },
            sum: value(sum),
            quantiles: buckets(live)
                .map(|(quantile, v)| (quantile, value(v)))
                .collect(),
            flags: flags(is_gone),
        })
    }
}

impl ResourcePlan {
    /// The resource with the labels of those rows of `target_info` that are there.
    pub(super) fn with_infos(&self, is_present: impl Fn(u32) -> bool) -> Resource {
        let mut infos = self
            .infos
            .iter()
            .filter(|(row, _)| is_present(*row))
            .peekable();
        if infos.peek().is_none() {
            return self.resource.clone();
        }
        let mut attributes = AttributeSet::default();
        for (key, value) in self.resource.attributes.pairs() {
            attributes.put(Text::clone(key), value.clone());
        }
        for (key, value) in infos.flat_map(|(_, labels)| labels) {
            attributes.put(Text::clone(key), Text::clone(value));
        }
        Resource {
            attributes: attributes.finish(),
        }
    }
}

/// The elements of a list sorted by row that belong to one row.
fn find<T>(list: &[(u32, T)], row: u32) -> &[(u32, T)] {
    let start = list.partition_point(|(at, _)| *at < row);
    let rest = list.get(start..).unwrap_or_default();
    let length = rest.iter().take_while(|(at, _)| *at == row).count();
    rest.get(..length).unwrap_or_default()
}

fn row_of(source: Source) -> Option<u32> {
    match source {
        Source::Row { row, .. } | Source::LiveRow { row } => Some(row),
        Source::Marker { .. } | Source::Report { .. } => None,
    }
}

/// Of several samples of one role the last one holds.
fn last(live: &[Live], role: Role) -> Option<f64> {
    live.iter()
        .rev()
        .find(|live| live.part.role == role)
        .map(|live| live.value)
}

fn buckets(live: &[Live]) -> impl Iterator<Item = (f64, f64)> {
    live.iter().filter_map(|live| match live.part.role {
        Role::Bucket(bound) => Some((bound, live.value)),
        _ => None,
    })
}

fn flags(is_gone: bool) -> u32 {
    if is_gone { NO_RECORDED_VALUE } else { 0 }
}

/// The ids of trace and span are taken from their labels if they are what they should be
/// (contrib: metricfamily.go, convertExemplar).
fn exemplar(scraped: &ScrapedExemplar, time_ms: i64) -> Exemplar {
    let mut exemplar = Exemplar {
        filtered_attributes: Attributes::default(),
        time_nanos: nanos_of_ms(scraped.timestamp.unwrap_or(time_ms)),
        value: Number::Double(scraped.value),
        trace_id: None,
        span_id: None,
    };
    let mut others = AttributeSet::default();
    for (name, value) in scraped.labels.raw() {
        let is_id = if name.eq_ignore_ascii_case(b"trace_id") {
            let id = id(value);
            exemplar.trace_id = id.or(exemplar.trace_id);
            id.is_some() || value.is_empty()
        } else if name.eq_ignore_ascii_case(b"span_id") {
            let id = id(value);
            exemplar.span_id = id.or(exemplar.span_id);
            id.is_some() || value.is_empty()
        } else {
            false
        };
        if !is_id {
            let text = |bytes| Text::from(String::from_utf8_lossy(bytes));
            others.put(text(name), text(value));
        }
    }
    exemplar.filtered_attributes = others.finish();
    exemplar
}

/// An id of exactly `N` bytes in hexadecimal that is not all zero.
fn id<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut id = [0; N];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| {
            pair.get(at)
                .and_then(|&digit| char::from(digit).to_digit(16))
        };
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    (id != [0; N]).then_some(id)
}

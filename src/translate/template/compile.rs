//! From a plan to a template's program.

use super::{ATTRIBUTES, has, op};
use crate::pdata::{Attributes, Temporality, Text, Value};
use crate::translate::plan::{MetricPlan, Part, Plan, PointKind, PointPlan, Role, Source};
use crate::translate::protobuf;
use crate::wire::protobuf::Writer;

/// Writes the program, from the end of the request to its beginning.
pub(super) struct Compiler<'a> {
    pub(super) plan: &'a Plan,
    pub(super) target: &'a [(Text, Value)],
    pub(super) n_rows: u64,
    pub(super) code: Writer,
    /// The place that was named last: the next one is written as its distance.
    pub(super) last: u64,
    pub(super) most_bytes: usize,
    pub(super) n_points: u32,
    pub(super) has_histograms: bool,
}

/// Tag and length of a message take this at most, in a request of less than 4 GiB.
const HEAD: usize = 6;

impl Compiler<'_> {
    pub(super) fn resource(&mut self, at: usize, scopes: &[usize]) {
        let before = self.code.as_slice().len();
        self.op(op::RESOURCE);
        self.code.varint(at as u64);
        let mut is_empty = true;
        for scope in scopes.iter().rev() {
            is_empty &= !self.scope(*scope);
        }
        self.op(op::END);
        self.most_bytes += HEAD;
        if is_empty {
            self.code.truncate(before);
        }
    }

    fn scope(&mut self, at: usize) -> bool {
        let Some(scope) = self.plan.scopes.get(at) else {
            return false;
        };
        let before = self.code.as_slice().len();
        self.op(op::SCOPE);
        self.text(&encoded(|w| w.bytes_if(3, scope.schema_url.as_bytes())));
        self.text(&encoded(|w| protobuf::scope(w, &scope.scope)));
        let mut is_empty = true;
        for metric in scope.metrics.iter().rev() {
            is_empty &= !self.metric(*metric);
        }
        self.op(op::END);
        self.most_bytes += HEAD;
        if is_empty {
            self.code.truncate(before);
        }
        !is_empty
    }

    fn metric(&mut self, at: usize) -> bool {
        let Some(metric) = self.plan.metrics.get(at) else {
            return false;
        };
        if metric
            .yields_to
            .is_some_and(|other| self.has_samples(other))
        {
            return false;
        }
        let before = self.code.as_slice().len();
        let (field, tail) = match metric.kind {
            PointKind::Gauge => (5, Vec::new()),
            PointKind::Sum { is_monotonic } => (
                7,
                encoded(|w| {
                    protobuf::temporality(w, Temporality::Cumulative);
                    protobuf::monotony(w, is_monotonic);
                }),
            ),
            PointKind::Histogram => (
                9,
                encoded(|w| protobuf::temporality(w, Temporality::Cumulative)),
            ),
            PointKind::Summary => (11, Vec::new()),
            // Only native histograms come here.
            PointKind::CustomHistogram | PointKind::ExponentialHistogram => return false,
        };
        self.op(op::METRIC);
        self.code.varint(field);
        self.text(&tail);
        self.text(&encoded(|w| {
            protobuf::metric_head(
                w,
                &metric.name,
                &metric.description,
                &metric.unit,
                &metric.metadata,
            );
        }));
        let mut is_empty = true;
        for point in metric.points.iter().rev() {
            if let Some(point) = self.plan.points.get(*point) {
                is_empty &= !self.point(metric, point);
            }
        }
        self.op(op::END);
        self.most_bytes += 2 * HEAD;
        if is_empty {
            self.code.truncate(before);
        }
        !is_empty
    }

    fn has_samples(&self, metric: usize) -> bool {
        let points = self
            .plan
            .metrics
            .get(metric)
            .into_iter()
            .flat_map(|m| &m.points);
        let points = points.filter_map(|&at| self.plan.points.get(at));
        points
            .flat_map(|point| &point.parts)
            .any(|part| self.place(part).is_some())
    }

    /// Where the value of a part stands in every scrape: a row, or behind the rows a report sample. None for what such
    /// a scrape does not have.
    fn place(&self, part: &Part) -> Option<u64> {
        match part.source {
            _ if part.role == Role::Native => None,
            Source::Row { row, .. } | Source::LiveRow { row } => Some(u64::from(row)),
            Source::Report { index } => Some(self.n_rows + u64::from(index)),
            Source::Marker { .. } => None,
        }
    }

    /// Of several parts of one role the last one holds.
    fn last_of(&self, point: &PointPlan, role: Role) -> Option<u64> {
        let mut parts = point.parts.iter().rev().filter(|part| part.role == role);
        parts.find_map(|part| self.place(part))
    }

    fn point(&mut self, metric: &MetricPlan, point: &PointPlan) -> bool {
        let is_number = matches!(metric.kind, PointKind::Gauge | PointKind::Sum { .. });
        let main = if is_number { Role::Value } else { Role::Count };
        let Some(main) = self.last_of(point, main) else {
            return false;
        };
        let created = self
            .last_of(point, Role::Created)
            .filter(|_| metric.kind != PointKind::Gauge);
        let sum = self.last_of(point, Role::Sum);
        let buckets = self.buckets(point);
        let field = if metric.kind == PointKind::Histogram {
            1
        } else {
            0
        };
        self.has_histograms |= field == 1;
        let (own, has_target) = self.own(&point.attributes, ATTRIBUTES[field]);

        self.op(match metric.kind {
            PointKind::Histogram => op::HISTOGRAM,
            PointKind::Summary => op::SUMMARY,
            _ => op::NUMBER,
        });
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        self.op(flag(has::TARGET, has_target)
            | flag(has::CREATED, created.is_some())
            | flag(has::SUM, !is_number && sum.is_some()));
        self.text(&own);
        self.name_place(main);
        if let Some(created) = created {
            self.name_place(created);
        }
        if !is_number {
            if let Some(sum) = sum {
                self.name_place(sum);
            }
            self.code.varint(buckets.len() as u64);
        }
        if metric.kind == PointKind::Histogram {
            for (bound, _) in &buckets {
                self.code.bare_fixed64(bound.to_bits());
            }
            for (_, place) in &buckets {
                self.name_place(*place);
            }
        } else {
            for (quantile, place) in buckets.iter().rev() {
                self.code.bare_fixed64(quantile.to_bits());
                self.name_place(*place);
            }
        }
        // Time, start, value or count, sum, flags of a number; of a bucket count and bound, of a quantile one message.
        self.most_bytes += HEAD + own.len() + 40 + buckets.len() * 24 + 2 * HEAD;
        self.n_points += 1;
        true
    }

    fn buckets(&self, point: &PointPlan) -> Vec<(f64, u64)> {
        let parts = point.parts.iter().filter_map(|part| match part.role {
            Role::Bucket(bound) => Some((bound, self.place(part)?)),
            _ => None,
        });
        parts.collect()
    }

    /// The attributes of a point that are not the target's, and whether it has the target's.
    fn own(&self, attributes: &Attributes, field: u32) -> (Vec<u8>, bool) {
        let pairs = attributes.pairs();
        let start = pairs.len().wrapping_sub(self.target.len());
        let has_target = pairs.get(start..).is_some_and(|end| end == self.target);
        let own = if has_target {
            pairs.get(..start)
        } else {
            Some(pairs)
        };
        let bytes = encoded(|w| {
            for (key, value) in own.unwrap_or_default() {
                protobuf::attribute(w, field, key, value);
            }
        });
        (bytes, has_target)
    }

    fn op(&mut self, op: u8) {
        self.code.varint(u64::from(op));
    }

    fn text(&mut self, text: &[u8]) {
        self.code.varint(text.len() as u64);
        self.code.raw(text);
        self.most_bytes += text.len();
    }

    fn name_place(&mut self, place: u64) {
        let distance = place.wrapping_sub(self.last) as i64;
        self.code
            .varint(((distance << 1) ^ (distance >> 63)) as u64);
        self.last = place;
    }
}

fn encoded(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    fill(&mut writer);
    writer.into_vec()
}

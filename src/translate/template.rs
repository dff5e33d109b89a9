//! The fast form of a translation: what a scrape's request is, when every row of the table is on the page and nothing else is.
//!
//! A template is a plan written out once as a small program: static bytes (names, own labels), places for values (rows of
//! the batch), and "the target's attributes here". It is executed from the end of the request to its beginning, so that the
//! length of a message is known when its head is written. It holds nothing of the target itself, so that targets whose
//! pages have one shape share it. Its result equals that of [`super::walk`] and [`super::protobuf`], byte for byte, as long
//! as the request is one payload.
//!
//! What it cannot do it leaves to them: markers, absent rows, timestamps, start times beside `_created`, exemplars, native
//! histograms, buckets that decrease.

use super::number::{nanos_of_ms, nanos_of_seconds, to_u64};
use super::plan::{MetricPlan, Part, Plan, PointKind, PointPlan, Role, Source};
use super::protobuf;
use crate::model::batch::Batch;
use crate::model::series::RowKind;
use crate::model::value::is_stale;
use crate::pdata::{Attributes, Temporality, Text, Value};
use crate::wire::protobuf::{Backward, Writer};

/// The program. See the module.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Template {
    code: Box<[u8]>,
    /// Rows that are delivered: all of them must be present.
    n_present: u32,
    /// Bytes that a request takes at most, without the target's attributes.
    most_bytes: u32,
    n_points: u32,
}

/// What differs between targets that share a template: encoded once for each.
#[derive(Debug, Default)]
pub(super) struct TargetBytes {
    /// The message of each resource of the plan.
    resources: Vec<Box<[u8]>>,
    /// The attributes that nearly all points have, as field 7 (numbers, summaries) and as field 9 (histograms).
    attributes: [Box<[u8]>; 2],
}

/// Field numbers of a point's attributes, in the order of [`TargetBytes::attributes`].
const ATTRIBUTES: [u32; 2] = [7, 9];

/// What follows in the program.
mod op {
    /// A resource ends here: its number, then the scopes.
    pub(super) const RESOURCE: u8 = 0;
    /// A scope ends here: its bytes behind and before the metrics.
    pub(super) const SCOPE: u8 = 1;
    /// A metric ends here: the field of its data, its bytes behind and before the points.
    pub(super) const METRIC: u8 = 2;
    /// A point with a value.
    pub(super) const NUMBER: u8 = 3;
    /// A classic histogram.
    pub(super) const HISTOGRAM: u8 = 4;
    /// A summary.
    pub(super) const SUMMARY: u8 = 5;
    /// The innermost message begins here.
    pub(super) const END: u8 = 6;
}

/// Which parts a point has.
mod has {
    pub(super) const TARGET: u8 = 1;
    pub(super) const CREATED: u8 = 2;
    pub(super) const SUM: u8 = 4;
}

/// A value that the program does not bear: the walker must do it.
struct Unfit;

impl Template {
    /// Writes a plan out. `target` are the attributes that nearly all points have. None if the plan has what only the
    /// walker can do.
    pub(super) fn compile(
        plan: &Plan,
        batch: &Batch<'_>,
        target: &[(Text, Value)],
    ) -> Option<(Self, TargetBytes)> {
        let rows = batch.table.rows();
        let count = |kind| rows.iter().filter(|row| row.kind == kind).count();
        if count(RowKind::Histogram) > 0 || !plan.refused.is_empty() {
            return None;
        }
        let mut compiler = Compiler {
            plan,
            target,
            n_rows: rows.len() as u64,
            code: Writer::new(),
            last: 0,
            most_bytes: 0,
            n_points: 0,
            has_histograms: false,
        };
        for (at, resource) in plan.resources.iter().enumerate().rev() {
            compiler.resource(at, &resource.scopes);
        }
        let resources = plan.resources.iter().map(|resource| {
            let attributes = resource.with_infos(|_| true);
            let mut writer = Writer::new();
            protobuf::resource(&mut writer, &attributes);
            writer.into_vec().into_boxed_slice()
        });
        let encoded = ATTRIBUTES.map(|field| {
            let mut writer = Writer::new();
            if field == ATTRIBUTES[0] || compiler.has_histograms {
                for (key, value) in target {
                    protobuf::attribute(&mut writer, field, key, value);
                }
            }
            writer.into_vec().into_boxed_slice()
        });
        let bytes = TargetBytes {
            resources: resources.collect(),
            attributes: encoded,
        };
        let template = Self {
            n_present: count(RowKind::Float) as u32,
            most_bytes: u32::try_from(compiler.most_bytes).ok()?,
            n_points: compiler.n_points,
            code: compiler.code.into_vec().into_boxed_slice(),
        };
        Some((template, bytes))
    }

    /// Whether a batch has what a request of this form has, and nothing else. Its table and report are the template's.
    fn fits(&self, batch: &Batch<'_>) -> bool {
        let extras = batch.extras;
        let present: u32 = batch.present.iter().map(|word| word.count_ones()).sum();
        present == self.n_present
            && batch.stale.is_empty()
            && extras.timestamps.is_empty()
            && extras.starts.is_empty()
            && extras.exemplars.is_empty()
            && extras.histograms.is_empty()
    }

    /// The request of a batch, in pieces of about `most` bytes, each with its number of points; `scratch` is a buffer that
    /// is kept between calls. False if it takes the walker; then `take` was not called.
    pub(super) fn run(
        &self,
        target: &TargetBytes,
        batch: &Batch<'_>,
        most: usize,
        scratch: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8], usize),
    ) -> bool {
        if !self.fits(batch) {
            return false;
        }
        let per_point = target.attributes.iter().map(|bytes| bytes.len()).max();
        let resources: usize = target.resources.iter().map(|bytes| bytes.len()).sum();
        let bytes = self.most_bytes as usize
            + self.n_points as usize * per_point.unwrap_or(0)
            + 2 * resources;
        let mut run = Run {
            code: &self.code,
            target,
            batch,
            n_rows: batch.table.rows().len(),
            last: 0,
            time_nanos: nanos_of_ms(batch.time_ms),
            out: Backward::new(scratch, bytes.min(most.saturating_mul(2))),
            open: Vec::with_capacity(3),
            n_points: 0,
            most,
            cut: Vec::new(),
        };
        if run.all().is_err() {
            return false;
        }
        if run.n_points > 0 {
            take(run.out.written(), run.n_points);
        }
        for (bytes, points) in run.cut.iter().rev() {
            take(bytes, *points);
        }
        true
    }
}

struct Compiler<'a> {
    plan: &'a Plan,
    target: &'a [(Text, Value)],
    n_rows: u64,
    code: Writer,
    /// The place that was named last: the next one is written as its distance.
    last: u64,
    most_bytes: usize,
    n_points: u32,
    has_histograms: bool,
}

/// Tag and length of a message take this at most, in a request of less than 4 GiB.
const HEAD: usize = 6;

impl Compiler<'_> {
    fn resource(&mut self, at: usize, scopes: &[usize]) {
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

/// A message whose head is not written yet.
#[derive(Clone, Copy)]
struct Open<'a> {
    /// Where it ends, counted from the end of the request.
    end: usize,
    part: Message<'a>,
}

#[derive(Clone, Copy)]
enum Message<'a> {
    Resource(usize),
    Scope {
        tail: &'a [u8],
        head: &'a [u8],
    },
    Metric {
        field: u32,
        tail: &'a [u8],
        head: &'a [u8],
    },
}

struct Run<'a> {
    code: &'a [u8],
    target: &'a TargetBytes,
    batch: &'a Batch<'a>,
    n_rows: usize,
    last: u64,
    time_nanos: u64,
    out: Backward<'a>,
    open: Vec<Open<'a>>,
    n_points: usize,
    most: usize,
    /// Pieces that are done, the last one first.
    cut: Vec<(Box<[u8]>, usize)>,
}

impl<'a> Run<'a> {
    fn all(&mut self) -> Result<(), Unfit> {
        while let Some((&op, rest)) = self.code.split_first() {
            self.code = rest;
            match op {
                op::RESOURCE => {
                    let at = self.varint() as usize;
                    self.begin(Message::Resource(at));
                }
                op::SCOPE => {
                    let (tail, head) = (self.text(), self.text());
                    self.begin(Message::Scope { tail, head });
                }
                op::METRIC => {
                    let field = self.varint() as u32;
                    let (tail, head) = (self.text(), self.text());
                    self.begin(Message::Metric { field, tail, head });
                }
                op::END => self.end(),
                point => {
                    let end = self.out.len();
                    match point {
                        op::NUMBER => self.number()?,
                        op::HISTOGRAM => self.histogram()?,
                        _ => self.summary()?,
                    }
                    self.out.head(1, end);
                    self.n_points += 1;
                    if self.out.len() >= self.most {
                        self.cut();
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, part: Message<'a>) {
        self.open.push(Open {
            end: self.out.len(),
            part,
        });
        match part {
            Message::Resource(_) => {}
            Message::Scope { tail, .. } | Message::Metric { tail, .. } => self.out.raw(tail),
        }
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            self.close(open);
        }
    }

    /// Writes the head of a message, unless it is empty: after a cut there may be nothing left of it.
    fn close(&mut self, open: Open<'a>) {
        let tail = match open.part {
            Message::Resource(_) => 0,
            Message::Scope { tail, .. } | Message::Metric { tail, .. } => tail.len(),
        };
        if self.out.len() == open.end + tail {
            self.out.rewind(open.end);
            return;
        }
        match open.part {
            Message::Resource(at) => {
                let resource = self.target.resources.get(at);
                self.out.raw(resource.map_or(&[], |bytes| bytes));
                self.out.head(1, open.end);
            }
            Message::Scope { head, .. } => {
                self.out.raw(head);
                self.out.head(2, open.end);
            }
            Message::Metric { field, head, .. } => {
                self.out.head(field, open.end);
                self.out.raw(head);
                self.out.head(2, open.end);
            }
        }
    }

    /// Ends this piece of the request; the messages that are open begin again in the next.
    fn cut(&mut self) {
        let open = std::mem::take(&mut self.open);
        for message in open.iter().rev() {
            self.close(*message);
        }
        self.cut.push((self.out.written().into(), self.n_points));
        self.out.rewind(0);
        self.n_points = 0;
        for message in open {
            self.begin(message.part);
        }
    }

    /// Attributes, then time and start: what stands at the two ends of a point's static fields is the caller's.
    fn attributes(&mut self, has: u8, own: &[u8], field: usize) {
        if has & has::TARGET != 0 {
            self.out.raw(&self.target.attributes[field]);
        }
        self.out.raw(own);
    }

    fn times(&mut self, created: Option<f64>) {
        self.out.fixed64_if(3, self.time_nanos);
        let start = created.filter(|created| *created != 0.0);
        self.out.fixed64_if(2, start.map_or(0, nanos_of_seconds));
    }

    fn number(&mut self) -> Result<(), Unfit> {
        let (has, own) = (self.byte(), self.text());
        let value = self.value()?;
        let created = self.value_if(has & has::CREATED)?;
        self.out.fixed64(4, value.to_bits());
        self.attributes(has, own, 0);
        self.times(created);
        Ok(())
    }

    fn histogram(&mut self) -> Result<(), Unfit> {
        let (has, own) = (self.byte(), self.text());
        let count = self.value()?;
        let created = self.value_if(has & has::CREATED)?;
        let sum = self.value_if(has & has::SUM)?;
        let n = self.varint() as usize;
        let (bounds, rest) = self.code.split_at_checked(8 * n).ok_or(Unfit)?;
        self.code = rest;
        // The count stands for the bucket without bound.
        let last = bounds.last_chunk::<8>().copied();
        let is_unbounded = last.map(f64::from_le_bytes) == Some(f64::INFINITY);
        let n_bounds = n - usize::from(is_unbounded);
        self.attributes(has, own, 1);
        if n_bounds > 0 {
            let end = self.out.len();
            self.out.raw(bounds.get(..8 * n_bounds).ok_or(Unfit)?);
            self.out.head(7, end);
        }
        // Forwards, as the differences are: from the place where they will begin.
        let end = self.out.len();
        let counts = self.out.place(8 * (n_bounds + 1));
        let mut before = 0.0;
        let mut read = Reader {
            code: self.code,
            last: self.last,
        };
        for (at, slot) in counts.chunks_exact_mut(8).enumerate() {
            let value = if at < n_bounds {
                let place = read.place();
                value_at(self.batch, self.n_rows, place)?
            } else {
                count
            };
            if value.is_nan() || value < before {
                return Err(Unfit);
            }
            slot.copy_from_slice(&to_u64(value - before).to_le_bytes());
            before = value;
        }
        if is_unbounded {
            read.place();
        }
        (self.code, self.last) = (read.code, read.last);
        self.out.head(6, end);
        if let Some(sum) = sum {
            self.out.fixed64(5, sum.to_bits());
        }
        self.out.fixed64_if(4, to_u64(count));
        self.times(created);
        Ok(())
    }

    fn summary(&mut self) -> Result<(), Unfit> {
        let (has, own) = (self.byte(), self.text());
        let count = self.value()?;
        let created = self.value_if(has & has::CREATED)?;
        let sum = self.value_if(has & has::SUM)?.unwrap_or(0.0);
        self.attributes(has, own, 0);
        for _ in 0..self.varint() {
            let (quantile, rest) = self.code.split_first_chunk::<8>().ok_or(Unfit)?;
            self.code = rest;
            let value = self.value()?;
            let end = self.out.len();
            self.out.double_if(2, value);
            self.out.double_if(1, f64::from_le_bytes(*quantile));
            self.out.head(6, end);
        }
        self.out.double_if(5, sum);
        self.out.fixed64_if(4, to_u64(count));
        self.times(created);
        Ok(())
    }

    fn value_if(&mut self, is_there: u8) -> Result<Option<f64>, Unfit> {
        if is_there == 0 {
            return Ok(None);
        }
        self.value().map(Some)
    }

    /// The value whose place the program names next. A marker that the target exposes is the walker's business.
    fn value(&mut self) -> Result<f64, Unfit> {
        let mut read = Reader {
            code: self.code,
            last: self.last,
        };
        let place = read.place();
        (self.code, self.last) = (read.code, read.last);
        value_at(self.batch, self.n_rows, place)
    }

    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.code.split_first() else {
            return 0;
        };
        self.code = rest;
        byte
    }

    fn varint(&mut self) -> u64 {
        varint(&mut self.code)
    }

    fn text(&mut self) -> &'a [u8] {
        let length = self.varint() as usize;
        let (text, rest) = self.code.split_at_checked(length).unwrap_or_default();
        self.code = rest;
        text
    }
}

/// Reads places.
struct Reader<'a> {
    code: &'a [u8],
    last: u64,
}

impl Reader<'_> {
    fn place(&mut self) -> u64 {
        let zigzag = varint(&mut self.code);
        let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        self.last = self.last.wrapping_add(distance as u64);
        self.last
    }
}

fn value_at(batch: &Batch<'_>, n_rows: usize, place: u64) -> Result<f64, Unfit> {
    let place = place as usize;
    let value = match batch.values.get(place).filter(|_| place < n_rows) {
        Some(value) => Some(*value),
        None => {
            let report = place.checked_sub(n_rows);
            report.and_then(|at| Some(batch.report.get(at)?.value))
        }
    };
    value.filter(|value| !is_stale(*value)).ok_or(Unfit)
}

fn varint(code: &mut &[u8]) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    while let Some((&byte, rest)) = code.split_first() {
        *code = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift = (shift + 7) & 63;
    }
    value
}

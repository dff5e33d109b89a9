//! The delimited protobuf format (prometheus: model/textparse/protobufparse.go, with its decoder). A family comes as HELP, UNIT if it
//! has one, TYPE, then its metrics; summaries and classic histograms as the series that the text format would have.

use super::compact::compact;
use super::convert::Classic;
use super::current::{Current, Part};
use super::family::{Bucket, ExemplarParts, Family, Metric, Timestamp, label};
use super::{Entry, Error, HistogramEntry, Options, Place, Series, most_label_bytes};
use crate::model::exemplar::Exemplar;
use crate::model::hash::xxh64;
use crate::model::histogram::{Counts, Histogram, ResetHint};
use crate::model::metadata::MetricKind;
use crate::wire::protobuf::Reader as Wire;
use std::borrow::Cow;

#[derive(Debug)]
pub(super) struct Reader<'p> {
    page: &'p [u8],
    at: usize,
    options: Options,
    state: State,
    current: Current<'p>,
    next_metric: usize,
    /// All series of the metric were delivered (prometheus: fieldsDone).
    done: bool,
    /// A native histogram is to come once more in its classic form.
    redo_classic: bool,
    /// The place in the native histogram's list of exemplars. Upstream does not go back to the start with the next histogram of
    /// a family, and so this doesn't.
    next_exemplar: usize,
    parts: ExemplarParts,
    exemplars: Vec<Exemplar>,
    histogram: Option<Histogram>,
    classic: Classic,
    /// The key of the series. It begins with the metric's, which is there once the labels were found valid.
    key: Vec<u8>,
    key_of_metric: Option<u64>,
    /// Bytes of names and labels that all series so far have together.
    label_bytes: usize,
}

/// What was delivered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nothing,
    Help,
    Unit,
    Type,
    Series,
    Histogram,
}

impl<'p> Reader<'p> {
    pub(super) fn new(page: &'p [u8], options: Options) -> Self {
        Self {
            page,
            at: 0,
            options,
            state: State::Nothing,
            current: Current {
                family: Family::default(),
                metric: Metric::default(),
                kind: MetricKind::Unknown,
                whole: true,
                part: Part::Count,
                type_and_unit: options.type_and_unit_labels,
            },
            next_metric: 0,
            done: false,
            redo_classic: false,
            next_exemplar: 0,
            parts: ExemplarParts::default(),
            exemplars: Vec::new(),
            histogram: None,
            classic: Classic::default(),
            key: Vec::new(),
            key_of_metric: None,
            label_bytes: 0,
        }
    }

    pub(super) fn next(&mut self) -> Option<Result<Entry<'_>, Error>> {
        match self.advance() {
            Ok(true) => {}
            Ok(false) => return None,
            Err(message) => {
                let at = self.at;
                let name = String::from_utf8_lossy(self.current.family.name);
                let message = format!("{message} (family {name:?}, before byte {at})");
                return Some(Err(Error { at, message }));
            }
        }
        let family = &self.current.family;
        Some(Ok(match self.state {
            State::Help => Entry::Help {
                name: family.name,
                text: Cow::Borrowed(family.help),
            },
            State::Unit => Entry::Unit {
                name: family.name,
                unit: family.unit,
            },
            State::Type => Entry::Type {
                name: family.name,
                kind: self.current.kind,
            },
            State::Histogram => return self.deliver_histogram().map(Ok),
            State::Series | State::Nothing => self.deliver_series(),
        }))
    }

    /// Moves to the next entry; false at the end of the page.
    fn advance(&mut self) -> Result<bool, String> {
        loop {
            match self.state {
                State::Nothing => {
                    self.next_exemplar = 0;
                    self.current.part = Part::Count;
                    if !self.family()? {
                        return Ok(false);
                    }
                    // Families without metrics are not even validated.
                    if self.metric()? {
                        self.validate()?;
                        self.state = State::Help;
                        return Ok(true);
                    }
                }
                State::Help => {
                    let has_unit = !self.current.family.unit.is_empty();
                    self.state = if has_unit { State::Unit } else { State::Type };
                    return Ok(true);
                }
                State::Unit => {
                    self.state = State::Type;
                    return Ok(true);
                }
                State::Type if self.is_histogram() && !self.is_native() => self.start_classic(),
                State::Type => {
                    self.state = State::Series;
                    if self.is_histogram() {
                        self.start_native()?;
                    }
                    return self.update();
                }
                State::Series => {
                    if let Some(found) = self.after_series()? {
                        return Ok(found);
                    }
                }
                State::Histogram => {
                    if self.redo_classic {
                        self.start_classic();
                    } else if !self.metric()? {
                        self.state = State::Nothing;
                    } else if !self.is_native() {
                        self.start_classic();
                    } else {
                        return self.update();
                    }
                }
            }
        }
    }

    /// What follows a series; `None` if the state has changed and is to be looked at again.
    fn after_series(&mut self) -> Result<Option<bool>, String> {
        let is_histogram = self.is_histogram();
        if is_histogram || self.current.kind == MetricKind::Summary {
            let is_classic = is_histogram && !self.is_native();
            let convert = is_classic && self.options.convert_to_nhcb;
            if !self.done && (!convert || self.options.classic_histograms) {
                self.current.part = match self.current.part {
                    Part::Before => Part::Count,
                    Part::Count => Part::Sum,
                    Part::Sum => Part::Nth(0),
                    Part::Nth(n) => Part::Nth(n + 1),
                };
                return self.update().map(Some);
            }
            self.current.part = Part::Count;
            self.done = false;
            self.next_exemplar = 0;
            if convert {
                self.convert()?;
                self.state = State::Histogram;
                return self.update().map(Some);
            }
        }
        if !self.metric()? {
            self.state = State::Nothing;
            return Ok(None);
        }
        if is_histogram {
            if !self.is_native() {
                self.start_classic();
                return Ok(None);
            }
            self.start_native()?;
        }
        self.update().map(Some)
    }

    fn start_classic(&mut self) {
        self.redo_classic = false;
        self.current.part = Part::Before;
        self.done = false;
        self.state = State::Series;
    }

    fn start_native(&mut self) -> Result<(), String> {
        let histogram = &self.current.metric.histogram;
        for side in [&histogram.positive, &histogram.negative] {
            let n_buckets = if self.is_float() {
                side.counts.len()
            } else {
                side.deltas.len()
            };
            let needed: u64 = side.spans.iter().map(|span| u64::from(span.length)).sum();
            if needed != n_buckets as u64 {
                return Err(format!(
                    "the spans of a histogram need {needed} buckets, there are {n_buckets}"
                ));
            }
        }
        self.state = State::Histogram;
        Ok(())
    }

    fn is_histogram(&self) -> bool {
        let kind = self.current.kind;
        kind == MetricKind::Histogram || kind == MetricKind::GaugeHistogram
    }

    /// Whether the metric's histogram is native and is to be delivered as such.
    fn is_native(&self) -> bool {
        let histogram = &self.current.metric.histogram;
        let has_native_parts = !histogram.positive.spans.is_empty()
            || !histogram.negative.spans.is_empty()
            || histogram.zero_threshold > 0.0
            || histogram.zero_count > 0;
        self.options.native_histograms && has_native_parts
    }

    fn is_float(&self) -> bool {
        let histogram = &self.current.metric.histogram;
        histogram.float_count > 0.0 || histogram.zero_count_float > 0.0
    }

    /// Reads the next family; false at the end of the page.
    fn family(&mut self) -> Result<bool, String> {
        let rest = self.page.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        let mut wire = Wire::new(rest);
        let length = wire.varint().ok();
        // A length takes five bytes at most.
        let length = length.filter(|_| rest.len() - wire.rest().len() <= 5);
        let length = length.ok_or("the length of a family is malformed")?;
        let message = wire.take(length);
        let message = message.map_err(|_| "the page ends within a family")?;
        self.at = self.page.len() - wire.rest().len();
        self.next_metric = 0;
        self.current.family.decode(message).map_err(|e| e.text())?;
        Ok(true)
    }

    /// Reads the family's next metric; false at its end.
    fn metric(&mut self) -> Result<bool, String> {
        let Some(message) = self.current.family.metrics.get(self.next_metric) else {
            return Ok(false);
        };
        self.current.metric.decode(message).map_err(|e| e.text())?;
        self.key_of_metric = None;
        self.next_metric += 1;
        self.count_label_bytes()?;
        Ok(true)
    }

    fn count_label_bytes(&mut self) -> Result<(), String> {
        let (family, metric) = (&self.current.family, &self.current.metric);
        let labels: usize = metric.labels.iter().map(|message| message.len()).sum();
        let n_series = 1 + metric.histogram.buckets.len() + metric.summary.quantiles.len();
        let bytes = n_series.saturating_mul(family.name.len() + family.unit.len() + labels);
        self.label_bytes = self.label_bytes.saturating_add(bytes);
        let most = most_label_bytes(self.page.len());
        if self.label_bytes > most {
            return Err(format!(
                "the labels of all buckets take more than {most} bytes: let the target expose fewer labels or buckets"
            ));
        }
        Ok(())
    }

    fn validate(&mut self) -> Result<(), String> {
        let family = &self.current.family;
        if family.name.is_empty() || std::str::from_utf8(family.name).is_err() {
            return Err("the name is empty or not UTF-8".to_owned());
        }
        if std::str::from_utf8(family.help).is_err() {
            return Err("the help text is not UTF-8".to_owned());
        }
        self.current.kind = match family.kind {
            0 => MetricKind::Counter,
            1 => MetricKind::Gauge,
            2 => MetricKind::Summary,
            3 => MetricKind::Unknown,
            4 => MetricKind::Histogram,
            5 => MetricKind::GaugeHistogram,
            other => return Err(format!("there is no metric type {other}")),
        };
        Ok(())
    }

    /// Makes the series that `state` and the part say the current one.
    fn update(&mut self) -> Result<bool, String> {
        let metric = &self.current.metric;
        if self.key_of_metric.is_none() {
            let family = &self.current.family;
            self.key.clear();
            push_part(&mut self.key, family.name);
            if self.current.type_and_unit {
                push_part(&mut self.key, family.unit);
                push_part(&mut self.key, &[self.current.kind as u8]);
            }
            for message in &metric.labels {
                label(message, true).map_err(|e| e.text())?;
                push_part(&mut self.key, message);
            }
            // Not the text itself: whoever looks up a series reads its key, and there may be many labels and many buckets.
            self.key_of_metric = Some(xxh64(&self.key));
        }
        let is_summary = self.current.kind == MetricKind::Summary;
        self.current.whole = self.state == State::Histogram || !(is_summary || self.is_histogram());
        if let (Part::Nth(n), false) = (self.current.part, self.current.whole) {
            self.done = if is_summary {
                n + 1 >= metric.summary.quantiles.len()
            } else {
                self.bucket(n)
                    .is_none_or(|bucket| bucket.bound == f64::INFINITY)
            };
        }
        Ok(true)
    }

    fn bucket(&self, n: usize) -> Option<Bucket> {
        let message = self.current.metric.histogram.buckets.get(n)?;
        Bucket::decode(message, &mut ExemplarParts::default()).ok()
    }

    fn value(&mut self) -> f64 {
        let metric = &self.current.metric;
        match (self.current.kind, self.current.part) {
            (MetricKind::Counter, _) => metric.counter,
            (MetricKind::Gauge, _) => metric.gauge,
            (MetricKind::Summary, Part::Count | Part::Before) => metric.summary.count as f64,
            (MetricKind::Summary, Part::Sum) => {
                self.done |= metric.summary.quantiles.is_empty();
                metric.summary.sum
            }
            (MetricKind::Summary, Part::Nth(n)) => {
                let quantile = metric.summary.quantiles.get(n);
                quantile.map_or(0.0, |(_, value)| *value)
            }
            (MetricKind::Histogram | MetricKind::GaugeHistogram, part) => match part {
                Part::Count | Part::Before => metric.histogram.count(),
                Part::Sum => metric.histogram.sum,
                Part::Nth(n) => {
                    let bucket = self.bucket(n);
                    bucket.map_or_else(|| metric.histogram.count(), |bucket| bucket.count())
                }
            },
            _ => metric.untyped,
        }
    }

    fn deliver_series(&mut self) -> Entry<'_> {
        let value = self.value();
        self.exemplars.clear();
        let metric = &self.current.metric;
        let exemplar = match (self.current.kind, self.current.part) {
            (MetricKind::Counter, _) => self.parts.of(metric.exemplar.iter().copied()),
            (MetricKind::Histogram | MetricKind::GaugeHistogram, Part::Nth(n)) => {
                let bucket = metric.histogram.buckets.get(n);
                bucket.and_then(|bucket| self.parts.of_bucket(bucket))
            }
            _ => None,
        };
        self.exemplars.extend(exemplar.cloned());
        self.make_key();
        Entry::Series(Series {
            key: &self.key,
            labels: &self.current,
            value,
            timestamp: self.timestamp(),
            start: self.start(),
            exemplars: &self.exemplars,
            place: Place::default(),
        })
    }

    fn deliver_histogram(&mut self) -> Option<Entry<'_>> {
        if self.is_native() {
            let has_buckets = !self.current.metric.histogram.buckets.is_empty();
            self.redo_classic = self.options.classic_histograms && has_buckets;
            self.histogram = Some(self.native());
        }
        self.native_exemplars();
        self.make_key();
        Some(Entry::Histogram(HistogramEntry {
            key: &self.key,
            labels: &self.current,
            histogram: self.histogram.as_ref()?,
            timestamp: self.timestamp(),
            start: self.start(),
            exemplars: &self.exemplars,
        }))
    }

    fn make_key(&mut self) {
        self.key.clear();
        let metric = self.key_of_metric.unwrap_or_default();
        self.key.extend_from_slice(&metric.to_le_bytes());
        self.key.extend_from_slice(self.current.suffix());
        if let Some((_, number)) = self.current.own_label() {
            self.key.extend_from_slice(&number.to_bits().to_le_bytes());
        }
    }

    fn timestamp(&self) -> Option<i64> {
        Some(self.current.metric.timestamp).filter(|milliseconds| *milliseconds != 0)
    }

    fn start(&self) -> i64 {
        let metric = &self.current.metric;
        let start = match self.current.kind {
            MetricKind::Counter => metric.counter_start,
            MetricKind::Summary => metric.summary.start,
            MetricKind::Histogram | MetricKind::GaugeHistogram => metric.histogram.start,
            _ => None,
        };
        let wanted = start.filter(|_| self.options.start_timestamps);
        wanted.map_or(0, Timestamp::milliseconds)
    }

    /// The exemplars of a native histogram: those of its list, or, if it has no list, those of its classic buckets; only with a
    /// timestamp.
    fn native_exemplars(&mut self) {
        self.exemplars.clear();
        let histogram = &self.current.metric.histogram;
        let from_list = !histogram.exemplars.is_empty();
        let (messages, next) = if from_list {
            (&histogram.exemplars, &mut self.next_exemplar)
        } else {
            let next = match self.current.part {
                Part::Nth(n) => n,
                _ => 0,
            };
            self.current.part = Part::Nth(next.max(histogram.buckets.len()));
            (&histogram.buckets, &mut { next })
        };
        while let Some(message) = messages.get(*next) {
            *next += 1;
            let exemplar = if from_list {
                self.parts.of([*message])
            } else {
                self.parts.of_bucket(message)
            };
            let exemplar = exemplar.filter(|exemplar| exemplar.timestamp.is_some());
            self.exemplars.extend(exemplar.cloned());
        }
    }

    fn native(&self) -> Histogram {
        let h = &self.current.metric.histogram;
        let counts = if self.is_float() {
            Counts::Float {
                count: h.float_count,
                zero_count: h.zero_count_float,
                positive: h.positive.counts.clone(),
                negative: h.negative.counts.clone(),
            }
        } else {
            Counts::Integer {
                count: h.integer_count,
                zero_count: h.zero_count,
                positive: h.positive.deltas.clone(),
                negative: h.negative.deltas.clone(),
            }
        };
        let mut histogram = Histogram {
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            sum: h.sum,
            counts,
            positive_spans: h.positive.spans.clone(),
            negative_spans: h.negative.spans.clone(),
            custom_bounds: Vec::new(),
            reset_hint: self.reset_hint(),
        };
        compact(&mut histogram, 0);
        histogram
    }

    fn reset_hint(&self) -> ResetHint {
        if self.current.kind == MetricKind::GaugeHistogram {
            ResetHint::Gauge
        } else {
            ResetHint::Unknown
        }
    }

    fn convert(&mut self) -> Result<(), String> {
        self.classic.clear();
        let histogram = &self.current.metric.histogram;
        self.classic.count(histogram.count());
        self.classic.sum(histogram.sum);
        for n in 0..histogram.buckets.len() {
            if let Some(bucket) = self.bucket(n) {
                self.classic.bucket(bucket.bound, bucket.count());
            }
        }
        let converted = self.classic.convert();
        let mut converted = converted
            .ok_or("the buckets, count and sum of a classic histogram don't fit together")?;
        converted.reset_hint = self.reset_hint();
        self.histogram = Some(converted);
        Ok(())
    }
}

/// Adds a piece to a key, told apart from its neighbours by its length.
fn push_part(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(&part.len().to_le_bytes());
    key.extend_from_slice(part);
}

//! Start timestamps for cumulative series that have none (prometheus: scrape/st_synthesis.go). The first sample of a series is
//! swallowed and becomes its reference: the start lies at its time, and later values are counted from it.
//!
//! One difference: a histogram whose resolution, zero bucket or bounds have changed counts as reset, where upstream merges
//! buckets first.

use super::storage::Value;
use crate::model::histogram::{Counts, Histogram, ResetHint, Span};
use std::collections::{BTreeMap, HashMap};

/// The references of one target's series, by the hash of their rows.
#[derive(Debug, Default)]
pub(crate) struct Starts(HashMap<u64, Reference>);

#[derive(Debug)]
struct Reference {
    start: i64,
    last: Cumulative,
    /// What later values are counted from; nothing after a reset.
    first: Option<Cumulative>,
}

#[derive(Debug, Clone)]
enum Cumulative {
    Float(f64),
    Histogram(Box<Histogram>),
}

/// A sample with a start that was made up.
pub(crate) struct Synthesized {
    /// The series' first sample: not to be delivered.
    pub(crate) is_first: bool,
    pub(crate) start: i64,
    value: Cumulative,
}

impl Synthesized {
    pub(crate) fn value(&self) -> Value<'_> {
        self.value.value()
    }
}

impl Starts {
    pub(crate) fn knows(&self, row: u64) -> bool {
        self.0.contains_key(&row)
    }

    pub(crate) fn forget(&mut self, row: u64) {
        if !self.0.is_empty() {
            self.0.remove(&row);
        }
    }

    /// Forgets the rows that are not remembered elsewhere any more.
    pub(crate) fn retain(&mut self, is_known: impl Fn(u64) -> bool) {
        self.0.retain(|row, _| is_known(*row));
    }

    /// The sample as counted from the reference of its row.
    pub(crate) fn make_up(&mut self, row: u64, value: Value<'_>, time: i64) -> Synthesized {
        let value = Cumulative::of(value);
        let Some(known) = self.0.get_mut(&row) else {
            let reference = Reference {
                start: time,
                last: value.clone(),
                first: Some(value.clone()),
            };
            self.0.insert(row, reference);
            return Synthesized {
                is_first: true,
                start: time,
                value,
            };
        };
        if value.is_reset_since(&known.last) {
            // The reset was somewhere between the last sample and this one; the latest moment is the safest guess.
            known.start = time - 1;
            known.first = None;
        }
        known.last = value.clone();
        let value = match &known.first {
            Some(first) => value.since(first),
            None => value,
        };
        Synthesized {
            is_first: false,
            start: known.start,
            value,
        }
    }
}

impl Cumulative {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Float(value) => Self::Float(value),
            Value::Histogram(histogram) => Self::Histogram(Box::new(histogram.clone())),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Float(value) => Value::Float(*value),
            Self::Histogram(histogram) => Value::Histogram(histogram),
        }
    }

    fn is_reset_since(&self, last: &Self) -> bool {
        match (self, last) {
            (Self::Float(value), Self::Float(last)) => value < last,
            (Self::Histogram(value), Self::Histogram(last)) => histogram_is_reset(value, last),
            _ => true,
        }
    }

    fn since(&self, first: &Self) -> Self {
        match (self, first) {
            (Self::Float(value), Self::Float(first)) => Self::Float(value - first),
            (Self::Histogram(value), Self::Histogram(first)) => {
                Self::Histogram(Box::new(subtract(value, first)))
            }
            _ => self.clone(),
        }
    }
}

/// Prometheus: model/histogram, DetectReset.
fn histogram_is_reset(histogram: &Histogram, last: &Histogram) -> bool {
    match histogram.reset_hint {
        ResetHint::CounterReset => return true,
        ResetHint::NotCounterReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    let other_layout = histogram.schema != last.schema
        || histogram.zero_threshold != last.zero_threshold
        || histogram.custom_bounds != last.custom_bounds;
    let (now, before) = (Absolute::of(histogram), Absolute::of(last));
    let shrunk = |now: &BTreeMap<i32, f64>, before: &BTreeMap<i32, f64>| {
        before
            .iter()
            .any(|(index, count)| now.get(index).copied().unwrap_or(0.0) < *count)
    };
    other_layout
        || now.count < before.count
        || now.zero_count < before.zero_count
        || shrunk(&now.positive, &before.positive)
        || shrunk(&now.negative, &before.negative)
}

fn subtract(histogram: &Histogram, first: &Histogram) -> Histogram {
    let (mut now, before) = (Absolute::of(histogram), Absolute::of(first));
    now.count -= before.count;
    now.zero_count -= before.zero_count;
    for (index, count) in before.positive {
        *now.positive.entry(index).or_insert(0.0) -= count;
    }
    for (index, count) in before.negative {
        *now.negative.entry(index).or_insert(0.0) -= count;
    }
    let (positive_spans, positive) = layout(&now.positive);
    let (negative_spans, negative) = layout(&now.negative);
    let counts = match &histogram.counts {
        Counts::Integer { .. } => Counts::Integer {
            count: now.count as u64,
            zero_count: now.zero_count as u64,
            positive: deltas(&positive),
            negative: deltas(&negative),
        },
        Counts::Float { .. } => Counts::Float {
            count: now.count,
            zero_count: now.zero_count,
            positive,
            negative,
        },
    };
    Histogram {
        sum: histogram.sum - first.sum,
        counts,
        positive_spans,
        negative_spans,
        ..histogram.clone()
    }
}

/// The counts of a histogram by bucket.
struct Absolute {
    count: f64,
    zero_count: f64,
    positive: BTreeMap<i32, f64>,
    negative: BTreeMap<i32, f64>,
}

impl Absolute {
    fn of(histogram: &Histogram) -> Self {
        let (positive_spans, negative_spans) =
            (&histogram.positive_spans, &histogram.negative_spans);
        match &histogram.counts {
            Counts::Integer {
                count,
                zero_count,
                positive,
                negative,
            } => Self {
                count: *count as f64,
                zero_count: *zero_count as f64,
                positive: by_index(positive_spans, sums(positive)),
                negative: by_index(negative_spans, sums(negative)),
            },
            Counts::Float {
                count,
                zero_count,
                positive,
                negative,
            } => Self {
                count: *count,
                zero_count: *zero_count,
                positive: by_index(positive_spans, positive.iter().copied()),
                negative: by_index(negative_spans, negative.iter().copied()),
            },
        }
    }
}

fn sums(deltas: &[i64]) -> impl Iterator<Item = f64> {
    deltas.iter().scan(0i64, |sum, delta| {
        *sum = sum.wrapping_add(*delta);
        Some(*sum as f64)
    })
}

fn by_index(spans: &[Span], mut counts: impl Iterator<Item = f64>) -> BTreeMap<i32, f64> {
    let mut buckets = BTreeMap::new();
    let mut index = 0i32;
    for span in spans {
        index = index.wrapping_add(span.offset);
        for count in counts.by_ref().take(span.length as usize) {
            buckets.insert(index, count);
            index = index.wrapping_add(1);
        }
    }
    buckets
}

/// Spans and counts of the buckets that are not empty.
fn layout(buckets: &BTreeMap<i32, f64>) -> (Vec<Span>, Vec<f64>) {
    let (mut spans, mut counts): (Vec<Span>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = 0i32;
    for (index, count) in buckets.iter().filter(|(_, count)| **count != 0.0) {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => spans.push(Span {
                offset: index.wrapping_sub(next),
                length: 1,
            }),
        }
        counts.push(*count);
        next = index.wrapping_add(1);
    }
    (spans, counts)
}

fn deltas(counts: &[f64]) -> Vec<i64> {
    let mut before = 0i64;
    counts
        .iter()
        .map(|count| *count as i64)
        .map(|count| count.wrapping_sub(std::mem::replace(&mut before, count)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_counted_from_their_first_sample() {
        let mut starts = Starts::default();
        let mut made = |value, time| {
            let made = starts.make_up(1, Value::Float(value), time);
            let Value::Float(value) = made.value() else {
                panic!("not a number");
            };
            (made.is_first, value, made.start)
        };
        assert_eq!(made(5.0, 1000), (true, 5.0, 1000));
        assert_eq!(made(7.0, 2000), (false, 2.0, 1000));
        assert_eq!(made(1.0, 3000), (false, 1.0, 2999));
        assert_eq!(made(4.0, 4000), (false, 4.0, 2999));
    }
}

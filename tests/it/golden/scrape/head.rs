//! A model of the TSDB head that upstream's cases with `storage: tsdb` were run against: no out-of-order window, half a
//! block of two hours of past, exemplars per series (prometheus: tsdb/head_append_v2.go, tsdb/exemplar.go).

use prometheus_operator_receiver::model::exemplar::Exemplar;
use prometheus_operator_receiver::model::histogram::{Counts, Histogram};
use prometheus_operator_receiver::scrape::page::storage::{Rejected, Sample, Value};
use std::collections::HashMap;

const PAST_MS: i64 = 60 * 60 * 1000;

type Key = Vec<(String, String)>;

#[derive(Debug, Clone, PartialEq)]
enum Stored {
    Float(u64),
    Histogram(Histogram),
}

#[derive(Debug)]
pub struct Head {
    with_exemplars: bool,
    max_time: i64,
    series: HashMap<Key, (i64, Stored)>,
    exemplars: HashMap<Key, Exemplar>,
    pending: Vec<(Key, i64, Stored, Vec<Exemplar>)>,
}

impl Head {
    /// A head that holds a sample of `now`.
    pub fn new(now: i64, with_exemplars: bool) -> Self {
        Self {
            with_exemplars,
            max_time: now,
            series: HashMap::new(),
            exemplars: HashMap::new(),
            pending: Vec::new(),
        }
    }

    /// Judges a sample; the error comes with upstream's wording.
    pub fn append(&mut self, sample: &Sample<'_>) -> Result<(), (Rejected, String)> {
        let reject = |why, text: &str| Err((why, text.to_owned()));
        let labels = sample.labels.to_vec();
        let key: Key = labels
            .iter()
            .map(|&(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        if sample.time < self.max_time - PAST_MS {
            return reject(Rejected::OutOfBounds, "out of bounds");
        }
        let value = match sample.value {
            Value::Float(value) => Stored::Float(value.to_bits()),
            Value::Histogram(histogram) => {
                if let Some(text) = invalid(histogram) {
                    return Err((Rejected::Invalid(text.clone()), text));
                }
                Stored::Histogram(histogram.clone())
            }
        };
        if let Some((time, last)) = self.series.get(&key) {
            if sample.time < *time {
                return reject(Rejected::OutOfOrder, "out of order sample");
            }
            if sample.time == *time && *last != value {
                return Err((Rejected::Duplicate, duplicate(last, &value)));
            }
        }
        let exemplars: Vec<_> = sample
            .exemplars
            .iter()
            .filter(|_| self.with_exemplars)
            .collect();
        let last = self.exemplars.get(&key);
        let late = exemplars
            .iter()
            .filter(|it| last.is_some_and(|last| precedes(it, last)))
            .count();
        let taken = exemplars
            .iter()
            .filter(|it| !last.is_some_and(|last| precedes(it, last)));
        let taken = taken.map(|it| (*it).clone()).collect();
        self.pending.push((key, sample.time, value, taken));
        if late > 0 {
            return reject(Rejected::Exemplars(late), "out of order exemplar");
        }
        Ok(())
    }

    pub fn commit(&mut self) {
        for (key, time, value, exemplars) in std::mem::take(&mut self.pending) {
            self.max_time = self.max_time.max(time);
            for exemplar in exemplars {
                self.exemplars.insert(key.clone(), exemplar);
            }
            // Of two samples of one transaction with the same time the first stays.
            let is_late = self.series.get(&key).is_some_and(|(last, _)| time <= *last);
            if !is_late {
                self.series.insert(key, (time, value));
            }
        }
    }

    pub fn rollback(&mut self) {
        self.pending.clear();
    }
}

fn precedes(exemplar: &Exemplar, last: &Exemplar) -> bool {
    let (time, last_time) = (exemplar.timestamp, last.timestamp);
    time < last_time || time == last_time && exemplar.value < last.value
}

fn duplicate(last: &Stored, value: &Stored) -> String {
    let text = "duplicate sample for timestamp TIME; overrides not allowed:";
    match (last, value) {
        (Stored::Float(last), Stored::Float(value)) => {
            let (last, value) = (f64::from_bits(*last), f64::from_bits(*value));
            format!(
                "{text} existing {}, new value {}",
                super::number(last),
                super::number(value)
            )
        }
        _ => format!("{text} histogram"),
    }
}

/// Prometheus: model/histogram, Validate: the part about counts.
fn invalid(histogram: &Histogram) -> Option<String> {
    let Counts::Integer {
        count,
        zero_count,
        positive,
        negative,
    } = &histogram.counts
    else {
        return None;
    };
    let sum_of = |deltas: &[i64]| -> i64 {
        let counts = deltas.iter().scan(0, |sum, delta| {
            *sum += delta;
            Some(*sum)
        });
        counts.sum()
    };
    let found = u64::try_from(sum_of(positive) + sum_of(negative)).unwrap_or(0) + zero_count;
    (found != *count && !histogram.sum.is_nan() || found > *count).then(|| {
        format!(
            "{found} observations found in buckets, but the Count field is {count}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)"
        )
    })
}

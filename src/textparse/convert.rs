//! A classic histogram as a native one with custom buckets (prometheus: util/convertnhcb).

use super::compact::compact;
use crate::model::histogram::{CUSTOM_BUCKETS, Counts, Histogram, ResetHint, Span};
use std::collections::BTreeMap;

/// The parts of a classic histogram, in whatever order they come.
#[derive(Debug, Default)]
pub(super) struct Classic {
    /// Bound and cumulative count, by the order of bounds.
    buckets: BTreeMap<u64, (f64, f64)>,
    count: Option<f64>,
    sum: f64,
    broken: bool,
}

impl Classic {
    pub(super) fn clear(&mut self) {
        self.buckets.clear();
        self.count = None;
        self.sum = 0.0;
        self.broken = false;
    }

    /// A bucket; of several with one bound the first counts.
    pub(super) fn bucket(&mut self, bound: f64, count: f64) {
        let place = order(bound);
        if self.broken || bound.is_nan() || count < 0.0 {
            self.broken = true;
            return;
        }
        if self.buckets.contains_key(&place) {
            return;
        }
        let below = self.buckets.range(..place).next_back();
        let above = self.buckets.range(place..).next();
        let falls = below.is_some_and(|(_, below)| count < below.1)
            || above.is_some_and(|(_, above)| count > above.1);
        if falls {
            self.broken = true;
        } else {
            self.buckets.insert(place, (bound, count));
        }
    }

    pub(super) fn count(&mut self, count: f64) {
        if self.broken || count < 0.0 {
            self.broken = true;
        } else {
            self.count = Some(count);
        }
    }

    pub(super) fn sum(&mut self, sum: f64) {
        if !self.broken {
            self.sum = sum;
        }
    }

    /// The native histogram, integer if all counts are; `None` if the parts make none.
    pub(super) fn convert(&self) -> Option<Histogram> {
        if self.broken {
            return None;
        }
        let mut buckets: Vec<(f64, f64)> = self.buckets.values().copied().collect();
        let last = buckets.last().copied();
        let highest = last.map(|(_, count)| count);
        let count = self.count.or(highest).unwrap_or(0.0);
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            buckets.push((f64::INFINITY, count));
        }
        if buckets.last().is_none_or(|(_, last)| count != *last) {
            return None;
        }
        let whole = buckets.iter().all(|(_, count)| is_integer(*count));
        let counts = if whole {
            Counts::Integer {
                count: count as u64,
                zero_count: 0,
                positive: deltas(&buckets),
                negative: Vec::new(),
            }
        } else {
            Counts::Float {
                count,
                zero_count: 0.0,
                positive: differences(&buckets),
                negative: Vec::new(),
            }
        };
        let bounds = buckets.iter().map(|(bound, _)| *bound);
        let mut histogram = Histogram {
            schema: CUSTOM_BUCKETS,
            zero_threshold: 0.0,
            sum: self.sum,
            counts,
            positive_spans: vec![Span {
                offset: 0,
                length: buckets.len() as u32,
            }],
            negative_spans: Vec::new(),
            custom_bounds: bounds.take(buckets.len() - 1).collect(),
            reset_hint: ResetHint::Unknown,
        };
        compact(&mut histogram, if whole { 2 } else { 0 });
        Some(histogram)
    }
}

/// Numbers that order as the floats do; both zeros are one.
fn order(bound: f64) -> u64 {
    let bits = (bound + 0.0).to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

fn is_integer(count: f64) -> bool {
    count == count.round() && count < 2f64.powi(63)
}

/// Without a bucket for +Inf the count makes it, however low that is, and then a difference can be too large for 64 bits. It wraps
/// as upstream's does; the storage's rules refuse the histogram.
fn deltas(buckets: &[(f64, f64)]) -> Vec<i64> {
    let (mut below, mut before) = (0, 0);
    let delta = |(_, cumulative): &(f64, f64)| {
        let own = *cumulative as i64 - below;
        let delta = own.wrapping_sub(before);
        (below, before) = (*cumulative as i64, own);
        delta
    };
    buckets.iter().map(delta).collect()
}

fn differences(buckets: &[(f64, f64)]) -> Vec<f64> {
    let mut below = 0.0;
    let difference = |(_, cumulative): &(f64, f64)| {
        let own = cumulative - below;
        below = *cumulative;
        own
    };
    buckets.iter().map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a fuzzer.
    #[test]
    fn differences_beyond_64_bits_wrap() {
        let mut classic = Classic::default();
        classic.bucket(0.0, 1.5 * 2f64.powi(62));
        classic.count(1.0);
        let histogram = classic.convert().unwrap();
        let Counts::Integer { positive, .. } = &histogram.counts else {
            panic!("{histogram:?}")
        };
        let large = 3i64 << 61;
        assert_eq!(positive, &[large, (1 - large).wrapping_sub(large)]);
        assert!(histogram.validate().is_err());
    }
}

//! Native histograms as points, and classic buckets as counts of their own
//! (contrib: prometheusreceiver/internal/metricfamily.go). Attributes, times and exemplars are the walker's.

use super::number::to_u64;
use crate::model::histogram::{Counts, Histogram, Span};
use crate::model::value::is_stale;
use crate::pdata::{Buckets, ExponentialHistogramPoint, HistogramPoint, NO_RECORDED_VALUE};

/// Most buckets of one sign. Gaps are written as zeros, and a few bytes on a page can claim gaps of 2^31 buckets:
/// such a histogram is left out. The finest resolution covers all doubles with 524 288 buckets.
const MAX_BUCKETS: usize = 524_288;

/// The buckets' own counts from cumulative ones; none if they decrease or are no numbers.
pub(super) fn differences(cumulative: &[f64]) -> Option<Vec<u64>> {
    let mut before = 0.0;
    let mut counts = Vec::with_capacity(cumulative.len());
    for &value in cumulative {
        if value.is_nan() || value < before {
            return None;
        }
        counts.push(to_u64(value - before));
        before = value;
    }
    Some(counts)
}

/// A native histogram with custom bounds; none if it can't be one of OTLP's.
pub(super) fn explicit(native: &Histogram) -> Option<HistogramPoint> {
    let (count, count_value) = count(native);
    let is_gone = is_stale(native.sum) || is_stale(count_value);
    // Upstream converts classic histograms without _count, too: 0 observations with a sum.
    if !is_gone && count_value == 0.0 && native.sum != 0.0 {
        return None;
    }
    let (bucket_counts, is_valid) = custom_counts(native);
    if !is_valid && !is_gone {
        return None;
    }
    Some(HistogramPoint {
        count: if is_gone { 0 } else { count },
        sum: (!is_gone).then_some(native.sum),
        bucket_counts,
        explicit_bounds: native.custom_bounds.clone(),
        flags: if is_gone { NO_RECORDED_VALUE } else { 0 },
        ..HistogramPoint::default()
    })
}

/// A native histogram with exponential buckets; none if it claims more buckets than can be.
pub(super) fn exponential(native: &Histogram) -> Option<ExponentialHistogramPoint> {
    if is_stale(native.sum) {
        return Some(ExponentialHistogramPoint {
            flags: NO_RECORDED_VALUE,
            ..Default::default()
        });
    }
    let (zero_count, positive, negative) = match &native.counts {
        Counts::Integer {
            zero_count,
            positive,
            negative,
            ..
        } => (*zero_count, absolute(positive), absolute(negative)),
        Counts::Float {
            zero_count,
            positive,
            negative,
            ..
        } => (
            to_u64(*zero_count),
            truncated(positive),
            truncated(negative),
        ),
    };
    Some(ExponentialHistogramPoint {
        count: count(native).0,
        sum: Some(native.sum),
        scale: native.schema,
        zero_count,
        zero_threshold: native.zero_threshold,
        positive: dense(&native.positive_spans, &positive)?,
        negative: dense(&native.negative_spans, &negative)?,
        ..ExponentialHistogramPoint::default()
    })
}

fn count(native: &Histogram) -> (u64, f64) {
    match native.counts {
        Counts::Integer { count, .. } => (count, count as f64),
        Counts::Float { count, .. } => (to_u64(count), count),
    }
}

fn absolute(deltas: &[i64]) -> Vec<u64> {
    let mut count = 0i64;
    let running = deltas.iter().map(|delta| {
        count = count.wrapping_add(*delta);
        count as u64
    });
    running.collect()
}

fn truncated(counts: &[f64]) -> Vec<u64> {
    counts.iter().copied().map(to_u64).collect()
}

/// Buckets without gaps. OTLP counts them from their lower bounds, Prometheus from their upper ones.
fn dense(spans: &[Span], counts: &[u64]) -> Option<Buckets> {
    let Some(first) = spans.first() else {
        return Some(Buckets::default());
    };
    let mut all = Vec::with_capacity(counts.len());
    let mut counts = counts.iter();
    for (at, span) in spans.iter().enumerate() {
        let gap = if at == 0 {
            0
        } else {
            usize::try_from(span.offset).unwrap_or(0)
        };
        if all.len() + gap + span.length as usize > MAX_BUCKETS {
            return None;
        }
        all.resize(all.len() + gap, 0);
        all.extend(counts.by_ref().take(span.length as usize));
    }
    Some(Buckets {
        offset: first.offset.wrapping_sub(1),
        counts: all,
    })
}

/// The counts of custom buckets, and whether none of them is negative or NaN.
fn custom_counts(native: &Histogram) -> (Vec<u64>, bool) {
    let mut counts = vec![0; native.custom_bounds.len() + 1];
    let mut is_valid = true;
    let mut bucket = 0i64;
    let mut running = 0i64;
    let mut next_delta = 0;
    for span in &native.positive_spans {
        bucket += i64::from(span.offset);
        for in_span in 0..span.length as usize {
            let place = usize::try_from(bucket).ok();
            if place.is_some_and(|place| place >= counts.len()) {
                break;
            }
            let count = match &native.counts {
                Counts::Integer { positive, .. } => {
                    let Some(delta) = positive.get(next_delta) else {
                        break;
                    };
                    next_delta += 1;
                    running = running.wrapping_add(*delta);
                    is_valid &= running >= 0;
                    running as u64
                }
                // As upstream, each span starts again at the first count.
                Counts::Float { positive, .. } => {
                    let Some(value) = positive.get(in_span) else {
                        break;
                    };
                    is_valid &= *value >= 0.0;
                    to_u64(*value)
                }
            };
            if let Some(slot) = place.and_then(|place| counts.get_mut(place)) {
                *slot = count;
            }
            bucket += 1;
        }
    }
    (counts, is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::ResetHint;

    fn native(schema: i32, spans: &[(i32, u32)], counts: Counts, bounds: &[f64]) -> Histogram {
        Histogram {
            schema,
            zero_threshold: 0.0,
            sum: 1.0,
            counts,
            positive_spans: spans
                .iter()
                .map(|&(offset, length)| Span { offset, length })
                .collect(),
            negative_spans: Vec::new(),
            custom_bounds: bounds.to_vec(),
            reset_hint: ResetHint::Unknown,
        }
    }

    fn integer(count: u64, positive: &[i64]) -> Counts {
        Counts::Integer {
            count,
            zero_count: 0,
            positive: positive.to_vec(),
            negative: Vec::new(),
        }
    }

    #[test]
    fn spans_become_dense_buckets() {
        let histogram = native(1, &[(1, 2), (3, 1)], integer(65, &[33, -30, 26]), &[]);
        let point = exponential(&histogram).unwrap();
        assert_eq!(
            point.positive,
            Buckets {
                offset: 0,
                counts: vec![33, 3, 0, 0, 0, 29]
            }
        );
        assert_eq!(point.negative, Buckets::default());
    }

    #[test]
    fn a_gap_too_wide_is_refused() {
        let histogram = native(1, &[(0, 1), (i32::MAX, 1)], integer(2, &[1, 0]), &[]);
        assert_eq!(exponential(&histogram), None);
    }

    #[test]
    fn custom_buckets_are_explicit_ones() {
        let histogram = native(
            -53,
            &[(0, 5)],
            integer(180, &[10, 15, 20, 5, 0]),
            &[1., 2., 5., 10.],
        );
        assert_eq!(
            explicit(&histogram).unwrap().bucket_counts,
            [10, 25, 45, 50, 50]
        );
        let negative = native(-53, &[(0, 2)], integer(1, &[5, -9]), &[1.]);
        assert_eq!(explicit(&negative), None);
    }

    #[test]
    fn counts_must_not_decrease() {
        assert_eq!(differences(&[1.0, 2.0, 10.0]), Some(vec![1, 1, 8]));
        assert_eq!(differences(&[2.0, 1.0]), None);
        assert_eq!(differences(&[f64::NAN]), None);
    }
}

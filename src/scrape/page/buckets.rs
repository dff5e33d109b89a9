//! Limits on native histograms: resolution is reduced, or the scrape fails
//! (prometheus: scrape/target.go, bucketLimitAppenderV2 and maxSchemaAppenderV2).

use crate::model::histogram::{CUSTOM_BUCKETS, Counts, Histogram, Span};
use std::ops::AddAssign;

/// Schemas of exponential histograms.
const SCHEMA_MIN: i32 = -4;
const SCHEMA_MAX: i32 = 8;

/// So many buckets even at the lowest resolution.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManyBuckets(pub(crate) u64);

/// The finest schema that `native_histogram_min_bucket_factor` allows (prometheus: scrape/scrape.go, pickSchema).
pub(crate) fn max_schema(min_bucket_factor: f64) -> i32 {
    if min_bucket_factor <= 1.0 {
        return SCHEMA_MAX;
    }
    let schema = (-min_bucket_factor.log2().log2()).floor();
    // Saturates; not a number becomes 0, but the loader lets none pass.
    (schema as i32).clamp(SCHEMA_MIN, SCHEMA_MAX)
}

/// Whether the limits change this histogram, or refuse it: the usual answer is no and costs nothing.
pub(crate) fn concerns(histogram: &Histogram, max_schema: i32, bucket_limit: u64) -> bool {
    let too_fine = histogram.schema != CUSTOM_BUCKETS && histogram.schema > max_schema;
    too_fine || bucket_limit > 0 && n_buckets(histogram) > bucket_limit
}

/// Brings a histogram within the limits by merging neighbouring buckets.
pub(crate) fn reduce(
    histogram: &mut Histogram,
    max_schema: i32,
    bucket_limit: u64,
) -> Result<(), TooManyBuckets> {
    if histogram.schema != CUSTOM_BUCKETS && histogram.schema > max_schema {
        reduce_resolution(histogram, max_schema);
    }
    while bucket_limit > 0 && n_buckets(histogram) > bucket_limit {
        if histogram.schema == CUSTOM_BUCKETS || histogram.schema <= SCHEMA_MIN {
            return Err(TooManyBuckets(n_buckets(histogram)));
        }
        reduce_resolution(histogram, histogram.schema - 1);
    }
    Ok(())
}

fn n_buckets(histogram: &Histogram) -> u64 {
    let n = match &histogram.counts {
        Counts::Integer {
            positive, negative, ..
        } => positive.len() + negative.len(),
        Counts::Float {
            positive, negative, ..
        } => positive.len() + negative.len(),
    };
    n as u64
}

/// Prometheus: model/histogram, ReduceResolution.
fn reduce_resolution(histogram: &mut Histogram, schema: i32) {
    let steps = histogram.schema - schema;
    let (positive_spans, negative_spans) = (&histogram.positive_spans, &histogram.negative_spans);
    let (merged_positive, merged_negative) = match &mut histogram.counts {
        Counts::Integer {
            positive, negative, ..
        } => (
            merge_deltas(positive_spans, positive, steps),
            merge_deltas(negative_spans, negative, steps),
        ),
        Counts::Float {
            positive, negative, ..
        } => {
            let (spans, buckets) = merge(positive_spans, positive, steps);
            *positive = buckets;
            let (other_spans, buckets) = merge(negative_spans, negative, steps);
            *negative = buckets;
            (spans, other_spans)
        }
    };
    histogram.positive_spans = merged_positive;
    histogram.negative_spans = merged_negative;
    histogram.schema = schema;
}

fn merge_deltas(spans: &[Span], deltas: &mut Vec<i64>, steps: i32) -> Vec<Span> {
    let mut sum = 0i64;
    let counts: Vec<i64> = deltas
        .iter()
        .map(|delta| {
            sum = sum.wrapping_add(*delta);
            sum
        })
        .collect();
    let (spans, counts) = merge(spans, &counts, steps);
    let mut before = 0i64;
    *deltas = counts
        .into_iter()
        .map(|count| count.wrapping_sub(std::mem::replace(&mut before, count)))
        .collect();
    spans
}

/// Merges the buckets of 2^`steps` neighbours. Bucket `n` covers what lies up to base^n, hence the shift by one.
fn merge<T: Copy + AddAssign>(spans: &[Span], counts: &[T], steps: i32) -> (Vec<Span>, Vec<T>) {
    let mut counts = counts.iter();
    let (mut merged_spans, mut merged): (Vec<Span>, Vec<T>) = (Vec::new(), Vec::new());
    let (mut index, mut last) = (0i32, 0i32);
    for span in spans {
        index = index.wrapping_add(span.offset);
        for count in counts.by_ref().take(span.length as usize) {
            let target = (index.wrapping_sub(1) >> steps).wrapping_add(1);
            match (merged.last_mut(), merged_spans.last_mut()) {
                (Some(bucket), _) if target == last => *bucket += *count,
                (_, Some(span)) if target == last.wrapping_add(1) => {
                    span.length += 1;
                    merged.push(*count);
                }
                (_, open) => {
                    let offset = match open {
                        Some(_) => target.wrapping_sub(last).wrapping_sub(1),
                        None => target,
                    };
                    merged_spans.push(Span { offset, length: 1 });
                    merged.push(*count);
                }
            }
            last = target;
            index = index.wrapping_add(1);
        }
    }
    (merged_spans, merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::ResetHint;

    #[test]
    fn factors_become_schemas() {
        for (factor, want) in [
            (0.0, 8),
            (1.0, 8),
            (1.09, 3),
            (1.1, 2),
            (2.0, 0),
            (4.0, -1),
            (1e300, -4),
        ] {
            assert_eq!(max_schema(factor), want, "{factor}");
        }
    }

    fn histogram(schema: i32, spans: &[(i32, u32)], deltas: &[i64]) -> Histogram {
        let spans = spans
            .iter()
            .map(|&(offset, length)| Span { offset, length });
        Histogram {
            schema,
            zero_threshold: 0.0,
            sum: 1.0,
            counts: Counts::Integer {
                count: 10,
                zero_count: 0,
                positive: deltas.to_vec(),
                negative: Vec::new(),
            },
            positive_spans: spans.collect(),
            negative_spans: Vec::new(),
            custom_bounds: Vec::new(),
            reset_hint: ResetHint::Unknown,
        }
    }

    #[test]
    fn neighbours_merge_and_gaps_stay() {
        // Buckets -1: 1, 0: 2, 1: 3, 5: 4. One step coarser: 0: 3, 1: 3, 3: 4.
        let mut it = histogram(1, &[(-1, 3), (3, 1)], &[1, 1, 1, 1]);
        reduce(&mut it, 0, 0).unwrap();
        assert_eq!(it, histogram(0, &[(0, 2), (1, 1)], &[3, 0, 1]));
        assert_eq!(reduce(&mut it, 8, 1), Err(TooManyBuckets(2)));
    }
}

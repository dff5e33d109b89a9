//! Native histograms (prometheus: model/histogram).

use std::fmt;

/// The schema number of histograms with custom bucket bounds.
pub const CUSTOM_BUCKETS: i32 = -53;

/// Consecutive buckets: `offset` empty ones since the last span (or the index of the first bucket), then `length` used ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Gap before the span; for the first span the index of its first bucket.
    pub offset: i32,
    /// Number of buckets in the span.
    pub length: u32,
}

/// What a histogram says about counter resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetHint {
    /// Nothing is known.
    #[default]
    Unknown,
    /// A reset happened before this sample.
    CounterReset,
    /// No reset happened before this sample.
    NotCounterReset,
    /// A gauge histogram: resets have no meaning.
    Gauge,
}

/// The counts of a histogram: integers as deltas, or absolute floats.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// Integer histogram; buckets hold the difference to the bucket before, the first its own count.
    Integer {
        /// All observations.
        count: u64,
        /// Observations in the zero bucket.
        zero_count: u64,
        /// Positive buckets as deltas.
        positive: Vec<i64>,
        /// Negative buckets as deltas.
        negative: Vec<i64>,
    },
    /// Float histogram; buckets hold their own counts.
    Float {
        /// All observations.
        count: f64,
        /// Observations in the zero bucket.
        zero_count: f64,
        /// Positive buckets.
        positive: Vec<f64>,
        /// Negative buckets.
        negative: Vec<f64>,
    },
}

/// A native histogram, with exponential or custom buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Resolution: -4 to 8 exponential, [`CUSTOM_BUCKETS`] for custom bounds.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Sum of the observations.
    pub sum: f64,
    /// The counts.
    pub counts: Counts,
    /// Where the positive buckets are.
    pub positive_spans: Vec<Span>,
    /// Where the negative buckets are.
    pub negative_spans: Vec<Span>,
    /// Upper bounds of custom buckets, ascending, without +Inf.
    pub custom_bounds: Vec<f64>,
    /// What is known of counter resets.
    pub reset_hint: ResetHint,
}

/// Why a histogram can't be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid(&'static str);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Invalid {}

impl Histogram {
    /// What the storage demands of a histogram (prometheus: Histogram.Validate and FloatHistogram.Validate). The readers deliver
    /// whatever the page says.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), Invalid> {
        let (n_positive, n_negative) = match &self.counts {
            Counts::Integer {
                positive, negative, ..
            } => (positive.len(), negative.len()),
            Counts::Float {
                positive, negative, ..
            } => (positive.len(), negative.len()),
        };
        match self.schema {
            CUSTOM_BUCKETS => self.validate_custom(n_positive, n_negative)?,
            -4..=8 => {
                validate_spans(&self.positive_spans, n_positive)?;
                validate_spans(&self.negative_spans, n_negative)?;
                if !self.custom_bounds.is_empty() {
                    return Err(Invalid("an exponential histogram has custom bounds"));
                }
            }
            _ => {
                return Err(Invalid(
                    "the schema is neither -4 to 8 nor -53 (custom bounds)",
                ));
            }
        }
        match &self.counts {
            Counts::Integer {
                count,
                zero_count,
                positive,
                negative,
            } => {
                let sum = [positive, negative]
                    .into_iter()
                    .try_fold(*zero_count, |sum, deltas| {
                        Some(sum.wrapping_add(sum_of_deltas(deltas)?))
                    })
                    .ok_or(Invalid("a bucket has a negative count"))?;
                // Observations of NaN are in no bucket.
                if sum != *count && !(self.sum.is_nan() && sum < *count) {
                    return Err(Invalid("the count is not that of all buckets together"));
                }
            }
            Counts::Float {
                count,
                zero_count,
                positive,
                negative,
            } => {
                let mut counts = positive.iter().chain(negative).chain([count, zero_count]);
                if counts.any(|count| *count < 0.0) {
                    return Err(Invalid("a count is negative"));
                }
            }
        }
        Ok(())
    }

    fn validate_custom(&self, n_positive: usize, n_negative: usize) -> Result<(), Invalid> {
        let bounds = &self.custom_bounds;
        if bounds.iter().any(|bound| bound.is_nan()) || !bounds.is_sorted_by(|a, b| a < b) {
            return Err(Invalid("the custom bounds don't ascend"));
        }
        if bounds.last() == Some(&f64::INFINITY) {
            return Err(Invalid("the last custom bound is +Inf"));
        }
        if self.positive_spans.iter().any(|span| span.offset < 0) {
            return Err(Invalid("a span has a negative offset"));
        }
        validate_spans(&self.positive_spans, n_positive)?;
        let reach: i64 = self
            .positive_spans
            .iter()
            .map(|span| i64::from(span.length) + i64::from(span.offset))
            .sum();
        if (bounds.len() as i64) < reach - 1 {
            return Err(Invalid("there are fewer custom bounds than buckets"));
        }
        let zero_count = match &self.counts {
            Counts::Integer { zero_count, .. } => *zero_count != 0,
            Counts::Float { zero_count, .. } => *zero_count != 0.0,
        };
        if zero_count || self.zero_threshold != 0.0 {
            return Err(Invalid("a histogram with custom bounds has a zero bucket"));
        }
        if !self.negative_spans.is_empty() || n_negative > 0 {
            return Err(Invalid(
                "a histogram with custom bounds has negative buckets",
            ));
        }
        Ok(())
    }
}

fn validate_spans(spans: &[Span], n_buckets: usize) -> Result<(), Invalid> {
    if spans.iter().skip(1).any(|span| span.offset < 0) {
        return Err(Invalid("a span has a negative offset"));
    }
    let needed: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if needed != n_buckets as u64 {
        return Err(Invalid("the spans need another number of buckets"));
    }
    Ok(())
}

/// All observations in buckets given as deltas; `None` if a bucket's count is negative.
fn sum_of_deltas(deltas: &[i64]) -> Option<u64> {
    let mut count = 0i64;
    deltas.iter().try_fold(0u64, |sum, delta| {
        count = count.wrapping_add(*delta);
        Some(sum.wrapping_add(u64::try_from(count).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Histogram), want: Result<(), &'static str>) {
        let mut histogram = Histogram {
            schema: CUSTOM_BUCKETS,
            zero_threshold: 0.0,
            sum: 1.5,
            counts: Counts::Integer {
                count: 5,
                zero_count: 0,
                positive: vec![2, 1],
                negative: vec![],
            },
            positive_spans: vec![Span {
                offset: 0,
                length: 2,
            }],
            negative_spans: vec![],
            custom_bounds: vec![0.5],
            reset_hint: ResetHint::Unknown,
        };
        change(&mut histogram);
        assert_eq!(histogram.validate(), want.map_err(Invalid));
    }

    #[test]
    fn what_the_storage_refuses() {
        check(|_| {}, Ok(()));
        check(
            |h| h.schema = 9,
            Err("the schema is neither -4 to 8 nor -53 (custom bounds)"),
        );
        check(
            |h| h.schema = 3,
            Err("an exponential histogram has custom bounds"),
        );
        check(
            |h| h.custom_bounds = vec![f64::INFINITY],
            Err("the last custom bound is +Inf"),
        );
        check(
            |h| h.custom_bounds = vec![1.0, 1.0],
            Err("the custom bounds don't ascend"),
        );
        check(
            |h| h.custom_bounds.clear(),
            Err("there are fewer custom bounds than buckets"),
        );
        check(|h| h.positive_spans.push(Span::default()), Ok(()));
        check(
            |h| h.positive_spans.clear(),
            Err("the spans need another number of buckets"),
        );
        let integer = |count, positive| Counts::Integer {
            count,
            zero_count: 0,
            positive,
            negative: vec![],
        };
        check(
            |h| h.counts = integer(5, vec![2, -3]),
            Err("a bucket has a negative count"),
        );
        check(
            |h| h.counts = integer(6, vec![2, 1]),
            Err("the count is not that of all buckets together"),
        );
        check(
            |h| {
                h.counts = integer(6, vec![2, 1]);
                h.sum = f64::NAN;
            },
            Ok(()),
        );
    }
}

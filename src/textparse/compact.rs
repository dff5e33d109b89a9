//! Cutting empty buckets out of a native histogram (prometheus: model/histogram/generic.go, compactBuckets), in linear time.

use crate::model::histogram::{Counts, Histogram, Span};

/// Empty buckets at the ends of spans go, and in their middle those of runs longer than `keep`. Spans without a gap become one.
pub(super) fn compact(histogram: &mut Histogram, keep: u32) {
    let (positive_spans, negative_spans) =
        (&mut histogram.positive_spans, &mut histogram.negative_spans);
    match &mut histogram.counts {
        Counts::Integer {
            positive, negative, ..
        } => {
            compact_deltas(positive, positive_spans, keep);
            compact_deltas(negative, negative_spans, keep);
        }
        Counts::Float {
            positive, negative, ..
        } => {
            compact_side(positive, positive_spans, keep, |count| *count == 0.0);
            compact_side(negative, negative_spans, keep, |count| *count == 0.0);
        }
    }
}

fn compact_deltas(deltas: &mut Vec<i64>, spans: &mut Vec<Span>, keep: u32) {
    let mut count = 0i64;
    for delta in deltas.iter_mut() {
        count = count.wrapping_add(*delta);
        *delta = count;
    }
    compact_side(deltas, spans, keep, |count| *count == 0);
    let mut before = 0i64;
    for count in deltas.iter_mut() {
        (*count, before) = (count.wrapping_sub(before), *count);
    }
}

/// `buckets` hold counts of their own. Spans and buckets need not fit together: what is left over of one stays, as upstream.
fn compact_side<T: Copy>(
    buckets: &mut Vec<T>,
    spans: &mut Vec<Span>,
    keep: u32,
    is_empty: impl Fn(&T) -> bool,
) {
    let nothing_to_do = !buckets.iter().any(&is_empty)
        && spans
            .iter()
            .all(|span| i64::from(span.offset) > i64::from(keep) && span.length > 0);
    if nothing_to_do {
        return;
    }
    let mut out = Vec::with_capacity(spans.len());
    let mut kept = Vec::with_capacity(buckets.len());
    let mut rest = buckets.as_slice();
    let merged = merge(spans);
    // What the gap in front of the next span grows by: all that was cut since the last one.
    let mut gap = 0i32;
    for span in &merged {
        let mut open = Span {
            offset: span.offset.wrapping_add(gap),
            length: span.length,
        };
        gap = 0;
        // Buckets of `open` that were looked at.
        let mut seen = 0;
        while seen < open.length && !rest.is_empty() {
            let left = open.length - seen;
            let run = rest
                .iter()
                .take(left as usize)
                .take_while(|b| is_empty(b))
                .count();
            let run = run as u32; // at most `left`
            if run == 0 || seen > 0 && run < left && run <= keep {
                let (stay, after) = rest.split_at(run.max(1) as usize);
                kept.extend_from_slice(stay);
                rest = after;
                seen += run.max(1);
                continue;
            }
            rest = rest.get(run as usize..).unwrap_or_default();
            if seen == 0 {
                open.offset = open.offset.wrapping_add(run as i32);
            } else {
                out.push(Span {
                    length: seen,
                    ..open
                });
                open.offset = run as i32;
                seen = 0;
            }
            open.length = left - run;
        }
        if open.length > 0 {
            out.push(open);
        } else {
            gap = open.offset;
        }
    }
    if !merged.is_empty() {
        kept.extend_from_slice(rest);
    }
    *buckets = kept;
    *spans = out;
}

/// Spans without a gap in front become part of the one before; the gaps of those without buckets are the next one's.
fn merge(spans: &[Span]) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.offset == 0 => last.length = last.length.wrapping_add(span.length),
            _ => joined.push(*span),
        }
    }
    let mut gap = 0i32;
    joined.retain_mut(|span| {
        span.offset = span.offset.wrapping_add(gap);
        gap = if span.length == 0 { span.offset } else { 0 };
        span.length > 0
    });
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(buckets: &[i64], spans: &[(i32, u32)], keep: u32, want: (&[i64], &[(i32, u32)])) {
        let mut buckets = buckets.to_vec();
        let span = |&(offset, length)| Span { offset, length };
        let mut spans: Vec<Span> = spans.iter().map(span).collect();
        compact_deltas(&mut buckets, &mut spans, keep);
        let spans: Vec<_> = spans.iter().map(|s| (s.offset, s.length)).collect();
        assert_eq!((&*buckets, &*spans), want);
    }

    #[test]
    fn empty_buckets_are_cut_out() {
        check(&[1, -1, 2], &[(5, 3)], 0, (&[1, 1], &[(5, 1), (1, 1)]));
        check(&[1, -1, 2], &[(5, 3)], 2, (&[1, -1, 2], &[(5, 3)]));
        check(&[0, 3, -3, 0], &[(-2, 4)], 2, (&[3], &[(-1, 1)]));
        check(&[0, 0, 4], &[(1, 2), (3, 1)], 0, (&[4], &[(6, 1)]));
        check(&[1, 1], &[(0, 1), (0, 1)], 0, (&[1, 1], &[(0, 2)]));
        check(
            &[1, 1],
            &[(0, 1), (2, 0), (3, 1)],
            0,
            (&[1, 1], &[(0, 1), (5, 1)]),
        );
        check(&[0], &[(0, 1)], 0, (&[], &[]));
        check(&[], &[(4, 0)], 0, (&[], &[]));
    }

    #[test]
    fn left_over_buckets_and_spans_stay() {
        check(&[1, 2, -3, 5], &[(1, 2)], 0, (&[1, 2, -3, 5], &[(1, 2)]));
        check(&[1], &[(0, 5), (2, 1)], 0, (&[1], &[(0, 5), (2, 1)]));
        check(&[0, 1], &[], 0, (&[], &[]));
    }
}

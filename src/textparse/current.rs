//! Which series of a protobuf metric is being delivered: its name, its own label, its key and its labels.

use super::LabelSource;
use super::family::{Bucket, ExemplarParts, Family, Metric, push_labels};
use super::line::FamilyLabels;
use super::number::format_openmetrics;
use crate::model::labels::{LabelList, METRIC_NAME};
use crate::model::metadata::MetricKind;
use std::borrow::Cow;

/// The metric that is being delivered and which of its series.
#[derive(Debug)]
pub(super) struct Current<'p> {
    pub(super) family: Family<'p>,
    pub(super) metric: Metric<'p>,
    pub(super) kind: MetricKind,
    /// Whether it is a histogram's base name with no label of its own.
    pub(super) whole: bool,
    pub(super) part: Part,
    pub(super) type_and_unit: bool,
}

/// A series of a summary or classic histogram; upstream's field positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Before,
    Count,
    Sum,
    Nth(usize),
}

impl Current<'_> {
    fn name(&self) -> Cow<'_, [u8]> {
        match self.suffix() {
            b"" => Cow::Borrowed(self.family.name),
            suffix => Cow::Owned([self.family.name, suffix].concat()),
        }
    }

    pub(super) fn suffix(&self) -> &'static [u8] {
        match self.part {
            _ if self.whole => b"",
            Part::Count | Part::Before => b"_count",
            Part::Sum => b"_sum",
            Part::Nth(_) if self.kind == MetricKind::Summary => b"",
            Part::Nth(_) => b"_bucket",
        }
    }

    /// The label that tells a bucket or a quantile, and its number.
    pub(super) fn own_label(&self) -> Option<(&'static str, f64)> {
        let Part::Nth(n) = self.part else { return None };
        match self.kind {
            _ if self.whole => None,
            MetricKind::Summary => {
                let (quantile, _) = self.metric.summary.quantiles.get(n)?;
                Some(("quantile", *quantile))
            }
            _ => {
                let message = self.metric.histogram.buckets.get(n);
                let mut ignored = ExemplarParts::default();
                let bucket = message.map(|message| Bucket::decode(message, &mut ignored));
                let bound = bucket.and_then(Result::ok);
                Some(("le", bound.map_or(f64::INFINITY, |bucket| bucket.bound)))
            }
        }
    }
}

impl LabelSource for Current<'_> {
    fn labels(&self, out: &mut LabelList) {
        out.clear();
        let name = self.name();
        let family = FamilyLabels {
            name: &name,
            kind: self.kind,
            unit: self.family.unit,
        };
        if self.type_and_unit {
            family.push(out);
            push_labels(&self.metric.labels, out, |label| !family.replaces(label));
        } else {
            out.push(METRIC_NAME, &name);
            push_labels(&self.metric.labels, out, |_| true);
        }
        if let Some((name, number)) = self.own_label() {
            out.push(name, format_openmetrics(number));
        }
        out.sort();
    }
}

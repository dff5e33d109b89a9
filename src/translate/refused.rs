//! What the last scrape had and the receiver refused: it does not remember these series, so no markers follow
//! (prometheus: scrape/scrape.go tracks what an appender took; contrib: metricfamily.go, addSeries).

use super::plan::Plan;
use crate::model::batch::Batch;
use crate::model::series::SeriesId;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Hashes of the labels of series, which outlive a table. See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(HashSet<u64>);

impl Refused {
    /// What a batch has that its plan has no place for; nearly always nothing.
    pub(super) fn of(plan: &Plan, batch: &Batch<'_>) -> Self {
        let rows = plan.refused.iter();
        let present = rows.filter(|(row, _)| batch.is_present(*row as usize));
        Self(present.map(|(_, series)| hash(batch, *series)).collect())
    }

    pub(super) fn contains(&self, batch: &Batch<'_>, series: SeriesId) -> bool {
        !self.0.is_empty() && self.0.contains(&hash(batch, series))
    }
}

fn hash(batch: &Batch<'_>, series: SeriesId) -> u64 {
    let mut hasher = DefaultHasher::new();
    for label in batch.table.labels(series, batch.identity) {
        label.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use crate::model::batch::{Batch, Extras};
    use crate::model::group::TargetGroup;
    use crate::model::identity::{Discovered, Identity};
    use crate::model::labels::Labels;
    use crate::model::metadata::{Family, MetricKind};
    use crate::model::series::{Row, RowKind, SeriesTable, SeriesTableBuilder};
    use crate::pdata::{Data, Metrics};
    use crate::translate::{Settings, Translator};
    use std::sync::Arc;

    /// A page with the series `x` of a family of this kind.
    fn table(kind: MetricKind, generation: u64) -> Arc<SeriesTable> {
        let mut table = SeriesTableBuilder::new();
        table.family(Family {
            name: "x".into(),
            kind,
            help: "".into(),
            unit: "".into(),
        });
        let series = table.series([("__name__", "x")]);
        table.row(Row {
            series,
            family: None,
            kind: RowKind::Float,
        });
        Arc::new(table.build(generation))
    }

    /// What is said of `x`.
    fn said(metrics: Option<Metrics>) -> String {
        let Some(mut metrics) = metrics else {
            return "nothing".into();
        };
        let metric = metrics.resource_metrics[0].scope_metrics[0]
            .metrics
            .remove(0);
        let (kind, flags) = match metric.data {
            Data::Gauge(gauge) => ("gauge", gauge.points[0].flags),
            Data::Sum(sum) => ("sum", sum.points[0].flags),
            Data::ExponentialHistogram(histogram) => ("native", histogram.points[0].flags),
            other => panic!("{other:?}"),
        };
        format!("{kind} {}", if flags == 0 { "live" } else { "gone" })
    }

    /// A histogram has no place for a plain `x`, but an end of `x` that it marks is that of a native histogram.
    #[test]
    fn the_end_of_what_was_taken_is_marked_whatever_the_type_is_now() {
        use MetricKind::{Counter, Gauge, Histogram};
        let identity = Arc::new(Identity {
            job: "test".into(),
            labels: Labels::from_pairs([("instance", "i"), ("job", "test")]),
            internal: Labels::empty(),
            discovered: Discovered {
                group: Arc::new(TargetGroup::default()),
                index: 0,
            },
            discovered_scheme: "http".into(),
        });
        let mut translator = Translator::new(Settings::default());
        let mut was_present = false;
        for (step, (kind, generation, is_present, want)) in [
            (Counter, 1, true, "sum live"),
            (Histogram, 2, false, "native gone"),
            (Histogram, 2, true, "nothing"),
            (Histogram, 2, false, "nothing"),
            (Histogram, 2, true, "nothing"),
            (Gauge, 3, false, "nothing"),
            (Gauge, 3, true, "gauge live"),
            (Gauge, 3, false, "gauge gone"),
            (Gauge, 3, true, "gauge live"),
            (Histogram, 4, false, "native gone"),
        ]
        .into_iter()
        .enumerate()
        {
            let table = table(kind, generation);
            let gone = [table.rows()[0].series];
            let batch = Batch {
                identity: &identity,
                table: &table,
                time_ms: 1,
                values: &[1.0],
                present: &[u64::from(is_present)],
                stale: if was_present && !is_present {
                    &gone
                } else {
                    &[]
                },
                extras: &Extras::default(),
                report: &[],
                external: &Labels::empty(),
            };
            let mut anew = translator.without_plan();
            assert_eq!(said(translator.translate(&batch)), want, "step {step}");
            assert_eq!(said(anew.translate(&batch)), want, "step {step}");
            was_present = is_present;
        }
    }
}

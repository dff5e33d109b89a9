//! Batches made by hand, for tests that need no page to be read.

use prometheus_operator_receiver::model::batch::{Batch, Extras, ReportSample, TargetOutput};
use prometheus_operator_receiver::model::group::TargetGroup;
use prometheus_operator_receiver::model::identity::{Discovered, Identity};
use prometheus_operator_receiver::model::labels::Labels;
use prometheus_operator_receiver::model::series::{Row, RowKind, SeriesTable, SeriesTableBuilder};
use std::sync::Arc;

/// A target with one gauge `g`.
pub struct OneGauge {
    identity: Arc<Identity>,
    table: Arc<SeriesTable>,
    external: Labels,
}

impl OneGauge {
    pub fn new(instance: &str) -> Self {
        let mut table = SeriesTableBuilder::new();
        let series = table.series([("__name__", "g")]);
        table.row(Row {
            series,
            family: None,
            kind: RowKind::Float,
        });
        let discovered = Discovered {
            group: Arc::new(TargetGroup::default()),
            index: 0,
        };
        let labels = Labels::from_pairs([("instance", instance), ("job", "test")]);
        Self {
            identity: Arc::new(Identity {
                job: "test".into(),
                labels,
                internal: Labels::empty(),
                discovered,
                discovered_scheme: "http".into(),
            }),
            table: Arc::new(table.build(1)),
            external: Labels::empty(),
        }
    }

    /// Delivers two points: `g` and `up`.
    pub fn deliver(&self, value: f64, output: &mut dyn TargetOutput) {
        output.deliver(&Batch {
            identity: &self.identity,
            table: &self.table,
            time_ms: 1_700_000_000_000,
            values: &[value],
            present: &[1],
            stale: &[],
            extras: &Extras::default(),
            report: &[ReportSample {
                name: "up",
                value: 1.0,
            }],
            external: &self.external,
        });
        output.hand_on();
    }
}

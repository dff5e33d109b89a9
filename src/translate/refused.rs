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

//! What a scrape collects on its way through a page, to become the batch and the next table.

use super::cache::{Cache, small};
use super::changes::{Changes, Rebuilt, place_in};
use super::labels::LabelMaker;
use super::storage::Value;
use crate::model::batch::Extras;
use crate::model::exemplar::Exemplar;
use crate::model::series::{RowKind, SeriesId, SeriesTable};
use crate::textparse::Place;
use std::cmp::Ordering;
use std::collections::HashMap;

/// What a scrape collects for its batch. A thread reuses it from scrape to scrape.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) values: Vec<f64>,
    pub(crate) present: Vec<u64>,
    pub(crate) stale: Vec<SeriesId>,
    pub(crate) extras: Extras,
    /// Rows in the order of the page.
    pub(crate) order: Vec<u32>,
    /// Where the samples of the page stand, as far as they are numbers.
    pub(crate) places: Vec<Place>,
    pub(crate) changes: Changes,
    pub(crate) maker: LabelMaker,
    /// How often a row was repeated with explicit timestamps.
    pub(crate) repeats: HashMap<u32, u32>,
    pub(crate) exemplars: Vec<Exemplar>,
}

impl Collected {
    /// Empties everything, for a target's next scrape.
    pub(crate) fn begin(&mut self, table: &SeriesTable, cache: &Cache) {
        self.order.clear();
        self.places.clear();
        self.changes.begin(cache.superseded);
        self.roll_back(table.rows().len());
    }

    /// Forgets samples; what was learned about rows stays.
    pub(crate) fn roll_back(&mut self, n_rows: usize) {
        self.values.resize(n_rows, 0.0);
        self.present.clear();
        self.present.resize(n_rows.div_ceil(64), 0);
        self.stale.clear();
        self.extras.clear();
        self.repeats.clear();
    }

    /// All rows that are delivered are on the page.
    pub(crate) fn present_all(&mut self, table: &SeriesTable) {
        for (at, row) in table.rows().iter().enumerate() {
            if row.kind != RowKind::Dropped
                && let Some(word) = self.present.get_mut(at / 64)
            {
                *word |= 1 << (at % 64);
            }
        }
    }

    /// Whether the page had exactly the rows of the table, in their order, and nothing came of it but their values.
    pub(crate) fn is_plain(&self, n_rows: usize) -> bool {
        let mut order = self.order.iter().zip(0..);
        self.order.len() == n_rows
            && self.places.len() == n_rows
            && order.all(|(row, at)| *row == at)
            && self.changes.is_empty()
            && self.stale.is_empty()
            && self.extras == Extras::default()
            && self.repeats.is_empty()
    }

    /// How many label sets were ever built here.
    #[cfg(test)]
    pub(crate) fn n_label_sets(&self) -> usize {
        self.maker.n_made
    }

    /// Moves everything to the places of a new table.
    pub(crate) fn move_to(&mut self, rebuilt: &Rebuilt) {
        let n_rows = rebuilt.table.rows().len();
        let mut values = vec![0.0; n_rows];
        let mut present = vec![0u64; n_rows.div_ceil(64)];
        for (at, value) in self.values.iter().enumerate() {
            let new = place_in(&rebuilt.row_places, small(at)) as usize;
            if let Some(slot) = values.get_mut(new) {
                *slot = *value;
            }
            if self.is_present(small(at))
                && let Some(word) = present.get_mut(new / 64)
            {
                *word |= 1 << (new % 64);
            }
        }
        (self.values, self.present) = (values, present);
        let moved = |row: &mut u32| *row = place_in(&rebuilt.row_places, *row);
        self.extras
            .timestamps
            .iter_mut()
            .for_each(|entry| moved(&mut entry.0));
        self.extras
            .starts
            .iter_mut()
            .for_each(|entry| moved(&mut entry.0));
        self.extras
            .exemplars
            .iter_mut()
            .for_each(|entry| moved(&mut entry.0));
        self.extras
            .histograms
            .iter_mut()
            .for_each(|entry| moved(&mut entry.0));
        for series in &mut self.stale {
            *series = SeriesId(place_in(&rebuilt.series_places, series.0));
        }
    }

    pub(crate) fn is_present(&self, row: u32) -> bool {
        let word = self.present.get(row as usize / 64);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub(crate) fn put(&mut self, row: u32, value: Value<'_>) {
        let at = row as usize;
        if self.values.len() <= at {
            self.values.resize(at + 1, 0.0);
            self.present.resize(at / 64 + 1, 0);
        }
        if let Some(word) = self.present.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
        match value {
            Value::Float(value) => {
                if let Some(place) = self.values.get_mut(at) {
                    *place = value;
                }
            }
            Value::Histogram(histogram) => self.extras.histograms.push((row, histogram.clone())),
        }
    }

    /// Takes the exemplars of a sample: they get its time where they have none, and are sorted. Those of native histograms
    /// are dropped without a time of their own. Those of more than `limit` labels are dropped and counted.
    pub(crate) fn take_exemplars(
        &mut self,
        exemplars: &[Exemplar],
        is_histogram: bool,
        time: i64,
        limit: usize,
    ) -> u64 {
        self.exemplars.clear();
        let mut n_large = 0;
        for exemplar in exemplars {
            if exemplar.labels.len() > limit {
                n_large += 1;
            } else if exemplar.timestamp.is_some() || !is_histogram {
                self.exemplars.push(Exemplar {
                    timestamp: exemplar.timestamp.or(Some(time)),
                    ..exemplar.clone()
                });
            }
        }
        self.exemplars.sort_by(|a, b| {
            let by_time = a.timestamp.cmp(&b.timestamp);
            let by_value = a.value.partial_cmp(&b.value).unwrap_or(Ordering::Equal);
            by_time
                .then(by_value)
                .then_with(|| a.labels.raw().cmp(b.labels.raw()))
        });
        n_large
    }
}

//! What a scrape has found to be different from the target's table, until the next table is built from both.

use super::cache::{Cache, NONE, small};
use crate::model::labels::{METRIC_NAME, Text};
use crate::model::metadata::Family;
use crate::model::series::{FamilyId, Row, RowKind, SeriesId, SeriesTable, SeriesTableBuilder};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// New rows, series and families, numbered behind those of the table, and changed ones. Empty after a scrape of a known page.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    superseded: u32,
    rows: Vec<Row>,
    series: Vec<Box<[(Text, Text)]>>,
    replaced: HashMap<u32, Row>,
    families: Vec<ChangedFamily>,
    /// For each family its latest entry in `families`.
    latest: HashMap<u32, usize>,
    /// All series by a hash of their own labels; filled when the first new series is looked for.
    by_labels: HashMap<u64, u32>,
}

#[derive(Debug)]
struct ChangedFamily {
    at: u32,
    /// How many rows of the page stand before the line.
    position: usize,
    family: Family,
}

/// A new table and what became of the old places.
pub(crate) struct Rebuilt {
    pub(crate) table: Arc<SeriesTable>,
    /// The new place of each old row, [`NONE`] if it is gone.
    pub(crate) row_places: Vec<u32>,
    /// The new place of each old series.
    pub(crate) series_places: Vec<u32>,
}

impl Changes {
    /// Empties everything; `superseded` says how many families of the table are only older words on others.
    pub(crate) fn begin(&mut self, superseded: u32) {
        self.superseded = superseded;
        self.clear();
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.series.clear();
        self.replaced.clear();
        self.families.clear();
        self.latest.clear();
        self.by_labels.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.replaced.is_empty() && self.families.is_empty()
    }

    /// A row. Its family is numbered as in the cache.
    pub(crate) fn row(&self, table: &SeriesTable, at: u32) -> Option<Row> {
        if !self.replaced.is_empty()
            && let Some(row) = self.replaced.get(&at)
        {
            return Some(*row);
        }
        let (at, known) = (at as usize, table.rows());
        let Some(row) = known.get(at) else {
            return self.rows.get(at - known.len()).copied();
        };
        let family = row
            .family
            .map(|FamilyId(family)| FamilyId(family - self.superseded));
        Some(Row { family, ..*row })
    }

    pub(crate) fn add_row(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn replace_row(&mut self, at: u32, row: Row) {
        self.replaced.insert(at, row);
    }

    /// The own labels of a series that the table doesn't have.
    pub(crate) fn fresh_labels(
        &self,
        table: &SeriesTable,
        series: SeriesId,
    ) -> Option<&[(Text, Text)]> {
        let at = (series.0 as usize).checked_sub(table.n_series())?;
        self.series.get(at).map(|labels| &**labels)
    }

    /// Whether a series has these own labels.
    pub(crate) fn has_labels(
        &self,
        table: &SeriesTable,
        series: SeriesId,
        own: &[(Text, Text)],
    ) -> bool {
        match self.fresh_labels(table, series) {
            Some(labels) => *labels == *own,
            None => {
                let own = own.iter().map(|(name, value)| (&**name, &**value));
                table.own_labels(series).eq(own)
            }
        }
    }

    /// A series' metric name.
    pub(crate) fn name<'a>(&'a self, table: &'a SeriesTable, series: SeriesId) -> &'a str {
        let fresh = self.fresh_labels(table, series).into_iter().flatten();
        let mut pairs = table
            .own_labels(series)
            .chain(fresh.map(|(name, value)| (&**name, &**value)));
        pairs
            .find(|(name, _)| *name == METRIC_NAME)
            .map_or("", |(_, value)| value)
    }

    /// The series with these own labels: rows that spell it otherwise may have brought it in.
    pub(crate) fn series(
        &mut self,
        table: &SeriesTable,
        own: &[(Text, Text)],
        cache: &Cache,
    ) -> SeriesId {
        if self.by_labels.is_empty() {
            for at in 0..small(table.n_series()) {
                let mut hash = cache.hash_pairs(table.own_labels(SeriesId(at)));
                while self.by_labels.contains_key(&hash) {
                    hash = hash.wrapping_add(1);
                }
                self.by_labels.insert(hash, at);
            }
        }
        let own_pairs = own.iter().map(|(name, value)| (&**name, &**value));
        let mut hash = cache.hash_pairs(own_pairs);
        while let Some(known) = self.by_labels.get(&hash).map(|at| SeriesId(*at)) {
            if self.has_labels(table, known, own) {
                return known;
            }
            hash = hash.wrapping_add(1);
        }
        let new = small(table.n_series() + self.series.len());
        self.series.push(own.into());
        self.by_labels.insert(hash, new);
        SeriesId(new)
    }

    /// What is known of a family by now.
    pub(crate) fn family<'a>(&'a self, table: &'a SeriesTable, at: u32) -> Option<&'a Family> {
        if !self.families.is_empty()
            && let Some(latest) = self
                .latest
                .get(&at)
                .and_then(|place| self.families.get(*place))
        {
            return Some(&latest.family);
        }
        table.family(FamilyId(at + self.superseded))
    }

    /// A family to be changed by a line with `position` rows before it; one that is not known begins with its name only.
    pub(crate) fn family_mut(
        &mut self,
        table: &SeriesTable,
        at: u32,
        name: &str,
        position: usize,
    ) -> &mut Family {
        let known = self.latest.get(&at).copied();
        let place = known.filter(|place| {
            self.families
                .get(*place)
                .is_some_and(|known| known.position == position)
        });
        let place = place.unwrap_or_else(|| {
            let family = self.family(table, at).cloned().unwrap_or_else(|| Family {
                name: name.into(),
                ..Family::default()
            });
            self.families.push(ChangedFamily {
                at,
                position,
                family,
            });
            self.latest.insert(at, self.families.len() - 1);
            self.families.len() - 1
        });
        &mut self.families[place].family
    }

    /// Builds the next table: the rows in `order`, which is that of the page if it was read to its end, then what else is to be kept.
    pub(crate) fn rebuild(
        &mut self,
        table: &SeriesTable,
        cache: &mut Cache,
        order: &[u32],
    ) -> Rebuilt {
        let (rows, row_places) = self.kept_rows(table, cache, order);
        let (series, series_places) = self.kept_series(table, &rows);
        let mut builder = SeriesTableBuilder::new();
        let mut texts = Vec::new();
        for at in &series {
            match self.fresh_labels(table, SeriesId(*at)) {
                Some(own) => builder.series(own.iter().map(|(name, value)| (&**name, &**value))),
                None => builder.copy(table, SeriesId(*at), &mut texts),
            };
        }
        let family_places = cache.reorder(&rows, &series);
        (cache.superseded, cache.is_unsettled) =
            self.add_families(table, &mut builder, order, &family_places);
        for row in rows.iter().filter_map(|at| self.row(table, *at)) {
            let family = row.family.map(|family| place_in(&family_places, family.0));
            let family = family.filter(|place| *place != NONE);
            builder.row(Row {
                series: SeriesId(place_in(&series_places, row.series.0)),
                family: family.map(|place| FamilyId(place + cache.superseded)),
                kind: row.kind,
            });
        }
        self.clear();
        Rebuilt {
            table: Arc::new(builder.build(table.generation() + 1)),
            row_places,
            series_places,
        }
    }

    /// The rows of the next table, and the new places of all.
    fn kept_rows(&self, table: &SeriesTable, cache: &Cache, order: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let n_rows = cache.n_rows();
        let (mut rows, mut places) = (Vec::with_capacity(n_rows), vec![NONE; n_rows]);
        for at in order.iter().copied().chain(0..small(n_rows)) {
            if let (Some(place), Some(row)) = (places.get_mut(at as usize), self.row(table, at))
                && *place == NONE
                && cache.keeps(at, row.series.0)
            {
                *place = small(rows.len());
                rows.push(at);
            }
        }
        (rows, places)
    }

    /// The series of those rows, and the new places of all.
    fn kept_series(&self, table: &SeriesTable, rows: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let n_series = table.n_series() + self.series.len();
        let (mut series, mut places) = (Vec::with_capacity(n_series), vec![NONE; n_series]);
        for row in rows.iter().filter_map(|at| self.row(table, *at)) {
            if let Some(place) = places.get_mut(row.series.0 as usize)
                && *place == NONE
            {
                *place = small(series.len());
                series.push(row.series.0);
            }
        }
        (series, places)
    }

    /// Adds the families. Where a line that changed one came behind rows whose names it might concern, what held for
    /// those is added first. Says how many such entries there are, and whether all that holds for this page only.
    fn add_families(
        &self,
        table: &SeriesTable,
        builder: &mut SeriesTableBuilder,
        order: &[u32],
        places: &[u32],
    ) -> (u32, bool) {
        let first = if self.families.is_empty() {
            HashMap::new()
        } else {
            self.first_rows(table, order)
        };
        let is_late = |family: &Family, position: usize| {
            let row = first.get(&*family.name);
            row.is_some_and(|row| *row < position)
        };
        let mut late: HashMap<u32, usize> = HashMap::new();
        for changed in &self.families {
            if place_in(places, changed.at) != NONE && is_late(&changed.family, changed.position) {
                late.insert(changed.at, changed.position);
            }
        }
        let (mut superseded, mut begun) = (0, HashSet::new());
        for changed in self
            .families
            .iter()
            .filter(|changed| late.contains_key(&changed.at))
        {
            // What the table said, once; then each word but the last.
            if begun.insert(changed.at)
                && let Some(family) = table.family(FamilyId(changed.at + self.superseded))
            {
                builder.family_from(family.clone(), 0);
                superseded += 1;
            }
            let latest = self
                .latest
                .get(&changed.at)
                .and_then(|place| self.families.get(*place));
            if !latest.is_some_and(|latest| std::ptr::eq(latest, changed)) {
                builder.family_from(changed.family.clone(), changed.position);
                superseded += 1;
            }
        }
        for (at, place) in places.iter().enumerate() {
            if *place != NONE
                && let Some(family) = self.family(table, small(at))
            {
                let start = late.get(&small(at)).copied().unwrap_or(0);
                builder.family_from(family.clone(), start);
            }
        }
        (superseded, !late.is_empty())
    }

    /// The first row of each name, with and without its last word: a family may be either.
    fn first_rows<'a>(&'a self, table: &'a SeriesTable, order: &[u32]) -> HashMap<&'a str, usize> {
        let mut first = HashMap::new();
        for (position, at) in order.iter().enumerate() {
            let Some(row) = self
                .row(table, *at)
                .filter(|row| row.kind != RowKind::Dropped)
            else {
                continue;
            };
            let name = self.name(table, row.series);
            first.entry(name).or_insert(position);
            if let Some((stem, _)) = name.rsplit_once('_') {
                first.entry(stem).or_insert(position);
            }
        }
        first
    }
}

/// The new place of something old.
pub(crate) fn place_in(places: &[u32], at: u32) -> u32 {
    places.get(at as usize).copied().unwrap_or(NONE)
}

//! What a target remembers of its pages (prometheus: scrape/scrape.go, scrapeCache): which rows it knows by their source
//! bytes, which series are live, what is known of families. It holds numbers only; the texts lie in the target's
//! [`SeriesTable`](crate::model::series::SeriesTable), of which the first rows, series and families here are those.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// No row, no family.
pub(crate) const NONE: u32 = u32::MAX;

/// Marks a series that was delivered but never live. Scrapes are counted from 3 on, so that none is just behind it.
const DELIVERED: u32 = 1;

/// Families are forgotten when so many scrapes did not mention them.
const FAMILY_SCRAPES: u32 = 10;

/// A target's memory.
#[derive(Debug)]
pub(crate) struct Cache {
    hasher: RandomState,
    /// The number of the present scrape. Marks of earlier scrapes are smaller; 0 means never.
    iter: u32,
    /// Rows not seen since this scrape are forgotten: they count as new when they come back.
    flushed: u32,
    /// How many rows are not forgotten.
    n_cached: usize,
    /// How many rows this scrape has seen.
    n_seen: usize,
    /// Entries there were after the last success.
    n_good: usize,
    rows: Vec<RowState>,
    row_index: Index,
    /// For each series the scrape in which it was last live, or [`DELIVERED`]; 0 means never.
    live: Vec<u32>,
    families: Vec<FamilyState>,
    family_index: Index,
    /// How many families of the table, the first ones, are not the last word.
    pub(crate) superseded: u32,
    /// What the table says of families held in the middle of one page only: the next scrape needs another table.
    pub(crate) is_unsettled: bool,
}

/// What is remembered of a row.
#[derive(Debug, Clone, Copy)]
struct RowState {
    hash: u64,
    /// The scrape that saw it last; 0 while its samples were never taken.
    seen: u32,
    /// The family whose lines stood above it.
    context: u32,
}

/// What is remembered of a family.
#[derive(Debug, Clone, Copy)]
struct FamilyState {
    hash: u64,
    seen: u32,
}

/// How a row stands at the moment its sample is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// New, or forgotten: it counts as added.
    New,
    /// Known from earlier scrapes.
    Known,
    /// This page has it already.
    Twice,
}

/// How the reading of a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// It was read to its end.
    Complete,
    /// There was none, or it broke off.
    Failed,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            iter: 3,
            flushed: 1,
            n_cached: 0,
            n_seen: 0,
            n_good: 0,
            rows: Vec::new(),
            row_index: Index::default(),
            live: Vec::new(),
            families: Vec::new(),
            family_index: Index::default(),
            superseded: 0,
            is_unsettled: false,
        }
    }

    /// A keyed hash of source bytes: 64 bits that no target can aim at, so that the bytes need not be kept.
    pub(crate) fn hash(&self, bytes: impl Hash) -> u64 {
        self.hasher.hash_one(bytes)
    }

    /// The same for label pairs.
    pub(crate) fn hash_pairs<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        pairs.for_each(|pair| pair.hash(&mut hasher));
        hasher.finish()
    }

    pub(crate) fn find_row(&self, hash: u64) -> Option<u32> {
        self.row_index
            .find(hash, |at| self.rows.get(at).map(|row| row.hash))
    }

    /// Adds a row at the end.
    pub(crate) fn add_row(&mut self, hash: u64, context: u32) -> u32 {
        let row = small(self.rows.len());
        self.rows.push(RowState {
            hash,
            seen: 0,
            context,
        });
        let rows = &self.rows;
        self.row_index
            .insert(row, |at| rows.get(at).map_or(0, |row| row.hash));
        row
    }

    /// The family whose lines stood above a row when it was last seen.
    pub(crate) fn context(&self, row: u32) -> u32 {
        self.rows.get(row as usize).map_or(NONE, |row| row.context)
    }

    pub(crate) fn set_context(&mut self, row: u32, context: u32) {
        if let Some(state) = self.rows.get_mut(row as usize) {
            state.context = context;
        }
    }

    /// How many rows there are.
    pub(crate) fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// How a row stands; if it is known, this scrape has seen it now.
    pub(crate) fn look_at(&mut self, row: u32) -> Seen {
        let Some(state) = self.rows.get_mut(row as usize) else {
            return Seen::New;
        };
        if state.seen == self.iter {
            Seen::Twice
        } else if state.seen >= self.flushed {
            state.seen = self.iter;
            self.n_seen += 1;
            Seen::Known
        } else {
            Seen::New
        }
    }

    /// The sample of a new row was taken: the row is known from now on.
    pub(crate) fn learn(&mut self, row: u32) {
        if let Some(state) = self.rows.get_mut(row as usize) {
            state.seen = self.iter;
            self.n_cached += 1;
            self.n_seen += 1;
        }
    }

    /// A row that only holds a repetition: it is seen, but not counted among the entries.
    pub(crate) fn see_repetition(&mut self, row: u32) {
        if let Some(state) = self.rows.get_mut(row as usize) {
            state.seen = self.iter;
        }
    }

    /// A series is live: it goes stale if the next scrape lacks it.
    pub(crate) fn set_live(&mut self, series: u32) {
        self.mark(series, self.iter);
    }

    /// A series was delivered, but does not go stale: its samples have timestamps of their own.
    pub(crate) fn set_delivered(&mut self, series: u32) {
        if !self.was_delivered(series) {
            self.mark(series, DELIVERED);
        }
    }

    /// Whether a series was ever delivered.
    pub(crate) fn was_delivered(&self, series: u32) -> bool {
        self.live.get(series as usize).is_some_and(|mark| *mark > 0)
    }

    fn mark(&mut self, series: u32, mark: u32) {
        if self.live.len() <= series as usize {
            self.live.resize(series as usize + 1, 0);
        }
        if let Some(place) = self.live.get_mut(series as usize) {
            *place = mark;
        }
    }

    /// The series that were live in the scrape before and are not in this one.
    pub(crate) fn stale(&self) -> impl Iterator<Item = u32> {
        let before = self.iter - 1;
        let marks = self.live.iter().enumerate();
        marks
            .filter(move |(_, mark)| **mark == before)
            .map(|(series, _)| small(series))
    }

    /// The place of a family by its name; `true` if it is new.
    pub(crate) fn family(&mut self, name: &str) -> (u32, bool) {
        let hash = self.hash(name);
        let families = &self.families;
        let found = self
            .family_index
            .find(hash, |at| families.get(at).map(|family| family.hash));
        let at = found.unwrap_or_else(|| {
            let at = small(self.families.len());
            self.families.push(FamilyState { hash, seen: 0 });
            let families = &self.families;
            self.family_index
                .insert(at, |at| families.get(at).map_or(0, |family| family.hash));
            at
        });
        if let Some(family) = self.families.get_mut(at as usize) {
            family.seen = self.iter;
        }
        (at, found.is_none())
    }

    /// Ends a scrape (prometheus: scrapeCache.iterDone). After a page that was read to its end, what it lacked is forgotten. After
    /// a failure nothing is, unless failing pages have made the memory grow: then `true` is returned.
    pub(crate) fn end_scrape(&mut self, page: Page) -> bool {
        let complete = page == Page::Complete;
        let count = self.n_cached + self.families.len();
        let forced = !complete && count > self.n_good * 2 + 1000;
        if complete {
            self.n_good = count;
        }
        if complete || forced {
            self.flushed = self.iter;
            self.n_cached = self.n_seen;
        }
        self.n_seen = 0;
        self.iter += 1;
        forced
    }

    /// Whether families have been unmentioned for too long. Asked after the end of a complete scrape.
    pub(crate) fn has_old_families(&self) -> bool {
        self.families.iter().any(|family| !self.is_fresh(family))
    }

    /// Whether the scrape that has just ended mentioned every family that is remembered.
    pub(crate) fn mentions_all_families(&self) -> bool {
        self.families
            .iter()
            .all(|family| family.seen == self.iter - 1)
    }

    fn is_fresh(&self, family: &FamilyState) -> bool {
        // The end of the scrape has counted one further.
        self.flushed != self.iter - 1 || self.flushed.saturating_sub(family.seen) <= FAMILY_SCRAPES
    }

    /// Whether a row is to be kept when rows are put in order: known, or its series goes stale at this very moment.
    /// Asked after the end of the scrape.
    pub(crate) fn keeps(&self, row: u32, series: u32) -> bool {
        let known = self
            .rows
            .get(row as usize)
            .is_some_and(|row| row.seen >= self.flushed);
        let live = self.live.get(series as usize).copied().unwrap_or(0);
        known || live + 2 >= self.iter && live > 0
    }

    /// Whether a row's hash is known.
    pub(crate) fn knows(&self, hash: u64) -> bool {
        self.find_row(hash).is_some()
    }

    /// Puts rows, series and families into a new order after the end of a scrape. `rows` has the old place of each new row, `series` likewise.
    /// Returns the new place of each old family, [`NONE`] for those that are forgotten.
    pub(crate) fn reorder(&mut self, rows: &[u32], series: &[u32]) -> Vec<u32> {
        let mut places = Vec::with_capacity(self.families.len());
        let mut families = Vec::with_capacity(self.families.len());
        for family in &self.families {
            if self.is_fresh(family) {
                places.push(small(families.len()));
                families.push(*family);
            } else {
                places.push(NONE);
            }
        }
        self.families = families;
        self.family_index.clear();
        for at in 0..small(self.families.len()) {
            let families = &self.families;
            self.family_index
                .insert(at, |at| families.get(at).map_or(0, |family| family.hash));
        }
        let place_of = |family: u32| places.get(family as usize).copied().unwrap_or(NONE);
        let state = |old: &u32| self.rows.get(*old as usize).copied();
        let moved = rows.iter().filter_map(state).map(|row| RowState {
            context: place_of(row.context),
            ..row
        });
        self.rows = moved.collect();
        self.row_index.clear();
        for at in 0..small(self.rows.len()) {
            let rows = &self.rows;
            self.row_index
                .insert(at, |at| rows.get(at).map_or(0, |row| row.hash));
        }
        let mark = |old: &u32| self.live.get(*old as usize).copied().unwrap_or(0);
        self.live = series.iter().map(mark).collect();
        places
    }
}

/// From hashes to places in a list that holds the hashes: open addressing, four bytes per slot, linear probing.
#[derive(Debug, Default)]
struct Index {
    slots: Box<[u32]>,
    used: usize,
}

impl Index {
    fn find(&self, hash: u64, hash_at: impl Fn(usize) -> Option<u64>) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = home(hash, mask);
        loop {
            let at = *self.slots.get(slot)?;
            if at == NONE {
                return None;
            }
            if hash_at(at as usize) == Some(hash) {
                return Some(at);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn insert(&mut self, at: u32, hash_at: impl Fn(usize) -> u64) {
        if self.used * 4 >= self.slots.len() * 3 {
            let bigger = (self.slots.len() * 2).max(8);
            let old = std::mem::replace(&mut self.slots, vec![NONE; bigger].into());
            for at in old.iter().filter(|at| **at != NONE) {
                self.put(*at, hash_at(*at as usize));
            }
        }
        self.put(at, hash_at(at as usize));
        self.used += 1;
    }

    fn put(&mut self, at: u32, hash: u64) {
        let mask = self.slots.len().saturating_sub(1);
        let mut slot = home(hash, mask);
        while let Some(place) = self.slots.get_mut(slot) {
            if *place == NONE {
                *place = at;
                return;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn home(hash: u64, mask: usize) -> usize {
    usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & mask
}

/// Counts within one page fit 32 bits, as pages are capped far below 4 GiB.
pub(crate) fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_what_was_put_in() {
        let mut cache = Cache::new();
        for i in 0..1000u32 {
            let hash = cache.hash(i);
            assert_eq!(cache.add_row(hash, NONE), i);
        }
        for i in 0..1000u32 {
            assert_eq!(cache.find_row(cache.hash(i)), Some(i));
        }
        assert_eq!(cache.find_row(cache.hash(1000u32)), None);
    }

    #[test]
    fn a_row_is_forgotten_after_one_complete_page_without_it() {
        let mut cache = Cache::new();
        let row = cache.add_row(1, NONE);
        assert_eq!(cache.look_at(row), Seen::New);
        cache.learn(row);
        assert_eq!(cache.look_at(row), Seen::Twice);
        cache.end_scrape(Page::Complete);
        assert_eq!(cache.look_at(row), Seen::Known);
        cache.end_scrape(Page::Complete);
        cache.end_scrape(Page::Failed);
        assert_eq!(cache.look_at(row), Seen::Known);
        cache.end_scrape(Page::Complete);
        cache.end_scrape(Page::Complete);
        assert_eq!(cache.look_at(row), Seen::New);
    }

    #[test]
    fn a_series_goes_stale_once() {
        let mut cache = Cache::new();
        cache.set_live(0);
        cache.set_live(1);
        cache.end_scrape(Page::Complete);
        cache.set_live(1);
        assert_eq!(cache.stale().collect::<Vec<_>>(), [0]);
        cache.end_scrape(Page::Complete);
        cache.set_live(1);
        assert_eq!(cache.stale().count(), 0);
    }
}

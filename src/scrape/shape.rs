//! What the pages of a steady target have in common: everything but the values. A page of the same shape needs no reader:
//! what stands between the values is compared by its hash, and the values are read where they stand.
//!
//! A shape is recorded from a page that the reader has read, if its rows are those of the table in their order, and nothing
//! but values came of it: no timestamp, exemplar, start, marker, no new or repeated row. What a page of this shape does to
//! the target's state is what the page before did, so nothing of it is touched.

use super::reading::Counts;
use crate::model::series::{RowKind, SeriesTable};
use crate::textparse::{Place, value_of_line};
use foldhash::quality::FixedState;
use std::hash::BuildHasher;

/// See the module.
#[derive(Debug)]
pub(super) struct Shape {
    /// Keys the hashes: nobody can make two pages that look alike to it.
    hasher: FixedState,
    /// Of what stands before each value since the last one, and behind the last: its hash, and
    hashes: Box<[u64]>,
    /// its length.
    lengths: Box<[u32]>,
    counts: Counts,
    content_type: Box<str>,
}

impl Shape {
    /// The shape of a page whose samples stand at these places, in the order of the table's rows. None if a sample has a
    /// timestamp, or does not end its line.
    pub(super) fn record(
        page: &[u8],
        places: &[Place],
        counts: Counts,
        content_type: &str,
        seed: u64,
    ) -> Option<Self> {
        let hasher = FixedState::with_seed(seed);
        let mut hashes = Vec::with_capacity(places.len() + 1);
        let mut lengths = Vec::with_capacity(places.len() + 1);
        let mut at = 0;
        let ends = places.iter().map(|place| (place.value.0 as usize, place.value.1 as usize));
        for (start, end) in ends.chain([(page.len(), page.len())]) {
            let gap = page.get(at..start)?;
            hashes.push(hasher.hash_one(gap));
            lengths.push(u32::try_from(gap.len()).ok()?);
            if start < page.len() && page.get(end) != Some(&b'\n') {
                return None;
            }
            at = end;
        }
        Some(Self {
            hasher,
            hashes: hashes.into(),
            lengths: lengths.into(),
            counts,
            content_type: content_type.into(),
        })
    }

    /// Reads the values of a page into the rows of its table. Of a page of another shape nothing can be said: None, and
    /// `values` mean nothing.
    pub(super) fn read(&self, page: &[u8], content_type: &str, values: &mut [f64]) -> Option<Counts> {
        if *content_type != *self.content_type || values.len() + 1 != self.hashes.len() {
            return None;
        }
        let mut rest = page;
        let mut gaps = self.hashes.iter().zip(&self.lengths);
        for (value, (hash, length)) in values.iter_mut().zip(&mut gaps) {
            let (gap, after) = rest.split_at_checked(*length as usize)?;
            if self.hasher.hash_one(gap) != *hash {
                return None;
            }
            let (number, length) = value_of_line(after)?;
            *value = number;
            rest = after.get(length..)?;
        }
        let (hash, length) = gaps.next()?;
        (rest.len() == *length as usize && self.hasher.hash_one(rest) == *hash)
            .then_some(self.counts)
    }
}

/// A bit for each row that a page of this table delivers.
pub(super) fn delivered(table: &SeriesTable, present: &mut Vec<u64>) {
    present.clear();
    present.resize(table.rows().len().div_ceil(64), 0);
    for (at, row) in table.rows().iter().enumerate() {
        if row.kind != RowKind::Dropped
            && let Some(word) = present.get_mut(at / 64)
        {
            *word |= 1 << (at % 64);
        }
    }
}

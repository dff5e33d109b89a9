//! What a target exposes: the rows of its page, the series they are, and their families. Learned once, shared by reference.

use super::identity::Identity;
use super::metadata::Family;
use std::collections::HashMap;

/// A series' place in its [`SeriesTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

/// A family's place in its [`SeriesTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId(pub u32);

/// What a row delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// A number.
    Float,
    /// A native histogram, found in the batch's extras.
    Histogram,
    /// Nothing: relabelling dropped it.
    Dropped,
}

/// A row of the page, in page order. Two rows may be one series (another spelling, collapsed by relabelling, or repeated
/// with explicit timestamps). Rows that the last pages lacked may follow or lie between: they are not present then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// The series; without meaning for a dropped row.
    pub series: SeriesId,
    /// The family whose metadata lines stand above this row, if its name belongs to that family.
    pub family: Option<FamilyId>,
    /// What it delivers.
    pub kind: RowKind,
}

/// The rows a target exposes. Changes (as a new table of a higher generation) when a row appears, vanishes or
/// changes its family, or when the labels of the target change.
#[derive(Debug, Clone, Default)]
pub struct SeriesTable {
    generation: u64,
    rows: Box<[Row]>,
    families: Box<[Family]>,
    /// For each family: the number of rows that stand before it.
    family_starts: Box<[u32]>,
    /// One text for all names and values of labels, each kept once.
    text: Box<str>,
    /// Where each distinct name or value lies in `text`: start and end.
    spans: Box<[(u32, u32)]>,
    /// Label pairs of all series one after the other, as places in `spans`.
    pairs: Box<[(u32, u32)]>,
    /// Where the pairs of series `n` end in `pairs`; they start where those of `n - 1` end.
    ends: Box<[u32]>,
}

impl SeriesTable {
    /// Grows with every change; encoders key what they derived from the table by it.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The rows in page order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What the target said of its metrics, as the receiver's metadata store holds it. Of two entries of one name the later
    /// holds, from the row [`SeriesTable::family_start`] on. Found by name, not by row: `x_count` finds `x_count` or else `x`.
    /// A family that the page does not mention any more stays for ten further scrapes.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The row from which a family's entry holds: 0 if it was remembered or stands before all rows.
    pub fn family_start(&self, family: FamilyId) -> usize {
        self.family_starts
            .get(family.0 as usize)
            .map_or(0, |&start| start as usize)
    }

    /// One family.
    pub fn family(&self, family: FamilyId) -> Option<&Family> {
        self.families.get(family.0 as usize)
    }

    /// How many series.
    pub fn n_series(&self) -> usize {
        self.ends.len()
    }

    /// The series' own labels, sorted by name, `__name__` included. An empty value takes the target's label of that name away.
    pub fn own_labels(
        &self,
        series: SeriesId,
    ) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        let pairs = self.own_pairs(series);
        pairs
            .iter()
            .map(|&(name, value)| (self.span(name), self.span(value)))
    }

    /// The final label set of a series: its own labels and the target's, merged and sorted; its own win.
    pub fn labels<'a>(
        &'a self,
        series: SeriesId,
        target: &'a Identity,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        merge(self.own_labels(series), target)
    }

    /// Bytes of all texts, each counted once.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }

    fn own_pairs(&self, series: SeriesId) -> &[(u32, u32)] {
        let at = series.0 as usize;
        let start = at
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied()
            .unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.pairs
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    fn span(&self, at: u32) -> &str {
        let (start, end) = self.spans.get(at as usize).copied().unwrap_or_default();
        self.text
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }
}

/// Own labels of a series and those of its target, merged and sorted; the own ones win, empty ones vanish.
pub fn merge<'a>(
    own: impl Iterator<Item = (&'a str, &'a str)>,
    target: &'a Identity,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let mut own = own.peekable();
    let mut others = target.labels.iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let pair = match (own.peek(), others.peek()) {
                (Some(a), Some(b)) if a.0 > b.0 => others.next(),
                (Some(a), Some(b)) => {
                    if a.0 == b.0 {
                        others.next();
                    }
                    own.next()
                }
                (Some(_), None) => own.next(),
                (None, _) => others.next(),
            }?;
            if !pair.1.is_empty() {
                return Some(pair);
            }
        }
    })
}

/// Builds a [`SeriesTable`].
#[derive(Debug, Default)]
pub struct SeriesTableBuilder {
    rows: Vec<Row>,
    families: Vec<Family>,
    family_starts: Vec<u32>,
    text: String,
    spans: Vec<(u32, u32)>,
    known: HashMap<Box<str>, u32>,
    pairs: Vec<(u32, u32)>,
    ends: Vec<u32>,
}

impl SeriesTableBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series. `own` is sorted by name and holds `__name__`; an empty value takes the target's label of that name away.
    pub fn series<'a>(&mut self, own: impl IntoIterator<Item = (&'a str, &'a str)>) -> SeriesId {
        for (name, value) in own {
            let pair = (self.text(name), self.text(value));
            self.pairs.push(pair);
        }
        self.ends.push(small(self.pairs.len()));
        SeriesId(small(self.ends.len() - 1))
    }

    /// Adds a series of another table without looking at its texts again: `texts` says which of them are here already
    /// and where; it belongs to this pair of tables and begins empty.
    pub fn copy(&mut self, from: &SeriesTable, series: SeriesId, texts: &mut Vec<u32>) -> SeriesId {
        texts.resize(from.spans.len(), u32::MAX);
        for &(name, value) in from.own_pairs(series) {
            let pair = (
                self.copy_text(from, name, texts),
                self.copy_text(from, value, texts),
            );
            self.pairs.push(pair);
        }
        self.ends.push(small(self.pairs.len()));
        SeriesId(small(self.ends.len() - 1))
    }

    fn copy_text(&mut self, from: &SeriesTable, at: u32, texts: &mut [u32]) -> u32 {
        let Some(place) = texts.get_mut(at as usize) else {
            return self.text(from.span(at));
        };
        if *place == u32::MAX {
            *place = self.text(from.span(at));
        }
        *place
    }

    /// Adds a family, which holds for the rows added after it (see [`SeriesTable::families`]).
    pub fn family(&mut self, family: Family) -> FamilyId {
        self.family_from(family, self.rows.len())
    }

    /// Adds a family that holds from a row on.
    pub fn family_from(&mut self, family: Family, start: usize) -> FamilyId {
        self.families.push(family);
        self.family_starts.push(small(start));
        FamilyId(small(self.families.len() - 1))
    }

    /// Adds a row at the end of the page.
    pub fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The finished table.
    pub fn build(self, generation: u64) -> SeriesTable {
        SeriesTable {
            generation,
            rows: self.rows.into(),
            families: self.families.into(),
            family_starts: self.family_starts.into(),
            text: self.text.into(),
            spans: self.spans.into(),
            pairs: self.pairs.into(),
            ends: self.ends.into(),
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(&known) = self.known.get(text) {
            return known;
        }
        let start = small(self.text.len());
        self.text.push_str(text);
        self.spans.push((start, small(self.text.len())));
        let at = small(self.spans.len() - 1);
        self.known.insert(text.into(), at);
        at
    }
}

/// Counts within one page fit 32 bits, as pages are capped far below 4 GiB.
fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::TargetGroup;
    use crate::model::identity::Discovered;
    use crate::model::labels::Labels;
    use std::sync::Arc;

    #[test]
    fn own_labels_win_and_empty_ones_remove() {
        let target = Identity {
            job: "j".into(),
            labels: Labels::from_pairs([("instance", "i"), ("job", "j"), ("zone", "z")]),
            internal: Labels::empty(),
            discovered: Discovered {
                group: Arc::new(TargetGroup::default()),
                index: 0,
            },
            discovered_scheme: "http".into(),
        };
        let mut builder = SeriesTableBuilder::new();
        let a = builder.series([
            ("__name__", "up"),
            ("code", "200"),
            ("job", "own"),
            ("zone", ""),
        ]);
        let b = builder.series([("__name__", "down")]);
        let table = builder.build(1);
        let labels: Vec<_> = table.labels(a, &target).collect();
        let want = [
            ("__name__", "up"),
            ("code", "200"),
            ("instance", "i"),
            ("job", "own"),
        ];
        assert_eq!(labels, want);
        assert_eq!(table.labels(b, &target).count(), 4);
    }
}

//! What the pages of a steady target have in common: everything but the values. A page of the same shape needs no reader:
//! what stands between the values is compared by its hash, and the values are read where they stand.
//!
//! A shape is recorded from a page that the reader has read, if its rows are those of the table in their order, and nothing
//! but values came of it: no timestamp, exemplar, start, marker, no new or repeated row. What a page of this shape does to
//! the target's state is what the page before did, so nothing of it is touched.

use super::reading::Counts;
use crate::textparse::{Place, value_of_line};
use foldhash::quality::FixedState;
use std::hash::BuildHasher;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shape {
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
    pub(crate) fn record(
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
        let ends = places
            .iter()
            .map(|place| (place.value.0 as usize, place.value.1 as usize));
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
    pub(crate) fn read(
        &self,
        page: &[u8],
        content_type: &str,
        values: &mut [f64],
    ) -> Option<Counts> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::textparse::{Entry, Format, Options, Parser};

    const TYPE: &str = "text/plain; version=0.0.4";
    const PAGE: &str = "# TYPE a counter\na{x=\"1 2\"} 1\na{x=\"2\"} 2.5e3\n# HELP b Some text.\nb NaN\n# the end\n";

    fn places(page: &str) -> Vec<Place> {
        let parser = Parser::new(page.as_bytes(), Format::Text, Options::default());
        let mut places = Vec::new();
        let mut parser = parser;
        while let Some(entry) = parser.next() {
            if let Entry::Series(series) = entry.unwrap() {
                places.push(series.place);
            }
        }
        places
    }

    fn shape(page: &str) -> Option<Shape> {
        Shape::record(page.as_bytes(), &places(page), Counts::default(), TYPE, 7)
    }

    fn read(shape: &Shape, page: &str) -> Option<Vec<f64>> {
        let mut values = vec![0.0; shape.hashes.len() - 1];
        shape.read(page.as_bytes(), TYPE, &mut values)?;
        Some(values)
    }

    #[test]
    fn a_page_of_this_shape_is_its_values() {
        let shape = shape(PAGE).unwrap();
        let values = read(&shape, PAGE).unwrap();
        assert_eq!(values[..2], [1.0, 2500.0]);
        assert!(values[2].is_nan());
        let other = PAGE.replace("} 1\n", "} -17.25\n").replace("NaN", "+Inf");
        assert_eq!(
            read(&shape, &other).unwrap(),
            [-17.25, 2500.0, f64::INFINITY]
        );
        assert_eq!(
            shape.read(PAGE.as_bytes(), "text/plain", &mut [0.0; 3]),
            None
        );
    }

    #[test]
    fn any_other_page_is_not() {
        let shape = shape(PAGE).unwrap();
        for (from, to) in [
            ("1 2", "1 3"),
            ("counter", "gauge"),
            ("Some", "More"),
            ("the end", "an end"),
            ("# the end\n", ""),
            ("2.5e3", "2.5e3 17"),
            ("2.5e3", "x"),
            ("2.5e3", ""),
            ("NaN\n", "NaN\nc 1\n"),
            ("b NaN\n", ""),
        ] {
            assert_eq!(
                read(&shape, &PAGE.replacen(from, to, 1)),
                None,
                "{from:?}: {to:?}"
            );
        }
        for cut in 0..PAGE.len() {
            assert_eq!(read(&shape, PAGE.get(..cut).unwrap()), None, "{cut}");
        }
    }

    #[test]
    fn what_is_more_than_values_has_no_shape() {
        assert!(shape("a 1 1700000000000\n").is_none());
        assert!(shape("a 1 \n").is_none());
        assert!(shape("a 1\n").is_some());
    }
}

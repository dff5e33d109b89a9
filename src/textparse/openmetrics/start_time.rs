//! When a series started, by the `_created` lines of OpenMetrics 1.0 (prometheus: OpenMetricsParser.StartTimestamp): a sample's
//! is the *next* such line of its block, if that has the same labels in the same order.

use super::{Cursor, has_start, is_created};
use crate::model::hash;
use crate::model::metadata::MetricKind;
use crate::textparse::Step;
use crate::textparse::line::{Page, Sample};
use crate::textparse::number::milliseconds;

#[derive(Debug)]
pub(super) struct StartTimes<'p> {
    /// The series, by [`StartTimes::fingerprint`], whose start was found last: all lines of a histogram share one.
    known: Option<(u64, i64)>,
    /// What looking ahead found, and at which line: it holds for all samples up to there.
    ahead: Option<(usize, Found)>,
    peeked: Sample<'p>,
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Found {
    /// The line of the series with this fingerprint, and its value.
    Created(u64, f64),
    /// The block ends first, or a broken line comes.
    Nothing,
}

impl<'p> StartTimes<'p> {
    pub(super) fn new(page: Page<'p>) -> Self {
        Self {
            known: None,
            ahead: None,
            peeked: Sample::new(page, false),
            text: Vec::new(),
        }
    }

    /// The start of `sample`, which `cursor` has just read; 0 if it is not known.
    pub(super) fn of(&mut self, sample: &Sample<'p>, cursor: &mut Cursor<'p>) -> i64 {
        if !has_start(cursor.kind) {
            self.known = None;
            return 0;
        }
        let Some(family) = family_name(sample, cursor.family_length) else {
            self.known = None;
            return 0;
        };
        // A name that reaches beyond its line is nobody's, and can be as long as the page.
        let is_possible = family.len() <= cursor.at - sample.name.0 as usize;
        let own = is_possible.then(|| fingerprint(&mut self.text, sample, cursor.kind, family));
        match self.known {
            Some((series, start)) if Some(series) == own && start > 0 => return start,
            _ => {}
        }
        self.known = match self.look_ahead(cursor) {
            Found::Created(series, seconds) if Some(series) == own => {
                Some((series, milliseconds(seconds)))
            }
            _ => None,
        };
        self.known.map_or(0, |(_, start)| start)
    }

    /// Each line is looked at once, however many samples ask: upstream's way is quadratic in families without such lines.
    fn look_ahead(&mut self, cursor: &mut Cursor<'p>) -> Found {
        match self.ahead {
            Some((line, found)) if cursor.at <= line => return found,
            _ => {}
        }
        let before = cursor.clone();
        let (line, found) = loop {
            let line = cursor.at;
            match cursor.peek(&mut self.peeked) {
                Ok(Step::Series) => {}
                _ => break (line, Found::Nothing),
            }
            let name = cursor.page.get(self.peeked.name);
            if is_created(name) {
                let family = name.strip_suffix(b"_created").unwrap_or(name);
                let series = fingerprint(&mut self.text, &self.peeked, cursor.kind, family);
                break (line, Found::Created(series, self.peeked.value));
            }
        };
        cursor.at = before.at;
        cursor.stuck = before.stuck;
        cursor.kind = before.kind;
        self.ahead = Some((line, found));
        found
    }
}

/// The family's name as upstream cuts it out: by the length that the last line of metadata had.
fn family_name<'p>(sample: &Sample<'p>, length: usize) -> Option<&'p [u8]> {
    let series = sample.place.series.0 as usize;
    let quoted = sample.key().starts_with(b"{\"");
    let end = series + length + if quoted { 2 } else { 0 };
    sample.page.bytes.get(sample.name.0 as usize..end)
}

/// Labels without those that tell buckets and quantiles apart, and the name.
fn fingerprint(text: &mut Vec<u8>, sample: &Sample<'_>, kind: MetricKind, name: &[u8]) -> u64 {
    text.clear();
    for label in &sample.labels {
        let label_name = sample.page.get(label.name);
        let part = match kind {
            MetricKind::Summary => label_name == b"quantile",
            MetricKind::Histogram => label_name == b"le",
            _ => false,
        };
        if !part {
            text.extend_from_slice(label_name);
            text.extend_from_slice(sample.page.get(label.value));
        }
    }
    text.extend_from_slice(name);
    hash::xxh64(text)
}

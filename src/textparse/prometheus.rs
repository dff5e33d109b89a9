//! The Prometheus text format, 0.0.4 and 1.0.0 in one reader (prometheus: model/textparse/promlex.l and promparse.go). It takes
//! exactly the pages that upstream's lexer takes, its oddities included; what they are is said where they are.

use super::line::{
    LABEL_REST, LABEL_START, LabelAt, METRIC_REST, METRIC_START, Page, Sample, Span, is, span,
};
use super::number::{parse_decimal, parse_short};
use super::{Error, Step};
use crate::model::metadata::MetricKind;

#[derive(Debug)]
pub(super) struct Reader<'p> {
    page: Page<'p>,
    at: usize,
    kind: MetricKind,
    /// The last bare name of a metric or family.
    bare_name: Span,
    pub(super) sample: Sample<'p>,
}

impl<'p> Reader<'p> {
    pub(super) fn new(page: &'p [u8], type_and_unit: bool) -> Self {
        // Upstream appends a line feed to every page.
        let page = Page::new(page, b'\n');
        Self {
            page,
            at: 0,
            kind: MetricKind::Unknown,
            bare_name: (0, 0),
            sample: Sample::new(page, type_and_unit),
        }
    }

    pub(super) fn step(&mut self) -> Result<Step, Error> {
        loop {
            let start = self.at;
            let i = self.skip_blanks(start);
            match self.page.bytes.get(i) {
                Some(b'\n') => self.at = i + 1,
                Some(b'#') => return self.comment(i),
                Some(&first) if first == b'{' || is(first, METRIC_START) => {
                    return self.series(start, i);
                }
                // A NUL in front of a line ends the page.
                None | Some(0) => return Ok(Step::End),
                Some(_) => {
                    return Err(self
                        .page
                        .error(i, "a line starts with neither #, { nor a metric name"));
                }
            }
        }
    }

    fn comment(&mut self, hash: usize) -> Result<Step, Error> {
        let i = self.skip_blanks(hash + 1);
        let end = if i > hash + 1 {
            if self.page.at(i) == 0 {
                return Ok(Step::End);
            }
            if let Some((is_help, name_at)) = self.keyword(i) {
                return self.metadata(is_help, name_at);
            }
            self.page.line_end(i)
        } else {
            let rest = self.page.from(i);
            let end = i + memchr::memchr2(b'\n', 0, rest).unwrap_or(rest.len());
            if self.page.at(end) == 0 {
                return Ok(Step::End);
            }
            end
        };
        self.at = end + 1;
        Ok(Step::Comment(span(hash, end)))
    }

    /// `HELP` or `TYPE` and blanks from `i`: which, and what follows. NULs between them don't count.
    fn keyword(&self, i: usize) -> Option<(bool, usize)> {
        // Nearly always the word and one blank, and then the name.
        match self.page.from(i) {
            [b'H', b'E', b'L', b'P', b' ', next, ..] if is(*next, METRIC_START) => {
                return Some((true, i + 5));
            }
            [b'T', b'Y', b'P', b'E', b' ', next, ..] if is(*next, METRIC_START) => {
                return Some((false, i + 5));
            }
            _ => {}
        }
        let (is_help, rest) = match self.page.at(i) {
            b'H' => (true, *b"ELP"),
            b'T' => (false, *b"YPE"),
            _ => return None,
        };
        let mut i = i + 1;
        for letter in rest {
            i = self.page.skip_nul(i);
            if self.page.at(i) != letter {
                return None;
            }
            i += 1;
        }
        i = self.page.skip_nul(i);
        is_blank(self.page.at(i)).then(|| (is_help, self.skip_blanks_and_nuls(i)))
    }

    fn metadata(&mut self, is_help: bool, name_at: usize) -> Result<Step, Error> {
        let (name, i) = match self.page.at(name_at) {
            b'"' => {
                let end = self.page.quoted_name(name_at, true);
                let end =
                    end.ok_or_else(|| self.page.error(name_at, "the quoted name does not end"))?;
                (span(name_at + 1, end - 1), end)
            }
            first if is(first, METRIC_START) => {
                let end = self.bare_name(name_at);
                (span(name_at, end), end)
            }
            _ => {
                return Err(self
                    .page
                    .error(name_at, "expected a metric name after HELP or TYPE"));
            }
        };
        let end = self.page.line_end(i);
        let text = self.metadata_text(i, end)?;
        self.at = end + 1;
        let (start, end) = (text.0 as usize, text.1 as usize);
        if is_help {
            if !self.page.is_utf8(start, end) {
                return Err(self.page.error(start, "the help text is not UTF-8"));
            }
            return Ok(Step::Help { name, text });
        }
        self.kind = match self.page.get(text) {
            b"counter" => MetricKind::Counter,
            b"gauge" => MetricKind::Gauge,
            b"histogram" => MetricKind::Histogram,
            b"summary" => MetricKind::Summary,
            b"untyped" => MetricKind::Unknown,
            _ => {
                return Err(self.page.error(
                    start,
                    "expected counter, gauge, histogram, summary or untyped",
                ));
            }
        };
        let kind = self.kind;
        Ok(Step::Type { name, kind })
    }

    /// The text behind a family's name: all but its first byte, whatever that is. Blanks and NULs alone are no text.
    fn metadata_text(&self, start: usize, end: usize) -> Result<Span, Error> {
        match self.page.at(start) {
            0 => return Err(self.page.error(start, "NUL behind the name of a family")),
            b'\n' => return Ok(span(start, start)),
            _ => {}
        }
        if is_blank(self.page.at(start)) && self.skip_blanks_and_nuls(start) >= end {
            return Ok(span(end, end));
        }
        Ok(span(start + 1, end))
    }

    fn series(&mut self, start: usize, first: usize) -> Result<Step, Error> {
        let mut name = None;
        let mut end = first;
        if self.page.at(first) != b'{' {
            end = self.bare_name(first);
            // Blanks in front of a bare name belong to it.
            name = Some(span(start, end));
        }
        let mut i = self.skip_blanks(end);
        let mut n_labels = 0;
        if self.page.at(i) == b'{' {
            end = self.labels(i + 1, &mut name, &mut n_labels)?;
            i = self.skip_blanks(end);
        }
        self.sample.labels.truncate(n_labels);
        self.sample.name = name.ok_or_else(|| self.page.error(i, "the series has no name"))?;
        self.sample.place.series = span(start, end);
        self.sample.kind = self.kind;
        self.value(i)
    }

    fn bare_name(&mut self, start: usize) -> usize {
        let end = self.page.name_end(start, self.bare_name, METRIC_REST);
        self.bare_name = span(start, end);
        end
    }

    /// The labels behind an opening brace, up to behind the closing one. They take the places of the last sample's, `n` of them.
    fn labels(
        &mut self,
        open: usize,
        name: &mut Option<Span>,
        n: &mut usize,
    ) -> Result<usize, Error> {
        let page = self.page;
        let mut i = self.skip_blanks(open);
        loop {
            if let Some(last) = self.sample.labels.get_mut(*n)
                && let Some((again, end)) = last.again(&page, i, true)
            {
                *last = again;
                *n += 1;
                i = self.comma(end);
                continue;
            }
            let start = i;
            let (label, after) = match page.at(i) {
                b'}' => return Ok(i + 1),
                b'"' => {
                    let end = page.quoted_name(i, true);
                    let end = end.ok_or_else(|| page.error(i, "the quoted name does not end"))?;
                    (span(i + 1, end - 1), end)
                }
                first if is(first, LABEL_START) => {
                    let end = page.skip(i, LABEL_REST);
                    (span(i, end), end)
                }
                _ => return Err(page.error(i, "expected a label name")),
            };
            i = self.skip_blanks(after);
            let next = page.at(i);
            if page.at(start) == b'"' && matches!(next, b',' | b'}') {
                if name.replace(label).is_some() {
                    return Err(page.error(start, "the series has two names"));
                }
                if next == b'}' {
                    return Ok(i + 1);
                }
                i = self.skip_blanks(i + 1);
                continue;
            }
            if next != b'=' {
                return Err(page.error(i, "expected = behind a label name"));
            }
            i += 1;
            if is_blank(page.at(i)) {
                i = self.skip_blanks_and_nuls(i);
            }
            let value_at = i;
            let end = (page.at(i) == b'"').then(|| page.quoted_value(i, true));
            i = end
                .flatten()
                .ok_or_else(|| page.error(value_at, "expected a label value in quotes"))?;
            if !page.is_utf8(value_at, i) {
                return Err(page.error(value_at, "the label value is not UTF-8"));
            }
            let value = span(value_at + 1, i - 1);
            let label = LabelAt { name: label, value };
            match self.sample.labels.get_mut(*n) {
                Some(last) => *last = label,
                None => self.sample.labels.push(label),
            }
            *n += 1;
            i = self.comma(i);
        }
    }

    /// Behind the comma that follows a label; it may be missing.
    fn comma(&self, i: usize) -> usize {
        let i = self.skip_blanks(i);
        if self.page.at(i) == b',' {
            self.skip_blanks(i + 1)
        } else {
            i
        }
    }

    fn value(&mut self, start: usize) -> Result<Step, Error> {
        let text = self.page.from(start);
        let (value, length) = match parse_short(text) {
            Some(found) => found,
            None => {
                let ends = |b: &u8| matches!(b, b'{' | b' ' | b'\t' | b'\n' | 0);
                let length = text.iter().position(ends).unwrap_or(text.len());
                let value = parse_decimal(text.get(..length).unwrap_or_default());
                let value = value.ok_or_else(|| self.page.error(start, "expected a value"))?;
                (value, length)
            }
        };
        let end = start + length;
        self.sample.value = value;
        self.sample.place.value = span(start, end);
        let mut i = self.skip_blanks(end);
        self.sample.timestamp = None;
        self.sample.place.timestamp = (0, 0);
        if self.page.at(i).is_ascii_digit() {
            let first = i;
            let mut timestamp = Some(0i64);
            while self.page.at(i).is_ascii_digit() {
                let digit = i64::from(self.page.at(i) - b'0');
                timestamp = timestamp.and_then(|t| t.checked_mul(10)?.checked_add(digit));
                i += 1;
            }
            if timestamp.is_none() {
                return Err(self.page.error(first, "the timestamp is too large"));
            }
            self.sample.timestamp = timestamp;
            self.sample.place.timestamp = span(first, i);
            i = self.skip_blanks(i);
        }
        if self.page.at(i) != b'\n' {
            return Err(self
                .page
                .error(i, "expected a timestamp or the end of the line"));
        }
        self.at = i + 1;
        Ok(Step::Series)
    }

    fn skip_blanks(&self, mut i: usize) -> usize {
        while is_blank(self.page.at(i)) {
            i += 1;
        }
        i
    }

    fn skip_blanks_and_nuls(&self, mut i: usize) -> usize {
        while matches!(self.page.at(i), b' ' | b'\t' | 0) {
            i += 1;
        }
        i
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

//! OpenMetrics text, 0.0.1 and 1.0.0 in one reader (prometheus: model/textparse/openmetricslex.l and openmetricsparse.go). As for
//! the other text format, upstream's oddities are part of it.

mod start_time;

use super::line::{
    LABEL_REST, LABEL_START, LabelAt, METRIC_REST, METRIC_START, Page, Sample, Span, is, span,
    unescape,
};
use super::number::{milliseconds, parse_decimal, parse_short};
use super::{Entry, Error, Step};
use crate::model::exemplar::Exemplar;
use crate::model::metadata::MetricKind;
use start_time::StartTimes;

#[derive(Debug)]
pub(super) struct Reader<'p> {
    pub(super) cursor: Cursor<'p>,
    /// The sample read last, and its exemplar.
    pub(super) sample: Sample<'p>,
    exemplar_labels: Vec<LabelAt>,
    exemplar: Exemplar,
    has_exemplar: bool,
    starts: Option<StartTimes<'p>>,
}

/// Where a reader is and what the lines so far have said. Looking ahead for `_created` moves it and puts it back, all but what
/// upstream forgets to put back: the unit and the length of the family's name.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'p> {
    pub(super) page: Page<'p>,
    pub(super) at: usize,
    /// A sample's value was followed by something odd: the sample counts, the next line is the error.
    pub(super) stuck: bool,
    pub(super) kind: MetricKind,
    unit: Span,
    /// Length of the name on the last line of metadata.
    pub(super) family_length: usize,
    /// The last bare name of a metric or family.
    bare_name: Span,
}

/// What is done with the exemplar of a line.
enum Exemplars<'a> {
    Read(&'a mut Vec<LabelAt>, &'a mut Exemplar, &'a mut bool),
    /// Looking ahead, upstream takes any row of tokens for an exemplar.
    Skip,
}

impl<'p> Reader<'p> {
    pub(super) fn new(page: &'p [u8], type_and_unit: bool, start_timestamps: bool) -> Self {
        let page = Page::new(page, 0);
        Self {
            cursor: Cursor {
                page,
                at: 0,
                stuck: false,
                kind: MetricKind::Unknown,
                unit: (0, 0),
                family_length: 0,
                bare_name: (0, 0),
            },
            sample: Sample::new(page, type_and_unit),
            exemplar_labels: Vec::new(),
            exemplar: Exemplar::default(),
            has_exemplar: false,
            starts: start_timestamps.then(|| StartTimes::new(page)),
        }
    }

    pub(super) fn entry(&mut self, step: Step) -> Entry<'_> {
        let start = match step {
            Step::Series => self.start(),
            _ => 0,
        };
        self.sample.entry(step, unescape, start, self.exemplars())
    }

    pub(super) fn exemplars(&self) -> &[Exemplar] {
        if self.has_exemplar {
            std::slice::from_ref(&self.exemplar)
        } else {
            &[]
        }
    }

    /// The start timestamp of the sample read last, if the job wants such; looks ahead for it.
    pub(super) fn start(&mut self) -> i64 {
        match &mut self.starts {
            Some(starts) => starts.of(&self.sample, &mut self.cursor),
            None => 0,
        }
    }

    pub(super) fn step(&mut self) -> Result<Step, Error> {
        loop {
            self.has_exemplar = false;
            let exemplars = Exemplars::Read(
                &mut self.exemplar_labels,
                &mut self.exemplar,
                &mut self.has_exemplar,
            );
            let step = self.cursor.line(&mut self.sample, exemplars)?;
            let folded = matches!(step, Step::Series)
                && self.starts.is_some()
                && has_start(self.cursor.kind)
                && is_created(self.sample.page.get(self.sample.name));
            if !folded {
                return Ok(step);
            }
        }
    }
}

/// Whether families of this kind say when they started, in lines of their own.
pub(super) fn has_start(kind: MetricKind) -> bool {
    matches!(
        kind,
        MetricKind::Counter | MetricKind::Summary | MetricKind::Histogram
    )
}

pub(super) fn is_created(name: &[u8]) -> bool {
    name.ends_with(b"_created")
}

impl<'p> Cursor<'p> {
    /// The next line, for somebody who looks ahead: a sample goes to `sample`, its exemplar nowhere.
    pub(super) fn peek(&mut self, sample: &mut Sample<'p>) -> Result<Step, Error> {
        self.line(sample, Exemplars::Skip)
    }

    fn line(&mut self, sample: &mut Sample<'p>, exemplars: Exemplars<'_>) -> Result<Step, Error> {
        let start = self.at;
        if self.stuck {
            let what = "expected a timestamp, an exemplar or the end of the line behind a value";
            return Err(self.page.error(start, what));
        }
        match self.page.bytes.get(start) {
            Some(b'#') => self.metadata(start),
            Some(&first) if first == b'{' || is(first, METRIC_START) => {
                self.series(start, sample, exemplars)
            }
            Some(_) => Err(self
                .page
                .error(start, "a line starts with neither #, { nor a metric name")),
            None => Err(self.no_eof()),
        }
    }

    #[cold]
    fn no_eof(&self) -> Error {
        let end = self.page.bytes.len();
        self.page.error(end, "the page does not end with # EOF")
    }

    fn metadata(&mut self, hash: usize) -> Result<Step, Error> {
        let page = self.page;
        let word_at = hash + 2;
        let word = (page.at(hash + 1) == b' ').then(|| page.at(word_at));
        let (word, rest) = match word {
            Some(word @ b'H') => (word, &b"ELP "[..]),
            Some(word @ b'T') => (word, &b"YPE "[..]),
            Some(word @ b'U') => (word, &b"NIT "[..]),
            Some(word @ b'E') => (word, &b"OF"[..]),
            _ => return Err(page.error(hash, "expected HELP, TYPE, UNIT or EOF behind #")),
        };
        let name_at = self.letters(word_at + 1, rest);
        let name_at =
            name_at.ok_or_else(|| page.error(hash, "expected HELP, TYPE, UNIT or EOF behind #"))?;
        if word == b'E' {
            return self.end(name_at);
        }
        let (name, i) = match page.at(name_at) {
            b'"' => {
                let end = page.quoted_name(name_at, true);
                let end = end.ok_or_else(|| page.error(name_at, "the quoted name does not end"))?;
                (span(name_at + 1, end - 1), end)
            }
            first if is(first, METRIC_START) => {
                let end = self.bare_name(name_at);
                (span(name_at, end), end)
            }
            _ => {
                return Err(page.error(name_at, "expected a metric name behind HELP, TYPE or UNIT"));
            }
        };
        self.family_length = (name.1 - name.0) as usize;
        let line_end = page.line_end(i);
        if page.at(i) != b' ' || line_end == page.bytes.len() {
            return Err(page.error(i, "expected a blank and a text behind the family's name"));
        }
        // NULs behind the line feed are taken with it, and then belong to the text.
        self.at = page.skip_nul(line_end + 1);
        let text = span(i + 1, self.at - 1);
        match word {
            b'T' => self.kind(name, text),
            b'U' => self.unit(name, text),
            _ if page.is_utf8(i, self.at) => Ok(Step::Help { name, text }),
            _ => Err(page.error(i, "the help text is not UTF-8")),
        }
    }

    /// The end of `letters` from `i`. Where upstream expects one of these words it does not see NULs.
    fn letters(&self, mut i: usize, letters: &[u8]) -> Option<usize> {
        for letter in letters {
            i = self.page.skip_nul(i);
            if self.page.at(i) != *letter {
                return None;
            }
            i += 1;
        }
        Some(self.page.skip_nul(i))
    }

    fn end(&self, mut i: usize) -> Result<Step, Error> {
        if self.page.at(i) == b'\n' {
            i = self.page.skip_nul(i + 1);
        }
        if i < self.page.bytes.len() {
            return Err(self.page.error(i, "something follows # EOF"));
        }
        Ok(Step::End)
    }

    fn kind(&mut self, name: Span, text: Span) -> Result<Step, Error> {
        self.kind = match self.page.get(text) {
            b"counter" => MetricKind::Counter,
            b"gauge" => MetricKind::Gauge,
            b"histogram" => MetricKind::Histogram,
            b"gaugehistogram" => MetricKind::GaugeHistogram,
            b"summary" => MetricKind::Summary,
            b"info" => MetricKind::Info,
            b"stateset" => MetricKind::StateSet,
            b"unknown" => MetricKind::Unknown,
            _ => {
                return Err(self
                    .page
                    .error(text.0 as usize, "the type is none of OpenMetrics'"));
            }
        };
        let kind = self.kind;
        Ok(Step::Type { name, kind })
    }

    fn unit(&mut self, name: Span, unit: Span) -> Result<Step, Error> {
        self.unit = unit;
        let text = self.page.get(unit);
        let stem = self.page.get(name).strip_suffix(text);
        if text.is_empty() || stem.is_some_and(|stem| stem.ends_with(b"_")) {
            return Ok(Step::Unit { name, unit });
        }
        Err(self.page.error(
            unit.0 as usize,
            "the unit is not the last word of the family's name",
        ))
    }

    fn series(
        &mut self,
        start: usize,
        sample: &mut Sample<'p>,
        exemplars: Exemplars<'_>,
    ) -> Result<Step, Error> {
        let mut name = None;
        let mut end = start;
        if self.page.at(start) != b'{' {
            end = self.bare_name(start);
            name = Some(span(start, end));
        }
        let mut n_labels = 0;
        if self.page.at(end) == b'{' {
            end = labels(
                self.page,
                end + 1,
                &mut sample.labels,
                &mut n_labels,
                Some(&mut name),
            )?;
        }
        sample.labels.truncate(n_labels);
        sample.name = name.ok_or_else(|| self.page.error(end, "the series has no name"))?;
        sample.place.series = span(start, end);
        sample.kind = self.kind;
        sample.unit = self.unit;
        sample.count_unit()?;
        let (value, i) = value(self.page, end)?;
        sample.value = value;
        sample.place.value = span(end + 1, i);
        sample.timestamp = None;
        sample.place.timestamp = (0, 0);
        self.rest(i, sample, exemplars)
    }

    fn bare_name(&mut self, start: usize) -> usize {
        let end = self.page.name_end(start, self.bare_name, METRIC_REST);
        self.bare_name = span(start, end);
        end
    }

    /// What follows a sample's value.
    fn rest(
        &mut self,
        i: usize,
        sample: &mut Sample<'p>,
        exemplars: Exemplars<'_>,
    ) -> Result<Step, Error> {
        let page = self.page;
        match page.bytes.get(i) {
            Some(b'\n') => self.at = i + 1,
            None => return Err(self.no_eof()),
            Some(b' ') if page.from(i).starts_with(b" # {") => {
                self.at = exemplars.read(page, i + 4)?
            }
            Some(b' ') if !page.from(i).starts_with(b" # ") && !ends_token(page.at(i + 1)) => {
                let (seconds, end) = timestamp(page, i)?;
                sample.timestamp = Some(milliseconds(seconds));
                sample.place.timestamp = span(i + 1, end);
                self.at = match page.at(end) {
                    b'\n' => end + 1,
                    b' ' if page.from(end).starts_with(b" # {") => exemplars.read(page, end + 4)?,
                    _ => return Err(page.error(end, "expected an exemplar or the end of the line")),
                };
            }
            Some(_) => {
                self.at = i;
                self.stuck = true;
            }
        }
        Ok(Step::Series)
    }
}

/// The labels behind an opening brace, up to behind the closing one. They take the places of those read last, `n` of them. A
/// sample's may hold its name; an exemplar has none.
fn labels(
    page: Page<'_>,
    open: usize,
    out: &mut Vec<LabelAt>,
    n: &mut usize,
    mut series_name: Option<&mut Option<Span>>,
) -> Result<usize, Error> {
    let mut i = open;
    loop {
        let start = i;
        let last = out.get_mut(*n).filter(|_| series_name.is_some());
        if let Some(last) = last
            && let Some((again, end)) = last.again(&page, i, false)
        {
            *last = again;
            *n += 1;
            i = comma(page, end)?;
            continue;
        }
        let (name, end) = match page.at(i) {
            b'}' => return Ok(i + 1),
            b'"' => {
                let end = page.quoted_name(i, series_name.is_some());
                let end = end.ok_or_else(|| page.error(i, "the quoted name does not end"))?;
                (span(i + 1, end - 1), end)
            }
            first if is(first, LABEL_START) => {
                let end = page.skip(i, LABEL_REST);
                (span(i, end), end)
            }
            _ => return Err(page.error(i, "expected a label name")),
        };
        match (page.at(end), &mut series_name) {
            (b'=', _) => {}
            (b',' | b'}', Some(known)) if page.at(start) == b'"' => {
                if known.replace(name).is_some() {
                    return Err(page.error(start, "the series has two names"));
                }
                i = end + usize::from(page.at(end) == b',');
                continue;
            }
            _ => return Err(page.error(end, "expected = behind a label name")),
        }
        let value_at = end + 1;
        let end = match page.at(value_at) {
            b'"' if series_name.is_some() => page.quoted_value(value_at, false),
            b'"' => page.quoted_name(value_at, false),
            _ => None,
        };
        i = end.ok_or_else(|| page.error(value_at, "expected a label value in quotes"))?;
        if !page.is_utf8(value_at, i) {
            return Err(page.error(value_at, "the label value is not UTF-8"));
        }
        let value = span(value_at + 1, i - 1);
        let label = LabelAt { name, value };
        match out.get_mut(*n) {
            Some(last) => *last = label,
            None => out.push(label),
        }
        *n += 1;
        i = comma(page, i)?;
    }
}

/// Behind the comma that follows a label, or at the brace.
fn comma(page: Page<'_>, i: usize) -> Result<usize, Error> {
    match page.at(i) {
        b',' => Ok(i + 1),
        b'}' => Ok(i),
        _ => Err(page.error(i, "expected a comma or a brace behind a label")),
    }
}

/// A blank and a value, and where it ends.
fn value(page: Page<'_>, blank: usize) -> Result<(f64, usize), Error> {
    let number = (page.at(blank) == b' ').then(|| number(page, blank + 1));
    let number = number.flatten();
    number.ok_or_else(|| page.error(blank, "expected a blank and a value"))
}

fn timestamp(page: Page<'_>, blank: usize) -> Result<(f64, usize), Error> {
    let number = number(page, blank + 1).filter(|(seconds, _)| seconds.is_finite());
    number.ok_or_else(|| page.error(blank + 1, "expected a timestamp"))
}

fn number(page: Page<'_>, start: usize) -> Option<(f64, usize)> {
    let text = page.from(start);
    match parse_short(text) {
        Some((value, length)) if page.at(start + length) != b'\t' => Some((value, start + length)),
        _ => {
            let length = text
                .iter()
                .position(|b| ends_token(*b))
                .unwrap_or(text.len());
            let value = parse_decimal(text.get(..length)?)?;
            Some((value, start + length))
        }
    }
}

fn ends_token(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | 0)
}

impl Exemplars<'_> {
    /// The exemplar behind ` # {`, and its line; returns where the next one starts.
    fn read(self, page: Page<'_>, open: usize) -> Result<usize, Error> {
        let (places, exemplar, found) = match self {
            Self::Skip => return skip_exemplar(page, open),
            Self::Read(places, exemplar, found) => (places, exemplar, found),
        };
        let mut n_labels = 0;
        let end = labels(page, open, places, &mut n_labels, None)?;
        places.truncate(n_labels);
        let (value, mut i) = value(page, end)?;
        exemplar.value = value;
        exemplar.timestamp = None;
        if page.at(i) == b' ' {
            let (seconds, end) = timestamp(page, i)?;
            exemplar.timestamp = Some(milliseconds(seconds));
            i = end;
        }
        if page.at(i) != b'\n' {
            return Err(page.error(i, "expected the end of the line behind an exemplar"));
        }
        exemplar.labels.clear();
        for label in places.iter() {
            // Upstream does not unescape these.
            exemplar
                .labels
                .push(page.get(label.name), page.get(label.value));
        }
        exemplar.labels.sort();
        *found = true;
        Ok(i + 1)
    }
}

/// Runs over an exemplar's tokens in whatever order to the end of the line (prometheus: parseComment with ignoreExemplar, which
/// would run on forever where this finds an error).
fn skip_exemplar(page: Page<'_>, open: usize) -> Result<usize, Error> {
    #[derive(Clone, Copy)]
    enum Expect {
        Label,
        Value,
        Timestamp,
    }
    let (mut i, mut expect) = (open, Expect::Label);
    loop {
        let next = match (expect, page.at(i)) {
            (Expect::Timestamp, b'\n') => return Ok(i + 1),
            (Expect::Label, b'}' | b'=') => Some((i + 1, Expect::Value)),
            (Expect::Label, b',') => Some((i + 1, Expect::Label)),
            (Expect::Label | Expect::Value, b'"') => {
                page.quoted_name(i, false).map(|end| (end, Expect::Label))
            }
            (Expect::Label, first) if is(first, LABEL_START) => {
                Some((page.skip(i, LABEL_REST), Expect::Label))
            }
            (Expect::Value | Expect::Timestamp, b' ') if !ends_token(page.at(i + 1)) => {
                let rest = page.from(i + 1);
                let length = rest.iter().position(|b| ends_token(*b));
                Some((i + 1 + length.unwrap_or(rest.len()), Expect::Timestamp))
            }
            _ => None,
        };
        (i, expect) = next.ok_or_else(|| page.error(i, "the exemplar is malformed"))?;
    }
}

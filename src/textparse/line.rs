//! What the two text formats share: classes of bytes, quoted strings, and the sample that was read last, whose labels are only
//! made when somebody asks.

use super::number::bound;
use super::{Entry, Error, LabelSource, Place, Series, Step, most_label_bytes};
use crate::model::exemplar::Exemplar;
use crate::model::labels::{LabelList, METRIC_NAME};
use crate::model::metadata::MetricKind;
use std::borrow::Cow;

/// A piece of the page: start and end.
pub(super) type Span = (u32, u32);

/// Starts a metric name; starts a label name; continues one of them.
pub(super) const METRIC_START: u8 = 1;
pub(super) const LABEL_START: u8 = 2;
pub(super) const METRIC_REST: u8 = 4;
pub(super) const LABEL_REST: u8 = 8;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                METRIC_START | LABEL_START | METRIC_REST | LABEL_REST
            }
            b'0'..=b'9' => METRIC_REST | LABEL_REST,
            b':' => METRIC_START | METRIC_REST,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// A page and how to look at it. Beyond its end a reader sees `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'p> {
    pub(super) bytes: &'p [u8],
    /// What a reader finds behind the last byte: each format says it differently.
    end: u8,
    /// The whole page is UTF-8: nothing in it needs a check of its own.
    utf8: bool,
    /// There is a backslash somewhere.
    escapes: bool,
}

impl<'p> Page<'p> {
    pub(super) fn new(bytes: &'p [u8], end: u8) -> Self {
        Self {
            bytes,
            end,
            utf8: bytes.is_ascii() || std::str::from_utf8(bytes).is_ok(),
            escapes: memchr::memchr(b'\\', bytes).is_some(),
        }
    }

    pub(super) fn at(&self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(self.end)
    }

    pub(super) fn from(&self, i: usize) -> &'p [u8] {
        self.bytes.get(i..).unwrap_or_default()
    }

    pub(super) fn get(&self, span: Span) -> &'p [u8] {
        self.bytes
            .get(span.0 as usize..span.1 as usize)
            .unwrap_or_default()
    }

    /// The first byte from `i` that is not of the class.
    pub(super) fn skip(&self, i: usize, class: u8) -> usize {
        let rest = self.from(i);
        i + rest
            .iter()
            .position(|byte| !is(*byte, class))
            .unwrap_or(rest.len())
    }

    /// The end of a bare name at `i`. Names come again and again: what they share with `known`, the last one, is not looked at singly.
    pub(super) fn name_end(&self, i: usize, known: Span, class: u8) -> usize {
        let (at, length) = (known.0 as usize, (known.1 - known.0) as usize);
        self.skip(
            i + common_length(self.from(at), self.from(i), length),
            class,
        )
    }

    /// A piece without its escapes, if the page has any.
    fn unescaped(&self, span: Span, unescape: fn(&'p [u8]) -> Cow<'p, [u8]>) -> Cow<'p, [u8]> {
        let text = self.get(span);
        if self.escapes {
            unescape(text)
        } else {
            Cow::Borrowed(text)
        }
    }

    pub(super) fn skip_nul(&self, mut i: usize) -> usize {
        while self.bytes.get(i) == Some(&0) {
            i += 1;
        }
        i
    }

    /// The first line feed from `i`, else the end of the page.
    pub(super) fn line_end(&self, i: usize) -> usize {
        let rest = self.from(i);
        i + memchr::memchr(b'\n', rest).unwrap_or(rest.len())
    }

    /// The end of a quoted name, behind the closing quote. A NUL ends it badly, and so does a backslash before a line feed.
    pub(super) fn quoted_name(&self, open: usize, may_break: bool) -> Option<usize> {
        let mut i = open + 1;
        loop {
            match self.bytes.get(i)? {
                b'"' => return Some(i + 1),
                b'\\' if !matches!(self.bytes.get(i + 1)?, b'\n' | 0) => i += 2,
                b'\\' | 0 => return None,
                b'\n' if !may_break => return None,
                _ => i += 1,
            }
        }
    }

    /// The end of a label's value, behind the closing quote and the NULs that may follow it: upstream's lexer takes NULs
    /// together with the byte before them wherever it knows values, so that they even belong to the value.
    pub(super) fn quoted_value(&self, open: usize, may_break: bool) -> Option<usize> {
        let mut i = open + 1;
        loop {
            i += if may_break && !self.escapes {
                find_quote(self.from(i))?
            } else if may_break {
                memchr::memchr2(b'"', b'\\', self.from(i))?
            } else {
                memchr::memchr3(b'"', b'\\', b'\n', self.from(i))?
            };
            match self.at(i) {
                b'"' => return Some(self.skip_nul(i + 1)),
                b'\\' => {
                    i = self.skip_nul(i + 1);
                    if *self.bytes.get(i)? == b'\n' {
                        return None;
                    }
                    i += 1;
                }
                _ => return None,
            }
        }
    }

    /// Whether a piece that ends in front of an ASCII character is UTF-8. It may start amid a character, and then it is not.
    pub(super) fn is_utf8(&self, start: usize, end: usize) -> bool {
        let amid = (0x80..0xc0).contains(&self.at(start));
        self.utf8 && !amid || std::str::from_utf8(self.get(span(start, end))).is_ok()
    }

    /// An error at `at`, with the line's beginning up to there.
    #[cold]
    pub(super) fn error(&self, at: usize, what: &str) -> Error {
        let before = self.bytes.get(..at).unwrap_or(self.bytes);
        let line = memchr::memrchr(b'\n', before).map_or(0, |lf| lf + 1);
        let shown = self.from(line.max(at.saturating_sub(SHOWN)));
        let shown = shown.get(..SHOWN + 20).unwrap_or(shown);
        let shown = shown.split(|b| *b == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(shown);
        let message = format!("{what} at byte {at}, in {text:?}");
        Error { at, message }
    }
}

/// How many bytes two texts have in common at their beginning, at most `most`. They are short, and then eight bytes at a time
/// beat a call.
fn common_length(a: &[u8], b: &[u8], most: usize) -> usize {
    let mut same = 0;
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return most.min(same + differing.trailing_zeros() as usize / 8);
        }
        same += 8;
        if same >= most {
            return most;
        }
    }
    let rest = a.iter().zip(b).skip(same);
    most.min(same + rest.take_while(|(x, y)| x == y).count())
}

/// The first quote. Most values are short, and then eight bytes at a time beat a call.
fn find_quote(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const QUOTES: u64 = ONES * b'"' as u64;
    let mut at = 0;
    for word in text.as_chunks::<8>().0.iter().take(4) {
        let zeroed = u64::from_le_bytes(*word) ^ QUOTES;
        // The lowest bit set stands in the first byte that is zero.
        let found = zeroed.wrapping_sub(ONES) & !zeroed & (ONES << 7);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = text.get(at..)?;
    Some(at + memchr::memchr(b'"', rest)?)
}

/// Bytes shown of a line in front of an error in it.
const SHOWN: usize = 100;

/// Pages of 4 GiB and more are refused before anything is read.
pub(super) fn span(start: usize, end: usize) -> Span {
    (start as u32, end as u32)
}

/// Where a label's name and value stand on the page, escaped as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LabelAt {
    pub(super) name: Span,
    pub(super) value: Span,
}

impl LabelAt {
    /// Where this label ends if it stands at `i` again, and as what, written `name="value"`. Lines resemble the one before: an
    /// equal label, or at least an equal name, needs no lexing.
    pub(super) fn again(
        &self,
        page: &Page<'_>,
        i: usize,
        may_break: bool,
    ) -> Option<(Self, usize)> {
        let text = page.from(i);
        let (name, value) = (self.name, self.value);
        // Anything else between name and value, or NULs behind the quote, is left to the lexer.
        if value.0 != name.1 + 2
            || page.at(name.1 as usize) != b'='
            || page.at(value.1 as usize) != b'"'
        {
            return None;
        }
        let whole = (value.1 + 1 - name.0) as usize;
        let value_at = i + (value.0 - name.0) as usize;
        let same = i + common_length(page.from(name.0 as usize), text, whole);
        let end = if same == i + whole {
            same
        } else if same >= value_at && !page.escapes && page.utf8 {
            // There is no quote in what the values share.
            let quote = same + find_quote(page.from(same))?;
            if !may_break && memchr::memchr(b'\n', page.get(span(same, quote))).is_some() {
                return None;
            }
            quote + 1
        } else {
            return None;
        };
        let name = span(i, i + (name.1 - name.0) as usize);
        let value = span(value_at, end - 1);
        (page.at(end) != 0).then_some((Self { name, value }, end))
    }
}

/// The sample that was read last.
#[derive(Debug)]
pub(super) struct Sample<'p> {
    pub(super) page: Page<'p>,
    pub(super) name: Span,
    pub(super) labels: Vec<LabelAt>,
    pub(super) value: f64,
    pub(super) timestamp: Option<i64>,
    pub(super) place: Place,
    /// The type said by the last TYPE line, whatever family that was.
    pub(super) kind: MetricKind,
    /// The unit said last.
    pub(super) unit: Span,
    /// Bytes of units that all series so far have as a label together.
    unit_bytes: usize,
    pub(super) type_and_unit: bool,
}

impl<'p> Sample<'p> {
    pub(super) fn new(page: Page<'p>, type_and_unit: bool) -> Self {
        Self {
            page,
            name: (0, 0),
            labels: Vec::new(),
            value: 0.0,
            timestamp: None,
            place: Place::default(),
            kind: MetricKind::Unknown,
            unit: (0, 0),
            unit_bytes: 0,
            type_and_unit,
        }
    }

    /// What `step` found, this sample if it was one. Help texts are as `unescape` says.
    #[inline]
    pub(super) fn entry<'e>(
        &'e self,
        step: Step,
        unescape: fn(&'p [u8]) -> Cow<'p, [u8]>,
        start: i64,
        exemplars: &'e [Exemplar],
    ) -> Entry<'e> {
        let get = |span| self.page.get(span);
        match step {
            Step::Comment(text) => Entry::Comment(get(text)),
            Step::Help { name, text } => Entry::Help {
                name: get(name),
                text: self.page.unescaped(text, unescape),
            },
            Step::Type { name, kind } => Entry::Type {
                name: get(name),
                kind,
            },
            Step::Unit { name, unit } => Entry::Unit {
                name: get(name),
                unit: get(unit),
            },
            Step::Series | Step::End => Entry::Series(Series {
                key: self.key(),
                labels: self,
                value: self.value,
                timestamp: self.timestamp,
                start,
                exemplars,
                place: self.place,
            }),
        }
    }

    pub(super) fn key(&self) -> &'p [u8] {
        self.page.get(self.place.series)
    }

    /// A unit becomes a label of all series below it, however short their lines are.
    pub(super) fn count_unit(&mut self) -> Result<(), Error> {
        if self.type_and_unit {
            self.unit_bytes += self.page.get(self.unit).len();
            if self.unit_bytes > most_label_bytes(self.page.bytes.len()) {
                let what = "the unit is too long for so many series";
                return Err(self.page.error(self.unit.0 as usize, what));
            }
        }
        Ok(())
    }
}

/// What the job wants to know of a series' family, as labels (prometheus: schema.Metadata).
#[derive(Debug, Clone, Copy)]
pub(super) struct FamilyLabels<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: MetricKind,
    pub(super) unit: &'a [u8],
}

impl FamilyLabels<'_> {
    pub(super) fn push(&self, out: &mut LabelList) {
        for name in [METRIC_NAME, TYPE_LABEL, UNIT_LABEL] {
            let value = self.value(name.as_bytes());
            if !value.is_empty() {
                out.push(name, value);
            }
        }
    }

    /// A label of the page that would say the same is dropped.
    pub(super) fn replaces(&self, label: &[u8]) -> bool {
        !self.value(label).is_empty()
    }

    fn value(&self, label: &[u8]) -> &[u8] {
        match label {
            b"__name__" => self.name,
            b"__type__" if self.kind != MetricKind::Unknown => self.kind.as_str().as_bytes(),
            b"__unit__" => self.unit,
            _ => b"",
        }
    }
}

const TYPE_LABEL: &str = "__type__";
const UNIT_LABEL: &str = "__unit__";

impl LabelSource for Sample<'_> {
    fn labels(&self, out: &mut LabelList) {
        out.clear();
        let name = self.page.unescaped(self.name, unescape);
        let family = FamilyLabels {
            name: &name,
            kind: self.kind,
            unit: self.page.get(self.unit),
        };
        if self.type_and_unit {
            family.push(out);
        } else {
            out.push(METRIC_NAME, &name);
        }
        for label in &self.labels {
            let name = self.page.unescaped(label.name, unescape);
            if self.type_and_unit && family.replaces(&name) {
                continue;
            }
            let value = self.page.unescaped(label.value, unescape);
            let is_bound = match self.kind {
                MetricKind::Histogram => *name == *b"le",
                MetricKind::Summary => *name == *b"quantile",
                _ => false,
            };
            match is_bound.then(|| bound(&value)).flatten() {
                Some(bound) => out.push(&name, bound),
                None => out.push(&name, &value),
            }
        }
        out.sort();
    }
}

/// `\"`, `\\` and `\n` replaced; a backslash before anything else stays.
pub(super) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    replace(text, |byte| match byte {
        b'"' | b'\\' => Some(byte),
        b'n' => Some(b'\n'),
        _ => None,
    })
}

/// `\\` and `\n` replaced, as in HELP of the Prometheus format.
pub(super) fn unescape_help(text: &[u8]) -> Cow<'_, [u8]> {
    replace(text, |byte| match byte {
        b'\\' => Some(byte),
        b'n' => Some(b'\n'),
        _ => None,
    })
}

fn replace(text: &[u8], escaped: impl Fn(u8) -> Option<u8>) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', text) else {
        return Cow::Borrowed(text);
    };
    let (plain, mut rest) = text.split_at(first);
    let mut out = plain.to_vec();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let replaced = after.first().filter(|_| byte == b'\\');
        match replaced.and_then(|next| escaped(*next)) {
            Some(meant) => {
                out.push(meant);
                rest = rest.get(1..).unwrap_or_default();
            }
            None => out.push(byte),
        }
    }
    Cow::Owned(out)
}

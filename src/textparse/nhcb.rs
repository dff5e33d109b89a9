//! Turns the classic histograms of a text page into native ones with custom buckets while it is read (prometheus:
//! model/textparse/nhcbparse.go). A histogram comes when the first line is read that does not belong to it any more; it takes
//! the timestamp of the sample read last, even if that is another one's. Holds one histogram at a time.

use super::convert::Classic;
use super::number::parse_go;
use super::{Entry, Error, HistogramEntry, LabelSource, Series, Step, TextReader};
use crate::model::exemplar::Exemplar;
use crate::model::hash;
use crate::model::histogram::Histogram;
use crate::model::labels::{LabelList, METRIC_NAME};
use crate::model::metadata::MetricKind;

#[derive(Debug)]
pub(super) struct Reader<'p> {
    inner: TextReader<'p>,
    keep_classic: bool,
    state: State,
    /// What was read when a histogram had to be delivered first.
    pending: Step,
    /// The last TYPE line.
    kind: MetricKind,
    family: Vec<u8>,
    /// Labels of the sample read last.
    labels: LabelList,
    /// Whose parts are collected: base name, and hash of the labels without `le`.
    series: (Vec<u8>, u64),
    classic: Classic,
    exemplars: ExemplarSlots,
    start: i64,
    base_labels: LabelList,
    /// The histogram to deliver, and its key.
    converted: Option<Histogram>,
    key: Vec<u8>,
    scratch: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Collecting,
    Emitting,
}

/// A part of a classic histogram.
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl<'p> Reader<'p> {
    pub(super) fn new(inner: TextReader<'p>, keep_classic: bool) -> Self {
        Self {
            inner,
            keep_classic,
            state: State::Start,
            pending: Step::End,
            kind: MetricKind::Unknown,
            family: Vec::new(),
            labels: LabelList::new(),
            series: (Vec::new(), 0),
            classic: Classic::default(),
            exemplars: ExemplarSlots::default(),
            start: 0,
            base_labels: LabelList::new(),
            converted: None,
            key: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> Option<Result<Entry<'_>, Error>> {
        loop {
            let step = if self.state == State::Emitting {
                self.state = State::Start;
                self.pending
            } else {
                let step = match self.inner.step() {
                    Ok(step) => step,
                    Err(error) => return Some(Err(error)),
                };
                self.note(step);
                if self.ends_histogram(step) && self.convert() {
                    self.pending = step;
                    return self.histogram().map(Ok);
                }
                step
            };
            match step {
                Step::End => return None,
                Step::Series => {
                    let is_part = self.collect();
                    if !is_part || self.keep_classic {
                        return Some(Ok(self.sample(is_part)));
                    }
                }
                other => return Some(Ok(self.inner.entry(other))),
            }
        }
    }

    fn note(&mut self, step: Step) {
        match step {
            Step::Series => self.inner.sample().labels(&mut self.labels),
            Step::Type { name, kind } => {
                self.kind = kind;
                self.family.clear();
                self.family
                    .extend_from_slice(self.inner.sample().page.get(name));
            }
            _ => {}
        }
    }

    fn ends_histogram(&mut self, step: Step) -> bool {
        if self.state != State::Collecting {
            return false;
        }
        if !matches!(step, Step::Series) || self.kind != MetricKind::Histogram {
            return true;
        }
        let (base, _) = base_name(first(&self.labels, METRIC_NAME));
        base != self.series.0 || fingerprint(&self.labels, &mut self.scratch) != self.series.1
    }

    /// Takes the sample in if it is a part of a classic histogram of the last TYPE line's name.
    fn collect(&mut self) -> bool {
        if self.kind != MetricKind::Histogram {
            return false;
        }
        let (base, suffix) = base_name(first(&self.labels, METRIC_NAME));
        if base != self.family {
            return false;
        }
        let part = match suffix {
            b"_bucket" => {
                let bound = parse_go(first(&self.labels, "le")).filter(|bound| !bound.is_nan());
                let Some(bound) = bound else { return false };
                Part::Bucket(bound)
            }
            b"_count" => Part::Count,
            b"_sum" => Part::Sum,
            _ => return false,
        };
        if self.state != State::Collecting {
            self.state = State::Collecting;
            self.series.0.clear();
            self.series.0.extend_from_slice(base);
            self.series.1 = fingerprint(&self.labels, &mut self.scratch);
            base_labels(&self.labels, base, &mut self.base_labels);
            self.start = self.inner.start();
        }
        self.exemplars.take(self.inner.exemplars());
        let value = self.inner.sample().value;
        match part {
            Part::Bucket(bound) => self.classic.bucket(bound, value),
            Part::Count => self.classic.count(value),
            Part::Sum => self.classic.sum(value),
        }
        true
    }

    /// Whether what was collected makes a histogram, which is then to be delivered.
    fn convert(&mut self) -> bool {
        self.converted = self.classic.convert();
        match &self.converted {
            // Upstream forgets to start anew here, and so collects the next parts into this one.
            Some(histogram) if histogram.validate().is_err() => return false,
            Some(_) => {
                self.key = key(&self.base_labels);
                self.exemplars.finish();
                self.state = State::Emitting;
            }
            None => self.state = State::Start,
        }
        self.classic.clear();
        self.exemplars.n_taken = 0;
        self.converted.is_some()
    }

    fn histogram(&self) -> Option<Entry<'_>> {
        Some(Entry::Histogram(HistogramEntry {
            key: &self.key,
            labels: &self.base_labels,
            histogram: self.converted.as_ref()?,
            timestamp: self.inner.sample().timestamp,
            start: self.start,
            exemplars: self.exemplars.finished(),
        }))
    }

    fn sample(&mut self, is_part: bool) -> Entry<'_> {
        let start = match self.state {
            State::Collecting => self.start,
            _ => self.inner.start(),
        };
        let sample = self.inner.sample();
        Entry::Series(Series {
            key: sample.key(),
            labels: &self.labels,
            value: sample.value,
            timestamp: sample.timestamp,
            start,
            // A part's exemplars are the histogram's now.
            exemplars: if is_part { &[] } else { self.inner.exemplars() },
            place: sample.place,
        })
    }
}

impl LabelSource for LabelList {
    fn labels(&self, out: &mut LabelList) {
        out.clone_from(self);
    }
}

/// Exemplars of the histogram being collected, in slots that are used again, as upstream's are: an exemplar without timestamp
/// inherits that of the slot's last one, and slots are not given back when a histogram is dropped.
#[derive(Debug, Default)]
struct ExemplarSlots {
    slots: Vec<Exemplar>,
    n_used: usize,
    n_taken: usize,
    n_finished: usize,
}

impl ExemplarSlots {
    fn take(&mut self, exemplars: &[Exemplar]) {
        for exemplar in exemplars {
            let slot = self.next();
            slot.labels.clone_from(&exemplar.labels);
            slot.value = exemplar.value;
            slot.timestamp = exemplar.timestamp.or(slot.timestamp);
            self.n_taken += 1;
        }
        self.next();
    }

    fn next(&mut self) -> &mut Exemplar {
        if self.n_taken + 1 != self.n_used {
            self.n_used += 1;
        }
        let at = self.n_used - 1;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, Exemplar::default);
        }
        &mut self.slots[at]
    }

    fn finish(&mut self) {
        self.n_finished = self.n_taken;
        self.n_used = 0;
    }

    fn finished(&self) -> &[Exemplar] {
        self.slots.get(..self.n_finished).unwrap_or_default()
    }
}

/// A series' name without the suffix of a histogram's part, and that suffix.
fn base_name(name: &[u8]) -> (&[u8], &[u8]) {
    for suffix in [&b"_bucket"[..], b"_sum", b"_count"] {
        if let Some(base) = name.strip_suffix(suffix) {
            return (base, suffix);
        }
    }
    (name, b"")
}

/// The value of the first label of that name, empty if there is none. Upstream's search ends early at a label without name
/// whose value is long: it takes the length for a letter (prometheus: labels_stringlabels.go, Get).
fn first<'l>(labels: &'l LabelList, name: &str) -> &'l [u8] {
    let letter = name.bytes().next().map_or(0, usize::from);
    labels
        .raw()
        .take_while(|(n, value)| !n.is_empty() || value.len().min(255) <= letter)
        .find(|(n, _)| *n == name.as_bytes())
        .map_or(b"", |(_, value)| value)
}

fn fingerprint(labels: &LabelList, text: &mut Vec<u8>) -> u64 {
    text.clear();
    for (name, value) in labels.raw() {
        if name != METRIC_NAME.as_bytes() && name != b"le" {
            for part in [name, b"\xff", value, b"\xff"] {
                text.extend_from_slice(part);
            }
        }
    }
    hash::xxh64(text)
}

/// The labels of the whole histogram: its own name, no `le`, none that is empty (of equal names all go, as upstream).
fn base_labels(labels: &LabelList, name: &[u8], out: &mut LabelList) {
    out.clear();
    let pairs: Vec<_> = labels.raw().collect();
    let mut own_name = (!name.is_empty()).then_some(name);
    for group in pairs.chunk_by(|a, b| a.0 == b.0) {
        let is_gone = |(name, value): &(&[u8], &[u8])| *name == b"le" || value.is_empty();
        if group.iter().any(is_gone) {
            continue;
        }
        for (label, value) in group {
            match own_name.filter(|_| METRIC_NAME.as_bytes() <= *label) {
                Some(name) => {
                    out.push(METRIC_NAME, name);
                    own_name = None;
                    if *label != METRIC_NAME.as_bytes() {
                        out.push(label, value);
                    }
                }
                None if name.is_empty() && *label == METRIC_NAME.as_bytes() => {}
                None => out.push(label, value),
            }
        }
    }
    if let Some(name) = own_name {
        out.push(METRIC_NAME, name);
    }
}

/// The series as upstream would write it: `name{a="1",b="2"}`.
fn key(labels: &LabelList) -> Vec<u8> {
    let mut key = first(labels, METRIC_NAME).to_vec();
    let others = labels
        .raw()
        .filter(|(name, _)| *name != METRIC_NAME.as_bytes());
    for (i, (name, value)) in others.clone().enumerate() {
        key.push(if i == 0 { b'{' } else { b',' });
        let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if plain && name.first().is_some_and(|b| !b.is_ascii_digit()) {
            key.extend_from_slice(name);
        } else {
            quote(name, &mut key);
        }
        key.push(b'=');
        quote(value, &mut key);
    }
    if others.count() > 0 {
        key.push(b'}');
    }
    key
}

/// strconv.Quote.
fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            out.extend_from_slice(quoted(c).as_bytes());
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    out.push(b'"');
}

fn quoted(c: char) -> String {
    // Behind another letter, Rust escapes what is not printable only; Go agrees on what that is.
    let is_printable = || format!("x{c}").escape_debug().eq(['x', c]);
    match c {
        '"' | '\\' => format!("\\{c}"),
        '\'' => c.to_string(),
        '\x07' => "\\a".to_owned(),
        '\x08' => "\\b".to_owned(),
        '\x0c' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\x0b' => "\\v".to_owned(),
        _ if c < ' ' || c == '\x7f' => format!("\\x{:02x}", c as u32),
        _ if is_printable() => c.to_string(),
        _ if (c as u32) < 0x10000 => format!("\\u{:04x}", c as u32),
        _ => format!("\\U{:08x}", c as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_quote(text: &[u8], want: &str) {
        let mut out = Vec::new();
        quote(text, &mut out);
        assert_eq!(out, want.as_bytes());
    }

    #[test]
    fn strings_are_quoted_as_go_does() {
        check_quote(b"a'b\"c\\d\n\x01\x7f", r#""a'b\"c\\d\n\x01\x7f""#);
        check_quote(
            "é\u{301}\u{a0}\u{10ffff}".as_bytes(),
            "\"é\u{301}\\u00a0\\U0010ffff\"",
        );
        check_quote(b"a\xffb", r#""a\xffb""#);
    }

    #[test]
    fn labels_of_the_whole() {
        let mut labels = LabelList::new();
        for (name, value) in [
            ("__name__", "h_bucket"),
            ("a", ""),
            ("a", "1"),
            ("b", "2"),
            ("le", "1"),
        ] {
            labels.push(name, value);
        }
        let mut base = LabelList::new();
        base_labels(&labels, b"h", &mut base);
        assert_eq!(key(&base), b"h{b=\"2\"}");
    }
}

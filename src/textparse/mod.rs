//! Exposition formats: a page in, entries out, exactly those that Prometheus' own readers deliver, up to the same error. No I/O,
//! no targets, no judgement of what is delivered (`scrape` does that); entries borrow from the page.
//!
//! Memory beyond the page: for the text formats the places of one line's labels (16 bytes each) and one exemplar; for protobuf the
//! largest family's list of metrics (16 bytes each) and its largest metric, decoded; for converted histograms the histogram being
//! collected. A page of 4 GiB and more is refused: places are `u32`. So is one whose series have more text in labels that it says once
//! than 64 MiB and 64 times its length. All readers are iterative and linear in the page's length.

mod choose;
mod compact;
mod convert;
mod current;
mod family;
mod line;
mod nhcb;
mod number;
mod openmetrics;
mod prometheus;
mod protobuf;

use crate::model::exemplar::Exemplar;
use crate::model::histogram::Histogram;
use crate::model::labels::LabelList;
use crate::model::metadata::MetricKind;
use line::Span;
use std::borrow::Cow;
use std::fmt;

pub use choose::choose;
pub use number::value_of_line;

/// How a page is to be read; the booleans are those of the job and of the receiver.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Deliver native histograms (protobuf).
    pub native_histograms: bool,
    /// Deliver the classic form of native histograms, too.
    pub classic_histograms: bool,
    /// Turn classic histograms into native ones with custom buckets.
    pub convert_to_nhcb: bool,
    /// Add `__type__` and `__unit__`.
    pub type_and_unit_labels: bool,
    /// Fold OpenMetrics' `_created` series into start timestamps.
    pub start_timestamps: bool,
}

/// A reader that was chosen for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text, 0.0.1 and 1.0.0.
    OpenMetrics,
    /// Delimited protobuf.
    Protobuf,
}

/// The page is not what its Content-Type says. Entries delivered before it stay delivered; the caller rolls them back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Byte in the page near which reading failed.
    pub at: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What a page consists of. Names of families and units are as upstream delivers them: they need not be UTF-8.
#[derive(Debug)]
pub enum Entry<'e> {
    /// A comment without meaning.
    Comment(&'e [u8]),
    /// `# HELP`.
    Help {
        /// The family.
        name: &'e [u8],
        /// Its help, unescaped; valid UTF-8.
        text: Cow<'e, [u8]>,
    },
    /// `# TYPE`.
    Type {
        /// The family.
        name: &'e [u8],
        /// Its type.
        kind: MetricKind,
    },
    /// `# UNIT`.
    Unit {
        /// The family.
        name: &'e [u8],
        /// Its unit.
        unit: &'e [u8],
    },
    /// A sample.
    Series(Series<'e>),
    /// A native histogram.
    Histogram(HistogramEntry<'e>),
}

/// Gives the labels of an entry on demand: only new series need them.
pub trait LabelSource: fmt::Debug {
    /// Replaces `out` by the labels, `__name__` included, sorted by name, duplicates kept in the order of the page.
    fn labels(&self, out: &mut LabelList);
}

/// A sample.
#[derive(Debug)]
pub struct Series<'e> {
    /// What identifies the series on the page: its exact source bytes for text formats (two spellings are two keys).
    pub key: &'e [u8],
    /// Its labels.
    pub labels: &'e dyn LabelSource,
    /// The value.
    pub value: f64,
    /// Explicit timestamp, milliseconds.
    pub timestamp: Option<i64>,
    /// Start timestamp, milliseconds; 0 if unknown.
    pub start: i64,
    /// Exemplars in the order read.
    pub exemplars: &'e [Exemplar],
    /// Where the parts stand in the page (text formats; 0..0 otherwise).
    pub place: Place,
}

/// Where the parts of a sample stand in the page, so that a later pass can compare the series and read only the value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The series text: start and end.
    pub series: (u32, u32),
    /// The value text: start and end.
    pub value: (u32, u32),
    /// The timestamp text: start and end; empty if there is none.
    pub timestamp: (u32, u32),
}

/// A native histogram.
#[derive(Debug)]
pub struct HistogramEntry<'e> {
    /// What identifies the series on the page.
    pub key: &'e [u8],
    /// Its labels.
    pub labels: &'e dyn LabelSource,
    /// The histogram.
    pub histogram: &'e Histogram,
    /// Explicit timestamp, milliseconds.
    pub timestamp: Option<i64>,
    /// Start timestamp, milliseconds; 0 if unknown.
    pub start: i64,
    /// Exemplars in the order read.
    pub exemplars: &'e [Exemplar],
}

/// What a text reader found; the sample itself stays in the reader.
#[derive(Debug, Clone, Copy)]
enum Step {
    End,
    Comment(Span),
    Help { name: Span, text: Span },
    Type { name: Span, kind: MetricKind },
    Unit { name: Span, unit: Span },
    Series,
}

/// What labels that a page says once for many series may take in all of them together: so many bytes, and so many times the
/// page's length. A protobuf metric says its labels once for all its buckets, an OpenMetrics family its unit once for all its
/// series, so that a small page could stand for more than any memory holds.
fn most_label_bytes(page: usize) -> usize {
    const LEAST: usize = 64 << 20;
    const PER_BYTE: usize = 64;
    page.saturating_mul(PER_BYTE).saturating_add(LEAST)
}

/// Reads one page.
#[derive(Debug)]
pub struct Parser<'p> {
    reader: Reader<'p>,
    ended: bool,
}

#[derive(Debug)]
enum Reader<'p> {
    Text(TextReader<'p>),
    Converting(Box<nhcb::Reader<'p>>),
    Protobuf(Box<protobuf::Reader<'p>>),
    Refused(Error),
}

/// Either of the text formats.
#[derive(Debug)]
enum TextReader<'p> {
    Prometheus(prometheus::Reader<'p>),
    OpenMetrics(Box<openmetrics::Reader<'p>>),
}

impl<'p> Parser<'p> {
    /// A reader of `page`.
    pub fn new(page: &'p [u8], format: Format, options: Options) -> Self {
        if let Err(error) = check_length(page.len()) {
            return Self {
                reader: Reader::Refused(error),
                ended: false,
            };
        }
        let type_and_unit = options.type_and_unit_labels;
        let text = match format {
            Format::Text => TextReader::Prometheus(prometheus::Reader::new(page, type_and_unit)),
            Format::OpenMetrics => {
                let with_start = options.start_timestamps;
                let reader = openmetrics::Reader::new(page, type_and_unit, with_start);
                TextReader::OpenMetrics(Box::new(reader))
            }
            Format::Protobuf => {
                let reader = protobuf::Reader::new(page, options);
                return Self {
                    reader: Reader::Protobuf(Box::new(reader)),
                    ended: false,
                };
            }
        };
        let reader = if options.convert_to_nhcb {
            let reader = nhcb::Reader::new(text, options.classic_histograms);
            Reader::Converting(Box::new(reader))
        } else {
            Reader::Text(text)
        };
        Self {
            reader,
            ended: false,
        }
    }

    /// The next entry; `None` at the end. After an error nothing more comes.
    #[allow(clippy::should_implement_trait)] // entries borrow from the parser
    #[inline]
    pub fn next(&mut self) -> Option<Result<Entry<'_>, Error>> {
        if self.ended {
            return None;
        }
        let entry = match &mut self.reader {
            Reader::Text(reader) => match reader.step() {
                Ok(Step::End) => None,
                Ok(step) => return Some(Ok(reader.entry(step))),
                Err(error) => Some(Err(error)),
            },
            Reader::Converting(reader) => reader.next(),
            Reader::Protobuf(reader) => reader.next(),
            Reader::Refused(error) => Some(Err(error.clone())),
        };
        self.ended = !matches!(entry, Some(Ok(_)));
        entry
    }
}

/// Places in a page are `u32`.
fn check_length(bytes: usize) -> Result<(), Error> {
    if u32::try_from(bytes).is_ok() {
        return Ok(());
    }
    Err(Error {
        at: 0,
        message: format!(
            "the page has {bytes} bytes; pages of 4 GiB and more are not read: let the target expose less, or several targets"
        ),
    })
}

impl<'p> TextReader<'p> {
    fn step(&mut self) -> Result<Step, Error> {
        match self {
            Self::Prometheus(reader) => reader.step(),
            Self::OpenMetrics(reader) => reader.step(),
        }
    }

    fn entry(&mut self, step: Step) -> Entry<'_> {
        match self {
            Self::Prometheus(reader) => reader.sample.entry(step, line::unescape_help, 0, &[]),
            Self::OpenMetrics(reader) => reader.entry(step),
        }
    }

    fn sample(&self) -> &line::Sample<'p> {
        match self {
            Self::Prometheus(reader) => &reader.sample,
            Self::OpenMetrics(reader) => &reader.sample,
        }
    }

    fn exemplars(&self) -> &[Exemplar] {
        match self {
            Self::Prometheus(_) => &[],
            Self::OpenMetrics(reader) => reader.exemplars(),
        }
    }

    /// The start timestamp of the sample read last, if the job wants such and the page says; else 0.
    fn start(&mut self) -> i64 {
        match self {
            Self::Prometheus(_) => 0,
            Self::OpenMetrics(reader) => reader.start(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_4_gib_are_refused() {
        let longest = u32::MAX as usize;
        assert_eq!(check_length(0), Ok(()));
        assert_eq!(check_length(longest), Ok(()));
        let error = check_length(longest + 1).unwrap_err();
        assert!(error.message.contains("4294967296 bytes"), "{error}");
    }

    #[test]
    fn a_refused_page_is_one_error() {
        let error = check_length(u32::MAX as usize + 1).unwrap_err();
        let mut parser = Parser {
            reader: Reader::Refused(error.clone()),
            ended: false,
        };
        assert_eq!(parser.next().unwrap().unwrap_err(), error);
        assert!(parser.next().is_none());
    }
}

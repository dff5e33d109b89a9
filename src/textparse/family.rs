//! `io.prometheus.client.MetricFamily` as it comes over the wire, decoded as upstream does: a family first, each metric when it is
//! its turn, labels and exemplars last. Bytes stay on the page; repeated parts are kept as slices of it.

use crate::model::exemplar::Exemplar;
use crate::model::histogram::Span;
use crate::model::labels::LabelList;
use crate::wire::protobuf::{Error as WireError, Reader, Value};

/// Why a message can't be read.
#[derive(Debug)]
pub(super) enum DecodeError {
    Wire(WireError),
    /// A field has another wire type than its number says.
    WrongType(u32),
    /// A label's name is empty or not UTF-8, or its value is not UTF-8.
    Label,
}

impl From<WireError> for DecodeError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl DecodeError {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Wire(error) => error.to_string(),
            Self::WrongType(number) => format!("field {number} has the wrong wire type"),
            Self::Label => "a label's name or value is not valid".to_owned(),
        }
    }
}

type Decoded = Result<(), DecodeError>;

#[derive(Debug, Default)]
pub(super) struct Family<'p> {
    pub(super) name: &'p [u8],
    pub(super) help: &'p [u8],
    pub(super) unit: &'p [u8],
    /// The number of the type; there are 0 to 5.
    pub(super) kind: i32,
    pub(super) metrics: Vec<&'p [u8]>,
}

impl<'p> Family<'p> {
    /// Replaces what was there; the memory is used again.
    pub(super) fn decode(&mut self, message: &'p [u8]) -> Decoded {
        (self.name, self.help, self.unit, self.kind) = (b"", b"", b"", 0);
        self.metrics.clear();
        let mut fields = Reader::new(message);
        while let Some((number, value)) = fields.field()? {
            match (number, value) {
                (1, Value::Bytes(bytes)) => self.name = bytes,
                (2, Value::Bytes(bytes)) => self.help = bytes,
                (3, Value::Varint(kind)) => self.kind = kind as i32,
                (4, Value::Bytes(bytes)) => self.metrics.push(bytes),
                (5, Value::Bytes(bytes)) => self.unit = bytes,
                (1..=5, _) => return Err(DecodeError::WrongType(number)),
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Timestamp {
    seconds: i64,
    nanos: i32,
}

impl Timestamp {
    pub(super) fn milliseconds(self) -> i64 {
        let milliseconds = i64::from(self.nanos / 1_000_000);
        self.seconds.wrapping_mul(1000).wrapping_add(milliseconds)
    }

    fn merge(&mut self, message: &[u8]) -> Decoded {
        let mut fields = Reader::new(message);
        while let Some((number, value)) = fields.field()? {
            match (number, value) {
                (1, Value::Varint(seconds)) => self.seconds = seconds as i64,
                (2, Value::Varint(nanos)) => self.nanos = nanos as i32,
                (1 | 2, _) => return Err(DecodeError::WrongType(number)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// One metric. A message that occurs twice is merged, as protobuf demands.
#[derive(Debug, Default)]
pub(super) struct Metric<'p> {
    pub(super) labels: Vec<&'p [u8]>,
    pub(super) timestamp: i64,
    pub(super) gauge: f64,
    pub(super) counter: f64,
    /// Not forgotten from one metric to the next, as upstream's.
    pub(super) untyped: f64,
    /// The pieces of the counter's exemplar, to be merged.
    pub(super) exemplar: Vec<&'p [u8]>,
    pub(super) counter_start: Option<Timestamp>,
    pub(super) summary: Summary,
    pub(super) histogram: Histogram<'p>,
    /// For looking through exemplars that nobody has asked for yet.
    scratch: ExemplarParts,
}

impl<'p> Metric<'p> {
    /// Replaces what was there; the memory is used again.
    pub(super) fn decode(&mut self, message: &'p [u8]) -> Decoded {
        self.labels.clear();
        self.exemplar.clear();
        (self.timestamp, self.gauge, self.counter, self.counter_start) = (0, 0.0, 0.0, None);
        self.summary.clear();
        self.histogram.clear();
        let mut fields = Reader::new(message);
        while let Some((number, value)) = fields.field()? {
            match (number, value) {
                (1, Value::Bytes(bytes)) => self.labels.push(bytes),
                (2, Value::Bytes(bytes)) => number_message(bytes, &mut self.gauge)?,
                (3, Value::Bytes(bytes)) => self.merge_counter(bytes)?,
                (4, Value::Bytes(bytes)) => self.summary.merge(bytes)?,
                (5, Value::Bytes(bytes)) => number_message(bytes, &mut self.untyped)?,
                (6, Value::Varint(milliseconds)) => self.timestamp = milliseconds as i64,
                (7, Value::Bytes(bytes)) => self.histogram.merge(bytes, &mut self.scratch)?,
                (1..=7, _) => return Err(DecodeError::WrongType(number)),
                _ => {}
            }
        }
        Ok(())
    }

    fn merge_counter(&mut self, message: &'p [u8]) -> Decoded {
        let mut fields = Reader::new(message);
        while let Some((number, value)) = fields.field()? {
            match (number, value) {
                (1, Value::Fixed64(bits)) => self.counter = f64::from_bits(bits),
                (2, Value::Bytes(bytes)) => {
                    self.scratch.merge(bytes)?;
                    self.exemplar.push(bytes);
                }
                (3, Value::Bytes(bytes)) => {
                    self.counter_start.get_or_insert_default().merge(bytes)?;
                }
                (1..=3, _) => return Err(DecodeError::WrongType(number)),
                _ => {}
            }
        }
        self.scratch.clear();
        Ok(())
    }
}

/// A gauge or an untyped metric: field 1 is the value.
fn number_message(message: &[u8], number: &mut f64) -> Decoded {
    let mut fields = Reader::new(message);
    while let Some(field) = fields.field()? {
        match field {
            (1, Value::Fixed64(bits)) => *number = f64::from_bits(bits),
            (1, _) => return Err(DecodeError::WrongType(1)),
            _ => {}
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) sum: f64,
    /// Quantile and value.
    pub(super) quantiles: Vec<(f64, f64)>,
    pub(super) start: Option<Timestamp>,
}

impl Summary {
    fn clear(&mut self) {
        (self.count, self.sum, self.start) = (0, 0.0, None);
        self.quantiles.clear();
    }

    fn merge(&mut self, message: &[u8]) -> Decoded {
        let mut fields = Reader::new(message);
        while let Some((number, value)) = fields.field()? {
            match (number, value) {
                (1, Value::Varint(count)) => self.count = count,
                (2, Value::Fixed64(bits)) => self.sum = f64::from_bits(bits),
                (3, Value::Bytes(bytes)) => self.quantiles.push(quantile(bytes)?),
                (4, Value::Bytes(bytes)) => self.start.get_or_insert_default().merge(bytes)?,
                (1..=4, _) => return Err(DecodeError::WrongType(number)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn quantile(message: &[u8]) -> Result<(f64, f64), DecodeError> {
    let (mut quantile, mut estimate) = (0.0, 0.0);
    let mut fields = Reader::new(message);
    while let Some((number, value)) = fields.field()? {
        match (number, value) {
            (1, Value::Fixed64(bits)) => quantile = f64::from_bits(bits),
            (2, Value::Fixed64(bits)) => estimate = f64::from_bits(bits),
            (1 | 2, _) => return Err(DecodeError::WrongType(number)),
            _ => {}
        }
    }
    Ok((quantile, estimate))
}

#[derive(Debug, Default)]
pub(super) struct Histogram<'p> {
    pub(super) integer_count: u64,
    pub(super) float_count: f64,
    pub(super) sum: f64,
    pub(super) buckets: Vec<&'p [u8]>,
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: u64,
    pub(super) zero_count_float: f64,
    pub(super) negative: Side,
    pub(super) positive: Side,
    pub(super) start: Option<Timestamp>,
    pub(super) exemplars: Vec<&'p [u8]>,
}

/// The native buckets of one sign.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) spans: Vec<Span>,
    pub(super) deltas: Vec<i64>,
    pub(super) counts: Vec<f64>,
}

impl Side {
    fn clear(&mut self) {
        self.spans.clear();
        self.deltas.clear();
        self.counts.clear();
    }
}

impl<'p> Histogram<'p> {
    fn clear(&mut self) {
        (self.integer_count, self.float_count, self.sum) = (0, 0.0, 0.0);
        (self.schema, self.zero_threshold) = (0, 0.0);
        (self.zero_count, self.zero_count_float, self.start) = (0, 0.0, None);
        self.buckets.clear();
        self.exemplars.clear();
        self.negative.clear();
        self.positive.clear();
    }

    /// All observations, by whichever of the fields is used.
    pub(super) fn count(&self) -> f64 {
        if self.float_count == 0.0 {
            self.integer_count as f64
        } else {
            self.float_count
        }
    }

    fn merge(&mut self, message: &'p [u8], scratch: &mut ExemplarParts) -> Decoded {
        let mut fields = Reader::new(message);
        while let Some((number, value)) = fields.field()? {
            match (number, value) {
                (1, Value::Varint(count)) => self.integer_count = count,
                (2, Value::Fixed64(bits)) => self.sum = f64::from_bits(bits),
                (3, Value::Bytes(bytes)) => {
                    scratch.clear();
                    Bucket::decode(bytes, scratch)?;
                    self.buckets.push(bytes);
                }
                (4, Value::Fixed64(bits)) => self.float_count = f64::from_bits(bits),
                (5, Value::Varint(schema)) => self.schema = zigzag32(schema),
                (6, Value::Fixed64(bits)) => self.zero_threshold = f64::from_bits(bits),
                (7, Value::Varint(count)) => self.zero_count = count,
                (8, Value::Fixed64(bits)) => self.zero_count_float = f64::from_bits(bits),
                (9, Value::Bytes(bytes)) => self.negative.spans.push(bucket_span(bytes)?),
                (12, Value::Bytes(bytes)) => self.positive.spans.push(bucket_span(bytes)?),
                (10, value) => deltas(
                    number,
                    value,
                    message,
                    &mut fields,
                    &mut self.negative.deltas,
                )?,
                (13, value) => deltas(
                    number,
                    value,
                    message,
                    &mut fields,
                    &mut self.positive.deltas,
                )?,
                (11, value) => counts(
                    number,
                    value,
                    message,
                    &mut fields,
                    &mut self.negative.counts,
                )?,
                (14, value) => counts(
                    number,
                    value,
                    message,
                    &mut fields,
                    &mut self.positive.counts,
                )?,
                (15, Value::Bytes(bytes)) => self.start.get_or_insert_default().merge(bytes)?,
                (16, Value::Bytes(bytes)) => {
                    scratch.clear();
                    scratch.merge(bytes)?;
                    self.exemplars.push(bytes);
                }
                (1..=16, _) => return Err(DecodeError::WrongType(number)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn bucket_span(message: &[u8]) -> Result<Span, DecodeError> {
    let mut span = Span::default();
    let mut fields = Reader::new(message);
    while let Some((number, value)) = fields.field()? {
        match (number, value) {
            (1, Value::Varint(offset)) => span.offset = zigzag32(offset),
            (2, Value::Varint(length)) => span.length = length as u32,
            (1 | 2, _) => return Err(DecodeError::WrongType(number)),
            _ => {}
        }
    }
    Ok(span)
}

fn zigzag32(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

fn zigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn deltas<'p>(
    number: u32,
    value: Value<'p>,
    message: &'p [u8],
    fields: &mut Reader<'p>,
    out: &mut Vec<i64>,
) -> Decoded {
    match value {
        Value::Varint(delta) => out.push(zigzag64(delta)),
        Value::Bytes(packed) => {
            return elements(packed, message, fields, |rest| {
                out.push(zigzag64(rest.varint()?));
                Ok(())
            });
        }
        _ => return Err(DecodeError::WrongType(number)),
    }
    Ok(())
}

fn counts<'p>(
    number: u32,
    value: Value<'p>,
    message: &'p [u8],
    fields: &mut Reader<'p>,
    out: &mut Vec<f64>,
) -> Decoded {
    match value {
        Value::Fixed64(bits) => out.push(f64::from_bits(bits)),
        Value::Bytes(packed) => {
            return elements(packed, message, fields, |rest| {
                out.push(f64::from_bits(rest.fixed64()?));
                Ok(())
            });
        }
        _ => return Err(DecodeError::WrongType(number)),
    }
    Ok(())
}

/// Reads packed elements. As upstream, the last one may reach beyond the end of the list; reading goes on behind it.
fn elements<'p>(
    packed: &'p [u8],
    message: &'p [u8],
    fields: &mut Reader<'p>,
    mut element: impl FnMut(&mut Reader<'p>) -> Decoded,
) -> Decoded {
    let behind = fields.rest().len();
    let start = message.len() - behind - packed.len();
    let mut rest = Reader::new(message.get(start..).unwrap_or_default());
    while rest.rest().len() > behind {
        element(&mut rest)?;
    }
    *fields = rest;
    Ok(())
}

/// A classic bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) bound: f64,
    integer_count: u64,
    float_count: f64,
}

impl Bucket {
    /// The bucket; its exemplar, if there is one, goes to `exemplar`.
    pub(super) fn decode(
        message: &[u8],
        exemplar: &mut ExemplarParts,
    ) -> Result<Self, DecodeError> {
        let mut bucket = Self::default();
        let mut fields = Reader::new(message);
        while let Some((number, value)) = fields.field()? {
            match (number, value) {
                (1, Value::Varint(count)) => bucket.integer_count = count,
                (2, Value::Fixed64(bits)) => bucket.bound = f64::from_bits(bits),
                (3, Value::Bytes(bytes)) => exemplar.merge(bytes)?,
                (4, Value::Fixed64(bits)) => bucket.float_count = f64::from_bits(bits),
                (1..=4, _) => return Err(DecodeError::WrongType(number)),
                _ => {}
            }
        }
        Ok(bucket)
    }

    pub(super) fn count(&self) -> f64 {
        if self.float_count == 0.0 {
            self.integer_count as f64
        } else {
            self.float_count
        }
    }
}

/// An exemplar being put together.
#[derive(Debug, Default)]
pub(super) struct ExemplarParts {
    exemplar: Exemplar,
    timestamp: Option<Timestamp>,
    is_there: bool,
}

impl ExemplarParts {
    fn clear(&mut self) {
        self.exemplar.labels.clear();
        self.exemplar.value = 0.0;
        (self.timestamp, self.is_there) = (None, false);
    }

    /// Labels are taken as they are.
    fn merge(&mut self, message: &[u8]) -> Decoded {
        self.is_there = true;
        let mut fields = Reader::new(message);
        while let Some((number, value)) = fields.field()? {
            match (number, value) {
                (1, Value::Bytes(bytes)) => {
                    let (name, value) = label(bytes, false)?;
                    self.exemplar.labels.push(name, value);
                }
                (2, Value::Fixed64(bits)) => self.exemplar.value = f64::from_bits(bits),
                (3, Value::Bytes(bytes)) => self.timestamp.get_or_insert_default().merge(bytes)?,
                (1..=3, _) => return Err(DecodeError::WrongType(number)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The exemplar that these pieces make, if there are any.
    pub(super) fn of<'m>(
        &mut self,
        pieces: impl IntoIterator<Item = &'m [u8]>,
    ) -> Option<&Exemplar> {
        self.clear();
        for piece in pieces {
            self.merge(piece).ok()?;
        }
        self.finish()
    }

    /// The exemplar of a classic bucket, if it has one.
    pub(super) fn of_bucket(&mut self, message: &[u8]) -> Option<&Exemplar> {
        self.clear();
        Bucket::decode(message, self).ok()?;
        self.finish()
    }

    fn finish(&mut self) -> Option<&Exemplar> {
        self.exemplar.labels.sort();
        self.exemplar.timestamp = self.timestamp.map(Timestamp::milliseconds);
        self.is_there.then_some(&self.exemplar)
    }
}

/// A label's name and value, checked if `strict`: but a name that is not there at all passes, as upstream.
pub(super) fn label(message: &[u8], strict: bool) -> Result<(&[u8], &[u8]), DecodeError> {
    let (mut name, mut text): (&[u8], &[u8]) = (b"", b"");
    let valid = |bytes| !strict || std::str::from_utf8(bytes).is_ok();
    let mut fields = Reader::new(message);
    while let Some((number, value)) = fields.field()? {
        match (number, value) {
            (1, Value::Bytes(bytes)) if valid(bytes) && !(strict && bytes.is_empty()) => {
                name = bytes
            }
            (2, Value::Bytes(bytes)) if valid(bytes) => text = bytes,
            (1 | 2, Value::Bytes(_)) => return Err(DecodeError::Label),
            (1 | 2, _) => return Err(DecodeError::WrongType(number)),
            _ => {}
        }
    }
    Ok((name, text))
}

/// Adds a metric's labels to `out`.
pub(super) fn push_labels(labels: &[&[u8]], out: &mut LabelList, keep: impl Fn(&[u8]) -> bool) {
    for message in labels {
        let (name, value) = label(message, true).unwrap_or_default();
        if keep(name) {
            out.push(name, value);
        }
    }
}

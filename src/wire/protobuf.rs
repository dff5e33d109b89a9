//! The protobuf wire format: a reader over a slice and a writer into a vector.

use std::fmt;

/// The bytes are no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The message ends inside a field.
    Truncated,
    /// A varint of more than ten bytes.
    VarintOverflow,
    /// Field number 0 or negative.
    BadFieldNumber,
    /// Wire type 6 or 7, or a group's end without its start.
    BadWireType,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "message ends inside a field",
            Self::VarintOverflow => "varint is too long",
            Self::BadFieldNumber => "field number out of range",
            Self::BadWireType => "unknown wire type",
        })
    }
}

impl std::error::Error for Error {}

/// The value of a field, as its wire type says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a string, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
    /// Wire type 3: a group, whose contents are skipped.
    Group,
}

/// Reads the fields of one message in order, as generously as gogo's generated code, which reads pages for Prometheus: of
/// a varint's bits those beyond 64 are dropped, of a field number's those beyond 32, and inside groups only lengths count.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of the fields in `message`.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field's number and value; `None` at the end.
    ///
    /// # Errors
    /// The bytes are malformed; nothing more can be read then.
    pub fn field(&mut self) -> Result<Option<(u32, Value<'a>)>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            3 => {
                self.skip_group()?;
                Value::Group
            }
            other => self.value(other)?,
        };
        Ok(Some((number, value)))
    }

    /// A bare varint: a length before a message, or an element of a packed list.
    ///
    /// # Errors
    /// The bytes end within it, or it is too long.
    pub fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Error::Truncated)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::VarintOverflow)
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn take(&mut self, n: u64) -> Result<&'a [u8], Error> {
        let n = usize::try_from(n).map_err(|_| Error::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Eight bytes, little endian.
    ///
    /// # Errors
    /// There are fewer.
    pub fn fixed64(&mut self) -> Result<u64, Error> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(
            bytes.try_into().map_err(|_| Error::Truncated)?,
        ))
    }

    fn fixed32(&mut self) -> Result<u32, Error> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(
            bytes.try_into().map_err(|_| Error::Truncated)?,
        ))
    }

    fn tag(&mut self) -> Result<(u32, u8), Error> {
        let tag = self.varint()?;
        let number = (tag >> 3) as u32;
        if number == 0 || number > i32::MAX as u32 {
            return Err(Error::BadFieldNumber);
        }
        Ok((number, (tag & 7) as u8))
    }

    fn value(&mut self, wire_type: u8) -> Result<Value<'a>, Error> {
        Ok(match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.fixed64()?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(self.fixed32()?),
            _ => return Err(Error::BadWireType),
        })
    }

    fn skip_group(&mut self) -> Result<(), Error> {
        let mut depth = 1usize;
        while depth > 0 {
            match (self.varint()? & 7) as u8 {
                3 => depth += 1,
                4 => depth -= 1,
                other => {
                    self.value(other)?;
                }
            }
        }
        Ok(())
    }
}

/// Appends fields to a message. Zero values are left out by the `*_if` methods, as proto3 does.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues `bytes`.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The message.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets all but the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// A bare varint.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A varint field.
    pub fn uint(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.varint(value);
    }

    /// A zigzag varint field (`sint32`, `sint64`).
    pub fn sint(&mut self, field: u32, value: i64) {
        self.uint(field, ((value << 1) ^ (value >> 63)) as u64);
    }

    /// A 64-bit field of fixed size.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes without a field: an element of a packed list.
    pub fn bare_fixed64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A double.
    pub fn double(&mut self, field: u32, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    /// A string or bytes.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// A varint field, unless 0.
    pub fn uint_if(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.uint(field, value);
        }
    }

    /// A 64-bit field of fixed size, unless 0.
    pub fn fixed64_if(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.fixed64(field, value);
        }
    }

    /// A double, unless 0 of either sign.
    pub fn double_if(&mut self, field: u32, value: f64) {
        if value != 0.0 {
            self.double(field, value);
        }
    }

    /// A string or bytes, unless empty.
    pub fn bytes_if(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.bytes(field, value);
        }
    }

    /// A message, written by `fill`; also if it stays empty.
    pub fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        self.tag(field, 2);
        let length_at = self.bytes.len();
        // Most messages are shorter than 128 bytes: one byte for the length, moved only if it is not enough.
        self.bytes.push(0);
        let start = self.bytes.len();
        fill(self);
        let length = self.bytes.len() - start;
        if length < 0x80 {
            self.bytes[length_at] = length as u8;
        } else {
            let mut prefix = Writer::new();
            prefix.varint(length as u64);
            self.bytes.splice(length_at..start, prefix.bytes);
        }
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }
}

/// Writes a message from its end to its beginning, into a buffer that is kept: the length of what is inside is known when
/// its head is written, and nothing is moved or cleared.
#[derive(Debug)]
pub struct Backward<'a> {
    buffer: &'a mut Vec<u8>,
    /// What is written stands from here to the end of the buffer.
    start: usize,
}

impl<'a> Backward<'a> {
    /// Nothing written yet. The buffer gets `room` bytes at least, and more when they do not suffice.
    pub fn new(buffer: &'a mut Vec<u8>, room: usize) -> Self {
        if buffer.len() < room {
            buffer.resize(room, 0);
        }
        let start = buffer.len();
        Self { buffer, start }
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was written.
    pub fn written(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Forgets all but the `length` bytes that were written first.
    pub fn rewind(&mut self, length: usize) {
        self.start = self.buffer.len().saturating_sub(length);
    }

    /// The next `n` bytes before what was written, to be filled.
    pub fn place(&mut self, n: usize) -> &mut [u8] {
        if self.start < n {
            let (old, more) = (self.buffer.len(), self.buffer.len().max(n));
            self.buffer.resize(old + more, 0);
            self.buffer.copy_within(self.start..old, self.start + more);
            self.start += more;
        }
        let end = self.start;
        self.start -= n;
        self.buffer.get_mut(self.start..end).unwrap_or_default()
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.place(bytes.len()).copy_from_slice(bytes);
    }

    /// The head of a message that was written since there were `end` bytes.
    pub fn head(&mut self, field: u32, end: usize) {
        self.varint((self.len() - end) as u64);
        self.varint(u64::from(field << 3 | 2));
    }

    /// A 64-bit field of fixed size.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.raw(&value.to_le_bytes());
        self.varint(u64::from(field << 3 | 1));
    }

    /// A 64-bit field of fixed size, unless 0.
    pub fn fixed64_if(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.fixed64(field, value);
        }
    }

    /// A double, unless 0 of either sign.
    pub fn double_if(&mut self, field: u32, value: f64) {
        if value != 0.0 {
            self.fixed64(field, value.to_bits());
        }
    }

    fn varint(&mut self, mut value: u64) {
        if value < 0x80 {
            return self.raw(&[value as u8]);
        }
        let n = (64 - value.leading_zeros()).div_ceil(7) as usize;
        let place = self.place(n);
        let (last, others) = place.split_at_mut(n - 1);
        for byte in last {
            *byte = value as u8 | 0x80;
            value >>= 7;
        }
        others.fill(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backwards_is_the_same() {
        let mut forward = Writer::new();
        forward.message(1, |w| {
            w.fixed64_if(2, 7);
            w.fixed64_if(3, 0);
            w.message(300, |w| w.raw(&[9; 20_000]));
        });
        forward.double(4, 1.5);
        let mut buffer = vec![1, 2, 3];
        let mut backward = Backward::new(&mut buffer, 0);
        backward.fixed64(4, 1.5f64.to_bits());
        let outer = backward.len();
        backward.raw(&[9; 20_000]);
        backward.head(300, outer);
        backward.fixed64_if(3, 0);
        backward.fixed64_if(2, 7);
        backward.head(1, outer);
        assert_eq!(backward.written(), forward.as_slice());
        backward.rewind(outer);
        assert_eq!(backward.len(), 9);
    }

    #[test]
    fn what_is_written_is_read() {
        let long = "x".repeat(300);
        let mut writer = Writer::new();
        writer.uint(1, 300);
        writer.message(2, |inner| inner.bytes(1, long.as_bytes()));
        writer.double(3, 1.5);
        writer.sint(4, -1);
        let bytes = writer.into_vec();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.field(), Ok(Some((1, Value::Varint(300)))));
        let Ok(Some((2, Value::Bytes(inner)))) = reader.field() else {
            panic!("no message")
        };
        assert_eq!(
            Reader::new(inner).field(),
            Ok(Some((1, Value::Bytes(long.as_bytes()))))
        );
        assert_eq!(
            reader.field(),
            Ok(Some((3, Value::Fixed64(1.5f64.to_bits()))))
        );
        assert_eq!(reader.field(), Ok(Some((4, Value::Varint(1)))));
        assert_eq!(reader.field(), Ok(None));
    }

    #[test]
    fn broken_messages_are_errors() {
        for (bytes, want) in [
            (&[0x08][..], Error::Truncated),
            (&[0x0a, 5, 1], Error::Truncated),
            (&[0x00, 1], Error::BadFieldNumber),
            (&[0x0f], Error::BadWireType),
            (&[0x0c], Error::BadWireType),
            (
                &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0],
                Error::VarintOverflow,
            ),
        ] {
            assert_eq!(Reader::new(bytes).field(), Err(want), "{bytes:?}");
        }
    }

    #[test]
    fn groups_are_skipped() {
        let mut reader = Reader::new(&[0x0b, 0x10, 1, 0x0c, 0x18, 7]);
        assert_eq!(reader.field(), Ok(Some((1, Value::Group))));
        assert_eq!(reader.field(), Ok(Some((3, Value::Varint(7)))));
    }
}

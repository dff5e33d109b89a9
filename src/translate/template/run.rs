//! Executes a template's program.

use super::{TargetBytes, has, op};
use crate::model::batch::Batch;
use crate::model::value::is_stale;
use crate::translate::number::{nanos_of_seconds, to_u64};
use crate::wire::protobuf::Backward;

/// A value that the program does not bear: the walker must do it.
pub(super) struct Unfit;

/// A message whose head is not written yet.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    /// Where it ends, counted from the end of the request.
    end: usize,
    part: Message<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Message<'a> {
    Resource(usize),
    Scope {
        tail: &'a [u8],
        head: &'a [u8],
    },
    Metric {
        field: u32,
        tail: &'a [u8],
        head: &'a [u8],
    },
}

/// An execution: what is left of the program, and what was written.
pub(super) struct Run<'a> {
    pub(super) code: &'a [u8],
    pub(super) target: &'a TargetBytes,
    pub(super) batch: &'a Batch<'a>,
    pub(super) n_rows: usize,
    pub(super) last: u64,
    pub(super) time_nanos: u64,
    pub(super) out: Backward<'a>,
    pub(super) open: Vec<Open<'a>>,
    pub(super) n_points: usize,
    pub(super) most: usize,
    /// Pieces that are done, the last one first.
    pub(super) cut: Vec<(Box<[u8]>, usize)>,
}

impl<'a> Run<'a> {
    /// All of it.
    ///
    /// # Errors
    /// The walker must do it.
    pub(super) fn all(&mut self) -> Result<(), Unfit> {
        while let Some((&op, rest)) = self.code.split_first() {
            self.code = rest;
            match op {
                op::RESOURCE => {
                    let at = self.varint() as usize;
                    self.begin(Message::Resource(at));
                }
                op::SCOPE => {
                    let (tail, head) = (self.text(), self.text());
                    self.begin(Message::Scope { tail, head });
                }
                op::METRIC => {
                    let field = self.varint() as u32;
                    let (tail, head) = (self.text(), self.text());
                    self.begin(Message::Metric { field, tail, head });
                }
                op::END => self.end(),
                point => {
                    let end = self.out.len();
                    match point {
                        op::NUMBER => self.number()?,
                        op::HISTOGRAM => self.histogram()?,
                        _ => self.summary()?,
                    }
                    self.out.head(1, end);
                    self.n_points += 1;
                    if self.out.len() >= self.most {
                        self.cut();
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, part: Message<'a>) {
        self.open.push(Open {
            end: self.out.len(),
            part,
        });
        match part {
            Message::Resource(_) => {}
            Message::Scope { tail, .. } | Message::Metric { tail, .. } => self.out.raw(tail),
        }
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            self.close(open);
        }
    }

    /// Writes the head of a message, unless it is empty: after a cut there may be nothing left of it.
    fn close(&mut self, open: Open<'a>) {
        let tail = match open.part {
            Message::Resource(_) => 0,
            Message::Scope { tail, .. } | Message::Metric { tail, .. } => tail.len(),
        };
        if self.out.len() == open.end + tail {
            self.out.rewind(open.end);
            return;
        }
        match open.part {
            Message::Resource(at) => {
                let resource = self.target.resources.get(at);
                self.out.raw(resource.map_or(&[], |bytes| bytes));
                self.out.head(1, open.end);
            }
            Message::Scope { head, .. } => {
                self.out.raw(head);
                self.out.head(2, open.end);
            }
            Message::Metric { field, head, .. } => {
                self.out.head(field, open.end);
                self.out.raw(head);
                self.out.head(2, open.end);
            }
        }
    }

    /// Ends this piece of the request; the messages that are open begin again in the next.
    fn cut(&mut self) {
        let open = std::mem::take(&mut self.open);
        for message in open.iter().rev() {
            self.close(*message);
        }
        self.cut.push((self.out.written().into(), self.n_points));
        self.out.rewind(0);
        self.n_points = 0;
        for message in open {
            self.begin(message.part);
        }
    }

    /// Attributes, then time and start: what stands at the two ends of a point's static fields is the caller's.
    fn attributes(&mut self, has: u8, own: &[u8], field: usize) {
        if has & has::TARGET != 0 {
            self.out.raw(&self.target.attributes[field]);
        }
        self.out.raw(own);
    }

    fn times(&mut self, created: Option<f64>) {
        self.out.fixed64_if(3, self.time_nanos);
        let start = created.filter(|created| *created != 0.0);
        self.out.fixed64_if(2, start.map_or(0, nanos_of_seconds));
    }

    fn number(&mut self) -> Result<(), Unfit> {
        let (has, own) = (self.byte(), self.text());
        let value = self.value()?;
        let created = self.value_if(has & has::CREATED)?;
        self.out.fixed64(4, value.to_bits());
        self.attributes(has, own, 0);
        self.times(created);
        Ok(())
    }

    fn histogram(&mut self) -> Result<(), Unfit> {
        let (has, own) = (self.byte(), self.text());
        let count = self.value()?;
        let created = self.value_if(has & has::CREATED)?;
        let sum = self.value_if(has & has::SUM)?;
        let n = self.varint() as usize;
        let (bounds, rest) = self.code.split_at_checked(8 * n).ok_or(Unfit)?;
        self.code = rest;
        // The count stands for the bucket without bound.
        let last = bounds.last_chunk::<8>().copied();
        let is_unbounded = last.map(f64::from_le_bytes) == Some(f64::INFINITY);
        let n_bounds = n - usize::from(is_unbounded);
        self.attributes(has, own, 1);
        if n_bounds > 0 {
            let end = self.out.len();
            self.out.raw(bounds.get(..8 * n_bounds).ok_or(Unfit)?);
            self.out.head(7, end);
        }
        // Forwards, as the differences are: from the place where they will begin.
        let end = self.out.len();
        let counts = self.out.place(8 * (n_bounds + 1));
        let mut before = 0.0;
        let mut read = Reader {
            code: self.code,
            last: self.last,
        };
        for (at, slot) in counts.chunks_exact_mut(8).enumerate() {
            let value = if at < n_bounds {
                let place = read.place();
                value_at(self.batch, self.n_rows, place)?
            } else {
                count
            };
            if value.is_nan() || value < before {
                return Err(Unfit);
            }
            slot.copy_from_slice(&to_u64(value - before).to_le_bytes());
            before = value;
        }
        if is_unbounded {
            read.place();
        }
        (self.code, self.last) = (read.code, read.last);
        self.out.head(6, end);
        if let Some(sum) = sum {
            self.out.fixed64(5, sum.to_bits());
        }
        self.out.fixed64_if(4, to_u64(count));
        self.times(created);
        Ok(())
    }

    fn summary(&mut self) -> Result<(), Unfit> {
        let (has, own) = (self.byte(), self.text());
        let count = self.value()?;
        let created = self.value_if(has & has::CREATED)?;
        let sum = self.value_if(has & has::SUM)?.unwrap_or(0.0);
        self.attributes(has, own, 0);
        for _ in 0..self.varint() {
            let (quantile, rest) = self.code.split_first_chunk::<8>().ok_or(Unfit)?;
            self.code = rest;
            let value = self.value()?;
            let end = self.out.len();
            self.out.double_if(2, value);
            self.out.double_if(1, f64::from_le_bytes(*quantile));
            self.out.head(6, end);
        }
        self.out.double_if(5, sum);
        self.out.fixed64_if(4, to_u64(count));
        self.times(created);
        Ok(())
    }

    fn value_if(&mut self, is_there: u8) -> Result<Option<f64>, Unfit> {
        if is_there == 0 {
            return Ok(None);
        }
        self.value().map(Some)
    }

    /// The value whose place the program names next. A marker that the target exposes is the walker's business.
    fn value(&mut self) -> Result<f64, Unfit> {
        let mut read = Reader {
            code: self.code,
            last: self.last,
        };
        let place = read.place();
        (self.code, self.last) = (read.code, read.last);
        value_at(self.batch, self.n_rows, place)
    }

    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.code.split_first() else {
            return 0;
        };
        self.code = rest;
        byte
    }

    fn varint(&mut self) -> u64 {
        varint(&mut self.code)
    }

    fn text(&mut self) -> &'a [u8] {
        let length = self.varint() as usize;
        let (text, rest) = self.code.split_at_checked(length).unwrap_or_default();
        self.code = rest;
        text
    }
}

/// Reads places.
struct Reader<'a> {
    code: &'a [u8],
    last: u64,
}

impl Reader<'_> {
    fn place(&mut self) -> u64 {
        let zigzag = varint(&mut self.code);
        let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        self.last = self.last.wrapping_add(distance as u64);
        self.last
    }
}

fn value_at(batch: &Batch<'_>, n_rows: usize, place: u64) -> Result<f64, Unfit> {
    let place = place as usize;
    let value = match batch.values.get(place).filter(|_| place < n_rows) {
        Some(value) => Some(*value),
        None => {
            let report = place.checked_sub(n_rows);
            report.and_then(|at| Some(batch.report.get(at)?.value))
        }
    };
    value.filter(|value| !is_stale(*value)).ok_or(Unfit)
}

fn varint(code: &mut &[u8]) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    while let Some((&byte, rest)) = code.split_first() {
        *code = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift = (shift + 7) & 63;
    }
    value
}

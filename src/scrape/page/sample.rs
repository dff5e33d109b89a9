//! A sample between its page and the storage.

use super::cache::Seen;
use super::storage::{Rejected, Value};
use crate::model::exemplar::Exemplar;
use crate::model::series::Row;
use crate::textparse::LabelSource;

/// A sample as read, be it a number or a histogram.
pub(super) struct Read<'e> {
    pub(super) key: &'e [u8],
    pub(super) labels: &'e dyn LabelSource,
    pub(super) value: Value<'e>,
    pub(super) timestamp: Option<i64>,
    pub(super) start: i64,
    pub(super) exemplars: &'e [Exemplar],
}

/// Where a sample belongs.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The hash of its source bytes.
    pub(super) hash: u64,
    /// Its row, if there is one.
    pub(super) known: Option<(u32, Row)>,
    pub(super) seen: Seen,
    /// Its explicit timestamp, if it is honoured.
    pub(super) timestamp: Option<i64>,
}

/// A sample as it is offered to the storage.
pub(super) struct Offered<'v> {
    pub(super) value: Value<'v>,
    pub(super) time: i64,
    pub(super) start: i64,
    pub(super) family: Option<u32>,
    pub(super) rejects_out_of_order: bool,
}

/// Why a sample is not taken.
pub(super) enum Refused {
    SampleLimit,
    BucketLimit(u64),
    Storage(Rejected),
}

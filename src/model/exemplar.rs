//! Exemplars: one observation, with the labels of its trace.

use super::labels::LabelList;

/// An exemplar as read from a page or written to the wire.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exemplar {
    /// Labels sorted by name. Not validated by the readers (upstream doesn't either): duplicates, empty names and values occur,
    /// and they need not be UTF-8.
    pub labels: LabelList,
    /// The observed value.
    pub value: f64,
    /// Milliseconds since the Unix epoch, if the page says.
    pub timestamp: Option<i64>,
}

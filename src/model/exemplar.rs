//! Exemplars: one observation, with the labels of its trace.

/// An exemplar as read from a page or written to the wire.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exemplar {
    /// Labels sorted by name. Not validated by the readers (upstream doesn't either), hence bytes may be any UTF-8.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// The observed value.
    pub value: f64,
    /// Milliseconds since the Unix epoch, if the page says.
    pub timestamp: Option<i64>,
}

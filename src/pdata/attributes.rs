//! Attributes: pairs of a key and a value of any kind (`opentelemetry/proto/common/v1/common.proto`).

use super::Text;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::sync::Arc;

/// Attributes in the order of their appearance, shared by reference count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes(Arc<[(Text, Value)]>);

impl Attributes {
    /// The value of an attribute, if it is there.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// All pairs of key and value.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> + Clone {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// All pairs of key and value, as they are held.
    pub fn pairs(&self) -> &[(Text, Value)] {
        &self.0
    }

    /// How many attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no attribute.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<Text>, V: Into<Value>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

/// The value of an attribute (`AnyValue`). Scraped metrics only have strings; consumers and tools may have others.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// None of the others.
    #[default]
    Empty,
    /// A string.
    String(Text),
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// Values in order.
    Array(Arc<[Value]>),
    /// Values by key.
    Map(Attributes),
}

impl Value {
    /// The text of a string; none for other kinds.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::String(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

/// Doubles are compared by their bits, so that values can be keys.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => discriminant(self) == discriminant(other),
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        discriminant(self).hash(state);
        match self {
            Self::Empty => {}
            Self::String(text) => text.hash(state),
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::Double(value) => value.to_bits().hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Array(values) => values.hash(state),
            Self::Map(pairs) => pairs.hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_value_is_a_key() {
        let bytes = Value::Bytes([1].into());
        let values = [
            Value::Empty,
            "".into(),
            "1".into(),
            Value::Bool(true),
            Value::Int(1),
            Value::Double(0.0),
            Value::Double(-0.0),
            Value::Double(f64::NAN),
            bytes.clone(),
            Value::Array([bytes.clone()].into()),
            Value::Map([("1", bytes)].into_iter().collect()),
        ];
        let set: HashSet<_> = values.iter().cloned().chain(values.clone()).collect();
        assert_eq!(set.len(), values.len());
        assert!(values.iter().all(|value| set.contains(value)));
    }
}

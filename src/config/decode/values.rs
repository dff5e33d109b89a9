//! What single values become, and lists that may have null items.

use super::{Decoder, Result};
use crate::model::duration;
use crate::model::name::ValidationScheme;
use crate::model::quote::quoted;
use crate::model::size;
use crate::wire::yaml::scalar::Scalar;
use crate::wire::yaml::{Data, Node};
use std::time::Duration;

impl<'n> Decoder<'n, '_> {
    pub(in crate::config) fn bool(&mut self, node: &'n Node<'n>, slot: &mut bool) -> Result {
        self.visit(node, |d, node| {
            match d.scalar(node)? {
                Some(Scalar::Bool(value)) => *slot = value,
                Some(Scalar::Null) => *slot = false,
                _ => d.wrong_type(node, "a boolean"),
            }
            Ok(())
        })
    }

    /// A boolean that may be unset.
    pub(in crate::config) fn maybe_bool(
        &mut self,
        node: &'n Node<'n>,
        slot: &mut Option<bool>,
    ) -> Result {
        if self.is_null(node)? {
            *slot = None;
            return Ok(());
        }
        self.bool(node, slot.get_or_insert(false))
    }

    /// A whole number; fractions are cut off, as upstream.
    pub(in crate::config) fn int(&mut self, node: &'n Node<'n>, slot: &mut i64) -> Result {
        self.visit(node, |d, node| {
            let value = match d.scalar(node)? {
                Some(Scalar::Null) => Some(0),
                Some(Scalar::Int(int)) => Some(int),
                // The bound is 2⁶³, as upstream: the conversion saturates.
                Some(Scalar::Float(float)) if float <= i64::MAX as f64 => Some(float as i64),
                _ => None,
            };
            match value {
                Some(value) => *slot = value,
                None => d.wrong_type(node, "a whole number"),
            }
            Ok(())
        })
    }

    /// An unsigned number; fractions are cut off, as upstream.
    pub(in crate::config) fn uint(&mut self, node: &'n Node<'n>, slot: &mut u64) -> Result {
        self.visit(node, |d, node| {
            let value = match d.scalar(node)? {
                Some(Scalar::Null) => Some(0),
                Some(Scalar::Int(int)) => u64::try_from(int).ok(),
                Some(Scalar::Uint(uint)) => Some(uint),
                Some(Scalar::Float(float))
                    if float > -1.0 && float < 18_446_744_073_709_551_616.0 =>
                {
                    Some(float as u64)
                }
                _ => None,
            };
            match value {
                Some(value) => *slot = value,
                None => d.wrong_type(node, "an unsigned number"),
            }
            Ok(())
        })
    }

    pub(in crate::config) fn float(&mut self, node: &'n Node<'n>, slot: &mut f64) -> Result {
        self.visit(node, |d, node| {
            match d.scalar(node)? {
                Some(Scalar::Null) => *slot = 0.0,
                Some(Scalar::Int(int)) => *slot = int as f64,
                Some(Scalar::Uint(uint)) => *slot = uint as f64,
                Some(Scalar::Float(float)) => *slot = float,
                _ => d.wrong_type(node, "a number"),
            }
            Ok(())
        })
    }

    pub(in crate::config) fn duration(
        &mut self,
        node: &'n Node<'n>,
        slot: &mut Duration,
    ) -> Result {
        if self.is_unquoted_null(node)? {
            *slot = Duration::ZERO;
        } else if let Some(text) = self.string(node)? {
            *slot = duration::parse(&text)
                .or_else(|error| self.wrong(format!("{text}: {error}", text = quoted(&text))))?;
        }
        Ok(())
    }

    /// A byte size: any scalar's text will do.
    pub(in crate::config) fn size(&mut self, node: &'n Node<'n>, slot: &mut i64) -> Result {
        if self.visit(node, |d, node| Ok(d.scalar(node)? == Some(Scalar::Null)))? {
            *slot = 0;
        } else if let Some(text) = self.string(node)? {
            *slot = size::parse(&text)
                .or_else(|error| self.wrong(format!("{text}: {error}", text = quoted(&text))))?;
        }
        Ok(())
    }

    /// A validation scheme; the empty word leaves it unset.
    pub(in crate::config) fn validation_scheme(
        &mut self,
        node: &'n Node<'n>,
        slot: &mut Option<ValidationScheme>,
    ) -> Result {
        if self.is_null(node)? {
            *slot = None;
        } else if let Some(word) = self.string(node)? {
            match &*word {
                "" => {}
                "utf8" => *slot = Some(ValidationScheme::Utf8),
                "legacy" => *slot = Some(ValidationScheme::Legacy),
                _ => {
                    return self.wrong(format!(
                        "unrecognized ValidationScheme: {word} (one of utf8, legacy)",
                        word = quoted(&word)
                    ));
                }
            }
        }
        Ok(())
    }

    /// A list whose items may be null; items with errors of their own are left out, as upstream.
    pub(in crate::config) fn list<T>(
        &mut self,
        node: &'n Node<'n>,
        slot: &mut Vec<Option<T>>,
        decode: fn(&mut Self, &'n Node<'n>) -> Result<Option<T>>,
    ) -> Result {
        slot.clear();
        self.items(node, &mut |d, item| {
            if d.is_null(item)? {
                slot.push(None);
            } else if let Some(item) = decode(d, item)? {
                slot.push(Some(item));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Any value as JSON; what a scalar means is resolved as everywhere.
    pub(in crate::config) fn json(&mut self, node: &'n Node<'n>) -> Result<String> {
        Ok(self.json_value(node)?.to_string())
    }

    fn json_value(&mut self, node: &'n Node<'n>) -> Result<serde_json::Value> {
        use serde_json::Value;
        self.visit(node, |d, node| match &node.data {
            Data::Sequence(items) => {
                let items = items
                    .iter()
                    .map(|item| d.json_value(item))
                    .collect::<Result<_>>()?;
                Ok(Value::Array(items))
            }
            Data::Mapping(_) => {
                let mut map = serde_json::Map::new();
                d.entries(node, &mut |d, key, value| {
                    let value = d.json_value(value)?;
                    Ok(map.insert(key.into_owned(), value).is_none())
                })?;
                Ok(Value::Object(map))
            }
            _ => Ok(match d.scalar(node)? {
                Some(Scalar::Binary(value)) => Value::from(d.utf8(value)),
                other => other.and_then(Scalar::into_json).unwrap_or_default(),
            }),
        })
    }
}

//! The values of scalar nodes as go-yaml v2 has them, tags and quotes considered; what plain text means is said
//! in [`super::resolve`].

use super::{Data, Node, Style, resolve};
use crate::model::quote::quoted;
use base64::Engine as _;
use serde_json::Value;

/// A scalar's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'n> {
    /// `~`, `null` or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond `i64`.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// Text; dates are text, too.
    Text(&'n str),
    /// What `!!binary` packs.
    Binary(Vec<u8>),
}

impl Scalar<'_> {
    /// The short tag, for messages.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Text(_) => "!!str",
            Self::Binary(_) => "!!binary",
        }
    }

    /// The value in JSON as Go's `encoding/json` prints it; `None` for infinite numbers and `.nan`.
    pub fn into_json(self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::from(value),
            Self::Int(value) => Value::from(value),
            Self::Uint(value) => Value::from(value),
            Self::Float(value) => {
                whole(value).or_else(|| serde_json::Number::from_f64(value).map(Value::Number))?
            }
            Self::Text(value) => Value::from(value),
            Self::Binary(value) => Value::from(String::from_utf8_lossy(&value)),
        })
    }
}

/// A whole number that is written as another one, such as `50.0` or `1e+06`, as Go's `encoding/json` prints it.
pub fn whole(float: f64) -> Option<Value> {
    if float.fract() != 0.0 {
        None
    } else if float >= i64::MIN as f64 && float < i64::MAX as f64 {
        Some(Value::from(float as i64))
    } else if float >= 0.0 && float < u64::MAX as f64 {
        Some(Value::from(float as u64))
    } else {
        None
    }
}

const TAGS: &str = "tag:yaml.org,2002:";

/// The value of a scalar node (`None`: it is no scalar).
///
/// # Errors
/// Its tag contradicts its text; what is wrong.
pub fn resolve<'n>(node: &'n Node<'_>) -> Result<Option<Scalar<'n>>, String> {
    let Data::Scalar(text, style) = &node.data else {
        return Ok(None);
    };
    let Some(tag) = node.tag.as_deref() else {
        return Ok(Some(match style {
            Style::Plain => plain(text),
            Style::Quoted => Scalar::Text(text),
        }));
    };
    let value = match tag.strip_prefix(TAGS) {
        Some("binary") => {
            let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(packed);
            Scalar::Binary(bytes.map_err(|_| "!!binary value contains invalid base64 data")?)
        }
        Some("bool" | "int" | "float" | "null" | "timestamp") => plain(text),
        _ => Scalar::Text(text),
    };
    let fits = match tag.strip_prefix(TAGS) {
        Some("bool") => matches!(value, Scalar::Bool(_)),
        Some("int") => matches!(value, Scalar::Int(_) | Scalar::Uint(_)),
        Some("float") => matches!(value, Scalar::Int(_) | Scalar::Float(_)),
        Some("null") => value == Scalar::Null,
        Some("timestamp") => resolve::resolve(text) == resolve::Scalar::Timestamp,
        _ => true,
    };
    let short = tag.strip_prefix(TAGS).unwrap_or(tag);
    match value {
        _ if !fits => Err(format!(
            "cannot decode {} {} as a !!{short}",
            value.tag(),
            quoted(text)
        )),
        Scalar::Int(int) if short == "float" => Ok(Some(Scalar::Float(int as f64))),
        value => Ok(Some(value)),
    }
}

/// Whether a node is null for types that decode themselves: `Null` and `NULL` are not, as upstream.
pub fn is_null(node: &Node<'_>) -> bool {
    match (node.tag.as_deref(), &node.data) {
        (Some(tag), _) => tag.strip_prefix(TAGS) == Some("null"),
        (None, Data::Scalar(text, Style::Plain)) => matches!(&**text, "" | "~" | "null"),
        _ => false,
    }
}

/// Whether a key asks for a merge.
pub fn is_merge(key: &Node<'_>) -> bool {
    let key = if key.is_marked() { key.resolved() } else { key };
    let Data::Scalar(text, style) = &key.data else {
        return false;
    };
    let tagged = key.tag.as_deref().and_then(|tag| tag.strip_prefix(TAGS)) == Some("merge");
    &**text == "<<" && (tagged || (*style == Style::Plain && key.tag.is_none()))
}

/// A source text that a string field reads as the empty string.
pub fn is_null_word(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn plain(text: &str) -> Scalar<'_> {
    match resolve::resolve(text) {
        resolve::Scalar::Null => Scalar::Null,
        resolve::Scalar::Bool(bool) => Scalar::Bool(bool),
        resolve::Scalar::Int(int) => Scalar::Int(int),
        resolve::Scalar::Uint(uint) => Scalar::Uint(uint),
        resolve::Scalar::Float(float) => Scalar::Float(float),
        // No field of a configuration is a date.
        resolve::Scalar::Timestamp | resolve::Scalar::Text => Scalar::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &Scalar<'_>) {
        assert_eq!(&plain(text), want, "{text}");
    }

    #[test]
    fn plain_text_means_what_yaml_says() {
        check("Null", &Scalar::Null);
        check("y", &Scalar::Bool(true));
        check("010", &Scalar::Int(8));
        check("18446744073709551615", &Scalar::Uint(u64::MAX));
        check("0888", &Scalar::Float(888.0));
        for text in ["1e400", "yEs", "190:20", "2020-01-02"] {
            check(text, &Scalar::Text(text));
        }
    }
}

//! YAML 1.1 scalars as go-yaml v2 resolves them: `yes` is a boolean and `"yes"` is not, `010` is 8, `0888` is a float.

use crate::wire::yaml::{Data, Node, Style};
use base64::Engine as _;
use std::borrow::Cow;

/// A scalar's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'n> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(&'n str),
    Binary(Vec<u8>),
}

impl Scalar<'_> {
    /// The short tag, for messages.
    pub(super) fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Text(_) => "!!str",
            Self::Binary(_) => "!!binary",
        }
    }
}

const TAGS: &str = "tag:yaml.org,2002:";

/// The value of a scalar node (`None`: it is no scalar).
///
/// # Errors
/// Its tag contradicts its text; what is wrong.
pub(super) fn resolve<'n>(node: &'n Node<'_>) -> Result<Option<Scalar<'n>>, String> {
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
        Some("bool" | "int" | "float" | "null") => plain(text),
        _ => Scalar::Text(text),
    };
    let fits = match tag.strip_prefix(TAGS) {
        Some("bool") => matches!(value, Scalar::Bool(_)),
        Some("int") => matches!(value, Scalar::Int(_) | Scalar::Uint(_)),
        Some("float") => matches!(value, Scalar::Int(_) | Scalar::Float(_)),
        Some("null") => value == Scalar::Null,
        _ => true,
    };
    let short = tag.strip_prefix(TAGS).unwrap_or(tag);
    match value {
        _ if !fits => Err(format!(
            "cannot decode {} `{text}` as a !!{short}",
            value.tag()
        )),
        Scalar::Int(int) if short == "float" => Ok(Some(Scalar::Float(int as f64))),
        value => Ok(Some(value)),
    }
}

/// Whether a node is null for types that decode themselves: `Null` and `NULL` are not, as upstream.
pub(super) fn is_null(node: &Node<'_>) -> bool {
    match (node.tag.as_deref(), &node.data) {
        (Some(tag), _) => tag.strip_prefix(TAGS) == Some("null"),
        (None, Data::Scalar(text, Style::Plain)) => matches!(&**text, "" | "~" | "null"),
        _ => false,
    }
}

/// Whether a key asks for a merge.
pub(super) fn is_merge(key: &Node<'_>) -> bool {
    let key = if key.is_marked() { key.resolved() } else { key };
    let Data::Scalar(text, style) = &key.data else {
        return false;
    };
    let tagged = key.tag.as_deref().and_then(|tag| tag.strip_prefix(TAGS)) == Some("merge");
    &**text == "<<" && (tagged || (*style == Style::Plain && key.tag.is_none()))
}

/// A source text that a string field reads as the empty string.
pub(super) fn is_null_word(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn plain(text: &str) -> Scalar<'_> {
    match text {
        _ if is_null_word(text) => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.bytes().next() {
        Some(b'.') => float(text).map_or(Scalar::Text(text), Scalar::Float),
        Some(b'+' | b'-' | b'0'..=b'9') => number(text).unwrap_or(Scalar::Text(text)),
        _ => Scalar::Text(text),
    }
}

fn number(text: &str) -> Option<Scalar<'static>> {
    let plain: Cow<'_, str> = if text.contains('_') {
        text.replace('_', "").into()
    } else {
        text.into()
    };
    let (negative, digits) = match (plain.strip_prefix('-'), plain.strip_prefix('+')) {
        (Some(digits), _) => (true, digits),
        (_, Some(digits)) => (false, digits),
        _ => (false, &*plain),
    };
    let signed = digits.len() < plain.len();
    if let Some(value) = integer(digits) {
        let int = if negative {
            0i64.checked_sub_unsigned(value)
        } else {
            i64::try_from(value).ok()
        };
        match int {
            Some(int) => return Some(Scalar::Int(int)),
            None if !signed => return Some(Scalar::Uint(value)),
            None => {}
        }
    }
    let is_float = digits
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    is_float.then(|| float(&plain)).flatten().map(Scalar::Float)
}

/// An unsigned integer with Go's prefixes.
fn integer(digits: &str) -> Option<u64> {
    let lower = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (radix, digits) = match lower.as_str() {
        "0x" => (16, digits.get(2..)?),
        "0o" => (8, digits.get(2..)?),
        "0b" => (2, digits.get(2..)?),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    valid
        .then(|| u64::from_str_radix(digits, radix).ok())
        .flatten()
}

/// Go refuses what is beyond the range of a float.
fn float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|float: &f64| float.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &Scalar<'_>) {
        assert_eq!(&plain(text), want, "{text}");
    }

    #[test]
    fn numbers_are_gos() {
        for (text, want) in [
            ("010", 8),
            ("0o17", 15),
            ("0b11", 3),
            ("0x1F", 31),
            ("0x_10", 16),
            ("1__0", 10),
            ("1_", 1),
            ("+0x5", 5),
            ("-5", -5),
            ("0", 0),
        ] {
            check(text, &Scalar::Int(want));
        }
        check("18446744073709551615", &Scalar::Uint(u64::MAX));
        for (text, want) in [
            ("0888", 888.0),
            ("5.9", 5.9),
            ("1e3", 1000.0),
            (".5", 0.5),
            ("-0.5", -0.5),
            ("5.", 5.0),
        ] {
            check(text, &Scalar::Float(want));
        }
        for text in [
            "_1",
            "190:20",
            "1e400",
            "1.2.3",
            "0x",
            "1-2",
            "-",
            ".",
            "2020-01-02",
            "yEs",
            "t",
            "nul",
        ] {
            check(text, &Scalar::Text(text));
        }
        check("Null", &Scalar::Null);
        check("y", &Scalar::Bool(true));
    }
}

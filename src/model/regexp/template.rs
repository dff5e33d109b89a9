//! Replacement templates (`$1`, `${name}`) as Go's `regexp.Expand` reads them. The `regex` crate's own expansion differs.

use super::Regexp;
use crate::model::bounds::Exceeded;

/// A template, read for one pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The first of these groups that took part in the match.
    Groups(Vec<usize>),
}

impl Template {
    /// Reads a template. Names that the pattern doesn't have stand for nothing; what is no reference stays as it is.
    pub fn new(text: &str, regexp: &Regexp) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                literal.push('$');
                rest = after;
            } else if let Some((name, after)) = reference(after) {
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Groups(groups(name, regexp)));
                rest = after;
            } else {
                literal.push('$');
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Self(parts)
    }

    /// The text, if no group is referred to.
    pub fn as_text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the template, filled in, unless `out` would grow beyond `limit` bytes.
    pub(super) fn expand<'v>(
        &self,
        out: &mut String,
        limit: usize,
        group: impl Fn(usize) -> Option<&'v str>,
    ) -> Result<(), Exceeded> {
        for part in &self.0 {
            let text = match part {
                Part::Text(text) => text,
                Part::Groups(groups) => groups.iter().find_map(|at| group(*at)).unwrap_or_default(),
            };
            let bytes = out.len() + text.len();
            if bytes > limit {
                return Err(Exceeded::Value { bytes, limit });
            }
            out.push_str(text);
        }
        Ok(())
    }
}

fn groups(name: &str, regexp: &Regexp) -> Vec<usize> {
    let is_number = name.bytes().all(|b| b.is_ascii_digit());
    match name.parse() {
        // A leading zero makes it a name, and so does too large a number.
        Ok(number)
            if is_number && (name == "0" || !name.starts_with('0')) && number < 1_000_000_000 =>
        {
            vec![number]
        }
        _ => regexp.groups_named(name).collect(),
    }
}

/// The name behind a `$`, with or without braces, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (braces, inner) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let end = inner.find(|c| !is_word(c)).unwrap_or(inner.len());
    let (name, rest) = inner.split_at_checked(end)?;
    let rest = if braces {
        rest.strip_prefix('}')?
    } else {
        rest
    };
    (!name.is_empty()).then_some((name, rest))
}

/// A letter, a decimal digit or `_`, in Unicode's sense.
fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c == '_' || c.is_ascii_alphanumeric();
    }
    // Rare enough to ask the engine, whose tables know the categories.
    let class = regex::Regex::new("^[\\p{L}\\p{Nd}]$");
    class.is_ok_and(|class| class.is_match(c.encode_utf8(&mut [0; 4])))
}

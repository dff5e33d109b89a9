//! Reading YAML into typed values: settings, kubeconfigs, Kubernetes objects. The only user of `serde_yaml`.
//! Prometheus configurations are not read here: they need styles and positions, see [`super::parse`].

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads one document. JSON is YAML here. Merge keys (`<<`) are followed, as kubectl does.
///
/// # Errors
/// What is wrong, with line and column where known.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let read = || {
        // A quoted key is none.
        if !text.contains("<<:") {
            return serde_yaml::from_str(text);
        }
        let mut value: serde_yaml::Value = serde_yaml::from_str(text)?;
        value.apply_merge()?;
        serde_yaml::from_value(value)
    };
    read().map_err(|error| error.to_string())
}

/// One document of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document<'a> {
    /// Counted from 1; empty documents count.
    pub number: usize,
    /// How many lines of the text stand before it.
    pub line: usize,
    /// The document.
    pub text: &'a str,
}

impl Document<'_> {
    /// Reads it; null if it is empty.
    ///
    /// # Errors
    /// What is wrong, with line and column where known.
    pub fn value(&self) -> Result<Value, String> {
        let value = if self.is_json_object() {
            serde_json::from_str(self.text).or_else(|_| from_str(self.text))
        } else {
            from_str(self.text)
        };
        value.map_err(|error| match self.line {
            0 => error,
            line => format!("{error} (lines are counted from line {line} of the file)"),
        })
    }

    /// Whether it looks like JSON, which is much quicker to read.
    pub fn is_json_object(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }
}

/// The documents of a text, each to be read on its own: a broken one leaves the others readable.
pub fn documents(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parts = split(text).into_iter().enumerate();
    parts
        .map(|(i, (line, text))| Document {
            number: i + 1,
            line,
            text,
        })
        .collect()
}

/// Cuts at lines that start with `---`, as Kubernetes' own reader does. With each part goes the number of lines before it.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if is_marker {
            parts.push((start_line, text.get(start..offset).unwrap_or_default()));
            (start, start_line) = (offset + 3, number);
        }
        offset += line.len();
    }
    parts.push((start_line, text.get(start..).unwrap_or_default()));
    if parts
        .first()
        .is_some_and(|(_, first)| first.trim().is_empty())
    {
        parts.remove(0);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_stand_alone() {
        let text = "# head\n---\na: 1\n---\n: [\n--- # note\n\n---\n{\"b\": 2}\n---\nc: |\n  ---\n";
        let found: Vec<_> = documents(text)
            .iter()
            .map(|document| (document.number, document.value()))
            .filter(|(_, value)| *value != Ok(Value::Null))
            .collect();
        let numbers: Vec<_> = found.iter().map(|(i, v)| (*i, v.is_ok())).collect();
        assert_eq!(numbers, [(2, true), (3, false), (5, true), (6, true)]);
        assert_eq!(found[0].1, Ok(json!({"a": 1})));
        assert_eq!(found[3].1, Ok(json!({"c": "---\n"})));
    }

    #[test]
    fn merge_keys_are_followed() {
        let value: Value = from_str("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n").unwrap();
        assert_eq!(value["d"], json!({"b": 1, "c": 3}));
    }
}

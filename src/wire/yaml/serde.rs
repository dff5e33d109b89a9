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

/// The documents of a text, each on its own: a broken one leaves the others readable. Empty documents are left out;
/// the numbers count from 1 and include them. A list of objects is one document.
pub fn documents(text: &str) -> Vec<(usize, Result<Value, String>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    for (i, (line, document)) in split(text).into_iter().enumerate() {
        let value = if document.trim_start().starts_with('{') {
            serde_json::from_str(document).or_else(|_| from_str(document))
        } else {
            from_str(document)
        };
        let value = value.map_err(|error| match line {
            0 => error,
            line => format!("{error} (lines are counted from line {line} of the file)"),
        });
        if value != Ok(Value::Null) {
            documents.push((i + 1, value));
        }
    }
    documents
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
        let found = documents(
            "# head\n---\na: 1\n---\n: [\n--- # note\n\n---\n{\"b\": 2}\n---\nc: |\n  ---\n",
        );
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

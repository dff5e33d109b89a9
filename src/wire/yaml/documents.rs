//! The documents of a file, cut as Kubernetes' own reader cuts them (apimachinery: util/yaml/decoder.go).

use super::{encoding, json};
use serde::de::IgnoredAny;
use serde_json::Value;

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
    /// What is wrong, with the line of the file where known.
    pub fn value(&self) -> Result<Value, String> {
        json::read(self.text).map_err(|error| {
            let message = error.message;
            match error.line.and_then(|line| usize::try_from(line).ok()) {
                Some(line) => format!("line {}: {message}", self.line + line),
                None => format!("line {} or below: {message}", self.line + 1),
            }
        })
    }

    /// Whether it looks like JSON.
    pub fn is_json_object(&self) -> bool {
        json::is_json_object(self.text)
    }
}

/// The text of a file: UTF-8, or UTF-16 that says so, as YAML allows.
///
/// # Errors
/// It is something else; where.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    let utf8 = encoding::to_utf8(&bytes).map_err(|error| {
        let message = error.message;
        format!("begins as UTF-16, but: {message}; save the file in the encoding UTF-8")
    })?;
    String::from_utf8(utf8.into_owned()).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(valid);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: not UTF-8; save the file in that encoding")
    })
}

/// The documents of a text, each to be read on its own: a broken one leaves the others readable.
pub fn documents(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parts = split(text).into_iter().flat_map(|(line, text)| {
        let mut line = line;
        json_values(text).into_iter().map(move |text| {
            let before = line;
            line += text.matches('\n').count();
            (before, text)
        })
    });
    parts
        .enumerate()
        .map(|(i, (line, text))| Document {
            number: i + 1,
            line,
            text,
        })
        .collect()
}

/// Cuts at lines that start with `---`. With each part goes the number of lines before it.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let behind = line.strip_prefix("---").filter(|rest| {
            rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '#')
        });
        if let Some(behind) = behind {
            parts.push((start_line, text.get(start..offset).unwrap_or_default()));
            // Content may start there; words are a note, which newer readers of Kubernetes refuse.
            let is_content = behind
                .trim_start()
                .starts_with(['{', '[', '"', '\'', '&', '!', '|', '>']);
            (start, start_line) = if is_content {
                (offset + 3, number)
            } else {
                (offset + line.len(), number + 1)
            };
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

/// The values of a stream of JSON objects, as `kubectl get -o json` in a loop prints them; what follows them is the last
/// one, and so is a text that is no JSON.
fn json_values(text: &str) -> Vec<&str> {
    let mut values = Vec::new();
    let mut rest = text;
    while json::is_json_object(rest) {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        if !matches!(stream.next(), Some(Ok(_))) {
            break;
        }
        let (value, behind) = rest.split_at(stream.byte_offset());
        values.push(value);
        rest = behind;
    }
    if values.is_empty() || !rest.trim().is_empty() {
        values.push(rest);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, want: &[Result<Value, &str>]) {
        let found: Vec<_> = documents(text).iter().map(Document::value).collect();
        let fits =
            |(found, want): (&Result<Value, String>, &Result<Value, &str>)| match (found, want) {
                (Ok(found), Ok(want)) => found == want,
                (Err(found), Err(want)) => found.starts_with(want),
                _ => false,
            };
        let all = found.len() == want.len() && found.iter().zip(want).all(fits);
        assert!(all, "{text:?}: {found:?}, want {want:?}");
    }

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
    fn markers_are_found_as_kubernetes_finds_them() {
        let (a, b) = (|| Ok(json!({"a": 1})), || Ok(json!({"b": 2})));
        check("\u{feff}---\r\na: 1\r\n---\r\nb: 2", &[a(), b()]);
        check("a: 1\n---#x\nb: 2\n---", &[a(), b(), Ok(Value::Null)]);
        check("--- mill\na: 1\n---\tmill: x\nb: 2\n", &[a(), b()]);
        check("--- {a: 1}\n--- !!map\nb: 2\n", &[a(), b()]);
        check("a: 1\n----\n", &[Err("line 3: could not find")]);
        check(
            "a: 1\n---\nb: 2\n---\nx: 1\ny: [\n",
            &[a(), b(), Err("line ")],
        );
        check("a: 1\n--- x\nb: .inf\n", &[a(), Err("line 3:")]);
        check("", &[Ok(Value::Null)][..0]);
        check("---\n---\n", &[Ok(Value::Null), Ok(Value::Null)]);
    }

    #[test]
    fn json_objects_may_follow_each_other() {
        let (a, b) = (|| Ok(json!({"a": 1})), || Ok(json!({"b": 2})));
        check("{\"a\":1}{\"b\":2}", &[a(), b()]);
        check(" {\"a\":1}\n\n{\"b\":2}\n", &[a(), b()]);
        check("{\"a\":1}\n---\n{\"b\":2}\n---\nb: 2\n", &[a(), b(), b()]);
        check("{\"a\":1}\n{b: 2}\n", &[a(), b()]);
        check("{\"a\":1}\n{\"b\": yes\n", &[a(), Err("line ")]);
        check("{\"a\":1} # x\n", &[a(), Ok(Value::Null)]);
        check("{a: 1}\n", &[a()]);
    }

    #[test]
    fn encodings() {
        let wide = |of: fn(u16) -> [u8; 2]| "\u{feff}a: é\n".encode_utf16().flat_map(of).collect();
        let le: Vec<u8> = wide(u16::to_le_bytes);
        let be: Vec<u8> = wide(u16::to_be_bytes);
        for bytes in [le.clone(), be, "a: é\n".into()] {
            check(&text(bytes).unwrap(), &[Ok(json!({"a": "é"}))]);
        }
        assert!(
            text(b"a\n# caf\xe9\n".to_vec())
                .unwrap_err()
                .starts_with("line 2: not UTF-8")
        );
        assert!(text(le[..le.len() - 1].to_vec()).is_err());
    }
}

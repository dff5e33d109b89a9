//! Comparing JSON trees: the first difference, with its path.

use serde_json::Value;

/// `Err` names the first difference between two trees; `ours` comes first in the text.
pub fn compare(ours: &Value, want: &Value) -> Result<(), String> {
    difference(ours, want).map_or(Ok(()), |(path, text)| Err(format!("at {path}: {text}")))
}

fn difference(ours: &Value, want: &Value) -> Option<(String, String)> {
    let below = |step: String, ours: &Value, want: &Value| {
        difference(ours, want).map(|(path, text)| (format!("{step}{path}"), text))
    };
    match (ours, want) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in b {
                match a.get(key) {
                    None => {
                        return Some((
                            format!(".{key}"),
                            format!("missing, want {}", short(value)),
                        ));
                    }
                    Some(ours) => {
                        if let Some(found) = below(format!(".{key}"), ours, value) {
                            return Some(found);
                        }
                    }
                }
            }
            let extra = a.iter().find(|(key, _)| !b.contains_key(*key))?;
            Some((format!(".{}", extra.0), format!("extra {}", short(extra.1))))
        }
        (Value::Array(a), Value::Array(b)) => {
            for (i, (ours, want)) in a.iter().zip(b).enumerate() {
                if let Some(found) = below(format!("[{i}]"), ours, want) {
                    return Some(found);
                }
            }
            (a.len() != b.len()).then(|| {
                let at = a.len().min(b.len());
                let first = a.get(at).map_or_else(|| short(&b[at]), short);
                (
                    format!("[{at}]"),
                    format!("{} items, want {}; first odd one {first}", a.len(), b.len()),
                )
            })
        }
        (Value::Number(a), Value::Number(b))
            if a.as_f64() == b.as_f64() && a.is_f64() == b.is_f64() =>
        {
            (a.as_u64() != b.as_u64()).then(|| (String::new(), format!("{a}, want {b}")))
        }
        (a, b) if a == b => None,
        (a, b) => Some((String::new(), format!("{}, want {}", short(a), short(b)))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 300 {
        text
    } else {
        text.chars().take(300).collect::<String>() + "…"
    }
}

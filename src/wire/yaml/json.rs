//! YAML as JSON values, as kubectl, client-go and helm see it: what go-yaml v2 reads, so `yes` is a boolean and `010` is 8,
//! turned into JSON by `sigs.k8s.io/yaml` (yaml.go, `YAMLToJSON`). Of equal keys the last one holds.

use super::aliasing::Aliasing;
use super::emit;
use super::node::{Data, Error, Node};
use super::parse;
use super::scalar::{self, Scalar, is_merge};
use serde_json::{Map, Value};

/// As deep as `serde_json` reads: aliases in aliases could nest without end.
const MAX_DEPTH: usize = 128;

/// Reads the first document of a text; null if there is none.
///
/// # Errors
/// Malformed YAML, or a value that JSON does not have.
pub fn read(text: &str) -> Result<Value, Error> {
    // JSON is YAML, too, but much quicker to read.
    if is_json_object(text)
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    match parse(text.as_bytes())? {
        Some(node) => Walk::default().value(&node),
        None => Ok(Value::Null),
    }
}

/// Whether a text looks like a JSON object.
pub(super) fn is_json_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

#[derive(Default)]
struct Walk {
    aliasing: Aliasing,
    depth: usize,
}

impl Walk {
    fn value(&mut self, node: &Node<'_>) -> Result<Value, Error> {
        self.visit(node, |walk, node| match &node.data {
            Data::Sequence(items) => {
                let items = items.iter().map(|item| walk.value(item));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            Data::Mapping(pairs) => {
                let mut fields = Map::new();
                walk.fill(pairs, &mut fields)?;
                Ok(Value::Object(fields))
            }
            _ => match scalar::resolve(node) {
                Ok(Some(scalar)) => scalar
                    .into_json()
                    .ok_or_else(|| error(node, "infinite numbers and .nan are no JSON values")),
                Ok(None) => Ok(Value::Null),
                Err(message) => Err(error(node, message)),
            },
        })
    }

    /// Follows aliases.
    fn visit<'n, 't, T>(
        &mut self,
        node: &'n Node<'t>,
        then: impl FnOnce(&mut Self, &'n Node<'t>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (mut at, mut aliases) = (node, 0);
        loop {
            at = match &at.data {
                Data::Alias(target) => {
                    if !at.is_marked() {
                        self.count(at)?;
                        self.aliasing.enter();
                        aliases += 1;
                    }
                    target
                }
                Data::Loop(_) => {
                    return Err(error(at, "the value of an anchor contains itself"));
                }
                _ => break,
            };
        }
        self.count(at)?;
        if self.depth >= MAX_DEPTH {
            return Err(error(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let result = then(self, at);
        self.depth -= 1;
        self.aliasing.leave(aliases);
        result
    }

    fn count(&mut self, node: &Node<'_>) -> Result<(), Error> {
        if self.aliasing.is_excessive() {
            return Err(error(node, "document contains excessive aliasing"));
        }
        Ok(())
    }

    fn fill(
        &mut self,
        pairs: &[(Node<'_>, Node<'_>)],
        fields: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        for (key, value) in pairs {
            if is_merge(key) {
                self.merge(value, fields)?;
            } else {
                let key = self.visit(key, |_, key| key_text(key))?;
                fields.insert(key, self.value(value)?);
            }
        }
        Ok(())
    }

    fn merge(&mut self, node: &Node<'_>, fields: &mut Map<String, Value>) -> Result<(), Error> {
        let here = if node.is_marked() {
            node.resolved()
        } else {
            node
        };
        let list = match &here.data {
            // Earlier ones take precedence, so they come last.
            Data::Sequence(items) => items.iter().rev().collect(),
            _ => vec![node],
        };
        for item in list {
            self.visit(item, |walk, found| match &found.data {
                Data::Mapping(pairs) => walk.fill(pairs, fields),
                _ => Err(error(
                    item,
                    "<< wants a mapping or a list of mappings behind it",
                )),
            })?;
        }
        Ok(())
    }
}

fn key_text(key: &Node<'_>) -> Result<String, Error> {
    Ok(
        match scalar::resolve(key).map_err(|message| error(key, message))? {
            Some(Scalar::Text(text)) => text.to_owned(),
            Some(Scalar::Bool(bool)) => bool.to_string(),
            Some(Scalar::Int(int)) => int.to_string(),
            // `strconv.FormatFloat(key, 'g', -1, 32)`.
            Some(Scalar::Float(float)) => {
                let single = (float as f32).to_string();
                emit::float(single.parse().unwrap_or(float))
            }
            Some(Scalar::Binary(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Scalar::Null | Scalar::Uint(_)) | None => {
                return Err(error(key, "a key that is no text and becomes none"));
            }
        },
    )
}

fn error(node: &Node<'_>, message: impl Into<String>) -> Error {
    Error {
        line: Some(node.line),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, want: &Value) {
        assert_eq!(read(text).as_ref(), Ok(want), "{text}");
        // The general reader says the same as the quick one.
        assert_eq!(read(&format!("# x\n{text}")).as_ref(), Ok(want), "{text}");
    }

    #[test]
    fn values_are_what_kubectl_sends() {
        for (yaml, want) in [
            ("yes", json!(true)),
            ("off", json!(false)),
            ("'yes'", json!("yes")),
            ("010", json!(8)),
            ("1_000", json!(1000)),
            ("0x10", json!(16)),
            ("1e+06", json!(1_000_000)),
            ("50.0", json!(50)),
            ("-0.0", json!(0)),
            ("1.25", json!(1.25)),
            ("1e19", json!(10_000_000_000_000_000_000_u64)),
            ("1e21", json!(1e21)),
            ("18446744073709551615", json!(u64::MAX)),
            ("123456789012345678901", json!(123456789012345678901_f64)),
            ("~", Value::Null),
            ("2001-12-14", json!("2001-12-14")),
            ("190:20:30", json!("190:20:30")),
            ("!!str 010", json!("010")),
            ("!!float 1", json!(1)),
            ("!!binary aGk=", json!("hi")),
            ("!custom x", json!("x")),
        ] {
            check(&format!("a: {yaml}\n"), &json!({"a": want}));
            check(&format!("- {yaml}\n"), &json!([want]));
        }
    }

    #[test]
    fn keys_become_text() {
        for (key, want) in [
            ("on", "true"),
            ("0o17", "15"),
            ("1.50", "1.5"),
            ("1e6", "1e+06"),
            ("0.1", "0.1"),
            ("-.inf", "-.inf"),
            ("'010'", "010"),
            ("2001-12-14", "2001-12-14"),
        ] {
            check(&format!("{key}: 1\n"), &json!({want: 1}));
        }
        for key in ["~", "? [a]\n", "? {a: b}\n", "18446744073709551615"] {
            let error = read(&format!("{key}: 1\n")).unwrap_err();
            assert!(error.message.contains("key"), "{key}: {error}");
        }
    }

    #[test]
    fn the_last_of_equal_keys_holds_and_merges_are_followed() {
        check("a: 1\na: 2\n", &json!({"a": 2}));
        check(
            "x: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\ne: {c: 3, <<: *x}\n",
            &json!({"x": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}, "e": {"b": 1, "c": 2}}),
        );
        check(
            "a: &a {k: 1}\nb: &b {k: 2, l: 2}\nc: {<<: [*a, *b]}\n",
            &json!({"a": {"k": 1}, "b": {"k": 2, "l": 2}, "c": {"k": 1, "l": 2}}),
        );
        check("'<<': {a: 1}\n", &json!({"<<": {"a": 1}}));
        assert!(read("<<: [1]\n").is_err());
    }

    #[test]
    fn what_json_does_not_have_is_an_error_with_its_line() {
        for text in [
            "a: 1\nb: .inf\n",
            "a: 1\nb: [.nan]\n",
            "a: 1\nb: !!int x\n",
            "a: 1\nb: &x [*x]\n",
            "a: 1\nb: *unknown\n",
        ] {
            assert_eq!(read(text).unwrap_err().line, Some(2), "{text}");
        }
    }

    #[test]
    fn small_texts_stay_small_work() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        let mut tower = "a0: &a0 {x: y}\n".to_owned();
        for i in 1..200 {
            let target = format!("*a{}", i - 1);
            bomb.push_str(&format!("a{i}: &a{i} [{target},{target},{target}]\n"));
            tower.push_str(&format!("a{i}: &a{i} {{x: {target}}}\n"));
        }
        for (text, want) in [
            (bomb, "aliasing"),
            (tower, "deeper"),
            ("{a: ".repeat(400_000), "deeper"),
            ("[".repeat(400_000), "deeper"),
            ("- ".repeat(1_000), "deeper"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.message.contains(want), "{want}: {error}");
        }
    }
}

//! From JSON to a type, with errors that name the field.

use crate::wire::yaml::scalar;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Reads an object. Null fields count as absent, as they do at the API server, and `50.0` is a whole number.
///
/// # Errors
/// Names the field that has the wrong type and says what is wrong with it.
pub fn decode<T: DeserializeOwned>(mut object: Value) -> Result<T, String> {
    normalize(&mut object);
    T::deserialize(&object)
        .map_err(|error| explain(&object, &error, &|rest| T::deserialize(rest).is_ok()))
}

/// Drops null fields (`status:` with nothing behind it) and makes whole numbers of `50.0` and `1e6`, as the API server does
/// before it stores an object.
pub(crate) fn normalize(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(normalize);
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) = number.as_f64().and_then(scalar::whole) {
                *value = whole;
            }
        }
        _ => {}
    }
}

/// The error of a reader that cannot read the object, with the path of the field and without the names of our types.
/// `is_readable` says whether it could read another one.
pub(crate) fn explain(
    object: &Value,
    error: &serde_json::Error,
    is_readable: &dyn Fn(&Value) -> bool,
) -> String {
    let message = wording(&error.to_string());
    match culprit(object, is_readable) {
        Some(path) => format!("{path}: {message}"),
        None => message,
    }
}

/// What serde says, in words of whoever wrote the object.
pub(crate) fn wording(message: &str) -> String {
    // Its line and column are those of our own copy.
    let message = message.split(" at line ").next().unwrap_or_default();
    let Some((found, expected)) = message.rsplit_once("expected ") else {
        return message.to_owned();
    };
    let expected = match expected {
        "a map" => "an object",
        "a sequence" => "a list",
        "i32" | "i64" | "u16" | "u32" | "u64" => "a whole number",
        "usize" => "a whole number from 0",
        "f64" => "a number",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    };
    let found = found.replacen("invalid type: map", "invalid type: object", 1);
    let found = found.replacen("invalid type: sequence", "invalid type: list", 1);
    format!("{found}expected {expected}")
}

/// Path of a field that nobody reads: one that may have any value whatever.
pub fn unread<T: DeserializeOwned>(object: &Value) -> Option<String> {
    unread_below::<T>(object, "", "")
}

fn unread_below<T: DeserializeOwned>(object: &Value, path: &str, pointer: &str) -> Option<String> {
    children(object, path, pointer)?
        .into_iter()
        .find_map(|(path, pointer)| {
            let mut changed = object.clone();
            // No type of ours is a list of lists of lists.
            *changed.pointer_mut(&pointer)? = json!([[[]]]);
            match T::deserialize(&changed) {
                Ok(_) => Some(path),
                Err(_) => unread_below::<T>(object, &path, &pointer),
            }
        })
}

/// Path and pointer of everything that stands directly in a part; none if it is no list or map.
fn children(object: &Value, path: &str, pointer: &str) -> Option<Vec<(String, String)>> {
    match object.pointer(pointer)? {
        Value::Object(fields) => {
            let child = |key: &String| {
                let dot = if path.is_empty() { "" } else { "." };
                let escaped = key.replace('~', "~0").replace('/', "~1");
                (format!("{path}{dot}{key}"), format!("{pointer}/{escaped}"))
            };
            Some(fields.keys().map(child).collect())
        }
        Value::Array(items) => Some(
            (0..items.len())
                .map(|i| (format!("{path}[{i}]"), format!("{pointer}/{i}")))
                .collect(),
        ),
        _ => None,
    }
}

/// Path of the innermost part without which the object can be read. Tried one by one: this runs only for broken objects.
pub fn culprit(object: &Value, is_readable: &dyn Fn(&Value) -> bool) -> Option<String> {
    let mut path = String::new();
    let mut pointer = String::new();
    let mut found = None;
    loop {
        let Some(children) = children(object, &path, &pointer) else {
            return found;
        };
        let Some((child, at)) = children
            .into_iter()
            .find(|(_, at)| without(object, at).is_some_and(|rest| is_readable(&rest)))
        else {
            return found;
        };
        found = Some(child.clone());
        (path, pointer) = (child, at);
    }
}

fn without(object: &Value, pointer: &str) -> Option<Value> {
    let mut rest = object.clone();
    let (parent, child) = pointer.rsplit_once('/')?;
    match rest.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&child.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => match child.parse::<usize>() {
            Ok(i) if i < items.len() => {
                items.remove(i);
            }
            _ => return None,
        },
        _ => return None,
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::types::core::Service;

    #[test]
    fn nulls_are_dropped_and_whole_numbers_are_whole() {
        let object = json!({"spec": {"ports": [{"port": 80.0, "name": null, "x": [null, 1e3, 1.5]}], "type": null}});
        let service: Service = decode(object).unwrap();
        assert_eq!(service.spec.ports[0].port, 80);
    }

    #[test]
    fn errors_name_the_field_and_no_types() {
        for (ports, want) in [
            (
                json!([{"port": 1.5}]),
                "spec.ports[0].port: invalid type: floating point `1.5`, expected a whole number",
            ),
            (
                json!([{"port": {}}]),
                "spec.ports[0].port: invalid type: object, expected a whole number",
            ),
            (
                json!(["x"]),
                "spec.ports[0]: invalid type: string \"x\", expected an object",
            ),
            (
                json!({"a/b": 1}),
                "spec.ports: invalid type: object, expected a list",
            ),
            (
                json!([{"port": 1_u64 << 40}]),
                "spec.ports[0].port: invalid value: integer `1099511627776`, expected a whole number",
            ),
        ] {
            let error = decode::<Service>(json!({"spec": {"ports": ports}})).unwrap_err();
            assert_eq!(error, want);
        }
    }
}

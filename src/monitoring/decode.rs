//! From JSON to a type, with errors that name the field.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Reads an object. Null fields count as absent, as they do at the API server.
///
/// # Errors
/// Names the field that has the wrong type and says what is wrong with it.
pub fn decode<T: DeserializeOwned>(mut object: Value) -> Result<T, String> {
    drop_nulls(&mut object);
    T::deserialize(&object).map_err(|error| match culprit::<T>(&object) {
        Some(path) => format!("{path}: {error}"),
        None => error.to_string(),
    })
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

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Path of the innermost part without which the object can be read. Tried one by one: this runs only for broken objects.
pub fn culprit<T: DeserializeOwned>(object: &Value) -> Option<String> {
    let mut path = String::new();
    let mut pointer = String::new();
    let mut found = None;
    loop {
        let Some(children) = children(object, &path, &pointer) else {
            return found;
        };
        let Some((child, at)) = children
            .into_iter()
            .find(|(_, at)| readable_without::<T>(object, at))
        else {
            return found;
        };
        found = Some(child.clone());
        (path, pointer) = (child, at);
    }
}

fn readable_without<T: DeserializeOwned>(object: &Value, pointer: &str) -> bool {
    let mut rest = object.clone();
    let Some((parent, child)) = pointer.rsplit_once('/') else {
        return false;
    };
    match rest.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&child.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => match child.parse::<usize>() {
            Ok(i) if i < items.len() => {
                items.remove(i);
            }
            _ => return false,
        },
        _ => return false,
    }
    T::deserialize(&rest).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::{IntOrString, ServiceMonitor};
    use serde_json::json;

    #[test]
    fn unknown_fields_nulls_and_defaults() {
        let monitor: ServiceMonitor = decode(json!({
            "metadata": {"name": "a", "namespace": "b", "labels": null},
            "spec": {
                "selector": {}, "jobLabel": null, "unknown": 1,
                "endpoints": [{"targetPort": 80, "relabelings": [{"regex": "x", "action": null}], "proxyUrl": "http://p"}],
            },
        }))
        .unwrap();
        let endpoint = &monitor.spec.endpoints[0];
        assert_eq!(endpoint.target_port, Some(IntOrString::Int(80)));
        assert_eq!(endpoint.relabelings[0].action, "replace");
        assert_eq!(endpoint.proxy.proxy_url.as_deref(), Some("http://p"));
    }

    #[test]
    fn errors_name_the_field() {
        let object = json!({"spec": {"endpoints": [{}, {"params": {"a/b": ["x", 1]}}]}});
        let error = decode::<ServiceMonitor>(object).unwrap_err();
        assert!(
            error.starts_with("spec.endpoints[1].params.a/b[1]: invalid type"),
            "{error}"
        );
    }
}

//! Kubernetes objects from texts: YAML with several documents, JSON, `List` objects unpacked. Which files are read is
//! decided by the caller.

use crate::wire::yaml::serde::documents;
use serde_json::Value;
use std::fmt;

/// One object and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// `FILE#DOCUMENT`, or `FILE#DOCUMENT[i]` for an item of a list.
    pub origin: String,
    /// The object.
    pub value: Value,
}

impl Object {
    /// Its `kind`.
    pub fn kind(&self) -> &str {
        text_at(&self.value, "/kind")
    }

    /// Its `apiVersion`.
    pub fn api_version(&self) -> &str {
        text_at(&self.value, "/apiVersion")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        text_at(&self.value, "/metadata/name")
    }

    /// Its namespace; empty for objects of the whole cluster.
    pub fn namespace(&self) -> &str {
        text_at(&self.value, "/metadata/namespace")
    }
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A document that is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// `FILE#DOCUMENT`.
    pub origin: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

impl std::error::Error for Error {}

/// Reads the text of one file. A broken document costs only itself. Names and namespaces must be there where objects
/// need them; that is not looked at here.
pub fn read(file: &str, text: &str) -> (Vec<Object>, Vec<Error>) {
    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    for (number, document) in documents(text) {
        let origin = format!("{file}#{number}");
        match document {
            Ok(value) => unpack(origin, value, &mut objects, &mut errors),
            Err(message) => errors.push(Error { origin, message }),
        }
    }
    (objects, errors)
}

/// Lists hold objects, and possibly lists. Items of an API server's answer may lack what the list says of all of them.
fn unpack(origin: String, mut value: Value, objects: &mut Vec<Object>, errors: &mut Vec<Error>) {
    let kind = text_at(&value, "/kind").to_owned();
    if kind.is_empty() {
        let message = "not a Kubernetes object: it has no kind".to_owned();
        return errors.push(Error { origin, message });
    }
    let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else {
        return objects.push(Object { origin, value });
    };
    let item_kind = kind.strip_suffix("List").unwrap_or_default();
    let api_version = text_at(&value, "/apiVersion");
    for (i, mut item) in items.into_iter().enumerate() {
        if let Value::Object(fields) = &mut item
            && !item_kind.is_empty()
        {
            fields
                .entry("kind")
                .or_insert_with(|| Value::from(item_kind));
            fields
                .entry("apiVersion")
                .or_insert_with(|| Value::from(api_version));
        }
        unpack(format!("{origin}[{i}]"), item, objects, errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_unpacked_and_errors_stand_alone() {
        let text = "kind: A\nmetadata: {name: x}\n---\nkind: List\nitems:\n- kind: B\n- metadata: {}\n---\n- 1\n---\na: [\n---\n{\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"s\",\"namespace\":\"n\"}}],\"kind\":\"SecretList\"}\n";
        let (objects, errors) = read("f.yaml", text);
        let seen: Vec<_> = objects
            .iter()
            .map(|o| format!("{} {} {}/{}", o.origin, o.kind(), o.namespace(), o.name()))
            .collect();
        assert_eq!(
            seen,
            ["f.yaml#1 A /x", "f.yaml#2[0] B /", "f.yaml#5[0] Secret n/s"]
        );
        let origins: Vec<_> = errors.iter().map(|e| e.origin.as_str()).collect();
        assert_eq!(origins, ["f.yaml#2[1]", "f.yaml#3", "f.yaml#4"]);
        assert_eq!(objects[2].api_version(), "v1");
    }
}

//! Kubernetes objects from texts: YAML with several documents, JSON, `List` objects unpacked. Which files are read is
//! decided by the caller.

use super::DEFAULT_NAMESPACE;
use super::types::kind::Kind;
use crate::wire::yaml::documents::{Document, documents};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// One object and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// `FILE#DOCUMENT`, or `FILE#DOCUMENT[i]` for an item of a list.
    pub origin: String,
    /// The object.
    pub value: Value,
}

impl Manifest {
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

    /// Its labels, if it has any.
    pub fn labels(&self) -> Option<&Map<String, Value>> {
        self.value.pointer("/metadata/labels")?.as_object()
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
pub fn read(file: &str, text: &str) -> (Vec<Manifest>, Vec<Error>) {
    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    each(file, text, &mut |found| match found {
        Ok(object) => objects.push(object),
        Err(error) => errors.push(error),
    });
    (objects, errors)
}

/// As [`read`], one object at a time: a list in JSON, as an API server sends it, is never in memory as a whole.
pub fn each(file: &str, text: &str, sink: &mut dyn FnMut(Result<Manifest, Error>)) {
    for document in documents(text) {
        let origin = format!("{file}#{}", document.number);
        if document.is_json_object() && stream(&document, &origin, sink) {
            continue;
        }
        match document.value() {
            Ok(Value::Null) => {}
            Ok(value) => unpack(origin, value, sink),
            Err(message) => sink(Err(Error { origin, message })),
        }
    }
}

/// Lists hold objects, and possibly lists. Items of an API server's answer may lack what the list says of all of them.
fn unpack(origin: String, mut value: Value, sink: &mut dyn FnMut(Result<Manifest, Error>)) {
    let kind = text_at(&value, "/kind").to_owned();
    if kind.is_empty() {
        let message = "not a Kubernetes object: it has no kind".to_owned();
        return sink(Err(Error { origin, message }));
    }
    let items = value.get_mut("items").and_then(Value::as_array_mut);
    let Some(items) = items.map(std::mem::take) else {
        complete(&mut value);
        return sink(Ok(Manifest { origin, value }));
    };
    let api_version = text_at(&value, "/apiVersion").to_owned();
    for (i, mut item) in items.into_iter().enumerate() {
        inherit(&mut item, &kind, &api_version);
        unpack(format!("{origin}[{i}]"), item, sink);
    }
}

/// A namespaced object without a namespace is in `default`, where kubectl would put it.
fn complete(object: &mut Value) {
    let kind = Kind::of(text_at(object, "/apiVersion"), text_at(object, "/kind"));
    if kind.is_some_and(Kind::is_namespaced)
        && text_at(object, "/metadata/namespace").is_empty()
        && let Some(Value::Object(metadata)) = object.get_mut("metadata")
    {
        metadata.insert("namespace".to_owned(), Value::from(DEFAULT_NAMESPACE));
    }
}

fn inherit(item: &mut Value, list_kind: &str, api_version: &str) {
    let kind = list_kind.strip_suffix("List").unwrap_or_default();
    if let Value::Object(fields) = item
        && !kind.is_empty()
    {
        fields.entry("kind").or_insert_with(|| Value::from(kind));
        fields
            .entry("apiVersion")
            .or_insert_with(|| Value::from(api_version));
    }
}

/// Hands on the items of a JSON list as they are read; `false` if the document is none and nothing was handed on.
fn stream(
    document: &Document<'_>,
    origin: &str,
    sink: &mut dyn FnMut(Result<Manifest, Error>),
) -> bool {
    let mut list = List {
        origin,
        sink,
        count: 0,
        waiting: Vec::new(),
    };
    let mut json = serde_json::Deserializer::from_str(document.text);
    let head = (&mut list).deserialize(&mut json);
    let head = head.and_then(|head| json.end().map(|()| head));
    let started = list.count > list.waiting.len();
    match head {
        Ok(Some(head)) if list.count > 0 => {
            for (i, mut item) in std::mem::take(&mut list.waiting) {
                inherit(&mut item, &head.kind, &head.api_version);
                unpack(format!("{origin}[{i}]"), item, list.sink);
            }
            true
        }
        Err(error) if started => {
            let (origin, message) = (origin.to_owned(), error.to_string());
            (list.sink)(Err(Error { origin, message }));
            true
        }
        _ => false,
    }
}

/// A list on its way.
struct List<'s> {
    origin: &'s str,
    sink: &'s mut dyn FnMut(Result<Manifest, Error>),
    count: usize,
    /// Items that do not say what they are, before the list has said it.
    waiting: Vec<(usize, Value)>,
}

/// What a list says of itself.
#[derive(Default)]
struct Head {
    kind: String,
    api_version: String,
}

impl<'de> DeserializeSeed<'de> for &mut List<'_> {
    /// None: the object holds no items.
    type Value = Option<Head>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut List<'_> {
    type Value = Option<Head>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut head, mut is_list) = (Head::default(), false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "kind" => head.kind = map.next_value()?,
                "apiVersion" => head.api_version = map.next_value()?,
                "items" => {
                    map.next_value_seed(Items(&mut *self))?;
                    is_list = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(is_list.then_some(head))
    }
}

struct Items<'l, 's>(&'l mut List<'s>);

impl<'de> DeserializeSeed<'de> for Items<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let list = self.0;
        while let Some(item) = seq.next_element::<Value>()? {
            let i = list.count;
            list.count += 1;
            if text_at(&item, "/kind").is_empty() {
                list.waiting.push((i, item));
            } else {
                unpack(format!("{}[{i}]", list.origin), item, list.sink);
            }
        }
        Ok(())
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

    #[test]
    fn json_lists_are_handed_on_item_by_item() {
        #[track_caller]
        fn check(text: &str, want: &[&str], want_errors: usize) {
            let (objects, errors) = read("l", text);
            let kinds: Vec<_> = objects.iter().map(Manifest::kind).collect();
            assert_eq!(
                (kinds.as_slice(), errors.len()),
                (want, want_errors),
                "{errors:?}"
            );
        }
        check(
            r#"{"items":[{"kind":"A"},{"a":1}],"kind":"XList"}"#,
            &["A", "X"],
            0,
        );
        check(
            r#"{"kind":"List","items":[{"kind":"A"},{"a":1}]}"#,
            &["A"],
            1,
        );
        check(r#"{"items":[{"kind":"A"},{"kind":]}"#, &["A"], 1);
        check(r#"{"items":[],"kind":"XList"}"#, &[], 0);
        check(r#"{"kind":"A","items":1}"#, &["A"], 0);
        check("{kind: A, x: [y]}", &["A"], 0);
    }
}

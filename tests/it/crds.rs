//! The vendored definitions and our types: every property is read, or stands on a list of those that need not be.

use prometheus_operator_receiver::monitoring::{self, PodMonitor, ServiceMonitor};
use serde_json::{Value, json};
use serde_yaml::Value as Yaml;
use std::path::Path;

/// Properties that nothing depends on, with the reason.
const NOT_READ: &[(&str, &str)] = &[
    ("apiVersion", "known from where the object was found"),
    ("kind", "known from where the object was found"),
    ("metadata", "the definitions say nothing about it"),
    (
        "status",
        "written by upstream's operator for its own objects",
    ),
];

#[test]
fn every_property_of_a_service_monitor_is_read() {
    check("servicemonitors", |object| {
        monitoring::decode::<ServiceMonitor>(object).is_ok()
    });
}

#[test]
fn every_property_of_a_pod_monitor_is_read() {
    check("podmonitors", |object| {
        monitoring::decode::<PodMonitor>(object).is_ok()
    });
}

/// A property is read if a value of the wrong type in its place makes the object unreadable.
#[track_caller]
fn check(kind: &str, is_readable: impl Fn(Value) -> bool) {
    let path = format!("vendor-crds/monitoring.coreos.com_{kind}.yaml");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let definition: Yaml = serde_yaml::from_str(&text).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert!(is_readable(json!({"spec": {}})));

    let (mut seen, mut unread) = (0, Vec::new());
    let mut places = Vec::new();
    walk(schema, &|value| value, "", &mut |path, object| {
        places.push((path.to_owned(), object));
    });
    for (path, object) in places {
        let top = path.split(['.', '[']).next().unwrap();
        if NOT_READ.iter().any(|(name, _)| *name == top) {
            continue;
        }
        seen += 1;
        if is_readable(object) {
            unread.push(path);
        }
    }
    assert!(seen > 100, "only {seen} properties found");
    assert!(unread.is_empty(), "not read: {unread:?}");
}

/// Calls back for each property, list item and map value, with an object that holds a value of no fitting type there.
fn walk(
    schema: &Yaml,
    wrap: &dyn Fn(Value) -> Value,
    path: &str,
    found: &mut dyn FnMut(&str, Value),
) {
    for (name, property) in schema["properties"].as_mapping().into_iter().flatten() {
        let name = name.as_str().unwrap();
        let place = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        let inside = |value: Value| wrap(json!({ name: value }));
        found(&place, inside(misfit(property)));
        walk(property, &inside, &place, found);
    }
    if schema["items"].is_mapping() {
        let inside = |value: Value| wrap(json!([value]));
        found(&format!("{path}[]"), inside(misfit(&schema["items"])));
        walk(&schema["items"], &inside, &format!("{path}[]"), found);
    }
    if schema["additionalProperties"].is_mapping() {
        let inside = |value: Value| wrap(json!({ "k": value }));
        found(
            &format!("{path}[k]"),
            inside(misfit(&schema["additionalProperties"])),
        );
        walk(
            &schema["additionalProperties"],
            &inside,
            &format!("{path}[k]"),
            found,
        );
    }
}

/// A number where a container is wanted, a list in a list elsewhere. (A struct would be read from a list.)
fn misfit(schema: &Yaml) -> Value {
    match schema["type"].as_str() {
        Some("object" | "array") => json!(1),
        _ => json!([[]]),
    }
}

use super::*;
use serde_json::json;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Asked {
    object: Value,
    answer: BTreeSet<String>,
}

/// The problems of an object, each alone.
fn problems(definitions: &Definitions, object: &Value) -> BTreeSet<String> {
    let metadata = ObjectMeta::deserialize(&object["metadata"]).unwrap_or_default();
    let kind = match object["kind"].as_str() {
        Some("PodMonitor") => Kind::PodMonitor,
        _ => Kind::ServiceMonitor,
    };
    let mut found = Problems::of(&metadata);
    found.spec(definitions.specs.get(&kind), &object["spec"]);
    found.found.into_iter().collect()
}

/// Recorded from kube-apiserver 1.37.2 with the vendored definitions. It says some things twice (a wrong type is no member of
/// the enumeration either): those were left out.
#[test]
fn an_api_server_says_the_same() {
    let definitions = Definitions::vendored();
    let lines = include_str!("answers.jsonl").lines();
    let mut count = 0;
    for Asked { object, answer } in lines.map(|line| serde_json::from_str(line).unwrap()) {
        // Nulls of labels are dropped where files are read.
        if !object["metadata"].to_string().contains("null") {
            assert_eq!(problems(&definitions, &object), answer, "{object}");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

/// A keyword that a newer definition brings is an error of `Schema` until it is applied or named there.
#[test]
fn every_keyword_of_the_vendored_definitions_is_known() {
    for (kind, text) in VENDORED {
        let (objects, _) = manifest::read(kind.plural(), text);
        let root = "/spec/versions/0/schema/openAPIV3Schema";
        let root = objects[0].value.pointer(root).unwrap();
        assert_eq!(root["required"], json!(["spec"]));
        let schema = Schema::deserialize(&root["properties"]["spec"]);
        assert!(schema.is_ok_and(|s| s.properties.len() > 20), "{kind}");
    }
    assert_eq!(Definitions::vendored().specs.len(), VENDORED.len());
}

#[track_caller]
fn check(schema: Value, value: Value, want: &[&str]) {
    let mut problems = Problems::of(&ObjectMeta::default());
    problems.found.clear();
    problems.spec(Some(&Schema::deserialize(schema).unwrap()), &value);
    assert_eq!(problems.found, want);
}

#[test]
fn what_the_vendored_definitions_do_not_use() {
    let keys = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
        "items": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer", "default": 1}}}});
    check(
        keys,
        json!([{"a": "x"}, {"a": "x", "b": 2}, {"a": "x", "b": 1}]),
        &[r#"spec[2]: Duplicate value: {"a":"x","b":1}"#],
    );
    let few = json!({"type": "array", "minItems": 1, "maxItems": 2});
    check(few.clone(), json!([1, 2]), &[]);
    let want = ["spec: Invalid value: 0: spec in body should have at least 1 items"];
    check(few.clone(), json!([]), &want);
    check(
        few,
        json!([1, 2, 3]),
        &["spec: Too many: 3: must have at most 2 items"],
    );
    let short = json!({"type": "string", "maxLength": 2});
    check(short.clone(), json!("éé"), &[]);
    check(
        short,
        json!("abc"),
        &["spec: Too long: may not be more than 2 bytes"],
    );
    let object = json!({"type": "object", "required": ["a", "b", "c"], "properties":
        {"a": {"type": "string", "default": ""}, "b": {"type": "string", "nullable": true}, "c": {"type": "number"}}});
    check(object, json!({"b": null, "c": 1.5}), &[]);
    check(
        json!({"type": "integer", "format": "int32"}),
        json!(2_147_483_647),
        &[],
    );
    let want =
        ["spec: Invalid value: \"integer\": spec in body must be of type int32: \"integer\""];
    check(
        json!({"type": "integer", "format": "int32"}),
        json!(2_147_483_648_u32),
        &want,
    );
}

#[test]
fn one_problem_or_many() {
    let definitions = Definitions::vendored();
    let metadata = ObjectMeta {
        name: "a".to_owned(),
        namespace: "b".to_owned(),
        ..ObjectMeta::default()
    };
    let told = |spec: Value| {
        definitions
            .check(Kind::ServiceMonitor, &metadata, &spec)
            .unwrap_err()
    };
    assert_eq!(
        told(Value::Null),
        "the API server would refuse it: spec: Required value"
    );
    assert_eq!(
        told(json!({})),
        "the API server would refuse it: [spec.endpoints: Required value, spec.selector: Required value]"
    );
    let many = json!({"selector": {}, "endpoints": vec![0; 1000]});
    assert!(told(many).ends_with(", and 990 more]"));
}

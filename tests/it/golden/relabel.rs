//! Cases of the area `relabel`: each file is a list of entries, and so is what is wanted.

use super::{Outcome, Verdict};
use prometheus_operator_receiver::config::{Loader, Stage};
use prometheus_operator_receiver::model::bounds::{Bounds, Work};
use prometheus_operator_receiver::model::labels::LabelsBuilder;
use prometheus_operator_receiver::model::name::ValidationScheme;
use prometheus_operator_receiver::model::regexp;
use prometheus_operator_receiver::model::relabel::Keep;
use prometheus_operator_receiver::wire::yaml::{self, Data, Node, Style};
use serde_json::{Value, json};
use std::path::Path;

pub fn check(case: &Path) -> Vec<Outcome> {
    let text = std::fs::read(case).unwrap();
    let want: Value =
        serde_json::from_slice(&std::fs::read(case.with_extension("want.json")).unwrap()).unwrap();
    let root = yaml::parse(&text).unwrap().unwrap();
    let Data::Sequence(entries) = &root.resolved().data else {
        panic!("no list")
    };
    let want = want.as_array().unwrap();
    assert_eq!(entries.len(), want.len());
    let file = case.file_stem().unwrap().to_string_lossy();
    let outcome = |(entry, want): (&Node<'_>, &Value)| Outcome {
        name: format!("{file}/{}", want["name"].as_str().unwrap()),
        verdict: judge(entry, want),
    };
    entries.iter().zip(want).map(outcome).collect()
}

fn judge(entry: &Node<'_>, want: &Value) -> Verdict {
    let (ours, bounded) = run(entry);
    match super::json::compare(&ours, &compared(want)) {
        Err(_) if bounded => Verdict::ByRule("bounded regular expressions"),
        result => result.into(),
    }
}

/// What is compared: labels, whether it was dropped, the stage of an error.
fn compared(want: &Value) -> Value {
    json!({"labels": want["labels"], "dropped": want["dropped"], "stage": want["stage"]})
}

/// The result, and whether a pattern was refused that keeps to RE2 but not to our bounds.
fn run(entry: &Node<'_>) -> (Value, bool) {
    let scheme = match field(entry, "scheme").map(text) {
        Some("legacy") => ValidationScheme::Legacy,
        _ => ValidationScheme::Utf8,
    };
    let mut labels = LabelsBuilder::new();
    if let Some(Data::Mapping(pairs)) = field(entry, "labels").map(|node| &node.resolved().data) {
        for (name, value) in pairs {
            labels.set(text(name), text(value));
        }
    }
    let rules = field(entry, "rules").map(|rules| Loader::new().load_rules(rules, scheme));
    let kept = match rules {
        Some(Err(error)) => {
            let stage = if error.stage == Stage::Validate {
                "validate"
            } else {
                "decode"
            };
            let bounded = [
                regexp::Error::TooLong,
                regexp::Error::TooDeep,
                regexp::Error::TooLarge,
            ];
            let bounded = bounded
                .iter()
                .any(|bound| error.message == bound.to_string());
            return (
                json!({"labels": null, "dropped": false, "stage": stage}),
                bounded,
            );
        }
        Some(Ok(rules)) => rules
            .apply(&mut labels, &mut Work::of(&Bounds::default(), u64::MAX))
            .unwrap(),
        None => Keep::Yes,
    };
    if kept == Keep::No {
        return (
            json!({"labels": null, "dropped": true, "stage": null}),
            false,
        );
    }
    let labels: Value = labels
        .pairs()
        .iter()
        .map(|(n, v)| (n.to_string(), json!(**v)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    (
        json!({"labels": labels, "dropped": false, "stage": null}),
        false,
    )
}

fn field<'n>(entry: &'n Node<'n>, name: &str) -> Option<&'n Node<'n>> {
    let Data::Mapping(pairs) = &entry.resolved().data else {
        panic!("no mapping")
    };
    pairs
        .iter()
        .find(|(key, _)| text(key) == name)
        .map(|(_, value)| value)
}

fn text<'n>(node: &'n Node<'_>) -> &'n str {
    match &node.resolved().data {
        Data::Scalar(text, Style::Plain) if matches!(&**text, "~" | "null") => "",
        Data::Scalar(text, _) => text,
        _ => panic!("no scalar"),
    }
}

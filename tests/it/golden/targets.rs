//! Cases of the area `targets`: one job, its target groups, and the targets that upstream makes of them.

use super::{Outcome, json, one};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prometheus_operator_receiver::config::{self, Config, Context};
use prometheus_operator_receiver::model::bounds::Bounds;
use prometheus_operator_receiver::model::group::{RawLabels, TargetGroup};
use prometheus_operator_receiver::model::hash;
use prometheus_operator_receiver::model::labels::{Interner, Labels};
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::scrape::target::{Target, discovered_labels, sync};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;

pub fn check(case: &Path) -> Vec<Outcome> {
    one(case, compare(case))
}

fn compare(case: &Path) -> Result<(), String> {
    let want = read_json(&case.join("targets.json"));
    let job = std::fs::read_to_string(case.join("job.yaml")).unwrap();
    let global = std::fs::read_to_string(case.join("global.yaml")).ok();
    let loaded = load_job(&job, global.as_deref(), case);
    let config = match (loaded, want.get("config_error")) {
        (Ok(config), None) => config,
        (Err(_), Some(_)) => return Ok(()),
        (Ok(_), Some(error)) => return Err(format!("the job loads, upstream says {error}")),
        (Err(error), None) => return Err(format!("the job does not load: {error}")),
    };
    let job = &config.jobs[0];
    let groups: Vec<_> = read_json(&case.join("groups.json"))
        .as_array()
        .unwrap()
        .iter()
        .map(|group| Arc::new(group_of(group)))
        .collect();
    let targets = sync(job, &groups, &Bounds::default(), &mut Interner::new());
    let discovered = |it| raw_json(&discovered_labels(job, it));
    let active = targets.active.iter().map(|target| {
        let mut entry = active_json(target);
        entry.insert("discovered".into(), discovered(&target.identity.discovered));
        Value::Object(entry)
    });
    let ours = json!({
        "active": sorted(active.collect()),
        "dropped": targets.dropped.iter().map(discovered).collect::<Vec<_>>(),
        "dropped_count": targets.dropped_count,
        "errors": targets.errors.iter().map(|e| place_of(&e.to_string())).collect::<Vec<_>>(),
        "target_limit_exceeded": targets.over_limit,
    });
    let mut want = want;
    want["active"] = sorted(want["active"].as_array().unwrap().clone());
    let errors = want["errors"].as_array().unwrap().iter();
    want["errors"] = errors.map(|e| place_of(e.as_str().unwrap())).collect();
    json::compare(&ours, &want)
}

/// A configuration of one job, as the oracle puts it together.
pub fn load_job(job: &str, global: Option<&str>, dir: &Path) -> Result<Config, config::Error> {
    let indented = |text: &str| -> String {
        let lines = text.trim_end_matches('\n').split('\n');
        lines
            .map(|line| {
                if line.is_empty() {
                    "\n".to_owned()
                } else {
                    format!("  {line}\n")
                }
            })
            .collect()
    };
    let mut text = global.map_or_else(String::new, |g| format!("global:\n{}", indented(g)));
    text += &format!(
        "scrape_configs:\n- {}",
        indented(job).trim_start_matches("  ")
    );
    let path = dir.join("prometheus.yml");
    let cx = Context {
        path: path.to_str().unwrap(),
        files: &Disk,
        env: &|_| None,
    };
    config::load(text.as_bytes(), &cx)
}

fn active_json(target: &Target) -> Map<String, Value> {
    let identity = &target.identity;
    let label = |name| identity.internal.get(name).unwrap_or_default();
    let mut all: Vec<_> = identity
        .labels
        .iter()
        .chain(identity.internal.iter())
        .collect();
    all.sort_unstable();
    let bytes = all
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut entry = Map::from_iter([
        ("labels".to_owned(), labels_json(&identity.labels)),
        ("url".to_owned(), json!(target.url)),
        ("internal".to_owned(), labels_json(&identity.internal)),
        ("interval".to_owned(), json!(label("__scrape_interval__"))),
        ("timeout".to_owned(), json!(label("__scrape_timeout__"))),
        ("hash".to_owned(), json!(target.hash.to_string())),
        (
            "labels_hash".to_owned(),
            json!(hash::labels(bytes).to_string()),
        ),
    ]);
    if let Some(error) = target.request_error() {
        entry.insert("request_error".to_owned(), json!(error));
    }
    entry
}

fn labels_json(labels: &Labels) -> Value {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn raw_json(labels: &RawLabels) -> Value {
    let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    };
    labels
        .iter()
        .map(|(name, v)| (name.to_string(), value(v)))
        .collect::<Map<_, _>>()
        .into()
}

fn group_of(group: &Value) -> TargetGroup {
    let targets = group["targets"].as_array().into_iter().flatten();
    TargetGroup {
        source: group["source"].as_str().unwrap().into(),
        labels: raw_labels(&group["labels"]),
        targets: targets.map(raw_labels).collect(),
    }
}

fn raw_labels(labels: &Value) -> RawLabels {
    let bytes = |value: &Value| match value.as_str() {
        Some(text) => text.as_bytes().into(),
        None => BASE64_STANDARD
            .decode(value["base64"].as_str().unwrap())
            .unwrap()
            .into(),
    };
    let pairs = labels.as_object().into_iter().flatten();
    RawLabels::new(pairs.map(|(name, value)| (name.as_str().into(), bytes(value))))
}

/// `active` is compared as a multiset.
fn sorted(mut entries: Vec<Value>) -> Value {
    entries.sort_by_key(Value::to_string);
    entries.into()
}

/// `instance I in group G`: the wording behind it is free.
fn place_of(error: &str) -> Value {
    error.split(": ").next().into()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

//! Cases of the area `discovery`: one SD config over a cluster of objects, and events after which groups are compared.
//! The harness plays the API server: it applies namespaces and field selectors, the product everything else.

use super::json::compare;
use super::{Outcome, one};
use prometheus_operator_receiver::config::{AttachMetadata, KubernetesSd, Role, Selector};
use prometheus_operator_receiver::discovery::kubernetes::{
    Evaluator, View, filter, kinds, main_kind,
};
use prometheus_operator_receiver::kube::fields;
use prometheus_operator_receiver::kube::manifest;
use prometheus_operator_receiver::kube::store::Change;
use prometheus_operator_receiver::kube::types::kind::Kind;
use prometheus_operator_receiver::kube::types::object::{Key, Object};
use prometheus_operator_receiver::model::group::{RawLabels, TargetGroup};
use prometheus_operator_receiver::model::selector::{FieldSelector, LabelSelector};
use prometheus_operator_receiver::wire::yaml::serde::from_str;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub fn check(case: &Path) -> Vec<Outcome> {
    one(case, compare_case(case))
}

fn compare_case(case: &Path) -> Result<(), String> {
    let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap_or_default();
    let want = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    let sd = sd_config(&from_str(&read("sd.yaml"))?);
    let Ok(mut cluster) = Cluster::new(&sd) else {
        // The API server refuses the selector, so nothing is ever discovered.
        return compare(&json!([]), &want("groups.json"));
    };
    let mut evaluator = Evaluator::new(&sd);
    let mut groups = BTreeMap::new();
    let (objects, errors) = manifest::read("objects.yaml", &read("objects.yaml"));
    if let Some(error) = errors.first() {
        return Err(error.to_string());
    }
    for object in objects {
        if let Some(change) = cluster.change("ADDED", &object.value) {
            evaluator.touch(&change);
        }
    }
    take(&mut groups, evaluator.build(&cluster));
    compare(&show(&groups), &want("groups.json"))?;

    let events = read("events.yaml");
    let events: Vec<Value> = if events.is_empty() {
        Vec::new()
    } else {
        from_str(&events)?
    };
    for (i, event) in events.iter().enumerate() {
        let kind = event["type"].as_str().unwrap_or_default();
        if let Some(change) = cluster.change(kind, &event["object"]) {
            take(&mut groups, evaluator.apply(&change, &cluster));
        }
        let name = format!("groups.{}.json", i + 1);
        compare(&show(&groups), &want(&name)).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn role(text: &Value) -> Role {
    match text.as_str().unwrap_or_default() {
        "endpoints" => Role::Endpoints,
        "endpointslice" => Role::EndpointSlice,
        "ingress" => Role::Ingress,
        "node" => Role::Node,
        "pod" => Role::Pod,
        "service" => Role::Service,
        other => panic!("role {other:?}"),
    }
}

fn sd_config(yaml: &Value) -> KubernetesSd {
    let text = |value: &Value| value.as_str().unwrap_or_default().into();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let attach = |name: &str| yaml["attach_metadata"][name] == true;
    KubernetesSd {
        api_server: None,
        role: role(&yaml["role"]),
        kubeconfig_file: "".into(),
        own_namespace: false,
        namespaces: list(&yaml["namespaces"]["names"])
            .iter()
            .map(text)
            .collect(),
        selectors: list(&yaml["selectors"])
            .iter()
            .map(|selector| Selector {
                role: role(&selector["role"]),
                label: text(&selector["label"]),
                field: text(&selector["field"]),
            })
            .collect(),
        attach: AttachMetadata {
            node: attach("node"),
            namespace: attach("namespace"),
            deployment: attach("deployment"),
            job: attach("job"),
            cronjob: attach("cronjob"),
        },
        http: Arc::default(),
    }
}

/// The objects as the watches of the discovery show them.
struct Cluster {
    namespaces: Vec<String>,
    selectors: BTreeMap<Kind, (LabelSelector, FieldSelector)>,
    objects: BTreeMap<(Kind, Key), Arc<Object>>,
    /// All there is in the cluster, seen or not.
    all: BTreeMap<(Kind, Key), Arc<Object>>,
}

impl Cluster {
    fn new(sd: &KubernetesSd) -> Result<Self, String> {
        let mut selectors = BTreeMap::new();
        for kind in kinds(sd) {
            let own = sd.selectors.iter().find(|s| main_kind(s.role) == kind);
            let (label, field) = own.map_or(("", ""), |s| (&s.label, &s.field));
            let parsed = (LabelSelector::parse(label)?, fields::parse(kind, field)?);
            selectors.insert(kind, parsed);
        }
        Ok(Self {
            namespaces: sd.namespaces.iter().map(|n| n.to_string()).collect(),
            selectors,
            objects: BTreeMap::new(),
            all: BTreeMap::new(),
        })
    }

    /// Applies an event; what the discovery sees of it, if anything.
    fn change(&mut self, event: &str, json: &Value) -> Option<Change> {
        let text = |path: &str| {
            json.pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let kind = Kind::of(text("/apiVersion"), text("/kind"))?;
        let (label_selector, field_selector) = self.selectors.get(&kind)?;
        let object = Arc::new(Object::decode(kind, &json.to_string()).unwrap());
        let id = (kind, object.key());
        let is_elsewhere = kind.is_namespaced()
            && !self.namespaces.is_empty()
            && !self.namespaces.contains(&id.1.namespace);
        if is_elsewhere {
            return None;
        }
        let gone = event == "DELETED" || !fields::matches(field_selector, json);
        let old = self.all.remove(&id);
        let change = match (old, gone) {
            (None, true) => return None,
            (None, false) => Change::Added(Arc::clone(&object)),
            (Some(old), true) => Change::Deleted(old),
            (Some(old), false) => Change::Modified(old, Arc::clone(&object)),
        };
        if !gone {
            self.all.insert(id.clone(), object);
        }
        let seen = filter(change, label_selector)?;
        match &seen {
            Change::Deleted(_) => self.objects.remove(&id),
            Change::Added(new) | Change::Modified(_, new) => {
                self.objects.insert(id, Arc::clone(new))
            }
        };
        Some(seen)
    }
}

impl View for Cluster {
    fn get(&self, kind: Kind, key: &Key) -> Option<Arc<Object>> {
        self.objects.get(&(kind, key.clone())).cloned()
    }
}

fn take(groups: &mut BTreeMap<String, Arc<TargetGroup>>, new: Vec<Arc<TargetGroup>>) {
    for group in new {
        groups.insert(group.source.to_string(), group);
    }
}

fn show(groups: &BTreeMap<String, Arc<TargetGroup>>) -> Value {
    let groups = groups.values().map(|group| {
        let mut shown = Map::new();
        shown.insert("source".to_owned(), json!(&*group.source));
        shown.insert("labels".to_owned(), show_labels(&group.labels));
        let mut targets: Vec<Value> = group.targets.iter().map(show_labels).collect();
        sort_trailing(&mut targets);
        shown.insert("targets".to_owned(), Value::Array(targets));
        Value::Object(shown)
    });
    groups.collect()
}

fn show_labels(labels: &RawLabels) -> Value {
    let pairs = labels.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value).into_owned();
        (name.to_string(), Value::String(value))
    });
    Value::Object(pairs.collect())
}

/// Trailing targets that stem from pods only are sorted in the cases: upstream takes them from a map.
fn sort_trailing(targets: &mut [Value]) {
    let is_direct = |target: &Value| {
        let mut names = target.as_object().unwrap().keys();
        names.any(|name| name.contains("_endpoint_") || name.contains("_endpointslice_"))
    };
    if let Some(last) = targets.iter().rposition(is_direct) {
        let text = |target: &Value| (target["__address__"].to_string(), target.to_string());
        targets[last + 1..].sort_by_key(text);
    }
}

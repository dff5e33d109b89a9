//! What the stores hold, seen at one moment.

use super::monitor::{Held, joined_order};
use super::types::{Cause, Kind, MonitorId, Rejection};
use crate::kube::manifest::Manifest;
use crate::kube::types::kind;
use crate::kube::types::meta::ObjectMeta;
use crate::monitoring::{self, Definitions, PodMonitor, ServiceMonitor};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Monitors and namespaces; cheap to build from what stores hold.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The ServiceMonitors, in any order.
    pub service_monitors: Vec<Arc<ServiceMonitor>>,
    /// The PodMonitors, in any order.
    pub pod_monitors: Vec<Arc<PodMonitor>>,
    /// The namespaces that are known, for the namespace selectors.
    pub namespaces: Vec<Namespace>,
    /// Objects that could not even be read.
    pub unreadable: Vec<Rejection>,
}

/// A namespace, as far as selectors look at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Snapshot {
    /// Adds a monitor or a namespace. Says whether the object was one of them; one that cannot be read, or that an API server
    /// would refuse, is a rejection and leaves the others unharmed. Without `definitions` an API server has taken the object.
    pub fn add(&mut self, object: &Manifest, definitions: Option<&Definitions>) -> bool {
        match (object.api_version(), object.kind()) {
            (monitoring::API_VERSION, "ServiceMonitor") => {
                match read(object, kind::Kind::ServiceMonitor, definitions) {
                    Ok((metadata, spec)) => {
                        let monitor = ServiceMonitor { metadata, spec };
                        self.service_monitors.push(Arc::new(monitor));
                    }
                    Err(reason) => self.refuse(Kind::ServiceMonitor, object, &reason),
                }
            }
            (monitoring::API_VERSION, "PodMonitor") => {
                match read(object, kind::Kind::PodMonitor, definitions) {
                    Ok((metadata, spec)) => {
                        let monitor = PodMonitor { metadata, spec };
                        self.pod_monitors.push(Arc::new(monitor));
                    }
                    Err(reason) => self.refuse(Kind::PodMonitor, object, &reason),
                }
            }
            ("v1", "Namespace") => {
                // One that is no string harms no other.
                let labels = object.labels().into_iter();
                let text = |(name, value): (&String, &Value)| {
                    Some((name.clone(), value.as_str()?.to_owned()))
                };
                self.namespaces.push(Namespace {
                    name: object.name().to_owned(),
                    labels: labels.flatten().filter_map(text).collect(),
                });
            }
            _ => return false,
        }
        true
    }

    /// Puts a ServiceMonitor in the place of the one of its name, or, if there is none, in its place in the order of the
    /// jobs; whether it is a new one.
    pub fn put_service_monitor(&mut self, monitor: Arc<ServiceMonitor>) -> bool {
        put(&mut self.service_monitors, monitor, |m| &m.metadata)
    }

    /// The same for a PodMonitor.
    pub fn put_pod_monitor(&mut self, monitor: Arc<PodMonitor>) -> bool {
        put(&mut self.pod_monitors, monitor, |m| &m.metadata)
    }

    /// Takes a monitor away; whether it was there.
    pub fn remove(&mut self, kind: Kind, id: &ObjectMeta) -> bool {
        match kind {
            Kind::ServiceMonitor => remove(&mut self.service_monitors, id, |m| &m.metadata),
            Kind::PodMonitor => remove(&mut self.pod_monitors, id, |m| &m.metadata),
        }
    }

    /// All monitors, ServiceMonitors first.
    pub(super) fn monitors(&self) -> impl Iterator<Item = Held<'_>> {
        let services = self.service_monitors.iter().map(Held::Service);
        services.chain(self.pod_monitors.iter().map(Held::Pod))
    }

    fn refuse(&mut self, kind: Kind, object: &Manifest, reason: &str) {
        self.unreadable.push(Rejection {
            monitor: MonitorId::new(kind, object.namespace(), object.name()),
            cause: Cause::Unreadable,
            reason: format!("{}: {reason}", object.origin),
        });
    }

    /// Adds what an API server implies: the namespaces of the monitors and of `home`, and the label with its name that
    /// every namespace has.
    pub fn complete_namespaces(&mut self, home: &str) {
        let mut known: BTreeMap<String, BTreeMap<String, String>> = self
            .namespaces
            .drain(..)
            .map(|namespace| (namespace.name, namespace.labels))
            .collect();
        let services = self.service_monitors.iter().map(|m| &m.metadata.namespace);
        let pods = self.pod_monitors.iter().map(|m| &m.metadata.namespace);
        for name in services.chain(pods) {
            if !known.contains_key(name) {
                known.insert(name.clone(), BTreeMap::new());
            }
        }
        known.entry(home.to_owned()).or_default();
        self.namespaces = known
            .into_iter()
            .map(|(name, mut labels)| {
                labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
                Namespace { name, labels }
            })
            .collect();
    }

    /// Hides namespaces, and the monitors in them: all but `allowed` (if any are given), and `denied`.
    pub fn restrict(&mut self, allowed: &[String], denied: &[String]) {
        let lists = |list: &[String], namespace: &str| list.iter().any(|name| name == namespace);
        let visible = |namespace: &str| {
            (allowed.is_empty() || lists(allowed, namespace)) && !lists(denied, namespace)
        };
        self.namespaces.retain(|n| visible(&n.name));
        self.service_monitors
            .retain(|m| visible(&m.metadata.namespace));
        self.pod_monitors.retain(|m| visible(&m.metadata.namespace));
        self.unreadable.retain(|r| visible(&r.monitor.namespace));
    }
}

fn put<M>(list: &mut Vec<Arc<M>>, monitor: Arc<M>, metadata: fn(&M) -> &ObjectMeta) -> bool {
    let order = |m: &Arc<M>| joined_order(metadata(m), metadata(&monitor));
    match list.binary_search_by(order) {
        Ok(at) => {
            if let Some(place) = list.get_mut(at) {
                *place = monitor;
            }
            false
        }
        Err(at) => {
            list.insert(at, monitor);
            true
        }
    }
}

fn remove<M>(list: &mut Vec<Arc<M>>, id: &ObjectMeta, metadata: fn(&M) -> &ObjectMeta) -> bool {
    let found = list.binary_search_by(|m| joined_order(metadata(m), id));
    found.map(|at| list.remove(at)).is_ok()
}

/// Metadata and `spec` of a monitor. Annotations often hold the whole object once more, and nothing here reads them.
fn read<T: DeserializeOwned>(
    object: &Manifest,
    kind: kind::Kind,
    definitions: Option<&Definitions>,
) -> Result<(ObjectMeta, T), String> {
    let part = |name: &str| object.value.get(name).cloned().unwrap_or(Value::Null);
    let metadata = match part("metadata") {
        Value::Null => ObjectMeta::default(),
        metadata => monitoring::decode(metadata).map_err(|reason| format!("metadata.{reason}"))?,
    };
    let spec = part("spec");
    definitions.map_or(Ok(()), |d| d.check(kind, &metadata, &spec))?;
    let spec = monitoring::decode(spec).map_err(|reason| format!("spec.{reason}"))?;
    let metadata = ObjectMeta {
        annotations: BTreeMap::new(),
        ..metadata
    };
    Ok((metadata, spec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_label_that_is_no_string_takes_no_other_with_it() {
        let mut snapshot = Snapshot::default();
        let labels = json!({"team": "a", "on": true});
        let object = Manifest {
            origin: String::new(),
            value: json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "labels": labels}}),
        };
        assert!(snapshot.add(&object, None));
        let labels = &snapshot.namespaces[0].labels;
        assert_eq!(labels.len(), 1);
        assert_eq!(labels["team"], "a");
    }
}

//! The watched monitors and namespaces, as the generator wants to see them.

use crate::kube::informers::{Health, Informers, SubscribeError, Subscription};
use crate::kube::store::Trouble;
use crate::kube::types::kind::Kind;
use crate::kube::types::object::{Key, Monitor, Object};
use crate::monitoring::{self, PodMonitor, ServiceMonitor};
use crate::operator::{self, Cause, Namespace, Rejection, Snapshot};
use crossbeam_channel::Sender;
use std::collections::HashMap;
use std::sync::Arc;

/// Subscriptions to monitors and, if a selector looks at their labels, to namespaces.
#[derive(Debug)]
pub(super) struct Monitors {
    monitors: Vec<Subscription>,
    namespaces: Option<Subscription>,
    changed: Sender<()>,
    scope: Scope,
    /// What was decoded of an object, for as long as the store holds that very object.
    decoded: HashMap<usize, (Arc<Object>, Decoded)>,
}

/// Which namespaces count.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Only these, if any are given.
    pub allowed: Vec<String>,
    /// All but these.
    pub denied: Vec<String>,
}

#[derive(Debug, Clone)]
enum Decoded {
    Service(Arc<ServiceMonitor>),
    Pod(Arc<PodMonitor>),
    Unreadable(Rejection),
}

impl Monitors {
    /// Subscribes to monitors. `changed` gets a token when something changes.
    pub(super) fn subscribe(
        informers: &Informers,
        scope: Scope,
        changed: &Sender<()>,
    ) -> Result<Self, SubscribeError> {
        let subscribe = |kind| informers.subscribe(kind, &[], "", changed.clone());
        Ok(Self {
            monitors: vec![
                subscribe(Kind::ServiceMonitor)?,
                subscribe(Kind::PodMonitor)?,
            ],
            namespaces: None,
            changed: changed.clone(),
            scope,
            decoded: HashMap::new(),
        })
    }

    /// Subscribes to namespaces if a selector of the settings looks at their labels, and only then.
    pub(super) fn serve(
        &mut self,
        informers: &Informers,
        settings: &operator::Settings,
    ) -> Result<(), SubscribeError> {
        let by_labels = [
            &settings.spec.service_monitor_namespace_selector,
            &settings.spec.pod_monitor_namespace_selector,
        ];
        let by_labels = by_labels.into_iter().flatten().any(|selector| {
            !selector.match_labels.is_empty() || !selector.match_expressions.is_empty()
        });
        if !by_labels {
            self.namespaces = None;
        } else if self.namespaces.is_none() {
            let changed = self.changed.clone();
            self.namespaces = Some(informers.subscribe(Kind::Namespace, &[], "", changed)?);
        }
        Ok(())
    }

    /// Stores that have not held the whole state of their source yet. What is forbidden is not waited for:
    /// readiness reports it, and what may be read is scraped meanwhile.
    pub(super) fn missing(&self) -> Vec<Health> {
        let subscriptions = self.monitors.iter().chain(&self.namespaces);
        let health = subscriptions.flat_map(Subscription::health);
        let waited_for = |health: &Health| {
            let forbidden = matches!(&health.status.trouble, Some((Trouble::Forbidden(_), ..)));
            !health.status.synced && !forbidden
        };
        health.filter(waited_for).collect()
    }

    /// The `uid` of a monitor; empty if it is not there, or not readable.
    pub(super) fn uid(&self, monitor: &Rejection) -> String {
        let key = Key::new(&*monitor.namespace, &*monitor.name);
        let of_kind = self.monitors.iter().filter_map(|s| s.get(&key));
        of_kind
            .filter(|object| monitor_kind(object.kind()) == Some(monitor.kind))
            .map(|object| object.meta().uid.clone())
            .next()
            .unwrap_or_default()
    }

    /// What the stores hold now; `own` is the namespace that is ours.
    pub(super) fn snapshot(&mut self, own: &str) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut before = std::mem::take(&mut self.decoded);
        for subscription in &self.monitors {
            for object in subscription.objects() {
                let address = Arc::as_ptr(&object) as usize;
                let known = before.remove(&address).map(|(_, decoded)| decoded);
                let Some(decoded) = known.or_else(|| decode(&object)) else {
                    continue;
                };
                match decoded.clone() {
                    Decoded::Service(monitor) => snapshot.service_monitors.push(monitor),
                    Decoded::Pod(monitor) => snapshot.pod_monitors.push(monitor),
                    Decoded::Unreadable(rejection) => snapshot.unreadable.push(rejection),
                }
                self.decoded.insert(address, (object, decoded));
            }
            snapshot
                .unreadable
                .extend(subscription.health().iter().flat_map(undecodable));
        }
        for object in self.namespaces.iter().flat_map(Subscription::objects) {
            if let Object::Meta(_, meta) = &*object {
                let (name, labels) = (meta.name.clone(), meta.labels.clone());
                snapshot.namespaces.push(Namespace { name, labels });
            }
        }
        snapshot.complete_namespaces(own);
        snapshot.restrict(&self.scope.allowed, &self.scope.denied);
        snapshot
    }
}

/// The typed form of a monitor; `None` for other objects.
fn decode(object: &Object) -> Option<Decoded> {
    let Object::Monitor(monitor) = object else {
        return None;
    };
    let Monitor {
        kind,
        metadata,
        spec,
    } = (**monitor).clone();
    let kind = monitor_kind(kind)?;
    let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
    let decoded = match kind {
        operator::Kind::ServiceMonitor => monitoring::decode(spec)
            .map(|spec| Decoded::Service(Arc::new(ServiceMonitor { metadata, spec }))),
        operator::Kind::PodMonitor => monitoring::decode(spec)
            .map(|spec| Decoded::Pod(Arc::new(PodMonitor { metadata, spec }))),
    };
    Some(decoded.unwrap_or_else(|reason| {
        let reason = format!("spec.{reason}");
        Decoded::Unreadable(Rejection {
            kind,
            namespace,
            name,
            cause: Cause::Unreadable,
            reason,
        })
    }))
}

/// Objects of which not even the metadata could be read.
fn undecodable(health: &Health) -> Vec<Rejection> {
    let Some(kind) = monitor_kind(health.kind) else {
        return Vec::new();
    };
    let objects = health.status.undecodable.iter();
    let rejections = objects.map(|(key, reason)| Rejection {
        kind,
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        cause: Cause::Unreadable,
        reason: reason.clone(),
    });
    rejections.collect()
}

fn monitor_kind(kind: Kind) -> Option<operator::Kind> {
    match kind {
        Kind::ServiceMonitor => Some(operator::Kind::ServiceMonitor),
        Kind::PodMonitor => Some(operator::Kind::PodMonitor),
        _ => None,
    }
}

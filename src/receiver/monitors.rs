//! The watched monitors and namespaces, as the generator wants to see them.

use crate::kube::store::{Change, Changes, Trouble};
use crate::kube::types::kind::Kind;
use crate::kube::types::object::{Key, Object};
use crate::kube::{Informers, SubscribeError, Subscription, WatchHealth};
use crate::monitoring::{self, Definitions, PodMonitor, ServiceMonitor};
use crate::operator::{self, Cause, MonitorId, Namespace, Rejection, Snapshot};
use crossbeam_channel::Sender;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Subscriptions to monitors and, if a selector looks at their labels, to namespaces.
#[derive(Debug)]
pub(super) struct Monitors {
    monitors: Vec<Subscription>,
    namespaces: Option<Subscription>,
    /// Kinds whose first list is waited for.
    awaited: Vec<Kind>,
    changed: Sender<()>,
    scope: Scope,
    /// What monitors are checked by, if no API server has done it.
    definitions: Option<Definitions>,
    /// What was decoded, brought up to date with each look.
    snapshot: Snapshot,
    /// Monitors that cannot be decoded.
    unreadable: BTreeMap<(Kind, Key), Rejection>,
    /// Monitors or namespaces have come or gone since the namespaces were put together.
    is_other_set: bool,
}

/// Which namespaces count.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Only these, if any are given.
    pub allowed: Vec<String>,
    /// All but these.
    pub denied: Vec<String>,
}

#[derive(Debug)]
enum Decoded {
    Service(Arc<ServiceMonitor>),
    Pod(Arc<PodMonitor>),
    Unreadable(Rejection),
}

impl Monitors {
    /// Subscribes to monitors. `changed` gets a token when something changes. `definitions` are there for monitors from files.
    pub(super) fn subscribe(
        informers: &Informers,
        scope: Scope,
        definitions: Option<Definitions>,
        changed: &Sender<()>,
    ) -> Result<Self, SubscribeError> {
        let subscribe = |kind| informers.subscribe(kind, &[], "", changed.clone());
        Ok(Self {
            monitors: vec![
                subscribe(Kind::ServiceMonitor)?,
                subscribe(Kind::PodMonitor)?,
            ],
            namespaces: None,
            awaited: vec![Kind::ServiceMonitor, Kind::PodMonitor],
            changed: changed.clone(),
            scope,
            definitions,
            snapshot: Snapshot::default(),
            unreadable: BTreeMap::new(),
            is_other_set: true,
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
            self.is_other_set |= self.namespaces.take().is_some();
        } else if self.namespaces.is_none() {
            let changed = self.changed.clone();
            self.namespaces = Some(informers.subscribe(Kind::Namespace, &[], "", changed)?);
            self.awaited.push(Kind::Namespace);
        }
        Ok(())
    }

    /// Stores whose first list is waited for. Later, what runs goes on until it is there, or monitors would seem to have
    /// vanished. At the start nothing would go on, so what is forbidden is not waited for; nor is what is in trouble, once
    /// anything else is known. Readiness reports it, and what may be read is scraped meanwhile.
    pub(super) fn missing(&self, is_start: bool) -> Vec<WatchHealth> {
        let subscriptions = self.monitors.iter().chain(&self.namespaces);
        let health = subscriptions.flat_map(Subscription::health);
        let mut awaited: Vec<_> = health.filter(|h| self.awaited.contains(&h.kind)).collect();
        let is_something_known = awaited.iter().any(|health| health.status.synced);
        awaited.retain(|health| !health.status.synced);
        if is_start {
            awaited.retain(|health| match &health.status.trouble {
                None => true,
                Some((Trouble::Forbidden(_), ..)) => false,
                Some(_) => !is_something_known,
            });
        }
        awaited
    }

    /// Nothing that is missing now is waited for any longer.
    pub(super) fn wait_no_longer(&mut self) {
        self.awaited.clear();
    }

    /// The `uid` of a monitor; empty if it is not there, or not readable.
    pub(super) fn uid(&self, monitor: &MonitorId) -> String {
        let key = Key::new(&*monitor.namespace, &*monitor.name);
        let of_kind = self.monitors.iter().filter_map(|s| s.get(&key));
        of_kind
            .filter(|object| monitor_kind(object.kind()) == Some(monitor.kind))
            .map(|object| object.meta().uid.clone())
            .next()
            .unwrap_or_default()
    }

    /// What the stores hold now; `own` is the namespace that is ours. Only what has changed is looked at.
    pub(super) fn snapshot(&mut self, own: &str) -> &Snapshot {
        let changes: Vec<_> = self.monitors.iter().map(Subscription::changes).collect();
        if changes.contains(&Changes::Everything) {
            self.snapshot = Snapshot::default();
            self.unreadable.clear();
            self.is_other_set = true;
            for object in self
                .monitors
                .iter()
                .flat_map(Subscription::objects)
                .collect::<Vec<_>>()
            {
                self.put(&object);
            }
        } else {
            for change in changes.into_iter().flat_map(each) {
                match change {
                    Change::Added(object) | Change::Modified(_, object) => self.put(&object),
                    Change::Deleted(object) => self.remove(&object),
                }
            }
        }
        let undecodable = self.monitors.iter().flat_map(Subscription::health);
        let unreadable = undecodable.flat_map(|health| undecodable_of(&health));
        let unreadable = self.unreadable.values().cloned().chain(unreadable);
        self.snapshot.unreadable = unreadable
            .filter(|r| self.scope.has(&r.monitor.namespace))
            .collect();
        self.complete_namespaces(own);
        &self.snapshot
    }

    fn put(&mut self, object: &Object) {
        if !self.scope.has(&object.meta().namespace) {
            return;
        }
        match decode(object, self.definitions.as_ref()) {
            None => return,
            Some(Decoded::Unreadable(rejection)) => {
                self.remove(object);
                let id = (object.kind(), object.key());
                self.unreadable.insert(id, rejection);
                return;
            }
            Some(Decoded::Service(monitor)) => {
                self.is_other_set |= self.snapshot.put_service_monitor(monitor);
            }
            Some(Decoded::Pod(monitor)) => {
                self.is_other_set |= self.snapshot.put_pod_monitor(monitor);
            }
        }
        self.unreadable.remove(&(object.kind(), object.key()));
    }

    fn remove(&mut self, object: &Object) {
        if let Some(kind) = monitor_kind(object.kind()) {
            self.is_other_set |= self.snapshot.remove(kind, object.meta());
        }
        self.unreadable.remove(&(object.kind(), object.key()));
    }

    /// Puts the namespaces together, if there may be others than last time.
    fn complete_namespaces(&mut self, own: &str) {
        let nothing = Changes::Each(Vec::new());
        let changes = self.namespaces.as_ref().map(Subscription::changes);
        self.is_other_set |= changes.is_some_and(|changes| changes != nothing);
        if !std::mem::take(&mut self.is_other_set) {
            return;
        }
        self.snapshot.namespaces.clear();
        for object in self.namespaces.iter().flat_map(Subscription::objects) {
            if let Object::Meta(_, meta) = &*object {
                let (name, labels) = (meta.name.clone(), meta.labels.clone());
                self.snapshot.namespaces.push(Namespace { name, labels });
            }
        }
        self.snapshot.complete_namespaces(own);
        self.snapshot.namespaces.retain(|n| self.scope.has(&n.name));
    }
}

impl Scope {
    fn has(&self, namespace: &str) -> bool {
        let lists = |list: &[String]| list.iter().any(|name| name == namespace);
        (self.allowed.is_empty() || lists(&self.allowed)) && !lists(&self.denied)
    }
}

fn each(changes: Changes) -> Vec<Change> {
    match changes {
        Changes::Each(changes) => changes,
        Changes::Everything => Vec::new(),
    }
}

/// The typed form of a monitor; `None` for other objects.
fn decode(object: &Object, definitions: Option<&Definitions>) -> Option<Decoded> {
    let Object::Monitor(monitor) = object else {
        return None;
    };
    let kind = monitor_kind(monitor.kind)?;
    let metadata = monitor.metadata.clone();
    let id = MonitorId::new(kind, &metadata.namespace, &metadata.name);
    let unreadable = |reason| format!("spec.{reason}");
    let spec = monitor.spec().map_err(|error| error.to_string());
    let checked = spec.and_then(|spec| {
        definitions.map_or(Ok(()), |d| d.check(monitor.kind, &metadata, &spec))?;
        Ok(spec)
    });
    let decoded = checked.and_then(|spec| match kind {
        operator::Kind::ServiceMonitor => monitoring::decode(spec)
            .map(|spec| Decoded::Service(Arc::new(ServiceMonitor { metadata, spec })))
            .map_err(unreadable),
        operator::Kind::PodMonitor => monitoring::decode(spec)
            .map(|spec| Decoded::Pod(Arc::new(PodMonitor { metadata, spec })))
            .map_err(unreadable),
    });
    Some(decoded.unwrap_or_else(|reason| {
        Decoded::Unreadable(Rejection {
            monitor: id,
            cause: Cause::Unreadable,
            reason,
        })
    }))
}

/// Objects of which not even the metadata could be read.
fn undecodable_of(health: &WatchHealth) -> Vec<Rejection> {
    let Some(kind) = monitor_kind(health.kind) else {
        return Vec::new();
    };
    let objects = health.status.undecodable.iter();
    let rejections = objects.map(|(key, reason)| Rejection {
        monitor: MonitorId::new(kind, &key.namespace, &key.name),
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

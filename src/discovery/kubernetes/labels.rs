//! Meta labels: their names, and those that every object, pod, service, node and namespace gives.

use super::GroupContext;
use crate::kube::types::core::{Pod, Service};
use crate::kube::types::kind::Kind;
use crate::kube::types::meta::{ObjectMeta, OwnerReference};
use crate::kube::types::object::{Key, Object};
use crate::model::group::RawLabels;
use crate::model::labels::{Interner, Text};
use std::collections::{BTreeMap, HashMap};

const PREFIX: &str = "__meta_kubernetes_";

/// Names of meta labels, one copy of each.
#[derive(Default)]
pub(super) struct Names {
    fixed: HashMap<&'static str, Text>,
    interner: Interner,
}

impl Names {
    /// Sets a label whose name is known; `name` without the common prefix.
    pub(super) fn set(&mut self, labels: &mut RawLabels, name: &'static str, value: &str) {
        let interner = &mut self.interner;
        let full = self.fixed.entry(name);
        let full = full.or_insert_with(|| interner.intern(&format!("{PREFIX}{name}")));
        labels.set(Text::clone(full), value.as_bytes());
    }

    /// Sets a label whose name ends with a key from the cluster.
    pub(super) fn set_keyed(
        &mut self,
        labels: &mut RawLabels,
        prefix: &str,
        key: &str,
        value: &str,
    ) {
        let full = format!("{PREFIX}{prefix}{}", sanitize(key));
        labels.set(self.interner.intern(&full), value.as_bytes());
    }

    /// Sets a label that is no meta label.
    pub(super) fn set_plain(&mut self, labels: &mut RawLabels, name: &'static str, value: &str) {
        let full = self.fixed.entry(name).or_insert_with(|| Text::from(name));
        labels.set(Text::clone(full), value.as_bytes());
    }

    /// Where the target is.
    pub(super) fn set_address(&mut self, labels: &mut RawLabels, address: &str) {
        self.set_plain(labels, "__address__", address);
    }

    /// Name, labels and annotations of an object; `of` is the role's word, such as `pod`.
    pub(super) fn set_meta(&mut self, labels: &mut RawLabels, of: &str, meta: &ObjectMeta) {
        let name = self.interner.intern(&format!("{PREFIX}{of}_name"));
        labels.set(name, meta.name.as_bytes());
        self.set_labels_and_annotations(labels, of, meta);
    }

    fn set_labels_and_annotations(&mut self, labels: &mut RawLabels, of: &str, meta: &ObjectMeta) {
        self.set_map(labels, of, "label", &meta.labels);
        self.set_map(labels, of, "annotation", &meta.annotations);
    }

    /// Keys that become equal when sanitised: the last in order wins (upstream's order is random).
    fn set_map(
        &mut self,
        labels: &mut RawLabels,
        of: &str,
        what: &str,
        map: &BTreeMap<String, String>,
    ) {
        for (key, value) in map {
            self.set_keyed(labels, &format!("{of}_{what}_"), key, value);
            self.set_keyed(labels, &format!("{of}_{what}present_"), key, "true");
        }
    }
}

/// Everything but ASCII letters, digits and `_` becomes `_` (prometheus: util/strutil, SanitizeLabelName).
fn sanitize(key: &str) -> String {
    key.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

/// Adds all labels of `from`; they win.
pub(super) fn merge(into: &mut RawLabels, from: &RawLabels) {
    for (name, value) in from.iter() {
        into.set(Text::clone(name), value);
    }
}

/// Go's `net.JoinHostPort`: brackets where the host has a colon or a percent sign.
pub(super) fn join_host_port(host: &str, port: i32) -> String {
    if host.contains([':', '%']) {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(super) fn word(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}

fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().find(|owner| owner.controller)
}

/// The ReplicaSet or Job that controls a pod, for the index.
pub(super) fn controller_key(pod: &Pod, kind: Kind) -> Option<Key> {
    let owner = controller(&pod.metadata).filter(|owner| owner.kind == kind.name())?;
    Some(Key::new(pod.metadata.namespace.clone(), owner.name.clone()))
}

impl GroupContext<'_> {
    /// The labels of a pod, wherever one is resolved.
    pub(super) fn pod_labels(&mut self, pod: &Pod) -> RawLabels {
        let mut labels = RawLabels::default();
        let ready = pod.status.conditions.iter().find(|c| c.kind == "Ready");
        let ready = ready.map_or_else(|| "unknown".to_owned(), |c| c.status.to_lowercase());
        for (name, value) in [
            ("pod_ip", pod.status.pod_ip.as_str()),
            ("pod_ready", &ready),
            ("pod_phase", &pod.status.phase),
            ("pod_node_name", &pod.spec.node_name),
            ("pod_host_ip", &pod.status.host_ip),
            ("pod_uid", &pod.metadata.uid),
        ] {
            self.names.set(&mut labels, name, value);
        }
        self.names.set_meta(&mut labels, "pod", &pod.metadata);
        if let Some(owner) = controller(&pod.metadata) {
            self.set_owner(&mut labels, &pod.metadata.namespace, owner);
        }
        labels
    }

    fn set_owner(&mut self, labels: &mut RawLabels, namespace: &str, owner: &OwnerReference) {
        if !owner.kind.is_empty() {
            self.names.set(labels, "pod_controller_kind", &owner.kind);
        }
        if !owner.name.is_empty() {
            self.names.set(labels, "pod_controller_name", &owner.name);
        }
        let attach = self.settings.attach;
        match owner.kind.as_str() {
            "ReplicaSet" if attach.deployment => {
                if let Some(name) =
                    self.owner_of(Kind::ReplicaSet, namespace, &owner.name, "Deployment")
                {
                    self.names.set(labels, "pod_deployment_name", &name);
                }
            }
            "Job" => {
                if attach.job {
                    self.names.set(labels, "pod_job_name", &owner.name);
                }
                if attach.cronjob
                    && let Some(name) = self.owner_of(Kind::Job, namespace, &owner.name, "CronJob")
                {
                    self.names.set(labels, "pod_cronjob_name", &name);
                }
            }
            _ => {}
        }
    }

    /// The name of the controller of an object, if it is of the kind `want`.
    fn owner_of(&self, kind: Kind, namespace: &str, name: &str, want: &str) -> Option<String> {
        let object = self.beside(namespace, kind, &Key::new(namespace, name))?;
        let owner = controller(object.meta()).filter(|owner| owner.kind == want)?;
        Some(owner.name.clone())
    }

    /// Service labels as they are attached to its endpoints; the service itself.
    pub(super) fn set_service(
        &mut self,
        labels: &mut RawLabels,
        namespace: &str,
        name: &str,
    ) -> Option<Box<Service>> {
        let object = self.beside(namespace, Kind::Service, &Key::new(namespace, name))?;
        let Object::Service(service) = &*object else {
            return None;
        };
        self.names.set(labels, "namespace", namespace);
        self.names.set_meta(labels, "service", &service.metadata);
        Some(service.clone())
    }

    /// Labels of a node, if they are wanted and it is known.
    pub(super) fn set_node(&mut self, labels: &mut RawLabels, name: Option<&str>) {
        if !self.settings.attach.node {
            return;
        }
        if let Some(node) = name.and_then(|name| self.cluster_object(Kind::Node, name)) {
            self.names.set_meta(labels, "node", node.meta());
        }
    }

    /// Labels of a namespace, if they are wanted and it is known; its name is there already.
    pub(super) fn set_namespace(&mut self, labels: &mut RawLabels, name: &str) {
        if !self.settings.attach.namespace {
            return;
        }
        if let Some(namespace) = self.cluster_object(Kind::Namespace, name) {
            self.names
                .set_labels_and_annotations(labels, "namespace", namespace.meta());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        assert_eq!(sanitize("exa-mple.test/ä9_"), "exa_mple_test__9_");
        assert_eq!(join_host_port("fd00::1", 80), "[fd00::1]:80");
        assert_eq!(join_host_port("a.b", 0), "a.b:0");
    }
}

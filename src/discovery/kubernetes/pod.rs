//! Role `pod`: a target per container port (prometheus: discovery/kubernetes/pod.go); and what pods add to endpoints.

use super::GroupContext;
use super::labels::{controller_key, join_host_port, merge, word};
use crate::config::AttachMetadata;
use crate::kube::types::core::{Container, ContainerPort, ContainerStatus, ObjectReference, Pod};
use crate::kube::types::kind::Kind;
use crate::kube::types::object::{Key, Object};
use crate::model::group::RawLabels;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn needs(pod: &Pod, attach: AttachMetadata) -> Vec<(Kind, Key)> {
    let mut needs = Vec::new();
    if attach.node {
        needs.push((Kind::Node, Key::new("", pod.spec.node_name.clone())));
    }
    if attach.deployment {
        needs.extend(controller_key(pod, Kind::ReplicaSet).map(|key| (Kind::ReplicaSet, key)));
    }
    if attach.job || attach.cronjob {
        needs.extend(controller_key(pod, Kind::Job).map(|key| (Kind::Job, key)));
    }
    needs
}

/// Containers in order, then init containers; whether it is one of the latter.
fn containers(pod: &Pod) -> impl Iterator<Item = (&Container, bool)> {
    let ordinary = pod
        .spec
        .containers
        .iter()
        .map(|container| (container, false));
    let init = pod
        .spec
        .init_containers
        .iter()
        .map(|container| (container, true));
    ordinary.chain(init)
}

fn container_id<'a>(statuses: &'a [ContainerStatus], name: &str) -> &'a str {
    let status = statuses.iter().find(|status| status.name == name);
    status.map_or("", |status| &status.container_id)
}

pub(super) fn group(pod: &Pod, context: &mut GroupContext<'_>) -> (RawLabels, Vec<RawLabels>) {
    let node = &pod.spec.node_name;
    // Unknown nodes are those that a node selector leaves out.
    let is_left_out =
        context.settings.attach.node && context.cluster_object(Kind::Node, node).is_none();
    if pod.status.pod_ip.is_empty() || is_left_out {
        return (RawLabels::default(), Vec::new());
    }
    let mut labels = context.pod_labels(pod);
    context
        .names
        .set(&mut labels, "namespace", &pod.metadata.namespace);
    context.set_node(&mut labels, Some(node));
    context.set_namespace(&mut labels, &pod.metadata.namespace);

    let mut targets = Vec::new();
    for (container, is_init) in containers(pod) {
        let statuses = if is_init {
            &pod.status.init_container_statuses
        } else {
            &pod.status.container_statuses
        };
        let mut target = RawLabels::default();
        for (name, value) in [
            ("pod_container_name", container.name.as_str()),
            ("pod_container_id", container_id(statuses, &container.name)),
            ("pod_container_image", &container.image),
            ("pod_container_init", word(is_init)),
        ] {
            context.names.set(&mut target, name, value);
        }
        if container.ports.is_empty() {
            // The user adds the port by relabelling.
            context.names.set_address(&mut target, &pod.status.pod_ip);
            targets.push(target);
            continue;
        }
        for port in &container.ports {
            let mut target = target.clone();
            let address = join_host_port(&pod.status.pod_ip, port.container_port);
            context.names.set_address(&mut target, &address);
            set_port(context, &mut target, port, &port.protocol);
            targets.push(target);
        }
    }
    (labels, targets)
}

fn set_port(
    context: &mut GroupContext<'_>,
    target: &mut RawLabels,
    port: &ContainerPort,
    protocol: &str,
) {
    let number = port.container_port.to_string();
    context
        .names
        .set(target, "pod_container_port_number", &number);
    context
        .names
        .set(target, "pod_container_port_name", &port.name);
    context
        .names
        .set(target, "pod_container_port_protocol", protocol);
}

fn set_container(
    context: &mut GroupContext<'_>,
    target: &mut RawLabels,
    (container, is_init): (&Container, bool),
    port: &ContainerPort,
    protocol: &str,
) {
    context
        .names
        .set(target, "pod_container_name", &container.name);
    context
        .names
        .set(target, "pod_container_image", &container.image);
    context
        .names
        .set(target, "pod_container_init", word(is_init));
    set_port(context, target, port, protocol);
}

/// The pods behind the endpoints of one object, and the ports that were seen of each.
#[derive(Default)]
pub(super) struct SeenPods(BTreeMap<Key, SeenPod>);

struct SeenPod {
    pod: Arc<Object>,
    labels: RawLabels,
    ports: Vec<i32>,
}

/// Whose protocol a target of a pod is labelled with: role `endpoints` shows the endpoint's, `endpointslice` the container's.
pub(super) enum Protocol<'a> {
    OfEndpoint(&'a str),
    OfContainer,
}

impl SeenPods {
    /// If the endpoint is a known pod's: adds the labels of the pod, and of the container that has the port.
    pub(super) fn resolve(
        &mut self,
        context: &mut GroupContext<'_>,
        namespace: &str,
        reference: Option<&ObjectReference>,
        port: Option<i32>,
        protocol: &Protocol<'_>,
        target: &mut RawLabels,
    ) {
        let Some(reference) = reference.filter(|reference| reference.kind == "Pod") else {
            return;
        };
        let key = Key::new(reference.namespace.clone(), reference.name.clone());
        let Some(object) = context.beside(namespace, Kind::Pod, &key) else {
            return;
        };
        let Object::Pod(pod) = &*object else {
            return;
        };
        let seen = self.0.entry(key).or_insert_with(|| SeenPod {
            pod: Arc::clone(&object),
            labels: context.pod_labels(pod),
            ports: Vec::new(),
        });
        merge(target, &seen.labels);
        let Some(port) = port else {
            return;
        };
        seen.ports.push(port);
        // The last container that has the port wins, with the first of its ports of this number.
        for container in containers(pod) {
            let found = container.0.ports.iter().find(|p| p.container_port == port);
            if let Some(found) = found {
                let protocol = match protocol {
                    Protocol::OfEndpoint(protocol) => protocol,
                    Protocol::OfContainer => found.protocol.as_str(),
                };
                set_container(context, target, container, found, protocol);
            }
        }
    }

    /// A target for each declared port of the pods that no endpoint covers.
    pub(super) fn uncovered(self, context: &mut GroupContext<'_>, targets: &mut Vec<RawLabels>) {
        for seen in self.0.into_values() {
            let Object::Pod(pod) = &*seen.pod else {
                continue;
            };
            // Empty while the pod starts, and after it was evicted.
            if pod.status.pod_ip.is_empty() {
                continue;
            }
            for container in containers(pod) {
                for port in &container.0.ports {
                    if seen.ports.contains(&port.container_port) {
                        continue;
                    }
                    let mut target = RawLabels::default();
                    let address = join_host_port(&pod.status.pod_ip, port.container_port);
                    context.names.set_address(&mut target, &address);
                    set_container(context, &mut target, container, port, &port.protocol);
                    merge(&mut target, &seen.labels);
                    targets.push(target);
                }
            }
        }
    }
}

//! Role `endpoints` (prometheus: discovery/kubernetes/endpoints.go).

use super::GroupContext;
use super::labels::join_host_port;
use super::pod::{Protocol, SeenPods};
use crate::config::AttachMetadata;
use crate::kube::types::core::{EndpointAddress, Endpoints, ServicePort};
use crate::kube::types::kind::Kind;
use crate::kube::types::object::Key;
use crate::model::group::RawLabels;

/// Only ready addresses count: upstream's index knows no others.
pub(super) fn needs(endpoints: &Endpoints, attach: AttachMetadata) -> Vec<(Kind, Key)> {
    let meta = &endpoints.metadata;
    let mut needs = vec![(
        Kind::Service,
        Key::new(meta.namespace.clone(), meta.name.clone()),
    )];
    for address in endpoints
        .subsets
        .iter()
        .flat_map(|subset| &subset.addresses)
    {
        let Some(reference) = &address.target_ref else {
            continue;
        };
        if reference.kind == "Pod" {
            let key = Key::new(reference.namespace.clone(), reference.name.clone());
            needs.push((Kind::Pod, key));
        }
        if attach.node {
            let node = match reference.kind.as_str() {
                "Pod" => address.node_name.clone(),
                "Node" => Some(reference.name.clone()),
                _ => None,
            };
            needs.extend(node.map(|name| (Kind::Node, Key::new("", name))));
        }
    }
    needs
}

pub(super) fn group(
    endpoints: &Endpoints,
    context: &mut GroupContext<'_>,
) -> (RawLabels, Vec<RawLabels>) {
    let meta = &endpoints.metadata;
    let mut labels = RawLabels::default();
    context.names.set(&mut labels, "namespace", &meta.namespace);
    context.set_service(&mut labels, &meta.namespace, &meta.name);
    context.names.set_meta(&mut labels, "endpoints", meta);
    context.set_namespace(&mut labels, &meta.namespace);

    let (mut pods, mut targets) = (SeenPods::default(), Vec::new());
    for subset in &endpoints.subsets {
        for port in &subset.ports {
            let ready = subset.addresses.iter().map(|address| (address, "true"));
            let others = subset
                .not_ready_addresses
                .iter()
                .map(|address| (address, "false"));
            for (address, is_ready) in ready.chain(others) {
                let mut target = target(context, address, port, is_ready);
                pods.resolve(
                    context,
                    &meta.namespace,
                    address.target_ref.as_ref(),
                    Some(port.port),
                    &Protocol::OfEndpoint(&port.protocol),
                    &mut target,
                );
                targets.push(target);
            }
        }
    }
    pods.uncovered(context, &mut targets);
    (labels, targets)
}

fn target(
    context: &mut GroupContext<'_>,
    address: &EndpointAddress,
    port: &ServicePort,
    is_ready: &str,
) -> RawLabels {
    let mut target = RawLabels::default();
    let names = &mut *context.names;
    names.set_address(&mut target, &join_host_port(&address.ip, port.port));
    names.set(&mut target, "endpoint_port_name", &port.name);
    names.set(&mut target, "endpoint_port_protocol", &port.protocol);
    names.set(&mut target, "endpoint_ready", is_ready);
    if let Some(reference) = &address.target_ref {
        names.set(&mut target, "endpoint_address_target_kind", &reference.kind);
        names.set(&mut target, "endpoint_address_target_name", &reference.name);
    }
    if let Some(node) = &address.node_name {
        names.set(&mut target, "endpoint_node_name", node);
    }
    if !address.hostname.is_empty() {
        names.set(&mut target, "endpoint_hostname", &address.hostname);
    }
    let of_node = || {
        let reference = address.target_ref.as_ref();
        reference.filter(|r| r.kind == "Node").map(|r| &r.name)
    };
    let node = address.node_name.as_ref().or_else(of_node);
    context.set_node(&mut target, node.map(String::as_str));
    target
}

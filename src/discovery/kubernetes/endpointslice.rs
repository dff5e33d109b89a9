//! Role `endpointslice` (prometheus: discovery/kubernetes/endpointslice.go).

use super::GroupContext;
use super::labels::{join_host_port, word};
use super::pod::{Protocol, SeenPods};
use crate::config::AttachMetadata;
use crate::kube::types::core::Service;
use crate::kube::types::discovery::{Endpoint, EndpointPort, EndpointSlice};
use crate::kube::types::kind::Kind;
use crate::kube::types::object::Key;
use crate::model::group::RawLabels;

const SERVICE_NAME: &str = "kubernetes.io/service-name";

pub(super) fn needs(slice: &EndpointSlice, attach: AttachMetadata) -> Vec<(Kind, Key)> {
    let meta = &slice.metadata;
    let service = meta.labels.get(SERVICE_NAME);
    let service = service.map(|name| Key::new(meta.namespace.clone(), name.clone()));
    let mut needs: Vec<_> = service
        .map(|key| (Kind::Service, key))
        .into_iter()
        .collect();
    if attach.node {
        // As upstream's index: an endpoint without a reference is found by nobody.
        let nodes = slice.endpoints.iter().filter_map(|endpoint| {
            let reference = endpoint.target_ref.as_ref()?;
            match reference.kind.as_str() {
                "Pod" => endpoint.node_name.clone(),
                "Node" => Some(reference.name.clone()),
                _ => None,
            }
        });
        needs.extend(nodes.map(|name| (Kind::Node, Key::new("", name))));
    }
    needs
}

pub(super) fn group(
    slice: &EndpointSlice,
    context: &mut GroupContext<'_>,
) -> (RawLabels, Vec<RawLabels>) {
    let meta = &slice.metadata;
    let mut labels = RawLabels::default();
    context.names.set(&mut labels, "namespace", &meta.namespace);
    context.names.set(
        &mut labels,
        "endpointslice_address_type",
        &slice.address_type,
    );
    context.names.set_meta(&mut labels, "endpointslice", meta);
    let service = meta.labels.get(SERVICE_NAME);
    let service = service.and_then(|name| context.set_service(&mut labels, &meta.namespace, name));
    context.set_namespace(&mut labels, &meta.namespace);
    if service.is_some_and(|service| is_of_secondary_family(&service, slice)) {
        return (labels, Vec::new());
    }

    let (mut pods, mut targets) = (SeenPods::default(), Vec::new());
    for endpoint in &slice.endpoints {
        for port in &slice.ports {
            for address in &endpoint.addresses {
                let mut target = target(context, address, endpoint, port);
                pods.resolve(
                    context,
                    &meta.namespace,
                    endpoint.target_ref.as_ref(),
                    port.port,
                    &Protocol::OfContainer,
                    &mut target,
                );
                targets.push(target);
            }
        }
    }
    pods.uncovered(context, &mut targets);
    (labels, targets)
}

/// The second slice of a dual-stack service shows the same pods again.
fn is_of_secondary_family(service: &Service, slice: &EndpointSlice) -> bool {
    let policy = service.spec.ip_family_policy.as_deref();
    let is_dual = matches!(policy, Some("PreferDualStack" | "RequireDualStack"));
    let primary = service.spec.ip_families.first();
    is_dual && primary.is_some_and(|family| *family != slice.address_type)
}

fn target(
    context: &mut GroupContext<'_>,
    address: &str,
    endpoint: &Endpoint,
    port: &EndpointPort,
) -> RawLabels {
    let mut target = RawLabels::default();
    let names = &mut *context.names;
    match port.port {
        Some(number) => {
            names.set_address(&mut target, &join_host_port(address, number));
            names.set(&mut target, "endpointslice_port", &number.to_string());
        }
        None => names.set_address(&mut target, address),
    }
    let conditions = &endpoint.conditions;
    let reference = endpoint.target_ref.as_ref();
    for (name, value) in [
        ("endpointslice_port_name", port.name.as_deref()),
        ("endpointslice_port_protocol", port.protocol.as_deref()),
        (
            "endpointslice_port_app_protocol",
            port.app_protocol.as_deref(),
        ),
        (
            "endpointslice_endpoint_conditions_ready",
            conditions.ready.map(word),
        ),
        (
            "endpointslice_endpoint_conditions_serving",
            conditions.serving.map(word),
        ),
        (
            "endpointslice_endpoint_conditions_terminating",
            conditions.terminating.map(word),
        ),
        (
            "endpointslice_endpoint_hostname",
            endpoint.hostname.as_deref(),
        ),
        (
            "endpointslice_address_target_kind",
            reference.map(|r| r.kind.as_str()),
        ),
        (
            "endpointslice_address_target_name",
            reference.map(|r| r.name.as_str()),
        ),
        (
            "endpointslice_endpoint_node_name",
            endpoint.node_name.as_deref(),
        ),
        ("endpointslice_endpoint_zone", endpoint.zone.as_deref()),
    ] {
        if let Some(value) = value {
            names.set(&mut target, name, value);
        }
    }
    for (key, value) in &endpoint.deprecated_topology {
        names.set_keyed(&mut target, "endpointslice_endpoint_topology_", key, value);
        names.set_keyed(
            &mut target,
            "endpointslice_endpoint_topology_present_",
            key,
            "true",
        );
    }
    let of_node = reference.filter(|reference| reference.kind == "Node");
    let node = of_node.map(|r| &r.name).or(endpoint.node_name.as_ref());
    context.set_node(&mut target, node.map(String::as_str));
    target
}

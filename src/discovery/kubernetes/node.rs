//! Role `node`: the kubelet of each node (prometheus: discovery/kubernetes/node.go).

use super::labels::{Names, join_host_port};
use crate::kube::types::core::Node;
use crate::model::group::RawLabels;
use std::collections::BTreeMap;

/// Types of addresses in order of preference.
const PREFERENCE: [&str; 6] = [
    "InternalIP",
    "InternalDNS",
    "ExternalIP",
    "ExternalDNS",
    "LegacyHostIP",
    "Hostname",
];

/// `None`: the node has no address, so its last group stays.
pub(super) fn group(node: &Node, names: &mut Names) -> Option<(RawLabels, Vec<RawLabels>)> {
    let mut addresses = BTreeMap::new();
    for address in &node.status.addresses {
        // The first of each type counts.
        addresses
            .entry(address.kind.as_str())
            .or_insert(address.address.as_str());
    }
    let host = PREFERENCE.iter().find_map(|kind| addresses.get(kind))?;

    let mut labels = RawLabels::default();
    names.set(&mut labels, "node_provider_id", &node.spec.provider_id);
    for condition in &node.status.conditions {
        let kind = condition.kind.to_lowercase();
        names.set_keyed(
            &mut labels,
            "node_condition_",
            &kind,
            &condition.status.to_lowercase(),
        );
    }
    names.set_meta(&mut labels, "node", &node.metadata);

    let mut target = RawLabels::default();
    let port = node.status.daemon_endpoints.kubelet_endpoint.port;
    names.set_address(&mut target, &join_host_port(host, port));
    names.set_plain(&mut target, "instance", &node.metadata.name);
    for (kind, address) in addresses {
        names.set_keyed(&mut target, "node_address_", kind, address);
    }
    Some((labels, vec![target]))
}

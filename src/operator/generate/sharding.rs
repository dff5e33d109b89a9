//! The rules that divide targets among shards (prometheus-operator: pkg/prometheus/promcfg.go).

use super::super::context::{Context, labels};
use crate::wire::yaml::emit::{Tree, map};

/// The rules that keep the targets of one shard.
pub(in super::super) fn rules(cx: &Context<'_>) -> Vec<Tree<'static>> {
    let features = &cx.settings.features;
    let placeholder = |name: &str| cx.settings.placeholders.text(name);
    let shards = cx.spec.shards();
    let mut rules = Vec::new();
    if features.retention_policies {
        let valid: Vec<String> = (0..shards).map(|shard| shard.to_string()).collect();
        rules.push(map([
            ("target_label", "__tmp_current_shard".into()),
            ("replacement", placeholder("SHARD").into()),
            ("action", "replace".into()),
        ]));
        rules.push(map([
            ("source_labels", labels(["__tmp_current_shard"])),
            ("regex", valid.join("|").into()),
            ("action", "keep".into()),
        ]));
    }
    let (modulus, position) = match cx.settings.zones() {
        None => (shards, "SHARD"),
        Some(zones) => {
            rules.extend(topology(cx));
            let zones = u32::try_from(zones.len()).unwrap_or(u32::MAX);
            ((shards / zones).max(1), "INZONE_SHARD")
        }
    };
    rules.push(map([
        ("source_labels", labels(["__address__", "__tmp_hash"])),
        ("target_label", "__tmp_hash".into()),
        ("regex", "(.+);".into()),
        ("replacement", "$1".into()),
        ("action", "replace".into()),
    ]));
    rules.push(map([
        ("source_labels", labels(["__tmp_hash"])),
        ("target_label", "__tmp_hash".into()),
        ("modulus", i64::from(modulus).into()),
        ("action", "hashmod".into()),
    ]));
    rules.push(map([
        (
            "source_labels",
            labels(["__tmp_hash", "__tmp_disable_sharding"]),
        ),
        ("regex", format!("{};|.+;.+", placeholder(position)).into()),
        ("action", "keep".into()),
    ]));
    rules
}

fn topology(cx: &Context<'_>) -> [Tree<'static>; 3] {
    let zone_labels = if cx.settings.features.pod_topology_labels {
        [
            "__meta_kubernetes_pod_label_topology_kubernetes_io_zone",
            "__meta_kubernetes_pod_labelpresent_topology_kubernetes_io_zone",
        ]
    } else {
        [
            "__meta_kubernetes_node_label_topology_kubernetes_io_zone",
            "__meta_kubernetes_node_labelpresent_topology_kubernetes_io_zone",
        ]
    };
    let [zone, present] = zone_labels;
    let own_zone = cx.settings.placeholders.text("TOPOLOGY_ZONE");
    [
        map([
            (
                "source_labels",
                labels([
                    "__meta_kubernetes_endpointslice_endpoint_zone",
                    "__tmp_topology",
                ]),
            ),
            ("target_label", "__tmp_topology".into()),
            ("regex", "(.+);".into()),
            ("replacement", "$1".into()),
            ("action", "replace".into()),
        ]),
        map([
            ("source_labels", labels([zone, present, "__tmp_topology"])),
            ("target_label", "__tmp_topology".into()),
            ("regex", "(.+);true;".into()),
            ("replacement", "$1".into()),
            ("action", "replace".into()),
        ]),
        map([
            (
                "source_labels",
                labels(["__tmp_topology", "__tmp_disable_sharding"]),
            ),
            ("regex", format!("{own_zone};|.+;.+").into()),
            ("action", "keep".into()),
        ]),
    ]
}

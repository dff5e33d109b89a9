//! A target as an OTLP resource: its attributes by semantic conventions
//! (contrib: prometheusreceiver/internal/prom_to_otlp.go, CreateResource).

use super::plan::TextSet;
use crate::model::group::RawLabels;
use crate::pdata::Text;
use std::net::IpAddr;

/// Discovered labels that become attributes as they are. Where several name the node, they agree.
const KUBERNETES: [(&str, &str); 7] = [
    ("__meta_kubernetes_pod_name", "k8s.pod.name"),
    ("__meta_kubernetes_pod_uid", "k8s.pod.uid"),
    ("__meta_kubernetes_pod_container_name", "k8s.container.name"),
    ("__meta_kubernetes_namespace", "k8s.namespace.name"),
    ("__meta_kubernetes_pod_node_name", "k8s.node.name"),
    ("__meta_kubernetes_node_name", "k8s.node.name"),
    ("__meta_kubernetes_endpoint_node_name", "k8s.node.name"),
];

/// The attributes of the resource of a job and an instance. `scheme` and `discovered` are from before relabelling.
pub(super) fn attributes(
    job: &str,
    instance: &str,
    scheme: &str,
    discovered: &RawLabels,
    texts: &mut TextSet,
) -> Vec<(Text, Text)> {
    let (host, port) = split_host_port(instance).unwrap_or((instance, ""));
    let mut attributes = Vec::new();
    let mut set = |key: &str, value: &str| {
        let (key, value) = (texts.share(key), texts.share(value));
        put(&mut attributes, key, value);
    };
    set("service.name", job);
    if is_discernible(host) {
        set("server.address", host);
    }
    set("service.instance.id", instance);
    set("server.port", port);
    set("url.scheme", scheme);
    let label = |name: &str| {
        let value = discovered.get(name).unwrap_or_default();
        String::from_utf8_lossy(value)
    };
    for (name, key) in KUBERNETES {
        let value = label(name);
        if !value.is_empty() {
            set(key, &value);
        }
    }
    let controller = label("__meta_kubernetes_pod_controller_name");
    let key = match &*label("__meta_kubernetes_pod_controller_kind") {
        "ReplicaSet" => Some("k8s.replicaset.name"),
        "DaemonSet" => Some("k8s.daemonset.name"),
        "StatefulSet" => Some("k8s.statefulset.name"),
        "Job" => Some("k8s.job.name"),
        "CronJob" => Some("k8s.cronjob.name"),
        _ => None,
    };
    if let Some(key) = key.filter(|_| !controller.is_empty()) {
        set(key, &controller);
    }
    attributes
}

/// Sets an attribute; one of equal key is replaced.
pub(super) fn put(attributes: &mut Vec<(Text, Text)>, key: Text, value: Text) {
    match attributes.iter_mut().find(|(k, _)| *k == key) {
        Some(attribute) => attribute.1 = value,
        None => attributes.push((key, value)),
    }
}

/// Addresses that mean "here" or "anywhere" say nothing about where a target is.
fn is_discernible(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => {
            let ip = ip.to_canonical();
            !ip.is_loopback() && !ip.is_unspecified()
        }
        Ok(ip) => !ip.is_loopback() && !ip.is_unspecified(),
        Err(_) => host != "localhost",
    }
}

/// Host and port as Go's `net.SplitHostPort`; none where it gives an error.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':')?)
        }
        None => address
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':'))?,
    };
    let has_bracket = |text: &str| text.contains(['[', ']']);
    (!has_bracket(host) && !has_bracket(port) && !port.contains(':')).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_as_go_does() {
        for (address, want) in [
            ("h:80", Some(("h", "80"))),
            ("h", None),
            ("h:", Some(("h", ""))),
            (":80", Some(("", "80"))),
            ("[::1]:80", Some(("::1", "80"))),
            ("::1", None),
            ("[::1]", None),
            ("[::1]x:80", None),
            ("h]:80", None),
            ("h:80:90", None),
        ] {
            assert_eq!(split_host_port(address), want, "{address}");
        }
    }

    #[test]
    fn only_real_places_are_addresses() {
        for (host, want) in [
            ("10.0.0.1", true),
            ("", true),
            ("localhost", false),
            ("127.1.2.3", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("0.0.0.0", false),
            ("example.org", true),
        ] {
            assert_eq!(is_discernible(host), want, "{host}");
        }
    }
}

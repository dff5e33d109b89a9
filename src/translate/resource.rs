//! A target as an OTLP resource: its attributes by semantic conventions
//! (contrib: prometheusreceiver/internal/prom_to_otlp.go, CreateResource).

use super::plan::TextSet;
use crate::model::group::RawLabels;
use crate::pdata::{Attributes, Text, Value};
use std::collections::HashMap;
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
) -> Attributes {
    let (host, port) = split_host_port(instance).unwrap_or((instance, ""));
    let mut attributes = AttributeSet::default();
    let mut set = |key: &str, value: &str| {
        let (key, value) = (texts.share(key), texts.share(value));
        attributes.put(key, value);
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
    attributes.finish()
}

/// Attributes in the order in which their keys came first; of several values of a key the last holds.
#[derive(Default)]
pub(super) struct AttributeSet {
    pairs: Vec<(Text, Value)>,
    /// Where each key is, once there are many: a target decides how many.
    places: HashMap<Text, usize>,
}

impl AttributeSet {
    pub(super) fn put(&mut self, key: Text, value: impl Into<Value>) {
        const FEW: usize = 16;
        let known = if self.pairs.len() <= FEW {
            self.pairs.iter().position(|(k, _)| *k == key)
        } else {
            if self.places.is_empty() {
                let keys = self.pairs.iter().map(|(key, _)| Text::clone(key));
                self.places = keys.zip(0..).collect();
            }
            self.places.get(&key).copied()
        };
        match known.and_then(|at| self.pairs.get_mut(at)) {
            Some(attribute) => attribute.1 = value.into(),
            None => {
                if !self.places.is_empty() {
                    self.places.insert(Text::clone(&key), self.pairs.len());
                }
                self.pairs.push((key, value.into()));
            }
        }
    }

    pub(super) fn finish(self) -> Attributes {
        self.pairs.into_iter().collect()
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

    /// So many that a search through the list for each would not end.
    #[test]
    fn of_many_attributes_each_is_there_once() {
        const MANY: usize = 300_000;
        let text = |i: usize| Text::from(i.to_string());
        for (count, keys) in [(10, 5), (40, 30), (2 * MANY, MANY)] {
            let mut set = AttributeSet::default();
            (0..count).for_each(|i| set.put(text(i % keys), text(i)));
            let attributes = set.finish();
            assert_eq!(attributes.len(), keys);
            let first = attributes.iter().next().unwrap();
            assert_eq!(first, ("0", &text((count - 1) / keys * keys).into()));
        }
    }

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

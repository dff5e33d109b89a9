//! Role `ingress`: a target per rule and path (prometheus: discovery/kubernetes/ingress.go).

use super::GroupContext;
use crate::kube::types::networking::{Ingress, IngressRule};
use crate::model::group::RawLabels;

pub(super) fn group(
    ingress: &Ingress,
    context: &mut GroupContext<'_>,
) -> (RawLabels, Vec<RawLabels>) {
    let meta = &ingress.metadata;
    let mut labels = RawLabels::default();
    context.names.set(&mut labels, "namespace", &meta.namespace);
    if let Some(class) = &ingress.spec.ingress_class_name {
        context.names.set(&mut labels, "ingress_class_name", class);
    }
    context.names.set_meta(&mut labels, "ingress", meta);
    context.set_namespace(&mut labels, &meta.namespace);

    let mut targets = Vec::new();
    for rule in &ingress.spec.rules {
        let mut patterns = ingress.spec.tls.iter().flat_map(|tls| &tls.hosts);
        let is_tls = patterns.any(|pattern| matches_host(pattern, &rule.host));
        for path in paths(rule) {
            let mut target = RawLabels::default();
            context.names.set_address(&mut target, &rule.host);
            let scheme = if is_tls { "https" } else { "http" };
            context.names.set(&mut target, "ingress_scheme", scheme);
            context.names.set(&mut target, "ingress_host", &rule.host);
            context.names.set(&mut target, "ingress_path", path);
            targets.push(target);
        }
    }
    (labels, targets)
}

/// A rule without `http` is for all paths; one with an empty list of paths is for none.
fn paths(rule: &IngressRule) -> Vec<&str> {
    let Some(http) = &rule.http else {
        return vec!["/"];
    };
    let paths = http.paths.iter().map(|path| path.path.as_str());
    paths
        .map(|path| if path.is_empty() { "/" } else { path })
        .collect()
}

/// Equal, or a pattern whose first part is `*` and whose other parts are equal.
fn matches_host(pattern: &str, host: &str) -> bool {
    if pattern == host {
        return true;
    }
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(pattern), Some((_, host))) => pattern == host,
        (None, None) => pattern == "*",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_patterns() {
        for (pattern, host, want) in [
            ("a.b", "a.b", true),
            ("*.b", "a.b", true),
            ("*.b", "x.a.b", false),
            ("*.b", "b", false),
            ("*", "b", true),
            ("*", "a.b", false),
        ] {
            assert_eq!(matches_host(pattern, host), want, "{pattern} {host}");
        }
    }
}

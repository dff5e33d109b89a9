//! `$(NAME)` in generated text, as upstream's config-reloader container replaces it before Prometheus reads the file:
//! in the whole text, user's strings included. A running receiver doesn't do this (see [`super::Placeholders`]);
//! `promop generate --expand` does.

use super::settings::{Settings, Workload};
use std::collections::BTreeMap;

/// Replaces each `$(NAME)` whose name is known; others stay as they are.
pub fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        out.push_str(before);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        let closed = behind.strip_prefix(')').filter(|_| !name.is_empty());
        match closed.and_then(|behind| Some((env(name)?, behind))) {
            Some((value, behind)) => {
                out.push_str(&value);
                rest = behind;
            }
            None => {
                out.push_str("$(");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The variables that upstream sets in the pod of one shard and replica. In `DaemonSet` mode pod and node are not
/// predictable; the caller's values go over these.
pub fn pod_environment(settings: &Settings, shard: u32, replica: u32) -> BTreeMap<String, String> {
    let prefix = match settings.workload {
        Workload::Prometheus => "prometheus",
        Workload::PrometheusAgent => "prom-agent",
    };
    let name = &settings.name;
    let pod = match shard {
        0 => format!("{prefix}-{name}-{replica}"),
        shard => format!("{prefix}-{name}-shard-{shard}-{replica}"),
    };
    let mut env = BTreeMap::from([
        ("SHARD".to_owned(), shard.to_string()),
        ("POD_NAME".to_owned(), pod),
        ("STATEFULSET_ORDINAL_NUMBER".to_owned(), replica.to_string()),
    ]);
    if let Some((zone, position)) = settings.zone_of_shard(shard) {
        env.insert("TOPOLOGY_ZONE".to_owned(), zone.to_owned());
        env.insert("INZONE_SHARD".to_owned(), position.to_string());
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_in_parentheses_are_replaced() {
        let env = |name: &str| (name == "A_1").then(|| "$(A_1)!".to_owned());
        assert_eq!(
            expand("$(A_1) $A_1 ${A_1} $(A_1 $(B) $() $$(A_1) $(A-1)", &env),
            "$(A_1)! $A_1 ${A_1} $(A_1 $(B) $() $$(A_1)! $(A-1)"
        );
    }
}

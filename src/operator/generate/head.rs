//! What stands before and behind the jobs (prometheus-operator: promcfg.go, `buildGlobalConfig`).

use super::super::context::Context;
use super::super::settings::Workload;
use super::super::version;
use super::limits;
use crate::wire::yaml::emit::{Pairs, Tree, document, map};
use std::collections::BTreeMap;

/// The section `global`.
pub(in super::super) fn head<'c>(cx: &'c Context<'_>) -> String {
    let spec = cx.spec;
    let mut global: Pairs<'c> = Vec::new();
    let mut set = |key: &'static str, value: Tree<'c>| global.push((key.into(), value));
    set("scrape_interval", spec.scrape_interval().into());
    if !spec.scrape_timeout.is_empty() {
        set("scrape_timeout", spec.scrape_timeout.as_str().into());
    }
    if let Some(protocols) = limits::scrape_protocols(cx, &spec.scrape_protocols) {
        set("scrape_protocols", protocols);
    }
    set("external_labels", external_labels(cx));
    for (key, value) in limits::global(cx) {
        set(key, value);
    }
    if let Some(file) = &spec.scrape_failure_log_file
        && cx.has(version::SCRAPE_FAILURE_LOG_FILE)
    {
        set("scrape_failure_log_file", log_file(file).into());
    }
    if let Some(scheme) = &spec.name_validation_scheme
        && cx.has(version::NAME_VALIDATION_SCHEME)
    {
        set(
            "metric_name_validation_scheme",
            scheme.to_lowercase().into(),
        );
    }
    let escaping = match spec.name_escaping_scheme.as_deref() {
        Some("AllowUTF8") => Some("allow-utf-8"),
        Some("Underscores") => Some("underscores"),
        Some("Dots") => Some("dots"),
        Some("Values") => Some("values"),
        _ => None,
    };
    if let Some(escaping) = escaping
        && cx.has(version::NAME_ESCAPING_SCHEME)
    {
        set("metric_name_escaping_scheme", escaping.into());
    }
    let switches = [
        (
            "convert_classic_histograms_to_nhcb",
            spec.convert_classic_histograms_to_nhcb,
            version::GLOBAL_CONVERT_CLASSIC_HISTOGRAMS,
        ),
        (
            "always_scrape_classic_histograms",
            spec.scrape_classic_histograms,
            version::GLOBAL_SCRAPE_CLASSIC_HISTOGRAMS,
        ),
        (
            "scrape_native_histograms",
            spec.scrape_native_histograms,
            version::SCRAPE_NATIVE_HISTOGRAMS,
        ),
    ];
    for (key, value, minimum) in switches {
        if let Some(value) = value
            && cx.has(minimum)
        {
            set(key, value.into());
        }
    }
    if cx.settings.workload == Workload::Prometheus {
        set("evaluation_interval", spec.evaluation_interval().into());
        if let Some(offset) = &spec.rule_query_offset
            && cx.has(version::RULE_QUERY_OFFSET)
        {
            set("rule_query_offset", offset.as_str().into());
        }
        if !spec.query_log_file.is_empty() && cx.has(version::QUERY_LOG_FILE) {
            set("query_log_file", log_file(&spec.query_log_file).into());
        }
    }
    document(&map([("global", global.into())]))
}

/// A server's `storage`, of which only the retention is kept.
pub(in super::super) fn tail(cx: &Context<'_>) -> String {
    let spec = cx.spec;
    let writes = cx.settings.workload == Workload::Prometheus && cx.has(version::STORAGE_RETENTION);
    if !writes {
        return String::new();
    }
    let time = match (spec.retention.as_str(), spec.retention_size.as_str()) {
        ("", "") => "24h",
        (time, _) => time,
    };
    let parts = [("time", time), ("size", spec.retention_size.as_str())];
    let retention: Pairs<'_> = parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let tsdb = map([("retention", retention.into())]);
    document(&map([("storage", map([("tsdb", tsdb)]))]))
}

fn external_labels<'a>(cx: &'a Context<'_>) -> Tree<'a> {
    let (settings, spec) = (cx.settings, cx.spec);
    let mut labels: BTreeMap<&str, String> = BTreeMap::new();
    let mut reserve = |name: &'a str, value: String| {
        if !name.is_empty() {
            labels.insert(name, value);
        }
    };
    let name = |name: &'a Option<String>, default| name.as_deref().unwrap_or(default);
    reserve(
        name(&spec.prometheus_external_label_name, "prometheus"),
        format!("{}/{}", settings.namespace, settings.name),
    );
    reserve(
        name(&spec.replica_external_label_name, "prometheus_replica"),
        settings.placeholders.text("POD_NAME"),
    );
    if let Some(strategy) = &spec.sharding_strategy
        && settings.features.topology_sharding
        && strategy.mode.as_deref() == Some("Topology")
        && let Some(topology) = &strategy.topology
    {
        reserve(
            name(&topology.external_label_name, "zone"),
            settings.placeholders.text("TOPOLOGY_ZONE"),
        );
    }
    for (name, value) in &spec.external_labels {
        labels.entry(name).or_insert_with(|| value.clone());
    }
    let pairs = labels.into_iter().map(|(k, v)| (k.into(), v.into()));
    Tree::Map(pairs.collect())
}

/// A name without a folder lies where upstream mounts a volume for it.
fn log_file(name: &str) -> String {
    let file = name.trim_start_matches("./");
    if file.is_empty() || file.contains('/') {
        name.to_owned()
    } else {
        format!("/var/log/prometheus/{file}")
    }
}

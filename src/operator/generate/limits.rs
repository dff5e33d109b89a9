//! Limits: a monitor's own, the enforced ones, and the global ones that jobs inherit
//! (prometheus-operator: pkg/prometheus/promcfg.go, AddLimitsToYAML).

use super::super::context::Context;
use super::super::monitor::Monitor;
use super::super::version::{self, Minimum};
use crate::model::size;
use crate::wire::yaml::emit::Tree;

/// A limit that Prometheus counts in whole numbers.
struct Limit {
    key: &'static str,
    /// From which version on jobs have it.
    minimum: Option<Minimum>,
    /// From which version on `global` has it.
    global_minimum: Minimum,
}

const LIMITS: [Limit; 6] = [
    limit("sample_limit", None),
    limit("target_limit", Some(version::TARGET_LIMIT)),
    limit("label_limit", Some(version::LABEL_LIMITS)),
    limit("label_name_length_limit", Some(version::LABEL_LIMITS)),
    limit("label_value_length_limit", Some(version::LABEL_LIMITS)),
    Limit {
        key: "keep_dropped_targets",
        minimum: Some(version::KEEP_DROPPED_TARGETS),
        global_minimum: version::KEEP_DROPPED_TARGETS,
    },
];

const fn limit(key: &'static str, minimum: Option<Minimum>) -> Limit {
    Limit {
        key,
        minimum,
        global_minimum: version::GLOBAL_LIMITS,
    }
}

type Keys<'a> = Vec<(&'static str, Tree<'a>)>;

/// The keys of `global`.
pub(super) fn global<'c>(cx: &'c Context<'_>) -> Keys<'c> {
    let spec = cx.spec;
    let mut keys: Keys<'c> = Vec::new();
    let enforced = Some(spec.enforced_body_size_limit.as_str()).filter(|size| !size.is_empty());
    if let Some(size) = spec.body_size_limit.as_deref().or(enforced)
        && cx.has(version::GLOBAL_LIMITS)
    {
        keys.push(("body_size_limit", size.into()));
    }
    let own = [
        spec.sample_limit,
        spec.target_limit,
        spec.label_limit,
        spec.label_name_length_limit,
        spec.label_value_length_limit,
        spec.keep_dropped_targets,
    ];
    for ((limit, own), enforced) in LIMITS.iter().zip(own).zip(enforced_limits(cx)) {
        let positive = |limit: Option<i64>| limit.filter(|n| *n > 0);
        let value = match (positive(own), positive(enforced)) {
            (Some(own), Some(enforced)) => Some(own.min(enforced)),
            (own, enforced) => own.or(enforced),
        };
        if let Some(value) = value
            && cx.has(limit.global_minimum)
        {
            keys.push((limit.key, value.into()));
        }
    }
    keys
}

/// The keys of a job.
pub(super) fn of_job<'m>(cx: &Context<'_>, monitor: &Monitor<'_>) -> Keys<'m> {
    let own = [
        monitor.sample_limit,
        monitor.target_limit,
        monitor.label_limit,
        monitor.label_name_length_limit,
        monitor.label_value_length_limit,
        monitor.keep_dropped_targets,
    ];
    let mut keys = Vec::new();
    for ((limit, own), enforced) in LIMITS.iter().zip(own).zip(enforced_limits(cx)) {
        let supported = limit.minimum.is_none_or(|minimum| cx.has(minimum));
        if let Some(value) = lower(cx, own, enforced)
            && supported
        {
            keys.push((limit.key, value.into()));
        }
    }
    keys
}

fn enforced_limits(cx: &Context<'_>) -> [Option<i64>; 6] {
    [
        cx.spec.enforced_sample_limit,
        cx.spec.enforced_target_limit,
        cx.spec.enforced_label_limit,
        cx.spec.enforced_label_name_length_limit,
        cx.spec.enforced_label_value_length_limit,
        cx.spec.enforced_keep_dropped_targets,
    ]
}

/// A job without a limit inherits the global one where that exists: this asks for the version itself, whether versions
/// are looked at otherwise or not (`getLimit`).
fn lower(cx: &Context<'_>, own: Option<i64>, enforced: Option<i64>) -> Option<i64> {
    match (own.unwrap_or(0), enforced.unwrap_or(0)) {
        (_, 0) => own,
        (0, _) if cx.version.has(version::GLOBAL_LIMITS) => None,
        (0, enforced) => Some(enforced),
        (own, enforced) => Some(own.min(enforced)),
    }
}

/// The lower of both sizes, as it was written; one that is no size counts as 0.
pub(super) fn body_size<'a>(own: &'a str, enforced: &'a str) -> Option<&'a str> {
    let bytes = |text| size::parse(text).unwrap_or(0);
    let lower = match (own, enforced) {
        (own, "") => own,
        ("", enforced) => enforced,
        (own, enforced) if bytes(own) > bytes(enforced) => enforced,
        (own, _) => own,
    };
    Some(lower).filter(|size| !size.is_empty())
}

/// `scrape_protocols`; those the version does not know are left out, possibly leaving none.
pub(super) fn scrape_protocols<'a>(cx: &Context<'_>, protocols: &'a [String]) -> Option<Tree<'a>> {
    if protocols.is_empty() || !cx.has(version::SCRAPE_PROTOCOLS) {
        return None;
    }
    let known = |protocol: &&String| {
        protocol.as_str() != "PrometheusText1.0.0" || cx.has(version::PROMETHEUS_TEXT_1_0_0)
    };
    let names = protocols.iter().filter(known).map(|p| p.as_str().into());
    Some(Tree::List(names.collect()))
}

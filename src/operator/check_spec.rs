//! Values of a settings file whose type alone says little. Of an object in the cluster the API server has checked them, by the
//! patterns and enums of its definition (prometheus-operator: pkg/apis/monitoring/v1, PrometheusSpec).

use super::spec::Spec;
use super::types::Error;
use crate::kube::types::meta::SelectorSpec;
use crate::model::{duration, size};

const PROTOCOLS: &[&str] = &[
    "PrometheusProto",
    "OpenMetricsText0.0.1",
    "OpenMetricsText1.0.0",
    "PrometheusText0.0.4",
    "PrometheusText1.0.0",
];

/// Looks at every field that has a form; what is empty counts as absent.
pub(super) fn check(spec: &Spec) -> Result<(), Error> {
    let durations = [
        ("scrapeInterval", spec.scrape_interval.as_deref()),
        ("scrapeTimeout", Some(&*spec.scrape_timeout)),
        ("evaluationInterval", spec.evaluation_interval.as_deref()),
        ("ruleQueryOffset", spec.rule_query_offset.as_deref()),
        ("retention", Some(&*spec.retention)),
    ];
    for (field, value) in durations.into_iter().filter_map(given) {
        if duration::parse(value).is_err() {
            return wrong(field, value, "a duration such as 30s or 1m30s is expected");
        }
    }
    let timeout = duration::parse(&spec.scrape_timeout).unwrap_or_default();
    if duration::parse(spec.scrape_interval()).is_ok_and(|interval| timeout > interval) {
        let why = format!("longer than the scrapeInterval {}", spec.scrape_interval());
        return wrong("scrapeTimeout", &spec.scrape_timeout, &why);
    }
    let sizes = [
        (
            "enforcedBodySizeLimit",
            Some(&*spec.enforced_body_size_limit),
        ),
        ("bodySizeLimit", spec.body_size_limit.as_deref()),
        ("retentionSize", Some(&*spec.retention_size)),
    ];
    for (field, value) in sizes.into_iter().filter_map(given) {
        if size::parse(value).is_err() {
            return wrong(field, value, "a size such as 10MB or 512KiB is expected");
        }
    }
    let strategy = spec.sharding_strategy.as_ref();
    let words: [(&str, Option<&str>, &[&str]); 5] = [
        (
            "serviceDiscoveryRole",
            spec.service_discovery_role.as_deref(),
            &["Endpoints", "EndpointSlice"],
        ),
        (
            "nameValidationScheme",
            spec.name_validation_scheme.as_deref(),
            &["UTF8", "Legacy"],
        ),
        (
            "nameEscapingScheme",
            spec.name_escaping_scheme.as_deref(),
            &["AllowUTF8", "Underscores", "Dots", "Values"],
        ),
        ("mode", spec.mode.as_deref(), &["StatefulSet", "DaemonSet"]),
        (
            "shardingStrategy.mode",
            strategy.and_then(|strategy| strategy.mode.as_deref()),
            &["Address", "Topology"],
        ),
    ];
    for (field, value, words) in words {
        if let Some((field, value)) = given((field, value)) {
            word(field, value, words)?;
        }
    }
    for (i, value) in spec.scrape_protocols.iter().enumerate() {
        word(&format!("scrapeProtocols[{i}]"), value, PROTOCOLS)?;
    }
    for (i, class) in spec.scrape_classes.iter().enumerate() {
        if let Some(value) = &class.fallback_scrape_protocol {
            let field = format!("scrapeClasses[{i}].fallbackScrapeProtocol");
            word(&field, value, PROTOCOLS)?;
        }
    }
    let selectors = [
        ("serviceMonitorSelector", &spec.service_monitor_selector),
        (
            "serviceMonitorNamespaceSelector",
            &spec.service_monitor_namespace_selector,
        ),
        ("podMonitorSelector", &spec.pod_monitor_selector),
        (
            "podMonitorNamespaceSelector",
            &spec.pod_monitor_namespace_selector,
        ),
    ];
    for (field, selector) in selectors {
        if let Some(Err(error)) = selector.as_ref().map(SelectorSpec::to_selector) {
            return Err(Error::new(format!("{field}: {error}")));
        }
    }
    Ok(())
}

fn given<'a>((field, value): (&'a str, Option<&'a str>)) -> Option<(&'a str, &'a str)> {
    let value = value.filter(|value| !value.is_empty())?;
    Some((field, value))
}

fn word(field: &str, value: &str, words: &[&str]) -> Result<(), Error> {
    if words.contains(&value) {
        return Ok(());
    }
    wrong(
        field,
        value,
        &format!("one of {} is expected", words.join(", ")),
    )
}

fn wrong<T>(field: &str, value: &str, why: &str) -> Result<T, Error> {
    Err(Error::new(format!("{field}: {value:?}: {why}")))
}

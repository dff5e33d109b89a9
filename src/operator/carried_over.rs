//! What of an inherited object's `spec` is carried over, and what to do about the rest.

use serde_json::Value;
use std::fmt;

/// A field of an inherited object that has no counterpart here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCarriedOver {
    /// Its name below `spec`.
    pub field: String,
    /// What to do about it.
    pub advice: &'static str,
    /// Other targets may be scraped, or otherwise, than upstream's pod would do it.
    pub shapes_scraping: bool,
}

impl fmt::Display for NotCarriedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spec.{}: {}", self.field, self.advice)
    }
}

/// The fields of [`super::Spec`], by their names in the object.
pub(super) const HONOURED: &[&str] = &[
    "version",
    "serviceMonitorSelector",
    "serviceMonitorNamespaceSelector",
    "podMonitorSelector",
    "podMonitorNamespaceSelector",
    "scrapeInterval",
    "scrapeTimeout",
    "scrapeProtocols",
    "externalLabels",
    "prometheusExternalLabelName",
    "replicaExternalLabelName",
    "enforcedNamespaceLabel",
    "excludedFromEnforcement",
    "enforcedSampleLimit",
    "enforcedTargetLimit",
    "enforcedLabelLimit",
    "enforcedLabelNameLengthLimit",
    "enforcedLabelValueLengthLimit",
    "enforcedKeepDroppedTargets",
    "enforcedBodySizeLimit",
    "sampleLimit",
    "targetLimit",
    "labelLimit",
    "labelNameLengthLimit",
    "labelValueLengthLimit",
    "keepDroppedTargets",
    "bodySizeLimit",
    "overrideHonorLabels",
    "overrideHonorTimestamps",
    "ignoreNamespaceSelectors",
    "arbitraryFSAccessThroughSMs",
    "podTargetLabels",
    "scrapeClasses",
    "serviceDiscoveryRole",
    "nameValidationScheme",
    "nameEscapingScheme",
    "convertClassicHistogramsToNHCB",
    "scrapeClassicHistograms",
    "scrapeNativeHistograms",
    "scrapeFailureLogFile",
    "shards",
    "shardingStrategy",
    "mode",
    "additionalScrapeConfigs",
    "apiserverConfig",
    "evaluationInterval",
    "ruleQueryOffset",
    "queryLogFile",
    "retention",
    "retentionSize",
];

/// Fields that shape what is scraped, with what to do instead.
const SHAPES_SCRAPING: &[(&str, &str)] = &[
    ("probeSelector", "Probe objects are not read"),
    ("probeNamespaceSelector", "Probe objects are not read"),
    (
        "scrapeConfigSelector",
        "ScrapeConfig objects are not read; use additionalScrapeConfigs",
    ),
    (
        "scrapeConfigNamespaceSelector",
        "ScrapeConfig objects are not read; use additionalScrapeConfigs",
    ),
    (
        "enableFeatures",
        "use the receiver's own settings of the same meaning",
    ),
    (
        "additionalArgs",
        "use the receiver's own flags of the same meaning",
    ),
    (
        "secrets",
        "mount those that monitors name as files at /etc/prometheus/secrets",
    ),
    (
        "configMaps",
        "mount those that monitors name as files at /etc/prometheus/configmaps",
    ),
    (
        "volumes",
        "mount files that monitors name at the same paths",
    ),
    (
        "volumeMounts",
        "mount files that monitors name at the same paths",
    ),
    (
        "hostNetwork",
        "set it on the receiver's pod, if targets need it",
    ),
    (
        "hostAliases",
        "set it on the receiver's pod, if targets need it",
    ),
    (
        "dnsPolicy",
        "set it on the receiver's pod, if targets need it",
    ),
    (
        "dnsConfig",
        "set it on the receiver's pod, if targets need it",
    ),
];

/// Further fields of which people expect something, with what to do instead.
const NOT_CARRIED_OVER: &[(&str, &str)] = &[
    (
        "ruleSelector",
        "rules are not evaluated; let the backend do it",
    ),
    (
        "ruleNamespaceSelector",
        "rules are not evaluated; let the backend do it",
    ),
    ("alerting", "alerts are not sent; let the backend do it"),
    (
        "additionalAlertManagerConfigs",
        "alerts are not sent; let the backend do it",
    ),
    (
        "additionalAlertRelabelConfigs",
        "alerts are not sent; let the backend do it",
    ),
    ("remoteWrite", "configure an exporter instead"),
    ("remoteRead", "nothing is stored here; query the backend"),
    ("otlp", "nothing is received here"),
    ("tracingConfig", "no traces are sent"),
    (
        "thanos",
        "nothing is stored here; configure an exporter instead",
    ),
    ("tsdb", "nothing is stored here"),
    (
        "exemplars",
        "nothing is stored here; exemplars are handed on",
    ),
    ("runtime", "the Go runtime's settings have no meaning here"),
    (
        "containers",
        "set the variables that they set, such as HTTP_PROXY, on the receiver",
    ),
    (
        "initContainers",
        "do on the receiver's pod what they do, if scraping needs it",
    ),
    (
        "serviceAccountName",
        "give the receiver's own service account the same rights",
    ),
    ("shardRetentionPolicy", "nothing is stored here"),
];

pub(super) fn is_honoured(field: &str) -> bool {
    HONOURED.contains(&field)
}

/// What concerns only upstream's pod (image, resources, storage, web, probes, scheduling, …) is not worth a word, and neither
/// is an empty value.
pub(super) fn not_carried_over(spec: &Value) -> Vec<NotCarriedOver> {
    let fields = spec.as_object().into_iter().flatten();
    let set = fields.filter(|(_, value)| says_something(value));
    set.filter_map(|(field, _)| {
        let advice = |table: &[(&str, &'static str)]| {
            let found = table.iter().find(|(name, _)| name == field);
            found.map(|(_, advice)| *advice)
        };
        let shaping = advice(SHAPES_SCRAPING);
        Some(NotCarriedOver {
            field: field.clone(),
            advice: shaping.or_else(|| advice(NOT_CARRIED_OVER))?,
            shapes_scraping: shaping.is_some(),
        })
    })
    .collect()
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The object of kube-prometheus, as far as it is not carried over.
    #[test]
    fn a_stock_object_has_little_to_say() {
        let spec = json!({
            "alerting": {"alertmanagers": [{"name": "main", "port": "web"}]}, "enableFeatures": [],
            "probeNamespaceSelector": {}, "probeSelector": {}, "ruleNamespaceSelector": {}, "ruleSelector": {},
            "scrapeConfigNamespaceSelector": {}, "scrapeConfigSelector": {}, "serviceAccountName": "prometheus-k8s",
            "externalLabels": {}, "image": "x", "hostNetwork": false,
        });
        let left = not_carried_over(&spec);
        let left: Vec<_> = left
            .iter()
            .map(|l| (l.field.as_str(), l.shapes_scraping))
            .collect();
        assert_eq!(left, [("alerting", false), ("serviceAccountName", false)]);
        let left =
            not_carried_over(&json!({"enableFeatures": ["x"], "hostNetwork": true, "image": "y"}));
        assert!(left.len() == 2 && left.iter().all(|l| l.shapes_scraping));
    }
}

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

/// Fields that shape what is scraped or what arrives, or what people expect of the object, with what to do instead.
const NOT_CARRIED_OVER: &[(&str, &str)] = &[
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
    ("shardRetentionPolicy", "nothing is stored here"),
];

pub(super) fn is_honoured(field: &str) -> bool {
    HONOURED.contains(&field)
}

/// What concerns only upstream's pod (image, resources, storage, web, probes, scheduling, …) is not worth a word.
pub(super) fn not_carried_over(spec: &Value) -> Vec<NotCarriedOver> {
    let fields = spec.as_object().into_iter().flatten();
    let set = fields.filter(|(_, value)| !value.is_null());
    set.filter_map(|(field, _)| {
        let (_, advice) = NOT_CARRIED_OVER.iter().find(|(name, _)| name == field)?;
        Some(NotCarriedOver {
            field: field.clone(),
            advice,
        })
    })
    .collect()
}

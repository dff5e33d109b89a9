//! Both kinds of monitors, seen as one: what they share stands under one name, what one of them lacks is empty.

use super::types::Kind;
use crate::kube::types::meta::{ObjectMeta, SelectorSpec};
use crate::monitoring::{
    AttachMetadata, Authorization, BasicAuth, IntOrString, KeySelector, NamespaceSelector, OAuth2,
    PodMetricsEndpoint, PodMonitor, Proxy, Quantity, Relabeling, ServiceMonitor, Tls,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A monitor of either kind as the stores hold it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stored {
    Service(Arc<ServiceMonitor>),
    Pod(Arc<PodMonitor>),
}

/// The same, borrowed: an unchanged one is recognised without a look at it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held<'a> {
    Service(&'a Arc<ServiceMonitor>),
    Pod(&'a Arc<PodMonitor>),
}

impl Held<'_> {
    pub(super) fn is(self, stored: &Stored) -> bool {
        match (self, stored) {
            (Self::Service(a), Stored::Service(b)) => Arc::ptr_eq(a, b),
            (Self::Pod(a), Stored::Pod(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    pub(super) fn stored(self) -> Stored {
        match self {
            Self::Service(monitor) => Stored::Service(Arc::clone(monitor)),
            Self::Pod(monitor) => Stored::Pod(Arc::clone(monitor)),
        }
    }
}

impl Stored {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Service(_) => Kind::ServiceMonitor,
            Self::Pod(_) => Kind::PodMonitor,
        }
    }

    pub(super) fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Service(monitor) => &monitor.metadata,
            Self::Pod(monitor) => &monitor.metadata,
        }
    }

    /// The order of jobs: by kind, then by namespace and name.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.kind()
            .cmp(&other.kind())
            .then_with(|| joined_order(self.metadata(), other.metadata()))
    }

    /// Whether both are equal; the same object is found to be so at once.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Service(a), Self::Service(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Pod(a), Self::Pod(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }

    pub(super) fn view(&self) -> Monitor<'_> {
        match self {
            Self::Service(monitor) => service(monitor),
            Self::Pod(monitor) => pod(monitor),
        }
    }
}

/// Upstream sorts by `namespace/name`, in which `-` and `.` come before the slash. Nothing is joined for it: this is asked
/// often.
pub(super) fn joined_order(a: &ObjectMeta, b: &ObjectMeta) -> Ordering {
    if a.namespace == b.namespace {
        return a.name.cmp(&b.name);
    }
    let common = a.namespace.len().min(b.namespace.len());
    let (a_start, a_rest) = a.namespace.as_bytes().split_at(common);
    let (b_start, b_rest) = b.namespace.as_bytes().split_at(common);
    let rest = |rest: &[u8], name: &str| [rest, b"/", name.as_bytes()].concat();
    a_start
        .cmp(b_start)
        .then_with(|| rest(a_rest, &a.name).cmp(&rest(b_rest, &b.name)))
}

#[derive(Debug)]
pub(super) struct Monitor<'a> {
    pub(super) kind: Kind,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) endpoints: Vec<Endpoint<'a>>,
    pub(super) job_label: &'a str,
    pub(super) target_labels: &'a [String],
    pub(super) pod_target_labels: &'a [String],
    pub(super) selector: &'a SelectorSpec,
    pub(super) selector_mechanism: Option<&'a str>,
    pub(super) namespace_selector: &'a NamespaceSelector,
    pub(super) service_discovery_role: Option<&'a str>,
    pub(super) attach_metadata: Option<&'a AttachMetadata>,
    pub(super) scrape_class: Option<&'a str>,
    pub(super) sample_limit: Option<i64>,
    pub(super) target_limit: Option<i64>,
    pub(super) label_limit: Option<i64>,
    pub(super) label_name_length_limit: Option<i64>,
    pub(super) label_value_length_limit: Option<i64>,
    pub(super) keep_dropped_targets: Option<i64>,
    pub(super) body_size_limit: &'a str,
    pub(super) scrape_protocols: &'a [String],
    pub(super) fallback_scrape_protocol: Option<&'a str>,
    pub(super) scrape_native_histograms: Option<bool>,
    pub(super) scrape_classic_histograms: Option<bool>,
    pub(super) native_histogram_bucket_limit: Option<i64>,
    pub(super) native_histogram_min_bucket_factor: Option<Quantity>,
    pub(super) convert_classic_histograms_to_nhcb: Option<bool>,
}

impl Monitor<'_> {
    /// Selectors become relabeling rules, not selectors of the discovery.
    pub(super) fn selects_by_relabeling(&self) -> bool {
        self.selector_mechanism.is_none_or(|m| m == "RelabelConfig")
    }
}

#[derive(Debug)]
pub(super) struct Endpoint<'a> {
    pub(super) port: &'a str,
    pub(super) port_number: Option<i32>,
    pub(super) target_port: Option<&'a IntOrString>,
    pub(super) path: &'a str,
    pub(super) scheme: Option<&'a str>,
    pub(super) params: Option<&'a BTreeMap<String, Vec<String>>>,
    pub(super) interval: &'a str,
    pub(super) scrape_timeout: &'a str,
    pub(super) honor_labels: bool,
    pub(super) honor_timestamps: Option<bool>,
    pub(super) track_timestamps_staleness: Option<bool>,
    pub(super) relabelings: &'a [Relabeling],
    pub(super) metric_relabelings: &'a [Relabeling],
    pub(super) filter_running: Option<bool>,
    pub(super) bearer_token_file: &'a str,
    pub(super) bearer_token_secret: Option<&'a KeySelector>,
    pub(super) authorization: Option<&'a Authorization>,
    pub(super) basic_auth: Option<&'a BasicAuth>,
    pub(super) oauth2: Option<&'a OAuth2>,
    pub(super) tls: Option<&'a Tls>,
    pub(super) follow_redirects: Option<bool>,
    pub(super) enable_http2: Option<bool>,
    pub(super) proxy: &'a Proxy,
}

fn service(monitor: &ServiceMonitor) -> Monitor<'_> {
    let spec = &monitor.spec;
    Monitor {
        kind: Kind::ServiceMonitor,
        namespace: &monitor.metadata.namespace,
        name: &monitor.metadata.name,
        endpoints: spec.endpoints.iter().map(service_endpoint).collect(),
        job_label: &spec.job_label,
        target_labels: &spec.target_labels,
        pod_target_labels: &spec.pod_target_labels,
        selector: &spec.selector,
        selector_mechanism: spec.selector_mechanism.as_deref(),
        namespace_selector: &spec.namespace_selector,
        service_discovery_role: spec.service_discovery_role.as_deref(),
        attach_metadata: spec.attach_metadata.as_ref(),
        scrape_class: spec.scrape_class.as_deref(),
        sample_limit: spec.sample_limit,
        target_limit: spec.target_limit,
        label_limit: spec.label_limit,
        label_name_length_limit: spec.label_name_length_limit,
        label_value_length_limit: spec.label_value_length_limit,
        keep_dropped_targets: spec.keep_dropped_targets,
        body_size_limit: &spec.body_size_limit,
        scrape_protocols: &spec.scrape_protocols,
        fallback_scrape_protocol: spec.fallback_scrape_protocol.as_deref(),
        scrape_native_histograms: spec.scrape_native_histograms,
        scrape_classic_histograms: spec.scrape_classic_histograms,
        native_histogram_bucket_limit: spec.native_histogram_bucket_limit,
        native_histogram_min_bucket_factor: spec.native_histogram_min_bucket_factor,
        convert_classic_histograms_to_nhcb: spec.convert_classic_histograms_to_nhcb,
    }
}

fn service_endpoint(endpoint: &crate::monitoring::Endpoint) -> Endpoint<'_> {
    Endpoint {
        port: &endpoint.port,
        port_number: None,
        target_port: endpoint.target_port.as_ref(),
        path: &endpoint.path,
        scheme: endpoint.scheme.as_deref(),
        params: endpoint.params.as_ref(),
        interval: &endpoint.interval,
        scrape_timeout: &endpoint.scrape_timeout,
        honor_labels: endpoint.honor_labels,
        honor_timestamps: endpoint.honor_timestamps,
        track_timestamps_staleness: endpoint.track_timestamps_staleness,
        relabelings: &endpoint.relabelings,
        metric_relabelings: &endpoint.metric_relabelings,
        filter_running: endpoint.filter_running,
        bearer_token_file: &endpoint.bearer_token_file,
        bearer_token_secret: endpoint.bearer_token_secret.as_ref(),
        authorization: endpoint.authorization.as_ref(),
        basic_auth: endpoint.basic_auth.as_ref(),
        oauth2: endpoint.oauth2.as_ref(),
        tls: endpoint.tls_config.as_ref(),
        follow_redirects: endpoint.follow_redirects,
        enable_http2: endpoint.enable_http2,
        proxy: &endpoint.proxy,
    }
}

fn pod(monitor: &PodMonitor) -> Monitor<'_> {
    let spec = &monitor.spec;
    Monitor {
        kind: Kind::PodMonitor,
        namespace: &monitor.metadata.namespace,
        name: &monitor.metadata.name,
        endpoints: spec
            .pod_metrics_endpoints
            .iter()
            .map(pod_endpoint)
            .collect(),
        job_label: &spec.job_label,
        target_labels: &[],
        pod_target_labels: &spec.pod_target_labels,
        selector: &spec.selector,
        selector_mechanism: spec.selector_mechanism.as_deref(),
        namespace_selector: &spec.namespace_selector,
        service_discovery_role: None,
        attach_metadata: spec.attach_metadata.as_ref(),
        scrape_class: spec.scrape_class.as_deref(),
        sample_limit: spec.sample_limit,
        target_limit: spec.target_limit,
        label_limit: spec.label_limit,
        label_name_length_limit: spec.label_name_length_limit,
        label_value_length_limit: spec.label_value_length_limit,
        keep_dropped_targets: spec.keep_dropped_targets,
        body_size_limit: &spec.body_size_limit,
        scrape_protocols: &spec.scrape_protocols,
        fallback_scrape_protocol: spec.fallback_scrape_protocol.as_deref(),
        scrape_native_histograms: spec.scrape_native_histograms,
        scrape_classic_histograms: spec.scrape_classic_histograms,
        native_histogram_bucket_limit: spec.native_histogram_bucket_limit,
        native_histogram_min_bucket_factor: spec.native_histogram_min_bucket_factor,
        convert_classic_histograms_to_nhcb: spec.convert_classic_histograms_to_nhcb,
    }
}

fn pod_endpoint(endpoint: &PodMetricsEndpoint) -> Endpoint<'_> {
    Endpoint {
        port: endpoint.port.as_deref().unwrap_or_default(),
        port_number: endpoint.port_number,
        target_port: endpoint.target_port.as_ref(),
        path: &endpoint.path,
        scheme: endpoint.scheme.as_deref(),
        params: endpoint.params.as_ref(),
        interval: &endpoint.interval,
        scrape_timeout: &endpoint.scrape_timeout,
        honor_labels: endpoint.honor_labels,
        honor_timestamps: endpoint.honor_timestamps,
        track_timestamps_staleness: endpoint.track_timestamps_staleness,
        relabelings: &endpoint.relabelings,
        metric_relabelings: &endpoint.metric_relabelings,
        filter_running: endpoint.filter_running,
        bearer_token_file: "",
        bearer_token_secret: endpoint.bearer_token_secret.as_ref(),
        authorization: endpoint.authorization.as_ref(),
        basic_auth: endpoint.basic_auth.as_ref(),
        oauth2: endpoint.oauth2.as_ref(),
        tls: endpoint.tls_config.as_ref(),
        follow_redirects: endpoint.follow_redirects,
        enable_http2: endpoint.enable_http2,
        proxy: &endpoint.proxy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_namespace_slash_name() {
        let names = ["", "a", "a-b", "a.b", "a/b", "a0", "b", "ä"];
        let all = names
            .iter()
            .flat_map(|namespace| names.map(|name| (*namespace, name)));
        let all: Vec<_> = all.collect();
        let meta = |(namespace, name): (&str, &str)| ObjectMeta {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..ObjectMeta::default()
        };
        for &a in &all {
            for &b in &all {
                let want = format!("{}/{}", a.0, a.1).cmp(&format!("{}/{}", b.0, b.1));
                assert_eq!(joined_order(&meta(a), &meta(b)), want, "{a:?} {b:?}");
            }
        }
    }
}

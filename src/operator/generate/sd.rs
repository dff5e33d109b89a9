//! `kubernetes_sd_configs` of a job
//! (prometheus-operator: pkg/prometheus/promcfg.go, generateK8SSDConfig).

use super::super::context::Context;
use super::super::monitor::Monitor;
use super::super::types::Kind;
use super::super::version;
use super::http::Http;
use crate::monitoring::AttachMetadata;
use crate::wire::yaml::emit::{Pairs, Tree, map, texts};
use std::borrow::Cow;

/// What a job discovers: `pod`, `endpoints` or `endpointslice`.
pub(super) fn role(cx: &Context<'_>, monitor: &Monitor<'_>) -> &'static str {
    if monitor.kind == Kind::PodMonitor {
        return "pod";
    }
    let wanted = monitor
        .service_discovery_role
        .or(cx.spec.service_discovery_role.as_deref());
    // This asks for the version itself, whether versions are looked at otherwise or not.
    let possible = cx.settings.features.endpoint_slices && cx.version.has(version::ENDPOINT_SLICE);
    if possible && wanted == Some("EndpointSlice") {
        "endpointslice"
    } else {
        "endpoints"
    }
}

/// The list with its one entry.
pub(super) fn configs<'a>(
    monitor: &'a Monitor<'a>,
    role: &'static str,
    http: &mut Http<'a>,
) -> Tree<'a> {
    let cx = http.cx;
    let mut pairs: Pairs<'a> = vec![("role".into(), role.into())];
    if let Some(names) = namespaces(cx, monitor) {
        pairs.push(("namespaces".into(), map([("names", names)])));
    }
    api_server(http, &mut pairs);
    if let Some(node) = attach_node(cx, monitor) {
        let metadata = map([("node", node.into())]);
        pairs.push(("attach_metadata".into(), metadata));
    }
    let selectors = selectors(cx, monitor, role);
    if !selectors.is_empty() {
        pairs.push(("selectors".into(), Tree::List(selectors)));
    }
    Tree::List(vec![pairs.into()])
}

/// None: everywhere.
fn namespaces<'a>(cx: &Context<'_>, monitor: &'a Monitor<'a>) -> Option<Tree<'a>> {
    let own = || Some(Tree::List(vec![monitor.namespace.into()]));
    let selector = monitor.namespace_selector;
    if cx.spec.ignore_namespace_selectors {
        own()
    } else if selector.any {
        None
    } else if selector.match_names.is_empty() {
        own()
    } else {
        Some(texts(&selector.match_names))
    }
}

/// Upstream looks the references up in the monitor's namespace, though it loaded them from the settings':
/// elsewhere they come out empty (prometheus-operator: pkg/prometheus/promcfg.go, generateK8SSDConfig).
fn api_server<'a>(http: &mut Http<'a>, pairs: &mut Pairs<'a>) {
    let cx = http.cx;
    let Some(server) = &cx.spec.apiserver_config else {
        return;
    };
    pairs.push(("api_server".into(), server.host.as_str().into()));
    if let Some(auth) = &server.basic_auth {
        pairs.push(("basic_auth".into(), http.basic_auth(auth)));
    }
    if !server.bearer_token.is_empty() {
        let token = server.bearer_token.as_str();
        pairs.push(("bearer_token".into(), token.into()));
    }
    if !server.bearer_token_file.is_empty() {
        let file = server.bearer_token_file.as_str();
        pairs.push(("bearer_token_file".into(), file.into()));
    }
    if let Some(authorization) = &server.authorization
        && cx.has(version::AUTHORIZATION)
    {
        let authorization = http.authorization(Cow::Borrowed(authorization));
        pairs.push(("authorization".into(), authorization));
    }
    if let Some(tls) = &server.tls_config {
        pairs.push(("tls_config".into(), http.tls(Cow::Borrowed(tls))));
    }
    let proxy = http.proxy(&server.proxy);
    pairs.extend(proxy.into_iter().map(|(key, value)| (key.into(), value)));
}

/// The monitor's metadata, else the class's; dividing by zone may need the node's labels.
fn attach_node(cx: &Context<'_>, monitor: &Monitor<'_>) -> Option<bool> {
    let minimum = match monitor.kind {
        Kind::ServiceMonitor => version::SERVICE_ATTACH_METADATA,
        Kind::PodMonitor => version::POD_ATTACH_METADATA,
    };
    if !cx.has(minimum) {
        return None;
    }
    let metadata: Option<&AttachMetadata> = monitor
        .attach_metadata
        .or_else(|| cx.class_of(monitor).attach_metadata.as_ref());
    let needs_node = cx.settings.zones().is_some() && !cx.settings.features.pod_topology_labels;
    if needs_node {
        return Some(true);
    }
    metadata.map(|metadata| metadata.node.unwrap_or(false))
}

fn selectors<'a>(cx: &Context<'_>, monitor: &Monitor<'_>, role: &'static str) -> Vec<Tree<'a>> {
    let mut selectors = Vec::new();
    if cx.settings.features.daemon_set {
        let node = cx.settings.placeholders.text("NODE_NAME");
        selectors.push(map([
            ("role", "pod".into()),
            ("field", format!("spec.nodeName={node}").into()),
        ]));
    }
    if monitor.selects_by_relabeling() {
        return selectors;
    }
    // It has been checked with the monitor.
    let label = monitor.selector.to_selector();
    let label = label.unwrap_or_default().to_string();
    let service = (monitor.kind == Kind::ServiceMonitor).then_some("service");
    for role in std::iter::once(role).chain(service) {
        selectors.push(map([
            ("role", role.into()),
            ("label", label.clone().into()),
        ]));
    }
    selectors
}

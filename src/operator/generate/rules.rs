//! The relabeling rules of a job, in upstream's order
//! (prometheus-operator: pkg/prometheus/promcfg.go, generateServiceMonitorConfig, generatePodMonitorConfig).

use super::super::context::{Context, labels};
use super::super::monitor::{Endpoint, Monitor};
use super::super::relabel;
use super::super::spec::ObjectReference;
use super::super::types::Kind;
use crate::monitoring::IntOrString;
use crate::wire::yaml::emit::{Tree, map};

type Rules<'a> = Vec<Tree<'a>>;

pub(super) fn of_job<'a>(
    cx: &'a Context<'_>,
    monitor: &'a Monitor<'a>,
    endpoint: &'a Endpoint<'a>,
    role: &str,
    sharding: &'a [Tree<'static>],
) -> Rules<'a> {
    let mut rules = vec![map([
        ("source_labels", labels(["job"])),
        ("target_label", "__tmp_prometheus_job_name".into()),
    ])];
    match monitor.kind {
        Kind::ServiceMonitor => service(cx, monitor, endpoint, role, &mut rules),
        Kind::PodMonitor => pod(cx, monitor, endpoint, &mut rules),
    }
    rules.extend(endpoint_label(endpoint));
    let class = cx.class_of(monitor);
    rules.extend(class.relabelings.iter().map(relabel::tree));
    rules.extend(endpoint.relabelings.iter().map(relabel::tree));
    rules.extend(enforced_namespace(cx, monitor));
    if !cx.settings.features.daemon_set {
        rules.extend(sharding.iter().map(Tree::Shared));
    }
    rules
}

/// Rules for samples: the class's, the endpoint's, the enforced label.
pub(super) fn of_samples<'a>(
    cx: &'a Context<'_>,
    monitor: &'a Monitor<'a>,
    endpoint: &'a Endpoint<'a>,
) -> Rules<'a> {
    let class = cx.class_of(monitor);
    let mut rules: Rules<'a> = Vec::new();
    rules.extend(class.metric_relabelings.iter().map(relabel::tree));
    rules.extend(endpoint.metric_relabelings.iter().map(relabel::tree));
    rules.extend(enforced_namespace(cx, monitor));
    rules
}

fn service<'a>(
    cx: &'a Context<'_>,
    monitor: &'a Monitor<'a>,
    endpoint: &'a Endpoint<'a>,
    role: &str,
    rules: &mut Rules<'a>,
) {
    // `endpoints` has labels with `endpoint_`, `endpointslice` such with `endpointslice_`.
    let address = |what: &str| {
        let role = role.strip_suffix('s').unwrap_or(role);
        format!("__meta_kubernetes_{role}_{what}")
    };
    selector(monitor, "service", rules);
    if !endpoint.port.is_empty() {
        rules.push(keep(address("port_name"), endpoint.port.into()));
    } else {
        rules.extend(target_port(endpoint));
    }
    for (regex, target) in [("Node;(.*)", "node"), ("Pod;(.*)", "pod")] {
        let source = [
            address("address_target_kind"),
            address("address_target_name"),
        ];
        rules.push(map([
            (
                "source_labels",
                Tree::List(source.into_iter().map(Tree::from).collect()),
            ),
            ("separator", ";".into()),
            ("regex", regex.into()),
            ("replacement", "${1}".into()),
            ("target_label", target.into()),
        ]));
    }
    rules.push(copy_of("__meta_kubernetes_namespace", "namespace"));
    rules.push(copy_of("__meta_kubernetes_service_name", "service"));
    rules.push(copy_of("__meta_kubernetes_pod_name", "pod"));
    rules.push(copy_of("__meta_kubernetes_pod_container_name", "container"));
    rules.extend(running_filter(endpoint));
    rules.extend(monitor.target_labels.iter().map(|l| label("service", l)));
    pod_labels(cx, monitor, rules);
    rules.push(map([
        ("source_labels", labels(["__meta_kubernetes_service_name"])),
        ("target_label", "job".into()),
        ("replacement", "${1}".into()),
    ]));
    rules.extend(job_label("service", monitor.job_label));
}

fn pod<'a>(
    cx: &'a Context<'_>,
    monitor: &'a Monitor<'a>,
    endpoint: &'a Endpoint<'a>,
    rules: &mut Rules<'a>,
) {
    rules.extend(running_filter(endpoint));
    selector(monitor, "pod", rules);
    if !endpoint.port.is_empty() {
        rules.push(keep(CONTAINER_PORT_NAME.to_owned(), endpoint.port.into()));
    } else if let Some(number) = endpoint.port_number.filter(|number| *number != 0) {
        rules.push(keep(
            CONTAINER_PORT_NUMBER.to_owned(),
            i64::from(number).into(),
        ));
    } else {
        rules.extend(target_port(endpoint));
    }
    rules.push(copy_of("__meta_kubernetes_namespace", "namespace"));
    rules.push(copy_of("__meta_kubernetes_pod_container_name", "container"));
    rules.push(copy_of("__meta_kubernetes_pod_name", "pod"));
    pod_labels(cx, monitor, rules);
    rules.push(map([
        ("target_label", "job".into()),
        (
            "replacement",
            format!("{}/{}", monitor.namespace, monitor.name).into(),
        ),
    ]));
    rules.extend(job_label("pod", monitor.job_label));
}

const CONTAINER_PORT_NAME: &str = "__meta_kubernetes_pod_container_port_name";
const CONTAINER_PORT_NUMBER: &str = "__meta_kubernetes_pod_container_port_number";

fn keep<'a>(label: String, regex: Tree<'a>) -> Tree<'a> {
    map([
        ("action", "keep".into()),
        ("source_labels", Tree::List(vec![label.into()])),
        ("regex", regex),
    ])
}

fn copy_of(source: &'static str, target: &'static str) -> Tree<'static> {
    map([
        ("source_labels", labels([source])),
        ("target_label", target.into()),
    ])
}

/// A number is a port's number, written as one; text is a port's name.
fn target_port<'a>(endpoint: &Endpoint<'a>) -> Option<Tree<'a>> {
    match endpoint.target_port? {
        IntOrString::Text(name) if !name.is_empty() => {
            Some(keep(CONTAINER_PORT_NAME.to_owned(), name.as_str().into()))
        }
        IntOrString::Int(number) if *number != 0 => Some(keep(
            CONTAINER_PORT_NUMBER.to_owned(),
            i64::from(*number).into(),
        )),
        _ => None,
    }
}

fn endpoint_label<'a>(endpoint: &Endpoint<'a>) -> Option<Tree<'a>> {
    let port: Tree<'a> = if !endpoint.port.is_empty() {
        endpoint.port.into()
    } else {
        let port = endpoint.target_port?.to_string();
        Some(port).filter(|port| !port.is_empty())?.into()
    };
    Some(map([
        ("target_label", "endpoint".into()),
        ("replacement", port),
    ]))
}

fn running_filter(endpoint: &Endpoint<'_>) -> Option<Tree<'static>> {
    let filters = endpoint.filter_running.unwrap_or(true);
    filters.then(|| {
        map([
            ("action", "drop".into()),
            ("source_labels", labels(["__meta_kubernetes_pod_phase"])),
            ("regex", "(Failed|Succeeded)".into()),
        ])
    })
}

/// The monitor's selector as rules; values go into regular expressions as they are.
fn selector<'a>(monitor: &'a Monitor<'a>, of: &str, rules: &mut Rules<'a>) {
    if !monitor.selects_by_relabeling() {
        return;
    }
    let present = |key: &str| format!("__meta_kubernetes_{of}_labelpresent_{}", sanitize(key));
    let by_value = |action: &'static str, key: &str, values: &str| {
        let value = format!("__meta_kubernetes_{of}_label_{}", sanitize(key));
        map([
            ("action", action.into()),
            (
                "source_labels",
                Tree::List(vec![value.into(), present(key).into()]),
            ),
            ("regex", format!("({values});true").into()),
        ])
    };
    let by_presence = |action: &'static str, key: &str| {
        map([
            ("action", action.into()),
            ("source_labels", Tree::List(vec![present(key).into()])),
            ("regex", "true".into()),
        ])
    };
    let labels = &monitor.selector.match_labels;
    rules.extend(
        labels
            .iter()
            .map(|(key, value)| by_value("keep", key, value)),
    );
    for expression in &monitor.selector.match_expressions {
        let (key, values) = (&expression.key, expression.values.join("|"));
        rules.extend(match expression.operator.as_str() {
            "In" => Some(by_value("keep", key, &values)),
            "NotIn" => Some(by_value("drop", key, &values)),
            "Exists" => Some(by_presence("keep", key)),
            "DoesNotExist" => Some(by_presence("drop", key)),
            _ => None,
        });
    }
}

/// Copies a label of the Service or Pod to the target.
fn label<'a>(of: &str, name: &str) -> Tree<'a> {
    let target = sanitize(name);
    map([
        (
            "source_labels",
            Tree::List(vec![
                format!("__meta_kubernetes_{of}_label_{target}").into(),
            ]),
        ),
        ("target_label", target.into()),
        ("regex", "(.+)".into()),
        ("replacement", "${1}".into()),
    ])
}

fn pod_labels<'a>(cx: &'a Context<'_>, monitor: &'a Monitor<'a>, rules: &mut Rules<'a>) {
    let names = monitor.pod_target_labels.iter();
    let names = names.chain(&cx.spec.pod_target_labels);
    rules.extend(names.map(|name| label("pod", name)));
}

fn job_label<'a>(of: &str, name: &str) -> Option<Tree<'a>> {
    (!name.is_empty()).then(|| {
        let source = format!("__meta_kubernetes_{of}_label_{}", sanitize(name));
        map([
            ("source_labels", Tree::List(vec![source.into()])),
            ("target_label", "job".into()),
            ("regex", "(.+)".into()),
            ("replacement", "${1}".into()),
        ])
    })
}

/// The label with the monitor's namespace, behind all rules of users
/// (prometheus-operator: pkg/namespacelabeler/labeler.go).
fn enforced_namespace<'a>(cx: &'a Context<'_>, monitor: &'a Monitor<'a>) -> Option<Tree<'a>> {
    let label = cx.spec.enforced_namespace_label.as_str();
    let excluded = cx.spec.excluded_from_enforcement.iter();
    let applies = !label.is_empty() && !excluded.clone().any(|entry| excludes(entry, monitor));
    applies.then(|| {
        map([
            ("target_label", label.into()),
            ("replacement", monitor.namespace.into()),
        ])
    })
}

fn excludes(entry: &ObjectReference, monitor: &Monitor<'_>) -> bool {
    let resource = match monitor.kind {
        Kind::ServiceMonitor => "servicemonitors",
        Kind::PodMonitor => "podmonitors",
    };
    !entry.namespace.is_empty()
        && entry.namespace == monitor.namespace
        && matches!(entry.group.as_str(), "" | "monitoring.coreos.com")
        && entry.resource == resource
        && (entry.name.is_empty() || entry.name == monitor.name)
}

/// Prometheus' own form of label names: every other character becomes `_`.
fn sanitize(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

//! Role `service`: a target per port (prometheus: discovery/kubernetes/service.go).

use super::GroupContext;
use super::labels::join_host_port;
use crate::kube::types::core::Service;
use crate::model::group::RawLabels;

pub(super) fn group(
    service: &Service,
    context: &mut GroupContext<'_>,
) -> (RawLabels, Vec<RawLabels>) {
    let (meta, spec) = (&service.metadata, &service.spec);
    let mut labels = RawLabels::default();
    context.names.set(&mut labels, "namespace", &meta.namespace);
    context.names.set_meta(&mut labels, "service", meta);
    context.set_namespace(&mut labels, &meta.namespace);

    let host = format!("{}.{}.svc", meta.name, meta.namespace);
    let mut targets = Vec::with_capacity(spec.ports.len());
    for port in &spec.ports {
        let mut target = RawLabels::default();
        let names = &mut *context.names;
        names.set_address(&mut target, &join_host_port(&host, port.port));
        names.set(&mut target, "service_port_name", &port.name);
        names.set(&mut target, "service_port_number", &port.port.to_string());
        names.set(&mut target, "service_port_protocol", &port.protocol);
        names.set(&mut target, "service_type", &spec.kind);
        if spec.kind == "ExternalName" {
            names.set(&mut target, "service_external_name", &spec.external_name);
        } else {
            names.set(&mut target, "service_cluster_ip", &spec.cluster_ip);
        }
        if spec.kind == "LoadBalancer" {
            names.set(
                &mut target,
                "service_loadbalancer_ip",
                &balancer_ips(service),
            );
        }
        targets.push(target);
    }
    (labels, targets)
}

/// The balancer's addresses; the deprecated wish for one where it has none.
fn balancer_ips(service: &Service) -> String {
    let ingress = service.status.load_balancer.ingress.iter();
    let ips: Vec<&str> = ingress
        .map(|i| i.ip.as_str())
        .filter(|ip| !ip.is_empty())
        .collect();
    if ips.is_empty() {
        service.spec.load_balancer_ip.clone()
    } else {
        ips.join(",")
    }
}

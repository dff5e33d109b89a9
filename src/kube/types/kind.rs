//! The kinds that are read, and where the API server has them.

use std::fmt;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `monitoring.coreos.com/v1` ServiceMonitor.
    ServiceMonitor,
    /// `monitoring.coreos.com/v1` PodMonitor.
    PodMonitor,
    /// `monitoring.coreos.com/v1` Prometheus: one, to inherit settings from.
    Prometheus,
    /// `monitoring.coreos.com/v1alpha1` PrometheusAgent: likewise.
    PrometheusAgent,
    /// Service.
    Service,
    /// Pod.
    Pod,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// Endpoints.
    Endpoints,
    /// Namespace.
    Namespace,
    /// Node.
    Node,
    /// `networking.k8s.io/v1` Ingress.
    Ingress,
    /// `apps/v1` ReplicaSet.
    ReplicaSet,
    /// `batch/v1` Job.
    Job,
    /// Secret: read by name only, never listed or watched.
    Secret,
    /// ConfigMap: read by name only, never listed or watched.
    ConfigMap,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::ServiceMonitor,
        Self::PodMonitor,
        Self::Prometheus,
        Self::PrometheusAgent,
        Self::Service,
        Self::Pod,
        Self::EndpointSlice,
        Self::Endpoints,
        Self::Namespace,
        Self::Node,
        Self::Ingress,
        Self::ReplicaSet,
        Self::Job,
        Self::Secret,
        Self::ConfigMap,
    ];

    /// API group (empty for the core group), version, plural name, name of the kind.
    fn coordinates(self) -> (&'static str, &'static str, &'static str, &'static str) {
        const MONITORING: &str = "monitoring.coreos.com";
        match self {
            Self::ServiceMonitor => (MONITORING, "v1", "servicemonitors", "ServiceMonitor"),
            Self::PodMonitor => (MONITORING, "v1", "podmonitors", "PodMonitor"),
            Self::Prometheus => (MONITORING, "v1", "prometheuses", "Prometheus"),
            Self::PrometheusAgent => (
                MONITORING,
                "v1alpha1",
                "prometheusagents",
                "PrometheusAgent",
            ),
            Self::Service => ("", "v1", "services", "Service"),
            Self::Pod => ("", "v1", "pods", "Pod"),
            Self::EndpointSlice => ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
            Self::Endpoints => ("", "v1", "endpoints", "Endpoints"),
            Self::Namespace => ("", "v1", "namespaces", "Namespace"),
            Self::Node => ("", "v1", "nodes", "Node"),
            Self::Ingress => ("networking.k8s.io", "v1", "ingresses", "Ingress"),
            Self::ReplicaSet => ("apps", "v1", "replicasets", "ReplicaSet"),
            Self::Job => ("batch", "v1", "jobs", "Job"),
            Self::Secret => ("", "v1", "secrets", "Secret"),
            Self::ConfigMap => ("", "v1", "configmaps", "ConfigMap"),
        }
    }

    /// The API group; empty for the core group.
    pub fn group(self) -> &'static str {
        self.coordinates().0
    }

    /// The plural name in paths and RBAC rules.
    pub fn plural(self) -> &'static str {
        self.coordinates().2
    }

    /// The name of the kind.
    pub fn name(self) -> &'static str {
        self.coordinates().3
    }

    /// `apiVersion` of its objects.
    pub fn api_version(self) -> String {
        match self.coordinates() {
            ("", version, ..) => version.to_owned(),
            (group, version, ..) => format!("{group}/{version}"),
        }
    }

    /// Whether its objects live in namespaces.
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node)
    }

    /// Whether it is one of the two monitors.
    pub fn is_monitor(self) -> bool {
        matches!(self, Self::ServiceMonitor | Self::PodMonitor)
    }

    /// Whether it is one of the two objects that settings are inherited from.
    pub fn is_workload(self) -> bool {
        matches!(self, Self::Prometheus | Self::PrometheusAgent)
    }

    /// Its plural name with its group, as `kubectl` takes it.
    pub fn resource(self) -> String {
        match self.group() {
            "" => self.plural().to_owned(),
            group => format!("{}.{group}", self.plural()),
        }
    }

    /// That the API server does not have it, and what to do.
    pub fn not_installed(self) -> String {
        let hint = if self.is_monitor() {
            " (kubectl apply -f vendor-crds/)"
        } else {
            ""
        };
        format!("{} is not installed; waiting for it{hint}", self.resource())
    }

    /// The path of the collection: of one namespace, or of the cluster.
    pub fn path(self, namespace: Option<&str>) -> String {
        let (group, version, plural, _) = self.coordinates();
        let root = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        match namespace {
            Some(namespace) if self.is_namespaced() => {
                format!("{root}/namespaces/{namespace}/{plural}")
            }
            _ => format!("{root}/{plural}"),
        }
    }

    /// The kind that an object says it is of.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|k| k.name() == kind && k.api_version() == api_version)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names() {
        assert_eq!(Kind::Pod.path(None), "/api/v1/pods");
        assert_eq!(Kind::Node.path(Some("x")), "/api/v1/nodes");
        assert_eq!(
            Kind::ServiceMonitor.path(Some("shop")),
            "/apis/monitoring.coreos.com/v1/namespaces/shop/servicemonitors"
        );
        for kind in Kind::ALL {
            assert_eq!(Kind::of(&kind.api_version(), kind.name()), Some(kind));
        }
        assert_eq!(Kind::of("v1", "ServiceMonitor"), None);
    }
}

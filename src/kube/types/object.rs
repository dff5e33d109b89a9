//! An object of any kind that is listed and watched.

use super::core::{Endpoints, Node, Pod, Service};
use super::discovery::EndpointSlice;
use super::kind::Kind;
use super::meta::ObjectMeta;
use super::networking::Ingress;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// An object, reduced to what is read of its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A ServiceMonitor, PodMonitor, Prometheus or PrometheusAgent: its `spec` is decoded by whoever knows its type.
    Monitor(Box<Monitor>),
    /// A service.
    Service(Box<Service>),
    /// A pod.
    Pod(Box<Pod>),
    /// An EndpointSlice.
    EndpointSlice(Box<EndpointSlice>),
    /// An Endpoints object.
    Endpoints(Box<Endpoints>),
    /// A node.
    Node(Box<Node>),
    /// An ingress.
    Ingress(Box<Ingress>),
    /// A Namespace, ReplicaSet or Job: only its metadata is read.
    Meta(Kind, Box<ObjectMeta>),
}

/// An object of prometheus-operator's.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Which of them.
    pub kind: Kind,
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec` as JSON: a tenth of the memory that values take.
    pub spec: Box<str>,
}

impl Monitor {
    /// `spec` as the API server has it.
    ///
    /// # Errors
    /// A number is too large for any type, or values are nested too deeply.
    pub fn spec(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(&self.spec)
    }
}

#[derive(Deserialize)]
struct WithSpec {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct WithMeta {
    #[serde(default)]
    metadata: ObjectMeta,
}

impl Object {
    /// Reads an object of `kind` from JSON.
    ///
    /// # Errors
    /// It isn't JSON, a field has the wrong type, or the kind is read by name only.
    pub fn decode(kind: Kind, json: &str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::ServiceMonitor | Kind::PodMonitor | Kind::Prometheus | Kind::PrometheusAgent => {
                let WithSpec { metadata, spec } = serde_json::from_str(json)?;
                Self::Monitor(Box::new(Monitor {
                    kind,
                    metadata,
                    spec: spec.map_or_else(|| "null".into(), Into::into),
                }))
            }
            Kind::Service => Self::Service(serde_json::from_str(json)?),
            Kind::Pod => Self::Pod(serde_json::from_str(json)?),
            Kind::EndpointSlice => Self::EndpointSlice(serde_json::from_str(json)?),
            Kind::Endpoints => Self::Endpoints(serde_json::from_str(json)?),
            Kind::Node => Self::Node(serde_json::from_str(json)?),
            Kind::Ingress => Self::Ingress(serde_json::from_str(json)?),
            Kind::Namespace | Kind::ReplicaSet | Kind::Job => {
                let WithMeta { metadata } = serde_json::from_str(json)?;
                Self::Meta(kind, Box::new(metadata))
            }
            Kind::Secret | Kind::ConfigMap => {
                return Err(serde::de::Error::custom(format!(
                    "{kind} is read by name only"
                )));
            }
        })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Monitor(monitor) => monitor.kind,
            Self::Service(_) => Kind::Service,
            Self::Pod(_) => Kind::Pod,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Endpoints(_) => Kind::Endpoints,
            Self::Node(_) => Kind::Node,
            Self::Ingress(_) => Kind::Ingress,
            Self::Meta(kind, _) => *kind,
        }
    }

    /// Its metadata.
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Monitor(monitor) => &monitor.metadata,
            Self::Service(service) => &service.metadata,
            Self::Pod(pod) => &pod.metadata,
            Self::EndpointSlice(slice) => &slice.metadata,
            Self::Endpoints(endpoints) => &endpoints.metadata,
            Self::Node(node) => &node.metadata,
            Self::Ingress(ingress) => &ingress.metadata,
            Self::Meta(_, meta) => meta,
        }
    }

    /// Its metadata, to change.
    pub fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Monitor(monitor) => &mut monitor.metadata,
            Self::Service(service) => &mut service.metadata,
            Self::Pod(pod) => &mut pod.metadata,
            Self::EndpointSlice(slice) => &mut slice.metadata,
            Self::Endpoints(endpoints) => &mut endpoints.metadata,
            Self::Node(node) => &mut node.metadata,
            Self::Ingress(ingress) => &mut ingress.metadata,
            Self::Meta(_, meta) => meta,
        }
    }

    /// Its key: namespace (empty for objects of the cluster) and name.
    pub fn key(&self) -> Key {
        let meta = self.meta();
        Key {
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
        }
    }
}

/// Names an object among those of its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace; empty for objects of the cluster.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// A key.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// `namespace/name`, or `name` for objects of the cluster.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_unknown_fields_are_fine_and_wrong_types_are_not() {
        let json = r#"{"metadata":{"name":"a","namespace":"b","labels":null,"x":1},"spec":{"containers":null}}"#;
        let pod = Object::decode(Kind::Pod, json).unwrap();
        assert_eq!(pod.key(), Key::new("b", "a"));
        assert!(Object::decode(Kind::Pod, r#"{"spec":{"containers":3}}"#).is_err());
        assert!(Object::decode(Kind::Secret, "{}").is_err());
    }
}

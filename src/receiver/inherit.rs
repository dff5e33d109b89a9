//! The name of the object that settings are inherited from.

use crate::kube::types::kind::Kind;
use crate::operator::Workload;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

/// The object that settings are inherited from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherit {
    /// Its kind.
    pub workload: Workload,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Inherit {
    pub(super) fn kind(&self) -> Kind {
        match self.workload {
            Workload::Prometheus => Kind::Prometheus,
            Workload::PrometheusAgent => Kind::PrometheusAgent,
        }
    }
}

/// As flags and the settings file write it.
impl fmt::Display for Inherit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.workload.to_string().to_ascii_lowercase();
        write!(f, "{kind}/{}/{}", self.namespace, self.name)
    }
}

impl FromStr for Inherit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is neither prometheus/NAMESPACE/NAME nor prometheusagent/…");
        let mut parts = text.split('/');
        let (Some(kind), Some(namespace), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let workload = match kind.to_ascii_lowercase().as_str() {
            "prometheus" => Workload::Prometheus,
            "prometheusagent" => Workload::PrometheusAgent,
            _ => return Err(wrong()),
        };
        if namespace.is_empty() || name.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            workload,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for Inherit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, good: bool) {
        let parsed = text.parse::<Inherit>();
        assert_eq!(parsed.is_ok(), good, "{parsed:?}");
        if let Ok(inherit) = parsed {
            assert_eq!(inherit.to_string(), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn objects_are_named_by_kind_namespace_and_name() {
        check("prometheus/monitoring/k8s", true);
        check("PrometheusAgent/monitoring/k8s", true);
        check("alertmanager/monitoring/main", false);
        check("prometheus/k8s", false);
        check("prometheus//k8s", false);
        check("prometheus/monitoring/k8s/x", false);
    }
}

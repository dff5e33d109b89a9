//! What all objects have.

use crate::model::selector::syntax::{key_problem, name_problem, namespace_problem, value_problem};
use crate::model::selector::{LabelSelector, Operator, Requirement};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `metadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Name within its namespace.
    pub name: String,
    /// Namespace; empty for objects of the whole cluster.
    pub namespace: String,
    /// Labels.
    #[serde(deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
    /// Unique over time.
    pub uid: String,
    /// Changes with every write of the object.
    pub resource_version: String,
    /// Changes with every write of its `spec`.
    pub generation: i64,
    /// The objects this one belongs to.
    #[serde(deserialize_with = "null_as_default")]
    pub owner_references: Vec<OwnerReference>,
}

impl ObjectMeta {
    /// What an API server would not take of the metadata of a namespaced object (apimachinery: api/validation,
    /// ValidateObjectMeta), in its words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut add = |field: &str, value: &str, problem: Option<String>| {
            let problem =
                problem.map(|problem| format!("{field}: Invalid value: {value:?}: {problem}"));
            problems.extend(problem);
        };
        if !self.name.is_empty() {
            add("metadata.name", &self.name, name_problem(&self.name));
        }
        add(
            "metadata.namespace",
            &self.namespace,
            namespace_problem(&self.namespace),
        );
        for (key, value) in &self.labels {
            add("metadata.labels", key, key_problem(key));
            add("metadata.labels", value, value_problem(value));
        }
        for key in self.annotations.keys() {
            add(
                "metadata.annotations",
                key,
                key_problem(&key.to_ascii_lowercase()),
            );
        }
        if self.name.is_empty() {
            problems
                .push("metadata.name: Required value: name or generateName is required".to_owned());
        }
        problems
    }
}

/// One entry of `ownerReferences`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// API group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Unique id.
    pub uid: String,
    /// Whether it is the managing controller.
    pub controller: bool,
}

/// A label selector as objects carry it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelectorSpec {
    /// Labels that must have these values.
    #[serde(deserialize_with = "null_as_default")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(deserialize_with = "null_as_default")]
    pub match_expressions: Vec<RequirementSpec>,
}

impl SelectorSpec {
    /// Checks the selector (apimachinery: meta/v1, LabelSelectorAsSelector).
    ///
    /// # Errors
    /// An unknown operator, a malformed key or value, or values where there must be none or none where there must be some.
    pub fn to_selector(&self) -> Result<LabelSelector, String> {
        let mut requirements = Vec::new();
        for (key, value) in &self.match_labels {
            let values = vec![value.clone()];
            requirements.push(Requirement::new(key, Operator::Equals, values)?);
        }
        for expression in &self.match_expressions {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{other:?} is not a valid label selector operator")),
            };
            let values = expression.values.clone();
            requirements.push(Requirement::new(&expression.key, operator, values)?);
        }
        Ok(LabelSelector::new(requirements))
    }
}

/// One entry of `matchExpressions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequirementSpec {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`; anything else is an error of the object that carries it.
    pub operator: String,
    /// Values for `In` and `NotIn`.
    #[serde(deserialize_with = "null_as_default")]
    pub values: Vec<String>,
}

/// Kubernetes writes absent lists and maps as `null` at times.
///
/// # Errors
/// The value is neither null nor of the type.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selector(value: serde_json::Value) -> Result<LabelSelector, String> {
        let spec: SelectorSpec = serde_json::from_value(value).unwrap();
        spec.to_selector()
    }

    #[test]
    fn canonical_form_is_sorted() {
        let selector = selector(json!({
            "matchLabels": {"b": "1", "a/x": ""},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["z", "y"]},
                {"key": "b", "operator": "NotIn", "values": ["q"]},
                {"key": "d", "operator": "DoesNotExist"},
                {"key": "e", "operator": "Exists"},
            ],
        }))
        .unwrap();
        assert_eq!(selector.to_string(), "a/x=,b=1,b notin (q),c in (y,z),!d,e");
    }

    #[test]
    fn absent_labels_match_not_in() {
        let selector = selector(json!({"matchExpressions": [
            {"key": "a", "operator": "NotIn", "values": ["x"]}, {"key": "b", "operator": "Exists"}]}))
        .unwrap();
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            pairs.collect::<BTreeMap<_, _>>()
        };
        assert!(selector.matches(&labels(&[("b", "")])));
        assert!(!selector.matches(&labels(&[("b", ""), ("a", "x")])));
        assert!(!selector.matches(&labels(&[("a", "y")])));
        assert!(LabelSelector::default().matches(&labels(&[])));
    }

    #[test]
    fn malformed_selectors_are_refused() {
        for (key, operator, values) in [
            ("", "Exists", json!([])),
            ("a/b/c", "Exists", json!([])),
            ("Up/x", "Exists", json!([])),
            ("a", "Is", json!([])),
            ("a", "In", json!([])),
            ("a", "Exists", json!(["x"])),
            ("a", "In", json!(["-x"])),
            ("a", "In", json!(["x".repeat(64)])),
        ] {
            let value =
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
            assert!(selector(value).is_err(), "{key} {operator}");
        }
    }
}

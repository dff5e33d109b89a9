//! Label selectors as objects carry them: checked, matched, and in Kubernetes' canonical text form.

use super::types::meta::LabelSelector;
use super::types::names::{key_problem, value_problem};
use std::collections::BTreeMap;
use std::fmt;

/// A checked label selector: every requirement must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Sorted by key; equal keys keep the order in which they were written.
    requirements: Vec<Requirement>,
}

/// What one label must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with.
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `key=value`
    Equals,
    /// `key!=value`
    NotEquals,
    /// `key in (a,b)`
    In,
    /// `key notin (a,b)`
    NotIn,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
}

/// The selector is not one; the text is Kubernetes' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Selector {
    /// Checks a selector (`metav1.LabelSelectorAsSelector`).
    ///
    /// # Errors
    /// An unknown operator, a malformed key or value, or values where there must be none or none where there must be some.
    pub fn new(selector: &LabelSelector) -> Result<Self, Error> {
        let mut requirements = Vec::new();
        for (key, value) in &selector.match_labels {
            requirements.push(Requirement::new(
                key,
                Operator::Equals,
                vec![value.clone()],
            )?);
        }
        for expression in &selector.match_expressions {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    return Err(Error(format!(
                        "{other:?} is not a valid label selector operator"
                    )));
                }
            };
            let values = expression.values.clone();
            requirements.push(Requirement::new(&expression.key, operator, values)?);
        }
        Ok(Self::from_requirements(requirements))
    }

    /// Puts checked requirements together.
    pub fn from_requirements(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements }
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(labels.get(&requirement.key)))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

impl Requirement {
    /// Checks a requirement (`labels.NewRequirement`).
    ///
    /// # Errors
    /// A malformed key or value, or values where there must be none or none where there must be some.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Self, Error> {
        let mut problems = Vec::new();
        if let Some(problem) = key_problem(key) {
            problems.push(format!("key: Invalid value: {key:?}: {problem}"));
        }
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => problems.push(
                "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"
                    .to_owned(),
            ),
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => problems.push(format!(
                "values: Invalid value: {values:?}: values set must be empty for exists and does not exist"
            )),
            _ => {}
        }
        for (i, value) in values.iter().enumerate() {
            if let Some(problem) = value_problem(value) {
                problems.push(format!(
                    "values[{i}][{key}]: Invalid value: {value:?}: {problem}"
                ));
            }
        }
        match problems.as_slice() {
            [] => Ok(Self {
                key: key.to_owned(),
                operator,
                values,
            }),
            [one] => Err(Error(one.clone())),
            many => Err(Error(format!("[{}]", many.join(", ")))),
        }
    }

    pub(super) fn matches(&self, label: Option<&String>) -> bool {
        let among = |value: &String| self.values.contains(value);
        match self.operator {
            Operator::Equals | Operator::In => label.is_some_and(among),
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(among),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        values.sort_unstable();
        let (key, values) = (&self.key, values.join(","));
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selector(value: serde_json::Value) -> Result<Selector, Error> {
        Selector::new(&serde_json::from_value(value).unwrap())
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
        assert!(Selector::default().matches(&labels(&[])));
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

//! Label selectors as objects carry them: checked, matched, and in Kubernetes' canonical text form.

use super::types::meta::LabelSelector;
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

const LONGEST_NAME: usize = 63;
const LONGEST_PREFIX: usize = 253;

/// What is wrong with the key of a label or annotation (apimachinery: util/validation, IsQualifiedName).
pub(super) fn key_problem(key: &str) -> Option<String> {
    const EXAMPLES: &str = "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    const FORM: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let (prefix, name) = match key.split_once('/') {
        None => (None, key),
        Some((prefix, name)) if !name.contains('/') => (Some(prefix), name),
        Some(_) => {
            return Some(format!(
                "a valid label key {FORM} {EXAMPLES} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
    };
    let mut problems = Vec::new();
    match prefix {
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) if prefix.len() > LONGEST_PREFIX => {
            problems.push(format!(
                "prefix part must be no more than {LONGEST_PREFIX} bytes"
            ));
        }
        Some(prefix) if !is_subdomain(prefix) => {
            problems.push(format!("prefix part {SUBDOMAIN}"));
        }
        _ => {}
    }
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > LONGEST_NAME {
        problems.push(format!(
            "name part must be no more than {LONGEST_NAME} bytes"
        ));
    }
    if !is_name(name) {
        problems.push(format!("name part {FORM} {EXAMPLES}"));
    }
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// What is wrong with the value of a label.
pub(super) fn value_problem(value: &str) -> Option<String> {
    let mut problems = Vec::new();
    if value.len() > LONGEST_NAME {
        problems.push(format!("must be no more than {LONGEST_NAME} bytes"));
    }
    if !value.is_empty() && !is_name(value) {
        problems.push("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".to_owned());
    }
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
fn is_name(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric());
    edge(text.bytes().next())
        && edge(text.bytes().next_back())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// What is wrong with the name of an object (apimachinery: util/validation, IsDNS1123Subdomain).
pub(super) fn name_problem(name: &str) -> Option<String> {
    if name.len() > LONGEST_PREFIX {
        return Some(format!("must be no more than {LONGEST_PREFIX} bytes"));
    }
    (!is_subdomain(name)).then(|| SUBDOMAIN.to_owned())
}

/// What is wrong with the name of a namespace (apimachinery: util/validation, IsDNS1123Label).
pub(super) fn namespace_problem(name: &str) -> Option<String> {
    if name.len() > LONGEST_NAME {
        return Some(format!("must be no more than {LONGEST_NAME} bytes"));
    }
    (name.contains('.') || !is_subdomain(name)).then(|| "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')".to_owned())
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let edge =
            |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(label.bytes().next())
            && edge(label.bytes().next_back())
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split('.').all(label)
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

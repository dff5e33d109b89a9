//! Which namespaces are read, and which stores that makes.

use super::store_key::StoreKey;
use crate::kube::fields;
use crate::kube::types::kind::Kind;
use std::collections::BTreeSet;
use std::fmt;

/// Which namespaces are read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All: one watch per kind. Monitors in the namespaces of `deny` are left out, as prometheus-operator does
    /// (their pods and services can still be targets of monitors elsewhere).
    All {
        /// Namespaces whose monitors are not read.
        deny: Vec<String>,
    },
    /// These: one watch per kind and namespace.
    Namespaces(Vec<String>),
}

impl Scope {
    /// The stores that hold a kind in `namespaces` (empty: all in scope), as far as fields select.
    pub(super) fn keys(
        &self,
        kind: Kind,
        namespaces: &[String],
        fields: &str,
    ) -> Result<Vec<StoreKey>, SubscribeError> {
        fields::parse(kind, fields).map_err(SubscribeError::FieldSelector)?;
        let key = |namespace: Option<&String>, fields: String| StoreKey {
            kind,
            namespace: namespace.cloned(),
            fields,
        };
        if !kind.is_namespaced() {
            return Ok(vec![key(None, fields.to_owned())]);
        }
        // One object, wherever monitors are read: a right in its namespace is enough.
        if kind.is_workload() {
            let keys = namespaces.iter().map(|n| key(Some(n), fields.to_owned()));
            return Ok(keys.collect());
        }
        match self {
            Self::All { deny } if kind.is_monitor() => {
                let denied = deny.iter().map(|n| format!("metadata.namespace!={n}"));
                let all = Some(fields.to_owned())
                    .into_iter()
                    .filter(|f| !f.is_empty());
                Ok(vec![key(
                    None,
                    all.chain(denied).collect::<Vec<_>>().join(","),
                )])
            }
            Self::All { .. } => Ok(vec![key(None, fields.to_owned())]),
            Self::Namespaces(readable) if namespaces.is_empty() => {
                let all: BTreeSet<&String> = readable.iter().collect();
                Ok(all
                    .into_iter()
                    .map(|n| key(Some(n), fields.to_owned()))
                    .collect())
            }
            Self::Namespaces(readable) => {
                let wanted: BTreeSet<&String> = namespaces.iter().collect();
                if let Some(outside) = wanted.iter().find(|n| !readable.contains(n)) {
                    return Err(SubscribeError::OutOfScope((*outside).clone()));
                }
                Ok(wanted
                    .into_iter()
                    .map(|n| key(Some(n), fields.to_owned()))
                    .collect())
            }
        }
    }
}

/// A subscription is not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscribeError {
    /// The namespace is not among those that are read.
    OutOfScope(String),
    /// The field selector is malformed, or selects a field that the kind doesn't offer.
    FieldSelector(String),
    /// No thread could be started.
    Thread(String),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfScope(namespace) => {
                write!(f, "namespace {namespace} is not read (--namespaces)")
            }
            Self::FieldSelector(text) => f.write_str(text),
            Self::Thread(text) => write!(f, "cannot start a thread: {text}"),
        }
    }
}

impl std::error::Error for SubscribeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scope: &Scope, kind: Kind, namespaces: &[&str], want: Result<&[(&str, &str)], &str>) {
        let namespaces: Vec<_> = namespaces.iter().map(|n| (*n).to_owned()).collect();
        let keys = scope.keys(kind, &namespaces, "");
        let keys = keys.as_ref().map(|keys| {
            let pair = |key: &StoreKey| {
                (
                    key.namespace.clone().unwrap_or_default(),
                    key.fields.clone(),
                )
            };
            keys.iter().map(pair).collect::<Vec<_>>()
        });
        let want = want.map(|want| {
            let owned = want.iter().map(|(n, f)| ((*n).to_owned(), (*f).to_owned()));
            owned.collect::<Vec<_>>()
        });
        assert_eq!(
            keys.map_err(ToString::to_string),
            want.map_err(str::to_owned)
        );
    }

    #[test]
    fn a_scope_makes_stores() {
        let deny = vec!["x".to_owned(), "y".to_owned()];
        let all = Scope::All { deny };
        let denied = "metadata.namespace!=x,metadata.namespace!=y";
        check(&all, Kind::ServiceMonitor, &[], Ok(&[("", denied)]));
        check(&all, Kind::Pod, &["a"], Ok(&[("", "")]));
        check(&all, Kind::Node, &["a"], Ok(&[("", "")]));
        let two = Scope::Namespaces(vec!["b".to_owned(), "a".to_owned()]);
        check(&two, Kind::Pod, &[], Ok(&[("a", ""), ("b", "")]));
        check(&two, Kind::Pod, &["b", "b"], Ok(&[("b", "")]));
        check(&two, Kind::Node, &[], Ok(&[("", "")]));
        let outside = "namespace c is not read (--namespaces)";
        check(&two, Kind::Pod, &["c"], Err(outside));
    }
}

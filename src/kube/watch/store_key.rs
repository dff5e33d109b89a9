//! Which objects a store holds, and how it stands.

use super::store::{Store, StoreStatus, Trouble};
use crate::kube::types::kind::Kind;
use std::fmt;

/// All objects of a kind, in one namespace or everywhere, that a field selector selects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StoreKey {
    pub(crate) kind: Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) fields: String,
}

impl StoreKey {
    pub(super) fn health(&self, store: &Store) -> WatchHealth {
        WatchHealth {
            kind: self.kind,
            namespace: self.namespace.clone(),
            fields: self.fields.clone(),
            status: store.status(),
        }
    }
}

/// The state of one store, for `/-/ready`, metrics and logs.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchHealth {
    /// The kind.
    pub kind: Kind,
    /// The namespace; `None` means the whole cluster.
    pub namespace: Option<String>,
    /// The field selector, maybe empty.
    pub fields: String,
    /// How the store stands.
    pub status: StoreStatus,
}

impl fmt::Display for WatchHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.plural())?;
        if let Some(namespace) = &self.namespace {
            write!(f, " in namespace {namespace}")?;
        }
        match &self.status.trouble {
            None if self.status.synced => f.write_str(": synced"),
            _ => write!(f, ": {}", self.cause()),
        }
    }
}

impl WatchHealth {
    /// What is the matter, without the kind: several stores often have one cause.
    pub fn cause(&self) -> String {
        match &self.status.trouble {
            Some((Trouble::Forbidden(rule), ..)) => format!("not permitted to {rule}"),
            Some((Trouble::Absent, ..)) => self.kind.not_installed(),
            Some((Trouble::Failing, _, message)) => message.clone(),
            None => "not listed yet".to_owned(),
        }
    }
}

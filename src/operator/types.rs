//! Which monitor, whose job, and why not.

use std::fmt;
use std::sync::Arc;

/// Which kind of monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `ServiceMonitor`
    ServiceMonitor,
    /// `PodMonitor`
    PodMonitor,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServiceMonitor => "ServiceMonitor",
            Self::PodMonitor => "PodMonitor",
        })
    }
}

/// Names a monitor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorId {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl MonitorId {
    /// The name of a monitor.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for MonitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        write!(f, "{kind} {namespace}/{name}")
    }
}

/// Whose job a fragment is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A monitor's endpoint.
    Monitor {
        /// Which monitor.
        monitor: MonitorId,
        /// Index in its list of endpoints.
        endpoint: usize,
    },
    /// An entry of `additionalScrapeConfigs`.
    Additional {
        /// Index in that list.
        index: usize,
    },
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Monitor { monitor, endpoint } => write!(f, "{monitor} endpoint {endpoint}"),
            Self::Additional { index } => write!(f, "additionalScrapeConfigs[{index}]"),
        }
    }
}

/// A monitor that contributes no job, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Which.
    pub monitor: MonitorId,
    /// What sort of mistake it is.
    pub cause: Cause,
    /// Field and reason, in upstream's words.
    pub reason: String,
}

/// Sorts of mistakes for which a monitor is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A field has the wrong type, or the object is from a file and an API server would refuse it.
    Unreadable,
    /// prometheus-operator does not accept it.
    Validation,
    /// A Secret or ConfigMap that it names, or a key in it, is missing or unusable.
    Asset,
    /// Prometheus would not load its job.
    Load,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unreadable, Self::Validation, Self::Asset, Self::Load];

    /// In one word, as metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Validation => "validation",
            Self::Asset => "asset",
            Self::Load => "load",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.monitor, self.reason)
    }
}

/// Nothing can be generated: the settings, not a monitor, are at fault. What ran before runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// An error with this text, which names the field.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

//! What becomes of preparing: a configuration that can run, with what is not used of it, or why there is none.

use super::jobs::{Built, Job};
use crate::config::Global;
use crate::operator::{Kind, Rejection};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// What the prepare thread makes of a request.
pub(super) type Answer = Result<Box<Prepared>, Failure>;

/// A configuration that can replace the running one.
#[derive(Debug)]
pub(super) struct Prepared {
    pub loaded: Loaded,
    /// When to prepare again even if nothing changes: Secrets are to be read again, or a last good version ends.
    pub next_look: Option<Instant>,
}

/// A rejected monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Which, and why.
    pub rejection: Rejection,
    /// Since when its last good version runs on, if it does.
    pub last_good_since: Option<Instant>,
    /// Its `uid`, if it is known.
    pub uid: String,
}

/// Why there is nothing new to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Something was not heard of yet; a notification follows when it was.
    Waiting(String),
    /// The settings or the head of the configuration are at fault: what ran before runs on.
    Refused(String),
}

/// The configuration that runs.
#[derive(Debug)]
pub(super) struct Loaded {
    pub global: Arc<Global>,
    /// The jobs, in the order of the document.
    pub jobs: Arc<[Arc<Job>]>,
    /// Where they come from.
    pub monitors: Arc<[Built]>,
    /// Monitors that are not used as they are, or not at all, and why.
    pub rejected: Vec<Rejected>,
    /// Additional jobs that are not used, and why.
    pub additional_errors: Vec<String>,
    /// Monitors by kind that the selectors chose, the rejected ones included.
    pub selected: BTreeMap<Kind, usize>,
    /// ServiceMonitors that the mode `DaemonSet` leaves out.
    pub left_out: usize,
    /// Why the inherited settings are not used: the last ones that could be used are.
    pub settings_trouble: Option<String>,
}

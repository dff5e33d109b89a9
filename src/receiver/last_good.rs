//! The last good version of each monitor: it runs on for a while when a changed monitor turns out to be invalid.

use super::prepare::Job;
use crate::operator::{Kind, Owner, Rejection};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Kind, namespace, name.
type MonitorId = (Kind, String, String);

/// Jobs of monitors as they were when they were last good.
#[derive(Debug, Default)]
pub(super) struct LastGood(BTreeMap<MonitorId, Version>);

#[derive(Debug)]
struct Version {
    jobs: Vec<Arc<Job>>,
    /// When the monitor was first found to be bad.
    bad_since: Option<Instant>,
}

/// One round of preparing: monitors that are mentioned in none are forgotten.
#[derive(Debug)]
pub(super) struct Round<'a> {
    now: Instant,
    max_age: Duration,
    before: BTreeMap<MonitorId, Version>,
    after: &'a mut LastGood,
}

impl LastGood {
    /// Begins a round. A version runs on for `max_age` after its monitor was found to be bad.
    pub(super) fn round(&mut self, now: Instant, max_age: Duration) -> Round<'_> {
        let before = std::mem::take(&mut self.0);
        Round {
            now,
            max_age,
            before,
            after: self,
        }
    }

    /// When the next bad monitor's version has run on for long enough.
    pub(super) fn next_end(&self, max_age: Duration) -> Option<Instant> {
        self.0
            .values()
            .filter_map(|version| version.bad_since)
            .min()
            .map(|since| since + max_age)
    }
}

impl Round<'_> {
    /// A monitor is good; these are its jobs.
    pub(super) fn good(&mut self, owner: &Owner, jobs: &[Arc<Job>]) {
        if let Owner::Monitor {
            kind,
            namespace,
            name,
            ..
        } = owner
        {
            let id = (*kind, namespace.to_string(), name.to_string());
            self.after.0.insert(
                id,
                Version {
                    jobs: jobs.to_vec(),
                    bad_since: None,
                },
            );
        }
    }

    /// A monitor is bad: the jobs of its last good version, unless it has been bad for too long or never was good.
    pub(super) fn bad(&mut self, monitor: &Rejection) -> &[Arc<Job>] {
        let id = (
            monitor.kind,
            monitor.namespace.clone(),
            monitor.name.clone(),
        );
        let Some(mut version) = self.before.remove(&id) else {
            return &[];
        };
        let since = *version.bad_since.get_or_insert(self.now);
        if self.now.saturating_duration_since(since) >= self.max_age {
            return &[];
        }
        &self.after.0.entry(id).or_insert(version).jobs
    }
}

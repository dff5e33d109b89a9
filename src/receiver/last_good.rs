//! The last good version of each monitor: it runs on for a while when a changed monitor turns out to be invalid.

use super::prepare::Job;
use crate::operator::{Kind, Owner, Rejection};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Kind, namespace, name.
type MonitorId = (Kind, Arc<str>, Arc<str>);

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
            let id = (*kind, Arc::clone(namespace), Arc::clone(name));
            self.after.0.insert(
                id,
                Version {
                    jobs: jobs.to_vec(),
                    bad_since: None,
                },
            );
        }
    }

    /// A monitor is bad: the jobs of its last good version and since when they run on, unless it has been bad for too long
    /// or never was good.
    pub(super) fn bad(&mut self, monitor: &Rejection) -> Option<(Vec<Arc<Job>>, Instant)> {
        let id = (
            monitor.kind,
            Arc::from(monitor.namespace.as_str()),
            Arc::from(monitor.name.as_str()),
        );
        let mut version = self.before.remove(&id)?;
        let since = *version.bad_since.get_or_insert(self.now);
        if self.now.saturating_duration_since(since) >= self.max_age {
            return None;
        }
        let jobs = version.jobs.clone();
        self.after.0.insert(id, version);
        Some((jobs, since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::Cause;
    use crate::rt::clock::SystemClock;

    /// A monitor that is good at first and bad from the first second on: for how many seconds its version runs on.
    #[track_caller]
    fn check(max_age: u64, want: &[u64]) {
        let (start, max_age) = (SystemClock::shared().now(), Duration::from_secs(max_age));
        let owner = Owner::Monitor {
            kind: Kind::PodMonitor,
            namespace: "shop".into(),
            name: "a".into(),
            endpoint: 0,
        };
        let bad = Rejection {
            kind: Kind::PodMonitor,
            namespace: "shop".to_owned(),
            name: "a".to_owned(),
            cause: Cause::Load,
            reason: String::new(),
        };
        let mut memory = LastGood::default();
        memory.round(start, max_age).good(&owner, &[]);
        let first_bad = start + Duration::from_secs(1);
        let mut runs = Vec::new();
        for second in 1..6 {
            let now = start + Duration::from_secs(second);
            if let Some((_, since)) = memory.round(now, max_age).bad(&bad) {
                assert_eq!(since, first_bad);
                assert_eq!(memory.next_end(max_age), Some(first_bad + max_age));
                runs.push(second);
            }
        }
        assert_eq!(runs, want);
    }

    #[test]
    fn a_version_runs_on_for_the_given_time_and_no_longer() {
        check(3600, &[1, 2, 3, 4, 5]);
        check(3, &[1, 2, 3]);
        check(0, &[]);
    }
}

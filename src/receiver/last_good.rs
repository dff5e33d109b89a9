//! The last good version of each monitor: it runs on for a while when a changed monitor turns out to be invalid.

use super::jobs::MonitorJobs;
use crate::operator::MonitorId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Jobs of monitors that are bad now, as they were when they were last good.
#[derive(Debug, Default)]
pub(super) struct LastGood(BTreeMap<MonitorId, Version>);

#[derive(Debug)]
struct Version {
    jobs: MonitorJobs,
    /// When the monitor was first found to be bad.
    bad_since: Instant,
}

/// One round of preparing: monitors that are not bad in it are forgotten.
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
        let since = self.0.values().map(|version| version.bad_since);
        since.min().map(|since| since + max_age)
    }
}

impl Round<'_> {
    /// A monitor is bad: the jobs of its last good version and since when they run on, unless it has been bad for too long
    /// or never was good. `was_good` finds its jobs if it was good until now.
    pub(super) fn bad(
        &mut self,
        monitor: &MonitorId,
        was_good: impl FnOnce(&MonitorId) -> Option<MonitorJobs>,
    ) -> Option<(MonitorJobs, Instant)> {
        let version = self.before.remove(monitor).or_else(|| {
            Some(Version {
                jobs: was_good(monitor)?,
                bad_since: self.now,
            })
        })?;
        let since = version.bad_since;
        if self.now.saturating_duration_since(since) >= self.max_age {
            return None;
        }
        let jobs = Arc::clone(&version.jobs);
        self.after.0.insert(monitor.clone(), version);
        Some((jobs, since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::Kind;
    use crate::rt::clock::SystemClock;

    /// A monitor that is good at first and bad from the first second on: for how many seconds its version runs on.
    #[track_caller]
    fn check(max_age: u64, want: &[u64]) {
        let (start, max_age) = (SystemClock::shared().now(), Duration::from_secs(max_age));
        let bad = MonitorId::new(Kind::PodMonitor, "shop", "a");
        let mut memory = LastGood::default();
        let first_bad = start + Duration::from_secs(1);
        let mut runs = Vec::new();
        for second in 1..6 {
            let now = start + Duration::from_secs(second);
            let was_good = |_: &_| (second == 1).then(|| Arc::from([]));
            if let Some((_, since)) = memory.round(now, max_age).bad(&bad, was_good) {
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

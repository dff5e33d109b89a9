//! Jobs of a configuration, and how those that have not changed are found again: by the address of their text where whole
//! monitors are unchanged, by its content where one endpoint of several has changed.

use crate::discovery::JobDiscovery;
use crate::model::group::TargetGroup;
use crate::model::labels::Text;
use crate::operator::{Cause, Fragment, MonitorId, Owner, Rejection};
use crate::scrape;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One job, ready to be scraped. Shared by all configurations in which it is unchanged.
#[derive(Debug)]
pub(super) struct Job {
    /// Its name, kept here since every configuration asks every job for it.
    pub name: Text,
    /// What is scraped how.
    pub scrape: Arc<scrape::job::Job>,
    /// Its targets, as discovery finds them.
    pub discovery: Arc<JobDiscovery>,
}

impl Job {
    /// What discovery found, if everything it needs was seen once.
    pub(super) fn groups(&self) -> Option<Vec<Arc<TargetGroup>>> {
        self.discovery
            .synced()
            .ok()
            .map(|()| self.discovery.groups())
    }
}

/// The jobs of one monitor.
pub(super) type MonitorJobs = Arc<[Arc<Job>]>;

/// A monitor, or an additional job, and what became of it.
#[derive(Debug)]
pub(super) struct Built {
    /// Its text.
    pub fragments: Arc<[Fragment]>,
    /// Its jobs; none if they could not be built.
    pub jobs: Option<MonitorJobs>,
}

impl Built {
    /// The monitor, if it is one.
    pub(super) fn monitor(&self) -> Option<&MonitorId> {
        match &self.fragments.first()?.owner {
            Owner::Monitor { monitor, .. } => Some(monitor),
            Owner::Additional { .. } => None,
        }
    }
}

/// The jobs of the last configuration that can be used in the next one.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    /// These at the beginning and at the end are unchanged, in their places from there.
    first: &'a [Built],
    last: &'a [Built],
    /// The others.
    middle: &'a [Built],
    /// How many there are in the next configuration.
    count: usize,
    /// Those of the others that are good, by the address of their text, and their jobs by the key of theirs.
    by_address: HashMap<*const Fragment, &'a MonitorJobs>,
    by_key: HashMap<u128, &'a Arc<Job>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(before: &'a [Built], next: &[Arc<[Fragment]>]) -> Self {
        let (first, last) = common(before, next, |built, fragments| {
            Arc::ptr_eq(&built.fragments, fragments)
        });
        let (first, rest) = before.split_at(first);
        let (middle, last) = rest.split_at(rest.len() - last);
        let mut known = Self {
            first,
            last,
            middle,
            count: next.len(),
            ..Self::default()
        };
        for Built { fragments, jobs } in middle {
            let Some(jobs) = jobs else { continue };
            known.by_address.insert(fragments.as_ptr(), jobs);
            let keys = fragments.iter().map(|fragment| fragment.key);
            known.by_key.extend(keys.zip(jobs.iter()));
        }
        known
    }

    /// Nothing can be used: the jobs of monitors that turn bad run on, though.
    pub(super) fn none(before: &'a [Built]) -> Self {
        Self {
            middle: before,
            ..Self::default()
        }
    }

    /// The jobs of the monitor at a place in the next configuration, if it is unchanged.
    pub(super) fn monitor(&self, at: usize, fragments: &[Fragment]) -> Option<&'a MonitorJobs> {
        let from_end = self.count.checked_sub(at)?;
        let in_last = self.last.len().checked_sub(from_end);
        let same_place = self.first.get(at).or_else(|| self.last.get(in_last?));
        match same_place {
            Some(built) => built.jobs.as_ref(),
            None => self.by_address.get(&fragments.as_ptr()).copied(),
        }
    }

    /// The jobs of a monitor that has changed, if it was good.
    pub(super) fn was_good(&self, monitor: &MonitorId) -> Option<MonitorJobs> {
        let mut middle = self.middle.iter();
        let found = middle.find(|built| built.monitor() == Some(monitor));
        found?.jobs.clone()
    }

    /// The job of a fragment of a monitor that has changed, if the fragment is unchanged.
    pub(super) fn job(&self, fragment: &Fragment) -> Option<&'a Arc<Job>> {
        self.by_key.get(&fragment.key).copied()
    }
}

/// The rejection of a monitor whose job Prometheus would refuse; `None` if the job is an additional one.
pub(super) fn rejection(owner: &Owner, reason: &str) -> Option<Rejection> {
    let Owner::Monitor { monitor, endpoint } = owner else {
        return None;
    };
    Some(Rejection {
        monitor: monitor.clone(),
        cause: Cause::Load,
        reason: format!("endpoint {endpoint}: {reason}"),
    })
}

/// How many items two lists have in common at their beginnings, and at the ends of what remains.
pub(super) fn common<A, B>(a: &[A], b: &[B], same: impl Fn(&A, &B) -> bool) -> (usize, usize) {
    let first = a.iter().zip(b).take_while(|(a, b)| same(a, b)).count();
    let rest = |all: usize| all - first;
    let ends = a.iter().rev().zip(b.iter().rev());
    let ends = ends.take(rest(a.len()).min(rest(b.len())));
    (first, ends.take_while(|(a, b)| same(a, b)).count())
}

/// Jobs of one configuration, each name once.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub list: Vec<Arc<Job>>,
    names: HashSet<Text>,
}

impl Jobs {
    /// Room for so many.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity),
            names: HashSet::with_capacity(capacity),
        }
    }

    /// Adds all or none.
    pub(super) fn add(&mut self, jobs: &[Arc<Job>]) -> Result<(), String> {
        for (i, job) in jobs.iter().enumerate() {
            if !self.names.insert(Text::clone(&job.name)) {
                for added in jobs.iter().take(i) {
                    self.names.remove(&added.name);
                }
                let name = &job.name;
                return Err(format!(
                    "found multiple scrape configs with job name {name:?}"
                ));
            }
        }
        self.list.extend_from_slice(jobs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, want: (usize, usize)) {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        assert_eq!(common(&a, &b, |a, b| a == b), want, "{a:?} {b:?}");
    }

    #[test]
    fn beginnings_and_ends_do_not_overlap() {
        check("", "", (0, 0));
        check("abc", "abc", (3, 0));
        check("abc", "axc", (1, 1));
        check("abc", "ac", (1, 1));
        check("aa", "aaa", (2, 0));
        check("aab", "ab", (1, 1));
        check("abc", "xyz", (0, 0));
        check("abc", "", (0, 0));
    }
}

//! What became of configurations, written down by the threads that prepare and apply them. Says in the log what changed, once.

use super::jobs::Built;
use super::outcome::{Failure, Loaded, Rejected};
use crate::operator::{Kind, MonitorId};
use crate::rt::clock::Clock;
use crossbeam_channel::Sender;
use log::{debug, error, info, warn};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where the supervisor writes down what became of configurations. Says in the log what changed, once.
#[derive(Debug)]
pub(super) struct Board {
    clock: Arc<dyn Clock>,
    /// Takes rejections that are new, if anybody wants them.
    events: Option<Sender<Rejected>>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub loaded: Option<Arc<Loaded>>,
    /// Why the last attempt failed; none after a success.
    pub failure: Option<Failure>,
    /// When a configuration was last applied, milliseconds since the Unix epoch.
    pub applied_ms: Option<i64>,
    /// What is bad, as it was logged.
    complaints: Complaints,
}

type Complaints = BTreeMap<Subject, String>;

/// What can be bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Monitor(MonitorId),
    Additional(String),
    Settings,
}

impl Board {
    pub(super) fn new(clock: Arc<dyn Clock>, events: Option<Sender<Rejected>>) -> Self {
        Self {
            clock,
            events,
            state: Mutex::default(),
        }
    }

    /// A configuration runs now.
    pub(super) fn applied(&self, loaded: Loaded) {
        let complaints = complaints(&loaded);
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.complaints, complaints);
        let summary = summary(&loaded);
        let left_out = loaded.left_out;
        let was_left_out = state.loaded.as_ref().map_or(0, |old| old.left_out);
        let changed = state
            .loaded
            .as_deref()
            .is_none_or(|old| !same_jobs(old, &loaded));
        let fresh = match &self.events {
            Some(_) => fresh(state.loaded.as_deref(), &loaded),
            None => Vec::new(),
        };
        state.failure = None;
        state.applied_ms = Some(self.clock.unix_ms());
        state.loaded = Some(Arc::new(loaded));
        let complaints = state.complaints.clone();
        let loaded = state.loaded.clone();
        drop(state);
        for (rejected, events) in fresh.into_iter().zip(self.events.iter().cycle()) {
            // A full channel: an event is left out, the log has everything.
            events.try_send(rejected).ok();
        }
        for (subject, complaint) in &complaints {
            if before.get(subject) != Some(complaint) {
                warn!("{complaint}");
            }
        }
        for subject in before.into_keys() {
            if !complaints.contains_key(&subject) {
                info!("{}", recovery(&subject, loaded.as_deref()));
            }
        }
        if left_out > 0 && was_left_out == 0 {
            info!(
                "mode DaemonSet reads PodMonitors only, ServiceMonitors are left out count={left_out}"
            );
        }
        if changed {
            info!("configuration applied {summary}");
        }
    }

    /// A configuration was not applied.
    pub(super) fn refused(&self, failure: &Failure) {
        let (before, is_running) = {
            let mut state = self.state.lock();
            let before = state.failure.replace(failure.clone());
            (before, state.loaded.is_some())
        };
        if before.as_ref() == Some(failure) {
            return;
        }
        match failure {
            Failure::Waiting(what) => debug!("waiting for the first list for={what:?}"),
            Failure::Refused(reason) if is_running => {
                error!("configuration not applied, the old one runs on err={reason:?}");
            }
            Failure::Refused(reason) => {
                error!("nothing is scraped until a configuration can be applied err={reason:?}");
            }
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().clone()
    }
}

/// Rejections that are not those of the configuration before.
fn fresh(before: Option<&Loaded>, loaded: &Loaded) -> Vec<Rejected> {
    let key = |rejected: &Rejected| rejected.rejection.to_string();
    let known: BTreeSet<_> = before.iter().flat_map(|l| &l.rejected).map(key).collect();
    let rejected = loaded.rejected.iter();
    rejected
        .filter(|rejected| !known.contains(&key(rejected)))
        .cloned()
        .collect()
}

fn same_jobs(a: &Loaded, b: &Loaded) -> bool {
    a.jobs.len() == b.jobs.len()
        && a.jobs
            .iter()
            .zip(b.jobs.iter())
            .all(|(a, b)| Arc::ptr_eq(a, b))
}

fn complaints(loaded: &Loaded) -> Complaints {
    let monitors = loaded.rejected.iter().map(|Rejected { rejection, last_good_since, .. }| {
        let then = if last_good_since.is_some() { "its last good version runs on" } else { "not scraped" };
        let MonitorId { kind, namespace, name } = &rejection.monitor;
        let reason = &rejection.reason;
        (
            Subject::Monitor(rejection.monitor.clone()),
            format!("monitor rejected, {then} kind={kind} namespace={namespace} name={name} err={reason:?}"),
        )
    });
    let additional = loaded.additional_errors.iter().map(|error| {
        let job = error.split(": ").next().unwrap_or_default().to_owned();
        let complaint = format!("additional job not used err={error:?}");
        (Subject::Additional(job), complaint)
    });
    let settings = loaded.settings_trouble.iter().map(|error| {
        let complaint = format!("settings not applied, the last good ones hold err={error:?}");
        (Subject::Settings, complaint)
    });
    monitors.chain(additional).chain(settings).collect()
}

/// What to say when nothing is bad about a subject any more.
fn recovery(subject: &Subject, loaded: Option<&Loaded>) -> String {
    match subject {
        Subject::Monitor(id) => {
            let built = loaded.into_iter().flat_map(|loaded| loaded.monitors.iter());
            let what = if built.filter_map(Built::monitor).any(|built| built == id) {
                "monitor accepted again"
            } else {
                "a rejected monitor is gone, or selected no more"
            };
            let MonitorId {
                kind,
                namespace,
                name,
            } = id;
            format!("{what} kind={kind} namespace={namespace} name={name}")
        }
        Subject::Additional(job) => {
            format!("no complaint about an additional job any more job={job}")
        }
        Subject::Settings => "settings applied again".to_owned(),
    }
}

fn summary(loaded: &Loaded) -> String {
    let selected = |kind| loaded.selected.get(&kind).copied().unwrap_or(0);
    format!(
        "jobs={} servicemonitors={} podmonitors={} rejected={}",
        loaded.jobs.len(),
        selected(Kind::ServiceMonitor),
        selected(Kind::PodMonitor),
        loaded.rejected.len()
    )
}

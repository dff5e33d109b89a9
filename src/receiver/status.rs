//! What is known of the running receiver, for status pages, metrics and the embedding program: snapshots only.

use super::admin::{ActiveTarget, DroppedTarget, Health, Monitor, MonitorState, Targets, View};
use super::build::{Built, Job};
use super::prepare::{Failure, Rejected};
use super::telemetry;
use crate::config::{self, Config, Global};
use crate::kube::informers::Informers;
use crate::kube::store::Trouble;
use crate::model::group::RawLabels;
use crate::model::labels::Labels;
use crate::operator::Kind;
use crate::pipeline::{ExporterStatus, Pipeline};
use crate::rt::clock::Clock;
use crate::scrape::cycle;
use crate::scrape::job::Counters;
use crate::scrape::manager::{JobStatus, Pool, Statistics};
use crate::scrape::target;
use crossbeam_channel::Sender;
use log::{error, info, warn};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Why the inherited settings are not used: the last ones that could be used are.
    pub settings_trouble: Option<String>,
}

/// Where the supervisor writes down what became of configurations. Says in the log what changed, once.
#[derive(Debug)]
pub(super) struct Board {
    clock: Arc<dyn Clock>,
    /// Takes rejections that are new, if anybody wants them.
    events: Option<Sender<Rejected>>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    loaded: Option<Arc<Loaded>>,
    /// Why the last attempt failed; none after a success.
    failure: Option<Failure>,
    /// When a configuration was last applied, milliseconds since the Unix epoch.
    applied_ms: Option<i64>,
    /// Monitors and additional jobs that are bad, as they were logged.
    complaints: BTreeSet<String>,
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
        drop(state);
        for (rejected, events) in fresh.into_iter().zip(self.events.iter().cycle()) {
            // A full channel: an event is left out, the log has everything.
            events.try_send(rejected).ok();
        }
        for complaint in complaints.difference(&before) {
            warn!("{complaint}");
        }
        for complaint in before.difference(&complaints) {
            info!("no longer: {complaint}");
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
            Failure::Waiting(what) => info!("waiting for the first list for={what:?}"),
            Failure::Refused(reason) if is_running => {
                error!("configuration not applied, the old one runs on err={reason:?}");
            }
            Failure::Refused(reason) => {
                error!("nothing is scraped until a configuration can be applied err={reason:?}");
            }
        }
    }

    fn state(&self) -> State {
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

fn complaints(loaded: &Loaded) -> BTreeSet<String> {
    let monitors = loaded.rejected.iter().map(|Rejected { rejection, last_good_since, .. }| {
        let then = if last_good_since.is_some() { "its last good version runs on" } else { "not scraped" };
        let (kind, namespace, name) = (rejection.kind, &rejection.namespace, &rejection.name);
        let reason = &rejection.reason;
        format!("monitor rejected, {then} kind={kind} namespace={namespace} name={name} err={reason:?}")
    });
    let additional = loaded.additional_errors.iter();
    let settings = loaded.settings_trouble.iter();
    monitors
        .chain(additional.map(|error| format!("additional job not used err={error:?}")))
        .chain(
            settings.map(|error| {
                format!("settings not applied, the last good ones hold err={error:?}")
            }),
        )
        .collect()
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

/// Everything that status is read from.
#[derive(Debug)]
pub(super) struct Overview {
    pub board: Arc<Board>,
    pub pool: Arc<Pool>,
    pub pipeline: Pipeline,
    pub informers: Option<Informers>,
    pub counters: Arc<Counters>,
    pub clock: Arc<dyn Clock>,
}

/// A watch that has not heard of its source for longer than this is blind. The server sends a bookmark a minute.
const BLIND: Duration = Duration::from_secs(300);

/// How a receiver fares.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Why it is not ready; empty if it is.
    pub not_ready: Vec<String>,
    /// Whether the last configuration was applied.
    pub config_successful: bool,
    /// When a configuration was last applied, milliseconds since the Unix epoch.
    pub config_applied_ms: Option<i64>,
    /// Jobs of the running configuration.
    pub jobs: usize,
    /// Monitors that were selected: ServiceMonitors, PodMonitors.
    pub selected: (usize, usize),
    /// Monitors that are not used as they are, and why.
    pub rejected: Vec<Monitor>,
    /// How each exporter fares.
    pub exporters: Vec<ExporterStatus>,
    /// Scrapes begun, slots left out, workers.
    pub scraping: Statistics,
}

impl Overview {
    /// How the receiver fares now.
    pub(super) fn status(&self) -> Status {
        let state = self.board.state();
        let loaded = state.loaded.as_deref();
        let selected = |kind| {
            loaded
                .and_then(|l| l.selected.get(&kind))
                .copied()
                .unwrap_or(0)
        };
        let rejected = loaded.into_iter().flat_map(|loaded| &loaded.rejected);
        let now = self.clock.now();
        let rejected = rejected.map(|rejected| rejected_monitor(rejected, now));
        Status {
            not_ready: self.not_ready(&state),
            config_successful: loaded.is_some_and(|l| l.settings_trouble.is_none())
                && !matches!(state.failure, Some(Failure::Refused(_))),
            config_applied_ms: state.applied_ms,
            jobs: loaded.map_or(0, |loaded| loaded.jobs.len()),
            selected: (selected(Kind::ServiceMonitor), selected(Kind::PodMonitor)),
            rejected: rejected.collect(),
            exporters: self.pipeline.status(),
            scraping: self.pool.statistics(),
        }
    }

    /// What is missing for the receiver to do its work: no configuration, a blind watch, jobs without discovery.
    fn not_ready(&self, state: &State) -> Vec<String> {
        let mut reasons = Vec::new();
        match (&state.loaded, &state.failure) {
            (None, None) => reasons.push("the first configuration is being prepared".to_owned()),
            (None, Some(Failure::Waiting(what))) => reasons.push(format!("waiting for {what}")),
            (None, Some(Failure::Refused(reason))) => {
                reasons.push(format!("no configuration could be applied: {reason}"));
            }
            (Some(loaded), _) => reasons.extend(loaded.settings_trouble.clone()),
        }
        let now = self.clock.now();
        for health in self.informers.iter().flat_map(Informers::health) {
            let blind = match &health.status.trouble {
                Some((Trouble::Forbidden(_), ..)) => true,
                Some((Trouble::Failing, since, _)) => {
                    !health.status.synced || now.saturating_duration_since(*since) > BLIND
                }
                Some((Trouble::Absent, ..)) | None => !health.status.synced,
            };
            if blind {
                reasons.push(health.to_string());
            }
        }
        for job in state.loaded.iter().flat_map(|loaded| loaded.jobs.iter()) {
            if let Err(missing) = job.discovery.synced() {
                let missing = missing.join(", ");
                reasons.push(format!("job {}: {missing}", job.scrape.config.job_name));
            }
        }
        reasons
    }
}

impl View for Overview {
    /// Threads of ours catch their panics and go on, so there is nothing yet that only a restart would mend.
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        match self.status().not_ready {
            reasons if reasons.is_empty() => Ok(()),
            reasons => Err(reasons.join("; ")),
        }
    }

    fn metrics(&self) -> String {
        telemetry::write(self)
    }

    fn config_text(&self) -> String {
        let state = self.board.state();
        state.loaded.map_or_else(String::new, |loaded| {
            let jobs = loaded.jobs.iter();
            config::print::document(&Config {
                global: Arc::clone(&loaded.global),
                scrape_config_files: Vec::new(),
                jobs: jobs.map(|job| Arc::clone(&job.scrape.config)).collect(),
            })
        })
    }

    fn monitors(&self) -> Vec<Monitor> {
        let Some(loaded) = self.board.state().loaded else {
            return Vec::new();
        };
        let now = self.clock.now();
        let rejected = loaded.rejected.iter();
        let mut monitors: Vec<_> = rejected.map(|r| rejected_monitor(r, now)).collect();
        let applied = loaded.monitors.iter().filter(|b| b.jobs.is_some());
        let applied = applied.filter_map(Built::monitor);
        monitors.extend(applied.map(|(kind, namespace, name)| Monitor {
            kind: kind.to_string(),
            namespace: namespace.to_string(),
            name: name.to_string(),
            state: MonitorState::Applied,
            cause: "",
            reason: String::new(),
            last_good_age: None,
        }));
        monitors
    }

    fn targets(&self) -> Targets {
        let mut targets = Targets::default();
        for job in self.pool.jobs() {
            let name = job.job.config.job_name.to_string();
            targets
                .dropped_counts
                .insert(name.clone(), job.dropped_count as u64);
            targets.active.extend(active_targets(&job));
            let dropped = job.dropped.iter().map(|discovered| DroppedTarget {
                discovered_labels: readable(&target::discovered_labels(
                    &job.job.config,
                    discovered,
                )),
                scrape_pool: name.clone(),
            });
            targets.dropped.extend(dropped);
        }
        targets
    }
}

fn rejected_monitor(rejected: &Rejected, now: Instant) -> Monitor {
    let Rejected {
        rejection,
        last_good_since,
        ..
    } = rejected;
    Monitor {
        kind: rejection.kind.to_string(),
        namespace: rejection.namespace.clone(),
        name: rejection.name.clone(),
        state: match last_good_since {
            Some(_) => MonitorState::LastGood,
            None => MonitorState::Rejected,
        },
        cause: rejection.cause.name(),
        reason: rejection.reason.clone(),
        last_good_age: last_good_since.map(|since| now.saturating_duration_since(since)),
    }
}

fn active_targets(job: &JobStatus) -> impl Iterator<Item = ActiveTarget> {
    let config = &job.job.config;
    job.active.iter().map(|(target, outcome)| ActiveTarget {
        discovered_labels: readable(&target::discovered_labels(
            config,
            &target.identity.discovered,
        )),
        labels: map_of(&target.identity.labels),
        scrape_pool: config.job_name.to_string(),
        scrape_url: target.url.to_string(),
        global_url: target.url.to_string(),
        last_error: outcome.error.as_deref().unwrap_or_default().to_owned(),
        last_scrape: (outcome.health != cycle::Health::Unknown).then_some(outcome.time_ms),
        last_scrape_duration: outcome.duration,
        health: match outcome.health {
            cycle::Health::Unknown => Health::Unknown,
            cycle::Health::Up => Health::Up,
            cycle::Health::Down => Health::Down,
        },
        scrape_interval: label_of(target, "__scrape_interval__"),
        scrape_timeout: label_of(target, "__scrape_timeout__"),
    })
}

fn label_of(target: &target::Target, name: &str) -> String {
    target
        .identity
        .internal
        .get(name)
        .unwrap_or_default()
        .to_owned()
}

fn map_of(labels: &Labels) -> BTreeMap<String, String> {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn readable(labels: &RawLabels) -> BTreeMap<String, String> {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value).into_owned(),
            )
        })
        .collect()
}

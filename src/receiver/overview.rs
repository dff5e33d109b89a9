//! What is known of the running receiver, for status pages, metrics and the embedding program: snapshots only.

use super::admin::{ActiveTarget, DroppedTarget, Health, Monitor, MonitorState, Targets, View};
use super::board::{Board, State};
use super::outcome::{Failure, Rejected};
use super::status::{Selected, Status};
use super::telemetry;
use crate::config::{self, Config};
use crate::exporters::Consumers;
use crate::kube::store::Trouble;
use crate::kube::{self, Informers};
use crate::model::group::RawLabels;
use crate::model::labels::{Labels, Text};
use crate::operator::Kind;
use crate::pipeline::Pipeline;
use crate::rt::clock::Clock;
use crate::rt::pulse::Pulse;
use crate::rt::stop::Stopped;
use crate::scrape::cycle;
use crate::scrape::job::Counters;
use crate::scrape::pool::{JobStatus, Pool};
use crate::scrape::target;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything that status is read from.
#[derive(Debug)]
pub(super) struct Overview {
    pub board: Arc<Board>,
    pub pool: Arc<Pool>,
    pub pipeline: Pipeline,
    pub informers: Option<Informers>,
    pub counters: Arc<Counters>,
    pub consumers: Option<Arc<Consumers>>,
    pub clock: Arc<dyn Clock>,
    /// Of the threads without which nothing works, until they are stopped.
    pub pulses: Vec<Pulse>,
    pub stopped: Stopped,
}

/// A watch that has not heard of its source for longer than this is blind. The server sends a bookmark a minute.
const BLIND: Duration = Duration::from_secs(300);

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
            selected: Selected {
                service_monitors: selected(Kind::ServiceMonitor),
                pod_monitors: selected(Kind::PodMonitor),
            },
            rejected: rejected.collect(),
            exporters: self.pipeline.status(),
            consumer_points_refused: self.consumers.as_ref().map_or(0, |c| c.refused_points()),
            scraping: self.pool.statistics(),
        }
    }

    /// What is missing for the receiver to do its work: no configuration, a blind watch, jobs without discovery. Each cause
    /// is named once, with those whom it concerns.
    fn not_ready(&self, state: &State) -> Vec<String> {
        let health: Vec<_> = self.informers.iter().flat_map(Informers::health).collect();
        let now = self.clock.now();
        let mut causes = Causes::default();
        for health in health.iter().filter(|health| is_blind(health, now)) {
            causes.add(health);
        }
        // One kind of monitors may not be wanted; without both there is nothing to do.
        let mut monitors = health
            .iter()
            .filter(|health| health.kind.is_monitor())
            .peekable();
        let is_absent = |health: &&_| is_absent(health);
        if monitors.peek().is_some() && monitors.clone().all(|health| is_absent(&health)) {
            monitors.for_each(|health| causes.add(health));
        }
        for job in state.loaded.iter().flat_map(|loaded| loaded.jobs.iter()) {
            for missing in job.discovery.synced().err().into_iter().flatten() {
                causes.add_job(&missing, &job.name);
            }
        }
        let mut reasons = Vec::new();
        match (&state.loaded, &state.failure) {
            (None, Some(Failure::Refused(reason))) => {
                reasons.push(format!("no configuration could be applied: {reason}"));
            }
            // What was waited for may be there by now; what is still missing is among the causes.
            (None, _) if causes.0.is_empty() => {
                reasons.push("the first configuration is being prepared".to_owned());
            }
            (None, _) => {}
            (Some(loaded), _) => reasons.extend(loaded.settings_trouble.clone()),
        }
        reasons.extend(causes.0.iter().map(ToString::to_string));
        reasons
    }
}

fn is_absent(health: &kube::WatchHealth) -> bool {
    matches!(health.status.trouble, Some((Trouble::Absent, ..)))
}

fn is_blind(health: &kube::WatchHealth, now: Instant) -> bool {
    match &health.status.trouble {
        Some((Trouble::Forbidden(_), ..)) => true,
        Some((Trouble::Failing, since, _)) => {
            !health.status.synced || now.saturating_duration_since(*since) > BLIND
        }
        Some((Trouble::Absent, ..)) | None => !health.status.synced,
    }
}

/// Why a receiver is not ready, each cause once.
#[derive(Default)]
struct Causes(Vec<Cause>);

struct Cause {
    /// The stores, and what is the matter with them.
    stores: Vec<String>,
    cause: String,
    /// What jobs would say of them.
    texts: Vec<String>,
    jobs: Vec<Text>,
}

impl Causes {
    fn add(&mut self, health: &kube::WatchHealth) {
        let (cause, text) = (health.cause(), health.to_string());
        let store = text.split(": ").next().unwrap_or_default().to_owned();
        match self.0.iter_mut().find(|known| known.cause == cause) {
            Some(known) => {
                known.stores.push(store);
                known.texts.push(text);
            }
            None => self.0.push(Cause {
                stores: vec![store],
                cause,
                texts: vec![text],
                jobs: Vec::new(),
            }),
        }
    }

    fn add_job(&mut self, text: &str, job: &Text) {
        let is_this = |known: &&mut Cause| known.texts.iter().any(|t| t == text);
        match self.0.iter_mut().find(is_this) {
            // A job may lack two stores for one cause.
            Some(known) if known.jobs.last() == Some(job) => {}
            Some(known) => known.jobs.push(Text::clone(job)),
            None => self.0.push(Cause {
                stores: Vec::new(),
                cause: text.to_owned(),
                texts: vec![text.to_owned()],
                jobs: vec![Text::clone(job)],
            }),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.stores.is_empty() {
            write!(f, "{}: ", self.stores.join(", "))?;
        }
        f.write_str(&self.cause)?;
        match self.jobs.as_slice() {
            [] => Ok(()),
            [job] => write!(f, " (job {job} waits for it)"),
            jobs => write!(f, " ({} jobs wait for it)", jobs.len()),
        }
    }
}

impl View for Overview {
    /// Threads of ours catch their panics and go on; one that has ended or is stuck is only mended by a restart.
    fn health(&self) -> Result<(), String> {
        let now = self.clock.now();
        let troubles = self.pulses.iter().filter_map(|pulse| pulse.trouble(now));
        let troubles: Vec<_> = troubles.collect();
        if troubles.is_empty() || self.stopped.is_stopped() {
            Ok(())
        } else {
            Err(troubles.join("; "))
        }
    }

    fn ready(&self) -> Result<(), String> {
        match self.status().not_ready {
            reasons if reasons.is_empty() => Ok(()),
            reasons => Err(reasons.join("; ")),
        }
    }

    fn metrics(&self) -> String {
        let stores: Vec<_> = self.informers.iter().flat_map(Informers::health).collect();
        telemetry::write(&self.status(), &self.pool.jobs(), &self.counters, &stores)
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
        for built in loaded.monitors.iter() {
            let (Some(jobs), Some(id)) = (&built.jobs, built.monitor()) else {
                continue;
            };
            let discovered = jobs.iter().map(|job| &job.discovery);
            let troubles = discovered.flat_map(|discovery| {
                let missing = discovery.synced().err().unwrap_or_default();
                missing.into_iter().chain(discovery.problems())
            });
            let troubles: BTreeSet<String> = troubles.collect();
            monitors.push(Monitor {
                kind: id.kind.to_string(),
                namespace: id.namespace.to_string(),
                name: id.name.to_string(),
                state: MonitorState::Applied,
                cause: "",
                reason: Vec::from_iter(troubles).join("; "),
                last_good_age: None,
            });
        }
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
        kind: rejection.monitor.kind.to_string(),
        namespace: rejection.monitor.namespace.to_string(),
        name: rejection.monitor.name.to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::store::StoreStatus;
    use crate::kube::types::kind;

    #[test]
    fn each_cause_is_named_once_with_those_whom_it_concerns() {
        let now = crate::rt::clock::SystemClock.now();
        let failing = |kind, message: &str| kube::WatchHealth {
            kind,
            namespace: None,
            fields: String::new(),
            status: StoreStatus {
                synced: false,
                trouble: Some((Trouble::Failing, now, message.to_owned())),
                heard: None,
                objects: 0,
                undecodable: BTreeMap::new(),
            },
        };
        let mut causes = Causes::default();
        causes.add(&failing(kind::Kind::Service, "https://a: down"));
        causes.add(&failing(kind::Kind::EndpointSlice, "https://a: down"));
        causes.add(&failing(kind::Kind::Pod, "https://a: slow"));
        for job in ["x", "y"] {
            causes.add_job("services: https://a: down", &job.into());
            causes.add_job("endpointslices: https://a: down", &job.into());
        }
        causes.add_job("pods: https://a: slow", &"z".into());
        causes.add_job("http_sd_configs: gone", &"z".into());
        let said: Vec<_> = causes.0.iter().map(ToString::to_string).collect();
        let want = [
            "services, endpointslices: https://a: down (2 jobs wait for it)",
            "pods: https://a: slow (job z waits for it)",
            "http_sd_configs: gone (job z waits for it)",
        ];
        assert_eq!(said, want);
    }
}

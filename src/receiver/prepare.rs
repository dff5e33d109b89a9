//! From what is watched to a configuration that can be scraped: collect, generate, load, build. Runs on a thread of its own;
//! nothing of what runs is touched. What fails here stays with the monitor it concerns (decisions.md 2).

use super::assets::AssetCache;
use super::inherit::{Inherited, Nothing};
use super::last_good::LastGood;
use super::monitors::Monitors;
use super::parts::{for_run, shard};
use super::settings::{Environment, Settings};
use crate::config::{self, Global, Loader, ScrapeConfig};
use crate::discovery::{JobDiscovery, Manager};
use crate::http::client::{Client, Surroundings};
use crate::kube::informers::Informers;
use crate::model::group::TargetGroup;
use crate::model::labels::{Labels, Text};
use crate::operator::{
    self, Assets, Cause, Fragment, Generated, Generator, Kind, Owner, Rejection, Snapshot,
};
use crate::rt::clock::Clock;
use crate::rt::files::{Disk, MemoryFiles};
use crate::rt::stop::Stopped;
use crate::scrape;
use crate::scrape::failure::FailureLog;
use log::warn;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// One job, ready to be scraped. Shared by all configurations in which it is unchanged.
#[derive(Debug)]
pub(super) struct Job {
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

/// A configuration that can replace the running one.
#[derive(Debug)]
pub(super) struct Prepared {
    /// `global`.
    pub global: Arc<Global>,
    /// The jobs, in the order of the document.
    pub jobs: Vec<Arc<Job>>,
    /// Monitors whose jobs run: kind, namespace, name.
    pub applied: Vec<(Kind, Arc<str>, Arc<str>)>,
    /// Monitors that are not used as they are, or not at all, and why.
    pub rejected: Vec<Rejected>,
    /// Additional jobs that are not used, and why.
    pub additional_errors: Vec<String>,
    /// Monitors by kind that the selectors chose, the rejected ones included.
    pub selected: BTreeMap<Kind, usize>,
    /// Why the inherited settings are not used: the last ones that could be used are.
    pub settings_trouble: Option<String>,
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
    /// The settings or the frame of the configuration are at fault: what ran before runs on.
    Refused(String),
}

/// How long the first configuration waits for the discovery of its jobs, and how long later ones do (decisions.md 2).
const FIRST_SYNC: Duration = Duration::from_secs(10);
const LATER_SYNC: Duration = Duration::from_secs(2);

/// How often it is looked whether discovery is there.
const SYNC_LOOK: Duration = Duration::from_millis(20);

/// How often settings and jobs that cannot be used are tried again: a Secret or file that they name may have appeared.
const RETRY: Duration = Duration::from_secs(30);

/// What is generated, and its frame as it was loaded.
struct Frame {
    generated: Generated,
    global: Arc<Global>,
}

/// Everything that preparing needs and remembers.
#[derive(Debug)]
pub(super) struct Preparer {
    pub settings: Arc<Settings>,
    /// Settings that were read again and wait to be taken over.
    pub next_settings: Arc<Mutex<Option<Settings>>>,
    pub environment: Environment,
    pub clock: Arc<dyn Clock>,
    pub stopped: Stopped,
    /// Nothing is watched without Kubernetes.
    pub watched: Option<(Informers, Monitors)>,
    /// The object whose settings hold, if any are inherited.
    pub inherited: Option<Inherited>,
    pub discovery: Arc<Manager>,
    pub surroundings: Surroundings,
    pub options: scrape::job::Options,
    pub counters: Arc<scrape::job::Counters>,
    pub memory: Memory,
}

/// What was read and built last, to be used again where nothing has changed.
#[derive(Debug, Default)]
pub(super) struct Memory {
    generator: Generator,
    loader: Loader,
    assets: AssetCache,
    last_good: LastGood,
    /// The file with additional jobs, as it was read last.
    file: Arc<[u8]>,
    /// Text of the frame and what it was loaded to.
    global: Option<(String, Arc<Global>)>,
    /// Jobs by the key of their fragment; they hold as long as the frame does.
    jobs: HashMap<u128, Arc<Job>>,
    /// Jobs of the file.
    file_jobs: Vec<Arc<Job>>,
    /// Open logs of failed scrapes, by path.
    failure_logs: HashMap<Box<str>, Weak<FailureLog>>,
    started: bool,
}

impl Preparer {
    /// Prepares a configuration from what is known now.
    pub(super) fn prepare(&mut self) -> Result<Prepared, Failure> {
        let (Frame { generated, global }, settings_trouble) = self.frame()?;
        let files = MemoryFiles::new(generated.assets, Some(Arc::new(Disk)));
        let around = Surroundings {
            files: Arc::new(files),
            ..self.surroundings.clone()
        };

        let (now, max_age) = (self.clock.now(), self.settings.last_good_max_age);
        let mut last_good = std::mem::take(&mut self.memory.last_good);
        let mut round = last_good.round(now, max_age);
        let mut jobs = Jobs::default();
        let mut bad = generated.rejected;
        let mut additional_errors = Vec::new();
        let mut kept = HashMap::new();
        let mut applied = Vec::new();
        let mut is_incomplete = false;
        let fragments = generated.fragments.as_slice();
        for fragments in fragments.chunk_by(|a, b| same_monitor(&a.owner, &b.owner)) {
            let Some(owner) = fragments.first().map(|fragment| &fragment.owner) else {
                continue;
            };
            let built = fragments.iter().map(|f| self.job_of(f, &global, &around));
            match built
                .collect::<Result<Vec<_>, String>>()
                .and_then(|built| jobs.add(built))
            {
                Ok(added) => {
                    round.good(owner, added);
                    let monitor = monitor_of(owner);
                    applied.extend(monitor.map(|(k, ns, n)| (k, Arc::clone(ns), Arc::clone(n))));
                    let keys = fragments.iter().map(|fragment| fragment.key);
                    kept.extend(keys.zip(added.iter().cloned()));
                }
                Err(reason) => {
                    is_incomplete = true;
                    let reason = self.with_class(owner, reason);
                    match rejection(owner, &reason) {
                        Some(rejection) => bad.push(rejection),
                        None => additional_errors.push(format!("{owner}: {reason}")),
                    }
                }
            }
        }
        let rejected = bad.into_iter().map(|rejection| {
            let last_good = round.bad(&rejection);
            let last_good_since =
                last_good.and_then(|(version, since)| jobs.add(version).is_ok().then_some(since));
            let monitors = self.watched.as_ref().map(|(_, monitors)| monitors);
            let uid = monitors.map(|monitors| monitors.uid(&rejection));
            Rejected {
                rejection,
                last_good_since,
                uid: uid.unwrap_or_default(),
            }
        });
        let rejected = rejected.collect::<Vec<_>>();
        let next_end = last_good.next_end(max_age);
        self.memory.last_good = last_good;
        self.memory.jobs = kept;
        self.add_file(&global, &around, &mut jobs, &mut additional_errors)?;
        self.memory.loader.sweep();
        self.wait_for_discovery(&jobs.list);
        is_incomplete |= settings_trouble.is_some() || !additional_errors.is_empty();
        let next_try = is_incomplete.then(|| now + RETRY);
        Ok(Prepared {
            global,
            jobs: jobs.list,
            applied,
            rejected,
            additional_errors,
            selected: generated.selected,
            settings_trouble,
            next_look: [self.memory.assets.next_read(), next_end, next_try]
                .into_iter()
                .flatten()
                .min(),
        })
    }

    /// What was read from files and Secrets is to be read again.
    ///
    /// # Errors
    /// The file with additional jobs cannot be read; what was read before stays.
    pub(super) fn reload(&mut self) -> Result<(), String> {
        self.memory.assets.expire();
        let next = self.next_settings.lock().take();
        if let Some(next) = next {
            self.take_over(next)?;
        }
        if let Some(path) = &self.settings.additional_scrape_configs {
            let text = std::fs::read(path)
                .map_err(|error| format!("additionalScrapeConfigs: {}: {error}", path.display()))?;
            self.memory.file = text.into();
        }
        Ok(())
    }

    /// Puts settings that were read again in place of the old ones, but for those that hold as long as the receiver runs.
    fn take_over(&mut self, next: Settings) -> Result<(), String> {
        let old = &self.settings;
        for (setting, is_changed) in [
            ("source", old.source != next.source),
            ("inherit", old.inherit != next.inherit),
            ("events", old.events != next.events),
            (
                "denyNamespaces",
                old.deny_namespaces != next.deny_namespaces,
            ),
            (
                "webListenAddress",
                old.web_listen_address != next.web_listen_address,
            ),
            ("maxWorkers", old.max_workers != next.max_workers),
            ("queueBytes", old.queue_bytes != next.queue_bytes),
        ] {
            if is_changed {
                warn!("a changed setting takes effect at the next start setting={setting}");
            }
        }
        let shard = shard(&next, &self.environment).map_err(|error| format!("{error:#}"))?;
        let mut generator = for_run(next.prometheus, shard, &self.environment)
            .map_err(|error| format!("settings: prometheus: {error}"))?;
        generator.namespace.clone_from(&old.prometheus.namespace);
        self.settings = Arc::new(Settings {
            prometheus: generator,
            said: next.said,
            shard,
            additional_scrape_configs: next.additional_scrape_configs,
            last_good_max_age: next.last_good_max_age,
            asset_refresh: next.asset_refresh,
            ..Settings::clone(old)
        });
        Ok(())
    }

    /// Generates and loads the frame. If inherited settings cannot be used, the last ones that could be hold, and why.
    fn frame(&mut self) -> Result<(Frame, Option<String>), Failure> {
        let Some(mut inherited) = self.inherited.take() else {
            let settings = Arc::clone(&self.settings);
            return Ok((self.frame_of(&settings.prometheus)?, None));
        };
        let frame = self.inherited_frame(&mut inherited);
        self.inherited = Some(inherited);
        frame
    }

    fn inherited_frame(
        &mut self,
        inherited: &mut Inherited,
    ) -> Result<(Frame, Option<String>), Failure> {
        let trouble = match inherited.settings(&self.settings, &self.environment) {
            Ok(settings) => match self.frame_of(&settings) {
                Ok(frame) => {
                    inherited.good = Some(settings);
                    return Ok((frame, None));
                }
                Err(Failure::Refused(reason)) => format!("inherited settings: {reason}"),
                Err(waiting) => return Err(waiting),
            },
            Err(Nothing::NotYet(what)) => return Err(Failure::Waiting(what)),
            Err(Nothing::Unusable(reason)) => reason,
        };
        match &inherited.good {
            Some(good) => Ok((self.frame_of(good)?, Some(trouble))),
            None => Err(Failure::Refused(trouble)),
        }
    }

    fn frame_of(&mut self, settings: &operator::Settings) -> Result<Frame, Failure> {
        let generated = self.generate(settings)?;
        let global = self.global(&generated.head)?;
        Ok(Frame { generated, global })
    }

    /// Monitors to text.
    fn generate(&mut self, settings: &operator::Settings) -> Result<Generated, Failure> {
        let (mut snapshot, mut assets) = (Snapshot::default(), Assets::default());
        if let Some((informers, monitors)) = &mut self.watched {
            monitors
                .serve(informers, settings)
                .map_err(|error| Failure::Refused(error.to_string()))?;
            if let Some(missing) = monitors.missing().first() {
                return Err(Failure::Waiting(missing.to_string()));
            }
            snapshot = monitors.snapshot(&settings.namespace);
            let wanted = operator::references(&snapshot, settings);
            let (now, max_age) = (self.clock.now(), self.settings.asset_refresh);
            assets = self.memory.assets.fetch(wanted, informers, now, max_age);
        }
        let generated = self.memory.generator.generate(&snapshot, &assets, settings);
        generated.map_err(|error| Failure::Refused(error.to_string()))
    }

    /// The frame; jobs loaded under another one are forgotten, as they inherit from it.
    fn global(&mut self, head: &str) -> Result<Arc<Global>, Failure> {
        if let Some((text, global)) = &self.memory.global
            && text == head
        {
            return Ok(Arc::clone(global));
        }
        let env = |name: &str| self.environment.get(name).map(str::to_owned);
        let cx = config::Context {
            path: "",
            files: &Disk,
            env: &env,
        };
        let loaded = self
            .memory
            .loader
            .load(head.as_bytes(), &cx)
            .map_err(|error| Failure::Refused(error.to_string()))?;
        self.memory.jobs.clear();
        self.memory.file_jobs.clear();
        self.memory.global = Some((head.to_owned(), Arc::clone(&loaded.global)));
        Ok(loaded.global)
    }

    /// The job of a fragment: the one that runs, if the fragment has not changed.
    fn job_of(
        &mut self,
        fragment: &Fragment,
        global: &Arc<Global>,
        around: &Surroundings,
    ) -> Result<Arc<Job>, String> {
        if let Some(job) = self.memory.jobs.get(&fragment.key) {
            return Ok(Arc::clone(job));
        }
        let env = |name: &str| self.environment.get(name).map(str::to_owned);
        let cx = config::Context {
            path: "",
            files: &*around.files,
            env: &env,
        };
        let config = self
            .memory
            .loader
            .load_job(fragment.yaml.as_bytes(), global, &cx)
            .map_err(|error| error.to_string())?;
        self.build(config, &global.external_labels, around)
    }

    /// The reason, and the scrape class that may have its share in it.
    fn with_class(&self, owner: &Owner, reason: String) -> String {
        match self.memory.generator.scrape_class(owner) {
            Some(class) => format!("{reason} (scrape class {class:?} applies)"),
            None => reason,
        }
    }

    /// Adds the jobs of the file; one that does not load leaves the others unharmed.
    fn add_file(
        &mut self,
        global: &Arc<Global>,
        around: &Surroundings,
        jobs: &mut Jobs,
        errors: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let path = self
            .settings
            .additional_scrape_configs
            .as_deref()
            .unwrap_or_else(|| Path::new(""));
        let path = path.to_string_lossy();
        let env = |name: &str| self.environment.get(name).map(str::to_owned);
        let cx = config::Context {
            path: &path,
            files: &*around.files,
            env: &env,
        };
        let loaded = self
            .memory
            .loader
            .load_list(&self.memory.file, global, &cx)
            .map_err(|error| Failure::Refused(format!("additionalScrapeConfigs: {error}")))?;
        let mut built = Vec::new();
        for (index, config) in loaded.into_iter().enumerate() {
            let owner = Owner::Additional { index };
            let job = config
                .map_err(|error| error.to_string())
                .and_then(|config| {
                    let mut known = self.memory.file_jobs.iter();
                    match known.find(|job| job.scrape.config == config).cloned() {
                        Some(job) => Ok(job),
                        None => self.build(config, &global.external_labels, around),
                    }
                });
            match job.and_then(|job| jobs.add(vec![job]).map(<[_]>::to_vec)) {
                Ok(added) => built.extend(added),
                Err(reason) => errors.push(format!("{owner}: {reason}")),
            }
        }
        self.memory.file_jobs = built;
        Ok(())
    }

    /// Everything a job needs to run; nothing is scraped yet.
    fn build(
        &mut self,
        config: Arc<ScrapeConfig>,
        external: &Labels,
        around: &Surroundings,
    ) -> Result<Arc<Job>, String> {
        let client = Client::build(&config.http, around).map_err(|error| error.to_string())?;
        let log = self.failure_log(&config.failure_log_file)?;
        let discovery = self.discovery.subscribe(&config);
        let scrape = Arc::new(scrape::job::Job::new(
            config,
            Arc::new(client),
            external.clone(),
            self.options,
            Arc::clone(&self.counters),
            log,
        ));
        Ok(Arc::new(Job { scrape, discovery }))
    }

    /// The log of failed scrapes at a path; jobs with the same path share it.
    fn failure_log(&mut self, path: &str) -> Result<Option<Arc<FailureLog>>, String> {
        if path.is_empty() {
            return Ok(None);
        }
        if let Some(open) = self.memory.failure_logs.get(path).and_then(Weak::upgrade) {
            return Ok(Some(open));
        }
        let log = FailureLog::open(path)
            .map_err(|error| format!("scrape_failure_log_file {path}: {error}"))?;
        let log = Arc::new(log);
        self.memory
            .failure_logs
            .insert(path.into(), Arc::downgrade(&log));
        Ok(Some(log))
    }

    /// Waits, for a while, until discovery knows the targets of every job: a job without them starts later.
    fn wait_for_discovery(&mut self, jobs: &[Arc<Job>]) {
        let bound = if std::mem::replace(&mut self.memory.started, true) {
            LATER_SYNC
        } else {
            FIRST_SYNC
        };
        let deadline = self.clock.now() + bound;
        let synced = || jobs.iter().all(|job| job.discovery.synced().is_ok());
        while !synced() && self.clock.now() < deadline && !self.stopped.wait(SYNC_LOOK) {}
    }
}

/// Jobs of one configuration, each name once.
#[derive(Debug, Default)]
struct Jobs {
    list: Vec<Arc<Job>>,
    names: HashSet<Text>,
}

impl Jobs {
    /// Adds all or none.
    fn add(&mut self, jobs: Vec<Arc<Job>>) -> Result<&[Arc<Job>], String> {
        for job in &jobs {
            let name = &job.scrape.config.job_name;
            if self.names.contains(name) {
                return Err(format!(
                    "found multiple scrape configs with job name {name:?}"
                ));
            }
        }
        self.names.extend(
            jobs.iter()
                .map(|job| Arc::clone(&job.scrape.config.job_name)),
        );
        let before = self.list.len();
        self.list.extend(jobs);
        Ok(self.list.get(before..).unwrap_or_default())
    }
}

/// Whether two fragments are endpoints of one monitor: they stand or fall together.
fn same_monitor(a: &Owner, b: &Owner) -> bool {
    monitor_of(a).is_some() && monitor_of(a) == monitor_of(b)
}

fn monitor_of(owner: &Owner) -> Option<(Kind, &Arc<str>, &Arc<str>)> {
    match owner {
        Owner::Monitor {
            kind,
            namespace,
            name,
            ..
        } => Some((*kind, namespace, name)),
        Owner::Additional { .. } => None,
    }
}

/// The rejection of a monitor whose job Prometheus would refuse; `None` if the job is an additional one.
fn rejection(owner: &Owner, reason: &str) -> Option<Rejection> {
    let Owner::Monitor {
        kind,
        namespace,
        name,
        endpoint,
    } = owner
    else {
        return None;
    };
    Some(Rejection {
        kind: *kind,
        namespace: namespace.to_string(),
        name: name.to_string(),
        cause: Cause::Load,
        reason: format!("endpoint {endpoint}: {reason}"),
    })
}

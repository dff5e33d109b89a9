//! From what is watched to a configuration that can be scraped: collect, generate, load, build. Runs on a thread of its own;
//! nothing of what runs is touched. What fails here stays with the monitor it concerns (manual::decisions, 2).

use super::assets::AssetCache;
use super::inherited::{Inherited, Nothing};
use super::jobs::{Built, Job, Jobs, Known, MonitorJobs, rejection};
use super::last_good::LastGood;
use super::monitors::Monitors;
use super::outcome::{Failure, Loaded, Prepared, Rejected};
use super::resolved::Resolved;
use super::settings::Environment;
use super::vetting::{self, Cut};
use crate::config::{self, Global, Loader, ScrapeConfig};
use crate::discovery::Manager;
use crate::http::client::{Client, HttpContext};
use crate::http::config::TlsVersion;
use crate::kube::Informers;
use crate::model::labels::{Labels, Text};
use crate::operator::{self, Fragment, Generated, Generator, Owner, Rejection, Snapshot};
use crate::rt::clock::Clock;
use crate::rt::files::{Disk, Files, LARGE, MemoryFiles};
use crate::scrape;
use crate::scrape::failure::FailureLog;
use log::warn;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long the first configuration waits for the first lists of monitors. What is there by then starts.
const FIRST_LISTS: Duration = Duration::from_secs(10);

/// How long a configuration that replaces another one waits for the discovery of its new jobs (manual::decisions, 2).
const LATER_SYNC: Duration = Duration::from_secs(2);

/// How often settings and jobs that cannot be used are tried again: a Secret or file that they name may have appeared.
const RETRY: Duration = Duration::from_secs(30);

/// What is generated, and its head as it was loaded.
struct Head {
    generated: Generated,
    global: Arc<Global>,
}

/// What a configuration is put together from.
struct Next {
    jobs: Jobs,
    built: Vec<Built>,
    /// Jobs of monitors that are new or have changed.
    fresh: Vec<Arc<Job>>,
    /// Monitors that are not used as they are.
    bad: Vec<Rejection>,
    /// Additional jobs that are not used, and why.
    errors: Vec<String>,
    /// Something that could not be built may be possible later.
    is_incomplete: bool,
}

impl Next {
    fn new(monitors: usize, bad: Vec<Rejection>) -> Self {
        Self {
            jobs: Jobs::with_capacity(monitors),
            built: Vec::with_capacity(monitors),
            fresh: Vec::new(),
            bad,
            errors: Vec::new(),
            is_incomplete: false,
        }
    }

    fn refuse(&mut self, owner: &Owner, reason: &str) {
        self.is_incomplete = true;
        match rejection(owner, reason) {
            Some(rejection) => self.bad.push(rejection),
            None => self.errors.push(format!("{owner}: {reason}")),
        }
    }
}

/// Everything that preparing needs and remembers.
#[derive(Debug)]
pub(super) struct Preparer {
    pub resolved: Arc<Resolved>,
    /// Settings that were read again and wait to be taken over.
    pub next_settings: Arc<Mutex<Option<Resolved>>>,
    pub environment: Environment,
    pub clock: Arc<dyn Clock>,
    /// Nothing is watched without Kubernetes.
    pub watched: Option<(Informers, Monitors)>,
    /// The object whose settings hold, if any are inherited.
    pub inherited: Option<Inherited>,
    pub discovery: Arc<Manager>,
    pub surroundings: HttpContext,
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
    /// Text of the head and what it was loaded to.
    global: Option<(String, Arc<Global>)>,
    /// What was built last, in the order of the document, and under which head: jobs inherit from it.
    built: Arc<[Built]>,
    built_under: Option<Arc<Global>>,
    /// Jobs of the file, under the same head.
    file_jobs: Vec<Arc<Job>>,
    /// Credentials of monitors' Secrets that were warned of.
    cut: Cut,
    /// Open logs of failed scrapes, by path.
    failure_logs: HashMap<Box<str>, Weak<FailureLog>>,
    /// When the first lists are waited for no longer.
    patience: Option<Instant>,
    started: bool,
}

impl Preparer {
    /// Prepares a configuration from what is known now.
    pub(super) fn prepare(&mut self) -> Result<Prepared, Failure> {
        let (Head { generated, global }, settings_trouble) = self.head()?;
        let around = HttpContext {
            files: vetting::disk(&self.resolved.given.monitor_files),
            ..self.surroundings.clone()
        };

        let before = std::mem::take(&mut self.memory.built);
        let head_before = self.memory.built_under.replace(Arc::clone(&global));
        let known = if head_before.is_some_and(|before| Arc::ptr_eq(&before, &global)) {
            Known::new(&before, &generated.jobs)
        } else {
            self.memory.file_jobs.clear();
            Known::none(&before)
        };
        let mut next = Next::new(generated.jobs.len(), generated.rejected);
        self.add_monitors(generated.jobs, &known, &global, &around, &mut next);
        let rejected = self.add_last_good(&known, &mut next);
        self.memory.built = next.built.into();
        self.add_file(&global, &around, &mut next.jobs, &mut next.errors)?;
        next.fresh.extend_from_slice(&self.memory.file_jobs);
        self.memory.loader.sweep();
        self.wait_for_discovery(&next.fresh);

        let is_incomplete =
            next.is_incomplete || settings_trouble.is_some() || !next.errors.is_empty();
        let next_look = [
            self.memory.assets.next_read(),
            self.memory
                .last_good
                .next_end(self.resolved.given.last_good_max_age),
            is_incomplete.then(|| self.clock.now() + RETRY),
        ];
        Ok(Prepared {
            loaded: Loaded {
                global,
                jobs: next.jobs.list.into(),
                monitors: Arc::clone(&self.memory.built),
                rejected,
                additional_errors: next.errors,
                selected: generated.selected,
                left_out: generated.left_out,
                settings_trouble,
            },
            next_look: next_look.into_iter().flatten().min(),
        })
    }

    /// Adds the jobs of monitors and of the settings' additional ones; those that have not changed are the ones that run.
    fn add_monitors(
        &mut self,
        monitors: Vec<Arc<[Fragment]>>,
        known: &Known<'_>,
        global: &Arc<Global>,
        around: &HttpContext,
        next: &mut Next,
    ) {
        for (at, fragments) in monitors.into_iter().enumerate() {
            let unchanged = known.monitor(at, &fragments);
            let jobs = match unchanged {
                Some(jobs) => Ok(Arc::clone(jobs)),
                None => self.build_all(&fragments, known, global, around),
            };
            let added = jobs.and_then(|jobs| {
                let added = next.jobs.add(&jobs).map(|()| jobs);
                added.map_err(|reason| (0, reason))
            });
            let jobs = match added {
                Ok(jobs) => {
                    if unchanged.is_none() {
                        next.fresh.extend(jobs.iter().cloned());
                    }
                    Some(jobs)
                }
                Err((endpoint, reason)) => {
                    if let Some(Fragment { owner, .. }) = fragments.get(endpoint) {
                        next.refuse(owner, &self.with_class(owner, reason));
                    }
                    None
                }
            };
            next.built.push(Built { fragments, jobs });
        }
    }

    /// Adds the last good versions of bad monitors, as long as they run on.
    fn add_last_good(&mut self, known: &Known<'_>, next: &mut Next) -> Vec<Rejected> {
        let max_age = self.resolved.given.last_good_max_age;
        let mut round = self.memory.last_good.round(self.clock.now(), max_age);
        let bad = std::mem::take(&mut next.bad).into_iter();
        let rejected = bad.map(|rejection| {
            let version = round.bad(&rejection.monitor, |id| known.was_good(id));
            let last_good_since =
                version.and_then(|(jobs, since)| next.jobs.add(&jobs).is_ok().then_some(since));
            let monitors = self.watched.as_ref().map(|(_, monitors)| monitors);
            let uid = monitors.map(|monitors| monitors.uid(&rejection.monitor));
            Rejected {
                rejection,
                last_good_since,
                uid: uid.unwrap_or_default(),
            }
        });
        rejected.collect()
    }

    /// What was read from files and Secrets is to be read again.
    ///
    /// # Errors
    /// The file with additional jobs cannot be read; what was read before stays.
    pub(super) fn reload(&mut self) -> Result<(), String> {
        self.memory.assets.expire();
        let next = self.next_settings.lock().take();
        if let Some(next) = next {
            self.take_over(next);
        }
        if let Some(path) = &self.resolved.given.additional_scrape_configs {
            let text = Disk.read(&path.to_string_lossy(), LARGE);
            self.memory.file = text
                .map_err(|error| format!("additionalScrapeConfigs: {}: {error}", path.display()))?;
        }
        Ok(())
    }

    fn take_over(&mut self, next: Resolved) {
        if self.resolved.given.monitor_files != next.given.monitor_files {
            // Jobs that run may name files that are no longer allowed.
            self.memory.built_under = None;
        }
        for setting in Arc::make_mut(&mut self.resolved).take_over(next) {
            warn!("a changed setting takes effect at the next start setting={setting}");
        }
    }

    /// Generates and loads the head. If inherited settings cannot be used, the last ones that could be hold, and why.
    fn head(&mut self) -> Result<(Head, Option<String>), Failure> {
        let Some(mut inherited) = self.inherited.take() else {
            let resolved = Arc::clone(&self.resolved);
            return Ok((self.head_of(&resolved.generator)?, None));
        };
        let head = self.inherited_head(&mut inherited);
        self.inherited = Some(inherited);
        head
    }

    fn inherited_head(
        &mut self,
        inherited: &mut Inherited,
    ) -> Result<(Head, Option<String>), Failure> {
        let trouble = match inherited.settings(&self.resolved, &self.environment) {
            Ok(settings) => {
                let is_new = inherited.good.as_ref() != Some(&settings);
                // What is remembered for the good settings must outlive those that turn out to be unusable.
                let kept = is_new.then(|| std::mem::take(&mut self.memory.generator));
                let head = self.head_of(&settings);
                if head.is_err()
                    && let Some(kept) = kept
                {
                    self.memory.generator = kept;
                }
                match head {
                    Ok(head) => {
                        inherited.good = Some(settings);
                        return Ok((head, None));
                    }
                    Err(Failure::Refused(reason)) => format!("inherited settings: {reason}"),
                    Err(waiting) => return Err(waiting),
                }
            }
            Err(Nothing::NotYet(what)) => return Err(Failure::Waiting(what)),
            Err(Nothing::Unusable(reason)) => reason,
        };
        match &inherited.good {
            Some(good) => Ok((self.head_of(good)?, Some(trouble))),
            None => Err(Failure::Refused(trouble)),
        }
    }

    fn head_of(&mut self, settings: &operator::Settings) -> Result<Head, Failure> {
        let generated = self.generate(settings)?;
        let global = self.load_head(&generated.head)?;
        Ok(Head { generated, global })
    }

    /// Monitors to text.
    fn generate(&mut self, settings: &operator::Settings) -> Result<Generated, Failure> {
        let settings = &operator::Settings {
            max_monitor_bytes: self.resolved.given.max_monitor_bytes,
            ..settings.clone()
        };
        let nothing = Snapshot::default();
        let (mut snapshot, mut api) = (&nothing, None);
        if let Some((informers, monitors)) = &mut self.watched {
            monitors
                .serve(informers, settings)
                .map_err(|error| Failure::Refused(error.to_string()))?;
            let (now, is_start) = (self.clock.now(), !self.memory.started);
            let patience = *self.memory.patience.get_or_insert(now + FIRST_LISTS);
            if let Some(missing) = monitors.missing(is_start).first()
                && !(is_start && now >= patience)
            {
                return Err(Failure::Waiting(missing.to_string()));
            }
            monitors.wait_no_longer();
            snapshot = monitors.snapshot(&settings.namespace);
            api = Some(&*informers);
        }
        let refused = |error: operator::Error| Failure::Refused(error.to_string());
        let round = self.memory.generator.begin(snapshot, settings);
        let round = round.map_err(refused)?;
        let assets = api.map(|api| {
            let max_age = self.resolved.given.asset_refresh;
            let cache = &mut self.memory.assets;
            cache.fetch(&round.references(), api, &*self.clock, max_age)
        });
        round.generate(&assets.unwrap_or_default()).map_err(refused)
    }

    /// The head, the same as before if its text is.
    fn load_head(&mut self, head: &str) -> Result<Arc<Global>, Failure> {
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
        self.memory.global = Some((head.to_owned(), Arc::clone(&loaded.global)));
        Ok(loaded.global)
    }

    /// The jobs of a monitor that has changed; those of its fragments that have not are the ones that run. An error has the
    /// place of its fragment.
    fn build_all(
        &mut self,
        fragments: &[Fragment],
        known: &Known<'_>,
        global: &Arc<Global>,
        around: &HttpContext,
    ) -> Result<MonitorJobs, (usize, String)> {
        let jobs = fragments.iter().enumerate();
        let jobs = jobs.map(|(at, fragment)| match known.job(fragment) {
            Some(job) => Ok(Arc::clone(job)),
            None => self
                .load(fragment, global, around)
                .map_err(|reason| (at, reason)),
        });
        jobs.collect()
    }

    fn load(
        &mut self,
        fragment: &Fragment,
        global: &Arc<Global>,
        around: &HttpContext,
    ) -> Result<Arc<Job>, String> {
        let around = &with_files(around, &fragment.files);
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
        let config = vetting::vet(
            config,
            &fragment.owner,
            &self.memory.generator,
            vetting::folders(&self.resolved.given.monitor_files).as_ref(),
            &mut self.memory.cut,
        )?;
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
        around: &HttpContext,
        jobs: &mut Jobs,
        errors: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let path = self
            .resolved
            .given
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
            .map_err(|error| {
                Failure::Refused(format!("additionalScrapeConfigs: {path}: {error}"))
            })?;
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
            let added = job.and_then(|job| jobs.add(&[Arc::clone(&job)]).map(|()| job));
            match added {
                Ok(job) => built.push(job),
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
        around: &HttpContext,
    ) -> Result<Arc<Job>, String> {
        let least = self.options.bounds.min_interval;
        if config.interval < least {
            return Err(scrape::target::too_short(config.interval, least));
        }
        let client = Client::build(&config.http, around).map_err(|error| error.to_string())?;
        let least = config.http.tls.min_version;
        if least.is_some_and(|least| least < TlsVersion::Tls12) {
            let name = &config.job_name;
            warn!(
                "job {name}: tls_config.min_version: TLS 1.0 and 1.1 are not supported, 1.2 is the minimum"
            );
        }
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
        Ok(Arc::new(Job {
            name: Text::clone(&scrape.config.job_name),
            scrape,
            discovery,
        }))
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

    /// Waits, for a while, until discovery knows the targets of every new job: a job without them starts later. At the
    /// start there is nothing that could go on meanwhile, so whatever is ready starts at once.
    fn wait_for_discovery(&mut self, jobs: &[Arc<Job>]) {
        if !std::mem::replace(&mut self.memory.started, true) {
            return;
        }
        let jobs: Vec<_> = jobs.iter().map(|job| &*job.discovery).collect();
        let deadline = self.clock.now() + LATER_SYNC;
        self.discovery.wait_until(deadline, &jobs);
    }
}

/// A client keeps what it sees for as long as it lives: the files that its job names, and the disk beneath them.
fn with_files(around: &HttpContext, files: &[(Arc<str>, Arc<[u8]>)]) -> HttpContext {
    let mut around = around.clone();
    if !files.is_empty() {
        let files = files.iter().cloned().collect();
        around.files = Arc::new(MemoryFiles::new(files, Some(around.files)));
    }
    around
}

#[cfg(test)]
mod tests;

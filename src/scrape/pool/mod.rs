//! The scraping side of a running receiver: which jobs there are, which targets they have, when each is scraped next.
//!
//! There is one [`Pool`] for the life of the receiver: its workers and its timer heap outlive configurations. Each
//! configuration brings a table of jobs, built beforehand (that may fail and then harms nobody) and put in place of the old
//! table under one lock (that cannot fail: no thread, file or socket is needed for it; manual::decisions, 1). "A target has
//! one owner" and "no hole, no double" hold because nothing moves: an idle target stays where it is, with its next slot; a
//! target that is being scraped keeps its worker, and comes back to whatever the table says of it then.

mod health_log;
mod schedule;
mod shared;
mod sync;
mod workers;

use crate::model::batch::Delivery;
use crate::model::group::TargetGroup;
use crate::model::identity::Discovered;
use crate::model::labels::{Interner, Text};
use crate::rt::clock::{Clock, SystemClock};
use crate::rt::stop::Stopped;
use crate::rt::thread::{Crew, STACK, Team};
use crate::scrape::cycle::Outcome;
use crate::scrape::job::Job;
use crate::scrape::state::TargetState;
use crate::scrape::target::{self, Target, TargetError, Targets};
use log::warn;
use parking_lot::Mutex;
use shared::{JobEntry, Life, Shared, State};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How a pool behaves.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// The most workers. A target that does not answer holds one for its timeout.
    pub max_workers: usize,
    /// How long a due target may wait before another worker is started.
    pub lag: Duration,
    /// After how much idleness a worker ends.
    pub idle: Duration,
    /// Gives each instance of the program another phase (prometheus: scrape/manager.go, setOffsetSeed).
    pub seed: u64,
    /// How many workers may read and encode pages at once: the number of CPUs.
    pub readers: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_workers: 1024,
            lag: Duration::from_millis(5),
            idle: Duration::from_secs(30),
            seed: 0,
            readers: 2,
        }
    }
}

/// A job that is new or has changed.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// The job.
    pub job: Arc<Job>,
    /// What discovery says, if it has said something yet. `None`: the version of this job that runs, if there is one, runs
    /// on until [`Pool::sync`] is called for the new one.
    pub groups: Option<Vec<Arc<TargetGroup>>>,
}

/// The state of a job, for status pages.
#[derive(Debug, Clone)]
pub struct JobStatus {
    /// The job.
    pub job: Arc<Job>,
    /// Its targets and what became of the last scrape of each.
    pub active: Vec<(Arc<Target>, Outcome)>,
    /// Targets that relabelling dropped, as many as `keep_dropped_targets` keeps.
    pub dropped: Vec<Discovered>,
    /// How many were dropped.
    pub dropped_count: usize,
    /// Targets that could not be built.
    pub errors: Vec<TargetError>,
}

/// Upper bounds, in seconds, of the buckets that [`Statistics::delays`] counts in.
pub const DELAY_BUCKETS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 15.0];

/// Counters of a pool, since its start, and how many workers there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Workers there are now.
    pub workers: usize,
    /// Workers that scrape now.
    pub busy: usize,
    /// Scrapes begun.
    pub started: u64,
    /// For how long the target that is overdue most has been waiting for a worker.
    pub lag: Option<Duration>,
    /// Slots left out because the scrape before them took too long, or no worker was free.
    pub missed: u64,
    /// Scrapes that ended in a panic.
    pub panics: u64,
    /// How late scrapes began: how many in each of [`DELAY_BUCKETS`] (not cumulative), and behind the last.
    pub delays: [u64; 9],
    /// All delays together.
    pub delay_sum: Duration,
}

/// Scrapes the targets of all jobs. Dropping it stops it at once.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    interner: Mutex<Interner>,
    workers: Arc<Mutex<Crew>>,
    /// The thread that starts workers.
    grower: Mutex<Team>,
}

impl Pool {
    /// Starts the first workers.
    ///
    /// # Errors
    /// The system refuses threads.
    pub fn start(
        settings: PoolSettings,
        delivery: Arc<dyn Delivery>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let (grower, stopped) = Team::new();
        let pool = Self {
            shared: Arc::new(Shared::new(settings, delivery, clock)),
            interner: Mutex::default(),
            workers: Arc::default(),
            grower: Mutex::new(grower),
        };
        workers::start(&pool.shared, &pool.workers)?;
        pool.with_grower(stopped)
    }

    fn with_grower(self, stopped: Stopped) -> io::Result<Self> {
        let (shared, workers) = (Arc::clone(&self.shared), Arc::clone(&self.workers));
        let grow = move || workers::grow(&shared, &workers, &stopped);
        self.grower.lock().spawn("scrape-grow", STACK, grow)?;
        Ok(self)
    }

    /// Goes over to a new configuration, all at once: these jobs are new or have changed, those of these names are gone,
    /// and all others are left alone. Cannot fail, waits for no scrape. Of the series of jobs that end nothing is written,
    /// as upstream.
    pub fn replace(&self, jobs: Vec<JobPlan>, gone: &[Text]) {
        // All that costs time happens before the lock is taken.
        let plans: Vec<_> = jobs
            .into_iter()
            .map(|plan| {
                let found = plan.groups.map(|groups| self.build(&plan.job, &groups));
                (plan.job, found)
            })
            .collect();

        let mut left = Vec::new();
        let mut state = self.shared.lock();
        for name in gone {
            left.extend(sync::end_job(&mut state, name));
        }
        for (job, found) in plans {
            match found {
                Some((targets, mut fresh)) => {
                    let ended = sync::apply(&self.shared, &mut state, &job, targets, &mut fresh);
                    left.extend(ended);
                    left.extend(fresh.into_values());
                }
                None => expect(&mut state, job),
            }
        }
        self.shared.wake(&state);
        drop(state);
        drop(left);
    }

    /// Takes in what discovery says of a job. Returns false, and does nothing, if the job is not of the present
    /// configuration any more.
    pub fn sync(&self, job: &Arc<Job>, groups: &[Arc<TargetGroup>]) -> bool {
        if !is_present(&self.shared.lock(), job) {
            return false;
        }
        let (targets, mut fresh) = self.build(job, groups);
        let mut state = self.shared.lock();
        // It may have been replaced meanwhile.
        if !is_present(&state, job) {
            return false;
        }
        let left = sync::apply(&self.shared, &mut state, job, targets, &mut fresh);
        self.shared.wake(&state);
        drop(state);
        drop((left, fresh));
        true
    }

    /// The targets of a job, and states for those that are new.
    fn build(
        &self,
        job: &Arc<Job>,
        groups: &[Arc<TargetGroup>],
    ) -> (Targets, HashMap<u64, Box<TargetState>>) {
        let targets = target::sync(
            &job.config,
            groups,
            &job.options.bounds,
            &mut self.interner.lock(),
        );
        for error in &targets.errors {
            warn!("target left out job={} err={error}", job.config.job_name);
        }
        let known: HashSet<u64> = {
            let state = self.shared.lock();
            let running = state.jobs.get(&job.config.job_name);
            running
                .map(|entry| entry.targets.keys().copied().collect())
                .unwrap_or_default()
        };
        let new = targets.active.iter().map(|target| target.hash);
        let new = new.filter(|hash| !known.contains(hash));
        let fresh = new
            .map(|hash| (hash, sync::new_state(&self.shared, job)))
            .collect();
        (targets, fresh)
    }

    /// All jobs, by name.
    pub fn jobs(&self) -> Vec<JobStatus> {
        let state = self.shared.lock();
        let jobs = state.jobs.values().map(|entry| JobStatus {
            job: Arc::clone(&entry.job),
            active: entry
                .targets
                .values()
                .filter_map(|id| state.entries.get(id))
                .filter(|entry| entry.life == Life::Live)
                .map(|entry| (Arc::clone(&entry.target), entry.outcome.clone()))
                .collect(),
            dropped: entry.dropped.clone(),
            dropped_count: entry.dropped_count,
            errors: entry.errors.clone(),
        });
        jobs.collect()
    }

    /// Looks at the clock again: for clocks that are moved by hand, which wake nobody.
    pub fn look_again(&self) {
        self.shared.look_again();
    }

    /// Counters and gauges.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    /// Starts no further scrape, gives those in flight `grace`, then closes their sockets: nothing of them is delivered.
    /// No stale markers, as upstream.
    /// Waits for no worker beyond that: [`Pool::join_within`] does, and dropping the pool.
    pub fn stop(&self, grace: Duration) {
        self.grower.lock().stop();
        self.shared.stop(grace);
    }

    /// Joins the threads that end within a time, after [`Pool::stop`]. The others are left behind; returns what they do.
    pub fn join_within(&self, time: Duration) -> Vec<String> {
        let end = SystemClock.now() + time;
        let mut left = self.grower.lock().join_within(time);
        let rest = end.saturating_duration_since(SystemClock.now());
        let workers = self.workers.lock().join_within(rest);
        let mut scrapes = self.shared.scrapes();
        scrapes.truncate(workers.len());
        // A worker without a scrape is known by its name only.
        left.extend(workers.into_iter().skip(scrapes.len()));
        left.extend(scrapes);
        left
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
        // The fields: the grower is told already, and adds no worker any more.
        self.workers.lock().join();
    }
}

/// A job of which discovery has not said anything yet.
fn expect(state: &mut State, job: Arc<Job>) {
    match state.jobs.get_mut(&job.config.job_name) {
        Some(entry) => {
            let is_running = Arc::ptr_eq(&entry.job, &job);
            entry.next = Some(job).filter(|_| !is_running);
        }
        None => {
            let entry = JobEntry {
                job: Arc::clone(&job),
                next: None,
                targets: HashMap::new(),
                dropped: Vec::new(),
                dropped_count: 0,
                errors: Vec::new(),
            };
            state.jobs.insert(Arc::clone(&job.config.job_name), entry);
        }
    }
}

/// Whether a job is the one of its name that is to be scraped: once a newer version waits for discovery, the running one
/// keeps its targets as they are.
fn is_present(state: &State, job: &Arc<Job>) -> bool {
    let entry = state.jobs.get(&job.config.job_name);
    entry.is_some_and(|entry| Arc::ptr_eq(entry.next.as_ref().unwrap_or(&entry.job), job))
}

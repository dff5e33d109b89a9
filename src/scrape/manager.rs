//! The scraping side of a running receiver: which jobs there are, which targets they have, when each is scraped next.
//!
//! There is one [`Pool`] for the life of the receiver: its workers and its timer heap outlive configurations. Each
//! configuration brings a table of jobs, built beforehand (that may fail and then harms nobody) and put in place of the old
//! table under one lock (that cannot fail: no thread, file or socket is needed for it). Two pools with a hand-over between
//! their heaps would keep the same promises (decisions.md 1) with twice the threads and a second way for a target to be in
//! two places; with one heap "a target has one owner" and "no hole, no double" hold because nothing moves:
//! an idle target stays where it is, with its next slot; a target that is being scraped keeps its worker, and comes back to
//! whatever the table says of it then.

use super::cycle::Outcome;
use super::job::Job;
use super::target::{Target, TargetError};
use crate::model::batch::Delivery;
use crate::model::group::TargetGroup;
use crate::model::identity::Discovered;
use crate::rt::clock::Clock;
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
            max_workers: 1000,
            lag: Duration::from_millis(5),
            idle: Duration::from_secs(30),
            seed: 0,
            readers: 2,
        }
    }
}

/// A job of a new configuration.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// The job. One that is unchanged is the same `Arc` as before: its targets are left alone.
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

/// Counters of a pool, since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Workers there are now.
    pub workers: usize,
    /// Workers that scrape now.
    pub busy: usize,
    /// Scrapes begun.
    pub started: u64,
    /// Slots left out because the scrape before them took too long, or no worker was free.
    pub missed: u64,
    /// Scrapes that ended in a panic.
    pub panics: u64,
    /// The longest time by which a scrape began late, in the last minute.
    pub worst_delay: Duration,
}

/// Scrapes the targets of all jobs.
#[derive(Debug)]
pub struct Pool {}

impl Pool {
    /// Starts the first workers.
    ///
    /// # Errors
    /// The system refuses threads.
    pub fn start(
        _settings: PoolSettings,
        _delivery: Arc<dyn Delivery>,
        _clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        Err(io::Error::other("the pool of scrapers is not built yet"))
    }

    /// Puts the jobs of a new configuration in place of the old ones, all at once. Cannot fail, waits for no scrape.
    /// Jobs that are not in the list end; of their series nothing is written, as upstream.
    pub fn replace(&self, _jobs: Vec<JobPlan>) {}

    /// Takes in what discovery says of a job. Returns false, and does nothing, if the job is not of the present
    /// configuration any more.
    pub fn sync(&self, _job: &Arc<Job>, _groups: &[Arc<TargetGroup>]) -> bool {
        false
    }

    /// All jobs, by name.
    pub fn jobs(&self) -> Vec<JobStatus> {
        Vec::new()
    }

    /// Counters and gauges.
    pub fn statistics(&self) -> Statistics {
        Statistics::default()
    }

    /// Starts no further scrape, gives those in flight `grace`, then closes their sockets: nothing of them is delivered.
    /// No stale markers, as upstream.
    pub fn stop(self, _grace: Duration) {}
}

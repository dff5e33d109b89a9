//! The thread that runs all discovery.

use super::context::DiscoveryContext;
use super::engine::Engine;
use super::job::{JobDiscovery, wake};
use crate::config::ScrapeConfig;
use crate::model::labels::Text;
use crate::rt::pulse::Pulse;
use crate::rt::stop::{self, Stopped, Stopper};
use crate::rt::thread::{Crew, STACK, catch};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use log::error;
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Between two rounds, so that a burst of changes costs one (a new monitor's targets are wanted within 2 s; upstream
/// takes up to 5 s).
const PAUSE: Duration = Duration::from_millis(100);
/// Files are looked at this often. Upstream has the kernel tell it.
const TICK: Duration = Duration::from_secs(2);

/// No round takes longer than this.
const STUCK: Duration = Duration::from_secs(300);

/// Runs the discovery of all jobs; lives as long as the receiver, over swaps of the configuration.
#[derive(Debug)]
pub struct Manager {
    shared: Arc<Shared>,
    changed: Receiver<()>,
    pulse: Pulse,
    stopper: Mutex<Option<Stopper>>,
    crew: Mutex<Crew>,
}

/// What the thread and the handles have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// All jobs that somebody holds, by name: over a swap two of one name may live side by side.
    jobs: Mutex<HashMap<Text, Vec<Weak<JobDiscovery>>>>,
    /// Jobs that the thread has not seen yet.
    fresh: Mutex<Vec<Arc<JobDiscovery>>>,
    /// By address, so that a job is in it once, however seldom somebody looks.
    changed_jobs: Mutex<HashMap<usize, Weak<JobDiscovery>>>,
    changed: Sender<()>,
    wake: Sender<()>,
    /// Whether there will be no further round; notified after each.
    is_over: Mutex<bool>,
    round: Condvar,
}

impl Manager {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(context: DiscoveryContext) -> io::Result<Self> {
        // One slot each: a waiting token stands for everything since.
        let (wake, woken) = bounded(1);
        let (changed, changes) = bounded(1);
        let shared = Arc::new(Shared {
            jobs: Mutex::default(),
            fresh: Mutex::default(),
            changed_jobs: Mutex::default(),
            changed,
            wake: wake.clone(),
            is_over: Mutex::new(false),
            round: Condvar::new(),
        });
        let (stopper, stopped) = stop::pair();
        let mut crew = Crew::new();
        let theirs = Arc::clone(&shared);
        let mut engine = Engine::new(context, wake);
        let pulse = Pulse::new("discovery", STUCK);
        let own = pulse.clone();
        crew.spawn("discovery", STACK, move || {
            run(&mut engine, &theirs, &stopped, &woken, &own);
        })?;
        Ok(Self {
            shared,
            changed: changes,
            pulse,
            stopper: Mutex::new(Some(stopper)),
            crew: Mutex::new(crew),
        })
    }

    /// Begins the discovery of a job. A job whose name and discovery are unchanged keeps its handle.
    pub fn subscribe(&self, config: &Arc<ScrapeConfig>) -> Arc<JobDiscovery> {
        let mut jobs = self.shared.jobs.lock();
        let of_name = jobs.entry(Text::clone(&config.job_name)).or_default();
        of_name.retain(|job| job.strong_count() > 0);
        let mut held = of_name.iter().filter_map(Weak::upgrade);
        if let Some(known) = held.find(|job| job.config().discovery == config.discovery) {
            return known;
        }
        let job = Arc::new(JobDiscovery::new(config, self.shared.wake.clone()));
        of_name.push(Arc::downgrade(&job));
        self.shared.fresh.lock().push(Arc::clone(&job));
        wake(&self.shared.wake);
        job
    }

    /// Gets a token when groups or states of jobs have changed: see [`Manager::take_changed`].
    pub fn changed(&self) -> &Receiver<()> {
        &self.changed
    }

    /// The jobs whose groups or states have changed since the last call.
    pub fn take_changed(&self) -> Vec<Arc<JobDiscovery>> {
        let changed = std::mem::take(&mut *self.shared.changed_jobs.lock());
        changed.values().filter_map(Weak::upgrade).collect()
    }

    /// Waits until everything is known of these jobs, until a time, or until discovery ends.
    pub fn wait_until(&self, deadline: Instant, jobs: &[&JobDiscovery]) {
        let mut is_over = self.shared.is_over.lock();
        while !*is_over && jobs.iter().any(|job| job.synced().is_err()) {
            let waited = self.shared.round.wait_until(&mut is_over, deadline);
            if waited.timed_out() {
                return;
            }
        }
    }

    /// The thread's sign of life.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Ends all threads of discovery.
    pub fn stop(&self) {
        self.shared.note_round(true);
        self.stopper.lock().take();
        self.crew.lock().join();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Wakes those who wait for what a round brings. The lock is taken so that nobody looks before the round and waits
    /// after it.
    fn note_round(&self, is_over: bool) {
        *self.is_over.lock() |= is_over;
        self.round.notify_all();
    }
}

fn run(
    engine: &mut Engine,
    shared: &Shared,
    stopped: &Stopped,
    woken: &Receiver<()>,
    pulse: &Pulse,
) {
    let alive = pulse.begin();
    loop {
        select! {
            recv(stopped.channel()) -> _ => return,
            recv(woken) -> _ => {}
            default(TICK) => {}
        }
        alive.works();
        let is_held = |jobs: &mut Vec<Weak<_>>| jobs.iter().any(|job| job.strong_count() > 0);
        shared.jobs.lock().retain(|_, jobs| is_held(jobs));
        let fresh = std::mem::take(&mut *shared.fresh.lock());
        let round = catch(|| engine.round(fresh));
        match round {
            Ok(changed) if changed.is_empty() => {}
            Ok(changed) => {
                let by_address = changed.into_iter().map(|job| (job.as_ptr() as usize, job));
                let mut all = shared.changed_jobs.lock();
                all.retain(|_, job| job.strong_count() > 0);
                all.extend(by_address);
                drop(all);
                wake(&shared.changed);
            }
            Err(panic) => error!("BUG: a round of discovery panicked err={panic}"),
        }
        shared.note_round(false);
        alive.waits();
        if stopped.wait(PAUSE) {
            return;
        }
    }
}

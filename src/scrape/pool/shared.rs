//! What the workers of a pool share: the targets, the timer heap, and who waits for what.
//!
//! Every target has one entry. Its state lies in the entry while the target is idle, and is the worker's while it is being
//! scraped. Of the idle workers one, the leader, waits for the earliest due time; when it takes a target, another one takes its
//! place. While no worker is idle a thread of its own watches whether due targets wait too long, and starts more workers.
//!
//! Targets whose last scrape used up its timeout are in a lane of their own, which may occupy three quarters of the
//! workers at most: when many targets hang, those that answer are still scraped on time.

use super::health_log::HealthLog;
use super::schedule::{Grid, Schedule, WallClock, catch_up};
use super::{DELAY_BUCKETS, PoolSettings, Statistics};
use crate::http::client::Interrupt;
use crate::model::batch::Delivery;
use crate::model::identity::Discovered;
use crate::model::labels::Text;
use crate::rt::clock::Clock;
use crate::rt::gate::Gate;
use crate::scrape::cycle::{Health, Outcome};
use crate::scrape::job::Job;
use crate::scrape::state::TargetState;
use crate::scrape::target::{Target, TargetError};
use log::warn;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Workers that are kept beyond the most that were busy lately.
const SPARE_WORKERS: usize = 2;

/// With more workers than this waiting for the CPU gate no further one is started.
const MOST_AT_GATE: usize = 16;

/// What all threads of a pool share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: PoolSettings,
    pub(super) delivery: Arc<dyn Delivery>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) gate: Arc<Gate>,
    pub(super) health_log: HealthLog,
    state: Mutex<State>,
    /// The leader waits here for the earliest due time.
    leader: Condvar,
    /// The other idle workers wait here to become the leader.
    followers: Condvar,
    /// The thread that starts workers waits here while some worker is idle.
    grow: Condvar,
    /// Whoever stops the pool waits here for the last scrape.
    ended: Condvar,
}

/// Everything that changes, under one lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) jobs: BTreeMap<Text, JobEntry>,
    pub(super) entries: HashMap<u64, Entry>,
    lanes: [Schedule; 2],
    slow_busy: usize,
    next_id: u64,
    workers: usize,
    idle: usize,
    /// Until when the leader waits, if there is one.
    leader_until: Option<Instant>,
    is_stopping: bool,
    interrupts: HashMap<u64, Arc<Interrupt>>,
    wall: WallClock,
    peak: Peak,
    counts: Statistics,
}

/// The most workers that were busy, in this period and the one before.
#[derive(Debug, Default)]
struct Peak {
    now: usize,
    before: usize,
    since: Option<Instant>,
}

/// A job of the present configuration.
#[derive(Debug)]
pub(super) struct JobEntry {
    pub(super) job: Arc<Job>,
    /// The version of the job that takes over once discovery has said something.
    pub(super) next: Option<Arc<Job>>,
    /// Keys of its entries by the target's hash.
    pub(super) targets: HashMap<u64, u64>,
    pub(super) dropped: Vec<Discovered>,
    pub(super) dropped_count: usize,
    pub(super) errors: Vec<TargetError>,
}

/// A target.
pub(super) struct Entry {
    pub(super) target: Arc<Target>,
    pub(super) job: Arc<Job>,
    /// What it keeps from scrape to scrape; `None` while a worker has it.
    pub(super) state: Option<Box<TargetState>>,
    pub(super) life: Life,
    pub(super) outcome: Outcome,
    /// The next slot.
    pub(super) due: Instant,
    /// When the heap wakes it: the next slot, or the end of its run.
    wake: Instant,
    grid: Grid,
    is_slow: bool,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("url", &self.target.url)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

/// Where a target is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It is scraped.
    Live,
    /// It has vanished from discovery; its series go stale at this time unless it comes back.
    Ending { at_ms: i64 },
    /// Its job is gone: nothing more is written.
    Gone,
}

/// What a worker is to do.
pub(super) struct Work {
    pub(super) id: u64,
    pub(super) target: Arc<Target>,
    pub(super) job: Arc<Job>,
    pub(super) state: Box<TargetState>,
    pub(super) task: Task,
    /// What the scrape before it left.
    pub(super) health: Health,
    is_slow: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Task {
    Scrape { slot_ms: i64 },
    End { at_ms: i64 },
}

enum Taken {
    Work(Box<Work>),
    Nothing { until: Option<Instant> },
}

impl Shared {
    pub(super) fn new(
        settings: PoolSettings,
        delivery: Arc<dyn Delivery>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            gate: Gate::new(settings.readers),
            settings,
            delivery,
            clock,
            health_log: HealthLog::default(),
            state: Mutex::default(),
            leader: Condvar::new(),
            followers: Condvar::new(),
            grow: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// After a change of the schedule: whoever waits for something later looks again.
    pub(super) fn wake(&self, state: &State) {
        let first = state.first_due(self.slow_cap()).map(|(_, due)| due);
        match (state.leader_until, first) {
            (_, None) => {}
            (Some(until), Some(first)) if until <= first => {}
            (Some(_), _) => drop(self.leader.notify_one()),
            (None, _) if state.idle > 0 => drop(self.followers.notify_one()),
            (None, _) => drop(self.grow.notify_one()),
        }
    }

    /// Announces a worker, which will run. `None`: there are enough, or the pool stops.
    pub(super) fn enlist(&self) -> Option<(u64, Arc<Interrupt>)> {
        let mut state = self.state.lock();
        if state.is_stopping || state.workers >= self.settings.max_workers.max(1) {
            return None;
        }
        state.workers += 1;
        let number = state.new_id();
        let interrupt = Arc::new(Interrupt::default());
        state.interrupts.insert(number, Arc::clone(&interrupt));
        Some((number, interrupt))
    }

    /// A worker has ended, or could not be started.
    pub(super) fn discharge(&self, number: u64) {
        let mut state = self.state.lock();
        state.workers -= 1;
        state.interrupts.remove(&number);
    }

    /// Waits for something to do. `None`: the worker is to end.
    pub(super) fn next(&self) -> Option<Box<Work>> {
        let mut state = self.state.lock();
        state.idle += 1;
        let work = loop {
            if state.is_stopping {
                break None;
            }
            let now = self.clock.now();
            if state.has_too_many_workers(now, self.settings.idle) {
                break None;
            }
            match state.take(self, now) {
                Taken::Work(work) => break Some(work),
                Taken::Nothing { until: Some(due) } if state.leader_until.is_none() => {
                    state.leader_until = Some(due);
                    let wait = due.saturating_duration_since(now);
                    self.leader.wait_for(&mut state, wait);
                    state.leader_until = None;
                }
                Taken::Nothing { .. } => {
                    self.followers.wait_for(&mut state, self.settings.idle);
                }
            }
        };
        state.idle -= 1;
        if state.idle == 0 {
            self.grow.notify_one();
        } else if state.leader_until.is_none() {
            self.followers.notify_one();
        }
        work
    }

    /// Takes a target back after its scrape. Returns a state that nobody needs any more, to be dropped without the lock.
    pub(super) fn put_back(
        &self,
        work: Work,
        outcome: Outcome,
        panicked: bool,
    ) -> Option<Box<TargetState>> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.counts.busy -= 1;
        state.counts.panics += u64::from(panicked);
        state.slow_busy -= usize::from(work.is_slow);
        if state.counts.busy == 0 {
            self.ended.notify_all();
        }
        let left = state.settle(self, work, outcome);
        self.wake(state);
        left
    }

    /// Waits until another worker is needed. False: the pool stops.
    pub(super) fn wait_for_need(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.is_stopping {
                return false;
            }
            // Where the CPU is what is short, further workers would only hold further pages in memory.
            let is_crowded = self.gate.waiting() > MOST_AT_GATE;
            let may_grow =
                state.idle == 0 && state.workers < self.settings.max_workers && !is_crowded;
            match state.first_due(self.slow_cap()).filter(|_| may_grow) {
                None => self.grow.wait(&mut state),
                Some((_, due)) => {
                    let late_at = due + self.settings.lag;
                    let wait = late_at.saturating_duration_since(self.clock.now());
                    if wait.is_zero() {
                        return true;
                    }
                    self.grow.wait_for(&mut state, wait);
                }
            }
        }
    }

    /// Starts nothing any more, waits for what runs, then closes its sockets.
    pub(super) fn stop(&self, grace: Duration) {
        let mut state = self.state.lock();
        state.is_stopping = true;
        for waiting in [&self.leader, &self.followers, &self.grow] {
            waiting.notify_all();
        }
        // Real time: it is about people who wait, not about slots.
        while state.counts.busy > 0 {
            if self.ended.wait_for(&mut state, grace).timed_out() {
                break;
            }
        }
        for interrupt in state.interrupts.values() {
            interrupt.close();
        }
    }

    /// What workers are busy with.
    pub(super) fn scrapes(&self) -> Vec<String> {
        let state = self.state.lock();
        let busy = state.entries.values().filter(|e| e.state.is_none());
        busy.map(|e| format!("scrape of {} (job {})", e.target.url, e.target.identity.job))
            .collect()
    }

    pub(super) fn look_again(&self) {
        // Whoever is about to wait has looked at the clock under the lock.
        drop(self.state.lock());
        for waiting in [&self.leader, &self.followers, &self.grow] {
            waiting.notify_all();
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        let mut state = self.state.lock();
        state.book_missed(self.clock.now());
        let first = state.lanes.iter().filter_map(Schedule::first);
        let first = first.map(|(due, _)| due).min();
        Statistics {
            workers: state.workers,
            lag: first.and_then(|due| self.clock.now().checked_duration_since(due)),
            ..state.counts
        }
    }

    fn slow_cap(&self) -> usize {
        (self.settings.max_workers * 3 / 4).max(1)
    }

    /// The wall-clock time of an instant.
    pub(super) fn unix_ms(&self, at: Instant) -> i64 {
        let (now, now_ms) = (self.clock.now(), self.clock.unix_ms());
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let ahead = ms(at.saturating_duration_since(now));
        let behind = ms(now.saturating_duration_since(at));
        now_ms.saturating_add(ahead).saturating_sub(behind)
    }
}

impl State {
    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A new target, to be scraped from `due` on.
    pub(super) fn add(
        &mut self,
        target: Arc<Target>,
        job: Arc<Job>,
        state: Box<TargetState>,
        due: Instant,
    ) -> u64 {
        let id = self.new_id();
        let entry = Entry {
            target,
            job,
            state: Some(state),
            life: Life::Live,
            outcome: Outcome::default(),
            due,
            wake: due,
            grid: Grid::default(),
            is_slow: false,
        };
        self.entries.insert(id, entry);
        self.lanes[0].push(due, id);
        id
    }

    /// Says when an idle target is woken next.
    pub(super) fn schedule(&mut self, id: u64, wake: Instant) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.wake = wake;
            let is_slow = entry.is_slow && entry.life == Life::Live;
            self.lanes[usize::from(is_slow)].push(wake, id);
        }
    }

    /// The earliest target that may be taken: its lane and when it is due.
    fn first_due(&self, slow_cap: usize) -> Option<(usize, Instant)> {
        let lanes = self.lanes.iter().enumerate();
        let open = lanes.filter(|(lane, _)| *lane == 0 || self.slow_busy < slow_cap);
        let firsts = open.filter_map(|(lane, schedule)| Some((lane, schedule.first()?.0)));
        firsts.min_by_key(|(_, due)| *due)
    }

    fn take(&mut self, shared: &Shared, now: Instant) -> Taken {
        loop {
            let Some((lane, due)) = self.first_due(shared.slow_cap()) else {
                return Taken::Nothing { until: None };
            };
            if due > now {
                return Taken::Nothing { until: Some(due) };
            }
            let Some((wake, id)) = self.lanes[lane].pop() else {
                return Taken::Nothing { until: None };
            };
            // An entry that was rescheduled or is gone has left this one behind.
            let Some(entry) = self.entries.get_mut(&id).filter(|e| e.wake == wake) else {
                continue;
            };
            let Some(state) = entry.state.take() else {
                continue;
            };
            let task = match entry.life {
                Life::Ending { at_ms } => Task::End { at_ms },
                Life::Live | Life::Gone => {
                    let (slot, missed) = catch_up(entry.due, entry.target.interval, now);
                    entry.due = slot + entry.target.interval;
                    self.counts
                        .count(now.saturating_duration_since(slot), missed);
                    let now_ms = shared.clock.unix_ms();
                    if let Some(step_ms) = self.wall.look(now, now_ms) {
                        warn!("the wall clock was set: timestamps begin anew step={step_ms}ms");
                    }
                    let interval = entry.target.interval;
                    let slot_ms = entry.grid.timestamp(interval, now_ms, &self.wall);
                    Task::Scrape { slot_ms }
                }
            };
            self.counts.busy += 1;
            self.peak.now = self.peak.now.max(self.counts.busy);
            let is_slow = lane == 1;
            self.slow_busy += usize::from(is_slow);
            let (target, job) = (Arc::clone(&entry.target), Arc::clone(&entry.job));
            let health = entry.outcome.health;
            return Taken::Work(Box::new(Work {
                id,
                target,
                job,
                state,
                task,
                health,
                is_slow,
            }));
        }
    }

    /// Counts the slots that have passed while their targets wait or are still being scraped: whoever takes them later
    /// counts from there.
    fn book_missed(&mut self, now: Instant) {
        let live = self.entries.values_mut();
        for entry in live.filter(|entry| entry.life == Life::Live && entry.due < now) {
            let (slot, missed) = catch_up(entry.due, entry.target.interval, now);
            entry.due = slot;
            self.counts.missed += missed;
        }
    }

    /// What follows when a worker gives a target back: its next slot, its end, or nothing.
    fn settle(
        &mut self,
        shared: &Shared,
        work: Work,
        outcome: Outcome,
    ) -> Option<Box<TargetState>> {
        let Work {
            id, state, task, ..
        } = work;
        let Some(entry) = self.entries.get_mut(&id) else {
            return Some(state);
        };
        let has_ended = matches!(task, Task::End { .. });
        if entry.life == Life::Gone || (has_ended && entry.life != Life::Live) {
            self.remove(id);
            return Some(state);
        }
        entry.state = Some(state);
        if !has_ended {
            entry.is_slow =
                outcome.health == Health::Down && outcome.duration >= work.target.timeout;
            entry.outcome = outcome;
        }
        match entry.life {
            Life::Ending { .. } => self.end_run(shared, id),
            Life::Live | Life::Gone => {
                let due = entry.due;
                self.schedule(id, due);
                None
            }
        }
    }

    /// As upstream a target that was scraped gets its markers at the next slot's time, but only after the slot behind it
    /// and a bit more have passed without it coming back (prometheus: scrape/scrape.go, endOfRunStaleness).
    pub(super) fn end_run(&mut self, shared: &Shared, id: u64) -> Option<Box<TargetState>> {
        let entry = self.entries.get_mut(&id)?;
        if entry.outcome.health == Health::Unknown {
            return self.remove(id);
        }
        let at_ms = shared.unix_ms(entry.due);
        entry.life = Life::Ending { at_ms };
        let interval = entry.target.interval;
        let wake = entry.due + interval + interval / 10;
        self.schedule(id, wake);
        None
    }

    /// Forgets a target.
    pub(super) fn remove(&mut self, id: u64) -> Option<Box<TargetState>> {
        let entry = self.entries.remove(&id)?;
        let job = self.jobs.get_mut(&entry.job.config.job_name);
        if let Some(job) = job.filter(|job| job.targets.get(&entry.target.hash) == Some(&id)) {
            job.targets.remove(&entry.target.hash);
        }
        entry.state
    }

    /// Whether this worker, an idle one, is one too many for what was needed lately.
    fn has_too_many_workers(&mut self, now: Instant, period: Duration) -> bool {
        let since = *self.peak.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= period {
            self.peak = Peak {
                now: self.counts.busy,
                before: self.peak.now,
                since: Some(now),
            };
        }
        self.idle + self.counts.busy > self.peak.now.max(self.peak.before) + SPARE_WORKERS
    }
}

impl Statistics {
    fn count(&mut self, delay: Duration, missed: u64) {
        self.started += 1;
        self.missed += missed;
        self.delay_sum += delay;
        let bucket = DELAY_BUCKETS
            .iter()
            .position(|le| delay.as_secs_f64() <= *le);
        self.delays[bucket.unwrap_or(DELAY_BUCKETS.len())] += 1;
    }
}

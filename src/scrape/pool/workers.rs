//! The threads of a pool: workers, which scrape one target after the other, and the one that starts workers.

use super::shared::{Shared, Task, Work};
use super::sync::{adopt, new_state};
use crate::http::client::Interrupt;
use crate::rt::stop::Stopped;
use crate::rt::thread::{Crew, catch};
use crate::scrape::cycle::{End, Health, Outcome, end_of_run, scrape_once};
use crate::scrape::state::Worker;
use log::{error, warn};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Enough for TLS, inflating and relabelling, in debug builds too; only what is touched is resident.
const STACK: usize = 256 * 1024;

/// Between two new workers: a burst of due targets is often served by those that just become free.
const PACE: Duration = Duration::from_millis(1);

/// After the system has refused a thread.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts a worker, unless there are enough.
pub(super) fn start(shared: &Arc<Shared>, crew: &Mutex<Crew>) -> io::Result<()> {
    let Some((number, interrupt)) = shared.enlist() else {
        return Ok(());
    };
    let mine = Arc::clone(shared);
    let name = format!("scrape-{number}");
    let mut crew = crew.lock();
    crew.reap();
    let started = crew.spawn(&name, STACK, move || {
        work(&mine, interrupt);
        mine.discharge(number);
    });
    if started.is_err() {
        shared.discharge(number);
    }
    started
}

/// Starts workers while due targets wait too long. What the system refuses is no disaster: the others work on.
pub(super) fn grow(shared: &Arc<Shared>, crew: &Mutex<Crew>, stopped: &Stopped) {
    let mut was_refused = false;
    while shared.wait_for_need() {
        let result = start(shared, crew);
        if let Err(error) = &result
            && !was_refused
        {
            warn!("no thread for another scraper, due targets wait err={error}");
        }
        was_refused = result.is_err();
        if stopped.wait(if was_refused { PAUSE } else { PACE }) {
            return;
        }
    }
}

fn work(shared: &Shared, interrupt: Arc<Interrupt>) {
    let new_worker = || {
        Worker::new(
            Arc::clone(&shared.clock),
            Arc::clone(&shared.gate),
            Arc::clone(&interrupt),
        )
    };
    let mut worker = new_worker();
    while let Some(work) = shared.next() {
        let mut work = *work;
        let result = catch(|| perform(shared, &mut work, &mut worker));
        let (outcome, panicked) = match result {
            Ok(outcome) => (outcome, false),
            Err(panic) => {
                let (job, url) = (&work.target.identity.job, &work.target.url);
                error!("a scrape panicked job={job} target={url} err={panic}");
                // Whatever it had in hand may be half done.
                worker = new_worker();
                work.state = new_state(shared, &work.job);
                (after_panic(&work, &panic), true)
            }
        };
        let now = shared.clock.now();
        shared
            .health_log
            .say(work.health, &outcome, &work.target, now);
        drop(shared.put_back(work, outcome, panicked));
    }
}

fn perform(shared: &Shared, work: &mut Work, worker: &mut Worker) -> Outcome {
    match work.task {
        Task::Scrape { slot_ms } => {
            adopt(shared, &mut work.state, &work.job);
            scrape_once(&work.target, &mut work.state, worker, slot_ms)
        }
        Task::End { at_ms } => {
            end_of_run(
                &work.target,
                &mut work.state,
                worker,
                End::TargetGone,
                at_ms,
            );
            Outcome::default()
        }
    }
}

fn after_panic(work: &Work, panic: &str) -> Outcome {
    let (Task::Scrape { slot_ms: time_ms } | Task::End { at_ms: time_ms }) = work.task;
    Outcome {
        health: Health::Down,
        error: Some(format!("the scrape panicked, this is a bug: {panic}").into()),
        time_ms,
        ..Outcome::default()
    }
}

//! The one owner of what runs: it decides when a configuration is prepared, puts a prepared one in place of the running one,
//! and passes on what discovery finds. It never blocks; whatever takes time happens on other threads.

use super::build::{Job, common};
use super::prepare::{Failure, Prepared, Preparer};
use super::status::Board;
use crate::discovery::Manager;
use crate::model::labels::Text;
use crate::rt::clock::Clock;
use crate::rt::stop::Stopped;
use crate::scrape::pool::{JobPlan, Pool};
use crossbeam_channel::{Receiver, Sender, after, never, select};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A change is acted upon this long after the last one, and at most [`MOST_PATIENT`] after the first (manual::decisions, 8).
const QUIET: Duration = Duration::from_millis(500);
const MOST_PATIENT: Duration = Duration::from_secs(5);

/// After a failure it is tried again, even if no change is heard of.
const RETRY: Duration = Duration::from_secs(30);

/// While the first lists are waited for, it is looked this often whether that was long enough.
const WAITING_LOOK: Duration = Duration::from_millis(250);

/// What the supervisor asks of the prepare thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// Prepare from what is known now.
    Prepare,
    /// Read files and Secrets again, too.
    Reload,
}

/// What became of a request.
pub(super) type Answer = Result<Box<Prepared>, Failure>;

/// Everything that can happen.
#[derive(Debug)]
enum Event {
    /// A monitor or namespace changed, or how a store stands.
    Changed,
    /// Discovery found other targets.
    Discovered,
    /// SIGHUP, or the embedding program.
    Reload,
    /// The prepare thread is done.
    Prepared(Answer),
    /// The timer.
    Due,
    /// The end.
    Stop,
}

/// The ends of the channels that the supervisor listens to.
#[derive(Debug)]
pub(super) struct Inputs {
    pub changed: Receiver<()>,
    pub reload: Receiver<()>,
    pub answers: Receiver<Answer>,
    pub stopped: Stopped,
}

/// The state of the running receiver.
#[derive(Debug)]
pub(super) struct Supervisor {
    inputs: Inputs,
    requests: Sender<Request>,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool>,
    discovery: Arc<Manager>,
    board: Arc<Board>,
    /// The running configuration's jobs.
    jobs: Arc<[Arc<Job>]>,
    by_name: HashMap<Text, Arc<Job>>,
    pending: Option<Pending>,
    preparing: bool,
    /// When to prepare without any change.
    next_look: Option<Instant>,
    ever_applied: bool,
}

/// A request that waits.
#[derive(Debug, Clone, Copy)]
struct Pending {
    request: Request,
    first: Instant,
    last: Instant,
}

impl Supervisor {
    /// A supervisor that has nothing yet; its first act is to ask for a configuration.
    pub(super) fn new(
        inputs: Inputs,
        requests: Sender<Request>,
        clock: Arc<dyn Clock>,
        pool: Arc<Pool>,
        discovery: Arc<Manager>,
        board: Arc<Board>,
    ) -> Self {
        Self {
            inputs,
            requests,
            clock,
            pool,
            discovery,
            board,
            jobs: Arc::default(),
            by_name: HashMap::new(),
            pending: None,
            preparing: false,
            next_look: None,
            ever_applied: false,
        }
    }

    /// Runs until it is stopped.
    pub(super) fn run(mut self) {
        self.want(Request::Reload);
        loop {
            self.start_if_due();
            match self.next_event() {
                Event::Changed => self.want(Request::Prepare),
                Event::Reload => self.want(Request::Reload),
                Event::Discovered => self.pass_on_targets(),
                Event::Prepared(answer) => self.finish(answer),
                Event::Due => {}
                Event::Stop => return,
            }
        }
    }

    fn next_event(&self) -> Event {
        let timer = match self.next_due() {
            Some(due) => after(due.saturating_duration_since(self.clock.now())),
            None => never(),
        };
        select! {
            recv(self.inputs.stopped.channel()) -> _ => Event::Stop,
            recv(self.inputs.answers) -> answer => answer.map_or(Event::Stop, Event::Prepared),
            recv(self.inputs.changed) -> token => token.map_or(Event::Stop, |()| Event::Changed),
            recv(self.discovery.changed()) -> token => token.map_or(Event::Stop, |()| Event::Discovered),
            recv(self.inputs.reload) -> token => token.map_or(Event::Stop, |()| Event::Reload),
            recv(timer) -> _ => Event::Due,
        }
    }

    /// When something is to be done without any event; nothing while a configuration is being prepared.
    fn next_due(&self) -> Option<Instant> {
        let pending = self.pending.map(|pending| self.due(pending));
        [pending, self.next_look]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| !self.preparing)
    }

    /// When a wish is served. As long as nothing runs there is nothing to be gained by waiting.
    fn due(&self, pending: Pending) -> Instant {
        if self.ever_applied {
            (pending.last + QUIET).min(pending.first + MOST_PATIENT)
        } else {
            pending.first
        }
    }

    /// Notes that a configuration is wanted; wishes that come together are served together.
    fn want(&mut self, request: Request) {
        let now = self.clock.now();
        let (first, before) = match self.pending {
            Some(pending) => (pending.first, pending.request),
            None => (now, Request::Prepare),
        };
        let request = if before == Request::Reload {
            before
        } else {
            request
        };
        self.pending = Some(Pending {
            request,
            first,
            last: now,
        });
    }

    fn start_if_due(&mut self) {
        let now = self.clock.now();
        if self.next_look.is_some_and(|look| look <= now) && self.pending.is_none() {
            self.next_look = None;
            self.want(Request::Prepare);
        }
        if self.preparing {
            return;
        }
        if let Some(pending) = self.pending
            && self.due(pending) <= now
        {
            self.pending = None;
            self.next_look = None;
            // The slot is free: the thread has answered the request before.
            self.preparing = self.requests.try_send(pending.request).is_ok();
        }
    }

    fn finish(&mut self, answer: Answer) {
        self.preparing = false;
        match answer {
            Ok(prepared) => self.apply(*prepared),
            Err(failure) => {
                let is_start = !self.ever_applied && matches!(failure, Failure::Waiting(_));
                let pause = if is_start { WAITING_LOOK } else { RETRY };
                self.next_look = Some(self.clock.now() + pause);
                self.board.refused(&failure);
            }
        }
    }

    /// The swap: every job that is unchanged goes on untouched, and costs the comparison of two addresses.
    fn apply(&mut self, prepared: Prepared) {
        let Prepared { loaded, next_look } = prepared;
        self.next_look = next_look;
        self.ever_applied = true;
        let (first, last) = common(&self.jobs, &loaded.jobs, Arc::ptr_eq);
        let middle = |jobs: &Arc<[_]>| jobs.len() - last - first;
        let old = self.jobs.iter().skip(first).take(middle(&self.jobs));
        let new = loaded.jobs.iter().skip(first).take(middle(&loaded.jobs));
        let gone = old.clone().map(|job| Text::clone(&job.name));
        let mut gone: HashSet<Text> = gone.collect();
        let kept: HashSet<_> = old.map(Arc::as_ptr).collect();
        let mut plans = Vec::new();
        for job in new {
            gone.remove(&job.name);
            if !kept.contains(&Arc::as_ptr(job)) {
                plans.push(JobPlan {
                    job: Arc::clone(&job.scrape),
                    groups: job.groups(),
                });
                self.by_name.insert(Text::clone(&job.name), Arc::clone(job));
            }
        }
        let gone: Vec<Text> = gone.into_iter().collect();
        for name in &gone {
            self.by_name.remove(name);
        }
        self.pool.replace(plans, &gone);
        self.jobs = Arc::clone(&loaded.jobs);
        self.board.applied(loaded);
    }

    /// Gives the pool the targets of every job for which discovery found something else. A job of a configuration that
    /// is still being prepared is not there yet; its targets are asked for when it is.
    fn pass_on_targets(&self) {
        for found in self.discovery.take_changed() {
            if let Some(job) = self.by_name.get(found.job_name())
                && Arc::ptr_eq(&job.discovery, &found)
                && let Some(groups) = job.groups()
            {
                self.pool.sync(&job.scrape, &groups);
            }
        }
    }
}

/// The prepare thread: answers one request after the other.
pub(super) fn answer_requests(
    mut preparer: Preparer,
    requests: &Receiver<Request>,
    answers: &Sender<Answer>,
) {
    for request in requests {
        let answer = prepare(&mut preparer, request);
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn prepare(preparer: &mut Preparer, request: Request) -> Answer {
    if request == Request::Reload {
        preparer.reload().map_err(Failure::Refused)?;
    }
    preparer.prepare().map(Box::new)
}

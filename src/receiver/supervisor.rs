//! Decides when a configuration is prepared. It never blocks; whatever takes time happens on other threads: preparing on one,
//! which hands what it prepared to the thread of `targets.rs`, which tells the supervisor when it runs.

use super::board::Board;
use super::outcome::{Answer, Failure};
use super::prepare::Preparer;
use super::targets::Applied;
use crate::rt::clock::Clock;
use crate::rt::pulse::{Alive, Pulse};
use crate::rt::stop::Stopped;
use crossbeam_channel::{Receiver, Sender, after, never, select};
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

/// Everything that can happen.
#[derive(Debug)]
enum Event {
    /// A monitor or namespace changed, or how a store stands.
    Changed,
    /// SIGHUP, or the embedding program.
    Reload,
    /// What was prepared runs, or could not be prepared.
    Applied(Applied),
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
    pub applied: Receiver<Applied>,
    pub stopped: Stopped,
}

/// The state of the running receiver.
#[derive(Debug)]
pub(super) struct Supervisor {
    inputs: Inputs,
    requests: Sender<Request>,
    clock: Arc<dyn Clock>,
    board: Arc<Board>,
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
        board: Arc<Board>,
    ) -> Self {
        Self {
            inputs,
            requests,
            clock,
            board,
            pending: None,
            preparing: false,
            next_look: None,
            ever_applied: false,
        }
    }

    /// Runs until it is stopped.
    pub(super) fn run(mut self, pulse: &Pulse) {
        let alive = pulse.begin();
        self.want(Request::Reload);
        loop {
            self.start_if_due();
            match self.next_event(&alive) {
                Event::Changed => self.want(Request::Prepare),
                Event::Reload => self.want(Request::Reload),
                Event::Applied(answer) => self.finish(answer),
                Event::Due => {}
                Event::Stop => return,
            }
        }
    }

    fn next_event(&self, alive: &Alive) -> Event {
        let timer = match self.next_due() {
            Some(due) => after(due.saturating_duration_since(self.clock.now())),
            None => never(),
        };
        alive.waits();
        let event = select! {
            recv(self.inputs.stopped.channel()) -> _ => Event::Stop,
            recv(self.inputs.applied) -> answer => answer.map_or(Event::Stop, Event::Applied),
            recv(self.inputs.changed) -> token => token.map_or(Event::Stop, |()| Event::Changed),
            recv(self.inputs.reload) -> token => token.map_or(Event::Stop, |()| Event::Reload),
            recv(timer) -> _ => Event::Due,
        };
        alive.works();
        event
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

    fn finish(&mut self, answer: Applied) {
        self.preparing = false;
        match answer {
            Ok(next_look) => {
                self.next_look = next_look;
                self.ever_applied = true;
            }
            Err(failure) => {
                let is_start = !self.ever_applied && matches!(failure, Failure::Waiting(_));
                let pause = if is_start { WAITING_LOOK } else { RETRY };
                self.next_look = Some(self.clock.now() + pause);
                self.board.refused(&failure);
            }
        }
    }
}

/// The prepare thread: answers one request after the other.
pub(super) fn answer_requests(
    mut preparer: Preparer,
    requests: &Receiver<Request>,
    answers: &Sender<Answer>,
    pulse: &Pulse,
) {
    let alive = pulse.begin();
    for request in requests {
        alive.works();
        let answer = prepare(&mut preparer, request);
        if answers.send(answer).is_err() {
            return;
        }
        alive.waits();
    }
}

fn prepare(preparer: &mut Preparer, request: Request) -> Answer {
    if request == Request::Reload {
        preparer.reload().map_err(Failure::Refused)?;
    }
    preparer.prepare().map(Box::new)
}

//! The bounded queue of one exporter, with its books: every point that came in was sent, was dropped, or waits.

use super::PipelineSettings;
use super::exporter::{Payload, Receipt};
use crate::rt::clock::Clock;
use crate::rt::quiet::{Omitted, Quiet};
use log::{error, info, warn};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a lasting loss is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What became of the points that came in: `accepted = sent + dropped + waiting`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// Points that came in.
    pub accepted: u64,
    /// Points that the backend took.
    pub sent: u64,
    /// Points that were dropped.
    pub dropped: Dropped,
    /// Points in the queue or being sent.
    pub waiting: u64,
    /// Bytes in the queue or being sent.
    pub waiting_bytes: usize,
    /// Failed attempts to send that are made again.
    pub retries: u64,
}

/// Points dropped, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The queue was full; these were the oldest.
    pub queue_full: u64,
    /// The backend will never take them.
    pub rejected: u64,
    /// Too large for the backend, or for the queue, even alone.
    pub too_large: u64,
    /// The time to drain was over.
    pub stopped: u64,
}

impl Dropped {
    /// For whatever reason.
    pub fn all(&self) -> u64 {
        self.queue_full + self.rejected + self.too_large + self.stopped
    }
}

/// Why payloads leave the queue unsent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Loss {
    QueueFull,
    Rejected,
    TooLarge,
    Stopped,
}

/// What is said at most once an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Said {
    Lost(Loss),
    Failing,
    /// What a backend remarks beside taking everything.
    Remark,
}

pub(super) struct Queue {
    name: String,
    capacity: usize,
    /// A request of so many bytes is full.
    request_bytes: usize,
    /// How long a request that is not full waits for more, since the one before.
    linger: Duration,
    state: Mutex<State>,
    changed: Condvar,
    quiet: Quiet<Said>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    payloads: VecDeque<Payload>,
    books: Books,
    last_error: Option<String>,
    /// Set when no more is taken in: until then what waits may still be sent.
    deadline: Option<Instant>,
    /// The next wait before an attempt is left out.
    hasten: bool,
    /// When the next request is due, full or not; none: at once.
    due: Option<Instant>,
    /// The exporter's thread waits for anything at all.
    is_idle: bool,
    /// The exporter's thread has nothing more to do.
    ended: bool,
}

impl Queue {
    pub(super) fn new(name: &str, settings: &PipelineSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            name: name.to_owned(),
            capacity: settings.queue_bytes,
            request_bytes: settings.request_bytes,
            linger: settings.linger,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            quiet: Quiet::new(LOG_INTERVAL),
            clock,
        }
    }

    /// Takes payloads in. A full queue drops its oldest. The exporter's thread is woken only for a request that is due.
    pub(super) fn push(&self, payloads: Vec<Payload>) {
        let mut lost = Lost::default();
        let is_due = {
            let mut state = self.state.lock();
            for payload in payloads {
                state.books.accepted += u64::from(payload.points);
                state.books.waiting += u64::from(payload.points);
                state.books.waiting_bytes += payload.bytes.len();
                if state.deadline.is_some() {
                    // The exporter's thread may be gone: what comes now comes too late.
                    lost.add(&mut state, Loss::Stopped, &payload);
                } else if payload.bytes.len() > self.capacity {
                    lost.add(&mut state, Loss::TooLarge, &payload);
                } else {
                    state.payloads.push_back(payload);
                }
            }
            self.shrink(&mut state, &mut lost);
            state.is_idle || state.books.waiting_bytes >= self.request_bytes
        };
        if is_due {
            self.changed.notify_all();
        }
        self.log(&lost, "");
    }

    /// The oldest payloads, in all at most a request's bytes and at most `count`, but at least one. Waits for them, and for
    /// more of them if the last request was just now: many scrapes share a request.
    /// `None`: the queue is closed and empty, or its deadline has passed.
    pub(super) fn take(&self, count: usize) -> Option<Vec<Payload>> {
        let bytes = self.request_bytes;
        let mut state = self.state.lock();
        let mut now = self.clock.now();
        while state.deadline.is_none() {
            let wait = state.due.map(|due| due.saturating_duration_since(now));
            match wait.filter(|wait| !wait.is_zero()) {
                _ if state.books.waiting_bytes >= bytes && !state.payloads.is_empty() => break,
                Some(wait) => drop(self.changed.wait_for(&mut state, wait)),
                None if !state.payloads.is_empty() => break,
                None => {
                    state.is_idle = true;
                    self.changed.wait(&mut state);
                    state.is_idle = false;
                }
            }
            now = self.clock.now();
        }
        if state.deadline.is_some_and(|deadline| now >= deadline) {
            return None;
        }
        state.due = Some(now + self.linger);
        let mut taken = Vec::new();
        let mut size = 0;
        while let Some(next) = state.payloads.front() {
            size += next.bytes.len();
            if !taken.is_empty() && (size > bytes || taken.len() >= count) {
                break;
            }
            taken.extend(state.payloads.pop_front());
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// The backend took them, but for those that it refused.
    pub(super) fn sent(&self, payloads: &[Payload], receipt: Receipt) {
        let Receipt { refused, said } = receipt;
        let mut state = self.state.lock();
        let mut points = 0;
        for payload in payloads {
            points += u64::from(payload.points);
            state.no_longer_waiting(payload);
        }
        let refused = refused.min(points);
        state.books.sent += points - refused;
        state.books.dropped.rejected += refused;
        state.last_error = said.clone();
        drop(state);
        if self.quiet.forget(&Said::Failing) {
            info!("exporter works again exporter={}", self.name);
        }
        let said = said.unwrap_or_default();
        if refused > 0 {
            self.log(&Lost(Some((Loss::Rejected, refused))), &said);
        } else if !said.is_empty()
            && let Some(left_out) = self.quiet.due(Said::Remark, self.clock.now()).map(Omitted)
        {
            let name = &self.name;
            warn!("backend took all, and remarks exporter={name}{left_out} err=\"{said}\"");
        }
    }

    /// They are to be sent again: back to the front, where a full queue drops first.
    pub(super) fn put_back(&self, payloads: Vec<Payload>) {
        let mut lost = Lost::default();
        {
            let mut state = self.state.lock();
            for payload in payloads.into_iter().rev() {
                state.payloads.push_front(payload);
            }
            self.shrink(&mut state, &mut lost);
        }
        self.log(&lost, "");
    }

    /// They are lost, for this reason.
    pub(super) fn lose(&self, loss: Loss, payloads: &[Payload], error: String) {
        let mut lost = Lost::default();
        {
            let mut state = self.state.lock();
            for payload in payloads {
                lost.add(&mut state, loss, payload);
            }
            state.last_error = Some(error.clone());
        }
        self.log(&lost, &error);
    }

    /// Waits before the next attempt, but not longer than the deadline, and not at all if there is haste.
    pub(super) fn pause(&self, error: String, delay: Duration) {
        if let Some(left_out) = self.quiet.due(Said::Failing, self.clock.now()).map(Omitted) {
            let name = &self.name;
            warn!("cannot send, trying again exporter={name}{left_out} err=\"{error}\"");
        }
        let until = self.clock.now() + delay;
        let mut state = self.state.lock();
        state.last_error = Some(error);
        state.books.retries += 1;
        loop {
            let until = state.deadline.map_or(until, |deadline| deadline.min(until));
            let now = self.clock.now();
            if now >= until || std::mem::take(&mut state.hasten) {
                return;
            }
            self.changed.wait_for(&mut state, until - now);
        }
    }

    /// Ends the wait before the next attempt, or leaves the next one out.
    pub(super) fn hasten(&self) {
        self.state.lock().hasten = true;
        self.changed.notify_all();
    }

    /// Takes nothing in from now on; what waits may be sent until `deadline`. The earliest deadline holds.
    pub(super) fn close(&self, deadline: Instant) {
        let mut state = self.state.lock();
        state.deadline = Some(
            state
                .deadline
                .map_or(deadline, |before| before.min(deadline)),
        );
        drop(state);
        self.changed.notify_all();
    }

    /// The exporter's thread ends: what still waits is lost.
    pub(super) fn end(&self) {
        let mut lost = Lost::default();
        {
            let mut state = self.state.lock();
            while let Some(payload) = state.payloads.pop_front() {
                lost.add(&mut state, Loss::Stopped, &payload);
            }
            state.deadline.get_or_insert_with(|| self.clock.now());
            state.ended = true;
        }
        self.changed.notify_all();
        let error = self.last_error().unwrap_or_default();
        self.log(&lost, &error);
    }

    /// Waits until the exporter's thread has ended, or until the deadline; false if it has not ended.
    pub(super) fn wait_until_ended(&self) -> bool {
        let mut state = self.state.lock();
        while !state.ended {
            let now = self.clock.now();
            let Some(left) = state
                .deadline
                .map(|deadline| deadline.saturating_duration_since(now))
            else {
                return false;
            };
            if left.is_zero() {
                return false;
            }
            self.changed.wait_for(&mut state, left);
        }
        true
    }

    pub(super) fn fail(&self, error: String) {
        self.state.lock().last_error = Some(error);
    }

    pub(super) fn books(&self) -> Books {
        self.state.lock().books.clone()
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.state.lock().last_error.clone()
    }

    /// Drops the oldest until the rest fits. Bytes being sent count, but what is being sent stays.
    fn shrink(&self, state: &mut State, lost: &mut Lost) {
        while state.books.waiting_bytes > self.capacity {
            let Some(oldest) = state.payloads.pop_front() else {
                return;
            };
            lost.add(state, Loss::QueueFull, &oldest);
        }
    }

    /// Points are lost. Said at most once an interval for each reason, with what `error` says of it.
    fn log(&self, lost: &Lost, error: &str) {
        let Some((loss, points)) = lost.0 else {
            return;
        };
        let Some(left_out) = self
            .quiet
            .due(Said::Lost(loss), self.clock.now())
            .map(Omitted)
        else {
            return;
        };
        let reason = match loss {
            Loss::QueueFull => "the queue is full, the oldest go first",
            Loss::Rejected => "the backend refused them",
            Loss::TooLarge => "too large for the backend or the queue",
            Loss::Stopped => "the time to drain is over",
        };
        let name = &self.name;
        let why = match error {
            "" => String::new(),
            error => format!(" err=\"{error}\""),
        };
        error!("points dropped exporter={name} points={points} reason=\"{reason}\"{left_out}{why}");
    }
}

impl State {
    fn no_longer_waiting(&mut self, payload: &Payload) {
        self.books.waiting -= u64::from(payload.points);
        self.books.waiting_bytes -= payload.bytes.len();
    }
}

/// What one call lost: the last reason, and the points in all.
#[derive(Default)]
struct Lost(Option<(Loss, u64)>);

impl Lost {
    fn add(&mut self, state: &mut State, loss: Loss, payload: &Payload) {
        let points = u64::from(payload.points);
        let dropped = &mut state.books.dropped;
        match loss {
            Loss::QueueFull => dropped.queue_full += points,
            Loss::Rejected => dropped.rejected += points,
            Loss::TooLarge => dropped.too_large += points,
            Loss::Stopped => dropped.stopped += points,
        }
        state.no_longer_waiting(payload);
        self.0 = Some((loss, self.0.map_or(0, |(_, before)| before) + points));
    }
}

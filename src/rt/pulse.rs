//! Signs of life of the threads without which nothing works: whether each is there, and since when it has been busy.

use super::clock::{Clock, SystemClock};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The sign of life of one thread. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    /// Longer than this no step of the thread takes.
    bound: Duration,
    life: Mutex<Life>,
    #[cfg(test)]
    is_doomed: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
enum Life {
    /// It waits for something to do, for however long.
    Waits,
    Works(Instant),
    Ended,
}

/// Held by the thread as long as it runs: however it ends, that is noted.
#[derive(Debug)]
pub struct Alive(Pulse);

impl Pulse {
    /// Of a thread of this name, none of whose steps takes longer than `bound`.
    pub fn new(name: &str, bound: Duration) -> Self {
        Self(Arc::new(Inner {
            name: name.to_owned(),
            bound,
            life: Mutex::new(Life::Waits),
            #[cfg(test)]
            is_doomed: false.into(),
        }))
    }

    /// For the thread: it runs until this is dropped.
    #[must_use]
    pub fn begin(&self) -> Alive {
        Alive(self.clone())
    }

    /// Why only a restart helps, if that is so.
    pub fn trouble(&self, now: Instant) -> Option<String> {
        let Inner { name, bound, .. } = &*self.0;
        match *self.0.life.lock() {
            Life::Ended => Some(format!("thread {name} has ended")),
            Life::Works(since) if now.saturating_duration_since(since) > *bound => {
                let seconds = now.saturating_duration_since(since).as_secs();
                Some(format!("thread {name} has been stuck for {seconds} s"))
            }
            Life::Works(_) | Life::Waits => None,
        }
    }

    /// The thread's name.
    #[cfg(test)]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its thread panics at its next step.
    #[cfg(test)]
    pub fn kill(&self) {
        self.0
            .is_doomed
            .store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Alive {
    /// The thread begins a step.
    pub fn works(&self) {
        *self.0.0.life.lock() = Life::Works(SystemClock.now());
        #[cfg(test)]
        assert!(
            !self.0.0.is_doomed.load(std::sync::atomic::Ordering::SeqCst),
            "killed by a test"
        );
    }

    /// The step is over: the thread waits for the next one.
    pub fn waits(&self) {
        *self.0.0.life.lock() = Life::Waits;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        *self.0.0.life.lock() = Life::Ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_wait_for_ever_but_not_work_nor_end() {
        let second = Duration::from_secs(1);
        let pulse = Pulse::new("a", second);
        let alive = pulse.begin();
        let at = |seconds| pulse.trouble(SystemClock.now() + seconds * second);
        assert_eq!(at(100), None);
        alive.works();
        assert_eq!(at(0), None);
        assert!(at(100).unwrap().starts_with("thread a has been stuck for "));
        alive.waits();
        assert_eq!(at(100), None);
        drop(alive);
        assert_eq!(at(0).unwrap(), "thread a has ended");
    }
}

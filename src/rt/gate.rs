//! A counting gate: at most so many threads parse and translate at once, which bounds memory
//! (VictoriaMetrics limits parsing to the CPU count for the same reason).

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Lets at most `places` threads in at a time.
#[derive(Debug)]
pub struct Gate {
    free: Mutex<usize>,
    left: Condvar,
    waiting: AtomicUsize,
}

/// A place taken; dropping it frees the place.
#[derive(Debug)]
pub struct Pass<'a>(&'a Gate);

impl Gate {
    /// A gate with `places` places, at least one.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::new(places.max(1)),
            left: Condvar::new(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Waits for a place.
    pub fn enter(&self) -> Pass<'_> {
        let mut free = self.free.lock();
        while *free == 0 {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.left.wait(&mut free);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        *free -= 1;
        Pass(self)
    }

    /// Waits for a place, but no longer than until then.
    pub fn enter_until(&self, end: Instant) -> Option<Pass<'_>> {
        let mut free = self.free.lock();
        while *free == 0 {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let waited = self.left.wait_until(&mut free, end);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if waited.timed_out() && *free == 0 {
                return None;
            }
        }
        *free -= 1;
        Some(Pass(self))
    }

    /// How many threads wait for a place just now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::clock::{Clock, SystemClock};

    #[test]
    fn who_waits_for_a_while_goes_without_a_place() {
        let gate = Gate::new(1);
        let first = gate.enter();
        assert!(gate.enter_until(SystemClock.now()).is_none());
        drop(first);
        assert!(gate.enter_until(SystemClock.now()).is_some());
    }
}

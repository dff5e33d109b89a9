//! A counting gate: at most so many threads parse and translate at once, which bounds memory
//! (VictoriaMetrics limits parsing to the CPU count for the same reason).

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

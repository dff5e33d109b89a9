//! A counting gate: at most so many threads parse and translate at once, which bounds memory
//! (VictoriaMetrics limits parsing to the CPU count for the same reason).

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// Lets at most `places` threads in at a time.
#[derive(Debug)]
pub struct Gate {
    free: Mutex<usize>,
    left: Condvar,
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
        })
    }

    /// Waits for a place.
    pub fn enter(&self) -> Pass<'_> {
        let mut free = self.free.lock();
        while *free == 0 {
            self.left.wait(&mut free);
        }
        *free -= 1;
        Pass(self)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.left.notify_one();
    }
}

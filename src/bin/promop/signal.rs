//! Signals as events (manual::decisions, 14): SIGHUP reads files again, SIGTERM and SIGINT stop, a second SIGINT ends at once.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a process that SIGINT ended, as shells have it.
const INTERRUPTED: i32 = 128 + SIGINT;

/// What the outside wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Read files again.
    Reload,
    /// End in order.
    Stop,
}

/// The signals of this process.
#[derive(Debug)]
pub(crate) struct Events {
    signals: Signals,
    stopping: Arc<AtomicBool>,
}

impl Events {
    /// From now on signals are caught.
    ///
    /// # Errors
    /// The operating system refuses handlers.
    pub(crate) fn catch() -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        // Runs inside the signal handler, so that it works whatever the threads are doing.
        flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&stopping))?;
        let signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        Ok(Self { signals, stopping })
    }

    /// Waits for the next one.
    pub(crate) fn next(&mut self) -> Event {
        match self.signals.forever().next() {
            Some(SIGHUP) => Event::Reload,
            _ => {
                self.stopping.store(true, Ordering::SeqCst);
                Event::Stop
            }
        }
    }
}

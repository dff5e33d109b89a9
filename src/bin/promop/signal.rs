//! Signals as events (manual::decisions, 14): SIGHUP reads files again, SIGTERM and SIGINT stop, a second SIGINT ends at once.
//! They have a thread of their own: a log that nobody reads may block every other one, and still the program ends.

use crossbeam_channel::{Receiver, Sender, bounded, select};
use prometheus_operator_receiver::rt::stop;
use prometheus_operator_receiver::rt::thread::{STACK, detach};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Exit code of a process that SIGINT ended, as shells have it.
const INTERRUPTED: i32 = 128 + SIGINT;

/// For a last word to a log that may be what blocks.
const LAST_WORD: Duration = Duration::from_millis(200);

/// What the program hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Read files again.
    Reload,
    /// End in order.
    Stop,
    /// The reader of the standard output has ended: end in order, too.
    OutputClosed,
}

/// The events of this process.
#[derive(Debug)]
pub(crate) struct Events {
    reloads: Receiver<()>,
    ends: Receiver<Event>,
    end: Sender<Event>,
}

impl Events {
    /// From now on signals are caught. If the program still runs so long after it was told to stop, it is ended.
    ///
    /// # Errors
    /// The operating system refuses handlers, or the thread.
    pub(crate) fn catch(patience: Duration) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        // Runs inside the signal handler, so that it works whatever the threads are doing.
        flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&stopping))?;
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        // One slot each: what waits stands for everything since.
        let (reload, reloads) = bounded(1);
        let (end, ends) = bounded(1);
        let stop = end.clone();
        detach("signals", STACK, move || {
            for signal in signals.forever() {
                if signal == SIGHUP {
                    reload.try_send(()).ok();
                } else if !stopping.swap(true, Ordering::SeqCst) {
                    stop.try_send(Event::Stop).ok();
                    detach("last-resort", STACK, move || end_after(patience)).ok();
                }
            }
        })?;
        Ok(Self { reloads, ends, end })
    }

    /// Waits for the next one.
    pub(crate) fn next(&self) -> Event {
        select! {
            recv(self.ends) -> event => event.unwrap_or(Event::Stop),
            recv(self.reloads) -> _ => Event::Reload,
        }
    }

    /// Where those that end the program are sent to.
    pub(crate) fn end(&self) -> Sender<Event> {
        self.end.clone()
    }
}

/// The last resort.
fn end_after(patience: Duration) {
    let (_never, stopped) = stop::pair();
    stopped.wait(patience);
    let said = detach("last-word", STACK, || {
        eprintln!("promop: ended without order: something blocks, perhaps a log that nobody reads");
    });
    if said.is_ok() {
        stopped.wait(LAST_WORD);
    }
    // Without the standard library's own end, which flushes: that may be what blocks.
    low_level::exit(1);
}

//! Stopping: a [`Stopper`] is dropped or used, and every [`Stopped`] clone learns of it at once.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use std::time::Duration;

/// The side that stops. Dropping it stops, too, so that a panic has the same exit path.
#[derive(Debug)]
pub struct Stopper(Option<Sender<()>>);

/// The side that is told. Clones share one signal.
#[derive(Debug, Clone)]
pub struct Stopped(Receiver<()>);

/// A pair of both sides.
pub fn pair() -> (Stopper, Stopped) {
    // Nothing is ever sent: closing the channel is the signal, hence capacity 0.
    let (sender, receiver) = bounded(0);
    (Stopper(Some(sender)), Stopped(receiver))
}

impl Stopper {
    /// Tells every [`Stopped`]. Calling it again does nothing.
    pub fn stop(&mut self) {
        self.0 = None;
    }
}

impl Stopped {
    /// Whether the signal was given.
    pub fn is_stopped(&self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Waits for `duration`; returns true as soon as the signal is given.
    pub fn wait(&self, duration: Duration) -> bool {
        self.0.recv_timeout(duration) == Err(RecvTimeoutError::Disconnected)
    }

    /// The channel, for `select!`: it becomes ready (disconnected) when the signal is given.
    pub fn channel(&self) -> &Receiver<()> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_the_stopper_stops() {
        let (stopper, stopped) = pair();
        assert!(!stopped.is_stopped());
        drop(stopper);
        assert!(stopped.is_stopped());
        assert!(stopped.wait(Duration::from_secs(60)));
    }
}

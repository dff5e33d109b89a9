//! The only place where time enters. Pure code receives instants as arguments.

use parking_lot::Mutex;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time: the system's, or one that a test advances by hand.
pub trait Clock: Send + Sync + Debug {
    /// Monotonic time, for deadlines and durations.
    fn now(&self) -> Instant;
    /// Wall-clock time in milliseconds since the Unix epoch, for timestamps.
    fn unix_ms(&self) -> i64;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The system clock as a shared trait object.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one permitted call
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[allow(clippy::disallowed_methods)] // the one permitted call
    fn unix_ms(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        }
    }
}

/// A clock that stands still until [`ManualClock::advance`] moves it.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    start_unix_ms: i64,
    passed: Mutex<Duration>,
    /// By how many milliseconds the wall clock was set.
    set: AtomicI64,
}

impl ManualClock {
    /// A clock standing at `unix_ms` milliseconds since the Unix epoch.
    pub fn new(unix_ms: i64) -> Arc<Self> {
        Arc::new(Self {
            start: SystemClock.now(),
            start_unix_ms: unix_ms,
            passed: Mutex::new(Duration::ZERO),
            set: AtomicI64::new(0),
        })
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        *self.passed.lock() += by;
    }

    /// Sets the wall clock forward, or back, by so many milliseconds; monotonic time does not notice.
    pub fn set_wall(&self, by_ms: i64) {
        self.set.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.start + *self.passed.lock()
    }

    fn unix_ms(&self) -> i64 {
        let passed = i64::try_from(self.passed.lock().as_millis()).unwrap_or(i64::MAX);
        let set = self.set.load(Ordering::Relaxed);
        self.start_unix_ms
            .saturating_add(passed)
            .saturating_add(set)
    }
}

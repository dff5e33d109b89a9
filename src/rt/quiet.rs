//! Repeated messages: the first is logged at once, later ones are counted and logged once an interval.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Most keys remembered; beyond it the oldest half is forgotten (they may be logged again).
const MAX_KEYS: usize = 10_000;

/// How a message says how many like it were left out; nothing if none was.
#[derive(Debug, Clone, Copy)]
pub struct Omitted(pub u64);

impl fmt::Display for Omitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " omitted={n}"),
        }
    }
}

/// Decides, per key, whether a repeated message is due.
#[derive(Debug)]
pub struct Quiet<K> {
    interval: Duration,
    seen: Mutex<HashMap<K, Seen>>,
}

#[derive(Debug)]
struct Seen {
    last: Instant,
    suppressed: u64,
}

impl<K: Hash + Eq> Quiet<K> {
    /// At most one message per key and `interval`.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            seen: Mutex::new(HashMap::new()),
        }
    }

    /// `Some(n)`: log now; `n` messages of this key were left out since the last one. `None`: leave it out.
    pub fn due(&self, key: K, now: Instant) -> Option<u64> {
        let mut seen = self.seen.lock();
        if seen.len() >= MAX_KEYS {
            let mut times: Vec<_> = seen.values().map(|s| s.last).collect();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied().unwrap_or(now);
            seen.retain(|_, s| s.last > middle);
        }
        match seen.get_mut(&key) {
            Some(s) if now.saturating_duration_since(s.last) < self.interval => {
                s.suppressed += 1;
                None
            }
            Some(s) => {
                s.last = now;
                Some(std::mem::take(&mut s.suppressed))
            }
            None => {
                seen.insert(
                    key,
                    Seen {
                        last: now,
                        suppressed: 0,
                    },
                );
                Some(0)
            }
        }
    }

    /// Forgets a key whose trouble is over: its next message is logged at once.
    /// Returns whether there was any.
    pub fn forget(&self, key: &K) -> bool {
        self.seen.lock().remove(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::clock::{Clock, SystemClock};

    #[test]
    fn repeats_are_counted() {
        let quiet = Quiet::new(Duration::from_secs(10));
        let start = SystemClock.now();
        assert_eq!(quiet.due("a", start), Some(0));
        assert_eq!(quiet.due("a", start + Duration::from_secs(1)), None);
        assert_eq!(quiet.due("b", start), Some(0));
        assert_eq!(quiet.due("a", start + Duration::from_secs(11)), Some(1));
        assert_eq!(format!("x{}", Omitted(0)), "x");
        assert_eq!(format!("x{}", Omitted(2)), "x omitted=2");
        quiet.forget(&"a");
        assert_eq!(quiet.due("a", start + Duration::from_secs(12)), Some(0));
    }
}

//! Exponential back-off with jitter.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Delays that double from `first` to at most `max`, each reduced by up to half at random,
/// so that many clients of one failed server don't return at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `first`, ends at `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            next: first,
        }
    }

    /// The next delay: between half and all of the current step.
    pub fn delay(&mut self) -> Duration {
        self.delay_with(random_unit())
    }

    /// The same with a `jitter` in [0, 1), for those who take chance from outside.
    pub fn delay_with(&mut self, jitter: f64) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.max);
        step / 2 + step.mul_f64(jitter / 2.0)
    }

    /// After a success: the next delay is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A random number in [0, 1), from the seed that the standard library draws for hash maps.
pub fn random_unit() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_maximum_and_resets() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        for most in [100, 200, 300, 300] {
            let delay = backoff.delay().as_millis();
            assert!(delay >= most / 2 && delay <= most, "{delay} of {most}");
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(100));
    }
}

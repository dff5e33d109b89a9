//! When the first slot of a target is (prometheus: scrape/target.go, offset).

use std::time::Duration;

pub(super) fn offset(interval: Duration, hash: u64, now_ns: i64) -> Duration {
    let interval = u64::try_from(interval.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1);
    let into = i128::from(now_ns).rem_euclid(i128::from(interval));
    let base = interval - u64::try_from(into).unwrap_or(0);
    let next = base.saturating_add(hash % interval);
    Duration::from_nanos(if next > interval {
        next - interval
    } else {
        next
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors were computed by upstream's own code.
    #[test]
    fn offsets_depend_on_clock_and_identity_only() {
        let now = 1_700_000_000_123_456_789;
        let hash = 14_210_870_569_220_447_469;
        for (seconds, seed, want) in [
            (30, 0, 29_096_990_680),
            (30, 12345, 29_096_994_751),
            (60, 0, 29_096_990_680),
        ] {
            let next = offset(Duration::from_secs(seconds), hash ^ seed, now);
            assert_eq!(next, Duration::from_nanos(want), "{seconds} s, seed {seed}");
        }
    }
}

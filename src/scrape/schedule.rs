//! When a target is scraped: slots, timestamps, the timer heap. Pure; the offset of the first slot is
//! [`super::target::Target::offset`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// The slot that is scraped for at `now`, and how many before it are left out: of several that have passed only the last
/// is made up for, at once (prometheus: scrape/scrape.go, run: a ticker keeps one tick).
pub fn catch_up(due: Instant, interval: Duration, now: Instant) -> (Instant, u64) {
    let late = now.saturating_duration_since(due).as_nanos();
    let missed = late / interval.as_nanos().max(1);
    let missed = u64::try_from(missed).unwrap_or(u64::MAX);
    let skipped = interval.as_nanos().saturating_mul(u128::from(missed));
    let skipped = Duration::from_nanos(u64::try_from(skipped).unwrap_or(u64::MAX));
    (due + skipped, missed)
}

/// The most by which a timestamp is moved to keep the distances between scrapes equal.
const TOLERANCE_MS: i64 = 2;

/// The timestamp of a scrape that begins at `now_ms`: the time on the grid that the first scrape has begun, if it is close
/// (prometheus: scrape/scrape.go, AlignScrapeTimestamps). `grid` is the last such time, `None` before the first scrape.
pub fn timestamp(grid: &mut Option<i64>, interval: Duration, now_ms: i64) -> i64 {
    let interval = i64::try_from(interval.as_millis())
        .unwrap_or(i64::MAX)
        .max(1);
    let start = *grid.get_or_insert(now_ms);
    let steps = now_ms.saturating_sub(start).max(0) / interval;
    let aligned = start + steps * interval;
    *grid = Some(aligned);
    let tolerance = TOLERANCE_MS.min(interval / 100);
    if now_ms - aligned <= tolerance {
        aligned
    } else {
        now_ms
    }
}

/// Keys by the time at which they are due. An entry that has become pointless stays until it is due: whoever takes it
/// looks whether it still means something.
#[derive(Debug, Default)]
pub struct Schedule(BinaryHeap<Reverse<(Instant, u64)>>);

impl Schedule {
    /// Adds a key.
    pub fn push(&mut self, due: Instant, key: u64) {
        self.0.push(Reverse((due, key)));
    }

    /// The earliest time and its key.
    pub fn first(&self) -> Option<(Instant, u64)> {
        self.0.peek().map(|Reverse(first)| *first)
    }

    /// Takes the earliest away.
    pub fn pop(&mut self) -> Option<(Instant, u64)> {
        self.0.pop().map(|Reverse(first)| first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::clock::{Clock, SystemClock};

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[track_caller]
    fn check_catch_up(late: u64, slot: u64, missed: u64) {
        let due = SystemClock.now();
        let got = catch_up(due, ms(1000), due + ms(late));
        assert_eq!(got, (due + ms(slot), missed));
    }

    #[test]
    fn of_several_slots_the_last_is_kept() {
        check_catch_up(0, 0, 0);
        check_catch_up(999, 0, 0);
        check_catch_up(1000, 1000, 1);
        check_catch_up(3500, 3000, 3);
    }

    #[test]
    fn timestamps_stay_on_the_grid_if_they_are_close() {
        let mut grid = None;
        let mut at = |now| timestamp(&mut grid, ms(1000), now);
        assert_eq!(at(10_000), 10_000);
        assert_eq!(at(11_002), 11_000);
        assert_eq!(at(12_003), 12_003);
        assert_eq!(at(15_001), 15_000);
        // The wall clock was set back: as upstream, time stands still until it has caught up.
        assert_eq!(at(14_000), 15_000);
        let mut grid = None;
        let mut at = |now| timestamp(&mut grid, ms(100), now);
        assert_eq!(at(1000), 1000);
        assert_eq!(at(1101), 1100);
        assert_eq!(at(1202), 1202);
    }

    #[test]
    fn the_earliest_comes_first() {
        let now = SystemClock.now();
        let mut schedule = Schedule::default();
        for (after, key) in [(2, 1), (1, 2), (3, 3)] {
            schedule.push(now + ms(after), key);
        }
        assert_eq!(schedule.first(), Some((now + ms(1), 2)));
        let order = std::iter::from_fn(|| schedule.pop()).map(|(_, key)| key);
        assert_eq!(order.collect::<Vec<_>>(), [2, 1, 3]);
    }
}

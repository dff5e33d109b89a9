//! When a target is scraped: slots, timestamps, the timer heap. Pure; the offset of the first slot is
//! [`crate::scrape::target::Target::offset`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// The slot that is scraped for at `now`, and how many before it are left out: of several that have passed only the last
/// is made up for, at once (prometheus: scrape/scrape.go, run: a ticker keeps one tick).
pub(super) fn catch_up(due: Instant, interval: Duration, now: Instant) -> (Instant, u64) {
    let late = now.saturating_duration_since(due).as_nanos();
    let missed = late / interval.as_nanos().max(1);
    let missed = u64::try_from(missed).unwrap_or(u64::MAX);
    let skipped = interval.as_nanos().saturating_mul(u128::from(missed));
    let skipped = Duration::from_nanos(u64::try_from(skipped).unwrap_or(u64::MAX));
    (due + skipped, missed)
}

/// The most by which a timestamp is moved to keep the distances between scrapes equal.
const TOLERANCE_MS: i64 = 2;

/// By so much the wall clock may move against the monotonic one between two looks before it counts as set.
const STEP_MS: i64 = 250;

/// Notices when the wall clock is set. One for all targets, so that a step is seen once.
#[derive(Debug, Default)]
pub(super) struct WallClock {
    seen: Option<(Instant, i64)>,
    /// How often it was set.
    steps: u32,
}

impl WallClock {
    /// Takes note of the time. By how many milliseconds the clock was set since the last look, if it was.
    pub(super) fn look(&mut self, now: Instant, now_ms: i64) -> Option<i64> {
        let (then, then_ms) = self.seen.replace((now, now_ms))?;
        let passed = now.saturating_duration_since(then).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let step = now_ms.saturating_sub(then_ms.saturating_add(passed));
        // Clocks that are slewed drift by up to 500 ppm.
        let is_step = step.saturating_abs() > STEP_MS.saturating_add(passed / 1000);
        self.steps += u32::from(is_step);
        is_step.then_some(step)
    }
}

/// The timestamps of a target: on a grid that begins with the first scrape, and anew when the wall clock was set.
#[derive(Debug, Default)]
pub(super) struct Grid {
    /// The last time on the grid; `None` before the first scrape.
    at: Option<i64>,
    /// The last timestamp given.
    last: i64,
    /// The step of the clock after which the grid began.
    step: u32,
    /// Where the grid began.
    first: i64,
    /// The latest timestamps beside grids.
    beside: VecDeque<i64>,
    /// Beginnings and ends of earlier grids: with them, no timestamp is given twice.
    earlier: VecDeque<(i64, i64)>,
}

impl Grid {
    /// How many earlier grids, and timestamps beside them, are remembered.
    const REMEMBERED: usize = 32;

    /// The timestamp of a scrape that begins at `now_ms`: the time on the grid, if it is close
    /// (prometheus: scrape/scrape.go, AlignScrapeTimestamps; upstream's grid does not notice steps of the clock: after one
    /// backwards it gives the same time again and again).
    pub(super) fn timestamp(&mut self, interval: Duration, now_ms: i64, clock: &WallClock) -> i64 {
        let interval = i64::try_from(interval.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let Some(start) = self
            .at
            .filter(|_| self.step == clock.steps && now_ms > self.last)
        else {
            return self.begin(interval, now_ms, clock);
        };
        let steps = now_ms.saturating_sub(start).max(0) / interval;
        let aligned = start + steps * interval;
        self.at = Some(aligned);
        let tolerance = TOLERANCE_MS.min(interval / 100);
        let is_close = now_ms - aligned <= tolerance && aligned > self.last;
        let wanted = if is_close { aligned } else { now_ms };
        self.give(interval, wanted, is_close)
    }

    fn begin(&mut self, interval: i64, now_ms: i64, clock: &WallClock) -> i64 {
        if let Some(at) = self.at {
            remember(&mut self.earlier, (self.first, at));
        }
        self.step = clock.steps;
        let first = self.give(interval, now_ms, true);
        (self.first, self.at) = (first, Some(first));
        first
    }

    /// The wanted time, or the next one that was not given before.
    fn give(&mut self, interval: i64, wanted: i64, on_grid: bool) -> i64 {
        let mut time = wanted;
        while self.was_given(interval, time) {
            time += 1;
        }
        if !on_grid || time != wanted {
            remember(&mut self.beside, time);
        }
        self.last = time;
        time
    }

    fn was_given(&self, interval: i64, time: i64) -> bool {
        let is_in = |(first, last): &(i64, i64)| {
            // Before its beginning, too: the new grid would run into it.
            time <= *last && (time - first).rem_euclid(interval) == 0
        };
        self.earlier.iter().any(is_in) || self.beside.contains(&time)
    }
}

fn remember<T>(list: &mut VecDeque<T>, new: T) {
    if list.len() == Grid::REMEMBERED {
        list.pop_front();
    }
    list.push_back(new);
}

/// Keys by the time at which they are due. An entry that has become pointless stays until it is due: whoever takes it
/// looks whether it still means something.
#[derive(Debug, Default)]
pub(super) struct Schedule(BinaryHeap<Reverse<(Instant, u64)>>);

impl Schedule {
    /// Adds a key.
    pub(super) fn push(&mut self, due: Instant, key: u64) {
        self.0.push(Reverse((due, key)));
    }

    /// The earliest time and its key.
    pub(super) fn first(&self) -> Option<(Instant, u64)> {
        self.0.peek().map(|Reverse(first)| *first)
    }

    /// Takes the earliest away.
    pub(super) fn pop(&mut self) -> Option<(Instant, u64)> {
        self.0.pop().map(|Reverse(first)| first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::clock::{Clock, ManualClock, SystemClock};
    use std::collections::HashSet;

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
        let (mut grid, clock) = (Grid::default(), WallClock::default());
        let mut at = |now| grid.timestamp(ms(1000), now, &clock);
        assert_eq!(at(10_000), 10_000);
        assert_eq!(at(11_002), 11_000);
        assert_eq!(at(12_003), 12_003);
        assert_eq!(at(15_001), 15_000);
        let mut grid = Grid::default();
        let mut at = |now| grid.timestamp(ms(100), now, &clock);
        assert_eq!(at(1000), 1000);
        assert_eq!(at(1101), 1100);
        assert_eq!(at(1202), 1202);
    }

    #[test]
    fn a_step_of_the_wall_clock_is_seen_once() {
        let start = SystemClock.now();
        let mut clock = WallClock::default();
        let mut look = |after, now_ms| clock.look(start + ms(after), now_ms);
        assert_eq!(look(0, 10_000), None);
        assert_eq!(look(1000, 11_200), None);
        assert_eq!(look(2000, 7_200), Some(-5_000));
        assert_eq!(look(3000, 8_200), None);
        assert_eq!(look(3000, 108_200), Some(100_000));
    }

    /// Over steps of all sizes, late scrapes among them, no time comes twice, and each is close to the wall clock.
    #[test]
    fn no_time_is_given_twice() {
        let manual = ManualClock::new(1_000_000);
        let (mut grid, mut clock) = (Grid::default(), WallClock::default());
        let mut given = HashSet::new();
        let steps = [0, -1000, -5000, -3, -250, 12_000, -4000, -100, -7000, -1000];
        for (round, step) in steps.into_iter().enumerate() {
            manual.set_wall(step);
            for slot in 0..20 {
                let wait = match slot % 5 {
                    3 => 1037,
                    4 => 963,
                    _ => 1000,
                };
                manual.advance(ms(wait));
                let now_ms = manual.unix_ms();
                clock.look(manual.now(), now_ms);
                let time = grid.timestamp(ms(1000), now_ms, &clock);
                assert!(given.insert(time), "{time} again in round {round}");
                assert!((time - now_ms).abs() < 60, "{time} at {now_ms}");
            }
        }
    }

    #[test]
    fn the_grid_begins_anew_behind_a_step() {
        let manual = ManualClock::new(100_000);
        let (mut grid, mut clock) = (Grid::default(), WallClock::default());
        let mut at = |after| {
            manual.advance(ms(after));
            clock.look(manual.now(), manual.unix_ms());
            grid.timestamp(ms(1000), manual.unix_ms(), &clock)
        };
        assert_eq!([at(0), at(1002)], [100_000, 101_000]);
        manual.set_wall(-700_500);
        assert_eq!(
            [at(1000), at(1001), at(1000)],
            [-598_498, -597_498, -596_498]
        );
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

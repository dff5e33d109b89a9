//! Says when a target goes down and when it is back: once per change, so that a steady state is silent.

use crate::scrape::cycle::{Health, Outcome};
use crate::scrape::target::Target;
use log::{info, warn};
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// So many changes are said within [`WINDOW`]: when a network goes, one line says what ten thousand would.
const MOST: usize = 100;

const WINDOW: Duration = Duration::from_secs(60);

/// What is said of the targets' health, for all workers.
#[derive(Debug, Default)]
pub(super) struct HealthLog(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    lines: usize,
}

impl HealthLog {
    /// After a scrape: `before` is the health that the scrape before it left.
    pub(super) fn say(&self, before: Health, outcome: &Outcome, target: &Target, now: Instant) {
        let is_down = match (before, outcome.health) {
            (Health::Unknown | Health::Up, Health::Down) => true,
            (Health::Down, Health::Up) => false,
            _ => return,
        };
        let line = self.0.lock().line(now);
        if line > MOST {
            return;
        }
        let (job, url) = (&target.identity.job, &target.url);
        if is_down {
            let error = outcome.error.as_deref().unwrap_or_default();
            warn!("target down job={job} target={url} err={error:?}");
        } else {
            info!("target up again job={job} target={url}");
        }
        if line == MOST {
            warn!(
                "{MOST} targets went down or up within a minute; further ones of this minute are not said, see /api/v1/targets"
            );
        }
    }
}

impl Window {
    /// Which line of its window a line at this time is, from 1.
    fn line(&mut self, now: Instant) -> usize {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= WINDOW {
            *self = Self {
                since: Some(now),
                lines: 0,
            };
        }
        self.lines += 1;
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::clock::{Clock, SystemClock};

    #[test]
    fn lines_are_counted_by_the_minute() {
        let start = SystemClock.now();
        let mut window = Window::default();
        assert_eq!(window.line(start), 1);
        assert_eq!(window.line(start + WINDOW / 2), 2);
        assert_eq!(window.line(start + WINDOW), 1);
        assert_eq!(window.line(start + WINDOW * 3 / 2), 2);
    }
}

//! One scrape from request to batch, and the end of a target.

use super::state::{TargetState, Worker};
use super::target::Target;
use std::time::Duration;

/// How a target answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl Health {
    /// The word of Prometheus' API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What became of one scrape, for status pages.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How the target answered.
    pub health: Health,
    /// Why it is down.
    pub error: Option<Box<str>>,
    /// The scrape's timestamp, milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// How long it took.
    pub duration: Duration,
    /// Samples on the page.
    pub samples_scraped: u64,
    /// Samples that relabelling left.
    pub samples_post_relabeling: u64,
    /// New series.
    pub series_added: u64,
}

/// Why a target is scraped no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Discovery doesn't find it any more, or it has changed: its series get their stale markers.
    TargetGone,
    /// The job was removed or the program stops: as upstream, nothing is written.
    JobGone,
}

/// Scrapes a target and delivers what it says. `slot_ms` is the timestamp of the samples.
pub fn scrape_once(
    target: &Target,
    state: &mut TargetState,
    worker: &mut Worker,
    slot_ms: i64,
) -> Outcome {
    let _ = (state, worker);
    Outcome {
        health: Health::Down,
        error: Some(format!("scraping {} is not built yet", target.url).into()),
        time_ms: slot_ms,
        ..Outcome::default()
    }
}

/// Ends a target that was scraped before: its live series and report series go stale at `at_ms`, which is the slot of
/// the scrape that would have come next (prometheus: scrape/scrape.go, endOfRunStaleness; the caller waits as it does).
pub fn end_of_run(target: &Target, state: &mut TargetState, why: End, at_ms: i64) {
    let _ = (target, state, why, at_ms);
}

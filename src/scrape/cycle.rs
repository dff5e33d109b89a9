//! One scrape from request to batch, and the end of a target.

use super::accept;
use super::fetch;
use super::page::append::{Appending, add};
use super::page::reading::Counts;
use super::page::report::{self, Report};
use super::page::storage::{AcceptAll, Storage};
use super::state::{TargetState, Worker};
use super::target::Target;
use crate::http::error::{Error, Kind};
use crate::model::batch::Batch;
use crate::model::bounds::Work;
use crate::model::value::stale_nan;
use crate::textparse;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so many steps of work, some ten milliseconds, it is looked whether a scrape's time is up.
const LOOK: u64 = 1 << 22;

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
    scrape_into(target, state, worker, slot_ms, &mut AcceptAll)
}

/// The same with a storage that has a say in what is taken.
pub fn scrape_into(
    target: &Target,
    state: &mut TargetState,
    worker: &mut Worker,
    slot_ms: i64,
    storage: &mut dyn Storage,
) -> Outcome {
    let started = worker.clock.now();
    worker.collected.begin(&state.table, &state.cache);
    let page = match state.job.forced_error() {
        Some(error) => Err(Failure::forced(error)),
        None => fetch::fetch(target, state, worker)
            .map_err(|error| Failure::of(error, target, state, worker)),
    };
    if page.as_ref().is_err_and(|failure| failure.is_interrupted) {
        return Outcome::default();
    }

    // From here to the end of the delivery a scrape computes and waits for nobody.
    let gate = Arc::clone(&worker.gate);
    let asked_at = worker.clock.now();
    let pass = gate.enter();
    // Computing counts against the timeout, waiting for others to compute does not.
    let deadline = worker.clock.now() + target.timeout.saturating_sub(asked_at - started);
    let page = page.and_then(|response| {
        let inflated = fetch::inflate(&response, &state.job, worker);
        inflated.map_err(|error| Failure::of(error, target, state, worker))?;
        Ok(response.content_type)
    });
    let (counts, body_size, error) = match page {
        Ok(_) if worker.page.is_empty() => {
            append_nothing(target, state, worker, slot_ms, storage);
            (Counts::default(), 0, None)
        }
        Ok(content_type) => {
            let size = i64::try_from(worker.page.len()).unwrap_or(i64::MAX);
            let (counts, appended) = append_page(
                target,
                state,
                worker,
                slot_ms,
                storage,
                &content_type,
                deadline,
            );
            if appended.is_err() {
                storage.rollback();
                worker.collected.roll_back(state.table.rows().len());
                append_nothing(target, state, worker, slot_ms, storage);
            }
            (counts, size, appended.err())
        }
        Err(failure) => {
            append_nothing(target, state, worker, slot_ms, storage);
            (Counts::default(), failure.body_size, Some(failure.message))
        }
    };
    let report = Report {
        is_up: error.is_none(),
        duration: worker.clock.now().saturating_duration_since(started),
        counts,
        body_size,
    };
    let values = report::values(&report, target);
    finish(target, state, worker, slot_ms, storage, values, false);
    deliver(target, state, worker, slot_ms);
    drop(pass);
    state.output.hand_on();
    state.was_scraped = true;
    Outcome {
        health: if error.is_none() {
            Health::Up
        } else {
            Health::Down
        },
        error: error.map(Into::into),
        time_ms: slot_ms,
        duration: report.duration,
        samples_scraped: counts.scraped,
        samples_post_relabeling: counts.kept,
        series_added: counts.added,
    }
}

/// Ends a target that was scraped before: its live series and report series go stale at `at_ms`, which is the slot of
/// the scrape that would have come next (prometheus: scrape/scrape.go, endOfRunStaleness; the caller waits as it does).
pub fn end_of_run(
    target: &Target,
    state: &mut TargetState,
    worker: &mut Worker,
    why: End,
    at_ms: i64,
) {
    end_into(target, state, worker, why, at_ms, &mut AcceptAll);
}

/// The same with a storage that has a say in what is taken.
pub fn end_into(
    target: &Target,
    state: &mut TargetState,
    worker: &mut Worker,
    why: End,
    at_ms: i64,
    storage: &mut dyn Storage,
) {
    if why == End::JobGone || !state.was_scraped {
        return;
    }
    worker.collected.begin(&state.table, &state.cache);
    append_nothing(target, state, worker, at_ms, storage);
    finish(
        target,
        state,
        worker,
        at_ms,
        storage,
        [stale_nan(); 8],
        true,
    );
    deliver(target, state, worker, at_ms);
    state.output.hand_on();
    state.was_scraped = false;
}

/// Why no page came.
struct Failure {
    message: String,
    body_size: i64,
    is_interrupted: bool,
}

impl Failure {
    fn forced(message: String) -> Self {
        Self {
            message,
            body_size: 0,
            is_interrupted: false,
        }
    }

    /// Counts and logs the failure of an exchange.
    fn of(mut error: Error, target: &Target, state: &TargetState, worker: &Worker) -> Self {
        let is_interrupted = error.kind == Kind::Interrupted;
        let body_size = if error.kind == Kind::TooLarge {
            add(&state.job.counters.exceeded_body_size_limit, 1);
            error.message = fetch::too_large(&state.job, &error);
            -1
        } else {
            0
        };
        if let Some(failures) = state.job.failure_log.as_ref().filter(|_| !is_interrupted) {
            let job = &target.identity.job;
            if let Err(lost) =
                failures.add(worker.clock.unix_ms(), job, &target.url, &error.message)
            {
                log::debug!("scrape failure of {} not logged: {lost}", target.url);
            }
        }
        Self {
            message: error.message,
            body_size,
            is_interrupted,
        }
    }
}

/// Appends a page that was read; afterwards its rows are known.
fn append_page(
    target: &Target,
    state: &mut TargetState,
    worker: &mut Worker,
    slot_ms: i64,
    storage: &mut dyn Storage,
    content_type: &str,
    deadline: Instant,
) -> (Counts, Result<(), String>) {
    let fallback = target
        .config
        .fallback_protocol
        .map_or("", accept::fallback_type);
    let format = match textparse::choose(content_type, fallback) {
        Ok((format, warning)) => {
            if let Some(warning) = warning {
                log::debug!("{}: {warning}", target.url);
            }
            format
        }
        Err(error) => return (Counts::default(), Err(error.to_string())),
    };
    let now_ms = worker.clock.unix_ms();
    let page = std::mem::take(&mut worker.page);
    let (clock, bounds) = (Arc::clone(&worker.clock), state.job.options.bounds);
    let is_late = || clock.now() >= deadline;
    let work = Work::new(&bounds, LOOK, &is_late);
    let mut appending = appending(target, state, worker, slot_ms, storage);
    let (counts, appended) = appending.page(&page, format, now_ms, work);
    worker.page = page;
    if appended.is_ok() {
        state.cache.end_scrape(true);
    }
    (counts, appended)
}

/// After a failure, and for an empty page: everything that was live goes stale, nothing is forgotten.
fn append_nothing(
    target: &Target,
    state: &mut TargetState,
    worker: &mut Worker,
    slot_ms: i64,
    storage: &mut dyn Storage,
) {
    worker.collected.order.clear();
    if let Err(error) = appending(target, state, worker, slot_ms, storage).markers() {
        log::warn!("{}: no stale markers: {error}", target.url);
        storage.rollback();
        worker.collected.roll_back(state.table.rows().len());
    }
    if state.cache.end_scrape(false) {
        add(&state.job.counters.cache_flush_forced, 1);
    }
}

fn appending<'a>(
    target: &'a Target,
    state: &'a mut TargetState,
    worker: &'a mut Worker,
    slot_ms: i64,
    storage: &'a mut dyn Storage,
) -> Appending<'a> {
    Appending {
        target,
        job: &state.job,
        cache: &mut state.cache,
        starts: &mut state.starts,
        table: &state.table,
        collected: &mut worker.collected,
        storage,
        slot_ms,
    }
}

/// Reports, commits, and builds the next table if rows have changed.
fn finish(
    target: &Target,
    state: &mut TargetState,
    worker: &mut Worker,
    slot_ms: i64,
    storage: &mut dyn Storage,
    report: [f64; 8],
    is_end: bool,
) {
    match report::append(report, target, slot_ms, is_end, storage, &mut worker.report) {
        Ok(()) => storage.commit(),
        Err(error) => {
            log::warn!("{}: no report: {error}", target.url);
            storage.rollback();
            worker.collected.roll_back(state.table.rows().len());
            worker.report.clear();
        }
    }
    let collected = &mut worker.collected;
    let cache = &mut state.cache;
    let is_needed = !collected.changes.is_empty()
        || cache.is_unsettled
        || cache.has_old_families()
        || is_mostly_absent(state.table.rows().len(), collected.order.len());
    if is_needed {
        let rebuilt = collected
            .changes
            .rebuild(&state.table, cache, &collected.order);
        collected.move_to(&rebuilt);
        state.table = rebuilt.table;
        state.starts.retain(|row| cache.knows(row));
    }
    collected.extras.sort();
}

/// Rows that pages lack for long are given up once they are the most. After a failure nothing is known of them.
fn is_mostly_absent(n_rows: usize, n_seen: usize) -> bool {
    n_seen > 0 && n_rows > 2 * n_seen + 64
}

fn deliver(target: &Target, state: &mut TargetState, worker: &Worker, slot_ms: i64) {
    let collected = &worker.collected;
    state.output.deliver(&Batch {
        identity: &target.identity,
        table: &state.table,
        time_ms: slot_ms,
        values: &collected.values,
        present: &collected.present,
        stale: &collected.stale,
        extras: &collected.extras,
        report: &worker.report,
        external: &state.job.external,
    });
}

#[cfg(test)]
mod tests;

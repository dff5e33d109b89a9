//! One scrape from request to batch, and the end of a target.

use super::accept;
use super::fetch;
use super::page::append::{Appending, add};
use super::page::cache::Page;
use super::page::reading::Counts;
use super::page::report::{self, Moment, Report};
use super::page::shape::Shape;
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
    let scrape = Scrape {
        target,
        state,
        worker,
        slot_ms,
        storage: &mut AcceptAll,
    };
    scrape.run()
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
    let scrape = Scrape {
        target,
        state,
        worker,
        slot_ms: at_ms,
        storage: &mut AcceptAll,
    };
    scrape.end(why);
}

/// One scrape of a target, or its end, and who has a say in what is taken.
#[derive(Debug)]
pub struct Scrape<'a, S> {
    /// What is scraped.
    pub target: &'a Target,
    /// What it keeps from scrape to scrape.
    pub state: &'a mut TargetState,
    /// The thread's buffers.
    pub worker: &'a mut Worker,
    /// The timestamp of the samples.
    pub slot_ms: i64,
    /// Judges the samples.
    pub storage: &'a mut S,
}

impl<S: Storage> Scrape<'_, S> {
    /// Scrapes the target and delivers what it says.
    pub fn run(mut self) -> Outcome {
        let started = self.worker.clock.now();
        self.worker
            .collected
            .begin(&self.state.table, &self.state.cache);
        let page = match self.state.job.forced_error() {
            Some(error) => Err(Failure::forced(error)),
            None => fetch::fetch(self.target, self.state, self.worker)
                .map_err(|error| Failure::of(error, self.target, self.state, self.worker)),
        };
        if page.as_ref().is_err_and(|failure| failure.is_interrupted) {
            return Outcome::default();
        }

        // From here to the end of the delivery a scrape computes and waits for nobody.
        let gate = Arc::clone(&self.worker.gate);
        let asked_at = self.worker.clock.now();
        let pass = gate.enter();
        // Computing counts against the timeout, waiting for others to compute does not.
        let deadline =
            self.worker.clock.now() + self.target.timeout.saturating_sub(asked_at - started);
        let page = page.and_then(|response| {
            let inflated = fetch::inflate(&response, &self.state.job, self.worker);
            inflated.map_err(|error| Failure::of(error, self.target, self.state, self.worker))?;
            Ok(response.content_type)
        });
        let (counts, body_size, error) = match page {
            Ok(_) if self.worker.page.is_empty() => {
                self.append_nothing();
                (Counts::default(), 0, None)
            }
            Ok(content_type) => {
                let size = i64::try_from(self.worker.page.len()).unwrap_or(i64::MAX);
                let (counts, appended) = self.read_page(&content_type, deadline);
                if appended.is_err() {
                    self.roll_back();
                    self.append_nothing();
                }
                (counts, size, appended.err())
            }
            Err(failure) => {
                self.append_nothing();
                (Counts::default(), failure.body_size, Some(failure.message))
            }
        };
        let report = Report {
            is_up: error.is_none(),
            duration: self.worker.clock.now().saturating_duration_since(started),
            counts,
            body_size,
        };
        let values = report::values(&report, self.target);
        self.finish(values, Moment::Scrape);
        self.deliver();
        drop(pass);
        self.state.output.hand_on();
        self.state.was_scraped = true;
        Outcome {
            health: if error.is_none() {
                Health::Up
            } else {
                Health::Down
            },
            error: error.map(Into::into),
            time_ms: self.slot_ms,
            duration: report.duration,
            samples_scraped: counts.scraped,
            samples_post_relabeling: counts.kept,
            series_added: counts.added,
        }
    }

    /// Ends the target: see [`end_of_run`].
    pub fn end(mut self, why: End) {
        if why == End::JobGone || !self.state.was_scraped {
            return;
        }
        self.worker
            .collected
            .begin(&self.state.table, &self.state.cache);
        self.append_nothing();
        self.finish([stale_nan(); 8], Moment::End);
        self.deliver();
        self.state.output.hand_on();
        self.state.was_scraped = false;
    }

    /// Takes the samples of a page.
    fn read_page(&mut self, content_type: &str, deadline: Instant) -> (Counts, Result<(), String>) {
        match self.page_of_shape(content_type) {
            Some(counts) => (counts, Ok(())),
            None => self.append_page(content_type, deadline),
        }
    }

    /// Appends a page that was read; afterwards its rows are known.
    fn append_page(
        &mut self,
        content_type: &str,
        deadline: Instant,
    ) -> (Counts, Result<(), String>) {
        let fallback = self
            .target
            .config
            .fallback_protocol
            .map_or("", accept::fallback_type);
        let format = match textparse::choose(content_type, fallback) {
            Ok((format, warning)) => {
                if let Some(warning) = warning {
                    log::debug!("{}: {warning}", self.target.url);
                }
                format
            }
            Err(error) => return (Counts::default(), Err(error.to_string())),
        };
        let now_ms = self.worker.clock.unix_ms();
        let page = std::mem::take(&mut self.worker.page);
        let (clock, bounds) = (
            Arc::clone(&self.worker.clock),
            self.state.job.options.bounds,
        );
        let is_late = || clock.now() >= deadline;
        let work = Work::new(&bounds, LOOK, &is_late);
        let mut appending = self.appending();
        let (counts, appended) = appending.page(&page, format, now_ms, work);
        self.worker.page = page;
        if appended.is_ok() {
            self.state.cache.end_scrape(Page::Complete);
            self.record_shape(content_type, counts);
        }
        (counts, appended)
    }

    /// Reads a page that is like the last one but for its values. What such a page does to the target's state was done by
    /// the last one.
    fn page_of_shape(&mut self, content_type: &str) -> Option<Counts> {
        let shape = self.state.shape.as_ref()?;
        let collected = &mut self.worker.collected;
        let counts = shape.read(&self.worker.page, content_type, &mut collected.values)?;
        collected.present_all(&self.state.table);
        Some(counts)
    }

    /// Remembers the shape of a page that a reader has read, if the next page of this shape needs none.
    fn record_shape(&mut self, content_type: &str, counts: Counts) {
        let (state, collected) = (&mut *self.state, &self.worker.collected);
        let is_plain = !S::IS_CHOOSY
            && counts.added == 0
            && collected.is_plain(state.table.rows().len())
            && !state.job.options.synthesize_start
            && !state.cache.is_unsettled
            && state.cache.mentions_all_families();
        state.shape = is_plain
            .then(|| {
                let (page, places) = (&self.worker.page, &collected.places);
                Shape::record(page, places, counts, content_type, state.cache.hash(()))
            })
            .flatten();
    }

    /// After a failure, and for an empty page: everything that was live goes stale, nothing is forgotten.
    fn append_nothing(&mut self) {
        self.worker.collected.order.clear();
        self.state.shape = None;
        if let Err(error) = self.appending().markers() {
            log::warn!("{}: no stale markers: {error}", self.target.url);
            self.roll_back();
        }
        if self.state.cache.end_scrape(Page::Failed) {
            add(&self.state.job.counters.cache_flush_forced, 1);
        }
    }

    fn appending(&mut self) -> Appending<'_, S> {
        Appending {
            target: self.target,
            job: &self.state.job,
            cache: &mut self.state.cache,
            starts: &mut self.state.starts,
            table: &self.state.table,
            collected: &mut self.worker.collected,
            storage: self.storage,
            slot_ms: self.slot_ms,
        }
    }

    /// Nothing of this scrape was ever taken.
    fn roll_back(&mut self) {
        self.storage.rollback();
        self.worker
            .collected
            .roll_back(self.state.table.rows().len());
    }

    /// Reports, commits, and builds the next table if rows have changed.
    fn finish(&mut self, report: [f64; 8], moment: Moment) {
        match report::append(
            report,
            self.target,
            self.slot_ms,
            moment,
            self.storage,
            &mut self.worker.report,
        ) {
            Ok(()) => self.storage.commit(),
            Err(error) => {
                log::warn!("{}: no report: {error}", self.target.url);
                self.roll_back();
                self.worker.report.clear();
            }
        }
        let collected = &mut self.worker.collected;
        let cache = &mut self.state.cache;
        let is_needed = !collected.changes.is_empty()
            || cache.is_unsettled
            || cache.has_old_families()
            || is_mostly_absent(self.state.table.rows().len(), collected.order.len());
        if is_needed {
            let rebuilt = collected
                .changes
                .rebuild(&self.state.table, cache, &collected.order);
            collected.move_to(&rebuilt);
            self.state.table = rebuilt.table;
            self.state.shape = None;
            self.state.starts.retain(|row| cache.knows(row));
        }
        collected.extras.sort();
    }

    fn deliver(&mut self) {
        let collected = &self.worker.collected;
        self.state.output.deliver(&Batch {
            identity: &self.target.identity,
            table: &self.state.table,
            time_ms: self.slot_ms,
            values: &collected.values,
            present: &collected.present,
            stale: &collected.stale,
            extras: &collected.extras,
            report: &self.worker.report,
            external: &self.state.job.external,
        });
    }
}

/// Rows that pages lack for long are given up once they are the most. After a failure nothing is known of them.
fn is_mostly_absent(n_rows: usize, n_seen: usize) -> bool {
    n_seen > 0 && n_rows > 2 * n_seen + 64
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

#[cfg(test)]
mod tests;

//! What a reflector does next: list, watch, wait. Pure: outcomes, times and jitter in, the next state and a delay out.
//! The rules are client-go's (tools/cache/reflector.go), with its blind spots closed as the comments say.
//!
//! | State | Outcome | Next state | Delay |
//! |---|---|---|---|
//! | listing | a list, read to its end | watching from its version | none |
//! | watching | a clean end, with progress or after 1 s | watching | none |
//! | watching | a clean end, at once and without progress | watching; every third time listing, not older | back-off |
//! | watching | a broken stream | watching | back-off |
//! | watching | versions that go backwards | listing the latest | back-off |
//! | watching | an ERROR event of 429, 500, expired or too large | as that failure | as that failure |
//! | watching | any other ERROR event, something unreadable | listing, not older | short once, then back-off |
//! | watching | failure: expired, too large | listing, not older | expired: short once, then back-off |
//! | listing | failure: expired, too large | listing the latest | expired: short once, then back-off |
//! | any | failure: 404 | listing from the cache | slow |
//! | any | failure: 403 | the same | slow |
//! | watching | failure: 500 | watching; every third time listing, not older | back-off |
//! | watching | any other failure, 5 minutes after the last contact | listing, not older | back-off |
//! | any | any other failure | the same | back-off |
//! | watching | the sixth request without progress | listing, not older | |
//! | listing | the sixth request without progress | listing the latest | |
//!
//! `Retry-After` replaces the delay of a failure ten times in a row, and is the least of it from then on. Failures that
//! cannot be due to the version (an outage, 429) don't count as requests without progress.

use crate::kube::api::error::{Error, Status};
use crate::rt::backoff::Backoff;
use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything there is.
    Listing(ListFrom),
    /// What happens after this resource version.
    Watching(String),
}

/// Which state of the cluster a list must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListFrom {
    /// Whatever the server's cache holds: cheap, and a watch catches up.
    Cache,
    /// This resource version or newer.
    NotOlderThan(String),
    /// The newest: a read from the store itself.
    Latest,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// A list was read to its end; its version.
    Listed(String),
    /// It failed before anything was received.
    Failed(&'a Error),
    /// A watch that had begun ended, after this long.
    Ended(&'a End, Duration),
}

/// What follows from an outcome.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) state: State,
    pub(crate) delay: Duration,
}

/// How a watch that had begun came to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// In good order, at the server's timeout or shutdown.
    Clean,
    /// The connection broke, or was silent for too long.
    Broken,
    /// An ERROR event.
    Error(Error),
    /// Something that cannot be understood, in words: only a list helps.
    Unreadable(String),
    /// The versions went backwards: the store behind the server was restored.
    Rollback,
}

/// How long to wait after a permission is missing or a kind is absent, at most; half of it at least.
const SLOW: Duration = Duration::from_secs(30);
/// A stream that lived this long was good.
const GOOD_STREAM: Duration = Duration::from_secs(5);
/// A stream shorter than this without any event is suspicious (client-go: VeryShortWatchError).
const SHORT_STREAM: Duration = Duration::from_secs(1);
/// After so many suspicious streams in a row, or internal errors, a list clears things up.
const TOO_MANY: u32 = 3;
/// So many answers in a row may name the time of the next attempt themselves (client-go asks as often).
const TOLD_MOST: u32 = 10;
/// After so long without failure the back-off starts over.
const QUIET: Duration = Duration::from_secs(120);
/// After so long without contact a list checks that the server still has our past.
const OUTAGE: Duration = Duration::from_secs(300);
/// A version that was asked for so often without any progress is given up, whatever the reason.
const FRUITLESS_MOST: u32 = 5;

/// The state of one reflector, and what its rules remember.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    /// The version of the last list, event or bookmark.
    version: Option<String>,
    backoff: Backoff,
    /// A back-off that is never used up.
    first: Backoff,
    slow: Duration,
    last_failure: Option<Instant>,
    last_contact: Option<Instant>,
    short_streams: u32,
    internal_errors: u32,
    /// Versions given up since the last good stream.
    given_up: u32,
    /// Requests with the present version that made no progress.
    fruitless: u32,
    /// Answers in a row that named the time of the next attempt.
    told: u32,
}

impl Machine {
    pub(crate) fn new(first_delay: Duration, max_delay: Duration) -> Self {
        Self {
            state: State::Listing(ListFrom::Cache),
            version: None,
            backoff: Backoff::new(first_delay, max_delay),
            first: Backoff::new(first_delay, max_delay),
            slow: SLOW.min(max_delay),
            last_failure: None,
            last_contact: None,
            short_streams: 0,
            internal_errors: 0,
            given_up: 0,
            fruitless: 0,
            told: 0,
        }
    }

    /// The state for the next request. Here every one of them passes, so that none can name the same version for ever:
    /// what keeps failing in a way that no rule below knows is asked differently in the end.
    pub(crate) fn next(&mut self) -> State {
        self.fruitless += 1;
        if self.fruitless > FRUITLESS_MOST {
            self.fruitless = 1;
            self.state = match self.state {
                State::Watching(_) => self.relist(),
                State::Listing(_) => State::Listing(ListFrom::Latest),
            };
        }
        self.state.clone()
    }

    /// What follows from the outcome of a request. `jitter`, in [0, 1), spreads the delay.
    pub(crate) fn after(&mut self, outcome: Outcome<'_>, now: Instant, jitter: f64) -> Step {
        let step = match outcome {
            Outcome::Listed(version) => self.listed(version, now),
            Outcome::Failed(error) => self.failed(error, now, jitter),
            Outcome::Ended(end, lived) => self.ended(end, lived, now, jitter),
        };
        self.state = step.state.clone();
        step
    }

    /// An event or bookmark carried a version; false if it went backwards.
    pub(crate) fn advance(&mut self, version: &str, now: Instant) -> bool {
        self.told = 0;
        let backwards = self
            .version
            .as_deref()
            .is_some_and(|known| compare_versions(version, known) == Some(Ordering::Less));
        if !backwards {
            self.last_contact = Some(now);
        }
        if !backwards && self.version.as_deref() != Some(version) {
            self.fruitless = 0;
            self.version = Some(version.to_owned());
        }
        !backwards
    }

    /// It does not reset the back-off: a server that lists well and refuses every watch would be listed every second.
    fn listed(&mut self, version: String, now: Instant) -> Step {
        self.last_contact = Some(now);
        self.told = 0;
        self.fruitless = 0;
        self.version = Some(version.clone());
        Step {
            state: State::Watching(version),
            delay: Duration::ZERO,
        }
    }

    fn failed(&mut self, error: &Error, now: Instant, jitter: f64) -> Step {
        if !is_about_version(error) {
            self.fruitless = self.fruitless.saturating_sub(1);
        }
        let delay = self.delay_after(error, now, jitter);
        let is_watch = matches!(self.state, State::Watching(_));
        let state = match error {
            Error::Status(status) if status.is_expired() || status.too_large => {
                if is_watch {
                    self.relist()
                } else {
                    State::Listing(ListFrom::Latest)
                }
            }
            // Only a list tells an absent kind from a watch that cannot be had.
            Error::Status(status) if status.code == 404 => State::Listing(ListFrom::Cache),
            Error::Status(status) if status.code == 500 && is_watch => {
                self.internal_errors += 1;
                self.relist_every_third(self.internal_errors)
            }
            _ if is_watch && self.is_long_outage(now) => self.relist(),
            _ => self.state.clone(),
        };
        Step { state, delay }
    }

    fn ended(&mut self, end: &End, lived: Duration, now: Instant, jitter: f64) -> Step {
        let has_advanced = self.fruitless == 0;
        if let Some(version) = &self.version {
            self.state = State::Watching(version.clone());
        }
        if lived >= GOOD_STREAM || (*end == End::Clean && has_advanced) {
            self.backoff.reset();
            self.short_streams = 0;
            self.internal_errors = 0;
            self.given_up = 0;
        }
        let (state, delay) = match end {
            End::Clean if has_advanced || lived >= SHORT_STREAM => {
                (self.state.clone(), Duration::ZERO)
            }
            End::Clean => {
                self.short_streams += 1;
                let state = self.relist_every_third(self.short_streams);
                (state, self.next_delay(now, jitter))
            }
            End::Broken => (self.state.clone(), self.next_delay(now, jitter)),
            End::Error(error) if is_passing(error) => return self.failed(error, now, jitter),
            // client-go (tools/cache/reflector.go, watch): any other error event ends in a list.
            End::Error(_) | End::Unreadable(_) => (self.relist(), self.quick_once(now, jitter)),
            End::Rollback => {
                self.version = None;
                let state = State::Listing(ListFrom::Latest);
                (state, self.next_delay(now, jitter))
            }
        };
        Step { state, delay }
    }

    /// Listing, and not older than what is known.
    fn relist(&self) -> State {
        let known = self.version.clone();
        State::Listing(known.map_or(ListFrom::Cache, ListFrom::NotOlderThan))
    }

    fn relist_every_third(&self, times: u32) -> State {
        if times.is_multiple_of(TOO_MANY) {
            self.relist()
        } else {
            self.state.clone()
        }
    }

    fn is_long_outage(&self, now: Instant) -> bool {
        self.last_contact
            .is_some_and(|last| now.saturating_duration_since(last) > OUTAGE)
    }

    fn next_delay(&mut self, now: Instant, jitter: f64) -> Duration {
        let quiet = self
            .last_failure
            .is_some_and(|last| now.saturating_duration_since(last) > QUIET);
        if quiet {
            self.backoff.reset();
        }
        self.last_failure = Some(now);
        self.backoff.delay_with(jitter)
    }

    /// After an outage the back-off is long. That a version which is no good any more, or a server that is only just
    /// starting, has to wait for it once more would make the outage half a minute longer.
    fn quick_once(&mut self, now: Instant, jitter: f64) -> Duration {
        self.given_up += 1;
        if self.given_up == 1 {
            self.first.clone().delay_with(jitter)
        } else {
            self.next_delay(now, jitter)
        }
    }

    fn delay_after(&mut self, error: &Error, now: Instant, jitter: f64) -> Duration {
        match error {
            Error::Status(status) if status.is_expired() => self.quick_once(now, jitter),
            Error::Status(Status {
                retry_after: Some(after),
                ..
            }) if self.told < TOLD_MOST => {
                self.told += 1;
                *after + after.mul_f64(jitter / 2.0)
            }
            Error::Status(status) if matches!(status.code, 403 | 404) => {
                self.slow / 2 + self.slow.mul_f64(jitter / 2.0)
            }
            Error::Status(status) => {
                let delay = self.next_delay(now, jitter);
                delay.max(status.retry_after.unwrap_or_default())
            }
            _ => self.next_delay(now, jitter),
        }
    }
}

/// Whether a failure can have its cause in the version that was asked for: an outage, and a server that is too busy,
/// have not. They last; [`OUTAGE`] bounds them.
fn is_about_version(error: &Error) -> bool {
    match error {
        Error::Status(status) => status.code != 429,
        Error::Decode(_) => true,
        Error::Transport(_) | Error::Credentials(_) | Error::Stopped => false,
    }
}

/// ERROR events after which the same version may be asked for again, or that say themselves what to do. After a corrupt
/// object was removed (StoreReadError) its deletion is never sent: only a list shows it.
fn is_passing(error: &Error) -> bool {
    let Error::Status(status) = error else {
        return false;
    };
    let passes = matches!(status.code, 429 | 500) && status.reason != "StoreReadError";
    passes || status.is_expired() || status.too_large
}

/// Versions of one kind are comparable as whole numbers without leading zeros; others in no way.
fn compare_versions(a: &str, b: &str) -> Option<Ordering> {
    let known =
        |v: &str| !v.is_empty() && !v.starts_with('0') && v.bytes().all(|b| b.is_ascii_digit());
    (known(a) && known(b)).then(|| a.len().cmp(&b.len()).then_with(|| a.cmp(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::clock::{Clock, ManualClock};

    /// The shortest delay that each rule gives.
    const LEAST: f64 = 0.0;
    /// Half of the first back-off.
    const SHORT: Duration = Duration::from_millis(400);
    const SLOWLY: Duration = Duration::from_secs(15);

    fn status(code: u16, body: &str) -> Error {
        Error::Status(Status::parse(code, None, body.as_bytes()))
    }

    fn outage() -> Error {
        Error::Transport(String::new())
    }

    fn not_older(version: &str) -> State {
        State::Listing(ListFrom::NotOlderThan(version.to_owned()))
    }

    fn watch(version: &str) -> State {
        State::Watching(version.to_owned())
    }

    const LATEST: State = State::Listing(ListFrom::Latest);

    fn watching(version: &str) -> (Machine, Instant) {
        let now = ManualClock::new(0).now();
        let mut machine = Machine::new(Duration::from_millis(800), Duration::from_secs(30));
        machine.after(Outcome::Listed(version.to_owned()), now, LEAST);
        machine.next();
        (machine, now)
    }

    impl Machine {
        fn fail(&mut self, error: &Error, now: Instant) -> Duration {
            self.after(Outcome::Failed(error), now, LEAST).delay
        }

        fn end(&mut self, end: &End, lived: Duration, now: Instant) -> Duration {
            self.after(Outcome::Ended(end, lived), now, LEAST).delay
        }
    }

    /// What follows while "1007" is watched.
    #[track_caller]
    fn check(outcome: Outcome<'_>, state: State, delay: Duration) {
        let (mut machine, now) = watching("1007");
        let shown = format!("{outcome:?}");
        let step = machine.after(outcome, now, LEAST);
        assert_eq!(step, Step { state, delay }, "{shown}");
        assert_eq!(machine.next(), step.state);
    }

    #[test]
    fn after_failures_of_a_watch() {
        let (again, relist) = (watch("1007"), not_older("1007"));
        let absent = State::Listing(ListFrom::Cache);
        let busy = r#"{"code":429,"details":{"retryAfterSeconds":7}}"#;
        let expired = r#"{"code":410,"reason":"Expired"}"#;
        for (error, state, delay) in [
            (status(410, expired), &relist, SHORT),
            (status(200, expired), &relist, SHORT),
            (status(403, ""), &again, SLOWLY),
            (status(404, ""), &absent, SLOWLY),
            (status(401, ""), &again, SHORT),
            (status(500, ""), &again, SHORT),
            (status(429, busy), &again, Duration::from_secs(7)),
            (outage(), &again, SHORT),
        ] {
            check(Outcome::Failed(&error), state.clone(), delay);
        }
    }

    #[test]
    fn jitter_spreads_delays() {
        let delay = |error: &Error| {
            let (mut machine, now) = watching("1007");
            machine.after(Outcome::Failed(error), now, 0.5).delay
        };
        assert_eq!(delay(&outage()), Duration::from_millis(600));
        assert_eq!(delay(&status(403, "")), Duration::from_millis(22_500));
        let busy = status(429, r#"{"code":429,"details":{"retryAfterSeconds":8}}"#);
        assert_eq!(delay(&busy), Duration::from_secs(10));
    }

    #[test]
    fn an_error_event_that_nobody_knows_ends_in_a_list() {
        let check_end = |end: End, want: &State| {
            let outcome = Outcome::Ended(&end, Duration::ZERO);
            check(outcome, want.clone(), SHORT);
        };
        let (again, relist) = (watch("1007"), not_older("1007"));
        for unknown in [
            "null",
            "\"compacted\"",
            r#"{"message":"compacted"}"#,
            r#"{"kind":"Status","code":418,"reason":"Teapot"}"#,
            r#"{"kind":"Status","code":403,"reason":"Forbidden"}"#,
            r#"{"kind":"Status","code":404,"reason":"NotFound"}"#,
            r#"{"kind":"Status","code":500,"reason":"StoreReadError"}"#,
            r#"{"kind":"Status","code":410,"reason":"Expired"}"#,
        ] {
            check_end(End::Error(status(200, unknown)), &relist);
        }
        check_end(End::Unreadable(String::new()), &relist);
        for passing in [
            r#"{"code":429,"reason":"TooManyRequests"}"#,
            r#"{"code":500,"reason":"InternalError"}"#,
        ] {
            check_end(End::Error(status(200, passing)), &again);
        }
        check_end(End::Broken, &again);
    }

    /// Whatever happens, the same version is asked for so often and no more.
    #[test]
    fn no_failure_repeats_one_version_for_ever() {
        type Fail = dyn Fn(&mut Machine, Instant) -> Duration;
        let failures: [&Fail; 7] = [
            &|machine, now| machine.fail(&status(400, ""), now),
            &|machine, now| machine.fail(&status(401, ""), now),
            &|machine, now| machine.fail(&status(403, ""), now),
            &|machine, now| machine.fail(&status(503, ""), now),
            &|machine, now| machine.fail(&Error::Decode(String::new()), now),
            &|machine, now| machine.end(&End::Broken, GOOD_STREAM, now),
            &|machine, now| machine.end(&End::Clean, GOOD_STREAM, now),
        ];
        for fail in failures {
            let (mut machine, now) = watching("5");
            let watches = std::iter::from_fn(|| {
                fail(&mut machine, now);
                matches!(machine.next(), State::Watching(_)).then_some(())
            });
            assert!(watches.take(20).count() < FRUITLESS_MOST as usize);
        }
        // A list of that version that always fails asks the store itself in the end; an outage is another matter.
        let (mut machine, now) = watching("5");
        machine.end(&End::Unreadable(String::new()), Duration::ZERO, now);
        // The watch before it was the first request with it.
        for _ in 1..FRUITLESS_MOST {
            assert_eq!(machine.next(), not_older("5"));
            machine.fail(&status(400, ""), now);
        }
        assert_eq!(machine.next(), LATEST);
        let (mut machine, now) = watching("5");
        for _ in 0..20 {
            assert_eq!(machine.next(), watch("5"));
            machine.fail(&outage(), now);
        }
    }

    #[test]
    fn a_list_that_is_too_old_or_too_new_asks_the_store_itself() {
        let (mut machine, now) = watching("9");
        let gone = status(410, r#"{"code":410,"reason":"Expired"}"#);
        machine.fail(&gone, now);
        machine.fail(&gone, now);
        assert_eq!(machine.next(), LATEST);
        machine.after(Outcome::Listed("12".to_owned()), now, LEAST);
        assert_eq!(machine.next(), watch("12"));
    }

    #[test]
    fn a_clean_end_resumes_at_once_and_short_empty_streams_relist() {
        let (mut machine, now) = watching("9");
        assert!(machine.advance("10", now));
        let delay = machine.end(&End::Clean, Duration::ZERO, now);
        assert_eq!((machine.next(), delay), (watch("10"), Duration::ZERO));
        for _ in 0..3 {
            machine.next();
            // The same bookmark again is no progress.
            assert!(machine.advance("10", now));
            assert!(machine.end(&End::Clean, Duration::ZERO, now) > Duration::ZERO);
        }
        assert_eq!(machine.next(), not_older("10"));
    }

    #[test]
    fn versions_that_go_backwards_start_over() {
        let (mut machine, now) = watching("1000");
        assert!(!machine.advance("999", now));
        machine.end(&End::Rollback, GOOD_STREAM, now);
        assert_eq!(machine.next(), LATEST);
        assert_eq!(compare_versions("abc", "9"), None);
    }

    #[test]
    fn three_internal_errors_relist_and_delays_stay_below_30_seconds() {
        let (mut machine, now) = watching("5");
        for _ in 0..3 {
            machine.fail(&status(500, ""), now);
        }
        assert_eq!(machine.next(), not_older("5"));
        for _ in 0..20 {
            let delay = machine.fail(&outage(), now);
            assert!(delay <= Duration::from_secs(30));
        }
    }

    #[test]
    fn after_an_outage_neither_an_expired_version_nor_a_starting_server_costs_the_full_back_off() {
        let (mut machine, now) = watching("5");
        for _ in 0..9 {
            machine.fail(&outage(), now);
        }
        let starting = status(429, r#"{"code":429,"details":{"retryAfterSeconds":1}}"#);
        assert!(machine.fail(&starting, now) <= Duration::from_millis(1500));
        let gone = status(200, r#"{"code":410,"reason":"Expired"}"#);
        assert!(machine.fail(&gone, now) <= Duration::from_millis(800));
        // A server that refuses every watch, or says "at once" for ever, is not asked at once for ever.
        assert!(machine.fail(&gone, now) >= Duration::from_secs(15));
        let longest = (0..12).map(|_| machine.fail(&starting, now)).max();
        assert!(longest >= Some(Duration::from_secs(15)));
    }

    #[test]
    fn after_a_long_outage_a_list_checks_the_past() {
        let (mut machine, now) = watching("5");
        machine.fail(&outage(), now + Duration::from_secs(301));
        assert_eq!(machine.next(), not_older("5"));
    }
}

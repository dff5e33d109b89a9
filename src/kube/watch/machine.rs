//! What a reflector does next: list, watch, wait. Pure: outcomes and times in, the next request and a delay out.
//! The rules are client-go's (tools/cache/reflector.go), with its blind spots closed as the comments say.

use crate::kube::api::error::{Error, Status};
use crate::rt::backoff::{Backoff, random_unit};
use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// The next request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// List everything.
    List(From),
    /// Watch from this resource version on.
    Watch(String),
}

/// Which state a list must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// Whatever the server's cache holds: cheap, and a watch catches up.
    Cache,
    /// This resource version or newer.
    NotOlderThan(String),
    /// The newest: a read from the store itself.
    Latest,
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

/// The state of one reflector.
#[derive(Debug)]
pub(crate) struct Machine {
    next: Request,
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
    /// Requests with the present version that brought nothing.
    fruitless: u32,
    /// Answers in a row that named the time of the next attempt.
    told: u32,
}

impl Machine {
    pub(crate) fn new(first_delay: Duration, max_delay: Duration) -> Self {
        Self {
            next: Request::List(From::Cache),
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

    /// The next request. Here every one of them passes, so that none can name the same version for ever: what keeps
    /// failing in a way that no rule below knows is asked differently in the end.
    pub(crate) fn next(&mut self) -> Request {
        self.fruitless += 1;
        if self.fruitless > FRUITLESS_MOST {
            self.fruitless = 1;
            self.next = Request::List(match self.next {
                Request::Watch(_) => self.not_older(),
                Request::List(_) => From::Latest,
            });
        }
        self.next.clone()
    }

    /// A list was read to its end. It does not reset the back-off: a server that lists well and refuses every watch
    /// would be listed every second.
    pub(crate) fn listed(&mut self, version: String, now: Instant) {
        self.last_contact = Some(now);
        self.told = 0;
        self.fruitless = 0;
        self.next = Request::Watch(version.clone());
        self.version = Some(version);
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

    /// The request failed before anything came. Returns the delay before the next one.
    pub(crate) fn failed(&mut self, error: &Error, now: Instant) -> Duration {
        let was_list = matches!(self.next, Request::List(_));
        if !is_about_version(error) {
            self.fruitless = self.fruitless.saturating_sub(1);
        }
        let delay = self.delay_after(error, now);
        match error {
            Error::Status(status) if status.is_expired() || status.too_large => {
                self.next = Request::List(if was_list {
                    From::Latest
                } else {
                    self.not_older()
                });
            }
            // Only a list tells an absent kind from a watch that cannot be had.
            Error::Status(status) if status.code == 404 => {
                self.next = Request::List(From::Cache);
            }
            Error::Status(status) if status.code == 500 && !was_list => {
                self.internal_errors += 1;
                self.relist_after(self.internal_errors);
            }
            _ if !was_list && self.is_long_outage(now) => {
                self.next = Request::List(self.not_older());
            }
            _ => {}
        }
        delay
    }

    /// A watch ended. Returns the delay before the next request.
    pub(crate) fn ended(&mut self, end: &End, lived: Duration, now: Instant) -> Duration {
        let has_advanced = self.fruitless == 0;
        if let Some(version) = &self.version {
            self.next = Request::Watch(version.clone());
        }
        let clean = *end == End::Clean;
        if lived >= GOOD_STREAM || (clean && has_advanced) {
            self.backoff.reset();
            self.short_streams = 0;
            self.internal_errors = 0;
            self.given_up = 0;
        }
        match end {
            End::Clean if has_advanced || lived >= SHORT_STREAM => Duration::ZERO,
            End::Clean => {
                self.short_streams += 1;
                self.relist_after(self.short_streams);
                self.next_delay(now)
            }
            End::Broken => self.next_delay(now),
            End::Error(error) if is_passing(error) => self.failed(error, now),
            // client-go (tools/cache/reflector.go, watch): any other error event ends in a list.
            End::Error(_) | End::Unreadable(_) => {
                self.next = Request::List(self.not_older());
                self.quick_once(now)
            }
            End::Rollback => {
                self.version = None;
                self.next = Request::List(From::Latest);
                self.next_delay(now)
            }
        }
    }

    fn not_older(&self) -> From {
        self.version.clone().map_or(From::Cache, From::NotOlderThan)
    }

    fn relist_after(&mut self, times: u32) {
        if times.is_multiple_of(TOO_MANY) {
            self.next = Request::List(self.not_older());
        }
    }

    fn is_long_outage(&self, now: Instant) -> bool {
        self.last_contact
            .is_some_and(|last| now.saturating_duration_since(last) > OUTAGE)
    }

    fn next_delay(&mut self, now: Instant) -> Duration {
        let quiet = self
            .last_failure
            .is_some_and(|last| now.saturating_duration_since(last) > QUIET);
        if quiet {
            self.backoff.reset();
        }
        self.last_failure = Some(now);
        self.backoff.delay()
    }

    /// After an outage the back-off is long. That a version which is no good any more, or a server that is only just
    /// starting, has to wait for it once more would make the outage half a minute longer.
    fn quick_once(&mut self, now: Instant) -> Duration {
        self.given_up += 1;
        if self.given_up == 1 {
            self.first.clone().delay()
        } else {
            self.next_delay(now)
        }
    }

    fn delay_after(&mut self, error: &Error, now: Instant) -> Duration {
        match error {
            Error::Status(status) if status.is_expired() => self.quick_once(now),
            Error::Status(Status {
                retry_after: Some(after),
                ..
            }) if self.told < TOLD_MOST => {
                self.told += 1;
                *after + after.mul_f64(random_unit() / 2.0)
            }
            Error::Status(status) if matches!(status.code, 403 | 404) => {
                self.slow / 2 + self.slow.mul_f64(random_unit() / 2.0)
            }
            Error::Status(status) => {
                let delay = self.next_delay(now);
                delay.max(status.retry_after.unwrap_or_default())
            }
            _ => self.next_delay(now),
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

    fn status(code: u16, body: &str) -> Error {
        Error::Status(Status::parse(code, None, body.as_bytes()))
    }

    fn list(from: From) -> Request {
        Request::List(from)
    }

    fn watching(version: &str) -> (Machine, Instant) {
        let now = ManualClock::new(0).now();
        let mut machine = Machine::new(Duration::from_millis(800), Duration::from_secs(30));
        machine.listed(version.to_owned(), now);
        machine.next();
        (machine, now)
    }

    /// What a watching machine does after its request failed.
    #[track_caller]
    fn check(error: &Error, want: Request, delays: std::ops::RangeInclusive<u64>) {
        let (mut machine, now) = watching("1007");
        let delay = machine.failed(error, now).as_millis() as u64;
        assert_eq!(machine.next(), want);
        assert!(delays.contains(&delay), "{delay} ms");
    }

    #[test]
    fn after_failures_of_a_watch() {
        let again = Request::Watch("1007".to_owned());
        let relist = list(From::NotOlderThan("1007".to_owned()));
        check(
            &status(410, r#"{"code":410,"reason":"Expired"}"#),
            relist.clone(),
            400..=800,
        );
        check(
            &status(200, r#"{"code":410,"reason":"Expired"}"#),
            relist,
            400..=800,
        );
        check(&status(403, ""), again.clone(), 15_000..=30_000);
        check(&status(404, ""), list(From::Cache), 15_000..=30_000);
        check(&status(401, ""), again.clone(), 400..=800);
        check(&status(500, ""), again.clone(), 400..=800);
        check(
            &status(429, r#"{"code":429,"details":{"retryAfterSeconds":7}}"#),
            again.clone(),
            7000..=10_500,
        );
        check(&Error::Transport(String::new()), again, 400..=800);
    }

    /// What a watching machine does after a watch ended.
    #[track_caller]
    fn check_end(end: End, want: Request) {
        let (mut machine, now) = watching("1007");
        let delay = machine.ended(&end, Duration::ZERO, now);
        assert_eq!(machine.next(), want, "{end:?}");
        assert!((400..=800).contains(&delay.as_millis()), "{delay:?}");
    }

    #[test]
    fn an_error_event_that_nobody_knows_ends_in_a_list() {
        let again = Request::Watch("1007".to_owned());
        let relist = list(From::NotOlderThan("1007".to_owned()));
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
            check_end(End::Error(status(200, unknown)), relist.clone());
        }
        check_end(End::Unreadable(String::new()), relist);
        let busy = status(200, r#"{"code":429,"reason":"TooManyRequests"}"#);
        check_end(End::Error(busy), again.clone());
        check_end(
            End::Error(status(200, r#"{"code":500,"reason":"InternalError"}"#)),
            again.clone(),
        );
        check_end(End::Broken, again);
    }

    /// Whatever happens, the same version is asked for so often and no more.
    #[test]
    fn no_failure_repeats_one_version_for_ever() {
        type Fail = dyn Fn(&mut Machine, Instant) -> Duration;
        let failures: [&Fail; 7] = [
            &|machine, now| machine.failed(&status(400, ""), now),
            &|machine, now| machine.failed(&status(401, ""), now),
            &|machine, now| machine.failed(&status(403, ""), now),
            &|machine, now| machine.failed(&status(503, ""), now),
            &|machine, now| machine.failed(&Error::Decode(String::new()), now),
            &|machine, now| machine.ended(&End::Broken, GOOD_STREAM, now),
            &|machine, now| machine.ended(&End::Clean, GOOD_STREAM, now),
        ];
        for fail in failures {
            let (mut machine, now) = watching("5");
            let watches = std::iter::from_fn(|| {
                fail(&mut machine, now);
                matches!(machine.next(), Request::Watch(_)).then_some(())
            });
            assert!(watches.take(20).count() < FRUITLESS_MOST as usize);
        }
        // A list of that version that always fails asks the store itself in the end; an outage is another matter.
        let (mut machine, now) = watching("5");
        machine.ended(&End::Unreadable(String::new()), Duration::ZERO, now);
        // The watch before it was the first request with it.
        for _ in 1..FRUITLESS_MOST {
            assert_eq!(machine.next(), list(From::NotOlderThan("5".to_owned())));
            machine.failed(&status(400, ""), now);
        }
        assert_eq!(machine.next(), list(From::Latest));
        let (mut machine, now) = watching("5");
        for _ in 0..20 {
            assert_eq!(machine.next(), Request::Watch("5".to_owned()));
            machine.failed(&Error::Transport(String::new()), now);
        }
    }

    #[test]
    fn a_list_that_is_too_old_or_too_new_asks_the_store_itself() {
        let (mut machine, now) = watching("9");
        let gone = status(410, r#"{"code":410,"reason":"Expired"}"#);
        machine.failed(&gone, now);
        machine.failed(&gone, now);
        assert_eq!(machine.next(), list(From::Latest));
        machine.listed("12".to_owned(), now);
        assert_eq!(machine.next(), Request::Watch("12".to_owned()));
    }

    #[test]
    fn a_clean_end_resumes_at_once_and_short_empty_streams_relist() {
        let (mut machine, now) = watching("9");
        assert!(machine.advance("10", now));
        let delay = machine.ended(&End::Clean, Duration::ZERO, now);
        assert_eq!(
            (machine.next(), delay),
            (Request::Watch("10".to_owned()), Duration::ZERO)
        );
        for _ in 0..3 {
            machine.next();
            // The same bookmark again is no progress.
            assert!(machine.advance("10", now));
            assert!(machine.ended(&End::Clean, Duration::ZERO, now) > Duration::ZERO);
        }
        assert_eq!(machine.next(), list(From::NotOlderThan("10".to_owned())));
    }

    #[test]
    fn versions_that_go_backwards_start_over() {
        let (mut machine, now) = watching("1000");
        assert!(!machine.advance("999", now));
        machine.ended(&End::Rollback, GOOD_STREAM, now);
        assert_eq!(machine.next(), list(From::Latest));
        assert_eq!(compare_versions("abc", "9"), None);
    }

    #[test]
    fn three_internal_errors_relist_and_delays_stay_below_30_seconds() {
        let (mut machine, now) = watching("5");
        for _ in 0..3 {
            machine.failed(&status(500, ""), now);
        }
        assert_eq!(machine.next(), list(From::NotOlderThan("5".to_owned())));
        for _ in 0..20 {
            let delay = machine.failed(&Error::Transport(String::new()), now);
            assert!(delay <= Duration::from_secs(30));
        }
    }

    #[test]
    fn after_an_outage_neither_an_expired_version_nor_a_starting_server_costs_the_full_back_off() {
        let (mut machine, now) = watching("5");
        for _ in 0..9 {
            machine.failed(&Error::Transport(String::new()), now);
        }
        let starting = status(429, r#"{"code":429,"details":{"retryAfterSeconds":1}}"#);
        assert!(machine.failed(&starting, now) <= Duration::from_millis(1500));
        let gone = status(200, r#"{"code":410,"reason":"Expired"}"#);
        assert!(machine.failed(&gone, now) <= Duration::from_millis(800));
        // A server that refuses every watch, or says "at once" for ever, is not asked at once for ever.
        assert!(machine.failed(&gone, now) >= Duration::from_secs(15));
        let longest = (0..12).map(|_| machine.failed(&starting, now)).max();
        assert!(longest >= Some(Duration::from_secs(15)));
    }

    #[test]
    fn after_a_long_outage_a_list_checks_the_past() {
        let (mut machine, now) = watching("5");
        machine.failed(
            &Error::Transport(String::new()),
            now + Duration::from_secs(301),
        );
        assert_eq!(machine.next(), list(From::NotOlderThan("5".to_owned())));
    }
}

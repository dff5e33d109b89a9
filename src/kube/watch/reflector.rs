//! One thread per store: drives the state machine of [`super::machine`] against the API server and writes the store.

use super::machine::{End, ListFrom, Machine, Outcome, State};
use super::store::{Store, Trouble};
use super::store_key::StoreKey;
use crate::kube::api::client::{Client, Connection, Page, WatchStream, query_value};
use crate::kube::api::error::{Error, Rule, Status};
use crate::kube::api::list::{Budget, Head, ListLimits};
use crate::kube::types::object::{Key, Object};
use crate::rt::backoff::random_unit;
use crate::rt::clock::Clock;
use crate::rt::gate::Gate;
use crate::rt::quiet::{Omitted, Quiet};
use crate::rt::stop::{self, Stopped, Stopper};
use crate::rt::thread::{Crew, STACK, catch};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use log::{debug, info, warn};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Times that tests shorten.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// First delay after a failure; doubles from there.
    pub first_delay: Duration,
    /// Longest delay after a failure.
    pub max_delay: Duration,
    /// Longest silence on a watch. Servers send a bookmark about every 60 s.
    pub silence: Duration,
    /// How long a watch is asked to last, in seconds, at least; at most twice that.
    pub watch_seconds: u64,
    /// How long a store stays open without a reader.
    pub linger: Duration,
    /// How long the objects of a kind that has vanished are kept: a server just starting may not know it yet.
    pub absent_grace: Duration,
    /// What a list may cost.
    pub list: ListLimits,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(800),
            max_delay: Duration::from_secs(30),
            silence: Duration::from_secs(130),
            watch_seconds: 300,
            linger: Duration::from_secs(15),
            absent_grace: Duration::from_secs(300),
            list: ListLimits::default(),
        }
    }
}

/// What a watch is doing, in logs.
const FORBIDDEN: &str = "is not permitted";
const ABSENT: &str = "waits for its kind";
const FAILING: &str = "is failing";
const ENDED: &str = "ended, listing anew";

/// A repeated failure is logged again after this long.
const LOG_AGAIN: Duration = Duration::from_secs(300);
/// Objects asked for per page, as client-go does.
const PAGE: u32 = 500;
/// Lists wait for one another, to bound memory, but no longer than this: one may be stuck.
const WAIT_FOR_LISTS: Duration = Duration::from_secs(2);
/// A watch that outlives the time it was asked to last by so much is cut.
const OVERTIME: Duration = Duration::from_secs(60);

/// A running reflector; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Reflector {
    stopper: Mutex<Stopper>,
    kick: Sender<()>,
    current: Arc<Mutex<Option<Connection>>>,
    _crew: Crew,
}

impl Reflector {
    pub(crate) fn start(
        key: StoreKey,
        client: &Client,
        store: Arc<Store>,
        lists: Arc<Gate>,
        tuning: Tuning,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let (stopper, stopped) = stop::pair();
        // One slot: a waiting kick serves everyone who kicks meanwhile.
        let (kick, kicked) = bounded(1);
        let current = Arc::new(Mutex::new(None));
        let namespace = key.namespace.as_deref().unwrap_or("*");
        let name = format!("kube/{}/{namespace}", key.kind.plural());
        let mut worker = Worker {
            path: key.kind.path(key.namespace.as_deref()),
            machine: Machine::new(tuning.first_delay, tuning.max_delay),
            client: client.clone(),
            current: Arc::clone(&current),
            quiet: Quiet::new(LOG_AGAIN),
            paged: false,
            key,
            store,
            lists,
            tuning,
            clock,
            stopped,
            kicked,
        };
        let mut crew = Crew::new();
        crew.spawn(&name, STACK, move || worker.run())?;
        Ok(Self {
            stopper: Mutex::new(stopper),
            kick,
            current,
            _crew: crew,
        })
    }

    /// Ends a wait for the next attempt.
    pub(crate) fn kick(&self) {
        // A full channel: a kick is waiting already.
        self.kick.try_send(()).ok();
    }

    /// Tells the thread to end, and cuts its connection; does not wait for it.
    pub(crate) fn tell_to_stop(&self) {
        self.stopper.lock().stop();
        if let Some(connection) = self.current.lock().take() {
            connection.shutdown();
        }
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

struct Worker {
    key: StoreKey,
    path: String,
    client: Client,
    /// Where a stop finds the connection to cut; empty until the first request and after a failure of the transport.
    current: Arc<Mutex<Option<Connection>>>,
    store: Arc<Store>,
    lists: Arc<Gate>,
    machine: Machine,
    tuning: Tuning,
    clock: Arc<dyn Clock>,
    stopped: Stopped,
    kicked: Receiver<()>,
    quiet: Quiet<&'static str>,
    /// The server gave pages although its cache was asked: it has none.
    paged: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

impl Worker {
    fn run(&mut self) {
        while !self.stopped.is_stopped() {
            let delay = catch(|| self.round()).unwrap_or_else(|panic| {
                warn!(
                    "BUG: a round of a reflector panicked kind={} err={panic}",
                    self.key.kind
                );
                self.tuning.max_delay
            });
            if delay.is_zero() {
                continue;
            }
            select! {
                recv(self.stopped.channel()) -> _ => {}
                recv(self.kicked) -> _ => {}
                default(delay) => {}
            }
        }
    }

    /// One request and what comes of it; the delay before the next.
    fn round(&mut self) -> Duration {
        let connection = match self.connection() {
            Ok(connection) => connection,
            Err(error) => return self.failed(&error),
        };
        match self.machine.next() {
            State::Listing(from) => match self.list(&connection, &from) {
                Ok(()) => Duration::ZERO,
                Err(error) => self.failed(&error),
            },
            State::Watching(version) => match self.open_watch(&connection, &version) {
                Ok(stream) => self.watch(stream),
                Err(error) => self.failed(&error),
            },
        }
    }

    fn connection(&self) -> Result<Connection, Error> {
        let mut current = self.current.lock();
        if self.stopped.is_stopped() {
            return Err(Error::Stopped);
        }
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let connection = self.client.fresh_connection()?;
        *current = Some(connection.clone());
        Ok(connection)
    }

    fn failed(&mut self, error: &Error) -> Duration {
        if self.stopped.is_stopped() || *error == Error::Stopped {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        if matches!(error, Error::Transport(_)) {
            // A new connection reads the certificates anew.
            self.current.lock().take();
        }
        let step = self
            .machine
            .after(Outcome::Failed(error), now, random_unit());
        // An expired version is the way watches go, not a trouble.
        if !matches!(error, Error::Status(status) if status.is_expired()) {
            self.report(error, now);
        }
        step.delay
    }

    fn report(&self, error: &Error, now: Instant) {
        let (trouble, word) = match error {
            _ if error.is_forbidden() => {
                let rule = Rule::watch(self.key.kind, self.key.namespace.as_deref());
                (Trouble::Forbidden(rule), FORBIDDEN)
            }
            _ if error.is_not_found() => (Trouble::Absent, ABSENT),
            _ => (Trouble::Failing, FAILING),
        };
        let what = match (&trouble, error) {
            (Trouble::Forbidden(rule), Error::Status(status)) => {
                format!("{error}; to permit it: {}", rule.kubectl(&status.message))
            }
            (Trouble::Absent, _) => {
                format!("{}: {}", self.client.place(), self.key.kind.not_installed())
            }
            _ => error.to_string(),
        };
        self.warn(word, &what, now);
        let absent_since = match self.store.status().trouble {
            Some((Trouble::Absent, since, _)) => since,
            _ => now,
        };
        if now.saturating_duration_since(absent_since) >= self.tuning.absent_grace {
            self.store.empty();
        }
        self.store.fail(trouble, error.to_string(), now);
    }

    /// Logs what is the matter with the watch; again after a while only.
    fn warn(&self, word: &'static str, what: &str, now: Instant) {
        if let Some(omitted) = self.quiet.due(word, now) {
            let (kind, namespace) = (self.key.kind, self.key.namespace.as_deref().unwrap_or("*"));
            let omitted = Omitted(omitted);
            warn!("the watch {word} kind={kind} namespace={namespace}{omitted} err={what:?}");
        }
    }

    fn healed(&self) {
        let had_trouble = [FORBIDDEN, ABSENT, FAILING]
            .iter()
            .fold(false, |had, word| self.quiet.forget(word) | had);
        if had_trouble {
            info!(
                "the watch is back kind={} namespace={}",
                self.key.kind,
                self.key.namespace.as_deref().unwrap_or("*")
            );
        }
    }

    fn selector(&self) -> String {
        match self.key.fields.as_str() {
            "" => String::new(),
            fields => format!("&fieldSelector={}", query_value(fields)),
        }
    }

    /// Reads all pages, then replaces the store's contents: a list that breaks off changes nothing.
    fn list(&mut self, connection: &Connection, from: &ListFrom) -> Result<(), Error> {
        let lists = Arc::clone(&self.lists);
        let _pass = lists.enter_until(self.clock.now() + WAIT_FOR_LISTS);
        let end = self.clock.now() + self.tuning.list.time;
        let selector = self.selector();
        let page_size = format!("limit={PAGE}");
        let first = match from {
            ListFrom::Cache => format!("resourceVersion=0&{page_size}{selector}"),
            // A limit would ask for exactly this version, from the store itself.
            ListFrom::NotOlderThan(version) if !self.paged => {
                format!("resourceVersion={}{selector}", query_value(version))
            }
            ListFrom::NotOlderThan(_) | ListFrom::Latest => format!("{page_size}{selector}"),
        };
        let (mut objects, mut kept) = (Vec::new(), BTreeMap::new());
        let kind = self.key.kind;
        let mut each = |json: &str| match Object::decode(kind, json) {
            Ok(object) => objects.push(object),
            Err(error) => {
                let Ok(Head { metadata, .. }) = serde_json::from_str(json) else {
                    return;
                };
                kept.insert(
                    Key::new(metadata.namespace, metadata.name),
                    error.to_string(),
                );
            }
        };
        let mut budget = Budget::new(&self.tuning.list);
        let (client, clock) = (&self.client, &self.clock);
        let mut page = |query: String, budget: &mut Budget| {
            let page = Page {
                kind,
                path: format!("{}?{query}", self.path),
                time: end.saturating_duration_since(clock.now()),
            };
            let read = client.list(connection, &page, budget, &mut each);
            read.map_err(|error| match error {
                Error::Transport(_) if clock.now() >= end => client.bad_list(
                    kind,
                    &format!("it did not end in {:?}", self.tuning.list.time),
                ),
                error => error,
            })
        };
        let mut meta = page(first, &mut budget)?;
        while !meta.next.is_empty() {
            self.paged |= *from == ListFrom::Cache;
            budget
                .another_page(&meta.next)
                .map_err(|reason| client.bad_list(kind, &reason))?;
            let next = format!("{page_size}&continue={}{selector}", query_value(&meta.next));
            meta = page(next, &mut budget)?;
        }
        for (key, reason) in &kept {
            warn!(
                "an object cannot be read, its last good version stays kind={kind} object={key} err={reason}"
            );
        }
        let now = self.clock.now();
        debug!(
            "listed kind={kind} objects={} version={}",
            objects.len(),
            meta.resource_version
        );
        self.store.replace(objects, kept, now);
        let listed = Outcome::Listed(meta.resource_version);
        self.machine.after(listed, now, random_unit());
        self.healed();
        Ok(())
    }

    fn open_watch(&self, connection: &Connection, version: &str) -> Result<WatchStream, Error> {
        let seconds = self.tuning.watch_seconds;
        let seconds = seconds + (seconds as f64 * random_unit()) as u64;
        let query = format!(
            "watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={seconds}{}",
            query_value(version),
            self.selector()
        );
        let whole = Duration::from_secs(seconds) + OVERTIME;
        let path = format!("{}?{query}", self.path);
        self.client
            .watch(connection, &path, self.tuning.silence, whole)
    }

    fn watch(&mut self, mut stream: WatchStream) -> Duration {
        let start = self.clock.now();
        self.store.heard(start);
        self.healed();
        let mut line = Vec::new();
        let end = loop {
            match stream.next(&mut line) {
                Ok(true) => {}
                Ok(false) => break End::Clean,
                Err(error) => {
                    debug!("a watch broke kind={} err={error}", self.key.kind);
                    break End::Broken;
                }
            }
            if let Some(end) = self.take(&line) {
                break end;
            }
        };
        if self.stopped.is_stopped() {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        if end == End::Broken {
            // The next attempt shall not meet the same broken path.
            self.current.lock().take();
        }
        match &end {
            // An expired version is the way watches go, not a trouble.
            End::Error(Error::Status(status)) if status.is_expired() => {
                debug!("a watch expired kind={}", self.key.kind);
            }
            End::Error(error) => self.warn(ENDED, &format!("an ERROR event: {error}"), now),
            End::Unreadable(what) => self.warn(ENDED, what, now),
            End::Rollback => self.warn(
                ENDED,
                "its versions went backwards: the server's store was restored",
                now,
            ),
            End::Clean | End::Broken => {}
        }
        let lived = now.saturating_duration_since(start);
        let ended = Outcome::Ended(&end, lived);
        self.machine.after(ended, now, random_unit()).delay
    }

    /// Takes one line of a watch; how the watch ends, if it does.
    fn take(&mut self, line: &[u8]) -> Option<End> {
        // Go's decoder skips what is blank.
        if line.trim_ascii().is_empty() {
            return None;
        }
        let unreadable = |what: &str| Some(End::Unreadable(what.to_owned()));
        let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else {
            return unreadable("a line that is no event");
        };
        let json = event.object.get();
        if event.kind == "ERROR" {
            let status = Status::parse(200, None, json.as_bytes());
            return Some(End::Error(Error::Status(status)));
        }
        let Ok(head) = serde_json::from_str::<Head<'_>>(json) else {
            return unreadable("an event without an object");
        };
        if let Err(error) = head.check(self.key.kind) {
            return Some(End::Unreadable(error));
        }
        let metadata = head.metadata;
        if matches!(&*metadata.resource_version, "" | "0") {
            return unreadable("an event without metadata.resourceVersion");
        }
        let is_bookmark = event.kind == "BOOKMARK";
        if metadata.name.is_empty() && !is_bookmark {
            return unreadable("an event without metadata.name");
        }
        let now = self.clock.now();
        if !self.machine.advance(&metadata.resource_version, now) {
            return Some(End::Rollback);
        }
        let key = Key::new(&*metadata.namespace, &*metadata.name);
        match &*event.kind {
            "BOOKMARK" => self.store.heard(now),
            "DELETED" => self.store.delete(&key, now),
            "ADDED" | "MODIFIED" => match Object::decode(self.key.kind, json) {
                Ok(object) => self.store.upsert(object, now),
                Err(error) => {
                    warn!(
                        "an object cannot be read, its last good version stays kind={} object={key} err={error}",
                        self.key.kind
                    );
                    self.store.reject(key, error.to_string(), now);
                }
            },
            unknown => return Some(End::Unreadable(format!("an event of type {unknown:?}"))),
        }
        None
    }
}

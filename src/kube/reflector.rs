//! One thread per store: drives the state machine of [`super::watch`] against the API server and writes the store.

use super::client::{Client, Connection, query_value};
use super::error::{Error, Rule, Status};
use super::informers::StoreKey;
use super::store::{Store, Trouble};
use super::types::object::{Key, Object};
use super::watch::{End, From, Machine, Request};
use crate::rt::backoff::random_unit;
use crate::rt::clock::Clock;
use crate::rt::gate::Gate;
use crate::rt::quiet::Quiet;
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
        }
    }
}

/// A repeated failure is logged again after this long.
const LOG_AGAIN: Duration = Duration::from_secs(300);
/// Objects asked for per page, as client-go does.
const PAGE: u32 = 500;

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

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    metadata: HeadMeta,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct HeadMeta {
    name: String,
    namespace: String,
    resource_version: String,
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
            Request::List(from) => match self.list(&connection, &from) {
                Ok(()) => Duration::ZERO,
                Err(error) => self.failed(&error),
            },
            Request::Watch(version) => match self.open_watch(&connection, &version) {
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
        let connection = self
            .client
            .connection()
            .map_err(|error| Error::Credentials(error.to_string()))?;
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
        let delay = self.machine.failed(error, now);
        // An expired version is the way watches go, not a trouble.
        if !matches!(error, Error::Status(status) if status.is_expired()) {
            self.report(error, now);
        }
        delay
    }

    fn report(&self, error: &Error, now: Instant) {
        let (trouble, word) = match error {
            _ if error.is_forbidden() => {
                let rule = Rule::watch(self.key.kind, self.key.namespace.as_deref());
                (Trouble::Forbidden(rule), "forbidden")
            }
            _ if error.is_not_found() => (Trouble::Absent, "absent"),
            _ => (Trouble::Failing, "failing"),
        };
        if let Some(omitted) = self.quiet.due(word, now) {
            warn!(
                "the watch is {word} kind={} namespace={} omitted={omitted} err={error}",
                self.key.kind,
                self.key.namespace.as_deref().unwrap_or("*")
            );
        }
        let absent_since = match self.store.status().trouble {
            Some((Trouble::Absent, since, _)) => since,
            _ => now,
        };
        if now.saturating_duration_since(absent_since) >= self.tuning.absent_grace {
            self.store.empty();
        }
        self.store.fail(trouble, error.to_string(), now);
    }

    fn healed(&self) {
        let had_trouble = ["forbidden", "absent", "failing"]
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
    fn list(&mut self, connection: &Connection, from: &From) -> Result<(), Error> {
        let lists = Arc::clone(&self.lists);
        let _pass = lists.enter();
        let selector = self.selector();
        let page_size = format!("limit={PAGE}");
        let first = match from {
            From::Cache => format!("resourceVersion=0&{page_size}{selector}"),
            // A limit would ask for exactly this version, from the store itself.
            From::NotOlderThan(version) if !self.paged => {
                format!("resourceVersion={}{selector}", query_value(version))
            }
            From::NotOlderThan(_) | From::Latest => format!("{page_size}{selector}"),
        };
        let (mut objects, mut kept) = (Vec::new(), BTreeMap::new());
        let kind = self.key.kind;
        let mut each = |json: &str| match Object::decode(kind, json) {
            Ok(object) => objects.push(object),
            Err(error) => {
                if let Ok(Head { metadata }) = serde_json::from_str(json) {
                    kept.insert(
                        Key::new(metadata.namespace, metadata.name),
                        error.to_string(),
                    );
                }
            }
        };
        let mut meta = self
            .client
            .list(connection, &self.path, &first, &mut each)?;
        while !meta.next.is_empty() {
            self.paged |= *from == From::Cache;
            let next = format!("{page_size}&continue={}{selector}", query_value(&meta.next));
            meta = self.client.list(connection, &self.path, &next, &mut each)?;
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
        self.machine.listed(meta.resource_version, now);
        self.healed();
        Ok(())
    }

    fn open_watch(
        &self,
        connection: &Connection,
        version: &str,
    ) -> Result<super::client::WatchStream, Error> {
        let seconds = self.tuning.watch_seconds;
        let seconds = seconds + (seconds as f64 * random_unit()) as u64;
        let query = format!(
            "watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={seconds}{}",
            query_value(version),
            self.selector()
        );
        self.client
            .watch(connection, &self.path, &query, self.tuning.silence)
    }

    fn watch(&mut self, mut stream: super::client::WatchStream) -> Duration {
        let start = self.clock.now();
        self.store.heard(start);
        self.healed();
        let (mut line, mut events) = (Vec::new(), 0);
        let end = loop {
            match stream.next(&mut line) {
                Ok(true) => {}
                Ok(false) => break End::Clean,
                Err(error) => {
                    debug!("a watch broke kind={} err={error}", self.key.kind);
                    break End::Broken;
                }
            }
            events += 1;
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
        if let End::Error(error) = &end {
            debug!(
                "a watch ended by an error event kind={} err={error}",
                self.key.kind
            );
        }
        let lived = now.saturating_duration_since(start);
        self.machine.ended(&end, lived, events, now)
    }

    /// Takes one line of a watch; how the watch ends, if it does.
    fn take(&mut self, line: &[u8]) -> Option<End> {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else {
            return Some(End::Unreadable);
        };
        let json = event.object.get();
        if event.kind == "ERROR" {
            let status = Status::parse(200, None, json.as_bytes());
            let corrupt = status.reason == "StoreReadError";
            // After a corrupt object was removed its deletion is never sent: only a list shows it.
            return Some(if corrupt {
                End::Unreadable
            } else {
                End::Error(Error::Status(status))
            });
        }
        let Ok(Head { metadata }) = serde_json::from_str(json) else {
            return Some(End::Unreadable);
        };
        let now = self.clock.now();
        if !self.machine.advance(&metadata.resource_version, now) {
            return Some(End::Rollback);
        }
        let key = Key::new(metadata.namespace, metadata.name);
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
            _ => return Some(End::Unreadable),
        }
        None
    }
}

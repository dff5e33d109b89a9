//! Shared stores by kind, namespace and field selector: started when somebody subscribes, kept over swaps of the
//! configuration, closed after a while when nobody does (VictoriaMetrics: lib/promscrape/discovery/kubernetes/api_watcher.go).

use super::reflector::{Reflector, Tuning};
use super::scope::{Scope, SubscribeError};
use super::store::{Changes, Inbox, Store, Trouble};
use super::store_key::{StoreKey, WatchHealth};
use crate::kube::DEFAULT_NAMESPACE;
use crate::kube::api::client::Client;
use crate::kube::api::error::Error;
use crate::kube::folder::{Folder, FolderProblem};
use crate::kube::types::kind::Kind;
use crate::kube::types::object::{Key, Object};
use crate::rt::clock::Clock;
use crate::rt::gate::Gate;
use crate::rt::pulse::Pulse;
use crate::rt::stop::{self, Stopper};
use crate::rt::thread::{Crew, STACK};
use crossbeam_channel::{Sender, bounded, select};
use log::{debug, warn};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where objects come from.
#[derive(Debug)]
pub enum Source {
    /// An API server.
    Api(Client),
    /// A folder of YAML and JSON files that plays one.
    Folder(std::path::PathBuf),
}

/// No look at a folder takes longer than this.
const STUCK: Duration = Duration::from_secs(300);

/// How often unused stores are looked for, and a folder is looked at.
const TICK: Duration = Duration::from_secs(1);
/// So many lists at once, to bound memory at start.
const LISTS_AT_ONCE: usize = 2;

/// All stores of one source. Clones are handles; the threads end with [`Informers::stop`] or the last handle.
#[derive(Debug, Clone)]
pub struct Informers(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    kick: Sender<()>,
    pulse: Pulse,
    stopper: Mutex<Option<Stopper>>,
    keeper: Mutex<Crew>,
}

#[derive(Debug)]
struct Shared {
    scope: Scope,
    feed: Feed,
    tuning: Tuning,
    clock: Arc<dyn Clock>,
    lists: Arc<Gate>,
    entries: Mutex<BTreeMap<StoreKey, Entry>>,
}

#[derive(Debug)]
enum Feed {
    Api(Client),
    Folder(Mutex<Folder>),
}

#[derive(Debug)]
struct Entry {
    store: Arc<Store>,
    /// Absent for a folder: all its stores are fed by one thread.
    reflector: Option<Reflector>,
    unused_since: Option<Instant>,
}

impl Informers {
    /// Starts the thread that looks after the stores; none is open yet.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        source: Source,
        scope: Scope,
        tuning: Tuning,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let feed = match source {
            Source::Api(client) => Feed::Api(client),
            Source::Folder(path) => Feed::Folder(Mutex::new(Folder::new(path))),
        };
        let shared = Arc::new(Shared {
            scope,
            feed,
            tuning,
            clock,
            lists: Gate::new(LISTS_AT_ONCE),
            entries: Mutex::default(),
        });
        // One slot: a waiting kick serves everyone who kicks meanwhile.
        let (kick, kicked) = bounded(1);
        let (stopper, stopped) = stop::pair();
        let mut keeper = Crew::new();
        let theirs = Arc::clone(&shared);
        let pulse = Pulse::new("kube/keeper", STUCK);
        let own = pulse.clone();
        keeper.spawn("kube/keeper", STACK, move || {
            let alive = own.begin();
            alive.works();
            theirs.look_at_folder();
            loop {
                alive.waits();
                select! {
                    recv(stopped.channel()) -> _ => return,
                    recv(kicked) -> _ => {}
                    default(TICK) => {}
                }
                alive.works();
                theirs.look_at_folder();
                theirs.close_unused();
            }
        })?;
        Ok(Self(Arc::new(Handle {
            shared,
            kick,
            pulse,
            stopper: Mutex::new(Some(stopper)),
            keeper: Mutex::new(keeper),
        })))
    }

    /// Subscribes to a kind in `namespaces` (empty: all in scope), restricted by a field selector that the server
    /// evaluates. `notify` gets a token when something changed: objects or how the stores stand.
    ///
    /// # Errors
    /// Out of scope, a field selector that the kind doesn't offer, or no thread.
    pub fn subscribe(
        &self,
        kind: Kind,
        namespaces: &[String],
        fields: &str,
        notify: Sender<()>,
    ) -> Result<Subscription, SubscribeError> {
        let shared = &self.0.shared;
        let keys = shared.scope.keys(kind, namespaces, fields)?;
        let wanted: BTreeSet<String> = if kind.is_namespaced() {
            namespaces.iter().cloned().collect()
        } else {
            BTreeSet::new()
        };
        let inbox = Inbox::new(wanted, notify);
        let mut stores = Vec::with_capacity(keys.len());
        for key in keys {
            let store = shared.open(&key, &inbox)?;
            stores.push((key, store));
        }
        if matches!(shared.feed, Feed::Folder(_)) {
            shared.feed_from_folder();
        }
        Ok(Subscription { stores, inbox })
    }

    /// The sign of life of the thread that looks after stores and at the folder.
    pub fn pulse(&self) -> Pulse {
        self.0.pulse.clone()
    }

    /// Reads one object by name as JSON: how Secrets and ConfigMaps are read.
    ///
    /// # Errors
    /// Not there, not permitted, or no answer.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value, Error> {
        match &self.0.shared.feed {
            Feed::Api(client) => client.get(kind, namespace, name),
            Feed::Folder(folder) => folder.lock().get(kind, namespace, name),
        }
    }

    /// Writes an Event (`events.k8s.io/v1`). A folder has none.
    ///
    /// # Errors
    /// Not permitted, or no answer.
    pub fn create_event(&self, namespace: &str, event: &Value) -> Result<(), Error> {
        match &self.0.shared.feed {
            Feed::Api(client) => client.create_event(namespace, event),
            Feed::Folder(_) => Ok(()),
        }
    }

    /// Looks at the folder, or tries at once what waits for its next attempt (SIGHUP).
    pub fn refresh(&self) {
        if let Feed::Api(client) = &self.0.shared.feed {
            client.forget_credentials();
        }
        for entry in self.0.shared.entries.lock().values() {
            if let Some(reflector) = &entry.reflector {
                reflector.kick();
            }
        }
        // A full channel: a kick is waiting already.
        self.0.kick.try_send(()).ok();
    }

    /// How every open store stands.
    pub fn health(&self) -> Vec<WatchHealth> {
        let entries = self.0.shared.entries.lock();
        let health = entries.iter().map(|(key, entry)| key.health(&entry.store));
        health.collect()
    }

    /// Files of the folder that cannot be read, or read only in part. Empty for an API server.
    pub fn folder_problems(&self) -> Vec<FolderProblem> {
        match &self.0.shared.feed {
            Feed::Api(_) => Vec::new(),
            Feed::Folder(folder) => folder.lock().problems(),
        }
    }

    /// Which namespaces are read.
    pub fn scope(&self) -> &Scope {
        &self.0.shared.scope
    }

    /// The namespace that is ours, as far as the source knows it.
    pub fn own_namespace(&self) -> String {
        match &self.0.shared.feed {
            Feed::Api(client) => client.namespace().to_owned(),
            Feed::Folder(_) => DEFAULT_NAMESPACE.to_owned(),
        }
    }

    /// Ends all threads: open connections are closed, then the threads are joined.
    pub fn stop(&self) {
        self.0.stop();
    }
}

impl Handle {
    fn stop(&self) {
        self.stopper.lock().take();
        self.keeper.lock().join();
        if let Feed::Api(client) = &self.shared.feed {
            client.shutdown();
        }
        let entries = std::mem::take(&mut *self.shared.entries.lock());
        // All are told before the first is waited for.
        for entry in entries.values() {
            if let Some(reflector) = &entry.reflector {
                reflector.tell_to_stop();
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// The store of a key with one more reader; opened if it isn't yet.
    fn open(&self, key: &StoreKey, inbox: &Arc<Inbox>) -> Result<Arc<Store>, SubscribeError> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get_mut(key) {
            entry.unused_since = None;
            entry.store.attach(inbox);
            return Ok(Arc::clone(&entry.store));
        }
        let store = Arc::new(Store::default());
        store.attach(inbox);
        let reflector = match &self.feed {
            Feed::Api(client) => Some(
                Reflector::start(
                    key.clone(),
                    client,
                    Arc::clone(&store),
                    Arc::clone(&self.lists),
                    self.tuning.clone(),
                    Arc::clone(&self.clock),
                )
                .map_err(|error| SubscribeError::Thread(error.to_string()))?,
            ),
            Feed::Folder(_) => None,
        };
        entries.insert(
            key.clone(),
            Entry {
                store: Arc::clone(&store),
                reflector,
                unused_since: None,
            },
        );
        Ok(store)
    }

    fn look_at_folder(&self) {
        let Feed::Folder(folder) = &self.feed else {
            return;
        };
        let changed = folder.lock().scan();
        if changed {
            self.feed_from_folder();
        }
    }

    /// Hands what the folder holds to every open store; a store tells its readers only what differs.
    fn feed_from_folder(&self) {
        let Feed::Folder(folder) = &self.feed else {
            return;
        };
        let now = self.clock.now();
        let stores: Vec<_> = {
            let entries = self.entries.lock();
            let stores = entries
                .iter()
                .map(|(k, e)| (k.clone(), Arc::clone(&e.store)));
            stores.collect()
        };
        let folder = folder.lock();
        for (key, store) in stores {
            if !folder.was_read() {
                let problems = folder.problems().into_iter();
                let text = problems
                    .map(|p| p.to_string())
                    .collect::<Vec<_>>()
                    .join("; ");
                store.fail(Trouble::Failing, text, now);
                continue;
            }
            let (objects, undecodable) = folder.objects(&key);
            // Monitors that cannot be read are rejections, which are reported elsewhere.
            if !key.kind.is_monitor() {
                let known = store.status().undecodable;
                let new = undecodable
                    .iter()
                    .filter(|(at, why)| known.get(at) != Some(why));
                for (at, why) in new {
                    warn!(
                        "an object cannot be read kind={} object={at} err={why:?}",
                        key.kind
                    );
                }
            }
            store.replace(objects, undecodable, now);
        }
    }

    fn close_unused(&self) {
        let now = self.clock.now();
        let mut closed = Vec::new();
        let mut entries = self.entries.lock();
        entries.retain(|key, entry| {
            if entry.store.has_readers() {
                entry.unused_since = None;
                return true;
            }
            let since = *entry.unused_since.get_or_insert(now);
            if now.saturating_duration_since(since) < self.tuning.linger {
                return true;
            }
            debug!(
                "closing a watch that nobody uses kind={} namespace={:?}",
                key.kind, key.namespace
            );
            closed.push(entry.reflector.take());
            false
        });
        // Joined without the lock.
        drop(entries);
        drop(closed);
    }
}

/// One subscriber's view of the stores it asked for.
#[derive(Debug)]
pub struct Subscription {
    stores: Vec<(StoreKey, Arc<Store>)>,
    inbox: Arc<Inbox>,
}

impl Subscription {
    /// All objects there are now. What waited in [`Subscription::changes`] is part of it and forgotten.
    pub fn objects(&self) -> Vec<Arc<Object>> {
        // Emptied first: a change that comes in between is seen twice, never missed.
        self.inbox.clear();
        let mut objects = Vec::new();
        for (_, store) in &self.stores {
            store.snapshot(self.inbox.namespaces(), &mut objects);
        }
        objects
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        let inside = self.inbox.wants(&key.namespace);
        let mut stores = self.stores.iter().filter(|_| inside);
        stores.find_map(|(_, store)| store.get(key))
    }

    /// What happened since the last call; the first one has all objects as added.
    pub fn changes(&self) -> Changes {
        self.inbox.take()
    }

    /// Whether all stores have held the whole state of their source.
    pub fn is_synced(&self) -> bool {
        self.stores.iter().all(|(_, store)| store.is_synced())
    }

    /// How each store stands.
    pub fn health(&self) -> Vec<WatchHealth> {
        let health = self.stores.iter().map(|(key, store)| key.health(store));
        health.collect()
    }
}

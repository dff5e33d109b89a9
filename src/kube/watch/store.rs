//! What is known of one kind in one scope: written by a reflector (or a folder), read by everyone.

use crate::kube::api::error::Rule;
use crate::kube::types::object::{Key, Object};
use crossbeam_channel::Sender;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// A queue that nobody reads is emptied when it gets this long: its reader starts over from a snapshot.
const MAX_WAITING: usize = 4096;

/// One change of a store.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new object.
    Added(Arc<Object>),
    /// An object before and after.
    Modified(Arc<Object>, Arc<Object>),
    /// The last state of a deleted object.
    Deleted(Arc<Object>),
}

impl Change {
    /// The object, in its newest state.
    pub fn object(&self) -> &Arc<Object> {
        match self {
            Self::Added(object) | Self::Modified(_, object) | Self::Deleted(object) => object,
        }
    }

    fn of(old: Option<Arc<Object>>, new: Arc<Object>) -> Self {
        match old {
            Some(old) => Self::Modified(old, new),
            None => Self::Added(new),
        }
    }
}

/// What happened since it was last asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Changes {
    /// These changes, in order.
    Each(Vec<Change>),
    /// Too much: start over from a snapshot.
    Everything,
}

/// Why a store doesn't follow its source right now.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// A permission is missing.
    Forbidden(Rule),
    /// The server doesn't have the kind (a CRD is not installed).
    Absent,
    /// The source cannot be read.
    Failing,
}

/// How a store stands.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreStatus {
    /// It has held the whole state of its source at least once. An absent kind counts: there is nothing of it.
    pub synced: bool,
    /// What is wrong now, since when, and in what words.
    pub trouble: Option<(Trouble, Instant, String)>,
    /// When the source was last heard of: a list, an event or a bookmark.
    pub heard: Option<Instant>,
    /// How many objects it holds.
    pub objects: usize,
    /// Objects that could not be decoded, each with the reason.
    pub undecodable: BTreeMap<Key, String>,
}

/// Objects of one kind and scope.
#[derive(Debug, Default)]
pub struct Store {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<Key, Arc<Object>>,
    undecodable: BTreeMap<Key, String>,
    synced: bool,
    trouble: Option<(Trouble, Instant, String)>,
    heard: Option<Instant>,
    readers: Vec<Weak<Inbox>>,
}

/// Where changes wait for one subscriber; it may listen to several stores.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Only objects of these namespaces are of interest; empty means all.
    namespaces: BTreeSet<String>,
    waiting: Mutex<Waiting>,
    notify: Sender<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<Change>,
    overflow: bool,
}

impl Inbox {
    pub(crate) fn new(namespaces: BTreeSet<String>, notify: Sender<()>) -> Arc<Self> {
        Arc::new(Self {
            namespaces,
            waiting: Mutex::default(),
            notify,
        })
    }

    pub(crate) fn take(&self) -> Changes {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        if waiting.overflow {
            Changes::Everything
        } else {
            Changes::Each(waiting.changes.into())
        }
    }

    /// Takes the changes that are of interest; whether there was one.
    fn push(&self, changes: &[Change]) -> bool {
        let mut of_interest = changes
            .iter()
            .filter(|change| self.wants(&change.object().meta().namespace))
            .peekable();
        if of_interest.peek().is_none() {
            return false;
        }
        let mut waiting = self.waiting.lock();
        if !waiting.overflow {
            waiting.changes.extend(of_interest.cloned());
        }
        if waiting.changes.len() > MAX_WAITING {
            waiting.overflow = true;
            waiting.changes = VecDeque::new();
        }
        true
    }

    pub(crate) fn wants(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.contains(namespace)
    }

    pub(crate) fn namespaces(&self) -> &BTreeSet<String> {
        &self.namespaces
    }

    pub(crate) fn clear(&self) {
        *self.waiting.lock() = Waiting::default();
    }

    fn wake(&self) {
        // A full channel means that a wake-up is waiting already; a closed one that nobody is there.
        self.notify.try_send(()).ok();
    }
}

impl Store {
    /// Adds a reader and puts the objects there are now into its inbox.
    pub(crate) fn attach(&self, inbox: &Arc<Inbox>) {
        let mut state = self.state.write();
        let present: Vec<Change> = state.objects.values().cloned().map(Change::Added).collect();
        inbox.push(&present);
        state.readers.retain(|reader| reader.strong_count() > 0);
        state.readers.push(Arc::downgrade(inbox));
        drop(state);
        inbox.wake();
    }

    /// Whether anybody reads it.
    pub(crate) fn has_readers(&self) -> bool {
        self.state
            .read()
            .readers
            .iter()
            .any(|reader| reader.strong_count() > 0)
    }

    /// Adds the objects of some namespaces (none named: all) to `out`.
    pub(crate) fn snapshot(&self, namespaces: &BTreeSet<String>, out: &mut Vec<Arc<Object>>) {
        let state = self.state.read();
        if namespaces.is_empty() {
            out.extend(state.objects.values().cloned());
        }
        for namespace in namespaces {
            let first = Key::new(namespace.clone(), "");
            let inside = state.objects.range(first..);
            let inside = inside.take_while(|(key, _)| key.namespace == *namespace);
            out.extend(inside.map(|(_, object)| Arc::clone(object)));
        }
    }

    /// Whether it has held the whole state of its source at least once.
    pub fn is_synced(&self) -> bool {
        self.state.read().synced
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.state.read().objects.get(key).cloned()
    }

    /// How it stands.
    pub fn status(&self) -> StoreStatus {
        let state = self.state.read();
        StoreStatus {
            synced: state.synced,
            trouble: state.trouble.clone(),
            heard: state.heard,
            objects: state.objects.len(),
            undecodable: state.undecodable.clone(),
        }
    }

    /// The whole state of the source: what is not in it is deleted. `kept` are objects that exist but could not be
    /// decoded: their last good version stays.
    pub(crate) fn replace(&self, objects: Vec<Object>, kept: BTreeMap<Key, String>, now: Instant) {
        let mut state = self.state.write();
        let mut old = std::mem::take(&mut state.objects);
        let mut changes = Vec::new();
        for mut object in objects {
            let key = object.key();
            let before = old.remove(&key);
            let now_there = match before {
                Some(before) if is_same(&before, &mut object) => before,
                before => {
                    let new = Arc::new(object);
                    changes.push(Change::of(before, Arc::clone(&new)));
                    new
                }
            };
            state.objects.insert(key, now_there);
        }
        for (key, before) in old {
            if kept.contains_key(&key) {
                state.objects.insert(key, before);
            } else {
                changes.push(Change::Deleted(before));
            }
        }
        let standing = !state.synced || state.trouble.is_some() || state.undecodable != kept;
        state.undecodable = kept;
        state.synced = true;
        state.trouble = None;
        state.heard = Some(now);
        tell(&mut state, &changes, standing);
    }

    /// An object was added or modified.
    pub(crate) fn upsert(&self, mut object: Object, now: Instant) {
        let mut state = self.state.write();
        state.heard = Some(now);
        let key = object.key();
        let mended = state.undecodable.remove(&key).is_some();
        let old = state.objects.get(&key).cloned();
        if old.as_ref().is_some_and(|old| is_same(old, &mut object)) {
            tell(&mut state, &[], mended);
            return;
        }
        let new = Arc::new(object);
        state.objects.insert(key, Arc::clone(&new));
        tell(&mut state, &[Change::of(old, new)], mended);
    }

    /// An object was deleted.
    pub(crate) fn delete(&self, key: &Key, now: Instant) {
        let mut state = self.state.write();
        state.heard = Some(now);
        let mended = state.undecodable.remove(key).is_some();
        match state.objects.remove(key) {
            Some(old) => tell(&mut state, &[Change::Deleted(old)], mended),
            None => tell(&mut state, &[], mended),
        }
    }

    /// An object has a version that cannot be decoded; its last good one stays.
    pub(crate) fn reject(&self, key: Key, reason: String, now: Instant) {
        let mut state = self.state.write();
        state.heard = Some(now);
        let is_new = state.undecodable.get(&key) != Some(&reason);
        state.undecodable.insert(key, reason);
        tell(&mut state, &[], is_new);
    }

    /// The source gave a sign of life.
    pub(crate) fn heard(&self, now: Instant) {
        let mut state = self.state.write();
        state.heard = Some(now);
        let healed = state.trouble.take().is_some();
        tell(&mut state, &[], healed);
    }

    /// Everything is gone: the kind itself was removed.
    pub(crate) fn empty(&self) {
        let mut state = self.state.write();
        let deleted = std::mem::take(&mut state.objects);
        state.undecodable.clear();
        let changes: Vec<_> = deleted.into_values().map(Change::Deleted).collect();
        tell(&mut state, &changes, false);
    }

    /// The source cannot be followed; what is known stays. An absent kind has nothing, which is a whole state, too.
    pub(crate) fn fail(&self, trouble: Trouble, message: String, now: Instant) {
        let mut state = self.state.write();
        let (since, is_new) = match &state.trouble {
            Some((known, since, _)) if *known == trouble => (*since, false),
            _ => (now, true),
        };
        state.synced |= trouble == Trouble::Absent;
        state.trouble = Some((trouble, since, message));
        tell(&mut state, &[], is_new);
    }
}

/// A replay of the same version; or, for kinds that no group is built from, a version that differs only in what is
/// not read (heartbeats, `managedFields`). Where groups are built from an object, each of its versions counts: upstream
/// builds the group anew from what else is known by then. Objects from files have no version, so their content decides.
fn is_same(old: &Object, new: &mut Object) -> bool {
    let (a, b) = (old.meta(), new.meta());
    if a.uid != b.uid {
        return false;
    }
    if a.resource_version == b.resource_version {
        return !a.resource_version.is_empty() || *old == *new;
    }
    if !matches!(new, Object::Monitor(_) | Object::Node(_) | Object::Meta(..)) {
        return false;
    }
    let version = std::mem::replace(
        &mut new.meta_mut().resource_version,
        a.resource_version.clone(),
    );
    let same = *old == *new;
    new.meta_mut().resource_version = version;
    same
}

/// Hands changes to the readers and wakes those concerned; all of them if how the store stands has changed.
fn tell(state: &mut State, changes: &[Change], standing: bool) {
    if changes.is_empty() && !standing {
        return;
    }
    state.readers.retain(|reader| match reader.upgrade() {
        Some(inbox) => {
            if inbox.push(changes) || standing {
                inbox.wake();
            }
            true
        }
        None => false,
    });
}

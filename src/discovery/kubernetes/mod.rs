//! Kubernetes service discovery (prometheus: discovery/kubernetes): changes of objects in, target groups out.
//! Pure: what else is known of the cluster arrives through [`View`].
//!
//! As upstream, an event rebuilds exactly the groups that upstream would send again, from what is known by then; a pod
//! that changes does not rebuild a slice, for example.

mod endpoints;
mod endpointslice;
mod index;
mod ingress;
mod labels;
mod node;
mod pod;
mod service;

use crate::config::{AttachMetadata, KubernetesSd, Role};
use crate::kube::store::Change;
use crate::kube::types::kind::Kind;
use crate::kube::types::object::{Key, Object};
use crate::model::group::TargetGroup;
use crate::model::labels::Text;
use crate::model::selector::LabelSelector;
use index::Index;
use labels::Names;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What is known of the cluster, within the namespaces and selectors of the discovery.
pub trait View {
    /// An object, if it is known.
    fn get(&self, kind: Kind, key: &Key) -> Option<Arc<Object>>;
}

/// The part of an SD config that decides how groups look.
#[derive(Debug, Clone, Copy)]
struct Settings {
    role: Role,
    attach: AttachMetadata,
    /// Namespaces are named: upstream then has informers per namespace, and a slice sees only the pods of its own.
    by_namespace: bool,
}

/// Builds the groups of one SD config.
pub struct Evaluator {
    settings: Settings,
    names: Names,
    /// Which groups depend on an object of another kind.
    index: Index,
    pending: BTreeSet<Key>,
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The kind whose objects are the groups of a role.
pub fn main_kind(role: Role) -> Kind {
    match role {
        Role::Endpoints => Kind::Endpoints,
        Role::EndpointSlice => Kind::EndpointSlice,
        Role::Ingress => Kind::Ingress,
        Role::Node => Kind::Node,
        Role::Pod => Kind::Pod,
        Role::Service => Kind::Service,
    }
}

/// The kinds that a discovery must have seen before its groups mean anything.
pub fn kinds(sd: &KubernetesSd) -> Vec<Kind> {
    let mut kinds = vec![main_kind(sd.role)];
    let of_services = matches!(sd.role, Role::Endpoints | Role::EndpointSlice);
    let of_pods = of_services || sd.role == Role::Pod;
    if of_services {
        kinds.extend([Kind::Service, Kind::Pod]);
    }
    if of_pods && sd.attach.node {
        kinds.push(Kind::Node);
    }
    if sd.role != Role::Node && sd.attach.namespace {
        kinds.push(Kind::Namespace);
    }
    if of_pods && sd.attach.deployment {
        kinds.push(Kind::ReplicaSet);
    }
    if of_pods && (sd.attach.job || sd.attach.cronjob) {
        kinds.push(Kind::Job);
    }
    kinds
}

/// A change as a watch with a label selector would see it: an object that no longer matches is deleted, one that
/// begins to match is added. `None`: the watch sees nothing.
pub fn filter(change: Change, selector: &LabelSelector) -> Option<Change> {
    let matches = |object: &Object| selector.matches(&object.meta().labels);
    match change {
        Change::Added(new) => matches(&new).then_some(Change::Added(new)),
        Change::Deleted(old) => matches(&old).then_some(Change::Deleted(old)),
        Change::Modified(old, new) => match (matches(&old), matches(&new)) {
            (true, true) => Some(Change::Modified(old, new)),
            (true, false) => Some(Change::Deleted(old)),
            (false, true) => Some(Change::Added(new)),
            (false, false) => None,
        },
    }
}

impl Evaluator {
    /// An evaluator that has seen nothing yet.
    pub fn new(sd: &KubernetesSd) -> Self {
        Self {
            settings: Settings {
                role: sd.role,
                attach: sd.attach,
                by_namespace: sd.own_namespace || !sd.namespaces.is_empty(),
            },
            names: Names::default(),
            index: Index::default(),
            pending: BTreeSet::new(),
        }
    }

    /// Takes one change, and returns the groups that upstream would send for it.
    pub fn apply(&mut self, change: &Change, view: &dyn View) -> Vec<Arc<TargetGroup>> {
        self.touch(change);
        self.build(view)
    }

    /// Takes a change without building anything yet: many changes of one group cost one build.
    pub fn touch(&mut self, change: &Change) {
        let object = change.object();
        let (kind, key) = (object.kind(), object.key());
        if kind == main_kind(self.settings.role) {
            let needs = match change {
                Change::Deleted(_) => Vec::new(),
                Change::Added(new) | Change::Modified(_, new) => self.needs(new),
            };
            self.index.set(&key, needs);
            self.pending.insert(key);
        } else if self.is_trigger(change) {
            self.pending
                .extend(self.index.dependents(kind, &key).cloned());
        }
    }

    /// Builds the groups that were touched.
    pub fn build(&mut self, view: &dyn View) -> Vec<Arc<TargetGroup>> {
        let pending = std::mem::take(&mut self.pending);
        let groups = pending.iter().filter_map(|key| self.group(key, view));
        groups.map(Arc::new).collect()
    }

    /// Whether a change of another kind rebuilds the groups that depend on the object.
    fn is_trigger(&self, change: &Change) -> bool {
        match (change.object().kind(), change) {
            // prometheus/prometheus#11305: the phase may change without the endpoints changing.
            (Kind::Pod, Change::Modified(old, new)) => {
                matches!((&**old, &**new), (Object::Pod(a), Object::Pod(b)) if a.status.phase != b.status.phase)
            }
            (Kind::Pod, _) => false,
            (Kind::Namespace, change) => matches!(change, Change::Modified(..)),
            _ => true,
        }
    }

    /// The objects of other kinds whose changes rebuild the object's group.
    fn needs(&self, object: &Object) -> Vec<(Kind, Key)> {
        let attach = self.settings.attach;
        let mut needs = match object {
            Object::Endpoints(endpoints) => endpoints::needs(endpoints, attach),
            Object::EndpointSlice(slice) => endpointslice::needs(slice, attach),
            Object::Pod(pod) => pod::needs(pod, attach),
            _ => Vec::new(),
        };
        if attach.namespace && self.settings.role != Role::Node {
            let namespace = object.meta().namespace.clone();
            needs.push((Kind::Namespace, Key::new("", namespace)));
        }
        needs
    }

    /// The group of an object; `None` if upstream would send nothing.
    fn group(&mut self, key: &Key, view: &dyn View) -> Option<TargetGroup> {
        let source = source(self.settings.role, key);
        let Some(object) = view.get(main_kind(self.settings.role), key) else {
            return Some(TargetGroup {
                source,
                ..TargetGroup::default()
            });
        };
        let mut context = GroupContext {
            settings: self.settings,
            names: &mut self.names,
            view,
        };
        let (labels, targets) = match &*object {
            Object::Endpoints(endpoints) => endpoints::group(endpoints, &mut context),
            Object::EndpointSlice(slice) => endpointslice::group(slice, &mut context),
            Object::Pod(pod) => pod::group(pod, &mut context),
            Object::Service(service) => service::group(service, &mut context),
            Object::Node(node) => node::group(node, context.names)?,
            Object::Ingress(ingress) => ingress::group(ingress, &mut context),
            Object::Monitor(_) | Object::Meta(..) => return None,
        };
        Some(TargetGroup {
            source,
            labels,
            targets,
        })
    }
}

fn source(role: Role, key: &Key) -> Text {
    let word = match role {
        Role::Endpoints => "endpoints",
        Role::EndpointSlice => "endpointslice",
        Role::Ingress => "ingress",
        Role::Node => "node",
        Role::Pod => "pod",
        Role::Service => "svc",
    };
    if role == Role::Node {
        Text::from(format!("{word}/{}", key.name))
    } else {
        Text::from(format!("{word}/{}/{}", key.namespace, key.name))
    }
}

/// What building a group needs besides the object.
struct GroupContext<'a> {
    settings: Settings,
    names: &'a mut Names,
    view: &'a dyn View,
}

impl GroupContext<'_> {
    /// An object beside one of `namespace`.
    fn beside(&self, namespace: &str, kind: Kind, key: &Key) -> Option<Arc<Object>> {
        let hidden = self.settings.by_namespace && key.namespace != namespace;
        if hidden {
            None
        } else {
            self.view.get(kind, key)
        }
    }

    fn cluster_object(&self, kind: Kind, name: &str) -> Option<Arc<Object>> {
        self.view.get(kind, &Key::new("", name))
    }
}

//! Kubernetes discovery at work: subscriptions to the stores that an SD config needs, and the evaluator they feed.

use super::context::DiscoveryContext;
use super::groups::{GroupMap, Groups, Standing, merge};
use super::kubernetes::{Evaluator, View, filter, kinds, main_kind};
use crate::config::{KubernetesSd, Role};
use crate::http::config::{Authorization, Secret};
use crate::kube::config::{Auth, Config};
use crate::kube::store::{Change, Changes};
use crate::kube::types::kind::Kind;
use crate::kube::types::object::{Key, Object};
use crate::kube::{
    Client, Informers, Scope, Source, SubscribeError, Subscription, WatchHealth, kubeconfig,
};
use crate::model::labels::Text;
use crate::model::selector::LabelSelector;
use crossbeam_channel::Sender;
use log::warn;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// One SD config. Each of its namespaces is on its own, as upstream: one that may not be read does not hold up others.
pub(super) struct Cluster {
    parts: Vec<Part>,
    /// What no waiting will mend.
    broken: Vec<String>,
    /// Namespaces that are not to be read: that is as it was wanted, so nothing is missing.
    outside: Vec<String>,
    /// Watches on an API server that the SD config names itself; held so that they run.
    _own: Option<Informers>,
}

struct Part {
    sd: Arc<KubernetesSd>,
    evaluator: Evaluator,
    groups: GroupMap,
    sources: Sources,
    synced: bool,
}

/// Subscriptions by kind, with the label selectors that restrict them.
struct Sources(Vec<(Kind, LabelSelector, Subscription)>);

impl Cluster {
    pub(super) fn open(
        sd: &Arc<KubernetesSd>,
        job: &str,
        context: &DiscoveryContext,
        wake: &Sender<()>,
    ) -> Self {
        let mut cluster = Self {
            parts: Vec::new(),
            broken: Vec::new(),
            outside: Vec::new(),
            _own: None,
        };
        let informers = match informers(sd, context) {
            Ok((informers, is_own)) => {
                cluster._own = is_own.then(|| informers.clone());
                informers
            }
            Err(error) => {
                cluster.broken.push(error);
                return cluster;
            }
        };
        for namespace in namespaces(sd, &informers) {
            match Part::open(sd, &informers, namespace.as_deref(), wake) {
                Ok(part) => cluster.parts.push(part),
                Err(Obstacle::Outside(what)) => cluster.outside.push(what),
                Err(Obstacle::Broken(error)) => cluster.broken.push(error),
            }
        }
        if !cluster.outside.is_empty() {
            let outside = cluster.outside.join(", ");
            warn!("a job looks for targets where none are looked for job={job} reason={outside:?}");
        }
        cluster
    }

    /// The groups, if they have changed.
    pub(super) fn step(&mut self) -> Option<Groups> {
        let changed = self
            .parts
            .iter_mut()
            .fold(false, |changed, part| part.step() | changed);
        changed.then(|| {
            let groups = self.parts.iter().flat_map(|part| part.groups.values());
            groups.cloned().collect()
        })
    }

    /// What is still waited for; and what is known to be in the way, which holds up no other namespace.
    pub(super) fn standing(&self) -> Standing {
        let mut standing = Standing {
            missing: Vec::new(),
            problems: self.broken.clone(),
        };
        for part in self.parts.iter().filter(|part| !part.synced) {
            for health in part.sources.unsynced() {
                let list = match health.status.trouble {
                    Some(_) => &mut standing.problems,
                    None => &mut standing.missing,
                };
                list.push(health.to_string());
            }
        }
        if !self.parts.iter().any(|part| part.synced) {
            // Nothing is known at all: all of it is missing.
            standing.missing.append(&mut standing.problems);
        }
        standing.problems.extend_from_slice(&self.outside);
        standing
    }
}

/// Why targets of a namespace cannot be looked for.
enum Obstacle {
    Outside(String),
    Broken(String),
}

/// Upstream: discovery/kubernetes/kubernetes.go, getNamespaces. Without names: one part for the cluster, or one for
/// each namespace that may be read.
fn namespaces(sd: &KubernetesSd, informers: &Informers) -> Vec<Option<String>> {
    let mut names: Vec<_> = sd
        .namespaces
        .iter()
        .map(|name| Some(name.to_string()))
        .collect();
    let own = informers.own_namespace();
    if sd.own_namespace && !own.is_empty() {
        names.push(Some(own));
    }
    if names.is_empty() && !sd.own_namespace {
        names = match informers.scope() {
            Scope::All { .. } => vec![None],
            Scope::Namespaces(_) if sd.role == Role::Node => vec![None],
            Scope::Namespaces(readable) => readable.iter().cloned().map(Some).collect(),
        };
    }
    names.sort();
    names.dedup();
    names
}

/// The informers of the receiver, or own ones for an API server that the SD config names.
fn informers(sd: &KubernetesSd, context: &DiscoveryContext) -> Result<(Informers, bool), String> {
    let config = match &sd.api_server {
        Some(server) if !server.is_empty() => own_config(server, sd)?,
        _ if !sd.kubeconfig_file.is_empty() => {
            let path = PathBuf::from(&*sd.kubeconfig_file);
            kubeconfig::load(&[path], None).map_err(|error| error.to_string())?
        }
        _ => {
            let none = "kubernetes_sd_configs needs a cluster, but promop runs without one (--no-kubernetes)";
            let informers = context.informers.clone().ok_or_else(|| none.to_owned())?;
            return Ok((informers, false));
        }
    };
    let roots = Arc::clone(&context.http.roots);
    let clock = Arc::clone(&context.clock);
    let client = Client::new(config, &context.http.user_agent, roots, Arc::clone(&clock))
        .map_err(|error| error.to_string())?;
    let scope = Scope::All { deny: Vec::new() };
    let informers = Informers::start(Source::Api(client), scope, context.tuning.clone(), clock)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok((informers, true))
}

/// `api_server` with the HTTP settings beside it.
fn own_config(server: &str, sd: &KubernetesSd) -> Result<Config, String> {
    let http = &sd.http;
    let unsupported = |what: &str| {
        Err(format!(
            "kubernetes_sd_configs: {what} together with api_server is not supported; use kubeconfig_file"
        ))
    };
    if http.oauth2.is_some() {
        return unsupported("oauth2");
    }
    if http.headers.is_some() {
        return unsupported("http_headers");
    }
    if http.proxy.from_environment || !http.proxy.no_proxy.is_empty() {
        return unsupported("proxy_from_environment or no_proxy");
    }
    let auth = match (&http.authorization, &http.basic_auth) {
        (Some(authorization), _) if &*authorization.kind != "Bearer" => {
            return unsupported("an authorization type other than Bearer");
        }
        (
            Some(Authorization {
                credentials_file, ..
            }),
            _,
        ) if !credentials_file.is_empty() => Auth::TokenFile(PathBuf::from(&**credentials_file)),
        (Some(authorization), _) if !authorization.credentials.is_empty() => {
            Auth::Token(authorization.credentials.clone())
        }
        (_, Some(basic)) if basic.username_file.is_empty() && basic.password_file.is_empty() => {
            Auth::Basic(basic.username.to_string(), basic.password.clone())
        }
        (_, Some(_)) => return unsupported("username_file or password_file"),
        _ => Auth::Anonymous,
    };
    Ok(Config {
        server: server.trim_end_matches('/').to_owned(),
        origin: "api_server of kubernetes_sd_configs".to_owned(),
        user: String::new(),
        tls: http.tls.clone(),
        auth,
        proxy: Secret::new(http.proxy.url.clone().unwrap_or_default()),
        namespace: String::new(),
    })
}

impl Part {
    fn open(
        sd: &Arc<KubernetesSd>,
        informers: &Informers,
        namespace: Option<&str>,
        wake: &Sender<()>,
    ) -> Result<Self, Obstacle> {
        let namespaces: Vec<String> = namespace.map(str::to_owned).into_iter().collect();
        let mut sources = Vec::new();
        for kind in kinds(sd) {
            let selector = sd.selectors.iter().find(|s| main_kind(s.role) == kind);
            let (label, field) = selector.map_or(("", ""), |s| (&s.label, &s.field));
            let subscription = informers
                .subscribe(kind, &namespaces, field, wake.clone())
                .map_err(|error| match error {
                    SubscribeError::OutOfScope(_) => Obstacle::Outside(error.to_string()),
                    _ => Obstacle::Broken(error.to_string()),
                })?;
            let selector = LabelSelector::parse(label)
                .map_err(|error| Obstacle::Broken(format!("label selector {label:?}: {error}")))?;
            sources.push((kind, selector, subscription));
        }
        Ok(Self {
            sd: Arc::clone(sd),
            evaluator: Evaluator::new(sd),
            groups: GroupMap::new(),
            sources: Sources(sources),
            synced: false,
        })
    }

    /// Brings the groups of this part up to date; whether any changed.
    fn step(&mut self) -> bool {
        if !self.synced {
            // As upstream: nothing is sent until everything is known, or targets would lack labels at first.
            self.synced = self
                .sources
                .0
                .iter()
                .all(|(_, _, source)| source.is_synced());
            return self.synced && self.start_over();
        }
        for (_, selector, source) in &self.sources.0 {
            let Changes::Each(changes) = source.changes() else {
                return self.start_over();
            };
            let seen = changes
                .into_iter()
                .filter_map(|change| filter(change, selector));
            seen.for_each(|change| self.evaluator.touch(&change));
        }
        let built = self.evaluator.build(&self.sources);
        merge(&mut self.groups, built)
    }

    /// Builds every group anew; those that are equal stay what they are.
    fn start_over(&mut self) -> bool {
        self.evaluator = Evaluator::new(&self.sd);
        for (kind, selector, source) in &self.sources.0 {
            // Emptied for all kinds, before anything is built from the stores.
            let objects = source.objects();
            if *kind == main_kind(self.sd.role) {
                let present = objects.into_iter().map(Change::Added);
                let seen = present.filter_map(|change| filter(change, selector));
                seen.for_each(|change| self.evaluator.touch(&change));
            }
        }
        let built = self.evaluator.build(&self.sources);
        let sources: BTreeSet<_> = built
            .iter()
            .map(|group| Text::clone(&group.source))
            .collect();
        let before = self.groups.len();
        self.groups.retain(|source, _| sources.contains(source));
        let vanished = self.groups.len() != before;
        merge(&mut self.groups, built) | vanished
    }
}

impl Sources {
    fn unsynced(&self) -> impl Iterator<Item = WatchHealth> {
        let health = self.0.iter().flat_map(|(_, _, source)| source.health());
        health.filter(|health| !health.status.synced)
    }
}

impl View for Sources {
    fn get(&self, kind: Kind, key: &Key) -> Option<Arc<Object>> {
        let (_, selector, source) = self.0.iter().find(|(k, ..)| *k == kind)?;
        let object = source.get(key)?;
        selector.matches(&object.meta().labels).then_some(object)
    }
}

//! Generates, and remembers: per monitor what validation found and the text of its jobs, as long as nothing they depend on
//! has changed.

use super::assets::{Asset, AssetId, Assets};
use super::context::Context;
use super::generate::{additional, head, job, sharding};
use super::lookup::{Cache, Loaded, Loader, TlsAsset};
use super::monitor::Stored;
use super::select::{self, Choices};
use super::settings::{Settings, Workload};
use super::snapshot::{Namespace, Snapshot};
use super::types::{Cause, Error, Kind, MonitorId, Owner, Rejection};
use super::{AssetKind, Fragment, Generated, TLS_ASSETS_DIR, checks, validate};
use crate::model::quote::quoted;
use crate::monitoring::KeySelector;
use crate::wire::yaml::emit::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Generates the configuration; a monitor that has not changed costs the comparison of two addresses.
#[derive(Debug, Default)]
pub struct Generator {
    /// What the entries were made for; other settings make all of them void.
    pub(super) settings: Option<Settings>,
    /// What the selectors of namespaces saw.
    namespaces: Vec<Namespace>,
    /// What the settings' own references found in monitors' namespaces.
    foreign: Foreign,
    /// In the order of the jobs.
    pub(super) entries: Vec<Entry>,
}

/// What the settings' own references find in monitors' namespaces.
#[derive(Debug, Default, PartialEq)]
struct Foreign {
    assets: BTreeMap<AssetId, Asset>,
    files: BTreeSet<TlsAsset>,
}

/// What is remembered of a monitor.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) monitor: Stored,
    is_selected: bool,
    /// What is to be fetched for it.
    references: BTreeSet<AssetId>,
    /// What validation found, once it has taken place.
    checked: Option<Checked>,
    /// Its jobs, once they are written.
    jobs: Option<Arc<[Fragment]>>,
}

#[derive(Debug)]
struct Checked {
    loaded: Loaded,
    verdict: Result<(), String>,
}

impl Entry {
    fn new(monitor: Stored, choices: &Choices<'_>) -> Self {
        let is_selected = choices.matches(&monitor);
        let references = is_selected.then(|| select::of_monitor(&monitor));
        Self {
            monitor,
            is_selected,
            references: references.unwrap_or_default(),
            checked: None,
            jobs: None,
        }
    }

    /// The same monitor as it is now. An equal one changes nothing: after a new list all addresses are others.
    fn renew(&mut self, monitor: Stored, choices: &Choices<'_>) {
        if self.monitor.same(&monitor) {
            self.monitor = monitor;
        } else {
            *self = Self::new(monitor, choices);
        }
    }

    fn is_current(&self, assets: &Assets) -> bool {
        self.checked.as_ref().is_some_and(|checked| {
            let mut asked = checked.loaded.asked.iter();
            asked.all(|(id, seen)| assets.get(id) == seen.as_ref())
        })
    }

    fn is_good(&self) -> bool {
        self.checked.as_ref().is_some_and(|c| c.verdict.is_ok())
    }

    fn mounts(&self, file: &TlsAsset) -> bool {
        let mut checked = self.checked.iter();
        checked.any(|checked| checked.loaded.files.contains(file))
    }

    /// Why it is not used, if it is not.
    fn rejection(&self) -> Option<Rejection> {
        let Checked { loaded, verdict } = self.checked.as_ref()?;
        let reason = verdict.as_ref().err()?;
        let metadata = self.monitor.metadata();
        Some(Rejection {
            monitor: MonitorId::new(self.monitor.kind(), &metadata.namespace, &metadata.name),
            cause: if loaded.missing {
                Cause::Asset
            } else {
                Cause::Validation
            },
            reason: reason.clone(),
        })
    }
}

/// One generation: the monitors there are have been taken in.
#[derive(Debug)]
pub struct Round<'a> {
    generator: &'a mut Generator,
    snapshot: &'a Snapshot,
    settings: &'a Settings,
}

impl Round<'_> {
    /// The Secrets and ConfigMaps that the selected monitors and the settings name, whether they exist or not.
    pub fn references(&self) -> BTreeSet<AssetId> {
        let mut ids = select::of_settings(self.settings);
        let entries = self.generator.entries.iter();
        ids.extend(entries.flat_map(|entry| &entry.references).cloned());
        ids
    }

    /// Generates the configuration.
    ///
    /// # Errors
    /// The settings cannot be honoured: unknown version, broken scrape class, missing secret of the settings.
    pub fn generate(self, assets: &Assets) -> Result<Generated, Error> {
        let Self {
            generator,
            snapshot,
            settings,
        } = self;
        // Settings that cannot be honoured are found before anything is done for the monitors.
        let cx = Context::new(settings)?;
        let mut own = Loader::new(assets, &settings.namespace);
        load(&cx, &mut own)?;
        let own = own.loaded;
        let sharding = sharding::rules(&cx);
        let additional = additional::jobs(&cx, assets, &sharding)?;

        generator.validate(&cx, assets);
        generator.forget_if_foreign_references_changed(&cx, assets, &own);
        let loaded = generator.loaded().chain([&own]);
        let loaded = loaded.flat_map(|loaded| &loaded.asked).map(|(id, _)| id);
        let cache = Cache::new(assets, loaded.collect());
        let written = generator.write_jobs(&cx, &cache, &sharding);
        let additional = generator.additional(additional, &cache, &own);
        drop(cache);
        let without = generator.entries.iter_mut().filter(|e| needs_jobs(e, &cx));
        for (entry, written) in without.zip(written) {
            match (written, &mut entry.checked) {
                (Ok(jobs), _) => entry.jobs = Some(jobs),
                (Err(reason), Some(checked)) => checked.verdict = Err(reason),
                (Err(_), None) => {}
            }
        }
        let mut generated = generator.assemble(&cx, additional);
        // Their labels are not known, so no selector is asked.
        generated.rejected.extend_from_slice(&snapshot.unreadable);
        Ok(generated)
    }
}

impl Generator {
    /// Takes in the monitors there are.
    ///
    /// # Errors
    /// A broken selector in the settings.
    pub fn begin<'a>(
        &'a mut self,
        snapshot: &'a Snapshot,
        settings: &'a Settings,
    ) -> Result<Round<'a>, Error> {
        self.take_in(snapshot, settings)?;
        Ok(Round {
            generator: self,
            snapshot,
            settings,
        })
    }

    /// Brings the entries in line with the monitors there are; those of monitors that have not changed stay.
    fn take_in(&mut self, snapshot: &Snapshot, settings: &Settings) -> Result<(), Error> {
        let choices = Choices::new(&snapshot.namespaces, settings)?;
        if self.settings.as_ref() != Some(settings) {
            *self = Self {
                settings: Some(settings.clone()),
                ..Self::default()
            };
        }
        if self.namespaces != snapshot.namespaces {
            self.namespaces.clone_from(&snapshot.namespaces);
            for entry in &mut self.entries {
                if choices.matches(&entry.monitor) != entry.is_selected {
                    *entry = Entry::new(entry.monitor.clone(), &choices);
                }
            }
        }
        if !self.take_in_place(snapshot, &choices) {
            self.merge(snapshot, &choices);
        }
        Ok(())
    }

    /// The usual case: the same monitors in the order of the jobs, a few of them changed. Nothing is looked at of those
    /// that have not. False if it is another case.
    fn take_in_place(&mut self, snapshot: &Snapshot, choices: &Choices<'_>) -> bool {
        let count = snapshot.service_monitors.len() + snapshot.pod_monitors.len();
        if self.entries.len() != count {
            return false;
        }
        for (entry, monitor) in self.entries.iter_mut().zip(snapshot.monitors()) {
            if monitor.is(&entry.monitor) {
                continue;
            }
            let monitor = monitor.stored();
            if entry.monitor.order(&monitor).is_ne() {
                return false;
            }
            entry.renew(monitor, choices);
        }
        true
    }

    /// The general case. Both lists are in the same order once the new one is sorted; of equal names the last counts.
    fn merge(&mut self, snapshot: &Snapshot, choices: &Choices<'_>) {
        let mut monitors: Vec<_> = snapshot.monitors().map(|held| held.stored()).collect();
        monitors.reverse();
        monitors.sort_by(Stored::order);
        monitors.dedup_by(|later, kept| later.order(kept).is_eq());
        let mut old = std::mem::take(&mut self.entries).into_iter().peekable();
        self.entries.reserve(monitors.len());
        for monitor in monitors {
            while old
                .next_if(|entry| entry.monitor.order(&monitor).is_lt())
                .is_some()
            {}
            let entry = match old.next_if(|entry| entry.monitor.order(&monitor).is_eq()) {
                Some(mut entry) => {
                    entry.renew(monitor, choices);
                    entry
                }
                None => Entry::new(monitor, choices),
            };
            self.entries.push(entry);
        }
    }

    /// What has been loaded for the selected monitors.
    fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        let checked = self.entries.iter().filter_map(|e| e.checked.as_ref());
        checked.map(|checked| &checked.loaded)
    }

    /// Validates what is new or has changed.
    fn validate(&mut self, cx: &Context<'_>, assets: &Assets) {
        for entry in &mut self.entries {
            if entry.is_selected && !entry.is_current(assets) {
                entry.checked = Some(checked(&entry.monitor, cx, assets));
                entry.jobs = None;
            }
        }
    }

    /// References of scrape classes and of the API server are looked up in the monitor's namespace, among what anything
    /// there happens to have loaded (prometheus-operator: pkg/assets/store.go, StoreBuilder.ForNamespace). Jobs depend on that.
    fn forget_if_foreign_references_changed(
        &mut self,
        cx: &Context<'_>,
        assets: &Assets,
        own: &Loaded,
    ) {
        let names = foreign_names(cx);
        if names.is_empty() {
            return;
        }
        let loaded = self.loaded().chain([own]);
        let is_named = |id: &AssetId| names.contains(&(id.kind, id.name.as_str()));
        let mut foreign = Foreign::default();
        for Loaded { asked, files, .. } in loaded {
            let asked = asked.iter().filter(|(id, _)| is_named(id));
            let known = asked.filter_map(|(id, _)| Some((id.clone(), assets.get(id)?.clone())));
            foreign.assets.extend(known);
            let files = files.iter().filter(|file| is_named(&file.id));
            foreign.files.extend(files.cloned());
        }
        if foreign != self.foreign {
            self.foreign = foreign;
            for entry in &mut self.entries {
                entry.jobs = None;
            }
        }
    }

    /// The jobs of the entries that [`needs_jobs`] names, in their order; or that they are too much.
    fn write_jobs(
        &self,
        cx: &Context<'_>,
        cache: &Cache<'_>,
        sharding: &[Tree<'static>],
    ) -> Vec<Result<Arc<[Fragment]>, String>> {
        let limit = cx.settings.max_monitor_bytes;
        let entries = self.entries.iter().filter(|entry| needs_jobs(entry, cx));
        let written = entries.map(|entry| {
            let monitor = entry.monitor.view();
            let id = MonitorId::new(monitor.kind, monitor.namespace, monitor.name);
            let (count, mut size) = (monitor.endpoints.len(), 0);
            let endpoints = monitor.endpoints.iter().enumerate();
            let jobs = endpoints.map(|(i, endpoint)| {
                let job = job::job(cx, cache, &monitor, i, endpoint, sharding);
                let owner = Owner::Monitor {
                    monitor: id.clone(),
                    endpoint: i,
                };
                size += job.yaml.len();
                if size > limit {
                    return Err(format!(
                        "the configuration of endpoints 0 to {i} of {count} takes {size} bytes, more than the {limit} of maxMonitorBytes: split the monitor"
                    ));
                }
                let files = job.files.iter();
                let files = files.filter(|file| entry.mounts(file) || self.foreign.files.contains(file));
                Ok(Fragment::new(owner, job.yaml, contents(files, cache)))
            });
            jobs.collect()
        });
        written.collect()
    }

    /// Additional jobs may name any file that is mounted.
    fn additional(
        &self,
        jobs: Vec<String>,
        cache: &Cache<'_>,
        own: &Loaded,
    ) -> Vec<Arc<[Fragment]>> {
        let jobs = jobs.into_iter().enumerate().map(|(index, yaml)| {
            let mut files = BTreeSet::new();
            if yaml.contains(TLS_ASSETS_DIR) {
                let mounted = self.loaded().chain([own]).flat_map(|loaded| &loaded.files);
                files.extend(mounted.filter(|file| yaml.contains(&file.path())));
            }
            let files = contents(files, cache);
            Arc::from([Fragment::new(Owner::Additional { index }, yaml, files)])
        });
        jobs.collect()
    }

    fn assemble(&self, cx: &Context<'_>, additional: Vec<Arc<[Fragment]>>) -> Generated {
        let mut generated = Generated {
            head: head::head(cx),
            tail: head::tail(cx),
            ..Generated::default()
        };
        for entry in self.entries.iter().filter(|entry| entry.is_selected) {
            if is_left_out(entry.monitor.kind(), cx) {
                generated.left_out += 1;
                continue;
            }
            *generated.selected.entry(entry.monitor.kind()).or_default() += 1;
            generated.rejected.extend(entry.rejection());
        }
        let jobs_of = |kind| {
            let entries = self.entries.iter();
            let entries = entries.filter(move |entry| entry.monitor.kind() == kind);
            let jobs = entries.filter_map(|entry| entry.jobs.as_ref());
            jobs.filter(|jobs| !jobs.is_empty()).cloned()
        };
        let (services, pods) = (jobs_of(Kind::ServiceMonitor), jobs_of(Kind::PodMonitor));
        let jobs = &mut generated.jobs;
        jobs.reserve(self.entries.len());
        if is_agent(cx) {
            jobs.extend(pods.chain(additional).chain(services));
        } else {
            jobs.extend(services.chain(pods).chain(additional));
        }
        generated
    }
}

/// Loads the references of the settings themselves, which lie in their own namespace.
fn load(cx: &Context<'_>, loader: &mut Loader<'_>) -> Result<(), Error> {
    if let Some(server) = &cx.spec.apiserver_config {
        let mut load = || {
            if let Some(auth) = &server.basic_auth {
                loader.basic_auth(auth)?;
            }
            if let Some(authorization) = &server.authorization {
                if authorization.credentials.is_some() {
                    checks::check_class_authorization(authorization)?;
                }
                loader.authorization(authorization)?;
            }
            if let Some(tls) = &server.tls_config {
                checks::check_tls(tls)?;
                loader.tls(tls)?;
            }
            loader.proxy(&server.proxy)
        };
        load().map_err(|error| Error::new(format!("apiserver config: {error}")))?;
    }
    for class in &cx.spec.scrape_classes {
        if let Some(tls) = &class.tls_config {
            loader.tls(tls).map_err(|error| {
                let name = &class.name;
                Error::new(format!(
                    "failed to process scrape classes: scrape class {name}: {error}",
                    name = quoted(name)
                ))
            })?;
        }
    }
    Ok(())
}

/// A monitor that is good and whose jobs are not written yet.
fn needs_jobs(entry: &Entry, cx: &Context<'_>) -> bool {
    entry.jobs.is_none() && entry.is_good() && !is_left_out(entry.monitor.kind(), cx)
}

/// An agent in `DaemonSet` mode scrapes the pods of its node: PodMonitors only.
fn is_left_out(kind: Kind, cx: &Context<'_>) -> bool {
    kind == Kind::ServiceMonitor && cx.settings.features.daemon_set && is_agent(cx)
}

fn checked(monitor: &Stored, cx: &Context<'_>, assets: &Assets) -> Checked {
    let monitor = monitor.view();
    let mut loader = Loader::new(assets, monitor.namespace);
    let verdict = validate::check(&monitor, cx, &mut loader);
    Checked {
        loaded: loader.loaded,
        verdict,
    }
}

fn is_agent(cx: &Context<'_>) -> bool {
    cx.settings.workload == Workload::PrometheusAgent
}

/// The names that the settings look up in monitors' namespaces.
fn foreign_names<'a>(cx: &Context<'a>) -> BTreeSet<(AssetKind, &'a str)> {
    let mut names = BTreeSet::new();
    let mut add = |selector: &'a KeySelector| {
        names.insert((AssetKind::Secret, selector.name.as_str()));
    };
    let classes = cx.spec.scrape_classes.iter();
    let authorizations = classes.filter_map(|class| class.authorization.as_ref());
    authorizations
        .filter_map(|a| a.credentials.as_ref())
        .for_each(&mut add);
    if let Some(server) = &cx.spec.apiserver_config {
        if let Some(auth) = &server.basic_auth {
            [&auth.username, &auth.password]
                .into_iter()
                .for_each(&mut add);
        }
        if let Some(authorization) = &server.authorization {
            authorization.credentials.iter().for_each(&mut add);
        }
        let headers = server.proxy.proxy_connect_header.iter().flatten();
        headers
            .flat_map(|(_, selectors)| selectors)
            .for_each(&mut add);
    }
    // Keys and certificates, of any kind of object.
    let server = cx.spec.apiserver_config.as_ref();
    let classes = cx.spec.scrape_classes.iter();
    let tls = classes.filter_map(|class| class.tls_config.as_ref());
    for tls in tls.chain(server.and_then(|server| server.tls_config.as_ref())) {
        for source in [&tls.ca, &tls.cert] {
            names.extend(super::lookup::selected(source).map(|(k, s)| (k, s.name.as_str())));
        }
        names.extend(
            tls.key_secret
                .iter()
                .map(|s| (AssetKind::Secret, s.name.as_str())),
        );
    }
    names
}

/// Files by path, with what they hold.
fn contents<'a>(
    files: impl IntoIterator<Item = &'a TlsAsset>,
    cache: &Cache<'_>,
) -> Vec<(Arc<str>, Arc<[u8]>)> {
    let files = files.into_iter();
    let files = files.filter_map(|file| Some((file.path().into(), Arc::clone(cache.file(file)?))));
    files.collect()
}

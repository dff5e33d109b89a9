//! Generates, and remembers: per monitor what validation found and the text of its jobs, as long as nothing they depend on
//! has changed.

use super::assets::{Asset, AssetId, Assets};
use super::context::Context;
use super::generate::{additional, head, job};
use super::lookup::{Cache, Loaded, Loader, TlsAsset, name_problem};
use super::monitor::Stored;
use super::settings::{Settings, Workload};
use super::snapshot::Snapshot;
use super::{
    AssetKind, Cause, Error, Fragment, Generated, Kind, Owner, Rejection, select, validate,
};
use crate::monitoring::KeySelector;
use crate::wire::yaml::emit::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Generates the configuration; a monitor that has not changed costs a comparison.
#[derive(Debug, Default)]
pub struct Generator {
    /// What the entries were made for; other settings make all of them void.
    settings: Option<Settings>,
    /// What the settings' own references found in monitors' namespaces.
    foreign: BTreeMap<AssetId, Asset>,
    /// In the order of the monitors.
    entries: Vec<Entry>,
}

/// What is remembered of a monitor.
#[derive(Debug)]
struct Entry {
    monitor: Stored,
    loaded: Loaded,
    verdict: Result<(), String>,
    jobs: Option<Vec<Fragment>>,
}

impl Entry {
    fn is_current(&self, monitor: &Stored, assets: &Assets) -> bool {
        let asked = self.loaded.asked.iter();
        self.monitor.same(monitor)
            && asked
                .clone()
                .all(|(id, seen)| assets.get(id) == seen.as_ref())
    }
}

impl Generator {
    /// Generates the configuration.
    ///
    /// # Errors
    /// The settings cannot be honoured: unknown version, broken selector or scrape class, missing secret of the settings.
    pub fn generate(
        &mut self,
        snapshot: &Snapshot,
        assets: &Assets,
        settings: &Settings,
    ) -> Result<Generated, Error> {
        if self.settings.as_ref() != Some(settings) {
            *self = Self {
                settings: Some(settings.clone()),
                ..Self::default()
            };
        }
        let cx = Context::new(settings)?;
        let monitors = select::selected(snapshot, settings)?;
        self.validate(monitors, &cx, assets);
        let mut own = Loader::new(assets, &settings.namespace);
        cx.load(&mut own)?;
        let own = own.loaded;
        self.forget_if_foreign_references_changed(&cx, assets, &own);

        let sharding = cx.sharding();
        let additional = additional_jobs(&cx, assets, &sharding)?;
        let entries = self.entries.iter();
        let loaded = entries
            .flat_map(|entry| &entry.loaded.asked)
            .chain(&own.asked);
        let loaded: BTreeSet<AssetId> = loaded.map(|(id, _)| id.clone()).collect();
        let cache = Cache::new(assets, loaded.iter().collect());
        self.write_jobs(&cx, &cache, &sharding);
        let mut generated = self.assemble(&cx, &cache, &own, additional);
        // Their labels are not known, so no selector is asked.
        generated.rejected.extend_from_slice(&snapshot.unreadable);
        Ok(generated)
    }

    /// The scrape class that applies to a job of the last configuration, if any does.
    pub fn scrape_class(&self, owner: &Owner) -> Option<&str> {
        let Owner::Monitor {
            kind,
            namespace,
            name,
            ..
        } = owner
        else {
            return None;
        };
        let is_owner = |entry: &&Entry| {
            let metadata = entry.monitor.metadata();
            entry.monitor.kind() == *kind
                && metadata.namespace == **namespace
                && metadata.name == **name
        };
        let entry = self.entries.iter().find(is_owner)?;
        let own = entry.monitor.view().scrape_class;
        let classes = &self.settings.as_ref()?.spec.scrape_classes;
        let named = classes
            .iter()
            .find(|class| Some(class.name.as_str()) == own);
        let class = named.or_else(|| classes.iter().find(|class| class.default == Some(true)))?;
        Some(&class.name)
    }

    /// Validates what is new or has changed, and forgets what is gone. Both lists are in the same order.
    fn validate(&mut self, monitors: Vec<Stored>, cx: &Context<'_>, assets: &Assets) {
        let mut old = std::mem::take(&mut self.entries).into_iter().peekable();
        self.entries.reserve(monitors.len());
        for stored in monitors {
            while old
                .next_if(|entry| entry.monitor.order(&stored).is_lt())
                .is_some()
            {}
            let known = old.next_if(|entry| entry.monitor.order(&stored).is_eq());
            let entry = match known.filter(|entry| entry.is_current(&stored, assets)) {
                Some(entry) => Entry {
                    monitor: stored,
                    ..entry
                },
                None => checked(stored, cx, assets),
            };
            self.entries.push(entry);
        }
    }

    /// References of scrape classes and of the API server are looked up in the monitor's namespace, among what anything
    /// there happens to have loaded (spec chapter 9, A1 to A3). Jobs depend on that.
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
        let entries = self.entries.iter();
        let asked = entries
            .flat_map(|entry| &entry.loaded.asked)
            .chain(&own.asked);
        let foreign: BTreeMap<AssetId, Asset> = asked
            .filter(|(id, _)| names.contains(&(id.kind, id.name.as_str())))
            .filter_map(|(id, _)| Some((id.clone(), assets.get(id)?.clone())))
            .collect();
        if foreign != self.foreign {
            self.foreign = foreign;
            for entry in &mut self.entries {
                entry.jobs = None;
            }
        }
    }

    fn write_jobs(&mut self, cx: &Context<'_>, cache: &Cache<'_>, sharding: &[Tree<'static>]) {
        let unused =
            |kind| kind == Kind::ServiceMonitor && cx.settings.features.daemon_set && is_agent(cx);
        for entry in &mut self.entries {
            let kind = entry.monitor.kind();
            if entry.jobs.is_some() || entry.verdict.is_err() || unused(kind) {
                continue;
            }
            let monitor = entry.monitor.view();
            let (namespace, name) = (Arc::from(monitor.namespace), Arc::from(monitor.name));
            let endpoints = monitor.endpoints.iter().enumerate();
            let jobs = endpoints.map(|(i, endpoint)| {
                let job = job::job(cx, cache, &monitor, i, endpoint, sharding);
                let owner = Owner::Monitor {
                    kind,
                    namespace: Arc::clone(&namespace),
                    name: Arc::clone(&name),
                    endpoint: i,
                };
                fragment(owner, job.yaml, &job.files, cache)
            });
            entry.jobs = Some(jobs.collect());
        }
    }

    fn assemble(
        &self,
        cx: &Context<'_>,
        cache: &Cache<'_>,
        own: &Loaded,
        additional: Vec<Fragment>,
    ) -> Generated {
        let mut generated = Generated {
            head: head::head(cx),
            tail: head::tail(cx),
            assets: files(own.files.iter(), cache),
            ..Generated::default()
        };
        for entry in &self.entries {
            let (kind, metadata) = (entry.monitor.kind(), entry.monitor.metadata());
            *generated.selected.entry(kind).or_default() += 1;
            if !entry.loaded.files.is_empty() {
                let files = files(entry.loaded.files.iter(), cache);
                generated.assets.extend(files);
            }
            if let Err(reason) = &entry.verdict {
                generated.rejected.push(Rejection {
                    kind,
                    namespace: metadata.namespace.clone(),
                    name: metadata.name.clone(),
                    cause: if entry.loaded.missing {
                        Cause::Asset
                    } else {
                        Cause::Validation
                    },
                    reason: reason.clone(),
                });
            }
        }
        let jobs_of = |kind| {
            let entries = self.entries.iter();
            let entries = entries.filter(move |entry| entry.monitor.kind() == kind);
            entries
                .flat_map(|entry| entry.jobs.iter().flatten())
                .cloned()
        };
        let (services, pods) = (jobs_of(Kind::ServiceMonitor), jobs_of(Kind::PodMonitor));
        let fragments = &mut generated.fragments;
        fragments.reserve(self.entries.len());
        if is_agent(cx) {
            fragments.extend(pods.chain(additional).chain(services));
        } else {
            fragments.extend(services.chain(pods).chain(additional));
        }
        generated
    }
}

fn checked(stored: Stored, cx: &Context<'_>, assets: &Assets) -> Entry {
    let monitor = stored.view();
    let mut loader = Loader::new(assets, monitor.namespace);
    let verdict = validate::check(&monitor, cx, &mut loader);
    Entry {
        loaded: loader.loaded,
        verdict,
        monitor: stored.clone(),
        jobs: None,
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
    // Keys and certificates as text, of any kind of object; files are only named.
    if cx.settings.features.inline_tls {
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
    }
    names
}

/// The jobs of the Secret that the settings name for them.
fn additional_jobs(
    cx: &Context<'_>,
    assets: &Assets,
    sharding: &[Tree<'static>],
) -> Result<Vec<Fragment>, Error> {
    let Some(selector) = &cx.spec.additional_scrape_configs else {
        return Ok(Vec::new());
    };
    let KeySelector { name, key, .. } = selector;
    let optional = selector.optional == Some(true);
    let refuse = |reason: String| {
        Err(Error::new(format!(
            "loading additional scrape configs from Secret failed: {reason}"
        )))
    };
    if let Some(problem) = name_problem(name) {
        return refuse(problem);
    }
    let text = match assets.get(&AssetId::secret(&cx.settings.namespace, name)) {
        Some(Asset::Present(data)) => match data.get(key) {
            Some(text) => text,
            None if optional => return Ok(Vec::new()),
            None => return refuse(format!("key {key} could not be found in secret {name}")),
        },
        Some(Asset::Unavailable(reason)) => return refuse(reason.to_string()),
        Some(Asset::Absent) | None if optional => return Ok(Vec::new()),
        Some(Asset::Absent) | None => return refuse(format!("secrets {name:?} not found")),
    };
    let jobs = additional::jobs(text, cx, sharding)?
        .into_iter()
        .enumerate();
    Ok(jobs
        .map(|(index, yaml)| Fragment {
            owner: Owner::Additional { index },
            key: digest(yaml.as_bytes(), &[]),
            yaml: yaml.into(),
        })
        .collect())
}

fn fragment(owner: Owner, yaml: String, files: &[TlsAsset], cache: &Cache<'_>) -> Fragment {
    let contents: Vec<&[u8]> = files.iter().filter_map(|file| cache.file(file)).collect();
    Fragment {
        owner,
        key: digest(yaml.as_bytes(), &contents),
        yaml: yaml.into(),
    }
}

fn digest(text: &[u8], contents: &[&[u8]]) -> u128 {
    let mut context = md5::Context::new();
    context.consume(text);
    for content in contents {
        // Lengths keep contents apart.
        context.consume(content.len().to_be_bytes());
        context.consume(content);
    }
    u128::from_be_bytes(context.finalize().0)
}

fn files<'a>(
    assets: impl Iterator<Item = &'a TlsAsset>,
    cache: &Cache<'_>,
) -> BTreeMap<String, Arc<[u8]>> {
    let content = |asset: &TlsAsset| cache.file(asset).filter(|content| !content.is_empty());
    assets
        .filter_map(|asset| Some((asset.path(), Arc::from(content(asset)?))))
        .collect()
}

//! What the discovery thread owns: providers, shared by the jobs whose SD configs are equal, as upstream shares them
//! (prometheus: discovery/manager.go, registerProviders). A namespace's monitors cost one evaluation, not one each.

use super::cluster::Cluster;
use super::context::DiscoveryContext;
use super::file::FileProvider;
use super::groups::{Groups, Standing};
use super::http::HttpProvider;
use super::job::JobDiscovery;
use crate::config::{ScrapeConfig, SdConfig};
use crossbeam_channel::Sender;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

/// Everything discovery works on; owned by its thread.
pub(super) struct Engine {
    context: DiscoveryContext,
    wake: Sender<()>,
    providers: HashMap<u64, Provider>,
    next_id: u64,
    /// Providers by a hash of their config.
    by_config: HashMap<u64, Vec<u64>>,
    jobs: Vec<Job>,
}

struct Job {
    handle: Weak<JobDiscovery>,
    providers: Vec<u64>,
}

struct Provider {
    config: SdConfig,
    hash: u64,
    users: usize,
    source: Source,
    published: Groups,
    standing: Standing,
}

enum Source {
    Static,
    Cluster(Box<Cluster>),
    File(FileProvider),
    Http(HttpProvider),
}

impl Engine {
    pub(super) fn new(context: DiscoveryContext, wake: Sender<()>) -> Self {
        Self {
            context,
            wake,
            providers: HashMap::new(),
            next_id: 0,
            by_config: HashMap::new(),
            jobs: Vec::new(),
        }
    }

    /// Takes new jobs in, forgets those that nobody holds, and brings everything up to date. Returns the jobs for which
    /// something changed.
    pub(super) fn round(&mut self, fresh: Vec<Arc<JobDiscovery>>) -> Vec<Weak<JobDiscovery>> {
        // Added first: a new configuration keeps the providers it has in common with the last one.
        let first_new = self.jobs.len();
        for job in fresh {
            let providers = job.config().discovery.iter();
            let providers = providers
                .map(|sd| self.provider(sd, job.config()))
                .collect();
            self.jobs.push(Job {
                handle: Arc::downgrade(&job),
                providers,
            });
        }
        let mut changed_providers = HashMap::new();
        for (id, provider) in &mut self.providers {
            if provider.step() {
                changed_providers.insert(*id, ());
            }
        }
        let mut changed = Vec::new();
        for (i, job) in self.jobs.iter().enumerate() {
            let touched = i >= first_new
                || job
                    .providers
                    .iter()
                    .any(|id| changed_providers.contains_key(id));
            if touched && self.publish(job) {
                changed.push(Weak::clone(&job.handle));
            }
        }
        self.forget_unused();
        changed
    }

    fn publish(&self, job: &Job) -> bool {
        let Some(handle) = job.handle.upgrade() else {
            return false;
        };
        let providers = job.providers.iter().filter_map(|id| self.providers.get(id));
        let (mut groups, mut standing) = (Vec::new(), Standing::default());
        for provider in providers {
            groups.push(Arc::clone(&provider.published));
            let Standing { missing, problems } = provider.standing.clone();
            standing.missing.extend(missing);
            standing.problems.extend(problems);
        }
        handle.publish(groups, standing)
    }

    fn provider(&mut self, sd: &SdConfig, job: &ScrapeConfig) -> u64 {
        let hash = hash_of(sd);
        let same = self.by_config.entry(hash).or_default();
        for id in same.iter() {
            if let Some(provider) = self.providers.get_mut(id)
                && provider.config == *sd
            {
                provider.users += 1;
                return *id;
            }
        }
        let id = self.next_id;
        self.next_id += 1;
        same.push(id);
        let provider = Provider::open(sd, hash, job, &self.context, &self.wake);
        self.providers.insert(id, provider);
        id
    }

    fn forget_unused(&mut self) {
        let (providers, by_config) = (&mut self.providers, &mut self.by_config);
        self.jobs.retain(|job| {
            if job.handle.strong_count() > 0 {
                return true;
            }
            for id in &job.providers {
                let Some(provider) = providers.get_mut(id) else {
                    continue;
                };
                provider.users -= 1;
                if provider.users == 0 {
                    let hash = provider.hash;
                    providers.remove(id);
                    if let Some(same) = by_config.get_mut(&hash) {
                        same.retain(|other| other != id);
                        if same.is_empty() {
                            by_config.remove(&hash);
                        }
                    }
                }
            }
            false
        });
    }
}

/// Equal configs have equal hashes; those that are cheap to compare all have the same.
fn hash_of(sd: &SdConfig) -> u64 {
    let mut hasher = DefaultHasher::new();
    match sd {
        SdConfig::Kubernetes(sd) => {
            (sd.role, sd.attach, &sd.namespaces, &sd.selectors).hash(&mut hasher);
        }
        SdConfig::File(file) => file.files.hash(&mut hasher),
        SdConfig::Http(http) => http.url.hash(&mut hasher),
        SdConfig::Static(groups) => groups.len().hash(&mut hasher),
    }
    hasher.finish()
}

impl Provider {
    fn open(
        sd: &SdConfig,
        hash: u64,
        job: &ScrapeConfig,
        context: &DiscoveryContext,
        wake: &Sender<()>,
    ) -> Self {
        let (source, published) = match sd {
            SdConfig::Static(groups) => (Source::Static, Groups::from(groups.as_slice())),
            SdConfig::Kubernetes(sd) => {
                let cluster = Cluster::open(sd, &job.job_name, context, wake);
                (Source::Cluster(Box::new(cluster)), Groups::from([]))
            }
            SdConfig::File(sd) => {
                let files = FileProvider::open(sd, Arc::clone(&context.http.files));
                (Source::File(files), Groups::from([]))
            }
            SdConfig::Http(sd) => {
                let http = HttpProvider::open(sd, &job.job_name, context, wake);
                (Source::Http(http), Groups::from([]))
            }
        };
        Self {
            config: sd.clone(),
            hash,
            users: 1,
            source,
            published,
            standing: Standing::default(),
        }
    }

    /// Brings the groups up to date; whether groups or what is missing changed.
    fn step(&mut self) -> bool {
        let (groups, standing) = match &mut self.source {
            Source::Static => return false,
            Source::Cluster(cluster) => (cluster.step(), cluster.standing()),
            Source::File(file) => (file.step(), Standing::missing(file.missing())),
            Source::Http(http) => (http.step(), Standing::missing(http.missing())),
        };
        let changed = groups.is_some() || standing != self.standing;
        self.standing = standing;
        if let Some(groups) = groups {
            self.published = groups;
        }
        changed
    }
}

//! The thread that runs all discovery, and the handles of the jobs that subscribe.

use crate::config::ScrapeConfig;
use crate::http::client;
use crate::kube::{Informers, Tuning};
use crate::model::group::TargetGroup;
use crate::model::labels::Text;
use crate::rt::clock::Clock;
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::RwLock;
use std::io;
use std::sync::Arc;

/// What discovery needs from outside.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The cluster, or the folder that plays it; none with `--no-kubernetes`.
    pub informers: Option<Informers>,
    /// Files, roots, proxies and User-Agent of HTTP clients.
    pub http: client::Surroundings,
    /// Times of watches on API servers that a configuration names itself.
    pub tuning: Tuning,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Runs the discovery of all jobs; lives as long as the receiver, over swaps of the configuration.
#[derive(Debug)]
pub struct Manager {
    changed: (Sender<()>, Receiver<()>),
}

/// One job's discovery. The manager forgets it when the last handle is dropped.
#[derive(Debug)]
pub struct JobDiscovery {
    config: Arc<ScrapeConfig>,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    groups: Vec<Arc<TargetGroup>>,
    problems: Vec<String>,
}

impl Manager {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(_around: Surroundings) -> io::Result<Self> {
        Ok(Self {
            // One slot: a waiting token stands for all changes since.
            changed: bounded(1),
        })
    }

    /// Begins the discovery of a job. A job whose name and discovery are unchanged keeps its handle.
    pub fn subscribe(&self, config: &Arc<ScrapeConfig>) -> Arc<JobDiscovery> {
        Arc::new(JobDiscovery {
            config: Arc::clone(config),
            state: RwLock::new(State {
                groups: Vec::new(),
                problems: vec!["discovery is not built yet".to_owned()],
            }),
        })
    }

    /// Gets a token when groups or states of jobs have changed: see [`Manager::take_changed`].
    pub fn changed(&self) -> &Receiver<()> {
        &self.changed.1
    }

    /// The jobs whose groups or states have changed since the last call.
    pub fn take_changed(&self) -> Vec<Arc<JobDiscovery>> {
        Vec::new()
    }

    /// Reads files again and tries at once what waits for its next attempt (SIGHUP).
    pub fn refresh(&self) {}

    /// Ends all threads of discovery.
    pub fn stop(&self) {}
}

impl JobDiscovery {
    /// The job's name.
    pub fn job_name(&self) -> &Text {
        &self.config.job_name
    }

    /// Whether everything the job needs has been seen once; else what is missing and why.
    ///
    /// # Errors
    /// A line for each thing that is missing.
    pub fn synced(&self) -> Result<(), Vec<String>> {
        match &self.state.read().problems {
            none if none.is_empty() => Ok(()),
            some => Err(some.clone()),
        }
    }

    /// All groups there are now.
    pub fn groups(&self) -> Vec<Arc<TargetGroup>> {
        self.state.read().groups.clone()
    }
}

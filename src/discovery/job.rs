//! The handle of a job that subscribes: its groups as they are now.

use super::groups::{Groups, Standing};
use crate::config::ScrapeConfig;
use crate::model::group::TargetGroup;
use crate::model::labels::Text;
use crossbeam_channel::Sender;
use parking_lot::RwLock;
use std::sync::Arc;

/// One job's discovery. The manager forgets it when the last handle is dropped.
#[derive(Debug)]
pub struct JobDiscovery {
    config: Arc<ScrapeConfig>,
    state: RwLock<State>,
    wake: Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Per provider, in the order of the configuration.
    groups: Vec<Groups>,
    standing: Standing,
    version: u64,
}

impl JobDiscovery {
    pub(super) fn new(config: &Arc<ScrapeConfig>, wake: Sender<()>) -> Self {
        let waiting = vec!["discovery has not begun yet".to_owned()];
        Self {
            config: Arc::clone(config),
            state: RwLock::new(State {
                groups: Vec::new(),
                standing: Standing::missing(waiting),
                version: 0,
            }),
            wake,
        }
    }

    /// The job's name.
    pub fn job_name(&self) -> &Text {
        &self.config.job_name
    }

    /// Whether everything that can be seen has been seen once; else what is waited for and why. What is known is in
    /// [`JobDiscovery::groups`] all the same.
    ///
    /// # Errors
    /// A line for each thing that is waited for.
    pub fn synced(&self) -> Result<(), Vec<String>> {
        match &self.state.read().standing.missing {
            none if none.is_empty() => Ok(()),
            some => Err(some.clone()),
        }
    }

    /// What keeps some of the job's groups from being found while others are complete, such as a namespace that may
    /// not be read.
    pub fn problems(&self) -> Vec<String> {
        self.state.read().standing.problems.clone()
    }

    /// All groups there are now; those that have not changed are the same `Arc` as before.
    pub fn groups(&self) -> Vec<Arc<TargetGroup>> {
        let state = self.state.read();
        let groups = state.groups.iter().flat_map(|groups| groups.iter());
        groups.cloned().collect()
    }

    /// Grows with every change of groups or state.
    pub fn version(&self) -> u64 {
        self.state.read().version
    }

    pub(super) fn config(&self) -> &Arc<ScrapeConfig> {
        &self.config
    }

    /// Sets what is known; whether that is anything new.
    pub(super) fn publish(&self, groups: Vec<Groups>, standing: Standing) -> bool {
        let mut state = self.state.write();
        let same = state.groups.len() == groups.len()
            && state
                .groups
                .iter()
                .zip(&groups)
                .all(|(a, b)| Arc::ptr_eq(a, b))
            && state.standing == standing;
        if !same {
            state.groups = groups;
            state.standing = standing;
            state.version += 1;
        }
        !same
    }
}

impl Drop for JobDiscovery {
    fn drop(&mut self) {
        wake(&self.wake);
    }
}

/// Leaves a token for the discovery thread, or for whoever reads what it finds.
pub(super) fn wake(channel: &Sender<()>) {
    // A full channel means that a wake-up is waiting already; a closed one that the thread has ended.
    channel.try_send(()).ok();
}

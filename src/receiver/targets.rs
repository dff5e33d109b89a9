//! The thread that builds targets: it puts a prepared configuration in place of the running one, and passes on what discovery
//! finds. Relabelling many targets takes its time; the supervisor, which must hear of the end, does not wait for it.

use super::board::Board;
use super::jobs::{Job, common};
use super::outcome::{Answer, Failure, Prepared};
use crate::discovery::Manager;
use crate::model::labels::Text;
use crate::rt::pulse::Pulse;
use crate::rt::stop::Stopped;
use crate::scrape::pool::{JobPlan, Pool};
use crossbeam_channel::{Receiver, Sender, select};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// What became of a request, once what was prepared runs: when to prepare again without any change.
pub(super) type Applied = Result<Option<Instant>, Failure>;

/// What runs.
#[derive(Debug)]
pub(super) struct Running {
    pool: Arc<Pool>,
    discovery: Arc<Manager>,
    board: Arc<Board>,
    /// The running configuration's jobs.
    jobs: Arc<[Arc<Job>]>,
    by_name: HashMap<Text, Arc<Job>>,
}

impl Running {
    /// Nothing runs yet.
    pub(super) fn new(pool: Arc<Pool>, discovery: Arc<Manager>, board: Arc<Board>) -> Self {
        Self {
            pool,
            discovery,
            board,
            jobs: Arc::default(),
            by_name: HashMap::new(),
        }
    }

    /// Runs until it is stopped.
    pub(super) fn run(
        mut self,
        answers: &Receiver<Answer>,
        applied: &Sender<Applied>,
        stopped: &Stopped,
        pulse: &Pulse,
    ) {
        let alive = pulse.begin();
        loop {
            alive.waits();
            select! {
                recv(stopped.channel()) -> _ => return,
                recv(answers) -> answer => {
                    let Ok(answer) = answer else { return };
                    alive.works();
                    let answer = answer.map(|prepared| self.apply(*prepared));
                    if applied.send(answer).is_err() {
                        return;
                    }
                }
                recv(self.discovery.changed()) -> token => {
                    if token.is_err() {
                        return;
                    }
                    alive.works();
                    self.pass_on_targets();
                }
            }
        }
    }

    /// The swap: every job that is unchanged goes on untouched, and costs the comparison of two addresses.
    fn apply(&mut self, prepared: Prepared) -> Option<Instant> {
        let Prepared { loaded, next_look } = prepared;
        let (first, last) = common(&self.jobs, &loaded.jobs, Arc::ptr_eq);
        let middle = |jobs: &Arc<[_]>| jobs.len() - last - first;
        let old = self.jobs.iter().skip(first).take(middle(&self.jobs));
        let new = loaded.jobs.iter().skip(first).take(middle(&loaded.jobs));
        let gone = old.clone().map(|job| Text::clone(&job.name));
        let mut gone: HashSet<Text> = gone.collect();
        let kept: HashSet<_> = old.map(Arc::as_ptr).collect();
        let mut plans = Vec::new();
        for job in new {
            gone.remove(&job.name);
            if !kept.contains(&Arc::as_ptr(job)) {
                plans.push(JobPlan {
                    job: Arc::clone(&job.scrape),
                    groups: job.groups(),
                });
                self.by_name.insert(Text::clone(&job.name), Arc::clone(job));
            }
        }
        let gone: Vec<Text> = gone.into_iter().collect();
        for name in &gone {
            self.by_name.remove(name);
        }
        self.pool.replace(plans, &gone);
        self.jobs = Arc::clone(&loaded.jobs);
        self.board.applied(loaded);
        next_look
    }

    /// Gives the pool the targets of every job for which discovery found something else. A job of a configuration that
    /// is still being prepared is not there yet; its targets are asked for when it is.
    fn pass_on_targets(&self) {
        for found in self.discovery.take_changed() {
            if let Some(job) = self.by_name.get(found.job_name())
                && Arc::ptr_eq(&job.discovery, &found)
                && let Some(groups) = job.groups()
            {
                self.pool.sync(&job.scrape, &groups);
            }
        }
    }
}

//! What becomes of targets when discovery or the configuration changes (prometheus: scrape/scrape.go, sync and reload).
//! Runs under the pool's lock: maps and heaps only. States that are not needed any more are handed out, to be dropped later.

use super::schedule::catch_up;
use super::shared::{JobEntry, Life, Shared, State};
use crate::config::{Limits, ScrapeConfig};
use crate::scrape::job::Job;
use crate::scrape::state::TargetState;
use crate::scrape::target::{Target, Targets};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// States whose targets are gone.
pub(super) type Leftovers = Vec<Box<TargetState>>;

/// Before a scrape: the target takes over what its job is now. It keeps its slots in any case, and what it knows of its
/// series if that is still true (prometheus: scrape/scrape.go, restartLoops and reusableCache). Otherwise it begins anew, and
/// series that only the old rules produced get no markers; upstream's markers then also hit those that live on.
pub(super) fn adopt(shared: &Shared, state: &mut Box<TargetState>, job: &Arc<Job>) {
    if Arc::ptr_eq(state.job(), job) {
        return;
    }
    if knows_the_same(state.job(), job) {
        state.set_job(Arc::clone(job));
    } else {
        *state = new_state(shared, job);
    }
}

/// Whether what a target has learned about its series under one job holds under the other. More changes are harmless than
/// upstream thinks: those that make another target anyway, and discovery.
fn knows_the_same(old: &Job, new: &Job) -> bool {
    let (was, is) = (&*old.config, &*new.config);
    let harmless = ScrapeConfig {
        interval: is.interval,
        timeout: is.timeout,
        limits: Limits {
            samples: is.limits.samples,
            targets: is.limits.targets,
            body_size: is.limits.body_size,
            ..was.limits
        },
        keep_dropped_targets: is.keep_dropped_targets,
        metrics_path: Arc::clone(&is.metrics_path),
        scheme: Arc::clone(&is.scheme),
        params: is.params.clone(),
        enable_compression: is.enable_compression,
        failure_log_file: is.failure_log_file.clone(),
        target_rules: is.target_rules.clone(),
        http: Arc::clone(&is.http),
        discovery: is.discovery.clone(),
        from_file: is.from_file,
        ..was.clone()
    };
    harmless == *is && old.options == new.options && old.external == new.external
}

/// The targets of a job are now these: equal ones stay with their slots, new ones start, the others end.
pub(super) fn apply(
    shared: &Shared,
    state: &mut State,
    job: &Arc<Job>,
    found: Targets,
    fresh: &mut HashMap<u64, Box<TargetState>>,
) -> Leftovers {
    job.note_sync(&found);
    let name = &job.config.job_name;
    let mut known = state
        .jobs
        .remove(name)
        .map_or_else(HashMap::new, |old| old.targets);
    let present: HashSet<u64> = found.active.iter().map(|target| target.hash).collect();
    let gone: Vec<u64> = known
        .iter()
        .filter(|(hash, _)| !present.contains(hash))
        .map(|(_, id)| *id)
        .collect();
    for target in found.active {
        let hash = target.hash;
        let target = Arc::new(target);
        match known.get(&hash) {
            Some(id) => keep(shared, state, *id, target, job),
            None => {
                let new = fresh
                    .remove(&hash)
                    .unwrap_or_else(|| new_state(shared, job));
                known.insert(hash, start(shared, state, target, job, new));
            }
        }
    }
    let entry = JobEntry {
        job: Arc::clone(job),
        next: None,
        targets: known,
        dropped: found.dropped,
        dropped_count: found.dropped_count,
        errors: found.errors,
    };
    state.jobs.insert(Arc::clone(name), entry);
    gone.into_iter()
        .filter_map(|id| end(shared, state, id))
        .collect()
}

/// The state of a target that has not been scraped.
pub(super) fn new_state(shared: &Shared, job: &Arc<Job>) -> Box<TargetState> {
    Box::new(TargetState::new(Arc::clone(job), shared.delivery.open()))
}

fn start(
    shared: &Shared,
    state: &mut State,
    target: Arc<Target>,
    job: &Arc<Job>,
    new: Box<TargetState>,
) -> u64 {
    let now_ns = shared.clock.unix_ms().saturating_mul(1_000_000);
    let due = shared.clock.now() + target.offset(shared.settings.seed, now_ns);
    state.add(target, Arc::clone(job), new, due)
}

/// The same target again; what discovery says of it may be new. One that was about to end goes on as if nothing had been:
/// upstream starts a second loop for it, whose samples then keep the first one's markers away.
fn keep(shared: &Shared, state: &mut State, id: u64, target: Arc<Target>, job: &Arc<Job>) {
    let Some(entry) = state.entries.get_mut(&id) else {
        return;
    };
    entry.target = target;
    entry.job = Arc::clone(job);
    let was_ending = entry.life != Life::Live;
    entry.life = Life::Live;
    if was_ending && entry.state.is_some() {
        let now = shared.clock.now();
        // Slots that passed while it was away were not its own.
        if entry.due <= now {
            let interval = entry.target.interval;
            entry.due = catch_up(entry.due, interval, now).0 + interval;
        }
        let due = entry.due;
        state.schedule(id, due);
    }
}

/// A target has vanished from discovery.
fn end(shared: &Shared, state: &mut State, id: u64) -> Option<Box<TargetState>> {
    let entry = state.entries.get_mut(&id)?;
    match entry.life {
        Life::Live => {
            let at_ms = shared.unix_ms(entry.due);
            entry.life = Life::Ending { at_ms };
        }
        Life::Ending { .. } | Life::Gone => return None,
    }
    // A worker that has it ends the run when it gives it back.
    entry.state.as_ref()?;
    state.end_run(shared, id)
}

/// A job is not of the configuration any more: its targets end without a trace, as upstream; those that are being scraped
/// deliver a last time.
pub(super) fn end_job(state: &mut State, name: &str) -> Leftovers {
    let Some(job) = state.jobs.remove(name) else {
        return Vec::new();
    };
    let mut left = Vec::new();
    for id in job.targets.into_values() {
        match state.entries.get_mut(&id) {
            Some(entry) if entry.state.is_none() => entry.life = Life::Gone,
            _ => left.extend(state.remove(id)),
        }
    }
    left
}

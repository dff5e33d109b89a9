//! Who a target is: its labels after relabelling and what discovery said of it.

use super::group::{RawLabels, TargetGroup};
use super::labels::{Labels, Text};
use std::sync::Arc;

/// What stays the same about a target for as long as it is scraped. Shared by its scrapes, status pages and exporters.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The job's name in the configuration (the label `job` may differ).
    pub job: Text,
    /// Public labels: those that every sample of the target gets.
    pub labels: Labels,
    /// The other labels after relabelling: `__address__`, `__scheme__`, `__param_…`, …
    pub internal: Labels,
    /// What discovery said.
    pub discovered: Discovered,
    /// `__scheme__` before relabelling: what discovery said, or else what the job says.
    pub discovered_scheme: Text,
}

/// Labels before relabelling, kept as a reference into their group and merged on demand.
#[derive(Debug, Clone)]
pub struct Discovered {
    /// The group.
    pub group: Arc<TargetGroup>,
    /// The target's place in the group.
    pub index: usize,
}

impl Discovered {
    /// Group and target labels, merged: the target's win.
    pub fn labels(&self) -> RawLabels {
        let mut merged = self.group.labels.clone();
        for (name, value) in self
            .group
            .targets
            .get(self.index)
            .into_iter()
            .flat_map(RawLabels::iter)
        {
            merged.set(Arc::clone(name), value);
        }
        merged
    }
}

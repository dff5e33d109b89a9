//! Target groups of one provider, and how complete they are.

use crate::model::group::TargetGroup;
use crate::model::labels::Text;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The groups of one provider as they are now; unchanged ones are the same `Arc` as before.
pub(super) type Groups = Arc<[Arc<TargetGroup>]>;

/// Groups by source; one without targets is not kept.
pub(super) type GroupMap = BTreeMap<Text, Arc<TargetGroup>>;

/// How complete the groups of a provider or job are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// What is waited for.
    pub(super) missing: Vec<String>,
    /// What is in the way of a part of the groups; the others are complete without it.
    pub(super) problems: Vec<String>,
}

impl Standing {
    pub(super) fn missing(what: Vec<String>) -> Self {
        Self {
            missing: what,
            problems: Vec::new(),
        }
    }
}

/// Puts groups in their places; whether that changed anything.
pub(super) fn merge(map: &mut GroupMap, groups: Vec<Arc<TargetGroup>>) -> bool {
    let mut changed = false;
    for group in groups {
        changed |= if group.targets.is_empty() {
            map.remove(&group.source).is_some()
        } else if map
            .get(&group.source)
            .is_some_and(|known| **known == *group)
        {
            false
        } else {
            map.insert(Text::clone(&group.source), group);
            true
        };
    }
    changed
}

//! Which groups depend on an object of another kind: found without looking at every group.

use crate::kube::types::kind::Kind;
use crate::kube::types::object::Key;
use std::collections::{BTreeSet, HashMap};

/// Dependencies in both directions.
#[derive(Debug, Default)]
pub(super) struct Index {
    dependents: HashMap<(Kind, Key), BTreeSet<Key>>,
    needs: HashMap<Key, Vec<(Kind, Key)>>,
}

impl Index {
    /// Replaces what a group depends on.
    pub(super) fn set(&mut self, group: &Key, needs: Vec<(Kind, Key)>) {
        for need in self.needs.remove(group).unwrap_or_default() {
            if let Some(dependents) = self.dependents.get_mut(&need) {
                dependents.remove(group);
                if dependents.is_empty() {
                    self.dependents.remove(&need);
                }
            }
        }
        for need in &needs {
            let dependents = self.dependents.entry(need.clone()).or_default();
            dependents.insert(group.clone());
        }
        if !needs.is_empty() {
            self.needs.insert(group.clone(), needs);
        }
    }

    /// The groups that depend on an object.
    pub(super) fn dependents(&self, kind: Kind, key: &Key) -> impl Iterator<Item = &Key> {
        self.dependents
            .get(&(kind, key.clone()))
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_needs_leave_nothing_behind() {
        let mut index = Index::default();
        let (a, b) = (Key::new("n", "a"), Key::new("n", "b"));
        let node = |name: &str| (Kind::Node, Key::new("", name));
        index.set(&a, vec![node("1"), node("1"), node("2")]);
        index.set(&b, vec![node("2")]);
        assert_eq!(index.dependents(Kind::Node, &Key::new("", "2")).count(), 2);
        index.set(&a, vec![node("3")]);
        index.set(&b, Vec::new());
        assert_eq!((index.dependents.len(), index.needs.len()), (1, 1));
    }
}

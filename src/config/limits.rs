//! The limits of a job (prometheus: config/config.go), which scraping enforces.

use super::decode::{Decoder, Result};
use crate::wire::yaml::Node;

/// Limits of a job; 0 means none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// `body_size_limit`, bytes after decompression.
    pub body_size: i64,
    /// `sample_limit`.
    pub samples: u64,
    /// `target_limit`.
    pub targets: u64,
    /// `label_limit`.
    pub labels: u64,
    /// `label_name_length_limit`, bytes.
    pub label_name_length: u64,
    /// `label_value_length_limit`, bytes.
    pub label_value_length: u64,
}

impl Limits {
    pub(super) fn field<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        match key {
            "body_size_limit" => d.size(node, &mut self.body_size)?,
            "sample_limit" => d.uint(node, &mut self.samples)?,
            "target_limit" => d.uint(node, &mut self.targets)?,
            "label_limit" => d.uint(node, &mut self.labels)?,
            "label_name_length_limit" => d.uint(node, &mut self.label_name_length)?,
            "label_value_length_limit" => d.uint(node, &mut self.label_value_length)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// These limits, and the others where there is none.
    pub(super) fn or(self, other: Self) -> Self {
        let or = |own, other| if own == 0 { other } else { own };
        Self {
            body_size: if self.body_size == 0 {
                other.body_size
            } else {
                self.body_size
            },
            samples: or(self.samples, other.samples),
            targets: or(self.targets, other.targets),
            labels: or(self.labels, other.labels),
            label_name_length: or(self.label_name_length, other.label_name_length),
            label_value_length: or(self.label_value_length, other.label_value_length),
        }
    }
}

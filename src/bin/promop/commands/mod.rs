//! What `promop run`, `generate` and `check` do.

pub(crate) mod check;
pub(crate) mod generate;
pub(crate) mod run;

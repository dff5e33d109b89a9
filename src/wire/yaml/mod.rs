//! YAML: the events of `libyaml-safer` as a tree of nodes with style, tag and position (reading), and the operator's
//! style (writing). serde's data model loses all three, and configurations need them: `yes` is not `"yes"`, errors name lines.

pub mod aliasing;
pub mod documents;
pub mod emit;
mod encoding;
pub mod json;
mod node;
mod quick;
pub mod resolve;
pub mod scalar;
pub mod serde;

pub use node::{Data, Error, Node, Style, parse};
pub use quick::parse as parse_block;

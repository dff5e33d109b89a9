//! YAML: the events of `libyaml-safer` as a tree of nodes with style, tag and position (reading), and the operator's
//! style (writing). serde's data model loses all three, and configurations need them: `yes` is not `"yes"`, errors name lines.

pub mod aliasing;
mod compose;
pub mod documents;
pub mod emit;
mod encoding;
pub mod json;
mod node;
mod quick;
pub mod resolve;
pub mod scalar;
pub mod serde;

pub use node::{Data, Error, Node, Style};
pub use quick::parse as parse_block;

/// Reads the first document; `None` if there is none. Later documents are not even looked at, as upstream.
///
/// # Errors
/// Malformed YAML, an unknown alias, or nesting beyond 500 levels.
pub fn parse(text: &[u8]) -> Result<Option<Node<'_>>, Error> {
    match quick::parse(text) {
        Some(node) => Ok(Some(node)),
        None => compose::parse_any(text),
    }
}

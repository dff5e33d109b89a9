//! A YAML document as a tree.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// A node and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'t> {
    /// Line of its first character, counted from 1.
    pub line: u32,
    /// Column of its first character, counted from 1.
    pub column: u32,
    /// The tag as written and expanded, e.g. `tag:yaml.org,2002:int`; none if there was none.
    pub tag: Option<Box<str>>,
    /// What it holds.
    pub data: Data<'t>,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Data<'t> {
    /// Text; what it means depends on style and tag.
    Scalar(Cow<'t, str>, Style),
    /// A list.
    Sequence(Vec<Node<'t>>),
    /// Keys and values in order, duplicates kept.
    Mapping(Vec<(Node<'t>, Node<'t>)>),
    /// `*name`, or the node itself that `&name` marks, which then stands at the same place. Shared, so that aliases of
    /// aliases don't grow.
    Alias(Rc<Node<'t>>),
    /// `*name` inside of what `&name` marks: the node that many levels up.
    Loop(usize),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: its meaning is resolved from its text.
    Plain,
    /// Quoted, or a block: always a string.
    Quoted,
}

/// The text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Line, counted from 1, if it is known.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

impl<'t> Node<'t> {
    /// Whether this is where a node with an anchor stands, not an alias of it.
    pub fn is_marked(&self) -> bool {
        matches!(&self.data, Data::Alias(target) if (target.line, target.column) == (self.line, self.column))
    }

    /// The node itself, or the one an alias stands for.
    pub fn resolved(&self) -> &Node<'t> {
        let mut node = self;
        while let Data::Alias(target) = &node.data {
            node = target;
        }
        node
    }
}

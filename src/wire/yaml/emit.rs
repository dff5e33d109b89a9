//! Writes YAML exactly as `gopkg.in/yaml.v2` v2.4.0 does, which prometheus-operator uses: block style, lists not indented
//! below their key, lines folded at 80 columns, strings quoted only where another type or broken syntax would result.
//! The state machine is libyaml's (`emitterc.go`), reduced to what trees need.

use std::borrow::Cow;

/// A document or a part of one. Maps keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond `i64`.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes; written as text where they are text, else base64 with the tag `!!binary`.
    Bytes(Cow<'a, [u8]>),
    /// A list.
    List(Vec<Tree<'a>>),
    /// Keys and values.
    Map(Pairs<'a>),
}

/// Keys and values in order.
pub type Pairs<'a> = Vec<(Tree<'a>, Tree<'a>)>;

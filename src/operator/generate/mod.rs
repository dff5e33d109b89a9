//! The text: `global` and what follows the jobs ([`head`]), one job per endpoint ([`job`]) and its parts.

pub(super) mod additional;
pub(super) mod head;
mod http;
pub(super) mod job;
mod limits;
mod rules;
mod sd;
pub(super) mod sharding;

use crate::wire::yaml::emit::{Tree, natural_order};
use std::borrow::Cow;

/// A map in the order of upstream's library.
fn naturally_sorted<'a>(pairs: impl Iterator<Item = (&'a str, Tree<'a>)>) -> Tree<'a> {
    let mut pairs: Vec<(&str, Tree<'a>)> = pairs.collect();
    pairs.sort_by(|(a, _), (b, _)| natural_order(a, b));
    let pairs = pairs.into_iter();
    Tree::Map(
        pairs
            .map(|(key, value)| (Tree::Text(Cow::Borrowed(key)), value))
            .collect(),
    )
}

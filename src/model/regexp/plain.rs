//! The patterns that need no engine: literals around at most one `.*`, `.+` or choice of literals. Such a pattern
//! matches in one way only, so the places of its groups follow from the length of the value.

use super::re2::{Kind, Look, Node};

#[derive(Debug)]
pub(super) struct Plain {
    head: Box<str>,
    middle: Middle,
    tail: Box<str>,
    /// Start and end of each group, by its number.
    groups: Box<[Option<(Edge, Edge)>]>,
}

#[derive(Debug)]
enum Middle {
    Nothing,
    /// Anything, of at least that many bytes.
    Any(usize),
    /// One of these, which are sorted.
    OneOf(Box<[Box<str>]>),
}

/// A place in the value.
#[derive(Debug, Clone, Copy)]
enum Edge {
    FromStart(usize),
    FromEnd(usize),
}

/// The pattern taken apart: edges are counted from the start until the middle part is over.
#[derive(Default)]
struct Builder {
    head: String,
    middle: Option<Middle>,
    tail: String,
    groups: Vec<(usize, Edge, Edge)>,
}

impl Plain {
    /// `None` if the pattern is more than that.
    pub(super) fn of(root: &Node) -> Option<Self> {
        let Kind::Concat(nodes) = &root.kind else {
            return None;
        };
        let [first, nodes @ .., last] = nodes.as_slice() else {
            return None;
        };
        if !matches!(
            (&first.kind, &last.kind),
            (Kind::Look(Look::TextStart), Kind::Look(Look::TextEnd))
        ) {
            return None;
        }
        let mut builder = Builder::default();
        nodes.iter().try_for_each(|node| builder.add(node))?;
        Some(builder.build())
    }

    pub(super) fn is_match(&self, value: &str) -> bool {
        match &self.middle {
            Middle::Nothing => value == &*self.head,
            Middle::Any(least) => self.between(value).is_some_and(|part| part.len() >= *least),
            Middle::OneOf(choices) => self.between(value).is_some_and(|part| {
                choices
                    .binary_search_by(|choice| (**choice).cmp(part))
                    .is_ok()
            }),
        }
    }

    /// What stands between head and tail. Most are empty; comparing them all the same is slow where `memcmp` reads a
    /// masked vector at the dangling address of an empty box.
    fn between<'v>(&self, value: &'v str) -> Option<&'v str> {
        let rest = match &*self.head {
            "" => value,
            head => value.strip_prefix(head)?,
        };
        match &*self.tail {
            "" => Some(rest),
            tail => rest.strip_suffix(tail),
        }
    }

    /// What a group holds in a value that matches.
    pub(super) fn group<'v>(&self, group: usize, value: &'v str) -> Option<&'v str> {
        if group == 0 {
            return Some(value);
        }
        let (start, end) = (*self.groups.get(group)?)?;
        let at = |edge| match edge {
            Edge::FromStart(bytes) => Some(bytes),
            Edge::FromEnd(bytes) => value.len().checked_sub(bytes),
        };
        value.get(at(start)?..at(end)?)
    }
}

impl Builder {
    fn add(&mut self, node: &Node) -> Option<()> {
        match &node.kind {
            Kind::Empty => {}
            Kind::Literal { text, fold: false } if self.middle.is_none() => {
                self.head.push_str(text)
            }
            Kind::Literal { text, fold: false } => self.tail.push_str(text),
            Kind::Concat(nodes) => nodes.iter().try_for_each(|node| self.add(node))?,
            Kind::Group(group, node) => {
                let start = self.edge();
                self.add(node)?;
                self.groups.push((*group, start, self.edge()));
            }
            Kind::Repeat {
                node,
                min: least @ 0..=1,
                max: None,
                ..
            } if matches!(node.kind, Kind::Any { newline: true }) => {
                self.set_middle(Middle::Any(*least as usize))?;
            }
            Kind::Alternate(nodes) => {
                let choice = |node: &Node| match &node.kind {
                    Kind::Empty => Some(Box::default()),
                    Kind::Literal { text, fold: false } => Some(Box::from(text.as_str())),
                    _ => None,
                };
                let mut choices = nodes
                    .iter()
                    .map(choice)
                    .collect::<Option<Vec<Box<str>>>>()?;
                choices.sort();
                self.set_middle(Middle::OneOf(choices.into()))?;
            }
            _ => return None,
        }
        Some(())
    }

    fn set_middle(&mut self, middle: Middle) -> Option<()> {
        self.middle.is_none().then(|| self.middle = Some(middle))
    }

    /// The place reached. Counted from the end, it is what has been read of the tail so far; `build` turns that around.
    fn edge(&self) -> Edge {
        match self.middle {
            None => Edge::FromStart(self.head.len()),
            Some(_) => Edge::FromEnd(self.tail.len()),
        }
    }

    fn build(self) -> Plain {
        let tail = self.tail.len();
        let turned = |edge| match edge {
            Edge::FromStart(_) => edge,
            Edge::FromEnd(read) => Edge::FromEnd(tail - read),
        };
        let count = self
            .groups
            .iter()
            .map(|(group, ..)| group + 1)
            .max()
            .unwrap_or(0);
        let mut groups = vec![None; count];
        for (group, start, end) in self.groups {
            if let Some(slot) = groups.get_mut(group) {
                *slot = Some((turned(start), turned(end)));
            }
        }
        Plain {
            head: self.head.into(),
            middle: self.middle.unwrap_or(Middle::Nothing),
            tail: self.tail.into(),
            groups: groups.into(),
        }
    }
}

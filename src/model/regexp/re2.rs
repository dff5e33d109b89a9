//! RE2's syntax as Go's `regexp/syntax` reads it with its Perl flags, as a tree. What it refuses is refused here, in its words.

mod class;
mod unicode;

pub(super) use class::{Class, Item};

use super::Error;

/// A pattern, read.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    /// Names of the groups; the first is the whole match.
    pub(super) names: Vec<Option<Box<str>>>,
}

/// A part of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Levels of the tree below and including this one (upstream allows 1000).
    pub(super) height: u32,
    /// How often the innermost part is copied when nested counts are multiplied out (upstream allows 1000).
    copies: u32,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Empty,
    Literal {
        text: String,
        fold: bool,
    },
    Class {
        class: Class,
        fold: bool,
    },
    /// `.`; whether it matches a line feed.
    Any {
        newline: bool,
    },
    Look(Look),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Group(usize, Box<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        lazy: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    Boundary,
    NotBoundary,
}

const MAX_HEIGHT: u32 = 1000;
const MAX_COUNT: u32 = 1000;

impl Node {
    /// How many places of the pattern the engine can be at for one byte, about. Literals count little: few of them fit a
    /// text at once.
    pub(super) fn steps(&self) -> u64 {
        match &self.kind {
            Kind::Empty | Kind::Look(_) => 0,
            Kind::Literal { text, .. } => text.len() as u64 / 8,
            Kind::Class { .. } => 2,
            Kind::Any { .. } => 4,
            Kind::Concat(nodes) | Kind::Alternate(nodes) => {
                let steps = nodes.iter().map(Self::steps);
                steps.fold(0, u64::saturating_add)
            }
            Kind::Group(_, node) => node.steps(),
            Kind::Repeat { node, min, max, .. } => {
                let times = u64::from(max.unwrap_or(min + 1).max(1));
                node.steps().saturating_add(1).saturating_mul(times)
            }
        }
    }

    fn leaf(kind: Kind) -> Self {
        Self {
            kind,
            height: 1,
            copies: 0,
        }
    }

    fn list(kind: fn(Vec<Self>) -> Kind, nodes: Vec<Self>) -> Self {
        let height = 1 + nodes.iter().map(|n| n.height).max().unwrap_or(0);
        let copies = nodes.iter().map(|n| n.copies).max().unwrap_or(0);
        Self {
            kind: kind(nodes),
            height,
            copies,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_all: bool,
    lazy: bool,
}

/// What is open: the whole pattern or a group.
#[derive(Default)]
struct Frame {
    done: Vec<Node>,
    current: Vec<Node>,
    capture: Option<usize>,
    /// The flags outside.
    flags: Flags,
}

struct Parser<'p> {
    whole: &'p str,
    rest: &'p str,
    flags: Flags,
    frames: Vec<Frame>,
    frame: Frame,
    names: Vec<Option<Box<str>>>,
}

fn bad<T>(what: &'static str, part: &str) -> Result<T, Error> {
    Err(Error::Syntax {
        what,
        part: part.to_owned(),
    })
}

pub(super) fn parse(whole: &str) -> Result<Parsed, Error> {
    let mut parser = Parser {
        whole,
        rest: whole,
        flags: Flags::default(),
        frames: Vec::new(),
        frame: Frame::default(),
        names: vec![None],
    };
    let mut last_repeat = None;
    while let Some(c) = parser.rest.chars().next() {
        let before = parser.rest;
        let is_repeat = parser.step(c, last_repeat)?;
        last_repeat = is_repeat.then_some(before);
    }
    if !parser.frames.is_empty() {
        return bad("missing closing )", whole);
    }
    let frame = std::mem::take(&mut parser.frame);
    Ok(Parsed {
        root: parser.alternate(frame)?,
        names: parser.names,
    })
}

impl<'p> Parser<'p> {
    /// Reads one element; whether it was a repetition.
    fn step(&mut self, c: char, last_repeat: Option<&'p str>) -> Result<bool, Error> {
        match c {
            '(' if self.rest.starts_with("(?") => self.flags_or_group()?,
            '(' => {
                self.skip(1);
                self.open(Some(None));
            }
            ')' => self.close()?,
            '|' => {
                self.skip(1);
                let current = std::mem::take(&mut self.frame.current);
                let node = self.concat(current)?;
                self.frame.done.push(node);
            }
            '^' => self.look(
                1,
                if self.flags.multi_line {
                    Look::LineStart
                } else {
                    Look::TextStart
                },
            ),
            '$' => self.look(
                1,
                if self.flags.multi_line {
                    Look::LineEnd
                } else {
                    Look::TextEnd
                },
            ),
            '.' => {
                self.skip(1);
                self.push(Kind::Any {
                    newline: self.flags.dot_all,
                });
            }
            '[' => self.class()?,
            '*' | '+' | '?' => {
                let before = self.rest;
                self.skip(1);
                let (min, max) = match c {
                    '*' => (0, None),
                    '+' => (1, None),
                    _ => (0, Some(1)),
                };
                self.repeat(min, max, false, before, last_repeat)?;
                return Ok(true);
            }
            '{' => {
                let before = self.rest;
                let Some((min, max, rest)) = counts(self.rest) else {
                    self.skip(1);
                    self.literal('{');
                    return Ok(false);
                };
                self.rest = rest;
                let out_of_range = |n: u32| n > MAX_COUNT;
                if out_of_range(min) || max.is_some_and(|max| out_of_range(max) || min > max) {
                    return bad("invalid repeat count", self.since(before));
                }
                self.repeat(min, max, true, before, last_repeat)?;
                return Ok(true);
            }
            '\\' => self.escape()?,
            _ => {
                self.skip(c.len_utf8());
                self.literal(c);
            }
        }
        Ok(false)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// What was read since then.
    fn since(&self, before: &'p str) -> &'p str {
        before
            .get(..before.len() - self.rest.len())
            .unwrap_or(before)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.skip(c.len_utf8());
        Some(c)
    }

    fn push(&mut self, kind: Kind) {
        self.frame.current.push(Node::leaf(kind));
    }

    fn literal(&mut self, c: char) {
        self.push(Kind::Literal {
            text: c.to_string(),
            fold: self.flags.fold,
        });
    }

    fn look(&mut self, length: usize, look: Look) {
        self.skip(length);
        self.push(Kind::Look(look));
    }

    /// Opens a group: `None` only groups, `Some` captures, maybe with a name.
    fn open(&mut self, capture: Option<Option<Box<str>>>) {
        let capture = capture.map(|name| {
            self.names.push(name);
            self.names.len() - 1
        });
        let frame = Frame {
            capture,
            flags: self.flags,
            ..Frame::default()
        };
        self.frames.push(std::mem::replace(&mut self.frame, frame));
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(outer) = self.frames.pop() else {
            return bad("unexpected )", self.whole);
        };
        self.skip(1);
        let frame = std::mem::replace(&mut self.frame, outer);
        self.flags = frame.flags;
        let capture = frame.capture;
        let node = self.alternate(frame)?;
        let node = match capture {
            None => node,
            Some(group) => self.checked(Node {
                height: node.height + 1,
                copies: node.copies,
                kind: Kind::Group(group, Box::new(node)),
            })?,
        };
        self.frame.current.push(node);
        Ok(())
    }

    fn checked(&self, node: Node) -> Result<Node, Error> {
        if node.height > MAX_HEIGHT {
            return bad("expression nests too deeply", self.whole);
        }
        Ok(node)
    }

    /// Neighbouring literals become one, nested lists are flattened.
    fn concat(&self, nodes: Vec<Node>) -> Result<Node, Error> {
        let mut flat: Vec<Node> = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node.kind {
                Kind::Concat(inner) => inner.into_iter().for_each(|node| join(&mut flat, node)),
                _ => join(&mut flat, node),
            }
        }
        match flat.len() {
            0 => Ok(Node::leaf(Kind::Empty)),
            1 => Ok(flat.remove(0)),
            _ => self.checked(Node::list(Kind::Concat, flat)),
        }
    }

    fn alternate(&self, frame: Frame) -> Result<Node, Error> {
        let last = self.concat(frame.current)?;
        if frame.done.is_empty() {
            return Ok(last);
        }
        let mut flat = Vec::with_capacity(frame.done.len() + 1);
        for node in frame.done.into_iter().chain([last]) {
            match node.kind {
                Kind::Alternate(inner) => flat.extend(inner),
                _ => flat.push(node),
            }
        }
        self.checked(Node::list(Kind::Alternate, flat))
    }

    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        counted: bool,
        before: &'p str,
        last_repeat: Option<&'p str>,
    ) -> Result<(), Error> {
        let mut lazy = self.flags.lazy;
        if self.rest.starts_with('?') {
            self.skip(1);
            lazy = !lazy;
        }
        if let Some(last) = last_repeat {
            return bad("invalid nested repetition operator", self.since(last));
        }
        let Some(node) = self.frame.current.pop() else {
            return bad(
                "missing argument to repetition operator",
                self.since(before),
            );
        };
        let copies = match (counted, max.unwrap_or(min)) {
            (true, 0) if max.is_some() => 0,
            (true, count) if count > 0 => count * node.copies.max(1),
            _ => node.copies,
        };
        if counted && (min >= 2 || max.is_some_and(|max| max >= 2)) && copies > MAX_COUNT {
            return bad("invalid repeat count", self.since(before));
        }
        let height = node.height + 1;
        let kind = Kind::Repeat {
            node: Box::new(node),
            min,
            max,
            lazy,
        };
        let node = self.checked(Node {
            kind,
            height,
            copies,
        })?;
        self.frame.current.push(node);
        Ok(())
    }

    /// `(?P<name>`, `(?<name>`, `(?i)`, `(?i-s:` and the like.
    fn flags_or_group(&mut self) -> Result<(), Error> {
        let before = self.rest;
        // As upstream: these prefixes count as a name only if something follows.
        let named = (before.strip_prefix("(?P<")).or_else(|| before.strip_prefix("(?<"));
        if let Some(tail) = named.filter(|tail| !tail.is_empty()) {
            let Some((name, rest)) = tail.split_once('>') else {
                return bad("invalid named capture", before);
            };
            self.rest = rest;
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return bad("invalid named capture", self.since(before));
            }
            self.open(Some(Some(Box::from(name))));
            return Ok(());
        }
        self.skip(2);
        let (mut flags, mut on, mut seen) = (self.flags, true, false);
        while let Some(c) = self.next() {
            match c {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                'U' => flags.lazy = on,
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if on || seen => {
                    if c == ':' {
                        self.open(None);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            seen = true;
        }
        bad("invalid or unsupported Perl syntax", self.since(before))
    }

    /// A backslash outside a class.
    fn escape(&mut self) -> Result<(), Error> {
        match self.rest.chars().nth(1) {
            Some('A') => self.look(2, Look::TextStart),
            Some('z') => self.look(2, Look::TextEnd),
            Some('b') => self.look(2, Look::Boundary),
            Some('B') => self.look(2, Look::NotBoundary),
            Some('C') => return bad("invalid escape sequence", "\\C"),
            Some('Q') => {
                self.skip(2);
                let (literal, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                literal.chars().for_each(|c| self.literal(c));
            }
            _ => {
                if let Some(item) = self.class_escape()? {
                    let class = Class {
                        negated: false,
                        items: vec![item],
                    };
                    self.push(Kind::Class {
                        class,
                        fold: self.flags.fold,
                    });
                } else if let Some(c) = self.character()? {
                    self.literal(c);
                } else {
                    let class = Class {
                        negated: false,
                        items: vec![Item::Nothing],
                    };
                    self.push(Kind::Class { class, fold: false });
                }
            }
        }
        Ok(())
    }
}

/// Adds a node to a sequence, to its neighbour if both are literals.
fn join(nodes: &mut Vec<Node>, node: Node) {
    if let (Kind::Literal { text, fold }, Some(last)) = (&node.kind, nodes.last_mut())
        && let Kind::Literal {
            text: before,
            fold: other,
        } = &mut last.kind
        && fold == other
    {
        before.push_str(text);
        return;
    }
    nodes.push(node);
}

/// `{2}`, `{2,}` or `{2,3}` at the start; anything else makes the brace a literal.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (min, rest) = number(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = number(rest)?;
            (Some(max), rest)
        }
    };
    Some((min, max, rest.strip_prefix('}')?))
}

/// Digits without a leading zero; too large a number becomes one that is refused anyway.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(end)?;
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}

//! Strict decoding of nodes, as go-yaml v2 does it for Prometheus: type errors, unknown and duplicate keys are collected with
//! their lines; a value that is wrong in itself (a duration, a regular expression) ends the load at once; null sets zero.

mod values;

use super::shared::Shared;
use super::{Error, Stage};
use crate::model::labels::Text;
use crate::model::quote::quoted;
use crate::wire::yaml::aliasing::Aliasing;
use crate::wire::yaml::scalar::{self, Scalar, is_merge, is_null_word};
use crate::wire::yaml::{Data, Node, Style};
use std::borrow::Cow;

pub(super) type Result<T = ()> = std::result::Result<T, Error>;

/// Takes an entry of a mapping with free keys, and says whether the key was new.
type Entry<'d, 'n, 'l> =
    dyn FnMut(&mut Decoder<'n, 'l>, Cow<'n, str>, &'n Node<'n>) -> Result<bool> + 'd;

/// Walks the nodes of one document.
pub(super) struct Decoder<'n, 'l> {
    pub(super) shared: &'l mut Shared,
    problems: Vec<Problem>,
    /// Where the first string stands that is not UTF-8.
    not_utf8: Option<String>,
    path: Vec<Step<'n>>,
    /// The nodes that are being decoded, from the root down.
    open: Vec<&'n Node<'n>>,
    /// Aliases of open nodes that are being followed.
    loops: Vec<&'n Node<'n>>,
    aliasing: Aliasing,
}

/// A collected error.
struct Problem {
    line: u32,
    path: String,
    message: String,
}

const NOT_UTF8: &str = "not valid UTF-8";

#[derive(Clone)]
enum Step<'n> {
    Key(Cow<'n, str>),
    Index(usize),
}

/// What became of a mapping or list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// It was one.
    Filled,
    /// It was null: the zero value.
    Null,
    /// It was something else, which has been noted.
    Wrong,
}

impl<'n, 'l> Decoder<'n, 'l> {
    pub(super) fn new(shared: &'l mut Shared) -> Self {
        Self {
            shared,
            problems: Vec::new(),
            not_utf8: None,
            path: Vec::new(),
            open: Vec::new(),
            loops: Vec::new(),
            aliasing: Aliasing::default(),
        }
    }

    /// How many errors have been collected so far: who has some of its own skips its validation.
    pub(super) fn problems(&self) -> usize {
        self.problems.len()
    }

    /// All collected errors as one, if there are any.
    pub(super) fn finish(self) -> Result {
        let Some(first) = self.problems.first() else {
            return match self.not_utf8 {
                None => Ok(()),
                Some(path) => Err(Error::invalid(path, NOT_UTF8)),
            };
        };
        let rest = self.problems.iter().skip(1);
        let more: String = rest
            .map(|problem| {
                format!(
                    "; line {}: {}: {}",
                    problem.line, problem.path, problem.message
                )
            })
            .collect();
        Err(Error {
            stage: Stage::Decode,
            path: first.path.clone(),
            lines: self.problems.iter().map(|problem| problem.line).collect(),
            message: format!("{}{more}", first.message),
        })
    }

    /// An error that ends the load: the value at the present place is wrong.
    pub(super) fn wrong<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Error {
            stage: Stage::Value,
            path: path_text(&self.path),
            lines: Vec::new(),
            message: message.into(),
        })
    }

    fn broken<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Error {
            stage: Stage::Decode,
            path: path_text(&self.path),
            lines: Vec::new(),
            message: message.into(),
        })
    }

    pub(super) fn note(&mut self, line: u32, message: impl Into<String>) {
        let path = path_text(&self.path);
        self.problems.push(Problem {
            line,
            path,
            message: message.into(),
        });
    }

    /// Notes that a node has the wrong type.
    fn wrong_type(&mut self, node: &Node<'_>, want: &str) {
        let found = match &node.data {
            Data::Sequence(_) => "a list".to_owned(),
            Data::Mapping(_) => "a mapping".to_owned(),
            // `basic_auth: …` or `authorization: …` with nothing but a password behind it: it is not repeated.
            _ if matches!(want, "a mapping" | "a list") => "a single value".to_owned(),
            _ => {
                let short = node
                    .tag
                    .as_deref()
                    .map(|tag| tag.replace("tag:yaml.org,2002:", "!!"));
                let resolved = scalar::resolve(node).ok().flatten();
                let tag =
                    short.unwrap_or_else(|| resolved.map_or("", |value| value.tag()).to_owned());
                let text = if let Data::Scalar(text, _) = &node.data {
                    &**text
                } else {
                    ""
                };
                format!("{tag} {}", quoted(text))
            }
        };
        self.note(node.line, format!("{found} where {want} is expected"));
    }

    /// Follows aliases and counts.
    pub(super) fn visit<T>(
        &mut self,
        node: &'n Node<'n>,
        then: impl FnOnce(&mut Self, &'n Node<'n>) -> Result<T>,
    ) -> Result<T> {
        let (mut node, mut aliases, loops) = (node, 0, self.loops.len());
        loop {
            let target = match &node.data {
                Data::Alias(target) => target,
                Data::Loop(above) => self.ancestor(node, *above)?,
                _ => break,
            };
            if !node.is_marked() {
                self.count()?;
                aliases += 1;
                self.aliasing.enter();
            }
            node = target;
        }
        self.count()?;
        self.open.push(node);
        let result = then(self, node);
        self.open.pop();
        self.loops.truncate(loops);
        self.aliasing.leave(aliases);
        result
    }

    /// What an alias inside of its own anchor stands for. As upstream, that is fine until it is met inside of itself.
    fn ancestor(&mut self, alias: &'n Node<'n>, above: usize) -> Result<&'n Node<'n>> {
        let target = self
            .open
            .len()
            .checked_sub(above)
            .and_then(|at| self.open.get(at).copied());
        match target.filter(|_| !self.loops.iter().any(|met| std::ptr::eq(*met, alias))) {
            Some(target) => {
                self.loops.push(alias);
                Ok(target)
            }
            None => self.broken("the value of an anchor contains itself"),
        }
    }

    fn count(&mut self) -> Result {
        if self.aliasing.is_excessive() {
            return self.broken("document contains excessive aliasing");
        }
        Ok(())
    }

    /// A mapping with known keys: `field` decodes a key's value, or says `false` if it doesn't know the key.
    pub(super) fn fields(
        &mut self,
        node: &'n Node<'n>,
        field: &mut dyn FnMut(&mut Self, &str, &'n Node<'n>) -> Result<bool>,
    ) -> Result<Shape> {
        self.visit(node, |d, node| {
            let Data::Mapping(pairs) = &node.data else {
                return d.no_mapping(node);
            };
            let mut seen: Vec<Cow<'n, str>> = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                if is_merge(key) {
                    d.merge(value, &mut |d, node| d.fields(node, field))?;
                    continue;
                }
                let Some(name) = d.string(key)? else {
                    continue;
                };
                if seen.contains(&name) {
                    d.note(key.line, format!("field {} already set", quoted(&name)));
                    continue;
                }
                d.path.push(Step::Key(name.clone()));
                let known = field(d, &name, value)?;
                if known {
                    seen.push(name);
                } else {
                    d.note(key.line, "unknown field");
                }
                d.path.pop();
            }
            Ok(Shape::Filled)
        })
    }

    fn no_mapping(&mut self, node: &'n Node<'n>) -> Result<Shape> {
        if self.scalar(node)? == Some(Scalar::Null) {
            return Ok(Shape::Null);
        }
        self.wrong_type(node, "a mapping");
        Ok(Shape::Wrong)
    }

    fn merge(
        &mut self,
        node: &'n Node<'n>,
        again: &mut dyn FnMut(&mut Self, &'n Node<'n>) -> Result<Shape>,
    ) -> Result {
        let is_mapping = |node: &Node| matches!(node.resolved().data, Data::Mapping(_));
        match if node.is_marked() {
            &node.resolved().data
        } else {
            &node.data
        } {
            Data::Sequence(items) if items.iter().all(is_mapping) => {
                // Earlier ones take precedence, so they come last.
                for item in items.iter().rev() {
                    again(self, item)?;
                }
            }
            _ if is_mapping(node) => {
                again(self, node)?;
            }
            _ => return self.broken("map merge requires map or sequence of maps as the value"),
        }
        Ok(())
    }

    /// A mapping with free keys: `each` gets the key and the value's node, and says whether the key was new.
    pub(super) fn entries(
        &mut self,
        node: &'n Node<'n>,
        each: &mut Entry<'_, 'n, 'l>,
    ) -> Result<Shape> {
        self.visit(node, |d, node| {
            let Data::Mapping(pairs) = &node.data else {
                return d.no_mapping(node);
            };
            for (key, value) in pairs {
                if is_merge(key) {
                    d.merge(value, &mut |d, node| d.entries(node, each))?;
                } else if let Some(name) = d.string(key)? {
                    d.path.push(Step::Key(name.clone()));
                    if !each(d, name, value)? {
                        d.note(value.line, "key already set");
                    }
                    d.path.pop();
                }
            }
            Ok(Shape::Filled)
        })
    }

    /// A list.
    pub(super) fn items(
        &mut self,
        node: &'n Node<'n>,
        each: &mut dyn FnMut(&mut Self, &'n Node<'n>) -> Result,
    ) -> Result<Shape> {
        self.visit(node, |d, node| {
            let Data::Sequence(items) = &node.data else {
                if d.scalar(node)? == Some(Scalar::Null) {
                    return Ok(Shape::Null);
                }
                d.wrong_type(node, "a list");
                return Ok(Shape::Wrong);
            };
            for (index, item) in items.iter().enumerate() {
                d.path.push(Step::Index(index));
                each(d, item)?;
                d.path.pop();
            }
            Ok(Shape::Filled)
        })
    }

    /// Whether a node is null for types that decode themselves, and nothing else.
    pub(super) fn is_null(&mut self, node: &'n Node<'n>) -> Result<bool> {
        let found = node.resolved();
        match &found.data {
            // Upstream does not ask the type to decode these, either, and then finds a string.
            Data::Scalar(text, Style::Quoted)
                if found.tag.is_none() && matches!(&**text, "~" | "null") =>
            {
                self.wrong_type(found, "something that is no string");
                Ok(true)
            }
            _ => self.is_unquoted_null(node),
        }
    }

    /// The same for types that also decode text, which a quoted null is.
    pub(super) fn is_unquoted_null(&mut self, node: &'n Node<'n>) -> Result<bool> {
        let node = node.resolved();
        match &node.data {
            _ if !scalar::is_null(node) => return Ok(false),
            // A tag alone says so; what it is on may contradict it.
            Data::Scalar(..) => drop(self.scalar(node)?),
            _ => self.wrong_type(node, "null"),
        }
        Ok(true)
    }

    fn scalar(&self, node: &'n Node<'n>) -> Result<Option<Scalar<'n>>> {
        scalar::resolve(node).or_else(|message| self.broken(message))
    }

    /// Bytes of a string field: the source text of any scalar, whatever it means; null is empty. `None`: noted.
    pub(super) fn bytes(&mut self, node: &'n Node<'n>) -> Result<Option<Cow<'n, [u8]>>> {
        self.visit(node, |d, node| {
            match (&node.data, &node.tag) {
                (Data::Scalar(text, Style::Quoted), None) => {
                    return Ok(Some(Cow::Borrowed(text.as_bytes())));
                }
                (Data::Scalar(text, Style::Plain), None) => {
                    let text = if is_null_word(text) { "" } else { text };
                    return Ok(Some(Cow::Borrowed(text.as_bytes())));
                }
                _ => {}
            }
            Ok(match (d.scalar(node)?, &node.data) {
                (Some(Scalar::Null), _) => Some(Cow::Borrowed(&[])),
                (Some(Scalar::Binary(bytes)), _) => Some(Cow::Owned(bytes)),
                (Some(_), Data::Scalar(text, _)) => Some(Cow::Borrowed(text.as_bytes())),
                _ => {
                    d.wrong_type(node, "a string");
                    None
                }
            })
        })
    }

    /// A string. `None`: it is none, which has been noted. Upstream takes any bytes, and goes on to what else is wrong.
    pub(super) fn string(&mut self, node: &'n Node<'n>) -> Result<Option<Cow<'n, str>>> {
        let text = match self.bytes(node)? {
            None => return Ok(None),
            Some(Cow::Borrowed(bytes)) => String::from_utf8_lossy(bytes),
            Some(Cow::Owned(bytes)) => Cow::Owned(self.utf8(bytes)),
        };
        Ok(Some(text))
    }

    fn utf8(&mut self, bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap_or_else(|error| {
            self.not_utf8.get_or_insert_with(|| path_text(&self.path));
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })
    }

    /// Ends the load if a text just read is not UTF-8: upstream takes any bytes, but not here.
    pub(super) fn refuse_not_utf8(&self, text: &str) -> Result {
        match self.not_utf8 {
            Some(_) if text.contains(char::REPLACEMENT_CHARACTER) => self.wrong(NOT_UTF8),
            _ => Ok(()),
        }
    }

    pub(super) fn text(&mut self, node: &'n Node<'n>, slot: &mut Text) -> Result {
        if let Some(text) = self.string(node)? {
            *slot = self.shared.intern(&text);
        }
        Ok(())
    }

    pub(super) fn boxed(&mut self, node: &'n Node<'n>, slot: &mut Box<str>) -> Result {
        if let Some(text) = self.string(node)? {
            *slot = text.into();
        }
        Ok(())
    }

    /// A list of strings.
    pub(super) fn strings(&mut self, node: &'n Node<'n>) -> Result<(Shape, Vec<Cow<'n, str>>)> {
        let mut all = Vec::new();
        let shape = self.items(node, &mut |d, item| {
            all.extend(d.string(item)?);
            Ok(())
        })?;
        Ok((shape, all))
    }

    pub(super) fn boxes(&mut self, node: &'n Node<'n>, slot: &mut Vec<Box<str>>) -> Result {
        let (_, strings) = self.strings(node)?;
        *slot = strings.into_iter().map(Into::into).collect();
        Ok(())
    }
}

fn path_text(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                text.push_str(if text.is_empty() { "" } else { "." });
                // Keys are any text.
                let shown = quoted(key);
                let is_plain = shown.len() == key.len() + 2;
                text.push_str(if is_plain { key } else { &shown });
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

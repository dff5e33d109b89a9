//! Regular expressions with RE2's syntax and meaning, spliced between `^(?s:` and `)$` as relabelling does it, on the
//! `regex` crate (prometheus: model/relabel/relabel.go, `Regexp`). What most rules are made of (a literal, a choice of
//! literals, one `.*` or `.+`) is matched without the engine.

mod emit;
mod plain;
mod re2;
mod template;

pub use template::Template;

use super::bounds::Exceeded;
use super::labels::Text;
use super::quote::quoted;
use plain::Plain;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Longer patterns are refused before they are looked at.
const MAX_PATTERN: usize = 64 << 10;

/// Bound of a compiled pattern: what keeps one match of a hostile pattern against 64 KiB below a quarter of a second.
const MAX_PROGRAM: usize = 256 << 10;

/// Bound of nesting for patterns that need the engine, whose compiler calls itself for each level: 250 levels fit into
/// any of our stacks. Upstream allows 1000.
const MAX_DEPTH: u32 = 250;

/// Bound of the cache that a pattern's lazy automaton may fill, for each thread that is matching at the moment.
const MAX_CACHE: usize = 256 << 10;

/// A pattern that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not RE2's syntax: what is wrong, in Go's words, and where.
    Syntax {
        /// For example `missing closing )`.
        what: &'static str,
        /// The part of the (anchored) pattern concerned.
        part: String,
    },
    /// Longer than 64 KiB.
    TooLong,
    /// Nested deeper than 250 levels.
    TooDeep,
    /// It takes more than 256 KiB once compiled.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { what, part } => {
                write!(f, "error parsing regexp: {what}: {}", quoted(part))
            }
            Self::TooLong => write!(f, "regexp is longer than {MAX_PATTERN} bytes"),
            Self::TooDeep => write!(f, "regexp nests deeper than {MAX_DEPTH} levels"),
            Self::TooLarge => write!(
                f,
                "regexp takes more than {MAX_PROGRAM} bytes when compiled: use fewer or smaller repetitions"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// A compiled pattern.
#[derive(Debug)]
pub struct Regexp {
    pattern: Text,
    matcher: Matcher,
    /// What each byte of a text costs at worst.
    steps: u64,
    /// The names of the capturing groups, the whole match being the first.
    names: Box<[Option<Box<str>>]>,
}

#[derive(Debug)]
enum Matcher {
    Plain(Plain),
    Engine(regex::Regex),
}

impl Regexp {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// RE2 would refuse it, or it is too large.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        if pattern.len() > MAX_PATTERN {
            return Err(Error::TooLong);
        }
        let parsed = re2::parse(&format!("^(?s:{pattern})$"))?;
        let matcher = match Plain::of(&parsed.root) {
            Some(plain) => Matcher::Plain(plain),
            None if parsed.root.height > MAX_DEPTH => return Err(Error::TooDeep),
            None => Matcher::Engine(compile(&parsed.root)?),
        };
        let steps = match &matcher {
            Matcher::Plain(_) => 1,
            Matcher::Engine(_) => parsed.root.steps().max(1),
        };
        Ok(Self {
            pattern: Text::from(pattern),
            matcher,
            steps,
            names: parsed.names.into(),
        })
    }

    /// Whether RE2 would accept a pattern; nothing is compiled.
    ///
    /// # Errors
    /// RE2 would refuse it, or it is too long.
    pub fn check(pattern: &str) -> Result<(), Error> {
        if pattern.len() > MAX_PATTERN {
            return Err(Error::TooLong);
        }
        re2::parse(&format!("^(?s:{pattern})$")).map(drop)
    }

    /// The pattern as it was written, without the anchors.
    pub fn pattern(&self) -> &Text {
        &self.pattern
    }

    /// How many steps a match takes at worst for each byte of the text: about the number of places of the pattern at which
    /// the engine can be at once.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether the pattern matches. A pattern with unbalanced parentheses (`a)|(b`) may match a part of the value.
    pub fn is_match(&self, value: &str) -> bool {
        match &self.matcher {
            Matcher::Plain(plain) => plain.is_match(value),
            Matcher::Engine(regex) => regex.is_match(value),
        }
    }

    /// Appends templates, with the groups of the first match filled in; `false` if there is no match.
    ///
    /// # Errors
    /// One of them would be longer than `limit` bytes.
    pub fn expand(
        &self,
        value: &str,
        into: &mut [(&Template, &mut String)],
        limit: usize,
    ) -> Result<bool, Exceeded> {
        match &self.matcher {
            Matcher::Plain(plain) => {
                if !plain.is_match(value) {
                    return Ok(false);
                }
                for (template, out) in into {
                    template.expand(out, limit, |group| plain.group(group, value))?;
                }
            }
            Matcher::Engine(regex) => {
                let Some(captures) = regex.captures(value) else {
                    return Ok(false);
                };
                for (template, out) in into {
                    template.expand(out, limit, |group| {
                        captures.get(group).map(|found| found.as_str())
                    })?;
                }
            }
        }
        Ok(true)
    }

    /// The value with every match replaced; `None` if there is none.
    ///
    /// # Errors
    /// It would be longer than `limit` bytes by replacements.
    pub fn replace_all(
        &self,
        value: &str,
        template: &Template,
        limit: usize,
    ) -> Result<Option<String>, Exceeded> {
        let mut out = String::new();
        let regex = match &self.matcher {
            Matcher::Plain(_) => {
                let matched = self.expand(value, &mut [(template, &mut out)], limit)?;
                return Ok(matched.then_some(out));
            }
            Matcher::Engine(regex) => regex,
        };
        let mut copied = None;
        for captures in regex.captures_iter(value) {
            let whole = captures.get_match();
            out.push_str(
                value
                    .get(copied.unwrap_or(0)..whole.start())
                    .unwrap_or_default(),
            );
            template.expand(&mut out, limit, |group| {
                captures.get(group).map(|found| found.as_str())
            })?;
            copied = Some(whole.end());
        }
        let Some(copied) = copied else {
            return Ok(None);
        };
        out.push_str(value.get(copied..).unwrap_or_default());
        Ok(Some(out))
    }

    /// The groups of that name, in order; the number of groups if it is asked for by number.
    fn groups_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let names = self.names.iter().enumerate();
        names
            .filter(move |(_, known)| known.as_deref() == Some(name))
            .map(|(at, _)| at)
    }
}

fn compile(root: &re2::Node) -> Result<regex::Regex, Error> {
    regex::RegexBuilder::new(&emit::emit(root))
        .nest_limit(u32::MAX)
        .size_limit(MAX_PROGRAM)
        .dfa_size_limit(MAX_CACHE)
        .build()
        .map_err(|_| Error::TooLarge)
}

/// Compiled patterns by their text: equal patterns of one load are compiled once.
#[derive(Debug, Default)]
pub struct Patterns(HashMap<Text, Arc<Regexp>>);

impl Patterns {
    /// The compiled pattern.
    ///
    /// # Errors
    /// As [`Regexp::new`].
    pub fn get(&mut self, pattern: &str) -> Result<Arc<Regexp>, Error> {
        if let Some(known) = self.0.get(pattern) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(Regexp::new(pattern)?);
        self.0.insert(Arc::clone(&new.pattern), Arc::clone(&new));
        Ok(new)
    }

    /// Forgets the patterns that nothing else uses.
    pub fn sweep(&mut self) {
        self.0.retain(|_, regexp| Arc::strong_count(regexp) > 1);
    }
}

#[cfg(test)]
mod tests;

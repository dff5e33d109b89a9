//! Any YAML as a tree, from the events of `libyaml-safer`: the first document of a text.

use super::encoding::to_utf8;
use super::node::{Data, Error, Node, Style};
use libyaml_safer::{
    ErrorKind, Event, EventData, MappingStyle, Mark, Parser, ScalarStyle, SequenceStyle,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::catch_unwind;
use std::rc::Rc;

/// Nodes nested deeper, what aliases stand for included, are refused: reading and dropping a tree takes stack.
const MAX_DEPTH: usize = 500;

/// Reads any YAML.
pub(super) fn parse_any(text: &[u8]) -> Result<Option<Node<'static>>, Error> {
    // The reader panics where it has not made up its mind (libyaml-safer 0.3, `scan_tag`: a tag in front of a comma);
    // upstream refuses that. Whether a `!` begins a tag only the reader knows, so it cannot be refused before it. The
    // binary's panic hook passes such panics over (`quiet_panics_of_the_yaml_reader`).
    catch_unwind(|| compose(text)).unwrap_or_else(|_| {
        Err(Error {
            line: None,
            message: "did not find expected whitespace or line break behind a tag".to_owned(),
        })
    })
}

fn compose(text: &[u8]) -> Result<Option<Node<'static>>, Error> {
    let text = &*to_utf8(text)?;
    let closed = close_last_line(text);
    let mut input = closed.as_deref().unwrap_or(text);
    let mut composer = Composer {
        added_end: closed
            .as_ref()
            .map(Vec::len)
            .filter(|length| *length > text.len()),
        ..Composer::default()
    };
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    loop {
        let event = parser.parse().map_err(|error| Error {
            line: line_of_error(&error, closed.is_some()),
            message: words(&error),
        })?;
        match composer.take(event)? {
            Step::More => {}
            Step::Done(node) => return Ok(node),
        }
    }
}

/// The reader (libyaml-safer 0.3) panics at a block that ends with the text: such a last line gets an end, a blank one is left out.
fn close_last_line(text: &[u8]) -> Option<Vec<u8>> {
    if matches!(text.last(), None | Some(b'\n' | b'\r')) {
        return None;
    }
    let start = text.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
    let (before, last) = text.split_at(start.map_or(0, |at| at + 1));
    if last.iter().all(|byte| *byte == b' ') {
        return Some(before.to_vec());
    }
    Some([text, b"\n"].concat())
}

enum Step {
    More,
    Done(Option<Node<'static>>),
}

/// Puts nodes together with a stack of its own.
#[derive(Default)]
struct Composer {
    open: Vec<Open>,
    root: Option<Node<'static>>,
    /// Length of a text whose last line was given an end: a block that ends there does not have it.
    added_end: Option<usize>,
    /// With how many levels each has.
    anchors: HashMap<Box<str>, (Rc<Node<'static>>, usize)>,
}

struct Open {
    node: Node<'static>,
    anchor: Option<String>,
    /// A mapping's key that waits for its value.
    key: Option<Node<'static>>,
    /// Written in brackets or braces, as all inside of it is.
    is_flow: bool,
    /// Levels of the deepest of what is in it.
    levels: usize,
}

impl Composer {
    fn take(&mut self, event: Event) -> Result<Step, Error> {
        let (line, column) = (
            line_of(event.start_mark.line),
            line_of(event.start_mark.column),
        );
        let node = |tag: Option<String>, data| Node {
            line,
            column,
            tag: tag.map(Into::into),
            data,
        };
        match event.data {
            // A document is over only when its end has been seen: what stands behind its root may be an error.
            EventData::DocumentEnd { .. } => return Ok(Step::Done(self.root.take())),
            EventData::StreamEnd => return Ok(Step::Done(None)),
            EventData::Alias { anchor } => {
                let is_open = |open: &Open| open.anchor.as_deref() == Some(anchor.as_str());
                if let Some(above) = self.open.iter().rev().position(is_open) {
                    self.add(node(None, Data::Loop(above + 1)), None, 0)?;
                    return Ok(Step::More);
                }
                let Some((target, levels)) = self.anchors.get(anchor.as_str()) else {
                    let message = format!("unknown anchor '{anchor}' referenced");
                    return Err(Error {
                        line: Some(line),
                        message,
                    });
                };
                let levels = *levels;
                let alias = node(None, Data::Alias(Rc::clone(target)));
                self.add(alias, None, levels)?;
            }
            EventData::Scalar {
                anchor,
                tag,
                mut value,
                plain_implicit,
                style,
                ..
            } => {
                if style == ScalarStyle::Plain && value.contains('?') {
                    self.refuse_key_in_flow(event.start_mark.line)?;
                }
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let end = usize::try_from(event.end_mark.index).ok();
                if is_block && end == self.added_end && value.ends_with('\n') {
                    value.pop();
                }
                // As upstream: the tag `!` makes a quoted text plain.
                let style = if plain_implicit {
                    Style::Plain
                } else {
                    Style::Quoted
                };
                let scalar = node(tag, Data::Scalar(Cow::Owned(value), style));
                self.add(scalar, anchor, 0)?;
            }
            EventData::SequenceStart {
                anchor, tag, style, ..
            } => {
                let is_flow = style == SequenceStyle::Flow;
                self.open(node(tag, Data::Sequence(Vec::new())), anchor, is_flow)?;
            }
            EventData::MappingStart {
                anchor, tag, style, ..
            } => {
                let is_flow = style == MappingStyle::Flow;
                self.open(node(tag, Data::Mapping(Vec::new())), anchor, is_flow)?;
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.add(open.node, open.anchor, open.levels + 1)?;
                }
            }
            _ => {}
        }
        Ok(Step::More)
    }

    /// In brackets and braces, go-yaml ends plain text at a `?`, and what follows is no comma (scannerc.go,
    /// `yaml_parser_scan_plain_scalar`). `line` is counted from 0.
    fn refuse_key_in_flow(&self, line: u64) -> Result<(), Error> {
        match self.open.last() {
            Some(open) if open.is_flow => Err(Error {
                line: u32::try_from(line).ok().filter(|line| *line > 0),
                message: "did not find expected ',' or a closing bracket in front of '?'"
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        node: Node<'static>,
        anchor: Option<String>,
        is_flow: bool,
    ) -> Result<(), Error> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(&node));
        }
        self.open.push(Open {
            node,
            anchor,
            key: None,
            is_flow,
            levels: 0,
        });
        Ok(())
    }

    fn add(
        &mut self,
        node: Node<'static>,
        anchor: Option<String>,
        levels: usize,
    ) -> Result<(), Error> {
        if self.open.len() + levels > MAX_DEPTH {
            return Err(too_deep(&node));
        }
        let node = match anchor {
            None => node,
            Some(anchor) => {
                // Shared where it stands, too: copies of nested anchors would grow without bound.
                let (line, column) = (node.line, node.column);
                let shared = Rc::new(node);
                self.anchors
                    .insert(anchor.into(), (Rc::clone(&shared), levels));
                Node {
                    line,
                    column,
                    tag: None,
                    data: Data::Alias(shared),
                }
            }
        };
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.levels = parent.levels.max(levels);
        match (&mut parent.node.data, parent.key.take()) {
            (Data::Sequence(items), _) => items.push(node),
            (Data::Mapping(pairs), Some(key)) => pairs.push((key, node)),
            (_, None) => parent.key = Some(node),
            (_, Some(_)) => {}
        }
        Ok(())
    }
}

fn too_deep(node: &Node<'_>) -> Error {
    Error {
        line: Some(node.line),
        message: format!("nested deeper than {MAX_DEPTH} levels"),
    }
}

/// Without the reader's own places, of which there is a better one.
fn words(error: &libyaml_safer::Error) -> String {
    match (error.kind(), error.context()) {
        (ErrorKind::Scanner | ErrorKind::Parser, Some(context)) => {
            format!("{} {context}", error.problem())
        }
        (ErrorKind::Scanner | ErrorKind::Parser, None) => error.problem().to_owned(),
        _ => error.to_string(),
    }
}

/// The line that go-yaml reports, which is one too small for errors of the parser (go-yaml: decode.go, `fail`).
fn line_of_error(error: &libyaml_safer::Error, is_closed: bool) -> Option<u32> {
    let line = |mark: Option<Mark>| mark.map(|mark| mark.line).filter(|line| *line > 0);
    match line(error.problem_mark()) {
        // Upstream finds an open quote on the last line; that line's end is ours.
        Some(line) if is_closed && error.problem() == "found unexpected end of stream" => {
            u32::try_from(line).ok()
        }
        Some(line) if error.kind() == ErrorKind::Scanner => Some(line_of(line)),
        Some(line) => u32::try_from(line).ok(),
        None => line(error.context_mark()).and_then(|line| u32::try_from(line).ok()),
    }
}

/// libyaml counts from 0.
fn line_of(mark: u64) -> u32 {
    u32::try_from(mark).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::yaml::parse;

    fn text(node: &Node<'_>) -> String {
        match &node.data {
            Data::Scalar(value, Style::Plain) => value.to_string(),
            Data::Scalar(value, Style::Quoted) => format!("{value:?}"),
            Data::Sequence(items) => {
                format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(","))
            }
            Data::Mapping(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(k, v)| format!("{}:{}", text(k), text(v)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            }
            Data::Alias(target) if node.is_marked() => text(target),
            Data::Alias(target) => format!("*{}", text(target)),
            Data::Loop(above) => format!("loop {above}"),
        }
    }

    #[test]
    fn style_order_duplicates_and_aliases_are_kept() {
        let node = parse(b"b: &x [1, '1']\na: *x\nb: |\n  t\n---\n: broken: [")
            .unwrap()
            .unwrap();
        assert_eq!(text(&node), "{b:[1,\"1\"],a:*[1,\"1\"],b:\"t\\n\"}");
        let Data::Mapping(pairs) = &node.data else {
            panic!("no mapping")
        };
        assert_eq!((pairs[1].0.line, pairs[1].1.column), (2, 4));
    }

    #[track_caller]
    fn check_text(yaml: &str, want: &str) {
        let read = parse_any(yaml.as_bytes()).unwrap().unwrap();
        assert_eq!(text(&read), want, "{yaml:?}");
    }

    #[test]
    fn the_last_line_needs_no_end() {
        check_text("a: |\n  b", r#"{a:"b"}"#);
        check_text("a: |\n  b\n", r#"{a:"b\n"}"#);
        check_text("a: |+\n  b\n\n  c", r#"{a:"b\n\nc"}"#);
        check_text("a: >\r\n  b\r\n  c", r#"{a:"b c"}"#);
        check_text("\u{feff}a: |\n  é", r#"{a:"é"}"#);
        check_text("a: |\n  b\n  ", r#"{a:"b\n"}"#);
        check_text("a: |\n  b\n# c", r#"{a:"b\n"}"#);
        check_text("a: b", "{a:b}");
    }

    #[test]
    fn what_follows_the_root_may_be_an_error() {
        assert_eq!(parse_any(b"a:''\nb: c\n").unwrap_err().line, Some(2));
        assert!(parse_any(b"a: b\n---\n: broken: [").is_ok());
    }

    #[test]
    fn errors_have_lines() {
        assert_eq!(parse(b"a: 1\nb: *y\n").unwrap_err().line, Some(2));
        assert_eq!(parse(b""), Ok(None));
        assert!(parse("[".repeat(600).as_bytes()).is_err());
        // Aliases count: dropping a long chain of them would take as much stack.
        let link = |i: usize| format!("- &a{i} [[*a{}]]\n", i - 1);
        let chain = |links| "- &a0 x\n".to_owned() + &(1..=links).map(link).collect::<String>();
        assert!(parse(chain(240).as_bytes()).is_ok());
        assert!(parse(chain(260).as_bytes()).is_err());
        // Only in block style is a question mark like any other.
        assert_eq!(parse(b"a:\n  b: {c: d?e}\n").unwrap_err().line, Some(1));
        assert!(parse(b"[[a, b ?c]]").is_err());
        assert!(parse(b"a: d?e\nb: {c: 'd?e'}\n").is_ok());
        // The reader's own panic.
        assert!(parse(b"[!a, b]").is_err());
    }

    #[test]
    fn an_alias_of_itself_is_found() {
        let node = parse(b"&x [a, *x]").unwrap().unwrap();
        assert_eq!(text(&node), "[a,loop 1]");
    }
}

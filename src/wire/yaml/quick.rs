//! A quick reader for what our own emitter writes most of the time: block style in printable ASCII, scalars on one line, words
//! as keys. It knows no comments, blank lines, anchors, tags, escapes or markers: at the first thing that is not certainly
//! of that kind it gives up, and the general reader takes the text. Where it gives a tree, the general one gives the same.

use super::node::{Data, Node, Style};
use std::borrow::Cow;

/// Deeper texts are for the general reader, which needs no stack for them.
const MAX_DEPTH: usize = 32;

/// Longer keys are no simple keys for everyone.
const MAX_KEY: usize = 128;

/// What is open at a time in a job.
const USUAL: usize = 32;

/// The document as a tree; `None`: this is not the reader for it.
pub fn parse(text: &[u8]) -> Option<Node<'_>> {
    let known = |byte: &u8| matches!(byte, b'\n' | b' '..=b'~');
    if !text.iter().all(known) || u32::try_from(text.len()).is_err() {
        return None;
    }
    let mut reader = Reader {
        rest: std::str::from_utf8(text).ok()?,
        line: "",
        number: 0,
        column: 0,
        nodes: Vec::with_capacity(USUAL),
        pairs: Vec::with_capacity(USUAL),
    };
    reader.next_line()?;
    let root = match reader.column {
        0 => reader.collection(MAX_DEPTH)?,
        _ => return None,
    };
    // What is left would belong to no collection.
    reader.line.is_empty().then_some(root)
}

struct Reader<'t> {
    /// The lines behind the present one.
    rest: &'t str,
    /// What is left of the present line; empty at the end of the text.
    line: &'t str,
    /// Of the present line, counted from 1.
    number: u32,
    /// Where `line` starts, counted from 0.
    column: u32,
    /// Items and pairs of the collections that are being read: each takes its own out at its end.
    nodes: Vec<Node<'t>>,
    pairs: Vec<(Node<'t>, Node<'t>)>,
}

impl<'t> Reader<'t> {
    /// Goes to the next line and over its indentation.
    fn next_line(&mut self) -> Option<()> {
        if self.rest.is_empty() {
            (self.line, self.column) = ("", 0);
            return Some(());
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number += 1;
        self.column = 0;
        self.line = line;
        let indent = line.bytes().take_while(|byte| *byte == b' ').count();
        self.skip(indent)?;
        // A blank line, or spaces that the general reader may count to a scalar.
        (!self.line.is_empty() && !line.ends_with(' ')).then_some(())
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.line = self.line.get(bytes..)?;
        self.column += u32::try_from(bytes).ok()?;
        Some(())
    }

    /// The list or mapping whose first item or key is here.
    fn collection(&mut self, depth: usize) -> Option<Node<'t>> {
        let depth = depth.checked_sub(1)?;
        if self.line.starts_with("- ") {
            self.sequence(depth)
        } else {
            self.mapping(depth)
        }
    }

    fn sequence(&mut self, depth: usize) -> Option<Node<'t>> {
        let (line, column, first) = (self.number, self.column, self.nodes.len());
        while !self.line.is_empty() && self.column == column && self.line.starts_with("- ") {
            self.skip(2)?;
            let node = if self.line.starts_with("- ") || key(self.line).is_some() {
                self.collection(depth)?
            } else {
                self.scalar(column)?
            };
            self.nodes.push(node);
        }
        let items = self.nodes.drain(first..).collect();
        Some(node(line, column, Data::Sequence(items)))
    }

    fn mapping(&mut self, depth: usize) -> Option<Node<'t>> {
        let (line, column, first) = (self.number, self.column, self.pairs.len());
        while !self.line.is_empty() && self.column == column {
            let Some(word) = key(self.line) else {
                break;
            };
            let key = self.here(Data::Scalar(Cow::Borrowed(word), Style::Plain));
            self.skip(word.len() + 1)?;
            let value = if self.line.is_empty() {
                self.next_line()?;
                let is_list = self.line.starts_with("- ");
                if self.column < column || (self.column == column && !is_list) {
                    return None;
                }
                self.collection(depth)?
            } else {
                self.skip(1)?;
                self.scalar(column)?
            };
            self.pairs.push((key, value));
        }
        if first == self.pairs.len() {
            return None;
        }
        let pairs = self.pairs.drain(first..).collect();
        Some(node(line, column, Data::Mapping(pairs)))
    }

    /// What is left of the line, which belongs to a collection at column `parent`; goes to the next line, which must not go
    /// on with the scalar.
    fn scalar(&mut self, parent: u32) -> Option<Node<'t>> {
        let text = self.line;
        let data = match text.bytes().next()? {
            b'"' => {
                let inner = text.get(1..)?.strip_suffix('"')?;
                if inner.contains(['"', '\\']) {
                    return None;
                }
                Data::Scalar(Cow::Borrowed(inner), Style::Quoted)
            }
            b'\'' => Data::Scalar(
                single_quoted(text.get(1..)?.strip_suffix('\'')?)?,
                Style::Quoted,
            ),
            b'[' if text == "[]" => Data::Sequence(Vec::new()),
            b'{' if text == "{}" => Data::Mapping(Vec::new()),
            _ if is_plain(text) => Data::Scalar(Cow::Borrowed(text), Style::Plain),
            _ => return None,
        };
        let node = self.here(data);
        self.next_line()?;
        (self.line.is_empty() || self.column <= parent).then_some(node)
    }

    fn here(&self, data: Data<'t>) -> Node<'t> {
        node(self.number, self.column, data)
    }
}

fn node(line: u32, column: u32, data: Data<'_>) -> Node<'_> {
    Node {
        line,
        column: column + 1,
        tag: None,
        data,
    }
}

/// The key at the start of a line: a word with a colon that a space or the end of the line follows.
fn key(line: &str) -> Option<&str> {
    let bytes = line.as_bytes();
    let in_word =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
    let end = bytes.iter().position(|byte| !in_word(byte))?;
    let starts_well = bytes
        .first()
        .is_some_and(|byte| *byte == b'_' || byte.is_ascii_alphanumeric());
    let is_key = starts_well
        && end <= MAX_KEY
        && matches!(bytes.get(end..), Some([b':'] | [b':', b' ', ..]));
    is_key.then(|| line.get(..end))?
}

/// Whether a text that fills its line is a plain scalar, and nothing but that.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let starts_well = match bytes {
        [b'-', next, ..] => *next != b' ',
        [first, ..] => {
            first.is_ascii_alphanumeric()
                || matches!(
                    first,
                    b'_' | b'.'
                        | b'/'
                        | b'\\'
                        | b'^'
                        | b'$'
                        | b'('
                        | b')'
                        | b'+'
                        | b';'
                        | b'='
                        | b'<'
                        | b'~'
                )
        }
        [] => false,
    };
    let ends_it = |pair: &[u8]| matches!(pair, [b':', b' '] | [b' ', b'#']);
    starts_well && !text.ends_with(':') && !bytes.windows(2).any(ends_it)
}

/// What stands between single quotes, of which two mean one.
fn single_quoted(inner: &str) -> Option<Cow<'_, str>> {
    if !inner.contains('\'') {
        return Some(Cow::Borrowed(inner));
    }
    let is_closed = inner.replace("''", "").contains('\'');
    (!is_closed).then(|| Cow::Owned(inner.replace("''", "'")))
}

#[cfg(test)]
mod tests;

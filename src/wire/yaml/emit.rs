//! Writes YAML exactly as `gopkg.in/yaml.v2` v2.4.0 does, which prometheus-operator uses: block style, lists not indented
//! below their key, lines folded at 80 columns, strings quoted only where another type or broken syntax would result.
//! The state machine is libyaml's (`emitterc.go`), reduced to what trees need.

mod natural;
mod scalar;

use super::resolve::looks_typed;
pub use natural::natural_order;
pub(super) use scalar::float;
use scalar::{Analysis, Style, base64_lines, escaped, is_break, is_printable, is_simple};
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
    /// A tree that several share.
    Shared(&'a Tree<'a>),
}

/// Keys and values in order.
pub type Pairs<'a> = Vec<(Tree<'a>, Tree<'a>)>;

impl<'a> From<&'a str> for Tree<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Tree<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a [u8]> for Tree<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl From<bool> for Tree<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Tree<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Tree<'_> {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl<'a> From<Pairs<'a>> for Tree<'a> {
    fn from(pairs: Pairs<'a>) -> Self {
        Self::Map(pairs)
    }
}

/// A map with keys known in advance.
pub fn map<'a, const N: usize>(pairs: [(&'a str, Tree<'a>); N]) -> Tree<'a> {
    Tree::Map(pairs.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

/// A list of texts.
pub fn texts<'a, T: AsRef<str> + 'a>(items: impl IntoIterator<Item = &'a T>) -> Tree<'a> {
    Tree::List(items.into_iter().map(|t| t.as_ref().into()).collect())
}

/// A whole document.
pub fn document(tree: &Tree<'_>) -> String {
    let mut out = String::new();
    let mut emitter = Emitter::new(&mut out, -1);
    emitter.node(tree, Context::Other);
    emitter.finish();
    out
}

/// One item of the list that is the value of a top-level key, with its dash and the line break behind it: documents of
/// this form can be put together from such parts.
pub fn item(tree: &Tree<'_>) -> String {
    let mut out = String::with_capacity(ITEM_SIZE);
    let mut emitter = Emitter::new(&mut out, 0);
    emitter.item(tree);
    emitter.finish();
    out
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// A key that stands on one line with its colon.
    SimpleKey,
    /// A value in a map, or a key behind `?`.
    Mapping,
    Other,
}

/// How an indicator stands among its neighbours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indicator {
    /// `-`, `?`, and the `:` behind a long key: a blank before it, and what follows still counts as indented.
    Block,
    /// `[` or `{`: a blank before it, none needed behind.
    Bracket,
    /// What a quoted or literal text begins with: a blank before it.
    Scalar,
    /// Right behind what was written last.
    Attached,
}

/// What an item usually takes: a job of an ordinary monitor.
const ITEM_SIZE: usize = 4096;
const BEST_INDENT: i32 = 2;
const BEST_WIDTH: usize = 80;
const LONGEST_SIMPLE_KEY: usize = 128;

struct Emitter<'o> {
    out: &'o mut String,
    /// Characters on the current line.
    column: usize,
    /// -1 before the root.
    indent: i32,
    /// The last thing written was white space or an indicator that counts as such.
    whitespace: bool,
    /// Only indentation and indicators like `- ` have been written on this line.
    indention: bool,
}

impl<'o> Emitter<'o> {
    fn new(out: &'o mut String, indent: i32) -> Self {
        Self {
            out,
            column: 0,
            indent,
            whitespace: true,
            indention: true,
        }
    }

    fn finish(&mut self) {
        self.indent = 0;
        self.write_indent();
    }

    fn node(&mut self, tree: &Tree<'_>, context: Context) {
        match tree {
            Tree::Null => self.plain("null", context),
            Tree::Bool(true) => self.plain("true", context),
            Tree::Bool(false) => self.plain("false", context),
            Tree::Int(number) => self.plain(&number.to_string(), context),
            Tree::Uint(number) => self.plain(&number.to_string(), context),
            Tree::Float(number) => self.plain(&float(*number), context),
            Tree::Text(text) => self.text(text, context),
            Tree::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.text(text, context),
                Err(_) => self.binary(bytes, context),
            },
            Tree::Shared(tree) => self.node(tree, context),
            Tree::List(items) if items.is_empty() => self.empty("[", "]"),
            Tree::Map(pairs) if pairs.is_empty() => self.empty("{", "}"),
            Tree::List(items) => {
                let outer = self.indent;
                let indentless = context == Context::Mapping && !self.indention;
                if !indentless {
                    self.increase_indent();
                }
                for item in items {
                    self.item(item);
                }
                self.indent = outer;
            }
            Tree::Map(pairs) => {
                let outer = self.indent;
                self.increase_indent();
                for (key, value) in pairs {
                    self.pair(key, value);
                }
                self.indent = outer;
            }
        }
    }

    fn increase_indent(&mut self) {
        self.indent = if self.indent < 0 {
            0
        } else {
            self.indent + BEST_INDENT
        };
    }

    fn item(&mut self, item: &Tree<'_>) {
        self.write_indent();
        self.indicator("-", Indicator::Block);
        self.node(item, Context::Other);
    }

    fn pair(&mut self, key: &Tree<'_>, value: &Tree<'_>) {
        self.write_indent();
        if is_simple_key(key) {
            self.node(key, Context::SimpleKey);
            self.indicator(":", Indicator::Attached);
        } else {
            self.indicator("?", Indicator::Block);
            self.node(key, Context::Mapping);
            self.write_indent();
            self.indicator(":", Indicator::Block);
        }
        self.node(value, Context::Mapping);
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.indicator(open, Indicator::Bracket);
        self.indicator(close, Indicator::Attached);
    }

    fn text(&mut self, text: &str, context: Context) {
        if is_simple(text) {
            if !self.whitespace {
                self.put(' ');
            }
            self.put_ascii(text);
            (self.whitespace, self.indention) = (false, false);
            return;
        }
        let analysis = Analysis::of(text);
        let wanted = if text.contains('\n') {
            Style::Literal
        } else if looks_typed(text) {
            Style::DoubleQuoted
        } else {
            Style::Plain
        };
        let style = analysis.style(wanted, context == Context::SimpleKey);
        self.scalar(text, style, context);
    }

    /// Base64 in lines of 70 characters; the tag keeps it from being read as text.
    fn binary(&mut self, bytes: &[u8], context: Context) {
        if !self.whitespace {
            self.put(' ');
        }
        self.put_all("!!binary");
        (self.whitespace, self.indention) = (false, false);
        let text = base64_lines(bytes);
        let wanted = if text.contains('\n') {
            Style::Literal
        } else {
            Style::Plain
        };
        let style = Analysis::of(&text).style(wanted, context == Context::SimpleKey);
        self.scalar(&text, style, context);
    }

    fn scalar(&mut self, text: &str, style: Style, context: Context) {
        match style {
            Style::Plain => self.plain(text, context),
            Style::SingleQuoted => {
                self.indicator("'", Indicator::Scalar);
                self.folded(text, context, style);
                self.indicator("'", Indicator::Attached);
            }
            Style::DoubleQuoted => self.double_quoted(text, context),
            Style::Literal => self.literal(text),
        }
    }

    fn plain(&mut self, text: &str, context: Context) {
        if !self.whitespace {
            self.put(' ');
        }
        self.folded(text, context, Style::Plain);
        (self.whitespace, self.indention) = (false, false);
    }

    /// Plain and single-quoted scalars: single spaces beyond the width become line breaks.
    fn folded(&mut self, text: &str, context: Context, style: Style) {
        let quoted = style == Style::SingleQuoted;
        if !text.contains([' ', '\'', '\u{2028}', '\u{2029}']) {
            self.put_all(text);
            self.indention = false;
            return;
        }
        let allow_breaks = context != Context::SimpleKey;
        let outer = self.indent;
        self.scalar_indent();
        let (mut spaces, mut breaks) = (false, false);
        let mut chars = text.char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            let next_is_space = chars.peek().is_some_and(|(_, next)| *next == ' ');
            if c == ' ' {
                let inside = !quoted || (i > 0 && chars.peek().is_some());
                let fold = allow_breaks && !spaces && self.column > BEST_WIDTH;
                if fold && inside && !next_is_space {
                    self.write_indent();
                } else {
                    self.put(c);
                }
                spaces = true;
            } else if is_break(c) {
                // Here only U+2028 and U+2029, which end a line without being written as a line feed.
                self.put_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if quoted && c == '\'' {
                    self.put(c);
                }
                self.put(c);
                self.indention = false;
                (spaces, breaks) = (false, false);
            }
        }
        self.indent = outer;
    }

    fn double_quoted(&mut self, text: &str, context: Context) {
        self.indicator("\"", Indicator::Scalar);
        let allow_breaks = context != Context::SimpleKey;
        // Upstream looks for a byte order mark at the start of the text instead of at the character.
        let escape_all = text.starts_with('\u{feff}');
        let outer = self.indent;
        self.scalar_indent();
        let mut spaces = false;
        let mut chars = text.char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            if escape_all || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.put_all(&escaped(c));
                spaces = false;
            } else if c == ' ' {
                let inside = i > 0 && chars.peek().is_some();
                if allow_breaks && !spaces && self.column > BEST_WIDTH && inside {
                    self.write_indent();
                    if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.indent = outer;
        self.indicator("\"", Indicator::Attached);
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", Indicator::Scalar);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator(&BEST_INDENT.to_string(), Indicator::Attached);
        }
        let mut backwards = text.chars().rev();
        let last_is_break = backwards.next().is_some_and(is_break);
        if !last_is_break {
            self.indicator("-", Indicator::Attached);
        } else if backwards.next().is_none_or(is_break) {
            self.indicator("+", Indicator::Attached);
        }
        self.put_break('\n');
        (self.indention, self.whitespace) = (true, true);
        let outer = self.indent;
        self.scalar_indent();
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.put_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
        self.indent = outer;
    }

    /// The lines of a scalar stand deeper than its node.
    fn scalar_indent(&mut self) {
        self.indent = self.indent.max(0) + BEST_INDENT;
    }

    fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        (self.whitespace, self.indention) = (true, true);
    }

    /// As `yaml_emitter_write_indicator` (emitterc.go).
    fn indicator(&mut self, text: &str, kind: Indicator) {
        if kind != Indicator::Attached && !self.whitespace {
            self.put(' ');
        }
        self.put_ascii(text);
        self.whitespace = kind == Indicator::Bracket;
        self.indention &= kind == Indicator::Block;
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn put_all(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn put_ascii(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.len();
    }

    fn put_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }
}

fn is_simple_key(key: &Tree<'_>) -> bool {
    match key {
        Tree::Text(text) if is_simple(text) => text.len() <= LONGEST_SIMPLE_KEY,
        Tree::Text(text) => text.len() <= LONGEST_SIMPLE_KEY && !text.chars().any(is_break),
        Tree::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.len() <= LONGEST_SIMPLE_KEY && !text.chars().any(is_break),
            Err(_) => {
                let text = base64_lines(bytes);
                "!!binary".len() + text.len() <= LONGEST_SIMPLE_KEY && !text.contains('\n')
            }
        },
        Tree::List(items) => items.is_empty(),
        Tree::Map(pairs) => pairs.is_empty(),
        Tree::Shared(tree) => is_simple_key(tree),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(document(&Tree::Map(vec![("k".into(), text.into())])), want);
    }

    #[test]
    fn text_is_quoted_only_where_needed() {
        check("a b", "k: a b\n");
        check("", "k: \"\"\n");
        check("8080", "k: \"8080\"\n");
        check("1:20", "k: \"1:20\"\n");
        check("a: b", "k: 'a: b'\n");
        check("it's: x", "k: 'it''s: x'\n");
        check("#", "k: '#'\n");
        check("a #", "k: 'a #'\n");
        check("a#", "k: a#\n");
        check("-", "k: '-'\n");
        check("-a", "k: -a\n");
        check("=", "k: =\n");
        check("<<", "k: <<\n");
        check(" a", "k: ' a'\n");
        check("a\t", "k: \"a\\t\"\n");
        check("\u{feff}b", "k: \"\\uFEFF\\x62\"\n");
        check("\u{1f600}", "k: \"\\U0001F600\"\n");
        check("é", "k: é\n");
    }

    #[test]
    fn line_breaks_make_literals() {
        check("a\nb", "k: |-\n  a\n  b\n");
        check("a\n", "k: |\n  a\n");
        check("a\n\n", "k: |+\n  a\n\n");
        check("\na", "k: |2-\n\n  a\n");
        check("a\nb ", "k: \"a\\nb \"\n");
        check("a \nb", "k: \"a \\nb\"\n");
        check("a\r\nb", "k: \"a\\r\\nb\"\n");
        check("\n", "k: |2+\n\n");
    }

    #[test]
    fn bytes_that_are_no_text_become_base64() {
        let tree = |bytes: &'static [u8]| Tree::Map(vec![("k".into(), bytes.into())]);
        assert_eq!(document(&tree(b"ab")), "k: ab\n");
        assert_eq!(document(&tree(b"\xff")), "k: !!binary /w==\n");
        let long = document(&tree(&[0xff; 60]));
        assert!(long.starts_with("k: !!binary |\n  /////"), "{long}");
    }

    #[test]
    fn containers_and_keys() {
        let tree = Tree::Map(vec![
            (
                "a".into(),
                Tree::List(vec![
                    Tree::Map(vec![("b".into(), texts(&["x", "y"]))]),
                    Tree::List(vec![]),
                ]),
            ),
            ("x".repeat(129).into(), Tree::Map(vec![])),
            ("c\nd".into(), Tree::List(vec![Tree::Null])),
        ]);
        assert_eq!(
            document(&tree),
            format!(
                "a:\n- b:\n  - x\n  - \"y\"\n- []\n? {}\n: {{}}\n? |-\n  c\n  d\n: - null\n",
                "x".repeat(129)
            )
        );
        assert_eq!(
            item(&Tree::Map(vec![("b".into(), texts(&["x\n"]))])),
            "- b:\n  - |\n    x\n"
        );
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        for (number, want) in [
            (1.2000000000000002, "1.2000000000000002"),
            (2.0, "2"),
            (1e6, "1e+06"),
            (123456.0, "123456"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-10, "1.5e-10"),
            (-0.5, "-0.5"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(float(number), want);
        }
    }
}

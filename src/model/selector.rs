//! Selectors of Kubernetes as text, as its API takes them and scrape configs write them: labels (`app in (a, b), !legacy`) and
//! fields (`spec.nodeName=n1`). Those of labels stand in objects, too.

pub(crate) mod syntax;

use super::quote::quoted;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// A label selector: every requirement must hold (apimachinery: pkg/labels/selector.go). The empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Sorted by key; equal keys keep the order in which they were written.
    requirements: Vec<Requirement>,
}

/// What one label must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with.
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `key=value`
    Equals,
    /// `key!=value`
    NotEquals,
    /// `key in (a,b)`
    In,
    /// `key notin (a,b)`
    NotIn,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
    /// `key>1`, in texts only
    Greater,
    /// `key<1`, in texts only
    Less,
}

impl LabelSelector {
    /// Reads a selector.
    ///
    /// # Errors
    /// It is malformed: the text says where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text);
        if tokens.is_empty() {
            return Ok(Self::default());
        }
        let mut parser = Parser { tokens: &tokens };
        let mut requirements = Vec::new();
        loop {
            requirements.push(parser.requirement()?);
            match parser.next() {
                None => return Ok(Self::new(requirements)),
                Some(Token::Sign(",")) => {}
                other => return Err(unexpected(other, "',' or the end")),
            }
        }
    }

    /// Puts requirements together.
    pub fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements }
    }

    /// What must hold.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let mut requirements = self.requirements.iter();
        requirements.all(|requirement| requirement.matches(labels.get(&requirement.key)))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

impl Requirement {
    /// Checks a requirement (apimachinery: labels.NewRequirement).
    ///
    /// # Errors
    /// A malformed key or value, or too few or too many values; in Kubernetes' words.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Self, String> {
        let mut problems = Vec::new();
        if let Some(problem) = syntax::key_problem(key) {
            problems.push(format!("key: Invalid value: {key:?}: {problem}"));
        }
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => problems.push(
                "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"
                    .to_owned(),
            ),
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => problems.push(format!(
                "values: Invalid value: {values:?}: values set must be empty for exists and does not exist"
            )),
            Operator::Greater | Operator::Less if values.iter().any(|v| v.parse::<i64>().is_err()) => {
                problems.push(format!(
                    "values: Invalid value: {values:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                ));
            }
            _ => {}
        }
        for (i, value) in values.iter().enumerate() {
            if let Some(problem) = syntax::value_problem(value) {
                problems.push(format!(
                    "values[{i}][{key}]: Invalid value: {value:?}: {problem}"
                ));
            }
        }
        match problems.as_slice() {
            [] => Ok(Self {
                key: key.to_owned(),
                operator,
                values,
            }),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }

    fn matches(&self, label: Option<&String>) -> bool {
        let among = |value: &String| self.values.contains(value);
        let compare = |value: &String| {
            let bound = self.values.first()?.parse::<i64>().ok()?;
            Some(value.parse::<i64>().ok()?.cmp(&bound))
        };
        let compared = || label.and_then(compare);
        match self.operator {
            Operator::Equals | Operator::In => label.is_some_and(among),
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(among),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::Greater => compared().is_some_and(Ordering::is_gt),
            Operator::Less => compared().is_some_and(Ordering::is_lt),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        values.sort_unstable();
        let (key, values) = (&self.key, values.join(","));
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Greater => write!(f, "{key}>{values}"),
            Operator::Less => write!(f, "{key}<{values}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(&'static str),
}

const SIGNS: [&str; 9] = ["!=", "==", "=", "!", ",", "(", ")", ">", "<"];

/// Words end at blanks and at the characters of signs.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    // Upstream's reader takes a NUL for the end.
    let text = text.split('\0').next().unwrap_or_default();
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while !rest.is_empty() {
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let length = match sign {
            Some(sign) => sign.len(),
            None => {
                let ends = |c: char| is_blank(c) || "=!(),<>".contains(c);
                rest.find(ends).unwrap_or(rest.len())
            }
        };
        let (token, after) = rest.split_at(length);
        tokens.push(sign.map_or(Token::Word(token), |sign| Token::Sign(sign)));
        rest = after.trim_start_matches(is_blank);
    }
    tokens
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
}

fn unexpected(found: Option<Token<'_>>, want: &str) -> String {
    let found = match found {
        Some(Token::Word(text) | Token::Sign(text)) => quoted(text),
        None => "the end".to_owned(),
    };
    format!("found {found}, want {want}")
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let key = match self.next() {
            Some(Token::Sign("!")) => {
                let key = self.word("a label name")?;
                return Requirement::new(key, Operator::DoesNotExist, Vec::new());
            }
            Some(Token::Word(key)) => key,
            other => return Err(unexpected(other, "a label name or '!'")),
        };
        if matches!(self.tokens.first(), None | Some(Token::Sign(","))) {
            return Requirement::new(key, Operator::Exists, Vec::new());
        }
        let (operator, values) = match self.next() {
            Some(Token::Sign("=" | "==")) => (Operator::Equals, vec![self.value()?]),
            Some(Token::Sign("!=")) => (Operator::NotEquals, vec![self.value()?]),
            Some(Token::Sign(">")) => (Operator::Greater, vec![self.value()?]),
            Some(Token::Sign("<")) => (Operator::Less, vec![self.value()?]),
            Some(Token::Word("in")) => (Operator::In, self.values()?),
            Some(Token::Word("notin")) => (Operator::NotIn, self.values()?),
            other => return Err(unexpected(other, "=, ==, !=, in, notin, > or <")),
        };
        Requirement::new(key, operator, values)
    }

    fn word(&mut self, want: &str) -> Result<&'a str, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(unexpected(other, want)),
        }
    }

    /// The value may be missing: `a=` and `a=,b` want the empty one.
    fn value(&mut self) -> Result<String, String> {
        match self.tokens.first() {
            None | Some(Token::Sign("," | ")")) => Ok(String::new()),
            _ => self.word("a value").map(str::to_owned),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Some(Token::Sign("(")) => {}
            other => return Err(unexpected(other, "'('")),
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            match self.next() {
                Some(Token::Sign(",")) => {}
                Some(Token::Sign(")")) => return Ok(values),
                other => return Err(unexpected(other, "',' or ')'")),
            }
        }
    }
}

/// A field selector (apimachinery: pkg/fields/selector.go). The empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<FieldTest>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTest {
    field: String,
    value: String,
    wanted: bool,
}

impl FieldSelector {
    /// Reads a selector.
    ///
    /// # Errors
    /// It is malformed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tests = split_terms(text).map(|term| {
            let (field, wanted, value) = split_test(term).ok_or_else(|| {
                let term = quoted(term);
                format!("want field=value, field==value or field!=value in {term}")
            })?;
            let value = unescape(value).ok_or_else(|| {
                let value = quoted(value);
                format!("{value} has a bad escape, or an '=' without one")
            })?;
            Ok(FieldTest {
                field: field.to_owned(),
                value,
                wanted,
            })
        });
        tests.collect::<Result<_, _>>().map(Self)
    }

    /// The fields that it looks at.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|test| test.field.as_str())
    }

    /// Whether an object matches whose fields have these values.
    pub fn matches(&self, value: impl Fn(&str) -> String) -> bool {
        let mut tests = self.0.iter();
        tests.all(|test| (value(&test.field) == test.value) == test.wanted)
    }
}

/// Terms between commas that no backslash protects; empty ones are left out, as upstream does.
fn split_terms(text: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    let terms = text.split(move |c| {
        let separates = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        separates
    });
    terms.filter(|term| !term.is_empty())
}

/// Field, whether equality is wanted, value as written.
fn split_test(term: &str) -> Option<(&str, bool, &str)> {
    let (field, value) = term.split_once('=')?;
    Some(match field.strip_suffix('!') {
        Some(field) => (field, false, value),
        None => (field, true, value.strip_prefix('=').unwrap_or(value)),
    })
}

/// `\\`, `\,` and `\=` are the escapes; nothing else may follow a backslash, and `,` and `=` need one.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                escaped @ ('\\' | ',' | '=') => out.push(escaped),
                _ => return None,
            },
            ',' | '=' => return None,
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(selector: &str, labels: &[(&str, &str)], want: bool) {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let selector = LabelSelector::parse(selector).unwrap();
        assert_eq!(selector.matches(&labels.collect()), want);
    }

    #[test]
    fn labels_match() {
        check("", &[], true);
        check("app in (web,api),!legacy", &[("app", "api")], true);
        check(
            "app in (web,api),!legacy",
            &[("app", "api"), ("legacy", "")],
            false,
        );
        check("a=1, b == 2 ,c!=3", &[("a", "1"), ("b", "2")], true);
        check("pool notin (spot)", &[], true);
        check("x.io/n>4,x.io/n<6", &[("x.io/n", "5")], true);
        check("n>4", &[("n", "four")], false);
        check("a=", &[("a", "")], true);
        check("in", &[("in", "")], true);
        check("a in (,b)", &[("a", "")], true);
    }

    #[test]
    fn what_is_a_label_selector() {
        for (text, want) in [
            (" a , b ", "a,b"),
            ("b==1,a!=2,!c", "a!=2,b=1,!c"),
            ("a in (c,b),a notin ()", "a in (b,c),a notin ()"),
            ("a in (,b,)", "a in (,,b)"),
            ("in=in", "in=in"),
            ("a=,x.y/z>1,n<2", "a=,n<2,x.y/z>1"),
            ("a\0,", "a"),
        ] {
            let selector = LabelSelector::parse(text).map(|selector| selector.to_string());
            assert_eq!(selector.as_deref(), Ok(want), "{text}");
        }
        for text in [
            "a,",
            ",",
            "a b",
            "a=b=c",
            "a!b",
            "=b",
            "a in b",
            "a in (b",
            "a>x",
            "a>-1",
            "x/y/z",
            "-a",
            "a=-b",
            "!",
            "!a=b",
            "a in (b c)",
            "a===b",
            "a=b c",
            "UP/a",
            "a>b",
        ] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_a_field_selector() {
        for text in ["", ",", "a=b", "=b", "a==b,", "a!=b", r"a=b\,c", r"a=b\=c"] {
            assert!(FieldSelector::parse(text).is_ok(), "{text}");
        }
        for text in ["a", "a=b=c", "a!==b", r"a\=b=c", r"a=\x", r"a=b\"] {
            assert!(FieldSelector::parse(text).is_err(), "{text}");
        }
        let selector = FieldSelector::parse(r"a==x\,y,b!=z").unwrap();
        assert!(selector.matches(|field| if field == "a" { "x,y" } else { "" }.to_owned()));
        assert!(!selector.matches(|_| "z".to_owned()));
    }
}

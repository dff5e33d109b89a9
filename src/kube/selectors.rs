//! Selectors as text, as the API takes them and scrape configs write them: labels (`app in (a, b), !legacy`) and fields
//! (`spec.nodeName=n1`). Requirements of labels, as objects carry them too, are checked and
//! matched in `selector.rs`.

use super::selector::{Operator, Requirement};
use super::types::kind::Kind;
use serde_json::Value;
use std::collections::BTreeMap;

/// A label selector, parsed (k8s.io/apimachinery: pkg/labels/selector.go). The empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Plain(Requirement),
    // Only in texts: selectors inside objects have no such operators.
    Greater(String, i64),
    Less(String, i64),
}

impl LabelSelector {
    /// Reads a selector.
    ///
    /// # Errors
    /// It is malformed: the text says where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text);
        let mut parser = Parser {
            text,
            tokens: &tokens,
        };
        let mut terms = Vec::new();
        if parser.tokens.is_empty() {
            return Ok(Self::default());
        }
        loop {
            terms.push(parser.term()?);
            match parser.next() {
                None => return Ok(Self(terms)),
                Some(Token::Sign(",")) => {}
                Some(other) => return Err(parser.unexpected(Some(other), "',' or the end")),
            }
        }
    }

    /// Whether labels match.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let number = |key| {
            labels
                .get(key)
                .and_then(|value: &String| value.parse::<i64>().ok())
        };
        self.0.iter().all(|term| match term {
            Term::Plain(requirement) => requirement.matches(labels.get(&requirement.key)),
            Term::Greater(key, bound) => number(key).is_some_and(|n| n > *bound),
            Term::Less(key, bound) => number(key).is_some_and(|n| n < *bound),
        })
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
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let length = if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            sign.len()
        } else {
            let end = |c: char| c.is_ascii_whitespace() || "=!(),<>".contains(c);
            let length = rest.find(end).unwrap_or(rest.len());
            tokens.push(Token::Word(rest.get(..length).unwrap_or_default()));
            length
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    tokens
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn unexpected(&self, found: Option<Token<'_>>, want: &str) -> String {
        let found = match found {
            Some(Token::Word(text) | Token::Sign(text)) => format!("{text:?}"),
            None => "the end".to_owned(),
        };
        format!("label selector {:?}: found {found}, want {want}", self.text)
    }

    fn term(&mut self) -> Result<Term, String> {
        let (key, negated) = match self.next() {
            Some(Token::Sign("!")) => (self.word("a label name")?, true),
            Some(Token::Word(key)) => (key, false),
            other => return Err(self.unexpected(other, "a label name or '!'")),
        };
        if negated {
            return self.plain(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.tokens.first(), None | Some(Token::Sign(","))) {
            return self.plain(key, Operator::Exists, Vec::new());
        }
        match self.next() {
            Some(Token::Sign("=" | "==")) => {
                let value = self.value()?;
                self.plain(key, Operator::Equals, vec![value])
            }
            Some(Token::Sign("!=")) => {
                let value = self.value()?;
                self.plain(key, Operator::NotEquals, vec![value])
            }
            Some(Token::Word("in")) => {
                let values = self.values()?;
                self.plain(key, Operator::In, values)
            }
            Some(Token::Word("notin")) => {
                let values = self.values()?;
                self.plain(key, Operator::NotIn, values)
            }
            Some(Token::Sign(">")) => {
                self.plain(key, Operator::Exists, Vec::new())?;
                Ok(Term::Greater(key.to_owned(), self.whole_number()?))
            }
            Some(Token::Sign("<")) => {
                self.plain(key, Operator::Exists, Vec::new())?;
                Ok(Term::Less(key.to_owned(), self.whole_number()?))
            }
            other => Err(self.unexpected(other, "=, ==, !=, in, notin, > or <")),
        }
    }

    fn plain(&self, key: &str, operator: Operator, values: Vec<String>) -> Result<Term, String> {
        Requirement::new(key, operator, values)
            .map(Term::Plain)
            .map_err(|error| format!("label selector {:?}: {error}", self.text))
    }

    fn word(&mut self, want: &str) -> Result<&'a str, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(self.unexpected(other, want)),
        }
    }

    /// The value may be missing: `a=` and `a=,b` want the empty one.
    fn value(&mut self) -> Result<String, String> {
        match self.tokens.first() {
            None | Some(Token::Sign("," | ")")) => Ok(String::new()),
            _ => self.word("a value").map(str::to_owned),
        }
    }

    fn whole_number(&mut self) -> Result<i64, String> {
        let word = self.word("a whole number")?;
        let bad = || {
            format!(
                "label selector {:?}: {word:?} is no whole number",
                self.text
            )
        };
        word.parse().map_err(|_| bad())
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Some(Token::Sign("(")) => {}
            other => return Err(self.unexpected(other, "'('")),
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            match self.next() {
                Some(Token::Sign(",")) => {}
                Some(Token::Sign(")")) => return Ok(values),
                other => return Err(self.unexpected(other, "',' or ')'")),
            }
        }
    }
}

/// A field selector, parsed (k8s.io/apimachinery: pkg/fields/selector.go). The empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<FieldTest>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTest {
    field: String,
    value: String,
    wanted: bool,
}

impl FieldSelector {
    /// Reads a selector for a kind.
    ///
    /// # Errors
    /// It is malformed, or the API server cannot select by the field: it offers few.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        let mut tests = Vec::new();
        for term in split_terms(text) {
            let bad = || {
                format!(
                    "field selector {text:?}: want field=value, field==value or field!=value in {term:?}"
                )
            };
            let (field, wanted, value) = split_test(&term).ok_or_else(bad)?;
            let value = unescape(value).ok_or_else(|| {
                format!("field selector {text:?}: a value has a bad escape or an '=' without one")
            })?;
            if !fields_of(kind).contains(&field) {
                return Err(format!(
                    "field selector {text:?}: field label not supported: {field}; {} can be selected by {}",
                    kind.plural(),
                    fields_of(kind).join(", ")
                ));
            }
            tests.push(FieldTest {
                field: field.to_owned(),
                value,
                wanted,
            });
        }
        Ok(Self(tests))
    }

    /// Whether an object as JSON matches.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|test| {
            let mut steps = test.field.split('.');
            let value = steps.try_fold(object, |at, step| at.get(step));
            let value = match value {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(is)) => is.to_string(),
                // Booleans with a default are never absent on a server.
                _ if matches!(&*test.field, "spec.hostNetwork" | "spec.unschedulable") => {
                    "false".to_owned()
                }
                _ => String::new(),
            };
            (value == test.value) == test.wanted
        })
    }
}

/// What the API server can select by.
fn fields_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pod => &[
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        Kind::Service => &[
            "metadata.name",
            "metadata.namespace",
            "spec.clusterIP",
            "spec.type",
        ],
        Kind::Node => &["metadata.name", "spec.unschedulable"],
        Kind::Namespace => &["metadata.name", "status.phase"],
        _ => &["metadata.name", "metadata.namespace"],
    }
}

/// Terms between commas that no backslash protects; empty ones are left out, as upstream does.
fn split_terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == ',' {
            terms.push(String::new());
            continue;
        }
        if let Some(term) = terms.last_mut() {
            term.push(c);
            if c == '\\' {
                term.extend(chars.next());
            }
        }
    }
    terms.retain(|term| !term.is_empty());
    terms
}

/// Field, whether equality is wanted, value as written.
fn split_test(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.find(['=', '!'])?;
    let (field, rest) = term.split_at(at);
    let (wanted, value) = if let Some(value) = rest.strip_prefix("!=") {
        (false, value)
    } else {
        let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?;
        (true, value)
    };
    Some((field, wanted, value))
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
    fn check_labels(selector: &str, labels: &[(&str, &str)], want: bool) {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let selector = LabelSelector::parse(selector).unwrap();
        assert_eq!(selector.matches(&labels.collect()), want);
    }

    #[test]
    fn label_selectors() {
        check_labels("", &[], true);
        check_labels("app in (web,api),!legacy", &[("app", "api")], true);
        check_labels(
            "app in (web,api),!legacy",
            &[("app", "api"), ("legacy", "")],
            false,
        );
        check_labels("a=1, b == 2 ,c!=3", &[("a", "1"), ("b", "2")], true);
        check_labels("pool notin (spot)", &[], true);
        check_labels("x.io/n>4,x.io/n<6", &[("x.io/n", "5")], true);
        check_labels("n>4", &[("n", "four")], false);
        check_labels("a=", &[("a", "")], true);
        check_labels("in", &[("in", "")], true);
        check_labels("a in (,b)", &[("a", "")], true);
        for bad in [
            "a in b", "a=b=c", "a,", "a b", "!", "a>b", "a in (b", "-a", "a=b c", "UP/a",
        ] {
            assert!(LabelSelector::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn field_selectors() {
        let pod = serde_json::json!({"metadata": {"name": "a,b"}, "status": {"phase": "Running"}});
        let matches = |text: &str| FieldSelector::parse(Kind::Pod, text).unwrap().matches(&pod);
        assert!(matches("status.phase=Running,spec.hostNetwork==false"));
        assert!(!matches("status.phase!=Running"));
        assert!(matches(r"metadata.name=a\,b,"));
        assert!(matches("spec.nodeName="));
        for bad in ["spec.color=red", "status.phase", r"status.phase=\x", "=b"] {
            assert!(FieldSelector::parse(Kind::Pod, bad).is_err(), "{bad}");
        }
    }
}

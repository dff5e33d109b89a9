//! Whether label and field selectors parse (k8s.io/apimachinery: pkg/labels/selector.go, pkg/fields/selector.go).
//! What they select is the API server's affair.
use crate::model::quote::quoted;

/// # Errors
/// What is wrong with a label selector.
pub(super) fn check_labels(text: &str) -> Result<(), String> {
    let tokens = lex(text);
    let mut rest = tokens.as_slice();
    loop {
        match rest.first() {
            None => return Ok(()),
            Some(Token::Word(_) | Token::Not) => requirement(&mut rest)?,
            Some(other) => return Err(format!("found {other:?}, expected: !, identifier, or end")),
        }
        match rest {
            [] => return Ok(()),
            [Token::Comma, Token::Word(_) | Token::Not, ..] => {
                rest = rest.get(1..).unwrap_or_default()
            }
            [Token::Comma, ..] => return Err("expected an identifier after ','".to_owned()),
            [other, ..] => return Err(format!("found {other:?}, expected: ',' or end")),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'t> {
    /// A name, a value, `in` or `notin`.
    Word(&'t str),
    Not,
    /// `=`, `==`, `!=`
    Equals,
    /// `<`, `>`
    Order,
    Comma,
    Open,
    Close,
    Unknown,
}

fn lex(text: &str) -> Vec<Token<'_>> {
    let special = |c: char| matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<');
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    // Upstream's reader takes a NUL for the end.
    let mut rest = text
        .split('\0')
        .next()
        .unwrap_or_default()
        .trim_start_matches(blank);
    let mut tokens = Vec::new();
    while let Some(c) = rest.chars().next() {
        let (token, length) = if special(c) {
            match rest {
                _ if rest.starts_with("==") || rest.starts_with("!=") => (Token::Equals, 2),
                _ => (
                    match c {
                        '=' => Token::Equals,
                        '!' => Token::Not,
                        '(' => Token::Open,
                        ')' => Token::Close,
                        ',' => Token::Comma,
                        '<' | '>' => Token::Order,
                        _ => Token::Unknown,
                    },
                    1,
                ),
            }
        } else {
            let end = rest.find(|c| special(c) || blank(c)).unwrap_or(rest.len());
            (Token::Word(rest.get(..end).unwrap_or_default()), end)
        };
        tokens.push(token);
        rest = rest
            .get(length..)
            .unwrap_or_default()
            .trim_start_matches(blank);
    }
    tokens
}

/// One requirement; what follows it stays in `tokens`.
fn requirement(tokens: &mut &[Token<'_>]) -> Result<(), String> {
    let mut take = || {
        let (first, rest) = tokens.split_first()?;
        *tokens = rest;
        Some(first.clone())
    };
    let mut first = take();
    let negated = first == Some(Token::Not);
    if negated {
        first = take();
    }
    let Some(Token::Word(key)) = first else {
        return Err("expected an identifier".to_owned());
    };
    check_key(key)?;
    if negated || matches!(tokens.first(), None | Some(Token::Comma)) {
        return Ok(());
    }
    let (operator, rest) = tokens.split_first().ok_or("expected an operator")?;
    *tokens = rest;
    match operator {
        Token::Word("in" | "notin") => values(tokens),
        Token::Equals | Token::Order => {
            let value = match tokens.split_first() {
                None | Some((Token::Comma, _)) => "",
                Some((Token::Word(value), rest)) => {
                    *tokens = rest;
                    value
                }
                Some((other, _)) => return Err(format!("found {other:?}, expected: identifier")),
            };
            if *operator == Token::Order && value.parse::<i64>().is_err() {
                return Err(format!(
                    "{value}: for '<' and '>' the value must be an integer",
                    value = quoted(value)
                ));
            }
            check_value(value)
        }
        other => Err(format!(
            "found {other:?}, expected: in, notin, =, ==, !=, <, >"
        )),
    }
}

/// `(a,b)`; empty places are empty values.
fn values(tokens: &mut &[Token<'_>]) -> Result<(), String> {
    let Some((Token::Open, mut rest)) = tokens.split_first() else {
        return Err("expected '('".to_owned());
    };
    let mut after_word = false;
    loop {
        match rest.split_first() {
            Some((Token::Close, tail)) => {
                *tokens = tail;
                return Ok(());
            }
            Some((Token::Comma, tail)) => (after_word, rest) = (false, tail),
            Some((Token::Word(value), tail)) if !after_word => {
                check_value(value)?;
                (after_word, rest) = (true, tail);
            }
            _ => return Err("expected: ',' or ')' or identifier".to_owned()),
        }
    }
}

/// A qualified name: an optional DNS prefix, `/`, and a name.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_label = |part: &str| {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.iter().all(|b| inside(*b) || *b == b'-')
            && bytes.first().is_some_and(|b| inside(*b))
            && bytes.last().is_some_and(|b| inside(*b))
    };
    let prefix_fits =
        prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(is_label));
    if !prefix_fits || name.is_empty() || !is_name(name) {
        return Err(format!("{key} is not a valid label key", key = quoted(key)));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(format!(
        "{value} is not a valid label value",
        value = quoted(value)
    ))
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// # Errors
/// What is wrong with a field selector.
pub(super) fn check_fields(text: &str) -> Result<(), String> {
    let mut escaped = false;
    let terms = text.split(move |c| {
        let separator = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        separator
    });
    for term in terms.filter(|term| !term.is_empty()) {
        let Some((_, value)) = term.split_once('=') else {
            return Err(format!("can't understand {term}", term = quoted(term)));
        };
        let value = value.strip_prefix('=').unwrap_or(value);
        let mut chars = value.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' if matches!(chars.next(), Some('\\' | ',' | '=')) => {}
                '\\' => {
                    return Err(format!(
                        "invalid escape sequence in {value}",
                        value = quoted(value)
                    ));
                }
                ',' | '=' => {
                    return Err(format!("unescaped {c:?} in {value}", value = quoted(value)));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors() {
        for text in [
            "",
            "a",
            "!a",
            "a=b",
            "a==b,c!=d",
            "a in (b,c)",
            "a notin ()",
            "a in (,b,)",
            "a=",
            "in=in",
            "a>1",
            "x.y/z=1",
            " a , b ",
        ] {
            assert_eq!(check_labels(text), Ok(()), "{text}");
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
            "x/y/z",
            "-a",
            "a=-b",
            "!",
            "!a=b",
            "a in (b c)",
            "a===b",
        ] {
            assert!(check_labels(text).is_err(), "{text}");
        }
    }

    #[test]
    fn field_selectors() {
        for text in ["", ",", "a=b", "=b", "a==b,", "a!=b", r"a=b\,c", r"a=b\=c"] {
            assert_eq!(check_fields(text), Ok(()), "{text}");
        }
        for text in ["a", "a=b=c", r"a\=b=c", r"a=\x", r"a=b\"] {
            assert!(check_fields(text).is_err(), "{text}");
        }
    }
}

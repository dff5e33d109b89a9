//! Character classes and escapes.

use super::super::Error;
use super::{Kind, Parser, bad, unicode};

/// A character class.
#[derive(Debug, Clone, Default)]
pub(in crate::model::regexp) struct Class {
    pub(in crate::model::regexp) negated: bool,
    pub(in crate::model::regexp) items: Vec<Item>,
}

#[derive(Debug, Clone)]
pub(in crate::model::regexp) enum Item {
    Range(char, char),
    /// Number of a surrogate, which no valid text holds.
    Nothing,
    /// ASCII ranges such as `\d`.
    Ascii {
        negated: bool,
        ranges: &'static [(char, char)],
    },
    /// `\p{…}`: the name as the `regex` crate knows it.
    Unicode {
        negated: bool,
        name: String,
    },
}

impl<'p> Parser<'p> {
    /// `\d`, `\p{…}` and the like.
    pub(super) fn class_escape(&mut self) -> Result<Option<Item>, Error> {
        let mut chars = self.rest.chars();
        if chars.next() != Some('\\') {
            return Ok(None);
        }
        let letter = chars.next();
        let ranges: &[_] = match letter.map(|c| c.to_ascii_lowercase()) {
            Some('d') => &[('0', '9')],
            Some('s') => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
            Some('w') => WORD,
            Some('p') => return self.unicode_class().map(Some),
            _ => return Ok(None),
        };
        self.skip(2);
        let negated = letter.is_some_and(|c| c.is_ascii_uppercase());
        Ok(Some(Item::Ascii { negated, ranges }))
    }

    fn unicode_class(&mut self) -> Result<Item, Error> {
        let before = self.rest;
        let mut negated = before.starts_with("\\P");
        self.skip(2);
        let name = match self.next() {
            None => return bad("invalid character class range", before),
            Some('{') => {
                let Some((name, rest)) = self.rest.split_once('}') else {
                    return bad("invalid character class range", before);
                };
                self.rest = rest;
                name.to_owned()
            }
            Some(letter) => letter.to_string(),
        };
        let name = match name.strip_prefix('^') {
            None => &*name,
            Some(name) => {
                negated = !negated;
                name
            }
        };
        match unicode::unicode_name(name) {
            Some(name) => Ok(Item::Unicode { negated, name }),
            None => bad("invalid character class range", self.since(before)),
        }
    }

    /// A character behind a backslash; `None` is one that no text can hold (a surrogate).
    pub(super) fn character(&mut self) -> Result<Option<char>, Error> {
        let before = self.rest;
        self.skip(1);
        let Some(c) = self.next() else {
            return bad("trailing backslash at end of expression", "");
        };
        let code = match c {
            '1'..='7' if !self.rest.starts_with(|c| matches!(c, '0'..='7')) => None,
            '0'..='7' => {
                let more = self
                    .rest
                    .bytes()
                    .take_while(|b| (b'0'..=b'7').contains(b))
                    .count()
                    .min(2);
                let digits = self.rest.get(..more).unwrap_or_default();
                let code = digits
                    .bytes()
                    .fold(u32::from(c) - 48, |n, d| n * 8 + u32::from(d) - 48);
                self.skip(more);
                Some(code)
            }
            'x' => self.hexadecimal(),
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        match code {
            Some(code) => Ok(char::from_u32(code)),
            None => bad("invalid escape sequence", self.since(before)),
        }
    }

    /// What stands behind `\x`.
    fn hexadecimal(&mut self) -> Option<u32> {
        let first = self.next()?;
        if first != '{' {
            let (high, low) = (first.to_digit(16), self.next()?.to_digit(16));
            return Some(high? * 16 + low?);
        }
        let mut code = None;
        loop {
            match self.next()? {
                '}' => return code,
                c => {
                    let next = code.unwrap_or(0) * 16 + c.to_digit(16)?;
                    code = Some(next).filter(|code| *code <= u32::from(char::MAX));
                    code?;
                }
            }
        }
    }

    pub(super) fn class(&mut self) -> Result<(), Error> {
        let before = self.rest;
        self.skip(1);
        let mut class = Class::default();
        if self.rest.starts_with('^') {
            class.negated = true;
            self.skip(1);
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some(item) = self.posix_class()? {
                class.items.push(item);
                continue;
            }
            if let Some(item) = self.class_escape()? {
                class.items.push(item);
                continue;
            }
            let range = self.rest;
            let low = self.class_character(before)?;
            let mut high = low;
            if self.rest.starts_with('-') && self.rest.len() > 1 && !self.rest.starts_with("-]") {
                self.skip(1);
                high = self.class_character(before)?;
                if high < low {
                    return bad("invalid character class range", self.since(range));
                }
            }
            class.items.push(item_of(low, high));
        }
        self.skip(1);
        self.push(Kind::Class {
            class,
            fold: self.flags.fold,
        });
        Ok(())
    }

    /// The number of a character in a class.
    fn class_character(&mut self, class: &'p str) -> Result<u32, Error> {
        if self.rest.starts_with('\\') {
            let before = self.rest;
            return Ok(match self.character()? {
                Some(c) => u32::from(c),
                // The only numbers without a character are surrogates, and those have one notation.
                None => surrogate(self.since(before)),
            });
        }
        match self.next() {
            Some(c) => Ok(u32::from(c)),
            None => bad("missing closing ]", class),
        }
    }

    fn posix_class(&mut self) -> Result<Option<Item>, Error> {
        let Some((name, rest)) = self
            .rest
            .strip_prefix("[:")
            .and_then(|tail| tail.split_once(":]"))
        else {
            return Ok(None);
        };
        let before = self.rest;
        self.rest = rest;
        let (negated, word) = match name.strip_prefix('^') {
            Some(word) => (true, word),
            None => (false, name),
        };
        match POSIX.iter().find(|(known, _)| *known == word) {
            Some((_, ranges)) => Ok(Some(Item::Ascii { negated, ranges })),
            None => bad("invalid character class range", self.since(before)),
        }
    }
}

/// The code of a `\x{…}` that stands for a surrogate.
fn surrogate(escape: &str) -> u32 {
    let digits = escape.trim_start_matches("\\x{").trim_end_matches('}');
    u32::from_str_radix(digits, 16).unwrap_or(0xd800)
}

/// A range; surrogates, which no text holds, are cut out of it.
fn item_of(low: u32, high: u32) -> Item {
    let low = if (0xd800..=0xdfff).contains(&low) {
        0xe000
    } else {
        low
    };
    let high = if (0xd800..=0xdfff).contains(&high) {
        0xd7ff
    } else {
        high
    };
    match (char::from_u32(low), char::from_u32(high)) {
        (Some(low), Some(high)) if low <= high => Item::Range(low, high),
        _ => Item::Nothing,
    }
}

const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

const POSIX: &[(&str, &[(char, char)])] = &[
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7f')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit", &[('0', '9')]),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORD),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

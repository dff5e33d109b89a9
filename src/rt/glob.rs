//! Paths by pattern, as Go's `filepath.Glob`: `*`, `?`, `[a-z]` within one element, `\` takes the next character as it is.

use std::io;
use std::path::Path;

/// Paths on disk that match `pattern`, sorted. Folders that cannot be read hold nothing.
///
/// # Errors
/// The pattern is malformed.
pub fn glob(pattern: &str) -> io::Result<Vec<String>> {
    // A look at the whole pattern first: it may be malformed where no file leads to.
    matches(pattern, "")?;
    let mut found = expand(pattern)?;
    found.sort_unstable();
    Ok(found)
}

fn has_meta(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

fn expand(pattern: &str) -> io::Result<Vec<String>> {
    if !has_meta(pattern) {
        let exists = std::fs::symlink_metadata(pattern).is_ok();
        return Ok(exists.then(|| pattern.to_owned()).into_iter().collect());
    }
    let (folder, name) = match pattern.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((folder, name)) => (folder, name),
        None => ("", pattern),
    };
    let folders = if has_meta(folder) {
        expand(folder)?
    } else {
        vec![folder.to_owned()]
    };
    let mut found = Vec::new();
    for folder in folders {
        let path = if folder.is_empty() { "." } else { &folder };
        let Ok(entries) = std::fs::read_dir(Path::new(path)) else {
            continue;
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        for entry in names {
            if matches(name, &entry)? {
                found.push(match folder.as_str() {
                    "" => entry,
                    "/" => format!("/{entry}"),
                    folder => format!("{folder}/{entry}"),
                });
            }
        }
    }
    Ok(found)
}

/// Whether a pattern matches a text, as Go's `filepath.Match`; `*` and `?` don't match `/`.
///
/// # Errors
/// The pattern is malformed.
pub fn matches(pattern: &str, text: &str) -> io::Result<bool> {
    let parts = parse(pattern).ok_or_else(|| {
        let message = format!("syntax error in pattern {pattern:?}");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })?;
    let text: Vec<char> = text.chars().collect();
    // Where to go on if what follows the last star doesn't fit.
    let (mut part, mut at, mut retry) = (0, 0, None);
    loop {
        match (parts.get(part), text.get(at)) {
            (None, None) => return Ok(true),
            (Some(Part::Star), _) => {
                retry = Some((part, at));
                part += 1;
                continue;
            }
            (Some(part_here), Some(c)) if part_here.fits(*c) => {
                (part, at) = (part + 1, at + 1);
                continue;
            }
            _ => {}
        }
        match retry.filter(|(_, from)| text.get(*from).is_some_and(|c| *c != '/')) {
            Some((star, from)) => {
                retry = Some((star, from + 1));
                (part, at) = (star + 1, from + 1);
            }
            None => return Ok(false),
        }
    }
}

enum Part {
    Star,
    One,
    Char(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Part {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::One => c != '/',
            Self::Char(own) => *own == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

fn parse(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::Star,
            '?' => Part::One,
            '\\' => Part::Char(chars.next()?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
                        break Part::Class { negated, ranges };
                    }
                    let low = bound(&mut chars)?;
                    let high = match chars.next_if_eq(&'-') {
                        Some(_) => bound(&mut chars)?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
            }
            other => Part::Char(other),
        });
    }
    Some(parts)
}

/// One end of a range; a bare `-` or `]` is none.
fn bound(chars: &mut impl Iterator<Item = char>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_go_does() {
        for (pattern, text, want) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "d/a.yml", false),
            ("a*b*c", "aXbbYc", true),
            ("a*b", "ac", false),
            ("?", "é", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            (r"\*", "*", true),
            (r"[\]]", "]", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text).ok(), Some(want), "{pattern} {text}");
        }
        for pattern in ["[", "[]a]", "[a-]", "[-a]", r"a\", "[a"] {
            assert!(matches(pattern, "").is_err(), "{pattern}");
        }
    }

    #[test]
    fn files_are_found_and_sorted() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yml", "c.txt"] {
            std::fs::write(root.path().join(name), "").unwrap();
        }
        let path = |name: &str| root.path().join(name).to_string_lossy().into_owned();
        assert_eq!(
            glob(&path("*.yml")).unwrap(),
            [path("a.yml"), path("b.yml")]
        );
        assert_eq!(glob(&path("c.txt")).unwrap(), [path("c.txt")]);
        assert!(glob(&path("nope/*.yml")).unwrap().is_empty());
    }
}

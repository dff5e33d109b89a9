//! Values of strangers in messages: bounded, without control characters, without passwords.

/// Longer values are cut off.
const LONGEST: usize = 200;

/// The value in quotes, control characters escaped; of a long one the first 200 characters and its length.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => {
            let start = text.get(..end).unwrap_or_default();
            format!("{start:?}… ({} bytes)", text.len())
        }
    }
}

/// A URL without its password, also if it is none: whatever stands between a colon and the last `@`.
pub fn without_password(url: &str) -> String {
    let start = url.find("//").map_or(0, |at| at + 2);
    let Some((front, rest)) = url.split_at_checked(start) else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{front}{user}:xxxxx@{host}"),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bounded_and_escaped() {
        assert_eq!(quoted("a\u{1b}[31m\n\"é"), r#""a\u{1b}[31m\n\"é""#);
        assert_eq!(quoted(&"é".repeat(200)), format!("\"{}\"", "é".repeat(200)));
        let want = format!("\"{}\"… (402 bytes)", "é".repeat(200));
        assert_eq!(quoted(&"é".repeat(201)), want);
    }

    #[test]
    fn passwords_are_hidden() {
        for (url, want) in [
            ("http://u:p@h:1/x", "http://u:xxxxx@h:1/x"),
            ("http://u:p w@h", "http://u:xxxxx@h"),
            ("http://u:p/a@b@h:port", "http://u:xxxxx@h:port"),
            ("u:p@h", "u:xxxxx@h"),
            (" http://u:%zz@[h", " http://u:xxxxx@[h"),
            ("http://u@h:1", "http://u@h:1"),
            ("http://h:1", "http://h:1"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), want);
        }
    }
}

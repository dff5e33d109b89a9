//! Text of others (servers, objects, files) on its way to a terminal or a log.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with its control characters escaped, cut off behind about `most` bytes: it can neither look like a second
/// message, nor steer a terminal, nor fill a log.
pub fn printable(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most && !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut printed = String::new();
    for (at, c) in text.char_indices() {
        if at >= most {
            // Writing to a String cannot fail.
            write!(printed, "… ({} bytes more)", text.len() - at).unwrap_or_default();
            break;
        }
        if is_escaped(c) {
            printed.extend(c.escape_default());
        } else {
            printed.push(c);
        }
    }
    Cow::Owned(printed)
}

/// Beside control characters those that end lines or turn the direction of writing.
fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed() {
        for (text, want) in [
            ("", ""),
            ("plain “text” ü", "plain “text” ü"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{1b}[31mred\u{9b}0m\0", r"\u{1b}[31mred\u{9b}0m\u{0}"),
            ("\u{202e}evil\u{2028}", r"\u{202e}evil\u{2028}"),
            ("0123456789abcdefghij", "0123456789abcdefghij"),
            (
                "0123456789abcdefghijk",
                "0123456789abcdefghij… (1 bytes more)",
            ),
            (
                "0123456789abcdefghiüü",
                "0123456789abcdefghiü… (2 bytes more)",
            ),
        ] {
            assert_eq!(printable(text, 20), want);
        }
    }
}

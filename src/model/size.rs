//! Byte sizes as Prometheus reads and writes them: `10MB`, `1KiB512B`, all in powers of 1024
//! (prometheus: alecthomas/units, `Base2Bytes`).

use std::fmt;

const LETTERS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// A text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not numbers with units.
    Malformed,
    /// Beyond 64 bits.
    OutOfRange,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a valid size (want for example 10MB or 512KiB)",
            Self::OutOfRange => "size out of range",
        })
    }
}

impl std::error::Error for Error {}

/// Reads a size: an optional sign, then `0` or numbers with units, either all of `B KB MB …` or all of `B KiB MiB …`.
///
/// # Errors
/// The text is something else.
pub fn parse(text: &str) -> Result<i64, Error> {
    parse_with(text, "iB").or_else(|_| parse_with(text, "B"))
}

fn parse_with(text: &str, suffix: &str) -> Result<i64, Error> {
    let (negative, mut rest) = match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(Error::Malformed);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let (whole, digits, tail) = leading_number(rest)?;
        let (mut number, mut seen) = (whole, digits > 0);
        rest = tail;
        if let Some(tail) = rest.strip_prefix('.') {
            let (fraction, digits, tail) = leading_number(tail)?;
            number += fraction / (0..digits).fold(1.0, |scale, _| scale * 10.0);
            (seen, rest) = (seen || digits > 0, tail);
        }
        let end = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, tail) = rest.split_at_checked(end).ok_or(Error::Malformed)?;
        let scale = scale_of(unit, suffix).filter(|_| seen);
        total += number * scale.ok_or(Error::Malformed)?;
        rest = tail;
    }
    if negative {
        total = -total;
    }
    // 2⁶³ itself is within upstream's bound, which is a float; the conversion saturates.
    if !(-9_223_372_036_854_775_808.0..=9_223_372_036_854_775_808.0).contains(&total) {
        return Err(Error::OutOfRange);
    }
    Ok(total as i64)
}

/// The digits at the start as a number, how many they are, and what follows.
fn leading_number(text: &str) -> Result<(f64, usize, &str), Error> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits).ok_or(Error::Malformed)?;
    let number = number.bytes().try_fold(0i64, |sum, digit| {
        // Upstream refuses to go on from here, a little earlier than necessary.
        let fits = sum < (i64::MAX - 9) / 10;
        fits.then(|| sum * 10 + i64::from(digit - b'0'))
    });
    Ok((number.ok_or(Error::Malformed)? as f64, digits, rest))
}

fn scale_of(unit: &str, suffix: &str) -> Option<f64> {
    let at = LETTERS.iter().position(|letter| {
        let suffix = if letter.is_empty() { "B" } else { suffix };
        unit.strip_prefix(letter) == Some(suffix)
    })?;
    Some(1024f64.powi(i32::try_from(at).ok()?))
}

/// Upstream's text of a size: `1GiB512MiB`; 0 is `0B`.
pub fn format(size: i64) -> String {
    let mut parts = Vec::new();
    let mut rest = size;
    for letter in LETTERS {
        let part = rest % 1024;
        if part != 0 || (letter.is_empty() && rest == 0) {
            let suffix = if letter.is_empty() { "B" } else { "iB" };
            parts.push(format!("{part}{letter}{suffix}"));
        }
        rest /= 1024;
        if rest == 0 {
            break;
        }
    }
    parts.reverse();
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: i64) {
        assert_eq!(parse(text), Ok(want), "{text}");
    }

    #[test]
    fn sizes_are_read() {
        check("0", 0);
        check("0B", 0);
        check("-1MB", -(1 << 20));
        check("+1KiB", 1024);
        check("1MB1KB", (1 << 20) + 1024);
        check("1KB1MB", (1 << 20) + 1024);
        check(".5MB", 1 << 19);
        check("5.MB", 5 << 20);
        check("1.5KiB", 1536);
        check("7EiB", 7 << 60);
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "-",
            "1",
            "512",
            "1e3",
            "kB",
            "1kB",
            "1mb",
            "1M",
            "1Mi",
            "1 MB",
            "00",
            "1_0MB",
            ".MB",
            "1KB1MiB",
            "99999999999999999999B",
        ] {
            assert_eq!(parse(text), Err(Error::Malformed), "{text}");
        }
        assert_eq!(parse("9EB"), Err(Error::OutOfRange));
    }

    #[test]
    fn sizes_are_written() {
        for (size, want) in [
            (0, "0B"),
            (1, "1B"),
            (1536, "1KiB512B"),
            (3 << 20, "3MiB"),
            (-1024, "-1KiB"),
        ] {
            assert_eq!(format(size), want);
        }
    }
}

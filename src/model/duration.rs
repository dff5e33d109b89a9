//! Durations as Prometheus writes them: `1m30s`, `2w` (prometheus: common/model/time.go).

use std::fmt;
use std::time::Duration;

/// The units, largest first, in milliseconds; the last column says whether a value is only written in that unit if it is
/// an exact multiple of it.
const UNITS: [(&str, u64, bool); 7] = [
    ("y", 365 * 24 * 3_600_000, true),
    ("w", 7 * 24 * 3_600_000, true),
    ("d", 24 * 3_600_000, false),
    ("h", 3_600_000, false),
    ("m", 60_000, false),
    ("s", 1000, false),
    ("ms", 1, false),
];

/// Upstream counts nanoseconds in a signed 64-bit number.
const LONGEST: u64 = i64::MAX as u64 / 1_000_000;

/// A text that is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Nothing there.
    Empty,
    /// Not numbers with units from large to small.
    Malformed,
    /// Longer than 292 years.
    OutOfRange,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty duration string",
            Self::Malformed => "not a valid duration string (want for example 1m30s or 0)",
            Self::OutOfRange => "duration out of range",
        })
    }
}

impl std::error::Error for Error {}

/// Reads `0` or numbers with units `y w d h m s ms`, from large to small and each at most once.
///
/// # Errors
/// The text is something else, or the duration is longer than 2⁶³ ns.
pub fn parse(text: &str) -> Result<Duration, Error> {
    match text {
        "0" => return Ok(Duration::ZERO),
        "" => return Err(Error::Empty),
        _ => {}
    }
    let (mut total, mut units, mut rest) = (0u64, UNITS.iter(), text);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits).ok_or(Error::Malformed)?;
        let unit = tail.bytes().take_while(|b| !b.is_ascii_digit()).count();
        let (unit, tail) = tail.split_at_checked(unit).ok_or(Error::Malformed)?;
        let number: u64 = number.parse().map_err(|_| Error::Malformed)?;
        let (_, millis, _) = units
            .find(|(name, ..)| *name == unit)
            .ok_or(Error::Malformed)?;
        let part = number.checked_mul(*millis).ok_or(Error::OutOfRange)?;
        total = total.checked_add(part).ok_or(Error::OutOfRange)?;
        rest = tail;
    }
    if total > LONGEST {
        return Err(Error::OutOfRange);
    }
    Ok(Duration::from_millis(total))
}

/// Upstream's text of a duration, in whole milliseconds: what `__scrape_interval__` holds.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, millis, exact) in UNITS {
        let number = rest / millis;
        if number > 0 && (!exact || rest % millis == 0) {
            text.push_str(&number.to_string());
            text.push_str(name);
            rest %= millis;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(parse(text).map(format).as_deref(), Ok(want), "{text}");
    }

    #[test]
    fn durations_are_read_and_written() {
        check("0", "0s");
        check("0d", "0s");
        check("01s", "1s");
        check("90m", "1h30m");
        check("60s", "1m");
        check("14d", "2w");
        check("1500ms", "1s500ms");
        check("90d", "90d");
        check("1w1d", "8d");
        check("100y", "100y");
        check("292y60d", "106640d");
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "1", "1.5s", "-1s", "500ms1s", "1d1d", "1 s", "1S", "1us", "1h30", "00", "s",
        ] {
            assert_eq!(parse(text), Err(Error::Malformed), "{text}");
        }
        assert_eq!(parse(""), Err(Error::Empty));
        for text in ["300y", "292y184d", "18446744073709551615y"] {
            assert_eq!(parse(text), Err(Error::OutOfRange), "{text}");
        }
    }
}

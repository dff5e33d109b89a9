//! What plain scalars mean in `gopkg.in/yaml.v2` (`resolve.go`): YAML 1.1 with omissions. `yes` is a boolean, `010` is 8.

/// The meaning of a plain scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// `~`, `null` or nothing.
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond `i64`.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// A date, with or without a time.
    Timestamp,
    /// Text.
    Text,
}

/// Resolves a plain scalar without a tag.
pub fn resolve(text: &str) -> Scalar {
    match text.bytes().next() {
        None => Scalar::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(text).unwrap_or(Scalar::Text)
        }
        Some(b'.') => word(text)
            .or_else(|| go_float(text).map(Scalar::Float))
            .unwrap_or(Scalar::Text),
        Some(b'+' | b'-' | b'0'..=b'9') => word(text)
            .or_else(|| is_timestamp(text).then_some(Scalar::Timestamp))
            .or_else(|| number(&text.replace('_', "")))
            .unwrap_or(Scalar::Text),
        Some(_) => Scalar::Text,
    }
}

/// Whether text written plain would be read as something else. Numbers to the base of 60 are not read as numbers, but
/// upstream keeps other readers from doing so.
pub fn looks_typed(text: &str) -> bool {
    resolve(text) != Scalar::Text || is_base_60(text)
}

fn word(text: &str) -> Option<Scalar> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// `strconv.ParseInt(text, 0, 64)`, then `ParseUint`, then a float in YAML's own form, then what is left of binary
/// numbers: a sign behind their prefix.
fn number(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(magnitude) = magnitude(digits) {
        if negative {
            if magnitude <= i64::MIN.unsigned_abs() {
                return Some(Scalar::Int(0i64.wrapping_sub_unsigned(magnitude)));
            }
        } else if let Ok(number) = i64::try_from(magnitude) {
            return Some(Scalar::Int(number));
        } else if !text.starts_with('+') {
            return Some(Scalar::Uint(magnitude));
        }
    }
    if is_yaml_float(digits) {
        return text
            .parse()
            .ok()
            .filter(|f: &f64| f.is_finite())
            .map(Scalar::Float);
    }
    let binary = text.strip_prefix("0b")?;
    let is_binary = binary.trim_start_matches(['+', '-']).len() + 1 == binary.len();
    let number = is_binary.then(|| i64::from_str_radix(binary, 2).ok())??;
    Some(Scalar::Int(number))
}

fn magnitude(digits: &str) -> Option<u64> {
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // Rust would accept a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the sign aside.
fn is_yaml_float(text: &str) -> bool {
    let (whole, rest) = text.split_at(digits(text));
    let rest = match rest.strip_prefix('.') {
        Some(rest) if whole.is_empty() && digits(rest) == 0 => return false,
        Some(rest) => rest.split_at(digits(rest)).1,
        None if whole.is_empty() => return false,
        None => rest,
    };
    match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        None => rest.is_empty(),
    }
}

/// `strconv.ParseFloat` of a text that starts with a point: underscores may stand between digits.
fn go_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let between_digits = |i: usize| {
        let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
        digit(bytes.get(i.wrapping_sub(1))) && digit(bytes.get(i + 1))
    };
    let underscores_ok = (0..bytes.len()).all(|i| bytes.get(i) != Some(&b'_') || between_digits(i));
    let plain = text.replace('_', "");
    let number = || plain.parse().ok().filter(|f: &f64| f.is_finite());
    (underscores_ok && is_yaml_float(&plain)).then(number)?
}

/// `[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?`
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some((first, rest)) = unsigned.split_once(':') else {
        return false;
    };
    let (parts, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let digit_or_underscore = |b: u8| b.is_ascii_digit() || b == b'_';
    first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(digit_or_underscore)
        && fraction.bytes().all(digit_or_underscore)
        && parts.split(':').all(|part| match part.as_bytes() {
            [one] => one.is_ascii_digit(),
            [tens, ones] => matches!(tens, b'0'..=b'5') && ones.is_ascii_digit(),
            _ => false,
        })
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// `parseTimestamp`: a date, or a date and a time as Go's `time.Parse` reads them.
fn is_timestamp(text: &str) -> bool {
    let mut rest = Rest(text);
    let date = (|| {
        let year = rest.number(4, 4)?;
        rest.literal('-')?;
        let month = rest.number(1, 2)?;
        rest.literal('-')?;
        let day = rest.number(1, 2)?;
        (1..=days_of(year, month)).contains(&day).then_some(())
    })();
    if date.is_none() {
        return false;
    }
    if rest.0.is_empty() {
        return true;
    }
    let zoned = rest.literal('T').or_else(|| rest.literal('t')).is_some();
    if !zoned {
        if !rest.0.starts_with(' ') {
            return false;
        }
        rest.0 = rest.0.trim_start_matches(' ');
    }
    let time = rest.time().is_some() && (!zoned || rest.zone().is_some());
    time && rest.0.is_empty()
}

/// What is left of a text.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn literal(&mut self, c: char) -> Option<()> {
        self.0 = self.0.strip_prefix(c)?;
        Some(())
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let len = digits(self.0).min(most);
        let (number, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        (len >= least).then(|| number.parse().ok())?
    }

    fn time(&mut self) -> Option<()> {
        let hour = self.number(1, 2)?;
        self.literal(':')?;
        let minute = self.number(1, 2)?;
        self.literal(':')?;
        let second = self.number(1, 2)?;
        if let Some(fraction) = self.0.strip_prefix(['.', ','])
            && digits(fraction) > 0
        {
            self.0 = fraction.split_at(digits(fraction)).1;
        }
        (hour < 24 && minute < 60 && second < 60).then_some(())
    }

    fn zone(&mut self) -> Option<()> {
        if self.literal('Z').is_some() {
            return Some(());
        }
        self.0 = self.0.strip_prefix(['+', '-'])?;
        let hour = self.number(2, 2)?;
        self.literal(':')?;
        let minute = self.number(2, 2)?;
        (hour <= 24 && minute <= 60).then_some(())
    }
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        1..=12 => 31,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Scalar) {
        let found = resolve(text);
        let nan = matches!((found, want), (Scalar::Float(a), Scalar::Float(b)) if a.is_nan() && b.is_nan());
        assert!(found == want || nan, "{text:?}: {found:?}, want {want:?}");
    }

    #[test]
    fn scalars_mean_what_yaml_1_1_says() {
        check("", Scalar::Null);
        check("y", Scalar::Bool(true));
        check("Off", Scalar::Bool(false));
        check("yEs", Scalar::Text);
        check("010", Scalar::Int(8));
        check("0x1F", Scalar::Int(31));
        check("0o17", Scalar::Int(15));
        check("-0b11", Scalar::Int(-3));
        check("0b-1", Scalar::Int(-1));
        check("1_000", Scalar::Int(1000));
        check("1__0_", Scalar::Int(10));
        check("0x_10", Scalar::Int(16));
        check("+0x5", Scalar::Int(5));
        check("089", Scalar::Float(89.0));
        check("18446744073709551615", Scalar::Uint(u64::MAX));
        check("-9223372036854775808", Scalar::Int(i64::MIN));
        check("1e3", Scalar::Float(1000.0));
        check("5.", Scalar::Float(5.0));
        check("1e999", Scalar::Text);
        check("1.2.3", Scalar::Text);
        check("1-2", Scalar::Text);
        check("_1", Scalar::Text);
        check("nul", Scalar::Text);
        check(".5_0", Scalar::Float(0.5));
        check("._5", Scalar::Text);
        check(".", Scalar::Text);
        check("-.INF", Scalar::Float(f64::NEG_INFINITY));
        check(".NaN", Scalar::Float(f64::NAN));
        check("0x", Scalar::Text);
        check("--1", Scalar::Text);
        check("=", Scalar::Text);
        check("<<", Scalar::Text);
    }

    #[test]
    fn timestamps_are_what_go_parses() {
        for text in [
            "2001-1-1",
            "2001-12-14T21:59:43.1Z",
            "2001-12-14t1:2:3-05:00",
            "2001-12-14   1:2:3,5",
        ] {
            check(text, Scalar::Timestamp);
        }
        for text in [
            "2001-2-29",
            "2001-13-1",
            "2001-1-1T1:2:3",
            "2001-1-1 1:2",
            "02001-1-1",
            "2001-1-1x",
        ] {
            check(text, Scalar::Text);
        }
    }

    #[test]
    fn base_60_is_text_that_looks_typed() {
        for text in ["1:20", "+1_0:59:5.5_", "190:20:30"] {
            assert!(looks_typed(text), "{text}");
            check(text, Scalar::Text);
        }
        for text in ["1:60", "1:", ":1", "a:1", "1:2:3.x"] {
            assert!(!looks_typed(text), "{text}");
        }
    }
}

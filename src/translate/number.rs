//! Numbers as the receiver's language has them: out of range conversions as on amd64, floats parsed from labels, times.

/// `uint64(f)` on amd64: truncated; what does not fit becomes 2^63 or wraps.
pub(super) fn to_u64(value: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    if value < HALF {
        to_i64(value) as u64
    } else {
        to_i64(value - HALF) as u64 | 1 << 63
    }
}

/// `int64(f)` on amd64: truncated; what does not fit becomes the smallest integer.
fn to_i64(value: f64) -> i64 {
    const LIMIT: f64 = (1u64 << 63) as f64;
    if (-LIMIT..LIMIT).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// Milliseconds to nanoseconds; times before 1970 wrap, as the protocol's field is unsigned.
pub(super) fn nanos_of_ms(ms: i64) -> u64 {
    ms.wrapping_mul(1_000_000) as u64
}

/// Seconds to nanoseconds: whole seconds and the truncated fraction (contrib: util.go, timestampFromFloat64).
pub(super) fn nanos_of_seconds(seconds: f64) -> u64 {
    let whole = to_i64(seconds);
    let rest = to_i64((seconds - whole as f64) * 1e9);
    whole.wrapping_mul(1_000_000_000).wrapping_add(rest) as u64
}

/// `strconv.ParseFloat(text, 64)`: the bound of a bucket or the quantile of a summary.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'+' => (Some(1.0), text.get(1..)?),
        b'-' => (Some(-1.0), text.get(1..)?),
        _ => (None, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    match &*lower {
        "inf" | "infinity" => return Some(sign.unwrap_or(1.0) * f64::INFINITY),
        "nan" => return sign.is_none().then_some(f64::NAN),
        _ => {}
    }
    let digits = without_underscores(&lower)?;
    let value = match digits.strip_prefix("0x") {
        Some(hex) => parse_hex(hex)?,
        None => parse_decimal(&digits)?,
    };
    // Too large for a double is an error; too small is 0.
    value.is_finite().then(|| sign.unwrap_or(1.0) * value)
}

/// Underscores may stand between digits, and between a base prefix and the first digit.
fn without_underscores(text: &str) -> Option<String> {
    let body = text
        .strip_prefix("0x")
        .map_or(text, |hex| hex.strip_prefix('_').unwrap_or(hex));
    let bytes = body.as_bytes();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(|byte| byte.is_ascii_hexdigit())
    };
    for (at, _) in body.match_indices('_') {
        if !is_digit(at.checked_sub(1)) || !is_digit(Some(at + 1)) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

fn parse_decimal(text: &str) -> Option<f64> {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-');
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !text.chars().all(is_number) {
        return None;
    }
    text.parse().ok()
}

/// Hexadecimal with a binary exponent, which must be there: `1.8p1` is 3.
fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(value * 2f64.powi(exponent.checked_sub(places)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_those_of_amd64() {
        for (value, want) in [
            (5.7, 5),
            (-1.5, u64::MAX),
            (-0.5, 0),
            (f64::NAN, 1 << 63),
            (f64::INFINITY, 1 << 63),
            (f64::NEG_INFINITY, 1 << 63),
            (1e19, 10_000_000_000_000_000_000),
            (1.9e19, 1 << 63),
            (-1e19, 1 << 63),
        ] {
            assert_eq!(to_u64(value), want, "{value}");
        }
    }

    #[test]
    fn seconds_become_nanoseconds() {
        assert_eq!(nanos_of_seconds(123.456), 123_456_000_000);
        assert_eq!(nanos_of_seconds(f64::NAN), 1 << 63);
        assert_eq!(nanos_of_ms(-1), (-1_000_000i64) as u64);
    }

    #[track_caller]
    fn check(text: &str, want: Option<f64>) {
        let got = parse_float(text);
        assert!(
            got == want || got.zip(want).is_some_and(|(a, b)| a.is_nan() && b.is_nan()),
            "{text}: {got:?}"
        );
    }

    #[test]
    fn floats_are_parsed_as_go_does() {
        check("1", Some(1.0));
        check("+1.5e3", Some(1500.0));
        check(".5", Some(0.5));
        check("1.", Some(1.0));
        check("1_00", Some(100.0));
        check("0x1p4", Some(16.0));
        check("0X_1.8P1", Some(3.0));
        check("+Inf", Some(f64::INFINITY));
        check("-infinity", Some(f64::NEG_INFINITY));
        check("NaN", Some(f64::NAN));
        for bad in [
            "", " 1", "1 ", "0x40", "_1", "1_", "1__0", "1e400", "+nan", "--1", "e5", ".", "0x",
            "1f",
        ] {
            check(bad, None);
        }
    }
}

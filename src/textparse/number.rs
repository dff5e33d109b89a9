//! Numbers as Go's strconv reads and writes them: sample values, `le` and `quantile`.

use crate::model::value::NORMAL_NAN_BITS;
use std::borrow::Cow;

/// Exactly representable powers of ten.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The number at the start of `text` and its length, if it ends before a blank, a tab or a line feed and can be had by one
/// multiplication or division of exact numbers, which is then correctly rounded. `None` says nothing about the text: ask
/// [`parse_decimal`].
pub(super) fn parse_short(text: &[u8]) -> Option<(f64, usize)> {
    let digit_at = |i: usize| {
        text.get(i)
            .map(|b| b.wrapping_sub(b'0'))
            .filter(|d| *d < 10)
    };
    let negative = text.first() == Some(&b'-');
    let mut i = usize::from(negative);
    let mut mantissa = 0u64;
    let first_digit = i;
    while let Some(digit) = digit_at(i) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        i += 1;
    }
    let mut digits = i - first_digit;
    let mut exponent = 0i32;
    if text.get(i) == Some(&b'.') {
        let first_decimal = i + 1;
        i = first_decimal;
        while let Some(digit) = digit_at(i) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            i += 1;
        }
        digits += i - first_decimal;
        exponent -= i32::try_from(i - first_decimal).ok()?;
    }
    // 19 digits always fit 64 bits.
    if digits == 0 || digits > 19 || mantissa > 1 << 53 {
        return None;
    }
    if matches!(text.get(i), Some(b'e' | b'E')) {
        i += 1;
        let down = text.get(i) == Some(&b'-');
        i += usize::from(down || text.get(i) == Some(&b'+'));
        let first = digit_at(i)?;
        let mut power = i32::from(first);
        i += 1;
        while let Some(digit) = digit_at(i) {
            power = power * 10 + i32::from(digit);
            i += 1;
            if power > 1000 {
                return None;
            }
        }
        exponent += if down { -power } else { power };
    }
    if !matches!(text.get(i), Some(b' ' | b'\n' | b'\t')) {
        return None;
    }
    let power = *POWERS.get(exponent.unsigned_abs() as usize)?;
    let mantissa = mantissa as f64;
    let value = if exponent < 0 {
        mantissa / power
    } else {
        mantissa * power
    };
    Some((if negative { -value } else { value }, i))
}

/// The value that stands at the start of `text` and ends its line, and its length; none if it is no number, or if more stands
/// on the line.
#[inline]
pub fn value_of_line(text: &[u8]) -> Option<(f64, usize)> {
    if let Some((value, length)) = parse_short(text) {
        return (text.get(length) == Some(&b'\n')).then_some((value, length));
    }
    let length = memchr::memchr(b'\n', text)?;
    Some((parse_decimal(text.get(..length)?)?, length))
}

/// A sample's value: decimal, `inf`, `infinity` or `nan` in any case. No hexadecimal, no underscores, no signed NaN; overflow
/// is an error, underflow is 0 (prometheus: model/textparse, parseFloat).
pub(super) fn parse_decimal(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-"));
    if unsigned
        .unwrap_or(text)
        .iter()
        .any(|b| !matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return special(text);
    }
    // Rust rounds as Go does, but says infinity where Go says error.
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

fn special(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        return Some(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    text.eq_ignore_ascii_case(b"nan")
        .then_some(f64::from_bits(NORMAL_NAN_BITS))
}

/// What strconv.ParseFloat accepts: beyond [`parse_decimal`] also hexadecimal numbers and underscores between digits.
pub(super) fn parse_go(text: &[u8]) -> Option<f64> {
    if text.contains(&b'_') {
        if !underscores_fit(text) {
            return None;
        }
        let plain: Vec<u8> = text.iter().copied().filter(|b| *b != b'_').collect();
        return parse_go(&plain);
    }
    let (negative, unsigned) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    match unsigned {
        [b'0', b'x' | b'X', digits @ ..] => {
            let value = parse_hex(digits)?;
            Some(if negative { -value } else { value })
        }
        _ => parse_decimal(text),
    }
}

/// Underscores stand between digits only; a prefix `0x` counts as one (Go: internal/strconv, underscoreOK).
fn underscores_fit(text: &[u8]) -> bool {
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    let (hex, prefix) = match unsigned {
        [b'0', b'x' | b'X', ..] => (true, 2),
        [b'0', b'b' | b'B' | b'o' | b'O', ..] => (false, 2),
        _ => (false, 0),
    };
    let mut before = if prefix > 0 { b'0' } else { b'^' };
    for &byte in unsigned.get(prefix..).unwrap_or_default() {
        let is_digit = byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit();
        let class = match byte {
            _ if is_digit => b'0',
            b'_' => b'_',
            _ => b'!',
        };
        let fits = match class {
            b'_' => before == b'0',
            b'!' => before != b'_',
            _ => true,
        };
        if !fits {
            return false;
        }
        before = class;
    }
    before != b'_'
}

/// `digits[.digits]p[sign]digits` in base 16, rounded to nearest even; overflow is an error (Go: internal/strconv, atofHex).
fn parse_hex(text: &[u8]) -> Option<f64> {
    let at_p = text.iter().position(|b| matches!(b, b'p' | b'P'))?;
    let (digits, power) = text.split_at_checked(at_p)?;
    let power = std::str::from_utf8(power.get(1..)?).ok()?;
    let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Go stops reading the exponent near 10⁵, too: beyond that only the direction matters.
    let magnitude = unsigned.parse::<i64>().unwrap_or(100_000).min(100_000);
    let mut exponent = if power.starts_with('-') {
        -magnitude
    } else {
        magnitude
    };
    let (mut mantissa, mut lost, mut seen_dot, mut seen_digit) = (0u64, false, false, false);
    for &byte in digits {
        if byte == b'.' && !seen_dot {
            seen_dot = true;
            continue;
        }
        let digit = u64::from(char::from(byte).to_digit(16)?);
        seen_digit = true;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent -= if seen_dot { 4 } else { 0 };
        } else {
            lost |= digit != 0;
            exponent += if seen_dot { 0 } else { 4 };
        }
    }
    if !seen_digit {
        return None;
    }
    scale(mantissa, lost, exponent)
}

/// `mantissa` · 2^`exponent` to nearest even; `lost` says that something less than the last bit is missing.
fn scale(mantissa: u64, lost: bool, exponent: i64) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let zeros = i64::from(mantissa.leading_zeros());
    let mantissa = mantissa << zeros;
    // The value is mantissa · 2^exponent with bit 63 set; `top` is the exponent of that bit.
    let exponent = exponent - zeros;
    let top = exponent + 63;
    if top > 1023 {
        return None;
    }
    // Bits to cut off: 11, and more below the smallest normal number.
    let cut = 11 + (-1022 - top).max(0);
    if cut > 64 {
        return Some(0.0);
    }
    let wide = u128::from(mantissa);
    let kept = (wide >> cut) as u64;
    let (half, tail) = (1u128 << (cut - 1), wide & ((1u128 << cut) - 1));
    let up = tail > half || tail == half && (lost || kept & 1 == 1);
    let kept = kept + u64::from(up);
    // Adding the exponent to the bits carries over from the mantissa by itself.
    let biased = if cut > 11 { 0 } else { (top + 1022) as u64 };
    let value = f64::from_bits((biased << 52) + kept);
    value.is_finite().then_some(value)
}

/// Seconds as milliseconds, cut off towards zero. What does not fit is what amd64 makes of it.
pub(super) fn milliseconds(seconds: f64) -> i64 {
    let scaled = seconds * 1000.0;
    if scaled >= -(2f64.powi(63)) && scaled < 2f64.powi(63) {
        scaled as i64
    } else {
        i64::MIN
    }
}

/// The text of an `le` or `quantile` as [`format_openmetrics`] would write its number, which most are already; `None` if it
/// is no number.
pub(super) fn bound(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if is_canonical(text) {
        return Some(Cow::Borrowed(text));
    }
    parse_go(text).map(|number| Cow::Owned(format_openmetrics(number).into_bytes()))
}

/// Whether a number is certainly written as it would be: a few digits on both sides of a point, no zero too many. Up to 15
/// digits tell floats apart, so that the shortest text of such a float is this one.
fn is_canonical(text: &[u8]) -> bool {
    if text == b"+Inf" {
        return true;
    }
    let point = text.iter().position(|byte| *byte == b'.');
    let Some((whole, [b'.', fraction @ ..])) = point.and_then(|at| text.split_at_checked(at))
    else {
        return false;
    };
    let starts_well = match whole {
        // Smaller ones get an exponent.
        [b'0'] => fraction == b"0" || fraction.iter().take(4).any(|digit| *digit != b'0'),
        [b'1'..=b'9', ..] => whole.len() <= 6,
        _ => false,
    };
    let ends_well = fraction == b"0" || matches!(fraction, [.., b'1'..=b'9']);
    let is_number = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    starts_well && ends_well && is_number && text.len() <= 16
}

/// A float as OpenMetrics writes it in `le` and `quantile`: the shortest digits that read back, always with `.` or `e`
/// (prometheus: model/labels/float.go, FormatOpenMetricsFloat).
pub(super) fn format_openmetrics(value: f64) -> String {
    if value == 0.0 {
        return "0.0".to_owned();
    }
    let mut text = format_go(value);
    if value.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

/// strconv.FormatFloat(value, 'g', -1, 64).
fn format_go(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let shortest = format!("{value:e}");
    // Where two shortest texts are equally near, Go takes the even one, as Rust does only when told the number of digits.
    let is_digit = |c: &char| c.is_ascii_digit();
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let decimals = mantissa.chars().filter(is_digit).count().saturating_sub(1);
    let even = format!("{value:.decimals$e}");
    let text = if even.parse() == Ok(value) {
        even
    } else {
        shortest
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    // The decimal point's place among the digits, and zeros before and behind them.
    let digits: String = mantissa.chars().filter(is_digit).collect();
    let before = "0".repeat((-exponent).max(0) as usize);
    let digits = format!(
        "{before}{digits:0<width$}",
        width = exponent.max(0) as usize + 1
    );
    let (whole, part) = digits
        .split_at_checked(exponent.max(0) as usize + 1)
        .unwrap_or((&digits, ""));
    let sign = if value < 0.0 { "-" } else { "" };
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check_decimal(text: &str, want: Option<f64>) {
        let got = parse_decimal(text.as_bytes());
        assert_eq!(got.map(f64::to_bits), want.map(f64::to_bits), "{text:?}");
    }

    #[test]
    fn values_are_read_as_go_reads_them() {
        check_decimal("1", Some(1.0));
        check_decimal("-0", Some(-0.0));
        check_decimal(".5", Some(0.5));
        check_decimal("5.", Some(5.0));
        check_decimal("+1E+2", Some(100.0));
        check_decimal("1e-400", Some(0.0));
        check_decimal("4.9e-324", Some(f64::from_bits(1)));
        check_decimal("9007199254740992.5", Some(9007199254740992.0));
        check_decimal("infinity", Some(f64::INFINITY));
        check_decimal("-InF", Some(f64::NEG_INFINITY));
        check_decimal("NAN", Some(f64::from_bits(NORMAL_NAN_BITS)));
        for text in [
            "",
            ".",
            "+",
            "-nan",
            "+nan",
            "infin",
            "1e400",
            "1.7976931348623159e308",
            "0x10",
            "0x1p4",
            "1_0",
            "1e",
            "e5",
            "--1",
            "1,5",
            "1 ",
            "\u{663}",
        ] {
            check_decimal(text, None);
        }
    }

    #[test]
    fn two_thousand_digits_are_rounded_once() {
        // Half way between two numbers, and a last digit that decides.
        let half = "9007199254740993".to_owned() + "." + &"0".repeat(2000);
        check_decimal(&half, Some(9007199254740992.0));
        check_decimal(&(half + "1"), Some(9007199254740994.0));
        let small = "0.".to_owned() + &"0".repeat(2000) + "1e2001";
        check_decimal(&small, Some(1.0));
    }

    #[track_caller]
    fn check_go(text: &str, want: Option<f64>) {
        let got = parse_go(text.as_bytes());
        assert_eq!(got.map(f64::to_bits), want.map(f64::to_bits), "{text:?}");
    }

    #[test]
    fn bounds_may_be_hexadecimal_or_have_underscores() {
        check_go("1_0.2_5", Some(10.25));
        check_go("0x1p4", Some(16.0));
        check_go("-0X_1.8p-1", Some(-0.75));
        check_go("0x.8p1_0", Some(512.0));
        check_go("0x1p-1074", Some(f64::from_bits(1)));
        check_go("0x1p-1075", Some(0.0));
        check_go("0x1.8p-1075", Some(f64::from_bits(1)));
        check_go("0x1.fffffffffffff7p1023", Some(f64::MAX));
        check_go("0x1.00000000000008p0", Some(1.0));
        check_go("0x1.00000000000008000000000001p0", Some(1.0 + f64::EPSILON));
        check_go("0x1.fffffffffffff8p-1023", Some(f64::MIN_POSITIVE));
        for text in [
            "_1",
            "1_",
            "1__0",
            "1_.5",
            "0x1",
            "0xp1",
            "0x1p",
            "0x1p1024",
            "0b1",
            "0x1.fffffffffffff8p1023",
            "",
        ] {
            check_go(text, None);
        }
    }

    #[test]
    fn most_bounds_are_left_alone() {
        for text in [
            "+Inf",
            "0.0",
            "0.005",
            "0.25",
            "1.0",
            "10.0",
            "999999.5",
            "0.00012345",
        ] {
            assert!(is_canonical(text.as_bytes()), "{text}");
        }
        for text in [
            "1",
            "-1.0",
            "1.",
            ".5",
            "00.5",
            "1.50",
            "1e3",
            "0.00001",
            "1000000.5",
            "0.1234567890123456",
        ] {
            assert!(!is_canonical(text.as_bytes()), "{text}");
        }
        assert_eq!(bound(b"10"), Some(b"10.0".into()));
        assert_eq!(bound(b"x"), None);
    }

    #[track_caller]
    fn check_format(value: f64, want: &str) {
        assert_eq!(format_openmetrics(value), want);
    }

    #[test]
    fn bounds_are_written_as_openmetrics_does() {
        for (value, want) in [
            (1.0, "1.0"),
            (10.0, "10.0"),
            (0.1, "0.1"),
            (-0.0, "0.0"),
            (999999.5, "999999.5"),
            (1e6, "1e+06"),
            (1234567.0, "1.234567e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e21, "1e+21"),
            (-250.0, "-250.0"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            // Equally near to ...2 and ...3.
            (639890.0 + 2f64.powi(-11), "639890.0004882812"),
        ] {
            check_format(value, want);
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_equals_the_slow_one(text in "-?[0-9]{0,21}(\\.[0-9]{0,21})?([eE][+-]?[0-9]{1,3})?") {
            let line = text.clone() + "\n";
            if let Some((value, length)) = parse_short(line.as_bytes()) {
                prop_assert_eq!(length, text.len());
                let slow = parse_decimal(text.as_bytes());
                prop_assert_eq!(Some(value.to_bits()), slow.map(f64::to_bits));
            }
        }

        #[test]
        fn what_is_written_is_read(bits: u64) {
            let value = f64::from_bits(bits);
            let text = format_openmetrics(value);
            let read = parse_go(text.as_bytes());
            prop_assert!(value.is_nan() || read == Some(value), "{} {:?}", text, read);
        }

        #[test]
        fn bounds_left_alone_would_be_written_so(text in "(0|[0-9]{1,7})\\.(0{0,5}[0-9]{0,14})") {
            let number = parse_go(text.as_bytes()).map(format_openmetrics);
            let kept = bound(text.as_bytes()).map(|kept| String::from_utf8_lossy(&kept).into_owned());
            prop_assert_eq!(kept, number);
        }

        #[test]
        fn hexadecimal_is_exact(mantissa in 0u64..1 << 53, exponent in -1074i32..970) {
            let value = mantissa as f64 * 2f64.powi(exponent.max(-1022)) * 2f64.powi(exponent.min(-1022) + 1022);
            let text = format!("0x{mantissa:x}p{exponent}");
            prop_assert_eq!(parse_go(text.as_bytes()), Some(value).filter(|v| v.is_finite()));
        }
    }
}

//! Numbers as Go's strconv reads and writes them: sample values, `le` and `quantile`.

use crate::model::value::NORMAL_NAN_BITS;

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
    // Rust's shortest digits are the same, as `d.ddde-7`; only the layout differs.
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

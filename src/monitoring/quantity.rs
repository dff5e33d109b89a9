//! Kubernetes quantities, as far as one is used: a histogram bucket factor as a floating point number.

use serde::{Deserialize, Deserializer, de};

/// A number such as `1.1`, `1100m` or `2Ki`, as the number upstream makes of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quantity(f64);

impl Quantity {
    /// The number (`resource.Quantity.AsApproximateFloat64`): decimal digits as an integer, times a power of ten, in
    /// floating point. `1.2` therefore is `1.2000000000000002`.
    pub fn as_f64(self) -> f64 {
        self.0
    }

    /// Reads a quantity; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let digits_end = |text: &str| text.find(|c: char| !c.is_ascii_digit());
        let (whole, rest) = unsigned.split_at(digits_end(unsigned).unwrap_or(unsigned.len()));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits_end(rest).unwrap_or(rest.len())),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let number = Decimal { whole, fraction };
        let magnitude = match suffix_of(suffix)? {
            Suffix::Ten(exponent) => number.times_ten_to(exponent),
            Suffix::Two(exponent) => number.times_two_to(exponent)?,
        };
        Some(Self(if negative { -magnitude } else { magnitude }))
    }
}

enum Suffix {
    Ten(i32),
    Two(u32),
}

fn suffix_of(suffix: &str) -> Option<Suffix> {
    Some(match suffix {
        "n" => Suffix::Ten(-9),
        "u" => Suffix::Ten(-6),
        "m" => Suffix::Ten(-3),
        "" => Suffix::Ten(0),
        "k" => Suffix::Ten(3),
        "M" => Suffix::Ten(6),
        "G" => Suffix::Ten(9),
        "T" => Suffix::Ten(12),
        "P" => Suffix::Ten(15),
        "E" => Suffix::Ten(18),
        "Ki" => Suffix::Two(10),
        "Mi" => Suffix::Two(20),
        "Gi" => Suffix::Two(30),
        "Ti" => Suffix::Two(40),
        "Pi" => Suffix::Two(50),
        "Ei" => Suffix::Two(60),
        _ => Suffix::Ten(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

/// Digits before and behind the point, without leading zeros.
struct Decimal<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl Decimal<'_> {
    fn digits(&self) -> String {
        [self.whole, self.fraction].concat()
    }

    /// Up to 18 digits and 9 decimals are kept as they are; anything else is first rounded up to 9 decimals
    /// (`resource.ParseQuantity`).
    fn times_ten_to(&self, exponent: i32) -> f64 {
        let digits = self.digits();
        let scale = exponent.saturating_sub(i32::try_from(self.fraction.len()).unwrap_or(i32::MAX));
        if digits.len() <= 18 && scale >= -9 {
            return times_power_of_ten(digits.parse().unwrap_or(0.0), scale);
        }
        let nonzero = digits.bytes().any(|digit| digit != b'0');
        if !nonzero {
            return 0.0;
        }
        let shift = scale.saturating_add(9);
        let billionths: f64 = if let Ok(zeros) = usize::try_from(shift) {
            format!("{digits}{}", "0".repeat(zeros.min(400))).parse()
        } else {
            let dropped = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
            round_up(&digits, dropped).parse()
        }
        .unwrap_or(0.0);
        times_power_of_ten(billionths, -9)
    }

    fn times_two_to(&self, exponent: u32) -> Option<f64> {
        let value: u128 = self.digits().parse().ok()?;
        let value = value.checked_mul(1 << exponent)?;
        let largest = u128::try_from(i64::MAX).ok()?;
        let decimals = u32::try_from(self.fraction.len()).ok()?;
        if value / 10u128.checked_pow(decimals)? > largest {
            return Some(largest as f64);
        }
        if decimals == 0 {
            return Some(value as f64);
        }
        let billionths = if decimals <= 9 {
            value.checked_mul(10u128.pow(9 - decimals))?
        } else {
            value.div_ceil(10u128.checked_pow(decimals - 9)?)
        };
        Some(times_power_of_ten(billionths as f64, -9))
    }
}

/// The number that `digits` are without their last ones, one more if any of those was not 0.
fn round_up(digits: &str, dropped: usize) -> String {
    let kept_len = digits.len().saturating_sub(dropped);
    let (kept, rest) = digits.split_at(kept_len);
    let mut kept: Vec<u8> = kept.bytes().collect();
    if rest.bytes().all(|digit| digit == b'0') && dropped <= digits.len() {
        return String::from_utf8(kept).unwrap_or_default();
    }
    for digit in kept.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return String::from_utf8(kept).unwrap_or_default();
        }
        *digit = b'0';
    }
    kept.insert(0, b'1');
    String::from_utf8(kept).unwrap_or_default()
}

/// `base * math.Pow10(exponent)`: the power is correctly rounded, so is the product.
fn times_power_of_ten(base: f64, exponent: i32) -> f64 {
    if exponent == 0 {
        return base;
    }
    base * format!("1e{exponent}").parse().unwrap_or(0.0)
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a quantity such as 1.1 is expected")]
        enum Form {
            Whole(i64),
            Number(f64),
            Text(String),
        }
        let text = match Form::deserialize(deserializer)? {
            Form::Whole(number) => number.to_string(),
            Form::Number(number) => number.to_string(),
            Form::Text(text) => text,
        };
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is not a quantity")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: f64) {
        assert_eq!(Quantity::parse(text).map(Quantity::as_f64), Some(want));
    }

    #[test]
    fn numbers_come_out_as_upstream_multiplies_them() {
        check("1.1", 1.1);
        check("1.2", 1.2000000000000002);
        check("12.124", 12.124);
        check("2", 2.0);
        check("0", 0.0);
        check("0.0", 0.0);
        check("1100m", 1.1);
        check("1e3", 1000.0);
        check("2Ki", 2048.0);
        check("1.5Ki", 1536.0);
        check("-.5", -0.5);
        check("1.0905077326652577", 1.0905077330000001);
        check("0.0000000001", 1e-9);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "-", ".", "x", "1x", "1.2.3", "1e", "1KiB"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }
}

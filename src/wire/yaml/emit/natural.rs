//! The order of keys.

use std::cmp::Ordering;

/// How `gopkg.in/yaml.v2` sorts the keys of a Go map (`sorter.go`): runs of digits by their number, letters last.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(i) = left.iter().zip(&right).position(|(a, b)| a != b) else {
        return left.len().cmp(&right.len());
    };
    let (Some(&a), Some(&b)) = (left.get(i), right.get(i)) else {
        return Ordering::Equal;
    };
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a.cmp(&b),
        (false, true) => return Ordering::Less,
        (true, false) => return Ordering::Greater,
        (false, false) => {}
    }
    // Zeros right behind a number belong to it, so that 10 and 100 compare by length.
    let before = left.get(..i).unwrap_or_default().iter().rev();
    let in_number =
        (a == '0' || b == '0') && before.take_while(|c| is_digit(**c)).any(|c| *c != '0');
    let start = i64::from(in_number);
    let number = |chars: &[char]| {
        let digits = chars.iter().skip(i).take_while(|c| is_digit(**c));
        digits.fold((start, 0usize), |(number, len), c| {
            let digit = i64::from(u32::from(*c)) - i64::from(u32::from('0'));
            (number.wrapping_mul(10).wrapping_add(digit), len + 1)
        })
    };
    number(&left).cmp(&number(&right)).then_with(|| a.cmp(&b))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || (!c.is_ascii() && c.is_numeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_naturally() {
        let mut keys = vec!["b", "a10", "a2", "a", "_", "A", "a02", "1", "10", "9"];
        keys.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            keys,
            ["_", "1", "9", "10", "A", "a", "a2", "a02", "a10", "b"]
        );
    }
}

//! Names and units: which family a sample's name belongs to, what trimming takes off, UCUM's words for units.

/// Suffixes of samples that may belong to a family of the shorter name; the first that fits is cut, once.
const TRIMMABLE: [&str; 6] = ["_bucket", "_count", "_sum", "_total", "_info", "_created"];

/// A sample's name without its suffix (contrib: prometheusreceiver/internal/util.go, normalizeMetricName).
pub(super) fn normalized(name: &str) -> &str {
    TRIMMABLE
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix).filter(|base| !base.is_empty()))
        .unwrap_or(name)
}

/// A metric's name without `_total` of a sum and without its unit
/// (contrib: pkg/translator/prometheus/normalize_name.go, TrimPromSuffixes).
pub(super) fn trimmed(name: &str, is_sum: bool, unit: &str) -> String {
    let mut tokens: Vec<&str> = name.split('_').collect();
    if tokens.len() > 1 && is_sum && tokens.last() == Some(&"total") {
        tokens.pop();
    }
    let unit: Vec<&str> = unit.split('_').collect();
    if name.contains('_') && tokens.len() > unit.len() && tokens.ends_with(&unit) {
        tokens.truncate(tokens.len() - unit.len());
    }
    tokens.join("_")
}

/// The unit in UCUM's notation (contrib: pkg/translator/prometheus/unit_to_ucum.go). Unknown words stay.
pub(super) fn ucum(unit: &str) -> String {
    match unit.split_once("_per_") {
        Some((main, "")) => word(main).to_owned(),
        Some((main, per)) => format!("{}/{}", word(main), per_word(per)),
        None => word(unit).to_owned(),
    }
}

fn word(unit: &str) -> &str {
    match unit {
        "days" => "d",
        "hours" => "h",
        "minutes" => "min",
        "seconds" => "s",
        "milliseconds" => "ms",
        "microseconds" => "us",
        "nanoseconds" => "ns",
        "bytes" => "By",
        "kibibytes" => "KiBy",
        "mebibytes" => "MiBy",
        "gibibytes" => "GiBy",
        "tibibytes" => "TiBy",
        "kilobytes" => "KBy",
        "megabytes" => "MBy",
        "gigabytes" => "GBy",
        "terabytes" => "TBy",
        "meters" => "m",
        "volts" => "V",
        "amperes" => "A",
        "joules" => "J",
        "watts" => "W",
        "grams" => "g",
        "celsius" => "Cel",
        "hertz" => "Hz",
        "ratio" => "1",
        "percent" => "%",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "second" => "s",
        "minute" => "m",
        "hour" => "h",
        "day" => "d",
        "week" => "w",
        "month" => "mo",
        "year" => "y",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_suffix_is_cut_but_never_the_whole_name() {
        for (name, want) in [
            ("a_bucket", "a"),
            ("a_total_sum", "a_total"),
            ("a_created", "a"),
            ("_total", "_total"),
            ("a", "a"),
        ] {
            assert_eq!(normalized(name), want);
        }
    }

    #[test]
    fn trimming_takes_type_and_unit() {
        for (name, is_sum, unit, want) in [
            ("http_connected_total", true, "", "http_connected"),
            ("wait_seconds_total", true, "seconds", "wait"),
            ("foo_gauge_total", false, "", "foo_gauge_total"),
            ("foo_gauge_seconds", false, "seconds", "foo_gauge"),
            ("total", true, "", "total"),
            ("seconds_total", true, "seconds", "seconds"),
            (
                "speed_meters_per_second",
                false,
                "meters_per_second",
                "speed",
            ),
        ] {
            assert_eq!(trimmed(name, is_sum, unit), want);
        }
    }

    #[test]
    fn units_become_ucum() {
        for (unit, want) in [
            ("", ""),
            ("seconds", "s"),
            ("bytes_per_second", "By/s"),
            ("bytes_per_", "By"),
            ("apples_per_basket", "apples/basket"),
        ] {
            assert_eq!(ucum(unit), want);
        }
    }
}

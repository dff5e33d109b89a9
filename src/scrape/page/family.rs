//! Which samples belong to which family.

use crate::model::metadata::MetricKind;

/// Whether a series belongs to a family by its name (prometheus: scrape/scrape.go, isSeriesPartOfFamily).
pub(crate) fn belongs(name: &str, family: &str, kind: MetricKind) -> bool {
    let suffixes: &[&str] = match kind {
        MetricKind::Counter => &["_total"],
        MetricKind::Histogram => &["_bucket", "_sum", "_count"],
        MetricKind::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        MetricKind::Summary => &["_sum", "_count"],
        MetricKind::Info => &["_info"],
        MetricKind::Gauge | MetricKind::StateSet | MetricKind::Unknown => &[],
    };
    // The text format writes these suffixes into the name of the family, too.
    let stem = match kind {
        MetricKind::Counter => family.strip_suffix("_total"),
        MetricKind::Info => family.strip_suffix("_info"),
        _ => None,
    };
    let series = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    name.starts_with(family) && stem.unwrap_or(family) == series.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_by_name() {
        use MetricKind as K;
        for (name, family, kind, want) in [
            ("a", "a", K::Unknown, true),
            ("ab", "a", K::Gauge, false),
            ("a_total", "a", K::Counter, true),
            ("a_total", "a_total", K::Counter, true),
            ("a", "a_total", K::Counter, false),
            ("h_bucket", "h", K::Histogram, true),
            ("h_gsum", "h", K::Histogram, false),
            ("h_gsum", "h", K::GaugeHistogram, true),
            ("s_count", "s", K::Summary, true),
            ("b_info", "b", K::Info, true),
            ("other", "s", K::Summary, false),
        ] {
            assert_eq!(
                belongs(name, family, kind),
                want,
                "{name} in {family}, {kind}"
            );
        }
    }
}

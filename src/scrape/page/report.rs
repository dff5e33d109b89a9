//! The report series of a scrape: `up` and its companions (prometheus: scrape/scrape.go, report).

use super::reading::Counts;
use super::storage::{Metadata, Rejected, Sample, SampleLabels, Storage, Value};
use crate::model::batch::ReportSample;
use crate::model::metadata::MetricKind;
use crate::scrape::target::Target;
use std::time::Duration;

/// What a scrape reports.
pub(crate) struct Report {
    pub(crate) is_up: bool,
    pub(crate) duration: Duration,
    pub(crate) counts: Counts,
    /// Bytes of the page; −1 if it was too large, 0 if none came.
    pub(crate) body_size: i64,
}

/// When a report is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// After a scrape.
    Scrape,
    /// When the target ends: its report series go stale.
    End,
}

/// Unit and help of a report series.
struct Described(&'static str, &'static str);

const SERIES: [(&str, Described); 8] = [
    (
        "up",
        Described(
            "targets",
            "Health of the scrape target. 1 means the target is healthy, 0 if the scrape failed.",
        ),
    ),
    (
        "scrape_duration_seconds",
        Described("seconds", "Duration of the last scrape in seconds."),
    ),
    (
        "scrape_samples_scraped",
        Described("samples", "Number of samples last scraped."),
    ),
    (
        "scrape_samples_post_metric_relabeling",
        Described(
            "samples",
            "Number of samples remaining after metric relabeling was applied.",
        ),
    ),
    (
        "scrape_series_added",
        Described("series", "Number of series in the last scrape."),
    ),
    (
        "scrape_timeout_seconds",
        Described("seconds", "The configured scrape timeout for a target."),
    ),
    (
        "scrape_sample_limit",
        Described(
            "samples",
            "The configured sample limit for a target. Returns zero if there is no limit configured.",
        ),
    ),
    (
        "scrape_body_size_bytes",
        Described(
            "bytes",
            "The uncompressed size of the last scrape response, if successful. Scrapes failing because body_size_limit is exceeded report -1, other scrape failures report 0.",
        ),
    ),
];

/// The values of a report, in upstream's order.
pub(crate) fn values(report: &Report, target: &Target) -> [f64; 8] {
    [
        f64::from(u8::from(report.is_up)),
        report.duration.as_secs_f64(),
        report.counts.scraped as f64,
        report.counts.kept as f64,
        report.counts.added as f64,
        target.timeout.as_secs_f64(),
        target.config.limits.samples as f64,
        report.body_size as f64,
    ]
}

/// Appends the report series, all eight or the first five, to the storage and to `out`.
pub(crate) fn append(
    values: [f64; 8],
    target: &Target,
    time: i64,
    moment: Moment,
    storage: &mut impl Storage,
    out: &mut Vec<ReportSample>,
) -> Result<(), String> {
    out.clear();
    let n = if target.config.extra_scrape_metrics {
        8
    } else {
        5
    };
    for ((name, Described(unit, help)), value) in SERIES.iter().zip(values).take(n) {
        let sample = ReportSample { name, value };
        let appended = storage.append(&Sample {
            labels: SampleLabels::Report(sample, &target.identity),
            value: Value::Float(value),
            time,
            start: 0,
            exemplars: &[],
            metadata: Some(Metadata {
                family: name,
                kind: MetricKind::Gauge,
                unit,
                help,
            }),
            // What was scraped elsewhere meanwhile is not ended.
            reject_out_of_order: moment == Moment::End,
        });
        match appended {
            Ok(()) | Err(Rejected::Exemplars(_)) => out.push(sample),
            // The target came back elsewhere and was scraped.
            Err(Rejected::OutOfOrder | Rejected::Duplicate) => {}
            Err(Rejected::OutOfBounds) => return Err("out of bounds".to_owned()),
            Err(Rejected::Invalid(message)) => return Err(message),
        }
    }
    Ok(())
}

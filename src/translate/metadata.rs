//! What is said of metrics: the target's metadata by name, as the receiver looks it up for each sample
//! (contrib: prometheusreceiver/internal/metadata.go).

use super::name;
use crate::model::metadata::{Family, MetricKind};
use crate::model::series::{FamilyId, SeriesTable};
use std::collections::HashMap;

/// What is said of a metric: by the target, or by the receiver of its report.
#[derive(Clone, Copy)]
pub(super) struct Metadata<'a> {
    pub(super) family: &'a str,
    pub(super) kind: MetricKind,
    pub(super) help: &'a str,
    pub(super) unit: &'a str,
}

impl<'a> Metadata<'a> {
    fn of(family: &'a Family) -> Self {
        Self {
            family: &family.name,
            kind: family.kind,
            help: &family.help,
            unit: &family.unit,
        }
    }
}

/// The report series that the receiver describes itself; the extra ones are unknown to it.
fn internal(name: &str) -> Option<Metadata<'_>> {
    let (help, unit) = match name {
        "up" => ("The scraping was successful", ""),
        "scrape_duration_seconds" => ("Duration of the scrape", "seconds"),
        "scrape_samples_scraped" => ("The number of samples the target exposed", ""),
        "scrape_series_added" => ("The approximate number of new series in this scrape", ""),
        "scrape_samples_post_metric_relabeling" => (
            "The number of samples remaining after metric relabeling was applied",
            "",
        ),
        _ => return None,
    };
    Some(Metadata {
        family: name,
        kind: MetricKind::Gauge,
        help,
        unit,
    })
}

/// The target's metadata by name, each entry with the row from which it holds.
pub(super) struct Store<'a>(HashMap<&'a str, Vec<(usize, &'a Family)>>);

impl<'a> Store<'a> {
    pub(super) fn new(table: &'a SeriesTable) -> Self {
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for (at, family) in table.families().iter().enumerate() {
            let start = table.family_start(FamilyId(at as u32));
            by_name
                .entry(&*family.name)
                .or_default()
                .push((start, family));
        }
        for entries in by_name.values_mut() {
            entries.sort_by_key(|(start, _)| *start);
        }
        Self(by_name)
    }

    pub(super) fn get(&self, name: &str, row: usize) -> Option<Metadata<'a>> {
        let entries = self.0.get(name)?;
        // In the order of their rows: a page may say something new of a name before each of them.
        let after = entries.partition_point(|(start, _)| *start <= row);
        let (_, family) = entries.get(after.checked_sub(1)?)?;
        Some(Metadata::of(family))
    }

    /// Metadata for a sample at a row, and the name of its metric (contrib: metadata.go, metadataForMetric).
    pub(super) fn find(&self, name: &'a str, row: usize) -> (Metadata<'a>, String) {
        if let Some(metadata) = internal(name).or_else(|| self.get(name, row)) {
            return (metadata, name.to_owned());
        }
        let base = name::normalized(name);
        match self.get(base, row) {
            Some(metadata) if metadata.kind == MetricKind::Counter => {
                let is_created = name.ends_with("_created");
                (
                    metadata,
                    if is_created {
                        format!("{base}_total")
                    } else {
                        name.to_owned()
                    },
                )
            }
            Some(metadata) => (metadata, base.to_owned()),
            None => {
                let unknown = Metadata {
                    family: name,
                    kind: MetricKind::Unknown,
                    help: "",
                    unit: "",
                };
                (unknown, name.to_owned())
            }
        }
    }

    /// The name under which a sample looks for a family that is there already.
    pub(super) fn candidate(&self, name: &str, row: usize) -> String {
        if self.get(name, row).is_some() {
            return name.to_owned();
        }
        let base = name::normalized(name);
        let of_counter = self
            .get(base, row)
            .is_some_and(|m| m.kind == MetricKind::Counter);
        // OpenMetrics: `x_created` belongs to the counter `x`, whose metric is `x_total`.
        if of_counter && name.ends_with("_created") {
            return format!("{base}_total");
        }
        base.to_owned()
    }
}

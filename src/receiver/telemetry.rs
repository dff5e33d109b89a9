//! Our own metrics, in the text format 0.0.4. Names are Prometheus' and prometheus-operator's where the meaning is theirs,
//! so that existing dashboards and alerts work; the others begin with `promop_`.

use super::status::Status;
use crate::kube::WatchHealth;
use crate::kube::store::Trouble;
use crate::operator::Cause;
use crate::scrape::cycle::Health;
use crate::scrape::job::Counters;
use crate::scrape::pool::{DELAY_BUCKETS, JobStatus, Statistics};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// The monitors' kinds, as labels.
const KINDS: [&str; 2] = ["ServiceMonitor", "PodMonitor"];

/// All metrics, as of now.
pub(super) fn write(
    status: &Status,
    jobs: &[JobStatus],
    counters: &Counters,
    stores: &[WatchHealth],
) -> String {
    let mut page = Page::default();
    configuration(&mut page, status);
    scraping(&mut page, jobs, counters, &status.scraping);
    exporting(&mut page, status);
    watching(&mut page, stores);
    page.0
}

fn configuration(page: &mut Page, status: &Status) {
    page.family(
        "promop_build_info",
        "gauge",
        "1, with the version of this program.",
    );
    page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family(
        "prometheus_ready",
        "gauge",
        "Whether everything needed is there: see /-/ready.",
    );
    page.sample(&[], u8::from(status.not_ready.is_empty()));
    let help = "Whether the last attempt to apply a configuration succeeded.";
    page.family("prometheus_config_last_reload_successful", "gauge", help);
    page.sample(&[], u8::from(status.config_successful));
    let help = "When a configuration was last applied, seconds since the Unix epoch.";
    page.family(
        "prometheus_config_last_reload_success_timestamp_seconds",
        "gauge",
        help,
    );
    page.sample(&[], status.config_applied_ms.unwrap_or(0) as f64 / 1000.0);

    let help = "Monitors that the selectors chose, by what became of them.";
    page.family("prometheus_operator_managed_resources", "gauge", help);
    let mut rejected: BTreeMap<&str, usize> = BTreeMap::new();
    for monitor in &status.rejected {
        *rejected.entry(&monitor.kind).or_default() += 1;
    }
    for (kind, all) in KINDS.into_iter().zip([
        status.selected.service_monitors,
        status.selected.pod_monitors,
    ]) {
        page.sample(&[("resource", kind), ("state", "selected")], all);
        let rejected = rejected.get(kind).copied().unwrap_or(0);
        page.sample(&[("resource", kind), ("state", "rejected")], rejected);
    }
    let help = "Monitors that are not used as they are, by the sort of mistake.";
    page.family("promop_rejected_monitors", "gauge", help);
    for kind in KINDS {
        for cause in Cause::ALL.map(Cause::name) {
            let rejected = status.rejected.iter();
            let count = rejected.filter(|m| m.kind == kind && m.cause == cause);
            page.sample(&[("kind", kind), ("reason", cause)], count.count());
        }
    }
    let help = "Rejected monitors whose last good version runs on.";
    page.family("promop_last_good_monitors", "gauge", help);
    let ages = |kind| {
        let of_kind = status.rejected.iter().filter(move |m| m.kind == kind);
        of_kind.filter_map(|monitor| monitor.last_good_age)
    };
    for kind in KINDS {
        page.sample(&[("kind", kind)], ages(kind).count());
    }
    let help = "For how long the oldest of these has run on.";
    page.family("promop_last_good_oldest_age_seconds", "gauge", help);
    for kind in KINDS {
        let oldest = ages(kind).max().unwrap_or_default();
        page.sample(&[("kind", kind)], oldest.as_secs_f64());
    }
    page.family(
        "prometheus_target_scrape_pools",
        "gauge",
        "Jobs of the running configuration.",
    );
    page.sample(&[], status.jobs);
}

fn scraping(page: &mut Page, jobs: &[JobStatus], counters: &Counters, scraping: &Statistics) {
    let help = "Targets of each job, those that relabelling dropped excluded.";
    page.family("prometheus_target_scrape_pool_targets", "gauge", help);
    for job in jobs {
        page.sample(
            &[("scrape_job", &job.job.config.job_name)],
            job.active.len(),
        );
    }
    let help = "Targets by how they answered the last time.";
    page.family("promop_targets", "gauge", help);
    for health in [Health::Up, Health::Down, Health::Unknown] {
        let targets = jobs.iter().flat_map(|job| &job.active);
        let count = targets.filter(|(_, outcome)| outcome.health == health);
        page.sample(&[("health", health.as_str())], count.count());
    }
    page.family("promop_scrape_workers", "gauge", "Threads that scrape.");
    page.sample(&[], scraping.workers);
    delays(page, scraping);
    page.family("promop_scrapes_started_total", "counter", "Scrapes begun.");
    page.sample(&[], scraping.started);
    let help = "Slots left out: the scrape before took too long, or no worker was free.";
    page.family("promop_scrape_slots_missed_total", "counter", help);
    page.sample(&[], scraping.missed);
    page.family(
        "promop_panics_total",
        "counter",
        "Scrapes that ended in a panic: a defect.",
    );
    page.sample(&[], scraping.panics);

    for counter in counters.all() {
        page.family(counter.name, "counter", counter.help);
        page.sample(&[], counter.value);
    }
}

fn delays(page: &mut Page, scraping: &Statistics) {
    let help = "How long after its slot a scrape began.";
    page.family("promop_scrape_delay_seconds", "histogram", help);
    let mut count = 0;
    let bounds = DELAY_BUCKETS.map(|le| le.to_string());
    let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
    for (le, of_bucket) in bounds.zip(scraping.delays) {
        count += of_bucket;
        page.part("_bucket", &[("le", le)], count);
    }
    page.part("_sum", &[], scraping.delay_sum.as_secs_f64());
    page.part("_count", &[], count);
}

fn exporting(page: &mut Page, status: &Status) {
    let help = "Points that consumers of the embedding program refused: they are lost.";
    page.family("promop_consumer_points_refused_total", "counter", help);
    page.sample(&[], status.consumer_points_refused);
    page.family(
        "promop_exporter_points_accepted_total",
        "counter",
        "Points handed to an exporter.",
    );
    for exporter in &status.exporters {
        page.sample(&[("exporter", &exporter.name)], exporter.books.accepted);
    }
    page.family(
        "promop_exporter_points_sent_total",
        "counter",
        "Points that the backend took.",
    );
    for exporter in &status.exporters {
        page.sample(&[("exporter", &exporter.name)], exporter.books.sent);
    }
    page.family(
        "promop_exporter_points_dropped_total",
        "counter",
        "Points given up, by reason.",
    );
    for exporter in &status.exporters {
        let dropped = &exporter.books.dropped;
        for (reason, points) in [
            ("queue_full", dropped.queue_full),
            ("rejected", dropped.rejected),
            ("too_large", dropped.too_large),
            ("stopped", dropped.stopped),
        ] {
            page.sample(&[("exporter", &exporter.name), ("reason", reason)], points);
        }
    }
    page.family(
        "promop_exporter_queue_points",
        "gauge",
        "Points that wait to be sent.",
    );
    for exporter in &status.exporters {
        page.sample(&[("exporter", &exporter.name)], exporter.books.waiting);
    }
    page.family(
        "promop_exporter_queue_bytes",
        "gauge",
        "Bytes that wait to be sent.",
    );
    for exporter in &status.exporters {
        page.sample(
            &[("exporter", &exporter.name)],
            exporter.books.waiting_bytes,
        );
    }
    page.family(
        "promop_exporter_retries_total",
        "counter",
        "Failed requests that are sent again.",
    );
    for exporter in &status.exporters {
        page.sample(&[("exporter", &exporter.name)], exporter.books.retries);
    }
}

fn watching(page: &mut Page, stores: &[WatchHealth]) {
    page.family(
        "promop_watch_objects",
        "gauge",
        "Objects held of each watch.",
    );
    for store in stores {
        let namespace = store.namespace.as_deref().unwrap_or_default();
        let labels = [
            ("resource", store.kind.plural()),
            ("namespace", namespace),
            ("fields", &store.fields),
        ];
        page.sample(&labels, store.status.objects);
    }
    let help = "Whether a watch has its objects: 1, or 0 with the reason.";
    page.family("promop_watch_up", "gauge", help);
    for store in stores {
        let namespace = store.namespace.as_deref().unwrap_or_default();
        let reason = match &store.status.trouble {
            Some((Trouble::Forbidden(_), ..)) => "forbidden",
            Some((Trouble::Absent, ..)) => "absent",
            Some((Trouble::Failing, ..)) => "failing",
            None => "",
        };
        let labels = [
            ("resource", store.kind.plural()),
            ("namespace", namespace),
            ("fields", &store.fields),
            ("reason", reason),
        ];
        page.sample(&labels, u8::from(store.status.synced && reason.is_empty()));
    }
}

/// A page being written.
#[derive(Default)]
struct Page(String, &'static str);

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.1 = name;
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A sample of the family begun last.
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    /// The same with an ending of the family's name, such as `_sum`.
    fn part(&mut self, ending: &str, labels: &[(&str, &str)], value: impl Display) {
        let name = self.1;
        self.write(format_args!("{name}{ending}"));
        for (i, (label, value)) in labels.iter().enumerate() {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let before = if i == 0 { '{' } else { ',' };
            self.write(format_args!("{before}{label}=\"{value}\""));
        }
        self.write(if labels.is_empty() { " " } else { "} " });
        self.write(format_args!("{value}\n"));
    }

    fn write(&mut self, what: impl Display) {
        // Writing to a string cannot fail.
        write!(self.0, "{what}").ok();
    }
}

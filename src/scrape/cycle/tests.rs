//! What pages do to tables and batches, without a network.

use super::*;
use crate::config::{Limits, ScrapeConfig};
use crate::http::client::{Client, HttpContext, Resolver};
use crate::http::{config::Config, proxy};
use crate::model::batch::TargetOutput;
use crate::model::bounds::Bounds;
use crate::model::group::{RawLabels, TargetGroup};
use crate::model::labels::{Interner, Labels, Text};
use crate::model::name::{EscapingScheme, ValidationScheme};
use crate::model::relabel::RelabelRules;
use crate::model::series::FamilyId;
use crate::model::value::is_stale;
use crate::rt::clock::{Clock, ManualClock};
use crate::rt::files::MemoryFiles;
use crate::rt::gate::Gate;
use crate::scrape::job::{Counters, Job, Options};
use crate::scrape::page::storage;
use crate::scrape::target::sync;
use crate::wire::protobuf::Writer;
use parking_lot::Mutex;
use proptest::prelude::*;

fn config() -> ScrapeConfig {
    ScrapeConfig {
        job_name: "app".into(),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        params: Default::default(),
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        protocols: Vec::new(),
        fallback_protocol: None,
        native_histograms: false,
        classic_histograms: false,
        convert_to_nhcb: false,
        extra_scrape_metrics: false,
        failure_log_file: "".into(),
        metrics_path: "/metrics".into(),
        scheme: "http".into(),
        enable_compression: true,
        limits: Limits::default(),
        bucket_limit: 0,
        min_bucket_factor: 0.0,
        keep_dropped_targets: 0,
        validation_scheme: ValidationScheme::Utf8,
        escaping_scheme: EscapingScheme::AllowUtf8,
        target_rules: RelabelRules::default(),
        metric_rules: RelabelRules::default(),
        http: Arc::new(Config::default()),
        discovery: Vec::new(),
        from_file: false,
    }
}

/// `name{labels} value[@time]` for each row that a batch has, in its order, then `name{labels} stale`.
#[derive(Debug, Default, Clone)]
struct Delivered(Arc<Mutex<Vec<String>>>);

impl TargetOutput for Delivered {
    fn deliver(&mut self, batch: &Batch<'_>) {
        let labels_of = |series| {
            let labels = batch.table.labels(series, batch.identity);
            let own = labels.filter(|(name, _)| !["instance", "job"].contains(name));
            own.map(|(_, value)| value).collect::<Vec<_>>().join(" ")
        };
        let mut lines = self.0.lock();
        lines.clear();
        for (at, row) in batch.table.rows().iter().enumerate() {
            if batch.is_present(at) {
                let times = batch.extras.timestamps.iter();
                let mut times = times.filter(|(row, _)| *row as usize == at);
                let time = times.next().map_or(String::new(), |(_, t)| format!("@{t}"));
                let value = batch.values.get(at).copied().unwrap();
                lines.push(format!("{}={value}{time}", labels_of(row.series)));
            }
        }
        lines.extend(
            batch
                .stale
                .iter()
                .map(|series| format!("{} stale", labels_of(*series))),
        );
        assert!(batch.report.iter().all(|sample| !is_stale(sample.value)));
    }
}

struct Scraper {
    target: Target,
    state: TargetState,
    worker: Worker,
    clock: Arc<ManualClock>,
    delivered: Delivered,
    deadline: Instant,
}

impl Scraper {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: ScrapeConfig) -> Self {
        Self::bounded(config, Bounds::default())
    }

    fn bounded(config: ScrapeConfig, bounds: Bounds) -> Self {
        let config = Arc::new(config);
        let around = HttpContext {
            files: Arc::new(MemoryFiles::default()),
            roots: Arc::default(),
            resolver: Resolver::default(),
            proxies: proxy::Environment::default(),
            user_agent: "test".into(),
        };
        let client = Arc::new(Client::build(&config.http, &around).unwrap());
        let address: (Text, Box<[u8]>) = ("__address__".into(), Box::from(*b"h:1"));
        let group = Arc::new(TargetGroup {
            targets: vec![RawLabels::new([address])],
            ..TargetGroup::default()
        });
        let target = sync(&config, &[group], &Bounds::default(), &mut Interner::new())
            .active
            .remove(0);
        let job = Job::new(
            config,
            client,
            Labels::empty(),
            Options {
                bounds,
                ..Options::default()
            },
            Arc::<Counters>::default(),
            None,
        );
        let delivered = Delivered::default();
        let clock = ManualClock::new(0);
        Self {
            target,
            state: TargetState::new(Arc::new(job), Box::new(delivered.clone())),
            worker: Worker::new(Arc::clone(&clock) as _, Gate::new(1), Arc::default()),
            deadline: clock.now() + Duration::from_secs(1 << 30),
            clock,
            delivered,
        }
    }

    /// One cycle with this page; gives what was delivered.
    fn scrape(&mut self, page: &str) -> Vec<String> {
        self.scrape_as(page.as_bytes(), "text/plain");
        self.delivered.0.lock().clone()
    }

    /// The same; gives how many samples were read, and the error.
    fn scrape_as(&mut self, page: &[u8], content_type: &str) -> (u64, Option<String>) {
        self.scrape_into(page, content_type, &mut AcceptAll)
    }

    fn scrape_into(
        &mut self,
        page: &[u8],
        content_type: &str,
        storage: &mut impl Storage,
    ) -> (u64, Option<String>) {
        self.clock.advance(self.target.interval);
        let (state, worker) = (&mut self.state, &mut self.worker);
        worker.collected.begin(&state.table, &state.cache);
        worker.page = page.into();
        let mut scrape = Scrape {
            target: &self.target,
            state,
            worker,
            slot_ms: self.clock.unix_ms(),
            storage,
        };
        let (counts, appended) = scrape.read_page(content_type, self.deadline);
        if appended.is_err() {
            scrape.roll_back();
            scrape.append_nothing();
        }
        let report = Report {
            is_up: appended.is_ok(),
            duration: Duration::ZERO,
            counts,
            body_size: 0,
        };
        scrape.finish(report::values(&report, &self.target), Moment::Scrape);
        scrape.deliver();
        (counts.scraped, appended.err())
    }

    fn added(&self) -> f64 {
        let mut report = self.worker.report.iter();
        report
            .find(|sample| sample.name == "scrape_series_added")
            .unwrap()
            .value
    }
}

const PAGE: &str = "# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\n# TYPE b gauge\nb 3\n";

#[test]
fn an_unchanged_page_keeps_the_table_and_builds_no_labels() {
    let mut it = Scraper::new();
    it.scrape(PAGE);
    let table = Arc::clone(it.state.table());
    let n_made = it.worker.collected.n_label_sets();
    assert_eq!(n_made, 3);
    assert_eq!(
        it.scrape(&PAGE.replace(" 3", " 4")),
        ["a 1=1", "a 2=2", "b=4"]
    );
    assert!(Arc::ptr_eq(&table, it.state.table()));
    assert_eq!(it.worker.collected.n_label_sets(), n_made);
    assert_eq!(it.added(), 0.0);
}

/// A metric's labels are those of each of its buckets: a page of this size could say a million labels.
#[test]
fn limits_hold_before_labels_are_multiplied() {
    let mut family = Writer::new();
    family.bytes(1, b"a");
    family.uint(3, 4);
    family.message(4, |metric| {
        for n in 0..1000 {
            metric.message(1, |label| {
                label.bytes(1, format!("l{n}").as_bytes());
                label.bytes(2, b"v");
            });
        }
        metric.message(7, |histogram| {
            for n in 0..1000 {
                histogram.message(3, |bucket| bucket.double(2, f64::from(n)));
            }
        });
    });
    let mut page = Writer::new();
    page.varint(family.as_slice().len() as u64);
    let page = [page.as_slice(), family.as_slice()].concat();
    for (labels, samples, n_read, n_made, error) in [
        (100, 0, 1, 1, "label_limit exceeded"),
        (0, 10, 1003, 1003, "sample limit exceeded"),
    ] {
        let mut config = config();
        config.limits.labels = labels;
        config.limits.samples = samples;
        let mut it = Scraper::with(config);
        let (read, message) = it.scrape_as(&page, "application/vnd.google.protobuf");
        assert!(message.unwrap().contains(error));
        assert_eq!((read, it.worker.collected.n_label_sets()), (n_read, n_made));
        // What the limit let pass stays known, as upstream, and is not delivered.
        assert_eq!(it.state.table().rows().len() as u64, samples);
        assert!(it.delivered.0.lock().is_empty());
    }
}

/// Small bounds, so that small pages exceed them.
const SMALL: Bounds = Bounds {
    label_value: 20,
    labels: 60,
    attributes: 4,
    page: 200,
    min_interval: Duration::ZERO,
};

#[test]
fn what_a_page_may_hold_is_bounded() {
    let rows = |n: usize| {
        (0..n)
            .map(|i| format!("m{{l=\"{i}\"}} 1\n"))
            .collect::<String>()
    };
    for (page, want) in [
        ("m{l=\"twenty bytes are all..\"} 1\n".to_owned(), "series of \"m\": a label of 22 bytes (maxLabelBytes: 20)"),
        (
            "m{a=\"0123456789\",b=\"0123456789\",c=\"0123456789\",d=\"0123456789\",e=\"0123456789\"} 1\n".to_owned(),
            "series of \"m\": labels of 81 bytes in all (maxLabelsBytes: 60)",
        ),
        ("target_info{a=\"1\",b=\"2\"} 1\n".to_owned(), "target_info has 5 labels (maxAttributes: 4)"),
        ("# HELP a a text that is too long\na 1\n".to_owned(), "HELP of a: a label of 23 bytes (maxLabelBytes: 20)"),
        (rows(50), "the labels of its series take more than 400 bytes (twice maxPageBytes)"),
    ] {
        let mut it = Scraper::bounded(config(), SMALL);
        let (_, error) = it.scrape_as(page.as_bytes(), "text/plain");
        assert_eq!(error.as_deref(), Some(want));
        assert_eq!(it.scrape_as(b"m{a=\"1\"} 1\n", "text/plain"), (1, None), "the next page is read");
    }
}

#[test]
fn an_exemplar_with_too_many_labels_is_dropped_and_counted() {
    let mut it = Scraper::bounded(config(), SMALL);
    let page =
        b"# TYPE a counter\na_total 1 # {a=\"1\",b=\"2\",c=\"3\",d=\"4\",e=\"5\"} 1\n# EOF\n";
    let (n, error) = it.scrape_as(page, "application/openmetrics-text");
    assert_eq!((n, error), (1, None));
    let dropped = &it.state.job.counters.exemplar_too_large;
    assert_eq!(dropped.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(it.worker.collected.extras.exemplars.is_empty());
}

#[test]
fn reading_stops_at_the_deadline() {
    let page: String = (0..60_000).map(|i| format!("m{{l=\"{i}\"}} 1\n")).collect();
    let mut it = Scraper::new();
    it.deadline = it.clock.now();
    let (n, error) = it.scrape_as(page.as_bytes(), "text/plain");
    assert_eq!(n, LOOK / 256);
    let want = "the page takes too long to read: 16384 samples until the timeout of 10s";
    assert_eq!(error.as_deref(), Some(want));
}

/// Each line says something new of the family, and each copies what is known of it: so many that a search for each
/// would not end.
#[test]
fn a_family_that_changes_on_every_line() {
    let mut page = String::new();
    for i in 0..20_000 {
        let kind = if i % 2 == 0 { "gauge" } else { "counter" };
        page += &format!("# TYPE m{i} gauge\n# TYPE a {kind}\na{{l=\"{i}\"}} {i}\n");
    }
    let mut it = Scraper::new();
    assert_eq!(it.scrape_as(page.as_bytes(), "text/plain"), (20_000, None));
    assert_eq!(it.state.table().families().len(), 20_000 + 20_000);
}

#[test]
fn rows_that_are_missing_are_absent_and_count_again() {
    let mut it = Scraper::new();
    it.scrape(PAGE);
    let table = Arc::clone(it.state.table());
    let short = PAGE.replace("a{x=\"2\"} 2\n", "");
    assert_eq!(it.scrape(&short), ["a 1=1", "b=3", "a 2 stale"]);
    assert_eq!(it.scrape(&short), ["a 1=1", "b=3"]);
    assert_eq!(it.scrape(PAGE), ["a 1=1", "a 2=2", "b=3"]);
    assert_eq!(it.added(), 1.0);
    assert!(Arc::ptr_eq(&table, it.state.table()));
}

#[test]
fn a_new_row_makes_a_new_table_in_page_order() {
    let mut it = Scraper::new();
    it.scrape(PAGE);
    let first = it.state.table().generation();
    let longer = PAGE.replace("a{x=\"2\"} 2\n", "a{x=\"0\"} 0\na{x=\"2\"} 2\n");
    assert_eq!(it.scrape(&longer), ["a 1=1", "a 0=0", "a 2=2", "b=3"]);
    assert!(it.state.table().generation() > first);
    assert_eq!(it.scrape(PAGE), ["a 1=1", "a 2=2", "b=3", "a 0 stale"]);
}

#[test]
fn spellings_of_one_series_are_rows_of_their_own() {
    let mut it = Scraper::new();
    let page = "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\n";
    assert_eq!(it.scrape(page), ["a 1 2=1", "a 1 2=2"]);
    assert_eq!(it.state.table().n_series(), 1);
    assert_eq!(it.scrape("a{y=\"2\",x=\"1\"} 3\n"), ["a 1 2=3"]);
    assert_eq!(it.scrape("b 3\n"), ["b=3", "a 1 2 stale"]);
}

#[test]
fn repetitions_count_only_with_timestamps() {
    let mut it = Scraper::new();
    let page = "a 1 1000\na 2 2000\na 3 3000\nb 1\nb 2\n";
    let want = ["a=1@1000", "a=2@2000", "a=3@3000", "b=1"];
    assert_eq!(it.scrape(page), want);
    let table = Arc::clone(it.state.table());
    assert_eq!((table.rows().len(), table.n_series()), (4, 2));
    assert_eq!(it.scrape(page), want);
    assert!(Arc::ptr_eq(&table, it.state.table()));
    // With explicit timestamps nothing goes stale.
    assert_eq!(it.scrape("a 1 4000\n"), ["a=1@4000", "b stale"]);
}

#[test]
fn a_failed_page_delivers_markers_only() {
    let mut it = Scraper::new();
    it.scrape(PAGE);
    assert_eq!(it.scrape("a{x=\"2\"} 2\n!\n"), ["a 1 stale", "b stale"]);
    assert_eq!(it.scrape("!\n"), ["a 2 stale"]);
    assert_eq!(it.scrape("!\n"), [""; 0]);
    assert_eq!(it.scrape(PAGE), ["a 1=1", "a 2=2", "b=3"]);
    assert_eq!(it.added(), 0.0);
}

#[test]
fn metadata_that_changes_makes_a_new_table() {
    let mut it = Scraper::new();
    it.scrape(PAGE);
    let table = Arc::clone(it.state.table());
    it.scrape(&PAGE.replace("b gauge", "b counter"));
    assert!(!Arc::ptr_eq(&table, it.state.table()));
    let kinds = it.state.table().families().iter();
    assert_eq!(
        kinds.map(|family| family.kind.as_str()).collect::<Vec<_>>(),
        ["counter", "counter"]
    );
}

#[test]
fn a_type_below_its_samples_holds_from_the_next_scrape_on() {
    let mut it = Scraper::new();
    let page = "a 1\n# TYPE a counter\nc 1\n";
    it.scrape(page);
    assert_eq!(it.state.table().family_start(FamilyId(0)), 1);
    it.scrape(page);
    assert_eq!(it.state.table().family_start(FamilyId(0)), 0);
    let table = Arc::clone(it.state.table());
    it.scrape(page);
    assert!(Arc::ptr_eq(&table, it.state.table()));
}

#[test]
fn a_family_is_remembered_for_ten_scrapes() {
    let mut it = Scraper::new();
    it.scrape(PAGE);
    for _ in 0..10 {
        it.scrape("a{x=\"1\"} 1\n");
        assert_eq!(it.state.table().families().len(), 2);
    }
    it.scrape("a{x=\"1\"} 1\n");
    assert_eq!(it.state.table().families().len(), 0);
}

#[test]
fn churn_does_not_pile_up() {
    let mut it = Scraper::new();
    for round in 0..50 {
        let rows = (0..100).map(|i| format!("a{{x=\"{round}-{i}\"}} 1\n"));
        let delivered = it.scrape(&rows.collect::<String>());
        assert_eq!(delivered.len(), if round == 0 { 100 } else { 200 });
        // Those of this page, and those that go stale now.
        assert!(it.state.table().rows().len() <= 200);
    }
    it.scrape("a{x=\"0\"} 1\n");
    it.scrape("a{x=\"0\"} 1\n");
    assert_eq!(it.state.table().rows().len(), 1);
}

/// Takes everything as the product's storage does, but wants to see it: so that every page goes to the reader.
#[derive(Debug)]
struct Choosy;

impl Storage for Choosy {
    fn append(&mut self, sample: &storage::Sample<'_>) -> Result<(), storage::Rejected> {
        AcceptAll.append(sample)
    }

    fn commit(&mut self) {}

    fn rollback(&mut self) {}
}

/// Lines that a page may have; `#` stands for a value.
const LINES: [&str; 14] = [
    "# TYPE a counter",
    "# TYPE a gauge",
    "# HELP a About a.",
    "# HELP a About a, again.",
    "# a comment",
    "",
    "a{x=\"1\"} #",
    "a{x=\"2\"} #",
    "a{x=\"2\",} #",
    "b #",
    "b # 1000",
    "drop_me #",
    "c{le=\"+Inf\"} #",
    "not a sample",
];

const VALUES: [&str; 7] = [
    "1",
    "-2.5",
    "3e4",
    "NaN",
    "+Inf",
    "1e400",
    "12345678901234567890",
];

proptest! {
    /// Pages that change a little, now and then, are the same to whoever takes shapes and to whoever reads all.
    #[test]
    fn shapes_change_nothing(
        page in prop::collection::vec(0..LINES.len() - 1, 1..12),
        steps in prop::collection::vec((0..6u8, 0..12usize, 0..LINES.len(), 0..VALUES.len()), 1..25),
    ) {
        let rules = "[{action: drop, source_labels: [__name__], regex: drop_me}]";
        let mut config = config();
        let node = crate::wire::yaml::parse(rules.as_bytes()).unwrap().unwrap();
        let rules = crate::config::Loader::default().load_rules(&node, config.validation_scheme);
        config.metric_rules = rules.unwrap();
        let (mut fast, mut slow) = (Scraper::with(config.clone()), Scraper::with(config));
        let mut page = page;
        for (kind, at, line, value) in steps {
            let at = at % page.len().max(1);
            match kind {
                0 => page.insert(at, line),
                1 if page.len() > 1 => drop(page.remove(at)),
                2 => page[at] = line,
                // Mostly only values change.
                _ => {}
            }
            let mut text = String::new();
            for (n, line) in page.iter().enumerate() {
                let value = VALUES[(value + n) % VALUES.len()];
                text.push_str(&LINES[*line].replacen('#', if LINES[*line].starts_with('#') { "#" } else { value }, 1));
                text.push('\n');
            }
            let ours = fast.scrape_as(text.as_bytes(), "text/plain");
            let theirs = slow.scrape_into(text.as_bytes(), "text/plain", &mut Choosy);
            prop_assert_eq!(&ours, &theirs, "{}", text);
            prop_assert_eq!(&*fast.delivered.0.lock(), &*slow.delivered.0.lock(), "{}", text);
            prop_assert_eq!(fast.added(), slow.added(), "{}", text);
            prop_assert!(slow.state.shape.is_none());
        }
    }
}

#[test]
fn a_page_that_comes_again_needs_no_reader() {
    let mut scraper = Scraper::new();
    scraper.scrape("# TYPE a counter\na 1\nb 2\n");
    assert!(scraper.state.shape.is_none());
    scraper.scrape("# TYPE a counter\na 1\nb 2\n");
    assert!(scraper.state.shape.is_some());
    let lines = scraper.scrape("# TYPE a counter\na 3\nb 4.5\n");
    assert_eq!(lines, ["a=3", "b=4.5"]);
    // Nothing was read: nobody has noted where samples stand.
    assert!(scraper.worker.collected.places.is_empty());
    // A series that is gone goes stale all the same.
    assert_eq!(
        scraper.scrape("# TYPE a counter\na 3\n"),
        ["a=3", "b stale"]
    );
    scraper.scrape("# TYPE a counter\na 3\nb 1\n");
    assert!(scraper.state.shape.is_none());
}

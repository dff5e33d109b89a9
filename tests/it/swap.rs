//! The pool of scrapers: slots, changes of the configuration while it runs, targets that hang, the end.
//! Where time matters it is a manual clock's; sockets are real.

use crate::fake::http::{Reply, Server, ok};
use parking_lot::Mutex;
use prometheus_operator_receiver::config::{Limits, ScrapeConfig, ScrapeProtocol};
use prometheus_operator_receiver::http::client::{Client, HttpContext, Resolver};
use prometheus_operator_receiver::model::batch::{Batch, Delivery, TargetOutput};
use prometheus_operator_receiver::model::group::{RawLabels, TargetGroup};
use prometheus_operator_receiver::model::labels::Labels;
use prometheus_operator_receiver::model::name::{EscapingScheme, ValidationScheme};
use prometheus_operator_receiver::model::relabel::RelabelRules;
use prometheus_operator_receiver::model::value::is_stale;
use prometheus_operator_receiver::rt::clock::{Clock, ManualClock, SystemClock};
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::scrape::cycle::Health;
use prometheus_operator_receiver::scrape::job::{Job, Options};
use prometheus_operator_receiver::scrape::pool::{JobPlan, Pool, PoolSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(1000);
/// How far the manual clock goes at once.
const STEP: Duration = Duration::from_millis(20);

fn config(name: &str, interval: Duration, sample_limit: u64) -> ScrapeConfig {
    ScrapeConfig {
        job_name: name.into(),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        params: BTreeMap::new(),
        interval,
        timeout: interval,
        protocols: vec![ScrapeProtocol::PrometheusText0_0_4],
        fallback_protocol: Some(ScrapeProtocol::PrometheusText0_0_4),
        native_histograms: false,
        classic_histograms: false,
        convert_to_nhcb: false,
        extra_scrape_metrics: false,
        failure_log_file: "".into(),
        metrics_path: "/metrics".into(),
        scheme: "http".into(),
        enable_compression: true,
        limits: Limits {
            samples: sample_limit,
            ..Limits::default()
        },
        bucket_limit: 0,
        min_bucket_factor: 0.0,
        keep_dropped_targets: 0,
        validation_scheme: ValidationScheme::Utf8,
        escaping_scheme: EscapingScheme::AllowUtf8,
        target_rules: RelabelRules::default(),
        metric_rules: RelabelRules::default(),
        http: Arc::default(),
        discovery: Vec::new(),
        from_file: false,
    }
}

fn job_of(config: ScrapeConfig) -> Arc<Job> {
    let around = HttpContext {
        files: Arc::new(Disk),
        roots: Arc::default(),
        resolver: Resolver::default(),
        proxies: Default::default(),
        user_agent: "promop/test".into(),
    };
    let client = Client::build(&config.http, &around).unwrap();
    Arc::new(Job::new(
        Arc::new(config),
        Arc::new(client),
        Labels::empty(),
        Options::default(),
        Arc::default(),
        None,
    ))
}

fn job(name: &str) -> Arc<Job> {
    job_of(config(name, INTERVAL, 0))
}

/// Targets at one address that differ by their path.
fn group(server: &Server, paths: &[&str]) -> Vec<Arc<TargetGroup>> {
    let address = server.address.to_string();
    let target = |path: &&str| {
        RawLabels::new([
            ("__address__".into(), address.as_bytes().into()),
            ("__metrics_path__".into(), path.as_bytes().into()),
            ("path".into(), path.as_bytes().into()),
        ])
    };
    vec![Arc::new(TargetGroup {
        source: "0".into(),
        labels: RawLabels::default(),
        targets: paths.iter().map(target).collect(),
    })]
}

fn plan(job: &Arc<Job>, groups: Vec<Arc<TargetGroup>>) -> JobPlan {
    JobPlan {
        job: Arc::clone(job),
        groups: Some(groups),
    }
}

/// What was delivered: of each path the timestamp, `up`, and how many series went stale.
#[derive(Debug, Default)]
struct Recorder {
    batches: Mutex<Vec<(String, i64, f64, usize)>>,
    panics: AtomicUsize,
}

#[derive(Debug)]
struct Output(Arc<Recorder>);

#[derive(Debug)]
struct Recording(Arc<Recorder>);

impl Delivery for Recording {
    fn open(&self) -> Box<dyn TargetOutput> {
        Box::new(Output(Arc::clone(&self.0)))
    }
}

impl TargetOutput for Output {
    fn deliver(&mut self, batch: &Batch<'_>) {
        let path = batch.identity.labels.get("path").unwrap().to_owned();
        if path == "/panics" && self.0.panics.fetch_add(1, Ordering::SeqCst) == 1 {
            panic!("as the test wants it");
        }
        let up = batch.report.iter().find(|r| r.name == "up").unwrap().value;
        let entry = (path, batch.time_ms, up, batch.stale.len());
        self.0.batches.lock().push(entry);
    }
}

impl Recorder {
    fn times(&self, path: &str) -> Vec<i64> {
        let batches = self.batches.lock();
        let of_path = batches
            .iter()
            .filter(|(p, _, up, _)| p == path && !is_stale(*up));
        of_path.map(|(_, time, _, _)| *time).collect()
    }

    /// Times of end-of-run markers, and how many series beside the report they ended.
    fn ends(&self, path: &str) -> Vec<(i64, usize)> {
        let batches = self.batches.lock();
        let of_path = batches
            .iter()
            .filter(|(p, _, up, _)| p == path && is_stale(*up));
        of_path.map(|(_, time, _, stale)| (*time, *stale)).collect()
    }
}

/// A pool on a clock that the test moves.
struct Rig {
    pool: Pool,
    clock: Arc<ManualClock>,
    recorder: Arc<Recorder>,
}

impl Rig {
    fn new() -> Self {
        let clock = ManualClock::new(1_700_000_000_000);
        let recorder = Arc::new(Recorder::default());
        let delivery = Arc::new(Recording(Arc::clone(&recorder)));
        let shared: Arc<dyn Clock> = clock.clone();
        let pool = Pool::start(PoolSettings::default(), delivery, shared).unwrap();
        Self {
            pool,
            clock,
            recorder,
        }
    }

    fn step(&self) {
        self.clock.advance(STEP);
        self.pool.look_again();
    }

    /// Waits until everything that is due has been done.
    fn settle(&self) {
        until(|| {
            self.pool.look_again();
            let now = self.pool.statistics();
            now.busy == 0 && now.lag.is_none()
        });
    }

    fn pass(&self, time: Duration) {
        for _ in 0..time.as_millis() / STEP.as_millis() {
            self.step();
            self.settle();
        }
    }
}

#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not come"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[track_caller]
fn check_slots(times: &[i64], at_least: usize) {
    assert!(times.len() >= at_least, "{} slots", times.len());
    let step = i64::try_from(INTERVAL.as_millis()).unwrap();
    let wrong = times.windows(2).find(|pair| pair[1] - pair[0] != step);
    assert_eq!(wrong, None, "of {times:?}");
}

#[test]
fn slots_have_no_hole_and_no_double_over_fifty_swaps() {
    let server = Server::start(|_| ok("a 1\nb 2\n"));
    let rig = Rig::new();
    let paths: Vec<String> = (0..20).map(|n| format!("/{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (ours, theirs) = (&paths[..15], &paths[15..]);
    let (untouched, other) = (job("untouched"), ["other".into()]);
    // Swaps fall into scrapes, between them, and onto every phase of the interval.
    for n in 0..250 {
        rig.step();
        if n % 5 == 0 {
            let edited = job_of(config("edited", INTERVAL, 100 + n));
            let mut jobs = vec![plan(&edited, group(&server, ours))];
            if n == 0 {
                jobs.push(plan(&untouched, group(&server, theirs)));
            }
            if n % 2 == 0 {
                jobs.push(plan(&job("other"), group(&server, &["/comes-and-goes"])));
            }
            let gone = if n % 2 == 0 { &[][..] } else { &other };
            rig.pool.replace(jobs, gone);
        }
        rig.settle();
    }
    let n_seconds = 250 * STEP.as_millis() / INTERVAL.as_millis();
    for path in &paths {
        check_slots(
            &rig.recorder.times(path),
            usize::try_from(n_seconds).unwrap() - 1,
        );
        assert_eq!(rig.recorder.ends(path), []);
    }
    assert_eq!(rig.pool.statistics().missed, 0);
}

#[test]
fn missed_slots_are_counted_while_the_scrape_runs() {
    let (go, hold) = crossbeam_channel::bounded::<()>(0);
    let server = Server::start(move |_| {
        // Until the other end is gone.
        hold.recv().ok();
        ok("a 1\n")
    });
    let rig = Rig::new();
    rig.pool
        .replace(vec![plan(&job("j"), group(&server, &["/m"]))], &[]);
    until(|| {
        rig.step();
        rig.pool.statistics().missed >= 2
    });
    assert_eq!(rig.pool.statistics().started, 1);
    drop(go);
    rig.settle();
}

#[test]
fn editing_one_job_leaves_the_others_alone() {
    let server = Server::start(|_| ok("a 1\n"));
    let rig = Rig::new();
    let (edited, other) = (job("edited"), job("other"));
    let groups = |path| group(&server, &[path]);
    rig.pool.replace(
        vec![
            plan(&edited, groups("/edited")),
            plan(&other, groups("/other")),
        ],
        &[],
    );
    rig.pass(INTERVAL * 3);
    let slower = job_of(config("edited", INTERVAL * 2, 0));
    rig.pool
        .replace(vec![plan(&slower, groups("/edited"))], &[]);
    rig.pass(INTERVAL * 6);
    check_slots(&rig.recorder.times("/other"), 9);
    // The other interval makes another target of it: the old one ends as upstream ends it.
    assert_eq!(rig.recorder.ends("/edited").len(), 1);
    let connections: BTreeSet<_> = server
        .asked()
        .iter()
        .filter(|asked| asked.path() == "/other")
        .map(|asked| asked.connection)
        .collect();
    assert_eq!(connections.len(), 1);
}

#[test]
fn a_changed_limit_applies_from_the_next_slot_on() {
    let server = Server::start(|_| ok("a 1\nb 2\n"));
    let rig = Rig::new();
    rig.pool
        .replace(vec![plan(&job("a"), group(&server, &["/m"]))], &[]);
    rig.pass(INTERVAL * 2);
    // Below the two samples of the page.
    let limited = job_of(config("a", INTERVAL, 1));
    rig.pool
        .replace(vec![plan(&limited, group(&server, &["/m"]))], &[]);
    rig.pass(INTERVAL * 2);
    check_slots(&rig.recorder.times("/m"), 4);
    let ups: Vec<f64> = rig.recorder.batches.lock().iter().map(|b| b.2).collect();
    assert_eq!(ups, [1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_target_that_vanishes_ends_after_two_intervals_and_a_bit() {
    let server = Server::start(|_| ok("a 1\n"));
    let rig = Rig::new();
    let job = job("a");
    rig.pool.replace(
        vec![plan(&job, group(&server, &["/stays", "/goes", "/blinks"]))],
        &[],
    );
    rig.pass(INTERVAL * 2);
    assert!(rig.pool.sync(&job, &group(&server, &["/stays"])));
    assert_eq!(rig.pool.jobs()[0].active.len(), 1);
    rig.pass(INTERVAL);
    assert_eq!(rig.recorder.ends("/goes"), []);
    assert!(rig.pool.sync(&job, &group(&server, &["/stays", "/blinks"])));
    rig.pass(INTERVAL * 3 / 2);
    let last = *rig.recorder.times("/goes").last().unwrap();
    let [(at, ended)] = rig.recorder.ends("/goes")[..] else {
        panic!("one end");
    };
    // The clock moves in steps, so that a scrape begins up to a step behind its slot; the slot's timestamp has no part of a
    // millisecond, so that a slot just behind a step seems to be a whole step earlier.
    let after = at - last - 1000;
    assert!((-20..=0).contains(&after), "{after}");
    assert_eq!(ended, 1);
    assert_eq!(rig.recorder.ends("/blinks"), []);
    check_slots(&rig.recorder.times("/stays"), 4);
    // It came back to the grid it was on.
    let times = rig.recorder.times("/blinks");
    assert!(times.len() >= 3);
    assert!(
        times.iter().all(|time| (time - times[0]) % 1000 == 0),
        "{times:?}"
    );
}

#[test]
fn a_job_that_is_removed_ends_without_a_trace() {
    let server = Server::start(|_| ok("a 1\n"));
    let rig = Rig::new();
    let (stays, goes) = (job("stays"), job("goes"));
    let groups = |path| group(&server, &[path]);
    rig.pool.replace(
        vec![plan(&stays, groups("/stays")), plan(&goes, groups("/goes"))],
        &[],
    );
    rig.pass(INTERVAL * 2);
    rig.pool.replace(Vec::new(), &["goes".into()]);
    let seen = rig.recorder.times("/goes").len();
    rig.pass(INTERVAL * 3);
    assert_eq!(rig.recorder.times("/goes").len(), seen);
    assert_eq!(rig.recorder.ends("/goes"), []);
    // Discovery of the old configuration may still speak; nobody listens.
    assert!(!rig.pool.sync(&goes, &groups("/goes")));
    check_slots(&rig.recorder.times("/stays"), 5);
}

#[test]
fn a_job_without_discovery_runs_on_until_there_is_some() {
    let server = Server::start(|_| ok("a 1\n"));
    let rig = Rig::new();
    let old = job("a");
    rig.pool
        .replace(vec![plan(&old, group(&server, &["/m"]))], &[]);
    rig.pass(INTERVAL * 2);
    let new = job_of(config("a", INTERVAL, 7));
    let waiting = JobPlan {
        job: Arc::clone(&new),
        groups: None,
    };
    rig.pool.replace(vec![waiting], &[]);
    rig.pass(INTERVAL * 2);
    assert!(Arc::ptr_eq(&rig.pool.jobs()[0].job, &old));
    assert!(!rig.pool.sync(&old, &[]));
    assert!(rig.pool.sync(&new, &group(&server, &["/m"])));
    assert!(Arc::ptr_eq(&rig.pool.jobs()[0].job, &new));
    rig.pass(INTERVAL);
    check_slots(&rig.recorder.times("/m"), 5);
}

#[test]
fn a_panic_costs_one_scrape() {
    let server = Server::start(|_| ok("a 1\n"));
    let rig = Rig::new();
    let job = job("a");
    rig.pool
        .replace(vec![plan(&job, group(&server, &["/panics", "/calm"]))], &[]);
    rig.pass(INTERVAL * 4);
    assert_eq!(rig.pool.statistics().panics, 1);
    check_slots(&rig.recorder.times("/calm"), 4);
    let times = rig.recorder.times("/panics");
    assert_eq!(times.len(), 3);
    assert_eq!(times[1] - times[0], 2000);
    assert_eq!(times[2] - times[1], 1000);
}

#[test]
fn status_tells_what_became_of_each_target() {
    let server = Server::start(|asked| match asked.path() {
        "/up" => ok("a 1\n"),
        _ => Reply::Bytes(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec()),
    });
    let rig = Rig::new();
    rig.pool.replace(
        vec![plan(&job("a"), group(&server, &["/up", "/down"]))],
        &[],
    );
    let health = || -> BTreeMap<String, (Health, Option<Box<str>>)> {
        let status = rig.pool.jobs().remove(0);
        let active = status.active.into_iter();
        active
            .map(|(target, outcome)| {
                let path = target.identity.labels.get("path").unwrap().to_owned();
                (path, (outcome.health, outcome.error))
            })
            .collect()
    };
    assert_eq!(health()["/up"].0, Health::Unknown);
    rig.pass(INTERVAL);
    assert_eq!(health()["/up"], (Health::Up, None));
    let error = "server returned HTTP status 503 Busy";
    assert_eq!(health()["/down"], (Health::Down, Some(error.into())));
}

/// A pool on the system's clock.
fn real(max_workers: usize) -> (Pool, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let settings = PoolSettings {
        max_workers,
        ..PoolSettings::default()
    };
    let delivery = Arc::new(Recording(Arc::clone(&recorder)));
    let pool = Pool::start(settings, delivery, SystemClock::shared()).unwrap();
    (pool, recorder)
}

/// Targets that hang hold workers, and still the others are scraped, again and again.
#[track_caller]
fn check_hanging(max_workers: usize, want_workers: std::ops::RangeInclusive<usize>) {
    let server = Server::start(|asked| match asked.path() {
        "/fast" => ok("a 1\n"),
        _ => Reply::Hang,
    });
    let (pool, recorder) = real(max_workers);
    let hanging: Vec<String> = (0..40).map(|n| format!("/hangs/{n}")).collect();
    let hanging: Vec<&str> = hanging.iter().map(String::as_str).collect();
    pool.replace(
        vec![
            plan(
                &job_of(config("slow", INTERVAL, 0)),
                group(&server, &hanging),
            ),
            plan(
                &job_of(config("fast", Duration::from_millis(100), 0)),
                group(&server, &["/fast"]),
            ),
        ],
        &[],
    );
    let mut most = 0;
    until(|| {
        most = most.max(pool.statistics().workers);
        // All of them have hung once, and the lanes are apart.
        let is_apart = server.asked().len() > 100;
        is_apart && recorder.times("/fast").len() > 30 && want_workers.contains(&most)
    });
    assert!(pool.statistics().workers <= max_workers);
    let start = Instant::now();
    pool.stop(Duration::from_millis(50));
    assert!(pool.join_within(Duration::from_secs(10)).is_empty());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn the_pool_grows_for_targets_that_hang() {
    check_hanging(1000, 30..=1000);
}

#[test]
fn at_its_cap_the_pool_still_serves_those_that_answer() {
    check_hanging(8, 8..=8);
}

#[test]
fn after_a_stop_nothing_is_delivered() {
    let server = Server::start(|_| Reply::Hang);
    let (pool, recorder) = real(10);
    pool.replace(
        vec![plan(
            &job_of(config("a", Duration::from_secs(60), 0)),
            group(&server, &[]),
        )],
        &[],
    );
    let job = job_of(config("b", Duration::from_secs(1), 0));
    pool.replace(vec![plan(&job, group(&server, &["/a", "/b"]))], &[]);
    until(|| server.asked().len() == 2);
    let start = Instant::now();
    pool.stop(Duration::from_millis(20));
    assert!(pool.join_within(Duration::from_secs(10)).is_empty());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(recorder.batches.lock().len(), 0);
}

#[test]
fn a_scrape_that_ends_in_time_is_delivered_while_stopping() {
    let server = Server::start(|_| {
        Reply::Drip(
            crate::fake::http::ok_bytes("a 1\n"),
            Duration::from_millis(1),
        )
    });
    let (pool, recorder) = real(10);
    let job = job_of(config("a", Duration::from_secs(5), 0));
    pool.replace(vec![plan(&job, group(&server, &["/a"]))], &[]);
    until(|| server.asked().len() == 1);
    pool.stop(Duration::from_secs(30));
    assert_eq!(recorder.times("/a").len(), 1);
}

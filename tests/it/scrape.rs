//! One target over a real socket: what is kept, what is reused, what an interrupted scrape leaves behind.

use crate::fake::http::{Reply, Server};
use crate::fake::target::Answer;
use crate::golden::targets::load_job;
use prometheus_operator_receiver::config::SdConfig;
use prometheus_operator_receiver::http::client::Interrupt;
use prometheus_operator_receiver::http::client::{Client, HttpContext, Resolver};
use prometheus_operator_receiver::http::proxy;
use prometheus_operator_receiver::model::batch::{Batch, TargetOutput};
use prometheus_operator_receiver::model::bounds::Bounds;
use prometheus_operator_receiver::model::labels::{Interner, Labels};
use prometheus_operator_receiver::rt::clock::{Clock, SystemClock};
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::rt::gate::Gate;
use prometheus_operator_receiver::scrape::cycle::{Health, Outcome, scrape_once};
use prometheus_operator_receiver::scrape::job::{Job, Options};
use prometheus_operator_receiver::scrape::state::{TargetState, Worker};
use prometheus_operator_receiver::scrape::target::{Target, sync};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Of a batch: the values of its rows, the number of stale series, and `up`.
type Digest = (Vec<f64>, usize, f64);

#[derive(Debug, Default, Clone)]
struct Output(Arc<Mutex<Vec<Digest>>>);

impl TargetOutput for Output {
    fn deliver(&mut self, batch: &Batch<'_>) {
        let present = (0..batch.table.rows().len()).filter(|row| batch.is_present(*row));
        let values = present.map(|row| batch.values[row]).collect();
        let entry = (values, batch.stale.len(), batch.report[0].value);
        self.0.lock().unwrap().push(entry);
    }
}

struct Scraper {
    target: Target,
    state: TargetState,
    worker: Worker,
    output: Output,
}

impl Scraper {
    fn new(server: &Server, extra_labels: &str, interrupt: Arc<Interrupt>) -> Self {
        let job = format!(
            "job_name: app\nstatic_configs:\n- targets: ['{}']\n  labels: {{{extra_labels}}}\n",
            server.address
        );
        let config = load_job(&job, None, Path::new("/")).unwrap().jobs.remove(0);
        let Some(SdConfig::Static(groups)) = config.discovery.first() else {
            panic!("no static group");
        };
        let target = sync(&config, groups, &Bounds::default(), &mut Interner::new())
            .active
            .remove(0);
        let around = HttpContext {
            files: Arc::new(Disk),
            roots: Arc::default(),
            resolver: Resolver::default(),
            proxies: proxy::Environment::default(),
            user_agent: "test".into(),
        };
        let client = Arc::new(Client::build(&config.http, &around).unwrap());
        let options = Options::default();
        let job = Job::new(
            config,
            client,
            Labels::empty(),
            options,
            Arc::default(),
            None,
        );
        let output = Output::default();
        Self {
            target,
            state: TargetState::new(Arc::new(job), Box::new(output.clone())),
            worker: Worker::new(SystemClock::shared(), Gate::new(1), interrupt),
            output,
        }
    }

    fn scrape(&mut self) -> Outcome {
        let now = SystemClock.unix_ms();
        scrape_once(&self.target, &mut self.state, &mut self.worker, now)
    }

    fn delivered(&self) -> Vec<Digest> {
        self.output.0.lock().unwrap().clone()
    }
}

#[test]
fn an_unchanged_page_needs_no_new_table_and_no_new_connection() {
    let server = Server::start(|_| Answer::text("a 1\nb{x=\"1\"} 2\n").reply());
    let mut it = Scraper::new(&server, "", Arc::default());
    assert_eq!(it.scrape().series_added, 2);
    let table = Arc::clone(it.state.table());
    let outcome = it.scrape();
    assert_eq!((outcome.health, outcome.series_added), (Health::Up, 0));
    assert!(Arc::ptr_eq(&table, it.state.table()));
    assert_eq!(server.connections(), 1);
    assert_eq!(it.delivered(), vec![(vec![1.0, 2.0], 0, 1.0); 2]);
}

#[test]
fn an_encoding_that_was_not_offered_is_named() {
    for (encoding, want) in [
        (
            "zstd",
            Some(
                "received a zstd-compressed response, but the \"zstd-scrape\" feature flag is not enabled",
            ),
        ),
        ("identity", None),
        ("br", None),
    ] {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: {encoding}\r\nContent-Length: 4\r\n\r\na 1\n"
        );
        let server = Server::start(move |_| Reply::Bytes(head.clone().into_bytes()));
        let mut it = Scraper::new(&server, "", Arc::default());
        assert_eq!(it.scrape().error.as_deref(), want, "{encoding}");
    }
}

#[test]
fn a_target_that_comes_back_goes_on_with_its_series() {
    let n_asked = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let mut answer = Answer::text("a 1\nb 2\n");
        if n_asked.fetch_add(1, Ordering::SeqCst) == 1 {
            answer.status = 503;
        }
        answer.reply()
    });
    let mut it = Scraper::new(&server, "", Arc::default());
    it.scrape();
    let outcome = it.scrape();
    let error = outcome.error.unwrap();
    assert_eq!(
        &*error,
        "server returned HTTP status 503 Service Unavailable"
    );
    assert_eq!(it.scrape().series_added, 0);
    let want = [
        (vec![1.0, 2.0], 0, 1.0),
        (vec![], 2, 0.0),
        (vec![1.0, 2.0], 0, 1.0),
    ];
    assert_eq!(it.delivered(), want);
}

#[test]
fn an_interrupted_scrape_delivers_nothing() {
    let interrupt = Arc::new(Interrupt::default());
    let closing = Arc::clone(&interrupt);
    let server = Server::start(move |_| {
        closing.close();
        Reply::Hang
    });
    let mut it = Scraper::new(&server, "", interrupt);
    assert_eq!(it.scrape().health, Health::Unknown);
    assert_eq!(it.delivered(), []);
}

#[test]
fn a_unix_socket_is_refused_in_words() {
    let server = Server::start(|_| Answer::text("a 1\n").reply());
    let mut it = Scraper::new(&server, "__unix_socket__: /run/x.sock", Arc::default());
    let error = it.scrape().error.unwrap();
    assert!(
        error.contains("__unix_socket__ is not supported"),
        "{error}"
    );
    assert_eq!(server.connections(), 0);
}

//! Queues, retries and the end: what an exporter's thread does with a backend that fails, and the books of it.

use crate::pages::OneGauge;
use prometheus_operator_receiver::model::batch::Batch;
use prometheus_operator_receiver::pipeline::{
    Encoder, EncoderFactory, ExportError, Exporter, ExporterStatus, Interrupt, Payload,
    PayloadSink, Pipeline, PipelineSettings, Receipt,
};
use prometheus_operator_receiver::rt::clock::SystemClock;
use proptest::prelude::*;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// One payload per batch, of one point and eight bytes: the value of `g`.
struct ByValue;

impl EncoderFactory for ByValue {
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(Self)
    }
}

impl Encoder for ByValue {
    fn encode(&mut self, batch: &Batch<'_>, out: &mut PayloadSink) {
        out.push(&batch.values[0].to_le_bytes(), 1);
    }
}

/// What the fake backend does with a request.
#[derive(Debug, Clone, Copy)]
enum Say {
    Take,
    TakeAllButOne,
    Retry,
    Reject,
    Split,
    Panic,
}

/// Answers requests as a script says, remembers what it took; can be held shut.
#[derive(Clone)]
struct Backend {
    shared: Arc<(Mutex<State>, Condvar)>,
    script: Arc<dyn Fn(usize, usize) -> Say + Send + Sync>,
}

#[derive(Default)]
struct State {
    requests: usize,
    taken: Vec<f64>,
    closed: bool,
    interrupted: bool,
}

impl Backend {
    /// The script gets the number of the request and of its payloads.
    fn new(script: impl Fn(usize, usize) -> Say + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::default(),
            script: Arc::new(script),
        }
    }

    fn close(&self) {
        self.shared.0.lock().unwrap().closed = true;
    }

    fn open(&self) {
        self.shared.0.lock().unwrap().closed = false;
        self.shared.1.notify_all();
    }

    fn wait_for_requests(&self, n: usize) {
        let state = self.shared.0.lock().unwrap();
        drop(
            self.shared
                .1
                .wait_while(state, |state| state.requests < n)
                .unwrap(),
        );
    }

    fn taken(&self) -> Vec<f64> {
        self.shared.0.lock().unwrap().taken.clone()
    }
}

impl Exporter for Backend {
    fn name(&self) -> &str {
        "backend"
    }

    fn encoders(&self) -> Arc<dyn EncoderFactory> {
        Arc::new(ByValue)
    }

    fn send(&mut self, payloads: &[Payload]) -> Result<Receipt, ExportError> {
        let mut state = self.shared.0.lock().unwrap();
        let n = state.requests;
        state.requests += 1;
        self.shared.1.notify_all();
        state = self
            .shared
            .1
            .wait_while(state, |s| s.closed && !s.interrupted)
            .unwrap();
        if state.interrupted {
            return Err(ExportError::Retry {
                after: None,
                source: "interrupted".into(),
            });
        }
        let say = (self.script)(n, payloads.len());
        match say {
            Say::Take | Say::TakeAllButOne => {
                let value = |p: &Payload| f64::from_le_bytes(p.bytes[..].try_into().unwrap());
                state.taken.extend(payloads.iter().map(value));
                let refused = u64::from(matches!(say, Say::TakeAllButOne));
                let said = None;
                Ok(Receipt { refused, said })
            }
            Say::Retry => Err(ExportError::Retry {
                after: None,
                source: "busy".into(),
            }),
            Say::Reject => Err(ExportError::Reject {
                source: "never".into(),
            }),
            Say::Split => Err(ExportError::Split {
                source: "too large".into(),
            }),
            Say::Panic => {
                drop(state);
                panic!("on purpose")
            }
        }
    }

    fn interrupt(&self) -> Interrupt {
        let shared = Arc::clone(&self.shared);
        Box::new(move || {
            shared.0.lock().unwrap().interrupted = true;
            shared.1.notify_all();
        })
    }
}

fn settings() -> PipelineSettings {
    PipelineSettings {
        queue_bytes: 1 << 20,
        request_bytes: 80,
        linger: Duration::ZERO,
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(2),
    }
}

fn start(backend: &Backend, settings: &PipelineSettings) -> Pipeline {
    let exporters: Vec<Box<dyn Exporter>> = vec![Box::new(backend.clone())];
    Pipeline::start(exporters, Vec::new(), settings, SystemClock::shared()).unwrap()
}

fn stop(pipeline: &Pipeline, grace: Duration) -> Vec<ExporterStatus> {
    pipeline.stop(grace);
    assert!(pipeline.join_within(LONG).is_empty());
    pipeline.status()
}

fn deliver(pipeline: &Pipeline, values: std::ops::Range<u32>) {
    let mut output = pipeline.delivery().open();
    let target = OneGauge::new("a:1");
    for value in values {
        target.deliver(f64::from(value), &mut *output);
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<f64> {
    range.map(f64::from).collect()
}

const LONG: Duration = Duration::from_secs(60);

#[track_caller]
fn balanced(status: &ExporterStatus) {
    let books = &status.books;
    assert_eq!(
        books.accepted,
        books.sent + books.dropped.all() + books.waiting,
        "{status:?}"
    );
}

#[test]
fn a_failing_backend_gets_all_points_in_order() {
    let backend = Backend::new(|n, _| if n < 5 { Say::Retry } else { Say::Take });
    let pipeline = start(&backend, &settings());
    deliver(&pipeline, 0..100);
    let report = stop(&pipeline, LONG);
    assert_eq!(backend.taken(), numbers(0..100));
    assert_eq!(report[0].books.sent, 100);
    assert_eq!(report[0].books.retries, 5);
    assert_eq!(report[0].last_error, None);
    balanced(&report[0]);
}

#[test]
fn payloads_wait_for_each_other_until_a_request_is_full_or_the_end_comes() {
    let backend = Backend::new(|_, _| Say::Take);
    let patient = PipelineSettings {
        linger: LONG,
        ..settings()
    };
    let pipeline = start(&backend, &patient);
    // Whoever has waited for anything at all is sent at once.
    deliver(&pipeline, 0..1);
    backend.wait_for_requests(1);
    // Ten of eight bytes are a full request.
    deliver(&pipeline, 1..11);
    backend.wait_for_requests(2);
    deliver(&pipeline, 11..14);
    stop(&pipeline, LONG);
    assert_eq!(backend.shared.0.lock().unwrap().requests, 3);
    assert_eq!(backend.taken().len(), 14);
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts_them() {
    let backend = Backend::new(|_, _| Say::Take);
    backend.close();
    let small = PipelineSettings {
        queue_bytes: 40,
        request_bytes: 8,
        ..settings()
    };
    let pipeline = start(&backend, &small);
    deliver(&pipeline, 0..1);
    // The first is being sent: it counts, but it is not dropped.
    backend.wait_for_requests(1);
    deliver(&pipeline, 1..20);
    let status = &pipeline.status()[0];
    assert_eq!((status.books.waiting, status.books.waiting_bytes), (5, 40));
    assert_eq!(status.books.dropped.queue_full, 15);
    balanced(status);
    backend.open();
    let report = stop(&pipeline, LONG);
    assert_eq!(backend.taken(), [0.0, 16.0, 17.0, 18.0, 19.0]);
    balanced(&report[0]);
}

#[test]
fn what_is_retried_keeps_its_place() {
    let backend = Backend::new(|n, _| if n == 0 { Say::Retry } else { Say::Take });
    backend.close();
    let small = PipelineSettings {
        queue_bytes: 16,
        request_bytes: 8,
        ..settings()
    };
    let pipeline = start(&backend, &small);
    deliver(&pipeline, 0..1);
    backend.wait_for_requests(1);
    deliver(&pipeline, 1..3);
    backend.open();
    let report = stop(&pipeline, LONG);
    // 1 had to go while 0 was being sent; then 0 came back and fitted again.
    assert_eq!(backend.taken(), [0.0, 2.0]);
    balanced(&report[0]);
}

#[test]
fn a_payload_larger_than_the_queue_is_dropped_alone() {
    let backend = Backend::new(|_, _| Say::Take);
    let tiny = PipelineSettings {
        queue_bytes: 4,
        ..settings()
    };
    let pipeline = start(&backend, &tiny);
    deliver(&pipeline, 0..3);
    let report = stop(&pipeline, LONG);
    assert_eq!(report[0].books.dropped.too_large, 3);
    balanced(&report[0]);
}

#[test]
fn a_slow_backend_gets_what_was_accepted_before_the_stop() {
    let backend = Backend::new(|_, _| Say::Take);
    backend.close();
    let pipeline = start(&backend, &settings());
    deliver(&pipeline, 0..50);
    backend.wait_for_requests(1);
    let (opener, late) = (backend.clone(), pipeline.delivery());
    let stopping = std::thread::spawn(move || stop(&pipeline, LONG));
    opener.open();
    let report = stopping.join().unwrap();
    assert_eq!(backend.taken(), numbers(0..50));
    // What comes after the stop is counted, too.
    OneGauge::new("a:1").deliver(50.0, &mut *late.open());
    assert_eq!(report[0].books.sent, 50);
    balanced(&report[0]);
}

#[test]
fn a_dead_backend_ends_at_the_deadline() {
    let backend = Backend::new(|_, _| Say::Take);
    backend.close();
    let pipeline = start(&backend, &settings());
    deliver(&pipeline, 0..50);
    backend.wait_for_requests(1);
    let before = Instant::now();
    let report = stop(&pipeline, Duration::from_millis(20));
    // Not a measurement: without the interrupt it would never end.
    assert!(before.elapsed() < LONG);
    assert_eq!(report[0].books.dropped.stopped, 50);
    balanced(&report[0]);
}

#[test]
fn a_backend_that_only_fails_ends_at_the_deadline() {
    let backend = Backend::new(|_, _| Say::Retry);
    let slow = PipelineSettings {
        retry_first: LONG,
        retry_max: LONG,
        ..settings()
    };
    let pipeline = start(&backend, &slow);
    deliver(&pipeline, 0..5);
    backend.wait_for_requests(1);
    let report = stop(&pipeline, Duration::from_millis(20));
    assert_eq!(report[0].books.dropped.stopped, 5);
    assert_eq!(report[0].last_error.as_deref(), Some("busy"));
    balanced(&report[0]);
}

#[test]
fn too_large_requests_are_split_down_to_the_payload() {
    let backend = Backend::new(|_, payloads| if payloads > 2 { Say::Split } else { Say::Take });
    backend.close();
    let pipeline = start(&backend, &settings());
    deliver(&pipeline, 0..30);
    backend.open();
    let report = stop(&pipeline, LONG);
    assert_eq!(backend.taken(), numbers(0..30));
    balanced(&report[0]);

    let backend = Backend::new(|_, _| Say::Split);
    let pipeline = start(&backend, &settings());
    deliver(&pipeline, 0..3);
    let report = stop(&pipeline, LONG);
    assert_eq!(report[0].books.dropped.too_large, 3);
    assert_eq!(report[0].last_error.as_deref(), Some("too large"));
}

#[test]
fn refused_points_are_counted_and_not_sent_again() {
    let backend = Backend::new(|n, _| {
        if n == 0 {
            Say::TakeAllButOne
        } else {
            Say::Reject
        }
    });
    backend.close();
    let one = PipelineSettings {
        request_bytes: 8,
        ..settings()
    };
    let pipeline = start(&backend, &one);
    deliver(&pipeline, 0..3);
    backend.open();
    let report = stop(&pipeline, LONG);
    assert_eq!(report[0].books.sent, 0);
    assert_eq!(report[0].books.dropped.rejected, 3);
    balanced(&report[0]);
}

#[test]
fn a_panic_is_tried_again_before_it_costs_a_request() {
    for (panics, want) in [(1, vec![0.0, 1.0, 2.0]), (5, vec![1.0, 2.0])] {
        let backend = Backend::new(move |n, _| if n < panics { Say::Panic } else { Say::Take });
        let one = PipelineSettings {
            request_bytes: 8,
            ..settings()
        };
        let pipeline = start(&backend, &one);
        deliver(&pipeline, 0..3);
        let report = stop(&pipeline, LONG);
        assert_eq!(backend.taken(), want);
        balanced(&report[0]);
    }
}

#[test]
fn what_waits_in_a_back_off_is_tried_at_the_end() {
    let backend = Backend::new(|n, _| if n == 0 { Say::Retry } else { Say::Take });
    let slow = PipelineSettings {
        retry_first: 60 * LONG,
        retry_max: 60 * LONG,
        ..settings()
    };
    let pipeline = start(&backend, &slow);
    deliver(&pipeline, 0..5);
    backend.wait_for_requests(1);
    // The deadline would come long before the back-off ends.
    assert_eq!(stop(&pipeline, LONG)[0].books.sent, 5);
}

#[test]
fn an_exporter_that_blocks_is_left_behind_and_named() {
    /// Its interrupt does nothing, as that of a pipe that nobody reads.
    struct Blocks(Backend);
    impl Exporter for Blocks {
        fn name(&self) -> &str {
            "blocks"
        }
        fn encoders(&self) -> Arc<dyn EncoderFactory> {
            self.0.encoders()
        }
        fn send(&mut self, payloads: &[Payload]) -> Result<Receipt, ExportError> {
            self.0.send(payloads)
        }
    }
    let backend = Backend::new(|_, _| Say::Take);
    backend.close();
    let exporters: Vec<Box<dyn Exporter>> = vec![Box::new(Blocks(backend.clone()))];
    let pipeline =
        Pipeline::start(exporters, Vec::new(), &settings(), SystemClock::shared()).unwrap();
    deliver(&pipeline, 0..3);
    backend.wait_for_requests(1);
    pipeline.stop(Duration::from_millis(20));
    let left = pipeline.join_within(Duration::from_millis(20));
    assert_eq!(left, ["export-blocks"]);
    balanced(&pipeline.status()[0]);
    backend.open();
}

#[test]
fn a_dropped_pipeline_ends_its_threads() {
    let backend = Backend::new(|_, _| Say::Take);
    backend.close();
    let pipeline = start(&backend, &settings());
    deliver(&pipeline, 0..3);
    backend.wait_for_requests(1);
    drop(pipeline);
    assert!(backend.taken().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the backend says: the books balance, and what it took is in order and was sent once.
    #[test]
    fn the_books_balance(says in prop::collection::vec(0..6u8, 0..40), n in 0..40u32, queue in 8..400usize) {
        let script = move |request: usize, _| match says.get(request) {
            Some(1) => Say::TakeAllButOne,
            Some(2) => Say::Retry,
            Some(3) => Say::Reject,
            Some(4) => Say::Split,
            _ => Say::Take,
        };
        let backend = Backend::new(script);
        let small = PipelineSettings { queue_bytes: queue, ..settings() };
        let pipeline = start(&backend, &small);
        deliver(&pipeline, 0..n);
        let during = &pipeline.status()[0];
        balanced(during);
        let report = &stop(&pipeline, LONG)[0];
        balanced(report);
        prop_assert_eq!(report.books.accepted, u64::from(n));
        prop_assert_eq!((report.books.waiting, report.books.waiting_bytes), (0, 0));
        let taken = backend.taken();
        prop_assert!(taken.is_sorted_by(|a, b| a < b));
    }
}

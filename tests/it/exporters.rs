//! Exporters against real sockets: what arrives at a backend, and what becomes of its answers.

use crate::fake::sink::{Answer, Sink, ok};
use crate::pages::OneGauge;
use prometheus_operator_receiver::exporters::{
    Compression, Consumers, Format, Lines, OtlpHttp, OtlpHttpSettings,
};
use prometheus_operator_receiver::http::config::Secret;
use prometheus_operator_receiver::model::batch::Delivery;
use prometheus_operator_receiver::pdata::{ConsumeError, Consumer, Metrics};
use prometheus_operator_receiver::pipeline::{
    Exporter, ExporterStatus, Pipeline, PipelineSettings,
};
use prometheus_operator_receiver::rt::clock::SystemClock;
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::translate::Settings;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn start(exporter: impl Exporter + 'static) -> Pipeline {
    let settings = PipelineSettings {
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(2),
        ..PipelineSettings::default()
    };
    Pipeline::start(
        vec![Box::new(exporter)],
        Vec::new(),
        &settings,
        SystemClock::shared(),
    )
    .unwrap()
}

fn stop(pipeline: &Pipeline, grace: Duration) -> Vec<ExporterStatus> {
    pipeline.stop(grace);
    assert!(pipeline.join_within(LONG).is_empty());
    pipeline.status()
}

fn otlp(sink: &Sink, compression: Compression) -> OtlpHttp {
    let settings = OtlpHttpSettings {
        compression,
        ..OtlpHttpSettings::new(&sink.endpoint())
    };
    OtlpHttp::new(settings, &Disk).unwrap()
}

fn deliver(pipeline: &Pipeline, values: impl IntoIterator<Item = f64>) {
    let mut output = pipeline.delivery().open();
    let target = OneGauge::new("a:1");
    for value in values {
        target.deliver(value, &mut *output);
    }
}

#[track_caller]
fn arrives(compression: Compression) {
    let sink = Sink::start(|_| ok());
    let settings = OtlpHttpSettings {
        compression,
        headers: vec![("X-Scope-OrgID".into(), Secret::new("tenant"))],
        ..OtlpHttpSettings::new(&format!("{}/base/", sink.endpoint()))
    };
    let pipeline = start(OtlpHttp::new(settings, &Disk).unwrap());
    deliver(&pipeline, [2.5]);
    let report = stop(&pipeline, LONG);
    assert_eq!(report[0].books.sent, 2, "{report:?}");
    let received = &sink.received()[0];
    assert_eq!(received.path, "/base/v1/metrics");
    assert_eq!(received.headers["content-type"], "application/x-protobuf");
    assert_eq!(received.headers["x-scope-orgid"], "tenant");
    assert!(received.headers["user-agent"].starts_with("promop/"));
    assert_eq!(received.values("g"), [2.5]);
    assert_eq!(received.values("up"), [1.0]);
    let resource = received.request.resource_metrics[0]
        .resource
        .as_ref()
        .unwrap();
    let keys: Vec<_> = resource
        .attributes
        .iter()
        .map(|attribute| &*attribute.key)
        .collect();
    let want = [
        "service.name",
        "server.address",
        "service.instance.id",
        "server.port",
        "url.scheme",
    ];
    assert_eq!(keys, want);
}

#[test]
fn requests_arrive_without_compression() {
    arrives(Compression::None);
}

#[test]
fn requests_arrive_with_gzip() {
    arrives(Compression::Gzip);
}

#[test]
fn a_backend_that_is_away_gets_all_points_in_order() {
    let sink = Sink::start(|n| match n {
        0..3 => Answer::Status(503, "", Vec::new()),
        3 => Answer::Status(429, "Retry-After: 0\r\n", Vec::new()),
        _ => ok(),
    });
    let pipeline = start(otlp(&sink, Compression::None));
    deliver(&pipeline, (0..20).map(f64::from));
    sink.wait_for(5);
    let report = stop(&pipeline, LONG);
    assert_eq!(sink.taken("g"), (0..20).map(f64::from).collect::<Vec<_>>());
    assert_eq!(report[0].books.retries, 4);
}

#[test]
fn a_refused_connection_is_tried_again() {
    let sink = Sink::start(|_| ok());
    let exporter = otlp(&sink, Compression::None);
    drop(sink);
    let pipeline = start(exporter);
    deliver(&pipeline, [1.0]);
    let report: Vec<ExporterStatus> = stop(&pipeline, Duration::from_millis(50));
    assert_eq!(report[0].books.dropped.stopped, 2);
    let error = report[0].last_error.as_deref().unwrap();
    assert!(
        error.ends_with("/v1/metrics: connection refused"),
        "{error}"
    );
}

#[test]
fn a_refusal_is_final_and_says_why() {
    let sink = Sink::start(|_| Answer::Status(400, "", b"bad data".to_vec()));
    let pipeline = start(otlp(&sink, Compression::None));
    deliver(&pipeline, [1.0]);
    let report = stop(&pipeline, LONG);
    assert_eq!(report[0].books.dropped.rejected, 2);
    let want = format!(
        "{}/v1/metrics: status 400 Bad Request: bad data",
        sink.endpoint()
    );
    assert_eq!(report[0].last_error, Some(want));
}

#[test]
fn partial_success_is_counted() {
    let partial = vec![0x0a, 5, 0x08, 1, 0x12, 1, b'x'];
    let sink = Sink::start(move |_| {
        Answer::Status(
            200,
            "Content-Type: application/x-protobuf\r\n",
            partial.clone(),
        )
    });
    let pipeline = start(otlp(&sink, Compression::None));
    deliver(&pipeline, [1.0]);
    let report = stop(&pipeline, LONG);
    assert_eq!(
        (report[0].books.sent, report[0].books.dropped.rejected),
        (1, 1)
    );
}

#[test]
fn a_hanging_backend_is_cut_off_at_the_deadline() {
    let sink = Sink::start(|_| Answer::Hang);
    let settings = OtlpHttpSettings {
        timeout: LONG,
        ..OtlpHttpSettings::new(&sink.endpoint())
    };
    let pipeline = start(OtlpHttp::new(settings, &Disk).unwrap());
    deliver(&pipeline, [1.0]);
    sink.wait_for(1);
    let report = stop(&pipeline, Duration::from_millis(20));
    assert_eq!(report[0].books.dropped.stopped, 2);
}

/// A writer whose text can be read by the test.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_are_json_objects() {
    let page = Page::default();
    let pipeline = start(Lines::new(
        "stdout",
        page.clone(),
        Format::OtlpJson,
        Settings::default(),
    ));
    deliver(&pipeline, [1.0, f64::NAN]);
    stop(&pipeline, LONG);
    let text = page.text();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let metric = |line: usize| &lines[line]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
    assert_eq!(metric(0)["name"], "g");
    assert_eq!(
        metric(0)["gauge"]["dataPoints"][0]["timeUnixNano"],
        "1700000000000000000"
    );
    assert_eq!(metric(1)["gauge"]["dataPoints"][0]["asDouble"], "NaN");
}

#[test]
fn lines_can_be_for_people() {
    let page = Page::default();
    let pipeline = start(Lines::new(
        "stdout",
        page.clone(),
        Format::Readable,
        Settings::default(),
    ));
    deliver(&pipeline, [1.5]);
    stop(&pipeline, LONG);
    let want = "# 2023-11-14T22:13:20.000Z job=test service.name=test server.address=a \
                service.instance.id=a:1 server.port=1 url.scheme=http\ng 1.5\nup 1\n";
    assert_eq!(page.text(), want);
}

#[test]
fn consumers_get_metrics_in_the_delivering_thread() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let taking = move |metrics: &Metrics| -> Result<(), ConsumeError> {
        keep.lock().unwrap().push(metrics.point_count());
        Ok(())
    };
    let refusing = |_: &Metrics| Err(ConsumeError::new("no"));
    let all: Vec<Arc<dyn Consumer>> = vec![Arc::new(taking), Arc::new(refusing)];
    let consumers = Arc::new(Consumers::new(
        all,
        Settings::default(),
        SystemClock::shared(),
    ));
    let others = vec![Arc::clone(&consumers) as Arc<dyn Delivery>];
    let settings = PipelineSettings::default();
    let pipeline = Pipeline::start(Vec::new(), others, &settings, SystemClock::shared()).unwrap();
    deliver(&pipeline, [1.0]);
    assert_eq!(*seen.lock().unwrap(), [2]);
    assert_eq!(
        (consumers.accepted_points(), consumers.refused_points()),
        (2, 2)
    );
}

//! The whole receiver, with a folder in place of the API server: what happens when monitors change or are wrong.

use super::fake::http::Server;
use super::fake::target::Answer;
use prometheus_operator_receiver::pdata::{Data, Metrics, Number, Value};
use prometheus_operator_receiver::{ConsumeError, Receiver, Running, Settings, Status};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Nothing here takes as long on an idle machine; a test that waits longer has failed.
const LONG: Duration = Duration::from_secs(60);

/// A target whose page is one gauge of its own.
pub(super) fn page(metric: &str) -> Server {
    let answer = Answer::text(&format!("# TYPE {metric} gauge\n{metric} 1\n"));
    Server::start(move |_| answer.reply())
}

/// A Service and an EndpointSlice for the target, and a ServiceMonitor with further fields for its endpoint.
pub(super) fn monitored(name: &str, at: SocketAddr, endpoint: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\n\
         spec: {{ports: [{{name: web, port: 80}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {{name: {name}-x, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         ports: [{{name: web, port: {}, protocol: TCP}}]\n\
         endpoints: [{{addresses: [{}], conditions: {{ready: true}}}}]\n---\n\
         apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {{selector: {{matchLabels: {{app: {name}}}}}, endpoints: [{{port: web, interval: 200ms, {endpoint}}}]}}\n",
        at.port(),
        at.ip(),
    )
}

/// A job, and values by metric.
type Batch = (String, Vec<(String, f64)>);

/// Everything that a receiver hands on, in order.
#[derive(Default)]
pub(super) struct Taken {
    batches: Mutex<Vec<Batch>>,
    more: Condvar,
}

impl Taken {
    fn take(&self, metrics: &Metrics) {
        let mut batches = self.batches.lock().unwrap();
        for resource in &metrics.resource_metrics {
            let job = resource
                .resource
                .attributes
                .get("service.name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let all = resource
                .scope_metrics
                .iter()
                .flat_map(|scope| &scope.metrics);
            let values = all.filter_map(|metric| {
                let Data::Gauge(gauge) = &metric.data else {
                    return None;
                };
                match gauge.points.first()?.value? {
                    Number::Double(value) => Some((metric.name.to_string(), value)),
                    Number::Int(_) => None,
                }
            });
            batches.push((job, values.collect()));
        }
        self.more.notify_all();
    }

    /// Waits until a batch of a job from the n-th on fits, and returns how many there were then.
    pub(super) fn wait(&self, from: usize, what: impl Fn(&str, &[(String, f64)]) -> bool) -> usize {
        let batches = self.batches.lock().unwrap();
        let found = |all: &Vec<Batch>| all.iter().skip(from).any(|(job, values)| what(job, values));
        let (batches, timeout) = self
            .more
            .wait_timeout_while(batches, LONG, |all| !found(all))
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "nothing came that fits; last: {:?}",
            batches.last()
        );
        batches.len()
    }

    /// Waits for a metric of a job.
    pub(super) fn wait_for(&self, from: usize, job: &str, metric: &str) -> usize {
        self.wait(from, |j, values| {
            j == job && values.iter().any(|(name, _)| name == metric)
        })
    }

    /// All values of a metric of a job since the n-th batch.
    fn values(&self, from: usize, job: &str, metric: &str) -> Vec<f64> {
        let batches = self.batches.lock().unwrap();
        let of_job = batches.iter().skip(from).filter(|(j, _)| j == job);
        of_job
            .flat_map(|(_, values)| values.iter().filter(|(n, _)| n == metric).map(|(_, v)| *v))
            .collect()
    }
}

pub(super) fn start(settings: &str) -> (Running, Arc<Taken>) {
    let settings = Settings::from_yaml(&format!("webListenAddress: null\n{settings}")).unwrap();
    let taken = Arc::new(Taken::default());
    let to = Arc::clone(&taken);
    let running = Receiver::builder(settings)
        .consumer(move |metrics: &Metrics| -> Result<(), ConsumeError> {
            to.take(metrics);
            Ok(())
        })
        .start()
        .unwrap();
    (running, taken)
}

pub(super) fn from_folder(folder: &Path) -> (Running, Arc<Taken>) {
    start(&format!("source: {{folder: {}}}", folder.display()))
}

/// Waits until the status fits.
pub(super) fn wait_status(running: &Running, what: impl Fn(&Status) -> bool) -> Status {
    let begin = std::time::Instant::now();
    loop {
        let status = running.status();
        if what(&status) {
            return status;
        }
        assert!(begin.elapsed() < LONG, "status stays {status:?}");
        std::thread::yield_now();
    }
}

pub(super) fn write(folder: &Path, file: &str, text: &str) {
    // As `kubectl` and editors do it: the file is there as a whole or not at all.
    let temporary = folder.join(format!(".{file}.new"));
    std::fs::write(&temporary, text).unwrap();
    std::fs::rename(temporary, folder.join(file)).unwrap();
}

#[test]
fn editing_one_monitor_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (page("metric_a"), page("metric_b"));
    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    write(folder.path(), "b.yaml", &monitored("b", b.address, ""));
    let (running, taken) = from_folder(folder.path());
    taken.wait_for(0, "a", "metric_a");
    let before = taken.wait_for(0, "b", "metric_b");

    write(
        folder.path(),
        "a.yaml",
        &monitored("a", a.address, "path: /other"),
    );
    running.reload();
    // The changed target begins anew: all its series are new to it.
    let changed = taken.wait(before, |job, values| {
        job == "a"
            && values
                .iter()
                .any(|(name, value)| name == "scrape_series_added" && *value > 0.0)
    });
    taken.wait_for(changed, "b", "metric_b");
    // The other one goes on with what it knows: none of its series is ever new again.
    let added = taken.values(before, "b", "scrape_series_added");
    assert!(
        !added.is_empty() && added.iter().all(|n| *n == 0.0),
        "{added:?}"
    );
    assert_eq!(
        taken
            .values(0, "b", "scrape_series_added")
            .iter()
            .filter(|n| **n > 0.0)
            .count(),
        1
    );
}

#[test]
fn a_job_that_does_not_load_is_quarantined_and_its_last_good_version_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (page("metric_a"), page("metric_b"));
    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    let (running, taken) = from_folder(folder.path());
    let before = taken.wait_for(0, "a", "metric_a");

    // The operator accepts this monitor; Prometheus refuses its job.
    write(
        folder.path(),
        "a.yaml",
        &monitored("a", a.address, "targetPort: 1")
            .replace("port: web, interval", "port: 'a(', interval"),
    );
    write(folder.path(), "b.yaml", &monitored("b", b.address, ""));
    running.reload();
    let then = taken.wait_for(before, "b", "metric_b");
    let status = wait_status(&running, |status| !status.rejected.is_empty());
    let bad = &status.rejected[0];
    assert_eq!(
        (&*bad.kind, &*bad.namespace, &*bad.name, bad.cause),
        ("ServiceMonitor", "shop", "a", "load")
    );
    assert!(bad.reason.contains("regex"), "{bad:?}");
    assert!(bad.last_good_age.is_some());
    taken.wait_for(then, "a", "metric_a");

    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    running.reload();
    wait_status(&running, |status| {
        status.rejected.is_empty() && status.jobs == 2
    });
}

#[test]
fn a_deleted_monitor_is_scraped_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (page("metric_a"), page("metric_b"));
    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    write(folder.path(), "b.yaml", &monitored("b", b.address, ""));
    let (running, taken) = from_folder(folder.path());
    taken.wait_for(0, "a", "metric_a");
    taken.wait_for(0, "b", "metric_b");

    std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
    running.reload();
    wait_status(&running, |status| status.jobs == 1);
    let targets = running.targets();
    assert!(
        targets
            .active
            .iter()
            .all(|target| target.scrape_pool.contains("/b/")),
        "{targets:?}"
    );
    // One request may have been under way; then the other target is asked several times, this one never.
    let asked = a.asked().len();
    let mut from = taken.batches.lock().unwrap().len();
    for _ in 0..5 {
        from = taken.wait_for(from, "b", "metric_b");
    }
    assert!(a.asked().len() <= asked + 1);
}

#[test]
fn a_broken_frame_leaves_the_old_configuration_running() {
    let folder = tempfile::tempdir().unwrap();
    let a = page("metric_a");
    let file = folder.path().join("jobs.yaml");
    let jobs = format!(
        "- job_name: a\n  scrape_interval: 200ms\n  static_configs: [{{targets: ['{}']}}]\n",
        a.address
    );
    std::fs::write(&file, &jobs).unwrap();
    let (running, taken) = start(&format!(
        "source: none\nadditionalScrapeConfigs: {}",
        file.display()
    ));
    let before = taken.wait_for(0, "a", "metric_a");

    std::fs::write(&file, "- job_name: [").unwrap();
    running.reload();
    wait_status(&running, |status| !status.config_successful);
    taken.wait_for(before, "a", "metric_a");

    // One bad job beside a good one: only the bad one is left out.
    std::fs::write(
        &file,
        format!("{jobs}- job_name: b\n  scrape_interval: never\n"),
    )
    .unwrap();
    running.reload();
    let status = wait_status(&running, |status| status.config_successful);
    assert_eq!(status.jobs, 1);
    let added = taken.values(before, "a", "scrape_series_added");
    assert!(added.iter().all(|n| *n == 0.0), "{added:?}");
}

#[test]
fn a_discovery_that_does_not_sync_holds_up_only_its_own_job() {
    let folder = tempfile::tempdir().unwrap();
    let a = page("metric_a");
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let file = folder.path().join("jobs.yaml");
    let jobs = format!(
        "- job_name: a\n  scrape_interval: 200ms\n  static_configs: [{{targets: ['{}']}}]\n\
         - job_name: lost\n  kubernetes_sd_configs: [{{role: pod, api_server: 'http://{nobody}'}}]\n",
        a.address
    );
    std::fs::write(&file, jobs).unwrap();
    let (running, taken) = start(&format!(
        "source: none\nadditionalScrapeConfigs: {}",
        file.display()
    ));
    taken.wait_for(0, "a", "metric_a");
    let status = running.status();
    assert!(
        status
            .not_ready
            .iter()
            .any(|reason| reason.contains("job lost")),
        "{status:?}"
    );
}

#[test]
fn two_receivers_in_one_process_do_not_meet() {
    let (folder_a, folder_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (page("metric_a"), page("metric_b"));
    write(folder_a.path(), "a.yaml", &monitored("a", a.address, ""));
    write(folder_b.path(), "b.yaml", &monitored("b", b.address, ""));
    let (running_a, taken_a) = from_folder(folder_a.path());
    let (_running_b, taken_b) = from_folder(folder_b.path());
    taken_a.wait_for(0, "a", "metric_a");
    taken_b.wait_for(0, "b", "metric_b");

    running_a.stop(Duration::from_secs(5));
    let ended = taken_a.batches.lock().unwrap().len();
    let mut from = taken_b.batches.lock().unwrap().len();
    for _ in 0..5 {
        from = taken_b.wait_for(from, "b", "metric_b");
    }
    assert_eq!(
        taken_a.batches.lock().unwrap().len(),
        ended,
        "a call after stop returned"
    );
    let jobs = |taken: &Taken, job: &str| {
        taken
            .batches
            .lock()
            .unwrap()
            .iter()
            .all(|(found, _)| found == job)
    };
    assert!(jobs(&taken_a, "a") && jobs(&taken_b, "b"));
}

#[test]
fn a_consumer_that_blocks_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let a = page("metric_a");
    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    let (blocks, blocked) = std::sync::mpsc::channel::<()>();
    let (came, come) = std::sync::mpsc::channel();
    let (blocked, came) = (Mutex::new(blocked), Mutex::new(came));
    let settings = format!(
        "webListenAddress: null\nsource: {{folder: {}}}",
        folder.path().display()
    );
    let running = Receiver::builder(Settings::from_yaml(&settings).unwrap())
        .consumer(move |_: &Metrics| -> Result<(), ConsumeError> {
            came.lock().unwrap().send(()).unwrap();
            blocked.lock().unwrap().recv().ok();
            Ok(())
        })
        .start()
        .unwrap();
    come.recv().unwrap();
    let report = running.stop(Duration::ZERO);
    let want = format!(
        "scrape of http://{}/metrics (job serviceMonitor/shop/a/0)",
        a.address
    );
    assert_eq!(report.left_behind, [want]);
    drop(blocks);
}

#[test]
fn settings_that_are_read_again_take_effect() {
    let folder = tempfile::tempdir().unwrap();
    let a = page("metric_a");
    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    let (running, taken) = from_folder(folder.path());
    taken.wait_for(0, "a", "metric_a");
    let text = format!(
        "webListenAddress: null\nsource: {{folder: {}}}\n\
         prometheus: {{serviceMonitorSelector: {{matchLabels: {{no: monitor}}}}}}",
        folder.path().display()
    );
    running
        .reload_with(Settings::from_yaml(&text).unwrap())
        .unwrap();
    wait_status(&running, |status| {
        status.jobs == 0 && status.config_successful
    });
}

#[test]
fn a_client_that_cannot_be_built_costs_only_its_own_monitor() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (page("metric_a"), page("metric_b"));
    let no_such_file = folder.path().join("ca.crt");
    let tls = format!("tlsConfig: {{caFile: {}}}", no_such_file.display());
    write(folder.path(), "a.yaml", &monitored("a", a.address, &tls));
    write(folder.path(), "b.yaml", &monitored("b", b.address, ""));
    // Nobody writes into it, so reading would never end.
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let token = format!("bearerTokenFile: {}", fifo.display());
    write(folder.path(), "c.yaml", &monitored("c", a.address, &token));
    let tls = format!("tlsConfig: {{caFile: {}}}", fifo.display());
    write(folder.path(), "d.yaml", &monitored("d", a.address, &tls));
    let (running, taken) = start(&format!(
        "source: {{folder: {}}}\nmonitorFiles: [any]",
        folder.path().display()
    ));
    taken.wait_for(0, "b", "metric_b");
    let status = wait_status(&running, |status| status.rejected.len() == 2);
    assert_eq!(status.jobs, 2, "{status:?}");
    let rejected = format!("{:?}", status.rejected);
    for want in ["ca.crt", "is a FIFO, a regular file is expected"] {
        assert!(rejected.contains(want), "{rejected}");
    }
    // The scrape of c fails at once, in a worker.
    taken.wait_for(0, "c", "up");
}

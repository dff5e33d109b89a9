//! The program as a user has it: the demo of the README, signals, exit codes. A process of its own, over real sockets.

use super::fake::http::{self, Server};
use super::fake::sink::{self, Answer, Sink};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whatever is waited for must come within this time; it decides only how long a broken test hangs.
const PATIENCE: Duration = Duration::from_secs(60);

type Text = Arc<Mutex<String>>;

pub(super) struct Program {
    child: Child,
    out: Text,
    pub(super) err: Text,
}

impl Program {
    pub(super) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    fn start_with(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_promop"))
            .args(args)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = collect(child.stdout.take().unwrap());
        let err = collect(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    fn wait_for(&self, text: &Text, what: &str) {
        until(
            what,
            || text.lock().unwrap().contains(what),
            || self.err.lock().unwrap().clone(),
        );
    }

    pub(super) fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        until(what, holds, || self.err.lock().unwrap().clone());
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The exit code; none if a signal ended it.
    fn ends(mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "it does not end: {}",
                self.err.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already, unless the test failed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> Text {
    let text = Text::default();
    let into = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut piece) {
            into.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&piece[..n]));
        }
    });
    text
}

fn until(what: &str, holds: impl Fn() -> bool, log: impl Fn() -> String) {
    let began = Instant::now();
    while !holds() {
        assert!(
            began.elapsed() < PATIENCE,
            "{what} does not happen: {}",
            log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(super) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// The body behind a path of the status endpoints; empty if nobody answers.
pub(super) fn page(address: SocketAddr, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return String::new();
    };
    let mut answer = String::new();
    let asked = write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    asked
        .and_then(|()| stream.read_to_string(&mut answer))
        .unwrap_or_default();
    answer
        .split_once("\r\n\r\n")
        .map_or_else(String::new, |(_, body)| body.to_owned())
}

/// The demo folder, with another port, so that tests can run side by side.
fn demo(port: u16) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/demo")).unwrap()
    {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        std::fs::write(
            folder.path().join(entry.file_name()),
            text.replace("9099", &port.to_string()),
        )
        .unwrap();
    }
    folder
}

#[test]
fn the_demo_does_what_the_readme_says() {
    let address = free_address();
    let folder = demo(address.port());
    let (dir, listen) = (folder.path().to_str().unwrap(), address.to_string());
    let program = Program::start(&[
        "run",
        "--from-dir",
        dir,
        "--output",
        "stdout",
        "--web.listen-address",
        &listen,
    ]);
    program.wait_for(&program.err, "name=broken");
    program.wait_for(&program.out, "\nup{");
    let targets = page(address, "/api/v1/targets");
    assert!(
        targets.contains("serviceMonitor/demo/promop/0"),
        "{targets}"
    );
    assert!(!targets.contains("podMonitor/demo/broken"), "{targets}");
    assert_eq!(page(address, "/-/ready"), "promop is ready.\n");
    assert!(page(address, "/config").contains("job_name: serviceMonitor/demo/promop/0"));

    let broken = folder.path().join("pod-monitor-broken.yaml");
    let text = std::fs::read_to_string(&broken).unwrap();
    std::fs::write(
        &broken,
        text.replace("scrapeTimeout: 10s", "scrapeTimeout: 2s"),
    )
    .unwrap();
    program.wait_until("the mended monitor's target", || {
        page(address, "/api/v1/targets").contains("podMonitor/demo/broken")
    });
    program.signal("TERM");
    assert_eq!(program.ends(), Some(0));
}

/// A target that is asked ten times a second, and the file that says so.
fn busy_target() -> (Server, tempfile::NamedTempFile) {
    let target = Server::start(|_| http::ok("a 1\n"));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(job("busy", &target).as_bytes()).unwrap();
    (target, file)
}

fn job(name: &str, target: &Server) -> String {
    let address = target.address;
    format!(
        "- job_name: {name}\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n  static_configs:\n  - targets: ['{address}']\n"
    )
}

fn scraping(jobs: &Path, sink: &Sink, shutdown_timeout: &str) -> Program {
    let (jobs, sink) = (jobs.to_str().unwrap(), sink.endpoint());
    let listen = free_address().to_string();
    Program::start(&[
        "--no-kubernetes",
        "--additional-scrape-configs",
        jobs,
        "--otlp-endpoint",
        &sink,
        "--web.listen-address",
        &listen,
        "--shutdown-timeout",
        shutdown_timeout,
    ])
}

/// ureq's trace dumps requests over several lines, in hexadecimal as well: what is asked for are pieces that fit in one.
#[test]
fn secrets_are_in_no_log_whatever_is_asked() {
    let (_target, jobs) = busy_target();
    let sink = Sink::start(|_| sink::ok());
    let endpoint = sink.endpoint().replace("http://", "http://user:hunter2@");
    let listen = free_address().to_string();
    for environment in [&[][..], &[("RUST_LOG", "ureq=trace,ureq_proto=trace")]] {
        let before = sink.received().len();
        let program = Program::start_with(
            &[
                "--no-kubernetes",
                "--additional-scrape-configs",
                jobs.path().to_str().unwrap(),
                "--otlp-endpoint",
                &endpoint,
                "--otlp-header",
                "x-key=s3cr3t",
                "--web.listen-address",
                &listen,
                "--log-level",
                "trace",
            ],
            environment,
        );
        sink.wait_for(before + 1);
        program.signal("TERM");
        program.wait_for(&program.err, "stopping");
        let log = program.err.lock().unwrap().clone();
        assert!(log.contains("sending OTLP url=http://xxxxx@"), "{log}");
        for secret in ["hunter2", "s3cr3t", "ureq_proto", "x-key"] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
    }
}

#[test]
fn a_taken_port_is_said_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (_target, jobs) = busy_target();
    let jobs = jobs.path().to_str().unwrap();
    let program = Program::start(&[
        "--no-kubernetes",
        "--additional-scrape-configs",
        jobs,
        "--web.listen-address",
        &listen,
    ]);
    program.wait_for(&program.err, "address already in use");
    let log = program.err.lock().unwrap().clone();
    assert!(
        log.contains("(--web.listen-address, webListenAddress)"),
        "{log}"
    );
    assert_eq!(program.ends(), Some(1));
}

#[test]
fn a_port_alone_is_open_on_both_families() {
    let port = free_address().port();
    let listen = format!(":{port}");
    let (_target, jobs) = busy_target();
    let jobs = jobs.path().to_str().unwrap();
    let program = Program::start(&[
        "--no-kubernetes",
        "--additional-scrape-configs",
        jobs,
        "--web.listen-address",
        &listen,
    ]);
    program.wait_for(&program.err, "started");
    assert_ne!(
        page(SocketAddr::from(([127, 0, 0, 1], port)), "/-/healthy"),
        ""
    );
    if TcpListener::bind("[::1]:0").is_ok() {
        let v6 = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
        assert_ne!(page(v6, "/-/healthy"), "");
    }
}

#[test]
fn what_was_scraped_before_sigterm_reaches_a_slow_backend() {
    let (target, jobs) = busy_target();
    let backend = Sink::start(|_| {
        std::thread::sleep(Duration::from_millis(300));
        sink::ok()
    });
    let program = scraping(jobs.path(), &backend, "50s");
    program.wait_until("ten scrapes", || target.asked().len() >= 10);
    program.signal("TERM");
    assert_eq!(program.ends(), Some(0));
    let delivered: usize = backend
        .received()
        .iter()
        .map(|request| request.values("a").len())
        .sum();
    assert_eq!(delivered, target.asked().len());
}

#[test]
fn a_dead_backend_holds_up_the_end_until_the_deadline_only() {
    let (target, jobs) = busy_target();
    let backend = Sink::start(|_| Answer::Hang);
    let program = scraping(jobs.path(), &backend, "1s");
    program.wait_until("a scrape", || !target.asked().is_empty());
    program.signal("TERM");
    let began = Instant::now();
    assert_eq!(program.ends(), Some(0));
    // A request alone may take 10 s: so it was cut, not waited for.
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_second_sigint_ends_at_once() {
    let (target, jobs) = busy_target();
    let backend = Sink::start(|_| Answer::Hang);
    let program = scraping(jobs.path(), &backend, "10m");
    program.wait_until("a scrape", || !target.asked().is_empty());
    program.signal("INT");
    program.wait_for(&program.err, "stopping");
    program.signal("INT");
    assert_eq!(program.ends(), Some(130));
}

#[test]
fn sighup_reads_additional_scrape_configs_again() {
    let (target, jobs) = busy_target();
    let second = Server::start(|_| http::ok("b 1\n"));
    let backend = Sink::start(|_| sink::ok());
    let program = scraping(jobs.path(), &backend, "1s");
    program.wait_until("a scrape", || !target.asked().is_empty());
    std::fs::write(jobs.path(), job("busy", &target) + &job("second", &second)).unwrap();
    program.signal("HUP");
    program.wait_until("a scrape of the second job", || !second.asked().is_empty());
    program.signal("TERM");
    assert_eq!(program.ends(), Some(0));
}

#[track_caller]
fn check(args: &[&str], code: i32, out: &str, err: &str) {
    let done = Command::new(env!("CARGO_BIN_EXE_promop"))
        .args(args)
        .env_clear()
        .output()
        .unwrap();
    let (got_out, got_err) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert_eq!(
        done.status.code(),
        Some(code),
        "{args:?}: {got_out}{got_err}"
    );
    assert!(got_out.contains(out), "{args:?}: {got_out}");
    assert!(got_err.contains(err), "{args:?}: {got_err}");
}

#[test]
fn exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (good, bad) = (path("good.yml"), path("bad.yml"));
    std::fs::write(&good, "scrape_configs:\n- job_name: a\n").unwrap();
    std::fs::write(
        &bad,
        "scrape_configs:\n- job_name: a\n  scrape_intervall: 1s\n",
    )
    .unwrap();
    check(&["version"], 0, env!("CARGO_PKG_VERSION"), "");
    check(&["check", &good], 0, "ok\n", "");
    check(&["check", &bad], 1, "", "line 3");
    check(&["check", &path("none.yml")], 1, "", "none.yml: ");
    check(
        &["run", "--form-dir", "x"],
        2,
        "",
        "did you mean --from-dir?",
    );
    check(
        &["run", "--no-kubernetes"],
        1,
        "",
        "additionalScrapeConfigs",
    );
    check(&["run", "--settings", &good], 1, "", "good.yml: ");

    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/demo");
    let demo = demo.to_str().unwrap();
    check(
        &["generate", demo],
        3,
        "- job_name: serviceMonitor/demo/promop/0\n",
        "PodMonitor demo/broken: ",
    );
    let fine = Path::new(demo).join("service-monitor.yaml");
    check(
        &["generate", fine.to_str().unwrap()],
        0,
        "- job_name: serviceMonitor/demo/promop/0\n",
        "",
    );
    check(&["generate", &good], 3, "scrape_configs: []\n", "no kind");
}

/// A case's expanded text, as the pod with these variables would see it.
#[track_caller]
fn check_expanded(case: &str, args: &[&str], variables: &[(&str, &str)]) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/generate")
        .join(case);
    let done = Command::new(env!("CARGO_BIN_EXE_promop"))
        .args(["generate", "--expand"])
        .args(args)
        .arg(case.join("in"))
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let want = std::fs::read_to_string(case.join("expanded.yaml")).unwrap();
    let got = String::from_utf8_lossy(&done.stdout);
    assert!(
        got == want,
        "{}: {got}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn generate_expands_for_the_shard_that_is_named() {
    check_expanded("shards-one-server", &[], &[]);
    check_expanded("shards-four-agent", &["--shard", "1"], &[]);
    check_expanded("shards-four-agent", &[], &[("SHARD", "1")]);
    check_expanded("sharding-topology", &["--shard", "3"], &[("SHARD", "1")]);
    check_expanded("sharding-topology-uneven", &[], &[("SHARD", "4")]);
    // The number at the end of this name is that of the replica.
    let pod = ("POD_NAME", "prometheus-main-shard-2-1");
    check_expanded("shards-three-server", &["--shard", "2"], &[pod]);
    let pod = ("POD_NAME", "prom-agent-default-3");
    check_expanded("default-workload-agent", &[], &[pod]);
    check(
        &["generate", "--expand", "--shard", "x", "."],
        2,
        "",
        "--shard: x is no number",
    );
}

//! The program as a user has it: the demo of the README, signals, exit codes. A process of its own, over real sockets.

use super::fake::http::{self, Server};
use super::fake::sink::{self, Answer, Sink};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
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
        Self::with(args, &[], Stdio::piped(), Stdio::piped())
    }

    /// What is piped is read.
    fn with(args: &[&str], environment: &[(&str, &str)], stdout: Stdio, stderr: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_promop"))
            .args(args)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        let out = child.stdout.take().map(collect).unwrap_or_default();
        let err = child.stderr.take().map(collect).unwrap_or_default();
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
        let program = Program::with(
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
            Stdio::piped(),
            Stdio::piped(),
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
    program.wait_for(&program.err, "the port is taken");
    let log = program.err.lock().unwrap().clone();
    assert!(
        log.contains("webListenAddress (--web.listen-address)"),
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

/// A pipe that nobody reads, full to the brim, and what keeps it open.
fn full_pipe() -> (Stdio, UnixStream) {
    let (mut full, kept) = UnixStream::pair().unwrap();
    full.set_nonblocking(true).unwrap();
    for size in [4096, 1] {
        while full.write(&vec![b'x'; size]).is_ok() {}
    }
    full.set_nonblocking(false).unwrap();
    (Stdio::from(OwnedFd::from(full)), kept)
}

#[test]
fn an_output_that_nobody_reads_does_not_hold_up_the_end() {
    let (target, jobs) = busy_target();
    let (stdout, _kept) = full_pipe();
    let listen = free_address().to_string();
    let jobs = jobs.path().to_str().unwrap();
    let args = ["--no-kubernetes", "--additional-scrape-configs", jobs];
    let args = [
        &args[..],
        &["--output", "stdout", "--shutdown-timeout", "1s"],
    ]
    .concat();
    let args = [&args[..], &["--web.listen-address", &listen]].concat();
    let program = Program::with(&args, &[], stdout, Stdio::piped());
    program.wait_until("two scrapes", || target.asked().len() > 1);
    program.signal("TERM");
    program.wait_for(&program.err, "not waited for any longer: export-stdout");
    assert_eq!(program.ends(), Some(1));
}

/// Signals that a process catches, as its kernel shows them.
fn catches(program: &Program, signal: u32) -> bool {
    let path = format!("/proc/{}/status", program.child.id());
    let status = std::fs::read_to_string(path).unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigCgt:\t"));
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_nobody_reads_does_not_hold_up_the_end() {
    let (_target, jobs) = busy_target();
    let (stderr, _kept) = full_pipe();
    let listen = free_address().to_string();
    let jobs = jobs.path().to_str().unwrap();
    let args = ["--no-kubernetes", "--additional-scrape-configs", jobs];
    let args = [
        &args[..],
        &["--output", "stdout", "--shutdown-timeout", "0s"],
    ]
    .concat();
    let args = [&args[..], &["--web.listen-address", &listen]].concat();
    let program = Program::with(&args, &[], Stdio::piped(), stderr);
    program.wait_until("SIGTERM is caught", || catches(&program, 15));
    program.signal("TERM");
    assert_eq!(program.ends(), Some(1));
}

#[test]
fn the_program_ends_with_whoever_reads_its_output() {
    let (_target, jobs) = busy_target();
    let listen = free_address().to_string();
    let jobs = jobs.path().to_str().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let args = ["--no-kubernetes", "--additional-scrape-configs", jobs];
    let args = [&args[..], &["--output", "stdout"]].concat();
    let args = [&args[..], &["--web.listen-address", &listen]].concat();
    let stdout = Stdio::from(OwnedFd::from(theirs));
    let program = Program::with(&args, &[], stdout, Stdio::piped());
    drop(ours);
    let err = Arc::clone(&program.err);
    assert_eq!(program.ends(), Some(0));
    assert!(!err.lock().unwrap().contains("dropped exporter"));
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

#[test]
fn a_settings_file_that_turns_bad_changes_nothing() {
    let (target, jobs) = busy_target();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yml");
    let good = format!(
        "source: none\nwebListenAddress: null\nadditionalScrapeConfigs: {}\n",
        jobs.path().display()
    );
    std::fs::write(&file, &good).unwrap();
    let args = ["--settings", file.to_str().unwrap(), "--output", "stdout"];
    let program = Program::start(&args);
    program.wait_until("a scrape", || !target.asked().is_empty());
    let bad = format!("{good}prometheus: {{scrapeInterval: 3x}}\n");
    std::fs::write(&file, bad).unwrap();
    program.signal("HUP");
    program.wait_for(&program.err, "settings not read again, the old ones hold");
    program.wait_for(&program.err, "prometheus.scrapeInterval");
    std::fs::write(
        &file,
        good.replace("null", "127.0.0.1:1")
            + "shutdownTimeout: 7s\nnamespaces: [own]\nlastGoodMaxAge: 7m\n",
    )
    .unwrap();
    program.signal("HUP");
    for setting in ["webListenAddress", "shutdownTimeout", "namespaces"] {
        let line = format!("takes effect at the next start setting={setting}\n");
        program.wait_for(&program.err, &line);
    }
    assert!(
        !program
            .err
            .lock()
            .unwrap()
            .contains("setting=lastGoodMaxAge")
    );
    let asked = target.asked().len();
    program.wait_until("a further scrape", || target.asked().len() > asked);
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
        "name --additional-scrape-configs FILE",
    );
    let settings = path("settings.yml");
    std::fs::write(&settings, "prometheus: {scrapeInterval: 3x}\n").unwrap();
    let want = format!("--settings {settings}: prometheus.scrapeInterval: \"3x\": a duration");
    check(&["run", "--settings", &settings], 1, "", &want);
    std::fs::write(&settings, "prometheus: {externalLabels: {\"\": x}}\n").unwrap();
    check(
        &["run", "--from-dir", ".", "--settings", &settings],
        1,
        "",
        "settings.yml: prometheus: global: external_labels: ",
    );
    check(
        &["run", "--settings", &good],
        1,
        "",
        "good.yml: scrape_configs: unknown field",
    );
    let missing = path("missing.yml");
    for flag in ["--settings", "--additional-scrape-configs"] {
        let want = format!("{flag} {missing}: there is no such file");
        check(&["run", flag, &missing], 1, "", &want);
    }
    check(&["run"], 1, "", "try --kubeconfig FILE, or --from-dir");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(
        &["run", "--from-dir", ".", "--web.listen-address", &address],
        1,
        "",
        "--web.listen-address): cannot listen on",
    );

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

#[test]
fn a_target_that_goes_down_and_comes_back_is_said_once_each() {
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let answers = Arc::clone(&is_up);
    let target = Server::start(move |_| {
        if answers.load(std::sync::atomic::Ordering::SeqCst) {
            http::ok("a 1\n")
        } else {
            super::fake::target::Answer {
                status: 503,
                ..Default::default()
            }
            .reply()
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let configs = folder.path().join("configs.yaml");
    let yaml = format!(
        "[{{job_name: shop, scrape_interval: 100ms, scrape_timeout: 100ms, static_configs: [{{targets: ['{}']}}]}}]",
        target.address
    );
    std::fs::write(&configs, yaml).unwrap();
    let listen = free_address();
    let program = Program::start(&[
        "run",
        "--no-kubernetes",
        "--additional-scrape-configs",
        configs.to_str().unwrap(),
        "--output",
        "stdout",
        "--web.listen-address",
        &listen.to_string(),
    ]);
    let healthy = |health: &str, n: u32| {
        page(listen, "/metrics").contains(&format!("promop_targets{{health=\"{health}\"}} {n}\n"))
    };
    program.wait_until("up", || healthy("up", 1));
    is_up.store(false, std::sync::atomic::Ordering::SeqCst);
    program.wait_until("down", || healthy("down", 1));
    let asked = target.asked().len();
    program.wait_until("more slots", || target.asked().len() > asked + 3);
    is_up.store(true, std::sync::atomic::Ordering::SeqCst);
    program.wait_until("up again", || healthy("up", 1));
    program.wait_for(&program.err, "target up again job=shop");
    let log = program.err.lock().unwrap().clone();
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(
        (lines("target down"), lines("target up again")),
        (1, 1),
        "{log}"
    );
    assert!(log.contains(&format!(
        "target down job=shop target=http://{}/metrics err=\"server returned HTTP status 503 Service Unavailable\"",
        target.address
    )), "{log}");
}

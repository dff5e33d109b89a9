//! What one changed monitor of many costs a running receiver, from the watch event to the applied configuration:
//! `cargo bench --bench change -- [MONITORS]`. Prints the CPU time of each thread per change; the fake API server's own
//! threads have the name of the program.
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::string_slice,
    clippy::let_underscore_must_use,
    clippy::print_stdout
)]

#[path = "../it/fake/apiserver.rs"]
mod apiserver;
#[path = "../it/fake/http.rs"]
mod http;

use apiserver::{Then, event, json, list, watch};
use crossbeam_channel::{Receiver as Channel, bounded};
use prometheus_operator_receiver::{ConsumeError, Receiver, Running, Settings, pdata::Metrics};
use std::collections::BTreeMap;
use std::time::Duration;

const CHANGES: u32 = 10;

fn main() {
    let args: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let monitors = args.get(1).map_or(10_000, |n| n.parse().unwrap());
    let (changes, changed) = bounded(0);
    let server = api_server(monitors, changed);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let config = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
         users: [{{name: u, user: {{}}}}], clusters: [{{name: c, cluster: {{server: '{}'}}}}]}}",
        server.url("")
    );
    std::fs::write(&file, config).unwrap();
    let settings = format!(
        "webListenAddress: null\nsource: {{kubeconfig: {{path: '{}'}}}}",
        file.display()
    );
    let running = Receiver::builder(Settings::from_yaml(&settings).unwrap())
        .consumer(|_: &Metrics| -> Result<(), ConsumeError> { Ok(()) })
        .start()
        .unwrap();
    wait(&running, |running| running.status().jobs == monitors);
    std::thread::sleep(Duration::from_secs(3));
    println!("{monitors} jobs run; CPU per change:");
    let mut sum: BTreeMap<String, Duration> = BTreeMap::new();
    for version in 0..CHANGES {
        let at = running.status().config_applied_ms;
        let before = cpu_times();
        changes.send(version).unwrap();
        wait(&running, |running| running.status().config_applied_ms > at);
        // Discovery and dropped jobs come after.
        std::thread::sleep(Duration::from_secs(1));
        for (thread, time) in cpu_times() {
            let time = time.saturating_sub(before.get(&thread).copied().unwrap_or_default());
            *sum.entry(thread).or_default() += time;
        }
    }
    assert!(running.config_text().contains("changed_9"));
    let mut all = Duration::ZERO;
    for (thread, time) in sum {
        println!("{thread:16} {:9.3?}", time / CHANGES);
        if thread != "main" && !thread.starts_with("change-") {
            all += time;
        }
    }
    println!("{:16} {:9.3?}", "all but server", all / CHANGES);
    drop(changes);
}

fn wait(running: &Running, what: impl Fn(&Running) -> bool) {
    while !what(running) {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Monitors in a hundred namespaces, one in five a PodMonitor, one in ten with a token in a Secret.
fn api_server(monitors: usize, changed: Channel<u32>) -> http::Server {
    apiserver::start(move |asked, is_watch, _| {
        let path = asked.path().split('?').next().unwrap_or_default();
        let resource = path.rsplit('/').next().unwrap_or_default();
        let of_kind = |is_pod: bool| {
            let numbers = (0..monitors).filter(|i| (i % 5 == 4) == is_pod);
            let all: Vec<_> = numbers.map(|i| monitor(i, is_pod, 0, "same")).collect();
            let all: Vec<_> = all.iter().map(String::as_str).collect();
            list("1", "", &all)
        };
        match (resource, is_watch) {
            ("servicemonitors", true) => match changed.recv() {
                Ok(version) => {
                    let changed = format!("changed_{version}");
                    let object = monitor(monitors / 2, false, 2 + version, &changed);
                    watch(&[event("MODIFIED", &object)], Then::End)
                }
                Err(_) => watch(&[], Then::Silence),
            },
            (_, true) => watch(&[], Then::Silence),
            ("servicemonitors", _) => of_kind(false),
            ("podmonitors", _) => of_kind(true),
            (name, _) if name.starts_with("token-") => json(
                200,
                "",
                &format!(
                    r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"{name}","namespace":"{}"}},"data":{{"t":"dA=="}}}}"#,
                    path.split('/').rev().nth(2).unwrap_or_default()
                ),
            ),
            _ => list("1", "", &[]),
        }
    })
}

fn monitor(i: usize, is_pod: bool, version: u32, rule: &str) -> String {
    let endpoints = if is_pod {
        "podMetricsEndpoints"
    } else {
        "endpoints"
    };
    let token = match i % 10 {
        0 => format!(r#","authorization":{{"credentials":{{"name":"token-{i}","key":"t"}}}}"#),
        _ => String::new(),
    };
    format!(
        r#"{{"metadata":{{"name":"app-{i:05}","namespace":"team-{:02}","uid":"{i}","resourceVersion":"{version}","labels":{{"release":"stack","app":"app-{i:05}"}}}},"spec":{{"selector":{{"matchLabels":{{"app":"app-{i:05}","release":"stack"}}}},"{endpoints}":[{{"port":"http-metrics","interval":"30s"{token},"relabelings":[{{"sourceLabels":["__meta_kubernetes_pod_node_name"],"targetLabel":"node"}}],"metricRelabelings":[{{"action":"drop","regex":"(go|process)_.+","sourceLabels":["__name__"]}},{{"action":"labeldrop","regex":"{rule}"}}]}}]}}}}"#,
        i % 100
    )
}

/// The CPU time of all threads, by name.
fn cpu_times() -> BTreeMap<String, Duration> {
    let mut times: BTreeMap<String, Duration> = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let name = std::fs::read_to_string(path.join("comm"));
        let time = std::fs::read_to_string(path.join("schedstat"));
        if let (Ok(name), Ok(time)) = (name, time) {
            let nanoseconds = time.split(' ').next().and_then(|n| n.parse().ok());
            *times.entry(name.trim().to_owned()).or_default() +=
                Duration::from_nanos(nanoseconds.unwrap_or_default());
        }
    }
    times
}

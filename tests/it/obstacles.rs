//! An API server that does not give everything at the start: what is there is scraped all the same, and `/-/ready` names
//! what is not.

use super::fake::apiserver::{self, Then, json, list, status, watch};
use super::fake::http::{Reply, Server};
use super::receiver::{page, wait_status};
use super::rejected::from_api;
use prometheus_operator_receiver::Running;
use std::net::SocketAddr;

const SERVICE_MONITOR: &str = r#"{"metadata":{"name":"s","namespace":"shop","uid":"u1"},"spec":{"selector":{},"endpoints":[{"port":"web","interval":"200ms"}]}}"#;
const POD_MONITOR: &str = r#"{"metadata":{"name":"p","namespace":"shop","uid":"u2"},"spec":{"selector":{},"podMetricsEndpoints":[{"port":"web","interval":"200ms"}]}}"#;

fn pod(at: SocketAddr) -> String {
    format!(
        r#"{{"metadata":{{"name":"p","namespace":"shop","uid":"p"}},"spec":{{"containers":[{{"name":"c","ports":[{{"name":"web","containerPort":{}}}]}}]}},"status":{{"phase":"Running","podIP":"{}"}}}}"#,
        at.port(),
        at.ip()
    )
}

fn html() -> Reply {
    let page = "<html>log in</html>";
    let length = page.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html";
    Reply::Bytes(format!("{head}\r\nContent-Length: {length}\r\n\r\n{page}").into_bytes())
}

fn absent() -> Reply {
    let head = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain";
    Reply::Bytes(format!("{head}\r\nContent-Length: 19\r\n\r\n404 page not found\n").into_bytes())
}

/// A server with one ServiceMonitor, one PodMonitor and its pod, and another answer to lists of one kind.
fn server(resource: &'static str, answer: fn() -> Reply, target: &Server) -> Server {
    let pod = pod(target.address);
    apiserver::start(move |asked, is_watch, _| {
        let path = asked.path().split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        match (last, is_watch) {
            (last, _) if last == resource => answer(),
            (_, true) => watch(&[], Then::Silence),
            ("servicemonitors", _) => list("1", "", &[SERVICE_MONITOR]),
            ("podmonitors", _) => list("1", "", &[POD_MONITOR]),
            ("pods", _) => list("1", "", &[&pod]),
            _ => list("1", "", &[]),
        }
    })
}

fn is_scraped(running: &Running, job: &str) -> bool {
    let targets = running.targets();
    let mut active = targets.active.iter();
    active.any(|target| target.scrape_pool == job && target.last_scrape.is_some())
}

/// One kind cannot be listed: the job of the other monitor runs, and the reason stands in `/-/ready`, once.
#[track_caller]
fn check(resource: &'static str, answer: fn() -> Reply, want: &str) {
    let target = page("metric_a");
    let server = server(resource, answer, &target);
    let running = from_api(&server, "");
    wait_status(&running, |_| is_scraped(&running, "podMonitor/shop/p/0"));
    let status = wait_status(
        &running,
        |s| matches!(s.not_ready.as_slice(), [one] if one.contains(want)),
    );
    assert!(status.not_ready[0].contains(resource), "{status:?}");
}

#[test]
fn what_cannot_be_discovered_at_the_start_holds_up_no_other_job() {
    let waits = "(job serviceMonitor/shop/s/0 waits for it)";
    check("endpointslices", || status(403, "Forbidden"), waits);
    check("endpointslices", || status(500, "InternalError"), waits);
    check("services", html, "got text/html instead of JSON");
    check("services", || Reply::Hang, waits);
}

#[test]
fn monitors_that_cannot_be_listed_at_the_start_hold_up_no_others() {
    check(
        "servicemonitors",
        || status(403, "Forbidden"),
        "not permitted to list, watch servicemonitors",
    );
    check("servicemonitors", || status(500, "InternalError"), "500");
    check("servicemonitors", html, "text/html");
    check(
        "servicemonitors",
        || {
            json(
                200,
                "",
                r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#,
            )
        },
        "ConfigMapList",
    );
    // The bound is 10 s.
    check("servicemonitors", || Reply::Hang, "not listed yet");
}

#[test]
fn one_kind_of_monitors_may_be_absent_but_not_both() {
    let target = page("metric_a");
    let one = server("servicemonitors", absent, &target);
    let running = from_api(&one, "");
    wait_status(&running, |s| s.not_ready.is_empty() && s.jobs == 1);

    let both = apiserver::start(|asked, is_watch, _| match is_watch {
        _ if asked.path().contains("monitors") => absent(),
        true => watch(&[], Then::Silence),
        false => list("1", "", &[]),
    });
    let running = from_api(&both, "");
    let status = wait_status(&running, |s| s.not_ready.len() == 2);
    let hint = "is not installed; waiting for it (kubectl apply -f vendor-crds/)";
    assert!(
        status.not_ready.iter().all(|r| r.ends_with(hint)),
        "{status:?}"
    );
}

#[test]
fn an_object_to_inherit_from_whose_kind_is_absent_is_told_from_one_that_is_missing() {
    let server = apiserver::start(|asked, is_watch, _| match is_watch {
        _ if asked.path().contains("prometheuses") => absent(),
        true => watch(&[], Then::Silence),
        false => list("1", "", &[]),
    });
    let running = from_api(&server, "inherit: prometheus/monitoring/k8s");
    let why = "cannot be there: prometheuses.monitoring.coreos.com is not installed";
    wait_status(&running, |s| s.not_ready.iter().any(|r| r.contains(why)));
}

#[test]
fn a_namespace_that_is_not_to_be_read_leaves_a_receiver_ready() {
    let target = page("metric_a");
    let pod = pod(target.address);
    let outside = r#"{"metadata":{"name":"s","namespace":"shop","uid":"u1"},"spec":{"selector":{},"namespaceSelector":{"matchNames":["other"]},"endpoints":[{"port":"web"}]}}"#;
    let server = apiserver::start(move |asked, is_watch, _| {
        let path = asked.path().split('?').next().unwrap_or_default();
        match (path.rsplit('/').next().unwrap_or_default(), is_watch) {
            (_, true) => watch(&[], Then::Silence),
            ("servicemonitors", _) => list("1", "", &[outside]),
            ("podmonitors", _) => list("1", "", &[POD_MONITOR]),
            ("pods", _) => list("1", "", &[&pod]),
            _ => list("1", "", &[]),
        }
    });
    let running = from_api(&server, "namespaces: [shop]");
    wait_status(&running, |s| s.not_ready.is_empty() && s.jobs == 2);
    let monitors = running.monitors();
    let reason = |name: &str| {
        let monitor = monitors.iter().find(|m| m.name == name).unwrap();
        (format!("{:?}", monitor.state), monitor.reason.clone())
    };
    let applied = |reason: &str| ("Applied".to_owned(), reason.to_owned());
    assert_eq!(
        reason("s"),
        applied("namespace other is not read (--namespaces)")
    );
    assert_eq!(reason("p"), applied(""));
    wait_status(&running, |_| is_scraped(&running, "podMonitor/shop/p/0"));
    let asked = server.asked();
    assert!(asked.iter().all(|asked| !asked.path().contains("/other/")));
}

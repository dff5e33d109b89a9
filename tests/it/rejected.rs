//! Monitors that cannot be used as they are: what is said of them, how long their last good version runs on, and how they
//! heal when a Secret appears or changes.

use super::fake::apiserver::{self, Then, json, list, status, watch};
use super::fake::http::{Reply, Server};
use super::receiver::{monitored, page, start, wait_status, write};
use prometheus_operator_receiver::Running;
use std::path::Path;

const CREDENTIALS: &str =
    "basicAuth: {username: {name: login, key: user}, password: {name: login, key: password}}";

fn secret(password: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: login, namespace: shop}}\nstringData: {{user: u, password: {password}}}\n"
    )
}

/// What `/api/v1/monitors` and the metrics are made of: name, state, cause.
fn states(running: &Running) -> Vec<(String, String, &'static str)> {
    let mut states: Vec<_> = running
        .monitors()
        .into_iter()
        .map(|m| (m.name, format!("{:?}", m.state), m.cause))
        .collect();
    states.sort();
    states
}

fn folder_settings(folder: &Path, more: &str) -> String {
    format!("source: {{folder: {}}}\n{more}", folder.display())
}

#[test]
fn a_secret_that_appears_or_changes_is_noticed_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let a = page("metric_a");
    write(folder, "a.yaml", &monitored("a", a.address, CREDENTIALS));
    let (running, taken) = start(&folder_settings(folder, "assetRefresh: 200ms"));
    let status = wait_status(&running, |s| !s.rejected.is_empty());
    assert_eq!(status.rejected[0].cause, "asset");
    assert!(status.rejected[0].reason.contains("\"login\" not found"));

    // base64 of u:hunter2 and u:hunter3. Nobody calls `reload`.
    write(folder, "login.yaml", &secret("hunter2"));
    wait_status(&running, |s| s.rejected.is_empty() && s.jobs == 1);
    let from = taken.wait_for(0, "a", "metric_a");
    let sent = |login: &str| {
        let asked = a.asked();
        asked
            .iter()
            .any(|r| r.header("authorization") == Some(login))
    };
    assert!(sent("Basic dTpodW50ZXIy"));
    write(folder, "login.yaml", &secret("hunter3"));
    wait_status(&running, |_| sent("Basic dTpodW50ZXIz"));
    taken.wait_for(from, "a", "metric_a");
    assert!(!running.config_text().contains("hunter"));
}

#[test]
fn mistakes_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let a = page("metric_a");
    let bad = |name: &str, endpoint: &str| monitored(name, a.address, endpoint);
    write(folder, "a.yaml", &bad("a", ""));
    write(folder, "b.yaml", &bad("b", "scrapeTimeout: 1m"));
    write(folder, "c.yaml", &bad("c", CREDENTIALS));
    write(folder, "d.yaml", &bad("d", "path: [1]"));
    let load = bad("e", "targetPort: 1").replace("port: web, interval", "port: 'a(', interval");
    write(folder, "e.yaml", &load);
    let (running, _taken) = start(&folder_settings(folder, ""));
    wait_status(&running, |s| s.jobs == 1 && s.rejected.len() == 4);
    let rejected = |name: &str, cause| (name.to_owned(), "Rejected".to_owned(), cause);
    let want = [
        ("a".to_owned(), "Applied".to_owned(), ""),
        rejected("b", "validation"),
        rejected("c", "asset"),
        rejected("d", "unreadable"),
        rejected("e", "load"),
    ];
    assert_eq!(states(&running), want);

    // One that becomes unreadable has a last good version, too.
    write(folder, "a.yaml", &bad("a", "path: [1]"));
    running.reload();
    wait_status(&running, |s| s.rejected.len() == 5);
    let want = ("a".to_owned(), "LastGood".to_owned(), "unreadable");
    assert_eq!(states(&running).first(), Some(&want));
    assert_eq!(running.status().jobs, 1);
}

#[track_caller]
fn check_end(max_age: &str) {
    let folder = tempfile::tempdir().unwrap();
    let a = page("metric_a");
    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    let settings = format!("lastGoodMaxAge: {max_age}");
    let (running, taken) = start(&folder_settings(folder.path(), &settings));
    taken.wait_for(0, "a", "metric_a");
    write(
        folder.path(),
        "a.yaml",
        &monitored("a", a.address, "scrapeTimeout: 1m"),
    );
    running.reload();
    wait_status(&running, |s| s.jobs == 0 && s.rejected.len() == 1);
    let want = [("a".to_owned(), "Rejected".to_owned(), "validation")];
    assert_eq!(states(&running), want);
}

#[test]
fn a_last_good_version_ends() {
    check_end("0s");
    check_end("1s");
}

/// An API server with one ServiceMonitor, a Secret that it gives out once, and an answer to Events.
fn api_server(monitor: &'static str, to_events: u16) -> Server {
    apiserver::start(move |asked, is_watch, nth| {
        let path = asked.path().split('?').next().unwrap_or_default();
        if asked.line.starts_with("POST") {
            if !apiserver::takes_event(&asked.body) {
                return status(422, "Invalid");
            }
            return json(
                to_events,
                "",
                r#"{"kind":"Status","code":403,"reason":"Forbidden"}"#,
            );
        }
        match (path.rsplit('/').next(), is_watch) {
            (_, true) => watch(&[], Then::Silence),
            (Some("servicemonitors"), _) => list("1", "", &[monitor]),
            (Some("login"), _) if nth == 0 => json(
                200,
                "",
                r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"login","namespace":"shop"},"data":{"t":"dA=="}}"#,
            ),
            (Some("login"), _) => status(500, "InternalError"),
            _ => list("1", "", &[]),
        }
    })
}

/// A receiver whose cluster is this server.
pub(super) fn from_api(server: &Server, more: &str) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let config = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
         users: [{{name: u, user: {{}}}}], clusters: [{{name: c, cluster: {{server: '{}'}}}}]}}",
        server.url("")
    );
    std::fs::write(&file, config).unwrap();
    let path = file.display();
    start(&format!(
        "source: {{kubeconfig: {{path: '{path}'}}}}\n{more}"
    ))
    .0
}

#[test]
fn a_failing_api_server_takes_no_secret_away() {
    let monitor = r#"{"metadata":{"name":"a","namespace":"shop","uid":"u1"},"spec":{"selector":{},"endpoints":[{"port":"web","authorization":{"credentials":{"name":"login","key":"t"}}}]}}"#;
    let server = api_server(monitor, 201);
    let running = from_api(&server, "assetRefresh: 50ms");
    let reads = || {
        let asked = server.asked();
        asked
            .iter()
            .filter(|r| r.path().ends_with("/login"))
            .count()
    };
    wait_status(&running, |_| reads() >= 4);
    let status = running.status();
    assert_eq!((status.jobs, status.rejected.len()), (1, 0), "{status:?}");
}

#[test]
fn an_api_server_without_an_answer_is_asked_once_a_round() {
    const MONITOR: &str = r#"{"metadata":{"name":"a","namespace":"shop","uid":"u1"},"spec":{"selector":{},"endpoints":[
        {"port":"web","authorization":{"credentials":{"name":"x","key":"t"}}},
        {"port":"web","authorization":{"credentials":{"name":"y","key":"t"}}},
        {"port":"web","authorization":{"credentials":{"name":"z","key":"t"}}}]}}"#;
    let server = apiserver::start(move |asked, is_watch, _| {
        let path = asked.path().split('?').next().unwrap_or_default();
        match (path.rsplit('/').next(), is_watch) {
            (_, true) => watch(&[], Then::Silence),
            (Some("servicemonitors"), _) => list("1", "", &[MONITOR]),
            (Some("x" | "y" | "z"), _) => Reply::Close,
            _ => list("1", "", &[]),
        }
    });
    let running = from_api(&server, "");
    wait_status(&running, |s| s.rejected.len() == 1);
    let asked = server.asked();
    let paths = asked.iter().map(|asked| asked.path());
    let mut secrets: Vec<_> = paths.filter(|path| path.contains("/secrets/")).collect();
    // The client may have asked again for the same one, on a fresh connection.
    secrets.dedup();
    assert_eq!(secrets.len(), 1, "{secrets:?}");
}

#[track_caller]
fn check_events(settings: &str, answer: u16, want: usize) {
    let monitor = r#"{"metadata":{"name":"a","namespace":"shop","uid":"u1"},"spec":{"selector":{},"endpoints":[{"port":"web","scrapeTimeout":"2h"}]}}"#;
    let server = api_server(monitor, answer);
    let running = from_api(&server, settings);
    wait_status(&running, |s| s.rejected.len() == 1);
    let posted = || {
        let mut asked = server.asked();
        asked.retain(|r| r.line.starts_with("POST"));
        asked
    };
    wait_status(&running, |_| posted().len() >= want);
    // A configuration more with the same rejection.
    let before = running.status().config_applied_ms;
    running.reload();
    wait_status(&running, |s| s.config_applied_ms > before);
    drop(running);
    let posted = posted();
    assert_eq!(posted.len(), want);
    let Some(event) = posted.first() else {
        return;
    };
    assert_eq!(
        event.path(),
        "/apis/events.k8s.io/v1/namespaces/shop/events"
    );
    assert!(apiserver::takes_event(&event.body), "{}", event.body);
    let event: serde_json::Value = serde_json::from_str(&event.body).unwrap();
    assert_eq!(event["reason"], "InvalidConfiguration");
    assert_eq!(event["type"], "Warning");
    assert_eq!(event["regarding"]["uid"], "u1");
    let note = event["note"].as_str().unwrap();
    assert!(
        note.starts_with("\"shop/a\" was rejected due to invalid configuration: "),
        "{note}"
    );
}

#[test]
fn events_are_written_once_and_only_if_wanted() {
    check_events("events: true", 201, 1);
    check_events("events: true", 403, 1);
    check_events("", 201, 0);
}

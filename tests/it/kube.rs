//! Watches against a scripted API server over real sockets, and against a folder.

mod hostile;

use crate::fake::apiserver::{Then, bookmark, event, json, list, pod, start, status, watch};
use crate::fake::http::{Reply, Server};
use crate::fake::tls::{self, Authority};
use crossbeam_channel::{Receiver, bounded};
use prometheus_operator_receiver::http::config::{Secret, Tls};
use prometheus_operator_receiver::kube::config::Auth;
use prometheus_operator_receiver::kube::error::Error;
use prometheus_operator_receiver::kube::store::{Change, Changes, Trouble};
use prometheus_operator_receiver::kube::types::kind::Kind;
use prometheus_operator_receiver::kube::types::object::{Key, Object};
use prometheus_operator_receiver::kube::{
    Client, Config, Informers, Scope, Source, Subscription, Tuning,
};
use prometheus_operator_receiver::rt::clock::SystemClock;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn tuning() -> Tuning {
    Tuning {
        first_delay: Duration::from_millis(5),
        max_delay: Duration::from_millis(20),
        linger: Duration::ZERO,
        ..Tuning::default()
    }
}

fn client(server: &Server, auth: Auth) -> Client {
    let config = Config {
        server: server.url(""),
        auth,
        ..Config::default()
    };
    Client::new(config, "promop/test", Arc::default(), SystemClock::shared()).unwrap()
}

fn informers(server: &Server, scope: Scope, tuning: Tuning) -> Informers {
    let source = Source::Api(client(server, Auth::Anonymous));
    Informers::start(source, scope, tuning, SystemClock::shared()).unwrap()
}

fn all() -> Scope {
    Scope::All { deny: Vec::new() }
}

struct Watched {
    informers: Informers,
    pods: Subscription,
    notify: Receiver<()>,
}

fn watch_pods(server: &Server, tuning: Tuning) -> Watched {
    let informers = informers(server, all(), tuning);
    let (sender, notify) = bounded(1);
    let pods = informers.subscribe(Kind::Pod, &[], "", sender).unwrap();
    Watched {
        informers,
        pods,
        notify,
    }
}

impl Watched {
    #[track_caller]
    fn until(&self, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(self) {
            assert!(Instant::now() < deadline, "{:?}", self.pods.health());
            // Looks again now and then: what a server was asked is not notified.
            self.notify.recv_timeout(Duration::from_millis(20)).ok();
        }
    }

    fn phases(&self) -> Vec<String> {
        let pods = self.pods.objects();
        let shown = pods.iter().map(|pod| match &**pod {
            Object::Pod(pod) => format!("{}={}", pod.metadata.name, pod.status.phase),
            other => panic!("{other:?}"),
        });
        shown.collect()
    }

    fn trouble(&self) -> Option<Trouble> {
        let health = self.pods.health().remove(0);
        health.status.trouble.map(|(trouble, ..)| trouble)
    }
}

/// Queries of lists or watches, without what is random.
fn queries(server: &Server, watches: bool) -> Vec<String> {
    let asked = server.asked();
    let paths = asked.iter().map(|asked| asked.path().to_owned());
    let wanted = paths.filter(|path| path.contains("watch=1") == watches);
    wanted
        .map(|path| {
            let query = path.split_once('?').unwrap().1.to_owned();
            let parts: Vec<_> = query
                .split('&')
                .filter(|part| !part.starts_with("timeoutSeconds="))
                .collect();
            parts.join("&")
        })
        .collect()
}

fn watch_from(version: u32) -> String {
    format!("watch=1&allowWatchBookmarks=true&resourceVersion={version}")
}

#[test]
fn pages_events_bookmarks_and_a_resumed_watch() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, 0) => list(
            "10",
            "t/1",
            &[&pod("a", 3, "Running"), &pod("b", 4, "Running")],
        ),
        (false, _) => list("10", "", &[&pod("c", 5, "Running")]),
        (true, 0) => {
            let events = [
                event("MODIFIED", &pod("a", 11, "Failed")),
                event("DELETED", &pod("b", 12, "Running")),
                event("ADDED", &pod("d", 13, "Pending")),
                bookmark(20),
            ];
            watch(&events, Then::End)
        }
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|_| queries(&server, true).len() == 2);
    let Changes::Each(changes) = watched.pods.changes() else {
        panic!("too many changes")
    };
    let shown: Vec<_> = changes
        .iter()
        .map(|change| {
            let word = match change {
                Change::Added(_) => "+",
                Change::Modified(..) => "~",
                Change::Deleted(_) => "-",
            };
            format!("{word}{}", change.object().meta().name)
        })
        .collect();
    assert_eq!(shown, ["+a", "+b", "+c", "~a", "-b", "+d"]);
    assert_eq!(watched.phases(), ["a=Failed", "c=Running", "d=Pending"]);
    assert_eq!(
        queries(&server, false),
        ["resourceVersion=0&limit=500", "limit=500&continue=t%2F1"]
    );
    assert_eq!(queries(&server, true), [watch_from(10), watch_from(20)]);
    let agents = server.asked();
    let agent = agents[0].header("user-agent");
    assert_eq!(agent, Some("promop/test"));
    assert!(
        agents
            .iter()
            .all(|asked| asked.header("accept-encoding").is_none())
    );
}

#[test]
fn gone_as_an_event_lists_anew_and_reports_what_vanished() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, 0) => list(
            "10",
            "",
            &[&pod("a", 3, "Running"), &pod("b", 4, "Running")],
        ),
        (false, _) => list("30", "", &[&pod("b", 4, "Running")]),
        (true, 0) => {
            let gone = event(
                "ERROR",
                r#"{"kind":"Status","code":410,"reason":"Expired"}"#,
            );
            watch(&[bookmark(15), gone], Then::Silence)
        }
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|_| queries(&server, true).len() == 2);
    assert_eq!(watched.phases(), ["b=Running"]);
    assert_eq!(
        queries(&server, false),
        ["resourceVersion=0&limit=500", "resourceVersion=15"]
    );
    assert_eq!(watched.trouble(), None);
}

#[test]
fn retry_after_is_a_floor() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, 0) => {
            let body = r#"{"kind":"Status","reason":"TooManyRequests","message":"storage is (re)initializing","code":429}"#;
            json(429, "Retry-After: 1\r\n", body)
        }
        (false, _) => list("1", "", &[]),
        (true, _) => watch(&[], Then::Silence),
    });
    let began = Instant::now();
    let watched = watch_pods(&server, tuning());
    watched.until(|w| w.pods.is_synced());
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(watched.trouble(), None);
}

#[test]
fn a_missing_permission_is_named_and_heals() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, n) if n < 3 => status(403, "Forbidden"),
        (false, _) => list("1", "", &[&pod("a", 1, "Running")]),
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|w| matches!(w.trouble(), Some(Trouble::Forbidden(_))) || w.pods.is_synced());
    let health = watched.pods.health().remove(0);
    if !health.status.synced {
        assert_eq!(
            health.to_string(),
            "pods: not permitted to list, watch pods in all namespaces"
        );
    }
    watched.until(|w| w.pods.is_synced() && w.trouble().is_none());
}

#[test]
fn an_absent_kind_is_empty_until_it_appears() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, 0) => Reply::Bytes(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n404 page not found\n".to_vec(),
        ),
        (false, _) => list("1", "", &[&pod("a", 1, "Running")]),
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|w| w.pods.is_synced());
    watched.until(|w| w.phases() == ["a=Running"]);
}

#[test]
fn a_silent_watch_is_found_and_one_that_breaks_resumes() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, _) => list("10", "", &[&pod("a", 3, "Running")]),
        (true, 0) => watch(&[bookmark(11)], Then::Silence),
        (true, 1) => {
            let half = event("MODIFIED", &pod("a", 13, "Failed"));
            watch(
                &[event("MODIFIED", &pod("a", 12, "Pending"))],
                Then::Cut(half),
            )
        }
        (true, _) => watch(&[], Then::Silence),
    });
    let silence = Duration::from_millis(300);
    let watched = watch_pods(
        &server,
        Tuning {
            silence,
            ..tuning()
        },
    );
    watched.until(|_| queries(&server, true).len() >= 3);
    let from: Vec<_> = queries(&server, true).into_iter().take(3).collect();
    assert_eq!(from, [watch_from(10), watch_from(11), watch_from(12)]);
    assert_eq!(watched.phases(), ["a=Pending"]);
    assert_eq!(queries(&server, false).len(), 1);
}

#[test]
fn an_object_that_cannot_be_read_harms_no_other() {
    let bad = r#"{"metadata":{"name":"bad","namespace":"shop","resourceVersion":"4"},"status":[]}"#;
    let server = start(move |_, is_watch, nth| match (is_watch, nth) {
        (false, _) => list(
            "10",
            "",
            &[&pod("a", 3, "Running"), bad, &pod("c", 5, "Running")],
        ),
        (true, 0) => {
            let worse = pod("a", 11, "x").replace(r#""status":{"phase":"x"}"#, r#""status":7"#);
            let events = [
                event("MODIFIED", &worse),
                event("MODIFIED", &pod("c", 12, "Failed")),
                event("MODIFIED", &pod("bad", 13, "Running")),
            ];
            watch(&events, Then::Silence)
        }
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|w| w.phases() == ["a=Running", "bad=Running", "c=Failed"]);
    let undecodable = watched.pods.health().remove(0).status.undecodable;
    let keys: Vec<_> = undecodable.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["shop/a"]);
}

#[test]
fn a_list_that_breaks_off_or_is_none_changes_nothing() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, 0) => list("10", "", &[&pod("a", 3, "Running")]),
        (false, 1) => {
            let Reply::Bytes(mut bytes) = list("20", "", &[&pod("b", 3, "Running")]) else {
                panic!("no bytes")
            };
            bytes.truncate(bytes.len() - 10);
            Reply::BytesThenClose(bytes)
        }
        (false, 2) => json(200, "", "<html>please log in</html>"),
        (false, 3) => json(200, "", "{}"),
        (false, _) => list(
            "30",
            "",
            &[&pod("a", 3, "Running"), &pod("z", 21, "Running")],
        ),
        (true, 0) => status(410, "Expired"),
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    let mut seen = Vec::new();
    watched.until(|w| {
        seen.push(w.phases().join(" "));
        queries(&server, true).len() == 2
    });
    seen.push(watched.phases().join(" "));
    seen.dedup();
    seen.retain(|phases| !phases.is_empty());
    assert_eq!(seen, ["a=Running", "a=Running z=Running"]);
}

#[test]
fn a_refused_token_is_read_anew_and_secrets_are_read_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "old").unwrap();
    let server = start(|asked, _, _| match asked.header("authorization") {
        Some("Bearer new") => json(200, "", r#"{"kind":"Secret","data":{"a":"Yg=="}}"#),
        _ => status(401, "Unauthorized"),
    });
    let client = client(&server, Auth::TokenFile(path.clone()));
    assert!(
        client
            .get(Kind::Secret, "shop", "s")
            .unwrap_err()
            .is_unauthorized()
    );
    std::fs::write(&path, "new\n").unwrap();
    let secret = client.get(Kind::Secret, "shop", "s").unwrap();
    assert_eq!(secret["data"]["a"], "Yg==");
    let last = server.asked().pop().unwrap();
    assert_eq!(last.path(), "/api/v1/namespaces/shop/secrets/s");
}

#[test]
fn a_client_certificate_is_shown_and_the_server_may_have_another_name() {
    let authority = Authority::new();
    let pair = authority.issue(&["kubernetes.test"]);
    let server = tls::server(&pair, Some(&authority), |_| json(200, "", "{}"));
    let get = |server_name: &str| {
        let own = authority.issue(&["me"]);
        let config = Config {
            server: format!("https://{}", server.address),
            origin: "context k3s of config".to_owned(),
            tls: Tls {
                ca: authority.pem().into(),
                cert: own.cert.into(),
                key: Secret::new(own.key),
                server_name: server_name.into(),
                ..Tls::default()
            },
            ..Config::default()
        };
        let client = Client::new(config, "x", Arc::default(), SystemClock::shared()).unwrap();
        client.get(Kind::ConfigMap, "shop", "c")
    };
    assert!(get("kubernetes.test").is_ok());
    for wrong in ["", "other.test"] {
        let error = get(wrong).unwrap_err();
        assert!(matches!(error, Error::Transport(_)), "{error}");
        let place = format!("https://{} (context k3s of config): ", server.address);
        assert!(error.to_string().starts_with(&place), "{error}");
    }
}

#[test]
fn a_refusal_names_the_server_and_the_user() {
    let server = start(|_, _, nth| match nth {
        0 | 1 => status(401, "Unauthorized"),
        _ => status(403, "Forbidden"),
    });
    let config = Config {
        server: server.url("").replace("//", "//me:hunter2@"),
        origin: "context k3s of config".to_owned(),
        user: "admin".to_owned(),
        auth: Auth::Token(Secret::new("t")),
        ..Config::default()
    };
    let client = Client::new(config, "x", Arc::default(), SystemClock::shared()).unwrap();
    let get = || client.get(Kind::Secret, "shop", "s").unwrap_err();
    let place = format!("{} (context k3s of config) answered", server.url(""));
    let refused = format!("{place} 401 Unauthorized: the token of user \"admin\" is not valid");
    assert_eq!(get().to_string(), refused);
    get();
    assert_eq!(get().to_string(), format!("{place} 403 Forbidden"));
}

#[test]
fn credentials_need_tls_or_loopback() {
    let config = Config {
        server: "http://10.0.0.1".to_owned(),
        auth: Auth::Token(Secret::new("t")),
        ..Config::default()
    };
    let error = Client::new(config, "x", Arc::default(), SystemClock::shared()).unwrap_err();
    assert!(error.to_string().contains("https"), "{error}");
}

#[test]
fn watches_are_shared_and_closed_when_nobody_uses_them() {
    let server = start(|_, is_watch, _| match is_watch {
        false => list("10", "", &[&pod("a", 3, "Running")]),
        true => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|w| w.pods.is_synced());
    let (sender, _notify) = bounded(1);
    let second = watched
        .informers
        .subscribe(Kind::Pod, &["shop".to_owned()], "", sender)
        .unwrap();
    assert!(second.is_synced());
    assert_eq!(second.objects().len(), 1);
    assert!(second.get(&Key::new("shop", "a")).is_some());
    assert_eq!(watched.informers.health().len(), 1);
    let Watched {
        informers, pods, ..
    } = watched;
    drop((pods, second));
    let deadline = Instant::now() + Duration::from_secs(30);
    while !informers.health().is_empty() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(queries(&server, false).len(), 1);
}

#[test]
fn namespaces_are_watched_one_by_one_and_no_others() {
    let server = start(|asked, is_watch, _| match (is_watch, asked.path()) {
        (true, _) => watch(&[], Then::Silence),
        (false, path) if path.contains("/namespaces/b/") => status(403, "Forbidden"),
        (false, _) => list("10", "", &[]),
    });
    let scope = Scope::Namespaces(vec!["a".to_owned(), "b".to_owned()]);
    let informers = informers(&server, scope, tuning());
    let (sender, notify) = bounded(1);
    let pods = informers
        .subscribe(Kind::Pod, &[], "", sender.clone())
        .unwrap();
    assert!(
        informers
            .subscribe(Kind::Pod, &["c".to_owned()], "", sender)
            .is_err()
    );
    let watched = Watched {
        informers,
        pods,
        notify,
    };
    watched.until(|w| {
        let health = w.pods.health();
        health[0].status.synced && health[1].status.trouble.is_some()
    });
    let text = watched.pods.health()[1].to_string();
    assert_eq!(
        text,
        "pods in namespace b: not permitted to list, watch pods in namespace b"
    );
    assert!(!watched.pods.is_synced());
}

fn folder(path: &Path) -> Informers {
    let source = Source::Folder(path.to_owned());
    Informers::start(source, all(), tuning(), SystemClock::shared()).unwrap()
}

#[test]
fn files_of_a_folder_are_events() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, phase: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nstatus: {{phase: {phase}}}\n---\n\
             apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ndata: {{k: dg==}}\n"
        );
        std::fs::write(dir.path().join(format!("{name}.yaml")), text).unwrap();
    };
    write("a", "Running");
    let informers = folder(dir.path());
    let (sender, notify) = bounded(1);
    let pods = informers.subscribe(Kind::Pod, &[], "", sender).unwrap();
    let watched = Watched {
        informers,
        pods,
        notify,
    };
    watched.until(|w| w.phases() == ["a=Running"]);
    assert!(watched.informers.get(Kind::Secret, "default", "a").is_ok());
    write("b", "Pending");
    write("a", "Succeeded");
    watched.informers.refresh();
    watched.until(|w| w.phases() == ["a=Succeeded", "b=Pending"]);
    std::fs::write(dir.path().join("a.yaml"), "kind: [").unwrap();
    watched.informers.refresh();
    watched.until(|w| !w.informers.folder_problems().is_empty());
    assert_eq!(watched.phases(), ["a=Succeeded", "b=Pending"]);
    std::fs::remove_file(dir.path().join("a.yaml")).unwrap();
    watched.informers.refresh();
    watched.until(|w| w.phases() == ["b=Pending"]);
}

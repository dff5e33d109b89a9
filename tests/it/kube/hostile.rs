//! Servers that say what no API server should: streams that nobody understands, lists without an end or of another kind.

use super::{Watched, all, informers, queries, tuning, watch_from, watch_pods};
use crate::fake::apiserver::{Then, bookmark, event, json, list, pod, start, status, watch};
use crate::fake::http::Reply;
use crossbeam_channel::bounded;
use prometheus_operator_receiver::kube::store::Trouble;
use prometheus_operator_receiver::kube::types::kind::Kind;
use prometheus_operator_receiver::kube::{ListLimits, Tuning};
use std::time::{Duration, Instant};

/// Whatever a watch says that nobody understands: one list, and what vanished meanwhile is gone.
#[track_caller]
fn check_relist(said: &'static str) {
    let server = start(move |_, is_watch, nth| match (is_watch, nth) {
        (false, 0) => list(
            "10",
            "",
            &[&pod("a", 3, "Running"), &pod("b", 4, "Running")],
        ),
        (false, _) => list("30", "", &[&pod("b", 4, "Running")]),
        (true, 0) => watch(&[said.to_owned()], Then::End),
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|w| w.phases() == ["b=Running"]);
    watched.until(|_| queries(&server, true).len() == 2);
    let lists = ["resourceVersion=0&limit=500", "resourceVersion=10"];
    assert_eq!(queries(&server, false), lists, "{said}");
    let watches = [watch_from(10), watch_from(30)];
    assert_eq!(queries(&server, true), watches, "{said}");
}

#[test]
fn what_a_watch_says_that_nobody_understands_ends_in_one_list() {
    for said in [
        r#"{"type":"ERROR","object":null}"#,
        r#"{"type":"ERROR","object":"compacted"}"#,
        // As kine words it.
        r#"{"type":"ERROR","object":{"message":"compacted"}}"#,
        r#"{"type":"ERROR","object":{"kind":"Status","code":418}}"#,
        r#"{"type":"ERROR"}"#,
        "<html>",
        "{}",
        r#"{"type":"RENAMED","object":{"metadata":{"name":"a","resourceVersion":"10"}}}"#,
        r#"{"type":"MODIFIED","object":{}}"#,
        r#"{"type":"MODIFIED","object":{"metadata":{"name":"a"}}}"#,
        r#"{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"11"}}}"#,
        r#"{"type":"MODIFIED","object":{"kind":"Secret","metadata":{"name":"a","resourceVersion":"11"}}}"#,
        r#"{"type":"BOOKMARK","object":{"metadata":{}}}"#,
    ] {
        check_relist(said);
    }
}

#[test]
fn blank_lines_of_a_watch_say_nothing() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, _) => list("10", "", &[&pod("a", 3, "Running")]),
        (true, 0) => {
            let lines = [String::new(), event("MODIFIED", &pod("a", 11, "Failed"))];
            watch(&lines, Then::Silence)
        }
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|w| w.phases() == ["a=Failed"]);
    assert_eq!(queries(&server, false).len(), 1);
}

/// What a watch brings to nothing again and again is listed in the end, and never at full speed.
#[test]
fn a_watch_that_repeats_itself_is_no_progress() {
    let server = start(|_, is_watch, nth| match (is_watch, nth) {
        (false, 0) => list("10", "", &[&pod("a", 3, "Running")]),
        (false, _) => list("30", "", &[&pod("b", 4, "Running")]),
        (true, n) if n < 5 => watch(&[bookmark(10)], Then::End),
        (true, _) => watch(&[], Then::Silence),
    });
    let watched = watch_pods(&server, tuning());
    watched.until(|w| w.phases() == ["b=Running"]);
}

/// A list that never ends, by pages, objects, bytes or time: an error that says so, and what is known stays.
#[track_caller]
fn check_endless(limits: ListLimits, endless: fn(usize) -> Reply, why: &str) {
    let server = start(move |_, is_watch, nth| match (is_watch, nth) {
        (false, 0) => list("10", "", &[&pod("a", 3, "Running")]),
        (false, n) => endless(n),
        (true, _) => status(410, "Expired"),
    });
    let tuning = Tuning {
        list: limits,
        first_delay: Duration::from_millis(200),
        max_delay: Duration::from_secs(60),
        ..tuning()
    };
    let watched = watch_pods(&server, tuning);
    watched.until(|w| w.trouble() == Some(Trouble::Failing));
    let text = watched.pods.health().remove(0).to_string();
    let start = format!("pods: {}: the list of pods: ", server.url(""));
    assert!(text.starts_with(&start) && text.contains(why), "{text}");
    assert_eq!(watched.phases(), ["a=Running"]);
    assert!(queries(&server, false).len() < 20);
}

#[test]
fn a_list_has_an_end() {
    let few = || ListLimits {
        pages: 5,
        objects: 3,
        bytes: 4096,
        time: Duration::from_secs(20),
    };
    check_endless(few(), |_| list("20", "same", &[]), "twice");
    check_endless(few(), |n| list("20", &format!("t{n}"), &[]), "5 pages");
    let four = |_| list("20", "", &["{}", "{}", "{}", "{}"]);
    check_endless(few(), four, "too many objects");
    let long = |_| Reply::Endless(chunk_of_list(), b"5\r\n{},{}\r\n1\r\n,\r\n".to_vec());
    let many = ListLimits {
        objects: 1_000_000,
        ..few()
    };
    check_endless(many, long, "4096 bytes");
    let slow = ListLimits {
        time: Duration::from_millis(300),
        ..few()
    };
    // No silence is long, but there is no end.
    let drip = |_| Reply::Drip(chunk_of_list().repeat(1000), Duration::from_millis(20));
    check_endless(slow, drip, "did not end in 300ms");
}

/// The head of an answer, and the beginning of a list.
fn chunk_of_list() -> Vec<u8> {
    let list = r#"{"kind":"PodList","apiVersion":"v1","items":["#;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    format!("{head}\r\n\r\n{:x}\r\n{list}\r\n", list.len()).into_bytes()
}

#[test]
fn a_list_of_another_kind_takes_nothing_away() {
    for other in [
        r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[]}"#,
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"9"}}"#,
        r#"{"metadata":{"resourceVersion":"9"},"items":[]}"#,
        r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[{"apiVersion":"v1","kind":"ConfigMap"}]}"#,
    ] {
        let server = start(move |_, is_watch, nth| match (is_watch, nth) {
            (false, 0) => list("10", "", &[&pod("a", 3, "Running")]),
            (false, _) => json(200, "", other),
            (true, _) => status(410, "Expired"),
        });
        let watched = watch_pods(&server, tuning());
        watched.until(|w| w.trouble() == Some(Trouble::Failing));
        assert_eq!(watched.phases(), ["a=Running"]);
    }
}

/// Two lists that hang have all the places there are for lists; a third is made all the same.
#[test]
fn lists_that_hang_hold_up_no_other() {
    let server = start(|asked, is_watch, _| match is_watch {
        false if asked.path().starts_with("/api/v1/pods") => {
            list("10", "", &[&pod("a", 3, "Running")])
        }
        false => Reply::Hang,
        true => watch(&[], Then::Silence),
    });
    let informers = informers(&server, all(), tuning());
    let (sender, notify) = bounded(1);
    let subscribe = |kind| informers.subscribe(kind, &[], "", sender.clone()).unwrap();
    let _hang = [subscribe(Kind::Service), subscribe(Kind::Node)];
    let deadline = Instant::now() + Duration::from_secs(30);
    while queries(&server, false).len() < 2 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let pods = subscribe(Kind::Pod);
    let watched = Watched {
        informers,
        pods,
        notify,
    };
    watched.until(|w| w.pods.is_synced());
}

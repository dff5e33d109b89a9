//! Answers as an API server gives them, for scripts of [`super::http::Server`].

use super::http::{Asked, Reply, Server};
use std::collections::HashMap;
use std::sync::Mutex;

/// A server whose script learns, beside the request, whether it is a watch, and the how manieth of its kind from 0.
pub fn start(script: impl Fn(&Asked, bool, usize) -> Reply + Send + Sync + 'static) -> Server {
    let counts = Mutex::new(HashMap::new());
    Server::start(move |asked| {
        let is_watch = asked.path().contains("watch=1");
        let path = asked
            .path()
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        let nth = {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry((path, is_watch)).or_insert(0);
            *count += 1;
            *count - 1
        };
        typed(script(asked, is_watch, nth), asked.path())
    })
}

const PODS: &str = r#"{"kind":"PodList","apiVersion":"v1","#;

/// A list of [`list`] as one of the kind that the path asks for: clients take no other.
fn typed(reply: Reply, path: &str) -> Reply {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<_> = path.split('/').collect();
    let api_version = match parts.as_slice() {
        [_, "apis", group, version, ..] => format!("{group}/{version}"),
        _ => "v1".to_owned(),
    };
    let kind = match parts.last().copied().unwrap_or_default() {
        "servicemonitors" => "ServiceMonitor",
        "podmonitors" => "PodMonitor",
        "prometheuses" => "Prometheus",
        "prometheusagents" => "PrometheusAgent",
        "services" => "Service",
        "endpoints" => "Endpoints",
        "endpointslices" => "EndpointSlice",
        "namespaces" => "Namespace",
        "nodes" => "Node",
        _ => return reply,
    };
    let Reply::Bytes(bytes) = &reply else {
        return reply;
    };
    let text = String::from_utf8_lossy(bytes);
    match text.split_once(PODS) {
        Some((_, rest)) => {
            let head = format!(r#"{{"kind":"{kind}List","apiVersion":"{api_version}","#);
            json(200, "", &format!("{head}{rest}"))
        }
        None => reply,
    }
}

/// A page of a list; `next` is the continue token.
pub fn list(version: &str, next: &str, items: &[&str]) -> Reply {
    let body = format!(
        r#"{PODS}"metadata":{{"resourceVersion":"{version}","continue":"{next}"}},"items":[{}]}}"#,
        items.join(",")
    );
    json(200, "", &body)
}

/// Any JSON answer with one more header line, or none.
pub fn json(code: u16, header: &str, body: &str) -> Reply {
    Reply::Bytes(
        format!(
            "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n{header}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

/// A `Status` of the API server.
pub fn status(code: u16, reason: &str) -> Reply {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"{reason}","code":{code}}}"#
    );
    json(code, "", &body)
}

pub fn pod(name: &str, version: u32, phase: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop","uid":"{name}","resourceVersion":"{version}"}},"status":{{"phase":"{phase}"}}}}"#
    )
}

pub fn event(kind: &str, object: &str) -> String {
    format!(r#"{{"type":"{kind}","object":{object}}}"#)
}

pub fn bookmark(version: u32) -> String {
    event(
        "BOOKMARK",
        &format!(r#"{{"kind":"Pod","metadata":{{"resourceVersion":"{version}"}}}}"#),
    )
}

/// How a scripted watch goes on after its events.
pub enum Then {
    /// Ends in good order.
    End,
    /// Says nothing more until the client goes.
    Silence,
    /// Breaks off in the middle of this event.
    Cut(String),
}

/// A watch with an event per chunk.
pub fn watch(events: &[String], then: Then) -> Reply {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    let mut chunk = |text: &str| {
        bytes.extend(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes());
    };
    for event in events {
        chunk(&format!("{event}\n"));
    }
    match then {
        Then::End => {
            bytes.extend(b"0\r\n\r\n");
            Reply::Bytes(bytes)
        }
        Then::Silence => Reply::BytesThenHang(bytes),
        Then::Cut(event) => {
            chunk(&event[..event.len() / 2]);
            Reply::BytesThenClose(bytes)
        }
    }
}

/// Whether an API server takes this Event (kubernetes: pkg/apis/core/validation/events.go): its name, or what a name is
/// made from, is a subdomain; it stands where its object does; lengths.
pub fn takes_event(body: &str) -> bool {
    let event: serde_json::Value = serde_json::from_str(body).unwrap();
    let text = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(|v| v.as_str())
            .unwrap_or("")
    };
    let is_subdomain = |name: &str| {
        let is_part = |part: &str| {
            let inner = part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            inner && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
        };
        name.len() <= 253 && name.split('.').all(is_part)
    };
    let name = match (text("/metadata/name"), text("/metadata/generateName")) {
        ("", prefix) => prefix.strip_suffix('-').unwrap_or(prefix).to_owned(),
        (name, _) => name.to_owned(),
    };
    let fits = |pointer: &str, most: usize| (1..=most).contains(&text(pointer).len());
    is_subdomain(&name)
        && text("/metadata/namespace") == text("/regarding/namespace")
        && ["Normal", "Warning"].contains(&text("/type"))
        && [
            "/reportingController",
            "/reportingInstance",
            "/action",
            "/reason",
        ]
        .iter()
        .all(|pointer| fits(pointer, 128))
        && text("/note").len() <= 1024
        && text("/eventTime").ends_with('Z')
}

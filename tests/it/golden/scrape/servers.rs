//! The server of a case: its answers cycle by cycle, and the names that stand for its address and for times.

use crate::fake::http::{Asked, Reply, Server};
use crate::fake::target::Answer;
use crate::fake::tls as fake_tls;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    pub cert: String,
    pub key: String,
    pub client_ca: String,
}

/// `responses/NN.yaml`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Response {
    status: u16,
    headers: BTreeMap<String, OneOrMore>,
    body: String,
    body_base64: String,
    body_file: String,
    gzip: bool,
    gzip_parts: usize,
    cut: usize,
    truncate: usize,
    chunked: bool,
    delay_ms: u64,
    body_delay_ms: u64,
    close_early: bool,
    pub write_files: BTreeMap<String, String>,
    routes: BTreeMap<String, Response>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// What stands for addresses and times in the files of a case.
#[derive(Debug)]
pub struct Names {
    pub address: String,
    pub base_ms: i64,
    pub dir: String,
}

/// The cycle that is in progress: its response, and the requests seen so far.
#[derive(Default)]
pub struct Cycle {
    pub response: Response,
    pub requests: Vec<Asked>,
}

pub fn tls_server(
    files: &TlsFiles,
    dir: &Path,
    answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Server {
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let pair = fake_tls::Pair {
        cert: read(&files.cert),
        key: read(&files.key),
    };
    let clients = Some(&files.client_ca).filter(|name| !name.is_empty());
    fake_tls::server_for(&pair, clients.map(|name| read(name)).as_deref(), answer)
}

pub fn request_json(request: &Asked) -> Value {
    let mut headers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "host") {
        headers.entry(capitals(name)).or_default().push(value);
    }
    let mut json = json!({
        "line": request.line,
        "host": request.header("host"),
        "headers": headers,
    });
    if !request.body.is_empty() {
        json["body"] = json!(request.body);
    }
    json
}

/// `x-prometheus-agent` → `X-Prometheus-Agent`.
fn capitals(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// Answers the requests of the cycle in progress, and notes them.
pub fn answerer(
    cycle: Arc<Mutex<Cycle>>,
    names: Arc<OnceLock<Names>>,
) -> impl Fn(&Asked) -> Reply + Send + Sync {
    move |request| {
        let names = names.get().unwrap();
        let mut cycle = cycle.lock().unwrap();
        let is_first = cycle.requests.is_empty();
        if is_first || !cycle.response.close_early {
            cycle.requests.push(request.clone());
        }
        let is_route = !is_first || !request.line.starts_with("GET ");
        let route = cycle
            .response
            .routes
            .get(path_of(request))
            .filter(|_| is_route);
        route.unwrap_or(&cycle.response).answer(names).reply()
    }
}

/// The path without the query, also of a request to a proxy.
fn path_of(request: &Asked) -> &str {
    let path = request.path().split('?').next().unwrap();
    match path.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => path,
    }
}

impl Response {
    fn answer(&self, names: &Names) -> Answer {
        let mut headers = Vec::new();
        for (name, values) in &self.headers {
            let values = match values {
                OneOrMore::One(value) => std::slice::from_ref(value),
                OneOrMore::More(values) => values,
            };
            headers.extend(
                values
                    .iter()
                    .map(|value| (name.clone(), substitute(value, names))),
            );
        }
        Answer {
            status: self.status,
            headers,
            body: self.payload(names),
            chunked: self.chunked,
            truncate: (self.truncate > 0).then_some(self.truncate),
            delay: Duration::from_millis(self.delay_ms),
            body_delay: Duration::from_millis(self.body_delay_ms),
            close_early: self.close_early,
        }
    }

    fn payload(&self, names: &Names) -> Vec<u8> {
        let mut body = if !self.body_file.is_empty() {
            let path = Path::new(&names.dir)
                .join("responses")
                .join(&self.body_file);
            std::fs::read(path).unwrap()
        } else if !self.body_base64.is_empty() {
            BASE64_STANDARD.decode(&self.body_base64).unwrap()
        } else {
            substitute(&self.body, names).into_bytes()
        };
        if self.gzip || self.gzip_parts > 0 {
            let n = self.gzip_parts.max(1);
            let part = |i: usize| &body[i * body.len() / n..(i + 1) * body.len() / n];
            body = (0..n).flat_map(|i| gzip(part(i))).collect();
        }
        if self.cut > 0 {
            body.truncate(self.cut);
        }
        body
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Puts addresses and times where a case has placeholders.
pub fn substitute(text: &str, names: &Names) -> String {
    let text = text
        .replace("TARGET", &names.address)
        .replace("OTHERHOST", &other_host(names));
    let mut out = String::new();
    let mut rest = &*text;
    while let Some(at) = rest.find('@') {
        out += &rest[..at];
        rest = &rest[at..];
        let placeholder = rest[1..].split('@').next().unwrap();
        match time_of(placeholder, names.base_ms).filter(|_| rest.len() > placeholder.len() + 1) {
            Some(time) => {
                out += &time;
                rest = &rest[placeholder.len() + 2..];
            }
            None => {
                out += "@";
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// `now-1500` in milliseconds, `sec-1500` in seconds.
fn time_of(placeholder: &str, base_ms: i64) -> Option<String> {
    let (unit, offset) = placeholder.split_at_checked(3)?;
    let offset = if offset.is_empty() {
        0
    } else {
        offset.parse::<i64>().ok()?
    };
    let time = base_ms + offset;
    match unit {
        "now" => Some(time.to_string()),
        "sec" => Some(format!("{}.{:03}", time / 1000, time % 1000)),
        _ => None,
    }
}

pub fn mapped(text: &str, names: &Names) -> String {
    let text = text.replace(&names.address, "TARGET");
    text.replace(&other_host(names), "OTHERHOST")
        .replace(&names.dir, "CASE_DIR")
}

fn other_host(names: &Names) -> String {
    names.address.replace("127.0.0.1", "localhost")
}

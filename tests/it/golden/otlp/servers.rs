//! The servers of a case, and the names that stand for their addresses in its files.

use super::super::{read_yaml, yaml_files};
use crate::fake::http::{Asked, Reply, Server};
use crate::fake::target::Answer;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// `responses/NN.yaml`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Response {
    status: u16,
    content_type: Option<String>,
    headers: BTreeMap<String, String>,
    body: String,
    body_file: String,
    delay: String,
    close: bool,
    refused: bool,
}

/// A server of a case and how many answers it has; none is running if connections are to be refused.
pub struct Scraped {
    pub address: String,
    pub n_responses: usize,
    _server: Option<Server>,
}

impl Scraped {
    pub fn all(case: &Path) -> Vec<Self> {
        let folders = (1..).map(|n| match n {
            1 => case.join("responses"),
            n => case.join(format!("responses{n}")),
        });
        folders
            .take_while(|folder| folder.exists())
            .map(|folder| Self::start(&folder))
            .collect()
    }

    fn start(folder: &Path) -> Self {
        let paths = yaml_files(folder).unwrap();
        let responses: Vec<Response> = paths.iter().map(|path| read_yaml(path).unwrap()).collect();
        let n_responses = responses.len();
        let is_refused = responses.iter().all(|response| response.refused);
        let folder = folder.to_owned();
        let asked = Mutex::new(HashMap::new());
        let server = Server::start(move |request: &Asked| {
            let path = request.path().split('?').next().unwrap().to_owned();
            let mut asked = asked.lock().unwrap();
            let n: &mut usize = asked.entry(path).or_default();
            let response = &responses[(*n).min(responses.len() - 1)];
            *n += 1;
            response.reply(&folder)
        });
        Self {
            address: server.address.to_string(),
            n_responses,
            _server: (!is_refused).then_some(server),
        }
    }
}

impl Response {
    fn reply(&self, folder: &Path) -> Reply {
        let content_type = self
            .content_type
            .as_deref()
            .unwrap_or("text/plain; version=0.0.4; charset=utf-8");
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        // The cases were made without keeping connections alive.
        let mut headers: Vec<_> = headers
            .chain([("Connection".into(), "close".into())])
            .collect();
        if !content_type.is_empty() {
            headers.push(("Content-Type".into(), content_type.into()));
        }
        let body = match &*self.body_file {
            "" => self.body.clone().into_bytes(),
            file => std::fs::read(folder.join(file)).unwrap(),
        };
        let delay = match &*self.delay {
            "" => Duration::ZERO,
            text => humantime::parse_duration(text).unwrap(),
        };
        let answer = Answer {
            status: self.status,
            headers,
            body,
            delay,
            close_early: self.close,
            ..Answer::default()
        };
        answer.reply()
    }
}

/// `TARGET`, `TARGET2`, … become addresses, the longest names first.
pub fn placeholders(text: &str, servers: &[Scraped]) -> String {
    let numbered = servers.iter().enumerate().skip(1).rev();
    let text = numbered.fold(text.to_owned(), |text, (at, server)| {
        text.replace(&format!("TARGET{}", at + 1), &server.address)
    });
    let text = text.replace("TARGETS_FILE", "targets.yaml");
    match servers.first() {
        Some(server) => text.replace("TARGET", &server.address),
        None => text,
    }
}

/// Addresses, ports and durations as the cases write them.
pub fn mapped(mut ours: Value, servers: &[Scraped]) -> Value {
    let mut text = ours.to_string();
    for (at, server) in servers.iter().enumerate().rev() {
        let number = if at == 0 {
            String::new()
        } else {
            (at + 1).to_string()
        };
        let port = server.address.rsplit(':').next().unwrap();
        text = text.replace(&server.address, &format!("TARGET{number}"));
        text = text.replace(&format!("\"{port}\""), &format!("\"PORT{number}\""));
    }
    ours = serde_json::from_str(&text).unwrap();
    visit(&mut ours, &mut |metric| {
        if matches!(
            metric["name"].as_str(),
            Some("scrape_duration_seconds" | "scrape_duration")
        ) {
            for point in metric["gauge"]["dataPoints"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                if point.get("asDouble").is_some() {
                    point["asDouble"] = json!(0);
                }
            }
        }
    });
    ours
}

fn visit(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Object(members) => {
            if members.contains_key("name") && members.contains_key("metadata") {
                change(value);
            } else {
                members
                    .values_mut()
                    .for_each(|member| visit(member, change));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        _ => {}
    }
}

//! `http_sd_configs` (prometheus: discovery/http/http.go): a list of groups, asked for at intervals by a thread of its own.

use super::context::DiscoveryContext;
use super::group_list;
use super::groups::{GroupMap, Groups, merge};
use crate::config::HttpSd;
use crate::http::client::Interrupt;
use crate::http::client::{Buffers, Client, Request};
use crate::model::group::TargetGroup;
use crate::rt::clock::Clock;
use crate::rt::quiet::{Omitted, Quiet};
use crate::rt::stop::{self, Stopped, Stopper};
use crate::rt::thread::{Crew, STACK};
use crossbeam_channel::Sender;
use log::warn;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// A failing server is logged again after this long.
const LOG_AGAIN: Duration = Duration::from_secs(300);
/// Upstream bounds a request by the refresh interval; a longer wait than this serves nobody.
const MAX_TIMEOUT: Duration = Duration::from_secs(120);

/// One URL that is asked at intervals.
pub(super) struct HttpProvider {
    answer: Arc<Mutex<Answer>>,
    interrupt: Arc<Interrupt>,
    stopper: Stopper,
    crew: Crew,
}

#[derive(Default)]
struct Answer {
    /// What came last, until it is taken.
    fresh: Option<Vec<Arc<TargetGroup>>>,
    /// Why nothing has come yet.
    missing: Option<String>,
}

struct Asker {
    sd: HttpSd,
    client: Client,
    answer: Arc<Mutex<Answer>>,
    interrupt: Arc<Interrupt>,
    stopped: Stopped,
    wake: Sender<()>,
    clock: Arc<dyn Clock>,
}

impl HttpProvider {
    pub(super) fn open(
        sd: &HttpSd,
        job: &str,
        context: &DiscoveryContext,
        wake: &Sender<()>,
    ) -> Self {
        let answer = Arc::new(Mutex::new(Answer {
            fresh: None,
            missing: Some(format!("http_sd_configs: {} has not answered yet", sd.url)),
        }));
        let (stopper, stopped) = stop::pair();
        let mut provider = Self {
            answer: Arc::clone(&answer),
            interrupt: Arc::default(),
            stopper,
            crew: Crew::new(),
        };
        let client = match Client::build(&sd.http, &context.http) {
            Ok(client) => client,
            Err(error) => {
                answer.lock().missing = Some(format!("http_sd_configs: {}: {error}", sd.url));
                return provider;
            }
        };
        let asker = Asker {
            sd: sd.clone(),
            client,
            answer: Arc::clone(&answer),
            interrupt: Arc::clone(&provider.interrupt),
            stopped,
            wake: wake.clone(),
            clock: Arc::clone(&context.clock),
        };
        let name = format!("discovery/http/{job}");
        if let Err(error) = provider.crew.spawn(&name, STACK, move || asker.run()) {
            answer.lock().missing =
                Some(format!("http_sd_configs: cannot start a thread: {error}"));
        }
        provider
    }

    /// The groups, if something new came. Groups that are no longer in the answer are gone.
    pub(super) fn step(&self) -> Option<Groups> {
        let fresh = self.answer.lock().fresh.take()?;
        let mut groups = GroupMap::new();
        merge(&mut groups, fresh);
        Some(groups.into_values().collect())
    }

    pub(super) fn missing(&self) -> Vec<String> {
        self.answer.lock().missing.clone().into_iter().collect()
    }
}

impl Drop for HttpProvider {
    fn drop(&mut self) {
        self.stopper.stop();
        self.interrupt.close();
        self.crew.join();
    }
}

impl Asker {
    fn run(&self) {
        let quiet = Quiet::new(LOG_AGAIN);
        let mut buffers = Buffers::default();
        let mut last = Vec::new();
        loop {
            match self.ask(&mut buffers) {
                Ok(groups) => {
                    quiet.forget(&());
                    let mut answer = self.answer.lock();
                    if answer.missing.take().is_some() || groups != last {
                        answer.fresh = Some(groups.clone());
                        last = groups;
                    }
                }
                Err(_) if self.stopped.is_stopped() => return,
                Err(error) => {
                    if let Some(omitted) = quiet.due((), self.clock.now()) {
                        warn!(
                            "http_sd fails, the last groups stay url={}{} err={error}",
                            self.sd.url,
                            Omitted(omitted)
                        );
                    }
                    let mut answer = self.answer.lock();
                    if answer.missing.is_some() {
                        answer.missing = Some(format!("http_sd_configs: {}: {error}", self.sd.url));
                    }
                }
            }
            // A full channel: a wake-up waits already.
            self.wake.try_send(()).ok();
            if self.stopped.wait(self.sd.refresh_interval) {
                return;
            }
        }
    }

    fn ask(&self, buffers: &mut Buffers) -> Result<Vec<Arc<TargetGroup>>, String> {
        let seconds = self.sd.refresh_interval.as_secs_f64().to_string();
        let request = Request {
            url: &self.sd.url,
            headers: &[
                ("Accept", "application/json"),
                ("X-Prometheus-Refresh-Interval-Seconds", &seconds),
            ],
        };
        let timeout = self.sd.refresh_interval.min(MAX_TIMEOUT);
        let response = self
            .client
            .exchange(&mut None, &request, timeout, None, &self.interrupt, buffers)
            .map_err(|error| error.to_string())?;
        if response.status != 200 {
            return Err(format!("the server answered {}", response.status_text));
        }
        if !is_json(&response.content_type) {
            return Err(format!(
                "unsupported content type {:?}, want application/json",
                response.content_type
            ));
        }
        if response.gzip {
            return Err("the answer is compressed without having been asked for".to_owned());
        }
        group_list::read(&buffers.body, &self.sd.url, "__meta_url")
    }
}

/// `application/json`, with no other charset than UTF-8.
fn is_json(content_type: &str) -> bool {
    let lower = content_type.to_ascii_lowercase();
    let (kind, parameter) = lower.split_once(';').unwrap_or((&lower, ""));
    let charset = parameter.trim();
    kind == "application/json" && matches!(charset, "" | "charset=utf-8" | "charset=\"utf-8\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        assert!(is_json("application/json"));
        assert!(is_json("Application/JSON; charset=\"UTF-8\""));
        assert!(!is_json("application/json; charset=latin1"));
        assert!(!is_json("text/plain"));
    }
}

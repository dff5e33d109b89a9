//! The admin pages: which path shows what, in the forms that Prometheus' users and tools expect
//! (prometheus: web/api/v1/api.go, targets). What is shown comes from a [`View`]; nothing here looks inside a receiver.

use crate::http::server::{Request, Response};
use crate::rt::printable::printable;
use humantime::format_rfc3339_millis;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// What the pages show. A running receiver implements it; every call is a snapshot and does not block on I/O.
pub trait View: Send + Sync {
    /// Liveness: the reason to restart the process, if there is one (a thread is dead or stuck; manual::decisions, 9).
    ///
    /// # Errors
    /// The reason.
    fn health(&self) -> Result<(), String>;

    /// Readiness: first sync done, configuration running, no watch blind.
    ///
    /// # Errors
    /// What is still missing, and what to do about it.
    fn ready(&self) -> Result<(), String>;

    /// Our own metrics, in the text format 0.0.4.
    fn metrics(&self) -> String;

    /// The running Prometheus configuration, secrets as `<secret>`.
    fn config_text(&self) -> String;

    /// Every target of the running configuration.
    fn targets(&self) -> Targets;

    /// Every monitor that gives a job or is not used as it is.
    fn monitors(&self) -> Vec<Monitor>;
}

/// A monitor that the selectors chose, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitor {
    /// `ServiceMonitor` or `PodMonitor`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub state: MonitorState,
    /// `unreadable`, `validation`, `asset` or `load` if it is not used as it is.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub cause: &'static str,
    /// Why it is not used as it is, or what keeps targets of it from being found.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For how long its last good version has run on, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "age")]
    pub last_good_age: Option<Duration>,
}

/// What became of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitorState {
    /// Its jobs run.
    Applied,
    /// It is not used.
    Rejected,
    /// It is not used; its last good version runs on.
    LastGood,
}

/// Targets of all jobs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// Targets that are scraped.
    pub active: Vec<ActiveTarget>,
    /// Targets that relabelling dropped, as many as `keep_dropped_targets` keeps.
    pub dropped: Vec<DroppedTarget>,
    /// How many were dropped, by job; every job is in it.
    pub dropped_counts: BTreeMap<String, u64>,
}

/// A target that is scraped, with the field names of Prometheus' API.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveTarget {
    /// Labels before relabelling.
    pub discovered_labels: BTreeMap<String, String>,
    /// Labels after relabelling, without those that begin with `__`.
    pub labels: BTreeMap<String, String>,
    /// The job's name.
    pub scrape_pool: String,
    /// What is requested.
    pub scrape_url: String,
    /// As `scrape_url`: this program has no external address (a difference listed in the manual).
    pub global_url: String,
    /// Why the last scrape failed; empty after a success.
    pub last_error: String,
    /// When the last scrape began.
    #[serde(serialize_with = "rfc3339")]
    pub last_scrape: Option<i64>,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub last_scrape_duration: Duration,
    /// Outcome of the last scrape.
    pub health: Health,
    /// The interval as Prometheus writes it: `1m`.
    pub scrape_interval: String,
    /// The timeout, likewise.
    pub scrape_timeout: String,
}

/// A target that relabelling dropped.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DroppedTarget {
    /// Labels before relabelling.
    pub discovered_labels: BTreeMap<String, String>,
    /// The job's name.
    pub scrape_pool: String,
}

/// How a target's last scrape went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It succeeded.
    Up,
    /// It failed.
    Down,
    /// There was none yet.
    Unknown,
}

/// Pages that grow with the number of monitors and targets.
pub fn is_large(request: &Request) -> bool {
    request.path == "/config" || request.path.starts_with("/api/")
}

/// Answers one request.
pub fn answer(request: &Request, view: &dyn View) -> Response {
    match request.path.as_str() {
        "/" => Response::text(200, PAGES),
        "/-/healthy" => match view.health() {
            Ok(()) => Response::text(200, "promop is healthy."),
            Err(reason) => Response::text(500, format_args!("unhealthy: {}", fit(&reason))),
        },
        "/-/ready" => match view.ready() {
            Ok(()) => Response::text(200, "promop is ready."),
            Err(reason) => Response::text(503, format_args!("not ready: {}", fit(&reason))),
        },
        "/metrics" => Response {
            status: 200,
            content_type: "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            body: view.metrics().into_bytes(),
        },
        "/config" => Response {
            status: 200,
            content_type: "text/plain; charset=utf-8",
            body: view.config_text().into_bytes(),
        },
        "/api/v1/status/config" => success(&BTreeMap::from([("yaml", view.config_text())])),
        "/api/v1/targets" => targets(request, view.targets()),
        "/api/v1/monitors" => monitors(view.monitors()),
        _ => Response::text(404, "not found; / lists the pages"),
    }
}

/// Reasons quote servers and objects, and are read in terminals; their own line ends stay.
fn fit(reason: &str) -> String {
    let lines = reason.lines().map(|line| printable(line, MAX_LINE));
    lines.collect::<Vec<_>>().join("\n")
}

/// The longest line of a reason, in bytes.
const MAX_LINE: usize = 8 * 1024;

const PAGES: &str = "\
/-/healthy             200 while every thread works
/-/ready               200 when synced, started and not blind; else 503 with the reason
/metrics               own metrics
/config                the running Prometheus configuration, without secrets
/api/v1/status/config  the same as Prometheus' API shows it
/api/v1/targets        targets as JSON; ?state=active|dropped|any, ?scrapePool=JOB
/api/v1/monitors       monitors as JSON: applied, rejected or last-good, and why";

/// `/api/v1/targets` without its envelope.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetsData {
    active_targets: Vec<ActiveTarget>,
    dropped_targets: Vec<DroppedTarget>,
    dropped_target_counts: Option<BTreeMap<String, u64>>,
}

/// As Prometheus: a list that is not asked for is empty, counts are null for `state=active` and always of all jobs.
fn targets(request: &Request, targets: Targets) -> Response {
    let state = request.parameter("state").unwrap_or_default();
    let state = state.to_ascii_lowercase();
    let shows = |what: &str| state.is_empty() || state == "any" || state == what;
    let pool = request.parameter("scrapePool").unwrap_or_default();
    let in_pool = |job: &str| pool.is_empty() || job == pool;

    let mut data = TargetsData {
        active_targets: Vec::new(),
        dropped_targets: Vec::new(),
        dropped_target_counts: None,
    };
    if shows("active") {
        data.active_targets = targets.active;
        data.active_targets.retain(|t| in_pool(&t.scrape_pool));
        data.active_targets
            .sort_by(|a, b| (&a.scrape_pool, &a.scrape_url).cmp(&(&b.scrape_pool, &b.scrape_url)));
    }
    if shows("dropped") {
        data.dropped_targets = targets.dropped;
        data.dropped_targets.retain(|t| in_pool(&t.scrape_pool));
        data.dropped_targets
            .sort_by(|a, b| a.scrape_pool.cmp(&b.scrape_pool));
        data.dropped_target_counts = Some(targets.dropped_counts);
    }
    success(&data)
}

fn monitors(mut monitors: Vec<Monitor>) -> Response {
    monitors
        .sort_by(|a, b| (&a.kind, &a.namespace, &a.name).cmp(&(&b.kind, &b.namespace, &b.name)));
    success(&monitors)
}

/// The envelope of Prometheus' API.
fn success(data: &impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        status: &'static str,
        data: &'a T,
    }
    let envelope = Envelope {
        status: "success",
        data,
    };
    match serde_json::to_vec(&envelope) {
        Ok(body) => Response::json(200, body),
        Err(err) => Response::text(500, err),
    }
}

/// Milliseconds since the Unix epoch as a timestamp; Go's zero time stands for "never".
fn rfc3339<S: serde::Serializer>(at: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    let since = at.and_then(|ms| u64::try_from(ms).ok());
    match since.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms))) {
        Some(time) => to.collect_str(&format_rfc3339_millis(time)),
        None => to.serialize_str("0001-01-01T00:00:00Z"),
    }
}

fn age<S: serde::Serializer>(age: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(age.unwrap_or_default().as_secs_f64())
}

fn seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::server::Method;

    struct Fake(Result<(), String>);

    impl View for Fake {
        fn health(&self) -> Result<(), String> {
            self.0.clone()
        }
        fn ready(&self) -> Result<(), String> {
            self.0.clone()
        }
        fn metrics(&self) -> String {
            "up 1\n".to_owned()
        }
        fn config_text(&self) -> String {
            "global: {}\n".to_owned()
        }
        fn monitors(&self) -> Vec<Monitor> {
            let monitor = |name: &str, state, cause, reason: &str| Monitor {
                kind: "PodMonitor".to_owned(),
                namespace: "shop".to_owned(),
                name: name.to_owned(),
                state,
                cause,
                reason: reason.to_owned(),
                last_good_age: (state == MonitorState::LastGood).then(|| Duration::from_secs(9)),
            };
            vec![
                monitor("b", MonitorState::LastGood, "load", "bad \"regex\""),
                monitor("a", MonitorState::Applied, "", ""),
            ]
        }
        fn targets(&self) -> Targets {
            let map =
                |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let active = |pool: &str, last_scrape, health| ActiveTarget {
                discovered_labels: map("__address__", "a:1"),
                labels: map("instance", "a:1"),
                scrape_pool: pool.to_owned(),
                scrape_url: "http://a:1/metrics".to_owned(),
                global_url: "http://a:1/metrics".to_owned(),
                last_error: String::new(),
                last_scrape,
                last_scrape_duration: Duration::from_millis(1500),
                health,
                scrape_interval: "1m".to_owned(),
                scrape_timeout: "10s".to_owned(),
            };
            Targets {
                active: vec![
                    active("b", None, Health::Unknown),
                    active("a", Some(1_700_000_000_123), Health::Up),
                ],
                dropped: vec![DroppedTarget {
                    discovered_labels: map("__address__", "c:1"),
                    scrape_pool: "a".to_owned(),
                }],
                dropped_counts: BTreeMap::from([("a".to_owned(), 7), ("b".to_owned(), 0)]),
            }
        }
    }

    fn get(path: &str, query: &[(&str, &str)], view: &Fake) -> (u16, String) {
        let query = query.iter();
        let request = Request {
            method: Method::Get,
            path: path.to_owned(),
            query: query
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        };
        let response = answer(&request, view);
        (response.status, String::from_utf8(response.body).unwrap())
    }

    #[track_caller]
    fn check(path: &str, state: &Result<(), String>, status: u16, body: &str) {
        let view = Fake(state.clone());
        assert_eq!(get(path, &[], &view), (status, body.to_owned()));
    }

    #[test]
    fn pages() {
        let bad = Err("watch of pods is 200 s old".to_owned());
        check("/-/healthy", &Ok(()), 200, "promop is healthy.\n");
        check("/-/ready", &Ok(()), 200, "promop is ready.\n");
        check(
            "/-/ready",
            &bad,
            503,
            "not ready: watch of pods is 200 s old\n",
        );
        check(
            "/-/healthy",
            &bad,
            500,
            "unhealthy: watch of pods is 200 s old\n",
        );
        check("/metrics", &bad, 200, "up 1\n");
        check("/config", &bad, 200, "global: {}\n");
        let yaml = r#"{"status":"success","data":{"yaml":"global: {}\n"}}"#;
        check("/api/v1/status/config", &bad, 200, yaml);
        check("/nowhere", &Ok(()), 404, "not found; / lists the pages\n");
    }

    #[test]
    fn monitors_are_sorted_and_say_why() {
        let (status, body) = get("/api/v1/monitors", &[], &Fake(Ok(())));
        let want = r#"{"status":"success","data":[{"kind":"PodMonitor","namespace":"shop","name":"a","state":"applied"},{"kind":"PodMonitor","namespace":"shop","name":"b","state":"last-good","cause":"load","reason":"bad \"regex\"","lastGoodAge":9.0}]}"#;
        assert_eq!((status, body.as_str()), (200, want));
    }

    #[track_caller]
    fn check_targets(query: &[(&str, &str)], active: &[&str], dropped: usize, counts: &str) {
        let (status, body) = get("/api/v1/targets", query, &Fake(Ok(())));
        let found: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, found["status"].as_str()), (200, Some("success")));
        let data = &found["data"];
        let targets = data["activeTargets"].as_array().unwrap();
        let pools: Vec<_> = targets
            .iter()
            .map(|t| t["scrapePool"].as_str().unwrap())
            .collect();
        assert_eq!(pools, active);
        assert_eq!(data["droppedTargets"].as_array().unwrap().len(), dropped);
        assert_eq!(data["droppedTargetCounts"].to_string(), counts);
    }

    #[test]
    fn targets_by_state_and_pool() {
        let counts = r#"{"a":7,"b":0}"#;
        check_targets(&[], &["a", "b"], 1, counts);
        check_targets(&[("state", "Active")], &["a", "b"], 0, "null");
        check_targets(&[("state", "dropped")], &[], 1, counts);
        check_targets(&[("state", "any"), ("scrapePool", "b")], &["b"], 0, counts);
        check_targets(&[("state", "odd")], &[], 0, "null");
    }

    #[test]
    fn a_target_has_the_fields_of_the_api() {
        let (_, body) = get("/api/v1/targets", &[("scrapePool", "a")], &Fake(Ok(())));
        let want = r#"{"discoveredLabels":{"__address__":"a:1"},"labels":{"instance":"a:1"},"scrapePool":"a","scrapeUrl":"http://a:1/metrics","globalUrl":"http://a:1/metrics","lastError":"","lastScrape":"2023-11-14T22:13:20.123Z","lastScrapeDuration":1.5,"health":"up","scrapeInterval":"1m","scrapeTimeout":"10s"}"#;
        assert!(body.contains(want), "{body}");
        let (_, body) = get("/api/v1/targets", &[("scrapePool", "b")], &Fake(Ok(())));
        assert!(
            body.contains(r#""lastScrape":"0001-01-01T00:00:00Z""#),
            "{body}"
        );
    }
}

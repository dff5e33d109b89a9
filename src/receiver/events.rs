//! Kubernetes Events on rejected monitors, as prometheus-operator writes them. A courtesy: nothing waits for them, and what
//! cannot be written is forgotten.

use super::outcome::Rejected;
use crate::kube::Informers;
use crate::monitoring;
use crate::operator::MonitorId;
use crate::rt::clock::Clock;
use crate::rt::stop::Stopped;
use crossbeam_channel::{Receiver, select};
use humantime::format_rfc3339_micros;
use log::warn;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// So many may wait to be written; more are left out.
pub(super) const WAITING: usize = 256;

/// Longest note that the API server takes, in bytes.
const MAX_NOTE: usize = 1024;

/// Longest name of a Kubernetes object, in bytes.
const MAX_NAME: usize = 253;

/// Writes events, one after the other.
#[derive(Debug)]
pub(super) struct Recorder {
    pub informers: Informers,
    pub clock: Arc<dyn Clock>,
    /// The pod's name.
    pub pod_name: String,
}

impl Recorder {
    /// Writes what comes until the end. What cannot be written is said once, until one is written again.
    pub(super) fn run(&self, rejected: &Receiver<Rejected>, stopped: &Stopped) {
        let mut is_refused = false;
        for number in 0.. {
            let rejected = select! {
                recv(stopped.channel()) -> _ => return,
                recv(rejected) -> rejected => rejected,
            };
            let Ok(rejected) = rejected else {
                return;
            };
            let event = self.event(&rejected, number);
            let namespace = &rejected.rejection.monitor.namespace;
            let result = self.informers.create_event(namespace, &event);
            let was_refused = std::mem::replace(&mut is_refused, result.is_err());
            if let (Err(error), false) = (result, was_refused) {
                let hint = if error.is_forbidden() {
                    "not permitted to create events.events.k8s.io; "
                } else {
                    ""
                };
                warn!(
                    "an event was not written: {hint}--events needs this namespace={namespace} err={error}"
                );
            }
        }
    }

    /// Upstream: pkg/prometheus/resource_selector.go, `Eventf`.
    /// `number` tells apart what is written within one millisecond.
    fn event(&self, rejected: &Rejected, number: i64) -> Value {
        let Rejected { rejection, uid, .. } = rejected;
        let MonitorId {
            kind,
            namespace,
            name,
        } = &rejection.monitor;
        let now_ms = self.clock.unix_ms();
        let key = format!("{namespace}/{name}");
        let reason = &rejection.reason;
        let mut note = format!("{key:?} was rejected due to invalid configuration: {reason}");
        while note.len() > MAX_NOTE {
            note.pop();
        }
        let now = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": event_name(name, now_ms, number), "namespace": namespace},
            "eventTime": format_rfc3339_micros(UNIX_EPOCH + now).to_string(),
            "reportingController": "promop",
            "reportingInstance": self.pod_name,
            "action": "SelectingConfigurationResources",
            "reason": "InvalidConfiguration",
            "regarding": {
                "apiVersion": monitoring::API_VERSION, "kind": kind.to_string(),
                "namespace": namespace, "name": name, "uid": uid,
            },
            "note": note,
            "type": "Warning",
        })
    }
}

/// As client-go names events: the object and the nanosecond, in hexadecimal (tools/events/event_recorder.go, makeEvent).
/// Names of Kubernetes objects have 253 bytes at most, a monitor's may be cut.
fn event_name(monitor: &str, now_ms: i64, number: i64) -> String {
    let nanos = now_ms
        .saturating_mul(1_000_000)
        .saturating_add(number % 1_000_000);
    let monitor: String = monitor.chars().take(MAX_NAME - 17).collect();
    format!("{}.{nanos:x}", monitor.trim_end_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_an_api_server_takes() {
        assert_eq!(event_name("shop", 1_000, 3), "shop.3b9aca03");
        let long = event_name(&"a".repeat(253), i64::MAX, 0);
        assert_eq!(long.len(), 253);
        // The cut may fall behind a dot, and `..` is no name.
        let dotted = format!("{}.{}", "a".repeat(235), "b".repeat(17));
        assert_eq!(event_name(&dotted, 0, 0), format!("{}.0", "a".repeat(235)));
    }
}

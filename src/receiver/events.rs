//! Kubernetes Events on rejected monitors, as prometheus-operator writes them. A courtesy: nothing waits for them, and what
//! cannot be written is forgotten.

use super::prepare::Rejected;
use crate::kube::informers::Informers;
use crate::monitoring;
use crate::rt::clock::Clock;
use crate::rt::stop::Stopped;
use crossbeam_channel::{Receiver, select};
use humantime::format_rfc3339_micros;
use log::{info, warn};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// So many may wait to be written; more are left out.
pub(super) const WAITING: usize = 256;

/// Longest note that the API server takes, in bytes.
const MAX_NOTE: usize = 1024;

/// Writes events, one after the other.
#[derive(Debug)]
pub(super) struct Recorder {
    pub informers: Informers,
    pub clock: Arc<dyn Clock>,
    /// The pod's name.
    pub instance: String,
}

impl Recorder {
    /// Writes what comes until the end. A missing right is said once.
    pub(super) fn run(&self, rejected: &Receiver<Rejected>, stopped: &Stopped) {
        let mut forbidden = false;
        loop {
            let rejected = select! {
                recv(stopped.channel()) -> _ => return,
                recv(rejected) -> rejected => rejected,
            };
            let Ok(rejected) = rejected else {
                return;
            };
            let namespace = &rejected.rejection.namespace;
            match self
                .informers
                .create_event(namespace, &self.event(&rejected))
            {
                Ok(()) => {}
                Err(error) if error.is_forbidden() => {
                    if !std::mem::replace(&mut forbidden, true) {
                        warn!(
                            "no events are written, not permitted to create events.events.k8s.io namespace={namespace} err={error}"
                        );
                    }
                }
                Err(error) => info!("an event was not written namespace={namespace} err={error}"),
            }
        }
    }

    /// Upstream: pkg/prometheus/resource_selector.go, `Eventf`.
    fn event(&self, rejected: &Rejected) -> Value {
        let Rejected { rejection, uid, .. } = rejected;
        let (namespace, name) = (&rejection.namespace, &rejection.name);
        let key = format!("{namespace}/{name}");
        let reason = &rejection.reason;
        let mut note = format!("{key:?} was rejected due to invalid configuration: {reason}");
        while note.len() > MAX_NOTE {
            note.pop();
        }
        let now = Duration::from_millis(u64::try_from(self.clock.unix_ms()).unwrap_or(0));
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": format!("{name}."), "namespace": namespace},
            "eventTime": format_rfc3339_micros(UNIX_EPOCH + now).to_string(),
            "reportingController": "promop",
            "reportingInstance": self.instance,
            "action": "SelectingConfigurationResources",
            "reason": "InvalidConfiguration",
            "regarding": {
                "apiVersion": monitoring::API_VERSION, "kind": rejection.kind.to_string(),
                "namespace": namespace, "name": name, "uid": uid,
            },
            "note": note,
            "type": "Warning",
        })
    }
}

//! Settings inherited from a live `Prometheus` or `PrometheusAgent` object: what it says now, and what of it
//! has no counterpart here. What is generated from it is decided elsewhere ([`super::prepare`]).

use super::pod;
use super::resolved::Resolved;
use super::settings::{Environment, Inherit};
use crate::kube::store::Trouble;
use crate::kube::types::kind::Kind;
use crate::kube::types::object::{Key, Object};
use crate::kube::{Informers, SubscribeError, Subscription, WatchHealth};
use crate::operator::{self, Workload};
use crossbeam_channel::Sender;
use log::{info, warn};
use serde_json::{Value, json};

/// The watched object.
#[derive(Debug)]
pub(super) struct Inherited {
    from: Inherit,
    watched: Subscription,
    /// What was said in the log about the object: warnings, and a word on what matters less.
    remarks: (Vec<String>, String),
    /// The settings that gave a configuration last: they hold as long as newer ones give none.
    pub good: Option<operator::Settings>,
}

fn kind_of(workload: Workload) -> Kind {
    match workload {
        Workload::Prometheus => Kind::Prometheus,
        Workload::PrometheusAgent => Kind::PrometheusAgent,
    }
}

/// Why there are no settings.
pub(super) enum Nothing {
    /// The object was not looked for yet; a notification follows.
    NotYet(String),
    /// It is missing, or cannot be read.
    Unusable(String),
}

impl Inherited {
    /// Watches the object. `changed` gets a token when it changes.
    pub(super) fn watch(
        from: &Inherit,
        informers: &Informers,
        changed: &Sender<()>,
    ) -> Result<Self, SubscribeError> {
        let namespace = [from.namespace.clone()];
        let field = format!("metadata.name={}", from.name);
        let watched =
            informers.subscribe(kind_of(from.workload), &namespace, &field, changed.clone())?;
        Ok(Self {
            from: from.clone(),
            watched,
            remarks: Default::default(),
            good: None,
        })
    }

    /// What the object says now, for a receiver; fields that the settings give replace its own.
    pub(super) fn settings(
        &mut self,
        resolved: &Resolved,
        environment: &Environment,
    ) -> Result<operator::Settings, Nothing> {
        let object = self.object()?;
        let unusable =
            |error: operator::Error| Nothing::Unusable(format!("{}: {error}", self.from));
        let (inherited, left) = resolved.given.inherited(object).map_err(unusable)?;
        let inherited = pod::for_run(inherited, resolved.shard, environment).map_err(unusable)?;
        let (shaping, other): (Vec<_>, Vec<_>) = left.iter().partition(|left| left.shapes_scraping);
        let shaping = shaping
            .iter()
            .map(|left| format!("not carried over: {left}"));
        let shard = pod::shard_problem(&inherited, resolved.shard, environment);
        let shard = shard.map(|problem| format!("no target is ours: {problem}"));
        let other: Vec<_> = other.iter().map(ToString::to_string).collect();
        self.remark(shaping.chain(shard).collect(), other.join(", "));
        Ok(inherited)
    }

    /// The object as the API server has it.
    fn object(&self) -> Result<Value, Nothing> {
        let Inherit {
            namespace, name, ..
        } = &self.from;
        let health = self.watched.health();
        let found = self.watched.get(&Key::new(namespace, name));
        if let Some(Object::Monitor(object)) = found.as_deref() {
            let spec = object.spec().map_err(|error| {
                Nothing::Unusable(format!("{} cannot be read: {error}", self.from))
            })?;
            return Ok(json!({
                "apiVersion": object.kind.api_version(), "kind": object.kind.name(),
                "metadata": {"namespace": namespace, "name": name},
                "spec": spec,
            }));
        }
        if !self.watched.is_synced() {
            let health = health.iter().map(ToString::to_string);
            return Err(Nothing::NotYet(health.collect::<Vec<_>>().join(", ")));
        }
        let is_absent =
            |health: &WatchHealth| matches!(health.status.trouble, Some((Trouble::Absent, ..)));
        if health.iter().any(is_absent) {
            let (from, why) = (&self.from, kind_of(self.from.workload).not_installed());
            return Err(Nothing::Unusable(format!("{from} cannot be there: {why}")));
        }
        let undecodable = health.iter().flat_map(|health| &health.status.undecodable);
        let reason = undecodable
            .map(|(_, reason)| format!("cannot be read: {reason}"))
            .next();
        let reason = reason.unwrap_or_else(|| {
            "is not there; create it, or name another to inherit from (none: no one)".to_owned()
        });
        Err(Nothing::Unusable(format!("{} {reason}", self.from)))
    }

    /// Says what there is to say about the object, once.
    fn remark(&mut self, warnings: Vec<String>, other: String) {
        let remarks = (warnings, other);
        if self.remarks == remarks {
            return;
        }
        for warning in &remarks.0 {
            warn!("{}: {warning}", self.from);
        }
        if !remarks.1.is_empty() {
            info!(
                "{}: not carried over, nothing is scraped otherwise for it: {}",
                self.from, remarks.1
            );
        }
        self.remarks = remarks;
    }
}

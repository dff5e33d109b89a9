//! Which monitors the settings select, and what those need (spec 2.2).

use super::assets::AssetId;
use super::lookup::{TlsAsset, name_problem};
use super::monitor::{Endpoint, Monitor, Stored};
use super::settings::Settings;
use super::snapshot::Snapshot;
use super::{Error, Kind};
use crate::kube::selector::Selector;
use crate::kube::types::meta::{LabelSelector, ObjectMeta};
use crate::monitoring::{KeySelector, SecretOrConfigMap};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The selected monitors, in the order of their jobs.
pub(super) fn selected(snapshot: &Snapshot, settings: &Settings) -> Result<Vec<Stored>, Error> {
    let mut monitors = chosen(snapshot, settings)?;
    // Of equal ones the last counts.
    monitors.reverse();
    monitors.sort_by(Stored::order);
    monitors.dedup_by(|later, kept| later.order(kept).is_eq());
    Ok(monitors)
}

/// The selected monitors, in the snapshot's order.
pub(super) fn chosen(snapshot: &Snapshot, settings: &Settings) -> Result<Vec<Stored>, Error> {
    let spec = &settings.spec;
    let services = Choice::new(
        Kind::ServiceMonitor,
        spec.service_monitor_selector.as_ref(),
        spec.service_monitor_namespace_selector.as_ref(),
        snapshot,
        settings,
    )?;
    let pods = Choice::new(
        Kind::PodMonitor,
        spec.pod_monitor_selector.as_ref(),
        spec.pod_monitor_namespace_selector.as_ref(),
        snapshot,
        settings,
    )?;
    let all_services = snapshot.service_monitors.iter();
    let all_pods = snapshot.pod_monitors.iter();
    Ok(all_services
        .filter(|monitor| services.matches(&monitor.metadata))
        .map(|monitor| Stored::Service(Arc::clone(monitor)))
        .chain(
            all_pods
                .filter(|monitor| pods.matches(&monitor.metadata))
                .map(|monitor| Stored::Pod(Arc::clone(monitor))),
        )
        .collect())
}

/// What one kind's selectors choose.
struct Choice<'a> {
    /// Unset: nothing.
    objects: Option<Selector>,
    namespaces: BTreeSet<&'a str>,
}

impl<'a> Choice<'a> {
    fn new(
        kind: Kind,
        objects: Option<&LabelSelector>,
        namespaces: Option<&LabelSelector>,
        snapshot: &'a Snapshot,
        settings: &'a Settings,
    ) -> Result<Self, Error> {
        let refuse = |error: String| Error::new(format!("selecting {kind}s failed: {error}"));
        let namespaces = match namespaces {
            None => BTreeSet::from([settings.namespace.as_str()]),
            Some(selector) => {
                let selector = Selector::new(selector).map_err(|error| {
                    refuse(format!(
                        "failed to convert namespace label selector to selector: {error}"
                    ))
                })?;
                let known = snapshot.namespaces.iter();
                let chosen = known.filter(|namespace| selector.matches(&namespace.labels));
                chosen.map(|namespace| namespace.name.as_str()).collect()
            }
        };
        let objects = objects.map(Selector::new).transpose();
        Ok(Self {
            objects: objects.map_err(|error| refuse(error.to_string()))?,
            namespaces,
        })
    }

    fn matches(&self, object: &ObjectMeta) -> bool {
        self.namespaces.contains(object.namespace.as_str())
            && self
                .objects
                .as_ref()
                .is_some_and(|selector| selector.matches(&object.labels))
    }
}

/// What the selected monitors and the settings name, whether it exists or not.
pub(super) fn references(monitors: &[Stored], settings: &Settings) -> BTreeSet<AssetId> {
    let mut ids = BTreeSet::new();
    for stored in monitors {
        let monitor = stored.view();
        for endpoint in &monitor.endpoints {
            of_endpoint(&monitor, endpoint, &mut ids);
        }
    }
    of_settings(settings, &mut ids);
    // What cannot be the name of an object is not asked for.
    ids.retain(|id| name_problem(&id.name).is_none() && !id.namespace.is_empty());
    ids
}

fn of_endpoint(monitor: &Monitor<'_>, endpoint: &Endpoint<'_>, ids: &mut BTreeSet<AssetId>) {
    let mut names = Names {
        namespace: monitor.namespace,
        ids,
    };
    names.secrets(endpoint.bearer_token_secret);
    if let Some(auth) = endpoint.basic_auth {
        names.secrets([&auth.username, &auth.password]);
    }
    if let Some(authorization) = endpoint.authorization {
        names.secrets(&authorization.credentials);
    }
    if let Some(oauth2) = endpoint.oauth2 {
        names.either([&oauth2.client_id]);
        names.secrets([&oauth2.client_secret]);
        names.secrets(
            oauth2
                .proxy
                .proxy_connect_header
                .iter()
                .flatten()
                .flat_map(|(_, s)| s),
        );
    }
    let token_tls = endpoint
        .oauth2
        .and_then(|oauth2| oauth2.tls_config.as_ref());
    for tls in endpoint.tls.into_iter().chain(token_tls) {
        names.either([&tls.ca, &tls.cert]);
        names.secrets(&tls.key_secret);
    }
    let headers = endpoint.proxy.proxy_connect_header.iter().flatten();
    names.secrets(headers.flat_map(|(_, selectors)| selectors));
}

fn of_settings(settings: &Settings, ids: &mut BTreeSet<AssetId>) {
    let spec = &settings.spec;
    let mut names = Names {
        namespace: &settings.namespace,
        ids,
    };
    names.secrets(&spec.additional_scrape_configs);
    for class in &spec.scrape_classes {
        if let Some(tls) = &class.tls_config {
            names.either([&tls.ca, &tls.cert]);
            names.secrets(&tls.key_secret);
        }
    }
    let Some(server) = &spec.apiserver_config else {
        return;
    };
    if let Some(auth) = &server.basic_auth {
        names.secrets([&auth.username, &auth.password]);
    }
    if let Some(authorization) = &server.authorization {
        names.secrets(&authorization.credentials);
    }
    if let Some(tls) = &server.tls_config {
        names.either([&tls.ca, &tls.cert]);
        names.secrets(&tls.key_secret);
    }
    let headers = server.proxy.proxy_connect_header.iter().flatten();
    names.secrets(headers.flat_map(|(_, selectors)| selectors));
}

struct Names<'a> {
    namespace: &'a str,
    ids: &'a mut BTreeSet<AssetId>,
}

impl Names<'_> {
    fn secrets<'s>(&mut self, selectors: impl IntoIterator<Item = &'s KeySelector>) {
        let ids = selectors
            .into_iter()
            .map(|selector| AssetId::secret(self.namespace, &selector.name));
        self.ids.extend(ids);
    }

    fn either<'s>(&mut self, sources: impl IntoIterator<Item = &'s SecretOrConfigMap>) {
        let assets = sources
            .into_iter()
            .filter_map(|source| TlsAsset::either(self.namespace, source));
        self.ids.extend(assets.map(|asset| asset.id));
    }
}

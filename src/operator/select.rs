//! Which monitors the settings select, and what those need
//! (prometheus-operator: pkg/prometheus/resource_selector.go).

use super::assets::AssetId;
use super::lookup::{TlsAsset, name_problem};
use super::monitor::{Endpoint, Monitor, Stored};
use super::settings::Settings;
use super::snapshot::Namespace;
use super::types::{Error, Kind};
use crate::kube::types::meta::{ObjectMeta, SelectorSpec};
use crate::model::selector::LabelSelector;
use crate::monitoring::{KeySelector, SecretOrConfigMap};
use std::collections::BTreeSet;

/// Which monitors the settings choose.
pub(super) struct Choices<'a> {
    services: Choice<'a>,
    pods: Choice<'a>,
}

impl<'a> Choices<'a> {
    pub(super) fn new(namespaces: &'a [Namespace], settings: &'a Settings) -> Result<Self, Error> {
        let spec = &settings.spec;
        Ok(Self {
            services: Choice::new(
                Kind::ServiceMonitor,
                spec.service_monitor_selector.as_ref(),
                spec.service_monitor_namespace_selector.as_ref(),
                namespaces,
                settings,
            )?,
            pods: Choice::new(
                Kind::PodMonitor,
                spec.pod_monitor_selector.as_ref(),
                spec.pod_monitor_namespace_selector.as_ref(),
                namespaces,
                settings,
            )?,
        })
    }

    pub(super) fn matches(&self, monitor: &Stored) -> bool {
        let choice = match monitor.kind() {
            Kind::ServiceMonitor => &self.services,
            Kind::PodMonitor => &self.pods,
        };
        choice.matches(monitor.metadata())
    }
}

/// What one kind's selectors choose.
struct Choice<'a> {
    /// Unset: nothing.
    objects: Option<LabelSelector>,
    namespaces: BTreeSet<&'a str>,
}

impl<'a> Choice<'a> {
    fn new(
        kind: Kind,
        objects: Option<&SelectorSpec>,
        namespaces: Option<&SelectorSpec>,
        known: &'a [Namespace],
        settings: &'a Settings,
    ) -> Result<Self, Error> {
        let refuse = |error: String| Error::new(format!("selecting {kind}s failed: {error}"));
        let namespaces = match namespaces {
            None => BTreeSet::from([settings.namespace.as_str()]),
            Some(selector) => {
                let selector = selector.to_selector().map_err(|error| {
                    refuse(format!(
                        "failed to convert namespace label selector to selector: {error}"
                    ))
                })?;
                let chosen = known
                    .iter()
                    .filter(|namespace| selector.matches(&namespace.labels));
                chosen.map(|namespace| namespace.name.as_str()).collect()
            }
        };
        let objects = objects.map(SelectorSpec::to_selector).transpose();
        Ok(Self {
            objects: objects.map_err(refuse)?,
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

/// What a monitor names, whether it exists or not.
pub(super) fn of_monitor(monitor: &Stored) -> BTreeSet<AssetId> {
    let (mut ids, monitor) = (BTreeSet::new(), monitor.view());
    for endpoint in &monitor.endpoints {
        of_endpoint(&monitor, endpoint, &mut ids);
    }
    askable(ids)
}

/// What cannot be the name of an object is not asked for.
fn askable(mut ids: BTreeSet<AssetId>) -> BTreeSet<AssetId> {
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

/// What the settings name.
pub(super) fn of_settings(settings: &Settings) -> BTreeSet<AssetId> {
    let (mut ids, spec) = (BTreeSet::new(), &settings.spec);
    let mut names = Names {
        namespace: &settings.namespace,
        ids: &mut ids,
    };
    names.secrets(&spec.additional_scrape_configs);
    for class in &spec.scrape_classes {
        if let Some(tls) = &class.tls_config {
            names.either([&tls.ca, &tls.cert]);
            names.secrets(&tls.key_secret);
        }
    }
    let Some(server) = &spec.apiserver_config else {
        return askable(ids);
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
    askable(ids)
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

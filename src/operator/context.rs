//! The settings, prepared for generation: checked once, not for every monitor.

use super::lookup::Loader;
use super::monitor::Monitor;
use super::settings::{Settings, Workload};
use super::spec::{ScrapeClass, Spec};
use super::version::{Minimum, Version};
use super::{Error, relabel, validate};
use crate::model::quote::quoted;
use crate::wire::yaml::emit::{Tree, map};

#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) spec: &'a Spec,
    pub(super) version: Version,
    default_class: Option<&'a ScrapeClass>,
    no_class: ScrapeClass,
}

impl<'a> Context<'a> {
    /// Checks what belongs to the settings alone.
    pub(super) fn new(settings: &'a Settings) -> Result<Self, Error> {
        let spec = &settings.spec;
        let version = settings.version()?;
        let default_class = check_classes(&spec.scrape_classes, &version)?;
        if !spec.scrape_timeout.is_empty() {
            validate::check_timeout(&spec.scrape_timeout, spec.scrape_interval())
                .map_err(Error::new)?;
        }
        let unmanaged = settings.workload == Workload::Prometheus
            && spec.service_monitor_selector.is_none()
            && spec.pod_monitor_selector.is_none()
            && spec.probe_selector.is_none()
            && spec.scrape_config_selector.is_none();
        if unmanaged {
            return Err(Error::new(
                "unmanaged: the object has no monitor selector, so no configuration is generated",
            ));
        }
        Ok(Self {
            settings,
            spec,
            version,
            default_class,
            no_class: ScrapeClass::default(),
        })
    }

    /// Whether the version has something, or versions are not looked at.
    pub(super) fn has(&self, minimum: Minimum) -> bool {
        !self.settings.features.version_checks || self.version.has(minimum)
    }

    pub(super) fn class_named(&self, name: &str) -> Option<&'a ScrapeClass> {
        self.spec.scrape_classes.iter().find(|c| c.name == name)
    }

    /// The class that applies to a monitor: the one it names, else the default one, else an empty one.
    pub(super) fn class_of(&self, monitor: &Monitor<'_>) -> &ScrapeClass {
        let named = monitor.scrape_class.and_then(|name| self.class_named(name));
        named.or(self.default_class).unwrap_or(&self.no_class)
    }

    /// Loads the references of the settings themselves, which lie in their own namespace.
    pub(super) fn load(&self, loader: &mut Loader<'_>) -> Result<(), Error> {
        if let Some(server) = &self.spec.apiserver_config {
            let mut load = || {
                if let Some(auth) = &server.basic_auth {
                    loader.basic_auth(auth)?;
                }
                if let Some(authorization) = &server.authorization {
                    if authorization.credentials.is_some() {
                        validate::check_class_authorization(authorization)?;
                    }
                    loader.authorization(authorization)?;
                }
                if let Some(tls) = &server.tls_config {
                    validate::check_tls(tls)?;
                    loader.tls(tls)?;
                }
                loader.proxy(&server.proxy)
            };
            load().map_err(|error| Error::new(format!("apiserver config: {error}")))?;
        }
        for class in &self.spec.scrape_classes {
            if let Some(tls) = &class.tls_config {
                loader.tls(tls).map_err(|error| {
                    let name = &class.name;
                    Error::new(format!(
                        "failed to process scrape classes: scrape class {name}: {error}",
                        name = quoted(name)
                    ))
                })?;
            }
        }
        Ok(())
    }

    /// The rules that keep the targets of one shard.
    pub(super) fn sharding(&self) -> Vec<Tree<'static>> {
        let features = &self.settings.features;
        let placeholder = |name: &str| self.settings.placeholders.text(name);
        let shards = self.spec.shards();
        let mut rules = Vec::new();
        if features.retention_policies {
            let valid: Vec<String> = (0..shards).map(|shard| shard.to_string()).collect();
            rules.push(map([
                ("target_label", "__tmp_current_shard".into()),
                ("replacement", placeholder("SHARD").into()),
                ("action", "replace".into()),
            ]));
            rules.push(map([
                ("source_labels", labels(["__tmp_current_shard"])),
                ("regex", valid.join("|").into()),
                ("action", "keep".into()),
            ]));
        }
        let (modulus, position) = match self.settings.zones() {
            None => (shards, "SHARD"),
            Some(zones) => {
                rules.extend(self.topology());
                let zones = u32::try_from(zones.len()).unwrap_or(u32::MAX);
                ((shards / zones).max(1), "INZONE_SHARD")
            }
        };
        rules.push(map([
            ("source_labels", labels(["__address__", "__tmp_hash"])),
            ("target_label", "__tmp_hash".into()),
            ("regex", "(.+);".into()),
            ("replacement", "$1".into()),
            ("action", "replace".into()),
        ]));
        rules.push(map([
            ("source_labels", labels(["__tmp_hash"])),
            ("target_label", "__tmp_hash".into()),
            ("modulus", i64::from(modulus).into()),
            ("action", "hashmod".into()),
        ]));
        rules.push(map([
            (
                "source_labels",
                labels(["__tmp_hash", "__tmp_disable_sharding"]),
            ),
            ("regex", format!("{};|.+;.+", placeholder(position)).into()),
            ("action", "keep".into()),
        ]));
        rules
    }

    fn topology(&self) -> [Tree<'static>; 3] {
        let zone_labels = if self.settings.features.pod_topology_labels {
            [
                "__meta_kubernetes_pod_label_topology_kubernetes_io_zone",
                "__meta_kubernetes_pod_labelpresent_topology_kubernetes_io_zone",
            ]
        } else {
            [
                "__meta_kubernetes_node_label_topology_kubernetes_io_zone",
                "__meta_kubernetes_node_labelpresent_topology_kubernetes_io_zone",
            ]
        };
        let [zone, present] = zone_labels;
        let own_zone = self.settings.placeholders.text("TOPOLOGY_ZONE");
        [
            map([
                (
                    "source_labels",
                    labels([
                        "__meta_kubernetes_endpointslice_endpoint_zone",
                        "__tmp_topology",
                    ]),
                ),
                ("target_label", "__tmp_topology".into()),
                ("regex", "(.+);".into()),
                ("replacement", "$1".into()),
                ("action", "replace".into()),
            ]),
            map([
                ("source_labels", labels([zone, present, "__tmp_topology"])),
                ("target_label", "__tmp_topology".into()),
                ("regex", "(.+);true;".into()),
                ("replacement", "$1".into()),
                ("action", "replace".into()),
            ]),
            map([
                (
                    "source_labels",
                    labels(["__tmp_topology", "__tmp_disable_sharding"]),
                ),
                ("regex", format!("{own_zone};|.+;.+").into()),
                ("action", "keep".into()),
            ]),
        ]
    }
}

/// A list of labels known in advance.
pub(super) fn labels<const N: usize>(names: [&'static str; N]) -> Tree<'static> {
    Tree::List(names.into_iter().map(Tree::from).collect())
}

/// Checks the classes; the default one, if any.
fn check_classes<'a>(
    classes: &'a [ScrapeClass],
    version: &Version,
) -> Result<Option<&'a ScrapeClass>, Error> {
    let mut default = None;
    for class in classes {
        let name = &class.name;
        let refuse = |what: &str, error: String| {
            Error::new(format!(
                "failed to parse scrape classes: invalid {what} for scrapeClass {name}: {error}"
            ))
        };
        relabel::check_all(&class.relabelings, version).map_err(|e| refuse("relabelings", e))?;
        relabel::check_all(&class.metric_relabelings, version)
            .map_err(|e| refuse("metric relabelings", e))?;
        if let Some(tls) = &class.tls_config {
            validate::check_tls(tls).map_err(|e| refuse("TLS config", e))?;
        }
        if let Some(authorization) = &class.authorization {
            validate::check_class_authorization(authorization)
                .map_err(|e| refuse("authorization", e))?;
        }
        if class.default == Some(true) && default.replace(class).is_some() {
            return Err(Error::new(
                "failed to parse scrape classes: multiple default scrape classes defined",
            ));
        }
    }
    Ok(default)
}

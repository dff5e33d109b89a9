//! The settings, prepared for generation: checked once, not for every monitor.

use super::monitor::Monitor;
use super::settings::{Settings, Workload};
use super::spec::{ScrapeClass, Spec};
use super::types::Error;
use super::version::{Minimum, Version};
use super::{checks, relabel};
use crate::wire::yaml::emit::Tree;

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
            checks::check_timeout(&spec.scrape_timeout, spec.scrape_interval())
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
            checks::check_tls(tls).map_err(|e| refuse("TLS config", e))?;
        }
        if let Some(authorization) = &class.authorization {
            checks::check_class_authorization(authorization)
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

//! What settings mean in this pod: which namespace is `own`, which shard is ours, what the generator is told. Found once, by
//! [`Settings::resolve`], for a start, a reload and `promop generate` alike; and which settings a reload can change.

use super::error::{Error, ErrorKind};
use super::pod;
use super::settings::{Environment, Settings};
use crate::kube::Scope;
use crate::operator;
use serde_json::Value;
use std::collections::BTreeMap;

/// In lists of namespaces: the one that is ours.
const OWN: &str = "own";

/// Settings, and what follows from them.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// As they were given.
    pub given: Settings,
    /// `namespaces` with the name of ours in place of `own`.
    pub namespaces: Vec<String>,
    /// `denyNamespaces`, likewise.
    pub deny_namespaces: Vec<String>,
    /// The shard that `shard` or the variable `SHARD` names.
    pub shard: Option<u32>,
    /// The fields of `prometheus` over the defaults.
    pub generator: operator::Settings,
}

impl Settings {
    /// What the settings mean in this environment, if `own_namespace` is ours.
    ///
    /// # Errors
    /// They contradict each other, or `SHARD` is no number.
    pub fn resolve(
        self,
        environment: &Environment,
        own_namespace: &str,
    ) -> Result<Resolved, Error> {
        if let Some(contradiction) = self.contradiction() {
            return Err(Error::new(ErrorKind::Settings, contradiction));
        }
        let fields = Value::Object(self.prometheus.clone());
        let mut generator = operator::Settings::from_fields(fields)
            .map_err(|error| Error::with(ErrorKind::Settings, "prometheus", error))?;
        own_namespace.clone_into(&mut generator.namespace);
        let named = |names: &[String]| {
            let names = names.iter().map(String::as_str);
            let names = names.map(|name| if name == OWN { own_namespace } else { name });
            names.map(str::to_owned).collect()
        };
        Ok(Resolved {
            namespaces: named(&self.namespaces),
            deny_namespaces: named(&self.deny_namespaces),
            shard: pod::shard(&self, environment)?,
            generator,
            given: self,
        })
    }
}

impl Resolved {
    /// For a receiver, whose generator speaks for the newest Prometheus and writes values in place of variables.
    ///
    /// # Errors
    /// A field of `prometheus` would spoil all jobs, or there is no such shard.
    pub(super) fn for_run(self, environment: &Environment) -> Result<Self, Error> {
        let generator = pod::for_run(self.generator, self.shard, environment)
            .map_err(|error| Error::with(ErrorKind::Settings, "prometheus", error))?;
        if self.given.inherit.is_none()
            && let Some(problem) = pod::shard_problem(&generator, self.shard, environment)
        {
            return Err(Error::new(ErrorKind::Settings, problem));
        }
        Ok(Self { generator, ..self })
    }

    /// Which namespaces are watched.
    pub(super) fn scope(&self) -> Scope {
        if self.namespaces.is_empty() {
            Scope::All {
                deny: self.deny_namespaces.clone(),
            }
        } else {
            Scope::Namespaces(self.namespaces.clone())
        }
    }

    /// The variables that stand in the generated text as `$(NAME)`, for the pod of our shard: that of these settings, else
    /// the number in `POD_NAME`. `POD_NAME` and `NODE_NAME` of the environment go over upstream's.
    ///
    /// # Errors
    /// There is no such shard.
    pub fn pod_environment(
        &self,
        generator: &operator::Settings,
        environment: &Environment,
    ) -> Result<BTreeMap<String, String>, Error> {
        if let Some(problem) = pod::shard_problem(generator, self.shard, environment) {
            return Err(Error::new(ErrorKind::Settings, problem));
        }
        Ok(pod::pod_environment(generator, self.shard, environment))
    }

    /// Puts settings that were read again in place of these, but for those that hold as long as the receiver runs. Returns
    /// which of the latter were changed: they take effect at the next start.
    pub(super) fn take_over(&mut self, next: Self) -> Vec<&'static str> {
        // Without `..`: a new setting does not compile until it is decided what a reload does with it.
        let Self {
            given:
                Settings {
                    source,
                    namespaces,
                    deny_namespaces,
                    prometheus,
                    inherit,
                    shard,
                    additional_scrape_configs,
                    monitor_files,
                    web_listen_address,
                    shutdown_timeout,
                    last_good_max_age,
                    asset_refresh,
                    events,
                    max_workers,
                    queue_bytes,
                    min_scrape_interval,
                    max_page_bytes,
                    max_label_bytes,
                    max_labels_bytes,
                    max_attributes,
                    max_monitor_bytes,
                },
            namespaces: _,
            deny_namespaces: _,
            shard: resolved_shard,
            generator,
        } = next;
        self.shard = resolved_shard;
        self.generator = generator;
        let given = &mut self.given;
        given.prometheus = prometheus;
        given.shard = shard;
        given.additional_scrape_configs = additional_scrape_configs;
        given.monitor_files = monitor_files;
        given.last_good_max_age = last_good_max_age;
        given.asset_refresh = asset_refresh;
        let held = [
            ("source", given.source != source),
            ("namespaces", given.namespaces != namespaces),
            ("denyNamespaces", given.deny_namespaces != deny_namespaces),
            ("inherit", given.inherit != inherit),
            (
                "webListenAddress",
                given.web_listen_address != web_listen_address,
            ),
            (
                "shutdownTimeout",
                given.shutdown_timeout != shutdown_timeout,
            ),
            ("events", given.events != events),
            ("maxWorkers", given.max_workers != max_workers),
            ("queueBytes", given.queue_bytes != queue_bytes),
            (
                "minScrapeInterval",
                given.min_scrape_interval != min_scrape_interval,
            ),
            ("maxPageBytes", given.max_page_bytes != max_page_bytes),
            ("maxLabelBytes", given.max_label_bytes != max_label_bytes),
            ("maxLabelsBytes", given.max_labels_bytes != max_labels_bytes),
            ("maxAttributes", given.max_attributes != max_attributes),
            (
                "maxMonitorBytes",
                given.max_monitor_bytes != max_monitor_bytes,
            ),
        ];
        let changed = held.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(yaml: &str) -> Resolved {
        let environment = Environment::new([("SHARD".to_owned(), "1".to_owned())]);
        let settings = Settings::from_yaml(yaml).unwrap();
        settings.resolve(&environment, "monitoring").unwrap()
    }

    #[test]
    fn own_and_the_shard_get_their_meaning() {
        let found = resolved("namespaces: [own, shop]");
        assert_eq!(found.namespaces, ["monitoring", "shop"]);
        assert_eq!(found.given.namespaces, ["own", "shop"]);
        assert_eq!(found.shard, Some(1));
        assert_eq!(found.generator.namespace, "monitoring");
        let found = resolved("denyNamespaces: [own]\nshard: 3");
        assert_eq!(found.deny_namespaces, ["monitoring"]);
        assert_eq!(found.shard, Some(3));
    }

    #[test]
    fn contradictions_are_refused() {
        for (yaml, want) in [
            ("namespaces: [a]\ndenyNamespaces: [b]", "exclude each other"),
            ("monitorFiles: [relative]", "monitorFiles: \"relative\""),
            ("source: none", "nothing is left to scrape"),
            (
                "source: none\nadditionalScrapeConfigs: a\ninherit: prometheus/a/b",
                "no prometheus/a/b to inherit from",
            ),
        ] {
            let settings = Settings::from_yaml(yaml).unwrap();
            let error = settings.resolve(&Environment::default(), "x").unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
        }
    }

    #[test]
    fn a_reload_takes_a_setting_over_or_names_it() {
        let taken = [
            ("prometheus", "{scrapeInterval: 7s}"),
            ("shard", "4"),
            ("additionalScrapeConfigs", "/jobs"),
            ("monitorFiles", "[/certs]"),
            ("lastGoodMaxAge", "7m"),
            ("assetRefresh", "7m"),
        ];
        let held = [
            ("source", "{folder: /x}"),
            ("namespaces", "[a]"),
            ("denyNamespaces", "[a]"),
            ("inherit", "prometheus/a/b"),
            ("webListenAddress", "null"),
            ("shutdownTimeout", "7m"),
            ("events", "true"),
            ("maxWorkers", "7"),
            ("queueBytes", "7"),
            ("minScrapeInterval", "7m"),
            ("maxPageBytes", "7"),
            ("maxLabelBytes", "7"),
            ("maxLabelsBytes", "7"),
            ("maxAttributes", "7"),
            ("maxMonitorBytes", "7"),
        ];
        let after = |(key, value): (&str, &str)| {
            let mut running = resolved("");
            let changed = running.take_over(resolved(&format!("{key}: {value}")));
            (running, changed)
        };
        for setting in held {
            let (running, changed) = after(setting);
            assert_eq!(changed, [setting.0]);
            assert_eq!(running.given, Settings::default(), "{setting:?}");
            assert_eq!(running.namespaces, [""; 0]);
        }
        for setting in taken {
            let (running, changed) = after(setting);
            assert_eq!(changed, [""; 0], "{setting:?}");
            assert_ne!(running.given, Settings::default(), "{setting:?}");
        }
        let (running, _) = after(taken[0]);
        let interval = running.generator.spec.scrape_interval;
        assert_eq!(interval.as_deref(), Some("7s"));
        assert_eq!(after(taken[1]).0.shard, Some(4));
    }
}

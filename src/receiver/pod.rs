//! The pod that a receiver runs in: its name, its shard, and what the generator is told of them.

use super::error::{Error, ErrorKind};
use super::settings::{Environment, Settings};
use crate::config;
use crate::model::hash::Fnv1a;
use crate::operator::{self, Assets, Placeholders, Snapshot};
use crate::rt::files::Disk;
use std::collections::BTreeMap;

/// The shard that is ours, if anybody said so: the settings, else `SHARD`.
pub(super) fn shard(settings: &Settings, environment: &Environment) -> Result<Option<u32>, Error> {
    let text = environment.get("SHARD").filter(|text| !text.is_empty());
    match (settings.shard, text) {
        (None, Some(text)) => text.parse().map(Some).map_err(|_| {
            Error::new(
                ErrorKind::Settings,
                format!("SHARD={text:?} is no number of a shard"),
            )
        }),
        (shard, _) => Ok(shard),
    }
}

/// What the generator is told: the newest Prometheus, and values where upstream writes variables.
pub(super) fn for_run(
    settings: operator::Settings,
    shard: Option<u32>,
    environment: &Environment,
) -> Result<operator::Settings, operator::Error> {
    let mut generator = settings.for_run()?;
    let mut values = pod_environment(&generator, shard, environment);
    for name in ["POD_NAME", "NODE_NAME"] {
        let host = environment
            .get("HOSTNAME")
            .filter(|_| environment.get(name).is_none());
        values.extend(host.map(|host| (name.to_owned(), host.to_owned())));
    }
    generator.placeholders = Placeholders::new(values);
    Ok(generator)
}

/// Whether what all jobs have in common can be generated and loaded: if not, nothing would ever be scraped.
pub(super) fn check_head(
    settings: &operator::Settings,
    environment: &Environment,
) -> Result<(), Error> {
    let wrong = |error: String| Error::new(ErrorKind::Settings, format!("prometheus: {error}"));
    let mut settings = settings.clone();
    // Its Secret is not known yet.
    settings.spec.additional_scrape_configs = None;
    let generated = operator::generate(&Snapshot::default(), &Assets::default(), &settings)
        .map_err(|error| wrong(error.to_string()))?;
    let context = config::Context {
        path: "",
        files: &Disk,
        env: &|name| environment.get(name).map(str::to_owned),
    };
    config::load(generated.head.as_bytes(), &context)
        .map(drop)
        .map_err(|error| wrong(error.to_string()))
}

/// The variables of a pod: upstream's for the shard, unless the environment says otherwise.
pub(super) fn pod_environment(
    generator: &operator::Settings,
    shard: Option<u32>,
    environment: &Environment,
) -> BTreeMap<String, String> {
    let shard = shard
        .or_else(|| ordinal(generator, environment))
        .unwrap_or(0);
    let mut values = generator.pod_environment(shard, 0);
    for name in ["POD_NAME", "NODE_NAME"] {
        let value = environment.get(name).map(str::to_owned);
        values.extend(value.map(|value| (name.to_owned(), value)));
    }
    values
}

/// What is wrong with the number of our shard: one that there is not has no targets. `shard` is what the settings or `SHARD` say.
pub(super) fn shard_problem(
    generator: &operator::Settings,
    shard: Option<u32>,
    environment: &Environment,
) -> Option<String> {
    let shards = generator.spec.shards();
    let pod = environment.get("POD_NAME").unwrap_or_default();
    let (said_by, number) = match (shard, ordinal(generator, environment)) {
        (Some(number), _) => ("--shard, the setting `shard`, or SHARD".to_owned(), number),
        (None, Some(number)) => (format!("the number at the end of POD_NAME={pod}"), number),
        (None, None) => return None,
    };
    // A DaemonSet's pods divide targets by node.
    let is_one = number < shards || generator.features.daemon_set;
    let last = shards.saturating_sub(1);
    (!is_one).then(|| {
        format!(
            "there is no shard {number} ({said_by}): of {shards} shards the numbers are 0 to {last}"
        )
    })
}

/// The number of the pod as that of its shard. Without shards it says nothing: every pod scrapes everything.
fn ordinal(generator: &operator::Settings, environment: &Environment) -> Option<u32> {
    pod_ordinal(environment).filter(|_| generator.spec.shards() > 1)
}

/// The number at the end of a StatefulSet's pod's name.
fn pod_ordinal(environment: &Environment) -> Option<u32> {
    let (_, ordinal) = environment.get("POD_NAME")?.rsplit_once('-')?;
    ordinal.parse().ok()
}

/// Gives each replica other phases of the interval (prometheus: scrape/manager.go, setOffsetSeed: the host's name and the
/// external labels; the pod's name stands for both here, so that a changed configuration moves nothing).
pub(super) fn seed(environment: &Environment) -> u64 {
    let name = ["POD_NAME", "HOSTNAME"]
        .into_iter()
        .find_map(|name| environment.get(name));
    Fnv1a::new()
        .write(name.unwrap_or_default().as_bytes())
        .finish()
}

/// Who we are among other pods of our kind.
pub(super) fn pod_name(environment: &Environment) -> String {
    let names = ["POD_NAME", "HOSTNAME"].into_iter();
    let found = names.filter_map(|name| environment.get(name)).next();
    found.unwrap_or("promop").to_owned()
}

//! From what discovery says to targets: defaults, relabelling, checks, URL, identity (prometheus: scrape/target.go).

mod offset;

use crate::scrape::page::labels::{NOT_UTF8, marked};

use crate::config::ScrapeConfig;
use crate::model::bounds::{Bounds, Work};
use crate::model::duration;
use crate::model::group::{RawLabels, TargetGroup};
use crate::model::hash::{self, Fnv1a};
use crate::model::identity::{Discovered, Identity};
use crate::model::labels::{Interner, LabelsBuilder, Text};
use crate::model::relabel::Keep;
use crate::model::url::{self, Url};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An endpoint to scrape.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its identity within the job: a hash of all labels and the URL. Equal hash, same target: it keeps its state.
    pub hash: u64,
    /// Its labels.
    pub identity: Arc<Identity>,
    /// What is asked for. May be no valid URL: then every scrape fails.
    pub url: Box<str>,
    /// Time between scrapes.
    pub interval: Duration,
    /// Longest time for a scrape, at most the interval.
    pub timeout: Duration,
    /// Deliver native histograms.
    pub native_histograms: bool,
    /// Deliver the classic form of native histograms, too.
    pub classic_histograms: bool,
    /// Turn classic histograms into native ones with custom buckets.
    pub convert_to_nhcb: bool,
    /// The job.
    pub config: Arc<ScrapeConfig>,
}

impl Target {
    /// The time from `now` (nanoseconds since the Unix epoch) to the next slot. Slots depend on the wall clock and the identity
    /// only, so a target keeps its phase over restarts; `seed` gives each instance of the program another phase.
    pub fn offset(&self, seed: u64, now_ns: i64) -> Duration {
        offset::offset(self.interval, self.hash ^ seed, now_ns)
    }

    /// Why the URL can't be requested, if so, in Go's words: then every scrape fails.
    pub fn request_error(&self) -> Option<String> {
        let problem = Url::parse(&self.url).err()?;
        Some(format!("parse {:?}: {}", self.url, problem.in_full()))
    }
}

/// A target that can't be built; its neighbours are unharmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError {
    /// The place within the group.
    pub index: usize,
    /// The group's source.
    pub group: Box<str>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "instance {} in group {}: {}",
            self.index, self.group, self.message
        )
    }
}

impl std::error::Error for TargetError {}

/// The targets of a job.
#[derive(Debug, Default)]
pub struct Targets {
    /// To be scraped. Unique by hash after [`sync`].
    pub active: Vec<Target>,
    /// Dropped by relabelling; after [`sync`] at most `keep_dropped_targets` of them.
    pub dropped: Vec<Discovered>,
    /// How many were dropped.
    pub dropped_count: usize,
    /// Those that can't be built.
    pub errors: Vec<TargetError>,
    /// The job has more targets than `target_limit`: none is to be scraped.
    pub over_limit: bool,
}

/// Steps that relabelling one target may take, that all of a job may take, and what each of them has in any case.
const TARGET_STEPS: u64 = 1 << 28;
const SYNC_STEPS: u64 = 1 << 30;
const FAIR_STEPS: u64 = 1 << 18;

/// The targets of one group. `steps` are left for all groups of the job.
fn targets_from_group(
    config: &Arc<ScrapeConfig>,
    group: &Arc<TargetGroup>,
    bounds: &Bounds,
    steps: &mut u64,
    builder: &mut LabelsBuilder,
    interner: &mut Interner,
) -> Targets {
    let mut found = Targets::default();
    for index in 0..group.targets.len() {
        let discovered = Discovered {
            group: Arc::clone(group),
            index,
        };
        let most = TARGET_STEPS.min(*steps).max(FAIR_STEPS);
        let mut work = Work::of(bounds, most);
        let populated = populate(config, &discovered, builder, &mut work);
        *steps = steps.saturating_sub(most - work.left());
        match populated {
            // Without a public label there is nothing to tell its series from others: dropped, too.
            Ok(settings) if settings.keep == Keep::Yes && builder.pairs().iter().any(is_public) => {
                let target = build(config, discovered, &settings, builder, interner);
                found.active.push(target);
            }
            Ok(_) => found.dropped.push(discovered),
            Err(message) => found.errors.push(TargetError {
                index,
                group: (*group.source).into(),
                message,
            }),
        }
    }
    found.dropped_count = found.dropped.len();
    found
}

/// The targets of all groups of a job, each once (prometheus: scrape/scrape.go, scrapePool.Sync).
pub fn sync(
    config: &Arc<ScrapeConfig>,
    groups: &[Arc<TargetGroup>],
    bounds: &Bounds,
    interner: &mut Interner,
) -> Targets {
    let mut steps = SYNC_STEPS;
    let mut builder = LabelsBuilder::new();
    let mut all = Targets::default();
    let mut places = HashMap::new();
    for group in groups {
        let found = targets_from_group(config, group, bounds, &mut steps, &mut builder, interner);
        for target in found.active {
            let place = *places.entry(target.hash).or_insert(all.active.len());
            match all.active.get_mut(place) {
                // As upstream, the last one says what was discovered.
                Some(known) => *known = target,
                None => all.active.push(target),
            }
        }
        all.dropped.extend(found.dropped);
        all.dropped_count += found.dropped_count;
        all.errors.extend(found.errors);
    }
    if let Ok(kept @ 1..) = usize::try_from(config.keep_dropped_targets) {
        all.dropped.truncate(kept);
    }
    let limit = config.limits.targets;
    all.over_limit = limit > 0 && all.active.len() as u64 > limit;
    all
}

/// What a target was before relabelling: what discovery says of it and what the job adds (`discoveredLabels` in the API).
pub fn discovered_labels(config: &ScrapeConfig, discovered: &Discovered) -> RawLabels {
    // An empty label is none; but an empty one of the target hides the group's.
    let mut labels = RawLabels::new(
        discovered
            .labels()
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (Arc::clone(name), value.into())),
    );
    let mut default = |name: Text, value: &str| {
        if labels.get(&name).is_none() && !value.is_empty() {
            labels.set(name, value.as_bytes());
        }
    };
    default("job".into(), &config.job_name);
    default(INTERVAL.into(), &duration::format(config.interval));
    default(TIMEOUT.into(), &duration::format(config.timeout));
    default(PATH.into(), &config.metrics_path);
    default(SCHEME.into(), &config.scheme);
    default(NHCB.into(), bool_text(config.convert_to_nhcb));
    default(CLASSIC.into(), bool_text(config.classic_histograms));
    default(NATIVE.into(), bool_text(config.native_histograms));
    for (name, values) in &config.params {
        if let Some(first) = values.first() {
            default(format!("{PARAM}{name}").into(), first);
        }
    }
    labels
}

const ADDRESS: &str = "__address__";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PATH: &str = "__metrics_path__";
const SCHEME: &str = "__scheme__";
const NHCB: &str = "__convert_classic_histograms_to_nhcb__";
const CLASSIC: &str = "__always_scrape_classic_histograms__";
const NATIVE: &str = "__scrape_native_histograms__";
const PARAM: &str = "__param_";
const META: &str = "__meta_";

/// What the labels of one target say about its scrapes.
struct Settings {
    keep: Keep,
    /// As it was before relabelling.
    discovered_scheme: String,
    interval: Duration,
    timeout: Duration,
    native_histograms: bool,
    classic_histograms: bool,
    convert_to_nhcb: bool,
}

/// Leaves the final labels of a target in `labels` (prometheus: scrape/target.go, PopulateLabels).
fn populate(
    config: &ScrapeConfig,
    discovered: &Discovered,
    labels: &mut LabelsBuilder,
    work: &mut Work<'_>,
) -> Result<Settings, String> {
    labels.clear();
    let mut not_utf8 = false;
    let discovered = discovered_labels(config, discovered);
    for (name, value) in discovered.iter() {
        work.check_value(name.len().max(value.len()))
            .map_err(|why| why.to_string())?;
        match std::str::from_utf8(value) {
            Ok(value) => labels.set(name, value),
            Err(_) => {
                not_utf8 = true;
                labels.set(name, &marked(value));
            }
        }
    }
    work.check_labels(labels.size())
        .map_err(|why| why.to_string())?;
    let keep = config.target_rules.apply(labels, work);
    let scheme = String::from_utf8_lossy(discovered.get(SCHEME).unwrap_or_default());
    let mut settings = Settings {
        keep: keep.map_err(|stopped| stopped.to_string())?,
        discovered_scheme: scheme.into_owned(),
        interval: config.interval,
        timeout: config.timeout,
        native_histograms: config.native_histograms,
        classic_histograms: config.classic_histograms,
        convert_to_nhcb: config.convert_to_nhcb,
    };
    if settings.keep == Keep::No {
        return Ok(settings);
    }
    let address: Text = labels.get(ADDRESS).ok_or("no address")?.into();
    if address.contains('/') {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    settings.interval = positive(labels, INTERVAL, "scrape interval")?;
    if settings.interval < work.bounds.min_interval {
        return Err(too_short(settings.interval, work.bounds.min_interval));
    }
    settings.timeout = positive(labels, TIMEOUT, "scrape timeout")?;
    if settings.timeout > settings.interval {
        let text = |name| labels.get(name).unwrap_or_default();
        return Err(format!(
            "scrape timeout cannot be greater than scrape interval ({:?} > {:?})",
            text(TIMEOUT),
            text(INTERVAL)
        ));
    }
    let switch = |field: &mut bool, name, what| -> Result<(), String> {
        if let Some(value) = labels.get(name) {
            *field = parse_bool(value).ok_or_else(|| {
                format!("error parsing {what}: {value:?} is neither true nor false")
            })?;
        }
        Ok(())
    };
    switch(
        &mut settings.convert_to_nhcb,
        NHCB,
        "convert classic histograms to nhcb",
    )?;
    switch(
        &mut settings.classic_histograms,
        CLASSIC,
        "always scrape classic histograms",
    )?;
    switch(
        &mut settings.native_histograms,
        NATIVE,
        "scrape native histograms",
    )?;
    labels.retain(|name, _| !name.starts_with(META));
    if labels.get("instance").is_none() {
        labels.set("instance", &address);
    }
    let bad = |value: &str| value.contains(NOT_UTF8);
    match labels
        .pairs()
        .iter()
        .find(|(_, value)| not_utf8 && bad(value))
    {
        Some((name, _)) => Err(format!("invalid label value for {name:?}: it is not UTF-8")),
        None => Ok(settings),
    }
}

/// Why a target or job with this interval is not scraped.
pub fn too_short(interval: Duration, least: Duration) -> String {
    let (interval, least) = (duration::format(interval), duration::format(least));
    format!("scrape interval {interval} is shorter than the {least} of --min-scrape-interval")
}

fn positive(labels: &LabelsBuilder, name: &str, what: &str) -> Result<Duration, String> {
    let text = labels.get(name).unwrap_or_default();
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err(format!("{what} cannot be 0")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("error parsing {what}: {error}")),
    }
}

/// Go: strconv.ParseBool.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn is_public((name, _): &(Text, Text)) -> bool {
    !name.starts_with("__")
}

/// A target from its final labels.
fn build(
    config: &Arc<ScrapeConfig>,
    discovered: Discovered,
    settings: &Settings,
    labels: &mut LabelsBuilder,
    interner: &mut Interner,
) -> Target {
    let url = target_url(config, labels);
    let pairs = labels.pairs().iter();
    let labels_hash = hash::labels(pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let hash = Fnv1a::new()
        .write(format!("{labels_hash:016}").as_bytes())
        .write(url.as_bytes())
        .finish();
    let all = labels.build(interner);
    labels.retain(|name, _| !name.starts_with("__"));
    let public = labels.build(interner);
    labels.reset(&all);
    labels.retain(|name, _| name.starts_with("__"));
    let internal = labels.build(interner);
    Target {
        hash,
        identity: Arc::new(Identity {
            job: Arc::clone(&config.job_name),
            labels: public,
            internal,
            discovered,
            discovered_scheme: interner.intern(&settings.discovered_scheme),
        }),
        url: url.into(),
        interval: settings.interval,
        timeout: settings.timeout,
        native_histograms: settings.native_histograms,
        classic_histograms: settings.classic_histograms,
        convert_to_nhcb: settings.convert_to_nhcb,
        config: Arc::clone(config),
    }
}

/// Prometheus: scrape/target.go, URL. A `__param_` label replaces the first value of its parameter.
fn target_url(config: &ScrapeConfig, labels: &LabelsBuilder) -> String {
    let mut params: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, values) in &config.params {
        params.insert(name, values.iter().map(|value| &**value).collect());
    }
    for (name, value) in labels.pairs() {
        if let Some(param) = name.strip_prefix(PARAM) {
            let values = params.entry(param).or_default();
            match values.first_mut() {
                Some(first) => *first = value,
                None => values.push(value),
            }
        }
    }
    let pairs = params
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (*name, *value)));
    let query = url::encode_query(pairs);
    let part = |name| labels.get(name).unwrap_or_default();
    Url::from_parts(part(SCHEME), part(ADDRESS), part(PATH), &query).to_string()
}

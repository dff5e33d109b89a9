//! Cases of the area `generate`: objects in, prometheus-operator's configuration out, byte for byte.

use super::json::compare;
use super::{Outcome, one, yaml_files};
use prometheus_operator_receiver::kube::manifest::{self, Manifest};
use prometheus_operator_receiver::operator::{
    self, Assets, Features, Generator, Settings, Snapshot, TLS_ASSETS_DIR, Workload, expand,
};
use prometheus_operator_receiver::wire::yaml::serde::from_str;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub fn check(case: &Path) -> Vec<Outcome> {
    one(case, judge(case))
}

/// The file `options.yaml`, as the oracle's README describes it.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Options {
    mode: String,
    endpoint_slice_supported: Option<bool>,
    retention_policies: Option<bool>,
    topology_sharding: Option<bool>,
    pod_topology_labels: Option<bool>,
    daemonset: Option<bool>,
    inline_tls: bool,
    without_version_check: bool,
    allow_namespaces: Vec<String>,
    deny_namespaces: Vec<String>,
    /// Of no consequence here: nothing is refused by definitions in any case.
    lenient: bool,
    expand: Option<Expand>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Expand {
    shard: u32,
    replica: u32,
    env: BTreeMap<String, String>,
}

/// What a case gives to the generator.
pub struct Input {
    pub settings: Settings,
    pub snapshot: Snapshot,
    pub assets: Assets,
    expand: Option<Expand>,
}

impl Input {
    pub fn read(case: &Path) -> Result<Self, String> {
        let options = std::fs::read_to_string(case.join("options.yaml"));
        let options: Options = options.map_or_else(|_| Ok(Options::default()), |t| from_str(&t))?;
        let objects = objects(&case.join("in"))?;
        let mut settings = settings(&objects, &options)?;
        apply(&options, &mut settings.features);
        let (mut snapshot, mut assets) = (Snapshot::default(), Assets::default());
        // Three cases hold what only the definitions of older versions let through.
        for object in &objects {
            let _ = snapshot.add(object, None) || assets.add(object);
        }
        snapshot.complete_namespaces(&settings.namespace);
        snapshot.restrict(&options.allow_namespaces, &options.deny_namespaces);
        assert!(snapshot.unreadable.is_empty(), "{:?}", snapshot.unreadable);
        Ok(Self {
            settings,
            snapshot,
            assets,
            expand: options.expand,
        })
    }

    /// A text as the pod would see it, if the case asks for that.
    pub fn expanded<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.expand {
            Some(of) => expanded(text, &self.settings, of).into(),
            None => text.into(),
        }
    }
}

/// `Err` names the first difference between a case's files and what is generated from its objects.
pub fn judge(case: &Path) -> Result<(), String> {
    let stored = |name: &str| std::fs::read_to_string(case.join(name)).ok();
    let input = Input::read(case)?;
    let Input {
        settings,
        snapshot,
        assets,
        expand,
    } = &input;

    let generated = operator::generate(snapshot, assets, settings);
    if let Some(error) = stored("error.txt") {
        return match generated {
            Ok(_) => Err(format!("generated, want the error {error}")),
            Err(_) => Ok(()),
        };
    }
    let generated = generated.map_err(|error| format!("not generated: {error}"))?;
    let config = generated.document();
    same_text("config.yaml", &config, &stored("config.yaml").unwrap())?;
    let rejected: BTreeSet<String> = generated
        .rejected
        .iter()
        .map(|r| r.monitor.to_string())
        .collect();
    let want = stored("rejected.txt").unwrap();
    let want: BTreeSet<String> = want
        .lines()
        .map(|line| line.split(": ").next().unwrap().to_owned())
        .collect();
    if rejected != want {
        return Err(format!("rejected {:?}, want {want:?}", generated.rejected));
    }
    let files = generated.fragments().flat_map(|job| job.files.iter());
    let files = files.map(|(path, content)| {
        let name = path.strip_prefix(TLS_ASSETS_DIR).unwrap();
        let content = String::from_utf8_lossy(content);
        (name.trim_start_matches('/').to_owned(), content.into())
    });
    let mut want: Map<String, Value> = from_str(&stored("assets.json").unwrap())?;
    // Upstream mounts those that no job names, too.
    want.retain(|name, _| config.contains(&format!("{TLS_ASSETS_DIR}/{name}")));
    compare(&Value::Object(files.collect()), &want.into())
        .map_err(|e| format!("assets.json {e}"))?;
    references_are_complete(snapshot, settings, assets, &config)?;
    match (expand, stored("expanded.yaml")) {
        (Some(_), Some(want)) => same_text("expanded.yaml", &input.expanded(&config), &want),
        (None, None) => Ok(()),
        _ => Err("expanded.yaml and the option expand must come together".to_owned()),
    }
}

fn objects(folder: &Path) -> Result<Vec<Manifest>, String> {
    let mut objects = Vec::new();
    for path in yaml_files(folder).map_err(|error| error.to_string())? {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let name = path.file_name().unwrap().to_string_lossy();
        let (found, errors) = manifest::read(&name, &text);
        if let Some(error) = errors.first() {
            return Err(error.to_string());
        }
        objects.extend(found);
    }
    Ok(objects)
}

fn settings(objects: &[Manifest], options: &Options) -> Result<Settings, String> {
    let is_workload =
        |object: &&Manifest| matches!(object.kind(), "Prometheus" | "PrometheusAgent");
    if let Some(workload) = objects.iter().find(is_workload) {
        let (settings, _) =
            Settings::from_prometheus(&workload.value).map_err(|error| error.to_string())?;
        return Ok(settings);
    }
    let mut settings = Settings::default();
    if options.mode == "server" {
        settings.workload = Workload::Prometheus;
        settings.features.retention_policies = true;
    }
    Ok(settings)
}

fn apply(options: &Options, features: &mut Features) {
    let set = |feature: &mut bool, option: Option<bool>| *feature = option.unwrap_or(*feature);
    set(
        &mut features.endpoint_slices,
        options.endpoint_slice_supported,
    );
    set(&mut features.retention_policies, options.retention_policies);
    set(&mut features.topology_sharding, options.topology_sharding);
    set(
        &mut features.pod_topology_labels,
        options.pod_topology_labels,
    );
    set(&mut features.daemon_set, options.daemonset);
    features.inline_tls = options.inline_tls;
    features.version_checks = !options.without_version_check;
}

/// Only what is announced as needed is fetched: with nothing else at hand the outcome must be the same.
fn references_are_complete(
    snapshot: &Snapshot,
    settings: &Settings,
    assets: &Assets,
    config: &str,
) -> Result<(), String> {
    let mut needed = Assets::default();
    let mut generator = Generator::default();
    let round = generator.begin(snapshot, settings);
    let round = round.map_err(|error| error.to_string())?;
    for id in round.references() {
        if let Some(asset) = assets.get(&id) {
            needed.insert(id, asset.clone());
        }
    }
    let again = operator::generate(snapshot, &needed, settings).map_err(|e| e.to_string())?;
    same_text("with the announced references", &again.document(), config)
}

fn expanded(config: &str, settings: &Settings, of: &Expand) -> String {
    let mut env = settings.pod_environment(of.shard, of.replica);
    if settings.features.daemon_set {
        let pod = format!("prom-agent-{}-x7k2p", settings.name);
        env.insert("POD_NAME".to_owned(), pod);
        env.insert("NODE_NAME".to_owned(), "node-1".to_owned());
        env.insert("STATEFULSET_ORDINAL_NUMBER".to_owned(), String::new());
    }
    env.extend(of.env.clone());
    expand::expand(config, &|name| env.get(name).cloned())
}

fn same_text(what: &str, ours: &str, want: &str) -> Result<(), String> {
    if ours == want {
        return Ok(());
    }
    let (mut a, mut b, mut job) = (ours.lines(), want.lines(), "");
    for number in 1.. {
        let (ours, want) = (a.next(), b.next());
        job = want.filter(|w| w.starts_with("- job_name")).unwrap_or(job);
        if ours != want {
            return Err(format!(
                "{what}, line {number} ({job}): {ours:?}, want {want:?}"
            ));
        }
        if ours.is_none() {
            break;
        }
    }
    Err(format!("{what}: line breaks differ"))
}

/// A folder of further cases, such as real monitors: `GENERATE_CASES=DIR cargo test --test it generate_further`.
#[test]
fn generate_further_cases() {
    let Some(root) = std::env::var_os("GENERATE_CASES") else {
        return;
    };
    let mut cases: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("in").is_dir())
        .collect();
    cases.sort();
    let differing: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            judge(case)
                .err()
                .map(|e| format!("{}: {e}", case.display()))
        })
        .collect();
    println!("{} of {} equal", cases.len() - differing.len(), cases.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

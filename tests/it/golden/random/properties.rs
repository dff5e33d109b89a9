//! What must hold for all monitors, shown with random ones.

use super::{Random, monitors, objects};
use prometheus_operator_receiver::config::{self, Context, Loader};
use prometheus_operator_receiver::kube::manifest::Manifest;
use prometheus_operator_receiver::monitoring::Definitions;
use prometheus_operator_receiver::operator::{
    self, Assets, Generated, Generator, Kind, Settings, Snapshot,
};
use prometheus_operator_receiver::rt::files::MemoryFiles;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::process::{Command, Output};
use std::sync::Arc;

/// Snapshot, assets and settings of random objects.
fn input(objects: &[Value]) -> (Snapshot, Assets, Settings) {
    let (mut snapshot, mut assets) = (Snapshot::default(), Assets::default());
    let (mut settings, definitions) = (Settings::default(), Definitions::vendored());
    for value in objects {
        let object = Manifest {
            origin: "random".to_owned(),
            value: value.clone(),
        };
        if !snapshot.add(&object, Some(&definitions)) && !assets.add(&object) {
            (settings, _) = Settings::from_prometheus(value).unwrap();
        }
    }
    snapshot.complete_namespaces(&settings.namespace);
    assert!(snapshot.unreadable.is_empty(), "{:?}", snapshot.unreadable);
    (snapshot, assets, settings)
}

/// A snapshot brought up to date as a receiver does it: what has not changed stays the same object.
fn follow(kept: &mut Snapshot, now: &Snapshot) {
    kept.namespaces.clone_from(&now.namespaces);
    for old in kept.service_monitors.clone() {
        if !now
            .service_monitors
            .iter()
            .any(|m| m.metadata == old.metadata)
        {
            assert!(kept.remove(Kind::ServiceMonitor, &old.metadata));
        }
    }
    for old in kept.pod_monitors.clone() {
        if !now.pod_monitors.iter().any(|m| m.metadata == old.metadata) {
            assert!(kept.remove(Kind::PodMonitor, &old.metadata));
        }
    }
    for new in &now.service_monitors {
        if !kept.service_monitors.contains(new) {
            kept.put_service_monitor(Arc::clone(new));
        }
    }
    for new in &now.pod_monitors {
        if !kept.pod_monitors.contains(new) {
            kept.put_pod_monitor(Arc::clone(new));
        }
    }
}

/// Of how many monitors the text was written anew.
fn written(before: &Generated, now: &Generated) -> usize {
    let old: HashSet<_> = before.jobs.iter().map(|jobs| jobs.as_ptr()).collect();
    let now = now.jobs.iter().map(|jobs| jobs.as_ptr());
    now.filter(|jobs| !old.contains(jobs)).count()
}

/// What a generator remembers must never show, and one that changes must cost no other monitor's text.
#[test]
fn remembering_changes_nothing() {
    let mut random = Random::new(11);
    let mut world = objects(&mut random, 12);
    let (mut of_new_objects, mut of_same_objects) = (Generator::default(), Generator::default());
    let (mut kept, mut before) = (Snapshot::default(), Generated::default());
    let (mut is_one_monitor, mut counted) = (false, 0);
    for step in 0..60 {
        let (snapshot, assets, settings) = input(&world);
        follow(&mut kept, &snapshot);
        let fresh = operator::generate(&snapshot, &assets, &settings);
        let remembered = of_new_objects
            .begin(&snapshot, &settings)
            .and_then(|round| round.generate(&assets));
        assert!(remembered == fresh, "step {step} differs");
        let remembered = of_same_objects
            .begin(&kept, &settings)
            .and_then(|round| round.generate(&assets));
        assert!(remembered == fresh, "step {step} differs");
        if let Ok(now) = remembered {
            let written = written(&before, &now);
            assert!(!is_one_monitor || written <= 1, "step {step}: {written}");
            counted += usize::from(is_one_monitor && written == 1);
            before = now;
        }
        let i = random.below(world.len());
        is_one_monitor = false;
        match random.below(4) {
            // A monitor comes or changes, an object goes, Secrets get other content, the settings change.
            0 | 1 => {
                let index = random.below(16);
                let new = monitors::monitor(&mut random, index);
                let same = |o: &Value| o["kind"] == new["kind"] && o["metadata"] == new["metadata"];
                world.retain(|object| !same(object));
                world.push(new);
                is_one_monitor = true;
            }
            2 if world[i]["kind"] != "Prometheus" => drop(world.remove(i)),
            _ => {
                let is_monitor = |o: &Value| o["kind"].as_str().unwrap().ends_with("Monitor");
                world.retain(is_monitor);
                if random.percent(60) {
                    world.push(monitors::workload(&mut random));
                }
                world.extend(monitors::assets_of(&mut random));
            }
        }
    }
    assert!(counted > 5, "{counted}");
}

/// What became of jobs.
#[derive(Debug, Default)]
struct Counts {
    loaded: usize,
    refused: usize,
}

/// A document loads exactly if its frame and each of its jobs do; if it does not, then for a reason that one of them has; and
/// what loads is the same job by job as in the document of those jobs.
#[test]
fn jobs_load_alone_as_they_do_together() {
    let mut counts = Counts::default();
    for case in 0..24 {
        let world = objects(&mut Random::new(700 + case), 25);
        let (snapshot, assets, settings) = input(&world);
        if let Ok(generated) = operator::generate(&snapshot, &assets, &settings) {
            check_loading(case, &generated, &mut counts);
        }
    }
    assert!(counts.loaded > 300 && counts.refused > 100, "{counts:?}");
}

fn check_loading(case: u64, generated: &Generated, counts: &mut Counts) {
    let files = MemoryFiles::default();
    let cx = Context {
        path: "",
        files: &files,
        env: &|_| None,
    };
    let whole = config::load(generated.document().as_bytes(), &cx);
    let frame = format!("{}{}", generated.head, generated.tail);
    let mut loader = Loader::new();
    let global = match loader.load(frame.as_bytes(), &cx) {
        Ok(frame) => frame.global,
        Err(error) => {
            let whole = whole.expect_err("its frame is refused");
            return assert_eq!(whole.message, error.message, "case {case}");
        }
    };
    let (mut good, mut alone, mut reasons) = (String::new(), Vec::new(), Vec::new());
    for fragment in generated.fragments() {
        match loader.load_job(fragment.yaml.as_bytes(), &global, &cx) {
            Ok(job) => {
                good.push_str(&fragment.yaml);
                alone.push(job);
            }
            Err(error) => reasons.push(error.message),
        }
    }
    counts.loaded += alone.len();
    counts.refused += reasons.len();
    match whole {
        Ok(whole) => assert!(
            reasons.is_empty() && whole.jobs == alone,
            "case {case}: {reasons:?}"
        ),
        Err(error) => assert!(
            reasons.contains(&error.message),
            "case {case}: {reasons:#?}, not {error}"
        ),
    }
    let list = if good.is_empty() {
        "scrape_configs: []\n"
    } else {
        "scrape_configs:\n"
    };
    let document = format!("{}{list}{good}{}", generated.head, generated.tail);
    let together =
        config::load(document.as_bytes(), &cx).unwrap_or_else(|e| panic!("case {case}: {e}"));
    assert_eq!(together.jobs, alone, "case {case}");
}

fn promop(command: &str, file: &str) -> Output {
    let mut promop = Command::new(env!("CARGO_BIN_EXE_promop"));
    promop.args([command, file]).env_clear().output().unwrap()
}

/// What `generate` writes without naming a job that Prometheus would refuse, `check` loads; with one, it does not.
#[test]
fn check_loads_what_generate_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (input, output) = (path("in.json"), path("out.yaml"));
    let (mut loaded, mut refused) = (0, 0);
    for case in 0..40 {
        let items = objects(&mut Random::new(900 + case), 1);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        std::fs::write(&input, list.to_string()).unwrap();
        let written = promop("generate", &input);
        if written.stdout.is_empty() {
            continue;
        }
        std::fs::write(&output, &written.stdout).unwrap();
        let said = String::from_utf8_lossy(&written.stderr);
        let is_refused = said.contains("Prometheus would");
        let checked = promop("check", &output);
        let why = String::from_utf8_lossy(&checked.stderr);
        assert_eq!(
            checked.status.success(),
            !is_refused,
            "case {case}: {said}{why}"
        );
        loaded += usize::from(!is_refused);
        refused += usize::from(is_refused);
    }
    assert!(loaded > 5 && refused > 0, "{loaded} {refused}");
}

//! Configurations that prometheus-operator writes and Prometheus then refuses as a whole. Here the monitor of a job that
//! does not load is rejected with the loader's reason, and every other job loads; what the settings would spoil is an error
//! of the settings. `promop check` refuses the whole document, as Prometheus does. That a last good version runs on
//! meanwhile is shown in `receiver.rs`.

use crate::golden::generate::Input;
use prometheus_operator_receiver::config::{self, Context, Loader};
use prometheus_operator_receiver::operator::{self, Fragment, Generated, Generator, Owner};
use prometheus_operator_receiver::rt::files::MemoryFiles;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a receiver makes of a configuration that Prometheus refuses.
#[derive(Debug, Clone, Copy)]
enum Run {
    /// It rejects these jobs' monitors.
    Rejects(&'static [&'static str]),
    /// As above, and the reason names this scrape class.
    Class(&'static str, &'static [&'static str]),
    /// It refuses the settings, naming this field.
    Settings(&'static str),
    /// It generates for the newest version, or leaves what looks like a variable alone.
    Loads,
}

const BY_SERVICE: &[&str] = &["ServiceMonitor shop/by-service endpoint 0"];
const BY_BOTH: &[&str] = &[
    "ServiceMonitor shop/by-service endpoint 0",
    "PodMonitor shop/by-pod endpoint 0",
];
const FOURTH: &[&str] = &[
    "ServiceMonitor shop/by-service endpoint 3",
    "PodMonitor shop/by-pod endpoint 3",
];
const ADDITIONAL: &[&str] = &["additionalScrapeConfigs[0]"];
const BAD_SIZES: &[&str] = &[
    "ServiceMonitor shop/by-service-3 endpoint 0",
    "PodMonitor shop/by-pod-3 endpoint 0",
];

/// The cases whose document does not load. Prometheus refuses them too, all but `string-secret-values`
/// (tests/golden/DIVERGENCES.md, "text not UTF-8").
const REFUSED: &[(&str, Run)] = &[
    (
        "additional-scrape-configs-duplicate-key",
        Run::Rejects(ADDITIONAL),
    ),
    (
        "additional-scrape-configs-yaml-1-1",
        Run::Rejects(ADDITIONAL),
    ),
    (
        "apiserver-config-tls-files",
        Run::Settings("apiserverConfig"),
    ),
    ("body-size-limit", Run::Rejects(BAD_SIZES)),
    (
        "daemonset",
        Run::Rejects(&["PodMonitor shop/role endpoint 0"]),
    ),
    ("endpoint-port-invalid-regex", Run::Rejects(BY_BOTH)),
    (
        "enforced-body-size-limit",
        Run::Rejects(&["ServiceMonitor shop/size-5 endpoint 0"]),
    ),
    (
        "interval-overflow-without-timeout",
        Run::Rejects(BY_SERVICE),
    ),
    (
        "lenient-bad-interval-without-timeout",
        Run::Rejects(BY_SERVICE),
    ),
    ("lenient-unknown-relabel-action", Run::Rejects(BY_SERVICE)),
    ("mix-06", Run::Loads),
    ("relabel-keepequal-dropequal", Run::Rejects(BY_BOTH)),
    (
        "scrape-class-authorization-credentials",
        Run::Class("auth", FOURTH),
    ),
    (
        "scrape-class-authorization-file",
        Run::Class("auth", FOURTH),
    ),
    (
        "scrape-class-authorization-type-only",
        Run::Class("auth", FOURTH),
    ),
    ("string-in-every-field", Run::Rejects(BY_SERVICE)),
    (
        "string-secret-values",
        Run::Rejects(&["ServiceMonitor shop/auth-0 endpoint 0"]),
    ),
    ("substitution", Run::Loads),
    (
        "target-labels",
        Run::Rejects(&["ServiceMonitor shop/by-service-2 endpoint 0"]),
    ),
    ("version-2-47-2", Run::Loads),
    ("version-2-49-1", Run::Loads),
    ("version-2-55-1", Run::Loads),
    ("version-check-off", Run::Loads),
];

/// Cases for a 2.x version with names that 2.x refuses, while the newest version that reads the text here would take them.
const NOT_LEGACY: &[&str] = &["mix-07", "version-relabel-labels-2"];

#[test]
fn a_job_that_prometheus_refuses_harms_no_other() {
    let refused: BTreeMap<_, _> = REFUSED.iter().copied().collect();
    let mut seen = 0;
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let input = Input::read(&case).unwrap();
        let run = refused.get(&*name).copied();
        let Some(document_loads) = check_document(&name, &input) else {
            continue;
        };
        assert_eq!(document_loads, run.is_none(), "{name}");
        seen += usize::from(!document_loads);
        if !NOT_LEGACY.contains(&&*name) {
            check_run(&name, input, run.unwrap_or(Run::Loads));
        }
    }
    assert_eq!(seen, REFUSED.len());
}

/// Whether the document loads: exactly if its frame and each of its jobs do. `None` if there is no document.
fn check_document(name: &str, input: &Input) -> Option<bool> {
    let generated = operator::generate(&input.snapshot, &input.assets, &input.settings).ok()?;
    let expanded = |text: &str| input.expanded(text).into_owned();
    let (jobs, files) = (refused_jobs(&generated, &expanded), MemoryFiles::default());
    let document = expanded(&generated.document());
    let loaded = config::load(document.as_bytes(), &context(&files));
    let reasons: Vec<String> = match jobs {
        Ok(jobs) => jobs.into_values().collect(),
        Err(frame) => vec![frame],
    };
    match &loaded {
        Ok(_) => assert!(reasons.is_empty(), "{name}: {reasons:?}"),
        Err(error) => {
            let error = error.to_string();
            let same = |reason: &String| error.contains(reason.rsplit(": ").next().unwrap());
            assert!(reasons.iter().any(same), "{name}: {reasons:?}, not {error}");
        }
    }
    Some(loaded.is_ok())
}

/// The same objects in a receiver.
fn check_run(name: &str, input: Input, want: Run) {
    let settings = match (input.settings.for_run(), want) {
        (Err(error), Run::Settings(field)) => {
            return assert!(error.to_string().contains(field), "{name}: {error}");
        }
        (Ok(settings), _) => settings,
        (Err(error), _) => panic!("{name}: {error}"),
    };
    let mut generator = Generator::default();
    let generated = generator
        .begin(&input.snapshot, &settings)
        .unwrap()
        .generate(&input.assets)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let refused =
        refused_jobs(&generated, &str::to_owned).unwrap_or_else(|e| panic!("{name}: {e}"));
    let names: Vec<String> = refused.keys().map(Owner::to_string).collect();
    match want {
        Run::Rejects(jobs) => assert_eq!(names, jobs, "{name}: {refused:?}"),
        Run::Class(class, jobs) => {
            assert_eq!(names, jobs, "{name}: {refused:?}");
            let classes = refused.keys().map(|owner| generator.scrape_class(owner));
            assert!(classes.eq(jobs.iter().map(|_| Some(class))), "{name}");
        }
        Run::Settings(field) => panic!("{name}: {field} is accepted"),
        Run::Loads => assert!(refused.is_empty(), "{name}: {refused:?}"),
    }
}

/// What the loader says of each job that it refuses; `Err` if it refuses what surrounds the jobs.
fn refused_jobs(
    generated: &Generated,
    text: &dyn Fn(&str) -> String,
) -> Result<BTreeMap<Owner, String>, String> {
    let files = MemoryFiles::default();
    let cx = context(&files);
    let mut loader = Loader::new();
    let frame = text(&format!("{}{}", generated.head, generated.tail));
    let frame = loader.load(frame.as_bytes(), &cx);
    let global = frame.map_err(|error| error.to_string())?.global;
    let mut load = |fragment: &Fragment| {
        let job = loader.load_job(text(&fragment.yaml).as_bytes(), &global, &cx);
        Some((fragment.owner.clone(), job.err()?.to_string()))
    };
    Ok(generated.fragments().filter_map(&mut load).collect())
}

fn context(files: &MemoryFiles) -> Context<'_> {
    Context {
        path: "",
        files,
        env: &|_| None,
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/generate");
    let entries = std::fs::read_dir(root).unwrap();
    let mut cases: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

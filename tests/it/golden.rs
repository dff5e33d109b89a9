//! Walks the corpus areas: one test per area, each case compared with what upstream itself produced (manual::decisions, 4).
//!
//! `tests/golden/<area>`, or `$GOLDEN_ROOT/<area>` when that is set. With the built-in root the cases that differ must be
//! exactly those listed in `tests/golden/PENDING`; elsewhere none may differ.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub mod config;
mod discovery;
pub mod generate;
mod json;
mod otlp;
pub(crate) mod random;
mod relabel;
mod scrape;
pub mod targets;
mod textparse;
pub(crate) mod wire;

/// What became of one case, or of one entry of a case that is a list.
pub struct Outcome {
    /// Name of the case within its area; `case/entry` where a case is a list.
    pub name: String,
    pub verdict: Verdict,
}

pub enum Verdict {
    Equal,
    /// Differs as a rule in tests/golden/DIVERGENCES.md says; the rule's name.
    ByRule(&'static str),
    /// The first difference.
    Differs(String),
}

impl From<Result<(), String>> for Verdict {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Differs, |()| Self::Equal)
    }
}

/// One outcome for a case folder.
pub fn one(case: &Path, result: Result<(), String>) -> Vec<Outcome> {
    vec![Outcome {
        name: name_of(case),
        verdict: result.into(),
    }]
}

pub fn name_of(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn golden_config() {
    walk("config", 2, config::check);
}

#[test]
fn golden_discovery() {
    walk("discovery", 2, discovery::check);
}

#[test]
fn golden_generate() {
    walk("generate", 2, generate::check);
}

#[test]
fn golden_otlp() {
    walk("otlp", 16, otlp::check);
}

#[test]
fn golden_relabel() {
    walk("relabel", 2, relabel::check);
}

#[test]
fn golden_scrape() {
    walk("scrape", 16, scrape::check);
}

#[test]
fn golden_targets() {
    walk("targets", 2, targets::check);
}

#[test]
fn golden_textparse() {
    walk("textparse", 2, textparse::check);
}

#[test]
fn golden_wire() {
    walk("wire", 2, wire::check);
}

/// Runs `check` on every case of an area, on as many threads as given, and judges the result.
fn walk(area: &str, threads: usize, check: impl Fn(&Path) -> Vec<Outcome> + Sync) {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let foreign = std::env::var_os("GOLDEN_ROOT").map(PathBuf::from);
    let root = foreign
        .clone()
        .unwrap_or_else(|| built_in.clone())
        .join(area);
    let cases = cases_in(&root);
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found =
                        catch_unwind(AssertUnwindSafe(|| check(case))).unwrap_or_else(|panic| {
                            let text = panic.downcast_ref::<String>().cloned();
                            let text = text
                                .or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
                            one(case, Err(format!("panic: {}", text.unwrap_or_default())))
                        });
                    outcomes.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by(|a, b| a.name.cmp(&b.name));

    let (mut equal, mut by_rule, mut differing) = (0, 0, BTreeSet::new());
    for outcome in &outcomes {
        match &outcome.verdict {
            Verdict::Equal => equal += 1,
            Verdict::ByRule(rule) => {
                by_rule += 1;
                println!("{area}/{}: by rule {rule}", outcome.name);
            }
            Verdict::Differs(first) => {
                println!("{area}/{}: {first}", outcome.name);
                differing.insert(format!("{area}/{}", outcome.name));
            }
        }
    }
    let tail = if by_rule > 0 {
        format!(", {by_rule} by rule")
    } else {
        String::new()
    };
    println!("golden {area}: {equal} of {} equal{tail}", outcomes.len());
    assert!(!outcomes.is_empty(), "no case found in {}", root.display());

    let pending = if foreign.is_some() {
        BTreeSet::new()
    } else {
        pending_of(&built_in, area)
    };
    let new: Vec<_> = differing.difference(&pending).collect();
    let healed: Vec<_> = pending.difference(&differing).collect();
    assert!(
        new.is_empty(),
        "{} cases differ that are not in PENDING, first {:?}",
        new.len(),
        new.first()
    );
    assert!(
        healed.is_empty(),
        "{} cases in PENDING don't differ, first {:?}",
        healed.len(),
        healed.first()
    );
}

/// The `*.yaml` files of a folder, in the order of their names.
fn yaml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths = std::fs::read_dir(folder)?.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| is_yaml(path)).collect();
    paths.sort();
    Ok(paths)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml")
}

/// What a YAML file says, if there is one.
fn read_yaml<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// The case folders of an area, or its `*.yaml` files where a case is a file.
fn cases_in(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = paths.filter(|p| p.is_dir() || is_yaml(p)).collect();
    cases.sort();
    cases
}

fn pending_of(root: &Path, area: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root.join("PENDING")).unwrap_or_default();
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter(|line| line.split('/').next() == Some(area))
        .map(str::to_owned)
        .collect()
}

//! The rules of the house that a machine can check: who imports whom, how long files are, what they begin with, which
//! crates are used and why, which words are not, and that the vendored CRDs are what PROVENANCE says.

use prometheus_operator_receiver::Settings;
use regex::Regex;
use serde_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders and files that do no I/O, have no clock, thread, log or environment.
const PURE: &[&str] = &[
    "model/",
    "pdata/",
    "wire/",
    "textparse/",
    "monitoring/",
    "operator/",
    "config/",
    "translate/",
    "kube/watch/machine.rs",
    "discovery/kubernetes/",
    "scrape/target/",
    "scrape/page/",
    "scrape/pool/schedule.rs",
    "scrape/pool/sync.rs",
];

const IMPURE: &str = r"\bstd::(fs|thread|process|env)\b|\b(TcpStream|TcpListener|UdpSocket|UnixStream)\b|\b(Instant|SystemTime)::now\b|\blog::|\bureq\b|\bcrossbeam_channel\b|\bstd(in|out|err)\(\)";

/// Most lines of a file without its tests.
const MOST_LINES: usize = 900;

/// A source file without comments and without its tests, which come last.
struct Source {
    /// Path below `src`.
    path: String,
    /// The whole text.
    text: String,
    /// Its code.
    code: String,
    /// Lines of all but the tests.
    lines: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    files_below(&src, &mut paths);
    paths.sort();
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    let names = paths
        .iter()
        .map(|path| path.strip_prefix(&src).unwrap().display().to_string());
    let sources = names.filter(|name| !is_test(name)).map(|path| {
        let text = read(&format!("src/{path}"));
        let body = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code = body.lines().filter(is_code).collect::<Vec<_>>().join("\n");
        Source {
            lines: body.lines().count(),
            code,
            path,
            text,
        }
    });
    sources.collect()
}

/// The first two names of each path from the crate's root.
fn imports(code: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let start = Regex::new(r"\bcrate(::|\b)").unwrap();
    for root in start
        .find_iter(code)
        .filter(|root| root.as_str().ends_with("::"))
    {
        tree(&code[root.end()..], &[], &mut found);
    }
    found
}

/// What stands behind `crate::`: a name, a name and more, or a group of such.
fn tree(text: &str, path: &[&str], found: &mut Vec<(String, String)>) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return members(group)
            .into_iter()
            .for_each(|member| tree(member, path, found));
    }
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let path = [path, &[&text[..end]]].concat();
    match text[end..].strip_prefix("::") {
        Some(more) if path.len() < 2 => tree(more, &path, found),
        _ => found.push((
            path[0].to_owned(),
            path.get(1).copied().unwrap_or_default().to_owned(),
        )),
    }
}

/// The members of a group, up to its closing brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                found.push(group[start..at].trim());
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|member| !member.is_empty());
    found
}

#[test]
fn imports_are_found() {
    #[track_caller]
    fn check(code: &str, want: &[(&str, &str)]) {
        let found = imports(code);
        let found: Vec<_> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(found, want, "{code}");
    }
    check("use crate::model::labels::Text;", &[("model", "labels")]);
    check("use crate::rt;", &[("rt", "")]);
    check("let x = crate::rt::clock::now();", &[("rt", "clock")]);
    check(
        "use crate::{model::{a, b}, rt::files, wire};",
        &[
            ("model", "a"),
            ("model", "b"),
            ("rt", "files"),
            ("wire", ""),
        ],
    );
    check(
        "use crate::rt::{clock, files::Files as F,};",
        &[("rt", "clock"), ("rt", "files")],
    );
    check("pub(in crate::kube) fn f() {}", &[("kube", "")]);
    check("use other_crate::rt;", &[]);
}

/// Which folder may import which, beside itself, bottom up: the table of ARCHITECTURE.md. `rt::files` may be imported by all.
fn floors() -> Vec<(String, Vec<String>)> {
    let architecture = read("ARCHITECTURE.md");
    let section = architecture.split("\n## Floors\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let row = Regex::new(r"(?m)^\| `([a-z]+)` \| ([^|]+) \|").unwrap();
    let mut floors: Vec<(String, Vec<String>)> = Vec::new();
    for found in row.captures_iter(section) {
        let below = match found[2].trim() {
            "–" => Vec::new(),
            "all above" => floors.iter().map(|(floor, _)| floor.clone()).collect(),
            list => list.split(", ").map(str::to_owned).collect(),
        };
        floors.push((found[1].to_owned(), below));
    }
    assert!(floors.len() > 10, "{floors:?}");
    floors
}

#[test]
fn floors_import_downward_only() {
    let floors: BTreeMap<_, _> = floors().into_iter().collect();
    let mut wrong = String::new();
    for source in sources() {
        let floor = source.path.split('/').next().unwrap();
        if ["lib.rs", "bin", "manual"].contains(&floor) {
            continue;
        }
        let Some(may) = floors.get(floor) else {
            panic!("{}: the folder is not in the table of floors", source.path);
        };
        for (to, item) in imports(&source.code) {
            let known = floors.contains_key(to.as_str());
            let allowed = to == floor || may.contains(&to) || (to == "rt" && item == "files");
            if known && !allowed {
                _ = writeln!(wrong, "{} imports {to}::{item}", source.path);
            }
        }
        if source.path.ends_with("/mod.rs") && source.path.matches('/').count() == 1 {
            assert!(
                !source.code.contains("super::"),
                "{}: say crate:: instead of super::",
                source.path
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The module of a file below `src`: `scrape/pool/mod.rs` is scrape::pool.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// The modules that a file names: the longest beginning of each of its paths that is a file.
fn modules_named(source: &Source, modules: &BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
    let own = module_of(&source.path);
    let mut found = BTreeSet::new();
    let start = Regex::new(r"\b(?:crate|(?:super::)*super|self)::").unwrap();
    for root in start.find_iter(&source.code) {
        let up = root.as_str().matches("super").count();
        let base = match root.as_str() {
            "crate::" => &[][..],
            _ => &own[..own.len().saturating_sub(up)],
        };
        let mut paths = Vec::new();
        paths_below(&source.code[root.end()..], base, &mut paths);
        for mut path in paths {
            while !path.is_empty() && !modules.contains(&path) {
                path.pop();
            }
            found.insert(path);
        }
    }
    found.retain(|module| !module.is_empty() && *module != own);
    found
}

/// All paths that begin with this text: a name and more, or a group of such.
fn paths_below(text: &str, base: &[String], found: &mut Vec<Vec<String>>) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        for member in members(group) {
            paths_below(member, base, found);
        }
        return;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let path = [base, &[name.to_owned()]].concat();
    match rest.strip_prefix("::") {
        Some(more) if more.starts_with(|c: char| c.is_alphabetic() || c == '{' || c == '_') => {
            paths_below(more, &path, found);
        }
        _ => found.push(path),
    }
}

/// Two files of a folder that import each other, be it by way of others, are one room with a wall in it. Parent and child may.
#[test]
fn no_import_circles_within_a_folder() {
    let sources = sources();
    let modules: BTreeSet<_> = sources.iter().map(|s| module_of(&s.path)).collect();
    let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for source in &sources {
        let own = module_of(&source.path);
        let mut named = modules_named(source, &modules);
        named.retain(|to| to[0] == own[0] && !to.starts_with(&own) && !own.starts_with(to));
        edges.insert(own, named);
    }
    let reached = |from: &Vec<String>| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<_> = edges[from].iter().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module.clone()) {
                next.extend(&edges[module]);
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = edges.keys().map(|m| (m.clone(), reached(m))).collect();
    let mut circles = BTreeSet::new();
    for (module, all) in &reached {
        if all.contains(module) {
            let circle = all.iter().filter(|other| reached[*other].contains(module));
            circles.insert(circle.map(|m| m.join("/")).collect::<Vec<_>>().join(" "));
        }
    }
    let circles: Vec<_> = circles.iter().map(String::as_str).collect();
    assert_eq!(circles, KNOWN_CIRCLES);
}

/// Circles that are left; the list can only shrink.
const KNOWN_CIRCLES: &[&str] = &[];

#[test]
fn the_table_of_floors_has_no_cycle() {
    let mut below = BTreeSet::new();
    for (floor, may) in floors() {
        for other in may {
            assert!(
                below.contains(&other),
                "{floor} imports {other}, which is not below it"
            );
        }
        below.insert(floor);
    }
}

#[test]
fn pure_folders_do_no_io() {
    let impure = Regex::new(IMPURE).unwrap();
    let mut wrong = String::new();
    for source in sources()
        .iter()
        .filter(|s| PURE.iter().any(|pure| s.path.starts_with(pure)))
    {
        for found in impure.find_iter(&source.code) {
            _ = writeln!(wrong, "{}: {}", source.path, found.as_str());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut wrong = String::new();
    for source in sources() {
        if source.lines > MOST_LINES {
            _ = writeln!(
                wrong,
                "{}: {} lines without tests",
                source.path, source.lines
            );
        }
        if !source.text.starts_with("//! ") {
            _ = writeln!(wrong, "{}: no head comment", source.path);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn words() {
    let banned = [
        (r"\b(FIXME|XXX|HACK)\b", "say it in words, or in an issue"),
        (r"\bTODO\b", "TODO(owner): reason"),
        (
            r"\b(decisions|house|data-path|speed|review)\.md\b|\(spec ",
            "cite manual::decisions, or upstream's file and function",
        ),
        (r"\bfn (get|do|handle)_", "a verb of the vocabulary"),
        (
            r"\b(struct|enum|trait) \w*(Helper|Util|Utils|Manager\d)\b",
            "a noun of the vocabulary",
        ),
    ];
    let banned = banned.map(|(pattern, instead)| (Regex::new(pattern).unwrap(), instead));
    let owned = Regex::new(r"TODO\([a-z]+\): ").unwrap();
    let mut wrong = String::new();
    for source in sources() {
        let text = owned.replace_all(&source.text, "");
        for (pattern, instead) in &banned {
            for found in pattern.find_iter(&text) {
                _ = writeln!(wrong, "{}: {:?}: {instead}", source.path, found.as_str());
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The list in ARCHITECTURE.md is the allow-list: a line for each direct dependency, with its reason.
#[test]
fn every_direct_dependency_has_a_reason() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let used: BTreeSet<_> = section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .collect();

    let architecture = read("ARCHITECTURE.md");
    let section = architecture
        .split("\n## Dependencies\n")
        .nth(1)
        .expect("a section Dependencies");
    let section = section.split("\n## ").next().unwrap();
    let line = Regex::new(r"(?m)^\| `([a-z0-9_-]+)` \| \S.+ \|$").unwrap();
    let explained: BTreeSet<_> = line
        .captures_iter(section)
        .map(|c| c.get(1).unwrap().as_str())
        .collect();
    assert_eq!(used, explained);
}

#[test]
fn documents_are_short() {
    for (path, most) in [("README.md", 200), ("ARCHITECTURE.md", 200)] {
        let lines = read(path).lines().count();
        assert!(lines <= most, "{path}: {lines} lines");
    }
}

/// The table of flags says which there are, which settings they set, and what holds without them; README.md says the same.
#[test]
fn the_readme_has_the_table_of_flags() {
    let (table, readme) = (read("src/bin/promop/flags.rs"), read("README.md"));
    let manual = read("src/manual/settings.rs");
    let row = r#"(?s)\n        name: "([^"]+)",\n        value: "[^"]*",\n        help: "([^"]+)",\n        sets: (.+?)\n    \}"#;
    let row = Regex::new(row).unwrap();
    let key = Regex::new(r#"\bSetting\("([A-Za-z]+)"#).unwrap();
    let rows: Vec<_> = row.captures_iter(&table).collect();
    assert_eq!(rows.len(), table.matches("\n    Flag {\n").count());
    for row in rows {
        let (flag, help) = (format!("`--{}`", &row[1]), &row[2]);
        let mut lines = readme.lines().filter(|line| line.starts_with("| `--"));
        let line = lines.find(|line| line.contains(&flag));
        let line = line.unwrap_or_else(|| panic!("{flag} is not in README.md"));
        if let Some((_, default)) = help.split_once("[default: ")
            && line.starts_with(&format!("| {flag}"))
        {
            let shown = line.split(" | ").nth(1).unwrap().replace('`', "");
            assert_eq!(shown, default.trim_end_matches(']'), "{flag}");
        }
        if let Some(key) = key.captures(&row[3]).map(|key| key[1].to_owned())
            && !["source", "prometheus"].contains(&key.as_str())
        {
            let in_manual = format!("| `{key}` |");
            assert!(manual.contains(&in_manual), "{flag} sets {key}");
        }
    }
    for command in ["run", "generate"] {
        let help = Command::new(env!("CARGO_BIN_EXE_promop"))
            .args(["help", command])
            .output()
            .unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains("--service-monitor-selector LABELS"), "{help}");
    }
}

#[test]
fn the_defaults_in_the_manual_hold() {
    let row = Regex::new(r"(?m)^//! \| `([A-Za-z]+)` \| `?([a-z0-9.:]+)`? \|").unwrap();
    let manual = read("src/manual/settings.rs");
    let rows = row.captures_iter(&manual);
    let stated: Vec<_> = rows
        .filter(|row| !["none", "all"].contains(&&row[2]))
        .collect();
    assert!(stated.len() > 12, "{stated:?}");
    for row in stated {
        let settings = Settings::from_yaml(&format!("{}: {}", &row[1], &row[2]));
        assert_eq!(settings.unwrap(), Settings::default(), "{}", &row[0]);
    }
}

#[test]
fn every_setting_is_in_the_manual() {
    let text = read("src/receiver/settings.rs");
    let text = text
        .split("pub struct Settings {")
        .nth(1)
        .unwrap()
        .split("\n}")
        .next()
        .unwrap();
    let field = Regex::new(r"(?m)^    pub ([a-z_]+):").unwrap();
    let manual = read("src/manual/settings.rs");
    for found in field.captures_iter(text) {
        let mut words = found[1].split('_');
        let first = words.next().unwrap().to_owned();
        let name = words.fold(first, |name, word| {
            name + &word[..1].to_uppercase() + &word[1..]
        });
        assert!(
            manual.contains(&format!("| `{name}` |")),
            "{name} is not in src/manual/settings.rs"
        );
    }
}

#[test]
fn every_metric_is_in_the_manual() {
    let name = Regex::new(r#""((?:promop|prometheus)_[a-z_]+)""#).unwrap();
    let telemetry = read("src/receiver/telemetry.rs") + &read("src/scrape/job.rs");
    let manual = read("src/manual/operations.rs");
    let names: Vec<_> = name
        .captures_iter(&telemetry)
        .map(|c| c[1].to_owned())
        .collect();
    assert!(!names.is_empty());
    for name in names {
        assert!(
            manual.contains(&format!("`{name}`")),
            "{name} is not in src/manual/operations.rs"
        );
    }
}

#[test]
fn the_readme_shows_the_rights_that_are_tested() {
    for path in ["scripts/rbac/cluster.yaml", "scripts/rbac/namespace.yaml"] {
        assert!(
            read("README.md").contains(&read(path)),
            "README.md does not show {path} as it is"
        );
    }
}

#[test]
fn vendored_crds_are_complete() {
    #[track_caller]
    fn check(kind: &str, want: usize) {
        let text = read(&format!("vendor-crds/monitoring.coreos.com_{kind}.yaml"));
        let crd: Value = serde_yaml::from_str(&text).unwrap();
        let versions = crd["spec"]["versions"].as_sequence().unwrap();
        let nodes = versions
            .iter()
            .map(|version| nodes(&version["schema"]["openAPIV3Schema"]));
        assert_eq!(nodes.sum::<usize>(), want, "{kind}");
        assert!(!text.contains("description:"), "{kind} has prose");
    }
    check("servicemonitors", 209);
    check("podmonitors", 203);
}

/// A schema and all schemas below it: properties, list items, map values.
fn nodes(schema: &Value) -> usize {
    let properties = schema["properties"].as_mapping();
    let properties: usize = properties.map_or(0, |all| all.values().map(nodes).sum());
    let nested = ["items", "additionalProperties"].map(|key| &schema[key]);
    1 + properties
        + nested
            .into_iter()
            .filter(|s| s.is_mapping())
            .map(nodes)
            .sum::<usize>()
}

#[test]
fn vendored_crds_are_what_provenance_says() {
    let provenance: Value = serde_yaml::from_str(&read("vendor-crds/PROVENANCE")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(text(&provenance["version"]), "v0.93.1");
    let files = provenance["files"].as_sequence().unwrap();
    assert_eq!(files.len(), 2);
    for file in files {
        let content = read(&format!("vendor-crds/{}", text(&file["name"])));
        let digest = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, text(&file["sha256"]), "{}", text(&file["name"]));
        assert_eq!(text(&file["original-sha256"]).len(), 64);
    }
}

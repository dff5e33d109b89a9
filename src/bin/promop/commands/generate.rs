//! `promop generate`: what prometheus-operator would write for the monitors in files (manual::decisions, 15).

use super::run;
use crate::cli::Args;
use crate::input::Input;
use crate::{Exit, print, settings};
use prometheus_operator_receiver::config::{self, Loader};
use prometheus_operator_receiver::kube::folder::{find_files, read_text};
use prometheus_operator_receiver::kube::manifest::{self, Manifest};
use prometheus_operator_receiver::monitoring::Definitions;
use prometheus_operator_receiver::operator::{self, Assets, Generated, Settings, Snapshot, expand};
use prometheus_operator_receiver::receiver::{self, Environment};
use prometheus_operator_receiver::rt::files::MemoryFiles;
use prometheus_operator_receiver::wire::yaml::documents;
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;

/// Prints the configuration; what was rejected goes to standard error.
///
/// # Errors
/// The input cannot be read, or the settings do not allow a configuration.
pub(crate) fn generate(args: &Args) -> Result<Exit, String> {
    let mut input = Objects::read(args.input.as_ref().ok_or("no input")?)?;
    let given = settings::given(args)?;
    let object = inherited(wanted(args, &given).as_deref(), &input.others)?;
    let own_namespace = object.map_or_else(
        || Settings::default().namespace,
        |object| object.namespace().to_owned(),
    );
    // Without --expand the text is the same in every environment.
    let variables = args.expand.then(run::environment);
    let environment = Environment::new(variables.unwrap_or_default());
    let resolved = given
        .resolve(&environment, &own_namespace)
        .map_err(|err| settings::problem(args, &err))?;
    let settings = match object {
        Some(object) => &carried_over(object, &resolved.given)?,
        None => &resolved.generator,
    };
    let snapshot = &mut input.snapshot;
    snapshot.complete_namespaces(&settings.namespace);
    snapshot.restrict(&resolved.namespaces, &resolved.deny_namespaces);
    let generated = operator::generate(snapshot, &input.assets, settings);
    let generated = generated.map_err(|err| err.to_string())?;

    let rejected = generated.rejected.iter();
    let mut complaints = input.complaints;
    complaints.extend(rejected.map(|rejection| format!("rejected {rejection}")));
    complaints.extend(refused(&generated));
    if generated.left_out > 0 {
        let count = generated.left_out;
        eprintln!(
            "promop: mode DaemonSet reads PodMonitors only: {count} ServiceMonitors are left out"
        );
    }
    for complaint in &complaints {
        eprintln!("promop: {complaint}");
    }
    if args.expand {
        let pod = resolved.pod_environment(settings, &environment);
        let pod = pod.map_err(|err| format!("{err:#}"))?;
        let env = |name: &str| pod.get(name).cloned();
        print(&expand::expand(&generated.document(), &env))?;
    } else {
        // Part by part: at thousands of monitors the whole is large.
        generated
            .parts()
            .try_for_each(|part| print(part).map(drop))?;
    }
    Ok(if complaints.is_empty() {
        Exit::Fine
    } else {
        Exit::Rejected
    })
}

/// What the files hold.
#[derive(Default)]
struct Objects {
    snapshot: Snapshot,
    assets: Assets,
    /// Objects of all other kinds, among them those to inherit from.
    others: Vec<Manifest>,
    /// Files that cannot be read and documents that are no objects.
    complaints: Vec<String>,
}

impl Objects {
    /// The objects of the input, and what of it holds none. A file that is named must be readable.
    fn read(from: &Input) -> Result<Self, String> {
        let definitions = Definitions::vendored();
        let mut objects = Self::default();
        let Some(folder) = from.folder() else {
            let text = documents::text(from.read()?).map_err(|err| format!("{from}: {err}"))?;
            objects.add(&from.to_string(), &text, &definitions);
            return Ok(objects);
        };
        let found = find_files(folder);
        if let Some(message) = found.unreadable.get(folder) {
            return Err(format!("{from}: {message}"));
        }
        let complaint = |path: &Path, message: &str| format!("{}: {message}", path.display());
        let unreadable = found.unreadable.iter();
        objects.complaints = unreadable.map(|(path, why)| complaint(path, why)).collect();
        for path in found.files.keys() {
            match read_text(path) {
                Ok(text) => objects.add(&path.to_string_lossy(), &text, &definitions),
                Err(message) => objects.complaints.push(complaint(path, &message)),
            }
        }
        Ok(objects)
    }

    fn add(&mut self, file: &str, text: &str, definitions: &Definitions) {
        manifest::each(file, text, &mut |found| match found {
            Ok(object) if object.kind() == "Namespace" => {
                let labels = object.labels().into_iter().flatten();
                let wrong = labels.filter(|(_, value)| !value.is_string());
                self.complaints.extend(wrong.map(|(label, value)| {
                    let (origin, name) = (&object.origin, object.name());
                    format!("{origin}: Namespace {name}: metadata.labels.{label}: {value} is no string; quote it")
                }));
                self.snapshot.add(&object, None);
            }
            Ok(object)
                if self.snapshot.add(&object, Some(definitions)) || self.assets.add(&object) => {}
            Ok(object) => self.others.push(object),
            Err(error) => self.complaints.push(error.to_string()),
        });
    }
}

/// The object that flag or settings file name; `none` only by the flag.
fn wanted(args: &Args, given: &receiver::Settings) -> Option<String> {
    if args.overrides.get("inherit") == Some(&Value::Null) {
        return Some("none".to_owned());
    }
    given.inherit.as_ref().map(ToString::to_string)
}

/// The settings of the chosen object, with the fields that are given in their place.
fn carried_over(object: &Manifest, given: &receiver::Settings) -> Result<Settings, String> {
    let (kind, namespace, name) = (object.kind(), object.namespace(), object.name());
    eprintln!("promop: settings inherited from {kind} {namespace}/{name}");
    let inherited = given.inherited(object.value.clone());
    let (settings, not_carried_over) = inherited.map_err(|err| err.to_string())?;
    for field in not_carried_over {
        eprintln!("promop: not carried over: {field}");
    }
    Ok(settings)
}

/// The object to inherit from: the named one, or the only one.
fn inherited<'a>(
    wanted: Option<&str>,
    objects: &'a [Manifest],
) -> Result<Option<&'a Manifest>, String> {
    let candidates: Vec<_> = objects
        .iter()
        .filter(|object| matches!(object.kind(), "Prometheus" | "PrometheusAgent"))
        .collect();
    let name =
        |object: &Manifest| format!("{}/{}/{}", object.kind(), object.namespace(), object.name());
    let all = || {
        candidates
            .iter()
            .map(|object| name(object))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (wanted, candidates.as_slice()) {
        (Some("none"), _) | (None, []) => Ok(None),
        (None, [one]) => Ok(Some(one)),
        (None, _) => Err(format!(
            "several objects to inherit from; choose with --inherit: {}",
            all()
        )),
        (Some(wanted), _) => {
            let found = candidates
                .iter()
                .find(|object| name(object).eq_ignore_ascii_case(wanted));
            found
                .map(|object| Some(*object))
                .ok_or_else(|| match candidates.as_slice() {
                    [] => format!(
                        "--inherit {wanted}: the input has no Prometheus or PrometheusAgent"
                    ),
                    _ => format!("--inherit {wanted}: not in the input, which has {}", all()),
                })
        }
    }
}

/// What of the text Prometheus would not load, in the words of `run`. It is written nonetheless: upstream writes it, too.
fn refused(generated: &Generated) -> Vec<String> {
    let (files, mut loader) = (MemoryFiles::default(), Loader::new());
    let cx = config::Context {
        path: "",
        files: &files,
        env: &|_| None,
    };
    let global = match loader.load(
        format!("{}{}", generated.head, generated.tail).as_bytes(),
        &cx,
    ) {
        Ok(frame) => frame.global,
        Err(error) => return vec![format!("Prometheus would refuse the whole: {error}")],
    };
    let (mut names, mut refused) = (HashSet::new(), Vec::new());
    for fragment in generated.fragments() {
        let reason = match loader.load_job(fragment.yaml.as_bytes(), &global, &cx) {
            Ok(job) if names.insert(job.job_name.clone()) => continue,
            Ok(job) => format!(
                "found multiple scrape configs with job name {:?}",
                job.job_name
            ),
            Err(error) => error.to_string(),
        };
        let owner = &fragment.owner;
        refused.push(format!(
            "rejected {owner}: Prometheus would not load it: {reason}"
        ));
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: Option<&str>, names: &[&str], want: Result<Option<&str>, &str>) {
        let text: Vec<_> = names
            .iter()
            .map(|name| {
                let (kind, name) = name.split_once(' ').unwrap();
                format!("kind: {kind}\nmetadata: {{namespace: m, name: {name}}}\n")
            })
            .collect();
        let (objects, errors) = manifest::read("f", &text.join("---\n"));
        assert!(errors.is_empty());
        let got = inherited(wanted, &objects).map(|found| found.map(Manifest::name));
        assert_eq!(got, want.map_err(str::to_owned));
    }

    #[test]
    fn one_bad_file_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| std::fs::write(dir.path().join(name), text).unwrap();
        write("latin.yaml", b"# caf\xe9\nkind: X\n");
        write("bad.yaml", b"kind: Z\n---\n[!a, b]\n");
        write("good.json", br#"{"kind": "A"}{"kind": "B"}"#);
        let input = Objects::read(&Input::Path(dir.path().into())).unwrap();
        let kinds: Vec<_> = input.others.iter().map(Manifest::kind).collect();
        assert_eq!(kinds, ["Z", "A", "B"]);
        let complaints = input.complaints;
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[1].contains("latin.yaml: line 1: not UTF-8"));
        assert!(complaints[0].contains("bad.yaml#2: line "));
        for name in ["latin.yaml", "absent"] {
            assert!(Objects::read(&Input::Path(dir.path().join(name))).is_err());
        }
    }

    #[test]
    fn inheriting() {
        check(None, &["Pod a"], Ok(None));
        check(None, &["Prometheus a", "Pod b"], Ok(Some("a")));
        check(Some("none"), &["Prometheus a"], Ok(None));
        check(
            Some("prometheusagent/m/b"),
            &["Prometheus a", "PrometheusAgent b"],
            Ok(Some("b")),
        );
        check(
            None,
            &["Prometheus a", "PrometheusAgent b"],
            Err(
                "several objects to inherit from; choose with --inherit: Prometheus/m/a, PrometheusAgent/m/b",
            ),
        );
        check(
            Some("x"),
            &["Prometheus a"],
            Err("--inherit x: not in the input, which has Prometheus/m/a"),
        );
        check(
            Some("x"),
            &[],
            Err("--inherit x: the input has no Prometheus or PrometheusAgent"),
        );
    }
}

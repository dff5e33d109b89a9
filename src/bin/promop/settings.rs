//! The settings of a command: those of the file that `--settings` names, with what flags set in their place.

use crate::cli::Args;
use crate::flags::EXCLUSIVE;
use crate::input::why;
use prometheus_operator_receiver::receiver::{Error, ErrorKind, Settings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The settings, as given.
///
/// # Errors
/// A file cannot be read, a field is unknown or has a value that is not possible.
pub(crate) fn given(args: &Args) -> Result<Settings, String> {
    let mut fields = match &args.settings_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|err| format!("--settings {}: {}", path.display(), why(&err)))?;
            Settings::fields_from_yaml(&text).map_err(|err| problem(args, &err))?
        }
        None => Map::new(),
    };
    if let Some(Value::String(file)) = args.overrides.get("additionalScrapeConfigs") {
        let problem = match std::fs::metadata(file) {
            Ok(found) => found.is_dir().then(|| "it is a folder".to_owned()),
            Err(err) => Some(why(&err)),
        };
        if let Some(problem) = problem {
            return Err(format!("--additional-scrape-configs {file}: {problem}"));
        }
    }
    override_fields(&mut fields, &args.overrides);
    Settings::from_fields(fields).map_err(|err| problem(args, &err))
}

/// Puts what flags set in the place of what the file sets.
fn override_fields(fields: &mut Map<String, Value>, overrides: &BTreeMap<&str, Value>) {
    for keys in EXCLUSIVE {
        if keys.iter().any(|key| overrides.contains_key(key)) {
            for key in *keys {
                fields.remove(key.split('.').next().unwrap_or(key));
            }
        }
    }
    for (key, value) in overrides {
        put(fields, key, value.clone());
    }
}

fn put(fields: &mut Map<String, Value>, key: &str, value: Value) {
    let Some((first, rest)) = key.split_once('.') else {
        fields.insert(key.to_owned(), value);
        return;
    };
    let inner = fields.entry(first).or_insert(Value::Null);
    if inner.is_null() {
        *inner = json!({});
    }
    // Anything but a map is refused when the fields get their types.
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

/// What is wrong, with the settings file if it may stand there.
pub(crate) fn problem(args: &Args, err: &Error) -> String {
    let text = format!("{err:#}");
    match &args.settings_file {
        Some(path) if err.kind() == ErrorKind::Settings => {
            let text = text.trim_start_matches("settings: ");
            format!("--settings {}: {text}", path.display())
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, parse_args};
    use crate::flags::{FLAGS, Sets};
    use prometheus_operator_receiver::receiver::Source;
    use std::collections::BTreeSet;
    use std::ffi::OsString;
    use std::io::Write;
    use std::time::Duration;

    fn settings_of(line: &str) -> Result<Settings, String> {
        match parse_args(line.split_whitespace().map(OsString::from)) {
            Ok(Command::Run(args)) => given(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_win_over_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"denyNamespaces: [x]\nshutdownTimeout: 3s\nprometheus: {scrapeInterval: 7s, podMonitorSelector: {matchLabels: {a: b}}}\n")
            .unwrap();
        let path = file.path().display();
        let found = settings_of(&format!("--settings {path}")).unwrap();
        assert_eq!(found.deny_namespaces, ["x"]);
        assert_eq!(found.shutdown_timeout, Duration::from_secs(3));
        assert_eq!(found.source, Source::Cluster);
        assert_eq!(found.prometheus["scrapeInterval"], "7s");

        let flags = "--namespaces y --shutdown-timeout 4s --from-dir d --pod-monitor-selector c=d";
        let found = settings_of(&format!("--settings {path} {flags}")).unwrap();
        assert_eq!(
            (found.namespaces, found.deny_namespaces),
            (vec!["y".to_owned()], Vec::new())
        );
        assert_eq!(found.shutdown_timeout, Duration::from_secs(4));
        assert_eq!(found.source, Source::Folder("d".into()));
        assert_eq!(found.prometheus["scrapeInterval"], "7s");
        let selector = found.prometheus["podMonitorSelector"].clone();
        let match_labels = &selector["matchLabels"];
        assert_eq!(*match_labels, json!({"c": "d"}));
    }

    #[test]
    fn a_source_takes_the_place_of_the_whole_source() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"source: {kubeconfig: {path: p, context: c}}\nprometheus: null\n")
            .unwrap();
        let path = file.path().display();
        let source = |flags: &str| {
            let found = settings_of(&format!("--settings {path} {flags}"));
            found.unwrap().source
        };
        let kubeconfig = |path: Option<&str>, context: Option<&str>| Source::Kubeconfig {
            path: path.map(str::to_owned),
            context: context.map(str::to_owned),
        };
        assert_eq!(source(""), kubeconfig(Some("p"), Some("c")));
        assert_eq!(source("--context d"), kubeconfig(None, Some("d")));
        assert_eq!(
            source("--context d --kubeconfig q"),
            kubeconfig(Some("q"), Some("d"))
        );
        assert_eq!(source("--no-kubernetes"), Source::None);
        assert_eq!(
            source("--pod-monitor-selector a --namespaces ,"),
            kubeconfig(Some("p"), Some("c"))
        );
    }

    #[test]
    fn without_flags_the_defaults_hold() {
        assert_eq!(settings_of("").unwrap(), Settings::default());
    }

    #[test]
    fn a_flag_and_its_default_are_those_of_a_setting() {
        let mut names = BTreeSet::new();
        let mut compared = Vec::new();
        for flag in FLAGS {
            assert!(names.insert(flag.name), "--{} twice", flag.name);
            let Sets::Setting(key, parse) = flag.sets else {
                continue;
            };
            let Some((_, default)) = flag.help.split_once("[default: ") else {
                continue;
            };
            if let Ok(value @ Value::String(_)) = parse(default.trim_end_matches(']'))
                && !key.contains('.')
            {
                let fields = Map::from_iter([(key.to_owned(), value)]);
                assert_eq!(
                    Settings::from_fields(fields).unwrap(),
                    Settings::default(),
                    "{key}"
                );
                compared.push(key);
            }
        }
        let want = [
            "webListenAddress",
            "shutdownTimeout",
            "minScrapeInterval",
            "lastGoodMaxAge",
        ];
        assert_eq!(compared, want);
    }
}

//! The command line: commands, and flags by the table of [`crate::flags`]. Nothing is read or started here.

use crate::flags::{EXCLUSIVE, FLAGS, GENERATE, Group, RUN};
use crate::input::Input;
use log::LevelFilter;
use prometheus_operator_receiver::exporters::Compression;
use prometheus_operator_receiver::model::nearest::nearest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Scrape until told to stop.
    Run(Box<Args>),
    /// Print the configuration that would be scraped.
    Generate(Box<Args>),
    /// Load a Prometheus configuration: a file, or `-` for standard input.
    Check(Input),
    /// Print the version.
    Version,
    /// Print this text.
    Help(String),
}

/// Flags as given: what is not given comes from the environment, the settings file or the defaults.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// What stands without a flag.
    pub(crate) input: Option<Input>,
    pub(crate) settings_file: Option<PathBuf>,
    /// What flags set, by the key of the setting.
    pub(crate) overrides: BTreeMap<&'static str, Value>,
    pub(crate) output: Output,
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) otlp_headers: Vec<(String, String)>,
    pub(crate) otlp_compression: Option<Compression>,
    pub(crate) log_level: Option<LevelFilter>,
    pub(crate) expand: bool,
}

/// Where metrics go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Output {
    /// OTLP over HTTP.
    #[default]
    Otlp,
    /// A line per sample.
    StdoutText,
    /// A line of OTLP/JSON per scrape.
    StdoutJson,
}

const USAGE: &str = "\
promop reads ServiceMonitors and PodMonitors, scrapes what they describe and hands the metrics on as OTLP.

usage: promop [run] [FLAG...]                    scrape until stopped
       promop generate [FLAG...] DIR|FILE|-      print the Prometheus configuration of monitors in YAML or JSON files
       promop check FILE|-                       load a Prometheus configuration as the server would
       promop version
       promop help [COMMAND]

Exit codes: 0 fine, 1 failure, 2 wrong usage, 3 generate rejected a monitor.
";

const HELP_RUN: &str = "\
usage: promop [run] [FLAG...]

Scrapes what the monitors describe until SIGTERM or SIGINT; SIGHUP reads files again. The variables
OTEL_EXPORTER_OTLP_* of the environment mean what OpenTelemetry says; flags win over them.
";

const HELP_GENERATE: &str = "\
usage: promop generate [FLAG...] DIR|FILE|-

Prints the Prometheus configuration of the monitors; rejected ones are named on standard error.
";

const HELP_CHECK: &str = "\
usage: promop check FILE|-

Loads a Prometheus configuration as the server would: prints ok, or the error with its place.
";

/// Parses the arguments behind the program's name.
///
/// # Errors
/// What is wrong with them, for the user.
pub(crate) fn parse_args(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let named = args.first().and_then(|first| first.to_str());
    let command = match named {
        Some(name) if !name.starts_with('-') => name.to_owned(),
        Some("--version" | "-V") => return Ok(Command::Version),
        Some("--help" | "-h") => return Ok(Command::Help(USAGE.to_owned())),
        _ => {
            args.insert(0, "run".into());
            "run".to_owned()
        }
    };
    let rest = args.split_off(1);
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        return help(&command).map(Command::Help);
    }
    match command.as_str() {
        "run" => match flags_of(rest, RUN)? {
            Args {
                input: Some(input), ..
            } => Err(format!("unexpected argument {input}")),
            args => Ok(Command::Run(Box::new(args))),
        },
        "generate" => match flags_of(rest, GENERATE)? {
            Args { input: None, .. } => Err("a folder, a file or - is missing".to_owned()),
            args => Ok(Command::Generate(Box::new(args))),
        },
        "check" => flags_of(rest, &[])?
            .input
            .map(Command::Check)
            .ok_or_else(|| "a file or - is missing".to_owned()),
        "version" => match rest.first() {
            Some(more) => Err(format!("version takes no argument, not {}", more.display())),
            None => Ok(Command::Version),
        },
        "help" => {
            let about = rest.first().map(|about| about.to_string_lossy());
            let text = about.map_or_else(|| Ok(USAGE.to_owned()), |about| help(&about));
            text.map(Command::Help)
        }
        unknown => Err(unknown_command(unknown)),
    }
}

/// Flags of these groups, and at most one value without a flag.
fn flags_of(args: Vec<OsString>, groups: &[Group]) -> Result<Args, String> {
    let mut into = Args::default();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|err| err.to_string())? {
        let name = match arg {
            lexopt::Arg::Long(name) => name.to_owned(),
            lexopt::Arg::Short(letter) => return Err(format!("unknown flag -{letter}")),
            lexopt::Arg::Value(value) if into.input.is_none() => {
                into.input = Some(value.into());
                continue;
            }
            lexopt::Arg::Value(value) => {
                return Err(format!("unexpected argument {}", value.display()));
            }
        };
        let mut known = FLAGS.iter().filter(|flag| groups.contains(&flag.group));
        let Some(flag) = known.clone().find(|flag| flag.name == name) else {
            return Err(unknown(
                "flag --",
                &name,
                known.by_ref().map(|flag| flag.name),
            ));
        };
        let value = if flag.value.is_empty() {
            String::new()
        } else {
            let value = parser.value().map_err(|err| err.to_string())?;
            let value = value.into_string();
            value.map_err(|value| format!("--{name}: {} is not UTF-8", value.display()))?
        };
        flag.apply(&mut into, &value)
            .map_err(|err| format!("--{name}: {err}"))?;
    }
    match conflict(&into) {
        Some((one, other)) => Err(format!("--{one} and --{other} exclude each other")),
        None => Ok(into),
    }
}

/// Two flags of which only one may be given.
fn conflict(args: &Args) -> Option<(&'static str, &'static str)> {
    EXCLUSIVE.iter().find_map(|keys| {
        let given = keys.iter().filter(|key| args.overrides.contains_key(*key));
        let flags = given.filter_map(|key| FLAGS.iter().find(|flag| flag.key() == Some(key)));
        let mut names = flags.map(|flag| flag.name);
        Some((names.next()?, names.next()?))
    })
}

fn help(command: &str) -> Result<String, String> {
    let (about, groups) = match command {
        "run" => (HELP_RUN, RUN),
        "generate" => (HELP_GENERATE, GENERATE),
        "check" => (HELP_CHECK, &[][..]),
        "version" | "help" => (USAGE, &[][..]),
        _ => return Err(unknown_command(command)),
    };
    let mut text = about.to_owned();
    for group in groups {
        let flags = FLAGS.iter().filter(|flag| flag.group == *group);
        let lines: Vec<_> = flags
            .map(|flag| (format!("--{} {}", flag.name, flag.value), flag.help))
            .collect();
        let width = lines.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
        text.push_str(&format!("\n{}:\n", group.title()));
        for (left, help) in lines {
            text.push_str(&format!("  {left:width$}  {help}\n"));
        }
    }
    Ok(text)
}

fn unknown_command(name: &str) -> String {
    unknown(
        "command ",
        name,
        ["run", "generate", "check", "version", "help"],
    )
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let prefix = what
        .trim_start_matches("command ")
        .trim_start_matches("flag ");
    match nearest(name, known) {
        Some(near) => format!("unknown {what}{name}; did you mean {prefix}{near}?"),
        None => format!("unknown {what}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(line: &str) -> Result<Command, String> {
        parse_args(line.split_whitespace().map(OsString::from))
    }

    #[track_caller]
    fn run(line: &str) -> Args {
        match parsed(line) {
            Ok(Command::Run(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(line: &str, want: &str) {
        assert_eq!(parsed(line).unwrap_err(), want, "{line}");
    }

    #[test]
    fn run_is_the_default_command() {
        assert!(matches!(parsed(""), Ok(Command::Run(_))));
        let args = run("--namespaces a,b --namespaces=c --output stdout:json");
        assert_eq!(args.overrides["namespaces"], json!(["a", "b", "c"]));
        assert_eq!(args.output, Output::StdoutJson);
        let args = run(
            "run --web.listen-address :1 --shutdown-timeout 1m30s --log-level debug --no-kubernetes",
        );
        let overrides = BTreeMap::from([
            ("webListenAddress", json!("[::]:1")),
            ("shutdownTimeout", json!("90000ms")),
            ("source.none", Value::Null),
        ]);
        assert_eq!(args.overrides, overrides);
        assert_eq!(args.log_level, Some(LevelFilter::Debug));
        let args = run("--otlp-header a=b=c --otlp-header d= --otlp-compression none");
        let headers = [("a", "b=c"), ("d", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(args.otlp_headers, headers);
        assert_eq!(args.otlp_compression, Some(Compression::None));
    }

    #[test]
    fn other_commands() {
        let Ok(Command::Generate(generate)) = parsed("generate --expand dir --inherit none") else {
            panic!("not generate");
        };
        assert!(generate.expand);
        assert_eq!(generate.input, Some(Input::Path("dir".into())));
        assert!(matches!(
            parsed("check -"),
            Ok(Command::Check(Input::Stdin))
        ));
        assert!(matches!(parsed("version"), Ok(Command::Version)));
        assert!(matches!(parsed("--version"), Ok(Command::Version)));
        for line in [
            "help",
            "-h",
            "help run",
            "run --help",
            "--output stdout --help",
            "check -h",
        ] {
            assert!(matches!(parsed(line), Ok(Command::Help(_))), "{line}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        refused(
            "--namspaces a",
            "unknown flag --namspaces; did you mean --namespaces?",
        );
        refused(
            "--otlp-endpont=x",
            "unknown flag --otlp-endpont; did you mean --otlp-endpoint?",
        );
        refused("--frobnicate", "unknown flag --frobnicate");
        refused("-x", "unknown flag -x");
        refused("chekc x", "unknown command chekc; did you mean check?");
        refused("run here", "unexpected argument here");
        refused("generate", "a folder, a file or - is missing");
        refused("generate a b", "unexpected argument b");
        refused(
            "--output file",
            "--output: file is none of otlp, stdout, stdout:text, stdout:json",
        );
        refused(
            "--otlp-header secret",
            "--otlp-header: NAME=VALUE is expected",
        );
        refused(
            "--shutdown-timeout 10",
            "--shutdown-timeout: 10: a duration such as 10s is expected",
        );
        refused(
            "--web.listen-address host:1",
            "--web.listen-address: host:1: an IP address and a port are expected, as 127.0.0.1:9099",
        );
        refused(
            "--from-dir a --no-kubernetes",
            "--from-dir and --no-kubernetes exclude each other",
        );
        refused(
            "--kubeconfig a --from-dir b",
            "--kubeconfig and --from-dir exclude each other",
        );
        refused(
            "--context a --from-dir b",
            "--context and --from-dir exclude each other",
        );
        refused("generate --output stdout a", "unknown flag --output");
        refused(
            "--namespaces a --deny-namespaces b",
            "--namespaces and --deny-namespaces exclude each other",
        );
    }
}

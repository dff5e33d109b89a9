//! The command line: every flag is defined once, with its help text and what it sets. Nothing is read or started here.

mod flags;

pub(crate) use flags::compression;

use flags::{FLAGS, GENERATE, Group, RUN};
use log::LevelFilter;
use prometheus_operator_receiver::exporters::Compression;
use prometheus_operator_receiver::kube::types::meta::SelectorSpec;
use prometheus_operator_receiver::model::nearest::nearest;
use prometheus_operator_receiver::receiver::Settings;
use serde_json::json;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Scrape until told to stop.
    Run(Box<Args>),
    /// Print the configuration that would be scraped.
    Generate(Box<Args>),
    /// Load a Prometheus configuration: a file, or `-` for standard input.
    Check(PathBuf),
    /// Print the version.
    Version,
    /// Print this text.
    Help(String),
}

/// Flags as given: what is not given comes from the environment, the settings file or the defaults.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// What stands without a flag: the folder, the file, or `-`.
    pub(crate) input: Option<PathBuf>,
    pub(crate) settings: Option<PathBuf>,
    pub(crate) kubeconfig: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) from_dir: Option<PathBuf>,
    pub(crate) no_kubernetes: bool,
    pub(crate) additional_scrape_configs: Option<PathBuf>,
    pub(crate) monitor_files: Vec<String>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) deny_namespaces: Vec<String>,
    pub(crate) service_monitors: Option<SelectorSpec>,
    pub(crate) service_monitor_namespaces: Option<SelectorSpec>,
    pub(crate) pod_monitors: Option<SelectorSpec>,
    pub(crate) pod_monitor_namespaces: Option<SelectorSpec>,
    pub(crate) output: Output,
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) otlp_headers: Vec<(String, String)>,
    pub(crate) otlp_compression: Option<Compression>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) shutdown_timeout: Option<Duration>,
    pub(crate) min_scrape_interval: Option<Duration>,
    pub(crate) last_good_max_age: Option<Duration>,
    pub(crate) log_level: Option<LevelFilter>,
    pub(crate) events: bool,
    pub(crate) expand: bool,
    pub(crate) inherit: Option<String>,
    pub(crate) shard: Option<u32>,
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
            } => Err(format!("unexpected argument {}", input.display())),
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
        (flag.set)(&mut into, value).map_err(|err| format!("--{name}: {err}"))?;
    }
    into.checked()
}

impl Args {
    /// Puts the selectors that were given in the place of those in the settings.
    pub(crate) fn select(&self, settings: &mut Settings) -> Result<(), String> {
        let selectors = [
            (&self.service_monitors, "serviceMonitorSelector"),
            (
                &self.service_monitor_namespaces,
                "serviceMonitorNamespaceSelector",
            ),
            (&self.pod_monitors, "podMonitorSelector"),
            (&self.pod_monitor_namespaces, "podMonitorNamespaceSelector"),
        ];
        for (given, field) in selectors {
            if let Some(selector) = given {
                let said = settings.say(field, json!(selector));
                said.map_err(|err| format!("{err:#}"))?;
            }
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, String> {
        let exclusive: [&[(bool, &str)]; 2] = [
            &[
                (self.kubeconfig.is_some(), "--kubeconfig"),
                (self.from_dir.is_some(), "--from-dir"),
                (self.no_kubernetes, "--no-kubernetes"),
            ],
            &[
                (!self.namespaces.is_empty(), "--namespaces"),
                (!self.deny_namespaces.is_empty(), "--deny-namespaces"),
            ],
        ];
        for flags in exclusive {
            let mut given = flags.iter().filter(|(given, _)| *given);
            if let (Some((_, one)), Some((_, other))) = (given.next(), given.next()) {
                return Err(format!("{one} and {other} exclude each other"));
            }
        }
        Ok(self)
    }
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
        assert_eq!(args.namespaces, ["a", "b", "c"]);
        assert_eq!(args.output, Output::StdoutJson);
        let args = run(
            "run --web.listen-address :1 --shutdown-timeout 1m30s --log-level debug --no-kubernetes",
        );
        assert_eq!(args.listen, Some(SocketAddr::from(([0_u16; 8], 1))));
        assert_eq!(args.shutdown_timeout, Some(Duration::from_secs(90)));
        assert_eq!(args.log_level, Some(LevelFilter::Debug));
        assert!(args.no_kubernetes);
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
        assert_eq!(generate.input, Some(PathBuf::from("dir")));
        assert!(matches!(parsed("check -"), Ok(Command::Check(_))));
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
        refused("generate --output stdout a", "unknown flag --output");
        refused(
            "--namespaces a --deny-namespaces b",
            "--namespaces and --deny-namespaces exclude each other",
        );
    }

    #[test]
    fn flags_are_defined_once() {
        let mut names: Vec<_> = FLAGS.iter().map(|flag| flag.name).collect();
        let n = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n);
    }
}

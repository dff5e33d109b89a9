//! `promop run`: settings → receiver → wait for signals → stop.

use crate::Exit;
use crate::cli::{Args, Output};
use crate::signal::{Event, Events};
use crate::{logging, otlp};
use crossbeam_channel::Sender;
use log::{error, info, warn};
use prometheus_operator_receiver::exporters::{Format, Lines, OtlpHttp};
use prometheus_operator_receiver::http::url::shown;
use prometheus_operator_receiver::receiver::{Error, ErrorKind, Receiver, Settings, Source};
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::translate;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// A stop takes at most four seconds beyond the deadline of the queues; what takes longer is blocked for good.
const LAST_RESORT: Duration = Duration::from_secs(5);

/// Scrapes until SIGTERM or SIGINT.
///
/// # Errors
/// The settings cannot be honoured, or the receiver cannot be started.
pub(crate) fn run(args: &Args) -> Result<Exit, String> {
    let environment = environment();
    logging::start(
        args.log_level,
        environment.get("RUST_LOG").map(String::as_str),
    );
    let settings = settings(args)?;
    let deadline = settings.shutdown_timeout;
    let events = Events::catch(deadline.saturating_add(LAST_RESORT))
        .map_err(|err| format!("signals cannot be caught: {err}"))?;
    let builder = Receiver::builder(settings).environment(environment.clone());
    let lines = |format| {
        Lines::new(
            "stdout",
            Stdout(events.end()),
            format,
            translate::Settings::default(),
        )
    };
    let builder = match args.output {
        Output::StdoutText => builder.exporter(lines(Format::Readable)),
        Output::StdoutJson => builder.exporter(lines(Format::OtlpJson)),
        Output::Otlp => {
            let (settings, ignored) = otlp::settings(args, &|name| environment.get(name).cloned())?;
            for part in ignored {
                warn!("ignored: {part}");
            }
            info!("sending OTLP url={}", shown(&settings.url));
            builder.exporter(
                OtlpHttp::new(settings, &Disk)
                    .map_err(|err| format!("OTEL_EXPORTER_OTLP_*, --otlp-header: {err}"))?,
            )
        }
    };
    let running = builder.start().map_err(|err| match err.kind() {
        ErrorKind::Kubernetes if args.kubeconfig.is_none() && args.context.is_none() => {
            format!("{err:#}; try --kubeconfig FILE, or --from-dir scripts/demo")
        }
        ErrorKind::Settings => match &args.settings {
            Some(path) => place(path, &err),
            None => format!("{err:#}"),
        },
        _ => format!("{err:#}"),
    })?;
    let admin = running
        .admin_address()
        .map_or_else(|| "none".to_owned(), |at| format!("http://{at}"));
    info!(
        "started version={} admin={admin}",
        env!("CARGO_PKG_VERSION")
    );

    let end = loop {
        let event = events.next();
        if event != Event::Reload {
            break event;
        }
        info!("SIGHUP: reading files again");
        let read = self::settings(args).and_then(|settings| {
            let reloaded = running.reload_with(settings);
            reloaded.map_err(|err| format!("{err:#}"))
        });
        if let Err(err) = read {
            error!("settings not read again, the old ones hold err={err:?}");
            running.reload();
        }
    };
    if end == Event::OutputClosed {
        info!("nobody reads the standard output any more");
    }
    info!("stopping, queues have {deadline:?}");
    let report = running.stop(deadline);
    if report.left_behind.is_empty() {
        info!("{report}");
        return Ok(Exit::Fine);
    }
    error!("{report}");
    Ok(Exit::Failure)
}

/// The standard output. When whoever read it has gone, as `head` does, the program is done, and nothing is lost.
struct Stdout(Sender<Event>);

impl Stdout {
    fn judge<T>(&self, done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe => {
                self.0.try_send(Event::OutputClosed).ok();
                Ok(instead)
            }
            done => done,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.judge(io::stdout().write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.judge(io::stdout().flush(), ())
    }
}

/// The variables of the environment. One that is no text cannot be one that is read here.
pub(crate) fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// What is wrong with the settings file.
fn place(file: &Path, err: &Error) -> String {
    let err = format!("{err:#}");
    let err = err.trim_start_matches("settings: ");
    format!("--settings {}: {err}", file.display())
}

/// Why a file cannot be read.
pub(crate) fn why(err: &io::Error) -> String {
    match err.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => err.to_string(),
    }
}

/// The settings file, with what flags say in its place.
pub(crate) fn settings(args: &Args) -> Result<Settings, String> {
    let mut settings = match &args.settings {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|err| format!("--settings {}: {}", path.display(), why(&err)))?;
            Settings::from_yaml(&text).map_err(|err| place(path, &err))?
        }
        None => Settings::default(),
    };
    if let Some(folder) = &args.from_dir {
        settings.source = Source::Folder(folder.clone());
    } else if args.no_kubernetes {
        settings.source = Source::None;
    } else if args.kubeconfig.is_some() || args.context.is_some() {
        let (path, context) = (args.kubeconfig.clone(), args.context.clone());
        settings.source = Source::Kubeconfig { path, context };
    }
    if !args.namespaces.is_empty() || !args.deny_namespaces.is_empty() {
        settings.namespaces.clone_from(&args.namespaces);
        settings.deny_namespaces.clone_from(&args.deny_namespaces);
    }
    if let Some(file) = &args.additional_scrape_configs {
        let place = format!("--additional-scrape-configs {}", file.display());
        match std::fs::metadata(file) {
            Ok(found) if found.is_dir() => return Err(format!("{place}: it is a folder")),
            Ok(_) => settings.additional_scrape_configs = Some(file.clone()),
            Err(err) => return Err(format!("{place}: {}", why(&err))),
        }
    } else if args.no_kubernetes && settings.additional_scrape_configs.is_none() {
        return Err(
            "--no-kubernetes: nothing is left to scrape; name --additional-scrape-configs FILE"
                .to_owned(),
        );
    }
    if !args.monitor_files.is_empty() {
        settings.monitor_files.clone_from(&args.monitor_files);
    }
    if let Some(address) = args.listen {
        settings.web_listen_address = Some(address);
    }
    if let Some(least) = args.min_scrape_interval {
        settings.min_scrape_interval = least;
    }
    if let Some(timeout) = args.shutdown_timeout {
        settings.shutdown_timeout = timeout;
    }
    if let Some(age) = args.last_good_max_age {
        settings.last_good_max_age = age;
    }
    settings.events |= args.events;
    if let Some(shard) = args.shard {
        settings.shard = Some(shard);
    }
    match args.inherit.as_deref() {
        None => {}
        Some("none") => settings.inherit = None,
        Some(object) => settings.inherit = Some(object.parse()?),
    }
    args.select(&mut settings)?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, parse_args};
    use std::io::Write;
    use std::time::Duration;

    fn settings_of(line: &str) -> Result<Settings, String> {
        match parse_args(line.split_whitespace().map(OsString::from)) {
            Ok(Command::Run(args)) => settings(&args),
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
        assert_eq!(found.prometheus.spec.scrape_interval.as_deref(), Some("7s"));

        let flags = "--namespaces y --shutdown-timeout 4s --from-dir d --pod-monitor-selector c=d";
        let found = settings_of(&format!("--settings {path} {flags}")).unwrap();
        assert_eq!(
            (found.namespaces, found.deny_namespaces),
            (vec!["y".to_owned()], Vec::new())
        );
        assert_eq!(found.shutdown_timeout, Duration::from_secs(4));
        assert_eq!(found.source, Source::Folder("d".into()));
        let selector = found.prometheus.spec.pod_monitor_selector.unwrap();
        assert_eq!(
            selector.match_labels.get("c").map(String::as_str),
            Some("d")
        );
        assert!(!selector.match_labels.contains_key("a"));
    }

    #[test]
    fn without_flags_the_defaults_hold() {
        let found = settings_of("").unwrap();
        assert_eq!(found.source, Source::Cluster);
        assert_eq!(
            found.web_listen_address.map(|at| at.to_string()).as_deref(),
            Some("127.0.0.1:9099")
        );
        assert!(found.namespaces.is_empty());
    }
}

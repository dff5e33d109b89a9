//! `promop run`: settings → receiver → wait for signals → stop.

use crate::Exit;
use crate::cli::{Args, Output};
use crate::signal::{Event, Events};
use crate::{logging, otlp_env, settings};
use crossbeam_channel::Sender;
use log::{error, info, warn};
use prometheus_operator_receiver::exporters::{Format, Lines, OtlpHttp};
use prometheus_operator_receiver::http::url::shown;
use prometheus_operator_receiver::receiver::{ErrorKind, Receiver, Source};
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::translate;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
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
    let given = settings::given(args)?;
    let is_cluster_of_default = given.source == Source::Cluster;
    let deadline = given.shutdown_timeout;
    let events = Events::catch(deadline.saturating_add(LAST_RESORT))
        .map_err(|err| format!("signals cannot be caught: {err}"))?;
    let builder = Receiver::builder(given).environment(environment.clone());
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
            let (settings, ignored) =
                otlp_env::settings(args, &|name| environment.get(name).cloned())?;
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
        ErrorKind::Kubernetes if is_cluster_of_default => {
            format!("{err:#}; try --kubeconfig FILE, or --from-dir scripts/demo")
        }
        _ => settings::problem(args, &err),
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
        let read = settings::given(args).and_then(|given| {
            let reloaded = running.reload_with(given);
            reloaded.map_err(|err| settings::problem(args, &err))
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

/// The standard output. When its reader has ended, as `head` does, the program is done, and nothing is lost.
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

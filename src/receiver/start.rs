//! Starting and stopping: who is started before whom, and ended in the opposite order.

use super::admin::{self, View};
use super::board::Board;
use super::cluster::{informers, source, surroundings};
use super::error::{Error, ErrorKind, system};
use super::events::{self, Recorder};
use super::inherited::Inherited;
use super::monitors::{Monitors, Scope};
use super::overview::Overview;
use super::pod::{check_head, pod_name, seed};
use super::prepare::{Memory, Preparer};
use super::resolved::Resolved;
use super::settings::{Environment, Settings, Source};
use super::status::Status;
use super::supervisor::{Inputs, Supervisor, answer_requests};
use super::targets;
use crate::discovery::{self, Manager};
use crate::exporters::Consumers;
use crate::http::cause;
use crate::http::server::Server;
use crate::kube::Informers;
use crate::kube::Tuning;
use crate::monitoring::Definitions;
use crate::operator;
use crate::pdata::Consumer;
use crate::pipeline::{Exporter, ExporterStatus, Pipeline, PipelineSettings};
use crate::rt::clock::{Clock, SystemClock};
use crate::rt::pulse::Pulse;
use crate::rt::thread::{Crew, STACK, Team};
use crate::scrape::job::{Counters, Options};
use crate::scrape::pool::{Pool, PoolSettings};
use crate::translate;
use crossbeam_channel::{Sender, bounded, never};
use log::{debug, error, info};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Scrapes that are under way when a receiver stops have this long to end (manual::decisions, 14).
const SCRAPE_GRACE: Duration = Duration::from_secs(2);

/// Whatever then still computes, or is blocked by the system, is left behind after this time.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// No step of the supervisor takes longer than this.
const STUCK_SUPERVISOR: Duration = Duration::from_secs(20);

/// No configuration takes longer to prepare or to put in place than this, however large it is: a restart would only repeat it.
const STUCK: Duration = Duration::from_secs(300);

/// Longer deadlines are no different, and must not overflow a time.
const MOST_PATIENT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads monitors, scrapes what they describe, hands metrics on. Made by [`Receiver::builder`].
#[derive(Debug)]
pub struct Receiver;

impl Receiver {
    /// A receiver with these settings, without anybody who takes its metrics yet.
    pub fn builder(settings: Settings) -> ReceiverBuilder {
        ReceiverBuilder {
            settings,
            environment: Environment::default(),
            exporters: Vec::new(),
            consumers: Vec::new(),
        }
    }
}

/// Puts a receiver together.
pub struct ReceiverBuilder {
    settings: Settings,
    environment: Environment,
    exporters: Vec<Box<dyn Exporter>>,
    consumers: Vec<Arc<dyn Consumer>>,
}

impl fmt::Debug for ReceiverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl ReceiverBuilder {
    /// What the environment says: the way to the cluster from inside a pod (`KUBERNETES_SERVICE_HOST`, …), `KUBECONFIG`,
    /// `POD_NAME`, `SHARD`, proxies. The library reads no environment itself.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = Environment::new(variables);
        self
    }

    /// Adds an exporter; each has a queue and a thread of its own.
    #[must_use]
    pub fn exporter(mut self, exporter: impl Exporter + 'static) -> Self {
        self.exporters.push(Box::new(exporter));
        self
    }

    /// Adds a consumer, such as a closure. It is called by the thread that scraped; see [`Consumer`].
    #[must_use]
    pub fn consumer(mut self, consumer: impl Consumer + 'static) -> Self {
        self.consumers.push(Arc::new(consumer));
        self
    }

    /// Starts the receiver. Returns once its threads run; whether it is ready is said by [`Running::status`].
    ///
    /// # Errors
    /// The settings contradict each other, there is no way to an API server, or the system refuses a thread or the port.
    pub fn start(self) -> Result<Running, Error> {
        let Self {
            settings,
            environment,
            exporters,
            consumers,
        } = self;
        let clock = SystemClock::shared();

        // Whoever takes something starts before whoever gives it.
        let surroundings = surroundings(&environment);
        let source = source(&settings.source, &environment, &surroundings.roots, &clock)?;
        let own_namespace = source.as_ref().map_or_else(
            || operator::Settings::default().namespace,
            |(_, own)| own.clone(),
        );
        let resolved = settings.resolve(&environment, &own_namespace)?;
        let resolved = resolved.for_run(&environment)?;
        let settings = &resolved.given;
        if settings.inherit.is_none() {
            check_head(&resolved.generator, &environment)?;
        }
        let informers = source
            .map(|(source, _)| informers(source, resolved.scope(), &clock))
            .transpose()?;
        let listener = settings.web_listen_address.map(listen).transpose()?;
        let consumers = (!consumers.is_empty()).then(|| {
            let settings = translate::Settings::default();
            Arc::new(Consumers::new(consumers, settings, Arc::clone(&clock)))
        });
        let pipeline = pipeline(settings, exporters, consumers.clone(), &clock)?;
        let pool = PoolSettings {
            max_workers: settings.max_workers,
            seed: seed(&environment),
            readers: std::thread::available_parallelism().map_or(1, usize::from),
            ..PoolSettings::default()
        };
        let pool = Pool::start(pool, pipeline.delivery(), Arc::clone(&clock));
        let pool = Arc::new(pool.map_err(|error| system("scrape workers", error))?);

        let (changed, changes) = bounded(1);
        let (reload, reloads) = bounded(1);
        // One request at a time is under way, and so is one answer.
        let (requests, requested) = bounded(1);
        let (answers, answered) = bounded(1);
        let (applied, outcomes) = bounded(1);
        let discovery = Manager::start(discovery::DiscoveryContext {
            informers: informers.clone(),
            http: surroundings.clone(),
            tuning: Tuning::default(),
            clock: Arc::clone(&clock),
        });
        let discovery = Arc::new(discovery.map_err(|error| system("discovery", error))?);
        let monitors = informers.as_ref().map(|informers| {
            let scope = Scope {
                allowed: resolved.namespaces.clone(),
                denied: resolved.deny_namespaces.clone(),
            };
            let from_files = matches!(settings.source, Source::Folder(_));
            let definitions = from_files.then(Definitions::vendored);
            Monitors::subscribe(informers, scope, definitions, &changed)
        });
        let monitors = monitors.transpose().map_err(|error| {
            Error::with(ErrorKind::Kubernetes, "monitors cannot be watched", error)
        })?;
        let inherited = settings.inherit.as_ref().zip(informers.as_ref());
        let inherited = inherited.map(|(from, informers)| {
            Inherited::watch(from, informers, &changed)
                .map_err(|error| Error::with(ErrorKind::Kubernetes, "inherit", error))
        });

        let watched = monitors.is_some();
        let (mut team, stopped) = Team::new();
        let events = match informers.clone().filter(|_| settings.events) {
            Some(informers) => {
                let recorder = Recorder {
                    informers,
                    clock: Arc::clone(&clock),
                    pod_name: pod_name(&environment),
                };
                let (events, come) = bounded(events::WAITING);
                let stopped = stopped.clone();
                team.spawn("events", STACK, move || recorder.run(&come, &stopped))
                    .map_err(|error| system("events", error))?;
                Some(events)
            }
            None => None,
        };
        let board = Arc::new(Board::new(Arc::clone(&clock), events));
        let counters = Arc::new(Counters::default());
        let shutdown_timeout = settings.shutdown_timeout;
        let options = Options {
            bounds: settings.bounds(),
            ..Options::default()
        };
        let next_settings = Arc::default();
        let preparer = Preparer {
            resolved: Arc::new(resolved),
            next_settings: Arc::clone(&next_settings),
            environment: environment.clone(),
            clock: Arc::clone(&clock),
            watched: informers.clone().zip(monitors),
            inherited: inherited.transpose()?,
            discovery: Arc::clone(&discovery),
            surroundings,
            options,
            counters: Arc::clone(&counters),
            memory: Memory::default(),
        };
        let inputs = Inputs {
            // Without Kubernetes nobody could ever send.
            changed: if watched { changes } else { never() },
            reload: reloads,
            applied: outcomes,
            stopped: stopped.clone(),
        };
        let supervisor = Supervisor::new(inputs, requests, Arc::clone(&clock), Arc::clone(&board));
        let running = targets::Running::new(
            Arc::clone(&pool),
            Arc::clone(&discovery),
            Arc::clone(&board),
        );
        let until = stopped.clone();
        let [deciding, preparing, relabelling] = [
            Pulse::new("supervisor", STUCK_SUPERVISOR),
            Pulse::new("prepare", STUCK),
            Pulse::new("targets", STUCK),
        ];
        let mut pulses = vec![deciding.clone(), preparing.clone(), relabelling.clone()];
        pulses.push(discovery.pulse());
        pulses.extend(informers.as_ref().map(Informers::pulse));
        pulses.extend(pipeline.pulses());
        team.spawn("prepare", 4 * STACK, move || {
            answer_requests(preparer, &requested, &answers, &preparing);
        })
        .and_then(|()| {
            let run = move || running.run(&answered, &applied, &until, &relabelling);
            team.spawn("targets", 4 * STACK, run)
        })
        .and_then(|()| team.spawn("supervisor", STACK, move || supervisor.run(&deciding)))
        .map_err(|error| system("threads", error))?;

        let overview = Arc::new(Overview {
            board,
            pool,
            pipeline,
            informers,
            counters,
            consumers,
            clock,
            pulses,
            stopped,
        });
        let server = listener
            .map(|listener| serve(listener, &overview))
            .transpose()?;
        Ok(Running {
            team,
            reload,
            next_settings,
            environment,
            own_namespace,
            discovery,
            server,
            overview: Some(overview),
            shutdown_timeout,
        })
    }
}

/// A running receiver. Dropping it stops it with the settings' deadline.
#[derive(Debug)]
pub struct Running {
    team: Team,
    reload: Sender<()>,
    next_settings: Arc<Mutex<Option<Resolved>>>,
    environment: Environment,
    own_namespace: String,
    discovery: Arc<Manager>,
    server: Option<Server>,
    overview: Option<Arc<Overview>>,
    shutdown_timeout: Duration,
}

/// What was done with the metrics by the time a receiver ended.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The exporters.
    pub exporters: Vec<ExporterStatus>,
    /// What did not end in time, by the names of threads or by what they do. It runs on, but nothing waits for it.
    pub left_behind: Vec<String>,
}

/// So many things that did not end are named in a line.
const MOST_NAMED: usize = 5;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")?;
        for exporter in &self.exporters {
            write!(f, "; {exporter}")?;
        }
        if !self.left_behind.is_empty() {
            let named = self.left_behind.iter().take(MOST_NAMED);
            let named: Vec<_> = named.map(String::as_str).collect();
            write!(f, "; not waited for any longer: {}", named.join(", "))?;
            let more = self.left_behind.len() - named.len();
            if more > 0 {
                write!(f, " and {more} more")?;
            }
        }
        Ok(())
    }
}

impl Running {
    /// How the receiver fares now.
    pub fn status(&self) -> Status {
        self.overview
            .as_deref()
            .map(Overview::status)
            .unwrap_or_default()
    }

    /// The running Prometheus configuration; secrets are `<secret>`.
    pub fn config_text(&self) -> String {
        self.overview
            .as_deref()
            .map(View::config_text)
            .unwrap_or_default()
    }

    /// The targets of the running configuration.
    pub fn targets(&self) -> admin::Targets {
        self.overview
            .as_deref()
            .map(View::targets)
            .unwrap_or_default()
    }

    /// Monitors that give a job or are not used as they are.
    pub fn monitors(&self) -> Vec<admin::Monitor> {
        self.overview
            .as_deref()
            .map(View::monitors)
            .unwrap_or_default()
    }

    /// Where the admin server listens, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(Server::address)
    }

    /// Reads files, credentials and Secrets again and applies what changed (SIGHUP).
    pub fn reload(&self) {
        if let Some(informers) = self.overview.as_deref().and_then(|o| o.informers.as_ref()) {
            informers.refresh();
        }
        // A full slot: a reload is about to happen already.
        self.reload.try_send(()).ok();
    }

    /// The same with settings that were read again. Those that hold until the next start (where metrics come from, the admin
    /// server's address, sizes, …) are named in the log if they have changed.
    ///
    /// # Errors
    /// The settings contradict each other; nothing changes.
    pub fn reload_with(&self, settings: Settings) -> Result<(), Error> {
        let next = settings.resolve(&self.environment, &self.own_namespace)?;
        *self.next_settings.lock() = Some(next.for_run(&self.environment)?);
        self.reload();
        Ok(())
    }

    /// Stops: no further scrape, those under way have two seconds, then queues drain until `deadline` from now. Whatever
    /// then still computes or is blocked has two more seconds; the report names what is left behind.
    pub fn stop(mut self, deadline: Duration) -> Report {
        self.shut_down(deadline)
    }

    fn shut_down(&mut self, deadline: Duration) -> Report {
        let Some(overview) = self.overview.take() else {
            return Report::default();
        };
        let deadline = deadline.min(MOST_PATIENT);
        let clock = &overview.clock;
        let end = clock.now() + deadline;
        // Producers end before consumers. Nobody is waited for without a bound.
        overview.pipeline.hasten();
        self.team.stop();
        let mut ending = self.end_sources(&overview);
        overview.pool.stop(SCRAPE_GRACE.min(deadline));
        let rest = end.saturating_duration_since(clock.now());
        overview.pipeline.stop(rest);

        let last = clock.now() + LAST_GRACE;
        let rest = || last.saturating_duration_since(clock.now());
        let mut left_behind = overview.pipeline.join_within(rest());
        left_behind.extend(overview.pool.join_within(rest()));
        left_behind.extend(self.team.join_within(rest()));
        left_behind.extend(ending.join_within(rest()));
        Report {
            exporters: overview.pipeline.status(),
            left_behind,
        }
    }

    /// Ends what brings news, each on a thread of its own: how long that takes depends on others.
    fn end_sources(&mut self, overview: &Overview) -> Crew {
        let mut ending = Crew::new();
        if let Some(informers) = overview.informers.clone() {
            let theirs = informers.clone();
            let started = ending.spawn("watches", STACK, move || theirs.stop());
            if started.is_err() {
                informers.stop();
            }
        }
        let discovery = Arc::clone(&self.discovery);
        let started = ending.spawn("discovery", STACK, move || discovery.stop());
        if started.is_err() {
            self.discovery.stop();
        }
        // If no thread is to be had, the server is dropped here.
        let server = self.server.take();
        if let Err(error) = ending.spawn("admin server", STACK, move || drop(server)) {
            debug!("the admin server was ended without a thread err={error}");
        }
        ending
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let report = self.shut_down(self.shutdown_timeout);
        if !report.left_behind.is_empty() {
            error!("{report}");
        } else if !report.exporters.is_empty() {
            info!("{report}");
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).or_else(|error| {
        let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
        // A port that is taken is taken for IPv4, too; anything else means that there is no IPv6 here.
        if address != all || error.kind() == io::ErrorKind::AddrInUse {
            return Err(error);
        }
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))
    });
    bound.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken, name another one".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            io::ErrorKind::PermissionDenied => {
                "not permitted; ports below 1024 need a privilege".to_owned()
            }
            _ => cause::io(&error),
        };
        Error::new(
            ErrorKind::System,
            format!("webListenAddress (--web.listen-address): cannot listen on {address}: {why}"),
        )
    })
}

fn serve(listener: TcpListener, overview: &Arc<Overview>) -> Result<Server, Error> {
    let view = Arc::clone(overview);
    let handler = Arc::new(move |request: &_| admin::answer(request, &*view));
    Server::start(
        "admin",
        listener,
        Arc::clone(&overview.clock),
        handler,
        admin::is_large,
    )
    .map_err(|error| system("admin server", error))
}

fn pipeline(
    settings: &Settings,
    exporters: Vec<Box<dyn Exporter>>,
    consumers: Option<Arc<Consumers>>,
    clock: &Arc<dyn Clock>,
) -> Result<Pipeline, Error> {
    let others = consumers
        .map(|consumers| consumers as _)
        .into_iter()
        .collect();
    let pipeline = PipelineSettings {
        queue_bytes: settings.queue_bytes,
        ..PipelineSettings::default()
    };
    Pipeline::start(exporters, others, &pipeline, Arc::clone(clock))
        .map_err(|error| system("exporters", error))
}

#[cfg(test)]
mod tests;

//! Requests to one API server: an object by name, lists page by page, watches line by line.
//! What to do about an error is decided elsewhere ([`crate::kube::watch::machine`]).

use super::auth::Credentials;
use super::config::{Auth, Config, ConfigError};
use super::error::{Error, Status};
use super::list::{self, Budget, Failure, ListMeta, MAX_OBJECT};
use crate::http::config::Secret;
use crate::http::tls;
use crate::http::{agent, cause};
use crate::kube::types::kind::Kind;
use crate::rt::clock::Clock;
use crate::rt::files::Disk;
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Response, Uri};
use ureq::{Body, BodyReader};

/// Longest event of a watch, and longest error body, in bytes. etcd refuses objects of more than about 1.5 MiB.
const MAX_LINE: u64 = 16 * 1024 * 1024;
const MAX_ERROR_BODY: u64 = 64 * 1024;
const READ_BUFFER: usize = 16 * 1024;

/// Connecting, with name resolution and TLS: also how long a stop may take, for these cannot be interrupted.
const CONNECT: Duration = Duration::from_secs(10);
/// Reading one object: configurations wait for it.
const GET: Duration = Duration::from_secs(10);
/// Servers give up on a list after 60 s themselves.
const LIST_HEAD: Duration = Duration::from_secs(65);
const LIST_SILENCE: Duration = Duration::from_secs(30);

/// An API server with credentials. Clones share everything.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    user_agent: Box<str>,
    roots: Arc<tls::SharedRoots>,
    credentials: Credentials,
    /// For objects by name; built when first needed, and anew after the connection failed.
    gets: Mutex<Option<Connection>>,
    stopped: AtomicBool,
}

/// An agent of its own, so that shutting it down cuts only what goes through it.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Agent);

/// A page of a list.
pub(crate) struct Page {
    pub(crate) kind: Kind,
    /// With the query.
    pub(crate) path: String,
    /// How long it may take, to the last byte.
    pub(crate) time: Duration,
}

impl Client {
    /// A client for `config`. Nothing is sent yet, but certificates and keys are read.
    ///
    /// # Errors
    /// The settings contradict each other, or a certificate, key or proxy cannot be used.
    pub fn new(
        config: Config,
        user_agent: &str,
        roots: Arc<tls::SharedRoots>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        check_server(&config)?;
        let client = Self(Arc::new(Inner {
            credentials: Credentials::new(&config, clock),
            config,
            user_agent: user_agent.into(),
            roots,
            gets: Mutex::new(None),
            stopped: AtomicBool::new(false),
        }));
        client.connection()?;
        Ok(client)
    }

    /// The namespace that is ours.
    pub fn namespace(&self) -> &str {
        &self.0.config.namespace
    }

    /// Reads an object by name.
    ///
    /// # Errors
    /// Not there, not permitted, or no answer.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value, Error> {
        let path = format!("{}/{}", kind.path(Some(namespace)), segment(name));
        let connection = self.shared_connection()?;
        let result = self
            .send(&connection, &path, &Timeouts::get())
            .and_then(|response| {
                let body = response.into_body().into_with_config().limit(MAX_OBJECT);
                let object = serde_json::from_reader(BufReader::new(body.reader()));
                object.map_err(|error| {
                    let what = format!("{kind} {namespace}/{name} cannot be read: {error}");
                    Error::Decode(self.at(&what))
                })
            });
        if matches!(result, Err(Error::Transport(_))) {
            // The next attempt reads the certificates anew.
            *self.0.gets.lock() = None;
        }
        result
    }

    /// Writes an Event (`events.k8s.io/v1`). It is tried once.
    ///
    /// # Errors
    /// Not permitted, or no answer.
    pub fn create_event(&self, namespace: &str, event: &Value) -> Result<(), Error> {
        let (server, namespace) = (&self.0.config.server, segment(namespace));
        let url = format!("{server}/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let connection = self.shared_connection()?;
        let mut request = connection.0.post(&url);
        request = request.header("Content-Type", "application/json");
        if let Some(header) = self.authorization()? {
            request = request.header("Authorization", header.expose());
        }
        let request = request.config().timeout_global(Some(GET)).build();
        match request.send(event.to_string()) {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(self.error_of(response)),
            Err(error) => Err(self.unreachable(&error)),
        }
    }

    /// Forgets tokens that can be had anew: they are read again before the next request.
    pub fn forget_credentials(&self) {
        self.0.credentials.forget();
    }

    /// Cuts what goes through the shared connection; later requests fail.
    pub fn shutdown(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        if let Some(connection) = self.0.gets.lock().take() {
            connection.shutdown();
        }
    }

    /// A connection of its own, with what certificate files hold now.
    fn connection(&self) -> Result<Connection, ConfigError> {
        let inner = &self.0;
        let config = &inner.config;
        let tls = tls::client_config(&config.tls, &Disk, &inner.roots)
            .map_err(|error| ConfigError::new(&config.server, error.to_string()))?;
        let proxy = match config.proxy.expose() {
            "" => None,
            url => Some(
                ureq::Proxy::new(url)
                    .map_err(|error| ConfigError::new("proxy-url", error.to_string()))?,
            ),
        };
        Ok(Connection(agent::build(&agent::AgentSettings {
            tls,
            server_name: config.tls.server_name.clone(),
            proxy,
            user_agent: inner.user_agent.clone(),
            connect_timeout: CONNECT,
            response_timeout: None,
            read_timeout: None,
        })))
    }

    fn shared_connection(&self) -> Result<Connection, Error> {
        let mut gets = self.0.gets.lock();
        if self.0.stopped.load(Ordering::SeqCst) {
            return Err(Error::Stopped);
        }
        if gets.is_none() {
            *gets = Some(self.fresh_connection()?);
        }
        gets.clone().ok_or(Error::Stopped)
    }

    /// One page of a list; each item is handed on as JSON text while it is read.
    pub(crate) fn list(
        &self,
        connection: &Connection,
        page: &Page,
        budget: &mut Budget,
        each: &mut dyn FnMut(&str),
    ) -> Result<ListMeta, Error> {
        let response = self.send(connection, &page.path, &Timeouts::list(page.time))?;
        let content_type = response.headers().get("content-type");
        let content_type = content_type.and_then(|value| value.to_str().ok());
        // A 200 of something that is no API server, such as a login page.
        if let Some(other) = content_type.filter(|text| !text.contains("json")) {
            return Err(self.bad_list(page.kind, &format!("got {other} instead of JSON")));
        }
        let body = response.into_body().into_reader();
        list::read(body, page.kind, budget, each).map_err(|failure| match failure {
            Failure::Broken(text) => {
                Error::Transport(self.at(&format!("the list of {}: {text}", page.kind.plural())))
            }
            Failure::Bad(text) => self.bad_list(page.kind, &text),
        })
    }

    /// A list that cannot be used.
    pub(crate) fn bad_list(&self, kind: Kind, reason: &str) -> Error {
        Error::Decode(self.at(&format!("the list of {}: {reason}", kind.plural())))
    }

    /// The server, and how we came to it.
    pub(crate) fn place(&self) -> String {
        let Config { server, origin, .. } = &self.0.config;
        // Nobody's password belongs into a log.
        let server = match server.split_once("://") {
            Some((scheme, rest)) => {
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{host}")
            }
            None => server.clone(),
        };
        if origin.is_empty() {
            server
        } else {
            format!("{server} ({origin})")
        }
    }

    fn at(&self, what: &str) -> String {
        format!("{}: {what}", self.place())
    }

    fn unreachable(&self, cause: &ureq::Error) -> Error {
        Error::Transport(self.at(&cause::of(cause)))
    }

    fn authorization(&self) -> Result<Option<Secret>, Error> {
        let header = self.0.credentials.header();
        header.map_err(|cause| Error::Credentials(self.at(&cause)))
    }

    /// The same, with an error that says where.
    pub(crate) fn fresh_connection(&self) -> Result<Connection, Error> {
        let connection = self.connection();
        connection.map_err(|error| Error::Credentials(self.at(&error.message)))
    }

    /// Opens a watch. `silence` bounds how long nothing at all may come, `whole` how long it may last.
    pub(crate) fn watch(
        &self,
        connection: &Connection,
        path: &str,
        silence: Duration,
        whole: Duration,
    ) -> Result<WatchStream, Error> {
        let response = self.send(connection, path, &Timeouts::watch(silence, whole))?;
        let body = response.into_body().into_reader();
        Ok(WatchStream(BufReader::with_capacity(READ_BUFFER, body)))
    }

    fn send(
        &self,
        connection: &Connection,
        path: &str,
        timeouts: &Timeouts,
    ) -> Result<Response<Body>, Error> {
        let url = format!("{}{path}", self.0.config.server);
        let mut retried = false;
        loop {
            let mut request = connection.0.get(&url).header("Accept", "application/json");
            if let Some(header) = self.authorization()? {
                request = request.header("Authorization", header.expose());
            }
            let request = request
                .config()
                .timeout_global(timeouts.whole)
                .timeout_recv_response(timeouts.head)
                .timeout_per_read(timeouts.silence)
                .build();
            // Once at once: with credentials read anew, or because a connection that lay idle had been closed.
            let (failed, again) = match request.call() {
                Ok(response) if response.status().as_u16() == 200 => return Ok(response),
                Ok(response) if response.status().as_u16() == 401 => {
                    (self.error_of(response), self.0.credentials.forget())
                }
                Ok(response) => (self.error_of(response), false),
                Err(error) => (self.unreachable(&error), is_closed(&error)),
            };
            if retried || !again || self.0.stopped.load(Ordering::SeqCst) {
                return Err(failed);
            }
            retried = true;
        }
    }

    fn error_of(&self, response: Response<Body>) -> Error {
        let code = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut body = Vec::new();
        let limited = response.into_body().into_reader().take(MAX_ERROR_BODY);
        // What could be read is enough for a message.
        BufReader::new(limited).read_to_end(&mut body).ok();
        let mut status = Status::parse(code, retry_after.as_deref(), &body);
        status.at = self.place();
        if code == 401 {
            status.message = self.0.credentials.refused();
        }
        Error::Status(status)
    }
}

impl Connection {
    /// Cuts everything that goes through it, at once.
    pub(crate) fn shutdown(self) {
        self.0.shutdown();
    }
}

struct Timeouts {
    whole: Option<Duration>,
    head: Option<Duration>,
    silence: Option<Duration>,
}

impl Timeouts {
    fn get() -> Self {
        Self {
            whole: Some(GET),
            head: None,
            silence: None,
        }
    }

    fn list(whole: Duration) -> Self {
        Self {
            whole: Some(whole),
            head: Some(LIST_HEAD),
            silence: Some(LIST_SILENCE),
        }
    }

    /// Some proxies hold the head back until the first event, so it has no shorter bound than silence.
    fn watch(silence: Duration, whole: Duration) -> Self {
        Self {
            whole: Some(whole),
            head: Some(silence),
            silence: Some(silence),
        }
    }
}

fn check_server(config: &Config) -> Result<(), ConfigError> {
    let error = |message: &str| Err(ConfigError::new(&config.server, message));
    let Ok(uri) = config.server.parse::<Uri>() else {
        return error("is no URL of an API server");
    };
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") => {
            let host = uri.host().unwrap_or_default();
            let is_loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
            // client-go sends credentials over TLS only.
            if config.auth == Auth::Anonymous || is_loopback {
                Ok(())
            } else {
                error("credentials are not sent over http: use https")
            }
        }
        _ => error("want a URL with http or https"),
    }
}

const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'/')
    .add(b'?')
    .add(b'#')
    .add(b'%')
    .add(b'"')
    .add(b'<')
    .add(b'>');

/// A name as a part of a path.
fn segment(name: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(name, SEGMENT)
}

/// A value in a query.
pub(crate) fn query_value(value: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(value, NON_ALPHANUMERIC)
}

/// An open watch.
pub(crate) struct WatchStream(BufReader<BodyReader<'static>>);

impl WatchStream {
    /// Reads one event into `line`, without its line end. `Ok(false)`: the server ended the stream in good order.
    pub(crate) fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        (&mut self.0).take(MAX_LINE).read_until(b'\n', line)?;
        if line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(true);
        }
        if line.is_empty() {
            return Ok(false);
        }
        let problem = if line.len() as u64 == MAX_LINE {
            "an event is longer than 16 MiB"
        } else {
            "the stream was cut in the middle of an event"
        };
        Err(io::Error::new(ErrorKind::UnexpectedEof, problem))
    }
}
/// Whether the other side had closed the connection.
fn is_closed(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof)
}

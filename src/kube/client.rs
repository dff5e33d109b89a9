//! Requests to one API server: an object by name, lists page by page, watches line by line.
//! What to do about an error is decided elsewhere ([`super::watch`]).

use super::auth::Credentials;
use super::config::{Auth, Config, ConfigError};
use super::error::{Error, Status};
use super::types::kind::Kind;
use crate::http::agent;
use crate::http::tls;
use crate::rt::clock::Clock;
use crate::rt::files::Disk;
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Response, Uri};
use ureq::{Body, BodyReader};

/// Longest event of a watch, and longest error body, in bytes. etcd refuses objects of more than about 1.5 MiB.
const MAX_LINE: u64 = 16 * 1024 * 1024;
const MAX_ERROR_BODY: u64 = 64 * 1024;
/// Longest list, and longest object read by name, in bytes: bounds memory if a server goes mad.
const MAX_LIST: u64 = 512 * 1024 * 1024;
const MAX_OBJECT: u64 = 16 * 1024 * 1024;
const READ_BUFFER: usize = 16 * 1024;

/// Connecting, with name resolution and TLS: also how long a stop may take, for these cannot be interrupted.
const CONNECT: Duration = Duration::from_secs(10);
/// Reading one object.
const GET: Duration = Duration::from_secs(30);
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
    roots: Arc<tls::Shared>,
    credentials: Credentials,
    /// For objects by name; built when first needed, and anew after the connection failed.
    gets: Mutex<Option<Connection>>,
    stopped: AtomicBool,
}

/// An agent of its own, so that shutting it down cuts only what goes through it.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Agent);

/// `metadata` of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMeta {
    pub(crate) resource_version: String,
    /// Asks for the next page; empty on the last one.
    #[serde(rename = "continue")]
    pub(crate) next: String,
}

impl Client {
    /// A client for `config`. Nothing is sent yet, but certificates and keys are read.
    ///
    /// # Errors
    /// The settings contradict each other, or a certificate, key or proxy cannot be used.
    pub fn new(
        config: Config,
        user_agent: &str,
        roots: Arc<tls::Shared>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        check_server(&config)?;
        let client = Self(Arc::new(Inner {
            credentials: Credentials::new(config.auth.clone(), clock),
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
                serde_json::from_reader(BufReader::new(body.reader()))
                    .map_err(|error| Error::Decode(error.to_string()))
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
        if let Some(header) = self.0.credentials.header()? {
            request = request.header("Authorization", header.expose());
        }
        let request = request.config().timeout_global(Some(GET)).build();
        match request.send(event.to_string()) {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(error_of(response)),
            Err(error) => Err(Error::Transport(error.to_string())),
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
    pub(crate) fn connection(&self) -> Result<Connection, ConfigError> {
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
        Ok(Connection(agent::build(&agent::Settings {
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
            let connection = self.connection();
            *gets = Some(connection.map_err(|error| Error::Credentials(error.to_string()))?);
        }
        gets.clone().ok_or(Error::Stopped)
    }

    /// One page of a list; each item is handed on as JSON text while it is read. `query` follows the `?`.
    pub(crate) fn list(
        &self,
        connection: &Connection,
        path: &str,
        query: &str,
        each: &mut dyn FnMut(&str),
    ) -> Result<ListMeta, Error> {
        let path = format!("{path}?{query}");
        let response = self.send(connection, &path, &Timeouts::list())?;
        let body = response.into_body().into_with_config().limit(MAX_LIST);
        let mut reader = BufReader::with_capacity(READ_BUFFER, body.reader());
        let mut json = serde_json::Deserializer::from_reader(&mut reader);
        let meta = ListSeed(each).deserialize(&mut json).and_then(|meta| {
            json.end()?;
            Ok(meta)
        });
        let meta = meta.map_err(|error| match error.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Eof => {
                Error::Transport(format!("the list ended early: {error}"))
            }
            _ => Error::Decode(error.to_string()),
        })?;
        // A 200 from something that is no API server, such as a login page, must not look like an empty list.
        if meta.resource_version.is_empty() && meta.next.is_empty() {
            return Err(Error::Decode("the answer is no list".to_owned()));
        }
        Ok(meta)
    }

    /// Opens a watch. `silence` bounds how long nothing at all may come.
    pub(crate) fn watch(
        &self,
        connection: &Connection,
        path: &str,
        query: &str,
        silence: Duration,
    ) -> Result<WatchStream, Error> {
        let path = format!("{path}?{query}");
        let response = self.send(connection, &path, &Timeouts::watch(silence))?;
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
            if let Some(header) = self.0.credentials.header()? {
                request = request.header("Authorization", header.expose());
            }
            let request = request
                .config()
                .timeout_global(timeouts.whole)
                .timeout_recv_response(timeouts.head)
                .timeout_per_read(timeouts.silence)
                .build();
            let failed = match request.call() {
                Ok(response) if response.status().as_u16() == 200 => return Ok(response),
                Ok(response) => error_of(response),
                Err(error) => Error::Transport(error.to_string()),
            };
            // Once at once: with credentials read anew, or because a connection that lay idle had been closed.
            let again = match &failed {
                Error::Status(status) if status.code == 401 => self.0.credentials.forget(),
                Error::Transport(text) => text.contains("Peer disconnected"),
                _ => false,
            };
            if retried || !again || self.0.stopped.load(Ordering::SeqCst) {
                return Err(failed);
            }
            retried = true;
        }
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

    fn list() -> Self {
        Self {
            whole: None,
            head: Some(LIST_HEAD),
            silence: Some(LIST_SILENCE),
        }
    }

    /// Some proxies hold the head back until the first event, so it has no shorter bound than silence.
    fn watch(silence: Duration) -> Self {
        Self {
            whole: None,
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

fn error_of(response: Response<Body>) -> Error {
    let code = response.status().as_u16();
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut body = Vec::new();
    let limited = response.into_body().into_reader().take(MAX_ERROR_BODY);
    // What could be read is enough for a message.
    BufReader::new(limited).read_to_end(&mut body).ok();
    Error::Status(Status::parse(code, retry_after.as_deref(), &body))
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
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem))
    }
}

/// Reads a list in any order of its keys: built-in kinds have `metadata` before `items`, custom resources after.
struct ListSeed<'a>(&'a mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = ListMeta;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<ListMeta, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = ListMeta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListMeta, A::Error> {
        let mut meta = ListMeta::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "kind" => {
                    let kind: String = map.next_value()?;
                    if !kind.ends_with("List") {
                        return Err(A::Error::custom(format!("got kind {kind}, want a list")));
                    }
                }
                "metadata" => meta = map.next_value()?,
                "items" => map.next_value_seed(ItemsSeed(&mut *self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(meta)
    }
}

struct ItemsSeed<'a>(&'a mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        // Go writes an empty list as null at times.
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            (self.0)(item.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, want: Result<(&str, usize), ()>) {
        let mut items = 0;
        let mut each = |_: &str| items += 1;
        let mut reader = serde_json::Deserializer::from_reader(json.as_bytes());
        let meta = ListSeed(&mut each).deserialize(&mut reader);
        let got = meta.map(|meta| meta.resource_version).map_err(|_| ());
        assert_eq!(
            got.as_deref().map(|rv| (rv, items)),
            want.as_ref().map(|w| *w)
        );
    }

    #[test]
    fn lists_in_both_orders() {
        check(
            r#"{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[{},{"a":[1]}]}"#,
            Ok(("7", 2)),
        );
        check(
            r#"{"items":[{}],"kind":"PodMonitorList","metadata":{"continue":"","resourceVersion":"8"}}"#,
            Ok(("8", 1)),
        );
        check(
            r#"{"items":null,"metadata":{"resourceVersion":"9"}}"#,
            Ok(("9", 0)),
        );
        check(r#"{"kind":"Status","items":[]}"#, Err(()));
        check(r#"{"items":[{}"#, Err(()));
    }
}

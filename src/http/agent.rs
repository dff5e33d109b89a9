//! The one place that builds ureq agents, for APIs and exporters: every default that matters is set here.
//!
//! ureq's own TLS settings panic on a key that does not fit its certificate and ignore a CA that does not parse, so
//! agents get a finished rustls configuration ([`super::tls::client_config`]) through a connector of ours.

use super::client::resolve::Resolver;
use super::client::socket::Interrupt;
use super::error::Kind;
use crate::rt::clock::{Clock, SystemClock};
use http::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;
use ureq::config::Config;
use ureq::unversioned::resolver::{self, ResolvedSocketAddrs};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
    TcpConnector, Transport, TransportAdapter,
};
use ureq::{Agent, Error};

/// What one user of an agent decides.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// TLS, finished.
    pub tls: Arc<ClientConfig>,
    /// The name to expect in the server's certificate; empty means the host in the URL.
    pub server_name: Box<str>,
    /// The proxy, if any; the environment is never asked.
    pub proxy: Option<ureq::Proxy>,
    /// `User-Agent`.
    pub user_agent: Box<str>,
    /// Name resolution, connecting and the TLS handshake; ureq cannot be interrupted in the first two, so this also
    /// bounds how long a stop may take.
    pub connect_timeout: Duration,
    /// The wait for the head of a response, if each request does not bound it itself.
    pub response_timeout: Option<Duration>,
    /// The longest silence between two reads of a body.
    pub read_timeout: Option<Duration>,
}

/// An agent for one API or endpoint. Statuses are values, redirects are not followed, nothing comes from the environment.
/// Capping bodies is the reader's affair. [`Agent::shutdown`] ends what is in flight, of every clone.
pub fn build(settings: &AgentSettings) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(false)
        .proxy(settings.proxy.clone())
        .no_delay(true)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(&*settings.user_agent)
        .accept("*/*")
        // Compression is the caller's choice: ureq is built without it.
        .accept_encoding("")
        .max_response_header_size(64 * 1024)
        .input_buffer_size(32 * 1024)
        .output_buffer_size(16 * 1024)
        .max_idle_connections(4)
        .max_idle_connections_per_host(2)
        .max_idle_age(Duration::from_secs(60))
        .timeout_resolve(Some(settings.connect_timeout))
        .timeout_connect(Some(settings.connect_timeout))
        .timeout_send_request(Some(settings.connect_timeout))
        .timeout_recv_response(settings.response_timeout)
        .timeout_per_read(settings.read_timeout)
        .timeout_per_write(Some(settings.connect_timeout))
        .build();
    let connector =
        ().chain(TcpConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(TlsConnector(
                Arc::clone(&settings.tls),
                settings.server_name.clone(),
            ));
    Agent::with_parts(config, connector, Names(Resolver::default()))
}

/// For a look-up without a limit: a time must not overflow.
const MOST_PATIENT: Duration = Duration::from_secs(3600);

/// As many as ureq takes.
const MOST_ADDRESSES: usize = 16;

/// Our resolver as ureq wants it. Its own starts a thread for each connection, and panics if the system refuses one.
#[derive(Debug)]
struct Names(Resolver);

impl resolver::Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let deadline = SystemClock.now() + (*timeout.after).min(MOST_PATIENT);
        let found = self.0.resolve(host, port, deadline, &Interrupt::default());
        let found = found.map_err(|error| match error.kind {
            Kind::Timeout => Error::Timeout(timeout.reason),
            _ => Error::Io(io::Error::other(error.message)),
        })?;
        let mut addresses = self.empty();
        for address in found.into_iter().take(MOST_ADDRESSES) {
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(Error::HostNotFound);
        }
        Ok(addresses)
    }
}

#[derive(Debug)]
struct TlsConnector(Arc<ClientConfig>, Box<str>);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let name = if self.1.is_empty() { host } else { &*self.1 };
        let name = ServerName::try_from(name)
            .map_err(|_| Error::Tls("the server's name is not a valid name for TLS"))?
            .to_owned();
        let mut session = ClientConnection::new(Arc::clone(&self.0), name)?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        session.complete_io(&mut socket)?;
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Either::B(TlsTransport {
            buffers,
            stream: StreamOwned::new(session, socket),
        })))
    }
}

struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get_mut(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

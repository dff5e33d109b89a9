//! One connection to a target or proxy: a socket, and TLS over it where needed.

use super::resolve::Resolver;
use super::socket::{Interrupt, Socket, io_failed};
use crate::http::cause;
use crate::http::error::{Error, Kind};
use crate::http::url::Url;
use crate::rt::clock::{Clock, SystemClock};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::SockRef;
use std::fmt;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// prometheus: common/config, idleConnTimeout.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A connection attempt is given up and begun anew when the kernel would send its SYN again (after 1 s, then 2 s), and
/// every 2 s from then on: the packets are about the same, and a thread looks up often enough to be stopped.
const CONNECT_SLICES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// A connection kept alive between exchanges; its owner is the target's state.
pub struct Connection {
    stream: Stream,
    peer: Peer,
    used_at: Instant,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// Whom a connection reaches, and how: two equal peers may share a connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// The proxy that the connection goes to, if any.
    pub(super) proxy: Option<Url>,
    /// Scheme, host and port of the target; with a proxy for plain HTTP those of the proxy.
    pub(super) origin: (String, String, u16),
    /// TLS towards the target, or the proxy.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        let tls = match (&self.tls, &other.tls) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        tls && self.proxy == other.proxy && self.origin == other.origin
    }
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: Peer) -> Self {
        Self {
            stream,
            peer,
            used_at: SystemClock.now(),
        }
    }

    /// Whether it reaches this peer, has not idled too long, and the other side has neither closed it nor spoken
    /// unasked.
    pub(super) fn is_usable(&mut self, peer: &Peer) -> bool {
        let idle = SystemClock.now().saturating_duration_since(self.used_at);
        self.peer == *peer && idle < IDLE_TIMEOUT && self.stream.is_quiet()
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Notes the end of an exchange.
    pub(super) fn rest(&mut self) {
        self.used_at = SystemClock.now();
    }
}

/// Bytes to and from the peer. TLS inside TLS is a TLS target behind a TLS proxy.
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Stream>>),
}

impl Stream {
    /// Handshakes as the client.
    pub(super) fn encrypt(
        self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Error> {
        let failed = |e: rustls::Error| Error::failed(format!("tls: {}", cause::tls(&e)));
        let mut session = ClientConnection::new(config, name).map_err(failed)?;
        // Small buffers: a request is a few hundred bytes, and records wait in them only while a socket is full.
        session.set_buffer_limit(Some(16 * 1024));
        let mut stream = StreamOwned::new(session, self);
        while stream.conn.is_handshaking() {
            stream
                .conn
                .complete_io(&mut stream.sock)
                .map_err(|e| io_failed(&e))?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    pub(super) fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.sock.socket(),
        }
    }

    /// TLS may have session tickets waiting, so only plain streams must be silent.
    fn is_quiet(&mut self) -> bool {
        let may_have_data = matches!(self, Self::Tls(_));
        let socket = SockRef::from(&*self.socket().tcp);
        let waiting = socket.recv_with_flags(
            &mut [MaybeUninit::uninit()],
            libc::MSG_PEEK | libc::MSG_DONTWAIT,
        );
        match waiting {
            Ok(0) => false,
            Ok(_) => may_have_data,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// Connects to a host: every address of its name is tried, each with its share of the time that is left.
pub(super) fn connect(
    resolver: &Resolver,
    host: &str,
    port: u16,
    deadline: Instant,
    interrupt: &Interrupt,
) -> Result<Socket, Error> {
    let addresses = resolver.resolve(host, port, deadline, interrupt)?;
    let mut failure = Error::failed(format!("dial tcp: lookup {host}: no such host"));
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(SystemClock.now());
        let shares = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match connect_to(*address, SystemClock.now() + left / shares, interrupt) {
            Ok(tcp) => {
                // Latency matters more than packets: a request is one write.
                tcp.set_nodelay(true).map_err(|e| io_failed(&e))?;
                let tcp = Arc::new(tcp);
                return Ok(Socket::new(tcp, deadline));
            }
            Err(error) if error.kind == Kind::Interrupted => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn connect_to(
    address: SocketAddr,
    deadline: Instant,
    interrupt: &Interrupt,
) -> Result<TcpStream, Error> {
    let mut slices = CONNECT_SLICES.into_iter();
    let longest = CONNECT_SLICES[CONNECT_SLICES.len() - 1];
    loop {
        interrupt.check()?;
        let left = deadline.saturating_duration_since(SystemClock.now());
        if left.is_zero() {
            return Err(Error::timeout());
        }
        let slice = slices.next().unwrap_or(longest).min(left);
        match TcpStream::connect_timeout(&address, slice.max(Duration::from_millis(1))) {
            Ok(tcp) => return Ok(tcp),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => {
                let cause = io_failed(&error);
                let text = format!("dial tcp {address}: connect: {}", cause.message);
                return Err(Error::new(cause.kind, text));
            }
        }
    }
}

//! A small blocking HTTP/1.1 server for the admin pages: GET and HEAD, one request a connection, everything capped in
//! size, time and number. It isn't a general web server: no TLS, no keep-alive, no request bodies.

use crate::rt::clock::Clock;
use crate::rt::thread::{Crew, STACK, catch};
use log::{debug, error, warn};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest request head, in bytes. A browser's or a proxy's is below 8 KiB.
const MAX_HEAD: usize = 16 * 1024;
/// Most header lines of a request.
const MAX_HEADERS: usize = 64;
/// Most requests answered at once, each by a thread of its own; more are told 503.
const MAX_CONNECTIONS: usize = 16;
/// A request must have arrived within this time.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// A client must have taken the answer within this time.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Unread input is taken from a refused client for so long and so far, because closing a socket with input
/// waiting resets the connection, and the answer could be lost.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 256 * 1024;
/// After a failed accept (no file descriptors, say) the server rests.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// A request without its headers: nothing served here depends on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// GET or HEAD.
    pub method: Method,
    /// The path as sent, from `/` up to the query.
    pub path: String,
    /// Names and values of the query, decoded, in order.
    pub query: Vec<(String, String)>,
}

impl Request {
    /// The first value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The answer.
    Get,
    /// Its head only.
    Head,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Plain text; a line end is added.
    pub fn text(status: u16, text: impl fmt::Display) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{text}\n").into_bytes(),
        }
    }

    /// JSON.
    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type: "application/json",
            body,
        }
    }
}

/// Answers requests, on several threads at once.
pub type Handler = Arc<dyn Fn(&Request) -> Response + Send + Sync>;

/// Why a request is refused before anybody sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    reason: &'static str,
}

const fn refuse<T>(status: u16, reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, reason })
}

/// Reads a request head; `None` means that more bytes are needed.
///
/// # Errors
/// Not HTTP/1.x, too large, with a body, or neither GET nor HEAD.
pub fn parse(head: &[u8]) -> Result<Option<Request>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if head.len() >= MAX_HEAD => {
            return refuse(431, "request head too large");
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return refuse(431, "too many headers"),
        Err(_) => return refuse(400, "malformed request"),
    }
    let method = match parsed.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => return refuse(405, "only GET and HEAD are served"),
    };
    if parsed.headers.iter().any(has_body) {
        return refuse(413, "no request body is taken");
    }
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') {
        return refuse(400, "the request target is not a path");
    }
    Ok(Some(Request {
        method,
        path: path.to_owned(),
        query: parse_query(query),
    }))
}

fn has_body(header: &httparse::Header<'_>) -> bool {
    let length = header.name.eq_ignore_ascii_case("content-length");
    length && header.value != b"0" || header.name.eq_ignore_ascii_case("transfer-encoding")
}

fn parse_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let bytes = percent_encoding::percent_decode_str(&text);
        bytes.decode_utf8_lossy().into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// A running server. Dropping it stops: connections are cut and every thread is joined.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    crew: Crew,
}

struct Shared {
    clock: Arc<dyn Clock>,
    handler: Handler,
    stopping: AtomicBool,
    connections: Mutex<HashMap<u64, TcpStream>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.connections.lock().len();
        f.debug_struct("Shared")
            .field("stopping", &self.stopping)
            .field("connections", &connections)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Serves on a listener that is bound already, so that the caller knows the port and names a taken one.
    ///
    /// # Errors
    /// The listener has no address, or no thread can be started.
    pub fn start(
        name: &str,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
        handler: Handler,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            clock,
            handler,
            stopping: AtomicBool::new(false),
            connections: Mutex::new(HashMap::new()),
        });
        let mut crew = Crew::new();
        let (accepting, thread) = (Arc::clone(&shared), name.to_owned());
        crew.spawn(name, STACK, move || accept(&thread, &listener, &accepting))?;
        Ok(Self {
            address,
            shared,
            crew,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for stream in self.shared.connections.lock().values() {
            cut(stream);
        }
        // Nothing else wakes a thread that waits for a connection.
        if let Err(err) = TcpStream::connect_timeout(&reachable(self.address), DRAIN_TIME) {
            warn!("admin server cannot be woken to stop err={err}");
        }
        self.crew.join();
    }
}

/// The address under which a listener on all addresses is reached from here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn accept(name: &str, listener: &TcpListener, shared: &Arc<Shared>) {
    let mut crew = Crew::new();
    let (_rest, rested) = crate::rt::stop::pair();
    for id in 0.. {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(err) => {
                warn!("cannot accept a connection err={err}");
                if rested.wait(ACCEPT_REST) || shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                continue;
            }
        };
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        if crew.reap() >= MAX_CONNECTIONS {
            // Not written to: a client that doesn't read must not hold up the others.
            debug!("connection refused, {MAX_CONNECTIONS} are open");
            cut(&stream);
            continue;
        }
        let serving = Arc::clone(shared);
        let work = move || serving.serve(id, stream);
        if let Err(err) = crew.spawn(&format!("{name}-{id}"), STACK, work) {
            warn!("no thread for a connection err={err}");
        }
    }
}

impl Shared {
    fn serve(&self, id: u64, stream: TcpStream) {
        match stream.try_clone() {
            Ok(clone) => self.connections.lock().insert(id, clone),
            Err(err) => return debug!("connection not served err={err}"),
        };
        // Whoever stops sets the flag first and then cuts what is registered: one of the two sees this connection.
        if !self.stopping.load(Ordering::SeqCst) {
            let served = self.exchange(&stream);
            if let Err(err) = served {
                debug!("connection ended early err={err}");
            }
        }
        self.connections.lock().remove(&id);
    }

    fn exchange(&self, mut stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (head_only, refused, response) = match self.read_request(stream)? {
            None => return Ok(()),
            Some(Ok(request)) => (request.method == Method::Head, false, self.answer(&request)),
            Some(Err(refusal)) => (false, true, refusal.into()),
        };
        let deadline = self.clock.now() + ANSWER_TIME;
        let head = head_of(&response);
        self.write_all(stream, head.as_bytes(), deadline)?;
        if !head_only {
            self.write_all(stream, &response.body, deadline)?;
        }
        stream.flush()?;
        stream.shutdown(Shutdown::Write)?;
        if refused {
            self.drain(stream);
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Response {
        catch(|| (self.handler)(request)).unwrap_or_else(|panic| {
            error!("BUG: admin page panicked path={} err={panic}", request.path);
            Response::text(500, "internal error")
        })
    }

    /// `None`: the client went away without asking for anything.
    fn read_request(&self, mut stream: &TcpStream) -> io::Result<Option<Result<Request, Refusal>>> {
        let deadline = self.clock.now() + REQUEST_TIME;
        let mut head = Vec::new();
        let mut piece = [0; 2048];
        loop {
            stream.set_read_timeout(Some(self.left(deadline)?))?;
            let n = match stream.read(&mut piece) {
                Ok(0) if head.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(err),
            };
            head.extend_from_slice(piece.get(..n).unwrap_or_default());
            if let Some(found) = parse(&head).transpose() {
                return Ok(Some(found));
            }
        }
    }

    fn write_all(
        &self,
        mut stream: &TcpStream,
        mut bytes: &[u8],
        deadline: Instant,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            stream.set_write_timeout(Some(self.left(deadline)?))?;
            match stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    fn drain(&self, mut stream: &TcpStream) {
        let deadline = self.clock.now() + DRAIN_TIME;
        let (mut taken, mut piece) = (0, [0; 2048]);
        while taken < DRAIN_BYTES {
            let ready = self
                .left(deadline)
                .and_then(|left| stream.set_read_timeout(Some(left)));
            match ready.and_then(|()| stream.read(&mut piece)) {
                Ok(0) | Err(_) => return,
                Ok(n) => taken += n,
            }
        }
    }

    fn left(&self, deadline: Instant) -> io::Result<Duration> {
        let left = deadline.saturating_duration_since(self.clock.now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::text(refusal.status, refusal.reason)
    }
}

fn head_of(response: &Response) -> String {
    let allow = if response.status == 405 {
        "Allow: GET, HEAD\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        response.status,
        phrase(response.status),
        response.content_type,
        response.body.len(),
    )
}

fn phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason())
        .unwrap_or("Unknown")
}

fn cut(stream: &TcpStream) {
    if let Err(err) = stream.shutdown(Shutdown::Both) {
        debug!("connection was gone already err={err}");
    }
}

#[cfg(test)]
mod tests;

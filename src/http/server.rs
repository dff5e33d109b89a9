//! A small blocking HTTP/1.1 server for the admin pages: GET and HEAD, one request a connection, everything capped in
//! size, time and number. It isn't a general web server: no TLS, no keep-alive, no request bodies.

use super::cause;
use crate::rt::clock::Clock;
use crate::rt::quiet::{Omitted, Quiet};
use crate::rt::thread::{Crew, STACK, catch};
use log::{debug, error, warn};
use parking_lot::Mutex;
use std::collections::BTreeMap;
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
/// Most connections at once, each with a thread of its own; for one more the oldest unfinished is cut.
const MAX_CONNECTIONS: usize = 16;
/// Most threads: those whose connections were cut end soon, but not at once.
const MAX_THREADS: usize = 2 * MAX_CONNECTIONS;
/// A request must have arrived within this time.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// A client must have taken the answer within this time.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Large answers are made one at a time; whoever has waited for so long is told 503.
const LARGE_WAIT: Duration = Duration::from_secs(10);
/// A client that takes nothing of an answer for so long is cut.
const STALL_TIME: Duration = Duration::from_secs(5);
/// The time of a request that is read where others wait behind it, for lack of threads or descriptors.
const SHORT_TIME: Duration = Duration::from_millis(500);
/// Unread input is taken from a refused client for so long and so far, because closing a socket with input
/// waiting resets the connection, and the answer could be lost.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 256 * 1024;
/// After a failed accept (no file descriptors, say) the server rests.
const ACCEPT_REST: Duration = Duration::from_millis(200);
/// How often the same trouble is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

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

/// Whether a request's answer may be large: those are made one at a time, and the next when the last has been taken.
/// What orchestrators wait for must not be among them.
pub type IsLarge = fn(&Request) -> bool;

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
    is_large: IsLarge,
    /// Held while a large answer is made and taken.
    large: Mutex<()>,
    stopping: AtomicBool,
    connections: Mutex<BTreeMap<u64, Open>>,
    quiet: Quiet<&'static str>,
}

/// A connection; numbers rise with time.
struct Open {
    stream: Arc<TcpStream>,
    /// The request has not come yet: such go first when there are too many.
    is_reading: bool,
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
        is_large: IsLarge,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            clock,
            handler,
            is_large,
            large: Mutex::new(()),
            stopping: AtomicBool::new(false),
            connections: Mutex::new(BTreeMap::new()),
            quiet: Quiet::new(LOG_INTERVAL),
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
        for open in self.shared.connections.lock().values() {
            cut(&open.stream);
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
    // A descriptor kept back: when there are no others, it is given up for one connection at a time.
    let mut spare = listener.try_clone().ok();
    for id in 0.. {
        let mut accepted = listener.accept();
        let is_short = accepted.is_err() && spare.take().is_some();
        if is_short {
            shared.complain("accept", &accepted);
            accepted = listener.accept();
        }
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        match accepted {
            Ok((stream, _)) => {
                let stream = shared.admit(id, stream);
                if is_short || crew.reap() >= MAX_THREADS {
                    shared.serve(id, &stream, SHORT_TIME);
                } else {
                    let serving = Arc::clone(shared);
                    let work = move || serving.serve(id, &stream, REQUEST_TIME);
                    let spawned = crew.spawn(&format!("{name}-{id}"), STACK, work);
                    if spawned.is_err() {
                        shared.connections.lock().remove(&id);
                    }
                    shared.complain("thread", &spawned);
                }
            }
            failed @ Err(_) => {
                shared.complain("accept", &failed);
                if rested.wait(ACCEPT_REST) {
                    return;
                }
            }
        }
        if spare.is_none() {
            spare = listener.try_clone().ok();
        }
    }
}

impl Shared {
    fn complain<T>(&self, what: &'static str, result: &io::Result<T>) {
        if let Err(err) = result
            && let Some(left_out) = self.quiet.due(what, self.clock.now()).map(Omitted)
        {
            let err = cause::io(err);
            warn!("a request to the admin server finds no free {what} err={err:?}{left_out}");
        }
    }

    /// Before one more connection: those that have not even asked go first, then those that take longest.
    fn make_room(&self) {
        let mut connections = self.connections.lock();
        while connections.len() >= MAX_CONNECTIONS {
            let reading = connections.iter().find(|(_, open)| open.is_reading);
            let Some(oldest) = reading.or_else(|| connections.iter().next()) else {
                return;
            };
            let id = *oldest.0;
            if let Some(open) = connections.remove(&id) {
                cut(&open.stream);
            }
            if let Some(left_out) = self.quiet.due("room", self.clock.now()).map(Omitted) {
                warn!(
                    "admin server: {MAX_CONNECTIONS} connections are open, the oldest is cut for the next{left_out}"
                );
            }
        }
    }

    /// Counts the connection before its thread runs: a burst would else fill all threads before any is counted.
    fn admit(&self, id: u64, stream: TcpStream) -> Arc<TcpStream> {
        self.make_room();
        let stream = Arc::new(stream);
        let open = Open {
            stream: Arc::clone(&stream),
            is_reading: true,
        };
        self.connections.lock().insert(id, open);
        stream
    }

    fn serve(&self, id: u64, stream: &TcpStream, time: Duration) {
        // Whoever stops sets the flag first and then cuts what is registered: one of the two sees this connection.
        if !self.stopping.load(Ordering::SeqCst) {
            let served = self.exchange(id, stream, time);
            if let Err(err) = served {
                debug!("connection ended early err={err}");
            }
        }
        self.connections.lock().remove(&id);
    }

    fn exchange(&self, id: u64, stream: &TcpStream, time: Duration) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let Some(read) = self.read_request(stream, time)? else {
            return Ok(());
        };
        if let Some(open) = self.connections.lock().get_mut(&id) {
            open.is_reading = false;
        }
        let request = match read {
            Ok(request) => request,
            Err(refusal) => {
                self.write(stream, &refusal.into(), false)?;
                self.drain(stream);
                return Ok(());
            }
        };
        let head_only = request.method == Method::Head;
        if !(self.is_large)(&request) {
            return self.write(stream, &self.answer(&request), head_only);
        }
        let wait = LARGE_WAIT.min(time);
        let busy = || Response::text(503, "other large answers are under way, try again");
        match self.large.try_lock_for(wait) {
            // Cut while it waited: nobody wants the answer any more.
            Some(_large) if !self.is_wanted(id) => Ok(()),
            Some(_large) => self.write(stream, &self.answer(&request), head_only),
            None => self.write(stream, &busy(), head_only),
        }
    }

    fn is_wanted(&self, id: u64) -> bool {
        !self.stopping.load(Ordering::SeqCst) && self.connections.lock().contains_key(&id)
    }

    fn write(
        &self,
        mut stream: &TcpStream,
        response: &Response,
        head_only: bool,
    ) -> io::Result<()> {
        let deadline = self.clock.now() + ANSWER_TIME;
        let head = head_of(response);
        self.write_all(stream, head.as_bytes(), deadline)?;
        if !head_only {
            self.write_all(stream, &response.body, deadline)?;
        }
        stream.flush()?;
        stream.shutdown(Shutdown::Write)
    }

    fn answer(&self, request: &Request) -> Response {
        catch(|| (self.handler)(request)).unwrap_or_else(|panic| {
            error!("BUG: admin page panicked path={} err={panic}", request.path);
            Response::text(500, "internal error")
        })
    }

    /// `None`: the client went away without asking for anything.
    fn read_request(
        &self,
        mut stream: &TcpStream,
        time: Duration,
    ) -> io::Result<Option<Result<Request, Refusal>>> {
        let deadline = self.clock.now() + time;
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
            stream.set_write_timeout(Some(self.left(deadline)?.min(STALL_TIME)))?;
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

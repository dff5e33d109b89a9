//! A target that answers as it is told, over plain TCP or TLS: HTTP/1.1 by hand, good and bad.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request as it was seen.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    pub host: String,
    /// By name in the usual capitals, without Host.
    pub headers: BTreeMap<String, Vec<String>>,
    pub body: String,
}

impl Request {
    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The path without the query, also of a request to a proxy.
    pub fn path(&self) -> &str {
        let target = self.line.split(' ').nth(1).unwrap_or_default();
        let target = target.split('?').next().unwrap_or_default();
        match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
            None => target,
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// 0 stands for 200.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Chunked coding, in pieces of seven bytes.
    pub chunked: bool,
    /// Announces the whole body, sends so many bytes, closes.
    pub truncate: Option<usize>,
    /// Before the status line.
    pub delay: Duration,
    /// Between head and body.
    pub body_delay: Duration,
    /// Closes without an answer.
    pub close_early: bool,
}

type Answer = dyn Fn(Request) -> Reply + Send + Sync;

/// The target; it is gone when this is dropped.
pub struct FakeTarget {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl FakeTarget {
    /// A target on a listener, with TLS if a configuration is given.
    pub fn on(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let answer: Arc<Answer> = Arc::new(answer);
        let over = Arc::clone(&is_over);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, tls, &*answer));
            }
        });
        Self {
            address,
            is_over,
            acceptor: Some(acceptor),
        }
    }
}

impl Drop for FakeTarget {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().unwrap();
        }
    }
}

/// One connection, until either side closes it.
fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, answer: &Answer) {
    stream.set_nodelay(true).unwrap();
    // Longer than any test waits: a client that forgets its connection does not keep the thread for ever.
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let raw = stream.try_clone().unwrap();
    match tls {
        None => exchange(stream, &raw, answer),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            exchange(StreamOwned::new(connection, stream), &raw, answer);
        }
    }
}

fn exchange(stream: impl Read + Write, raw: &TcpStream, answer: &Answer) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let reply = answer(request);
        std::thread::sleep(reply.delay);
        let goes_on = !reply.close_early && write_reply(stream.get_mut(), &reply).is_ok();
        if !goes_on || reply.truncate.is_some() {
            break;
        }
    }
    drop(raw.shutdown(Shutdown::Both));
}

fn read_request(stream: &mut impl BufRead) -> Option<Request> {
    let mut request = Request {
        line: read_line(stream)?,
        host: String::new(),
        headers: BTreeMap::new(),
        body: String::new(),
    };
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let value = value.trim().to_owned();
        match capitals(name) {
            name if name == "Host" => request.host = value,
            name => request.headers.entry(name).or_default().push(value),
        }
    }
    let length = request.headers.get("Content-Length");
    let length = length
        .and_then(|values| values[0].parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Some(request)
}

fn read_line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    match stream.read_until(b'\n', &mut line) {
        Ok(0) => None,
        Ok(_) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
        Err(error) if error.kind() == ErrorKind::Interrupted => read_line(stream),
        Err(_) => None,
    }
}

/// `x-prometheus-agent` → `X-Prometheus-Agent`.
fn capitals(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

fn write_reply(stream: &mut impl Write, reply: &Reply) -> std::io::Result<()> {
    let status = if reply.status == 0 { 200 } else { reply.status };
    let reason = reason_of(status);
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if reply.chunked {
        head += "Transfer-Encoding: chunked\r\n";
    } else if status != 204 {
        head += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    head += "\r\n";
    stream.write_all(head.as_bytes())?;
    if !reply.body_delay.is_zero() {
        stream.flush()?;
        std::thread::sleep(reply.body_delay);
    }
    let body = &reply.body[..reply.truncate.unwrap_or(usize::MAX).min(reply.body.len())];
    if reply.chunked {
        for piece in body.chunks(7) {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
            stream.write_all(piece)?;
            stream.write_all(b"\r\n")?;
            stream.flush()?;
        }
        stream.write_all(b"0\r\n\r\n")?;
    } else if status != 204 {
        stream.write_all(body)?;
    }
    stream.flush()
}

fn reason_of(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

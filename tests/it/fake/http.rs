//! An HTTP server that says exactly what a test tells it to, byte for byte, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub line: String,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Number of the connection, counted from 0.
    pub connection: usize,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// What a server does after a request.
pub enum Reply {
    /// These bytes, then the next request.
    Bytes(Vec<u8>),
    /// Pieces, each after a pause, then the next request.
    Pieces(Vec<(Duration, Vec<u8>)>),
    /// These bytes, then the end of the connection.
    BytesThenClose(Vec<u8>),
    /// The bytes one by one, with a pause before each, until the client goes.
    Drip(Vec<u8>, Duration),
    /// The first bytes, then the second ones over and over until the client goes.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes; from then on bytes go to and from this address.
    Tunnel(Vec<u8>, SocketAddr),
    /// These bytes, then nothing until the client goes.
    BytesThenHang(Vec<u8>),
    /// Nothing until the client goes.
    Hang,
    /// Nothing but the end.
    Close,
}

/// A plain 200 with a body.
pub fn ok(body: &str) -> Reply {
    Reply::Bytes(ok_bytes(body))
}

pub fn ok_bytes(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

type Wrap = Arc<dyn Fn(TcpStream) -> Option<Box<dyn Wire>> + Send + Sync>;
type Answer = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::wrapped(Arc::new(|socket| Some(Box::new(socket))), answer)
    }

    /// Connections pass through `wrap` first: TLS.
    pub fn wrapped(wrap: Wrap, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Self {
            address,
            asked: Arc::default(),
            connections: Arc::default(),
            stopping: Arc::default(),
            sockets: Arc::default(),
            acceptor: None,
        };
        let (asked, connections) = (Arc::clone(&server.asked), Arc::clone(&server.connections));
        let (stopping, sockets) = (Arc::clone(&server.stopping), Arc::clone(&server.sockets));
        let answer: Answer = Arc::new(answer);
        let acceptor = std::thread::Builder::new().stack_size(256 * 1024);
        let acceptor = acceptor.spawn(move || {
            for socket in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(socket) = socket else { continue };
                let number = connections.fetch_add(1, Ordering::SeqCst);
                sockets.lock().unwrap().push(socket.try_clone().unwrap());
                let (asked, answer, wrap) = (asked.clone(), answer.clone(), wrap.clone());
                let thread = std::thread::Builder::new().stack_size(256 * 1024);
                thread
                    .spawn(move || {
                        let raw = socket.try_clone().unwrap();
                        if let Some(wire) = wrap(socket) {
                            serve(wire, &raw, number, &asked, &answer);
                        }
                        let _ = raw.shutdown(Shutdown::Both);
                    })
                    .unwrap();
            }
        });
        server.acceptor = Some(acceptor.unwrap());
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Closes every open connection from this side.
    pub fn close_connections(&self) {
        for socket in self.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.close_connections();
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn serve(
    wire: Box<dyn Wire>,
    raw: &TcpStream,
    connection: usize,
    asked: &Mutex<Vec<Asked>>,
    answer: &Answer,
) {
    let mut wire = BufReader::new(wire);
    while let Some(mut request) = read_request(&mut wire) {
        request.connection = connection;
        asked.lock().unwrap().push(request.clone());
        let wire = wire.get_mut();
        let goes_on = match answer(&request) {
            Reply::Bytes(bytes) => wire.write_all(&bytes).and_then(|()| wire.flush()).is_ok(),
            Reply::Pieces(pieces) => pieces.iter().all(|(pause, bytes)| {
                std::thread::sleep(*pause);
                wire.write_all(bytes).and_then(|()| wire.flush()).is_ok()
            }),
            Reply::BytesThenClose(bytes) => {
                let _ = wire.write_all(&bytes).and_then(|()| wire.flush());
                false
            }
            Reply::Tunnel(bytes, address) => {
                let _ = wire.write_all(&bytes);
                tunnel_between(raw, address);
                false
            }
            Reply::Drip(bytes, pause) => {
                for byte in bytes {
                    std::thread::sleep(pause);
                    if wire.write_all(&[byte]).and_then(|()| wire.flush()).is_err() {
                        break;
                    }
                }
                false
            }
            Reply::Endless(first, again) => {
                let _ = wire.write_all(&first);
                while wire.write_all(&again).and_then(|()| wire.flush()).is_ok() {}
                false
            }
            Reply::BytesThenHang(bytes) => {
                let _ = wire.write_all(&bytes).and_then(|()| wire.flush());
                let _ = wire.read(&mut [0]);
                false
            }
            Reply::Hang => {
                let _ = wire.read(&mut [0]);
                false
            }
            Reply::Close => false,
        };
        if !goes_on {
            return;
        }
    }
}

/// A proxy whose tunnels all lead to one address.
pub fn tunnel(address: SocketAddr) -> Server {
    Server::start(move |_| Reply::Tunnel(b"HTTP/1.1 200 Go on\r\n\r\n".to_vec(), address))
}

fn tunnel_between(client: &TcpStream, address: SocketAddr) {
    let target = TcpStream::connect(address).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::copy(&mut &*client, &mut &target);
            let _ = target.shutdown(Shutdown::Both);
        });
        let _ = std::io::copy(&mut &target, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
    });
}

fn read_request(wire: &mut BufReader<Box<dyn Wire>>) -> Option<Asked> {
    let mut request = Asked::default();
    let mut line = String::new();
    wire.read_line(&mut line).ok().filter(|n| *n > 0)?;
    request.line = line.trim_end().to_owned();
    loop {
        let mut line = String::new();
        wire.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        let header = (name.to_lowercase(), value.trim().to_owned());
        request.headers.push(header);
    }
    let length = request
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    wire.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

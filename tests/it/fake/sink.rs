//! An OTLP/HTTP backend that decodes with the published schemas (opentelemetry-proto, prost), not with our code.

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the backend answers to one request.
pub enum Answer {
    /// A status, further header lines, a body.
    Status(u16, &'static str, Vec<u8>),
    /// Nothing, until the client goes.
    Hang,
}

/// 200 without a body.
pub fn ok() -> Answer {
    Answer::Status(200, "", Vec::new())
}

/// One request as it arrived, whatever was answered.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub status: Option<u16>,
    pub request: ExportMetricsServiceRequest,
}

impl Received {
    /// The values of all number points of a metric, in order.
    pub fn values(&self, name: &str) -> Vec<f64> {
        let resources = self.request.resource_metrics.iter();
        let metrics = resources
            .flat_map(|r| &r.scope_metrics)
            .flat_map(|s| &s.metrics);
        metrics
            .filter(|metric| metric.name == name)
            .flat_map(numbers)
            .collect()
    }
}

fn numbers(metric: &Metric) -> Vec<f64> {
    let points = match metric.data.as_ref().unwrap() {
        metric::Data::Gauge(gauge) => &gauge.data_points,
        metric::Data::Sum(sum) => &sum.data_points,
        other => panic!("no number: {other:?}"),
    };
    let value = |value: &Option<number_data_point::Value>| match value {
        Some(number_data_point::Value::AsDouble(value)) => *value,
        other => panic!("no double: {other:?}"),
    };
    points.iter().map(|point| value(&point.value)).collect()
}

type Script = Arc<dyn Fn(usize) -> Answer + Send + Sync>;

#[derive(Default)]
struct State {
    received: Mutex<Vec<Received>>,
    more: Condvar,
    count: AtomicUsize,
    stopping: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
}

pub struct Sink {
    pub address: SocketAddr,
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

impl Sink {
    /// Answers the n-th request (from 0) as `script` says.
    pub fn start(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let (seen, script): (_, Script) = (Arc::clone(&state), Arc::new(script));
        let acceptor = std::thread::spawn(move || {
            let mut threads = Vec::new();
            for socket in listener.incoming().map_while(Result::ok) {
                if seen.stopping.load(Ordering::SeqCst) {
                    break;
                }
                seen.sockets
                    .lock()
                    .unwrap()
                    .push(socket.try_clone().unwrap());
                let (state, script) = (Arc::clone(&seen), Arc::clone(&script));
                threads.push(std::thread::spawn(move || serve(&socket, &state, &script)));
            }
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        });
        Self {
            address,
            state,
            acceptor: Some(acceptor),
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// The values of a metric in all requests that were answered by 200.
    pub fn taken(&self, name: &str) -> Vec<f64> {
        let received = self.received();
        let taken = received
            .iter()
            .filter(|received| received.status == Some(200));
        taken.flat_map(|received| received.values(name)).collect()
    }

    /// Waits until so many requests have arrived.
    pub fn wait_for(&self, n: usize) {
        let received = self.state.received.lock().unwrap();
        let limit = Duration::from_secs(30);
        let (received, _) = self
            .state
            .more
            .wait_timeout_while(received, limit, |all| all.len() < n)
            .unwrap();
        assert!(received.len() >= n, "{} of {n} requests", received.len());
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        for socket in self.state.sockets.lock().unwrap().iter() {
            // Already closed by the other side: all the better.
            socket.shutdown(Shutdown::Both).ok();
        }
        self.acceptor.take().unwrap().join().unwrap();
    }
}

/// Serves a connection until either side ends it.
fn serve(socket: &TcpStream, state: &State, script: &Script) {
    let mut reader = BufReader::new(socket);
    while let Some((path, headers)) = head(&mut reader) {
        let mut body = Vec::new();
        let length = headers
            .get("content-length")
            .map_or(0, |n| n.parse().unwrap());
        if (&mut reader).take(length).read_to_end(&mut body).is_err() {
            return;
        }
        if headers
            .get("content-encoding")
            .is_some_and(|encoding| encoding == "gzip")
        {
            let mut inflated = Vec::new();
            GzDecoder::new(&body[..])
                .read_to_end(&mut inflated)
                .unwrap();
            body = inflated;
        }
        let request = ExportMetricsServiceRequest::decode(&body[..]).unwrap();
        let answer = script(state.count.fetch_add(1, Ordering::SeqCst));
        let status = match answer {
            Answer::Status(status, ..) => Some(status),
            Answer::Hang => None,
        };
        state.received.lock().unwrap().push(Received {
            path,
            headers,
            status,
            request,
        });
        state.more.notify_all();
        match answer {
            Answer::Status(status, lines, body) => {
                let length = body.len();
                let mut bytes =
                    format!("HTTP/1.1 {status} X\r\n{lines}Content-Length: {length}\r\n\r\n")
                        .into_bytes();
                bytes.extend(body);
                if (&*socket).write_all(&bytes).is_err() {
                    return;
                }
            }
            Answer::Hang => {
                // Ends when the client closes the connection, or this server does.
                reader.read_to_end(&mut Vec::new()).ok();
                return;
            }
        }
    }
}

fn head(reader: &mut impl BufRead) -> Option<(String, BTreeMap<String, String>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => return Some((path, headers)),
        };
    }
}

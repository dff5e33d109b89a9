//! The scrape client against servers that behave well, badly, and maliciously.

mod certificates;
mod oauth2;
mod proxy;
mod redirects;

use crate::fake::http::{Asked, Reply, Server, ok, ok_bytes};
use crate::fake::tls::{self, Authority, Pair};
use prometheus_operator_receiver::http::body;
use prometheus_operator_receiver::http::client::{Buffers, Client, HttpContext, Request, Resolver};
use prometheus_operator_receiver::http::client::{Connection, Interrupt};
use prometheus_operator_receiver::http::config::{
    Authorization, BasicAuth, Config, Header, OAuth2, Proxy, Secret, Tls, TlsVersion,
};
use prometheus_operator_receiver::http::error::{Error, Kind};
use prometheus_operator_receiver::rt::files::Disk;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Long enough that no test ends by it.
const LONG: Duration = Duration::from_secs(30);

fn surroundings() -> HttpContext {
    HttpContext {
        files: Arc::new(Disk),
        roots: Arc::default(),
        resolver: Resolver::default(),
        proxies: Default::default(),
        user_agent: "promop/test".into(),
    }
}

/// A client with what a target and a worker keep.
struct Scraper {
    client: Client,
    connection: Option<Connection>,
    buffers: Buffers,
    interrupt: Arc<Interrupt>,
}

impl Scraper {
    fn new(config: &Config) -> Self {
        Self {
            client: Client::build(config, &surroundings()).unwrap(),
            connection: None,
            buffers: Buffers::default(),
            interrupt: Arc::default(),
        }
    }

    /// Status and body, or what the error says.
    fn get_within(&mut self, url: &str, timeout: Duration, limit: u64) -> Result<String, Error> {
        let request = Request {
            url,
            headers: &[("Accept", "text/plain")],
        };
        let response = self.client.exchange(
            &mut self.connection,
            &request,
            timeout,
            Some(limit),
            &self.interrupt,
            &mut self.buffers,
        )?;
        let mut page = Vec::new();
        if response.gzip {
            body::Inflater::default().inflate(&self.buffers.body, Some(limit), &mut page)?;
        } else {
            page.clone_from(&self.buffers.body);
        }
        let text = String::from_utf8_lossy(&page).into_owned();
        match response.status {
            200 => Ok(text),
            _ => Ok(response.status_text),
        }
    }

    fn get(&mut self, url: &str) -> Result<String, String> {
        self.get_within(url, LONG, 0).map_err(|e| e.message)
    }
}

fn plain() -> Scraper {
    Scraper::new(&Config::default())
}

#[test]
fn one_connection_serves_many_scrapes() {
    let server = Server::start(|_| ok("a 1\n"));
    let mut scraper = plain();
    for _ in 0..5 {
        assert_eq!(scraper.get(&server.url("/metrics?x=1")), Ok("a 1\n".into()));
    }
    assert_eq!(server.connections(), 1);
    let asked = &server.asked()[4];
    assert_eq!(asked.line, "GET /metrics?x=1 HTTP/1.1");
    assert_eq!(
        asked.header("host"),
        Some(server.address.to_string().as_str())
    );
    assert_eq!(asked.header("user-agent"), Some("promop/test"));
    assert_eq!(asked.header("accept"), Some("text/plain"));
}

/// What a client makes of a response, and over how many connections two such scrapes go.
#[track_caller]
fn check(response: impl AsRef<[u8]>, want: Result<&str, &str>, connections: usize) {
    let bytes = response.as_ref().to_vec();
    let server = Server::start(move |_| Reply::Bytes(bytes.clone()));
    let mut scraper = plain();
    let url = server.url("/m");
    for _ in 0..2 {
        let got = scraper.get(&url);
        let got = got.as_deref().map_err(|e| e.replace(&url, "URL"));
        assert_eq!(
            got.as_ref().map_err(String::as_str),
            want.as_ref().map_err(|e| *e)
        );
    }
    assert_eq!(server.connections(), connections);
}

/// The same for a server that closes after the response.
#[track_caller]
fn check_closed(response: &str, want: Result<&str, &str>) {
    let bytes = response.as_bytes().to_vec();
    let server = Server::start(move |_| Reply::BytesThenClose(bytes.clone()));
    let url = server.url("/m");
    let got = plain().get(&url);
    let got = got.as_deref().map_err(|e| e.replace(&url, "URL"));
    assert_eq!(
        got.as_ref().map_err(String::as_str),
        want.as_ref().map_err(|e| *e)
    );
}

#[test]
fn framing() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(
        format!("{chunked}4\r\na 1\n\r\n5;ext=1\r\nbc 2\n\r\n0\r\nTrailer: x\r\n\r\n"),
        Ok("a 1\nbc 2\n"),
        1,
    );
    check(format!("{chunked}0\r\n\r\n"), Ok(""), 1);
    check(
        format!("{chunked}x\r\n"),
        Err("invalid byte in chunk length"),
        2,
    );
    check(
        format!("{chunked}4\r\na 1\nbcd"),
        Err("malformed chunked encoding"),
        2,
    );
    check_closed(&format!("{chunked}9\r\na 1\n"), Err("unexpected EOF"));
    check_closed(&format!("{chunked}4\r\na 1\n\r\n"), Err("unexpected EOF"));
    check_closed(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na 1\n",
        Err("unexpected EOF"),
    );
    check_closed("HTTP/1.1 200 OK\r\n\r\na 1\n", Ok("a 1\n"));
    check_closed("HTTP/1.0 200 OK\r\n\r\na 1\n", Ok("a 1\n"));
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\nb 2\n",
        Ok("a 1\n"),
        2,
    );
    check(
        "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\na 1\n",
        Ok("a 1\n"),
        2,
    );
    check(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\na 1\n",
        Ok("a 1\n"),
        1,
    );
    check(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\na 1\n",
        Ok("a 1\n"),
        2,
    );
    check(
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n",
        Ok("a 1\n"),
        1,
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\na 1\n",
        Ok("a 1\n"),
        1,
    );
}

#[test]
fn heads_that_do_not_make_sense() {
    let get = |error: &str| format!("Get \"URL\": {error}");
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(
        both,
        Err(&get(
            "http: both Content-Length and Transfer-Encoding in the response",
        )),
        2,
    );
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n";
    check(two, Err(&get("http: Content-Length headers differ")), 2);
    let negative = "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n";
    check(negative, Err(&get("http: bad Content-Length \"-4\"")), 2);
    let large = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(70_000));
    check(
        large,
        Err(&get(
            "net/http: server response headers exceeded 65536 bytes; aborted",
        )),
        2,
    );
    let storm = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10);
    check(
        storm,
        Err(&get("net/http: too many 1xx informational responses")),
        2,
    );
    check_closed("", Err(&get("EOF")));
    check_closed("HTTP/1.1 200 OK\r\nConte", Err(&get("unexpected EOF")));
}

#[test]
fn statuses_other_than_200_keep_their_words_and_the_connection() {
    check(
        "HTTP/1.1 404 Not There\r\nContent-Length: 3\r\n\r\nabc",
        Ok("404 Not There"),
        1,
    );
    check("HTTP/1.1 204 No Content\r\n\r\n", Ok("204 No Content"), 1);
    check("HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", Ok("500"), 1);
    // Nobody wants this body: it may be broken.
    check_closed(
        "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nabc",
        Ok("503 Busy"),
    );
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    let server = Server::start(|_| ok("a 1\n"));
    let mut scraper = plain();
    for connections in 1..=3 {
        assert!(scraper.get(&server.url("/m")).is_ok());
        assert_eq!(server.connections(), connections);
        server.close_connections();
    }
}

#[test]
fn a_kept_connection_that_closes_on_the_request_is_tried_once_more() {
    // The second request of every connection is answered by closing it.
    let server = Server::start(|asked| match asked.path() {
        "/first" => ok("a 1\n"),
        _ if asked.connection == 0 => Reply::Close,
        _ => ok("b 1\n"),
    });
    let mut scraper = plain();
    assert_eq!(scraper.get(&server.url("/first")), Ok("a 1\n".into()));
    assert_eq!(scraper.get(&server.url("/second")), Ok("b 1\n".into()));
    let lines: Vec<_> = server.asked().iter().map(|a| a.path().to_owned()).collect();
    assert_eq!(lines, ["/first", "/second", "/second"]);
}

#[test]
fn what_a_server_says_unasked_is_not_an_answer() {
    let late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    let first = [ok_bytes("a 1\n"), late.to_vec()].concat();
    let server = Server::start(move |asked| match asked.connection {
        0 => Reply::Bytes(first.clone()),
        _ => ok("b 1\n"),
    });
    let mut scraper = plain();
    assert_eq!(scraper.get(&server.url("/m")), Ok("a 1\n".into()));
    assert_eq!(scraper.get(&server.url("/m")), Ok("b 1\n".into()));
}

/// Against a server that never ends, the time is the limit, and a little more.
#[track_caller]
fn check_timeout(reply: impl Fn() -> Reply + Send + Sync + 'static, want: &str) {
    let server = Server::start(move |_| reply());
    let url = server.url("/m");
    let start = Instant::now();
    let error = plain()
        .get_within(&url, Duration::from_millis(300), 0)
        .unwrap_err();
    assert_eq!(error.message.replace(&url, "URL"), want);
    assert_eq!(error.kind, Kind::Timeout);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn servers_that_take_their_time() {
    const PAUSE: Duration = Duration::from_millis(20);
    let before = "Get \"URL\": context deadline exceeded";
    check_timeout(|| Reply::Hang, before);
    check_timeout(|| Reply::Drip(ok_bytes("a 1\n"), PAUSE), before);
    let drip = || {
        let chunk = b"1\r\na\r\n".repeat(1000);
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            chunk,
        ]
        .concat()
    };
    check_timeout(
        move || Reply::Drip(drip(), Duration::from_millis(1)),
        "context deadline exceeded",
    );
}

#[test]
fn bodies_without_end_stop_at_the_limit() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
    ] {
        let server =
            Server::start(|_| Reply::Endless(head.as_bytes().to_vec(), vec![b'#'; 8 * 1024]));
        let mut scraper = plain();
        let error = scraper
            .get_within(&server.url("/m"), LONG, 1_000_000)
            .unwrap_err();
        assert_eq!(error, Error::too_large());
        assert!(scraper.connection.is_none());
        assert!(scraper.buffers.body.capacity() < 4_000_000);
    }
}

#[test]
fn a_body_of_exactly_the_limit_is_too_large() {
    let server = Server::start(|_| ok("abcdefg 1\n"));
    let mut scraper = plain();
    let url = server.url("/m");
    assert_eq!(scraper.get_within(&url, LONG, 10), Err(Error::too_large()));
    assert_eq!(
        scraper.get_within(&url, LONG, 11),
        Ok("abcdefg 1\n".to_owned())
    );
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb = gzip(&vec![b'#'; 32 * 1024 * 1024]);
    let length = bomb.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n");
    let bytes = [head.into_bytes(), bomb].concat();
    let server = Server::start(move |_| Reply::Bytes(bytes.clone()));
    let error = plain().get_within(&server.url("/m"), LONG, 1_000_000);
    assert_eq!(error, Err(Error::too_large()));
}

#[test]
fn a_closed_interrupt_ends_what_runs_and_what_comes() {
    let server = Server::start(|_| Reply::Hang);
    let mut scraper = plain();
    let interrupt = Arc::clone(&scraper.interrupt);
    let url = server.url("/m");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| scraper.get_within(&url, LONG, 0));
        while server.asked().is_empty() {
            std::thread::yield_now();
        }
        interrupt.close();
        assert_eq!(running.join().unwrap().unwrap_err().kind, Kind::Interrupted);
    });
    let error = scraper.get_within(&url, LONG, 0).unwrap_err();
    assert_eq!(error.kind, Kind::Interrupted);
    assert_eq!(server.connections(), 1);
}

#[test]
fn addresses_that_lead_nowhere() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = |url: &str| plain().get(url).unwrap_err();
    assert_eq!(
        error(&format!("http://{closed}/m")),
        format!("Get \"http://{closed}/m\": dial tcp {closed}: connect: connection refused")
    );
    assert_eq!(
        error("http://h:port/m"),
        "parse \"http://h:port/m\": invalid port \":port\" after host"
    );
    assert_eq!(
        error("ftp://h/m"),
        "Get \"ftp://h/m\": unsupported protocol scheme \"ftp\""
    );
}

#[test]
fn names_are_looked_up() {
    let server = Server::start(|_| ok("a 1\n"));
    let port = server.address.port();
    assert_eq!(
        plain().get(&format!("http://localhost:{port}/m")),
        Ok("a 1\n".into())
    );
    assert_eq!(
        server.asked()[0].header("host"),
        Some(format!("localhost:{port}").as_str())
    );
}

//! The scrape client against servers that behave well, badly, and maliciously.

use crate::fake::http::{Asked, Reply, Server, ok, ok_bytes};
use crate::fake::tls::{self, Authority, Pair};
use prometheus_operator_receiver::http::body;
use prometheus_operator_receiver::http::client::{Buffers, Client, Request, Surroundings};
use prometheus_operator_receiver::http::config::{
    Authorization, BasicAuth, Config, Header, OAuth2, Proxy, Secret, Tls, TlsVersion,
};
use prometheus_operator_receiver::http::connection::{Connection, Interrupt};
use prometheus_operator_receiver::http::error::{Error, Kind};
use prometheus_operator_receiver::rt::files::Disk;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Long enough that no test ends by it.
const LONG: Duration = Duration::from_secs(30);

fn surroundings() -> Surroundings {
    Surroundings {
        files: Arc::new(Disk),
        tls: Arc::default(),
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
            body::inflate(&self.buffers.body, Some(limit), &mut page)?;
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
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(129));
    check(
        many,
        Err(&get("malformed HTTP response: too many headers")),
        2,
    );
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

fn redirect(location: &str) -> Reply {
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    Reply::Bytes(head.into_bytes())
}

fn with_bearer() -> Config {
    Config {
        authorization: Some(Authorization {
            kind: "Bearer".into(),
            credentials: Secret::new("s"),
            ..Authorization::default()
        }),
        headers: Some(
            [("Cookie", "c"), ("X-Kept", "k")]
                .map(|(name, value)| {
                    let values = vec![value.into()];
                    (
                        name.into(),
                        Header {
                            values,
                            ..Header::default()
                        },
                    )
                })
                .into(),
        ),
        ..Config::default()
    }
}

#[test]
fn redirects_keep_credentials_on_the_host_only() {
    let server = Server::start(|asked| {
        let (port, host) = (asked.header("host").unwrap(), asked.path());
        let port = port.rsplit_once(':').unwrap().1;
        match host {
            "/same" => redirect("/end"),
            "/other" => redirect(&format!("http://localhost:{port}/back")),
            // Back on the first host: trust is lost for this chain.
            "/back" => redirect(&format!("http://127.0.0.1:{port}/end")),
            _ => ok("a 1\n"),
        }
    });
    let mut scraper = Scraper::new(&with_bearer());
    for path in ["/same", "/other"] {
        assert_eq!(scraper.get(&server.url(path)), Ok("a 1\n".into()));
    }
    let seen: Vec<_> = server
        .asked()
        .iter()
        .map(|a| {
            let has = |name| a.header(name).is_some();
            (
                a.path().to_owned(),
                has("authorization"),
                has("cookie"),
                has("x-kept"),
            )
        })
        .collect();
    let want = [
        ("/same", true, true, true),
        ("/end", true, true, true),
        ("/other", true, true, true),
        ("/back", false, false, true),
        ("/end", false, false, true),
    ];
    assert_eq!(seen, want.map(|(p, a, c, k)| (p.to_owned(), a, c, k)));
    assert_eq!(
        server.asked()[1].header("referer"),
        Some(server.url("/same").as_str())
    );
}

#[test]
fn redirects_end() {
    let server = Server::start(|asked| match asked.path() {
        "/loop" => redirect("/loop"),
        "/bad" => redirect("http://[x/"),
        "/hops/9" => ok("a 1\n"),
        path => {
            let n: u32 = path.rsplit_once('/').unwrap().1.parse().unwrap();
            redirect(&format!("{}", n + 1))
        }
    });
    let mut scraper = plain();
    assert_eq!(
        scraper.get(&server.url("/loop")),
        Err("Get \"/loop\": stopped after 10 redirects".into())
    );
    assert_eq!(server.asked().len(), 10);
    assert_eq!(scraper.get(&server.url("/hops/0")), Ok("a 1\n".into()));
    assert_eq!(server.connections(), 1);
    let error = scraper.get(&server.url("/bad")).unwrap_err();
    assert!(error.contains("failed to parse Location header"), "{error}");
    let stays = Config {
        follow_redirects: false,
        ..Config::default()
    };
    assert_eq!(
        Scraper::new(&stays).get(&server.url("/loop")),
        Ok("302 Found".into())
    );
}

#[test]
fn encryption_is_not_redirected_away_with_credentials() {
    let bare = Server::start(|_| ok("a 1\n"));
    let (authority, location) = (Authority::new(), bare.url("/m"));
    let pair = authority.issue(&["127.0.0.1"]);
    let server = tls::server(&pair, None, move |_| redirect(&location));
    let config = Config {
        tls: Tls {
            ca: authority.pem().into(),
            ..Tls::default()
        },
        ..with_bearer()
    };
    let url = format!("https://{}/m", server.address);
    assert_eq!(Scraper::new(&config).get(&url), Ok("a 1\n".into()));
    assert!(server.asked()[0].header("authorization").is_some());
    assert_eq!(bare.asked()[0].header("authorization"), None);
    assert_eq!(bare.asked()[0].header("referer"), None);
}

#[test]
fn headers_that_would_split_a_request_are_refused() {
    let server = Server::start(|_| ok("a 1\n"));
    let values = vec!["a\r\nX-Evil: 1".into()];
    let config = Config {
        headers: Some(
            [(
                "X-A".into(),
                Header {
                    values,
                    ..Header::default()
                },
            )]
            .into(),
        ),
        ..Config::default()
    };
    let error = Scraper::new(&config).get(&server.url("/m")).unwrap_err();
    assert!(
        error.contains("invalid header field value for \"X-A\""),
        "{error}"
    );
    assert!(server.asked().is_empty());
}

#[test]
fn passwords_and_tokens_are_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    let server = Server::start(|_| ok("a 1\n"));
    let config = Config {
        basic_auth: Some(BasicAuth {
            username: "u".into(),
            password_file: path.to_str().unwrap().into(),
            ..BasicAuth::default()
        }),
        ..Config::default()
    };
    let mut scraper = Scraper::new(&config);
    let url = server.url("/m");
    let path = path.to_str().unwrap();
    assert_eq!(
        scraper.get(&url),
        Err(format!(
            "Get \"{url}\": unable to read basic auth password: unable to read file {path}: open {path}: no such file or directory"
        ))
    );
    for (content, want) in [("p\n", "Basic dTpw"), (" q", "Basic dTpx")] {
        std::fs::write(path, content).unwrap();
        assert!(scraper.get(&url).is_ok());
        assert_eq!(
            server.asked().last().unwrap().header("authorization"),
            Some(want)
        );
    }
}

fn token_server(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |asked| match asked.path() {
        "/token" => answer(asked),
        _ => ok("a 1\n"),
    })
}

fn oauth2(server: &Server) -> OAuth2 {
    OAuth2 {
        client_id: "id".into(),
        client_secret: Secret::new("s&cret"),
        token_url: server.url("/token").into(),
        scopes: vec!["a".into(), "b".into()],
        ..OAuth2::default()
    }
}

fn scraper_with(oauth2: OAuth2) -> Scraper {
    Scraper::new(&Config {
        oauth2: Some(oauth2),
        ..Config::default()
    })
}

#[test]
fn a_token_is_fetched_once() {
    let server = token_server(|_| ok(r"access_token=t&token_type=bearer&expires_in=3600"));
    let mut scraper = scraper_with(oauth2(&server));
    for _ in 0..3 {
        assert_eq!(scraper.get(&server.url("/m")), Ok("a 1\n".into()));
    }
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|a| a.path() == "/token").count(), 1);
    assert_eq!(asked[0].line, "POST /token HTTP/1.1");
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=a+b");
    assert_eq!(
        asked[0].header("authorization"),
        Some("Basic aWQ6cyUyNmNyZXQ=")
    );
    assert_eq!(asked[3].header("authorization"), Some("Bearer t"));
}

#[test]
fn a_server_that_wants_the_secret_in_the_body_gets_it() {
    let server = token_server(|asked| match asked.header("authorization") {
        Some(_) => Reply::Bytes(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec()),
        // Used up at once: every scrape fetches another.
        None => ok("access_token=t&expires_in=1"),
    });
    let mut scraper = scraper_with(oauth2(&server));
    for _ in 0..2 {
        assert_eq!(scraper.get(&server.url("/m")), Ok("a 1\n".into()));
    }
    let tokens = server.asked();
    let bodies: Vec<_> = tokens.iter().filter(|a| a.path() == "/token").collect();
    assert_eq!(bodies.len(), 3);
    let want = "client_id=id&client_secret=s%26cret&grant_type=client_credentials&scope=a+b";
    assert_eq!(bodies[2].body, want);
}

#[test]
fn bad_settings_of_the_token_endpoint_show_when_a_token_is_needed() {
    let server = token_server(|_| ok("access_token=t"));
    let mut scraper = scraper_with(OAuth2 {
        tls: Tls {
            ca_file: "/nowhere/ca".into(),
            ..Tls::default()
        },
        ..oauth2(&server)
    });
    let error = scraper.get(&server.url("/m")).unwrap_err();
    assert!(
        error.contains("unable to read CA cert: unable to read file /nowhere/ca"),
        "{error}"
    );
}

#[test]
fn a_token_server_that_hangs_costs_one_scrape_its_time() {
    let server = token_server(|_| Reply::Hang);
    let mut scraper = scraper_with(oauth2(&server));
    let error = scraper.get_within(&server.url("/m"), Duration::from_millis(200), 0);
    assert_eq!(error.unwrap_err().kind, Kind::Timeout);
}

#[test]
fn assertions_are_signed() {
    let server = token_server(|_| ok("access_token=t"));
    let key = rsa_key();
    let mut settings = OAuth2 {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".into(),
        client_certificate_key: Secret::new(key.as_str()),
        client_certificate_key_id: "kid-1".into(),
        ..oauth2(&server)
    };
    settings.claims.insert("extra".into(), "[1]".into());
    assert_eq!(
        scraper_with(settings).get(&server.url("/m")),
        Ok("a 1\n".into())
    );
    let form = &server.asked()[0].body;
    let assertion = form.strip_prefix("assertion=").unwrap();
    let parts: Vec<_> = assertion.split(['.', '&']).take(3).collect();
    let read = |part: &str| -> serde_json::Value {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(part)
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    assert_eq!(read(parts[0])["kid"], "kid-1");
    let claims = read(parts[1]);
    assert_eq!(claims["sub"], "id");
    assert_eq!(claims["scope"], "a b");
    assert_eq!(claims["extra"][0], 1);
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        600
    );
    assert!(form.contains("&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"));
}

/// A throw-away key: rcgen with ring makes no RSA keys.
fn rsa_key() -> String {
    let output = std::process::Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn tls_config(tls: Tls) -> Config {
    Config {
        tls,
        ..Config::default()
    }
}

#[track_caller]
fn check_tls(pair: &Pair, clients: Option<&Authority>, settings: Tls, works: bool) {
    let server = tls::server(pair, clients, |_| ok("a 1\n"));
    let url = format!("https://{}/m", server.address);
    let mut scraper = Scraper::new(&tls_config(settings));
    for _ in 0..2 {
        let got = scraper.get(&url);
        assert_eq!(got.is_ok(), works, "{got:?}");
    }
    if works {
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn certificates() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = authority.issue(&["127.0.0.1"]);
    let named = authority.issue(&["metrics.example.test"]);
    let client = authority.issue(&["client"]);
    let ca = || Tls {
        ca: authority.pem().into(),
        ..Tls::default()
    };
    check_tls(&server, None, ca(), true);
    check_tls(&server, None, Tls::default(), false);
    let both = Tls {
        ca: format!("{}{}", other.pem(), authority.pem()).into(),
        ..Tls::default()
    };
    check_tls(&server, None, both, true);
    let others = Tls {
        ca: other.pem().into(),
        ..Tls::default()
    };
    check_tls(&server, None, others.clone(), false);
    check_tls(&named, None, ca(), false);
    let expects = Tls {
        server_name: "metrics.example.test".into(),
        ..ca()
    };
    check_tls(&named, None, expects, true);
    let insecure = Tls {
        insecure_skip_verify: true,
        ..others
    };
    check_tls(&named, None, insecure, true);
    check_tls(&server, Some(&authority), ca(), false);
    let with_client = Tls {
        cert: client.cert.as_str().into(),
        key: Secret::new(client.key.as_str()),
        ..ca()
    };
    check_tls(&server, Some(&authority), with_client.clone(), true);
    // Its own certificate as CA is enough, a CA itself or not (as Go has it), if the name is right.
    for pair in [server.clone(), Authority::alone("127.0.0.1")] {
        let itself = Tls {
            ca: pair.cert.as_str().into(),
            ..Tls::default()
        };
        check_tls(&pair, None, itself, true);
    }
    let elsewhere = Authority::alone("metrics.example.test");
    let itself = Tls {
        ca: elsewhere.cert.as_str().into(),
        ..Tls::default()
    };
    check_tls(&elsewhere, None, itself, false);
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let only = Tls {
            min_version: Some(version),
            max_version: Some(version),
            ..with_client.clone()
        };
        check_tls(&server, Some(&authority), only, true);
    }
}

#[test]
fn a_changed_authority_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let (authority, other) = (Authority::new(), Authority::new());
    std::fs::write(&path, authority.pem()).unwrap();
    let server = tls::server(&authority.issue(&["127.0.0.1"]), None, |_| ok("a 1\n"));
    let url = format!("https://{}/m", server.address);
    let mut scraper = Scraper::new(&tls_config(Tls {
        ca_file: path.to_str().unwrap().into(),
        ..Tls::default()
    }));
    assert!(scraper.get(&url).is_ok());
    std::fs::write(&path, other.pem()).unwrap();
    assert!(scraper.get(&url).is_err());
    std::fs::write(&path, "nothing").unwrap();
    let error = scraper.get(&url).unwrap_err();
    assert!(
        error.contains("unable to use specified CA cert file"),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    let error = scraper.get(&url).unwrap_err();
    assert!(
        error.contains("unable to read CA cert: unable to read file"),
        "{error}"
    );
    std::fs::write(&path, authority.pem()).unwrap();
    assert!(scraper.get(&url).is_ok());
}

#[track_caller]
fn check_build(tls: Tls, want: &str) {
    let error = Client::build(&tls_config(tls), &surroundings()).unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert!(error.message.starts_with(want), "{error}");
}

#[test]
fn clients_that_cannot_be_built() {
    let authority = Authority::new();
    let (a, b) = (authority.issue(&["a"]), authority.issue(&["b"]));
    check_build(
        Tls {
            ca: "no PEM".into(),
            ..Tls::default()
        },
        "unable to use specified CA cert inline",
    );
    check_build(
        Tls {
            ca_file: "/nowhere/ca".into(),
            ..Tls::default()
        },
        "unable to read CA cert: unable to read file /nowhere/ca: open /nowhere/ca: no such file or directory",
    );
    check_build(
        Tls {
            ca_ref: "x".into(),
            ..Tls::default()
        },
        "unable to use CA cert: cannot use secret ref without manager",
    );
    check_build(
        Tls {
            cert_file: "/nowhere/c".into(),
            key: Secret::new("k"),
            ..Tls::default()
        },
        "unable to read specified client cert: unable to read file /nowhere/c",
    );
    check_build(
        Tls {
            cert: a.cert.as_str().into(),
            key: Secret::new(b.key.as_str()),
            ..Tls::default()
        },
        "unable to use specified client cert (inline) & key (inline): ",
    );
    check_build(
        Tls {
            min_version: Some(TlsVersion::Tls13),
            max_version: Some(TlsVersion::Tls12),
            ..Tls::default()
        },
        "tls_config.max_version must be greater than or equal to tls_config.min_version",
    );
    check_build(
        Tls {
            max_version: Some(TlsVersion::Tls11),
            ..Tls::default()
        },
        "tls_config.max_version: TLS 1.0 and 1.1 are not supported",
    );
}

fn through(proxy: &Server) -> Config {
    Config {
        proxy: Proxy {
            url: Some(format!("http://u:p@{}", proxy.address).into()),
            connect_header: [("X-Connect".into(), vec![Secret::new("c")])].into(),
            ..Proxy::default()
        },
        ..Config::default()
    }
}

#[test]
fn plain_requests_go_to_a_proxy_whole() {
    let proxy = Server::start(|_| ok("a 1\n"));
    let mut scraper = Scraper::new(&through(&proxy));
    for _ in 0..2 {
        assert_eq!(
            scraper.get("http://metrics.example:9999/m?x=1"),
            Ok("a 1\n".into())
        );
    }
    let asked = &proxy.asked()[1];
    assert_eq!(asked.line, "GET http://metrics.example:9999/m?x=1 HTTP/1.1");
    assert_eq!(asked.header("host"), Some("metrics.example:9999"));
    assert_eq!(asked.header("proxy-authorization"), Some("Basic dTpw"));
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn encrypted_requests_go_through_a_tunnel() {
    let authority = Authority::new();
    let target = tls::server(&authority.issue(&["metrics.example"]), None, |_| {
        ok("a 1\n")
    });
    let proxy = crate::fake::http::tunnel(target.address);
    let config = Config {
        tls: Tls {
            ca: authority.pem().into(),
            ..Tls::default()
        },
        ..through(&proxy)
    };
    let mut scraper = Scraper::new(&config);
    for _ in 0..2 {
        assert_eq!(scraper.get("https://metrics.example/m"), Ok("a 1\n".into()));
    }
    assert_eq!(target.connections(), 1);
    let asked = proxy.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "CONNECT metrics.example:443 HTTP/1.1");
    assert_eq!(asked[0].header("x-connect"), Some("c"));
    assert_eq!(asked[0].header("proxy-authorization"), Some("Basic dTpw"));
    assert_eq!(target.asked()[0].header("proxy-authorization"), None);
}

#[test]
fn a_proxy_that_refuses_says_why() {
    let proxy = Server::start(|_| Reply::Bytes(b"HTTP/1.1 407 Who are you\r\n\r\n".to_vec()));
    let error = Scraper::new(&through(&proxy))
        .get("https://h/m")
        .unwrap_err();
    assert_eq!(
        error,
        "Get \"https://h/m\": proxyconnect tcp: 407 Who are you"
    );
}

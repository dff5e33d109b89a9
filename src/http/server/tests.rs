use super::*;
use crate::rt::clock::SystemClock;

/// Path and query.
type Want<'a> = (&'a str, &'a [(&'a str, &'a str)]);

#[track_caller]
fn check(head: &str, want: Result<Option<Want<'_>>, u16>) {
    let got = parse(head.as_bytes());
    let got = got.map_err(|refusal| refusal.status);
    let want = want.map(|found| {
        found.map(|(path, query)| Request {
            method: Method::Get,
            path: path.to_owned(),
            query: query
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        })
    });
    assert_eq!(got, want, "{head:?}");
}

#[test]
fn requests() {
    check("GET / HTTP/1.1\r\n\r\n", Ok(Some(("/", &[]))));
    check("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Ok(Some(("/", &[]))));
    check(
        "GET /api/v1/targets?state=active&scrapePool=a%2Fb+c&x HTTP/1.1\r\n\r\n",
        Ok(Some((
            "/api/v1/targets",
            &[("state", "active"), ("scrapePool", "a/b c"), ("x", "")],
        ))),
    );
    check("GET /a?b=%ff&&c=%4 HTTP/1.1\r\n\r\n", {
        Ok(Some(("/a", &[("b", "\u{fffd}"), ("c", "%4")])))
    });
    check("", Ok(None));
    check("GET / HT", Ok(None));
    check("GET / HTTP/1.1\r\nHost: a\r\n", Ok(None));
    check("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", {
        Ok(Some(("/", &[])))
    });
    check("GET / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello", Err(413));
    check(
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        Err(413),
    );
    check("POST /-/reload HTTP/1.1\r\n\r\n", Err(405));
    check("GET http://a/ HTTP/1.1\r\n\r\n", Err(400));
    check("\u{16}\u{3}\u{1}", Err(400));
    let many = "a: b\r\n".repeat(MAX_HEADERS + 1);
    check(&format!("GET / HTTP/1.1\r\n{many}\r\n"), Err(431));
    let long = "a".repeat(MAX_HEAD);
    check(&format!("GET /{long}"), Err(431));
}

fn server(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let is_large = |request: &Request| request.path == "/large";
    Server::start(
        "test",
        listener,
        SystemClock::shared(),
        Arc::new(handler),
        is_large,
    )
    .unwrap()
}

/// What the server answers until it closes.
fn exchange(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn answers_and_closes() {
    let server = server(|request| Response::text(200, &request.path));
    let answer = exchange(&server, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.ends_with("\r\nConnection: close\r\n\r\n/x\n"),
        "{answer}"
    );
    assert!(answer.contains("Content-Length: 3\r\n"), "{answer}");
    let answer = exchange(&server, "HEAD /x HTTP/1.1\r\n\r\n");
    assert!(answer.contains("Content-Length: 3\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    let answer = exchange(&server, "DELETE /x HTTP/1.1\r\n\r\n");
    assert!(answer.contains("405 Method Not Allowed\r\n"), "{answer}");
    assert!(answer.contains("Allow: GET, HEAD\r\n"), "{answer}");
}

#[test]
fn a_panic_in_a_page_is_a_500_and_the_server_goes_on() {
    let server = server(|request| {
        assert!(request.path != "/bad", "no");
        Response::text(200, "fine")
    });
    assert!(exchange(&server, "GET /bad HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 500 "));
    assert!(exchange(&server, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn silent_clients_make_room_and_are_cut_on_stop() {
    let server = server(|_| Response::text(200, "fine"));
    let half = |_| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
        stream
    };
    let mut silent: Vec<_> = (0..40).map(half).collect();
    for _ in 0..3 {
        let answer = exchange(&server, "GET /-/healthy HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // The oldest have been cut.
    assert!(matches!(silent[0].read(&mut [0]), Ok(0) | Err(_)));
    let began = SystemClock.now();
    drop(server);
    assert!(SystemClock.now() - began < REQUEST_TIME);
}

#[test]
fn large_answers_are_made_one_at_a_time_and_hold_up_nobody_else() {
    let made = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&made);
    let (began, begins) = crossbeam_channel::bounded(64);
    let server = server(move |request| {
        if request.path != "/large" {
            return Response::text(200, "fine");
        }
        *counted.lock() += 1;
        began.send(()).unwrap();
        Response::json(200, vec![b' '; 64 << 20])
    });
    let ask = |_| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"GET /large HTTP/1.1\r\n\r\n").unwrap();
        stream
    };
    let hungry: Vec<_> = (0..10).map(ask).collect();
    begins.recv().unwrap();
    let answer = exchange(&server, "GET /-/ready HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Nobody reads, so the first still has it.
    assert_eq!(*made.lock(), 1);
    drop(server);
    drop(hungry);
}

#[test]
fn without_threads_or_time_requests_are_answered_in_line() {
    let server = server(|_| Response::text(200, "fine"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let (stream, _) = listener.accept().unwrap();
    let stream = server.shared.admit(u64::MAX, stream);
    server.shared.serve(u64::MAX, &stream, SHORT_TIME);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("fine\n"), "{answer}");
    assert!(server.shared.connections.lock().is_empty());
}

//! Redirects, and what of a request goes along.

use super::*;

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
fn secret_headers_stay_on_the_host_and_do_not_mind_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "from a file\n").unwrap();
    let end = Server::start(|_| ok("a 1\n"));
    let port = end.address.port();
    let server = Server::start(move |asked| match asked.path() {
        "/port" => redirect(&format!("http://127.0.0.1:{port}/kept")),
        _ => redirect(&format!("http://localhost:{port}/lost")),
    });
    let mixed = Header {
        values: vec!["plain".into()],
        secrets: vec![Secret::new("hidden")],
        files: vec![file.to_str().unwrap().into()],
    };
    let config = Config {
        headers: Some([("X-Key".into(), mixed)].into()),
        ..with_bearer()
    };
    let mut scraper = Scraper::new(&config);
    for path in ["/port", "/host"] {
        assert_eq!(scraper.get(&server.url(path)), Ok("a 1\n".into()));
    }
    let seen: Vec<_> = end
        .asked()
        .iter()
        .map(|a| {
            let keys = ["plain", "hidden", "from a file"].map(|key| {
                a.headers
                    .iter()
                    .any(|(name, value)| name == "x-key" && value == key)
            });
            (
                a.path().to_owned(),
                a.header("authorization").is_some(),
                keys,
            )
        })
        .collect();
    let want = [
        ("/kept".to_owned(), true, [true, true, true]),
        ("/lost".to_owned(), false, [true, false, false]),
    ];
    assert_eq!(seen, want);
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

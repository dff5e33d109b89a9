//! Tokens fetched from a server of their own.

use super::*;

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

//! Requests through proxies.

use super::*;

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

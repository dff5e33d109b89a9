//! Certificates of both sides.

use super::*;

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
        ..others.clone()
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
    // A certificate that says it is a CA, and that a CA has signed, is a server's nevertheless, if the name is right.
    let authority_too = authority.issue_authority("127.0.0.1");
    check_tls(&authority_too, None, ca(), true);
    check_tls(&authority_too, None, others, false);
    check_tls(
        &authority.issue_authority("elsewhere.test"),
        None,
        ca(),
        false,
    );
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

/// What a scrape says of a server that it does not trust.
#[track_caller]
fn check_refused(pair: &Pair, clients: Option<&Authority>, tls: Tls, want: &str) {
    let server = tls::server(pair, clients, |_| ok("a 1\n"));
    let url = format!("https://{}/m", server.address);
    let error = Scraper::new(&tls_config(tls)).get(&url).unwrap_err();
    assert!(error.contains(want), "{error}");
}

#[test]
fn what_is_wrong_is_said() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ca = |authority: &Authority| Tls {
        ca: authority.pem().into(),
        ..Tls::default()
    };
    let server = authority.issue(&["127.0.0.1"]);
    let alone = Authority::alone("127.0.0.1");
    let system = Tls::default;
    check_refused(
        &alone,
        None,
        system(),
        "tls: the certificate is self-signed",
    );
    check_refused(
        &authority.issue(&["a.test"]),
        None,
        ca(&authority),
        "valid for a.test, not 127.0.0.1",
    );
    check_refused(
        &authority.issue(&[]),
        None,
        ca(&authority),
        "no subject alternative names",
    );
    check_refused(
        &authority.issue_expired("127.0.0.1"),
        None,
        ca(&authority),
        "expired at 2001-01-01T00:00:00Z",
    );
    check_refused(&server, Some(&other), ca(&authority), "client certificate");

    let plain = Server::start(|_| ok("a 1\n"));
    let url = format!("https://{}/m", plain.address);
    let error = Scraper::new(&tls_config(ca(&authority)))
        .get(&url)
        .unwrap_err();
    assert!(
        error.contains("use http://") || error.contains("EOF"),
        "{error}"
    );
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

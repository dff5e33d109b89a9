//! What a Secret holds is never shown, whatever is wrong with it: neither in the reason of a rejection, nor in the log, nor
//! on a page.

use super::program::{Program, free_address, page};
use super::receiver::write;
use base64::Engine;
use std::fmt::Write;

/// In every value below, and short enough to survive where a message shows the beginning of a value only.
const MARK: &str = "hunter2";

/// Monitors by name, each with one use of the Secret `s`; those that are fine, and those that are rejected.
const FINE: &[(&str, &str)] = &[
    (
        "basic",
        "basicAuth: {username: {name: s, key: user}, password: {name: s, key: plain}}",
    ),
    (
        "token",
        "authorization: {credentials: {name: s, key: plain}}",
    ),
    ("bearer", "bearerTokenSecret: {name: s, key: plain}"),
    (
        "oauth2",
        "oauth2: {clientId: {secret: {name: s, key: user}}, clientSecret: {name: s, key: plain}, tokenUrl: 'http://h/t'}",
    ),
    (
        "header",
        "proxyUrl: 'http://h', proxyConnectHeader: {X: [{name: s, key: plain}]}",
    ),
    (
        "type",
        "authorization: {type: Custom, credentials: {name: s, key: yaml}}",
    ),
];
const REJECTED: &[(&str, &str)] = &[
    (
        "lines",
        "authorization: {credentials: {name: s, key: lines}}",
    ),
    (
        "binary",
        "basicAuth: {username: {name: s, key: user}, password: {name: s, key: binary}}",
    ),
    ("ca", "tlsConfig: {ca: {secret: {name: s, key: plain}}}"),
    (
        "pair",
        "tlsConfig: {cert: {secret: {name: s, key: plain}}, keySecret: {name: s, key: lines}}",
    ),
    (
        "other",
        "tlsConfig: {cert: {secret: {name: s, key: cert}}, keySecret: {name: s, key: key}}",
    ),
    (
        "regex",
        "authorization: {credentials: {name: s, key: plain}}, relabelings: [{regex: '('}]",
    ),
    (
        "timeout",
        "authorization: {credentials: {name: s, key: plain}}, scrapeTimeout: 1h",
    ),
];

#[test]
fn what_a_secret_holds_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let made = || rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let key = made().signing_key.serialize_pem();
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut data = String::new();
    for (name, value) in [
        ("user", "u".as_bytes()),
        ("plain", MARK.as_bytes()),
        ("lines", format!("{MARK}\nb: {MARK}").as_bytes()),
        ("yaml", format!("{MARK}: '{{").as_bytes()),
        ("binary", [MARK.as_bytes(), b"\xff"].concat().as_slice()),
        ("cert", made().cert.pem().as_bytes()),
        ("key", key.as_bytes()),
        // No secrets where they belong, and some where they do not.
        ("jobs", format!("- {{job_name: a, basic_auth: {MARK}}}\n- {{job_name: b, authorization: {{credentials: [{MARK}]}}}}").as_bytes()),
    ] {
        writeln!(data, "  {name}: {}", base64(value)).unwrap();
    }
    let secret = |namespace: &str| {
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: {namespace}}}\ndata:\n{data}"
        )
    };
    let mut objects = secret("shop") + &secret("monitoring");
    for (name, endpoint) in FINE.iter().chain(REJECTED) {
        write!(
            objects,
            "---\napiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{selector: {{}}, endpoints: [{{port: web, {endpoint}}}]}}\n"
        )
        .unwrap();
    }
    objects += "---\napiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: k8s, namespace: monitoring}\n\
                spec: {serviceMonitorSelector: {}, serviceMonitorNamespaceSelector: {}, additionalScrapeConfigs: {name: s, key: jobs}}\n";
    write(folder.path(), "objects.yaml", &objects);
    let (address, from) = (free_address(), folder.path().to_str().unwrap());
    let program = Program::start(&[
        "--from-dir",
        from,
        "--inherit",
        "prometheus/monitoring/k8s",
        "--web.listen-address",
        &address.to_string(),
        "--output",
        "stdout",
        "--log-level",
        "debug",
    ]);
    let monitors = || page(address, "/api/v1/monitors");
    let count = |state: &str| {
        monitors()
            .matches(&format!("\"state\":\"{state}\""))
            .count()
    };
    program.wait_until("all monitors are judged", || {
        count("applied") == FINE.len() && count("rejected") == REJECTED.len()
    });
    let mut said = vec![("log", program.err.lock().unwrap().clone())];
    for path in [
        "/config",
        "/api/v1/status/config",
        "/api/v1/monitors",
        "/api/v1/targets",
        "/metrics",
    ] {
        let text = page(address, path);
        assert!(text.len() > 100, "{path}: {text}");
        said.push((path, text));
    }
    let in_key = key.lines().nth(1).unwrap();
    for (place, text) in said {
        for secret in [MARK, in_key, &base64(MARK.as_bytes())] {
            assert!(!text.contains(secret), "{place} shows {secret}: {text}");
        }
    }
}

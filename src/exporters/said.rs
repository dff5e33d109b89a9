//! What people are told of an OTLP backend: where it is, what it said, what may be wrong.

use http::header::LOCATION;
use http::{HeaderMap, StatusCode, Uri};
use rustls::CertificateError;
use std::io::{self, ErrorKind};

/// Characters of a backend's text that go into a line of the log.
const MAX_SAID: usize = 300;

/// What stands for a secret, as in Go's `URL.Redacted`.
const HIDDEN: &str = "xxxxx";

/// A URL without what may be secret in it: the password and the query.
pub(super) fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // Of a text that is no URL nobody knows where a password ends.
    let end = match url.parse::<Uri>() {
        Ok(_) => rest.find(['/', '?', '#']).unwrap_or(rest.len()),
        Err(_) => rest.len(),
    };
    let (authority, target) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => format!("{HIDDEN}@{host}"),
        },
        None => authority.to_owned(),
    };
    let target = match target.split_once('?') {
        Some((path, _)) => format!("{path}?{HIDDEN}"),
        None => target.to_owned(),
    };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{authority}{target}")
}

/// The first line of a foreign text, cut, without anything that could move a terminal's cursor.
pub(super) fn first_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.trim().lines().next().unwrap_or_default();
    let mut said = String::new();
    for letter in line.chars().take(MAX_SAID) {
        if letter.is_control() {
            said.extend(letter.escape_default());
        } else {
            said.push(letter);
        }
    }
    said
}

/// What to do about a status.
pub(super) fn hint(status: StatusCode, headers: &HeaderMap) -> String {
    match status.as_u16() {
        401 | 403 => "; check --otlp-header".to_owned(),
        404 | 405 | 415 => {
            "; check the path of --otlp-endpoint: it is an OTLP/HTTP base, /v1/metrics is added"
                .to_owned()
        }
        300..=399 => {
            let place = headers.get(LOCATION).map(|to| first_line(to.as_bytes()));
            let place = place.map(|to| shown(&to)).unwrap_or_default();
            format!("; redirects are not followed, name the place itself: {place}")
        }
        _ => String::new(),
    }
}

/// Why no answer came, in our words.
pub(super) fn cause(error: &ureq::Error, url: &Uri) -> String {
    let cause = match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        ureq::Error::Io(error) => io_cause(error),
        ureq::Error::Rustls(error) => tls_cause(error),
        ureq::Error::Protocol(_) => "the answer is not HTTP/1.1".to_owned(),
        other => first_line(other.to_string().as_bytes()),
    };
    match url.port_u16() {
        Some(4317) => {
            format!("{cause}; 4317 is usually OTLP/gRPC, which is not spoken here: try 4318")
        }
        _ => cause,
    }
}

fn io_cause(error: &io::Error) -> String {
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_cause(tls);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused: nobody listens there".to_owned(),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => "the other side closed the connection".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no answer in time".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "there is no route to it".to_owned()
        }
        // A name that nobody knows (the system's words, behind Go's).
        _ => first_line(error.to_string().as_bytes())
            .replace("dial tcp: ", "")
            .replace("failed to lookup address information: ", ""),
    }
}

fn tls_cause(error: &rustls::Error) -> String {
    let name_it = "name its CA in OTEL_EXPORTER_OTLP_CERTIFICATE";
    match error {
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS; if it speaks plain HTTP, the URL begins with http://".to_owned()
        }
        rustls::Error::AlertReceived(alert) => {
            format!(
                "it refused the TLS handshake ({alert:?}); perhaps it wants a client certificate"
            )
        }
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => {
                format!("its certificate is not signed by a CA that is trusted here; {name_it}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name than the URL's".to_owned()
            }
            // Most often a CA's own certificate (webpki: CaUsedAsEndEntity).
            _ => format!("its certificate is not accepted, perhaps it is self-signed; {name_it}"),
        },
        other => first_line(other.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_no_secrets() {
        for (url, want) in [
            ("http://a:4318/v1/metrics", "http://a:4318/v1/metrics"),
            ("http://u:pw@a/x@y", "http://u:xxxxx@a/x@y"),
            ("https://token@a", "https://xxxxx@a"),
            ("https://a/x?key=s#f", "https://a/x?xxxxx"),
            ("foo", "foo"),
            ("http://u:p w/@a", "http://u:xxxxx@a"),
        ] {
            assert_eq!(shown(url), want);
        }
    }

    #[test]
    fn foreign_text_is_one_short_line() {
        assert_eq!(first_line(b" a\x1b[31m\tb \r\nc"), "a\\u{1b}[31m\\tb ");
        assert_eq!(first_line(&[b'x'; 1000]).len(), MAX_SAID);
        assert_eq!(first_line(b""), "");
    }

    #[test]
    fn causes_are_in_our_words() {
        let url = |text: &str| text.parse::<Uri>().unwrap();
        let check = |error: ureq::Error, address: &str, want: &str| {
            let got = cause(&error, &url(address));
            assert!(got.starts_with(want), "{got}");
        };
        let refused = || ureq::Error::Io(ErrorKind::ConnectionRefused.into());
        check(
            refused(),
            "http://a:1",
            "connection refused: nobody listens there",
        );
        check(
            refused(),
            "http://a:4317",
            "connection refused: nobody listens there; 4317 is usually",
        );
        let unknown = io::Error::other(
            "dial tcp: lookup a: failed to lookup address information: Name or service not known",
        );
        check(
            ureq::Error::Io(unknown),
            "http://a",
            "lookup a: Name or service not known",
        );
        let tls = |error| ureq::Error::Io(io::Error::other(error));
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        check(
            tls(unknown),
            "https://a",
            "its certificate is not signed by a CA",
        );
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        check(tls(plain), "https://a", "it does not speak TLS");
    }
}

//! What people are told of an OTLP backend: where it is, what it said, what may be wrong.

use crate::http::cause;
use crate::http::url::shown;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode, Uri};

/// Characters of a backend's text that go into a line of the log.
const MAX_SAID: usize = 300;

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

/// Why no answer came, and what may be wrong with the URL.
pub(super) fn cause(error: &ureq::Error, url: &Uri) -> String {
    let hint = match url.port_u16() {
        Some(4317) => "; 4317 is usually OTLP/gRPC, which is not spoken here: try 4318",
        _ => "",
    };
    format!("{}{hint}", cause::of(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn foreign_text_is_one_short_line() {
        assert_eq!(first_line(b" a\x1b[31m\tb \r\nc"), "a\\u{1b}[31m\\tb ");
        assert_eq!(first_line(&[b'x'; 1000]).len(), MAX_SAID);
        assert_eq!(first_line(b""), "");
    }

    #[test]
    fn causes_come_with_what_to_do() {
        let check = |error: ureq::Error, url: &str, want: &str| {
            let got = cause(&error, &url.parse::<Uri>().unwrap());
            assert!(got.ends_with(want), "{got}");
        };
        let refused = || ureq::Error::Io(ErrorKind::ConnectionRefused.into());
        check(refused(), "http://a:1", "connection refused");
        check(refused(), "http://a:4317", "try 4318");
    }
}

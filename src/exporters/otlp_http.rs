//! OTLP over HTTP with protobuf (opentelemetry-proto: docs/specification.md, OTLP/HTTP).

use super::otlp::OtlpEncoders;
use super::said::{cause, first_line, hint};
use crate::http::agent;
use crate::http::config::{Secret, Tls};
use crate::http::error::Error;
use crate::http::tls;
use crate::http::url::shown;
use crate::pipeline::{EncoderFactory, ExportError, Exporter, Interrupt, Payload, Receipt};
use crate::rt::files::Files;
use crate::translate;
use crate::wire::protobuf::{Reader, Value};
use flate2::write::GzEncoder;
use http::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, Uri};
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// More of an answer is not read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Whatever a backend asks for, it is tried again after this time.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// Where and how requests are sent.
#[derive(Debug, Clone)]
pub struct OtlpHttpSettings {
    /// The exporter's name in logs and metrics; unique among the exporters.
    pub name: String,
    /// The URL that is posted to, used as it is.
    pub url: String,
    /// Further headers, such as those that authenticate.
    pub headers: Vec<(String, Secret)>,
    /// How the body is compressed.
    pub compression: Compression,
    /// For one request from connecting to the end of the answer.
    pub timeout: Duration,
    /// Roots and client certificate.
    pub tls: Tls,
    /// What the receiver's settings change about the translation.
    pub translation: translate::Settings,
}

/// How the body of a request is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    #[default]
    Gzip,
}

impl OtlpHttpSettings {
    /// Defaults for a backend at a base URL such as `https://collector:4318`: `/v1/metrics` is appended.
    pub fn new(endpoint: &str) -> Self {
        Self {
            name: "otlp".to_owned(),
            url: format!("{}/v1/metrics", endpoint.trim_end_matches('/')),
            headers: Vec::new(),
            compression: Compression::default(),
            timeout: Duration::from_secs(10),
            tls: Tls::default(),
            translation: translate::Settings::default(),
        }
    }
}

/// Posts OTLP requests.
pub struct OtlpHttp {
    settings: OtlpHttpSettings,
    url: Uri,
    /// The URL for people.
    shown: String,
    agent: ureq::Agent,
    body: Vec<u8>,
}

impl OtlpHttp {
    /// An exporter. Certificates are read from `files`, now.
    ///
    /// # Errors
    /// The URL is none, a header cannot be sent, or certificates cannot be read or used.
    pub fn new(settings: OtlpHttpSettings, files: &dyn Files) -> Result<Self, Error> {
        let url = check_url(&settings.url).map_err(Error::settings)?;
        for (name, value) in &settings.headers {
            let value = HeaderValue::from_str(value.expose());
            if name.parse::<HeaderName>().is_err() || value.is_err() {
                return Err(Error::settings(format!(
                    "header {name:?}: its name or its value has characters that a header cannot have"
                )));
            }
        }
        let agent = agent::build(&agent::AgentSettings {
            tls: tls::client_config(&settings.tls, files, &tls::SharedRoots::default())?,
            server_name: settings.tls.server_name.clone(),
            proxy: None,
            user_agent: crate::USER_AGENT.into(),
            connect_timeout: settings.timeout,
            response_timeout: Some(settings.timeout),
            read_timeout: Some(settings.timeout),
        });
        Ok(Self {
            shown: shown(&settings.url),
            settings,
            url,
            agent,
            body: Vec::new(),
        })
    }

    /// The body of a request: payloads can be concatenated, as a request is a list.
    fn fill_body(&mut self, payloads: &[Payload]) -> std::io::Result<()> {
        self.body.clear();
        match self.settings.compression {
            Compression::None => {
                for payload in payloads {
                    self.body.extend_from_slice(&payload.bytes);
                }
            }
            Compression::Gzip => {
                let level = flate2::Compression::fast();
                let mut gzip = GzEncoder::new(std::mem::take(&mut self.body), level);
                for payload in payloads {
                    gzip.write_all(&payload.bytes)?;
                }
                self.body = gzip.finish()?;
            }
        }
        Ok(())
    }

    fn post(&self) -> Result<Response<Vec<u8>>, ureq::Error> {
        let mut request = self
            .agent
            .post(&self.settings.url)
            .header(CONTENT_TYPE, "application/x-protobuf");
        if self.settings.compression == Compression::Gzip {
            request = request.header("Content-Encoding", "gzip");
        }
        for (name, value) in &self.settings.headers {
            request = request.header(&**name, value.expose());
        }
        let timeout = Some(self.settings.timeout);
        let response = request
            .config()
            .timeout_global(timeout)
            .build()
            .send(&self.body[..])?;
        let (parts, mut body) = response.into_parts();
        let body = body.with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        // What became of the points is known from the status; the body only explains it.
        Ok(Response::from_parts(parts, body.unwrap_or_default()))
    }
}

impl fmt::Debug for OtlpHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpHttp")
            .field("url", &self.shown)
            .finish_non_exhaustive()
    }
}

/// `http` takes any text behind the host's colon.
fn has_port_or_none(url: &Uri) -> bool {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, rest)| rest);
    let rest = host_port.strip_prefix(url.host().unwrap_or_default());
    rest.is_some_and(|rest| rest.is_empty() || url.port_u16().is_some())
}

/// Whether this is a URL that can be posted to.
///
/// # Errors
/// What is expected instead.
pub fn check_url(text: &str) -> Result<Uri, String> {
    let url = text.parse::<Uri>().ok().filter(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
            && has_port_or_none(url)
    });
    let text = shown(text);
    url.ok_or_else(|| format!("{text:?}: a URL such as http://collector:4318 is expected"))
}

impl Exporter for OtlpHttp {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn encoders(&self) -> Arc<dyn EncoderFactory> {
        Arc::new(OtlpEncoders::new(self.settings.translation.clone()))
    }

    fn send(&mut self, payloads: &[Payload]) -> Result<Receipt, ExportError> {
        self.fill_body(payloads)
            .map_err(|source| ExportError::Reject {
                source: Box::new(source),
            })?;
        match self.post() {
            Ok(answer) => judge(&answer, &self.shown),
            Err(error) => {
                let source = format!("{}: {}", self.shown, cause(&error, &self.url)).into();
                Err(match error {
                    // What cannot be sent will never be; all else is the network.
                    ureq::Error::Http(_) | ureq::Error::BadUri(_) => ExportError::Reject { source },
                    _ => ExportError::Retry {
                        after: None,
                        source,
                    },
                })
            }
        }
    }

    fn interrupt(&self) -> Interrupt {
        let agent = self.agent.clone();
        Box::new(move || agent.clone().shutdown())
    }
}

/// What an answer means for the points that were sent.
fn judge(answer: &Response<Vec<u8>>, url: &str) -> Result<Receipt, ExportError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(receipt(answer, url));
    }
    let source = refusal(answer, url).into();
    Err(match status.as_u16() {
        429 | 502 | 503 | 504 => ExportError::Retry {
            after: retry_after(answer.headers()),
            source,
        },
        413 => ExportError::Split { source },
        _ => ExportError::Reject { source },
    })
}

/// Partial success: some points were refused, and must not be sent again.
fn receipt(answer: &Response<Vec<u8>>, url: &str) -> Receipt {
    let mut receipt = Receipt::default();
    if !is_protobuf(answer.headers()) {
        return receipt;
    }
    let mut said = String::new();
    for (field, value) in fields(answer.body()) {
        let (1, Value::Bytes(partial)) = (field, value) else {
            continue;
        };
        for (field, value) in fields(partial) {
            match (field, value) {
                (1, Value::Varint(n)) => receipt.refused = n,
                (2, Value::Bytes(text)) => said = first_line(text),
                _ => {}
            }
        }
    }
    if receipt.refused > 0 && said.is_empty() {
        "it does not say why".clone_into(&mut said);
    }
    receipt.said = (!said.is_empty()).then(|| format!("{url}: partial success: {said}"));
    receipt
}

/// The status, what the backend says about it (the message of a `google.rpc.Status`, or text), and what to do.
fn refusal(answer: &Response<Vec<u8>>, url: &str) -> String {
    let said = if is_protobuf(answer.headers()) {
        let message = fields(answer.body()).find_map(|(field, value)| match (field, value) {
            (2, Value::Bytes(text)) => Some(text),
            _ => None,
        });
        first_line(message.unwrap_or_default())
    } else {
        first_line(answer.body())
    };
    let status = answer.status();
    let colon = if said.is_empty() { "" } else { ": " };
    let hint = hint(status, answer.headers());
    format!("{url}: status {status}{colon}{said}{hint}")
}

fn is_protobuf(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/x-protobuf"))
}

/// The fields of a message as far as it is well-formed.
fn fields(message: &[u8]) -> impl Iterator<Item = (u32, Value<'_>)> {
    let mut reader = Reader::new(message);
    std::iter::from_fn(move || reader.field().ok().flatten())
}

/// Seconds, or a date, which is compared with the answer's own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let now = http_date(headers.get(DATE)?.to_str().ok()?)?;
            u64::try_from(http_date(text)?.saturating_sub(now)).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// Seconds since the Unix epoch of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split([' ', ':']);
    let day: i64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = 1 + i64::try_from(months.iter().position(|name| *name == month)?).ok()?;
    let year: i64 = parts
        .next()?
        .parse()
        .ok()
        .filter(|year| (1970..=9999).contains(year))?;
    let mut seconds = 0;
    for _ in 0..3 {
        seconds = seconds * 60
            + parts
                .next()?
                .parse::<i64>()
                .ok()
                .filter(|n| (0..=60).contains(n))?;
    }
    // Days since 1970-01-01, with years that begin in March, so that leap days come last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Response<Vec<u8>> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(body.to_vec()).unwrap()
    }

    #[test]
    fn statuses_are_judged() {
        for (status, want) in [
            (200, "sent"),
            (202, "sent"),
            (301, "reject"),
            (400, "reject"),
            (401, "reject"),
            (413, "split"),
            (429, "retry"),
            (500, "reject"),
            (502, "retry"),
            (503, "retry"),
            (504, "retry"),
        ] {
            let got = match judge(&answer(status, &[], b""), "u") {
                Ok(_) => "sent",
                Err(ExportError::Retry { .. }) => "retry",
                Err(ExportError::Reject { .. }) => "reject",
                Err(ExportError::Split { .. }) => "split",
            };
            assert_eq!(got, want, "{status}");
        }
    }

    #[test]
    fn partial_success_is_read() {
        let body = [0x0a, 5, 0x08, 3, 0x12, 1, b'x'];
        let protobuf = [("content-type", "application/x-protobuf")];
        assert_eq!(
            judge(&answer(200, &protobuf, &body), "u").unwrap().refused,
            3
        );
        assert_eq!(judge(&answer(200, &[], &body), "u").unwrap().refused, 0);
        assert_eq!(
            judge(&answer(200, &protobuf, b"\xff"), "u")
                .unwrap()
                .refused,
            0
        );
    }

    #[test]
    fn a_refusal_says_what_the_backend_said() {
        let status = [0x08, 3, 0x12, 2, b'n', b'o'];
        let protobuf = [("content-type", "application/x-protobuf")];
        assert_eq!(
            refusal(&answer(400, &protobuf, &status), "u"),
            "u: status 400 Bad Request: no"
        );
        assert_eq!(
            refusal(&answer(401, &[], b" who? \n"), "u"),
            "u: status 401 Unauthorized: who?; check --otlp-header"
        );
        assert_eq!(
            refusal(&answer(404, &[], b""), "u"),
            "u: status 404 Not Found; check the path of --otlp-endpoint: it is an OTLP/HTTP base, /v1/metrics is added"
        );
        assert_eq!(
            refusal(&answer(308, &[("location", "https://a/")], b""), "u"),
            "u: status 308 Permanent Redirect; redirects are not followed, name the place itself: https://a/"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |headers: &[(&str, &str)]| retry_after(answer(503, headers, b"").headers());
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(
            after(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), date]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            after(&[("retry-after", "Wed, 21 Oct 2015 07:27:00 GMT"), date]),
            Some(Duration::ZERO)
        );
        assert_eq!(after(&[("retry-after", "999999")]), Some(MAX_RETRY_AFTER));
        assert_eq!(after(&[("retry-after", "soon"), date]), None);
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn dates_are_seconds_since_1970() {
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            http_date("Thu, 29 Feb 2024 12:00:00 GMT"),
            Some(1_709_208_000)
        );
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused() {
        for (name, value) in [("a b", "c"), ("", "c"), ("a", "b\n")] {
            let settings = OtlpHttpSettings {
                headers: vec![(name.to_owned(), Secret::new(value))],
                ..OtlpHttpSettings::new("http://a")
            };
            let error = OtlpHttp::new(settings, &crate::rt::files::Disk).unwrap_err();
            assert!(error.message.starts_with("header "), "{error}");
        }
    }

    #[test]
    fn bad_urls_are_refused() {
        for url in [
            "",
            "collector:4318",
            "ftp://x",
            "http://",
            "http://x:bad",
            "http://x:99999",
        ] {
            let settings = OtlpHttpSettings {
                url: url.into(),
                ..OtlpHttpSettings::new("")
            };
            assert!(
                OtlpHttp::new(settings, &crate::rt::files::Disk).is_err(),
                "{url}"
            );
        }
    }
}

//! The client of the scrape path: blocking HTTP/1.1 over sockets of its own, one connection per target, about a kibibyte
//! while idle. One [`Client`] per job (prometheus: one http.Client per scrape pool). It does not speak HTTP/2, and it
//! inflates nothing: that costs CPU and is done behind the gate ([`crate::http::body::Inflater`]).

mod connection;
pub(super) mod exchange;
mod message;
pub(super) mod resolve;
pub(super) mod socket;
mod socks;
pub(super) mod transport;

pub use connection::Connection;
pub use exchange::{Buffers, HttpContext};
pub use resolve::Resolver;
pub use socket::Interrupt;

use self::exchange::{Exchange, Failure, Outgoing};
use self::message::Head;
use self::transport::Transport;
use crate::http::auth::Auth;
use crate::http::body;
use crate::http::config::{Config, Header};
use crate::http::error::Error;
use crate::http::source::open_failed;
use crate::http::url::Url;
use crate::rt::clock::{Clock, SystemClock};
use crate::rt::files::SMALL;
use std::fmt::Display;
use std::time::Duration;

/// Go's client: net/http, defaultCheckRedirect.
const MAX_REQUESTS: usize = 10;

/// How much larger than its limit a compressed body may be (what does not compress grows a little).
const GZIP_SLACK: u64 = 64 * 1024;

/// Go's client: net/http, makeHeadersCopier. Not sent to another host.
const SENSITIVE: [&str; 6] = [
    "Authorization",
    "Www-Authenticate",
    "Cookie",
    "Cookie2",
    "Proxy-Authorization",
    "Proxy-Authenticate",
];

/// The HTTP client of a job.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    auth: Auth,
    headers: Vec<(Box<str>, Header)>,
    follow_redirects: bool,
}

/// A GET request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The target's URL. One that is not valid fails the exchange, as upstream.
    pub url: &'a str,
    /// Headers of the request itself (`Accept`, …). `Host`, `User-Agent`, those of the settings and the
    /// authentication are the client's.
    pub headers: &'a [(&'a str, &'a str)],
}

/// What came back; the body lies in [`Buffers`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Code and reason as the server wrote them: `404 Not Found`.
    pub status_text: String,
    /// The first Content-Type; empty if there is none.
    pub content_type: String,
    /// The body is compressed: Content-Encoding is `gzip`, byte for byte (prometheus: scrape/scrape.go, readResponse).
    pub gzip: bool,
    /// The body is compressed in a way that was not offered: Content-Encoding is `zstd`.
    pub zstd: bool,
}

impl Client {
    /// Builds the client of a job.
    ///
    /// # Errors
    /// As upstream: certificates or keys that cannot be read or used, versions out of order, references to a
    /// secret manager.
    pub fn build(config: &Config, context: &HttpContext) -> Result<Self, Error> {
        let headers = config.headers.iter().flatten();
        Ok(Self {
            transport: Transport::of(config, context)?,
            auth: Auth::new(config, context)?,
            headers: headers.map(|(name, h)| (name.clone(), h.clone())).collect(),
            follow_redirects: config.follow_redirects,
        })
    }

    /// Sends a GET request and reads the whole response, following redirects, within `timeout` for all of it together.
    /// The body ends up in `buffers.body`; if the status is not 200 it means nothing. A body of `limit` bytes or more is
    /// too large, where limit 0 or `None` means [`crate::http::body::MAX_BODY`].
    ///
    /// Time is real time here, whatever clock the caller has: sockets know no other.
    ///
    /// # Errors
    /// No complete response came; see [`crate::http::error::Kind`].
    pub fn exchange(
        &self,
        connection: &mut Option<Connection>,
        request: &Request<'_>,
        timeout: Duration,
        limit: Option<u64>,
        interrupt: &Interrupt,
        buffers: &mut Buffers,
    ) -> Result<Response, Error> {
        let mut exchange = Exchange {
            slot: connection,
            deadline: SystemClock.now() + timeout,
            interrupt,
            buffers,
        };
        let result = self.follow(&mut exchange, request, limit);
        interrupt.release();
        interrupt.check()?;
        let head = result?;
        Ok(Response {
            status: head.status,
            status_text: head.status_text,
            content_type: head.content_type,
            gzip: head.gzip,
            zstd: head.zstd,
        })
    }

    fn follow(
        &self,
        exchange: &mut Exchange<'_>,
        request: &Request<'_>,
        limit: Option<u64>,
    ) -> Result<Head, Error> {
        let get = |url: &dyn Display, error: Error| {
            Error::new(error.kind, format!("Get \"{url}\": {error}"))
        };
        let mut url = Url::parse(request.url).map_err(Error::failed)?;
        let first = url.clone();
        let mut referer = None;
        // Sticky: a redirect back does not restore trust (prometheus: common/config, isCrossHostRedirect).
        let mut is_foreign = false;
        let mut requests = 0;
        loop {
            requests += 1;
            let hop = Hop {
                url: &url,
                is_foreign,
                referer: referer.as_deref(),
            };
            let head = match self.send(exchange, request, &hop, limit) {
                Ok(head) => head,
                Err(Failure::NoResponse(error)) => return Err(get(&url, error)),
                Err(Failure::Body(error)) => return Err(error),
            };
            if !self.follow_redirects || !is_redirect(&head) {
                return Ok(head);
            }
            if requests == MAX_REQUESTS {
                let error = Error::failed(format!("stopped after {MAX_REQUESTS} redirects"));
                return Err(get(&head.location, error));
            }
            let next = url.join(&head.location).map_err(|e| {
                let why = format!("failed to parse Location header {:?}: {e}", head.location);
                get(&url, Error::failed(why))
            })?;
            let is_downgrade = url.is_https() && !next.is_https();
            is_foreign |= is_downgrade || !next.host.eq_ignore_ascii_case(&first.host);
            // net/http: refererForURL
            referer = (!is_downgrade).then(|| url.to_string());
            url = next;
        }
    }

    fn send(
        &self,
        exchange: &mut Exchange<'_>,
        request: &Request<'_>,
        hop: &Hop<'_>,
        limit: Option<u64>,
    ) -> Result<Head, Failure> {
        let own = self
            .own_headers(exchange, hop)
            .map_err(Failure::NoResponse)?;
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let headers: Vec<_> = request.headers.iter().copied().chain(own).collect();
        let outgoing = Outgoing {
            method: "GET",
            url: hop.url,
            headers: &headers,
            body: b"",
        };
        let cap = body::cap(limit);
        self.transport
            .round_trip(exchange, outgoing, |head| match head.status {
                200 if head.gzip => Some(cap.saturating_add(GZIP_SLACK)),
                200 => Some(cap),
                _ => None,
            })
    }

    /// Headers of the settings, authentication, referer.
    fn own_headers(
        &self,
        exchange: &Exchange<'_>,
        hop: &Hop<'_>,
    ) -> Result<Vec<(&str, String)>, Error> {
        let files = &*self.transport.context.files;
        let mut headers = Vec::new();
        for (name, header) in &self.headers {
            if hop.is_foreign && SENSITIVE.iter().any(|s| s.eq_ignore_ascii_case(name)) {
                continue;
            }
            headers.extend(header.values.iter().map(|v| (&**name, v.to_string())));
            // A deviation from upstream, to which only the names above say what is a credential.
            if hop.is_foreign {
                continue;
            }
            headers.extend(
                header
                    .secrets
                    .iter()
                    .map(|s| (&**name, s.expose().to_owned())),
            );
            for path in &header.files {
                let bytes = files.read(path, SMALL).map_err(|error| {
                    let why = open_failed(path, &error);
                    Error::settings(format!("unable to read headers file {path}: {why}"))
                })?;
                headers.push((name, String::from_utf8_lossy(&bytes).trim().to_owned()));
            }
        }
        if !hop.is_foreign
            && let Some(value) = self
                .auth
                .header(files, exchange.deadline, exchange.interrupt)?
        {
            headers.push(("Authorization", value.expose().to_owned()));
        }
        if let Some(referer) = hop.referer {
            headers.push(("Referer", referer.to_owned()));
        }
        Ok(headers)
    }
}

/// One request of a chain of redirects.
struct Hop<'a> {
    url: &'a Url,
    /// The chain has left the first host, or encryption.
    is_foreign: bool,
    referer: Option<&'a str>,
}

/// A redirect without Location is final, as in Go's client.
fn is_redirect(head: &Head) -> bool {
    matches!(head.status, 301 | 302 | 303 | 307 | 308) && !head.location.is_empty()
}

//! The client of the scrape path: blocking HTTP/1.1 over sockets of its own, one connection per target, about a kibibyte
//! while idle. One [`Client`] per job (prometheus: one http.Client per scrape pool). It does not speak HTTP/2, and it
//! inflates nothing: that costs CPU and is done behind the gate ([`super::body::inflate`]).

use super::config::Config;
use super::connection::{Connection, Interrupt};
use super::error::Error;
use super::{proxy, tls};
use crate::rt::files::Files;
use std::sync::Arc;
use std::time::Duration;

/// What clients need from around them; one per receiver.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where certificates, tokens and passwords are read, again for every request.
    pub files: Arc<dyn Files>,
    /// System roots and the like, shared by all clients.
    pub tls: Arc<tls::Shared>,
    /// For `proxy_from_environment`.
    pub proxies: proxy::Environment,
    /// `User-Agent` of every request, token requests included.
    pub user_agent: Box<str>,
}

/// The HTTP client of a job.
#[derive(Debug)]
pub struct Client {}

/// A GET request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The target's URL. One that is not valid fails the exchange, as upstream.
    pub url: &'a str,
    /// Headers of the request itself (`Accept`, …). `Host`, `User-Agent`, those of the settings and the
    /// authentication are the client's.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A worker's buffers, reused from exchange to exchange.
#[derive(Debug, Default)]
pub struct Buffers {
    /// The body of the last response as it came: without framing, still compressed.
    pub body: Vec<u8>,
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
}

impl Client {
    /// Builds the client of a job.
    ///
    /// # Errors
    /// As upstream: certificates or keys that cannot be read or used, versions out of order, references to a
    /// secret manager.
    pub fn build(_config: &Config, _around: &Surroundings) -> Result<Self, Error> {
        Err(Error::settings("the HTTP client is not built yet"))
    }

    /// Sends a GET request and reads the whole response, following redirects, within `timeout` for all of it together.
    /// The body ends up in `buffers.body`; if the status is not 200 it is dropped. A body of `limit` bytes or more is too
    /// large, where limit 0 or `None` means [`super::body::MAX_BODY`].
    ///
    /// Time is real time here, whatever clock the caller has: sockets know no other.
    ///
    /// # Errors
    /// No complete response came; see [`super::error::Kind`].
    pub fn exchange(
        &self,
        _connection: &mut Option<Connection>,
        _request: &Request<'_>,
        _timeout: Duration,
        _limit: Option<u64>,
        _interrupt: &Interrupt,
        _buffers: &mut Buffers,
    ) -> Result<Response, Error> {
        Err(Error::failed("the HTTP client is not built yet"))
    }
}

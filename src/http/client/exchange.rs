//! What the layers of the client hand to one another: the context they share, one exchange, one request of it.

use super::connection::Connection;
use super::resolve::Resolver;
use super::socket::Interrupt;
use crate::http::error::Error;
use crate::http::proxy;
use crate::http::tls::SharedRoots;
use crate::http::url::Url;
use crate::rt::files::Files;
use std::sync::Arc;
use std::time::Instant;

/// What clients need from outside; one per receiver.
#[derive(Debug, Clone)]
pub struct HttpContext {
    /// Where certificates, tokens and passwords are read, again for every request.
    pub files: Arc<dyn Files>,
    /// The system's roots, shared by all clients.
    pub roots: Arc<SharedRoots>,
    /// Looks the names of targets and proxies up, for all clients.
    pub resolver: Resolver,
    /// For `proxy_from_environment`.
    pub proxies: proxy::Environment,
    /// `User-Agent` of every request, token requests included.
    pub user_agent: Box<str>,
}

/// A worker's buffers, reused from exchange to exchange.
#[derive(Debug, Default)]
pub struct Buffers {
    /// The body of the last response as it came: without framing, still compressed.
    pub body: Vec<u8>,
    pub(in crate::http) outgoing: Vec<u8>,
    pub(in crate::http) incoming: Vec<u8>,
}

/// What the requests of one exchange share.
pub(in crate::http) struct Exchange<'a> {
    /// The connection kept from last time, and for next time.
    pub(in crate::http) slot: &'a mut Option<Connection>,
    pub(in crate::http) deadline: Instant,
    pub(in crate::http) interrupt: &'a Interrupt,
    pub(in crate::http) buffers: &'a mut Buffers,
}

/// A request to send. Values of headers may be secrets: they are never printed.
#[derive(Clone, Copy)]
pub(in crate::http) struct Outgoing<'a> {
    pub(in crate::http) method: &'a str,
    pub(in crate::http) url: &'a Url,
    pub(in crate::http) headers: &'a [(&'a str, &'a str)],
    pub(in crate::http) body: &'a [u8],
}

/// At which point an exchange failed: Prometheus words the two differently.
#[derive(Debug)]
pub(in crate::http) enum Failure {
    NoResponse(Error),
    Body(Error),
}

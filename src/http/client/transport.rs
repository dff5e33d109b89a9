//! One request and its response, through a kept connection or a new one, directly or through a proxy.
//! Redirects and authentication are decided above.

use super::connection::{Connection, Peer, Stream, connect};
use super::exchange::{Buffers, Exchange, Failure, HttpContext, Outgoing};
use super::message::{Head, Incoming, NoHead};
use super::socket::io_failed;
use super::socks;
use crate::http::config::Config;
use crate::http::error::{Error, Kind};
use crate::http::proxy;
use crate::http::tls::Tls;
use crate::http::url::Url;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Write;

/// How much of a body nobody reads is taken in to keep the connection; beyond it the connection is closed.
const MAX_UNREAD_BODY: u64 = 64 * 1024;

/// How a client reaches servers.
#[derive(Debug)]
pub(in crate::http) struct Transport {
    tls: Tls,
    proxies: proxy::Rules,
    /// `proxy_connect_header`.
    connect_headers: Vec<(Box<str>, crate::http::config::Secret)>,
    pub(in crate::http) context: HttpContext,
}

impl Transport {
    pub(in crate::http) fn new(
        tls: &crate::http::config::Tls,
        proxy: &crate::http::config::Proxy,
        context: &HttpContext,
    ) -> Result<Self, Error> {
        let headers = proxy.connect_header.iter();
        let headers = headers
            .flat_map(|(name, values)| values.iter().map(move |v| (name.clone(), v.clone())));
        Ok(Self {
            tls: Tls::new(tls, &*context.files, &context.roots)?,
            proxies: proxy::Rules::new(proxy, &context.proxies),
            connect_headers: headers.collect(),
            context: context.clone(),
        })
    }

    pub(in crate::http) fn of(config: &Config, context: &HttpContext) -> Result<Self, Error> {
        Self::new(&config.tls, &config.proxy, context)
    }

    /// Sends a request and reads the response. `cap` says of a head how large its body may be (a body that reaches the
    /// cap is [`Kind::TooLarge`]), or that nobody wants it: then it may also be broken.
    pub(in crate::http) fn round_trip(
        &self,
        exchange: &mut Exchange<'_>,
        outgoing: Outgoing<'_>,
        cap: impl Fn(&Head) -> Option<u64>,
    ) -> Result<Head, Failure> {
        let peer = self
            .prepare(exchange, outgoing)
            .map_err(Failure::NoResponse)?;
        let (mut connection, head, at) = self
            .send_somehow(exchange, &peer, outgoing.url)
            .map_err(Failure::NoResponse)?;
        let Buffers { incoming, body, .. } = &mut *exchange.buffers;
        let mut reader = Incoming::resume(connection.stream(), incoming, at);
        let is_reusable = match cap(&head) {
            Some(cap) => reader.body(&head, cap, body).map_err(Failure::Body)?,
            None => reader.body(&head, MAX_UNREAD_BODY, body).unwrap_or(false),
        };
        if is_reusable {
            connection.rest();
            *exchange.slot = Some(connection);
        }
        Ok(head)
    }

    /// Over the kept connection if there is a good one. If it turns out that the server had closed it meanwhile, a new
    /// one says what is really wrong.
    fn send_somehow(
        &self,
        exchange: &mut Exchange<'_>,
        peer: &Peer,
        url: &Url,
    ) -> Result<(Connection, Head, usize), Error> {
        if let Some(mut kept) = exchange.slot.take() {
            kept.stream().socket().deadline = exchange.deadline;
            if kept.is_usable(peer) {
                match send(kept, exchange) {
                    Ok(done) => return Ok(done),
                    Err(NoHead::Nothing(_)) => {}
                    Err(NoHead::Failed(error)) => return Err(error),
                }
            }
        }
        let connection = self.connect(exchange, peer, url)?;
        send(connection, exchange).map_err(|error| match error {
            NoHead::Nothing(error) | NoHead::Failed(error) => error,
        })
    }

    /// Whom to connect to; the bytes of the request go to the buffer.
    fn prepare(&self, exchange: &mut Exchange<'_>, outgoing: Outgoing<'_>) -> Result<Peer, Error> {
        let url = outgoing.url;
        if !matches!(url.scheme.as_str(), "http" | "https") {
            let scheme = &url.scheme;
            return Err(Error::failed(format!(
                "unsupported protocol scheme {scheme:?}"
            )));
        }
        if url.host.is_empty() {
            return Err(Error::failed("http: no Host in request URL"));
        }
        let proxy = self.proxies.choose(url).map_err(Error::failed)?;
        let is_tls = url.is_https() || proxy.is_some_and(Url::is_https);
        // A file that is gone fails http requests, too (prometheus: common/config, tlsRoundTripper).
        let tls = if is_tls || self.tls.has_files() {
            let files = &*self.context.files;
            Some(self.tls.current(files, &self.context.roots)?)
        } else {
            None
        };
        let forwards = proxy.filter(|p| !url.is_https() && !is_socks(p));
        let reached = forwards.unwrap_or(url);
        let peer = Peer {
            proxy: proxy.cloned(),
            origin: (
                reached.scheme.clone(),
                reached.host.clone(),
                reached.port_number().map_err(Error::failed)?,
            ),
            tls: tls.filter(|_| is_tls),
        };
        let request = &mut exchange.buffers.outgoing;
        request.clear();
        let target = match forwards {
            Some(_) => format!("{}://{}{}", url.scheme, url.host_port(), url.target),
            None => url.target.clone(),
        };
        push_start(request, outgoing.method, &target, &url.host_port());
        push_header(request, "User-Agent", &self.context.user_agent)?;
        for (name, value) in outgoing.headers {
            push_header(request, name, value)?;
        }
        if let Some(authorization) = forwards.and_then(proxy_authorization) {
            push_header(request, "Proxy-Authorization", &authorization)?;
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(outgoing.body);
        Ok(peer)
    }

    fn connect(
        &self,
        exchange: &mut Exchange<'_>,
        peer: &Peer,
        url: &Url,
    ) -> Result<Connection, Error> {
        let first = peer.proxy.as_ref().unwrap_or(url);
        let port = first.port_number().map_err(Error::failed)?;
        let resolver = &self.context.resolver;
        let (deadline, interrupt) = (exchange.deadline, exchange.interrupt);
        let socket = connect(resolver, &first.host, port, deadline, interrupt)?;
        exchange.interrupt.guard(&socket)?;
        let mut stream = Stream::Plain(socket);
        if let Some(proxy) = &peer.proxy {
            stream = self.pass_proxy(stream, proxy, peer, url, exchange.buffers)?;
        }
        if let Some(tls) = peer.tls.as_ref().filter(|_| url.is_https()) {
            stream = stream.encrypt(tls.clone(), self.tls.server_name(&url.host)?)?;
        }
        Ok(Connection::new(stream, peer.clone()))
    }

    /// TLS towards the proxy, and the tunnel to the target if it needs one.
    fn pass_proxy(
        &self,
        mut stream: Stream,
        proxy: &Url,
        peer: &Peer,
        url: &Url,
        buffers: &mut Buffers,
    ) -> Result<Stream, Error> {
        let in_front = |e: Error| Error::new(e.kind, format!("proxyconnect tcp: {}", e.message));
        match (proxy.scheme.as_str(), &peer.tls) {
            ("http", _) => {}
            ("https", Some(tls)) => {
                let name = self.tls.server_name(&proxy.host)?;
                stream = stream.encrypt(tls.clone(), name).map_err(in_front)?;
            }
            ("socks5" | "socks5h", _) => {
                let port = url.port_number().map_err(Error::failed)?;
                socks::connect(&mut stream, proxy, &url.host, port)?;
                return Ok(stream);
            }
            (scheme, _) => {
                return Err(Error::failed(format!(
                    "unsupported proxy scheme {scheme:?}"
                )));
            }
        }
        if url.is_https() {
            self.open_tunnel(&mut stream, proxy, url, buffers)
                .map_err(in_front)?;
        }
        Ok(stream)
    }

    fn open_tunnel(
        &self,
        stream: &mut Stream,
        proxy: &Url,
        url: &Url,
        buffers: &mut Buffers,
    ) -> Result<(), Error> {
        let port = url.port_number().map_err(Error::failed)?;
        let bare = Url {
            port: port.to_string(),
            ..url.clone()
        };
        let mut request = Vec::with_capacity(256);
        push_start(
            &mut request,
            "CONNECT",
            &bare.host_port(),
            &bare.host_port(),
        );
        push_header(&mut request, "User-Agent", &self.context.user_agent)?;
        for (name, value) in &self.connect_headers {
            push_header(&mut request, name, value.expose())?;
        }
        if let Some(authorization) = proxy_authorization(proxy) {
            push_header(&mut request, "Proxy-Authorization", &authorization)?;
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).map_err(|e| io_failed(&e))?;
        let head = Incoming::new(stream, &mut buffers.incoming).head();
        match head {
            Ok(head) if head.status == 200 => Ok(()),
            Ok(head) => Err(Error::failed(head.status_text)),
            Err(NoHead::Nothing(error) | NoHead::Failed(error)) => Err(error),
        }
    }
}

/// Sends the prepared request and reads the head.
fn send(
    mut connection: Connection,
    exchange: &mut Exchange<'_>,
) -> Result<(Connection, Head, usize), NoHead> {
    let stream = connection.stream();
    exchange
        .interrupt
        .guard(stream.socket())
        .map_err(NoHead::Failed)?;
    let written = stream
        .write_all(&exchange.buffers.outgoing)
        .and_then(|()| stream.flush());
    if let Err(error) = written {
        let error = io_failed(&error);
        return Err(match error.kind {
            Kind::Failed => NoHead::Nothing(error),
            _ => NoHead::Failed(error),
        });
    }
    let mut incoming = Incoming::new(stream, &mut exchange.buffers.incoming);
    let head = incoming.head()?;
    let at = incoming.position();
    Ok((connection, head, at))
}

fn is_socks(proxy: &Url) -> bool {
    matches!(proxy.scheme.as_str(), "socks5" | "socks5h")
}

fn proxy_authorization(proxy: &Url) -> Option<String> {
    let (user, password) = proxy.credentials()?;
    Some(format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{password}"))
    ))
}

fn push_start(request: &mut Vec<u8>, method: &str, target: &str, host: &str) {
    for part in [method, " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n"] {
        request.extend_from_slice(part.as_bytes());
    }
}

/// Names and values come from settings and files: what would end a line is refused.
fn push_header(request: &mut Vec<u8>, name: &str, value: &str) -> Result<(), Error> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Error::failed(format!(
            "net/http: invalid header field name {name:?}"
        )));
    }
    if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
        return Err(Error::failed(format!(
            "net/http: invalid header field value for {name:?}"
        )));
    }
    for part in [name, ": ", value.trim_matches([' ', '\t']), "\r\n"] {
        request.extend_from_slice(part.as_bytes());
    }
    Ok(())
}

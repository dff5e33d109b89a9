//! HTTP client settings: decoding and validation (prometheus/common: config/http_config.go, headers.go).

use super::decode::{Decoder, Result, Shape};
use crate::http::config::{
    Authorization, BasicAuth, Config, Header, OAuth2, Proxy, Secret, Tls, TlsVersion,
};
use crate::model::quote::{quoted, without_password};
use crate::model::url::Url;
use crate::wire::yaml::{Node, scalar};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Settings before validation.
#[derive(Default)]
pub(super) struct RawClient {
    config: Config,
    bearer_token: Secret,
    bearer_token_file: Box<str>,
    /// `proxy_connect_header` was written, even if empty: counts as a custom setting for Kubernetes discovery.
    has_connect_header: bool,
    /// Anything was written; for most jobs nothing is.
    is_set: bool,
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Headers that a configuration may not set.
const RESERVED: [&str; 18] = [
    "Authorization",
    "Host",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Www-Authenticate",
    "Accept-Encoding",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

impl RawClient {
    /// Decodes a field if it is one of a client's.
    pub(super) fn field<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        let is_mine = self.decode(d, key, node)?;
        self.is_set |= is_mine;
        Ok(is_mine)
    }

    fn decode<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        let config = &mut self.config;
        match key {
            "basic_auth" => optional(d, node, &mut config.basic_auth, basic_auth)?,
            "authorization" => optional(d, node, &mut config.authorization, authorization)?,
            "oauth2" => optional(d, node, &mut config.oauth2, oauth2)?,
            "bearer_token" => secret(d, node, &mut self.bearer_token)?,
            "bearer_token_file" => d.boxed(node, &mut self.bearer_token_file)?,
            "tls_config" => tls(d, node, &mut config.tls)?,
            "follow_redirects" => d.bool(node, &mut config.follow_redirects)?,
            "enable_http2" => d.bool(node, &mut config.enable_http2)?,
            "http_headers" => optional(d, node, &mut config.headers, headers)?,
            "proxy_connect_header" => {
                self.has_connect_header = !scalar::is_null(node.resolved());
                return proxy_field(d, key, node, &mut config.proxy);
            }
            _ => return proxy_field(d, key, node, &mut config.proxy),
        }
        Ok(true)
    }

    /// Whether anything differs from the defaults.
    pub(super) fn is_custom(&self) -> bool {
        self.is_set && (self.has_connect_header || self.config != Config::default())
    }

    /// How many kinds of authentication there are, once validated.
    pub(super) fn authentications(&self) -> usize {
        let config = &self.config;
        usize::from(config.basic_auth.is_some())
            + usize::from(config.authorization.is_some())
            + usize::from(config.oauth2.is_some())
    }

    /// The settings, `plain` if nothing was written.
    pub(super) fn finish(self, plain: &Arc<Config>) -> Arc<Config> {
        if self.is_set {
            Arc::new(self.config)
        } else {
            Arc::clone(plain)
        }
    }

    /// Checks the settings; a bearer token becomes an authorization.
    pub(super) fn validate(&mut self, d: &Decoder<'_, '_>) -> Result {
        let config = &mut self.config;
        let (token, file) = (
            !self.bearer_token.is_empty(),
            !self.bearer_token_file.is_empty(),
        );
        if token && file {
            return d.wrong("at most one of bearer_token & bearer_token_file must be configured");
        }
        if (config.basic_auth.is_some() || config.oauth2.is_some()) && (token || file) {
            return d.wrong("at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured");
        }
        if let Some(basic) = &config.basic_auth {
            if several([&basic.username, &basic.username_file, &basic.username_ref]) {
                return d.wrong("at most one of basic_auth username, username_file & username_ref must be configured");
            }
            if several([
                basic.password.expose(),
                &basic.password_file,
                &basic.password_ref,
            ]) {
                return d.wrong("at most one of basic_auth password, password_file & password_ref must be configured");
            }
        }
        let others = config.basic_auth.is_some() || config.oauth2.is_some();
        if let Some(authorization) = &mut config.authorization {
            if token || file {
                return d.wrong(
                    "authorization is not compatible with bearer_token & bearer_token_file",
                );
            }
            validate_authorization(d, authorization)?;
            if others {
                return d
                    .wrong("at most one of basic_auth, oauth2 & authorization must be configured");
            }
        } else if token || file {
            config.authorization = Some(Authorization {
                kind: "Bearer".into(),
                credentials: std::mem::take(&mut self.bearer_token),
                credentials_file: std::mem::take(&mut self.bearer_token_file),
                credentials_ref: Box::default(),
            });
        }
        if let Some(oauth2) = &config.oauth2 {
            if config.basic_auth.is_some() {
                return d
                    .wrong("at most one of basic_auth, oauth2 & authorization must be configured");
            }
            validate_oauth2(d, oauth2)?;
        }
        validate_proxy(d, &config.proxy)?;
        for name in config.headers.iter().flat_map(BTreeMap::keys) {
            if let Some(reserved) = RESERVED
                .iter()
                .find(|known| known.eq_ignore_ascii_case(name))
            {
                return d.wrong(format!("setting header {reserved:?} is not allowed"));
            }
        }
        Ok(())
    }
}

/// Whether more than one of them is set.
fn several<const N: usize>(texts: [&str; N]) -> bool {
    texts.iter().filter(|text| !text.is_empty()).count() > 1
}

fn validate_authorization(d: &Decoder<'_, '_>, authorization: &mut Authorization) -> Result {
    if several([
        authorization.credentials.expose(),
        &authorization.credentials_file,
        &authorization.credentials_ref,
    ]) {
        return d.wrong(
            "at most one of authorization credentials & credentials_file must be configured",
        );
    }
    let kind = authorization.kind.trim();
    authorization.kind = if kind.is_empty() { "Bearer" } else { kind }.into();
    if authorization.kind.eq_ignore_ascii_case("basic") {
        return d
            .wrong("authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
    }
    Ok(())
}

fn validate_oauth2(d: &Decoder<'_, '_>, oauth2: &OAuth2) -> Result {
    if oauth2.client_id.is_empty() {
        return d.wrong("oauth2 client_id must be configured");
    }
    if oauth2.token_url.is_empty() {
        return d.wrong("oauth2 token_url must be configured");
    }
    if &*oauth2.grant_type == JWT_BEARER {
        if several([
            oauth2.client_certificate_key.expose(),
            &oauth2.client_certificate_key_file,
            &oauth2.client_certificate_key_ref,
        ]) {
            return d.wrong(
                "at most one of oauth2 client_certificate_key, client_certificate_key_file & client_certificate_key_ref \
                 must be configured",
            );
        }
        if !matches!(
            &*oauth2.signature_algorithm,
            "" | "RS256" | "RS384" | "RS512"
        ) {
            return d.wrong("valid signature algorithms are RS256, RS384 and RS512");
        }
    } else if several([
        oauth2.client_secret.expose(),
        &oauth2.client_secret_file,
        &oauth2.client_secret_ref,
    ]) {
        return d.wrong("at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured");
    }
    Ok(())
}

fn validate_proxy(d: &Decoder<'_, '_>, proxy: &Proxy) -> Result {
    let has_url = proxy.url.as_deref().is_some_and(|url| !url.is_empty());
    if !proxy.connect_header.is_empty() && !proxy.from_environment && !has_url {
        return d.wrong(
            "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
        );
    }
    if proxy.from_environment && has_url {
        return d
            .wrong("if proxy_from_environment is configured, proxy_url must not be configured");
    }
    if proxy.from_environment && !proxy.no_proxy.is_empty() {
        return d.wrong("if proxy_from_environment is configured, no_proxy must not be configured");
    }
    if proxy.url.is_none() && !proxy.no_proxy.is_empty() {
        return d.wrong("if no_proxy is configured, proxy_url must also be configured");
    }
    Ok(())
}

/// A pointer upstream: null is `None`, everything else `Some`.
pub(super) fn optional<'n, 'l, T: Default>(
    d: &mut Decoder<'n, 'l>,
    node: &'n Node<'n>,
    slot: &mut Option<T>,
    decode: fn(&mut Decoder<'n, 'l>, &'n Node<'n>, &mut T) -> Result,
) -> Result {
    if d.is_null(node)? {
        *slot = None;
        return Ok(());
    }
    decode(d, node, slot.get_or_insert_default())
}

fn secret<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, slot: &mut Secret) -> Result {
    if let Some(text) = d.string(node)? {
        *slot = Secret::new(text);
    }
    Ok(())
}

fn secrets<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, slot: &mut Vec<Secret>) -> Result {
    let (_, strings) = d.strings(node)?;
    *slot = strings.into_iter().map(Secret::new).collect();
    Ok(())
}

fn basic_auth<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, basic: &mut BasicAuth) -> Result {
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "username" => d.boxed(node, &mut basic.username)?,
            "username_file" => d.boxed(node, &mut basic.username_file)?,
            "username_ref" => d.boxed(node, &mut basic.username_ref)?,
            "password" => secret(d, node, &mut basic.password)?,
            "password_file" => d.boxed(node, &mut basic.password_file)?,
            "password_ref" => d.boxed(node, &mut basic.password_ref)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    reset(shape, basic);
    Ok(())
}

fn reset<T: Default>(shape: Shape, value: &mut T) {
    if shape == Shape::Null {
        *value = T::default();
    }
}

fn authorization<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    authorization: &mut Authorization,
) -> Result {
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "type" => d.boxed(node, &mut authorization.kind)?,
            "credentials" => secret(d, node, &mut authorization.credentials)?,
            "credentials_file" => d.boxed(node, &mut authorization.credentials_file)?,
            "credentials_ref" => d.boxed(node, &mut authorization.credentials_ref)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    reset(shape, authorization);
    Ok(())
}

fn oauth2<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, oauth2: &mut OAuth2) -> Result {
    let before = d.problems();
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "client_id" => d.boxed(node, &mut oauth2.client_id)?,
            "client_secret" => secret(d, node, &mut oauth2.client_secret)?,
            "client_secret_file" => d.boxed(node, &mut oauth2.client_secret_file)?,
            "client_secret_ref" => d.boxed(node, &mut oauth2.client_secret_ref)?,
            "client_certificate_key_id" => d.boxed(node, &mut oauth2.client_certificate_key_id)?,
            "client_certificate_key" => secret(d, node, &mut oauth2.client_certificate_key)?,
            "client_certificate_key_file" => {
                d.boxed(node, &mut oauth2.client_certificate_key_file)?
            }
            "client_certificate_key_ref" => {
                d.boxed(node, &mut oauth2.client_certificate_key_ref)?
            }
            "grant_type" => d.boxed(node, &mut oauth2.grant_type)?,
            "signature_algorithm" => d.boxed(node, &mut oauth2.signature_algorithm)?,
            "iss" => d.boxed(node, &mut oauth2.iss)?,
            "audience" => d.boxed(node, &mut oauth2.audience)?,
            "claims" => claims(d, node, &mut oauth2.claims)?,
            "scopes" => d.boxes(node, &mut oauth2.scopes)?,
            "token_url" => d.boxed(node, &mut oauth2.token_url)?,
            "endpoint_params" => string_map(d, node, &mut oauth2.endpoint_params)?,
            "tls_config" => tls(d, node, &mut oauth2.tls)?,
            _ => return proxy_field(d, key, node, &mut oauth2.proxy),
        }
        Ok(true)
    })?;
    reset(shape, oauth2);
    if d.problems() == before {
        validate_proxy(d, &oauth2.proxy)?;
    }
    Ok(())
}

pub(super) fn string_map<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    slot: &mut BTreeMap<Box<str>, Box<str>>,
) -> Result {
    let mut map = BTreeMap::new();
    d.entries(node, &mut |d, key, value| {
        let Some(text) = d.string(value)? else {
            return Ok(true);
        };
        Ok(map.insert(Box::from(key), Box::from(text)).is_none())
    })?;
    *slot = map;
    Ok(())
}

/// `claims`: any values, kept as JSON.
fn claims<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    slot: &mut BTreeMap<Box<str>, Box<str>>,
) -> Result {
    let mut map = BTreeMap::new();
    d.entries(node, &mut |d, key, value| {
        let json = d.json(value)?;
        Ok(map.insert(Box::from(key), Box::from(json)).is_none())
    })?;
    *slot = map;
    Ok(())
}

pub(super) fn tls<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, tls: &mut Tls) -> Result {
    if d.is_null(node)? {
        *tls = Tls::default();
        return Ok(());
    }
    let before = d.problems();
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "ca" => d.boxed(node, &mut tls.ca)?,
            "ca_file" => d.boxed(node, &mut tls.ca_file)?,
            "ca_ref" => d.boxed(node, &mut tls.ca_ref)?,
            "cert" => d.boxed(node, &mut tls.cert)?,
            "cert_file" => d.boxed(node, &mut tls.cert_file)?,
            "cert_ref" => d.boxed(node, &mut tls.cert_ref)?,
            "key" => secret(d, node, &mut tls.key)?,
            "key_file" => d.boxed(node, &mut tls.key_file)?,
            "key_ref" => d.boxed(node, &mut tls.key_ref)?,
            "server_name" => d.boxed(node, &mut tls.server_name)?,
            "insecure_skip_verify" => d.bool(node, &mut tls.insecure_skip_verify)?,
            "min_version" => tls_version(d, node, &mut tls.min_version)?,
            "max_version" => tls_version(d, node, &mut tls.max_version)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    reset(shape, tls);
    if d.problems() > before {
        return Ok(());
    }
    if several([&tls.ca, &tls.ca_file, &tls.ca_ref]) {
        return d.wrong("at most one of ca, ca_file & ca_ref must be configured");
    }
    if several([&tls.cert, &tls.cert_file, &tls.cert_ref]) {
        return d.wrong("at most one of cert, cert_file & cert_ref must be configured");
    }
    if several([tls.key.expose(), &tls.key_file, &tls.key_ref]) {
        return d.wrong("at most one of key and key_file must be configured");
    }
    let has_cert = !(tls.cert.is_empty() && tls.cert_file.is_empty() && tls.cert_ref.is_empty());
    let has_key = !(tls.key.is_empty() && tls.key_file.is_empty() && tls.key_ref.is_empty());
    match (has_cert, has_key) {
        (true, false) => {
            d.wrong("exactly one of key or key_file must be configured when a client certificate is configured")
        }
        (false, true) => {
            d.wrong("exactly one of cert or cert_file must be configured when a client key is configured")
        }
        _ => Ok(()),
    }
}

fn tls_version<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    slot: &mut Option<TlsVersion>,
) -> Result {
    if d.is_null(node)? {
        *slot = None;
        return Ok(());
    }
    if let Some(text) = d.string(node)? {
        *slot = Some(match &*text {
            "TLS10" => TlsVersion::Tls10,
            "TLS11" => TlsVersion::Tls11,
            "TLS12" => TlsVersion::Tls12,
            "TLS13" => TlsVersion::Tls13,
            _ => {
                return d.wrong(format!(
                    "unknown TLS version: {} (one of TLS10, TLS11, TLS12, TLS13)",
                    quoted(&text)
                ));
            }
        });
    }
    Ok(())
}

fn proxy_field<'n>(
    d: &mut Decoder<'n, '_>,
    key: &str,
    node: &'n Node<'n>,
    proxy: &mut Proxy,
) -> Result<bool> {
    match key {
        "proxy_url" => url_field(d, node, &mut proxy.url)?,
        "no_proxy" => d.boxed(node, &mut proxy.no_proxy)?,
        "proxy_from_environment" => d.bool(node, &mut proxy.from_environment)?,
        "proxy_connect_header" => {
            let mut map = BTreeMap::new();
            d.entries(node, &mut |d, key, value| {
                let (shape, values) = d.strings(value)?;
                let all = values.into_iter().map(Secret::new).collect();
                // What is no list is not set, so it cannot be set twice.
                Ok(shape == Shape::Wrong || map.insert(Box::from(key), all).is_none())
            })?;
            proxy.connect_header = map;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// A URL; null is `None`.
pub(super) fn url_field<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    slot: &mut Option<Box<str>>,
) -> Result {
    if d.is_null(node)? {
        *slot = None;
        return Ok(());
    }
    if let Some(text) = d.string(node)? {
        let parsed = Url::parse(&text).or_else(|what| {
            d.wrong(format!(
                "{text} is no URL: {what}",
                text = quoted(&without_password(&text))
            ))
        })?;
        *slot = Some(parsed.to_string().into());
    }
    Ok(())
}

/// Reserved for scrapes only.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// Headers that a client may be given.
pub(super) fn check_headers(d: &Decoder<'_, '_>, headers: &BTreeMap<Box<str>, Box<str>>) -> Result {
    // Upstream compares in small letters.
    let is_reserved = |name: &str| {
        RESERVED.iter().any(|known| known.to_lowercase() == name) && name != SCRAPE_TIMEOUT
    };
    match headers
        .keys()
        .find(|name| is_reserved(&name.to_lowercase()))
    {
        Some(name) => d.wrong(format!(
            "header {name} is reserved: it cannot be set here",
            name = quoted(name)
        )),
        None => Ok(()),
    }
}

fn headers<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    map: &mut BTreeMap<Box<str>, Header>,
) -> Result {
    map.clear();
    d.entries(node, &mut |d, key, value| {
        let mut header = Header::default();
        d.fields(value, &mut |d, key, node| {
            match key {
                "values" => d.boxes(node, &mut header.values)?,
                "secrets" => secrets(d, node, &mut header.secrets)?,
                "files" => d.boxes(node, &mut header.files)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(map.insert(Box::from(key), header).is_none())
    })?;
    Ok(())
}

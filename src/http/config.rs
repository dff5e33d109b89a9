//! HTTP client settings, as a scrape config, a discovery config or OAuth2 has them. Values only, after validation.

use std::collections::BTreeMap;
use std::fmt;

/// Text that must never be printed: `Debug` and `Display` show `<secret>`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Client settings after validation (`bearer_token` has become `authorization`).
/// Empty text means "not set" where upstream makes no difference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Config {
    /// User name and password.
    pub basic_auth: Option<BasicAuth>,
    /// The Authorization header.
    pub authorization: Option<Authorization>,
    /// Tokens by OAuth2.
    pub oauth2: Option<OAuth2>,
    /// TLS.
    pub tls: Tls,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Accepted for upstream's sake; this client speaks HTTP/1.1.
    pub enable_http2: bool,
    /// The proxy.
    pub proxy: Proxy,
    /// Further headers, by name as written. `None`: the key is absent.
    pub headers: Option<BTreeMap<Box<str>, Header>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls: Tls::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: Proxy::default(),
            headers: None,
        }
    }
}

/// `basic_auth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct BasicAuth {
    /// `username`.
    pub username: Box<str>,
    /// `username_file`.
    pub username_file: Box<str>,
    /// `username_ref`; no secret manager exists, so using one fails when the client is built.
    pub username_ref: Box<str>,
    /// `password`.
    pub password: Secret,
    /// `password_file`.
    pub password_file: Box<str>,
    /// `password_ref`.
    pub password_ref: Box<str>,
}

/// `authorization`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Authorization {
    /// `type`, trimmed; `Bearer` by default.
    pub kind: Box<str>,
    /// `credentials`.
    pub credentials: Secret,
    /// `credentials_file`.
    pub credentials_file: Box<str>,
    /// `credentials_ref`.
    pub credentials_ref: Box<str>,
}

/// `oauth2`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OAuth2 {
    /// `client_id`.
    pub client_id: Box<str>,
    /// `client_secret`.
    pub client_secret: Secret,
    /// `client_secret_file`.
    pub client_secret_file: Box<str>,
    /// `client_secret_ref`.
    pub client_secret_ref: Box<str>,
    /// `client_certificate_key_id`.
    pub client_certificate_key_id: Box<str>,
    /// `client_certificate_key`.
    pub client_certificate_key: Secret,
    /// `client_certificate_key_file`.
    pub client_certificate_key_file: Box<str>,
    /// `client_certificate_key_ref`.
    pub client_certificate_key_ref: Box<str>,
    /// `grant_type`.
    pub grant_type: Box<str>,
    /// `iss`.
    pub iss: Box<str>,
    /// `audience`.
    pub audience: Box<str>,
    /// `claims`, as JSON text of each value.
    pub claims: BTreeMap<Box<str>, Box<str>>,
    /// `signature_algorithm`.
    pub signature_algorithm: Box<str>,
    /// `scopes`.
    pub scopes: Vec<Box<str>>,
    /// `token_url`.
    pub token_url: Box<str>,
    /// `endpoint_params`.
    pub endpoint_params: BTreeMap<Box<str>, Box<str>>,
    /// TLS towards the token endpoint.
    pub tls: Tls,
    /// Proxy towards the token endpoint.
    pub proxy: Proxy,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.0 (this client cannot speak it).
    Tls10,
    /// TLS 1.1 (this client cannot speak it).
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// `tls_config`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// `ca`: PEM text.
    pub ca: Box<str>,
    /// `ca_file`.
    pub ca_file: Box<str>,
    /// `ca_ref`.
    pub ca_ref: Box<str>,
    /// `cert`: PEM text.
    pub cert: Box<str>,
    /// `cert_file`.
    pub cert_file: Box<str>,
    /// `cert_ref`.
    pub cert_ref: Box<str>,
    /// `key`: PEM text.
    pub key: Secret,
    /// `key_file`.
    pub key_file: Box<str>,
    /// `key_ref`.
    pub key_ref: Box<str>,
    /// `server_name`: expected instead of the host in the URL.
    pub server_name: Box<str>,
    /// `insecure_skip_verify`.
    pub insecure_skip_verify: bool,
    /// `min_version`.
    pub min_version: Option<TlsVersion>,
    /// `max_version`.
    pub max_version: Option<TlsVersion>,
}

/// The four proxy fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// `proxy_url`; `Some("")` and unset differ in validation only.
    pub url: Option<Box<str>>,
    /// `no_proxy`.
    pub no_proxy: Box<str>,
    /// `proxy_from_environment`.
    pub from_environment: bool,
    /// `proxy_connect_header`.
    pub connect_header: BTreeMap<Box<str>, Vec<Secret>>,
}

/// One entry of `http_headers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Header {
    /// `values`.
    pub values: Vec<Box<str>>,
    /// `secrets`.
    pub secrets: Vec<Secret>,
    /// `files`.
    pub files: Vec<Box<str>>,
}

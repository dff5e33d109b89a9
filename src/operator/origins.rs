//! Where what stands in a job comes from: which of the credentials a monitor's Secrets hold, which files a scrape class names.

use super::assets::{AssetId, AssetKind};
use super::generator::{Entry, Generator};
use super::lookup::selected;
use super::monitor::Endpoint;
use super::spec::ScrapeClass;
use super::types::Owner;
use crate::monitoring::{KeySelector, Proxy, Tls};
use std::fmt;

/// A credential that a job has as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// `bearer_token`, `authorization.credentials`
    Authorization,
    /// `basic_auth.username`
    Username,
    /// `basic_auth.password`
    Password,
    /// `oauth2.client_id`
    ClientId,
    /// `oauth2.client_secret`
    ClientSecret,
    /// A value in `proxy_connect_header`.
    ProxyHeader {
        /// That of `oauth2`.
        is_of_oauth2: bool,
        /// The header's name.
        header: Box<str>,
        /// Which of its values.
        index: usize,
    },
}

impl Credential {
    /// Whether it is sent as it is; the others are encoded.
    pub fn is_header(&self) -> bool {
        matches!(self, Self::Authorization | Self::ProxyHeader { .. })
    }
}

/// A file that a job names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedFile {
    /// `bearer_token_file`, `authorization.credentials_file`
    Token,
    /// `tls_config.ca_file`
    Ca,
    /// `tls_config.cert_file`
    Cert,
    /// `tls_config.key_file`
    Key,
}

impl NamedFile {
    /// The field of a monitor's endpoint.
    pub fn field(self) -> &'static str {
        match self {
            Self::Token => "bearerTokenFile",
            Self::Ca => "tlsConfig.caFile",
            Self::Cert => "tlsConfig.certFile",
            Self::Key => "tlsConfig.keyFile",
        }
    }
}

/// The key of a Secret or ConfigMap, and the field that names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The object.
    pub id: AssetId,
    /// The key in it.
    pub key: String,
    /// The field of the monitor's endpoint or of its scrape class.
    pub field: &'static str,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, key, field } = self;
        let AssetId {
            kind,
            namespace,
            name,
        } = id;
        write!(f, "{field}: {kind} {namespace}/{name} key {key:?}")
    }
}

impl Generator {
    /// Where a credential of a job of the last configuration comes from, if from a Secret or ConfigMap.
    pub fn origin(&self, owner: &Owner, credential: &Credential) -> Option<Origin> {
        let (entry, index) = self.entry(owner)?;
        let monitor = entry.monitor.view();
        let endpoint = monitor.endpoints.get(index)?;
        let (kind, selector, field) = named(endpoint, self.class(entry), credential)?;
        Some(Origin {
            // Those of classes are looked up in the monitor's namespace, too, as upstream.
            id: AssetId {
                kind,
                namespace: monitor.namespace.to_owned(),
                name: selector.name.clone(),
            },
            key: selector.key.clone(),
            field,
        })
    }

    /// Whether the scrape class of a job, not its monitor, names a file.
    pub fn is_of_class(&self, owner: &Owner, file: NamedFile, path: &str) -> bool {
        let Some((entry, _)) = self.entry(owner) else {
            return false;
        };
        let Some(class) = self.class(entry) else {
            return false;
        };
        let tls = |path: fn(&Tls) -> &String| class.tls_config.as_ref().map(path);
        let named = match file {
            NamedFile::Token => class.authorization.as_ref().map(|a| &a.credentials_file),
            NamedFile::Ca => tls(|tls| &tls.ca_file),
            NamedFile::Cert => tls(|tls| &tls.cert_file),
            NamedFile::Key => tls(|tls| &tls.key_file),
        };
        named.is_some_and(|named| named == path)
    }

    /// The scrape class that applies to a job of the last configuration, if any does.
    pub fn scrape_class(&self, owner: &Owner) -> Option<&str> {
        let (entry, _) = self.entry(owner)?;
        self.class(entry).map(|class| class.name.as_str())
    }

    /// The monitor of a job, and which of its endpoints it is.
    fn entry(&self, owner: &Owner) -> Option<(&Entry, usize)> {
        let Owner::Monitor { monitor, endpoint } = owner else {
            return None;
        };
        let is_owner = |entry: &&Entry| {
            let metadata = entry.monitor.metadata();
            entry.monitor.kind() == monitor.kind
                && metadata.namespace == *monitor.namespace
                && metadata.name == *monitor.name
        };
        let entry = self.entries.iter().find(is_owner)?;
        Some((entry, *endpoint))
    }

    fn class(&self, entry: &Entry) -> Option<&ScrapeClass> {
        let own = entry.monitor.view().scrape_class;
        let classes = &self.settings.as_ref()?.spec.scrape_classes;
        let named = classes
            .iter()
            .find(|class| Some(class.name.as_str()) == own);
        named.or_else(|| classes.iter().find(|class| class.default == Some(true)))
    }
}

/// Kind, name and key of what holds a credential, and the field that says so.
fn named<'a>(
    endpoint: &Endpoint<'a>,
    class: Option<&'a ScrapeClass>,
    credential: &Credential,
) -> Option<(AssetKind, &'a KeySelector, &'static str)> {
    let header_of = |proxy: &'a Proxy, name: &str, index: usize| {
        proxy.proxy_connect_header.as_ref()?.get(name)?.get(index)
    };
    let (selector, field) = match credential {
        Credential::Authorization => {
            let secret = endpoint.bearer_token_secret;
            let own = endpoint.authorization.and_then(|a| a.credentials.as_ref());
            let class = class.and_then(|class| class.authorization.as_ref());
            let class = class.and_then(|a| a.credentials.as_ref());
            [
                (secret, "bearerTokenSecret"),
                (own, "authorization.credentials"),
                (class, "the scrape class's authorization.credentials"),
            ]
            .into_iter()
            .find_map(|(selector, field)| Some((selector.filter(|s| !s.name.is_empty())?, field)))?
        }
        Credential::Username => (&endpoint.basic_auth?.username, "basicAuth.username"),
        Credential::Password => (&endpoint.basic_auth?.password, "basicAuth.password"),
        Credential::ClientId => {
            let (kind, selector) = selected(&endpoint.oauth2?.client_id)?;
            return Some((kind, selector, "oauth2.clientId"));
        }
        Credential::ClientSecret => (&endpoint.oauth2?.client_secret, "oauth2.clientSecret"),
        Credential::ProxyHeader {
            is_of_oauth2,
            header,
            index,
        } => {
            let (proxy, field) = if *is_of_oauth2 {
                (&endpoint.oauth2?.proxy, "oauth2.proxyConnectHeader")
            } else {
                (endpoint.proxy, "proxyConnectHeader")
            };
            (header_of(proxy, header, *index)?, field)
        }
    };
    Some((AssetKind::Secret, selector, field))
}

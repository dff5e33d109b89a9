//! What both kinds of monitors, and the settings, have in common.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// A key of a Secret or of a ConfigMap in the monitor's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KeySelector {
    /// Name of the object.
    pub name: String,
    /// Key in its data.
    pub key: String,
    /// Whether it may be missing. Ignored in monitors, as upstream does.
    pub optional: Option<bool>,
}

/// A value held by a Secret or a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretOrConfigMap {
    /// It is in a Secret.
    pub secret: Option<KeySelector>,
    /// It is in a ConfigMap.
    pub config_map: Option<KeySelector>,
}

impl SecretOrConfigMap {
    /// Whether neither source is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for SecretOrConfigMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.secret, &self.config_map) {
            (Some(secret), _) => write!(f, "<secret={},key={}>", secret.name, secret.key),
            (None, Some(map)) => write!(f, "<configmap={},key={}>", map.name, map.key),
            (None, None) => f.write_str("<empty>"),
        }
    }
}

/// `tlsConfig`. PodMonitors and OAuth2 have no file fields; reading those objects ignores them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tls {
    /// The certificate authority.
    pub ca: SecretOrConfigMap,
    /// The client's certificate.
    pub cert: SecretOrConfigMap,
    /// The client's key.
    pub key_secret: Option<KeySelector>,
    /// The name the server's certificate must have.
    pub server_name: Option<String>,
    /// Whether the server's certificate is not looked at.
    pub insecure_skip_verify: Option<bool>,
    /// Lowest TLS version.
    pub min_version: Option<String>,
    /// Highest TLS version.
    pub max_version: Option<String>,
    /// Path of the certificate authority's file.
    pub ca_file: String,
    /// Path of the client certificate's file.
    pub cert_file: String,
    /// Path of the client key's file.
    pub key_file: String,
}

/// `authorization`; monitors have no `credentialsFile`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Authorization {
    /// The scheme; `Bearer` if empty.
    #[serde(rename = "type")]
    pub kind: String,
    /// The credentials.
    pub credentials: Option<KeySelector>,
    /// Path of a file with the credentials.
    pub credentials_file: String,
}

/// `basicAuth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BasicAuth {
    /// The user's name.
    pub username: KeySelector,
    /// The password.
    pub password: KeySelector,
}

/// The proxy fields, which stand beside others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Proxy {
    /// `proxyUrl`.
    pub proxy_url: Option<String>,
    /// `noProxy`.
    pub no_proxy: Option<String>,
    /// `proxyFromEnvironment`.
    pub proxy_from_environment: Option<bool>,
    /// `proxyConnectHeader`.
    pub proxy_connect_header: Option<BTreeMap<String, Vec<KeySelector>>>,
}

/// `oauth2`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OAuth2 {
    /// The client's id.
    pub client_id: SecretOrConfigMap,
    /// The client's secret.
    pub client_secret: KeySelector,
    /// Where tokens come from.
    pub token_url: String,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// Further parameters of the token request.
    pub endpoint_params: BTreeMap<String, String>,
    /// TLS to the token endpoint, without file fields.
    #[serde(deserialize_with = "without_files")]
    pub tls_config: Option<Tls>,
    /// The proxy to the token endpoint.
    #[serde(flatten)]
    pub proxy: Proxy,
}

/// One relabeling rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Relabeling {
    /// Labels whose values are joined.
    pub source_labels: Vec<String>,
    /// Stands between the joined values.
    pub separator: Option<String>,
    /// The label that is written.
    pub target_label: String,
    /// What the joined value must match.
    pub regex: String,
    /// For `hashmod`.
    pub modulus: i64,
    /// What is written.
    pub replacement: Option<String>,
    /// What is done; the definitions' default is `replace`.
    pub action: String,
}

impl Default for Relabeling {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: None,
            target_label: String::new(),
            regex: String::new(),
            modulus: 0,
            replacement: None,
            action: "replace".to_owned(),
        }
    }
}

/// `namespaceSelector`: where targets are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamespaceSelector {
    /// Everywhere.
    pub any: bool,
    /// In these namespaces; none means the monitor's own.
    pub match_names: Vec<String>,
}

/// `attachMetadata`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AttachMetadata {
    /// Whether the labels and annotations of the target's node are attached.
    pub node: Option<bool>,
}

/// `targetPort`: a number means the port's number, text its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a whole number or text is expected")]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A name.
    Text(String),
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(name) => f.write_str(name),
        }
    }
}

/// Reads `tlsConfig` where the definitions know no file fields.
pub(super) fn without_files<'de, D>(deserializer: D) -> Result<Option<Tls>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let tls: Option<Tls> = Option::deserialize(deserializer)?;
    Ok(tls.map(|tls| Tls {
        ca_file: String::new(),
        cert_file: String::new(),
        key_file: String::new(),
        ..tls
    }))
}

/// Reads `authorization` where the definitions know no `credentialsFile`.
pub(super) fn without_credentials_file<'de, D>(
    deserializer: D,
) -> Result<Option<Authorization>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let authorization: Option<Authorization> = Option::deserialize(deserializer)?;
    Ok(authorization.map(|authorization| Authorization {
        credentials_file: String::new(),
        ..authorization
    }))
}

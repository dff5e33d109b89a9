//! Reading assets. Validation reads them as upstream's store does, remembering what it has loaded; generation afterwards
//! sees only what has been loaded, which matters where upstream looks a reference up in another namespace than the one
//! it was loaded from (prometheus-operator: pkg/assets/store.go).

use super::assets::{Asset, AssetId, AssetKind, Assets};
use crate::model::quote::quoted;
use crate::monitoring::{
    Authorization, BasicAuth, KeySelector, OAuth2, Proxy, SecretOrConfigMap, Tls,
};
use crate::wire::x509;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A key of an asset that is mounted as a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TlsAsset {
    pub(super) id: AssetId,
    pub(super) key: String,
}

impl TlsAsset {
    pub(super) fn secret(namespace: &str, selector: &KeySelector) -> Self {
        Self {
            id: AssetId::secret(namespace, &selector.name),
            key: selector.key.clone(),
        }
    }

    /// `None` if no source is set. A Secret goes first.
    pub(super) fn either(namespace: &str, source: &SecretOrConfigMap) -> Option<Self> {
        let (kind, selector) = selected(source)?;
        Some(Self {
            id: AssetId {
                kind,
                namespace: namespace.to_owned(),
                name: selector.name.clone(),
            },
            key: selector.key.clone(),
        })
    }

    /// Where upstream mounts it.
    pub(super) fn path(&self) -> String {
        let source = match self.id.kind {
            AssetKind::Secret => 0,
            AssetKind::ConfigMap => 1,
        };
        let AssetId {
            namespace, name, ..
        } = &self.id;
        format!(
            "{}/{source}_{namespace}_{name}_{}",
            super::TLS_ASSETS_DIR,
            self.key
        )
    }
}

pub(super) fn selected(source: &SecretOrConfigMap) -> Option<(AssetKind, &KeySelector)> {
    let secret = source.secret.as_ref().map(|s| (AssetKind::Secret, s));
    secret.or_else(|| {
        let map = source.config_map.as_ref();
        map.map(|selector| (AssetKind::ConfigMap, selector))
    })
}

/// What the loading of one monitor, or of the settings, has come across.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// What was asked for, and what was known of it.
    pub(super) asked: Vec<(AssetId, Option<Asset>)>,
    /// Files to mount; those loaded before an error stay.
    pub(super) files: BTreeSet<TlsAsset>,
    /// Something that was asked for is not there.
    pub(super) missing: bool,
}

/// Loads the references of one namespace.
pub(super) struct Loader<'a> {
    assets: &'a Assets,
    namespace: &'a str,
    pub(super) loaded: Loaded,
}

impl<'a> Loader<'a> {
    pub(super) fn new(assets: &'a Assets, namespace: &'a str) -> Self {
        Self {
            assets,
            namespace,
            loaded: Loaded::default(),
        }
    }

    pub(super) fn secret(&mut self, selector: &KeySelector) -> Result<&'a [u8], String> {
        self.get(AssetKind::Secret, selector)
    }

    fn get(&mut self, kind: AssetKind, selector: &KeySelector) -> Result<&'a [u8], String> {
        let KeySelector { name, key, .. } = selector;
        if self.namespace.is_empty() {
            return Err("namespace cannot be empty".to_owned());
        }
        if let Some(problem) = name_problem(name) {
            return Err(format!(
                "unable to get {kind} {name}: {problem}",
                name = quoted(name)
            ));
        }
        let id = AssetId {
            kind,
            namespace: self.namespace.to_owned(),
            name: name.clone(),
        };
        let asset = self.assets.get(&id);
        if self.loaded.asked.iter().all(|(asked, _)| *asked != id) {
            self.loaded.asked.push((id, asset.cloned()));
        }
        let found = match asset {
            Some(Asset::Present(data)) => {
                data.get(key).map(|content| &**content).ok_or_else(|| {
                    format!(
                        "key {key} in {kind} {name} not found",
                        key = quoted(key),
                        name = quoted(name)
                    )
                })
            }
            Some(Asset::Unavailable(reason)) => Err(format!(
                "unable to get {kind} {name}: {reason}",
                name = quoted(name)
            )),
            Some(Asset::Absent) | None => Err(format!(
                "unable to get {kind} {name}: {kind}s {name} not found",
                name = quoted(name)
            )),
        };
        self.loaded.missing |= found.is_err();
        found
    }

    /// Empty if no source is set.
    fn either(&mut self, source: &SecretOrConfigMap) -> Result<&'a [u8], String> {
        match selected(source) {
            Some((kind, selector)) => self.get(kind, selector),
            None => Ok(&[]),
        }
    }

    pub(super) fn basic_auth(&mut self, auth: &BasicAuth) -> Result<(), String> {
        self.secret(&auth.username)
            .map_err(|e| format!("failed to get basic auth username: {e}"))?;
        self.secret(&auth.password)
            .map_err(|e| format!("failed to get basic auth password: {e}"))?;
        Ok(())
    }

    /// An empty name is no error here, and gives no credentials later (prometheus-operator: pkg/assets/store.go,
    /// AddSafeAuthorizationCredentials).
    pub(super) fn authorization(&mut self, authorization: &Authorization) -> Result<(), String> {
        match &authorization.credentials {
            Some(credentials) if !credentials.name.is_empty() => {
                self.secret(credentials).map_err(|error| {
                    let kind = &authorization.kind;
                    format!(
                        "failed to get authorization token of type {kind}: {error}",
                        kind = quoted(kind)
                    )
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn proxy(&mut self, proxy: &Proxy) -> Result<(), String> {
        for (header, selectors) in proxy.proxy_connect_header.iter().flatten() {
            for (i, selector) in selectors.iter().enumerate() {
                self.secret(selector)
                    .map_err(|error| format!("header[{header}][{i}]: {error}"))?;
            }
        }
        Ok(())
    }

    pub(super) fn oauth2(&mut self, oauth2: &OAuth2) -> Result<(), String> {
        self.either(&oauth2.client_id)
            .map_err(|e| format!("failed to get oauth2 client id: {e}"))?;
        self.secret(&oauth2.client_secret)
            .map_err(|e| format!("failed to get oauth2 client secret: {e}"))?;
        self.proxy(&oauth2.proxy)
            .map_err(|e| format!("failed to get oauth2 proxyConfig: {e}"))?;
        if let Some(tls) = &oauth2.tls_config {
            self.tls(tls)
                .map_err(|e| format!("failed to get oauth2 tlsConfig: {e}"))?;
        }
        Ok(())
    }

    /// The first PEM block of a certificate authority must be a certificate; certificate and key must belong together.
    /// A certificate without a key from a Secret passes, but is not mounted: upstream's job names a file that is not there
    /// (prometheus-operator: pkg/assets/store.go, AddTLSConfig).
    pub(super) fn tls(&mut self, tls: &Tls) -> Result<(), String> {
        let ca = self
            .either(&tls.ca)
            .map_err(|e| format!("failed to get ca \"{}\": {e}", tls.ca))?;
        let cert = self
            .either(&tls.cert)
            .map_err(|e| format!("failed to get cert \"{}\": {e}", tls.cert))?;
        let key = match &tls.key_secret {
            Some(key) => self
                .secret(key)
                .map_err(|e| format!("failed to get key {}/{}: {e}", key.name, key.key))?,
            None => &[],
        };
        if !ca.is_empty() {
            x509::check_ca(&String::from_utf8_lossy(ca))
                .map_err(|error| format!("ca {}: {error}", tls.ca))?;
            let file = TlsAsset::either(self.namespace, &tls.ca);
            self.loaded.files.extend(file);
        }
        if let Some(selector) = tls.key_secret.as_ref()
            && !cert.is_empty()
            && !key.is_empty()
        {
            let [cert, key] = [cert, key].map(String::from_utf8_lossy);
            x509::pair(&cert, &key).map_err(|error| {
                let KeySelector { name, key, .. } = selector;
                format!("cert {}, key <{name}/{key}>: {error}", tls.cert)
            })?;
            let files = &mut self.loaded.files;
            files.extend(TlsAsset::either(self.namespace, &tls.cert));
            files.insert(TlsAsset::secret(self.namespace, selector));
        }
        Ok(())
    }
}

/// Names that a client does not even send, as they cannot stand in a path.
pub(super) fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("resource name may not be empty".to_owned());
    }
    let problems = match name {
        "." | ".." => vec![format!("may not be '{name}'")],
        _ => ['/', '%']
            .into_iter()
            .filter(|c| name.contains(*c))
            .map(|c| format!("may not contain '{c}'"))
            .collect(),
    };
    (!problems.is_empty()).then(|| {
        format!(
            "invalid resource name {name}: [{}]",
            problems.join(" "),
            name = quoted(name)
        )
    })
}

/// What has been loaded, as generation sees it.
#[derive(Debug)]
pub(super) struct Cache<'a> {
    assets: &'a Assets,
    loaded: BTreeSet<&'a AssetId>,
}

impl<'a> Cache<'a> {
    pub(super) fn new(assets: &'a Assets, loaded: BTreeSet<&'a AssetId>) -> Self {
        Self { assets, loaded }
    }

    pub(super) fn secret(&self, namespace: &str, selector: &KeySelector) -> Option<&'a [u8]> {
        let content = self.get(&AssetId::secret(namespace, &selector.name), &selector.key)?;
        Some(content)
    }

    pub(super) fn either(&self, namespace: &str, source: &SecretOrConfigMap) -> Option<&'a [u8]> {
        let content = self.file(&TlsAsset::either(namespace, source)?)?;
        Some(content)
    }

    pub(super) fn file(&self, asset: &TlsAsset) -> Option<&'a Arc<[u8]>> {
        self.get(&asset.id, &asset.key)
    }

    fn get(&self, id: &AssetId, key: &str) -> Option<&'a Arc<[u8]>> {
        if !self.loaded.contains(id) {
            return None;
        }
        match self.assets.get(id) {
            Some(Asset::Present(data)) => data.get(key),
            _ => None,
        }
    }
}

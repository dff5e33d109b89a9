//! How targets, token endpoints and API servers are spoken to: authentication, TLS, proxies. The order of the keys differs
//! from place to place; the pieces do not.

use super::super::context::Context;
use super::super::lookup::{Cache, TlsAsset};
use super::super::spec::ScrapeClass;
use super::super::version;
use crate::monitoring::{
    Authorization, BasicAuth, KeySelector, OAuth2, Proxy, SecretOrConfigMap, Tls,
};
use crate::wire::yaml::emit::{Pairs, Tree, map, texts};
use std::borrow::Cow;

/// Writes pieces for one namespace, and remembers which files they name.
pub(super) struct Http<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) cache: &'a Cache<'a>,
    pub(super) namespace: &'a str,
    pub(super) files: Vec<TlsAsset>,
}

impl<'a> Http<'a> {
    /// What a reference holds; nothing if it cannot be resolved.
    fn secret_or_empty(&self, selector: &KeySelector) -> Tree<'a> {
        self.cache
            .secret(self.namespace, selector)
            .unwrap_or_default()
            .into()
    }

    pub(super) fn basic_auth(&self, auth: &BasicAuth) -> Tree<'a> {
        map([
            ("username", self.secret_or_empty(&auth.username)),
            ("password", self.secret_or_empty(&auth.password)),
        ])
    }

    pub(super) fn bearer_token(&self, selector: &KeySelector) -> Option<Tree<'a>> {
        if selector.name.is_empty() {
            return None;
        }
        self.cache.secret(self.namespace, selector).map(Tree::from)
    }

    pub(super) fn authorization(&self, authorization: Cow<'a, Authorization>) -> Tree<'a> {
        let kind = match authorization.kind.trim() {
            "" if authorization.kind.is_empty() => "Bearer".to_owned(),
            kind => kind.to_owned(),
        };
        let mut pairs: Pairs<'a> = vec![("type".into(), kind.into())];
        let credentials = authorization.credentials.as_ref();
        let credentials = credentials.and_then(|c| self.cache.secret(self.namespace, c));
        if let Some(credentials) = credentials {
            pairs.push(("credentials".into(), credentials.into()));
        }
        if !authorization.credentials_file.is_empty() {
            let file = authorization.credentials_file.clone();
            pairs.push(("credentials_file".into(), file.into()));
        }
        pairs.into()
    }

    /// The keys that stand beside others.
    pub(super) fn proxy(&self, proxy: &'a Proxy) -> Vec<(&'static str, Tree<'a>)> {
        let mut keys = Vec::new();
        if let Some(url) = &proxy.proxy_url {
            keys.push(("proxy_url", url.as_str().into()));
        }
        if !self.cx.has(version::PROXY_SETTINGS) {
            return keys;
        }
        if let Some(exceptions) = &proxy.no_proxy {
            keys.push(("no_proxy", exceptions.as_str().into()));
        }
        if let Some(from_environment) = proxy.proxy_from_environment {
            keys.push(("proxy_from_environment", from_environment.into()));
        }
        if let Some(headers) = &proxy.proxy_connect_header {
            let header = |(name, selectors): (&'a String, &'a Vec<KeySelector>)| {
                let values = selectors.iter().map(|s| self.secret_or_empty(s));
                (name.as_str().into(), Tree::List(values.collect()))
            };
            let headers: Pairs<'a> = headers.iter().map(header).collect();
            keys.push(("proxy_connect_header", headers.into()));
        }
        keys
    }

    /// Nothing if a reference cannot be resolved.
    pub(super) fn oauth2(&mut self, oauth2: &'a OAuth2) -> Option<Tree<'a>> {
        if !self.cx.has(version::OAUTH2) {
            return None;
        }
        let id = self.cache.either(self.namespace, &oauth2.client_id)?;
        let secret = self.cache.secret(self.namespace, &oauth2.client_secret)?;
        let mut pairs: Pairs<'a> = vec![
            ("client_id".into(), id.into()),
            ("client_secret".into(), secret.into()),
            ("token_url".into(), oauth2.token_url.as_str().into()),
        ];
        if !oauth2.scopes.is_empty() {
            pairs.push(("scopes".into(), texts(&oauth2.scopes)));
        }
        if !oauth2.endpoint_params.is_empty() {
            let params = oauth2.endpoint_params.iter();
            let params = params.map(|(k, v)| (k.as_str(), v.as_str().into()));
            pairs.push(("endpoint_params".into(), super::naturally_sorted(params)));
        }
        if self.cx.has(version::OAUTH2_TLS) {
            let proxy = self.proxy(&oauth2.proxy);
            pairs.extend(proxy.into_iter().map(|(k, v)| (k.into(), v)));
            if let Some(tls) = &oauth2.tls_config {
                pairs.push(("tls_config".into(), self.tls(Cow::Borrowed(tls))));
            }
        }
        Some(pairs.into())
    }

    pub(super) fn tls(&mut self, tls: Cow<'a, Tls>) -> Tree<'a> {
        let mut pairs: Pairs<'a> = Vec::new();
        let mut set = |key: &'static str, value: Tree<'a>| pairs.push((key.into(), value));
        if let Some(skip) = tls.insecure_skip_verify {
            set("insecure_skip_verify", skip.into());
        }
        let key = SecretOrConfigMap {
            secret: tls.key_secret.clone(),
            config_map: None,
        };
        for (source, inline, file) in [
            (&tls.ca, "ca", "ca_file"),
            (&tls.cert, "cert", "cert_file"),
            (&key, "key", "key_file"),
        ] {
            let Some(asset) = TlsAsset::either(self.namespace, source) else {
                continue;
            };
            if !self.cx.settings.features.inline_tls {
                set(file, asset.path().into());
                self.files.push(asset);
            } else if let Some(text) = self.cache.file(&asset) {
                set(inline, (&**text).into());
            }
        }
        if let Some(name) = tls.server_name.as_ref().filter(|name| !name.is_empty()) {
            set("server_name", name.clone().into());
        }
        if let Some(version) = &tls.min_version
            && self.cx.has(version::TLS_MIN_VERSION)
        {
            set("min_version", version.clone().into());
        }
        if let Some(version) = &tls.max_version
            && self.cx.has(version::TLS_MAX_VERSION)
        {
            set("max_version", version.clone().into());
        }
        for (key, path) in [
            ("ca_file", &tls.ca_file),
            ("cert_file", &tls.cert_file),
            ("key_file", &tls.key_file),
        ] {
            if !path.is_empty() {
                set(key, path.clone().into());
            }
        }
        pairs.into()
    }
}

/// The TLS settings that apply: without own ones the class's; else only paths that the own ones leave open are taken
/// from the class (`mergeTLSConfigWithScrapeClass`).
pub(super) fn merged_tls<'a>(own: Option<&'a Tls>, class: &'a ScrapeClass) -> Option<Cow<'a, Tls>> {
    let (own, class) = match (own, &class.tls_config) {
        (None, class) => return class.as_ref().map(Cow::Borrowed),
        (Some(own), None) => return Some(Cow::Borrowed(own)),
        (Some(own), Some(class)) => (own, class),
    };
    let mut merged = own.clone();
    if own.ca_file.is_empty() && own.ca.is_empty() {
        merged.ca_file.clone_from(&class.ca_file);
    }
    if own.cert_file.is_empty() && own.cert.is_empty() {
        merged.cert_file.clone_from(&class.cert_file);
    }
    if own.key_file.is_empty() && own.key_secret.is_none() {
        merged.key_file.clone_from(&class.key_file);
    }
    Some(Cow::Owned(merged))
}

/// The authorization that applies: the own one, else the class's. An own one without credentials would take the class's,
/// but is rejected before.
pub(super) fn merged_authorization<'a>(
    own: Option<&'a Authorization>,
    class: &'a ScrapeClass,
) -> Option<Cow<'a, Authorization>> {
    let own = own.filter(|own| **own != Authorization::default());
    own.or(class.authorization.as_ref()).map(Cow::Borrowed)
}

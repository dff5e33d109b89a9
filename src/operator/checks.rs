//! Checks of single values, which monitors and the settings have in common.

use crate::model::duration;
use crate::model::quote::quoted;
use crate::monitoring::{Authorization, SecretOrConfigMap, Tls};

/// `CompareScrapeTimeoutToScrapeInterval`.
pub(super) fn check_timeout(timeout: &str, interval: &str) -> Result<(), String> {
    let longest = duration::parse(interval).map_err(|error| {
        format!(
            "invalid scrapeInterval {interval}: {error}",
            interval = quoted(interval)
        )
    })?;
    let asked = duration::parse(timeout).map_err(|error| {
        format!(
            "invalid scrapeTimeout: {timeout}: {error}",
            timeout = quoted(timeout)
        )
    })?;
    if asked > longest {
        return Err(format!(
            "scrapeTimeout {timeout} greater than scrapeInterval {interval}",
            timeout = quoted(timeout),
            interval = quoted(interval)
        ));
    }
    Ok(())
}

/// A scrape class's or the API server's, which may name a file.
pub(super) fn check_class_authorization(authorization: &Authorization) -> Result<(), String> {
    if authorization.credentials.is_some() && !authorization.credentials_file.is_empty() {
        return Err(
            "authorization can not specify both \"credentials\" and \"credentialsFile\"".to_owned(),
        );
    }
    if is_basic(authorization) {
        return Err(
            "authorization type cannot be set to \"basic\", use \"basicAuth\" instead".to_owned(),
        );
    }
    Ok(())
}

pub(super) fn is_basic(authorization: &Authorization) -> bool {
    authorization.kind.trim().to_lowercase() == "basic"
}

pub(super) fn check_source(source: &SecretOrConfigMap) -> Result<(), String> {
    if source.secret.is_some() && source.config_map.is_some() {
        return Err("cannot specify both Secret and ConfigMap".to_owned());
    }
    Ok(())
}

/// What both forms of TLS settings have in common.
pub(super) fn check_tls_sources(tls: &Tls) -> Result<(), String> {
    check_source(&tls.ca).map_err(|error| format!("ca {}: {error}", tls.ca))?;
    check_source(&tls.cert).map_err(|error| format!("cert {}: {error}", tls.cert))?;
    match (&tls.min_version, &tls.max_version) {
        (Some(min), Some(max)) if max < min => {
            Err("maxVersion must more than or equal to minVersion".to_owned())
        }
        _ => Ok(()),
    }
}

/// TLS settings that may name files.
pub(super) fn check_tls(tls: &Tls) -> Result<(), String> {
    check_tls_sources(tls)?;
    let twice = |file: &str, reference: &str| {
        Err(format!("cannot specify both '{file}' and '{reference}'"))
    };
    if !tls.ca.is_empty() && !tls.ca_file.is_empty() {
        return twice("caFile", "ca");
    }
    if !tls.cert.is_empty() && !tls.cert_file.is_empty() {
        return twice("certFile", "cert");
    }
    if tls.key_secret.is_some() && !tls.key_file.is_empty() {
        return twice("keyFile", "keySecret");
    }
    let has_cert = !tls.cert.is_empty() || !tls.cert_file.is_empty();
    let has_key = tls.key_secret.is_some() || !tls.key_file.is_empty();
    match (has_cert, has_key) {
        (true, false) => Err("cannot specify client cert without client key".to_owned()),
        (false, true) => Err("cannot specify client key without client cert".to_owned()),
        _ => Ok(()),
    }
}

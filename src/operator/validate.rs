//! Accepts or rejects one monitor. The first check that fails rejects all of it; checks run in upstream's order, and the
//! references that are read on the way are remembered (prometheus-operator: pkg/prometheus/resource_selector.go).

use super::checks::{check_source, check_timeout, check_tls, check_tls_sources, is_basic};
use super::context::Context;
use super::lookup::Loader;
use super::monitor::{Endpoint, Monitor};
use super::relabel;
use super::types::Kind;
use super::version;
use crate::model::quote::quoted;
use crate::model::url::Url;
use crate::monitoring::{Authorization, OAuth2, Proxy, Tls};

/// Checks a monitor.
///
/// # Errors
/// What is wrong with it, in upstream's words.
pub(super) fn check(
    monitor: &Monitor<'_>,
    cx: &Context<'_>,
    loader: &mut Loader<'_>,
) -> Result<(), String> {
    let selector = monitor.selector.to_selector();
    selector.map_err(|error| match monitor.kind {
        Kind::ServiceMonitor => error,
        Kind::PodMonitor => format!("failed to parse label selector: {error}"),
    })?;
    if monitor.selector_mechanism == Some("RoleSelector") && !cx.version.has(version::ROLE_SELECTOR)
    {
        return Err(
            "RoleSelector selectorMechanism is only supported in Prometheus 2.17.0 and newer"
                .to_owned(),
        );
    }
    for (i, endpoint) in monitor.endpoints.iter().enumerate() {
        match monitor.kind {
            Kind::ServiceMonitor => {
                check_service_endpoint(endpoint, cx, loader)
                    .map_err(|error| format!("endpoints[{i}]: {error}"))?;
                // Upstream forgets the endpoint's index here.
                loader.proxy(endpoint.proxy)?;
            }
            Kind::PodMonitor => check_pod_endpoint(endpoint, cx, loader)
                .map_err(|error| format!("endpoint[{i}]: {error}"))?,
        }
    }
    if let Some(class) = monitor.scrape_class.filter(|class| !class.is_empty())
        && cx.class_named(class).is_none()
    {
        return Err(format!(
            "scrapeClassName: scrapeClass {class} not found in Prometheus scrapeClasses",
            class = quoted(class)
        ));
    }
    check_authorization_version(monitor, cx)
}

/// Upstream's generator panics here; a rejection harms nobody else.
fn check_authorization_version(monitor: &Monitor<'_>, cx: &Context<'_>) -> Result<(), String> {
    if cx.has(version::AUTHORIZATION) {
        return Ok(());
    }
    let class = cx.class_of(monitor);
    let authorization =
        |e: &Endpoint<'_>| e.authorization.or(class.authorization.as_ref()).is_some();
    match monitor.endpoints.iter().position(authorization) {
        Some(i) => Err(format!(
            "endpoints[{i}]: authorization is only supported from Prometheus version 2.26.0"
        )),
        None => Ok(()),
    }
}

fn check_service_endpoint(
    endpoint: &Endpoint<'_>,
    cx: &Context<'_>,
    loader: &mut Loader<'_>,
) -> Result<(), String> {
    if cx.spec.arbitrary_fs_access_through_sms.deny {
        check_no_files(endpoint)?;
    }
    check_http(endpoint, Kind::ServiceMonitor)?;
    if let Some(token) = endpoint.bearer_token_secret
        && !token.name.is_empty()
    {
        loader
            .secret(token)
            .map_err(|error| format!("bearerTokenSecret: {error}"))?;
    }
    load_http(endpoint, loader)?;
    check_intervals(endpoint, cx)?;
    check_relabelings(endpoint, cx)
}

fn check_pod_endpoint(
    endpoint: &Endpoint<'_>,
    cx: &Context<'_>,
    loader: &mut Loader<'_>,
) -> Result<(), String> {
    check_intervals(endpoint, cx)?;
    check_relabelings(endpoint, cx)?;
    check_http(endpoint, Kind::PodMonitor)?;
    if let Some(token) = endpoint.bearer_token_secret
        && !token.name.is_empty()
        && !token.key.is_empty()
    {
        loader
            .secret(token)
            .map_err(|error| format!("bearerTokenSecret: {error}"))?;
    }
    load_http(endpoint, loader)?;
    loader
        .proxy(endpoint.proxy)
        .map_err(|error| format!("proxyConfig: {error}"))
}

fn check_no_files(endpoint: &Endpoint<'_>) -> Result<(), String> {
    let prohibited = |what: &str| {
        Err(format!(
            "it accesses file system via {what} which Prometheus specification prohibits"
        ))
    };
    if !endpoint.bearer_token_file.is_empty() {
        return prohibited("bearer token file");
    }
    match endpoint.tls {
        Some(tls)
            if [&tls.ca_file, &tls.cert_file, &tls.key_file]
                .iter()
                .any(|f| !f.is_empty()) =>
        {
            prohibited("tls config")
        }
        _ => Ok(()),
    }
}

fn load_http(endpoint: &Endpoint<'_>, loader: &mut Loader<'_>) -> Result<(), String> {
    if let Some(auth) = endpoint.basic_auth {
        loader
            .basic_auth(auth)
            .map_err(|error| format!("basicAuth: {error}"))?;
    }
    if let Some(tls) = endpoint.tls {
        loader
            .tls(tls)
            .map_err(|error| format!("tlsConfig: {error}"))?;
    }
    if let Some(oauth2) = endpoint.oauth2 {
        loader
            .oauth2(oauth2)
            .map_err(|error| format!("oauth2: {error}"))?;
    }
    if let Some(authorization) = endpoint.authorization {
        loader
            .authorization(authorization)
            .map_err(|error| format!("authorization: {error}"))?;
    }
    Ok(())
}

fn check_relabelings(endpoint: &Endpoint<'_>, cx: &Context<'_>) -> Result<(), String> {
    relabel::check_all(endpoint.relabelings, &cx.version)
        .map_err(|error| format!("relabelConfigs: {error}"))?;
    relabel::check_all(endpoint.metric_relabelings, &cx.version)
        .map_err(|error| format!("metricRelabelConfigs: {error}"))
}

/// Nothing is looked at without a timeout.
fn check_intervals(endpoint: &Endpoint<'_>, cx: &Context<'_>) -> Result<(), String> {
    match (endpoint.scrape_timeout, endpoint.interval) {
        ("", _) => Ok(()),
        (timeout, "") => check_timeout(timeout, cx.spec.scrape_interval()),
        (timeout, interval) => check_timeout(timeout, interval),
    }
}

fn check_http(endpoint: &Endpoint<'_>, kind: Kind) -> Result<(), String> {
    let ways = [
        ("authorization", endpoint.authorization.is_some()),
        ("basicAuth", endpoint.basic_auth.is_some()),
        ("bearerTokenSecret", endpoint.bearer_token_secret.is_some()),
        ("oauth2", endpoint.oauth2.is_some()),
    ];
    let mut set = ways.iter().filter(|(_, set)| *set).map(|(name, _)| name);
    if let (Some(one), Some(other)) = (set.next(), set.next()) {
        return Err(format!(
            "{one} and {other} cannot be configured at the same time"
        ));
    }
    if let Some(authorization) = endpoint.authorization {
        check_authorization(authorization).map_err(|error| format!("authorization: {error}"))?;
    }
    if let Some(oauth2) = endpoint.oauth2 {
        check_oauth2(oauth2).map_err(|error| format!("oauth2: {error}"))?;
    }
    if let Some(tls) = endpoint.tls {
        match kind {
            Kind::ServiceMonitor => check_tls(tls),
            Kind::PodMonitor => check_safe_tls(tls),
        }
        .map_err(|error| format!("tlsConfig: {error}"))?;
    }
    check_proxy(endpoint.proxy)
}

fn check_authorization(authorization: &Authorization) -> Result<(), String> {
    if is_basic(authorization) {
        return Err(
            "'authorization' type cannot be set to \"basic\", use \"basicAuth\" instead".to_owned(),
        );
    }
    if authorization.credentials.is_none() {
        return Err("'authorization' credentials are required".to_owned());
    }
    Ok(())
}

fn check_oauth2(oauth2: &OAuth2) -> Result<(), String> {
    if oauth2.token_url.is_empty() {
        return Err("OAuth2 tokenURL must be specified".to_owned());
    }
    if oauth2.client_id.is_empty() {
        return Err("OAuth2 'clientID' must be specified".to_owned());
    }
    check_source(&oauth2.client_id)
        .map_err(|error| format!("invalid OAuth2 'clientID': {error}"))?;
    if let Some(tls) = &oauth2.tls_config {
        check_safe_tls(tls).map_err(|error| format!("invalid OAuth2 'tlsConfig': {error}"))?;
    }
    check_proxy(&oauth2.proxy).map_err(|error| format!("invalid OAuth2 proxyConfig: {error}"))
}

fn check_safe_tls(tls: &Tls) -> Result<(), String> {
    check_tls_sources(tls)?;
    match (!tls.cert.is_empty(), tls.key_secret.is_some()) {
        (true, false) => Err("client cert specified without client key".to_owned()),
        (false, true) => Err("client key specified without client cert".to_owned()),
        _ => Ok(()),
    }
}

/// `ProxyConfig.Validate`.
pub(super) fn check_proxy(proxy: &Proxy) -> Result<(), String> {
    let from_environment = proxy.proxy_from_environment == Some(true);
    let set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let (has_url, has_exceptions) = (set(&proxy.proxy_url), set(&proxy.no_proxy));
    let headers = || proxy.proxy_connect_header.iter().flatten();
    let problem = if headers().next().is_some() && !from_environment && !has_url {
        "if proxyConnectHeader is configured, proxyUrl or proxyFromEnvironment must also be configured"
    } else if from_environment && has_url {
        "if proxyFromEnvironment is configured, proxyUrl must not be configured"
    } else if from_environment && has_exceptions {
        "if proxyFromEnvironment is configured, noProxy must not be configured"
    } else if !has_url && has_exceptions {
        "if noProxy is configured, proxyUrl must also be configured"
    } else {
        ""
    };
    if !problem.is_empty() {
        return Err(problem.to_owned());
    }
    for (header, selectors) in headers() {
        if selectors.is_empty() {
            return Err(format!(
                "proxyConnetHeader[{header}]: selector must not be empty"
            ));
        }
        for (i, selector) in selectors.iter().enumerate() {
            if *selector == crate::monitoring::KeySelector::default() {
                return Err(format!(
                    "proxyConnectHeader[{header}][{i}]: selector must be defined"
                ));
            }
        }
    }
    match &proxy.proxy_url {
        Some(url) => Url::parse(url)
            .map(drop)
            .map_err(|problem| problem.about(url)),
        None => Ok(()),
    }
}

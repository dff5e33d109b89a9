//! The effective configuration as Prometheus prints it: defaults filled in, secrets hidden (prometheus: config/config.go,
//! `Config.String`; the order of keys is that of its structs). What it prints loads again to the same jobs.

use super::{
    Config, Global, HttpSd, KubernetesSd, Limits, ScrapeConfig, ScrapeProtocol, SdConfig, Selector,
};
use crate::http::config as http;
use crate::model::group::TargetGroup;
use crate::model::relabel::{RelabelRules, Rule};
use crate::model::{duration, size, url};
use crate::wire::yaml::emit::{self, Pairs, Tree, texts};
use std::collections::BTreeMap;
use std::time::Duration;

/// The document: `global`, `scrape_config_files` and the scrape configs of the main file.
pub fn document(config: &Config) -> String {
    let mut map = Fields::default();
    map.put("global", global(&config.global));
    map.list("scrape_config_files", &config.scrape_config_files);
    let jobs = config.jobs.iter().filter(|job| !job.from_file);
    map.items(
        "scrape_configs",
        jobs.map(|job| scrape_config(job)).collect(),
    );
    emit::document(&map.into())
}

/// One scrape config as an item of a list, as a fragment is.
pub fn job(job: &ScrapeConfig) -> String {
    emit::item(&scrape_config(job))
}

/// Keys and values in order; most are left out when they are empty.
#[derive(Default)]
struct Fields<'a>(Pairs<'a>);

impl<'a> From<Fields<'a>> for Tree<'a> {
    fn from(fields: Fields<'a>) -> Self {
        Tree::Map(fields.0)
    }
}

impl<'a> Fields<'a> {
    fn put(&mut self, key: &'a str, value: impl Into<Tree<'a>>) {
        self.0.push((key.into(), value.into()));
    }

    fn text(&mut self, key: &'a str, value: &'a str) {
        if !value.is_empty() {
            self.put(key, value);
        }
    }

    fn secret(&mut self, key: &'a str, value: &http::Secret) {
        if !value.is_empty() {
            self.put(key, "<secret>");
        }
    }

    fn flag(&mut self, key: &'a str, value: bool) {
        if value {
            self.put(key, true);
        }
    }

    fn number(&mut self, key: &'a str, value: u64) {
        if value > 0 {
            self.put(
                key,
                i64::try_from(value).map_or(Tree::Uint(value), Tree::Int),
            );
        }
    }

    fn duration(&mut self, key: &'a str, value: Duration) {
        if !value.is_zero() {
            self.put(key, duration::format(value));
        }
    }

    fn list<T: AsRef<str> + 'a>(&mut self, key: &'a str, values: &'a [T]) {
        if !values.is_empty() {
            self.put(key, texts(values));
        }
    }

    fn items(&mut self, key: &'a str, items: Vec<Tree<'a>>) {
        if !items.is_empty() {
            self.put(key, Tree::List(items));
        }
    }

    /// A map, left out when it is empty.
    fn map(&mut self, key: &'a str, fields: Fields<'a>) {
        if !fields.0.is_empty() {
            self.put(key, fields);
        }
    }

    fn protocols(&mut self, key: &'a str, protocols: &[ScrapeProtocol]) {
        self.items(
            key,
            protocols
                .iter()
                .map(|protocol| protocol.as_str().into())
                .collect(),
        );
    }

    fn limits(&mut self, limits: &Limits) {
        if limits.body_size != 0 {
            self.put("body_size_limit", size::format(limits.body_size));
        }
        self.number("sample_limit", limits.samples);
        self.number("target_limit", limits.targets);
        self.number("label_limit", limits.labels);
        self.number("label_name_length_limit", limits.label_name_length);
        self.number("label_value_length_limit", limits.label_value_length);
    }
}

fn global(global: &Global) -> Tree<'_> {
    let mut map = Fields::default();
    map.duration("scrape_interval", global.scrape_interval);
    map.duration("scrape_timeout", global.scrape_timeout);
    map.protocols(
        "scrape_protocols",
        global.scrape_protocols.as_deref().unwrap_or_default(),
    );
    map.duration("evaluation_interval", global.evaluation_interval);
    map.duration(
        "rule_query_offset",
        global.rule_query_offset.unwrap_or_default(),
    );
    map.text("query_log_file", &global.query_log_file);
    map.text("scrape_failure_log_file", &global.scrape_failure_log_file);
    let labels = global
        .external_labels
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    map.map("external_labels", Fields(labels.collect()));
    map.limits(&global.limits);
    map.number("keep_dropped_targets", global.keep_dropped_targets);
    map.text(
        "metric_name_validation_scheme",
        global
            .validation_scheme
            .map_or("", |scheme| scheme.as_str()),
    );
    map.text("metric_name_escaping_scheme", &global.escaping_scheme);
    if let Some(on) = global.scrape_native_histograms {
        map.put("scrape_native_histograms", on);
    }
    map.flag(
        "convert_classic_histograms_to_nhcb",
        global.convert_classic_histograms_to_nhcb,
    );
    map.flag(
        "always_scrape_classic_histograms",
        global.always_scrape_classic_histograms,
    );
    if let Some(on) = global.extra_scrape_metrics {
        map.put("extra_scrape_metrics", on);
    }
    map.into()
}

fn scrape_config(job: &ScrapeConfig) -> Tree<'_> {
    let mut map = Fields::default();
    map.put("job_name", &*job.job_name);
    map.flag("honor_labels", job.honor_labels);
    map.put("honor_timestamps", job.honor_timestamps);
    map.put("track_timestamps_staleness", job.track_timestamps_staleness);
    let params = job
        .params
        .iter()
        .map(|(name, values)| ((&**name).into(), texts(values)));
    map.map("params", Fields(params.collect()));
    map.duration("scrape_interval", job.interval);
    map.duration("scrape_timeout", job.timeout);
    map.protocols("scrape_protocols", &job.protocols);
    map.text(
        "fallback_scrape_protocol",
        job.fallback_protocol.map_or("", ScrapeProtocol::as_str),
    );
    map.put("scrape_native_histograms", job.native_histograms);
    map.put("always_scrape_classic_histograms", job.classic_histograms);
    map.put("convert_classic_histograms_to_nhcb", job.convert_to_nhcb);
    map.text("scrape_failure_log_file", &job.failure_log_file);
    map.text("metrics_path", &job.metrics_path);
    map.text("scheme", &job.scheme);
    map.put("enable_compression", job.enable_compression);
    map.limits(&job.limits);
    map.number("native_histogram_bucket_limit", job.bucket_limit);
    if job.min_bucket_factor != 0.0 {
        map.put("native_histogram_min_bucket_factor", job.min_bucket_factor);
    }
    map.number("keep_dropped_targets", job.keep_dropped_targets);
    map.put(
        "metric_name_validation_scheme",
        job.validation_scheme.as_str(),
    );
    map.put("metric_name_escaping_scheme", job.escaping_scheme.as_str());
    map.put("extra_scrape_metrics", job.extra_scrape_metrics);
    client(&mut map, &job.http);
    map.items("relabel_configs", rules(&job.target_rules));
    map.items("metric_relabel_configs", rules(&job.metric_rules));
    discovery(&mut map, &job.discovery);
    map.into()
}

fn rules(rules: &RelabelRules) -> Vec<Tree<'_>> {
    rules.rules().map(rule).collect()
}

fn rule(rule: &Rule) -> Tree<'_> {
    let mut map = Fields::default();
    map.list("source_labels", &rule.source_labels);
    map.put("separator", &*rule.separator);
    if let Some(regex) = &rule.regex {
        map.put("regex", &**regex);
    }
    map.number("modulus", rule.modulus);
    map.text("target_label", &rule.target_label);
    map.put("replacement", &*rule.replacement);
    map.put("action", rule.action.as_str());
    map.into()
}

fn discovery<'a>(map: &mut Fields<'a>, all: &'a [SdConfig]) {
    let of = |pick: fn(&'a SdConfig) -> Option<Vec<Tree<'a>>>| {
        all.iter().filter_map(pick).flatten().collect()
    };
    map.items(
        "file_sd_configs",
        of(|sd| match sd {
            SdConfig::File(sd) => {
                let mut map = Fields::default();
                map.put("files", texts(&sd.files));
                map.duration("refresh_interval", sd.refresh_interval);
                Some(vec![map.into()])
            }
            _ => None,
        }),
    );
    map.items(
        "http_sd_configs",
        of(|sd| match sd {
            SdConfig::Http(sd) => Some(vec![http_sd(sd)]),
            _ => None,
        }),
    );
    map.items(
        "kubernetes_sd_configs",
        of(|sd| match sd {
            SdConfig::Kubernetes(sd) => Some(vec![kubernetes(sd)]),
            _ => None,
        }),
    );
    map.items(
        "static_configs",
        of(|sd| match sd {
            SdConfig::Static(groups) => {
                Some(groups.iter().map(|group| static_group(group)).collect())
            }
            _ => None,
        }),
    );
}

fn static_group(group: &TargetGroup) -> Tree<'_> {
    let mut map = Fields::default();
    let addresses = group
        .targets
        .iter()
        .filter_map(|target| target.get("__address__"));
    map.put("targets", Tree::List(addresses.map(Into::into).collect()));
    let labels = group
        .labels
        .iter()
        .map(|(name, value)| ((&**name).into(), value.into()));
    map.map("labels", Fields(labels.collect()));
    map.into()
}

fn http_sd(sd: &HttpSd) -> Tree<'_> {
    let mut map = Fields::default();
    client(&mut map, &sd.http);
    map.duration("refresh_interval", sd.refresh_interval);
    map.put("url", &*sd.url);
    map.into()
}

fn kubernetes(sd: &KubernetesSd) -> Tree<'_> {
    let mut map = Fields::default();
    if let Some(server) = &sd.api_server {
        map.put("api_server", url::redacted(server));
    }
    map.put("role", sd.role.as_str());
    map.put("kubeconfig_file", &*sd.kubeconfig_file);
    client(&mut map, &sd.http);
    if sd.own_namespace || !sd.namespaces.is_empty() {
        let mut namespaces = Fields::default();
        namespaces.put("own_namespace", sd.own_namespace);
        namespaces.put("names", texts(&sd.namespaces));
        map.put("namespaces", namespaces);
    }
    map.items(
        "selectors",
        sd.selectors.iter().map(selector_tree).collect(),
    );
    let attach = sd.attach;
    let all = [
        ("node", attach.node),
        ("namespace", attach.namespace),
        ("deployment", attach.deployment),
        ("job", attach.job),
        ("cronjob", attach.cronjob),
    ];
    if all.iter().any(|(_, on)| *on) {
        map.put(
            "attach_metadata",
            emit::map(all.map(|(key, on)| (key, on.into()))),
        );
    }
    map.into()
}

fn selector_tree(selector: &Selector) -> Tree<'_> {
    let mut map = Fields::default();
    map.put("role", selector.role.as_str());
    map.text("label", &selector.label);
    map.text("field", &selector.field);
    map.into()
}

fn client<'a>(map: &mut Fields<'a>, client: &'a http::Config) {
    if let Some(basic) = &client.basic_auth {
        let mut own = Fields::default();
        own.text("username", &basic.username);
        own.text("username_file", &basic.username_file);
        own.text("username_ref", &basic.username_ref);
        own.secret("password", &basic.password);
        own.text("password_file", &basic.password_file);
        own.text("password_ref", &basic.password_ref);
        map.put("basic_auth", own);
    }
    if let Some(authorization) = &client.authorization {
        let mut own = Fields::default();
        own.text("type", &authorization.kind);
        own.secret("credentials", &authorization.credentials);
        own.text("credentials_file", &authorization.credentials_file);
        own.text("credentials_ref", &authorization.credentials_ref);
        map.put("authorization", own);
    }
    if let Some(settings) = &client.oauth2 {
        map.put("oauth2", oauth2(settings));
    }
    tls(map, &client.tls);
    map.put("follow_redirects", client.follow_redirects);
    map.put("enable_http2", client.enable_http2);
    proxy(map, &client.proxy);
    if let Some(headers) = &client.headers {
        let header = |header: &'a http::Header| -> Tree<'a> {
            let mut own = Fields::default();
            own.list("values", &header.values);
            own.items("secrets", secrets(&header.secrets));
            own.list("files", &header.files);
            own.into()
        };
        let headers = headers
            .iter()
            .map(|(name, values)| ((&**name).into(), header(values)));
        map.put("http_headers", Tree::Map(headers.collect()));
    }
}

fn secrets<'a>(secrets: &[http::Secret]) -> Vec<Tree<'a>> {
    let hidden = |secret: &http::Secret| {
        if secret.is_empty() {
            Tree::Null
        } else {
            "<secret>".into()
        }
    };
    secrets.iter().map(hidden).collect()
}

fn oauth2(oauth2: &http::OAuth2) -> Fields<'_> {
    let mut map = Fields::default();
    map.text("client_id", &oauth2.client_id);
    map.secret("client_secret", &oauth2.client_secret);
    map.text("client_secret_file", &oauth2.client_secret_file);
    map.text("client_secret_ref", &oauth2.client_secret_ref);
    map.text(
        "client_certificate_key_id",
        &oauth2.client_certificate_key_id,
    );
    map.secret("client_certificate_key", &oauth2.client_certificate_key);
    map.text(
        "client_certificate_key_file",
        &oauth2.client_certificate_key_file,
    );
    map.text(
        "client_certificate_key_ref",
        &oauth2.client_certificate_key_ref,
    );
    map.text("grant_type", &oauth2.grant_type);
    map.text("signature_algorithm", &oauth2.signature_algorithm);
    map.text("iss", &oauth2.iss);
    map.text("audience", &oauth2.audience);
    let claims = oauth2.claims.iter().map(|(name, json)| {
        let value = serde_json::from_str(json).unwrap_or_default();
        ((&**name).into(), tree_of(value))
    });
    map.map("claims", Fields(claims.collect()));
    map.list("scopes", &oauth2.scopes);
    map.text("token_url", &oauth2.token_url);
    map.map("endpoint_params", string_map(&oauth2.endpoint_params));
    tls(&mut map, &oauth2.tls);
    proxy(&mut map, &oauth2.proxy);
    map
}

fn string_map(map: &BTreeMap<Box<str>, Box<str>>) -> Fields<'_> {
    Fields(
        map.iter()
            .map(|(key, value)| ((&**key).into(), (&**value).into()))
            .collect(),
    )
}

fn tree_of<'a>(value: serde_json::Value) -> Tree<'a> {
    use serde_json::Value;
    match value {
        Value::Null => Tree::Null,
        Value::Bool(on) => Tree::Bool(on),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Tree::Int(int),
            (_, Some(uint)) => Tree::Uint(uint),
            _ => Tree::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => Tree::List(items.into_iter().map(tree_of).collect()),
        Value::Object(map) => Tree::Map(
            map.into_iter()
                .map(|(key, value)| (key.into(), tree_of(value)))
                .collect(),
        ),
    }
}

/// Left out when nothing is set.
fn tls<'a>(map: &mut Fields<'a>, tls: &'a http::Tls) {
    if *tls == http::Tls::default() {
        return;
    }
    let version = |version: Option<http::TlsVersion>| match version {
        None => "",
        Some(http::TlsVersion::Tls10) => "TLS10",
        Some(http::TlsVersion::Tls11) => "TLS11",
        Some(http::TlsVersion::Tls12) => "TLS12",
        Some(http::TlsVersion::Tls13) => "TLS13",
    };
    let mut own = Fields::default();
    own.text("ca", &tls.ca);
    own.text("cert", &tls.cert);
    own.secret("key", &tls.key);
    own.text("ca_file", &tls.ca_file);
    own.text("cert_file", &tls.cert_file);
    own.text("key_file", &tls.key_file);
    own.text("ca_ref", &tls.ca_ref);
    own.text("cert_ref", &tls.cert_ref);
    own.text("key_ref", &tls.key_ref);
    own.text("server_name", &tls.server_name);
    own.put("insecure_skip_verify", tls.insecure_skip_verify);
    own.text("min_version", version(tls.min_version));
    own.text("max_version", version(tls.max_version));
    map.put("tls_config", own);
}

fn proxy<'a>(map: &mut Fields<'a>, proxy: &'a http::Proxy) {
    if let Some(text) = &proxy.url {
        map.put("proxy_url", url::redacted(text));
    }
    map.text("no_proxy", &proxy.no_proxy);
    map.flag("proxy_from_environment", proxy.from_environment);
    let headers = proxy.connect_header.iter();
    let headers = headers.map(|(name, values)| ((&**name).into(), Tree::List(secrets(values))));
    map.map("proxy_connect_header", Fields(headers.collect()));
}

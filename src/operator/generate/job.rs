//! One job (prometheus-operator: pkg/prometheus/promcfg.go, generateServiceMonitorConfig, generatePodMonitorConfig).

use super::super::context::Context;
use super::super::lookup::{Cache, TlsAsset};
use super::super::monitor::{Endpoint, Monitor};
use super::super::types::Kind;
use super::super::version;
use super::http::{Http, merged_authorization, merged_tls};
use super::{limits, naturally_sorted, rules, sd};
use crate::monitoring::Tls;
use crate::wire::yaml::emit::{Pairs, Tree, item, texts};

/// The text of a job, and the files it names.
#[derive(Debug)]
pub(in super::super) struct Job {
    pub(in super::super) yaml: String,
    pub(in super::super) files: Vec<TlsAsset>,
}

/// Writes the job of one endpoint.
pub(in super::super) fn job<'a>(
    cx: &'a Context<'a>,
    cache: &'a Cache<'a>,
    monitor: &'a Monitor<'a>,
    index: usize,
    endpoint: &'a Endpoint<'a>,
    sharding: &'a [Tree<'static>],
) -> Job {
    let http = Http {
        cx,
        cache,
        namespace: monitor.namespace,
        files: Vec::new(),
    };
    let mut writer = Writer {
        cx,
        monitor,
        endpoint,
        http,
        pairs: Vec::with_capacity(24),
    };
    let role = sd::role(cx, monitor);
    writer.head(index);
    let discovery = sd::configs(monitor, role, &mut writer.http);
    writer.set("kubernetes_sd_configs", discovery);
    writer.request();
    match monitor.kind {
        Kind::ServiceMonitor => writer.service_client(),
        Kind::PodMonitor => writer.pod_client(),
    }
    let rules = rules::of_job(cx, monitor, endpoint, role, sharding);
    writer.set("relabel_configs", Tree::List(rules));
    writer.tail();
    Job {
        yaml: item(&Tree::Map(writer.pairs)),
        files: writer.http.files,
    }
}

struct Writer<'a> {
    cx: &'a Context<'a>,
    monitor: &'a Monitor<'a>,
    endpoint: &'a Endpoint<'a>,
    http: Http<'a>,
    pairs: Pairs<'a>,
}

impl<'a> Writer<'a> {
    fn set(&mut self, key: &'static str, value: impl Into<Tree<'a>>) {
        self.pairs.push((key.into(), value.into()));
    }

    fn set_text(&mut self, key: &'static str, text: &'a str) {
        if !text.is_empty() {
            self.set(key, text);
        }
    }

    fn set_if(&mut self, key: &'static str, minimum: version::Minimum, value: Option<bool>) {
        if let Some(value) = value
            && self.cx.has(minimum)
        {
            self.set(key, value);
        }
    }

    fn head(&mut self, index: usize) {
        let Monitor {
            kind,
            namespace,
            name,
            ..
        } = self.monitor;
        let prefix = match kind {
            Kind::ServiceMonitor => "serviceMonitor",
            Kind::PodMonitor => "podMonitor",
        };
        self.set("job_name", format!("{prefix}/{namespace}/{name}/{index}"));
        let (cx, endpoint) = (self.cx, self.endpoint);
        self.set(
            "honor_labels",
            endpoint.honor_labels && !cx.spec.override_honor_labels,
        );
        let overridden = cx.spec.override_honor_timestamps;
        let honor = endpoint
            .honor_timestamps
            .or_else(|| overridden.then_some(false));
        self.set_if(
            "honor_timestamps",
            version::HONOR_TIMESTAMPS,
            honor.map(|honor| honor && !overridden),
        );
        self.set_if(
            "track_timestamps_staleness",
            version::TRACK_TIMESTAMPS_STALENESS,
            endpoint.track_timestamps_staleness,
        );
    }

    fn request(&mut self) {
        let endpoint = self.endpoint;
        self.set_text("scrape_interval", endpoint.interval);
        self.set_text("scrape_timeout", endpoint.scrape_timeout);
        self.set_text("metrics_path", endpoint.path);
        if let Some(params) = endpoint.params {
            let params = params.iter().map(|(k, v)| (k.as_str(), texts(v)));
            self.set("params", naturally_sorted(params));
        }
        if let Some(scheme) = endpoint.scheme {
            self.set("scheme", scheme.to_lowercase());
        }
        self.set_if(
            "follow_redirects",
            version::FOLLOW_REDIRECTS,
            endpoint.follow_redirects,
        );
        self.set_if("enable_http2", version::ENABLE_HTTP2, endpoint.enable_http2);
    }

    fn service_client(&mut self) {
        let endpoint = self.endpoint;
        self.proxy();
        self.oauth2();
        self.tls(endpoint.tls);
        self.set_text("bearer_token_file", endpoint.bearer_token_file);
        self.bearer_token();
        self.basic_auth();
        self.authorization();
    }

    fn pod_client(&mut self) {
        // Without any pointer set it counts as absent, unlike a ServiceMonitor's.
        let tls = self.endpoint.tls.filter(|tls| **tls != Tls::default());
        self.tls(tls);
        self.bearer_token();
        self.basic_auth();
        self.oauth2();
        self.proxy();
        self.authorization();
    }

    fn proxy(&mut self) {
        for (key, value) in self.http.proxy(self.endpoint.proxy) {
            self.set(key, value);
        }
    }

    fn oauth2(&mut self) {
        let oauth2 = self.endpoint.oauth2;
        if let Some(oauth2) = oauth2.and_then(|oauth2| self.http.oauth2(oauth2)) {
            self.set("oauth2", oauth2);
        }
    }

    fn tls(&mut self, own: Option<&'a Tls>) {
        if let Some(tls) = merged_tls(own, self.cx.class_of(self.monitor)) {
            let tls = self.http.tls(tls);
            self.set("tls_config", tls);
        }
    }

    fn bearer_token(&mut self) {
        let secret = self.endpoint.bearer_token_secret;
        if let Some(token) = secret.and_then(|secret| self.http.bearer_token(secret)) {
            self.set("bearer_token", token);
        }
    }

    fn basic_auth(&mut self) {
        if let Some(auth) = self.endpoint.basic_auth {
            let auth = self.http.basic_auth(auth);
            self.set("basic_auth", auth);
        }
    }

    fn authorization(&mut self) {
        let class = self.cx.class_of(self.monitor);
        if let Some(authorization) = merged_authorization(self.endpoint.authorization, class) {
            let authorization = self.http.authorization(authorization);
            self.set("authorization", authorization);
        }
    }

    fn tail(&mut self) {
        let (cx, monitor) = (self.cx, self.monitor);
        for (key, value) in limits::of_job(cx, monitor) {
            self.set(key, value);
        }
        self.histograms();
        if let Some(protocols) = limits::scrape_protocols(cx, monitor.scrape_protocols) {
            self.set("scrape_protocols", protocols);
        }
        let class = cx.class_of(monitor);
        let fallback = monitor
            .fallback_scrape_protocol
            .or(class.fallback_scrape_protocol.as_deref());
        if let Some(fallback) = fallback
            && cx.has(version::FALLBACK_SCRAPE_PROTOCOL)
        {
            self.set("fallback_scrape_protocol", fallback);
        }
        let enforced = cx.spec.enforced_body_size_limit.as_str();
        if let Some(size) = limits::body_size(monitor.body_size_limit, enforced)
            && cx.has(version::BODY_SIZE_LIMIT)
        {
            self.set("body_size_limit", size);
        }
        let rules = rules::of_samples(cx, monitor, self.endpoint);
        if !rules.is_empty() {
            self.set("metric_relabel_configs", Tree::List(rules));
        }
    }

    fn histograms(&mut self) {
        let (cx, monitor) = (self.cx, self.monitor);
        self.set_if(
            "scrape_native_histograms",
            version::SCRAPE_NATIVE_HISTOGRAMS,
            monitor.scrape_native_histograms,
        );
        if let Some(limit) = monitor.native_histogram_bucket_limit
            && cx.has(version::NATIVE_HISTOGRAM_BUCKET_LIMIT)
        {
            self.set("native_histogram_bucket_limit", limit);
        }
        if let Some(factor) = monitor.native_histogram_min_bucket_factor
            && cx.has(version::NATIVE_HISTOGRAM_MIN_BUCKET_FACTOR)
        {
            self.set("native_histogram_min_bucket_factor", factor.as_f64());
        }
        // The key's name follows the version itself, whether versions are looked at otherwise or not.
        let classic = monitor.scrape_classic_histograms;
        if cx.version.major() == 3 {
            if let Some(classic) = classic {
                self.set("always_scrape_classic_histograms", classic);
            }
        } else {
            self.set_if(
                "scrape_classic_histograms",
                version::SCRAPE_CLASSIC_HISTOGRAMS,
                classic,
            );
        }
        self.set_if(
            "convert_classic_histograms_to_nhcb",
            version::CONVERT_CLASSIC_HISTOGRAMS,
            monitor.convert_classic_histograms_to_nhcb,
        );
    }
}

//! Cases of the area `config`: whether a document loads; if not, at which stage and on which lines it fails; if so, every
//! field of the result, and the printed form as trees (decisions: wording is free, promtool's opinion is not compared).

use super::{Outcome, Verdict, json, name_of};
use prometheus_operator_receiver::config::{
    self, Config, Context, Error, Global, KubernetesSd, ScrapeConfig, ScrapeProtocol, SdConfig,
    Stage,
};
use prometheus_operator_receiver::http::client::{Client, HttpContext, Resolver};
use prometheus_operator_receiver::http::config as http;
use prometheus_operator_receiver::model::labels::Labels;
use prometheus_operator_receiver::model::name::ValidationScheme;
use prometheus_operator_receiver::model::relabel::{RelabelRules, Rule};
use prometheus_operator_receiver::model::{duration, size};
use prometheus_operator_receiver::rt::files::{Disk, Files};
use prometheus_operator_receiver::wire::yaml::resolve::looks_typed;
use prometheus_operator_receiver::wire::yaml::{self, Data, Node, Style};
use serde_json::{Map, Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub fn check(case: &Path) -> Vec<Outcome> {
    let text = std::fs::read(case.join("prometheus.yml")).unwrap();
    let root = Root(case.parent().unwrap().to_owned());
    let env = |name: &str| {
        let known = [
            ("REGION", "eu-1"),
            ("CLUSTER", "blue"),
            ("EMPTY", ""),
            ("WEIRD", "a$b"),
        ];
        known
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let path = format!("{}/prometheus.yml", name_of(case));
    let loaded = config::load(
        &text,
        &Context {
            path: &path,
            files: &root,
            env: &env,
        },
    );
    if let Ok(want) = std::fs::read(case.join("error.txt")) {
        let want = String::from_utf8_lossy(&want);
        let verdict = match loaded {
            Err(error) => by_rule(&error).unwrap_or_else(|| refused(Err(error), &want).into()),
            loaded => refused(loaded.map(|_| ()), &want).into(),
        };
        return vec![Outcome {
            name: name_of(case),
            verdict,
        }];
    }
    let want: Value =
        serde_json::from_slice(&std::fs::read(case.join("loaded.json")).unwrap()).unwrap();
    let verdict = match loaded {
        Err(error) => {
            by_rule(&error).unwrap_or_else(|| Verdict::Differs(format!("refused: {error}")))
        }
        Ok(loaded) => match fields_and_text(case, &loaded, want) {
            Ok(()) if loaded.jobs.iter().any(|job| has_old_tls(job)) => {
                Verdict::ByRule("TLS below 1.2")
            }
            other => other.into(),
        },
    };
    vec![Outcome {
        name: name_of(case),
        verdict,
    }]
}

/// Errors that upstream does not have, or not there.
fn by_rule(error: &Error) -> Option<Verdict> {
    let is = |text: &str| error.message.contains(text);
    if is("not valid UTF-8") {
        Some(Verdict::ByRule("text not UTF-8"))
    } else if is("found unexpected ':'") || is("behind a tag") || is("while scanning a tag") {
        Some(Verdict::ByRule("odd text in brackets"))
    } else {
        None
    }
}

fn fields_and_text(case: &Path, loaded: &Config, want: Value) -> Result<(), String> {
    json::compare(&document(case, loaded), &with_yes_or_no(want, loaded))?;
    let ours = config::print::document(loaded);
    let want = std::fs::read_to_string(case.join("loaded.yaml")).unwrap();
    let sections = |text: &str| {
        let root = yaml::parse(text.as_bytes()).unwrap().unwrap();
        let Value::Object(mut all) = tree(&root) else {
            return Value::Null;
        };
        json!({"global": all.remove("global"), "scrape_configs": all.remove("scrape_configs")})
    };
    json::compare(&sections(&ours), &sections(&want)).map_err(|what| format!("printed: {what}"))?;
    let root = Root(case.parent().unwrap().to_owned());
    loads_again(&root, loaded, &ours)
}

/// What is printed loads to the same, as a document and job by job (but for secrets, which are hidden).
pub fn loads_again(files: &dyn Files, loaded: &Config, text: &str) -> Result<(), String> {
    if !is_faithful(loaded) {
        return Ok(());
    }
    let cx = Context {
        path: "prometheus.yml",
        files,
        env: &|_| None,
    };
    let again = config::load(text.as_bytes(), &cx)
        .map_err(|error| format!("printed, it is refused: {error}\n{text}"))?;
    if config::print::document(&again) != text {
        return Err(format!("printed, it loads to something else:\n{text}"));
    }
    let mut loader = config::Loader::new();
    for job in &again.jobs {
        let fragment = config::print::job(job);
        let alone = loader.load_job(fragment.as_bytes(), &again.global, &cx);
        let alone =
            alone.map_err(|error| format!("as a fragment, it is refused: {error}\n{fragment}"))?;
        let same = ScrapeConfig {
            from_file: job.from_file,
            ..(*alone).clone()
        };
        // Proxy passwords and the like are hidden, so equality is that of the printed forms where there are secrets.
        if format!("{same:?}") != format!("{job:?}") && !fragment.contains("<secret>") {
            return Err(format!(
                "as a fragment, it loads to something else:\n{fragment}"
            ));
        }
    }
    Ok(())
}

/// Whether the printed form says everything: a `null` document has no scheme, a `$` in a label would be expanded once more,
/// empty values whose default is another are left out, and negative sizes of several units, empty label names, patterns and URLs
/// that look like null are not read as they are written, all as upstream.
fn is_faithful(config: &Config) -> bool {
    let global = &config.global;
    let dollar = global
        .external_labels
        .iter()
        .any(|(_, value)| value.contains('$'));
    let is_null = |text: &str| matches!(text, "~" | "null");
    let is_lost = |sd: &SdConfig| match sd {
        SdConfig::File(sd) => sd.refresh_interval.is_zero(),
        SdConfig::Http(sd) => sd.refresh_interval.is_zero(),
        SdConfig::Kubernetes(sd) => sd.api_server.as_deref().is_some_and(is_null),
        SdConfig::Static(groups) => groups.iter().any(|group| group.labels.get("").is_some()),
    };
    let has_null = |rule: &Rule| {
        is_null(rule.pattern()) || rule.source_labels.iter().any(|name| name.is_empty())
    };
    let is_size = |size: i64| size::parse(&size::format(size)) == Ok(size);
    let job_is_faithful = |job: &Arc<ScrapeConfig>| {
        !job.metrics_path.is_empty()
            && !job.scheme.is_empty()
            && is_size(job.limits.body_size)
            && !job.discovery.iter().any(is_lost)
            && !job.http.proxy.url.as_deref().is_some_and(is_null)
            && !job.target_rules.rules().any(has_null)
            && !job.metric_rules.rules().any(has_null)
    };
    global.validation_scheme.is_some()
        && is_size(global.limits.body_size)
        && !dollar
        && config.jobs.iter().all(job_is_faithful)
}

/// A tree of texts, in which plain words of another type have a mark.
fn tree(node: &Node<'_>) -> Value {
    match &node.resolved().data {
        Data::Scalar(text, Style::Plain) if looks_typed(text) => json!(format!("plain {text}")),
        Data::Scalar(text, _) => json!(format!(
            "{} {text}",
            node.tag.as_deref().unwrap_or_default()
        )),
        Data::Sequence(items) => items.iter().map(tree).collect(),
        Data::Mapping(pairs) => {
            let key = |key: &Node| tree(key).as_str().unwrap().trim_start().to_owned();
            pairs
                .iter()
                .map(|(k, v)| (key(k), tree(v)))
                .collect::<Map<_, _>>()
                .into()
        }
        _ => Value::Null,
    }
}

/// The folder above the case: what the load sees as its working directory.
#[derive(Debug)]
struct Root(PathBuf);

impl Files for Root {
    fn read(&self, path: &str, at_most: u64) -> io::Result<Arc<[u8]>> {
        Disk.read(&self.0.join(path).to_string_lossy(), at_most)
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<String>> {
        if pattern.is_empty() {
            return Ok(Vec::new());
        }
        let root = format!("{}/", self.0.display());
        let found = Disk.glob(&format!("{root}{pattern}"))?;
        Ok(found
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().to_owned())
            .collect())
    }
}

fn refused(ours: Result<(), Error>, want: &str) -> Result<(), String> {
    let Err(error) = ours else {
        return Err(format!("accepted, want {want}"));
    };
    let message = want
        .split_once("yaml: ")
        .filter(|(before, _)| before.ends_with(": "));
    match (message, error.stage) {
        (Some((_, message)), Stage::Decode) => {
            let lines = message.split("line ").skip(1);
            let lines: Vec<u32> = lines
                .filter_map(|text| text.split(':').next()?.parse().ok())
                .collect();
            if lines.is_empty() || lines == error.lines {
                return Ok(());
            }
            Err(format!("lines {:?} of {error}, want {want}", error.lines))
        }
        (None, Stage::Value | Stage::Validate) => Ok(()),
        _ => Err(format!("{:?}: {error}, want {want}", error.stage)),
    }
}

/// Whether a client could be built, without the wording, and with our rule.
fn with_yes_or_no(mut want: Value, loaded: &Config) -> Value {
    let jobs = want["scrape_configs"].as_array_mut().unwrap();
    for (job, loaded) in jobs.iter_mut().zip(&loaded.jobs) {
        job["client_error"] = json!(!job["client_error"].is_null() || has_old_tls(loaded));
    }
    want
}

fn has_old_tls(job: &ScrapeConfig) -> bool {
    let most = job.http.tls.max_version;
    most.is_some_and(|most| most < http::TlsVersion::Tls12)
}

fn document(case: &Path, config: &Config) -> Value {
    let around = HttpContext {
        files: Arc::new(Root(case.parent().unwrap().to_owned())),
        roots: Arc::default(),
        resolver: Resolver::default(),
        proxies: Default::default(),
        user_agent: "promop/test".into(),
    };
    let jobs = config.jobs.iter().map(|job| {
        let mut fields = scrape_config(job);
        fields["client_error"] = json!(Client::build(&job.http, &around).is_err());
        fields
    });
    json!({
        "global": global(&config.global),
        "scrape_config_files": config.scrape_config_files,
        "scrape_configs": jobs.collect::<Vec<_>>(),
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

fn protocols(list: &[ScrapeProtocol]) -> Vec<&str> {
    list.iter().map(|protocol| protocol.as_str()).collect()
}

fn labels(labels: &Labels) -> Value {
    labels
        .iter()
        .map(|(n, v)| (n.to_owned(), json!(v)))
        .collect::<Map<_, _>>()
        .into()
}

fn global(g: &Global) -> Value {
    json!({
        "scrape_interval_ms": millis(g.scrape_interval),
        "scrape_timeout_ms": millis(g.scrape_timeout),
        "evaluation_interval_ms": millis(g.evaluation_interval),
        "scrape_protocols": g.scrape_protocols.as_deref().map(protocols),
        "scrape_failure_log_file": g.scrape_failure_log_file,
        "query_log_file": g.query_log_file,
        "external_labels": labels(&g.external_labels),
        "body_size_limit": g.limits.body_size,
        "sample_limit": g.limits.samples,
        "target_limit": g.limits.targets,
        "label_limit": g.limits.labels,
        "label_name_length_limit": g.limits.label_name_length,
        "label_value_length_limit": g.limits.label_value_length,
        "keep_dropped_targets": g.keep_dropped_targets,
        "metric_name_validation_scheme": g.validation_scheme.map_or("unset", ValidationScheme::as_str),
        "metric_name_escaping_scheme": g.escaping_scheme,
        "scrape_native_histograms": g.scrape_native_histograms,
        "convert_classic_histograms_to_nhcb": g.convert_classic_histograms_to_nhcb,
        "always_scrape_classic_histograms": g.always_scrape_classic_histograms,
        "extra_scrape_metrics": g.extra_scrape_metrics,
    })
}

fn scrape_config(job: &ScrapeConfig) -> Value {
    let params: Map<_, _> = job
        .params
        .iter()
        .map(|(k, v)| (k.to_string(), json!(v)))
        .collect();
    let media_type = match job.fallback_protocol {
        None => "",
        Some(ScrapeProtocol::PrometheusProto) => "application/vnd.google.protobuf",
        Some(ScrapeProtocol::PrometheusText0_0_4 | ScrapeProtocol::PrometheusText1_0_0) => {
            "text/plain"
        }
        Some(_) => "application/openmetrics-text",
    };
    json!({
        "job_name": job.job_name,
        "honor_labels": job.honor_labels,
        "honor_timestamps": job.honor_timestamps,
        "track_timestamps_staleness": job.track_timestamps_staleness,
        "params": params,
        "scrape_interval_ms": millis(job.interval),
        "scrape_timeout_ms": millis(job.timeout),
        "scrape_interval_label": duration::format(job.interval),
        "scrape_timeout_label": duration::format(job.timeout),
        "scrape_protocols": protocols(&job.protocols),
        "fallback_scrape_protocol": job.fallback_protocol.map_or("", ScrapeProtocol::as_str),
        "fallback_media_type": media_type,
        "scrape_native_histograms": job.native_histograms,
        "always_scrape_classic_histograms": job.classic_histograms,
        "convert_classic_histograms_to_nhcb": job.convert_to_nhcb,
        "extra_scrape_metrics": job.extra_scrape_metrics,
        "scrape_failure_log_file": job.failure_log_file,
        "metrics_path": job.metrics_path,
        "scheme": job.scheme,
        "enable_compression": job.enable_compression,
        "body_size_limit": job.limits.body_size,
        "sample_limit": job.limits.samples,
        "target_limit": job.limits.targets,
        "label_limit": job.limits.labels,
        "label_name_length_limit": job.limits.label_name_length,
        "label_value_length_limit": job.limits.label_value_length,
        "native_histogram_bucket_limit": job.bucket_limit,
        "native_histogram_min_bucket_factor": go_float(job.min_bucket_factor),
        "keep_dropped_targets": job.keep_dropped_targets,
        "metric_name_validation_scheme": job.validation_scheme.as_str(),
        "metric_name_escaping_scheme": job.escaping_scheme.as_str(),
        "http_client": client(&job.http),
        "relabel_configs": rules(&job.target_rules),
        "metric_relabel_configs": rules(&job.metric_rules),
        "service_discovery": job.discovery.iter().map(discovery).collect::<Vec<_>>(),
        "from_file": job.from_file,
    })
}

/// Go's shortest form with `'g'`.
fn go_float(float: f64) -> String {
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let exponent = if float == 0.0 {
        0
    } else {
        float.abs().log10().floor() as i32
    };
    if !(-4..6).contains(&exponent) {
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        return format!(
            "{mantissa}e{}{:02}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        );
    }
    float.to_string()
}

fn rules(rules: &RelabelRules) -> Vec<Value> {
    let rule = |rule: &Rule| {
        json!({
            "source_labels": rule.source_labels,
            "separator": rule.separator,
            "regex": rule.pattern(),
            "modulus": rule.modulus,
            "target_label": rule.target_label,
            "replacement": rule.replacement,
            "action": rule.action.as_str(),
            "scheme": rule.scheme.as_str(),
        })
    };
    rules.rules().map(rule).collect()
}

fn discovery(sd: &SdConfig) -> Value {
    match sd {
        SdConfig::File(sd) => {
            json!({"mechanism": "file", "files": sd.files, "refresh_interval_ms": millis(sd.refresh_interval)})
        }
        SdConfig::Http(sd) => json!({
            "mechanism": "http",
            "url": sd.url,
            "refresh_interval_ms": millis(sd.refresh_interval),
            "http_client": client(&sd.http),
        }),
        SdConfig::Kubernetes(sd) => kubernetes(sd),
        SdConfig::Static(groups) => {
            let groups = groups.iter().map(|group| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let targets = group
                    .targets
                    .iter()
                    .map(|target| text(target.get("__address__").unwrap()));
                let labels = group
                    .labels
                    .iter()
                    .map(|(n, v)| (n.to_string(), json!(text(v))));
                json!({
                    "source": group.source,
                    "targets": targets.collect::<Vec<_>>(),
                    "labels": labels.collect::<Map<_, _>>(),
                })
            });
            json!({"mechanism": "static", "groups": groups.collect::<Vec<_>>()})
        }
    }
}

fn kubernetes(sd: &KubernetesSd) -> Value {
    let selector =
        |s: &config::Selector| json!({"role": s.role.as_str(), "label": s.label, "field": s.field});
    json!({
        "mechanism": "kubernetes",
        "api_server": sd.api_server,
        "role": sd.role.as_str(),
        "kubeconfig_file": sd.kubeconfig_file,
        "http_client": client(&sd.http),
        "own_namespace": sd.own_namespace,
        "namespaces": sd.namespaces,
        "selectors": sd.selectors.iter().map(selector).collect::<Vec<_>>(),
        "attach_metadata": {
            "node": sd.attach.node,
            "namespace": sd.attach.namespace,
            "deployment": sd.attach.deployment,
            "job": sd.attach.job,
            "cronjob": sd.attach.cronjob,
        },
    })
}

fn client(c: &http::Config) -> Value {
    let basic = c.basic_auth.as_ref().map(|b| {
        json!({
            "username": b.username, "username_file": b.username_file, "username_ref": b.username_ref,
            "password": b.password.expose(), "password_file": b.password_file, "password_ref": b.password_ref,
        })
    });
    let authorization = c.authorization.as_ref().map(|a| {
        json!({
            "type": a.kind, "credentials": a.credentials.expose(),
            "credentials_file": a.credentials_file, "credentials_ref": a.credentials_ref,
        })
    });
    let headers = c.headers.as_ref().map(|headers| {
        let header = |h: &http::Header| json!({"values": h.values, "secrets": secrets(&h.secrets), "files": h.files});
        headers.iter().map(|(name, h)| (name.to_string(), header(h))).collect::<Map<_, _>>()
    });
    json!({
        "basic_auth": basic,
        "authorization": authorization,
        "oauth2": c.oauth2.as_ref().map(oauth2),
        "bearer_token": "",
        "bearer_token_file": "",
        "tls_config": tls(&c.tls),
        "follow_redirects": c.follow_redirects,
        "enable_http2": c.enable_http2,
        "proxy": proxy(&c.proxy),
        "http_headers": headers,
    })
}

fn secrets(secrets: &[http::Secret]) -> Vec<&str> {
    secrets.iter().map(http::Secret::expose).collect()
}

fn oauth2(o: &http::OAuth2) -> Value {
    let claims = o
        .claims
        .iter()
        .map(|(k, v)| (k.to_string(), serde_json::from_str(v).unwrap()));
    json!({
        "client_id": o.client_id, "client_secret": o.client_secret.expose(),
        "client_secret_file": o.client_secret_file, "client_secret_ref": o.client_secret_ref,
        "client_certificate_key_id": o.client_certificate_key_id,
        "client_certificate_key": o.client_certificate_key.expose(),
        "client_certificate_key_file": o.client_certificate_key_file,
        "client_certificate_key_ref": o.client_certificate_key_ref,
        "grant_type": o.grant_type, "signature_algorithm": o.signature_algorithm,
        "iss": o.iss, "audience": o.audience, "claims": claims.collect::<Map<String, Value>>(),
        "scopes": o.scopes, "token_url": o.token_url, "endpoint_params": o.endpoint_params,
        "tls_config": tls(&o.tls), "proxy": proxy(&o.proxy),
    })
}

fn tls(t: &http::Tls) -> Value {
    let version =
        |version: Option<http::TlsVersion>| version.map(|v| format!("{v:?}").to_uppercase());
    json!({
        "ca": t.ca, "cert": t.cert, "key": t.key.expose(),
        "ca_file": t.ca_file, "cert_file": t.cert_file, "key_file": t.key_file,
        "ca_ref": t.ca_ref, "cert_ref": t.cert_ref, "key_ref": t.key_ref,
        "server_name": t.server_name, "insecure_skip_verify": t.insecure_skip_verify,
        "min_version": version(t.min_version), "max_version": version(t.max_version),
    })
}

fn proxy(p: &http::Proxy) -> Value {
    let headers = p
        .connect_header
        .iter()
        .map(|(name, values)| (name.to_string(), json!(secrets(values))));
    json!({
        "proxy_url": p.url,
        "no_proxy": p.no_proxy,
        "proxy_from_environment": p.from_environment,
        "proxy_connect_header": headers.collect::<Map<_, _>>(),
    })
}

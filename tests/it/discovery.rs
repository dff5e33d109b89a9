//! The discovery thread over a folder that plays the cluster, files and an HTTP server.

use crate::fake::http::{Reply, Server};
use prometheus_operator_receiver::config::{
    AttachMetadata, FileSd, HttpSd, KubernetesSd, Limits, Role, ScrapeConfig, SdConfig,
};
use prometheus_operator_receiver::discovery::{DiscoveryContext, JobDiscovery, Manager};
use prometheus_operator_receiver::http::client;
use prometheus_operator_receiver::kube::{Informers, Scope, Source, Tuning};
use prometheus_operator_receiver::model::group::{RawLabels, TargetGroup};
use prometheus_operator_receiver::model::name::{EscapingScheme, ValidationScheme};
use prometheus_operator_receiver::model::relabel::RelabelRules;
use prometheus_operator_receiver::rt::clock::SystemClock;
use prometheus_operator_receiver::rt::files::Disk;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn job(name: &str, discovery: Vec<SdConfig>) -> Arc<ScrapeConfig> {
    Arc::new(ScrapeConfig {
        job_name: name.into(),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        params: Default::default(),
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        protocols: Vec::new(),
        fallback_protocol: None,
        native_histograms: false,
        classic_histograms: false,
        convert_to_nhcb: false,
        extra_scrape_metrics: false,
        failure_log_file: "".into(),
        metrics_path: "/metrics".into(),
        scheme: "http".into(),
        enable_compression: true,
        limits: Limits::default(),
        bucket_limit: 0,
        min_bucket_factor: 0.0,
        keep_dropped_targets: 0,
        validation_scheme: ValidationScheme::Utf8,
        escaping_scheme: EscapingScheme::AllowUtf8,
        target_rules: RelabelRules::default(),
        metric_rules: RelabelRules::default(),
        http: Arc::default(),
        discovery,
        from_file: false,
    })
}

fn pods_of(namespaces: &[&str]) -> SdConfig {
    SdConfig::Kubernetes(Arc::new(KubernetesSd {
        api_server: None,
        role: Role::Pod,
        kubeconfig_file: "".into(),
        own_namespace: false,
        namespaces: namespaces.iter().map(|name| (*name).into()).collect(),
        selectors: Vec::new(),
        attach: AttachMetadata::default(),
        http: Arc::default(),
    }))
}

fn manager(folder: Option<(&Path, Scope)>) -> (Manager, Option<Informers>) {
    let informers = folder.map(|(path, scope)| {
        let source = Source::Folder(path.to_owned());
        Informers::start(source, scope, Tuning::default(), SystemClock::shared()).unwrap()
    });
    let manager = Manager::start(DiscoveryContext {
        informers: informers.clone(),
        http: client::HttpContext {
            files: Arc::new(Disk),
            roots: Arc::default(),
            resolver: client::Resolver::default(),
            proxies: Default::default(),
            user_agent: "promop/test".into(),
        },
        tuning: Tuning::default(),
        clock: SystemClock::shared(),
    });
    (manager.unwrap(), informers)
}

#[track_caller]
fn until(manager: &Manager, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline);
        manager
            .changed()
            .recv_timeout(Duration::from_millis(100))
            .ok();
    }
}

fn shown(job: &JobDiscovery) -> Vec<String> {
    let groups = job.groups();
    let addresses = groups.iter().flat_map(|group| {
        group.targets.iter().map(|target| {
            let address = target.get("__address__").unwrap_or_default();
            format!("{} {}", group.source, String::from_utf8_lossy(address))
        })
    });
    addresses.collect()
}

fn write_pod(folder: &Path, namespace: &str, ip: &str) {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: {namespace}}}\n\
         spec: {{containers: [{{name: c, ports: [{{containerPort: 80}}]}}]}}\nstatus: {{podIP: {ip}}}\n"
    );
    std::fs::write(folder.join(format!("{namespace}.yaml")), text).unwrap();
}

#[test]
fn changes_reach_the_jobs_they_concern_and_handles_outlive_swaps() {
    let dir = tempfile::tempdir().unwrap();
    write_pod(dir.path(), "shop", "10.0.0.1");
    write_pod(dir.path(), "bank", "10.0.0.2");
    let all = Scope::All { deny: Vec::new() };
    let (manager, informers) = manager(Some((dir.path(), all)));
    let static_group = TargetGroup {
        source: "0".into(),
        labels: RawLabels::default(),
        targets: vec![RawLabels::new([("__address__".into(), b"x:1"[..].into())])],
    };
    let shop_config = job(
        "shop",
        vec![
            pods_of(&["shop"]),
            SdConfig::Static(vec![Arc::new(static_group)]),
        ],
    );
    let shop = manager.subscribe(&shop_config);
    let bank = manager.subscribe(&job("bank", vec![pods_of(&["bank"])]));
    until(&manager, || shop.synced().is_ok() && bank.synced().is_ok());
    until(&manager, || {
        shown(&shop) == ["pod/shop/p 10.0.0.1:80", "0 x:1"]
    });
    assert_eq!(shown(&bank), ["pod/bank/p 10.0.0.2:80"]);
    manager.take_changed();

    let (kept, version) = (bank.groups(), bank.version());
    write_pod(dir.path(), "shop", "10.0.0.9");
    informers.unwrap().refresh();
    until(&manager, || shown(&shop)[0] == "pod/shop/p 10.0.0.9:80");
    assert!(Arc::ptr_eq(&kept[0], &bank.groups()[0]));
    assert_eq!(bank.version(), version);
    let changed = manager.take_changed();
    let names: Vec<_> = changed
        .iter()
        .map(|job| job.job_name().to_string())
        .collect();
    assert!(names.iter().all(|name| name == "shop"), "{names:?}");

    let again = manager.subscribe(&Arc::new((*shop_config).clone()));
    assert!(Arc::ptr_eq(&shop, &again));
    drop((shop, again, changed));
    let anew = manager.subscribe(&shop_config);
    until(&manager, || shown(&anew).len() == 2);
}

#[test]
fn a_namespace_out_of_scope_is_said_and_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    write_pod(dir.path(), "shop", "10.0.0.1");
    let scope = Scope::Namespaces(vec!["shop".to_owned()]);
    let (manager, _informers) = manager(Some((dir.path(), scope)));
    let both = manager.subscribe(&job("both", vec![pods_of(&["bank", "shop"])]));
    let all = manager.subscribe(&job("all", vec![pods_of(&[])]));
    until(&manager, || both.synced().is_ok() && all.synced().is_ok());
    assert_eq!(shown(&both), ["pod/shop/p 10.0.0.1:80"]);
    let problems = both.problems();
    assert!(
        problems[0].contains("namespace bank is not read"),
        "{problems:?}"
    );
    assert_eq!(shown(&all), ["pod/shop/p 10.0.0.1:80"]);
}

#[test]
fn without_a_cluster_kubernetes_is_a_clear_error_of_the_job() {
    let (manager, _) = manager(None);
    let pods = manager.subscribe(&job("pods", vec![pods_of(&[])]));
    until(&manager, || {
        pods.synced()
            .is_err_and(|missing| missing[0].contains("--no-kubernetes"))
    });
}

#[test]
fn files_are_read_again_and_a_broken_one_keeps_its_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    std::fs::write(&path, "- targets: [a:1, b:1]\n").unwrap();
    let sd = FileSd {
        files: vec![format!("{}/*.yaml", dir.path().display()).into()],
        refresh_interval: Duration::from_secs(300),
    };
    let (manager, _) = manager(None);
    let files = manager.subscribe(&job("files", vec![SdConfig::File(sd)]));
    let source = format!("{}:0", path.display());
    until(&manager, || {
        shown(&files) == [format!("{source} a:1"), format!("{source} b:1")]
    });
    std::fs::write(&path, "- targets: [").unwrap();
    std::fs::write(dir.path().join("b.yaml"), "[{targets: [c:1]}]").unwrap();
    until(&manager, || shown(&files).len() == 3);
    std::fs::remove_file(&path).unwrap();
    until(&manager, || shown(&files).len() == 1);
}

#[test]
fn an_http_server_is_asked_again_and_a_failing_one_keeps_its_groups() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |_| {
        let body = match count.fetch_add(1, Ordering::SeqCst) {
            0 => r#"[{"targets":["a:1"],"labels":{"x":"y"}},{"targets":["b:1"]}]"#,
            1 => return Reply::Close,
            _ => r#"[{"targets":["a:2"]}]"#,
        };
        Reply::Bytes(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes(),
        )
    });
    let sd = HttpSd {
        url: server.url("/sd").into(),
        refresh_interval: Duration::from_millis(200),
        http: Arc::default(),
    };
    let (manager, _) = manager(None);
    let http = manager.subscribe(&job("http", vec![SdConfig::Http(sd)]));
    let mut seen = Vec::new();
    until(&manager, || {
        seen.push(shown(&http).len());
        seen.last() == Some(&1)
    });
    seen.dedup();
    assert!(
        matches!(seen.as_slice(), [0, 2, 1] | [2, 1] | [0, 1]),
        "{seen:?}"
    );
    assert!(http.synced().is_ok());
    assert_eq!(
        http.groups()[0].labels.get("__meta_url"),
        Some(server.url("/sd").as_bytes())
    );
}

use super::*;
use crate::kube::Tuning;
use crate::monitoring::Definitions;
use crate::receiver::cluster;
use crate::receiver::monitors::Scope;
use crate::receiver::settings::{Settings, Source};
use crate::rt::clock::SystemClock;
use crossbeam_channel::{Receiver, bounded};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use tempfile::TempDir;

/// A preparer whose API server is a folder.
struct Rig {
    folder: TempDir,
    informers: Informers,
    changes: Receiver<()>,
    preparer: Preparer,
}

impl Rig {
    fn new(inherit: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock::shared();
        let environment = Environment::default();
        let surroundings = cluster::surroundings(&environment);
        let settings = Settings {
            source: Source::Folder(folder.path().to_owned()),
            ..Settings::default()
        };
        let source = cluster::source(&settings.source, &environment, &surroundings.roots, &clock);
        let (source, own) = source.unwrap().unwrap();
        let resolved = settings.resolve(&environment, &own).unwrap();
        let resolved = resolved.for_run(&environment).unwrap();
        let informers = cluster::informers(source, resolved.scope(), &clock).unwrap();
        let discovery = Manager::start(crate::discovery::DiscoveryContext {
            informers: Some(informers.clone()),
            http: surroundings.clone(),
            tuning: Tuning::default(),
            clock: Arc::clone(&clock),
        });
        let (changed, changes) = bounded(1);
        let definitions = Some(Definitions::vendored());
        let monitors =
            Monitors::subscribe(&informers, Scope::default(), definitions, &changed).unwrap();
        let preparer = Preparer {
            resolved: Arc::new(resolved),
            next_settings: Arc::default(),
            environment,
            clock,
            watched: Some((informers.clone(), monitors)),
            inherited: inherit.map(|from| {
                Inherited::watch(&from.parse().unwrap(), &informers, &changed).unwrap()
            }),
            discovery: Arc::new(discovery.unwrap()),
            surroundings,
            options: scrape::job::Options::default(),
            counters: Arc::default(),
            memory: Memory::default(),
        };
        Self {
            folder,
            informers,
            changes,
            preparer,
        }
    }

    /// Writes a monitor with an endpoint for each port.
    fn write(&self, kind: &str, name: &str, ports: &[&str]) {
        let ports = ports.iter().map(|port| format!("port: '{port}'"));
        let ports: Vec<_> = ports.collect();
        self.write_endpoints(kind, name, &ports);
    }

    /// Writes a monitor with these endpoints.
    fn write_endpoints(&self, kind: &str, name: &str, endpoints: &[impl Display]) {
        let list = match kind {
            "PodMonitor" => "podMetricsEndpoints",
            _ => "endpoints",
        };
        let mut text = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec:\n  selector: {{}}\n  {list}:\n"
        );
        for endpoint in endpoints {
            writeln!(text, "  - {{{endpoint}}}").unwrap();
        }
        self.write_file(&format!("{kind}-{name}"), &text);
    }

    fn write_file(&self, name: &str, text: &str) {
        let path = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(path, text).unwrap();
    }

    /// Builds everything anew with other folders for monitors' files.
    fn with_monitor_files(&mut self, folders: &[&str]) -> Loaded {
        let mut next = Resolved::clone(&self.preparer.resolved);
        next.given.monitor_files = folders.iter().map(|&folder| folder.into()).collect();
        self.preparer.take_over(next);
        self.preparer.prepare().unwrap().loaded
    }

    /// Prepares until what the folder holds is there.
    fn prepare_until(&mut self, what: impl Fn(&Loaded) -> bool) -> Loaded {
        loop {
            self.informers.refresh();
            let told = self.changes.recv_timeout(Duration::from_secs(60));
            told.expect("nothing changes");
            if let Ok(prepared) = self.preparer.prepare()
                && what(&prepared.loaded)
            {
                return prepared.loaded;
            }
        }
    }
}

/// What is in the second configuration that was not in the first: texts of monitors, jobs by name.
fn fresh(before: &Loaded, now: &Loaded) -> (usize, Vec<String>) {
    let known = |new: &&Built| {
        let mut old = before.monitors.iter();
        old.any(|old| Arc::ptr_eq(&old.fragments, &new.fragments))
    };
    let texts = now.monitors.iter().filter(|built| !known(built)).count();
    let known = |new: &&Arc<Job>| before.jobs.iter().any(|old| Arc::ptr_eq(old, new));
    let jobs = now.jobs.iter().filter(|job| !known(job));
    (texts, jobs.map(|job| job.name.to_string()).collect())
}

fn names(loaded: &Loaded) -> Vec<String> {
    loaded.jobs.iter().map(|job| job.name.to_string()).collect()
}

#[test]
fn one_change_costs_one_job() {
    let mut rig = Rig::new(None);
    for n in 0..8 {
        rig.write("ServiceMonitor", &format!("s{n}"), &["a", "b"]);
        rig.write("PodMonitor", &format!("p{n}"), &["a"]);
    }
    // Prometheus refuses these two jobs: what surrounds them is found again all the same.
    rig.write("ServiceMonitor", "s0-bad", &["("]);
    rig.write("PodMonitor", "p9-bad", &["("]);
    // The folder may be read before all is written.
    let first = rig.prepare_until(|loaded| loaded.jobs.len() == 24 && loaded.rejected.len() == 2);

    // An endpoint changes: its monitor is written anew, its neighbour in it and all others stay.
    rig.write("ServiceMonitor", "s4", &["a", "c"]);
    let port = |job: &Job, port: &str| {
        let rules = format!("{:?}", job.scrape.config.target_rules);
        rules.contains(&format!("\"{port}\""))
    };
    let second = rig.prepare_until(|loaded| loaded.jobs.iter().any(|job| port(job, "c")));
    assert_eq!(names(&second), names(&first));
    let changed = vec!["serviceMonitor/shop/s4/1".to_owned()];
    assert_eq!(fresh(&first, &second), (1, changed));
    assert!(
        second
            .jobs
            .iter()
            .zip(first.jobs.iter())
            .all(|(a, b)| Arc::ptr_eq(&a.discovery, &b.discovery))
    );

    // One comes, one goes, two change at once.
    rig.write("ServiceMonitor", "s2-new", &["a"]);
    std::fs::remove_file(rig.folder.path().join("ServiceMonitor-s6.yaml")).unwrap();
    rig.write("ServiceMonitor", "s0", &["d", "b"]);
    rig.write("PodMonitor", "p7", &["e"]);
    let third = rig.prepare_until(|loaded| {
        let has = |what| loaded.jobs.iter().any(|job| port(job, what));
        loaded.jobs.len() == 23 && has("d") && has("e")
    });
    // An agent's PodMonitors come first.
    let changed = [
        "podMonitor/shop/p7/0",
        "serviceMonitor/shop/s0/0",
        "serviceMonitor/shop/s2-new/0",
    ];
    assert_eq!(
        fresh(&second, &third),
        (3, changed.map(str::to_owned).to_vec())
    );
    let mut want = names(&second);
    want.retain(|name| !name.contains("/s6/"));
    let at = want.iter().position(|name| name.contains("/s3/")).unwrap();
    want.insert(at, "serviceMonitor/shop/s2-new/0".to_owned());
    assert_eq!(names(&third), want);

    // One turns bad: its last good jobs run on, the same as before.
    rig.write("ServiceMonitor", "s3", &["a", "("]);
    let fourth = rig.prepare_until(|loaded| loaded.rejected.len() == 3);
    assert_eq!(fresh(&third, &fourth), (1, Vec::new()));
    assert_eq!(fourth.jobs.len(), 23);
    // And is good again.
    rig.write("ServiceMonitor", "s3", &["a", "b"]);
    let fifth = rig.prepare_until(|loaded| loaded.rejected.len() == 2);
    let changed = [0, 1].map(|n| format!("serviceMonitor/shop/s3/{n}"));
    assert_eq!(fresh(&third, &fifth), (1, changed.to_vec()));
    assert_eq!(names(&fifth), names(&third));
}

#[test]
fn a_job_keeps_only_its_own_files() {
    let mut rig = Rig::new(None);
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let write = |rig: &Rig, n: usize, port: usize| {
        let endpoint =
            format!("port: p{port}, tlsConfig: {{ca: {{secret: {{name: ca{n}, key: ca}}}}}}");
        rig.write_endpoints("ServiceMonitor", &format!("s{n}"), &[endpoint]);
    };
    for n in 0..10 {
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: ca{n}, namespace: shop}}\nstringData: {{ca: {:?}}}\n",
            made.cert.pem()
        );
        rig.write_file(&format!("ca{n}"), &secret);
    }
    (0..10).for_each(|n| write(&rig, n, 0));
    let holders = |loaded: &Loaded| {
        let jobs = loaded
            .monitors
            .iter()
            .flat_map(|built| built.fragments.iter());
        let holders = jobs.map(|job| match &*job.files {
            [(path, content)] => (path.to_string(), Arc::strong_count(content)),
            files => panic!("{files:?}"),
        });
        holders.collect::<Vec<_>>()
    };
    let before = holders(&rig.prepare_until(|loaded| loaded.jobs.len() == 10));
    assert_eq!(before.len(), 10);
    let mut after = Vec::new();
    for edit in 1..=100 {
        write(&rig, edit % 10, edit);
        let port = format!("regex: p{edit}\n");
        after = holders(&rig.prepare_until(|loaded| {
            let mut jobs = loaded
                .monitors
                .iter()
                .flat_map(|built| built.fragments.iter());
            jobs.any(|job| job.yaml.contains(&port))
        }));
    }
    assert_eq!(after, before);
}

#[test]
fn a_monitor_that_wants_too_much_is_rejected_alone() {
    let mut rig = Rig::new(None);
    Arc::make_mut(&mut rig.preparer.resolved)
        .given
        .max_monitor_bytes = 8000;
    rig.write("ServiceMonitor", "good", &["a", "b"]);
    rig.write("ServiceMonitor", "large", &["a"; 50]);
    rig.write_endpoints("ServiceMonitor", "often", &["port: a, interval: 99ms"]);
    let loaded = rig.prepare_until(|loaded| loaded.jobs.len() == 2 && loaded.rejected.len() == 2);
    assert_eq!(
        names(&loaded),
        ["serviceMonitor/shop/good/0", "serviceMonitor/shop/good/1"]
    );
    let reasons: Vec<_> = loaded
        .rejected
        .iter()
        .map(|rejected| rejected.rejection.to_string())
        .collect();
    let starts = |start: &str| reasons.iter().any(|reason| reason.starts_with(start));
    let large = "ServiceMonitor shop/large: the configuration of endpoints 0 to ";
    let often = "ServiceMonitor shop/often: endpoint 0: scrape interval 99ms is shorter than the 100ms of --min-scrape-interval";
    assert!(starts(large) && starts(often), "{reasons:?}");
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains(" of 50 takes "))
    );
}

#[test]
fn unusable_settings_cost_nothing_of_the_good_ones() {
    let mut rig = Rig::new(Some("prometheus/m/k8s"));
    let settings = |rig: &Rig, more: &str| {
        let text = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {{name: k8s, namespace: m}}\n\
             spec: {{serviceMonitorSelector: {{}}, serviceMonitorNamespaceSelector: {{}}{more}}}\n"
        );
        std::fs::write(rig.folder.path().join("k8s.yaml"), text).unwrap();
    };
    settings(&rig, "");
    rig.write("ServiceMonitor", "a", &["a"]);
    let good = rig.prepare_until(|loaded| loaded.jobs.len() == 1);
    settings(&rig, ", additionalScrapeConfigs: {name: none, key: jobs}");
    let bad = rig.prepare_until(|loaded| loaded.settings_trouble.is_some());
    assert_eq!(fresh(&good, &bad), (0, Vec::new()));
}

/// Reasons of rejections by the name of the monitor.
fn rejections(loaded: &Loaded) -> BTreeMap<&str, &str> {
    let rejected = loaded.rejected.iter().map(|rejected| &rejected.rejection);
    rejected
        .map(|it| (&*it.monitor.name, &*it.reason))
        .collect()
}

#[test]
fn monitors_name_files_only_in_the_folders_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo").display().to_string();
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let mut rig = Rig::new(None);
    let (inside, outside) = (
        "bearerTokenFile: /etc/prometheus/certs/token",
        "the file /opt/a lies outside of the folders in which monitors may name files",
    );
    let cases = [
        (
            "account",
            "bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token",
            "",
        ),
        ("secret", "bearerTokenFile: /etc/prometheus/secrets/a/b", ""),
        (
            "map",
            "bearerTokenFile: /etc/prometheus/configmaps//a/./b",
            "",
        ),
        (
            "environ",
            "bearerTokenFile: /proc/self/environ",
            "bearerTokenFile: the file /proc/self/environ lies",
        ),
        (
            "relative",
            "bearerTokenFile: token",
            "bearerTokenFile: the file token lies",
        ),
        (
            "above",
            "bearerTokenFile: /etc/prometheus/secrets/../../shadow",
            "the file /etc/prometheus/secrets/../../shadow lies",
        ),
        (
            "beside",
            "bearerTokenFile: /etc/prometheus/secretsx/a",
            "the file /etc/prometheus/secretsx/a lies",
        ),
        (
            "ca",
            "tlsConfig: {caFile: /opt/a}",
            "endpoint 1: tlsConfig.caFile: ",
        ),
        (
            "cert",
            "tlsConfig: {certFile: /opt/a, keyFile: /etc/prometheus/certs/k}",
            "tlsConfig.certFile: ",
        ),
        (
            "key",
            "tlsConfig: {certFile: /etc/prometheus/certs/c, keyFile: /opt/a}",
            outside,
        ),
        (
            "zero",
            "tlsConfig: {caFile: /dev/zero}",
            "--monitor-files any",
        ),
        (
            "fifo",
            &format!("tlsConfig: {{caFile: {fifo}}}"),
            "--monitor-files FOLDER",
        ),
    ];
    for (name, endpoint, _) in &cases {
        rig.write_endpoints("ServiceMonitor", name, &[inside, endpoint]);
    }
    let loaded = rig.prepare_until(|loaded| loaded.monitors.len() == cases.len());
    let reasons = rejections(&loaded);
    for (name, endpoint, want) in &cases {
        let reason = reasons.get(name).copied().unwrap_or_default();
        assert!(
            reason.contains(want) && want.is_empty() == reason.is_empty(),
            "{endpoint}: {reason}"
        );
    }

    // With further folders, and with all.
    let loaded = rig.with_monitor_files(&["/opt", "/proc/self"]);
    let reasons = rejections(&loaded);
    assert!(
        !reasons.contains_key("environ") && reasons.contains_key("zero"),
        "{reasons:?}"
    );
    let ca = reasons.get("ca").unwrap();
    assert!(
        ca.contains("/opt/a") && !ca.contains("lies outside"),
        "{ca}"
    );
    let loaded = rig.with_monitor_files(&["any"]);
    let reasons = rejections(&loaded);
    assert!(
        !reasons.contains_key("relative") && !reasons.contains_key("above"),
        "{reasons:?}"
    );
    for (name, want) in [("zero", "is a device, "), ("fifo", "is a FIFO, ")] {
        let reason = reasons.get(name).unwrap();
        assert!(
            reason.contains(want) && reason.contains("a regular file is expected"),
            "{reason}"
        );
    }
    // What was allowed for a while is not any longer.
    let loaded = rig.with_monitor_files(&[]);
    assert!(rejections(&loaded).contains_key("environ"));
}

#[test]
fn scrape_classes_name_files_everywhere() {
    let mut rig = Rig::new(Some("prometheus/m/k8s"));
    rig.write_file(
        "k8s",
        "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: k8s, namespace: m}\n\
         spec: {serviceMonitorSelector: {}, serviceMonitorNamespaceSelector: {}, \
         scrapeClasses: [{name: c, default: true, authorization: {credentialsFile: /opt/token}}]}\n",
    );
    rig.write("ServiceMonitor", "class", &["a"]);
    rig.write_endpoints(
        "ServiceMonitor",
        "own",
        &["tlsConfig: {caFile: /opt/token}"],
    );
    let loaded = rig.prepare_until(|loaded| loaded.monitors.len() == 2);
    let reasons = rejections(&loaded);
    assert_eq!(names(&loaded), ["serviceMonitor/shop/class/0"]);
    assert!(reasons["own"].contains("tlsConfig.caFile: "), "{reasons:?}");
}

#[test]
fn line_breaks_at_the_end_of_secrets_are_cut() {
    let mut rig = Rig::new(None);
    let secret = |token: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: shop}}\n\
             stringData: {{token: {token:?}, user: \"u\\n\", windows: \"p w\\r\\n\", blank: \"b \", lines: \"a\\nb\\n\", \
             breaks: \"\\n\", zero: \"a\\0b\"}}\n"
        )
    };
    rig.write_file("s", &secret("t\n"));
    let good = [
        "bearerTokenSecret: {name: s, key: token}",
        "authorization: {type: Token, credentials: {name: s, key: token}}",
        "basicAuth: {username: {name: s, key: user}, password: {name: s, key: windows}}",
        "basicAuth: {username: {name: s, key: blank}, password: {name: s, key: lines}}",
        "oauth2: {clientId: {secret: {name: s, key: user}}, clientSecret: {name: s, key: token}, tokenUrl: 'http://h/t'}",
        "proxyUrl: 'http://h', proxyConnectHeader: {X: [{name: s, key: blank}, {name: s, key: token}]}",
        "bearerTokenSecret: {name: s, key: blank}",
    ];
    rig.write_endpoints("ServiceMonitor", "good", &good);
    rig.write_endpoints("PodMonitor", "good", &good[..1]);
    let bad = [
        (
            "bearer",
            "bearerTokenSecret: {name: s, key: lines}",
            "bearerTokenSecret: secret shop/s key \"lines\" holds the byte 0x0a",
        ),
        (
            "kind",
            "authorization: {credentials: {name: s, key: zero}}",
            "authorization.credentials: secret shop/s key \"zero\" holds the byte 0x00",
        ),
        (
            "empty",
            "basicAuth: {username: {name: s, key: user}, password: {name: s, key: breaks}}",
            "basicAuth.password: secret shop/s key \"breaks\" holds nothing but line breaks",
        ),
        (
            "proxy",
            "proxyUrl: 'http://h', proxyConnectHeader: {X: [{name: s, key: lines}]}",
            "proxyConnectHeader: secret shop/s key \"lines\"",
        ),
    ];
    for (name, endpoint, _) in bad {
        rig.write_endpoints("ServiceMonitor", name, &[endpoint]);
    }
    let loaded = rig.prepare_until(|loaded| loaded.monitors.len() == 6 && loaded.jobs.len() == 8);
    let http = |name: &str| {
        let mut jobs = loaded.jobs.iter();
        let job = jobs.find(|job| *job.name == *name).unwrap();
        crate::http::config::Config::clone(&job.scrape.config.http)
    };
    let credentials = |name| http(name).authorization.unwrap().credentials;
    let basic = |name| {
        let basic = http(name).basic_auth.unwrap();
        (
            basic.username.to_string(),
            basic.password.expose().to_owned(),
        )
    };
    assert_eq!(credentials("podMonitor/shop/good/0").expose(), "t");
    assert_eq!(credentials("serviceMonitor/shop/good/0").expose(), "t");
    assert_eq!(credentials("serviceMonitor/shop/good/1").expose(), "t");
    assert_eq!(credentials("serviceMonitor/shop/good/6").expose(), "b ");
    assert_eq!(
        basic("serviceMonitor/shop/good/2"),
        ("u".into(), "p w".into())
    );
    assert_eq!(
        basic("serviceMonitor/shop/good/3"),
        ("b ".into(), "a\nb".into())
    );
    let oauth2 = http("serviceMonitor/shop/good/4").oauth2.unwrap();
    assert_eq!(
        (&*oauth2.client_id, oauth2.client_secret.expose()),
        ("u", "t")
    );
    let headers = http("serviceMonitor/shop/good/5").proxy.connect_header;
    assert_eq!(
        headers["X"].iter().map(|v| v.expose()).collect::<Vec<_>>(),
        ["b ", "t"]
    );
    let reasons = rejections(&loaded);
    for (name, _, want) in bad {
        assert!(reasons[name].contains(want), "{}", reasons[name]);
        assert!(
            reasons[name].starts_with("endpoint 0: "),
            "{}",
            reasons[name]
        );
    }

    // Once per change, whoever uses it.
    let cut = rig.preparer.memory.cut.clone();
    let fields: Vec<_> = cut.keys().map(ToString::to_string).collect();
    assert_eq!(
        fields
            .iter()
            .filter(|f| f.starts_with("bearerTokenSecret: "))
            .count(),
        1,
        "{fields:?}"
    );
    rig.with_monitor_files(&["/opt"]);
    assert_eq!(rig.preparer.memory.cut, cut);
}

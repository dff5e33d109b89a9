use super::*;
use crate::kube::Tuning;
use crate::receiver::monitors::Scope;
use crate::receiver::parts;
use crate::receiver::settings::Source;
use crate::rt::clock::SystemClock;
use crate::rt::stop::{self, Stopper};
use crossbeam_channel::{Receiver, bounded};
use std::fmt::Write;
use tempfile::TempDir;

/// A preparer whose API server is a folder.
struct Rig {
    folder: TempDir,
    informers: Informers,
    changes: Receiver<()>,
    preparer: Preparer,
    _stopper: Stopper,
}

impl Rig {
    fn new(inherit: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock::shared();
        let environment = Environment::default();
        let surroundings = parts::surroundings(&environment);
        let mut settings = Settings {
            source: Source::Folder(folder.path().to_owned()),
            ..Settings::default()
        };
        let informers =
            parts::informers(&mut settings, &environment, &surroundings.tls, &clock).unwrap();
        let informers = informers.unwrap();
        settings.prometheus = for_run(settings.prometheus, None, &environment).unwrap();
        let discovery = Manager::start(crate::discovery::Surroundings {
            informers: Some(informers.clone()),
            http: surroundings.clone(),
            tuning: Tuning::default(),
            clock: Arc::clone(&clock),
        });
        let (changed, changes) = bounded(1);
        let (stopper, stopped) = stop::pair();
        let monitors = Monitors::subscribe(&informers, Scope::default(), &changed).unwrap();
        let preparer = Preparer {
            settings: Arc::new(settings),
            next_settings: Arc::default(),
            environment,
            clock,
            stopped,
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
            _stopper: stopper,
        }
    }

    /// Writes a monitor with an endpoint for each port.
    fn write(&self, kind: &str, name: &str, ports: &[&str]) {
        let endpoints = match kind {
            "PodMonitor" => "podMetricsEndpoints",
            _ => "endpoints",
        };
        let mut text = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec:\n  selector: {{}}\n  {endpoints}:\n"
        );
        for port in ports {
            writeln!(text, "  - port: '{port}'").unwrap();
        }
        let path = self.folder.path().join(format!("{kind}-{name}.yaml"));
        std::fs::write(path, text).unwrap();
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
fn a_monitor_that_wants_too_much_is_rejected_alone() {
    let mut rig = Rig::new(None);
    let settings = Settings {
        max_monitor_bytes: 8000,
        ..Settings::clone(&rig.preparer.settings)
    };
    rig.preparer.settings = Arc::new(settings);
    rig.write("ServiceMonitor", "good", &["a", "b"]);
    rig.write("ServiceMonitor", "large", &["a"; 50]);
    rig.write("ServiceMonitor", "often", &["a'\n    interval: '99ms"]);
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

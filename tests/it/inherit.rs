//! Settings inherited from an object of the folder: they apply, follow its changes, and outlive its mistakes.

use super::fake::apiserver::{self, Then, event, list, watch};
use super::receiver::{monitored, page, start, wait_status, write};
use super::rejected::from_api;
use crossbeam_channel::bounded;
use prometheus_operator_receiver::Running;
use std::path::Path;

/// A Prometheus that selects everything, with these further fields.
fn prometheus(fields: &str) -> String {
    format!(
        "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {{name: k8s, namespace: monitoring}}\n\
         spec: {{serviceMonitorSelector: {{}}, serviceMonitorNamespaceSelector: {{}}, serviceDiscoveryRole: EndpointSlice, {fields}}}\n"
    )
}

fn change(running: &Running, folder: &Path, file: &str, text: &str) {
    write(folder, file, text);
    running.reload();
}

/// Waits until the running configuration has a text.
fn wait_text(running: &Running, text: &str) {
    wait_status(running, |_| running.config_text().contains(text));
}

#[test]
fn an_object_is_followed_and_its_mistakes_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (a, b) = (page("metric_a"), page("metric_b"));
    let more = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: more, namespace: monitoring}}\nstringData:\n  jobs: |\n    \
         - {{job_name: b, scrape_interval: 200ms, static_configs: [{{targets: ['{}']}}]}}\n",
        b.address
    );
    write(folder, "a.yaml", &monitored("a", a.address, ""));
    write(folder, "more.yaml", &more);
    let (running, taken) = start(&format!(
        "source: {{folder: {}}}\ninherit: prometheus/monitoring/k8s\nprometheus: {{scrapeTimeout: 7s}}",
        folder.display()
    ));
    // Without the object there are no settings, so nothing runs.
    let status = wait_status(&running, |s| {
        s.not_ready.iter().any(|r| r.contains("is not there"))
    });
    assert_eq!(status.jobs, 0);

    let one = "externalLabels: {cluster: one}, additionalScrapeConfigs: {name: more, key: jobs}, scrapeTimeout: 9s";
    change(&running, folder, "k8s.yaml", &prometheus(one));
    taken.wait_for(0, "a", "metric_a");
    taken.wait_for(0, "b", "metric_b");
    wait_text(&running, "cluster: one");
    // What the settings say themselves wins.
    wait_text(&running, "scrape_timeout: 7s");

    change(
        &running,
        folder,
        "k8s.yaml",
        &prometheus("externalLabels: {cluster: two}"),
    );
    wait_text(&running, "cluster: two");
    wait_status(&running, |s| s.jobs == 1 && s.not_ready.is_empty());

    // A field of a wrong type; a Secret that is not there; no object at all.
    let wrong = [
        ("scrapeInterval: [1]", "scrapeInterval"),
        (
            "externalLabels: {cluster: three}, additionalScrapeConfigs: {name: none, key: jobs}",
            "\"none\" not found",
        ),
    ];
    for (fields, reason) in wrong {
        change(&running, folder, "k8s.yaml", &prometheus(fields));
        let status = wait_status(&running, |s| s.not_ready.iter().any(|r| r.contains(reason)));
        assert!(!status.config_successful);
        assert!(running.config_text().contains("cluster: two"));
    }
    std::fs::remove_file(folder.join("k8s.yaml")).unwrap();
    // Monitors apply meanwhile.
    change(
        &running,
        folder,
        "c.yaml",
        &monitored("c", a.address, "").replace("name: web, port: 80", "name: web, port: 81"),
    );
    wait_status(&running, |s| {
        s.jobs == 2 && s.not_ready.iter().any(|r| r.contains("is not there"))
    });
    wait_text(&running, "cluster: two");

    change(
        &running,
        folder,
        "k8s.yaml",
        &prometheus("externalLabels: {cluster: four}"),
    );
    wait_text(&running, "cluster: four");
    wait_status(&running, |s| s.not_ready.is_empty() && s.config_successful);
}

#[test]
fn the_shard_holds_for_what_is_inherited() {
    let folder = tempfile::tempdir().unwrap();
    let a = page("metric_a");
    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    let zones = "shards: 4, shardingStrategy: {mode: Topology, topology: {values: [north, south]}}";
    write(folder.path(), "k8s.yaml", &prometheus(zones));
    let (running, _taken) = start(&format!(
        "source: {{folder: {}}}\ninherit: prometheus/monitoring/k8s\nshard: 3",
        folder.path().display()
    ));
    wait_status(&running, |s| s.jobs == 1);
    // Shard 3 of two zones is the second one of the south.
    let text = running.config_text();
    assert!(text.contains("zone: south"), "{text}");
    assert!(!text.contains("$("), "{text}");

    change(
        &running,
        folder.path(),
        "k8s.yaml",
        &prometheus("shards: 4"),
    );
    wait_status(&running, |_| !running.config_text().contains("south"));
    let text = running.config_text();
    assert!(text.contains("modulus: 4"), "{text}");
    assert!(!text.contains("$("), "{text}");
}

/// The same from an API server: the object's watch tells of each change.
#[track_caller]
fn check_watched(inherit: &str, resource: &'static str) {
    let object = |version: u32, cluster: &str| {
        format!(
            r#"{{"metadata":{{"name":"k8s","namespace":"monitoring","uid":"u","resourceVersion":"{version}"}},"spec":{{"podMonitorSelector":{{}},"externalLabels":{{"cluster":"{cluster}"}}}}}}"#
        )
    };
    let (events, told) = bounded::<String>(0);
    let first = object(1, "one");
    let server = apiserver::start(move |asked, is_watch, _| {
        let path = asked.path().split('?').next().unwrap_or_default();
        match (path.ends_with(resource), is_watch) {
            (true, true) => match told.recv() {
                Ok(event) => watch(&[event], Then::End),
                Err(_) => watch(&[], Then::Silence),
            },
            (true, false) => {
                let of_one = "fieldSelector=metadata%2Ename%3Dk8s";
                assert!(asked.path().contains(of_one), "{asked:?}");
                list("1", "", &[&first])
            }
            (false, true) => watch(&[], Then::Silence),
            (false, false) => list("1", "", &[]),
        }
    });
    let running = from_api(&server, &format!("inherit: {inherit}"));
    wait_text(&running, "cluster: one");
    events.send(event("MODIFIED", &object(2, "two"))).unwrap();
    wait_text(&running, "cluster: two");
    events.send(event("DELETED", &object(3, "two"))).unwrap();
    let status = wait_status(&running, |s| {
        s.not_ready.iter().any(|r| r.contains("is not there"))
    });
    assert!(!status.config_successful);
    wait_text(&running, "cluster: two");
    events.send(event("ADDED", &object(4, "three"))).unwrap();
    wait_text(&running, "cluster: three");
    wait_status(&running, |s| s.not_ready.is_empty() && s.config_successful);
    drop(events);
}

#[test]
fn an_object_of_an_api_server_is_watched() {
    check_watched(
        "prometheus/monitoring/k8s",
        "/v1/namespaces/monitoring/prometheuses",
    );
    check_watched(
        "prometheusagent/monitoring/k8s",
        "/v1alpha1/namespaces/monitoring/prometheusagents",
    );
}

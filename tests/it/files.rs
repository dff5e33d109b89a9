//! Monitors from files: what an API server would not take is refused, what it would add is added, and what Prometheus would
//! not load is told.

use super::receiver::{monitored, page, start, wait_status, write};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// `promop generate`.
fn generate(input: &Path, args: &[&str]) -> Output {
    let mut promop = Command::new(env!("CARGO_BIN_EXE_promop"));
    let promop = promop.arg("generate").args(args).arg(input).env_clear();
    promop.output().unwrap()
}

fn texts(done: &Output) -> (&str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (text(&done.stdout), text(&done.stderr))
}

fn monitor(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

#[test]
fn a_folder_refuses_what_an_api_server_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let answers = include_str!("../../src/monitoring/schema/answers.jsonl");
    let mut want = BTreeSet::new();
    for (i, line) in answers.lines().enumerate() {
        let Value::Object(mut asked) = serde_json::from_str(line).unwrap() else {
            panic!("{line}");
        };
        let (mut object, answer) = (asked.remove("object").unwrap(), &asked["answer"]);
        object["apiVersion"] = json!("monitoring.coreos.com/v1");
        if object["metadata"]["name"] == "shop" {
            object["metadata"]["name"] = json!(format!("case-{i}"));
        } else {
            object["metadata"]["namespace"] = json!(format!("n-{i}"));
        }
        if answer
            .as_array()
            .is_some_and(|problems| !problems.is_empty())
        {
            let part = |part: &str| object["metadata"][part].as_str().unwrap().to_owned();
            want.insert((part("namespace"), part("name")));
        }
        write(folder.path(), &format!("{i}.json"), &object.to_string());
    }
    assert!(want.len() > 70);
    let a = page("metric_a");
    write(folder.path(), "a.yaml", &monitored("a", a.address, ""));
    let (running, taken) = start(&format!("source: {{folder: {}}}", folder.path().display()));
    taken.wait_for(0, "a", "metric_a");
    let status = wait_status(&running, |s| s.rejected.len() >= want.len());
    let refused = status.rejected.into_iter();
    let refused = refused.filter(|r| r.reason.starts_with("the API server would refuse it: "));
    let got: BTreeSet<_> = refused.map(|r| (r.namespace, r.name)).collect();
    assert_eq!(got, want);
}

#[test]
fn generate_tells_what_would_be_refused_and_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    let spec = |endpoint: &str| format!("{{selector: {{}}, endpoints: [{{{endpoint}}}]}}");
    for (name, endpoint) in [
        ("good", "port: m"),
        ("ftp", "scheme: ftp"),
        ("regex", "port: 'a('"),
    ] {
        write(
            folder.path(),
            &format!("{name}.yaml"),
            &monitor(name, &spec(endpoint)),
        );
    }
    let done = generate(folder.path(), &[]);
    let (out, err) = texts(&done);
    assert_eq!(done.status.code(), Some(3), "{err}");
    let jobs: Vec<_> = out
        .lines()
        .filter(|line| line.starts_with("- job_name"))
        .collect();
    // Upstream would write the one that Prometheus refuses, too.
    assert_eq!(
        jobs,
        [
            "- job_name: serviceMonitor/shop/good/0",
            "- job_name: serviceMonitor/shop/regex/0"
        ]
    );
    for said in [
        "ftp.yaml#1: the API server would refuse it: spec.endpoints[0].scheme: Unsupported value: \"ftp\"",
        "rejected ServiceMonitor shop/regex endpoint 0: Prometheus would not load it: ",
    ] {
        assert!(err.contains(said), "{err}");
    }
    assert_eq!(err.lines().count(), 2, "{err}");
}

#[test]
fn what_names_no_namespace_is_in_default() {
    let folder = tempfile::tempdir().unwrap();
    let login = "{username: {name: login, key: u}, password: {name: words, key: p}}";
    let text = format!(
        "apiVersion: monitoring.coreos.com/v1alpha1\nkind: PrometheusAgent\nmetadata: {{name: app}}\nspec: {{serviceMonitorSelector: {{}}}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: login, namespace: ''}}\nstringData: {{u: ann}}\n---\n\
         apiVersion: v1\nkind: List\nitems: [{{apiVersion: v1, kind: Secret, metadata: {{name: words, namespace: null}}, stringData: {{p: w}}}}]\n---\n{}",
        monitor(
            "a",
            &format!("{{selector: {{}}, endpoints: [{{basicAuth: {login}}}]}}")
        )
        .replace(", namespace: shop", "")
    );
    write(folder.path(), "a.yaml", &text);
    let done = generate(folder.path(), &[]);
    let (out, err) = texts(&done);
    assert_eq!(done.status.code(), Some(0), "{err}");
    for text in [
        "prometheus: default/app\n",
        "- job_name: serviceMonitor/default/a/0\n",
        "username: ann\n",
    ] {
        assert!(out.contains(text), "{text}: {out}{err}");
    }
}

#[test]
fn a_daemon_set_says_what_it_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let agent = "apiVersion: monitoring.coreos.com/v1alpha1\nkind: PrometheusAgent\nmetadata: {name: app, namespace: shop}\n\
                 spec: {mode: DaemonSet, serviceMonitorSelector: {}, podMonitorSelector: {}}\n";
    // The second one would be rejected, were it used.
    for (name, timeout) in [("a", "5s"), ("b", "1h")] {
        let spec =
            format!("{{selector: {{}}, endpoints: [{{scrapeTimeout: {timeout}, interval: 10s}}]}}");
        write(
            folder.path(),
            &format!("{name}.yaml"),
            &monitor(name, &spec),
        );
    }
    write(folder.path(), "agent.yaml", agent);
    let done = generate(folder.path(), &[]);
    let (_, err) = texts(&done);
    assert_eq!(done.status.code(), Some(0), "{err}");
    assert!(err.contains("2 ServiceMonitors are left out"), "{err}");
    let (running, _) = start(&format!(
        "source: {{folder: {}}}\ninherit: prometheusagent/shop/app",
        folder.path().display()
    ));
    let status = wait_status(&running, |s| s.config_successful);
    assert_eq!((status.selected, status.rejected.len()), Default::default());
}

#[track_caller]
fn check_shard(settings: &str, variable: Option<(&str, &str)>, args: &[&str], want: &str) {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "settings.yaml",
        &format!("prometheus: {{shards: 2}}\n{settings}"),
    );
    let mut promop = Command::new(env!("CARGO_BIN_EXE_promop"));
    let (dir, file) = (folder.path(), folder.path().join("settings.yaml"));
    promop.args(["run", "--web.listen-address", "127.0.0.1:0", "--from-dir"]);
    promop
        .arg(dir)
        .arg("--settings")
        .arg(file)
        .args(args)
        .env_clear()
        .envs(variable);
    let done = promop.output().unwrap();
    let (_, err) = texts(&done);
    assert_eq!(done.status.code(), Some(1), "{err}");
    assert!(
        err.contains(want) && err.contains("of 2 shards the numbers are 0 to 1"),
        "{err}"
    );
}

#[test]
fn a_shard_that_there_is_not_is_refused_at_the_start() {
    check_shard(
        "",
        None,
        &["--shard", "2"],
        "there is no shard 2 (--shard, ",
    );
    check_shard("shard: 9", None, &[], "there is no shard 9 (");
    check_shard("", Some(("SHARD", "2")), &[], "or SHARD");
    check_shard("", Some(("POD_NAME", "promop-5")), &[], "POD_NAME=promop-5");
}

#[test]
fn the_namespaces_of_the_settings_file_hold_for_what_is_generated() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    std::fs::create_dir(&input).unwrap();
    let spec = "{selector: {}, endpoints: [{}]}";
    write(&input, "a.yaml", &monitor("a", spec));
    let other = monitor("b", spec).replace("namespace: shop", "namespace: monitoring");
    write(&input, "b.yaml", &other);
    for (settings, flags, want) in [
        ("", &[][..], [true, true]),
        ("namespaces: [shop]", &[][..], [true, false]),
        ("namespaces: [own]", &[][..], [false, true]),
        ("denyNamespaces: [shop]", &[][..], [false, true]),
        (
            "namespaces: [own]",
            &["--deny-namespaces", "own"][..],
            [true, false],
        ),
    ] {
        write(folder.path(), "settings.yaml", settings);
        let file = folder.path().join("settings.yaml");
        let flags = [&["--settings", file.to_str().unwrap()], flags].concat();
        let done = generate(&input, &flags);
        let (out, err) = texts(&done);
        let jobs = ["shop/a/0", "monitoring/b/0"];
        assert_eq!(jobs.map(|job| out.contains(job)), want, "{out}{err}");
    }
}

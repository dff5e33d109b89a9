use super::*;
use crate::rt::files::MemoryFiles;

#[track_caller]
fn load_text(text: &str) -> Result<Config, Error> {
    let files = MemoryFiles::default();
    load(
        text.as_bytes(),
        &Context {
            path: "prometheus.yml",
            files: &files,
            env: &|_| None,
        },
    )
}

fn with_regex(pattern: &str) -> String {
    format!(
        "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - action: drop\n    regex: {pattern:?}\n"
    )
}

#[test]
fn alias_bombs_end_soon() {
    let mut text =
        "scrape_configs:\n- job_name: a\n  oauth2:\n    claims:\n      a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let before = level - 1;
        text.push_str(&format!(
            "      a{level}: &a{level} [*a{before}, *a{before}]\n"
        ));
    }
    let error = load_text(&text).unwrap_err();
    assert_eq!(
        (error.stage, error.message.as_str()),
        (Stage::Decode, "document contains excessive aliasing")
    );
}

#[test]
fn deep_and_long_documents_are_bounded() {
    let deep = format!(
        "scrape_configs: {}{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(load_text(&deep).unwrap_err().stage, Stage::Decode);
    let nested_anchors = (0..450).fold("x".to_owned(), |inner, level| {
        format!("&a{level} [{inner}]")
    });
    assert_eq!(
        load_text(&format!("scrape_configs: {nested_anchors}"))
            .unwrap_err()
            .stage,
        Stage::Decode
    );
    let long = "x".repeat(1 << 20);
    let config = load_text(&format!("scrape_configs:\n- job_name: {long}\n")).unwrap();
    assert_eq!(config.jobs[0].job_name.len(), 1 << 20);
}

#[test]
fn hostile_patterns_are_refused_with_a_reason() {
    let slow = "(?:a?){1000}".repeat(100) + "b";
    for pattern in [
        slow,
        format!("a{}", "|b".repeat(40_000)),
        "(?:b".repeat(300) + &"*)".repeat(300),
    ] {
        let error = load_text(&with_regex(&pattern)).unwrap_err();
        assert_eq!(
            (error.stage, error.path.as_str()),
            (Stage::Value, "scrape_configs[0].relabel_configs[0].regex")
        );
        assert!(error.message.starts_with("regexp "), "{error}");
    }
    assert!(load_text(&with_regex(r"\w{60}.*\d{200}")).is_ok());
}

#[test]
fn errors_name_place_and_line() {
    let error =
        load_text("scrape_configs:\n- job_name: a\n  scrape_intervall: 5s\n  sample_limit: x\n")
            .unwrap_err();
    assert_eq!(
        (error.stage, error.lines.as_slice()),
        (Stage::Decode, [3, 4].as_slice())
    );
    assert_eq!(
        error.to_string(),
        "line 3: scrape_configs[0].scrape_intervall: unknown field; line 4: scrape_configs[0].sample_limit: \
         !!str \"x\" where an unsigned number is expected"
    );
    let error = load_text("scrape_configs:\n- job_name: a\n  consul_sd_configs: []\n").unwrap_err();
    assert!(error.message.contains("not supported"), "{error}");
}

#[test]
fn equal_parts_are_shared() {
    let job = |name: &str| {
        format!(
            "- job_name: {name}\n  bearer_token: t\n  relabel_configs: [{{action: drop, regex: a}}]\n"
        )
    };
    let config = load_text(&format!("scrape_configs:\n{}{}", job("a"), job("b"))).unwrap();
    let [a, b] = config.jobs.as_slice() else {
        panic!("two jobs")
    };
    assert!(RelabelRules::same(&a.target_rules, &b.target_rules));
    assert!(Arc::ptr_eq(&a.http, &b.http));
}

#[test]
fn what_a_receiver_has_no_use_for() {
    let text = b"rule_files: [a.yml]\nremote_write: [{url: x}]\nremote_read: []\nalerting: {alertmanagers: [{}]}\n";
    assert_eq!(
        unsupported(text).unwrap(),
        ["alert_config.alertmanagers", "remote_write", "rule_files"]
    );
    assert!(unsupported(b"global: {}").unwrap().is_empty());
}

/// A job with these lines: at which stage it is refused, and the lines named.
#[track_caller]
fn check_refused(lines: &str, stage: Stage, want: &[u32]) {
    let error = load_text(&format!("scrape_configs:\n- job_name: a\n{lines}")).unwrap_err();
    assert_eq!(
        (error.stage, error.lines.as_slice()),
        (stage, want),
        "{error}"
    );
}

#[test]
fn odd_values_are_judged_as_go_yaml_does() {
    // A quoted null does not reach the type's own YAML decoding, and is a string then, or text if the type takes that.
    check_refused("  scrape_interval: \"~\"\n", Stage::Value, &[]);
    check_refused("  scrape_interval: 'null'\n", Stage::Value, &[]);
    check_refused("  scrape_interval: 'Null'\n", Stage::Value, &[]);
    check_refused("  body_size_limit: 'null'\n", Stage::Value, &[]);
    check_refused("  scrape_interval: Null\n", Stage::Value, &[]);
    assert!(load_text("scrape_configs:\n- job_name: a\n  scrape_interval: ~\n").is_ok());
    check_refused("  tls_config: {min_version: \"~\"}\n", Stage::Decode, &[3]);
    check_refused("  proxy_url: '~'\n", Stage::Decode, &[3]);
    // A tag that its text contradicts.
    check_refused("  scrape_timeout: !!null x\n", Stage::Decode, &[]);
    check_refused(
        "  metrics_path: !!timestamp 2001-12-14#c\n",
        Stage::Decode,
        &[],
    );
    check_refused("  metrics_path: !!timestamp 5\n", Stage::Decode, &[]);
    assert!(load_text("scrape_configs:\n- job_name: !!timestamp \"2001-12-14\"\n").is_ok());
    assert!(load_text("scrape_configs:\n- job_name: a\n  scrape_timeout: !!null ~\n").is_ok());
    // What has the wrong type is not set, so it is not set twice.
    check_refused("  params: {b: [x], b: y}\n", Stage::Decode, &[3]);
    check_refused("  params: {b: [x], b: [y]}\n", Stage::Decode, &[3]);
    let headers = "  proxy_url: http://p\n  proxy_connect_header:\n    b: [x]\n    b: y\n";
    check_refused(headers, Stage::Decode, &[6]);
}

/// A document of one section: whether it is refused, and at which stage.
#[track_caller]
fn check_section(text: &str, want: Option<Stage>) {
    let stage = load_text(text).err().map(|error| error.stage);
    assert_eq!(stage, want, "{text}");
}

#[test]
fn sections_without_use_are_checked_all_the_same() {
    let (accepted, decode, value, validate) = (
        None,
        Some(Stage::Decode),
        Some(Stage::Value),
        Some(Stage::Validate),
    );
    for (text, want) in [
        ("runtime: {gogc: 5.9, log_level: WARN}", accepted),
        ("runtime: {gogc: x}", decode),
        ("runtime: {log_level: trace}", value),
        (
            "storage: {tsdb: {outofordertimewindow: 5, retention: {size: 5GB}}}",
            accepted,
        ),
        ("storage: {tsdb: {retention: {size: -5GB}}}", value),
        ("storage: {tsdb: {retention: {percentage: 100.1}}}", value),
        ("storage: {tsdb: {chunk_encoding: {floats: XOR}}}", value),
        ("storage: {exemplars: {max_exemplars: x}}", decode),
        ("otlp: ~", accepted),
        ("otlp: {translation_strategy: NoTranslation}", accepted),
        ("otlp: {translation_strategy: x}", validate),
        (
            "otlp: {translation_strategy: NoTranslation}\nglobal: {metric_name_validation_scheme: legacy}",
            validate,
        ),
        ("otlp: {promote_resource_attributes: [a, ' a ']}", value),
        (
            "otlp: {promote_all_resource_attributes: true, promote_resource_attributes: [a]}",
            value,
        ),
        (
            "otlp: {promote_all_resource_attributes: true, ignore_resource_attributes: [a]}",
            accepted,
        ),
        ("otlp: {ignore_resource_attributes: [a]}", value),
        ("otlp: {keep_identifying_resource_attributes: x}", decode),
        (
            "tracing: {endpoint: x, client_type: ~, compression: gzip}",
            accepted,
        ),
        ("tracing: {endpoint: x, client_type: HTTP}", value),
        ("tracing: {endpoint: x, headers: {User-Agent: y}}", value),
        ("tracing: {endpoint: x, tls_config: {cert_file: y}}", value),
        (
            "alerting: {alertmanagers: [{dns_sd_configs: [{names: [x]}], api_version: v2}]}",
            accepted,
        ),
        ("alerting: {alertmanagers: [{api_version: v1}]}", value),
        (
            "alerting: {alertmanagers: [{sigv4: {}, bearer_token: x}]}",
            value,
        ),
        (
            "alerting: {alertmanagers: [{static_configs: [{targets: [http://a/b]}]}]}",
            value,
        ),
        (
            "alerting: {alertmanagers: [{alert_relabel_configs: [{action: replace}]}]}",
            validate,
        ),
        ("alerting: {alertmanagers: [~]}", validate),
        ("remote_write: [{url: ~}]", value),
        ("remote_write: [{url: ''}]", accepted),
        (
            "remote_write: [{url: x, headers: {X-Prometheus-Scrape-Timeout-Seconds: y}}]",
            accepted,
        ),
        ("remote_write: [{url: x, headers: {host: y}}]", value),
        ("remote_write: [{url: x, protobuf_message: y}]", value),
        ("remote_write: [{url: x, queue_config: ~}]", value),
        (
            "remote_write: [{url: x, queue_config: {min_shards: 51}}]",
            value,
        ),
        (
            "remote_write: [{url: x, queue_config: {min_backoff: 6s}}]",
            value,
        ),
        (
            "remote_write: [{url: x, google_iam: {}, basic_auth: {username: u}}]",
            value,
        ),
        ("remote_write: [{url: x, sigv4: {session_name: ab}}]", value),
        (
            "remote_write: [{url: x, azuread: {sdk: {}, scope: 'a,b'}}]",
            value,
        ),
        (
            "remote_write: [{url: x, azuread: {managed_identity: {client_id: x}}}]",
            value,
        ),
        (
            "remote_write: [{url: x, azuread: {managed_identity: {client_id: '00000000-0000-0000-0000-000000000000'}}}]",
            accepted,
        ),
        (
            "remote_write: [{url: x, name: a}, {url: y, name: a}]",
            validate,
        ),
        (
            "remote_write: [{url: x, write_relabel_configs: [{action: replace}]}]",
            validate,
        ),
        ("remote_read: [{url: x, required_matchers: {'': a}}]", value),
        ("remote_read: [{url: x, chunked_read_limit: x}]", decode),
        (
            "remote_read: [{url: x, name: a}, {url: y, name: a}]",
            validate,
        ),
    ] {
        check_section(text, want);
    }
}

#[test]
fn what_is_not_utf8_hides_no_other_error() {
    let job = |field: &str| format!("scrape_configs: [{{job_name: a, {field}}}]\nx: y\n");
    check_section(&job("metrics_path: !!binary gA=="), Some(Stage::Decode));
    // Upstream looks at these at once, too.
    let rule = "relabel_configs: [{source_labels: [!!binary gA==], target_label: b}]";
    check_section(&job(rule), Some(Stage::Value));
    check_section(
        "global: {external_labels: {a: !!binary gA==}}\nx: y\n",
        Some(Stage::Value),
    );
    let error = load_text("scrape_configs: [{job_name: !!binary gA==}]").unwrap_err();
    assert_eq!(
        error.to_string(),
        "scrape_configs[0].job_name: not valid UTF-8"
    );
}

#[test]
fn jobs_of_files_inherit_paths_that_are_joined() {
    let job = b"scrape_configs: [{job_name: b}]\n".to_vec();
    let utf16 = [
        b"\xff\xfe".to_vec(),
        job.iter().flat_map(|byte| [*byte, 0]).collect(),
    ]
    .concat();
    let files = Listed(vec![("d/j/a.yml", job), ("d/j/b.yml", utf16)]);
    let cx = Context {
        path: "d/prometheus.yml",
        files: &files,
        env: &|_| None,
    };
    let text = |file: &str| {
        format!(
            "global: {{scrape_failure_log_file: f}}\nscrape_config_files: ['j/{file}.yml']\nscrape_configs: [{{job_name: a}}]\n"
        )
    };
    for file in ["a", "b"] {
        let config = load(text(file).as_bytes(), &cx).unwrap();
        let logs: Vec<_> = config
            .jobs
            .iter()
            .map(|job| &*job.failure_log_file)
            .collect();
        assert_eq!(logs, ["d/f", "d/j/d/f"]);
    }
    let error = load(text("[ab]").as_bytes(), &cx).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("d/j/b.yml: scrape_configs[0].job_name"),
        "{error}"
    );
}

/// Files whose only pattern is `[ab]`.
#[derive(Debug)]
struct Listed(Vec<(&'static str, Vec<u8>)>);

impl Files for Listed {
    fn read(&self, path: &str, _at_most: u64) -> std::io::Result<Arc<[u8]>> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        Ok(Arc::from(found.unwrap().1.as_slice()))
    }

    fn glob(&self, pattern: &str) -> std::io::Result<Vec<String>> {
        let names = self.0.iter().map(|(name, _)| (*name).to_owned());
        Ok(names
            .filter(|name| name == pattern || pattern.contains('['))
            .collect())
    }
}

#[test]
fn errors_show_neither_passwords_nor_long_or_raw_values() {
    let long = "x".repeat(100_000);
    for text in [
        format!("scrape_configs:\n- job_name: a\n  relabel_configs: [{{regex: '({long}'}}]\n"),
        format!(
            "scrape_configs:\n- {{job_name: '{long}', scrape_interval: 1s, scrape_timeout: 2s}}\n"
        ),
        format!("scrape_configs:\n- {{job_name: a, scrape_interval: '{long}'}}\n"),
        format!(
            "scrape_configs:\n- {{job_name: a, scheme: {{? '{long}' : a}}, sample_limit: '{long}'}}\n"
        ),
        format!("? '{long}'\n: a\n"),
        format!("otlp: {{translation_strategy: '{long}'}}\n"),
        format!("scrape_configs:\n- {{job_name: a, proxy_url: 'http://{long}:x'}}\n"),
        format!("scrape_configs:\n- {{job_name: a, tls_config: {{min_version: '{long}'}}}}\n"),
        format!("rule_files: ['*{long}/']\n"),
        format!("global: {{external_labels: {{? '{long}' : !!binary gA==}}}}\n"),
    ] {
        let error = load_text(&text).unwrap_err().to_string();
        assert!(error.len() < 1000, "{}", error.len());
    }
    let error = load_text("? \"a\\e[31m\\n\"\n: \"\\e\"\n").unwrap_err();
    assert!(!error.to_string().contains(char::is_control), "{error}");
    for url in [
        "http://u:hidden@[h",
        "http://u:hid%zzden@h",
        "http://u:x/hidden@h",
    ] {
        let text = format!("scrape_configs:\n- {{job_name: a, proxy_url: '{url}'}}\n");
        let error = load_text(&text).unwrap_err().to_string();
        assert!(
            !error.contains("hid") && error.contains("http://u:"),
            "{error}"
        );
    }
}

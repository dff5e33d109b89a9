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
         !!str `x` where an unsigned number is expected"
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

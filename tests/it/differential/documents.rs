//! Random configuration documents: trees of fields with values that suit them, mostly, and documents of the corpus with
//! lines changed. What is odd about YAML is strewn over both, but for control characters (upstream finds other errors first) and
//! negative numbers for unsigned fields (what they are in Go depends on the processor).

use super::Random;
use std::fmt::Write as _;
use std::path::Path;

/// A document as a tree, before it is written in one style or another.
#[derive(Clone)]
enum Tree {
    Scalar(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

use Tree::{List, Map, Scalar};

/// A field's name and what its value is.
type Fields = &'static [(&'static str, Kind)];

#[derive(Clone, Copy)]
enum Kind {
    /// One of these.
    Of(&'static [&'static str]),
    /// A list of some of these.
    ListOf(&'static [&'static str]),
    /// Names and values.
    Pairs(&'static [&'static str]),
    /// Names and lists of values.
    Multi(&'static [&'static str]),
    /// A mapping with some of these fields; at least so many.
    Record(&'static [Fields]),
    /// A list of them.
    Records(&'static [Fields]),
    /// `http_headers`.
    Headers,
}

use Kind::{Headers, ListOf, Multi, Of, Pairs, Record, Records};

const BOOLS: Kind = Of(&[
    "true", "false", "yes", "Off", "y", "True", "\"true\"", "1", "~",
]);
const DURATIONS: Kind = Of(&[
    "10s", "15s", "1m", "5s", "1h", "1m30s", "0s", "0", "500ms", "1d", "1w2d", "1y", "90", "1.5m",
    "-1s", "\"\"", "1s1m", "1h ", "10S", "00", "1_0s", "292y", "300y", "~", "1ms", "'30s'",
]);
const SIZES: Kind = Of(&[
    "0", "1KB", "10MB", "1GiB", "1.5MB", "100B", "5KiB", "1k", "5", "-1B", "\"\"", "1KB500B", "0B",
    ".5MB", "7PB", "1 MB", "~",
]);
const UINTS: Kind = Of(&[
    "0",
    "1",
    "10",
    "1000",
    "0x10",
    "1_000",
    "1e3",
    "010",
    "5.9",
    "\"5\"",
    "-1",
    ".inf",
    "18446744073709551615",
    "0b11",
    "0o17",
    "190:20",
    "!!int \"5\"",
    "+5",
    "~",
    "2020-01-02",
    "0888",
    "",
]);
const FLOATS: Kind = Of(&[
    "1.1",
    "0",
    "2",
    ".5",
    "1e3",
    "1_0.5",
    ".inf",
    "-.inf",
    "1e400",
    "\"1\"",
    "0x10",
    "010",
    "-3.25",
    "1e-7",
    "123456789",
    "~",
]);
const WORDS: Kind = Of(&[
    "a",
    "b c",
    "\"\"",
    "'x'",
    "\"q\\n\"",
    "1",
    "0x1F",
    "1e3",
    "yes",
    "~",
    "null",
    "Null",
    "2020-01-02",
    "!!binary YQ==",
    "!!str 5",
    "!x y",
    "é",
    "a: b",
    "a #b",
    "|\n  t\n",
    "1_000",
    ".5",
    "<secret>",
    "$a",
    "*",
    "- a",
]);
const FILES: Kind = Of(&["f.txt", "/etc/x", "\"\"", "a/../b", "~", "./x", "1"]);
const URLS: Kind = Of(&[
    "http://a",
    "https://a:1/b?c=d",
    "http://u:p@h",
    "http://b:80/",
    "\"\"",
    "a",
    "http://[::1]:1",
    "http://a b",
    "://x",
    "http://%zz",
    "socks5://x",
    "http://a:b",
    "ftp://x",
    "HTTP://A",
    "http:///x",
    "/x",
    "http://é",
    "~",
    "http://h/%41",
    "http://h?x=%zz",
    "http://[fe80::1%25en0]/",
]);
const PROTOCOLS: &[&str] = &[
    "PrometheusProto",
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText0.0.4",
    "PrometheusText1.0.0",
    "OpenMetricsText2.0.0",
    "x",
    "",
];
const LABELS: &[&str] = &[
    "a",
    "__address__",
    "__tmp",
    "__meta_kubernetes_pod_label_x",
    "b-c",
    "é",
    "\"\"",
    "1a",
    "instance",
    "job",
    "__name__",
    "true",
];
const HOSTS: &[&str] = &[
    "a:1",
    "b",
    "http://x",
    "a/b",
    "\"[::1]:80\"",
    "1.2.3.4",
    "\"\"",
    "a:b:c",
    "~",
    "5",
    "\"a b\"",
    "é:1",
];
const SCHEMES: Kind = Of(&["utf8", "legacy", "\"\"", "UTF8", "~", "x"]);
const ESCAPING: Kind = Of(&[
    "allow-utf-8",
    "underscores",
    "dots",
    "values",
    "\"\"",
    "x",
    "~",
]);
const VERSIONS: Kind = Of(&[
    "TLS12", "TLS13", "TLS12", "TLS13", "TLS10", "\"\"", "TLS14", "12", "~",
]);
const SELECTOR: Kind = Of(&[
    "a=b",
    "a!=b",
    "a in (b,c)",
    "a",
    "!a",
    "a=b,c=d",
    "a in ()",
    "a,",
    "=b",
    "\"\"",
    "a notin (x)",
    "a>1",
    "a==b",
    "a=b=c",
    "x/y=z",
    "é=1",
    "metadata.name=x",
    "~",
    "a b",
]);
const ROLE: Kind = Of(&[
    "pod",
    "node",
    "service",
    "endpoints",
    "endpointslice",
    "ingress",
    "Pod",
    "\"\"",
    "x",
    "~",
]);

const LIMITS: Fields = &[
    ("body_size_limit", SIZES),
    ("sample_limit", UINTS),
    ("target_limit", UINTS),
    ("label_limit", UINTS),
    ("label_name_length_limit", UINTS),
    ("label_value_length_limit", UINTS),
    ("keep_dropped_targets", UINTS),
];
const SHARED: Fields = &[
    ("scrape_interval", DURATIONS),
    ("scrape_timeout", DURATIONS),
    ("scrape_protocols", ListOf(PROTOCOLS)),
    ("scrape_native_histograms", BOOLS),
    ("always_scrape_classic_histograms", BOOLS),
    ("convert_classic_histograms_to_nhcb", BOOLS),
    ("extra_scrape_metrics", BOOLS),
    ("scrape_failure_log_file", FILES),
    ("metric_name_validation_scheme", SCHEMES),
    ("metric_name_escaping_scheme", ESCAPING),
];
const GLOBAL: Fields = &[
    ("evaluation_interval", DURATIONS),
    ("query_log_file", FILES),
    ("rule_query_offset", DURATIONS),
    ("external_labels", Pairs(LABELS)),
];
const TLS: Fields = &[
    ("ca", WORDS),
    ("cert", WORDS),
    ("key", WORDS),
    ("ca_file", FILES),
    ("cert_file", FILES),
    ("key_file", FILES),
    ("ca_ref", WORDS),
    ("server_name", WORDS),
    ("insecure_skip_verify", BOOLS),
    ("min_version", VERSIONS),
    ("max_version", VERSIONS),
];
const PROXY: Fields = &[
    ("proxy_url", URLS),
    (
        "no_proxy",
        Of(&["a", "a,b", "*", "\"\"", "10.0.0.0/8", "~"]),
    ),
    ("proxy_from_environment", BOOLS),
    ("proxy_connect_header", Multi(&["A", "b", "é"])),
];
const AUTHORIZATION: Fields = &[
    (
        "type",
        Of(&["Bearer", "Basic", "basic", "x", "\"\"", " Bearer ", "~"]),
    ),
    ("credentials", WORDS),
    ("credentials_file", FILES),
    ("credentials_ref", WORDS),
];
const BASIC: Fields = &[
    ("username", WORDS),
    ("username_file", FILES),
    ("password", WORDS),
    ("password_file", FILES),
    ("username_ref", WORDS),
    ("password_ref", WORDS),
];
const OAUTH2: Fields = &[
    ("client_id", WORDS),
    ("client_secret", WORDS),
    ("client_secret_file", FILES),
    ("token_url", URLS),
    ("scopes", ListOf(&["a", "b", "1", "~"])),
    ("endpoint_params", Pairs(&["a", "b"])),
    (
        "grant_type",
        Of(&[
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "x",
            "\"\"",
            "~",
        ]),
    ),
    ("client_certificate_key", WORDS),
    ("client_certificate_key_file", FILES),
    ("client_certificate_key_id", WORDS),
    (
        "signature_algorithm",
        Of(&["RS256", "RS384", "RS512", "ES256", "~", "\"\""]),
    ),
    ("iss", WORDS),
    ("audience", WORDS),
    ("claims", Pairs(&["a", "b"])),
    ("client_secret_ref", WORDS),
    ("tls_config", Record(&[TLS])),
];
const OAUTH2_PROXY: &[Fields] = &[OAUTH2, OAUTH2, PROXY];
const CLIENT: Fields = &[
    ("basic_auth", Record(&[BASIC])),
    ("authorization", Record(&[AUTHORIZATION])),
    ("oauth2", Record(OAUTH2_PROXY)),
    ("bearer_token", WORDS),
    ("bearer_token_file", FILES),
    ("tls_config", Record(&[TLS])),
    ("follow_redirects", BOOLS),
    ("enable_http2", BOOLS),
    ("http_headers", Headers),
];
const RELABEL: Fields = &[
    ("source_labels", ListOf(LABELS)),
    ("separator", WORDS),
    (
        "regex",
        Of(&[
            "(.*)",
            "a|b",
            "[",
            "(.+);(.+)",
            "\"\"",
            "5",
            "yes",
            "~",
            "a{1001}",
            "\\d+",
            "(?i)x",
            "'a'",
            "1e3",
            "(?P<n>x)",
            "null",
        ]),
    ),
    ("modulus", UINTS),
    (
        "target_label",
        Of(&[
            "a", "b", "${1}_x", "$1", "é", "\"\"", "a-b", "__tmp", "${a", "1", "~",
        ]),
    ),
    (
        "replacement",
        Of(&["$1", "x", "\"\"", "${1}", "$2-$1", "5", "~", "yes", "é"]),
    ),
    (
        "action",
        Of(&[
            "replace",
            "keep",
            "drop",
            "labelmap",
            "labeldrop",
            "labelkeep",
            "hashmod",
            "lowercase",
            "keepequal",
            "dropequal",
            "Replace",
            "x",
            "\"\"",
            "~",
            "KEEP",
        ]),
    ),
];
const STATIC: Fields = &[
    ("targets", ListOf(HOSTS)),
    ("labels", Pairs(LABELS)),
    ("targets", ListOf(HOSTS)),
];
const FILE_SD: Fields = &[
    (
        "files",
        ListOf(&[
            "a.yml", "b.json", "*.yaml", "d/*.yml", "*/x.yml", "x.txt", "\"\"", "~", "/a/b.yml",
        ]),
    ),
    ("refresh_interval", DURATIONS),
    ("files", ListOf(&["a.yml", "c.json"])),
];
const HTTP_SD: Fields = &[
    ("url", URLS),
    ("refresh_interval", DURATIONS),
    ("url", URLS),
    ("url", Of(&["http://a/b"])),
];
const ATTACH: Fields = &[
    ("node", BOOLS),
    ("namespace", BOOLS),
    ("deployment", BOOLS),
    ("job", BOOLS),
    ("cronjob", BOOLS),
];
const NAMESPACES: Fields = &[
    ("own_namespace", BOOLS),
    ("names", ListOf(&["a", "b", "~", "1", "\"\""])),
];
const SELECTORS: Fields = &[
    ("role", ROLE),
    ("label", SELECTOR),
    ("field", SELECTOR),
    ("role", Of(&["pod", "service"])),
];
const KUBERNETES: Fields = &[
    (
        "role",
        Of(&[
            "pod",
            "node",
            "service",
            "endpoints",
            "endpointslice",
            "ingress",
        ]),
    ),
    ("role", ROLE),
    ("api_server", URLS),
    ("kubeconfig_file", FILES),
    ("namespaces", Record(&[NAMESPACES])),
    ("selectors", Records(&[SELECTORS])),
    ("attach_metadata", Record(&[ATTACH])),
];
const DISCOVERY: Fields = &[
    ("static_configs", Records(&[STATIC])),
    ("file_sd_configs", Records(&[FILE_SD])),
    (
        "http_sd_configs",
        Records(&[HTTP_SD, HTTP_SD, CLIENT, PROXY]),
    ),
    ("kubernetes_sd_configs", Records(&[KUBERNETES])),
    (
        "kubernetes_sd_configs",
        Records(&[KUBERNETES, KUBERNETES, CLIENT, PROXY]),
    ),
];
const JOB: Fields = &[
    (
        "job_name",
        Of(&["a", "b", "c", "d/e/0", "\"\"", "1", "yes", "Null", "é", "~"]),
    ),
    ("honor_labels", BOOLS),
    ("honor_timestamps", BOOLS),
    ("track_timestamps_staleness", BOOLS),
    ("params", Multi(&["a", "b", "\"c d\""])),
    ("fallback_scrape_protocol", Of(PROTOCOLS)),
    (
        "metrics_path",
        Of(&["/m", "m", "\"\"", "/é", "~", "/a?b=c", "5"]),
    ),
    ("scheme", Of(&["http", "https", "HTTP", "\"\"", "ftp", "~"])),
    ("enable_compression", BOOLS),
    ("native_histogram_bucket_limit", UINTS),
    ("native_histogram_min_bucket_factor", FLOATS),
    ("relabel_configs", Records(&[RELABEL])),
    ("metric_relabel_configs", Records(&[RELABEL])),
    ("relabel_configs", Records(&[RELABEL])),
];

/// A document: every `odd`th choice is not from the beginning of a kind's list, where the good values stand.
pub fn grown(random: &mut Random) -> String {
    let mut document = Vec::new();
    if !random.one_in(3) {
        let sets = &[GLOBAL, SHARED, LIMITS];
        document.push(("global".to_owned(), record(random, sets, 3)));
    }
    let jobs = (0..1 + random.below(3)).map(|index| {
        let mut job = record(random, &[JOB, SHARED, LIMITS, DISCOVERY, CLIENT, PROXY], 6);
        let Map(fields) = &mut job else { return job };
        if !random.one_in(20) {
            fields.retain(|(name, _)| name != "job_name");
            fields.insert(0, ("job_name".to_owned(), Scalar(format!("j{index}"))));
        }
        job
    });
    document.push(("scrape_configs".to_owned(), List(jobs.collect())));
    let mut tree = Map(document);
    if random.one_in(5) {
        bend(random, &mut tree);
    }
    let mut text = String::new();
    write(random, &tree, 0, &mut text);
    if random.one_in(6) {
        changed(random, &text)
    } else {
        text
    }
}

/// Some fields out of several sets.
fn record(random: &mut Random, sets: &[Fields], most: usize) -> Tree {
    let mut fields: Vec<(String, Tree)> = Vec::new();
    for count in 0..1 + random.below(most) {
        let set = sets[random.below(sets.len())];
        // What stands first is what a record cannot do without, if there is such a field.
        let (name, kind) = match count {
            0 if !random.one_in(8) => sets[0][0],
            _ => set[random.below(set.len())],
        };
        if random.one_in(60) || fields.iter().all(|(known, _)| known != name) {
            fields.push((name.to_owned(), value(random, kind)));
        }
    }
    Map(fields)
}

fn value(random: &mut Random, kind: Kind) -> Tree {
    if random.one_in(150) {
        let null = ["~", "null", "Null", "[]", "{}", "\"\"", "5", "!!null x", ""];
        return Scalar(random.pick(&null).to_owned());
    }
    let few = |random: &mut Random| random.below(4);
    match kind {
        Of(words) => Scalar(word(random, words)),
        ListOf(words) => List(
            (0..few(random))
                .map(|_| Scalar(word(random, words)))
                .collect(),
        ),
        Pairs(names) => {
            let pair = |random: &mut Random| (word(random, names), value(random, WORDS));
            Map((0..few(random)).map(|_| pair(random)).collect())
        }
        Multi(names) => {
            let list =
                |random: &mut Random| value(random, ListOf(&["x", "y", "1", "\"\"", "~", "é"]));
            Map((0..few(random))
                .map(|_| (word(random, names), list(random)))
                .collect())
        }
        Record(sets) => record(random, sets, 3),
        Records(sets) => List((0..few(random)).map(|_| record(random, sets, 4)).collect()),
        Headers => {
            let names = ["X-A", "b", "Authorization", "host", "é", "X y"];
            let fields: Fields = &[
                ("values", ListOf(&["x", "1", "~"])),
                ("secrets", ListOf(&["s"])),
                ("files", ListOf(&["f"])),
            ];
            let header = |random: &mut Random| (word(random, &names), record(random, &[fields], 2));
            Map((0..few(random)).map(|_| header(random)).collect())
        }
    }
}

/// Mostly one of the first, which are good.
fn word(random: &mut Random, words: &[&str]) -> String {
    let among = if random.one_in(20) {
        words.len()
    } else {
        words.len().min(4)
    };
    words[random.below(among)].to_owned()
}

/// Changes one node somewhere in a tree: doubles, drops, renames, wraps or replaces it.
fn bend(random: &mut Random, tree: &mut Tree) {
    match tree {
        Map(pairs) if !pairs.is_empty() => {
            let at = random.below(pairs.len());
            if !random.one_in(4) {
                return bend(random, &mut pairs[at].1);
            }
            match random.below(6) {
                0 => drop(pairs.remove(at)),
                1 => pairs.push(pairs[at].clone()),
                2 => {
                    pairs[at].0 = random
                        .pick(&[
                            "x",
                            "job_name",
                            "\"regex\"",
                            "1",
                            "~",
                            "[a]",
                            "{a: b}",
                            "Action",
                            "yes",
                            "? a",
                        ])
                        .to_owned()
                }
                3 => pairs[at].1 = List(vec![pairs[at].1.clone()]),
                4 => pairs[at].1 = Map(vec![("a".to_owned(), pairs[at].1.clone())]),
                _ => pairs[at].1 = value(random, WORDS),
            }
        }
        List(items) if !items.is_empty() => {
            let at = random.below(items.len());
            match random.below(12) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => items[at] = value(random, WORDS),
                3 => *tree = items[at].clone(),
                _ => bend(random, &mut items[at]),
            }
        }
        _ => *tree = value(random, WORDS),
    }
}

/// Writes a tree in block style, now and then in flow style.
fn write(random: &mut Random, tree: &Tree, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    let is_flow = indent > 0 && random.one_in(12);
    match tree {
        Map(pairs) if !pairs.is_empty() && !is_flow => {
            for (name, tree) in pairs {
                write!(out, "{pad}{name}:").unwrap();
                write_below(random, tree, indent, out);
            }
        }
        List(items) if !items.is_empty() && !is_flow => {
            for item in items {
                write!(out, "{pad}-").unwrap();
                let mut text = String::new();
                match item {
                    Map(pairs) if !pairs.is_empty() => {
                        write(random, item, indent + 2, &mut text);
                        writeln!(out, " {}", text.trim()).unwrap();
                    }
                    _ => write_below(random, item, indent, out),
                }
            }
        }
        _ => {
            writeln!(out, "{pad}{}", flow(tree)).unwrap();
        }
    }
}

fn write_below(random: &mut Random, tree: &Tree, indent: usize, out: &mut String) {
    match tree {
        Scalar(text) if text.starts_with('|') => {
            writeln!(
                out,
                " {}",
                text.trim_end()
                    .replace('\n', &format!("\n{}", " ".repeat(indent + 2)))
            )
            .unwrap();
        }
        Map(pairs) if !pairs.is_empty() => {
            out.push('\n');
            write(random, tree, indent + 2, out);
        }
        List(items) if !items.is_empty() => {
            out.push('\n');
            let indent = indent + 2 * random.below(2);
            write(random, tree, indent, out);
        }
        _ => writeln!(out, " {}", flow(tree)).unwrap(),
    }
}

fn flow(tree: &Tree) -> String {
    match tree {
        Scalar(text) if text.starts_with('|') => "\"t\"".to_owned(),
        Scalar(text) => text.clone(),
        List(items) => format!(
            "[{}]",
            items.iter().map(flow).collect::<Vec<_>>().join(", ")
        ),
        Map(pairs) => {
            let pairs = pairs
                .iter()
                .map(|(name, tree)| format!("{name}: {}", flow(tree)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The documents of the corpus, to be changed, but for those with sections that we look at less closely than upstream.
pub fn corpus() -> Vec<String> {
    const NOT_OURS: &[&str] = &[
        "storage:",
        "alerting:",
        "remote_",
        "otlp:",
        "tracing:",
        "runtime:",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut found = Vec::new();
    for (area, file) in [("config", "prometheus.yml"), ("generate", "config.yaml")] {
        let folder = std::fs::read_dir(root.join(area)).unwrap();
        let mut cases: Vec<_> = folder.map(|case| case.unwrap().path()).collect();
        cases.sort();
        for case in cases.iter().filter(|case| !case.join("error.txt").exists()) {
            let text = std::fs::read(case.join(file))
                .ok()
                .and_then(|text| String::from_utf8(text).ok());
            let is_ours = |text: &String| {
                text.len() < 6_000 && !NOT_OURS.iter().any(|key| text.contains(key))
            };
            found.extend(text.filter(is_ours));
        }
    }
    found
}

/// A text with a change or two to its lines, or to all of it.
pub fn changed(random: &mut Random, text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..1 + random.below(2) {
        if lines.is_empty() {
            break;
        }
        change_lines(random, &mut lines);
    }
    let text = lines.join("\n");
    match random.below(60) {
        0 => text.replace('\n', "\r\n"),
        1 => format!("\u{feff}{text}\n"),
        2 => text.replace('\n', "\r"),
        3 => format!("---\n{text}\n---\nx: ["),
        4 => format!("%YAML 1.1\n---\n{text}\n...\n"),
        5 => format!("# c\n\n{text}\n\n# d"),
        _ => format!("{text}\n"),
    }
}

const ODD: &[&str] = &[
    "~",
    "null",
    "Null",
    "NULL",
    "",
    "yes",
    "No",
    "on",
    "y",
    "true",
    "\"true\"",
    "0x10",
    "0o7",
    "010",
    "0b1",
    "1_000",
    "1e3",
    "-1",
    "+1",
    "1.5",
    ".5",
    ".inf",
    ".NaN",
    "190:20:30",
    "2001-12-14",
    "2001-12-14t21:59:43.10-05:00",
    "!!binary YQ==",
    "!!binary x",
    "!!str 5",
    "!!int 5",
    "!!int x",
    "!!float 1",
    "!!bool yes",
    "!!null x",
    "!!seq [a]",
    "!!map {}",
    "!!timestamp 2001-12-14",
    "!a b",
    "!<tag:yaml.org,2002:str> 5",
    "! 5",
    "[]",
    "{}",
    "[a, b]",
    "{a: b}",
    "[[a]]",
    "[a,]",
    "[a, , b]",
    "{a}",
    "{a, b: c}",
    "\"a\\tb\"",
    "\"\\x41\"",
    "\"\\u00e9\"",
    "\"\\q\"",
    "'it''s'",
    "'a",
    "\"a",
    "a: b",
    "a:b",
    "a #b",
    "a#b",
    "- a",
    "-a",
    "-",
    "?",
    "? a",
    "?a",
    ":",
    ":a",
    "@a",
    "`a",
    "%a",
    "&a",
    "&a b",
    "*a",
    "*b",
    "|",
    ">",
    "|-",
    ">+",
    "|2",
    "10s",
    "1m30s",
    "0",
    "1d",
    "1h30m",
    "5",
    "1.5s",
    "1MB",
    "10KiB",
    "\t",
    " ",
    "é",
    "\u{1f600}",
    "\u{85}",
    "\u{2028}",
    "a\tb",
    "<<",
    "=",
    "!",
    "!!",
    "!!str",
    "<secret>",
    "a,b",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    "'",
    "\"",
    "'' x",
    "\"a\n b\"",
    "a\n    b",
    "a\n\n    b",
];

fn change_lines(random: &mut Random, lines: &mut Vec<String>) {
    let at = random.below(lines.len());
    let line = lines[at].clone();
    let indent = line.len() - line.trim_start().len();
    // What belongs to the line: those that follow and stand further to the right.
    let deeper =
        |line: &String| line.trim().is_empty() || line.len() - line.trim_start().len() > indent;
    let end = at
        + 1
        + lines[at + 1..]
            .iter()
            .take_while(|line| deeper(line))
            .count();
    let value_at = line.find(": ").map(|at| at + 2);
    let value_at = value_at.or_else(|| line.trim_start().starts_with("- ").then_some(indent + 2));
    let (head, tail) = line.split_at(value_at.unwrap_or(line.len()));
    let (head, tail) = (head.to_owned(), tail.to_owned());
    match random.below(40) {
        0 => drop(lines.drain(at..end)),
        1 => drop(lines.remove(at)),
        2 => {
            let block = lines[at..end].to_vec();
            drop(lines.splice(end..end, block));
        }
        3 => {
            let block: Vec<_> = lines.drain(at..end).collect();
            let to = random.below(lines.len() + 1);
            drop(lines.splice(to..to, block));
        }
        4 => {
            let other = random.below(lines.len());
            lines.swap(at, other);
        }
        5 => lines[at] = format!(" {line}"),
        6 => lines[at] = line.strip_prefix(' ').unwrap_or(&line).to_owned(),
        7 => lines[at..end]
            .iter_mut()
            .for_each(|line| *line = format!("  {line}")),
        8 => {
            lines[at] = format!(
                "{line}{}",
                random.pick(&[" ", "\t", " # c", "#c", " :", ":", "\r", ",", "  \t # x"])
            )
        }
        9 => lines.insert(
            at,
            random
                .pick(&[
                    "",
                    "# c",
                    "  # c",
                    "\t",
                    "---",
                    "...",
                    "x: y",
                    "<<: *a",
                    "<<: {a: b}",
                    "- a",
                    "  x: y",
                    "a",
                    "\u{a0}",
                    "%TAG ! x",
                    "? a",
                    ": b",
                    "<<: [*a, *b]",
                ])
                .to_owned(),
        ),
        10 => {
            let other = &lines[random.below(lines.len())];
            let name = other
                .trim_start()
                .trim_start_matches("- ")
                .split(':')
                .next()
                .unwrap_or_default();
            lines[at] = format!("{}{name}: {tail}", &line[..indent]);
        }
        11 => {
            let name = line[indent..].split(':').next().unwrap_or_default();
            let new = [
                format!("\"{name}\""),
                format!("'{name}'"),
                name.to_uppercase(),
                format!("!!str {name}"),
                format!("&k {name}"),
                format!("? {name}\n{}", &line[..indent]),
            ];
            lines[at] = line.replacen(name, &new[random.below(new.len())], 1);
        }
        12 => lines[at] = format!("{head}\"{}\"", tail.trim_matches(['"', '\''])),
        13 => lines[at] = format!("{head}'{}'", tail.trim_matches(['"', '\''])),
        14 => {
            lines[at] = format!(
                "{head}{}\n{}{tail}",
                random.pick(&["|", ">", "|-", ">-", "|+", ">+", "|4", "|1-", ">2"]),
                " ".repeat(indent + random.below(5))
            )
        }
        15 => {
            lines[at] = format!(
                "{head}{}{tail}",
                random.pick(&[
                    "&a ",
                    "&b ",
                    "!!str ",
                    "!!int ",
                    "!!bool ",
                    "!!binary ",
                    "!x ",
                    "! ",
                    "&a !!str ",
                    "!!str &a "
                ])
            )
        }
        16 => {
            lines[at] = format!(
                "{head}{}",
                random.pick(&["*a", "*b", "[*a, *b]", "{<<: *a}"])
            )
        }
        17 => lines[at] = format!("{head}[{tail}]"),
        18 => lines[at] = format!("{head}{{x: {tail}}}"),
        19 => lines[at] = format!("{head}\n{}{tail}", " ".repeat(indent + random.below(6))),
        20 => {
            let other = lines[random.below(lines.len())].trim().to_owned();
            lines.insert(at, format!("{}{other}", &line[..indent]));
        }
        21 => lines[at] = line.replacen(' ', "\t", 1),
        _ => lines[at] = format!("{head}{}", random.pick(ODD)),
    }
}

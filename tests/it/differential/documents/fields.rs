//! The fields of a configuration, and values for them: the good ones first.

/// A field's name and what its value is.
pub type Fields = &'static [(&'static str, Kind)];

#[derive(Clone, Copy)]
pub enum Kind {
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
pub const WORDS: Kind = Of(&[
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

pub const LIMITS: Fields = &[
    ("body_size_limit", SIZES),
    ("sample_limit", UINTS),
    ("target_limit", UINTS),
    ("label_limit", UINTS),
    ("label_name_length_limit", UINTS),
    ("label_value_length_limit", UINTS),
    ("keep_dropped_targets", UINTS),
];
pub const SHARED: Fields = &[
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
pub const GLOBAL: Fields = &[
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
pub const PROXY: Fields = &[
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
pub const CLIENT: Fields = &[
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
pub const DISCOVERY: Fields = &[
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
pub const JOB: Fields = &[
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

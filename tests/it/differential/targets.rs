//! Random target groups of a random job, in the form of the corpus' area `targets`.

use super::Random;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

const ADDRESSES: &[&str] = &[
    "h:80",
    "h",
    "h:443",
    "1.2.3.4:9090",
    "1.2.3.4",
    "[::1]:80",
    "[::1]",
    "::1",
    "[fe80::1%en0]:9",
    "h:",
    ":80",
    "",
    " h:80",
    "a b",
    "http://h:80",
    "h/p",
    "é:1",
    "h:99999",
    "u@h:1",
    "h?x",
    "h#y",
    "h%41:1",
    "h:80:90",
    "[h]:1",
    "H.Example:80",
    "h\n:1",
    "h:08",
    "[::1",
    "xn--p1ai:80",
    "h_x:1",
    "\"h\"",
    "h:x",
];
const SCHEMES: &[&str] = &["http", "https", "", "ftp", "HTTP", "a b", "1"];
const TIMES: &[&str] = &[
    "10s", "5s", "1m", "1h30m", "0s", "", "x", "10", "-1s", "1d", "90s", "60s", "500ms", "1m0s",
];
const PATHS: &[&str] = &[
    "/m", "m", "", "/a?b=c", "/é", "/a b", "/%zz", "/a#b", "//x", "/a%20b", "?q", "/;",
];
const WORDS: &[&str] = &[
    "x",
    "y-1",
    "",
    "é",
    "a b",
    "0",
    "a,b;c",
    "long-long-long-long",
    "\u{1f600}",
    "&=",
    "h:80",
    "/p",
];
const NAMES: &[&str] = &[
    "a",
    "b",
    "job",
    "instance",
    "__meta_kubernetes_pod_name",
    "__meta_x",
    "__tmp",
    "__param_a",
    "__param_b",
    "__param_",
    "__scheme__",
    "__metrics_path__",
    "__scrape_interval__",
    "__scrape_timeout__",
    "__address__",
    "exported_job",
    "é",
    "a-b",
    "__name__",
    "A",
    "__scrape_native_histograms__",
    "__hidden",
    "1x",
];

/// Writes a case.
pub fn write(random: &mut Random, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("job.yaml"), job(random)).unwrap();
    if random.one_in(4) {
        let (interval, limit) = (random.pick(&["7s", "2m", "15s"]), random.below(4));
        let text = format!(
            "scrape_interval: {interval}\nscrape_timeout: 3s\ntarget_limit: {limit}\nkeep_dropped_targets: {}\nlabel_limit: {}\n",
            random.below(3),
            30 * random.below(2)
        );
        std::fs::write(folder.join("global.yaml"), text).unwrap();
    }
    let groups: Vec<Value> = (0..random.below(4))
        .map(|index| group(random, index))
        .collect();
    std::fs::write(folder.join("groups.json"), json!(groups).to_string()).unwrap();
}

fn group(random: &mut Random, index: usize) -> Value {
    let targets: Vec<Value> = (0..random.below(5))
        .map(|_| {
            let mut target = labels(random, 3);
            if !random.one_in(20) {
                target.insert("__address__".to_owned(), json!(word(random, ADDRESSES)));
            }
            Value::Object(target)
        })
        .collect();
    json!({"source": format!("g/{index}"), "labels": labels(random, 4), "targets": targets})
}

fn labels(random: &mut Random, most: usize) -> Map<String, Value> {
    let mut labels = Map::new();
    for _ in 0..random.below(most) {
        let name = random.pick(NAMES);
        let value = json!(suited(random, name));
        labels.insert(name.to_owned(), value);
    }
    if random.one_in(200) {
        // No rule reads it: what upstream does with single bytes is no aim.
        labels.insert("raw".to_owned(), json!({"base64": "/w=="}));
    }
    labels
}

/// A value that suits a label, mostly.
fn suited(random: &mut Random, name: &str) -> String {
    match name {
        _ if random.one_in(10) => random.pick(WORDS).to_owned(),
        "__address__" | "instance" => word(random, ADDRESSES),
        "__scheme__" => word(random, SCHEMES),
        "__metrics_path__" => word(random, PATHS),
        "__scrape_interval__" | "__scrape_timeout__" => word(random, TIMES),
        _ => word(random, WORDS),
    }
}

/// Mostly one of the first, which are good.
fn word(random: &mut Random, words: &[&str]) -> String {
    let among = if random.one_in(3) {
        words.len()
    } else {
        words.len().min(5)
    };
    words[random.below(among)].to_owned()
}

fn job(random: &mut Random) -> String {
    let mut out = "job_name: app\n".to_owned();
    let mut field = |random: &mut Random, often: usize, name: &str, values: &[&str]| {
        if random.one_in(often) {
            writeln!(out, "{name}: {}", random.pick(values)).unwrap();
        }
    };
    field(random, 4, "scheme", &["https", "http", "HTTP", "\"\""]);
    field(
        random,
        4,
        "metrics_path",
        &["/m", "m", "/a?b=c", "\"/a b\"", "/é", "\"\""],
    );
    field(
        random,
        3,
        "params",
        &[
            "{a: [x]}",
            "{a: [x, y], b: [\"\"]}",
            "{a: []}",
            "{\"c d\": [\"&\"]}",
            "{é: [é]}",
        ],
    );
    field(
        random,
        4,
        "scrape_interval",
        &["10s", "2m", "1h", "90s", "500ms"],
    );
    field(random, 8, "scrape_timeout", &["400ms", "5s", "0s"]);
    field(random, 4, "honor_labels", &["true", "false"]);
    field(random, 6, "label_limit", &["3", "12", "14", "100"]);
    field(
        random,
        8,
        "label_name_length_limit",
        &["5", "28", "40", "100"],
    );
    field(random, 8, "label_value_length_limit", &["3", "8", "20"]);
    field(random, 5, "target_limit", &["1", "2", "5"]);
    field(random, 5, "keep_dropped_targets", &["1", "2", "0"]);
    field(
        random,
        8,
        "metric_name_validation_scheme",
        &["legacy", "utf8"],
    );
    field(random, 8, "scrape_native_histograms", &["true"]);
    field(random, 8, "always_scrape_classic_histograms", &["true"]);
    let rules = random.below(5);
    if rules > 0 {
        out.push_str("relabel_configs:\n");
        for _ in 0..rules {
            writeln!(out, "- {}", rule(random)).unwrap();
        }
    }
    out
}

fn rule(random: &mut Random) -> String {
    let sources: Vec<_> = (0..1 + random.below(2))
        .map(|_| json!(random.pick(NAMES)).to_string())
        .collect();
    let sources = sources.join(", ");
    let target = random.pick(NAMES);
    let regex = json!(random.pick(&[
        "(.*)",
        "(.+)",
        "x",
        "h.*",
        "",
        "(h):(\\d+)",
        "x;.*",
        ".*;(.*)",
        "[^:]+"
    ]));
    match random.below(12) {
        0 => format!("{{action: drop, source_labels: [{sources}], regex: {regex}}}"),
        1 => format!(
            "{{action: keep, source_labels: [{sources}], regex: {}}}",
            json!(random.pick(&["(.*)", "h.*", ".+", "x|h"]))
        ),
        2 => format!(
            "{{action: hashmod, source_labels: [{sources}], target_label: {}, modulus: 3}}",
            random.pick(&["__tmp", "a", "__param_a"])
        ),
        3 => format!(
            "{{action: labeldrop, regex: {}}}",
            json!(random.pick(&[
                "__meta_.*",
                "__param_.*",
                "a|b",
                "__address__",
                "__scrape_.*",
                "__tmp",
                "job",
                "__scheme__|__metrics_path__"
            ]))
        ),
        4 => format!(
            "{{action: labelkeep, regex: {}}}",
            json!(random.pick(&[
                "__.*",
                "__.*|job|a",
                "__(address|scheme|metrics_path|scrape.*)__"
            ]))
        ),
        // Of two sources for one name upstream takes any, so only prefixes are cut off.
        5 => format!(
            "{{action: labelmap, regex: {}}}",
            json!(random.pick(&["__meta_(.+)", "__param_(.+)", "__meta_kubernetes_(.+)"]))
        ),
        6 => format!(
            "{{action: {}, source_labels: [{sources}], target_label: {}}}",
            random.pick(&["lowercase", "uppercase"]),
            json!(target)
        ),
        7 => format!(
            "{{action: {}, source_labels: [{sources}], target_label: {}}}",
            random.pick(&["keepequal", "dropequal"]),
            json!(target)
        ),
        _ => {
            let fixed = json!(suited(random, target));
            let replacement = if random.one_in(2) {
                fixed
            } else {
                json!(random.pick(&["$1", "${1}:9", "$2-$1", "$1$1", "[$1]:80"]))
            };
            format!(
                "{{source_labels: [{sources}], regex: {regex}, target_label: {}, replacement: {replacement}}}",
                json!(target)
            )
        }
    }
}

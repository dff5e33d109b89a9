//! Random cases for a comparison with Prometheus itself, in the form of the corpus' areas `relabel`, `config` and `targets`.
//!
//! `DIFFERENTIAL_DIR=DIR cargo test --test it differential` writes `DIR/relabel/*.yaml`, `DIR/config/*/prometheus.yml` and
//! `DIR/targets/*/`; upstream's oracles (`oracle all DIR`, `scrape all targets DIR/targets`) add what is wanted, and
//! `GOLDEN_ROOT=DIR cargo test --test it golden_relabel` (`golden_config`, `golden_targets`) compares. `DIFFERENTIAL_SEED` changes the seed.
//! Without the variable a small set is loaded and applied: nothing may panic, and the same seed gives the same cases.

mod documents;
mod targets;

use prometheus_operator_receiver::config::{self, Context, Loader};
use prometheus_operator_receiver::model::bounds::{Bounds, Work};
use prometheus_operator_receiver::model::labels::LabelsBuilder;
use prometheus_operator_receiver::model::name::ValidationScheme;
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::wire::yaml::{self, Data};
use std::fmt::Write as _;
use std::path::Path;

const SEED: u64 = 20_261_125;
const REGEX_PAIRS: usize = 24_000;
const RULE_LISTS: usize = 6_000;
const DOCUMENTS: usize = 12_000;
const TARGETS: usize = 6_000;

#[test]
fn differential_cases() {
    let seed = std::env::var("DIFFERENTIAL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(SEED);
    let Ok(folder) = std::env::var("DIFFERENTIAL_DIR") else {
        assert_eq!(regexes(seed, 50), regexes(seed, 50));
        run(&regexes(seed, 500));
        run(&rule_lists(seed, 500));
        load(&documents(seed, 300));
        return;
    };
    let root = Path::new(&folder);
    let folder = root.join("relabel");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("regexes.yaml"), regexes(seed, REGEX_PAIRS)).unwrap();
    std::fs::write(folder.join("rule-lists.yaml"), rule_lists(seed, RULE_LISTS)).unwrap();
    let mut random = Random(seed.rotate_left(11));
    for index in 0..TARGETS {
        targets::write(&mut random, &root.join(format!("targets/t{index:05}")));
    }
    for (index, text) in documents(seed, DOCUMENTS).iter().enumerate() {
        let case = root.join(format!("config/d{index:05}"));
        std::fs::create_dir_all(&case).unwrap();
        std::fs::write(case.join("prometheus.yml"), text).unwrap();
    }
}

/// Half of them grown from nothing, half documents of the corpus with changes.
fn documents(seed: u64, count: usize) -> Vec<String> {
    let mut random = Random(seed.rotate_left(7));
    let corpus = documents::corpus();
    let one = |index| {
        if index % 2 == 0 {
            return documents::grown(&mut random);
        }
        let text = &corpus[random.below(corpus.len())];
        documents::changed(&mut random, text)
    };
    (0..count).map(one).collect()
}

/// Loads all of them; what is printed of them loads to the same.
fn load(documents: &[String]) {
    let cx = Context {
        path: "prometheus.yml",
        files: &Disk,
        env: &|_| None,
    };
    let loaded = documents
        .iter()
        .filter_map(|text| config::load(text.as_bytes(), &cx).ok());
    let mut count = 0;
    for config in loaded {
        let text = config::print::document(&config);
        crate::golden::config::loads_again(&Disk, &config, &text).unwrap();
        count += 1;
    }
    assert!(count > documents.len() / 16, "only {count} load");
}

/// Loads and applies all cases of a file.
fn run(text: &str) {
    let root = yaml::parse(text.as_bytes()).unwrap().unwrap();
    let Data::Sequence(cases) = &root.data else {
        panic!("no list")
    };
    let (bounds, mut loaded) = (Bounds::default(), 0);
    for case in cases {
        let Data::Mapping(pairs) = &case.data else {
            panic!("no mapping")
        };
        let rules = &pairs.last().unwrap().1;
        if let Ok(rules) = Loader::new().load_rules(rules, ValidationScheme::Utf8) {
            let mut labels = LabelsBuilder::new();
            labels.set("a", "x-1");
            let mut work = Work::of(&bounds, u64::MAX);
            rules.apply(&mut labels, &mut work).unwrap();
            loaded += 1;
        }
    }
    assert!(
        loaded > cases.len() / 5,
        "only {loaded} of {} load",
        cases.len()
    );
}

/// SplitMix64: enough to choose with.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }
}

const ATOMS: &[&str] = &[
    "a",
    "b",
    "c",
    "ab",
    "é",
    "-",
    "_",
    "1",
    "K",
    "s",
    ".",
    "[ab]",
    "[^a]",
    "[a-c_]",
    "[[:alpha:]]",
    "[[:^digit:]]",
    r"\d",
    r"\w",
    r"\s",
    r"\D",
    r"\W",
    r"\S",
    r"\b",
    r"\B",
    "^",
    "$",
    r"\A",
    r"\z",
    r"\pL",
    r"\PN",
    r"\p{Greek}",
    r"\p{^Lu}",
    r"\Qa.\E",
    r"\.",
    r"\x61",
    r"\x{e9}",
    r"\101",
    "{",
    "}",
    "]",
    ",",
    r"\n",
    "(?i)",
    "(?-s)",
    "(?m)",
    "(?U)",
    r"[\W_]",
    r"[\d\-]",
    "[]a]",
    "[^]a]",
    r"\-",
    "[a&&b]",
    "[a-]",
    "[[a]",
    r"\/",
    ":",
    ";",
    r"[\pL\d]",
    r"(?i:ſ)",
    "[k-s]",
];

const RARE: &[&str] = &[
    r"\Z",
    r"\8",
    r"\C",
    r"\u0041",
    "[b-a]",
    "[[:foo:]]",
    "(?x)",
    "(?=a)",
    r"\p{Nope}",
    "(?P<n-x>a)",
    "[",
    "(",
    ")",
    r"\",
    "**",
    "{1001}",
    r"\Q",
    "(?",
    "[[:alpha:",
    r"\x{110000}",
    r"\x{d800}",
    "(?P<",
    r"\_",
    r"\<",
    r"\p{LC}",
    r"\p{Any}",
    r"\pZ",
    "{,2}",
    "{2",
    "{1, 2}",
    "{01}",
    r"\p{Old_Italic}",
    r"\p{ lu }",
    r"\p{is_greek}",
    r"\07",
    r"\0",
];

const REPEATS: &[&str] = &[
    "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}", "{0}", "{1}", "{3,1}",
];

fn pattern(random: &mut Random, depth: usize) -> String {
    let mut out = String::new();
    for _ in 0..1 + random.below(4) {
        match random.below(12) {
            0 | 1 if depth > 0 => {
                let open = random.pick(&[
                    "(", "(", "(?:", "(?i:", "(?P<n>", "(?P<1>", "(?<m>", "(?s-i:",
                ]);
                write!(out, "{open}{})", pattern(random, depth - 1)).unwrap();
            }
            2 if depth > 0 => write!(
                out,
                "{}|{}",
                pattern(random, depth - 1),
                pattern(random, depth - 1)
            )
            .unwrap(),
            3 => out.push_str(random.pick(&[".*", ".+", "(.*)", "(.+)", "(.+?)", "[^;]*"])),
            _ if random.one_in(60) => out.push_str(random.pick(RARE)),
            _ => out.push_str(random.pick(ATOMS)),
        }
        if random.one_in(3) {
            out.push_str(random.pick(REPEATS));
        }
    }
    out
}

fn value(random: &mut Random) -> String {
    let parts = &[
        "a", "b", "c", "ab", "é", "É", "-", "_", "1", "K", "\u{212a}", "ſ", "s", "S", ".", ";",
        "\n", " ", "{", "λ", "k", "x", "ba", ":",
    ];
    (0..random.below(7)).map(|_| random.pick(parts)).collect()
}

/// A pattern with a few values each.
fn regexes(seed: u64, count: usize) -> String {
    let mut random = Random(seed);
    let mut out = String::new();
    let mut current = String::new();
    for index in 0..count {
        if index % 4 == 0 {
            current = pattern(&mut random, 3);
        }
        let value = value(&mut random);
        writeln!(
            out,
            "- {{name: r{index}, labels: {{s: {}}}, rules: [{{source_labels: [s], regex: {}, target_label: m, \
             replacement: '<$0|$1|$2|$3|${{n}}>'}}]}}",
            quoted(&value),
            quoted(&current)
        )
        .unwrap();
    }
    out
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

const NAMES: &[&str] = &["a", "b", "c_1", "p_a", "p_b", "__tmp", "é", "a.b"];

const TEMPLATES: &[&str] = &[
    "$1", "${1}x", "x", "", "$$1", "$9", "${n}", "$1_s", "a-$1", "$é", "${", "b", "p_$1",
];

fn rule_lists(seed: u64, count: usize) -> String {
    let mut random = Random(!seed);
    let mut out = String::new();
    for index in 0..count {
        let scheme = random.pick(&["utf8", "utf8", "legacy"]);
        writeln!(out, "- name: l{index}\n  scheme: {scheme}\n  labels:").unwrap();
        for name in NAMES {
            let value = if random.one_in(3) {
                String::new()
            } else {
                value(&mut random)
            };
            writeln!(out, "    {}: {}", quoted(name), quoted(&value)).unwrap();
        }
        writeln!(out, "  rules:").unwrap();
        for _ in 0..1 + random.below(5) {
            writeln!(out, "  - {}", rule(&mut random)).unwrap();
        }
    }
    out
}

fn rule(random: &mut Random) -> String {
    let action = random.pick(&[
        "replace",
        "replace",
        "replace",
        "Replace",
        "keep",
        "drop",
        "keepequal",
        "dropequal",
        "hashmod",
        "labelmap",
        "labelmap",
        "labeldrop",
        "labelkeep",
        "lowercase",
        "uppercase",
        "lowercase",
        "uppercase",
        "hashmod",
    ]);
    // Mostly the fields that suit the action, so that many lists load.
    let odd = random.one_in(12);
    let is = |all: &[&str]| odd || all.contains(&action.to_lowercase().as_str());
    let mut fields = vec![format!("action: {action}")];
    if is(&[
        "replace",
        "keep",
        "drop",
        "keepequal",
        "dropequal",
        "hashmod",
        "lowercase",
        "uppercase",
    ]) {
        let names: Vec<_> = (0..random.below(4))
            .map(|_| quoted(random.pick(NAMES)))
            .collect();
        fields.push(format!("source_labels: [{}]", names.join(", ")));
    }
    if is(&[
        "replace",
        "hashmod",
        "keepequal",
        "dropequal",
        "lowercase",
        "uppercase",
    ]) {
        let target = if action == "replace" && random.one_in(4) {
            random.pick(TEMPLATES)
        } else {
            random.pick(NAMES)
        };
        fields.push(format!("target_label: {}", quoted(target)));
    }
    if is(&["replace", "labelmap"]) && !random.one_in(3) {
        fields.push(format!("replacement: {}", quoted(random.pick(TEMPLATES))));
    }
    if is(&["hashmod"]) {
        fields.push(format!("modulus: {}", random.below(5) + usize::from(!odd)));
    }
    if is(&[
        "replace",
        "keep",
        "drop",
        "labelmap",
        "labeldrop",
        "labelkeep",
    ]) && !random.one_in(4)
    {
        let names = [
            "p_(.+)",
            "(.*)",
            "a|b",
            "__tmp.*",
            ".*[a-c]",
            "é",
            "",
            "(.)(?P<n>.*)",
            "p_.",
            "a)|(b",
            "(?i)[A-C].*",
        ];
        let pattern = if random.one_in(2) {
            random.pick(&names).to_owned()
        } else {
            pattern(random, 1)
        };
        fields.push(format!("regex: {}", quoted(&pattern)));
    }
    if is(&["replace", "keep", "drop"]) && random.one_in(5) {
        fields.push(format!(
            "separator: {}",
            quoted(random.pick(&["", "-", ";", "é"]))
        ));
    }
    format!("{{{}}}", fields.join(", "))
}

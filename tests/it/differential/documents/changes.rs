//! Documents of the corpus, and changes to lines of any document.

use super::super::Random;
use std::path::Path;

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

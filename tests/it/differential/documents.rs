//! Random configuration documents: trees of fields with values that suit them, mostly, and documents of the corpus with
//! lines changed. What is odd about YAML is strewn over both, but for control characters (upstream finds other errors first) and
//! negative numbers for unsigned fields (what they are in Go depends on the processor).

mod changes;
mod fields;

use super::Random;
pub use changes::{changed, corpus};
use fields::{CLIENT, DISCOVERY, Fields, GLOBAL, JOB, Kind, LIMITS, PROXY, SHARED, WORDS};
use std::fmt::Write as _;

/// A document as a tree, before it is written in one style or another.
#[derive(Clone)]
enum Tree {
    Scalar(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

use Kind::{Headers, ListOf, Multi, Of, Pairs, Record, Records};
use Tree::{List, Map, Scalar};

/// A document of random fields; now and then with a node bent, or lines changed.
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

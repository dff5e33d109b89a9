//! Random monitors: every field of both kinds and of the workloads, with strings that are hostile to a YAML writer. What
//! must hold for all of them is tested in `properties`.
//!
//! A tool, run by hand: `RANDOM_CASES=DIR RANDOM_SEED=1 RANDOM_MONITORS=5000 cargo test --test it write_random_cases`
//! writes case folders as upstream's generator takes them; with its outputs beside them,
//! `GENERATE_CASES=DIR cargo test --test it generate_further` compares.

mod monitors;
mod properties;
mod texts;

use serde_json::{Map, Value};
use std::path::Path;

/// Numbers that a seed determines (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn list(&mut self, most: usize, mut item: impl FnMut(&mut Self) -> Value) -> Value {
        (0..self.below(most + 1)).map(|_| item(self)).collect()
    }
}

/// A map that fields are put into at random.
struct Fields<'r> {
    random: &'r mut Random,
    fields: Map<String, Value>,
    /// Per cent of fields that are set.
    density: usize,
}

impl<'r> Fields<'r> {
    fn new(random: &'r mut Random, density: usize) -> Self {
        Self {
            random,
            fields: Map::new(),
            density,
        }
    }

    fn maybe(&mut self, name: &str, value: impl FnOnce(&mut Random) -> Value) -> &mut Self {
        if self.random.percent(self.density) {
            let value = value(self.random);
            self.fields.insert(name.to_owned(), value);
        }
        self
    }

    fn always(&mut self, name: &str, value: impl FnOnce(&mut Random) -> Value) -> &mut Self {
        let value = value(self.random);
        self.fields.insert(name.to_owned(), value);
        self
    }

    fn done(&mut self) -> Value {
        Value::Object(std::mem::take(&mut self.fields))
    }
}

/// The objects of one case.
fn objects(r: &mut Random, count: usize) -> Vec<Value> {
    let mut objects: Vec<Value> = (0..count).map(|i| monitors::monitor(r, i)).collect();
    if r.percent(70) {
        objects.push(monitors::workload(r));
    }
    objects.extend(monitors::assets_of(r));
    objects
}

/// JSON in which only ASCII stands for itself, so that every YAML reader understands it alike.
fn ascii(value: &Value, out: &mut String) {
    let quoted = |text: &str, out: &mut String| {
        out.push('"');
        for c in text.chars() {
            match u32::from(c) {
                _ if c == '"' || c == '\\' => out.extend(['\\', c]),
                0x20..0x7f => out.push(c),
                code @ ..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code @ ..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            }
        }
        out.push('"');
    };
    match value {
        Value::String(text) => quoted(text, out),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                ascii(item, out);
                out.push_str(", ");
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (key, value) in fields {
                out.push_str("? ");
                quoted(key, out);
                out.push_str(" : ");
                ascii(value, out);
                out.push_str(", ");
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[test]
fn write_random_cases() {
    let Some(root) = std::env::var_os("RANDOM_CASES") else {
        return;
    };
    const PER_CASE: usize = 25;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed: u64 = number("RANDOM_SEED").unwrap_or(1);
    let monitors: u64 = number("RANDOM_MONITORS").unwrap_or(100);
    for case in 0..monitors.div_ceil(PER_CASE as u64) {
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(case));
        let folder = Path::new(&root)
            .join(format!("case-{seed}-{case:04}"))
            .join("in");
        std::fs::create_dir_all(&folder).unwrap();
        let mut text = String::new();
        for object in objects(&mut random, PER_CASE) {
            text.push_str("---\n");
            ascii(&object, &mut text);
            text.push('\n');
        }
        std::fs::write(folder.join("objects.yaml"), text).unwrap();
    }
}

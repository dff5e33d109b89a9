//! What generating costs, reading the objects aside: `cargo bench --bench generate -- FOLDER`, with the lists of monitors that
//! `oracle-generate --dump N FOLDER` writes (servicemonitors.json, podmonitors.json). Its `--bench N` says what upstream takes.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout
)]

mod measure;

use measure::measured;
use prometheus_operator_receiver::kube::manifest;
use prometheus_operator_receiver::monitoring::Definitions;
use prometheus_operator_receiver::operator::{Assets, Generator, Settings, Snapshot};
use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let [_, folder] = args.as_slice() else {
        println!("nothing to generate: cargo bench --bench generate -- FOLDER");
        return;
    };
    let settings = Settings::default();
    let mut snapshot = Snapshot::default();
    let definitions = Definitions::vendored();
    measured("reading", || {
        for file in ["servicemonitors.json", "podmonitors.json"] {
            let text =
                std::fs::read_to_string(Path::new(folder).join(file)).expect("a list of monitors");
            manifest::each(file, &text, &mut |object| {
                snapshot.add(&object.expect("an object"), Some(&definitions));
            });
        }
        snapshot.complete_namespaces(&settings.namespace);
    });
    let mut generator = Generator::default();
    let mut generate = |what| {
        let generate = || {
            generator
                .begin(&snapshot, &settings)
                .and_then(|round| round.generate(&Assets::default()))
        };
        measured(what, generate).expect("it generates")
    };
    println!("{} monitors with jobs", generate("generating").jobs.len());
    generate("again, nothing changed");
}

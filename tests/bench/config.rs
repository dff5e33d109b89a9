//! What loading and relabelling cost: `cargo bench --bench config -- PART CONFIG [LABELS]`. `document` loads the file, `fragments` loads
//! its jobs one by one, `yaml` only reads it, `relabel` applies the target rules of the first job 10000 times to the labels of a
//! file with lines `name=value`.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout
)]

mod measure;

use measure::measured;
use prometheus_operator_receiver::config::{Context, Loader};
use prometheus_operator_receiver::model::bounds::{Bounds, Work};
use prometheus_operator_receiver::model::labels::{Labels, LabelsBuilder};
use prometheus_operator_receiver::model::relabel::Keep;
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::wire::yaml;
use std::hint::black_box;

fn main() {
    let args: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let [_, part, file, rest @ ..] = args.as_slice() else {
        println!("nothing to load: cargo bench --bench config -- PART CONFIG [LABELS]");
        return;
    };
    let text = std::fs::read(file).expect("a configuration");
    let cx = Context {
        path: file,
        files: &Disk,
        env: &|_| None,
    };
    let mut loader = Loader::new();
    match part.as_str() {
        "yaml" => drop(measured("yaml", || yaml::parse(&text))),
        "document" => {
            let config = measured("document", || loader.load(&text, &cx)).expect("it loads");
            println!("{} jobs", config.jobs.len());
        }
        "fragments" => {
            let text = String::from_utf8(text).expect("text");
            let (frame, jobs) = text.split_once("scrape_configs:\n").expect("jobs");
            let global = loader.load(frame.as_bytes(), &cx).expect("a frame").global;
            let mut starts: Vec<_> = jobs.match_indices("- job_name:").map(|at| at.0).collect();
            starts.push(jobs.len());
            let fragments = starts.iter().zip(starts.iter().skip(1));
            let fragments: Vec<_> = fragments.filter_map(|(a, b)| jobs.get(*a..*b)).collect();
            let loaded = measured("fragments", || {
                let load = |text: &&str| loader.load_job(text.as_bytes(), &global, &cx);
                fragments.iter().map(load).collect::<Result<Vec<_>, _>>()
            });
            println!("{} jobs", loaded.expect("they load").len());
        }
        "relabel" => {
            let config = loader.load(&text, &cx).expect("it loads");
            let labels = std::fs::read_to_string(rest.first().expect("a file of labels"));
            let labels = labels.expect("labels");
            let pairs = labels.lines().filter_map(|line| line.split_once('='));
            let labels = Labels::from_pairs(pairs);
            let rules = &config.jobs.first().expect("a job").target_rules;
            println!("{} rules, {} labels", rules.rules().len(), labels.len());
            let mut builder = LabelsBuilder::new();
            for _ in 0..5 {
                let kept = measured("relabel", || {
                    let kept = (0..10_000).filter(|_| {
                        builder.reset(black_box(&labels));
                        rules.apply(&mut builder, &mut Work::of(&Bounds::default(), u64::MAX))
                            == Ok(Keep::Yes)
                    });
                    kept.count()
                });
                println!("kept {kept}");
            }
        }
        other => println!("{other}: document, fragments, yaml or relabel"),
    }
}

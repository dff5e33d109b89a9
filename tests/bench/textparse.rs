//! Speed of the text readers: `cargo bench --bench textparse -- FILE...`, files ending in `.om` are OpenMetrics. Each page is read
//! for half a second of CPU time, five times; the best counts. With `--once` each is read ten times, for callgrind.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout
)]

use prometheus_operator_receiver::model::labels::LabelList;
use prometheus_operator_receiver::textparse::{Entry, Format, Options, Parser};
use std::hint::black_box;
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let once = args.iter().any(|arg| arg == "--once");
    let files: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    if files.is_empty() {
        println!("nothing to read: cargo bench --bench textparse -- FILE...");
    }
    for file in files {
        let page = std::fs::read(file).expect("a page");
        let format = if file.ends_with(".om") {
            Format::OpenMetrics
        } else {
            Format::Text
        };
        for with_labels in [false, true] {
            if once {
                if !with_labels {
                    let read = (0..10).map(|_| samples(&page, format, false));
                    println!("{file}: {} samples in all", read.sum::<usize>());
                }
                continue;
            }
            let n = samples(&page, format, with_labels);
            let best = (0..5).map(|_| time(&page, format, with_labels)).min();
            let best = best.unwrap_or_default();
            println!(
                "{file}{}: {n} samples, {:.0} MB/s, {:.1} ns per sample",
                if with_labels { " with labels" } else { "" },
                page.len() as f64 / best.as_secs_f64() / 1e6,
                best.as_secs_f64() * 1e9 / n as f64
            );
        }
    }
}

/// How much CPU time one reading takes: on a busy machine the clock on the wall says little.
fn time(page: &[u8], format: Format, with_labels: bool) -> Duration {
    let start = cpu_time();
    let mut n = 0;
    while cpu_time() - start < Duration::from_millis(500) {
        for _ in 0..10 {
            black_box(samples(black_box(page), format, with_labels));
        }
        n += 10;
    }
    (cpu_time() - start) / n
}

fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanoseconds.expect("/proc/self/schedstat"))
}

fn samples(page: &[u8], format: Format, with_labels: bool) -> usize {
    let mut parser = Parser::new(page, format, Options::default());
    let mut labels = LabelList::new();
    let mut n = 0;
    while let Some(entry) = parser.next() {
        match black_box(entry.expect("a good page")) {
            Entry::Series(series) => {
                n += 1;
                if with_labels {
                    series.labels.labels(&mut labels);
                    black_box(&labels);
                }
            }
            other => {
                black_box(other);
            }
        }
    }
    n
}

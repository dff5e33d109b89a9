//! What reading a page or a configuration costs in memory, counted and not timed. Samples of the text formats cost no allocation: a reader may
//! allocate at its beginning and when a line needs more room than any before. Whatever a page is made of, what is allocated and what
//! is delivered grows with its length only. A binary of its own, since it counts what the whole process allocates.
#![allow(missing_docs, clippy::panic)]

use prometheus_operator_receiver::config::{self, Context};
use prometheus_operator_receiver::model::labels::LabelList;
use prometheus_operator_receiver::rt::files::MemoryFiles;
use prometheus_operator_receiver::textparse::{Entry, Format, Options, Parser};
use prometheus_operator_receiver::wire::protobuf::Writer;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test: what the harness or others allocate meanwhile would be counted, too.
#[test]
fn what_is_read_costs_no_more_than_its_length() {
    nothing_is_allocated_per_sample();
    hostile_text();
    hostile_protobuf();
    hostile_configurations();
}

#[track_caller]
fn check(format: Format, options: Options, block: &str) {
    let page = |times: usize| -> String {
        let blocks = (0..times).map(|n| block.replace("$N", &format!("{n:05}")) + "\n");
        blocks.collect::<String>() + "# EOF\n"
    };
    let few = allocations(format, options, &page(2));
    let many = allocations(format, options, &page(2000));
    assert_eq!(few, many, "{format:?} {options:?}");
    assert!(few < 20, "{few}");
}

fn allocations(format: Format, options: Options, page: &str) -> usize {
    let region = Region::new(ALLOCATOR);
    let mut parser = Parser::new(page.as_bytes(), format, options);
    let mut sum = 0.0;
    while let Some(entry) = parser.next() {
        match entry {
            Ok(Entry::Series(series)) => sum += series.value + series.exemplars.len() as f64,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sum > 0.0);
    let change = region.change();
    change.allocations + change.reallocations
}

fn nothing_is_allocated_per_sample() {
    let block = "# HELP a_$N Some help.\n# TYPE a_$N counter\na_$N_total{b=\"c\",d=\"$N\"} 1.5\n{\"a_$N\",b=\"é\"} 0.1234567890123456789";
    let plain = Options::default();
    let all = Options {
        type_and_unit_labels: true,
        start_timestamps: true,
        ..plain
    };
    for options in [plain, all] {
        check(Format::Text, options, block);
        check(Format::OpenMetrics, options, block);
        let exemplar = "a_total{b=\"$N\"} 1 # {trace_id=\"0123456789abcdef\"} 1 1700000000.123\na_created{b=\"$N\"} 5";
        check(Format::OpenMetrics, options, exemplar);
    }
}

const ALL: Options = Options {
    native_histograms: true,
    classic_histograms: true,
    convert_to_nhcb: true,
    type_and_unit_labels: true,
    start_timestamps: true,
};

/// Bytes allocated while a page is read, and bytes of labels, keys and exemplars delivered.
fn costs(format: Format, page: &[u8]) -> (usize, usize) {
    let region = Region::new(ALLOCATOR);
    let mut parser = Parser::new(page, format, ALL);
    let (mut labels, mut delivered) = (LabelList::new(), 0);
    let size = |labels: &LabelList| -> usize {
        let sizes = labels.raw().map(|(name, value)| name.len() + value.len());
        sizes.sum()
    };
    while let Some(Ok(entry)) = parser.next() {
        let (key, source, exemplars) = match &entry {
            Entry::Series(series) => (series.key, series.labels, series.exemplars),
            Entry::Histogram(histogram) => (histogram.key, histogram.labels, histogram.exemplars),
            _ => continue,
        };
        source.labels(&mut labels);
        delivered += key.len() + size(&labels);
        delivered += exemplars.iter().map(|e| size(&e.labels)).sum::<usize>();
    }
    (region.change().bytes_allocated, delivered)
}

/// What a page may cost beside 64 times its length.
const LITTLE: usize = 10_000;
/// The same where it says labels once for many series: those may take 64 MiB.
const MUCH: usize = 65 << 20;

/// Pages of size `n`, twice and four times that cost at most that.
#[track_caller]
fn check_costs(format: Format, constant: usize, page: &dyn Fn(usize) -> Vec<u8>, n: usize) {
    for n in [n, 2 * n, 4 * n] {
        let page = page(n);
        let (allocated, delivered) = costs(format, &page);
        let most = constant + 64 * page.len();
        let what = String::from_utf8_lossy(page.get(..60).unwrap_or(&page));
        let costs = (allocated, delivered);
        assert!(
            allocated.max(delivered) <= most,
            "{format:?} {n} {costs:?} {what:?}"
        );
    }
}

fn hostile_text() {
    // What is repeated stands between a beginning and an end; `$N` is the number of the repetition.
    for (before, piece, after) in [
        ("", "{", ""),
        ("", "a{b=", ""),
        ("", "{\"a\",", "} 1\n"),
        ("a{b=\"", "xxxxxxxx", "\"} 1\n"),
        ("", "xxxxxxxx", " 1\n"),
        ("a ", "11111111", "\n"),
        ("a{", "b=\"\",", "} 1\n"),
        ("a{", "b$N=\"c\",", "} 1\n"),
        (
            "# TYPE a histogram\na_bucket{le=\"1\",",
            "b=\"\",c=\"d\",",
            "} 1\n",
        ),
        ("", "# TYPE a counter\n# HELP a b\na_total 1\n", ""),
        ("", "# HELP a b\\n\\\\\n", ""),
        ("# TYPE a counter\n", "# HELP a b\n", "a_total 1\n"),
        ("", "# x\n", ""),
        ("", "#\n", ""),
        ("a{b=\"", "\\\\\\n\\\"", "\"} 1\n"),
        ("", "a{b=\"\\n\"} 1\n", ""),
        ("", "{\"a\\n\",\"\\n\"=\"\\n\"} 1\n", ""),
        (
            "# TYPE a counter\n",
            "a_total{n=\"$N\"} 1 # {b=\"c\"} 1 2\n",
            "",
        ),
        (
            "# TYPE a histogram\n",
            "a_bucket{le=\"$N\"} $N # {b=\"c\"} 1 2\n",
            "a_count 1\n",
        ),
        (
            "# TYPE a histogram\n",
            "a_bucket{n=\"$N\",le=\"1\"} 1\na_bucket{n=\"$N\",le=\"+Inf\"} 1\n",
            "",
        ),
        ("# TYPE a summary\n", "a{quantile=\"$N\"} 1\n", ""),
        (
            "# TYPE a counter\n",
            "a_total{n=\"$N\"} 1\n",
            "a_created{n=\"x\"} 1\n",
        ),
        (
            "# TYPE a counter\n",
            "a_total{n=\"$N\"} 1\na_created{n=\"$N\"} 1\n",
            "",
        ),
    ] {
        for format in [Format::Text, Format::OpenMetrics] {
            let page = |n: usize| {
                let pieces = (0..n).map(|n| piece.replace("$N", &n.to_string()));
                let page = [before, &pieces.collect::<String>(), after, "# EOF\n"].concat();
                page.into_bytes()
            };
            check_costs(format, LITTLE, &page, 1000);
        }
    }
    // Of one line each of many others might say as much.
    for (line, constant, n) in [
        ("TYPE a_$N counter", LITTLE, 1000),
        ("HELP a_$N b", LITTLE, 1000),
        ("UNIT a_$N $N", MUCH, 4000),
    ] {
        let page = |n: usize| {
            let line = line.replace("$N", &"n".repeat(n));
            let series = "a 1\n".repeat(n);
            format!("# TYPE a counter\n# {line}\n{series}# EOF\n").into_bytes()
        };
        check_costs(Format::Text, constant, &page, n);
        check_costs(Format::OpenMetrics, constant, &page, n);
    }
}

fn families(n: usize, mut write: impl FnMut(&mut Writer, usize)) -> Vec<u8> {
    let mut page = Vec::new();
    for n in 0..n {
        let mut family = Writer::new();
        write(&mut family, n);
        let mut length = Writer::new();
        length.varint(family.as_slice().len() as u64);
        page.extend(length.into_vec());
        page.extend(family.into_vec());
    }
    page
}

fn label(metric: &mut Writer, name: &str) {
    metric.message(1, |label| {
        label.bytes(1, name.as_bytes());
        label.bytes(2, b"v");
    });
}

fn bucket(histogram: &mut Writer, n: usize) {
    histogram.message(3, |bucket| {
        bucket.uint(1, n as u64);
        bucket.double(2, n as f64);
    });
}

fn hostile_protobuf() {
    let check = |page: &dyn Fn(usize) -> Vec<u8>, n| check_costs(Format::Protobuf, MUCH, page, n);
    // Each of a metric's labels is one of each of its buckets.
    let labels_and_buckets = |n: usize| {
        families(1, |family, _| {
            family.bytes(1, b"a");
            family.uint(3, 4);
            family.message(4, |metric| {
                (0..n).for_each(|n| label(metric, &format!("l{n}")));
                metric.message(7, |histogram| (0..n).for_each(|n| bucket(histogram, n)));
            });
        })
    };
    check(&labels_and_buckets, 250);
    check(
        &|n| {
            families(1, |family, _| {
                family.bytes(1, b"a");
                family.uint(3, 2);
                family.message(4, |metric| {
                    (0..n).for_each(|n| label(metric, &format!("l{n}")));
                    metric.message(4, |summary| {
                        (0..n).for_each(|n| summary.message(3, |q| q.double(1, n as f64)));
                    });
                });
            })
        },
        250,
    );
    // One name, or one unit, for many metrics.
    for field in [1, 5] {
        check(
            &|n| {
                families(1, |family, _| {
                    family.bytes(1, b"a");
                    family.bytes(field, &vec![b'n'; 4 * n]);
                    (0..n).for_each(|_| family.message(4, |_| {}));
                })
            },
            1000,
        );
    }
    check(
        &|n| {
            families(n, |family, n| {
                family.bytes(1, b"a");
                family.bytes(2, b"help");
                family.uint(3, 4);
                family.message(4, |metric| {
                    metric.message(7, |h| (0..3).for_each(|m| bucket(h, n + m)));
                });
            })
        },
        1000,
    );
    check(
        &|n| {
            families(1, |family, _| {
                family.bytes(1, b"a");
                family.uint(3, 4);
                family.message(4, |metric| {
                    metric.message(7, |histogram| {
                        for n in 0..n {
                            histogram.message(3, |bucket| {
                                bucket.uint(1, n as u64);
                                bucket.double(2, n as f64);
                                bucket.message(3, |exemplar| label(exemplar, "l"));
                            });
                            histogram.message(12, |span| span.uint(2, 1));
                            histogram.sint(13, 1);
                            histogram.message(16, |exemplar| label(exemplar, "l"));
                        }
                    });
                });
            })
        },
        1000,
    );
    // A page that stays below the bound is read to its end; one that does not is refused with the reason.
    let error = |n| {
        let page = labels_and_buckets(n);
        let mut parser = Parser::new(&page, Format::Protobuf, Options::default());
        loop {
            match parser.next() {
                Some(Ok(_)) => {}
                end => return end.map(|error| error.err().map(|e| e.message)),
            }
        }
    };
    assert_eq!(error(1000), None);
    let error = error(4000).flatten().unwrap_or_default();
    assert!(error.contains("fewer labels or buckets"), "{error}");
}

/// Loads a configuration; at most so many bytes are allocated for each of its own, beside a constant. (Of one that looks plain
/// and is wrong, the jobs are decoded twice.)
#[track_caller]
fn check_load(text: &str, loads: bool) {
    let cx = Context {
        path: "prometheus.yml",
        files: &MemoryFiles::default(),
        env: &|_| None,
    };
    let region = Region::new(ALLOCATOR);
    let loaded = config::load(text.as_bytes(), &cx);
    let allocated = region.change().bytes_allocated;
    let most = (4 << 20) + 104 * text.len();
    let start = text.get(..60).unwrap_or(text);
    assert!(allocated <= most, "{allocated} of {most}: {start:?}");
    assert_eq!(loaded.is_ok(), loads, "{start:?}");
}

fn hostile_configurations() {
    let job = "scrape_configs:\n- job_name: a\n";
    let bomb = |width: usize, levels: usize| {
        let mut text = format!("{job}  oauth2:\n    claims:\n      a0: &a0 [x]\n");
        for level in 1..levels {
            let again = vec![format!("*a{}", level - 1); width].join(", ");
            text.push_str(&format!("      a{level}: &a{level} [{again}]\n"));
        }
        text
    };
    check_load(&bomb(2, 60), false);
    check_load(&bomb(10, 20), false);
    let merges = (1..200).map(|n| format!("x{n}: &a{n} {{<<: [*a{}, *a{}]}}\n", n - 1, n - 1));
    check_load(
        &format!("x0: &a0 {{}}\n{}", merges.collect::<String>()),
        false,
    );
    check_load(&format!("scrape_configs: {}", "[".repeat(500_000)), false);
    check_load(&format!("{job}  params: {}", "{a: ".repeat(200_000)), false);
    check_load(&"- ".repeat(200_000), false);
    check_load(&"? ".repeat(200_000), false);
    check_load(
        &format!("{job}  metrics_path: {}\n", "x".repeat(1 << 20)),
        true,
    );
    check_load(
        &format!("{job}  metrics_path: \"{}\"\n", "\\x41".repeat(1 << 18)),
        true,
    );
    check_load(
        &format!("{job}  metrics_path: |\n{}", "    x\n".repeat(1 << 17)),
        true,
    );
    check_load(&format!("{job}  {}: b\n", "a".repeat(1 << 20)), false);
    check_load(&format!("{job}{}", "  scheme: a\n".repeat(50_000)), false);
    check_load(&format!("{}x", "a: &a\n".repeat(50_000)), false);
    let rules = |pattern: &str, times: usize| {
        let rule = format!("  - {{action: drop, regex: {pattern:?}}}\n");
        format!("{job}  relabel_configs:\n{}", rule.repeat(times))
    };
    let slow = "(?:a?){1000}".repeat(100) + "b";
    check_load(&rules(&slow, 1), false);
    check_load(&rules(&slow, 200), false);
    check_load(&rules("(((((a{10}){10}){10}){10}){10}){10}", 1), false);
    check_load(&rules(&format!("a{}", "|b".repeat(40_000)), 1), false);
    check_load(&rules(&("(?:b".repeat(300) + &"*)".repeat(300)), 1), false);
    check_load(&rules(&"(".repeat(60_000), 1), false);
    check_load(&rules(r"\w{60}", 200), true);
    check_load(&rules(r"\d{200}", 200), true);
    check_load(&rules(r"(?i)\pL{20}", 20), false);
    let distinct: String = (0..30)
        .map(|n| format!("  - {{action: drop, regex: '\\w{{60}}x{n}'}}\n"))
        .collect();
    check_load(&format!("{job}  relabel_configs:\n{distinct}"), true);
}

//! The text readers allocate when they begin and when a line needs more room than any before, never for each sample. A binary of
//! its own, since it counts what the whole process allocates.
#![allow(missing_docs, clippy::panic)]

use prometheus_operator_receiver::textparse::{Entry, Format, Options, Parser};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

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

#[test]
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

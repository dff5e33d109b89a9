//! Pages made to hurt: each must end, with an error or a result, in time that grows with its length only. What takes quadratic
//! time or nests calls would not come to an end here.

use prometheus_operator_receiver::model::labels::LabelList;
use prometheus_operator_receiver::textparse::{Entry, Format, Options, Parser};
use prometheus_operator_receiver::wire::protobuf::Writer;

const MANY: usize = 200_000;
const LONG: usize = 100_000_000;

/// Reads to the end: how many entries, how many labels the last series has, and whether there was an error.
fn read(page: &[u8], format: Format, options: Options) -> (usize, usize, bool) {
    let mut parser = Parser::new(page, format, options);
    let (mut entries, mut labels) = (0, LabelList::new());
    while let Some(next) = parser.next() {
        match next {
            Ok(Entry::Series(series)) => {
                entries += 1;
                // Not of each of many: a million labels in a million series is more than any test has time for.
                if entries == 1 || entries < 100 && series.key.len() > 1000 {
                    series.labels.labels(&mut labels);
                }
            }
            Ok(_) => entries += 1,
            Err(error) => {
                assert!(error.message.len() < 1000, "{}", error.message);
                return (entries, labels.len(), true);
            }
        }
    }
    (entries, labels.len(), false)
}

#[track_caller]
fn check(page: &[u8], format: Format, options: Options, want: (usize, usize, bool)) {
    assert_eq!(read(page, format, options), want);
}

#[test]
fn one_endless_line() {
    let none = Options::default();
    for (format, length) in [(Format::Text, LONG), (Format::OpenMetrics, LONG / 10)] {
        let comments = usize::from(format == Format::Text);
        for (before, after, want) in [
            ("a{b=\"", "\"} 1\n# EOF\n", (1 + comments, 2, false)),
            ("a{b=\"", "", (0, 0, true)),
            ("# HELP a ", "\n# EOF\n", (1 + comments, 0, false)),
        ] {
            let page = [before.as_bytes(), &vec![b'x'; length], after.as_bytes()].concat();
            check(&page, format, none, want);
        }
    }
    let page = [&b"a "[..], &vec![b'1'; LONG / 100]].concat();
    check(&page, Format::Text, none, (0, 0, true));
}

#[test]
fn a_million_labels() {
    let page = format!("a{{{}}} 1\n# EOF\n", "b=\"\",".repeat(5 * MANY));
    check(
        page.as_bytes(),
        Format::Text,
        Options::default(),
        (2, 5 * MANY + 1, false),
    );
    check(
        page.as_bytes(),
        Format::OpenMetrics,
        Options::default(),
        (1, 5 * MANY + 1, false),
    );
    let nhcb = Options {
        convert_to_nhcb: true,
        ..Options::default()
    };
    let page = format!(
        "# TYPE a histogram\na_sum{{{}}} 1\n",
        "b=\"\",c=\"d\",".repeat(MANY)
    );
    check(page.as_bytes(), Format::Text, nhcb, (2, 0, false));
}

#[test]
fn braces_quotes_and_escapes() {
    let none = Options::default();
    for piece in [
        "{", "\"", "\\", "{\"", "#", "a{b=", "\0", "\\\0", "{\"a\",", "a{\"", " ", "a 1\n",
    ] {
        for format in [Format::Text, Format::OpenMetrics] {
            let (entries, _, _) = read(piece.repeat(MANY).as_bytes(), format, none);
            assert!(entries <= MANY);
        }
    }
}

#[test]
fn the_same_family_again_and_again() {
    let page = "# TYPE a counter\n# HELP a b\na_total 1\n".repeat(MANY);
    let all = Options {
        convert_to_nhcb: true,
        start_timestamps: true,
        ..Options::default()
    };
    check(page.as_bytes(), Format::Text, all, (3 * MANY, 0, false));
    check(
        page.as_bytes(),
        Format::OpenMetrics,
        all,
        (3 * MANY, 0, true),
    );
}

/// Each sample looks for its `_created` line, and there is none, or only one at the very end.
#[test]
fn start_timestamps_far_away() {
    let starts = Options {
        start_timestamps: true,
        ..Options::default()
    };
    let series: String = (0..MANY)
        .map(|n| format!("a_total{{n=\"{n}\"}} 1\n"))
        .collect();
    for end in ["", "a_created{n=\"x\"} 1\n", "# HELP a b\n", "a_total \n"] {
        let page = format!("# TYPE a counter\n{series}{end}# EOF\n");
        let (entries, _, _) = read(page.as_bytes(), Format::OpenMetrics, starts);
        assert!(entries > MANY);
    }
}

#[test]
fn buckets_in_falling_order() {
    let nhcb = Options {
        convert_to_nhcb: true,
        ..Options::default()
    };
    let bucket = |n| format!("a_bucket{{le=\"{n}\"}} {n}\n");
    let buckets: String = (0..MANY).rev().map(bucket).collect();
    let page = format!("# TYPE a histogram\n{buckets}");
    check(page.as_bytes(), Format::Text, nhcb, (2, 0, false));
}

fn delimited(message: &[u8]) -> Vec<u8> {
    let mut page = Writer::new();
    page.varint(message.len() as u64);
    let mut page = page.into_vec();
    page.extend_from_slice(message);
    page
}

#[test]
fn protobuf_of_nothing_but_structure() {
    let native = Options {
        native_histograms: true,
        classic_histograms: true,
        convert_to_nhcb: true,
        ..Options::default()
    };
    // Groups within groups, closed or not.
    for closed in [false, true] {
        let mut message = [0xf3, 0x01].repeat(MANY);
        if closed {
            message.extend([0xf4, 0x01].repeat(MANY));
        }
        check(
            &delimited(&message),
            Format::Protobuf,
            native,
            (0, 0, !closed),
        );
    }
    // Empty families, metrics, labels, buckets, spans.
    check(&[0].repeat(MANY), Format::Protobuf, native, (0, 0, false));
    let mut family = Writer::new();
    family.bytes(1, b"a");
    for _ in 0..MANY {
        family.message(4, |_| {});
    }
    check(
        &delimited(family.as_slice()),
        Format::Protobuf,
        native,
        (MANY + 2, 0, false),
    );
    let mut family = Writer::new();
    family.bytes(1, b"a");
    family.uint(3, 4);
    family.message(4, |metric| {
        for _ in 0..MANY {
            metric.message(1, |_| {});
        }
        metric.message(7, |histogram| {
            for n in 0..MANY {
                histogram.message(3, |bucket| bucket.double(2, n as f64));
            }
            for _ in 0..MANY {
                histogram.message(12, |span| {
                    span.sint(1, 0);
                    span.uint(2, 2);
                });
                histogram.sint(13, 1);
                histogram.sint(13, -1);
            }
        });
    });
    let page = delimited(family.as_slice());
    let (entries, _, failed) = read(&page, Format::Protobuf, native);
    assert_eq!((entries, failed), (MANY + 6, false));
    // A span that claims more than there is.
    let mut family = Writer::new();
    family.bytes(1, b"a");
    family.uint(3, 4);
    family.message(4, |metric| {
        metric.message(7, |h| {
            h.message(12, |span| span.uint(2, u64::from(u32::MAX)))
        });
    });
    check(
        &delimited(family.as_slice()),
        Format::Protobuf,
        native,
        (2, 0, true),
    );
}

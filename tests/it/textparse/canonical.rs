//! What a reader delivers, as text: one line per entry, texts in hex, floats by their bits.

use super::mutate::Page;
use prometheus_operator_receiver::model::exemplar::Exemplar;
use prometheus_operator_receiver::model::histogram::{Counts, Histogram, Span};
use prometheus_operator_receiver::model::labels::LabelList;
use prometheus_operator_receiver::textparse::{Entry, Format, LabelSource, Parser};
use std::fmt::Write;

pub fn canonical(page: &Page) -> String {
    let mut out = String::new();
    let mut parser = Parser::new(&page.bytes, page.format, page.options);
    while let Some(next) = parser.next() {
        match next {
            Ok(entry) => write_entry(&mut out, page, &entry),
            Err(_) => out.push_str("ERROR\n"),
        }
    }
    out
}

fn write_entry(out: &mut String, page: &Page, entry: &Entry<'_>) {
    // Protobuf's keys are ours alone.
    let key = |key: &[u8]| {
        if page.format == Format::Protobuf {
            String::new()
        } else {
            hex(key)
        }
    };
    match entry {
        Entry::Comment(text) => writeln!(out, "C {}", hex(text)),
        Entry::Help { name, text } => writeln!(out, "H {} {}", hex(name), hex(text)),
        Entry::Type { name, kind } => writeln!(out, "T {} {kind}", hex(name)),
        Entry::Unit { name, unit } => writeln!(out, "U {} {}", hex(name), hex(unit)),
        Entry::Series(s) => {
            write!(out, "S {} {:016x} ", key(s.key), s.value.to_bits()).unwrap();
            write_rest(out, page, s.labels, s.timestamp, s.start, s.exemplars);
            Ok(())
        }
        Entry::Histogram(h) => {
            write!(out, "N {} ", key(h.key)).unwrap();
            write_histogram(out, h.histogram);
            write_rest(out, page, h.labels, h.timestamp, h.start, h.exemplars);
            Ok(())
        }
    }
    .unwrap();
}

fn write_rest(
    out: &mut String,
    page: &Page,
    labels: &dyn LabelSource,
    timestamp: Option<i64>,
    start: i64,
    exemplars: &[Exemplar],
) {
    if let Some(timestamp) = timestamp {
        write!(out, " ts={timestamp} ").unwrap();
    }
    let mut list = LabelList::new();
    labels.labels(&mut list);
    write_labels(out, &list);
    if page.options.start_timestamps {
        write!(out, " st={start}").unwrap();
    }
    for exemplar in exemplars {
        out.push_str(" #");
        write_labels(out, &exemplar.labels);
        write!(out, " {:016x}", exemplar.value.to_bits()).unwrap();
        if let Some(timestamp) = exemplar.timestamp {
            write!(out, " {timestamp}").unwrap();
        }
    }
    out.push('\n');
}

fn write_labels(out: &mut String, labels: &LabelList) {
    out.push('{');
    for (name, value) in labels.raw() {
        write!(out, "{}={},", hex(name), hex(value)).unwrap();
    }
    out.push('}');
}

fn write_histogram(out: &mut String, h: &Histogram) {
    let spans = |spans: &[Span]| -> String {
        let text = spans.iter().map(|s| format!("{}:{} ", s.offset, s.length));
        text.collect::<String>() + ";"
    };
    let floats = |floats: &[f64]| floats.iter().map(|f| plain(*f) + " ").collect::<String>() + ";";
    let ints = |ints: &[i64]| ints.iter().map(|i| format!("{i} ")).collect::<String>() + ";";
    let (schema, hint) = (h.schema, h.reset_hint as u8);
    let (zero, sum) = (plain(h.zero_threshold), h.sum.to_bits());
    let (positive, negative) = (spans(&h.positive_spans), spans(&h.negative_spans));
    match &h.counts {
        Counts::Integer {
            count,
            zero_count,
            positive: p,
            negative: n,
        } => write!(
            out,
            "i {schema} {hint} {zero} {zero_count} {count} {sum:016x} {positive}{}{negative}{}",
            ints(p),
            ints(n)
        ),
        Counts::Float {
            count,
            zero_count,
            positive: p,
            negative: n,
        } => write!(
            out,
            "f {schema} {hint} {zero} {} {} {sum:016x} {positive}{}{negative}{}",
            plain(*zero_count),
            plain(*count),
            floats(p),
            floats(n)
        ),
    }
    .unwrap();
    write!(
        out,
        "{}{} ",
        floats(&h.custom_bounds),
        h.validate().is_err()
    )
    .unwrap();
}

fn plain(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else {
        format!("{:016x}", value.to_bits())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

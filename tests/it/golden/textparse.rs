//! Cases of the area `textparse`: a page, how it is read, and the entries that upstream's reader delivers.

use super::{Outcome, json, one};
use prometheus_operator_receiver::model::exemplar::Exemplar;
use prometheus_operator_receiver::model::histogram::{Counts, Histogram, ResetHint, Span};
use prometheus_operator_receiver::model::labels::LabelList;
use prometheus_operator_receiver::textparse::{
    Entry, Format, LabelSource, Options, Parser, choose,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Meta {
    content_type: String,
    fallback: String,
    native_histograms: bool,
    classic_histograms: bool,
    convert_classic_histograms_to_nhcb: bool,
    enable_type_and_unit_labels: bool,
    start_timestamps: bool,
}

pub fn check(case: &Path) -> Vec<Outcome> {
    let meta: Meta =
        serde_yaml::from_str(&fs::read_to_string(case.join("meta.yaml")).unwrap()).unwrap();
    let page = fs::read(case.join("page")).unwrap();
    let want = fs::read(case.join("want.json")).unwrap();
    let want = serde_json::from_slice(&want).unwrap();
    one(
        case,
        json::compare(&read(&page, &meta), &comparable(want, &meta)),
    )
}

/// Protobuf's keys are internal to upstream.
fn has_keys(meta: &Meta) -> bool {
    let chosen = choose(&meta.content_type, &meta.fallback);
    chosen.is_ok_and(|(format, _)| format != Format::Protobuf)
}

fn read(page: &[u8], meta: &Meta) -> Value {
    let options = Options {
        native_histograms: meta.native_histograms,
        classic_histograms: meta.classic_histograms,
        convert_to_nhcb: meta.convert_classic_histograms_to_nhcb,
        type_and_unit_labels: meta.enable_type_and_unit_labels,
        start_timestamps: meta.start_timestamps,
    };
    let Ok((format, warning)) = choose(&meta.content_type, &meta.fallback) else {
        return json!({"entries": [], "error": true});
    };
    let mut parser = Parser::new(page, format, options);
    let (mut entries, mut error) = (Vec::new(), false);
    while let Some(next) = parser.next() {
        match next {
            Ok(entry) => entries.push(entry_json(&entry, meta)),
            Err(_) => error = true,
        }
    }
    let mut got = json!({"entries": entries, "error": error});
    if warning.is_some() {
        got["content_type_warning"] = json!(true);
    }
    got
}

fn entry_json(entry: &Entry<'_>, meta: &Meta) -> Value {
    let timed = |mut entry: Value,
                 key: &[u8],
                 labels: &dyn LabelSource,
                 ts,
                 start: i64,
                 exemplars: &[Exemplar]| {
        let mut list = LabelList::new();
        labels.labels(&mut list);
        if has_keys(meta) {
            entry["key"] = text(key);
        }
        entry["labels"] = list.raw().map(|(n, v)| json!([text(n), text(v)])).collect();
        entry["ts"] = json!(ts);
        if meta.start_timestamps {
            entry["st"] = json!(start);
        }
        if !exemplars.is_empty() {
            entry["exemplars"] = exemplars.iter().map(exemplar_json).collect();
        }
        entry
    };
    match entry {
        Entry::Comment(comment) => json!({"entry": "comment", "text": text(comment)}),
        Entry::Help { name, text: help } => {
            json!({"entry": "help", "name": text(name), "text": text(help)})
        }
        Entry::Type { name, kind } => {
            json!({"entry": "type", "name": text(name), "type": kind.as_str()})
        }
        Entry::Unit { name, unit } => {
            json!({"entry": "unit", "name": text(name), "unit": text(unit)})
        }
        Entry::Series(s) => timed(
            json!({"entry": "series", "bits": bits(s.value)}),
            s.key,
            s.labels,
            s.timestamp,
            s.start,
            s.exemplars,
        ),
        Entry::Histogram(h) => timed(
            json!({"entry": "histogram", "histogram": histogram_json(h.histogram)}),
            h.key,
            h.labels,
            h.timestamp,
            h.start,
            h.exemplars,
        ),
    }
}

fn exemplar_json(exemplar: &Exemplar) -> Value {
    let labels = exemplar.labels.raw();
    json!({
        "labels": labels.map(|(n, v)| json!([text(n), text(v)])).collect::<Vec<_>>(),
        "bits": bits(exemplar.value),
        "ts": exemplar.timestamp,
    })
}

fn histogram_json(histogram: &Histogram) -> Value {
    let spans = |spans: &[Span]| -> Value {
        let pairs = spans.iter();
        pairs
            .map(|span| json!([span.offset, span.length]))
            .collect()
    };
    let mut got = json!({
        "schema": histogram.schema,
        "reset_hint": match histogram.reset_hint {
            ResetHint::Unknown => "unknown",
            ResetHint::CounterReset => "reset",
            ResetHint::NotCounterReset => "not_reset",
            ResetHint::Gauge => "gauge",
        },
        "zero_threshold": plain(histogram.zero_threshold),
        "sum_bits": bits(histogram.sum),
        "positive_spans": spans(&histogram.positive_spans),
        "negative_spans": spans(&histogram.negative_spans),
        "custom_values": all_plain(&histogram.custom_bounds),
        "invalid": histogram.validate().is_err(),
    });
    match &histogram.counts {
        Counts::Integer {
            count,
            zero_count,
            positive,
            negative,
        } => {
            got["kind"] = json!("int");
            got["count"] = json!(count.to_string());
            got["zero_count"] = json!(zero_count.to_string());
            got["positive_deltas"] = json!(positive);
            got["negative_deltas"] = json!(negative);
        }
        Counts::Float {
            count,
            zero_count,
            positive,
            negative,
        } => {
            got["kind"] = json!("float");
            got["count"] = plain(*count);
            got["zero_count"] = plain(*zero_count);
            got["positive_counts"] = all_plain(positive);
            got["negative_counts"] = all_plain(negative);
        }
    }
    got
}

/// Texts of errors and warnings are not compared, floats by their bits, protobuf's keys not at all.
fn comparable(mut want: Value, meta: &Meta) -> Value {
    let has_keys = has_keys(meta);
    want["error"] = json!(!want["error"].is_null());
    if let Some(warning) = want.get_mut("content_type_warning") {
        *warning = json!(true);
    }
    for entry in want["entries"].as_array_mut().unwrap() {
        let entry = entry.as_object_mut().unwrap();
        entry.remove("value");
        if !has_keys {
            entry.remove("key");
        }
        for exemplar in entry
            .get_mut("exemplars")
            .into_iter()
            .flat_map(|e| e.as_array_mut().unwrap())
        {
            exemplar.as_object_mut().unwrap().remove("value");
        }
        let Some(histogram) = entry.get_mut("histogram") else {
            continue;
        };
        let histogram = histogram.as_object_mut().unwrap();
        histogram.remove("sum");
        let invalid = !histogram["invalid"].is_null();
        histogram["invalid"] = json!(invalid);
        let float = histogram["kind"] == "float";
        for (field, value) in histogram.iter_mut() {
            match field.as_str() {
                "zero_threshold" => *value = number(value),
                "count" | "zero_count" if float => *value = number(value),
                "custom_values" | "positive_counts" | "negative_counts" => {
                    *value = value.as_array().unwrap().iter().map(number).collect();
                }
                _ => {}
            }
        }
    }
    want
}

fn number(text: &Value) -> Value {
    plain(text.as_str().unwrap().parse().unwrap())
}

/// A number whose bits upstream doesn't write down: one NaN is like the other.
fn plain(value: f64) -> Value {
    json!(bits(if value.is_nan() { f64::NAN } else { value }))
}

fn all_plain(values: &[f64]) -> Value {
    values.iter().map(|value| plain(*value)).collect()
}

fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"hex": hex})
        }
    }
}

//! Writes down what a scrape appends, in the corpus' JSON form.

use super::head::Head;
use prometheus_operator_receiver::model::batch::{Batch, TargetOutput};
use prometheus_operator_receiver::model::exemplar::Exemplar;
use prometheus_operator_receiver::model::histogram::{Counts, Histogram, ResetHint, Span};
use prometheus_operator_receiver::model::series::RowKind;
use prometheus_operator_receiver::model::value::stale_nan;
use prometheus_operator_receiver::scrape::page::storage::{
    AcceptAll, Rejected, Sample, SampleLabels, Storage, Value as Amount,
};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

/// A storage that accepts everything, or asks a head, and records.
#[derive(Debug)]
pub struct Recorder {
    pub head: Option<Head>,
    pub append_metadata: bool,
    pub report_metadata: bool,
    open: Vec<Value>,
    pub transactions: Vec<Value>,
}

impl Recorder {
    pub fn new(head: Option<Head>) -> Self {
        Self {
            head,
            append_metadata: false,
            report_metadata: false,
            open: Vec::new(),
            transactions: Vec::new(),
        }
    }

    fn close(&mut self, result: &str) {
        let samples = std::mem::take(&mut self.open);
        self.transactions
            .push(json!({ "result": result, "samples": samples }));
    }
}

impl Storage for Recorder {
    fn append(&mut self, sample: &Sample<'_>) -> Result<(), Rejected> {
        let verdict = match (AcceptAll.append(sample), &mut self.head) {
            (Err(Rejected::Invalid(text)), _) => Err((Rejected::Invalid(text.clone()), text)),
            (_, Some(head)) => head.append(sample),
            _ => Ok(()),
        };
        let labels = sample.labels.to_vec();
        let mut entry = Map::new();
        entry.insert("labels".into(), label_map(labels.iter().copied()));
        if sample.labels.duplicate_name().is_some() {
            entry.insert("label_pairs".into(), json!(labels));
        }
        amount_json(&mut entry, sample.value);
        entry.insert("t".into(), json!(sample.time));
        if sample.start != 0 {
            entry.insert("st".into(), json!(sample.start));
        }
        if sample.reject_out_of_order {
            entry.insert("reject_out_of_order".into(), json!(true));
        }
        exemplars_json(&mut entry, sample.exemplars.iter());
        let is_report = matches!(sample.labels, SampleLabels::Report(..));
        let is_wanted = if is_report {
            self.report_metadata
        } else {
            self.append_metadata
        };
        if let Some(metadata) = sample.metadata.filter(|_| is_wanted) {
            let metadata = json!({
                "family": metadata.family,
                "type": metadata.kind.as_str(),
                "unit": metadata.unit,
                "help": metadata.help,
            });
            entry.insert("metadata".into(), metadata);
        }
        if let Err((_, text)) = &verdict {
            entry.insert("error".into(), json!(text));
        }
        if is_report {
            entry.insert("report".into(), json!(true));
        }
        self.open.push(entry.into());
        verdict.map_err(|(why, _)| why)
    }

    fn commit(&mut self) {
        if let Some(head) = &mut self.head {
            head.commit();
        }
        self.close("committed");
    }

    fn rollback(&mut self) {
        if let Some(head) = &mut self.head {
            head.rollback();
        }
        self.close("rolled_back");
    }
}

/// Takes batches, as samples in the same form; they are sorted, for a batch has an order of its own.
#[derive(Debug, Default, Clone)]
pub struct Batches(pub Arc<Mutex<Vec<Value>>>);

impl TargetOutput for Batches {
    fn deliver(&mut self, batch: &Batch<'_>) {
        let mut samples = Vec::new();
        for (at, row) in batch
            .table
            .rows()
            .iter()
            .enumerate()
            .filter(|(at, _)| batch.is_present(*at))
        {
            let place = u32::try_from(at).unwrap();
            let mut entry = Map::new();
            let labels = batch.table.labels(row.series, batch.identity);
            entry.insert("labels".into(), label_map(labels));
            let extras = batch.extras;
            let histogram = extras.histograms.iter().find(|it| it.0 == place);
            match (row.kind, histogram) {
                (RowKind::Float, None) => amount_json(&mut entry, Amount::Float(batch.values[at])),
                (RowKind::Histogram, Some((_, it))) => {
                    amount_json(&mut entry, Amount::Histogram(it))
                }
                (kind, histogram) => panic!("a row of {kind:?} with {histogram:?}"),
            }
            let time = extras.timestamps.iter().find(|it| it.0 == place);
            entry.insert("t".into(), json!(time.map_or(batch.time_ms, |it| it.1)));
            if let Some((_, start)) = extras.starts.iter().find(|it| it.0 == place) {
                entry.insert("st".into(), json!(start));
            }
            let exemplars = extras.exemplars.iter().filter(|it| it.0 == place);
            exemplars_json(&mut entry, exemplars.map(|it| &it.1));
            samples.push(entry.into());
        }
        let stale = batch.stale.iter().map(|series| {
            let labels = label_map(batch.table.labels(*series, batch.identity));
            (labels, stale_nan())
        });
        let report = batch
            .report
            .iter()
            .map(|it| (label_map(it.labels(batch.identity)), it.value));
        for (labels, value) in stale.chain(report) {
            let mut entry = Map::from_iter([("labels".to_owned(), labels)]);
            amount_json(&mut entry, Amount::Float(value));
            entry.insert("t".into(), json!(batch.time_ms));
            samples.push(entry.into());
        }
        self.0.lock().unwrap().push(sorted(samples));
    }
}

/// A committed transaction in the form of a batch.
pub fn as_batch(transaction: &Value) -> Value {
    let samples = transaction["samples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sample| {
            let mut sample = sample.as_object().unwrap().clone();
            for key in ["reject_out_of_order", "metadata", "report"] {
                sample.remove(key);
            }
            sample.into()
        });
    sorted(samples.collect())
}

fn sorted(mut samples: Vec<Value>) -> Value {
    samples.sort_by_key(Value::to_string);
    samples.into()
}

fn label_map<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    labels
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn amount_json(entry: &mut Map<String, Value>, amount: Amount<'_>) {
    match amount {
        Amount::Float(value) => {
            entry.insert("v".into(), json!(number(value)));
            if value.is_nan() {
                entry.insert("bits".into(), json!(format!("{:016x}", value.to_bits())));
            }
        }
        Amount::Histogram(histogram) => {
            entry.insert("histogram".into(), histogram_json(histogram));
        }
    }
}

fn exemplars_json<'a>(
    entry: &mut Map<String, Value>,
    exemplars: impl Iterator<Item = &'a Exemplar>,
) {
    let exemplars: Vec<_> = exemplars
        .map(|exemplar| {
            let mut json = Map::from_iter([
                ("labels".to_owned(), label_map(exemplar.labels.iter())),
                ("v".to_owned(), json!(number(exemplar.value))),
                ("t".to_owned(), json!(exemplar.timestamp)),
            ]);
            if exemplar.value.is_nan() {
                json.insert(
                    "bits".into(),
                    json!(format!("{:016x}", exemplar.value.to_bits())),
                );
            }
            Value::Object(json)
        })
        .collect();
    if !exemplars.is_empty() {
        entry.insert("exemplars".into(), exemplars.into());
    }
}

fn histogram_json(histogram: &Histogram) -> Value {
    let spans = |spans: &[Span]| -> Vec<_> {
        spans
            .iter()
            .map(|it| json!([it.offset, it.length]))
            .collect()
    };
    let floats = |values: &[f64]| -> Vec<_> { values.iter().map(|v| number(*v)).collect() };
    let integers = |values: &[i64]| -> Vec<_> { values.iter().map(i64::to_string).collect() };
    let (kind, count, zero_count, positive, negative) = match &histogram.counts {
        Counts::Integer {
            count,
            zero_count,
            positive,
            negative,
        } => (
            "int",
            count.to_string(),
            zero_count.to_string(),
            integers(positive),
            integers(negative),
        ),
        Counts::Float {
            count,
            zero_count,
            positive,
            negative,
        } => (
            "float",
            number(*count),
            number(*zero_count),
            floats(positive),
            floats(negative),
        ),
    };
    let mut json = json!({
        "kind": kind,
        "schema": histogram.schema,
        "count": count,
        "sum": number(histogram.sum),
        "zero_threshold": number(histogram.zero_threshold),
        "zero_count": zero_count,
        "positive_spans": spans(&histogram.positive_spans),
        "positive_buckets": positive,
        "negative_spans": spans(&histogram.negative_spans),
        "negative_buckets": negative,
        "reset_hint": match histogram.reset_hint {
            ResetHint::Unknown => "unknown",
            ResetHint::CounterReset => "reset",
            ResetHint::NotCounterReset => "not_reset",
            ResetHint::Gauge => "gauge",
        },
    });
    if histogram.sum.is_nan() {
        json["sum_bits"] = json!(format!("{:016x}", histogram.sum.to_bits()));
    }
    if !histogram.custom_bounds.is_empty() {
        json["custom_values"] = json!(floats(&histogram.custom_bounds));
    }
    json
}

/// Go's `strconv.FormatFloat(v, 'g', -1, 64)`.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

//! Cases of the area `wire`: metrics in OTLP/JSON against the bytes of the request (remote write is compared live instead).

use super::{Outcome, one};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prometheus_operator_receiver::model::value::NORMAL_NAN_BITS;
use prometheus_operator_receiver::pdata::{
    Attributes, Buckets, Data, Exemplar, ExponentialHistogram, ExponentialHistogramPoint, Gauge,
    Histogram, HistogramPoint, Metric, Metrics, Number, NumberPoint, Resource, ResourceMetrics,
    Scope, ScopeMetrics, Sum, Summary, SummaryPoint, Temporality, Text, Value as Attribute,
    write_json,
};
use prometheus_operator_receiver::translate::protobuf;
use prometheus_operator_receiver::wire::protobuf::Writer;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

pub fn check(case: &Path) -> Vec<Outcome> {
    one(case, compare(case))
}

fn compare(case: &Path) -> Result<(), String> {
    let input = std::fs::read_to_string(case.join("input.json")).unwrap();
    let metrics = metrics(&serde_json::from_str(&input).unwrap());
    let mut writer = Writer::new();
    protobuf::encode(&metrics, &mut writer);
    let mut ours = String::new();
    for byte in writer.as_slice() {
        write!(ours, "{byte:02x}").unwrap();
    }
    let want = std::fs::read_to_string(case.join("want.hex")).unwrap();
    let want: String = want.split_whitespace().collect();
    if ours != want {
        return Err(format!("bytes {ours}, want {want}"));
    }
    // What the JSON writer makes of them says the same.
    let mut text = String::new();
    write_json(&metrics, &mut text);
    let again = self::metrics(&serde_json::from_str(&text).unwrap());
    let is_same = format!("{again:?}") == format!("{metrics:?}");
    is_same.then_some(()).ok_or_else(|| format!("JSON {text}"))
}

/// OTLP/JSON to metrics; numbers may be strings, absent is the default.
pub(crate) fn metrics(json: &Value) -> Metrics {
    let resource_metrics = list(json, "resourceMetrics", |json| ResourceMetrics {
        resource: Resource {
            attributes: attributes(&json["resource"], "attributes"),
        },
        scope_metrics: list(json, "scopeMetrics", |json| ScopeMetrics {
            scope: Scope {
                name: text(&json["scope"], "name"),
                version: text(&json["scope"], "version"),
                attributes: attributes(&json["scope"], "attributes"),
            },
            metrics: list(json, "metrics", metric),
            schema_url: text(json, "schemaUrl"),
        }),
    });
    Metrics { resource_metrics }
}

fn metric(json: &Value) -> Metric {
    Metric {
        name: text(json, "name"),
        description: text(json, "description"),
        unit: text(json, "unit"),
        metadata: attributes(json, "metadata"),
        data: data(json),
    }
}

fn data(json: &Value) -> Data {
    let kinds = [
        "gauge",
        "sum",
        "histogram",
        "exponentialHistogram",
        "summary",
    ];
    let Some(kind) = kinds.into_iter().find(|kind| json.get(kind).is_some()) else {
        return Data::Empty;
    };
    let json = &json[kind];
    let temporality = match json["aggregationTemporality"].as_u64() {
        Some(1) => Temporality::Delta,
        Some(2) => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    };
    match kind {
        "gauge" => Data::Gauge(Gauge {
            points: list(json, "dataPoints", number_point),
        }),
        "sum" => Data::Sum(Sum {
            points: list(json, "dataPoints", number_point),
            temporality,
            is_monotonic: json["isMonotonic"] == true,
        }),
        "histogram" => Data::Histogram(Histogram {
            points: list(json, "dataPoints", histogram_point),
            temporality,
        }),
        "exponentialHistogram" => Data::ExponentialHistogram(ExponentialHistogram {
            points: list(json, "dataPoints", exponential_point),
            temporality,
        }),
        _ => Data::Summary(Summary {
            points: list(json, "dataPoints", summary_point),
        }),
    }
}

fn number_point(json: &Value) -> NumberPoint {
    NumberPoint {
        attributes: attributes(json, "attributes"),
        start_nanos: integer(json, "startTimeUnixNano"),
        time_nanos: integer(json, "timeUnixNano"),
        value: number(json),
        exemplars: list(json, "exemplars", exemplar),
        flags: integer(json, "flags") as u32,
    }
}

fn histogram_point(json: &Value) -> HistogramPoint {
    HistogramPoint {
        attributes: attributes(json, "attributes"),
        start_nanos: integer(json, "startTimeUnixNano"),
        time_nanos: integer(json, "timeUnixNano"),
        count: integer(json, "count"),
        sum: json.get("sum").map(double_of),
        bucket_counts: list(json, "bucketCounts", integer_of),
        explicit_bounds: list(json, "explicitBounds", double_of),
        exemplars: list(json, "exemplars", exemplar),
        flags: integer(json, "flags") as u32,
    }
}

fn exponential_point(json: &Value) -> ExponentialHistogramPoint {
    let buckets = |key| Buckets {
        offset: small(&json[key], "offset"),
        counts: list(&json[key], "bucketCounts", integer_of),
    };
    ExponentialHistogramPoint {
        attributes: attributes(json, "attributes"),
        start_nanos: integer(json, "startTimeUnixNano"),
        time_nanos: integer(json, "timeUnixNano"),
        count: integer(json, "count"),
        sum: json.get("sum").map(double_of),
        scale: small(json, "scale"),
        zero_count: integer(json, "zeroCount"),
        zero_threshold: json.get("zeroThreshold").map_or(0.0, double_of),
        positive: buckets("positive"),
        negative: buckets("negative"),
        exemplars: list(json, "exemplars", exemplar),
        flags: integer(json, "flags") as u32,
    }
}

fn summary_point(json: &Value) -> SummaryPoint {
    let double = |json: &Value, key: &str| json.get(key).map_or(0.0, double_of);
    SummaryPoint {
        attributes: attributes(json, "attributes"),
        start_nanos: integer(json, "startTimeUnixNano"),
        time_nanos: integer(json, "timeUnixNano"),
        count: integer(json, "count"),
        sum: double(json, "sum"),
        quantiles: list(json, "quantileValues", |json| {
            (double(json, "quantile"), double(json, "value"))
        }),
        flags: integer(json, "flags") as u32,
    }
}

fn exemplar(json: &Value) -> Exemplar {
    Exemplar {
        filtered_attributes: attributes(json, "filteredAttributes"),
        time_nanos: integer(json, "timeUnixNano"),
        value: number(json).unwrap(),
        trace_id: id(json, "traceId"),
        span_id: id(json, "spanId"),
    }
}

fn number(json: &Value) -> Option<Number> {
    let double = json
        .get("asDouble")
        .map(|value| Number::Double(double_of(value)));
    double.or_else(|| {
        json.get("asInt")
            .map(|value| Number::Int(word(value).parse().unwrap()))
    })
}

fn id<const N: usize>(json: &Value, key: &str) -> Option<[u8; N]> {
    let digits = json.get(key)?.as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    Some(std::array::from_fn(byte))
}

fn attributes(json: &Value, key: &str) -> Attributes {
    let pairs = list(json, key, |json| {
        (text(json, "key"), attribute(&json["value"]))
    });
    pairs.into_iter().collect()
}

fn attribute(json: &Value) -> Attribute {
    let Some((kind, value)) = json.as_object().and_then(|json| json.iter().next()) else {
        return Attribute::Empty;
    };
    match &**kind {
        "stringValue" => value.as_str().unwrap().into(),
        "boolValue" => Attribute::Bool(value.as_bool().unwrap()),
        "intValue" => Attribute::Int(word(value).parse().unwrap()),
        "doubleValue" => Attribute::Double(double_of(value)),
        "bytesValue" => Attribute::Bytes(STANDARD.decode(word(value)).unwrap().into()),
        "arrayValue" => Attribute::Array(list(value, "values", attribute).into()),
        "kvlistValue" => Attribute::Map(attributes(value, "values")),
        other => panic!("{other}"),
    }
}

fn list<T>(json: &Value, key: &str, read: impl Fn(&Value) -> T) -> Vec<T> {
    json[key]
        .as_array()
        .into_iter()
        .flatten()
        .map(read)
        .collect()
}

fn text(json: &Value, key: &str) -> Text {
    json[key].as_str().unwrap_or_default().into()
}

fn integer(json: &Value, key: &str) -> u64 {
    json.get(key).map_or(0, integer_of)
}

fn integer_of(value: &Value) -> u64 {
    word(value).parse().unwrap()
}

fn small(json: &Value, key: &str) -> i32 {
    json.get(key)
        .map_or(0, |value| word(value).parse().unwrap())
}

fn double_of(value: &Value) -> f64 {
    match &*word(value) {
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // The bits of Go's NaN.
        "NaN" => f64::from_bits(NORMAL_NAN_BITS),
        other => other.parse().unwrap(),
    }
}

/// A number, or the text of a string.
fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

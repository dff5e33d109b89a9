//! What our encoders write is read back by others: protobuf by the published schemas (prost), JSON by the harness' reader.

use super::golden::random::Random;
use super::golden::wire;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::metrics::v1 as otlp;
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use prometheus_operator_receiver::pdata::{
    Attributes, Buckets, Data, Exemplar, ExponentialHistogram, ExponentialHistogramPoint, Gauge,
    Histogram, HistogramPoint, Metric, Metrics, Number, NumberPoint, Resource, ResourceMetrics,
    Scope, ScopeMetrics, Sum, Summary, SummaryPoint, Temporality, Text, Value, write_json,
};
use prometheus_operator_receiver::translate::protobuf;
use prometheus_operator_receiver::wire::protobuf::Writer;
use prost::Message;

#[test]
fn random_metrics_are_read_back_as_they_were() {
    for seed in 0..300 {
        let metrics = Metrics {
            resource_metrics: some(&mut Random::new(seed), resource),
        };
        let mut writer = Writer::new();
        protobuf::encode(&metrics, &mut writer);
        let read = ExportMetricsServiceRequest::decode(writer.as_slice()).unwrap();
        let want: Vec<_> = metrics.resource_metrics.iter().map(of_resource).collect();
        // By their text, as NaN equals itself there.
        let (read, want) = (
            format!("{:#?}", read.resource_metrics),
            format!("{want:#?}"),
        );
        assert_eq!(read, want, "seed {seed}");

        let mut text = String::new();
        write_json(&metrics, &mut text);
        let again = wire::metrics(&serde_json::from_str(&text).unwrap());
        assert_eq!(format!("{again:#?}"), format!("{metrics:#?}"), "{text}");
        // Nothing that equals its default but members of a oneof, optional fields and items of lists.
        for default in [
            ":\"\",\"",
            "Nano\":\"0\"",
            "ount\":\"0\"",
            "\":[]",
            "\"flags\":0",
            ":false",
        ] {
            let known = text.replace("{\"stringValue\":\"\"}", "{}");
            let known = known.replace("{\"boolValue\":false}", "{}");
            assert!(!known.contains(default), "{default} in {text}");
        }
    }
}

/// As upstream's pdata, to which -0 is 0 and an id of zeros is none.
#[test]
fn what_says_nothing_is_left_out() {
    let exemplar = Exemplar {
        trace_id: Some([0; 16]),
        span_id: Some([0; 8]),
        ..exemplar(&mut Random::new(0))
    };
    let gauge = NumberPoint {
        value: Some(Number::Double(-0.0)),
        exemplars: vec![exemplar],
        ..NumberPoint::default()
    };
    let summary = SummaryPoint {
        sum: -0.0,
        quantiles: vec![(-0.0, -0.0)],
        ..SummaryPoint::default()
    };
    for (data, left_out) in [
        (
            Data::Gauge(Gauge {
                points: vec![gauge],
            }),
            ["traceId\"", "spanId\""],
        ),
        (
            Data::Summary(Summary {
                points: vec![summary],
            }),
            ["sum\"", "quantile\""],
        ),
    ] {
        let metric = Metric {
            data,
            ..metric(&mut Random::new(0))
        };
        let scoped = ScopeMetrics {
            metrics: vec![metric],
            ..ScopeMetrics::default()
        };
        let resource = ResourceMetrics {
            scope_metrics: vec![scoped],
            ..ResourceMetrics::default()
        };
        let metrics = Metrics {
            resource_metrics: vec![resource],
        };
        let (mut writer, mut text) = (Writer::new(), String::new());
        protobuf::encode(&metrics, &mut writer);
        write_json(&metrics, &mut text);
        let read = ExportMetricsServiceRequest::decode(writer.as_slice()).unwrap();
        // A member of a oneof keeps its sign.
        let read = format!("{read:?}").replace("AsDouble(-0.0)", "");
        assert!(!read.contains("-0.0") && !read.contains("[0, 0"), "{read}");
        for key in left_out {
            assert!(!text.contains(&format!("\"{key}")), "{text}");
        }
    }
}

fn some<T>(r: &mut Random, item: impl Fn(&mut Random) -> T) -> Vec<T> {
    (0..r.below(3)).map(|_| item(r)).collect()
}

fn text(r: &mut Random) -> Text {
    r.of(&["", "a", "\"\\/\u{1}\n\u{7f}\u{2028}", "ü€😀", "key"])
        .into()
}

fn attributes(r: &mut Random) -> Attributes {
    nested(r, 0)
}

fn nested(r: &mut Random, depth: usize) -> Attributes {
    let pairs = some(r, |r| (text(r), value(r, depth)));
    pairs.into_iter().collect()
}

fn value(r: &mut Random, depth: usize) -> Value {
    // Not endlessly deep.
    match r.below(if depth < 3 { 8 } else { 6 }) {
        0 => Value::Empty,
        1 => text(r).into(),
        2 => Value::Bool(r.below(2) == 0),
        3 => Value::Int(r.of(&[0, 1, -1, i64::MIN, i64::MAX])),
        4 => Value::Double(double(r)),
        5 => Value::Bytes(some(r, |r| r.of(&[0, 7, 0xfb, 0xff])).into()),
        6 => Value::Array(some(r, |r| value(r, depth + 1)).into()),
        _ => Value::Map(nested(r, depth + 1)),
    }
}

fn double(r: &mut Random) -> f64 {
    // Without -0, which is the default where a field is not optional.
    r.of(&[
        0.0,
        1.0,
        -2.5,
        0.1,
        1e21,
        1e-7,
        f64::MAX,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        nan(),
    ])
}

/// The NaN that the harness reads.
fn nan() -> f64 {
    f64::from_bits(prometheus_operator_receiver::model::value::NORMAL_NAN_BITS)
}

fn integer(r: &mut Random) -> u64 {
    r.of(&[0, 1, 127, 128, 1 << 53, (1 << 53) + 1, u64::MAX])
}

fn small(r: &mut Random) -> i32 {
    r.of(&[0, 1, -1, 20, i32::MIN, i32::MAX])
}

fn flags(r: &mut Random) -> u32 {
    r.of(&[0, 1, u32::MAX])
}

fn number(r: &mut Random) -> Number {
    match r.below(2) {
        0 => Number::Double(double(r)),
        _ => Number::Int(r.of(&[0, -1, i64::MIN, i64::MAX])),
    }
}

fn maybe<T>(r: &mut Random, value: impl Fn(&mut Random) -> T) -> Option<T> {
    (r.below(2) == 0).then(|| value(r))
}

fn resource(r: &mut Random) -> ResourceMetrics {
    ResourceMetrics {
        resource: Resource {
            attributes: attributes(r),
        },
        scope_metrics: some(r, |r| ScopeMetrics {
            scope: Scope {
                name: text(r),
                version: text(r),
                attributes: attributes(r),
            },
            metrics: some(r, metric),
            schema_url: text(r),
        }),
    }
}

fn metric(r: &mut Random) -> Metric {
    let temporality = r.of(&[
        Temporality::Unspecified,
        Temporality::Delta,
        Temporality::Cumulative,
    ]);
    let data = match r.below(6) {
        0 => Data::Gauge(Gauge {
            points: some(r, number_point),
        }),
        1 => Data::Sum(Sum {
            points: some(r, number_point),
            temporality,
            is_monotonic: r.below(2) == 0,
        }),
        2 => Data::Histogram(Histogram {
            points: some(r, histogram_point),
            temporality,
        }),
        3 => Data::ExponentialHistogram(ExponentialHistogram {
            points: some(r, exponential_point),
            temporality,
        }),
        4 => Data::Summary(Summary {
            points: some(r, summary_point),
        }),
        _ => Data::Empty,
    };
    Metric {
        name: text(r),
        description: text(r),
        unit: text(r),
        metadata: attributes(r),
        data,
    }
}

fn number_point(r: &mut Random) -> NumberPoint {
    NumberPoint {
        attributes: attributes(r),
        start_nanos: integer(r),
        time_nanos: integer(r),
        value: maybe(r, number),
        exemplars: some(r, exemplar),
        flags: flags(r),
    }
}

fn histogram_point(r: &mut Random) -> HistogramPoint {
    HistogramPoint {
        attributes: attributes(r),
        start_nanos: integer(r),
        time_nanos: integer(r),
        count: integer(r),
        sum: maybe(r, double),
        bucket_counts: some(r, integer),
        explicit_bounds: some(r, double),
        exemplars: some(r, exemplar),
        flags: flags(r),
    }
}

fn exponential_point(r: &mut Random) -> ExponentialHistogramPoint {
    let buckets = |r: &mut Random| Buckets {
        offset: small(r),
        counts: some(r, integer),
    };
    ExponentialHistogramPoint {
        attributes: attributes(r),
        start_nanos: integer(r),
        time_nanos: integer(r),
        count: integer(r),
        sum: maybe(r, double),
        scale: small(r),
        zero_count: integer(r),
        zero_threshold: double(r),
        positive: buckets(r),
        negative: buckets(r),
        exemplars: some(r, exemplar),
        flags: flags(r),
    }
}

fn summary_point(r: &mut Random) -> SummaryPoint {
    SummaryPoint {
        attributes: attributes(r),
        start_nanos: integer(r),
        time_nanos: integer(r),
        count: integer(r),
        sum: double(r),
        quantiles: some(r, |r| (double(r), double(r))),
        flags: flags(r),
    }
}

fn exemplar(r: &mut Random) -> Exemplar {
    Exemplar {
        filtered_attributes: attributes(r),
        time_nanos: integer(r),
        value: number(r),
        trace_id: r.of(&[None, Some([0xab; 16])]),
        span_id: r.of(&[None, Some([1, 2, 3, 4, 5, 6, 7, 0])]),
    }
}

fn of_attributes(attributes: &Attributes) -> Vec<KeyValue> {
    let pairs = attributes.iter();
    pairs
        .map(|(key, value)| KeyValue {
            key: key.to_owned(),
            value: Some(of_value(value)),
            ..KeyValue::default()
        })
        .collect()
}

fn of_value(value: &Value) -> AnyValue {
    use any_value::Value as Want;
    let value = match value {
        Value::Empty => None,
        Value::String(text) => Some(Want::StringValue(text.to_string())),
        Value::Bool(value) => Some(Want::BoolValue(*value)),
        Value::Int(value) => Some(Want::IntValue(*value)),
        Value::Double(value) => Some(Want::DoubleValue(*value)),
        Value::Bytes(bytes) => Some(Want::BytesValue(bytes.to_vec())),
        Value::Array(values) => Some(Want::ArrayValue(ArrayValue {
            values: values.iter().map(of_value).collect(),
        })),
        Value::Map(pairs) => Some(Want::KvlistValue(KeyValueList {
            values: of_attributes(pairs),
        })),
    };
    AnyValue { value }
}

fn of_resource(resource: &ResourceMetrics) -> otlp::ResourceMetrics {
    otlp::ResourceMetrics {
        resource: Some(OtlpResource {
            attributes: of_attributes(&resource.resource.attributes),
            ..OtlpResource::default()
        }),
        scope_metrics: resource.scope_metrics.iter().map(of_scope).collect(),
        schema_url: String::new(),
    }
}

fn of_scope(scoped: &ScopeMetrics) -> otlp::ScopeMetrics {
    otlp::ScopeMetrics {
        scope: Some(InstrumentationScope {
            name: scoped.scope.name.to_string(),
            version: scoped.scope.version.to_string(),
            attributes: of_attributes(&scoped.scope.attributes),
            ..InstrumentationScope::default()
        }),
        metrics: scoped.metrics.iter().map(of_metric).collect(),
        schema_url: scoped.schema_url.to_string(),
    }
}

fn of_metric(metric: &Metric) -> otlp::Metric {
    use otlp::metric::Data as Want;
    let data = match &metric.data {
        Data::Empty => None,
        Data::Gauge(it) => Some(Want::Gauge(otlp::Gauge {
            data_points: it.points.iter().map(of_number_point).collect(),
        })),
        Data::Sum(it) => Some(Want::Sum(otlp::Sum {
            data_points: it.points.iter().map(of_number_point).collect(),
            aggregation_temporality: it.temporality as i32,
            is_monotonic: it.is_monotonic,
        })),
        Data::Histogram(it) => Some(Want::Histogram(otlp::Histogram {
            data_points: it.points.iter().map(of_histogram_point).collect(),
            aggregation_temporality: it.temporality as i32,
        })),
        Data::ExponentialHistogram(it) => {
            Some(Want::ExponentialHistogram(otlp::ExponentialHistogram {
                data_points: it.points.iter().map(of_exponential_point).collect(),
                aggregation_temporality: it.temporality as i32,
            }))
        }
        Data::Summary(it) => Some(Want::Summary(otlp::Summary {
            data_points: it.points.iter().map(of_summary_point).collect(),
        })),
    };
    otlp::Metric {
        name: metric.name.to_string(),
        description: metric.description.to_string(),
        unit: metric.unit.to_string(),
        metadata: of_attributes(&metric.metadata),
        data,
    }
}

fn of_number_point(point: &NumberPoint) -> otlp::NumberDataPoint {
    use otlp::number_data_point::Value;
    otlp::NumberDataPoint {
        attributes: of_attributes(&point.attributes),
        start_time_unix_nano: point.start_nanos,
        time_unix_nano: point.time_nanos,
        exemplars: point.exemplars.iter().map(of_exemplar).collect(),
        flags: point.flags,
        value: point.value.map(|value| match value {
            Number::Double(value) => Value::AsDouble(value),
            Number::Int(value) => Value::AsInt(value),
        }),
    }
}

fn of_histogram_point(point: &HistogramPoint) -> otlp::HistogramDataPoint {
    otlp::HistogramDataPoint {
        attributes: of_attributes(&point.attributes),
        start_time_unix_nano: point.start_nanos,
        time_unix_nano: point.time_nanos,
        count: point.count,
        sum: point.sum,
        bucket_counts: point.bucket_counts.clone(),
        explicit_bounds: point.explicit_bounds.clone(),
        exemplars: point.exemplars.iter().map(of_exemplar).collect(),
        flags: point.flags,
        min: None,
        max: None,
    }
}

fn of_exponential_point(point: &ExponentialHistogramPoint) -> otlp::ExponentialHistogramDataPoint {
    let buckets = |buckets: &Buckets| {
        Some(otlp::exponential_histogram_data_point::Buckets {
            offset: buckets.offset,
            bucket_counts: buckets.counts.clone(),
        })
    };
    otlp::ExponentialHistogramDataPoint {
        attributes: of_attributes(&point.attributes),
        start_time_unix_nano: point.start_nanos,
        time_unix_nano: point.time_nanos,
        count: point.count,
        sum: point.sum,
        scale: point.scale,
        zero_count: point.zero_count,
        positive: buckets(&point.positive),
        negative: buckets(&point.negative),
        flags: point.flags,
        exemplars: point.exemplars.iter().map(of_exemplar).collect(),
        min: None,
        max: None,
        zero_threshold: point.zero_threshold,
    }
}

fn of_summary_point(point: &SummaryPoint) -> otlp::SummaryDataPoint {
    let quantiles = point.quantiles.iter();
    otlp::SummaryDataPoint {
        attributes: of_attributes(&point.attributes),
        start_time_unix_nano: point.start_nanos,
        time_unix_nano: point.time_nanos,
        count: point.count,
        sum: point.sum,
        quantile_values: quantiles
            .map(|&(quantile, value)| otlp::summary_data_point::ValueAtQuantile { quantile, value })
            .collect(),
        flags: point.flags,
    }
}

fn of_exemplar(exemplar: &Exemplar) -> otlp::Exemplar {
    use otlp::exemplar::Value;
    otlp::Exemplar {
        filtered_attributes: of_attributes(&exemplar.filtered_attributes),
        time_unix_nano: exemplar.time_nanos,
        span_id: exemplar.span_id.map(Vec::from).unwrap_or_default(),
        trace_id: exemplar.trace_id.map(Vec::from).unwrap_or_default(),
        value: Some(match exemplar.value {
            Number::Double(value) => Value::AsDouble(value),
            Number::Int(value) => Value::AsInt(value),
        }),
    }
}

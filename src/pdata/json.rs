//! OTLP/JSON: protobuf's JSON mapping with OTLP's exceptions (enums as numbers, ids as hex).
//! 64-bit integers are strings, fields with their default are left out, non-finite doubles are strings.

use super::metrics::{Buckets, Data, Exemplar, Metrics, Number, NumberPoint, Temporality};
use super::{Attributes, Value};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{Display, Write};

/// Appends metrics as one JSON object (a `MetricsData` message) without line breaks.
pub fn write_json(metrics: &Metrics, out: &mut String) {
    let mut json = Json { out };
    json.object(|o| {
        o.list(
            "resourceMetrics",
            &metrics.resource_metrics,
            |o, resource| {
                o.member("resource", |o| {
                    o.attributes("attributes", &resource.resource.attributes)
                });
                o.list("scopeMetrics", &resource.scope_metrics, |o, scoped| {
                    o.member("scope", |o| {
                        o.text("name", &scoped.scope.name);
                        o.text("version", &scoped.scope.version);
                        o.attributes("attributes", &scoped.scope.attributes);
                    });
                    o.list("metrics", &scoped.metrics, |o, metric| {
                        o.text("name", &metric.name);
                        o.text("description", &metric.description);
                        o.text("unit", &metric.unit);
                        data(o, &metric.data);
                        o.attributes("metadata", &metric.metadata);
                    });
                    o.text("schemaUrl", &scoped.schema_url);
                });
            },
        );
    });
}

fn data(o: &mut Json<'_>, data: &Data) {
    match data {
        Data::Empty => {}
        Data::Gauge(gauge) => o.member("gauge", |o| {
            o.list("dataPoints", &gauge.points, number_point);
        }),
        Data::Sum(sum) => o.member("sum", |o| {
            o.list("dataPoints", &sum.points, number_point);
            temporality(o, sum.temporality);
            if sum.is_monotonic {
                o.raw("isMonotonic", "true");
            }
        }),
        Data::Histogram(histogram) => o.member("histogram", |o| {
            o.list("dataPoints", &histogram.points, |o, point| {
                o.times(point.start_nanos, point.time_nanos);
                o.integer("count", point.count);
                if let Some(sum) = point.sum {
                    o.double("sum", sum);
                }
                o.integers("bucketCounts", &point.bucket_counts);
                o.doubles("explicitBounds", &point.explicit_bounds);
                exemplars(o, &point.exemplars);
                o.attributes("attributes", &point.attributes);
                o.flags(point.flags);
            });
            temporality(o, histogram.temporality);
        }),
        Data::ExponentialHistogram(histogram) => o.member("exponentialHistogram", |o| {
            o.list("dataPoints", &histogram.points, |o, point| {
                o.attributes("attributes", &point.attributes);
                o.times(point.start_nanos, point.time_nanos);
                o.integer("count", point.count);
                if let Some(sum) = point.sum {
                    o.double("sum", sum);
                }
                if point.scale != 0 {
                    o.raw("scale", point.scale);
                }
                o.integer("zeroCount", point.zero_count);
                o.member("positive", |o| buckets(o, &point.positive));
                o.member("negative", |o| buckets(o, &point.negative));
                o.flags(point.flags);
                exemplars(o, &point.exemplars);
                if point.zero_threshold != 0.0 {
                    o.double("zeroThreshold", point.zero_threshold);
                }
            });
            temporality(o, histogram.temporality);
        }),
        Data::Summary(summary) => o.member("summary", |o| {
            o.list("dataPoints", &summary.points, |o, point| {
                o.times(point.start_nanos, point.time_nanos);
                o.integer("count", point.count);
                if point.sum != 0.0 {
                    o.double("sum", point.sum);
                }
                o.list(
                    "quantileValues",
                    &point.quantiles,
                    |o, &(quantile, value)| {
                        if quantile != 0.0 {
                            o.double("quantile", quantile);
                        }
                        if value != 0.0 {
                            o.double("value", value);
                        }
                    },
                );
                o.attributes("attributes", &point.attributes);
                o.flags(point.flags);
            });
        }),
    }
}

fn number_point(o: &mut Json<'_>, point: &NumberPoint) {
    o.times(point.start_nanos, point.time_nanos);
    if let Some(value) = point.value {
        number(o, value);
    }
    exemplars(o, &point.exemplars);
    o.attributes("attributes", &point.attributes);
    o.flags(point.flags);
}

fn number(o: &mut Json<'_>, number: Number) {
    match number {
        Number::Double(value) => o.double("asDouble", value),
        Number::Int(value) => o.raw("asInt", format_args!("\"{value}\"")),
    }
}

fn buckets(o: &mut Json<'_>, buckets: &Buckets) {
    if buckets.offset != 0 {
        o.raw("offset", buckets.offset);
    }
    o.integers("bucketCounts", &buckets.counts);
}

fn exemplars(o: &mut Json<'_>, exemplars: &[Exemplar]) {
    o.list("exemplars", exemplars, |o, exemplar| {
        o.attributes("filteredAttributes", &exemplar.filtered_attributes);
        o.integer("timeUnixNano", exemplar.time_nanos);
        number(o, exemplar.value);
        if let Some(id) = exemplar.known_span_id() {
            o.hex("spanId", id);
        }
        if let Some(id) = exemplar.known_trace_id() {
            o.hex("traceId", id);
        }
    });
}

fn temporality(o: &mut Json<'_>, temporality: Temporality) {
    if temporality != Temporality::Unspecified {
        o.raw("aggregationTemporality", temporality as u8);
    }
}

/// Writes members of the object that is open. Writing to a string cannot fail.
struct Json<'a> {
    out: &'a mut String,
}

impl Json<'_> {
    fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.out.push('{');
        fill(self);
        self.out.push('}');
    }

    fn key(&mut self, key: &str) {
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        self.raw_text(format_args!("\"{key}\":"));
    }

    fn member(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.object(fill);
    }

    fn raw(&mut self, key: &str, value: impl Display) {
        self.key(key);
        self.raw_text(value);
    }

    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.key(key);
            self.quoted(text);
        }
    }

    fn integer(&mut self, key: &str, value: u64) {
        if value != 0 {
            self.raw(key, format_args!("\"{value}\""));
        }
    }

    fn double(&mut self, key: &str, value: f64) {
        self.key(key);
        self.bare_double(value);
    }

    fn times(&mut self, start: u64, time: u64) {
        self.integer("startTimeUnixNano", start);
        self.integer("timeUnixNano", time);
    }

    fn flags(&mut self, flags: u32) {
        if flags != 0 {
            self.raw("flags", flags);
        }
    }

    fn hex(&mut self, key: &str, bytes: &[u8]) {
        self.key(key);
        self.out.push('"');
        for byte in bytes {
            self.raw_text(format_args!("{byte:02x}"));
        }
        self.out.push('"');
    }

    fn attributes(&mut self, key: &str, attributes: &Attributes) {
        if attributes.is_empty() {
            return;
        }
        self.array(key, attributes.iter(), |json, (key, value)| {
            json.object(|o| {
                o.text("key", key);
                o.member("value", |o| o.value(value));
            });
        });
    }

    /// The one member of an `AnyValue`, also if it is a default; none for no value.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Empty => {}
            Value::String(text) => {
                self.key("stringValue");
                self.quoted(text);
            }
            Value::Bool(value) => self.raw("boolValue", value),
            Value::Int(value) => self.raw("intValue", format_args!("\"{value}\"")),
            Value::Double(value) => self.double("doubleValue", *value),
            Value::Array(values) => self.member("arrayValue", |o| {
                o.list("values", values, |o, value| o.value(value));
            }),
            Value::Map(pairs) => self.member("kvlistValue", |o| o.attributes("values", pairs)),
            Value::Bytes(bytes) => {
                let text = Base64Display::new(bytes, &STANDARD);
                self.raw("bytesValue", format_args!("\"{text}\""));
            }
        }
    }

    fn list<T>(&mut self, key: &str, items: &[T], mut fill: impl FnMut(&mut Self, &T)) {
        if !items.is_empty() {
            self.array(key, items, |json, item| json.object(|o| fill(o, item)));
        }
    }

    fn integers(&mut self, key: &str, values: &[u64]) {
        if !values.is_empty() {
            self.array(key, values, |json, value| {
                json.raw_text(format_args!("\"{value}\""))
            });
        }
    }

    fn doubles(&mut self, key: &str, values: &[f64]) {
        if !values.is_empty() {
            self.array(key, values, |json, &value| json.bare_double(value));
        }
    }

    fn array<I: IntoIterator>(
        &mut self,
        key: &str,
        items: I,
        mut write: impl FnMut(&mut Self, I::Item),
    ) {
        self.key(key);
        self.out.push('[');
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            write(self, item);
        }
        self.out.push(']');
    }

    fn bare_double(&mut self, value: f64) {
        if value.is_nan() {
            self.out.push_str("\"NaN\"");
        } else if value.is_infinite() {
            self.out.push_str(if value > 0.0 {
                "\"Infinity\""
            } else {
                "\"-Infinity\""
            });
        } else if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
            self.raw_text(value);
        } else {
            self.raw_text(format_args!("{value:e}"));
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                c if u32::from(c) < 0x20 => self.raw_text(format_args!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn raw_text(&mut self, value: impl Display) {
        if write!(self.out, "{value}").is_err() {
            debug_assert!(false, "writing to a string failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdata::{Gauge, Metric, ResourceMetrics, ScopeMetrics};

    #[track_caller]
    fn check(value: f64, want: &str) {
        let mut out = String::new();
        Json { out: &mut out }.bare_double(value);
        assert_eq!(out, want);
    }

    #[test]
    fn doubles_are_json_numbers_or_protobufs_words() {
        check(1.0, "1");
        check(-0.0, "-0");
        check(0.1, "0.1");
        check(1e300, "1e300");
        check(2.5e-9, "2.5e-9");
        check(f64::NAN, "\"NaN\"");
        check(f64::NEG_INFINITY, "\"-Infinity\"");
    }

    #[test]
    fn a_zero_value_and_an_empty_text_are_written_and_text_is_escaped() {
        let point = NumberPoint {
            time_nanos: 1,
            value: Some(Number::Double(0.0)),
            attributes: [("a\"", "\\\n\u{1}"), ("", "")].into_iter().collect(),
            ..NumberPoint::default()
        };
        let metric = Metric {
            name: "g".into(),
            description: "".into(),
            unit: "".into(),
            metadata: Attributes::default(),
            data: Data::Gauge(Gauge {
                points: vec![point],
            }),
        };
        let scoped = ScopeMetrics {
            metrics: vec![metric],
            ..ScopeMetrics::default()
        };
        let resource = ResourceMetrics {
            scope_metrics: vec![scoped],
            ..Default::default()
        };
        let mut out = String::new();
        write_json(
            &Metrics {
                resource_metrics: vec![resource],
            },
            &mut out,
        );
        let want = concat!(
            r#"{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"scope":{},"metrics":[{"name":"g","gauge":"#,
            r#"{"dataPoints":[{"timeUnixNano":"1","asDouble":0,"attributes":[{"key":"a\"","value":"#,
            r#"{"stringValue":"\\\n\u0001"}},{"value":{"stringValue":""}}]}]}}]}]}]}"#
        );
        assert_eq!(out, want);
    }
}

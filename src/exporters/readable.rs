//! Metrics for people: a line per resource, then one per point, close to Prometheus' notation.

use crate::pdata::{
    Attributes, Data, ExponentialHistogramPoint, HistogramPoint, Metric, Metrics,
    NO_RECORDED_VALUE, Number, NumberPoint, SummaryPoint, Value,
};
use std::fmt::{self, Display, Write};
use std::time::{Duration, UNIX_EPOCH};

/// Appends the metrics of a scrape of a job's target.
pub(super) fn write(metrics: &Metrics, job: &str, time_ms: i64, out: &mut String) {
    let lines = Lines {
        metrics,
        job,
        time_ms,
    };
    if write!(out, "{lines}").is_err() {
        debug_assert!(false, "writing to a string failed");
    }
}

struct Lines<'a> {
    metrics: &'a Metrics,
    job: &'a str,
    time_ms: i64,
}

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::from_millis(u64::try_from(self.time_ms).unwrap_or(0));
        let time = humantime::format_rfc3339_millis(UNIX_EPOCH + since);
        for resource in &self.metrics.resource_metrics {
            write!(f, "# {time} job={}", self.job)?;
            for (key, value) in resource.resource.attributes.iter() {
                write!(f, " {key}=")?;
                match value {
                    Value::String(text) => f.write_str(text)?,
                    other => attribute(f, other)?,
                }
            }
            writeln!(f)?;
            for scope in &resource.scope_metrics {
                for m in &scope.metrics {
                    metric(f, m)?;
                }
            }
        }
        Ok(())
    }
}

fn metric(f: &mut fmt::Formatter<'_>, metric: &Metric) -> fmt::Result {
    match &metric.data {
        Data::Empty => Ok(()),
        Data::Gauge(gauge) => lines(f, metric, &gauge.points, |p| &p.attributes, number),
        Data::Sum(sum) => lines(f, metric, &sum.points, |p| &p.attributes, number),
        Data::Histogram(h) => lines(f, metric, &h.points, |p| &p.attributes, histogram),
        Data::ExponentialHistogram(h) => {
            lines(f, metric, &h.points, |p| &p.attributes, exponential)
        }
        Data::Summary(summary) => lines(f, metric, &summary.points, |p| &p.attributes, quantiles),
    }
}

fn lines<P>(
    f: &mut fmt::Formatter<'_>,
    metric: &Metric,
    points: &[P],
    attributes: fn(&P) -> &Attributes,
    value: fn(&mut fmt::Formatter<'_>, &P) -> fmt::Result,
) -> fmt::Result {
    for point in points {
        f.write_str(&metric.name)?;
        let attributes = attributes(point);
        if !attributes.is_empty() {
            map(f, attributes)?;
        }
        f.write_str(" ")?;
        value(f, point)?;
        writeln!(f)?;
    }
    Ok(())
}

fn map(f: &mut fmt::Formatter<'_>, attributes: &Attributes) -> fmt::Result {
    f.write_str("{")?;
    for (i, (key, value)) in attributes.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(f, "{comma}{key}=")?;
        attribute(f, value)?;
    }
    f.write_str("}")
}

fn attribute(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Empty => Ok(()),
        Value::String(text) => write!(f, "{text:?}"),
        Value::Bool(value) => write!(f, "{value}"),
        Value::Int(value) => write!(f, "{value}"),
        Value::Double(value) => write!(f, "{value}"),
        Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        Value::Map(pairs) => map(f, pairs),
        Value::Array(values) => {
            f.write_str("[")?;
            for (i, value) in values.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { "," })?;
                attribute(f, value)?;
            }
            f.write_str("]")
        }
    }
}

const GONE: &str = "gone";

fn number(f: &mut fmt::Formatter<'_>, point: &NumberPoint) -> fmt::Result {
    match point.value {
        Some(Number::Double(value)) => write!(f, "{value}"),
        Some(Number::Int(value)) => write!(f, "{value}"),
        None => f.write_str(GONE),
    }
}

fn histogram(f: &mut fmt::Formatter<'_>, point: &HistogramPoint) -> fmt::Result {
    if point.flags & NO_RECORDED_VALUE != 0 {
        return f.write_str(GONE);
    }
    count_and_sum(f, point.count, point.sum)?;
    let bounds = point.explicit_bounds.iter().copied().chain([f64::INFINITY]);
    for (bound, count) in bounds.zip(&point.bucket_counts) {
        write!(f, " ≤{bound}:{count}")?;
    }
    Ok(())
}

fn exponential(f: &mut fmt::Formatter<'_>, point: &ExponentialHistogramPoint) -> fmt::Result {
    if point.flags & NO_RECORDED_VALUE != 0 {
        return f.write_str(GONE);
    }
    count_and_sum(f, point.count, point.sum)?;
    write!(f, " scale={} zero={}", point.scale, point.zero_count)?;
    for (sign, buckets) in [("+", &point.positive), ("-", &point.negative)] {
        if !buckets.counts.is_empty() {
            write!(f, " {sign}[{}..]={:?}", buckets.offset, buckets.counts)?;
        }
    }
    Ok(())
}

fn quantiles(f: &mut fmt::Formatter<'_>, point: &SummaryPoint) -> fmt::Result {
    if point.flags & NO_RECORDED_VALUE != 0 {
        return f.write_str(GONE);
    }
    count_and_sum(f, point.count, Some(point.sum))?;
    for (quantile, value) in &point.quantiles {
        write!(f, " q{quantile}={value}")?;
    }
    Ok(())
}

fn count_and_sum(f: &mut fmt::Formatter<'_>, count: u64, sum: Option<f64>) -> fmt::Result {
    write!(f, "count={count}")?;
    match sum {
        Some(sum) => write!(f, " sum={sum}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdata::{Gauge, Histogram, Resource, ResourceMetrics, Scope, ScopeMetrics};

    #[test]
    fn a_point_is_a_line() {
        let metric = |name: &str, data| Metric {
            name: name.into(),
            description: "".into(),
            unit: "".into(),
            metadata: Attributes::default(),
            data,
        };
        let value = Value::Array([Value::Int(1), Value::Bytes([0, 255].into())].into());
        let more = [("ok", Value::Bool(true)), ("map", value)];
        let more = Value::Map(more.into_iter().collect());
        let attributes = [
            ("code", "200".into()),
            ("more", more),
            ("none", Value::Empty),
        ];
        let attributes: Attributes = attributes.into_iter().collect();
        let live = NumberPoint {
            attributes,
            value: Some(Number::Double(1.5)),
            ..Default::default()
        };
        let gone = NumberPoint {
            flags: NO_RECORDED_VALUE,
            ..NumberPoint::default()
        };
        let buckets = HistogramPoint {
            count: 3,
            bucket_counts: vec![1, 2],
            explicit_bounds: vec![0.5],
            ..HistogramPoint::default()
        };
        let histogram = Histogram {
            points: vec![buckets],
            ..Histogram::default()
        };
        let scoped = ScopeMetrics {
            scope: Scope::default(),
            metrics: vec![
                metric(
                    "g",
                    Data::Gauge(Gauge {
                        points: vec![live, gone],
                    }),
                ),
                metric("h", Data::Histogram(histogram)),
            ],
            schema_url: "".into(),
        };
        let attributes = [("service.name", "app".into()), ("n", Value::Double(1.5))];
        let attributes = attributes.into_iter().collect();
        let resource = ResourceMetrics {
            resource: Resource { attributes },
            scope_metrics: vec![scoped],
        };
        let mut out = String::new();
        write(
            &Metrics {
                resource_metrics: vec![resource],
            },
            "shop",
            1_700_000_000_000,
            &mut out,
        );
        let want = "# 2023-11-14T22:13:20.000Z job=shop service.name=app n=1.5\n\
                    g{code=\"200\",more={ok=true,map=[1,00ff]},none=} 1.5\ng gone\nh count=3 ≤0.5:1 ≤inf:2\n";
        assert_eq!(out, want);
    }
}

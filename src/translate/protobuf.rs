//! Metrics as an OTLP request (`ExportMetricsServiceRequest`, which equals `MetricsData`). Fields are in the order of Go's
//! protobuf runtime: ascending, members of a oneof last.

use crate::pdata::{
    Attributes, Buckets, Data, Exemplar, ExponentialHistogramPoint, HistogramPoint, Metric,
    Metrics, Number, NumberPoint, Resource, ResourceMetrics, Scope, SummaryPoint, Temporality,
    Value,
};
use crate::wire::protobuf::Writer;

/// Appends metrics to a request. Requests can be concatenated.
pub fn encode(metrics: &Metrics, out: &mut Writer) {
    for resource in &metrics.resource_metrics {
        out.message(1, |w| resource_metrics(w, resource));
    }
}

/// Hands over one request, or several of about `most` bytes, cut between points, each with its number of points.
pub fn pieces(metrics: Metrics, most: usize, take: &mut dyn FnMut(&[u8], usize)) {
    let points = metrics.point_count();
    if points == 0 {
        return;
    }
    let bytes = encoded(&metrics);
    let pieces = bytes.len().div_ceil(most);
    if pieces <= 1 || points <= 1 {
        return take(&bytes, points);
    }
    for piece in metrics.split(points.div_ceil(pieces)) {
        take(&encoded(&piece), piece.point_count());
    }
}

fn encoded(metrics: &Metrics) -> Vec<u8> {
    let mut writer = Writer::new();
    encode(metrics, &mut writer);
    writer.into_vec()
}

fn resource_metrics(w: &mut Writer, of: &ResourceMetrics) {
    resource(w, &of.resource);
    for scoped in &of.scope_metrics {
        w.message(2, |w| {
            scope(w, &scoped.scope);
            for m in &scoped.metrics {
                w.message(2, |w| metric(w, m));
            }
            w.bytes_if(3, scoped.schema_url.as_bytes());
        });
    }
}

/// The resource, as a field of its ResourceMetrics.
pub(super) fn resource(w: &mut Writer, resource: &Resource) {
    w.message(1, |w| attributes(w, 1, &resource.attributes));
}

/// The scope, as a field of its ScopeMetrics.
pub(super) fn scope(w: &mut Writer, scope: &Scope) {
    w.message(1, |w| {
        w.bytes_if(1, scope.name.as_bytes());
        w.bytes_if(2, scope.version.as_bytes());
        attributes(w, 3, &scope.attributes);
    });
}

/// What stands before a metric's data.
pub(super) fn metric_head(
    w: &mut Writer,
    name: &str,
    description: &str,
    unit: &str,
    metadata: &Attributes,
) {
    w.bytes_if(1, name.as_bytes());
    w.bytes_if(2, description.as_bytes());
    w.bytes_if(3, unit.as_bytes());
    attributes(w, 12, metadata);
}

fn metric(w: &mut Writer, metric: &Metric) {
    metric_head(
        w,
        &metric.name,
        &metric.description,
        &metric.unit,
        &metric.metadata,
    );
    match &metric.data {
        Data::Empty => {}
        Data::Gauge(gauge) => w.message(5, |w| points(w, &gauge.points, number_point)),
        Data::Sum(sum) => w.message(7, |w| {
            points(w, &sum.points, number_point);
            temporality(w, sum.temporality);
            monotony(w, sum.is_monotonic);
        }),
        Data::Histogram(histogram) => w.message(9, |w| {
            points(w, &histogram.points, histogram_point);
            temporality(w, histogram.temporality);
        }),
        Data::ExponentialHistogram(histogram) => w.message(10, |w| {
            points(w, &histogram.points, exponential_point);
            temporality(w, histogram.temporality);
        }),
        Data::Summary(summary) => w.message(11, |w| points(w, &summary.points, summary_point)),
    }
}

fn points<P>(w: &mut Writer, points: &[P], write: fn(&mut Writer, &P)) {
    for point in points {
        w.message(1, |w| write(w, point));
    }
}

/// What stands behind the points of sums and histograms.
pub(super) fn temporality(w: &mut Writer, temporality: Temporality) {
    w.uint_if(2, temporality as u64);
}

/// What stands behind that in sums.
pub(super) fn monotony(w: &mut Writer, is_monotonic: bool) {
    w.uint_if(3, u64::from(is_monotonic));
}

fn number_point(w: &mut Writer, point: &NumberPoint) {
    w.fixed64_if(2, point.start_nanos);
    w.fixed64_if(3, point.time_nanos);
    exemplars(w, 5, &point.exemplars);
    attributes(w, 7, &point.attributes);
    w.uint_if(8, u64::from(point.flags));
    match point.value {
        Some(Number::Double(value)) => w.double(4, value),
        Some(Number::Int(value)) => w.fixed64(6, value as u64),
        None => {}
    }
}

fn histogram_point(w: &mut Writer, point: &HistogramPoint) {
    w.fixed64_if(2, point.start_nanos);
    w.fixed64_if(3, point.time_nanos);
    w.fixed64_if(4, point.count);
    if let Some(sum) = point.sum {
        w.double(5, sum);
    }
    packed_fixed64(w, 6, point.bucket_counts.iter().copied());
    packed_fixed64(
        w,
        7,
        point.explicit_bounds.iter().map(|bound| bound.to_bits()),
    );
    exemplars(w, 8, &point.exemplars);
    attributes(w, 9, &point.attributes);
    w.uint_if(10, u64::from(point.flags));
}

fn exponential_point(w: &mut Writer, point: &ExponentialHistogramPoint) {
    attributes(w, 1, &point.attributes);
    w.fixed64_if(2, point.start_nanos);
    w.fixed64_if(3, point.time_nanos);
    w.fixed64_if(4, point.count);
    if let Some(sum) = point.sum {
        w.double(5, sum);
    }
    if point.scale != 0 {
        w.sint(6, i64::from(point.scale));
    }
    w.fixed64_if(7, point.zero_count);
    w.message(8, |w| buckets(w, &point.positive));
    w.message(9, |w| buckets(w, &point.negative));
    w.uint_if(10, u64::from(point.flags));
    exemplars(w, 11, &point.exemplars);
    w.double_if(14, point.zero_threshold);
}

fn buckets(w: &mut Writer, buckets: &Buckets) {
    if buckets.offset != 0 {
        w.sint(1, i64::from(buckets.offset));
    }
    if !buckets.counts.is_empty() {
        w.message(2, |w| {
            buckets.counts.iter().for_each(|&count| w.varint(count))
        });
    }
}

fn summary_point(w: &mut Writer, point: &SummaryPoint) {
    w.fixed64_if(2, point.start_nanos);
    w.fixed64_if(3, point.time_nanos);
    w.fixed64_if(4, point.count);
    w.double_if(5, point.sum);
    for &(quantile, value) in &point.quantiles {
        w.message(6, |w| {
            w.double_if(1, quantile);
            w.double_if(2, value);
        });
    }
    attributes(w, 7, &point.attributes);
    w.uint_if(8, u64::from(point.flags));
}

fn exemplars(w: &mut Writer, field: u32, exemplars: &[Exemplar]) {
    for exemplar in exemplars {
        w.message(field, |w| {
            w.fixed64_if(2, exemplar.time_nanos);
            if let Some(id) = exemplar.known_span_id() {
                w.bytes(4, id);
            }
            if let Some(id) = exemplar.known_trace_id() {
                w.bytes(5, id);
            }
            attributes(w, 7, &exemplar.filtered_attributes);
            match exemplar.value {
                Number::Double(value) => w.double(3, value),
                Number::Int(value) => w.fixed64(6, value as u64),
            }
        });
    }
}

fn attributes(w: &mut Writer, field: u32, attributes: &Attributes) {
    for (key, value) in attributes.iter() {
        attribute(w, field, key, value);
    }
}

/// One attribute, as a field of what it belongs to.
pub(super) fn attribute(w: &mut Writer, field: u32, key: &str, value: &Value) {
    w.message(field, |w| {
        w.bytes_if(1, key.as_bytes());
        w.message(2, |w| any_value(w, value));
    });
}

/// The member of the oneof: written also if it is a default.
fn any_value(w: &mut Writer, value: &Value) {
    match value {
        Value::String(text) => w.bytes(1, text.as_bytes()),
        Value::Empty => {}
        Value::Bool(value) => w.uint(2, u64::from(*value)),
        Value::Int(value) => w.uint(3, *value as u64),
        Value::Double(value) => w.double(4, *value),
        Value::Array(values) => w.message(5, |w| {
            for value in values.iter() {
                w.message(1, |w| any_value(w, value));
            }
        }),
        Value::Map(pairs) => w.message(6, |w| attributes(w, 1, pairs)),
        Value::Bytes(bytes) => w.bytes(7, bytes),
    }
}

fn packed_fixed64(w: &mut Writer, field: u32, values: impl ExactSizeIterator<Item = u64>) {
    if values.len() > 0 {
        w.message(field, |w| values.for_each(|value| w.bare_fixed64(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdata::{Gauge, Resource, ScopeMetrics};

    fn gauge(name: &str, times: std::ops::Range<u64>) -> Metric {
        let point = |time_nanos| NumberPoint {
            time_nanos,
            ..NumberPoint::default()
        };
        Metric {
            name: name.into(),
            description: "".into(),
            unit: "".into(),
            metadata: Attributes::default(),
            data: Data::Gauge(Gauge {
                points: times.map(point).collect(),
            }),
        }
    }

    fn resource(name: &str, metrics: Vec<Metric>) -> ResourceMetrics {
        let attributes = [("service.name", name)].into_iter().collect();
        let scoped = ScopeMetrics {
            scope: Scope::default(),
            metrics,
            schema_url: "".into(),
        };
        ResourceMetrics {
            resource: Resource { attributes },
            scope_metrics: vec![scoped],
        }
    }

    #[test]
    fn large_requests_are_cut_between_points() {
        let first = resource("a", vec![gauge("x", 1..6), gauge("y", 6..7)]);
        let metrics = Metrics {
            resource_metrics: vec![first, resource("b", vec![gauge("x", 7..9)])],
        };
        let whole = encoded(&metrics).len();
        let mut points = Vec::new();
        pieces(metrics, whole / 3, &mut |_, n| points.push(n));
        assert_eq!(points, [2, 2, 2, 2]);
    }

    #[test]
    fn pieces_keep_their_resource_and_order() {
        let first = resource("a", vec![gauge("x", 1..4)]);
        let metrics = Metrics {
            resource_metrics: vec![first, resource("b", vec![gauge("y", 4..5)])],
        };
        let pieces = metrics.split(3);
        assert_eq!(pieces.len(), 2);
        assert_eq!(
            pieces[0].resource_metrics,
            [resource("a", vec![gauge("x", 1..4)])]
        );
        assert_eq!(
            pieces[1].resource_metrics,
            [resource("b", vec![gauge("y", 4..5)])]
        );
    }
}

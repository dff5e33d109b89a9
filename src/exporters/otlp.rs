//! Batches as OTLP payloads: requests of one target each, which can be concatenated.

use crate::model::batch::Batch;
use crate::pdata::Metrics;
use crate::pipeline::{Encoder, EncoderFactory, PayloadSink};
use crate::translate::{Settings, Translator, protobuf};
use crate::wire::protobuf::Writer;

/// A payload longer than this is cut between points, so that requests can be filled evenly.
const PAYLOAD_BYTES: usize = 1024 * 1024;

/// Makes encoders that translate with these settings.
#[derive(Debug)]
pub(super) struct OtlpEncoders(pub(super) Settings);

impl EncoderFactory for OtlpEncoders {
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(OtlpEncoder {
            translator: Translator::new(self.0.clone()),
        })
    }
}

struct OtlpEncoder {
    translator: Translator,
}

impl Encoder for OtlpEncoder {
    fn encode(&mut self, batch: &Batch<'_>, out: &mut PayloadSink) {
        if let Some(metrics) = self.translator.translate(batch) {
            push(metrics, PAYLOAD_BYTES, out);
        }
    }
}

/// One payload, or several of about `most` bytes.
fn push(metrics: Metrics, most: usize, out: &mut PayloadSink) {
    let (bytes, points) = (encode(&metrics), metrics.point_count());
    let pieces = bytes.len().div_ceil(most);
    if pieces <= 1 || points <= 1 {
        out.push(&bytes, points);
        return;
    }
    for piece in metrics.split(points.div_ceil(pieces)) {
        out.push(&encode(&piece), piece.point_count());
    }
}

fn encode(metrics: &Metrics) -> Vec<u8> {
    let mut writer = Writer::new();
    protobuf::encode(metrics, &mut writer);
    writer.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdata::{
        Attributes, Data, Gauge, Metric, NumberPoint, Resource, ResourceMetrics, Scope,
        ScopeMetrics,
    };

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
        let whole = encode(&metrics).len();
        let mut sink = PayloadSink::new(1, 0);
        push(metrics, whole / 3, &mut sink);
        let points: Vec<_> = sink
            .into_payloads()
            .iter()
            .map(|payload| payload.points)
            .collect();
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

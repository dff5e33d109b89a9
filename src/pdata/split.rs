//! Cutting metrics into pieces between points.

use super::metrics::{
    Data, ExponentialHistogram, Gauge, Histogram, Metric, Metrics, ResourceMetrics, ScopeMetrics,
    Sum, Summary,
};

impl Metrics {
    /// Pieces of at most `most` points each (at least one), in order. Resources, scopes and metrics that are cut stand
    /// in each piece.
    pub fn split(self, most: usize) -> Vec<Self> {
        let most = most.max(1);
        let mut pieces = Vec::new();
        let mut piece = Self::default();
        let mut room = most;
        for resource in self.resource_metrics {
            let ResourceMetrics {
                resource,
                scope_metrics,
            } = resource;
            let new_resource = || ResourceMetrics {
                resource: resource.clone(),
                scope_metrics: Vec::new(),
            };
            piece.resource_metrics.push(new_resource());
            for scoped in scope_metrics {
                let ScopeMetrics {
                    scope,
                    metrics,
                    schema_url,
                } = scoped;
                let new_scope = || ScopeMetrics {
                    scope: scope.clone(),
                    metrics: Vec::new(),
                    schema_url: schema_url.clone(),
                };
                piece.push_scope(new_scope());
                for mut metric in metrics {
                    while metric.data.point_count() > 0 {
                        if room == 0 {
                            pieces.push(std::mem::take(&mut piece));
                            piece.resource_metrics.push(new_resource());
                            piece.push_scope(new_scope());
                            room = most;
                        }
                        let part = metric.take(room);
                        room -= part.data.point_count();
                        piece.push_metric(part);
                    }
                }
            }
        }
        pieces.push(piece);
        for piece in &mut pieces {
            piece.remove_empty();
        }
        pieces.retain(|piece| !piece.resource_metrics.is_empty());
        pieces
    }

    fn push_scope(&mut self, scope: ScopeMetrics) {
        if let Some(resource) = self.resource_metrics.last_mut() {
            resource.scope_metrics.push(scope);
        }
    }

    fn push_metric(&mut self, metric: Metric) {
        let resource = self.resource_metrics.last_mut();
        if let Some(scope) = resource.and_then(|resource| resource.scope_metrics.last_mut()) {
            scope.metrics.push(metric);
        }
    }

    fn remove_empty(&mut self) {
        for resource in &mut self.resource_metrics {
            resource
                .scope_metrics
                .retain(|scope| !scope.metrics.is_empty());
        }
        self.resource_metrics
            .retain(|resource| !resource.scope_metrics.is_empty());
    }
}

impl Metric {
    /// The same metric with the first `n` points, which are taken away here.
    fn take(&mut self, n: usize) -> Self {
        let data = match &mut self.data {
            Data::Empty => Data::Empty,
            Data::Gauge(gauge) => Data::Gauge(Gauge {
                points: first(&mut gauge.points, n),
            }),
            Data::Sum(sum) => Data::Sum(Sum {
                points: first(&mut sum.points, n),
                ..*sum
            }),
            Data::Histogram(histogram) => Data::Histogram(Histogram {
                points: first(&mut histogram.points, n),
                temporality: histogram.temporality,
            }),
            Data::ExponentialHistogram(histogram) => {
                Data::ExponentialHistogram(ExponentialHistogram {
                    points: first(&mut histogram.points, n),
                    temporality: histogram.temporality,
                })
            }
            Data::Summary(summary) => Data::Summary(Summary {
                points: first(&mut summary.points, n),
            }),
        };
        Self {
            name: self.name.clone(),
            description: self.description.clone(),
            unit: self.unit.clone(),
            metadata: self.metadata.clone(),
            data,
        }
    }
}

fn first<P>(points: &mut Vec<P>, n: usize) -> Vec<P> {
    let rest = points.split_off(n.min(points.len()));
    std::mem::replace(points, rest)
}

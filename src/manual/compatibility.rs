//! Where promop differs from prometheus-operator, Prometheus and the collector on purpose, and what it cannot do yet.

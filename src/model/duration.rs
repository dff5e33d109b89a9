//! Prometheus durations: `1h30m`, `250ms`.

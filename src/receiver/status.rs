//! How a receiver fares, as plain data.

use super::admin::Monitor;
use crate::pipeline::ExporterStatus;
use crate::scrape::pool::Statistics;

/// How a receiver fares.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Why it is not ready; empty if it is.
    pub not_ready: Vec<String>,
    /// Whether the last configuration was applied.
    pub config_successful: bool,
    /// When a configuration was last applied, milliseconds since the Unix epoch.
    pub config_applied_ms: Option<i64>,
    /// Jobs of the running configuration.
    pub jobs: usize,
    /// Monitors that were selected.
    pub selected: Selected,
    /// Monitors that are not used as they are, and why.
    pub rejected: Vec<Monitor>,
    /// How each exporter fares.
    pub exporters: Vec<ExporterStatus>,
    /// Points that consumers refused, each consumer counted: they are lost.
    pub consumer_points_refused: u64,
    /// Scrapes begun, slots left out, workers.
    pub scraping: Statistics,
}

/// How many monitors the selectors chose, the rejected ones included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selected {
    /// ServiceMonitors.
    pub service_monitors: usize,
    /// PodMonitors.
    pub pod_monitors: usize,
}

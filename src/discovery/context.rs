//! What discovery needs from outside.

use crate::http::client::HttpContext;
use crate::kube::{Informers, Tuning};
use crate::rt::clock::Clock;
use std::sync::Arc;

/// What discovery needs from outside.
#[derive(Debug, Clone)]
pub struct DiscoveryContext {
    /// The cluster, or the folder that plays it; none with `--no-kubernetes`.
    pub informers: Option<Informers>,
    /// Files, roots, proxies and User-Agent of HTTP clients.
    pub http: HttpContext,
    /// Times of watches on API servers that a configuration names itself.
    pub tuning: Tuning,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

//! Where promop differs from prometheus-operator, Prometheus and the collector on purpose, and what it cannot do yet.
//!
//! Behaviour is that of prometheus-operator v0.93.1, Prometheus 3.15 (module v0.315.0) and the collector's
//! `prometheusreceiver` v0.164.1. Everything not listed here is meant to be equal; a difference is a defect.
//!
//! # Generating
//!
//! - Without an inherited Prometheus object every monitor in every namespace is selected, and targets come from
//!   EndpointSlices; upstream always has an object, which selects nothing by default.
//! - `promop run` generates for the newest supported version; an inherited 2.x version only maps defaults that differ.
//!   `promop generate` honours the version.
//! - `promop run` puts values only where the generator itself wrote `$(SHARD)`, `$(POD_NAME)` or `$(NODE_NAME)`; the same text in
//!   a monitor is literal. Upstream's config reloader replaces it everywhere; `promop generate --expand` does as well.
//! - A monitor whose job Prometheus would refuse is rejected with the loader's reason, and its last good version runs on;
//!   upstream writes it, and Prometheus refuses the whole configuration.
//! - `Probe` and `ScrapeConfig` objects are not read.
//!
//! # Loading
//!
//! - `promop check` is the server's loader, not `promtool`: no linting, no look at the files that are named.
//! - `rule_files`, `alerting`, `remote_read`, `storage` and the like are accepted as Prometheus accepts them, and have no effect.
//!
//! # Discovering and scraping
//!
//! - A reload keeps targets whose identity and scrape settings are unchanged, with their next slot; upstream restarts the loops
//!   of a pool whose configuration changed, and writes end-of-run markers for live series.
//! - A job that cannot be discovered yet (no right, slow API server) does not hold up the others; it starts when synced.
//! - Requests are HTTP/1.1; `enable_http2` has no effect. TLS is 1.2 or 1.3.
//! - Credentials follow a redirect only to the same host name, and never from https to http.
//! - Discovery other than `kubernetes_sd_configs`, `static_configs`, `file_sd_configs` and `http_sd_configs` is refused.
//!
//! # Handing on
//!
//! - The scope is named `prometheus-operator-receiver` with promop's version; requests have the User-Agent `promop/<version>`.
//! - OTLP over HTTP with protobuf only; neither gRPC nor JSON.
//!
//! # Status endpoints
//!
//! - `/api/v1/targets`: `globalUrl` equals `scrapeUrl`, as there is no external address. Targets of a job are sorted.
//! - `/config` is the YAML text alone, not a page.

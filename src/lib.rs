//! Reads a cluster's ServiceMonitors and PodMonitors as they are, generates the Prometheus configuration that
//! prometheus-operator would, scrapes as Prometheus would, and hands metrics on as the OpenTelemetry collector would.
#![forbid(unsafe_code)]
// The comments of hidden modules are read in the source, where private items are no dead ends.
#![allow(rustdoc::private_intra_doc_links)]

// The floors, bottom up: a module imports only from lower ones (ARCHITECTURE.md). They are `pub` and hidden for the
// tests, fuzzers and benches of this package; no promise is made for anything in them. What embedders use is re-exported.
#[doc(hidden)]
pub mod rt;

#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod pdata;
#[doc(hidden)]
pub mod wire;

#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod textparse;

#[doc(hidden)]
pub mod kube;
#[doc(hidden)]
pub mod monitoring;

#[doc(hidden)]
pub mod operator;

#[doc(hidden)]
pub mod config;

#[doc(hidden)]
pub mod discovery;

#[doc(hidden)]
pub mod scrape;

#[doc(hidden)]
pub mod translate;

#[doc(hidden)]
pub mod pipeline;

#[doc(hidden)]
pub mod exporters;

#[doc(hidden)]
pub mod receiver;

pub mod manual;

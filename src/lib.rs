//! Reads a cluster's ServiceMonitors and PodMonitors as they are, generates the Prometheus configuration that
//! prometheus-operator would, scrapes as Prometheus would, and hands metrics on as the OpenTelemetry collector would.
//!
//! A collector compiles it in like this (here a folder plays the API server; without `source` it is the cluster):
//!
//! ```
//! use prometheus_operator_receiver::{ConsumeError, Receiver, Settings, pdata::Metrics};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::from_yaml("source: {folder: scripts/demo}\nwebListenAddress: null")?;
//! let running = Receiver::builder(settings)
//!     .environment(std::env::vars())
//!     .consumer(|metrics: &Metrics| -> Result<(), ConsumeError> {
//!         println!("{} points", metrics.point_count());
//!         Ok(())
//!     })
//!     .start()?; // returns once its threads run
//!
//! // … the host application does its own work; dropping `running` also stops …
//! let report = running.stop(Duration::from_secs(10));
//! println!("{report}");
//! # Ok(())
//! # }
//! ```
//!
//! The library never exits, prints, reads the environment, or installs a logger, a signal handler or a process-wide crypto
//! provider; several receivers run in one process.
#![forbid(unsafe_code)]
// The comments of hidden modules are read in the source, where private items are no dead ends.
#![allow(rustdoc::private_intra_doc_links)]

pub mod manual;

// The floors, bottom up: a module imports only from lower ones (ARCHITECTURE.md). Those that are hidden are `pub` for the
// binary, tests, fuzzers and benches of this package; no promise is made for anything in them.
#[doc(hidden)]
pub mod rt;

#[doc(hidden)]
pub mod model;
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

pub mod exporters;

#[doc(hidden)]
pub mod receiver;

/// The name of promop in requests that it sends.
pub(crate) const USER_AGENT: &str = concat!("promop/", env!("CARGO_PKG_VERSION"));

pub use pdata::ConsumeError;
pub use pipeline::{Encoder, EncoderFactory, ExportError, Exporter, Payload, PayloadSink};
pub use receiver::{
    Error, ErrorKind, Inherit, Receiver, ReceiverBuilder, Report, Running, Settings, Source, Status,
};

//! The whole: wiring, supervision, swap, status. A receiver watches monitors, scrapes what they describe and hands the
//! metrics to exporters and consumers, until it is stopped.

pub mod admin;
mod assets;
mod board;
mod cluster;
mod error;
mod events;
mod inherited;
mod jobs;
mod last_good;
mod monitors;
mod outcome;
mod overview;
mod pod;
mod prepare;
mod resolved;
mod settings;
mod start;
mod status;
mod supervisor;
mod targets;
mod telemetry;
mod vetting;

pub use error::{Error, ErrorKind};
pub use resolved::Resolved;
pub use settings::{Environment, Inherit, Settings, Source};
pub use start::{Receiver, ReceiverBuilder, Report, Running};
pub use status::{Selected, Status};

//! Target groups of jobs: found in Kubernetes, in files, over HTTP, or written in the configuration.
//! Nothing of scraping is known here.

mod cluster;
mod engine;
mod file;
mod group_list;
mod http;
pub mod kubernetes;
pub mod manager;

pub use manager::{JobDiscovery, Manager, Surroundings};

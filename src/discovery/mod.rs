//! Target groups of jobs: found in Kubernetes, in files, over HTTP, or written in the configuration.
//! Nothing of scraping is known here.

pub mod kubernetes;
pub mod manager;

pub use manager::{JobDiscovery, Manager, Surroundings};

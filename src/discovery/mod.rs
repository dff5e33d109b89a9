//! Target groups of jobs: found in Kubernetes, in files, over HTTP, or written in the configuration.
//! Nothing of scraping is known here.

mod cluster;
mod context;
mod engine;
mod file;
mod group_list;
mod groups;
mod http;
mod job;
pub mod kubernetes;
mod manager;

pub use context::DiscoveryContext;
pub use job::JobDiscovery;
pub use manager::Manager;

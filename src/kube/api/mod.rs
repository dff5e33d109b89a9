//! One API server: how to reach it, as whom, and its answers.

mod auth;
pub(super) mod client;
pub mod config;
pub mod error;
pub mod kubeconfig;
pub(super) mod list;

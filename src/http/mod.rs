//! HTTP: client settings as in a scrape config, the scrape client, agents for APIs, TLS, authentication, the admin server.

pub mod agent;
pub mod body;
pub mod client;
pub mod config;
pub mod connection;
pub mod error;
pub mod proxy;
pub mod server;
pub mod tls;

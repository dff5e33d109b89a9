//! HTTP: client settings as in a scrape config, the scrape client, agents for APIs, TLS, authentication, the admin server.

pub mod cause;
pub mod config;
pub mod error;

pub mod client;

mod assertion;
mod auth;
mod oauth2;
mod source;

pub mod body;
pub mod connection;
mod message;
pub mod proxy;
mod resolve;
mod socks;
pub mod tls;
mod transport;
pub mod url;
mod verify;

pub mod agent;

pub mod server;

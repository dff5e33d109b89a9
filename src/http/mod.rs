//! HTTP: client settings as in a scrape config, the scrape client, agents for APIs, TLS, authentication, the admin server.

pub mod cause;
pub mod config;
pub mod error;
pub mod url;

pub mod body;
pub mod client;
pub mod proxy;
pub mod tls;
mod verify;

mod assertion;
mod auth;
mod oauth2;
mod source;

pub mod agent;

pub mod server;

//! HTTP: client settings as in a scrape config, the scrape client, agents for APIs, TLS, authentication, the admin server.

pub mod config;

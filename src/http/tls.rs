//! TLS settings for clients: roots, client certificates, versions. Files are read again when they change.

/// What all clients of one receiver share: the system's roots, loaded when first needed.
#[derive(Debug, Default)]
pub struct Shared {}

use super::config::Tls;
use super::error::Error;
use crate::rt::files::Files;
use rustls::ClientConfig;
use std::sync::Arc;

/// A rustls configuration for these settings, with what the files say now.
///
/// # Errors
/// As upstream: certificates or keys that cannot be read or used, versions out of order.
pub fn client_config(
    _settings: &Tls,
    _files: &dyn Files,
    _shared: &Shared,
) -> Result<Arc<ClientConfig>, Error> {
    Err(Error::settings("TLS is not built yet"))
}

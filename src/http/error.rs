//! What can go wrong between a client's settings and the last byte of a body.

use std::fmt;

/// Why a client could not be built or an exchange failed. The text is Prometheus' where Prometheus words it itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What callers distinguish.
    pub kind: Kind,
    /// One line for people; for an exchange that got no response it begins with `Get "<url>": `.
    pub message: String,
}

/// The cases that a caller treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The client cannot be built from its settings, or a file of theirs cannot be used any more.
    Settings,
    /// The time of the exchange is over.
    Timeout,
    /// The body is as large as its limit, or larger.
    TooLarge,
    /// [`super::client::Interrupt::close`] was called.
    Interrupted,
    /// Everything else: address, connection, TLS, protocol, redirects, compression.
    Failed,
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// An error of kind [`Kind::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// An error of kind [`Kind::Settings`].
    pub fn settings(message: impl Into<String>) -> Self {
        Self::new(Kind::Settings, message)
    }

    /// The time is over (prometheus: the wording of Go's context).
    pub fn timeout() -> Self {
        Self::new(Kind::Timeout, "context deadline exceeded")
    }

    /// prometheus: scrape/scrape.go, errBodySizeLimit.
    pub fn too_large() -> Self {
        Self::new(Kind::TooLarge, "body size limit exceeded")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

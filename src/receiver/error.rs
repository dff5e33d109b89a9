//! The error of the public surface.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// What went wrong when a receiver was configured or started. `{:#}` prints the whole chain of causes.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    detail: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The settings contradict each other or cannot be read.
    Settings,
    /// There is no usable way to an API server: no kubeconfig, no service account, a broken certificate.
    Kubernetes,
    /// The operating system refused a thread or a port.
    System,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: detail.into(),
            source: None,
        }))
    }

    pub(crate) fn with(
        kind: ErrorKind,
        detail: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: detail.into(),
            source: Some(source.into()),
        }))
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

/// The system refused what a receiver needs to start.
pub(super) fn system(what: &str, error: io::Error) -> Error {
    Error::with(
        ErrorKind::System,
        format!("{what} cannot be started"),
        error,
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let area = match self.0.kind {
            ErrorKind::Settings => "settings",
            ErrorKind::Kubernetes => "kubernetes",
            ErrorKind::System => "system",
        };
        write!(f, "{area}: {}", self.0.detail)?;
        let mut source = self.source().filter(|_| f.alternate());
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

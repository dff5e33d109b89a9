//! Where a secret or certificate comes from: the settings themselves or a file that is read again for every request.

use super::config::Secret;
use super::error::Error;
use crate::rt::files::{Files, SMALL};
use std::io;

/// Text in the settings, or a file (prometheus: common/config, SecretReader).
#[derive(Debug, Clone)]
pub(super) enum Source {
    Inline(Secret),
    File(Box<str>),
}

impl Source {
    /// At most one of the three is set, validation has seen to that. `what` is for the error: `username`, `CA cert`, …
    pub(super) fn choose(
        text: &str,
        file: &str,
        reference: &str,
        what: &str,
    ) -> Result<Option<Self>, Error> {
        if !text.is_empty() {
            Ok(Some(Self::Inline(Secret::new(text))))
        } else if !file.is_empty() {
            Ok(Some(Self::File(file.into())))
        } else if reference.is_empty() {
            Ok(None)
        } else {
            Err(Error::settings(format!(
                "unable to use {what}: cannot use secret ref without manager"
            )))
        }
    }

    /// The text: a file's without blanks around it, the settings' as it is.
    pub(super) fn read(&self, files: &dyn Files) -> Result<Secret, String> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let bytes = files.read(path, SMALL).map_err(|error| {
                    format!("unable to read file {path}: {}", open_failed(path, &error))
                })?;
                Ok(Secret::new(String::from_utf8_lossy(&bytes).trim()))
            }
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Go's description of it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Inline(_) => "inline".to_owned(),
            Self::File(path) => format!("file {path}"),
        }
    }
}

/// Go's wording of a failed open.
pub(super) fn open_failed(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("open {path}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("open {path}: permission denied"),
        io::ErrorKind::IsADirectory => format!("read {path}: is a directory"),
        _ => format!("open {path}: {error}"),
    }
}

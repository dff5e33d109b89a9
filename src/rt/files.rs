//! Bytes by path: from the disk, from generated assets held in memory, or from a map in tests.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Where the bytes of referenced files come from.
pub trait Files: Send + Sync + Debug {
    /// The whole file.
    ///
    /// # Errors
    /// As the disk would say: not found, permission denied, …
    fn read(&self, path: &str) -> io::Result<Arc<[u8]>>;

    /// Paths that match a pattern as Go's `filepath.Glob` does, sorted.
    ///
    /// # Errors
    /// The pattern is malformed.
    fn glob(&self, pattern: &str) -> io::Result<Vec<String>>;
}

/// Files in memory, by path; what is not there is asked of `beneath`, if any.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, Arc<[u8]>>,
    beneath: Option<Arc<dyn Files>>,
}

impl MemoryFiles {
    /// These files, and below them the ones of `beneath`.
    pub fn new(files: BTreeMap<String, Arc<[u8]>>, beneath: Option<Arc<dyn Files>>) -> Self {
        Self { files, beneath }
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> io::Result<Arc<[u8]>> {
        match (self.files.get(path), &self.beneath) {
            (Some(bytes), _) => Ok(Arc::clone(bytes)),
            (None, Some(beneath)) => beneath.read(path),
            (None, None) => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<String>> {
        self.beneath
            .as_ref()
            .map_or_else(|| Ok(Vec::new()), |beneath| beneath.glob(pattern))
    }
}

/// The disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Arc<[u8]>> {
        std::fs::read(path).map(Arc::from)
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<String>> {
        crate::rt::glob::glob(pattern)
    }
}

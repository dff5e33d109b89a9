//! Bytes by path: from the disk, from generated assets held in memory, or from a map in tests.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Linux on all processors that Rust's standard library supports there but MIPS and SPARC; the BSDs and macOS.
const O_NONBLOCK: i32 = if cfg!(target_os = "linux") {
    0o4000
} else {
    0x4
};

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

/// Opens a regular file, and nothing else: opening or reading a device or a FIFO may block for ever, or never end.
///
/// # Errors
/// As the disk says, or what there is instead of a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Looked at before, as opening a device may do something; and after, as another may have taken its place.
    regular(&std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(O_NONBLOCK).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a file to add to its end, and creates it if need be. It may be a device or a FIFO; neither opening it nor writing to
/// it waits for a reader.
///
/// # Errors
/// As the disk says; a FIFO that nobody reads cannot be opened.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true);
    options.custom_flags(O_NONBLOCK).open(path)
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let what = if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::other(format!(
        "is {what}, a regular file is expected"
    )))
}

//! Bytes by path: from the disk, from generated assets held in memory, or from a map in tests.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Bytes that a certificate, a token or a password may have; bundles of certificate authorities have a quarter of it.
pub const SMALL: u64 = 1 << 20;

/// Bytes that a list of jobs or targets may have.
pub const LARGE: u64 = 64 << 20;

/// Linux on all processors that Rust's standard library supports there but MIPS and SPARC; the BSDs and macOS.
const O_NONBLOCK: i32 = if cfg!(target_os = "linux") {
    0o4000
} else {
    0x4
};

/// Where the bytes of referenced files come from.
pub trait Files: Send + Sync + Debug {
    /// The whole file, which has at most so many bytes.
    ///
    /// # Errors
    /// As the disk would say: not found, permission denied, … It is no regular file, or is larger.
    fn read(&self, path: &str, at_most: u64) -> io::Result<Arc<[u8]>>;

    /// Paths that match a pattern as Go's `filepath.Glob` does, sorted.
    ///
    /// # Errors
    /// The pattern is malformed.
    fn glob(&self, pattern: &str) -> io::Result<Vec<String>>;
}

/// Files in memory, by path; what is not there is asked of `beneath`, if any.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<Arc<str>, Arc<[u8]>>,
    beneath: Option<Arc<dyn Files>>,
}

impl MemoryFiles {
    /// These files, and below them the ones of `beneath`.
    pub fn new(files: BTreeMap<Arc<str>, Arc<[u8]>>, beneath: Option<Arc<dyn Files>>) -> Self {
        Self { files, beneath }
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str, at_most: u64) -> io::Result<Arc<[u8]>> {
        match (self.files.get(path), &self.beneath) {
            (Some(bytes), _) => Ok(Arc::clone(bytes)),
            (None, Some(beneath)) => beneath.read(path, at_most),
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
    fn read(&self, path: &str, at_most: u64) -> io::Result<Arc<[u8]>> {
        read_regular(Path::new(path), at_most).map(Arc::from)
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<String>> {
        crate::rt::glob::glob(pattern)
    }
}

/// The disk, where links do not lead out of these folders: a path that lies in one of them must do so really, too.
/// Other paths are read as they are; whoever hands paths in from outside asks [`Confined::holds`] first.
#[derive(Debug, Clone, Default)]
pub struct Confined {
    folders: Vec<PathBuf>,
}

impl Confined {
    /// The disk with these folders.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let folders = folders.into_iter().collect();
        Self { folders }
    }

    /// Whether the path lies in one of the folders as far as its text says: no `..` leads out of it again.
    pub fn holds(&self, path: &Path) -> bool {
        let is_plain = path.components().all(|part| part != Component::ParentDir);
        is_plain && self.folders.iter().any(|folder| path.starts_with(folder))
    }

    /// The folders, for messages.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
}

impl Files for Confined {
    fn read(&self, path: &str, at_most: u64) -> io::Result<Arc<[u8]>> {
        let path = Path::new(path);
        if !self.holds(path) {
            return read_regular(path, at_most).map(Arc::from);
        }
        // `/var/run` is a link to `/run` nearly everywhere, and so may be any of the folders.
        let real = path.canonicalize()?;
        let mut folders = self.folders.iter().filter_map(|f| f.canonicalize().ok());
        if !folders.any(|folder| real.starts_with(folder)) {
            let real = real.display();
            return Err(io::Error::other(format!(
                "is a link to {real}, outside of the folders that are allowed"
            )));
        }
        read_regular(&real, at_most).map(Arc::from)
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<String>> {
        Disk.glob(pattern)
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

/// The text of a regular file of at most so many bytes.
///
/// # Errors
/// As the disk says; it is no regular file, is larger, or is not UTF-8.
pub fn read_text(path: &Path, at_most: u64) -> io::Result<String> {
    String::from_utf8(read_regular(path, at_most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8"))
}

fn read_regular(path: &Path, at_most: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let mut bytes = Vec::new();
    // Files of the kernel say that they are empty, others grow: only what is read counts.
    let read = file.take(at_most.saturating_add(1)).read_to_end(&mut bytes);
    match read {
        Ok(read) if u64::try_from(read).is_ok_and(|read| read <= at_most) => Ok(bytes),
        Ok(_) => Err(io::Error::other(format!(
            "is larger than {} MiB",
            at_most >> 20
        ))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::other(
            "has nothing to read yet, a regular file is expected",
        )),
        Err(error) => Err(error),
    }
}

/// What the system says, without its number.
pub fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::WouldBlock {
        return "nothing to read yet: a regular file is expected".to_owned();
    }
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_regular_files_up_to_a_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("full"), vec![b'x'; 1 << 20]).unwrap();
        std::fs::write(at("more"), vec![b'x'; (1 << 20) + 1]).unwrap();
        symlink("/dev/zero", at("link")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("fifo"))
            .status();
        assert!(made.unwrap().success());
        assert_eq!(Disk.read(&at("full"), SMALL).unwrap().len(), 1 << 20);
        for (path, want) in [
            (at("more"), "is larger than 1 MiB"),
            (at("fifo"), "is a FIFO, a regular file is expected"),
            (at("socket"), "is a socket, a regular file is expected"),
            (at("link"), "is a device, a regular file is expected"),
            (
                "/dev/null".to_owned(),
                "is a device, a regular file is expected",
            ),
            (
                "/dev/zero".to_owned(),
                "is a device, a regular file is expected",
            ),
        ] {
            let error = Disk.read(&path, SMALL).unwrap_err();
            assert_eq!(error.to_string(), want, "{path}");
        }
        for (path, want) in [
            (at("none"), io::ErrorKind::NotFound),
            (at(""), io::ErrorKind::IsADirectory),
        ] {
            assert_eq!(Disk.read(&path, SMALL).unwrap_err().kind(), want, "{path}");
        }
        assert!(open_to_append(Path::new(&at("fifo"))).is_err());
        let added = open_to_append(Path::new(&at("new"))).and_then(|mut f| f.write_all(b"x"));
        added.unwrap();
    }

    #[test]
    fn links_do_not_lead_out_of_the_folders() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["mount", "mount/..2026", "mounts", "outside"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        for file in ["mount/..2026/token", "mounts/token", "outside/token"] {
            std::fs::write(at(file), "x").unwrap();
        }
        // As the kubelet does it.
        symlink("..2026", at("mount/..data")).unwrap();
        symlink("..data/token", at("mount/token")).unwrap();
        symlink("../outside/token", at("mount/file")).unwrap();
        symlink("../outside", at("mount/folder")).unwrap();
        symlink("mount", at("alias")).unwrap();
        let files = Confined::new([at("alias"), at("mount")]);
        for (path, holds, is_read) in [
            ("mount/token", true, true),
            ("mount//./token", true, true),
            ("alias/token", true, true),
            ("mount/file", true, false),
            ("mount/folder/token", true, false),
            ("mount/none", true, false),
            ("mount/../outside/token", false, true),
            ("mounts/token", false, true),
            ("outside/token", false, true),
        ] {
            let path = at(path);
            assert_eq!(files.holds(&path), holds, "{}", path.display());
            let read = files.read(path.to_str().unwrap(), SMALL);
            assert_eq!(read.is_ok(), is_read, "{} {read:?}", path.display());
        }
        assert!(!files.holds(Path::new("token")) && !files.holds(Path::new("")));
    }
}

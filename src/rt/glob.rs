//! Paths by pattern, as Go's `filepath.Glob`.

use std::io;

/// Paths on disk that match `pattern`, sorted.
///
/// # Errors
/// The pattern is malformed.
pub fn glob(pattern: &str) -> io::Result<Vec<String>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("pattern {pattern}: not built yet"),
    ))
}

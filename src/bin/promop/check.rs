//! `promop check`: loads a Prometheus configuration as the server would (manual::decisions, 15), not as promtool does.

use crate::run::why;
use crate::{Exit, print};
use prometheus_operator_receiver::config;
use prometheus_operator_receiver::rt::files::Disk;
use std::io::Read;
use std::path::Path;

/// Prints `ok`, or says what is wrong and where.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn check(file: &Path) -> Result<Exit, String> {
    let path = file.to_string_lossy();
    let text = read(file).map_err(|err| format!("{path}: {}", why(&err)))?;
    let context = config::Context {
        path: &path,
        files: &Disk,
        #[expect(
            clippy::disallowed_methods,
            reason = "the binary passes the environment in"
        )]
        env: &|name| std::env::var(name).ok(),
    };
    match config::load(&text, &context) {
        Ok(_) => print("ok\n"),
        Err(err) => Err(format!("{path}: {err}")),
    }
}

/// A file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text)?;
        return Ok(text);
    }
    std::fs::read(path)
}

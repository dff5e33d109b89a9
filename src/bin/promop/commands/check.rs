//! `promop check`: loads a Prometheus configuration as the server would (manual::decisions, 15), not as promtool does.

use crate::input::Input;
use crate::{Exit, print};
use prometheus_operator_receiver::config;
use prometheus_operator_receiver::rt::files::Disk;

/// Prints `ok`, or fails with what is wrong and where.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn check(file: &Input) -> Result<Exit, String> {
    let path = file.to_string();
    let text = file.read()?;
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

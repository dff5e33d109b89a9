//! The scrape failure log: a line of JSON for each exchange that failed (prometheus: util/logging/file.go).

use crate::rt::files;
use serde_json::json;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// An open failure log; jobs with the same path share it.
#[derive(Debug)]
pub struct FailureLog(File);

impl FailureLog {
    /// Opens the file to append to it, and creates it if need be.
    ///
    /// # Errors
    /// As the disk says.
    pub fn open(path: &str) -> io::Result<Self> {
        files::open_to_append(Path::new(path)).map(Self)
    }

    /// Adds a record. Records of several threads don't mix: each is one write at the end of the file.
    pub(super) fn add(&self, time_ms: i64, job: &str, url: &str, message: &str) -> io::Result<()> {
        let since = Duration::from_millis(u64::try_from(time_ms).unwrap_or(0));
        let record = json!({
            "time": humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string(),
            "level": "ERROR",
            "source": "scrape/cycle.rs",
            "msg": message,
            "job_name": job,
            "target": url,
        });
        (&self.0).write_all(format!("{record}\n").as_bytes())
    }
}

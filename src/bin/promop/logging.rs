//! The log: one line per message on standard error, as `TIME LEVEL TARGET: message key=value`.

use env_logger::{Builder, Target};
use log::{LevelFilter, Record};
use std::io::Write;
use std::time::SystemTime;

/// Installs the logger. `filter` is the environment's `RUST_LOG`; a level given by flag wins over it.
pub(crate) fn start(level: Option<LevelFilter>, filter: Option<&str>) {
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Info);
    match (level, filter) {
        (Some(level), _) => _ = builder.filter_level(level),
        (None, Some(filter)) => _ = builder.parse_filters(filter),
        (None, None) => {}
    }
    builder.target(Target::Stderr);
    builder.format(|to, record| {
        #[expect(clippy::disallowed_methods, reason = "the log has the system's time")]
        let now = SystemTime::now();
        writeln!(
            to,
            "{} {}",
            humantime::format_rfc3339_millis(now),
            line(record)
        )
    });
    builder.init();
}

fn line(record: &Record<'_>) -> String {
    let target = record.target();
    let target = target
        .strip_prefix("prometheus_operator_receiver::")
        .unwrap_or(target);
    // A line end inside a message (text of a server, say) must not look like a second message.
    let message = record
        .args()
        .to_string()
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    let level = record.level().as_str().to_ascii_lowercase();
    format!("{level:5} {target}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    #[test]
    fn one_line_each() {
        let record = Record::builder()
            .level(Level::Warn)
            .target("prometheus_operator_receiver::kube::reflector")
            .args(format_args!("list failed err=a\nb"))
            .build();
        assert_eq!(
            line(&record),
            "warn  kube::reflector: list failed err=a\\nb"
        );
    }
}

//! The log: one line per message on standard error, as `TIME LEVEL TARGET: message key=value`.

use env_logger::{Builder, Target};
use log::{Level, LevelFilter, Record};
use prometheus_operator_receiver::rt::printable::printable;
use std::io::Write;
use std::time::SystemTime;

/// This program's crates. Others speak up from `info` on, because their `debug` buries ours, unless `RUST_LOG` names them.
const OWN: [&str; 2] = ["prometheus_operator_receiver", "promop"];

/// The longest message, in bytes: texts of servers and objects may be of any length.
const MAX_MESSAGE: usize = 8 * 1024;

/// Installs the logger. `filter` is the environment's `RUST_LOG`; a level given by flag wins over the one in it.
pub(crate) fn start(level: Option<LevelFilter>, filter: Option<&str>) {
    let mut builder = configured(level, filter);
    builder.target(Target::Stderr);
    builder.format(|to, record| {
        if is_secret(record) {
            return Ok(());
        }
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

fn configured(level: Option<LevelFilter>, filter: Option<&str>) -> Builder {
    let parts = || filter.into_iter().flat_map(|filter| filter.split(','));
    let general = parts().rev().find_map(|part| part.trim().parse().ok());
    let named: Vec<_> = parts()
        .filter(|part| part.trim().parse::<LevelFilter>().is_err())
        .collect();
    let general = level.or(general).unwrap_or(LevelFilter::Info);
    let mut builder = Builder::new();
    builder.filter_level(general.min(LevelFilter::Info));
    for own in OWN {
        builder.filter_module(own, general);
    }
    builder.parse_filters(&named.join(","));
    if let Some(level) = level {
        for own in OWN {
            builder.filter_module(own, level);
        }
    }
    builder
}

/// ureq's debug and trace messages have whole requests in them, with tokens and passwords: nobody may ask for those.
fn is_secret(record: &Record<'_>) -> bool {
    record.target().starts_with("ureq") && record.level() > Level::Info
}

fn line(record: &Record<'_>) -> String {
    let target = record.target();
    let target = target
        .strip_prefix("prometheus_operator_receiver::")
        .unwrap_or(target);
    let message = record.args().to_string();
    let message = printable(&message, MAX_MESSAGE);
    let level = record.level().as_str().to_ascii_lowercase();
    format!("{level:5} {target}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn who_is_heard() {
        use LevelFilter as L;
        for (level, filter, own, others) in [
            (None, None, L::Info, L::Info),
            (Some(L::Debug), None, L::Debug, L::Info),
            (Some(L::Trace), None, L::Trace, L::Info),
            (Some(L::Error), None, L::Error, L::Error),
            (None, Some("trace"), L::Trace, L::Info),
            (None, Some("warn"), L::Warn, L::Warn),
            (None, Some("rustls=debug"), L::Info, L::Debug),
            (Some(L::Trace), Some("rustls=debug"), L::Trace, L::Debug),
            (None, Some("trace, rustls=off"), L::Trace, L::Off),
            (Some(L::Warn), Some("debug,promop=trace"), L::Warn, L::Warn),
        ] {
            let logger = configured(level, filter).build();
            let passes = |target, level: LevelFilter| {
                let level = level.to_level().unwrap_or(Level::Error);
                let record = Record::builder().target(target).level(level).build();
                logger.matches(&record)
            };
            for (target, most) in [("promop::run", own), ("rustls::hs", others)] {
                for at in [L::Error, L::Warn, L::Info, L::Debug, L::Trace] {
                    let got = passes(target, at);
                    assert_eq!(got, at <= most, "{level:?} {filter:?} {target} {at}");
                }
            }
        }
    }

    #[test]
    fn requests_of_ureq_are_never_logged() {
        for (target, level, want) in [
            ("ureq_proto::util", Level::Trace, true),
            ("ureq::run", Level::Debug, true),
            ("ureq::run", Level::Warn, false),
            ("promop", Level::Trace, false),
        ] {
            let record = Record::builder().target(target).level(level).build();
            assert_eq!(is_secret(&record), want, "{target}");
        }
    }
}

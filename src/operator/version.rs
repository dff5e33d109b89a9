//! Prometheus versions, and from which one on each key of a configuration exists.

use super::types::Error;
use crate::model::quote::quoted;
use std::cmp::Ordering;

/// The newest Prometheus that prometheus-operator v0.93.1 knows, and its default.
pub(super) const NEWEST: &str = "v3.13.2";

/// A version as `blang/semver` reads it tolerantly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre: Vec<Identifier>,
}

/// Part of a pre-release, in the order in which they compare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(String),
}

/// The lowest version that has something. Pre-releases of it count as lower, but for those of [`Minimum::candidate`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Minimum {
    numbers: [u64; 3],
    candidate: bool,
}

const fn at(major: u64, minor: u64) -> Minimum {
    Minimum {
        numbers: [major, minor, 0],
        candidate: false,
    }
}

// One name per key or feature, as upstream gates them (prometheus-operator: pkg/prometheus/promcfg.go, WithMinimumVersion).
pub(super) const HONOR_TIMESTAMPS: Minimum = at(2, 9);
pub(super) const QUERY_LOG_FILE: Minimum = at(2, 16);
pub(super) const ROLE_SELECTOR: Minimum = at(2, 17);
pub(super) const ENDPOINT_SLICE: Minimum = at(2, 21);
pub(super) const TARGET_LIMIT: Minimum = at(2, 21);
pub(super) const AUTHORIZATION: Minimum = at(2, 26);
pub(super) const FOLLOW_REDIRECTS: Minimum = at(2, 26);
pub(super) const OAUTH2: Minimum = at(2, 27);
pub(super) const LABEL_LIMITS: Minimum = at(2, 27);
pub(super) const BODY_SIZE_LIMIT: Minimum = at(2, 28);
pub(super) const ENABLE_HTTP2: Minimum = at(2, 35);
pub(super) const TLS_MIN_VERSION: Minimum = at(2, 35);
pub(super) const POD_ATTACH_METADATA: Minimum = at(2, 35);
pub(super) const RELABEL_CASE_ACTIONS: Minimum = at(2, 36);
pub(super) const SERVICE_ATTACH_METADATA: Minimum = at(2, 37);
pub(super) const TLS_MAX_VERSION: Minimum = at(2, 41);
pub(super) const RELABEL_EQUAL_ACTIONS: Minimum = at(2, 41);
pub(super) const PROXY_SETTINGS: Minimum = at(2, 43);
pub(super) const OAUTH2_TLS: Minimum = at(2, 43);
pub(super) const GLOBAL_LIMITS: Minimum = at(2, 45);
pub(super) const NATIVE_HISTOGRAM_BUCKET_LIMIT: Minimum = at(2, 45);
pub(super) const SCRAPE_CLASSIC_HISTOGRAMS: Minimum = at(2, 45);
pub(super) const KEEP_DROPPED_TARGETS: Minimum = at(2, 47);
pub(super) const TRACK_TIMESTAMPS_STALENESS: Minimum = at(2, 48);
pub(super) const SCRAPE_PROTOCOLS: Minimum = at(2, 49);
pub(super) const NATIVE_HISTOGRAM_MIN_BUCKET_FACTOR: Minimum = at(2, 50);
pub(super) const RULE_QUERY_OFFSET: Minimum = at(2, 53);
pub(super) const SCRAPE_FAILURE_LOG_FILE: Minimum = at(2, 55);
pub(super) const PROMETHEUS_TEXT_1_0_0: Minimum = Minimum {
    numbers: [3, 0, 0],
    candidate: true,
};
pub(super) const FALLBACK_SCRAPE_PROTOCOL: Minimum = at(3, 0);
pub(super) const CONVERT_CLASSIC_HISTOGRAMS: Minimum = at(3, 0);
pub(super) const NAME_VALIDATION_SCHEME: Minimum = at(3, 0);
pub(super) const UTF8_LABEL_NAMES: Minimum = at(3, 0);
pub(super) const NAME_ESCAPING_SCHEME: Minimum = at(3, 4);
pub(super) const GLOBAL_CONVERT_CLASSIC_HISTOGRAMS: Minimum = at(3, 4);
pub(super) const GLOBAL_SCRAPE_CLASSIC_HISTOGRAMS: Minimum = at(3, 5);
pub(super) const SCRAPE_NATIVE_HISTOGRAMS: Minimum = at(3, 8);
pub(super) const STORAGE_RETENTION: Minimum = at(3, 11);

impl Version {
    /// Reads a version; only the majors 2 and 3 are supported.
    ///
    /// # Errors
    /// Not a version, or of another major.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let version = parse_tolerant(text).map_err(|reason| {
            Error::new(format!("failed to parse Prometheus version: {reason}"))
        })?;
        if !matches!(version.major(), 2 | 3) {
            return Err(Error::new(format!(
                "unsupported Prometheus version {text}",
                text = quoted(text)
            )));
        }
        Ok(version)
    }

    /// The major version.
    pub fn major(&self) -> u64 {
        self.numbers[0]
    }

    /// Whether this version is at least that one.
    pub(super) fn has(&self, minimum: Minimum) -> bool {
        match self.numbers.cmp(&minimum.numbers) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal if self.pre.is_empty() => true,
            Ordering::Equal => {
                let candidate = [Identifier::Text("rc".to_owned()), Identifier::Number(0)];
                minimum.candidate && self.pre.as_slice() >= candidate.as_slice()
            }
        }
    }
}

/// `semver.ParseTolerant`.
fn parse_tolerant(text: &str) -> Result<Version, String> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<&str> = text.splitn(3, '.').collect();
    if parts.len() < 3 && parts.last().is_some_and(|p| p.contains(['+', '-'])) {
        return Err("Short version cannot contain PreRelease/Build meta data".to_owned());
    }
    parts.resize(3, "0");
    let [major, minor, patch] = parts.as_slice() else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let (patch, build) = match patch.split_once('+') {
        Some((patch, build)) => (patch, Some(build)),
        None => (*patch, None),
    };
    let (patch, pre) = match patch.split_once('-') {
        Some((patch, pre)) => (patch, Some(pre)),
        None => (patch, None),
    };
    let numbers = [
        number(major, "major")?,
        number(minor, "minor")?,
        number(patch, "patch")?,
    ];
    let identifiers = |text: Option<&str>| {
        let parts = text.into_iter().flat_map(|text| text.split('.'));
        parts.map(identifier).collect::<Result<Vec<_>, _>>()
    };
    identifiers(build)?;
    Ok(Version {
        numbers,
        pre: identifiers(pre)?,
    })
}

fn number(text: &str, what: &str) -> Result<u64, String> {
    let digits = match text.trim_start_matches('0') {
        rest if rest.len() == text.len() => text.to_owned(),
        rest if rest.starts_with(|c: char| c.is_ascii_digit()) => rest.to_owned(),
        rest => format!("0{rest}"),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "Invalid character(s) found in {what} number {digits}",
            digits = quoted(&digits)
        ));
    }
    digits.parse().map_err(|_| {
        format!(
            "{what} number {digits} is out of range",
            digits = quoted(&digits)
        )
    })
}

fn identifier(text: &str) -> Result<Identifier, String> {
    if text.is_empty() {
        return Err("Prerelease is empty".to_owned());
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(format!(
            "Invalid character(s) found in prerelease {text}",
            text = quoted(text)
        ));
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        if text.len() > 1 && text.starts_with('0') {
            return Err(format!(
                "Numeric PreRelease version must not contain leading zeroes {text}",
                text = quoted(text)
            ));
        }
        return Ok(Identifier::Number(text.parse().unwrap_or(u64::MAX)));
    }
    Ok(Identifier::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, minimum: Minimum, want: bool) {
        assert_eq!(Version::parse(text).map(|v| v.has(minimum)), Ok(want));
    }

    #[test]
    fn pre_releases_are_lower() {
        check("v3.0.0-rc.1", FALLBACK_SCRAPE_PROTOCOL, false);
        check("3.0.0-rc.0", PROMETHEUS_TEXT_1_0_0, true);
        check("3.0.0-beta.1", PROMETHEUS_TEXT_1_0_0, false);
        check("3", FALLBACK_SCRAPE_PROTOCOL, true);
        check("2.45.0+x", GLOBAL_LIMITS, true);
        check("v2.044.9", GLOBAL_LIMITS, false);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "latest", "v4.0.0", "1.8.0", "2.1-rc.0", "2.1.0-", "2.x.0",
        ] {
            assert!(Version::parse(text).is_err(), "{text}");
        }
    }
}

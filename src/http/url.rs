//! What a client needs of a URL: where to connect to and what to ask for.

use crate::model::url::{self, Problem};
use std::fmt;

/// A URL with scheme and host (schemes other than `http` and `https` are kept, and refused when used).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Scheme, in lower case.
    pub scheme: String,
    /// Host name or address, without brackets and unescaped: `fe80::1%eth0`.
    pub host: String,
    /// The port as written, without colon; empty if there is none.
    pub port: String,
    /// Path and query, as sent: at least `/`.
    pub target: String,
    pub(super) whole: url::Url,
}

impl Url {
    /// Splits a URL.
    ///
    /// # Errors
    /// What Go's `url.Parse` or its HTTP client would refuse; the text has its form `parse "<url>": <why>`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match url::Url::parse(text) {
            Ok(url) if !url.scheme.is_empty() && text.contains("://") => Ok(Self::new(url)),
            Ok(_) => Err(Problem::Other("missing scheme or host").about(text)),
            Err(problem) => Err(problem.about(text)),
        }
    }

    /// What a `Location` header means on this URL.
    ///
    /// # Errors
    /// The location is no URL.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        let joined = self.whole.join(location);
        joined
            .map(Self::new)
            .map_err(|problem| problem.about(location))
    }

    fn new(whole: url::Url) -> Self {
        Self {
            scheme: whole.scheme.clone(),
            host: whole.hostname().into_owned(),
            port: whole.port().to_owned(),
            target: whole.request_target(),
            whole,
        }
    }

    /// Whether the connection is to be encrypted.
    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// The port to connect to.
    ///
    /// # Errors
    /// It is beyond 65535.
    pub fn port_number(&self) -> Result<u16, String> {
        match (self.port.as_str(), self.scheme.as_str()) {
            ("", "https") => Ok(443),
            ("", "socks5" | "socks5h") => Ok(1080),
            ("", _) => Ok(80),
            (port, _) => port
                .parse()
                .map_err(|_| format!("dial tcp: address {port}: invalid port")),
        }
    }

    /// Host and port as written, for the `Host` header: brackets around IPv6, no zone.
    pub fn host_port(&self) -> String {
        let (host, _zone) = split_before(&self.host, &['%']);
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            self.host.clone()
        };
        if self.port.is_empty() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// User name and password, unescaped.
    pub fn credentials(&self) -> Option<(String, String)> {
        self.whole.credentials()
    }
}

/// Without user and password: the text is for errors and `Referer`.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (&self.scheme, self.host_port());
        write!(f, "{scheme}://{host}{}", self.target)
    }
}

/// A URL as it was given, valid or not, without what may be secret in it: user, password and query.
pub fn shown(url: &str) -> String {
    const HIDDEN: &str = "xxxxx";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // A password may have anything in it unless the whole is a URL: then all up to the last @ is hidden.
    let end = match Url::parse(url) {
        Ok(_) => split_before(rest, &['/', '?', '#']).0.len(),
        Err(_) => rest.len(),
    };
    let (authority, target) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let target = match target.split_once('?') {
        Some((path, _)) => format!("{path}?{HIDDEN}"),
        None => target.to_owned(),
    };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{authority}{target}")
}

/// Splits in front of the first of these characters.
fn split_before<'a>(text: &'a str, stops: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(stops).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let shown = match Url::parse(text) {
            Ok(url) => format!(
                "{} {} {} {} {}",
                url.scheme,
                url.host,
                url.port_number().map_or_else(|e| e, |p| p.to_string()),
                url.host_port(),
                url.target
            ),
            Err(error) => error,
        };
        assert_eq!(shown, want);
    }

    #[test]
    fn splits() {
        check("http://10.0.0.1/m", "http 10.0.0.1 80 10.0.0.1 /m");
        check("HTTPS://h:8443", "https h 8443 h:8443 /");
        check("http://h?a=b#c", "http h 80 h /?a=b");
        check(
            "https://[fd00::1]:443/a%20b",
            "https fd00::1 443 [fd00::1]:443 /a%20b",
        );
        check(
            "http://[fe80::1%25eth0]:1/m",
            "http fe80::1%eth0 1 [fe80::1]:1 /m",
        );
        check("http://u:p@h/m", "http h 80 h /m");
        check(
            "http://h:99999/m",
            "http h dial tcp: address 99999: invalid port h:99999 /m",
        );
        check(
            "http://h:port/m",
            r#"parse "http://h:port/m": invalid port ":port" after host"#,
        );
        check(
            "http://h/a\nb",
            r#"parse "http://h/a\nb": net/url: invalid control character in URL"#,
        );
        check("nothing", r#"parse "nothing": missing scheme or host"#);
    }

    #[track_caller]
    fn join(location: &str, want: &str) {
        let base = Url::parse("http://h:1/a/b?q=1").unwrap();
        let joined = base.join(location);
        assert_eq!(joined.map_or_else(|e| e, |url| url.to_string()), want);
    }

    #[test]
    fn redirects_resolve() {
        join("/c?d=1", "http://h:1/c?d=1");
        join("c", "http://h:1/a/c");
        join("../c/./d/..", "http://h:1/c/");
        join("?x", "http://h:1/a/b?x");
        join("//other/c", "http://other/c");
        join("https://other:2/c#f", "https://other:2/c");
        join("", "http://h:1/a/b?q=1");
        join("/sp ace", "http://h:1/sp%20ace");
        join("http://[x/", r#"parse "http://[x/": missing ']' in host"#);
    }

    #[test]
    fn what_is_shown() {
        for (url, want) in [
            ("http://a:1/v1/metrics", "http://a:1/v1/metrics"),
            ("https://u:p@a/x@y", "https://xxxxx@a/x@y"),
            ("https://token@a?key=1", "https://xxxxx@a?xxxxx"),
            ("http://u:p/w@a", "http://xxxxx@a"),
            ("u:p@a", "xxxxx@a"),
            ("", ""),
        ] {
            assert_eq!(shown(url), want);
        }
    }
}

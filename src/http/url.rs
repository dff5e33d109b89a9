//! URLs as far as a client needs them: split, resolve a redirect, print. Not a general URL library.

use crate::model::quote::{quoted, without_password};
use percent_encoding::percent_decode_str;
use std::fmt;

/// A split `http` or `https` URL (other schemes are kept, and refused when used).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Scheme, in lower case.
    pub scheme: String,
    /// `user:password`, still escaped; empty if there is none.
    pub userinfo: String,
    /// Host name or address, without brackets and unescaped: `fe80::1%eth0`.
    pub host: String,
    /// The port as written, without colon; empty if there is none.
    pub port: String,
    /// Path and query, as sent: at least `/`.
    pub target: String,
}

impl Url {
    /// Splits a URL.
    ///
    /// # Errors
    /// What Go's `url.Parse` or its HTTP client would refuse; the text has its form `parse "<url>": <why>`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| {
            let shown = quoted(&without_password(text));
            Err(format!("parse {shown}: {why}"))
        };
        if text.bytes().any(|b| b < b' ' || b == 0x7f) {
            return refuse("net/url: invalid control character in URL");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("missing scheme or host");
        };
        if !is_scheme(scheme) {
            return refuse("first path segment in URL cannot contain colon");
        }
        let (authority, target) = split_before(rest, &['/', '?', '#']);
        let (userinfo, host_port) = authority.rsplit_once('@').unwrap_or(("", authority));
        let Some((host, port)) = split_host_port(host_port) else {
            return refuse("missing ']' in host");
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return refuse(&format!("invalid port {:?} after host", format!(":{port}")));
        }
        let Ok(host) = percent_decode_str(host).decode_utf8() else {
            return refuse("invalid URL escape in host");
        };
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            userinfo: userinfo.to_owned(),
            host: host.into_owned(),
            port: port.to_owned(),
            target: normal_target(target),
        })
    }

    /// What a `Location` header means on this URL (RFC 3986, 5.2).
    ///
    /// # Errors
    /// The location is no URL.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        let colon = location.find("://");
        let is_absolute = colon.is_some_and(|at| location.get(..at).is_some_and(is_scheme));
        if is_absolute {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.scheme));
        }
        if location.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err(format!(
                "parse {location:?}: net/url: invalid control character in URL"
            ));
        }
        let (base, _) = split_before(&self.target, &['?']);
        let target = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{base}{location}"),
            Some('#') | None => self.target.clone(),
            Some(_) => {
                let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        Ok(Self {
            target: normal_target(&target),
            ..self.clone()
        })
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
        if self.userinfo.is_empty() {
            return None;
        }
        let (user, password) = self
            .userinfo
            .split_once(':')
            .unwrap_or((&self.userinfo, ""));
        let unescape = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Some((unescape(user), unescape(password)))
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

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Splits in front of the first of these characters.
fn split_before<'a>(text: &'a str, stops: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(stops).unwrap_or(text.len()))
}

/// `[v6]:port`, `host:port`, `host`; `None` if a bracket is not closed.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let Some(inner) = text.strip_prefix('[') else {
        return Some(text.rsplit_once(':').unwrap_or((text, "")));
    };
    let (host, port) = inner.split_once(']')?;
    Some((host, port.strip_prefix(':').unwrap_or(port)))
}

/// Path and query without fragment, beginning with `/`, without `.` and `..` segments, escaped where they must be.
fn normal_target(text: &str) -> String {
    let (text, _fragment) = split_before(text, &['#']);
    let (path, query) = split_before(text, &['?']);
    let mut out = String::with_capacity(text.len() + 1);
    push_path(&mut out, path);
    push_escaped(&mut out, query);
    out
}

fn push_path(out: &mut String, path: &str) {
    if !path.contains("/.") {
        if !path.starts_with('/') {
            out.push('/');
        }
        return push_escaped(out, path);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(usize::from(path.starts_with('/'))) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    for segment in &kept {
        out.push('/');
        push_escaped(out, segment);
    }
    if ends_in_folder || kept.is_empty() {
        out.push('/');
    }
}

/// Escapes what may not stand in a request line; what is escaped already stays.
fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>') {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push_str(percent_encoding::percent_encode_byte(byte));
            }
        }
    }
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

//! URLs as Go's `net/url` reads, resolves and writes them: configurations print them in its form, and it decides what is none.

use super::quote::{quoted, without_password};
use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A URL's parts. Path, query and fragment are as written; percent escapes of the others are undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Url {
    /// In lower case; empty if there is none.
    pub scheme: String,
    /// What follows the scheme of a URL like `mailto:a@b`.
    opaque: String,
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    /// Host and port: `h:1`, `[fe80::1%eth0]:1`; empty if there is none.
    pub host: Vec<u8>,
    /// `scheme:/path`
    omit_host: bool,
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

/// Why a text is no URL. It is written without the part that is wrong: that may be one of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// What has no part to name.
    Other(&'static str),
    /// A port with its colon.
    Port(String),
    /// A percent sign and what follows it.
    Escape(String),
    /// What stands between brackets.
    Address(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Other(what) => what,
            Self::Port(_) => "invalid port after host",
            Self::Escape(_) => "invalid URL escape",
            Self::Address(_) => "invalid host: unable to parse IP",
        })
    }
}

impl Problem {
    /// Go's whole error about a URL, without the password that may be in it.
    pub fn about(&self, url: &str) -> String {
        let shown = quoted(&without_password(url));
        if url.contains('@') {
            format!("parse {shown}: {self}")
        } else {
            format!("parse {shown}: {}", self.in_full())
        }
    }

    /// With the part that is wrong, in Go's words.
    pub fn in_full(&self) -> String {
        match self {
            Self::Other(what) => (*what).to_owned(),
            Self::Port(port) => format!("invalid port {} after host", quoted(port)),
            Self::Escape(text) => format!("invalid URL escape {}", quoted(text)),
            Self::Address(text) => {
                format!(
                    "invalid host: ParseAddr({}): unable to parse IP",
                    quoted(text)
                )
            }
        }
    }
}

type Result<T, E = Problem> = std::result::Result<T, E>;

/// Where a text stands, which decides what is escaped in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    Host,
    Zone,
    Path,
    Query,
    Fragment,
}

/// A URL without its password, also if it is none.
pub fn redacted(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return without_password(text);
    };
    if let Some((_, Some(password))) = &mut url.user {
        *password = b"xxxxx".to_vec();
    }
    url.to_string()
}

/// Encodes query parameters, sorted by key (Go: url.Values.Encode).
pub fn encode_query<'a>(params: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (key, value) in params {
        if !query.is_empty() {
            query.push('&');
        }
        push_parameter(&mut query, key);
        query.push('=');
        push_parameter(&mut query, value);
    }
    query
}

/// Encodes a key or a value of a query (Go: url.QueryEscape).
pub fn escape_parameter(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_parameter(&mut out, text);
    out
}

fn push_parameter(out: &mut String, text: &str) {
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 {
            out.push('+');
        }
        push_escaped(out, word.as_bytes(), Part::Query);
    }
}

impl Url {
    /// Reads a URL (Go: url.Parse).
    ///
    /// # Errors
    /// Go would refuse it.
    pub fn parse(text: &str) -> Result<Self> {
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut url = Self::parse_without_fragment(text)?;
        if !fragment.is_empty() {
            unescape(fragment, Part::Fragment)?;
            url.fragment = Some(fragment.to_owned());
        }
        Ok(url)
    }

    /// A URL of parts that are not checked; `query` is encoded already.
    pub fn from_parts(scheme: &str, host: &str, path: &str, query: &str) -> Self {
        let mut escaped = String::with_capacity(path.len());
        push_escaped(&mut escaped, path.as_bytes(), Part::Path);
        Self {
            scheme: scheme.to_owned(),
            host: host.into(),
            path: escaped,
            query: (!query.is_empty()).then(|| query.to_owned()),
            ..Self::default()
        }
    }

    fn parse_without_fragment(text: &str) -> Result<Self> {
        if text.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err(Problem::Other("net/url: invalid control character in URL"));
        }
        let mut url = Self::default();
        if text == "*" {
            text.clone_into(&mut url.path);
            return Ok(url);
        }
        let (scheme, rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        url.query = query.map(str::to_owned);
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                return Ok(url);
            }
            let mut segments = rest.split('/');
            if segments.next().is_some_and(|segment| segment.contains(':')) {
                return Err(Problem::Other(
                    "first path segment in URL cannot contain colon",
                ));
            }
        }
        let has_authority = !url.scheme.is_empty() || !rest.starts_with("///");
        if let Some(authority) = rest.strip_prefix("//").filter(|_| has_authority) {
            let end = authority.find('/').unwrap_or(authority.len());
            let (authority, path) = authority.split_at(end);
            rest = path;
            url.parse_authority(authority)?;
        } else if !url.scheme.is_empty() && rest.starts_with('/') {
            url.omit_host = true;
        }
        unescape(rest, Part::Path)?;
        rest.clone_into(&mut url.path);
        Ok(url)
    }

    fn parse_authority(&mut self, authority: &str) -> Result<()> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = self.parse_host(host)?;
        let Some(user) = user else {
            return Ok(());
        };
        let valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
        if !user.chars().all(valid) {
            return Err(Problem::Other("net/url: invalid userinfo"));
        }
        self.user = Some(match user.split_once(':') {
            Some((user, password)) => (
                unescape(user, Part::User)?.into(),
                Some(unescape(password, Part::User)?.into()),
            ),
            None => (unescape(user, Part::User)?.into(), None),
        });
        Ok(())
    }

    fn parse_host(&self, host: &str) -> Result<Vec<u8>> {
        if host.rfind('[').is_some_and(|at| at > 0) {
            return Err(Problem::Other("invalid IP-literal"));
        }
        if let Some(inner) = host.strip_prefix('[') {
            let (literal, port) = inner
                .rsplit_once(']')
                .ok_or(Problem::Other("missing ']' in host"))?;
            check_port(port)?;
            let address = parse_address(literal)?;
            return Ok([b"[", &*address, b"]", port.as_bytes()].concat());
        }
        let strict = matches!(self.scheme.as_str(), "http" | "https");
        let colon = if strict {
            host.find(':')
        } else {
            host.rfind(':')
        };
        if let Some(at) = colon {
            check_port(host.split_at(at).1)?;
        }
        Ok(unescape(host, Part::Host)?.into())
    }

    /// What a reference means on this URL, for instance a `Location` header (Go: URL.Parse, RFC 3986, 5.2).
    ///
    /// # Errors
    /// The reference is no URL.
    pub fn join(&self, reference: &str) -> Result<Self> {
        let reference = Self::parse(reference)?;
        if !reference.scheme.is_empty() || reference.has_authority() {
            let scheme = if reference.scheme.is_empty() {
                self.scheme.clone()
            } else {
                reference.scheme.clone()
            };
            let path = without_dots(&reference.escaped_path());
            return Ok(Self {
                scheme,
                path,
                ..reference
            });
        }
        let path = reference.escaped_path();
        let is_empty = path.is_empty() && reference.query.is_none();
        let own_path = self.escaped_path();
        let path = match path.chars().next() {
            None => own_path.into_owned(),
            Some('/') => path.into_owned(),
            Some(_) => {
                let folder = own_path.rfind('/').map_or(0, |at| at + 1);
                format!("{}{path}", own_path.split_at(folder).0)
            }
        };
        Ok(Self {
            path: without_dots(&path),
            query: if is_empty {
                self.query.clone()
            } else {
                reference.query
            },
            fragment: reference
                .fragment
                .or_else(|| self.fragment.clone().filter(|_| is_empty)),
            ..self.clone()
        })
    }

    /// Host name or address, without brackets (Go: URL.Hostname): `fe80::1%eth0`.
    pub fn hostname(&self) -> Cow<'_, str> {
        let (host, _) = self.split_host();
        let inner = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]"));
        String::from_utf8_lossy(inner.unwrap_or(host))
    }

    /// The port as written, without colon; empty if there is none (Go: URL.Port).
    pub fn port(&self) -> &str {
        self.split_host().1
    }

    fn split_host(&self) -> (&[u8], &str) {
        let colon = self.host.iter().rposition(|b| *b == b':');
        let split = colon.and_then(|at| self.host.split_at_checked(at));
        match split.and_then(|(host, port)| Some((host, std::str::from_utf8(port).ok()?))) {
            Some((host, port)) if check_port(port).is_ok() => (host, port.trim_start_matches(':')),
            _ => (&self.host, ""),
        }
    }

    /// User name and password.
    pub fn credentials(&self) -> Option<(String, String)> {
        let (user, password) = self.user.as_ref()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let password = password.as_deref().unwrap_or_default();
        Some((text(user), text(password)))
    }

    /// Path and query as requested from the host (Go: URL.RequestURI). A query may hold anything: what may not stand in the
    /// line of a request is escaped.
    pub fn request_target(&self) -> String {
        let path = self.escaped_path();
        let mut target = if path.is_empty() { "/" } else { &*path }.to_owned();
        if let Some(query) = &self.query {
            target.push('?');
            for byte in query.bytes() {
                if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>') {
                    target.push(char::from(byte));
                } else {
                    push_percent(&mut target, byte);
                }
            }
        }
        target
    }

    /// Go: URL.EscapedPath.
    fn escaped_path(&self) -> Cow<'_, str> {
        match self.path.as_str() {
            "%2A" => Cow::Borrowed("*"),
            path => encoded(path, Part::Path),
        }
    }

    fn has_authority(&self) -> bool {
        !self.host.is_empty() || self.user.is_some()
    }
}

/// Go: URL.String.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if self.opaque.is_empty() {
            let path = self.escaped_path();
            let needs_slashes = !self.scheme.is_empty() && !self.omit_host && !path.is_empty();
            if self.has_authority() || needs_slashes {
                f.write_str("//")?;
            }
            let mut authority = String::with_capacity(self.host.len());
            if let Some((user, password)) = &self.user {
                push_escaped(&mut authority, user, Part::User);
                if let Some(password) = password {
                    authority.push(':');
                    push_escaped(&mut authority, password, Part::User);
                }
                authority.push('@');
            }
            push_escaped(&mut authority, &self.host, Part::Host);
            f.write_str(&authority)?;
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                f.write_str("/")?;
            }
            f.write_str(&path)?;
        } else {
            f.write_str(&self.opaque)?;
        }
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if let Some(fragment) = &self.fragment {
            write!(f, "#{}", encoded(fragment, Part::Fragment))?;
        }
        Ok(())
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    let (scheme, rest) = text.split_at(end.unwrap_or(text.len()));
    match rest.strip_prefix(':') {
        Some(_) if scheme.is_empty() => Err(Problem::Other("missing protocol scheme")),
        Some(rest) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok((scheme, rest)),
        _ => Ok(("", text)),
    }
}

/// An IPv6 address, with an escaped zone perhaps (RFC 6874).
fn parse_address(literal: &str) -> Result<Vec<u8>> {
    let (address, zone) = literal.split_at(literal.find("%25").unwrap_or(literal.len()));
    let mut whole = unescape(address, Part::Host)?.into_owned();
    let address = std::str::from_utf8(&whole).unwrap_or_default();
    if zone.is_empty() && address.parse::<Ipv4Addr>().is_ok() {
        return Err(Problem::Other("invalid IP-literal"));
    }
    if address.parse::<Ipv6Addr>().is_err() || zone == "%25" {
        return Err(Problem::Address(literal.to_owned()));
    }
    whole.extend_from_slice(&unescape(zone, Part::Zone)?);
    Ok(whole)
}

/// Empty, or a colon and digits.
fn check_port(text: &str) -> Result<()> {
    let digits = text.strip_prefix(':');
    if text.is_empty() || digits.is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(());
    }
    Err(Problem::Port(text.to_owned()))
}

/// A path without `.` and `..` (Go: resolvePath).
fn without_dots(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

/// Whether Go writes a byte as `%XX` in that part.
fn is_escaped(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return false;
    }
    match part {
        Part::Host | Part::Zone => !b"!$&'()*+,;=:[]<>\"".contains(&byte),
        Part::User => !b"$&+,;=".contains(&byte),
        Part::Path => !b"$&+,/:;=@".contains(&byte),
        Part::Query => true,
        Part::Fragment => !b"$&+,/:;=?@!()*".contains(&byte),
    }
}

fn unescape(text: &str, part: Part) -> Result<Cow<'_, [u8]>> {
    let in_host = matches!(part, Part::Host | Part::Zone);
    if !in_host && !text.contains('%') {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [byte, rest @ ..] = bytes {
        if *byte != b'%' {
            if in_host && byte.is_ascii() && is_escaped(*byte, part) {
                return Err(Problem::Other("invalid character in host name"));
            }
            out.push(*byte);
            bytes = rest;
            continue;
        }
        let decoded = hex_byte(rest).filter(|decoded| match part {
            Part::Host => *decoded >= 0x80 || *decoded == b'%',
            Part::Zone => matches!(decoded, b'%' | b' ') || !is_escaped(*decoded, Part::Host),
            _ => true,
        });
        let (escape, rest) = bytes.split_at(bytes.len().min(3));
        let bad = || Problem::Escape(String::from_utf8_lossy(escape).into_owned());
        out.push(decoded.ok_or_else(bad)?);
        bytes = rest;
    }
    Ok(Cow::Owned(out))
}

/// The byte that two hexadecimal digits mean.
fn hex_byte(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

/// The text as written, if Go would accept it as an encoding of what it means, else Go's own encoding.
fn encoded(written: &str, part: Part) -> Cow<'_, str> {
    let valid = |b: u8| b"!$&'()*+,;=:@[]%".contains(&b) || !is_escaped(b, part);
    if written.bytes().all(valid) {
        return Cow::Borrowed(written);
    }
    let mut out = String::with_capacity(written.len() + 8);
    push_escaped(&mut out, &unescape(written, part).unwrap_or_default(), part);
    Cow::Owned(out)
}

fn push_escaped(out: &mut String, bytes: &[u8], part: Part) {
    for byte in bytes {
        if is_escaped(*byte, part) {
            push_percent(out, *byte);
        } else {
            out.push(char::from(*byte));
        }
    }
}

fn push_percent(out: &mut String, byte: u8) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    out.push('%');
    out.push(HEX[usize::from(byte >> 4)]);
    out.push(HEX[usize::from(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_written_as_go_does() {
        for (text, want) in [
            ("", ""),
            ("HTTP://Host:80/a b?x=1#f", "http://Host:80/a%20b?x=1#f"),
            ("http://user:p%40ss@h/%41", "http://user:p%40ss@h/%41"),
            ("http://h", "http://h"),
            ("http://", "http:"),
            ("proxy", "proxy"),
            ("http:opaque", "http:opaque"),
            ("http://[::1]:80/", "http://[::1]:80/"),
            ("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/"),
            ("http://h/a?", "http://h/a?"),
            ("/x:y", "/x:y"),
            ("http://h/(a)!", "http://h/(a)!"),
            ("file:///etc", "file:///etc"),
            ("*", "*"),
            ("http://h/a {b}%2F", "http://h/a%20%7Bb%7D/"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn parts_are_escaped_as_go_does() {
        for ([scheme, host, path, query], want) in [
            (
                ["http", "10.0.0.1", "metrics", ""],
                "http://10.0.0.1/metrics",
            ),
            (
                ["https", "[fd00::1]:443", "/a b/ü?x=1#f", ""],
                "https://[fd00::1]:443/a%20b/%C3%BC%3Fx=1%23f",
            ),
            (
                ["http", "h:1", "/a;b,c:d@e$f!'()*", ""],
                "http://h:1/a;b,c:d@e$f%21%27%28%29%2A",
            ),
            (
                ["http", "a?b@%eth0 é", "", "x=1"],
                "http://a%3Fb%40%25eth0%20%C3%A9?x=1",
            ),
            (["", "h:1", "", ""], "//h:1"),
            (["http", "h", "*", ""], "http://h/*"),
        ] {
            let url = Url::from_parts(scheme, host, path, query);
            assert_eq!(url.to_string(), want);
        }
        let query = encode_query([("a", "&=+~*/ü"), ("b", "2"), ("b", "x y")]);
        assert_eq!(query, "a=%26%3D%2B~%2A%2F%C3%BC&b=2&b=x+y");
    }

    #[test]
    fn what_go_accepts() {
        for text in [
            "http://x:80",
            "http://$(PROXY)",
            "socks5://u:p@h:1/",
            "https://[fe80::1%25en0]:443",
            "http://é",
            "http://a/%41?x=%zz",
            "h:1/x",
            "a:b:c/",
            "ftp://a:b:80/",
        ] {
            assert!(Url::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for (text, want) in [
            (
                " http://p",
                "first path segment in URL cannot contain colon",
            ),
            (":8080", "missing protocol scheme"),
            ("http://[::1", "missing ']' in host"),
            ("http://a[::1]", "invalid IP-literal"),
            ("http://[1.2.3.4]", "invalid IP-literal"),
            (
                "http://[::x]",
                r#"invalid host: ParseAddr("::x"): unable to parse IP"#,
            ),
            ("http://a b", "invalid character in host name"),
            ("http://p:port", r#"invalid port ":port" after host"#),
            ("http://a:1:2", r#"invalid port ":1:2" after host"#),
            ("http://p\n", "net/url: invalid control character in URL"),
            ("http://h/%zz", r#"invalid URL escape "%zz""#),
            ("http://h/#%z", r#"invalid URL escape "%z""#),
            ("http://%41", r#"invalid URL escape "%41""#),
            ("http://us er@h", "net/url: invalid userinfo"),
        ] {
            assert_eq!(Url::parse(text).unwrap_err().in_full(), want, "{text}");
        }
    }

    #[test]
    fn passwords_are_hidden() {
        assert_eq!(redacted("http://u:p@h/a b"), "http://u:xxxxx@h/a%20b");
        assert_eq!(redacted("http://u:p@h:port"), "http://u:xxxxx@h:port");
        assert_eq!(redacted("http://u@h"), "http://u@h");
    }

    #[test]
    fn no_password_is_repeated() {
        for url in [
            "http://user:secret@h:port",
            "http://user:sec ret@h",
            "http://user:secret@[h",
            "http://user:%secret@h",
            "http://user:secret/secret@h:1:2",
            "http://user:secret#%secret@h",
        ] {
            let error = Url::parse(url).unwrap_err().about(url);
            assert!(
                !error.contains("secret") && error.contains("user"),
                "{error}"
            );
        }
    }

    #[test]
    fn parts_of_hosts() {
        for (text, host, port) in [
            ("http://h:1/m", "h", "1"),
            ("http://h", "h", ""),
            ("http://[fe80::1%25eth0]:1/m", "fe80::1%eth0", "1"),
            ("http://[::1]", "::1", ""),
            ("http://:80", "", "80"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((&*url.hostname(), url.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn targets_of_requests() {
        for (text, want) in [
            ("http://h", "/"),
            ("http://h?a=b#c", "/?a=b"),
            ("http://h/a b/%41?x y", "/a%20b/A?x%20y"),
            ("http://h/a%20b?\"<é>", "/a%20b?%22%3C%C3%A9%3E"),
        ] {
            assert_eq!(Url::parse(text).unwrap().request_target(), want, "{text}");
        }
    }

    #[test]
    fn references_resolve() {
        let base = Url::parse("http://u@h:1/a/b?q=1").unwrap();
        for (reference, want) in [
            ("/c?d=1", "http://u@h:1/c?d=1"),
            ("c", "http://u@h:1/a/c"),
            ("../c/./d/..", "http://u@h:1/c/"),
            ("../../..", "http://u@h:1/"),
            ("?x", "http://u@h:1/a/b?x"),
            ("//other/c", "http://other/c"),
            ("https://other:2/c/../d#f", "https://other:2/d#f"),
            ("", "http://u@h:1/a/b?q=1"),
            ("/sp ace", "http://u@h:1/sp%20ace"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_string(), want);
        }
        assert!(base.join("http://[x/").is_err());
    }
}

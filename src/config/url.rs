//! URLs as Go's `net/url` reads and writes them: configurations print them in its form, and it decides what is none.

use crate::model::quote::without_password;
use std::fmt;
use std::net::Ipv6Addr;

/// A URL's parts; percent escapes are undone where Go undoes them.
#[derive(Debug, Default)]
pub(super) struct Url {
    pub(super) scheme: String,
    opaque: String,
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) host: Vec<u8>,
    omit_host: bool,
    path: Vec<u8>,
    /// The path as written.
    raw_path: String,
    query: Option<String>,
    fragment: Option<(Vec<u8>, String)>,
}

/// Where a text stands, which decides what is escaped in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    Host,
    Zone,
    Path,
    Fragment,
}

/// # Errors
/// What is wrong, in Go's words, but without parts of the text: any may be a password's.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let (text, fragment) = text
        .split_once('#')
        .map_or((text, ""), |(text, fragment)| (text, fragment));
    let mut url = parse_without_fragment(text)?;
    if !fragment.is_empty() {
        url.fragment = Some((unescape(fragment, Part::Fragment)?, fragment.to_owned()));
    }
    Ok(url)
}

/// A URL without its password, also if it is none.
pub(super) fn redacted(text: &str) -> String {
    let Ok(mut url) = parse(text) else {
        return without_password(text);
    };
    if let Some((_, Some(password))) = &mut url.user {
        *password = b"xxxxx".to_vec();
    }
    url.to_string()
}

fn parse_without_fragment(text: &str) -> Result<Url, String> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("invalid control character in URL".to_owned());
    }
    let mut url = Url::default();
    if text == "*" {
        url.path = b"*".to_vec();
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
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let has_authority = !url.scheme.is_empty() || !rest.starts_with("///");
    if let Some(authority) = rest.strip_prefix("//").filter(|_| has_authority) {
        let end = authority.find('/').unwrap_or(authority.len());
        let (authority, path) = authority.split_at_checked(end).unwrap_or((authority, ""));
        rest = path;
        url.parse_authority(authority)?;
    } else if !url.scheme.is_empty() && rest.starts_with('/') {
        url.omit_host = true;
    }
    url.path = unescape(rest, Part::Path)?;
    rest.clone_into(&mut url.raw_path);
    Ok(url)
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let end = text
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')));
    match end.and_then(|end| text.split_at_checked(end)) {
        Some(("", rest)) if rest.starts_with(':') => Err("missing protocol scheme".to_owned()),
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && rest.starts_with(':') =>
        {
            Ok((scheme, rest.get(1..).unwrap_or_default()))
        }
        _ => Ok(("", text)),
    }
}

impl Url {
    fn parse_authority(&mut self, authority: &str) -> Result<(), String> {
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
            return Err("invalid userinfo".to_owned());
        }
        self.user = Some(match user.split_once(':') {
            Some((user, password)) => (
                unescape(user, Part::User)?,
                Some(unescape(password, Part::User)?),
            ),
            None => (unescape(user, Part::User)?, None),
        });
        Ok(())
    }

    fn parse_host(&self, host: &str) -> Result<Vec<u8>, String> {
        if host.rfind('[').is_some_and(|at| at > 0) {
            return Err("invalid IP-literal".to_owned());
        }
        if let Some(inner) = host.strip_prefix('[') {
            let Some((literal, port)) = inner.rsplit_once(']') else {
                return Err("missing ']' in host".to_owned());
            };
            check_port(port)?;
            let (address, zone) = match literal.split_once("%25") {
                Some((address, _)) => (address, literal.get(address.len()..).unwrap_or_default()),
                None => (literal, ""),
            };
            let mut unescaped = unescape(address, Part::Host)?;
            let is_address =
                std::str::from_utf8(&unescaped).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
            if !is_address || zone == "%25" {
                return Err("invalid host".to_owned());
            }
            unescaped.extend(unescape(zone, Part::Zone)?);
            return Ok([b"[", unescaped.as_slice(), b"]", port.as_bytes()].concat());
        }
        let strict = matches!(self.scheme.as_str(), "http" | "https");
        let colon = if strict {
            host.find(':')
        } else {
            host.rfind(':')
        };
        if let Some(port) = colon.and_then(|at| host.get(at..)) {
            check_port(port)?;
        }
        unescape(host, Part::Host)
    }
}

fn check_port(port: &str) -> Result<(), String> {
    let valid = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    if valid {
        Ok(())
    } else {
        Err("invalid port after host".to_owned())
    }
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
        Part::Fragment => !b"$&+,/:;=?@!()*".contains(&byte),
    }
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    let hex = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    while let [first, rest @ ..] = bytes {
        bytes = rest;
        let byte = *first;
        if byte != b'%' {
            if matches!(part, Part::Host | Part::Zone) && byte.is_ascii() && is_escaped(byte, part)
            {
                return Err("invalid character in host name".to_owned());
            }
            out.push(byte);
            continue;
        }
        let decoded = match rest {
            [high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        let Some(decoded) = decoded else {
            return Err("invalid URL escape".to_owned());
        };
        let allowed = match part {
            Part::Host => decoded >= 0x80 || decoded == b'%',
            Part::Zone => matches!(decoded, b'%' | b' ') || !is_escaped(decoded, Part::Host),
            _ => true,
        };
        if !allowed {
            return Err("invalid URL escape".to_owned());
        }
        out.push(decoded);
        bytes = rest.get(2..).unwrap_or_default();
    }
    Ok(out)
}

fn escape(bytes: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if is_escaped(*byte, part) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(*byte));
        }
    }
    out
}

/// The text as written, if Go would accept it as an encoding of what it means, else Go's own encoding.
fn encoded(written: &str, bytes: &[u8], part: Part) -> String {
    let valid = |b: u8| b"!$&'()*+,;=:@[]%".contains(&b) || !is_escaped(b, part);
    if written.bytes().all(valid) {
        written.to_owned()
    } else {
        escape(bytes, part)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_authority = !self.host.is_empty() || self.user.is_some();
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if self.opaque.is_empty() {
            let path = encoded(&self.raw_path, &self.path, Part::Path);
            let path = if self.path == b"*" {
                "*".to_owned()
            } else {
                path
            };
            let omitted = self.omit_host && !has_authority;
            if (has_authority || !self.scheme.is_empty())
                && !omitted
                && (has_authority || !path.is_empty())
            {
                f.write_str("//")?;
            }
            if let Some((user, password)) = &self.user {
                f.write_str(&escape(user, Part::User))?;
                if let Some(password) = password {
                    write!(f, ":{}", escape(password, Part::User))?;
                }
                f.write_str("@")?;
            }
            f.write_str(&escape(&self.host, Part::Host))?;
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
        if let Some((fragment, written)) = &self.fragment {
            write!(f, "#{}", encoded(written, fragment, Part::Fragment))?;
        }
        Ok(())
    }
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
        ] {
            assert_eq!(parse(text).unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for text in [
            " http://p",
            ":8080",
            "http://[::1",
            "http://a b",
            "http://p:port",
            "http://p\n",
            "http://h/%zz",
            "http://a:1:2",
            "http://[1.2.3.4]",
            "http://us er@h",
            "h:1/x",
        ] {
            let refused = parse(text).is_err();
            assert_eq!(refused, text != "h:1/x", "{text}");
        }
    }
}

//! The URL of a target as text, exactly as Go writes it: it is part of the target's identity (Go: net/url, URL.String).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Writes the URL from its parts; nothing is checked. `query` is encoded already.
pub(crate) fn write(scheme: &str, host: &str, path: &str, query: &str) -> String {
    let mut url = String::with_capacity(scheme.len() + host.len() + path.len() + query.len() + 8);
    if !scheme.is_empty() {
        url.push_str(scheme);
        url.push(':');
    }
    if !scheme.is_empty() || !host.is_empty() {
        if !host.is_empty() || !path.is_empty() {
            url.push_str("//");
        }
        escape(&mut url, host, is_host_byte);
    }
    if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
        url.push('/');
    }
    if path == "*" {
        url.push('*');
    } else {
        escape(&mut url, path, |byte| {
            is_unreserved(byte) || b"$&+,/:;=@".contains(&byte)
        });
    }
    if !query.is_empty() {
        url.push('?');
        url.push_str(query);
    }
    url
}

/// Encodes query parameters, sorted by key (Go: url.Values.Encode).
pub(crate) fn encode_query<'a>(params: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (key, value) in params {
        if !query.is_empty() {
            query.push('&');
        }
        escape_query(&mut query, key);
        query.push('=');
        escape_query(&mut query, value);
    }
    query
}

fn escape_query(out: &mut String, text: &str) {
    for (i, part) in text.split(' ').enumerate() {
        if i > 0 {
            out.push('+');
        }
        escape(out, part, is_unreserved);
    }
}

fn escape(out: &mut String, text: &str, keep: impl Fn(u8) -> bool) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    for byte in text.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

fn is_host_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:[]<>\"".contains(&byte)
}

/// Why a URL that [`write`] made can't be requested, in Go's words (Go: net/url, Parse). Every scrape of such a target fails.
pub(crate) fn request_error(url: &str) -> Option<String> {
    check(url)
        .err()
        .map(|reason| format!("parse {url:?}: {reason}"))
}

fn check(url: &str) -> Result<(), String> {
    if url.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (scheme, rest) = split_scheme(url)?;
    let rest = rest.split('?').next().unwrap_or_default();
    let Some(authority) = rest.strip_prefix("//") else {
        let first = rest.split('/').next().unwrap_or_default();
        if scheme.is_empty() && !rest.starts_with('/') && first.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        return check_escapes(rest, |_| true);
    };
    if scheme.is_empty() && authority.starts_with('/') {
        return Ok(());
    }
    let (host, path) = match authority.find('/') {
        Some(at) => authority.split_at(at),
        None => (authority, ""),
    };
    check_host(scheme, host)?;
    check_escapes(path, |_| true)
}

fn split_scheme(url: &str) -> Result<(&str, &str), String> {
    let end = url.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    match end.map(|at| url.split_at(at)) {
        Some(("", rest)) if rest.starts_with(':') => Err("missing protocol scheme".to_owned()),
        Some((scheme, rest)) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok(rest
            .strip_prefix(':')
            .map_or(("", url), |rest| (scheme, rest))),
        _ => Ok(("", url)),
    }
}

fn check_host(scheme: &str, host: &str) -> Result<(), String> {
    let invalid_port = |port: &str| Err(format!("invalid port {port:?} after host"));
    match host.rfind('[') {
        Some(0) => {
            let Some((literal, port)) = host.rsplit_once(']') else {
                return Err("missing ']' in host".to_owned());
            };
            if !is_port(port) {
                return invalid_port(port);
            }
            let literal = literal.strip_prefix('[').unwrap_or_default();
            let address = literal.split("%25").next().unwrap_or_default();
            check_escapes(address, |byte| byte >= 0x80)?;
            if address.parse::<Ipv6Addr>().is_ok() {
                return Ok(());
            }
            if address.parse::<Ipv4Addr>().is_ok() {
                return Err("invalid IP-literal".to_owned());
            }
            let why = "unable to parse IP";
            Err(format!("invalid host: ParseAddr({literal:?}): {why}"))
        }
        Some(_) => Err("invalid IP-literal".to_owned()),
        None => {
            let is = |name| scheme.eq_ignore_ascii_case(name);
            let strict = is("http") || is("https");
            let colon = if strict {
                host.find(':')
            } else {
                host.rfind(':')
            };
            if let Some((_, port)) = colon.map(|at| host.split_at(at))
                && !is_port(port)
            {
                return invalid_port(port);
            }
            check_escapes(host, |byte| byte >= 0x80)
        }
    }
}

/// Empty, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// In a host only bytes beyond ASCII, and the percent sign, may be escaped.
fn check_escapes(text: &str, allowed: impl Fn(u8) -> bool) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let escape = text
            .get(at..at + 3)
            .unwrap_or_else(|| text.get(at..).unwrap_or_default());
        let byte = escape
            .get(1..)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if !byte.is_some_and(|byte| escape.len() == 3 && (byte == b'%' || allowed(byte))) {
            return Err(format!("invalid URL escape {escape:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_written(parts: [&str; 4], want: &str) {
        let [scheme, host, path, query] = parts;
        assert_eq!(write(scheme, host, path, query), want);
    }

    #[test]
    fn urls_are_escaped_as_go_does() {
        check_written(
            ["http", "10.0.0.1", "metrics", ""],
            "http://10.0.0.1/metrics",
        );
        check_written(
            ["https", "[fd00::1]:443", "/a b/ü?x=1#f", ""],
            "https://[fd00::1]:443/a%20b/%C3%BC%3Fx=1%23f",
        );
        check_written(
            ["http", "h:1", "/a;b,c:d@e$f!'()*", ""],
            "http://h:1/a;b,c:d@e$f%21%27%28%29%2A",
        );
        check_written(
            ["http", "a?b@%eth0 é", "", "x=1"],
            "http://a%3Fb%40%25eth0%20%C3%A9?x=1",
        );
        check_written(["", "h:1", "", ""], "//h:1");
        let query = encode_query([("a", "&=+~*/ü"), ("b", "2"), ("b", "x y")]);
        assert_eq!(query, "a=%26%3D%2B~%2A%2F%C3%BC&b=2&b=x+y");
    }

    #[track_caller]
    fn check_error(url: &str, want: Option<&str>) {
        let error = request_error(url);
        let reason = error
            .as_deref()
            .map(|text| text.split_once("\": ").map_or(text, |p| p.1));
        assert_eq!(reason, want, "{url}");
    }

    #[test]
    fn what_cannot_be_requested() {
        check_error("http://h:80/a%20b?x=%zz", None);
        check_error("ftp://a:b:80/", None);
        check_error("http://[fd00::1%25eth0]:443/", None);
        check_error(
            "http://fd00::1/m",
            Some(
                "invalid port \":::1\" after host"
                    .replace(":::", "::")
                    .as_str(),
            ),
        );
        check_error("http://h:port/m", Some("invalid port \":port\" after host"));
        check_error("http://ho%20st:80/m", Some("invalid URL escape \"%20\""));
        check_error("http://[10.0.0.1]:1/m", Some("invalid IP-literal"));
        check_error("HTTP://a:1:2/m", Some("invalid port \":1:2\" after host"));
        check_error("http://[fd00::1/m", Some("missing ']' in host"));
        check_error("://h/m", Some("missing protocol scheme"));
    }
}

//! Whether Go's `url.Parse` accepts a text. Only that: the text itself goes into the configuration unchanged.

use crate::model::quote::{quoted, without_password};
use std::net::Ipv6Addr;

/// Checks a URL.
///
/// # Errors
/// In Go's words, with the URL but for its password; what is wrong may be a part of that, so it is not repeated.
pub(super) fn check(url: &str) -> Result<(), String> {
    let (whole, fragment) = url.split_once('#').unwrap_or((url, ""));
    parse(whole)
        .and_then(|()| escapes(fragment, Part::Other))
        .map_err(|error| format!("parse {}: {error}", quoted(&without_password(url))))
}

fn parse(url: &str) -> Result<(), String> {
    if url.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if url == "*" {
        return Ok(());
    }
    let (scheme, rest) = scheme(url)?;
    let rest = rest.split_once('?').map_or(rest, |(path, _query)| path);
    if !rest.starts_with('/') {
        let segment = rest.split('/').next().unwrap_or_default();
        if scheme.is_empty() && segment.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        if !scheme.is_empty() {
            return Ok(());
        }
    }
    let path = match rest.strip_prefix("//") {
        Some(authority_and_path) if !scheme.is_empty() || !rest.starts_with("///") => {
            let end = authority_and_path
                .find('/')
                .unwrap_or(authority_and_path.len());
            let (authority, path) = authority_and_path.split_at(end);
            check_authority(&scheme, authority)?;
            path
        }
        _ => rest,
    };
    escapes(path, Part::Other)
}

/// The scheme in lower case, empty if there is none, and what follows.
fn scheme(url: &str) -> Result<(String, &str), String> {
    for (i, c) in url.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if i > 0 => {}
            ':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => {
                let (scheme, rest) = url.split_at(i);
                return Ok((
                    scheme.to_ascii_lowercase(),
                    rest.strip_prefix(':').unwrap_or(rest),
                ));
            }
            _ => break,
        }
    }
    Ok((String::new(), url))
}

fn check_authority(scheme: &str, authority: &str) -> Result<(), String> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    check_host(scheme, host)?;
    let Some(user) = user else { return Ok(()) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    escapes(user, Part::Other)
}

fn check_host(scheme: &str, host: &str) -> Result<(), String> {
    if let Some(open) = host.rfind('[') {
        if open > 0 {
            return Err("invalid IP-literal".to_owned());
        }
        let (literal, port) = host
            .strip_prefix('[')
            .and_then(|rest| rest.rsplit_once(']'))
            .ok_or("missing ']' in host")?;
        check_port(port)?;
        let (address, zone) = literal.split_once("%25").unwrap_or((literal, ""));
        escapes(address, Part::Host)?;
        escapes(zone, Part::Zone)?;
        let zoned = address
            .split_once('%')
            .map_or(address, |(address, _)| address);
        zoned
            .parse::<Ipv6Addr>()
            .map_err(|_| "invalid host: unable to parse IP")?;
        return Ok(());
    }
    if let Some(first) = host.find(':') {
        let strict = matches!(scheme, "http" | "https");
        let at = if strict {
            first
        } else {
            host.rfind(':').unwrap_or(first)
        };
        check_port(host.split_at(at).1)?;
    }
    escapes(host, Part::Host)
}

fn check_port(port: &str) -> Result<(), String> {
    let digits = port.strip_prefix(':').unwrap_or("x");
    if !port.is_empty() && !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid port after host".to_owned());
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    Other,
}

/// `%` must be followed by two hexadecimal digits; hosts have rules of their own.
fn escapes(text: &str, part: Part) -> Result<(), String> {
    let bytes = text.as_bytes();
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        if byte != b'%' {
            let in_host = part != Part::Other;
            if in_host && byte.is_ascii() && !is_host_byte(byte) {
                return Err("invalid character in host name".to_owned());
            }
            i += 1;
            continue;
        }
        let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        let refuse = || Err("invalid URL escape".to_owned());
        let (Some(high), Some(low)) = (hex(i + 1), hex(i + 2)) else {
            return refuse();
        };
        let percent = (high, low) == (2, 5);
        match part {
            Part::Host if high < 8 && !percent => return refuse(),
            Part::Zone => {
                let value = u8::try_from(high << 4 | low).unwrap_or_default();
                if !percent && value != b' ' && !is_host_byte(value) {
                    return refuse();
                }
            }
            _ => {}
        }
        i += 3;
    }
    Ok(())
}

/// What Go's `shouldEscape` lets stand in a host.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_go_accepts() {
        for url in [
            "http://x:80",
            "http://$(PROXY)",
            "socks5://u:p@h:1/",
            "https://[fe80::1%25en0]:443",
            "http://é",
            "http://a/%41?x=%zz",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
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
            let error = check(url).unwrap_err();
            assert!(
                !error.contains("secret") && error.contains("user"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_go_refuses() {
        for url in [
            "http://x:port",
            "http://%zz",
            "http://a b",
            "http://a\n",
            "http://[::1",
            "http://[1.2.3.4]",
            "http://a:1:2",
            ":x",
            "a:b:c/",
            "http://{u}@h",
            "http://a/%zz",
            "http://a/#%z",
            "http://%41",
        ] {
            let refused = check(url).is_err();
            assert!(refused == (url != "a:b:c/"), "{url}");
        }
    }
}

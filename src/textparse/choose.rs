//! Which reader a page gets: its Content-Type, or else the job's fallback (prometheus: model/textparse/interface.go, and Go's
//! mime.ParseMediaType, whose grammar decides whether a Content-Type counts at all).

use super::{Error, Format};

/// The reader for a Content-Type, and a warning if the fallback was used. `fallback` is the media type of
/// `fallback_scrape_protocol`, empty if there is none; it is taken word by word.
///
/// # Errors
/// No reader fits and there is no usable fallback: the scrape fails.
pub fn choose(content_type: &str, fallback: &str) -> Result<(Format, Option<String>), Error> {
    let reason = if content_type.is_empty() {
        "the target sends no Content-Type".to_owned()
    } else {
        match media_type(content_type) {
            None => format!("the target's Content-Type {content_type:?} does not parse"),
            Some((media, version)) => match format_of(&media) {
                Some(Format::OpenMetrics) if version.as_deref() == Some("2.0.0") => {
                    "OpenMetrics 2.0.0 is not supported".to_owned()
                }
                Some(format) => return Ok((format, None)),
                None => format!("the target's Content-Type {content_type:?} is not supported"),
            },
        }
    };
    let fail = |message| Err(Error { at: 0, message });
    if fallback.is_empty() {
        return fail(format!(
            "{reason} and fallback_scrape_protocol (fallbackScrapeProtocol of the monitor) is not set for it"
        ));
    }
    match format_of(fallback) {
        Some(format) => Ok((
            format,
            Some(format!("{reason}, read as {fallback:?} instead")),
        )),
        None => fail(format!("{reason}, and there is no reader for {fallback:?}")),
    }
}

fn format_of(media: &str) -> Option<Format> {
    Some(match media {
        "application/openmetrics-text" => Format::OpenMetrics,
        "application/vnd.google.protobuf" => Format::Protobuf,
        "text/plain" => Format::Text,
        _ => return None,
    })
}

/// The type in small letters and the parameter `version`; `None` where Go's parser finds an error.
fn media_type(text: &str) -> Option<(String, Option<String>)> {
    let base = text.split(';').next().unwrap_or_default();
    let media = base.trim().to_lowercase();
    let (main, sub) = media.split_once('/')?;
    if !is_token(main) || !is_token(sub) {
        return None;
    }
    let mut params: Vec<(String, String)> = Vec::new();
    let mut rest = text.get(base.len()..)?;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let Some((name, value, after)) = parameter(rest) else {
            if rest.trim() == ";" {
                break;
            }
            return None;
        };
        match params.iter().find(|(known, _)| *known == name) {
            Some((_, other)) if *other != value => return None,
            Some(_) => {}
            None => params.push((name, value)),
        }
        rest = after;
    }
    Some((media, version(&params)))
}

/// `version`, which may also come in numbered pieces or percent-encoded (RFC 2231), as Go puts them together.
fn version(params: &[(String, String)]) -> Option<String> {
    let get = |name: &str| {
        params
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let plain = get("version").map(str::to_owned);
    if let Some(encoded) = get("version*") {
        return rfc2231(encoded).or(plain);
    }
    let mut pieces = None::<String>;
    for n in 0.. {
        let simple = format!("version*{n}");
        let piece = match (get(&simple), get(&format!("{simple}*"))) {
            (Some(piece), _) => piece.to_owned(),
            (None, Some(encoded)) if n == 0 => rfc2231(encoded).unwrap_or_default(),
            (None, Some(encoded)) => unescape_percent(encoded).unwrap_or_default(),
            (None, None) => break,
        };
        pieces.get_or_insert_default().push_str(&piece);
    }
    pieces.or(plain)
}

fn rfc2231(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_language, value) = rest.split_once('\'')?;
    ["us-ascii", "utf-8"]
        .contains(&&*charset.to_lowercase())
        .then(|| unescape_percent(value))?
}

fn unescape_percent(text: &str) -> Option<String> {
    let well_formed = text.split('%').skip(1).all(|piece| {
        let digits = piece.as_bytes().get(..2);
        digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    });
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    well_formed.then(|| decoded.into_owned())
}

/// `; name = value` at the start of `text`, and what follows.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let rest = text.trim_start().strip_prefix(';')?.trim_start();
    let (name, rest) = token(rest);
    if name.is_empty() {
        return None;
    }
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => {
            let (value, rest) = token(rest);
            if value.is_empty() {
                return None;
            }
            (value.to_owned(), rest)
        }
    };
    Some((name.to_lowercase(), value, rest))
}

/// The contents of a quoted string whose opening quote was taken, and what follows its end.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some((value, chars.as_str())),
            '\r' | '\n' => return None,
            // A backslash before anything but a special character stands for itself.
            '\\' if chars.as_str().starts_with(is_special) => value.extend(chars.next()),
            other => value.push(other),
        }
    }
    None
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_token_char(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_graphic() && !is_special(c)
}

/// RFC 2045, tspecials.
fn is_special(c: char) -> bool {
    "()<>@,;:\\\"/[]?=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, fallback: &str, want: Option<(Format, bool)>) {
        let got = choose(content_type, fallback).ok();
        assert_eq!(
            got.map(|(format, warning)| (format, warning.is_some())),
            want
        );
    }

    #[test]
    fn the_content_type_decides_or_else_the_fallback() {
        let (text, om) = (Format::Text, Format::OpenMetrics);
        check("text/plain", "", Some((text, false)));
        check(" TEXT/Plain ; version=9;", "", Some((text, false)));
        check("text/plain; a=\"x\\\"y\"", "", Some((text, false)));
        check("text/plain; a=1; a=1", "", Some((text, false)));
        check("text/plain; a=1; A=2", "", None);
        check("text/plain;;", "", None);
        check("text/plain; a", "text/plain", Some((text, true)));
        check("text / plain", "", None);
        check("text/plain; a=\"x", "", None);
        check("", "TEXT/PLAIN", None);
        check(
            "text/html",
            "application/openmetrics-text",
            Some((om, true)),
        );
        check(
            "application/openmetrics-text; version=2.0",
            "",
            Some((om, false)),
        );
        check("application/openmetrics-text; VERSION=\"2.0.0\"", "", None);
        check(
            "application/openmetrics-text; version*0=2.0; version*1=.0",
            "",
            None,
        );
        check(
            "application/openmetrics-text; version*=utf-8''2%2e0.0",
            "",
            None,
        );
    }
}

//! `$NAME` and `${NAME}` in external labels (Go: `os.Expand`).

/// Puts the environment in; unset variables are empty, `$$` is `$`, what is no name stays.
pub(super) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let Some((name, length)) = name_of(after) else {
            out.push('$');
            rest = after;
            continue;
        };
        match name {
            "" => {}
            "$" => out.push('$'),
            name => out.push_str(&env(name).unwrap_or_default()),
        }
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The name behind a `$` and the length of what is replaced; `None` if the `$` stays. An empty name is a syntax error, which
/// vanishes.
fn name_of(text: &str) -> Option<(&str, usize)> {
    let special = |b: u8| {
        matches!(
            b,
            b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9'
        )
    };
    let first = *text.as_bytes().first()?;
    if let Some(inner) = text.strip_prefix('{') {
        return Some(match inner.find('}') {
            Some(0) => ("", 2),
            Some(end) => (inner.get(..end).unwrap_or_default(), end + 2),
            None => ("", 1),
        });
    }
    if special(first) {
        return Some((text.get(..1).unwrap_or_default(), 1));
    }
    let end = text
        .bytes()
        .take_while(|b| *b == b'_' || b.is_ascii_alphanumeric())
        .count();
    (end > 0).then(|| (text.get(..end).unwrap_or_default(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_is_gos() {
        let env = |name: &str| (name == "A").then(|| "x$A".to_owned());
        for (text, want) in [
            ("$A-${A}", "x$A-x$A"),
            ("$$A", "$A"),
            ("${A", "A"),
            ("${}", ""),
            ("$*$1", ""),
            ("${a b}", ""),
            ("$(X)", "$(X)"),
            ("$é", "$é"),
            ("a$", "a$"),
            ("$B.", "."),
        ] {
            assert_eq!(expand(text, &env), want, "{text}");
        }
    }
}

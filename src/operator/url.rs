//! Whether a text is a URL. Only that: the text itself goes into the configuration unchanged.

use crate::model::quote::{quoted, without_password};
use crate::model::url::Url;

/// Checks a URL.
///
/// # Errors
/// In Go's words, with the URL but for its password; what is wrong may be a part of that, so it is not repeated.
pub(super) fn check(url: &str) -> Result<(), String> {
    let parsed = Url::parse(url).map(drop);
    parsed.map_err(|problem| format!("parse {}: {problem}", quoted(&without_password(url))))
}

#[cfg(test)]
mod tests {
    use super::check;

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
}

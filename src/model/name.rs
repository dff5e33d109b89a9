//! Names of metrics and labels: which are valid, and how they are escaped for targets that ask for it
//! (prometheus: common/model/metric.go).

/// Which names a job accepts (`metric_name_validation_scheme`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ValidationScheme {
    /// Any UTF-8.
    #[default]
    Utf8,
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, labels without the colon.
    Legacy,
}

impl ValidationScheme {
    /// The word in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Legacy => "legacy",
        }
    }

    /// Whether a metric may have this name.
    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy(name, true),
        }
    }

    /// Whether a label may have this name.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy(name, false),
        }
    }
}

fn is_legacy(name: &str, colon: bool) -> bool {
    let valid = |(at, byte)| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => true,
        b':' => colon,
        b'0'..=b'9' => at > 0,
        _ => false,
    };
    !name.is_empty() && name.bytes().enumerate().all(valid)
}

/// How names that are not legacy names are asked for (`metric_name_escaping_scheme`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EscapingScheme {
    /// Not at all.
    #[default]
    AllowUtf8,
    /// Other characters become `_`.
    Underscores,
    /// As underscores, but dots become `_dot_` and underscores double.
    Dots,
    /// `U__` and code points, reversible.
    Values,
}

impl EscapingScheme {
    /// The word in a configuration and in an Accept header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// The scheme of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values]
            .into_iter()
            .find(|scheme| scheme.as_str() == word)
    }

    /// A name as a target that was asked for this scheme writes it.
    pub fn escape(self, name: &str) -> String {
        let is_legacy_name = is_legacy(name, true);
        match self {
            Self::AllowUtf8 => return name.to_owned(),
            Self::Underscores | Self::Values if is_legacy_name || name.is_empty() => {
                return name.to_owned();
            }
            _ => {}
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            out.push_str("U__");
        }
        for (at, c) in name.char_indices() {
            let kept =
                c.is_ascii_alphabetic() || c == '_' || c == ':' || (c.is_ascii_digit() && at > 0);
            match (self, c) {
                (Self::Dots | Self::Values, '_') => out.push_str("__"),
                _ if kept => out.push(c),
                (Self::Dots, '.') => out.push_str("_dot_"),
                (Self::Dots, _) => out.push_str("__"),
                (Self::Values, _) => out.push_str(&format!("_{:x}_", u32::from(c))),
                _ => out.push('_'),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_names() {
        let scheme = ValidationScheme::Legacy;
        for (name, metric, label) in [
            ("a1", true, true),
            ("a:b", true, false),
            ("1a", false, false),
            ("", false, false),
            ("é", false, false),
        ] {
            assert_eq!(scheme.is_metric_name(name), metric, "{name}");
            assert_eq!(scheme.is_label_name(name), label, "{name}");
        }
        assert!(ValidationScheme::Utf8.is_label_name("é"));
        assert!(!ValidationScheme::Utf8.is_label_name(""));
    }

    #[test]
    fn escaping() {
        let all = |name| {
            [
                EscapingScheme::AllowUtf8,
                EscapingScheme::Underscores,
                EscapingScheme::Dots,
                EscapingScheme::Values,
            ]
            .map(|scheme| scheme.escape(name))
        };
        assert_eq!(
            all("no:escaping_required"),
            [
                "no:escaping_required",
                "no:escaping_required",
                "no:escaping__required",
                "no:escaping_required",
            ]
        );
        assert_eq!(
            all("mysystem.prod.west.cpu.load"),
            [
                "mysystem.prod.west.cpu.load",
                "mysystem_prod_west_cpu_load",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load",
            ]
        );
        assert_eq!(all("1é_x"), ["1é_x", "___x", "______x", "U___31__e9___x"]);
    }
}

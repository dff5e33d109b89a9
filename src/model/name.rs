//! Names of metrics and labels: which are valid, and how they are escaped for targets that ask for it.

/// Which names a job accepts (`metric_name_validation_scheme`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ValidationScheme {
    /// Any UTF-8.
    #[default]
    Utf8,
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, labels without the colon.
    Legacy,
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

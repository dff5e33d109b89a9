//! Which proxy a request goes through.

/// Proxy settings of the environment, as the binary read them: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` (or lower case).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// For http targets.
    pub http: Box<str>,
    /// For https targets.
    pub https: Box<str>,
    /// Hosts that are reached directly.
    pub no_proxy: Box<str>,
}

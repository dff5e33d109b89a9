//! How to reach an API server: values, read from a pod's mounted files or from kubeconfig files ([`super::kubeconfig`]).

use crate::http::config::{Secret, Tls};
use crate::kube::DEFAULT_NAMESPACE;
use crate::rt::files::{LARGE, read_text, reason};
use std::fmt;
use std::path::{Path, PathBuf};

/// An API server and the credentials for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Scheme, host, port, maybe a path before all paths of the API; without a slash at the end.
    pub server: String,
    /// Where all this was found, for messages: `context k3s of /home/me/.kube/config`. May be empty.
    pub origin: String,
    /// What the kubeconfig calls the user, for messages. May be empty.
    pub user: String,
    /// Authorities, client certificate, expected name.
    pub tls: Tls,
    /// Who we are.
    pub auth: Auth,
    /// A proxy: `http://…`, `https://…`; empty means none. The environment is not consulted.
    pub proxy: Secret,
    /// The namespace that is ours: a pod's own, or that of the kubeconfig context.
    pub namespace: String,
}

/// Credentials sent with each request; a client certificate is independent of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Auth {
    /// None.
    #[default]
    Anonymous,
    /// A token that doesn't change.
    Token(Secret),
    /// A file with a token; read again when it is a minute old, or was refused.
    TokenFile(PathBuf),
    /// User name and password.
    Basic(String, Secret),
    /// A program that prints credentials (client.authentication.k8s.io).
    Exec(Box<Exec>),
}

/// An exec credential plugin, as kubeconfig has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exec {
    /// `client.authentication.k8s.io/v1` or `/v1beta1`.
    pub api_version: String,
    /// The program.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables besides our own ones.
    pub env: Vec<(String, Secret)>,
    /// What to tell the user if the program is missing.
    pub install_hint: String,
    /// `spec.cluster` of the information given to the program, as JSON text; empty means not given.
    pub cluster_info: String,
}

/// The settings for the API server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file or setting.
    pub at: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(at: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            at: at.to_string(),
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Where a pod finds its credentials.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Config {
    /// From inside a pod: `host` and `port` are `KUBERNETES_SERVICE_HOST` and `…_PORT`, `folder` is
    /// [`SERVICE_ACCOUNT`] with the files `token`, `ca.crt` and `namespace`.
    ///
    /// # Errors
    /// Host or port is empty, or a file cannot be read.
    pub fn in_cluster(host: &str, port: &str, folder: &Path) -> Result<Self, ConfigError> {
        if host.is_empty() || port.is_empty() {
            return Err(ConfigError::new(
                "in-cluster configuration",
                "there is no kubeconfig file, and KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set: \
                 this is no pod",
            ));
        }
        let token = folder.join("token");
        read(&token)?;
        let ca = folder.join("ca.crt");
        read(&ca)?;
        // client-go: an unreadable namespace means "default".
        let namespace = read(&folder.join("namespace")).unwrap_or_default();
        let namespace = namespace.trim();
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Ok(Self {
            server: format!("https://{host}:{port}"),
            origin: "the pod's service account".to_owned(),
            user: String::new(),
            tls: Tls {
                ca_file: ca.to_string_lossy().into(),
                ..Tls::default()
            },
            auth: Auth::TokenFile(token),
            proxy: Secret::default(),
            namespace: if namespace.is_empty() {
                DEFAULT_NAMESPACE.to_owned()
            } else {
                namespace.to_owned()
            },
        })
    }
}

pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    read_text(path, LARGE).map_err(|error| {
        ConfigError::new(
            path.display(),
            format!("cannot be read: {}", reason(&error)),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_files_and_an_ipv6_address() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("token", "t\n"), ("ca.crt", "ca"), ("namespace", "shop\n")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let config = Config::in_cluster("fd00::1", "443", folder.path()).unwrap();
        assert_eq!(config.server, "https://[fd00::1]:443");
        assert_eq!(config.namespace, "shop");
        assert!(Config::in_cluster("", "443", folder.path()).is_err());
        std::fs::remove_file(folder.path().join("token")).unwrap();
        let error = Config::in_cluster("10.0.0.1", "443", folder.path()).unwrap_err();
        assert!(error.at.ends_with("/token"), "{error}");
        // What never ends, or blocks, is not read.
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(
            error.message.contains("a regular file is expected"),
            "{error}"
        );
    }
}

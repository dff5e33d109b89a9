//! The exec plugin of a user: how it is run, and what it is told.

use super::{Cluster, Context, Found, User, resolve};
use crate::http::config::Secret;
use crate::kube::api::config::{Auth, ConfigError, Exec, read};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// As the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ExecConfig {
    command: String,
    args: Option<Vec<String>>,
    env: Option<Vec<EnvVar>>,
    api_version: String,
    install_hint: String,
    provide_cluster_info: bool,
    interactive_mode: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvVar {
    name: String,
    value: String,
}

/// How the plugin is run.
pub(super) fn exec_of(
    exec: &ExecConfig,
    cluster: &Found<Cluster>,
    user: &Found<User>,
    context: &Context,
) -> Result<Auth, ConfigError> {
    let error = |message: String| Err(ConfigError::new(format!("user {}", context.user), message));
    if exec.command.is_empty() {
        return error("exec: command is missing".to_owned());
    }
    let known = [
        "client.authentication.k8s.io/v1",
        "client.authentication.k8s.io/v1beta1",
    ];
    if !known.contains(&exec.api_version.as_str()) {
        return error(format!(
            "exec: apiVersion {:?}, want {}",
            exec.api_version,
            known.join(" or ")
        ));
    }
    if exec.interactive_mode == "Always" {
        return error("exec: interactiveMode is Always, but nobody is there to answer".to_owned());
    }
    // A bare name is looked up in PATH.
    let command = if exec.command.contains('/') {
        PathBuf::from(&*resolve(&user.folder, &exec.command))
    } else {
        PathBuf::from(&exec.command)
    };
    let env = exec.env.iter().flatten();
    Ok(Auth::Exec(Box::new(Exec {
        api_version: exec.api_version.clone(),
        command,
        args: exec.args.clone().unwrap_or_default(),
        env: env
            .map(|var| (var.name.clone(), Secret::new(var.value.as_str())))
            .collect(),
        install_hint: exec.install_hint.clone(),
        cluster_info: if exec.provide_cluster_info {
            cluster_info(cluster)?
        } else {
            String::new()
        },
    })))
}

/// What a plugin is told about the cluster: the authority's text, not its file.
fn cluster_info(cluster: &Found<Cluster>) -> Result<String, ConfigError> {
    let value = &cluster.value;
    let mut info = Map::new();
    info.insert("server".to_owned(), json!(value.server));
    if !value.tls_server_name.is_empty() {
        info.insert("tls-server-name".to_owned(), json!(value.tls_server_name));
    }
    if value.insecure_skip_tls_verify {
        info.insert("insecure-skip-tls-verify".to_owned(), json!(true));
    }
    let ca = if !value.certificate_authority_data.is_empty() {
        value.certificate_authority_data.clone()
    } else if !value.certificate_authority.is_empty() {
        let path = resolve(&cluster.folder, &value.certificate_authority);
        STANDARD.encode(read(Path::new(&*path))?)
    } else {
        String::new()
    };
    if !ca.is_empty() {
        info.insert("certificate-authority-data".to_owned(), json!(ca));
    }
    if !value.proxy_url.is_empty() {
        info.insert("proxy-url".to_owned(), json!(value.proxy_url));
    }
    let mut extensions = value.extensions.iter().flatten();
    if let Some(found) = extensions.find(|e| e.name == "client.authentication.k8s.io/exec") {
        info.insert("config".to_owned(), found.extension.clone());
    }
    Ok(Value::Object(info).to_string())
}

//! kubeconfig files: merged as client-go does it (tools/clientcmd/loader.go, client_config.go), then reduced to the
//! cluster and user of one context. What cannot be honoured is an error, never ignored.

mod exec;
mod merge;

use self::exec::{ExecConfig, exec_of};
use self::merge::{Picked, pick};
use super::config::{Auth, Config, ConfigError, read};
use crate::http::config::{Secret, Tls};
use crate::kube::DEFAULT_NAMESPACE;
use crate::kube::decode::decode;
use crate::wire::yaml;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(rename = "current-context")]
    current_context: Option<String>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
    contexts: Option<Vec<NamedContext>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    name: String,
    user: Option<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Cluster {
    server: String,
    tls_server_name: String,
    insecure_skip_tls_verify: bool,
    certificate_authority: String,
    certificate_authority_data: String,
    proxy_url: String,
    extensions: Option<Vec<Extension>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extension {
    name: String,
    extension: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: String,
    #[serde(rename = "as")]
    impersonate: Option<Value>,
    username: String,
    password: Option<String>,
    auth_provider: Option<Value>,
    exec: Option<ExecConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
    namespace: String,
}

/// Something with a name, and the folder that its relative paths start from.
struct Found<T> {
    value: T,
    folder: PathBuf,
}

/// Reads `paths` (the parts of `KUBECONFIG`, or one file that a flag names) and picks a context: the one asked for,
/// else the current one.
///
/// # Errors
/// A file is malformed, no file of several or the only one is there, the context or what it names is missing, or a
/// setting cannot be honoured.
pub fn load(paths: &[PathBuf], context: Option<&str>) -> Result<Config, ConfigError> {
    let mut files = Vec::new();
    for path in paths.iter().filter(|path| !path.as_os_str().is_empty()) {
        match std::fs::metadata(path) {
            // Of several, those that are missing are left out.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && paths.len() > 1 => {}
            _ => files.push((path.clone(), parse(path)?)),
        }
    }
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let all = names.join(":");
    if files.is_empty() {
        return Err(ConfigError::new(all, "no kubeconfig file is there"));
    }
    build(pick(files, context, &all)?)
}

fn parse(path: &Path) -> Result<File, ConfigError> {
    let text = read(path)?;
    let wrong = |message: String| ConfigError::new(path.display(), message);
    let text = text.trim_start_matches('\u{feff}');
    match yaml::json::read(text).map_err(|error| wrong(format!("not a kubeconfig: {error}")))? {
        Value::Null => Ok(File::default()),
        value if value.is_object() => decode(value).map_err(|error| wrong(without_value(&error))),
        _ => Err(wrong(
            "not a kubeconfig: a YAML mapping with clusters, users and contexts is expected"
                .to_owned(),
        )),
    }
}

/// The values of a kubeconfig are secrets.
fn without_value(error: &str) -> String {
    match (
        error.split_once(": invalid "),
        error.rsplit_once("expected "),
    ) {
        (Some((path, _)), Some((_, expected))) => format!("{path}: {expected} is expected there"),
        _ => error.to_owned(),
    }
}

fn build(picked: Picked) -> Result<Config, ConfigError> {
    let Picked {
        origin,
        context,
        cluster,
        user,
    } = picked;
    let mut tls = tls_of(&cluster, &context)?;
    add_identity(&mut tls, &user, &context)?;
    let at = format!("cluster {}", context.cluster);
    let proxy = &cluster.value.proxy_url;
    if !proxy.is_empty() && !proxy.starts_with("http://") && !proxy.starts_with("https://") {
        return Err(ConfigError::new(
            at,
            "proxy-url: only http:// and https:// proxies are supported",
        ));
    }
    let server = cluster.value.server.trim_end_matches('/');
    if server.is_empty() {
        return Err(ConfigError::new(at, "server is missing"));
    }
    let has_tls = tls != Tls::default();
    let server = match (server.contains("://"), has_tls) {
        (true, _) => server.to_owned(),
        // client-go: a bare host is reached over TLS if anything about TLS is set.
        (false, true) => format!("https://{server}"),
        (false, false) => format!("http://{server}"),
    };
    Ok(Config {
        server,
        origin,
        tls,
        auth: auth_of(&cluster, &user, &context)?,
        proxy: Secret::new(proxy.as_str()),
        namespace: if context.namespace.is_empty() {
            DEFAULT_NAMESPACE.to_owned()
        } else {
            context.namespace
        },
        user: context.user,
    })
}

fn tls_of(cluster: &Found<Cluster>, context: &Context) -> Result<Tls, ConfigError> {
    let at = || format!("cluster {}", context.cluster);
    let value = &cluster.value;
    let has_ca =
        !value.certificate_authority.is_empty() || !value.certificate_authority_data.is_empty();
    if has_ca && value.insecure_skip_tls_verify {
        return Err(ConfigError::new(
            at(),
            "a certificate authority together with insecure-skip-tls-verify",
        ));
    }
    let mut tls = Tls {
        server_name: value.tls_server_name.as_str().into(),
        insecure_skip_verify: value.insecure_skip_tls_verify,
        ..Tls::default()
    };
    if value.certificate_authority_data.is_empty() {
        tls.ca_file = resolve(&cluster.folder, &value.certificate_authority);
    } else {
        // client-go: data override files.
        tls.ca = unpacked(&value.certificate_authority_data)
            .ok_or_else(|| {
                ConfigError::new(at(), "certificate-authority-data is not base64 of PEM text")
            })?
            .into();
    }
    Ok(tls)
}

fn add_identity(tls: &mut Tls, user: &Found<User>, context: &Context) -> Result<(), ConfigError> {
    let at = || format!("user {}", context.user);
    let value = &user.value;
    let bad = |field: &str| ConfigError::new(at(), format!("{field} is not base64 of PEM text"));
    if value.client_certificate_data.is_empty() {
        tls.cert_file = resolve(&user.folder, &value.client_certificate);
    } else {
        let cert = unpacked(&value.client_certificate_data);
        tls.cert = cert.ok_or_else(|| bad("client-certificate-data"))?.into();
    }
    match value.client_key_data.as_deref() {
        None | Some("") => tls.key_file = resolve(&user.folder, &value.client_key),
        Some(data) => tls.key = Secret::new(unpacked(data).ok_or_else(|| bad("client-key-data"))?),
    }
    let has_cert = !tls.cert.is_empty() || !tls.cert_file.is_empty();
    let has_key = !tls.key.is_empty() || !tls.key_file.is_empty();
    if has_cert != has_key {
        return Err(ConfigError::new(
            at(),
            "a client certificate and its key are needed together",
        ));
    }
    Ok(())
}

fn auth_of(
    cluster: &Found<Cluster>,
    user: &Found<User>,
    context: &Context,
) -> Result<Auth, ConfigError> {
    let error = |message: &str| Err(ConfigError::new(format!("user {}", context.user), message));
    let value = &user.value;
    if value.impersonate.is_some() {
        return error(
            "impersonation (as, as-uid, as-groups) is not supported: use credentials of the account itself",
        );
    }
    if value.auth_provider.is_some() {
        return error("auth-provider is not supported: use an exec plugin");
    }
    let has_token = value
        .token
        .as_deref()
        .is_some_and(|token| !token.is_empty());
    if (has_token || !value.token_file.is_empty()) && !value.username.is_empty() {
        return error("a token together with a user name");
    }
    if !value.token_file.is_empty() {
        let path = resolve(&user.folder, &value.token_file);
        return Ok(Auth::TokenFile(PathBuf::from(&*path)));
    }
    if let Some(token) = value.token.as_deref().filter(|token| !token.is_empty()) {
        return Ok(Auth::Token(Secret::new(token)));
    }
    if !value.username.is_empty() {
        let password = value.password.as_deref().unwrap_or_default();
        return Ok(Auth::Basic(value.username.clone(), Secret::new(password)));
    }
    match &value.exec {
        Some(exec) => exec_of(exec, cluster, user, context),
        None => Ok(Auth::Anonymous),
    }
}

/// Relative paths start from the folder of the file they stand in.
fn resolve(folder: &Path, path: &str) -> Box<str> {
    if path.is_empty() {
        return "".into();
    }
    folder.join(path).to_string_lossy().into()
}

/// Base64, maybe folded over lines.
fn unpacked(data: &str) -> Option<String> {
    let compact: String = data.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(compact).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    const ONE: &str = "
apiVersion: v1
kind: Config
current-context: a
clusters:
- {name: c, cluster: {server: 'https://one:6443/', certificate-authority: ca.pem, tls-server-name: kubernetes}}
contexts:
- {name: a, context: {cluster: c, user: u, namespace: shop}}
- {name: b, context: {cluster: c, user: other}}
users:
- {name: u, user: {tokenFile: token, token: x}}
";
    const TWO: &str = "
current-context: b
clusters:
- {name: c, cluster: {server: 'https://two'}}
users:
- name: other
  user: {client-certificate-data: 'UEVN', client-key-data: 'S0VZ'}
";

    #[test]
    fn the_first_file_that_defines_a_name_wins() {
        let dir = tempfile::tempdir().unwrap();
        let one = write(dir.path(), "one", ONE);
        let two = write(dir.path(), "two", TWO);
        let gone = dir.path().join("gone");
        let config = load(&[gone.clone(), one.clone(), two.clone()], None).unwrap();
        assert_eq!(config.server, "https://one:6443");
        assert_eq!(config.namespace, "shop");
        assert_eq!(config.auth, Auth::TokenFile(dir.path().join("token")));
        assert_eq!(
            *config.tls.ca_file,
            *dir.path().join("ca.pem").to_string_lossy()
        );
        assert_eq!(&*config.tls.server_name, "kubernetes");
        let config = load(&[one.clone(), two], Some("b")).unwrap();
        assert_eq!((&*config.tls.cert, config.tls.key.expose()), ("PEM", "KEY"));
        for (paths, context) in [
            (vec![gone], None),
            (vec![one.clone()], Some("b")),
            (vec![one], Some("z")),
        ] {
            assert!(load(&paths, context).is_err());
        }
    }

    #[test]
    fn errors_say_where_and_what_and_no_secrets() {
        let dir = tempfile::tempdir().unwrap();
        for (text, want) in [
            ("hello", "not a kubeconfig: a YAML mapping with clusters"),
            ("- a", "not a kubeconfig: a YAML mapping with clusters"),
            ("users:\n- {user: [}", "not a kubeconfig: line "),
            (
                "users: [{user: secret}]",
                "users[0].user: an object is expected there",
            ),
            (
                "users: [{user: {token: 010}}]",
                "users[0].user.token: a string is expected there",
            ),
            (
                "clusters: [{cluster: {insecure-skip-tls-verify: secret}}]",
                "clusters[0].cluster.insecure-skip-tls-verify: a boolean is expected there",
            ),
            (
                "",
                "no current-context is set, and no context was asked for; there is none at all",
            ),
            (
                "contexts: [{name: a}, {name: b}]",
                "no current-context is set, and no context was asked for; there are: a, b",
            ),
            (
                "{current-context: x, contexts: [{name: a}]}",
                "no context \"x\"; there are: a",
            ),
            (
                "{current-context: a, contexts: [{name: a, context: {cluster: c}}], clusters: [{name: d}]}",
                "no cluster \"c\", which context \"a\" names; there are: d",
            ),
        ] {
            let path = write(dir.path(), "k", text);
            let error = load(std::slice::from_ref(&path), None)
                .unwrap_err()
                .to_string();
            let place = format!("{}: ", path.display());
            assert!(error.starts_with(&place) && error.contains(want), "{error}");
            assert!(
                !error.contains("secret") && !error.contains("struct"),
                "{error}"
            );
        }
        let error = load(&[dir.path().join("gone")], None).unwrap_err();
        assert!(
            error.message.ends_with("No such file or directory"),
            "{error}"
        );
    }

    #[test]
    fn scalars_are_those_of_client_go() {
        let dir = tempfile::tempdir().unwrap();
        let text = "current-context: on\ncontexts: [{name: 'true', context: {cluster: c, user: null}}]\n\
             clusters: [{name: c, cluster: {<<: {server: 'https://x'}, insecure-skip-tls-verify: yes}}]\n";
        let error = load(&[write(dir.path(), "k", text)], None).unwrap_err();
        assert!(error.message.starts_with("current-context"), "{error}");
        let quoted = text.replace(": on", ": 'true'");
        let config = load(&[write(dir.path(), "k", &quoted)], None).unwrap();
        assert_eq!(
            (&*config.server, config.tls.insecure_skip_verify),
            ("https://x", true)
        );
    }

    #[track_caller]
    fn check_refused(user: &str, cluster: &str, want: &str) {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "current-context: a\ncontexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'https://x'{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        );
        let error = load(&[write(dir.path(), "k", &text)], None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn what_cannot_be_honoured_is_an_error() {
        check_refused("as: root", "", "impersonation");
        check_refused("auth-provider: {name: gcp}", "", "exec plugin");
        check_refused("token: a, username: b", "", "together");
        check_refused("client-certificate: a", "", "together");
        check_refused(
            "client-certificate-data: '*', client-key-data: ''",
            "",
            "base64",
        );
        check_refused(
            "exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}",
            "",
            "apiVersion",
        );
        check_refused(
            "exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always}",
            "",
            "interactiveMode",
        );
        check_refused("token: a", ", proxy-url: 'socks5://p'", "proxy-url");
        check_refused(
            "token: a",
            ", insecure-skip-tls-verify: true, certificate-authority: c",
            "insecure",
        );
    }

    #[test]
    fn an_exec_plugin_learns_of_its_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let text = ONE.replace(
            "{tokenFile: token, token: x}",
            "{exec: {command: ./bin/p, args: [a], apiVersion: client.authentication.k8s.io/v1, \
             interactiveMode: Never, provideClusterInfo: true}}",
        );
        write(dir.path(), "ca.pem", "PEM");
        let config = load(&[write(dir.path(), "k", &text)], None).unwrap();
        let Auth::Exec(exec) = config.auth else {
            panic!("{:?}", config.auth)
        };
        assert_eq!(exec.command, dir.path().join("./bin/p"));
        let info: Value = serde_json::from_str(&exec.cluster_info).unwrap();
        assert_eq!(info["certificate-authority-data"], "UEVN");
        assert_eq!(info["server"], "https://one:6443/");
    }
}

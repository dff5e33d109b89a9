//! The Authorization header: fixed, from a token file that is rotated, or from an exec plugin.

use super::config::{Auth, Config, Exec};
use crate::http::config::Secret;
use crate::kube::decode::decode;
use crate::rt::clock::Clock;
use crate::rt::files::{SMALL, read_text, reason};
use crate::rt::thread::{Crew, STACK};
use crate::wire::yaml::json;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use crossbeam_channel::bounded;
use log::warn;
use parking_lot::Mutex;
use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// client-go reads a token file again after a minute less ten seconds.
const REREAD: Duration = Duration::from_secs(50);
/// client-go waits for ever; a hanging plugin would stop everything.
const EXEC_TIMEOUT: Duration = Duration::from_secs(60);
/// kube-rs asks a plugin again this long before its credentials expire.
const EARLY_MS: i64 = 60_000;
const MAX_OUTPUT: u64 = 1024 * 1024;

/// Credentials of one client.
#[derive(Debug)]
pub(crate) struct Credentials {
    auth: Auth,
    /// What the kubeconfig calls the user; may be empty.
    user: String,
    has_certificate: bool,
    clock: Arc<dyn Clock>,
    /// One at a time: a plugin is never run twice side by side.
    cached: Mutex<Option<Cached>>,
}

#[derive(Debug, Clone)]
struct Cached {
    header: Secret,
    read: Instant,
    /// Expiry in milliseconds since the Unix epoch, if the plugin told one.
    expires: Option<i64>,
    /// The server refused it, or was asked to be forgotten: to be read anew, and used only if that fails.
    refused: bool,
}

impl Credentials {
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            auth: config.auth.clone(),
            user: config.user.clone(),
            has_certificate: !config.tls.cert.is_empty() || !config.tls.cert_file.is_empty(),
            clock,
            cached: Mutex::new(None),
        }
    }

    /// The header for the next request, if any.
    pub(crate) fn header(&self) -> Result<Option<Secret>, String> {
        match &self.auth {
            Auth::Anonymous => Ok(None),
            Auth::Token(token) => Ok(Some(bearer(token.expose()))),
            Auth::Basic(user, password) => {
                let pair = format!("{user}:{}", password.expose());
                Ok(Some(Secret::new(format!(
                    "Basic {}",
                    STANDARD.encode(pair)
                ))))
            }
            Auth::TokenFile(path) => self.cached_or(|| read_token(path)).map(Some),
            Auth::Exec(plugin) => self.cached_or(|| self.run(plugin)).map(Some),
        }
    }

    /// What a server that answers 401 means: whose credentials, and where they come from.
    pub(crate) fn refused(&self) -> String {
        let token = |token: &str, from: &str| match subject(token) {
            Some(subject) => format!("the token of {subject}{from} is not valid"),
            None if self.user.is_empty() => format!("the token{from} is not valid"),
            None => format!("the token of user {:?}{from} is not valid", self.user),
        };
        match &self.auth {
            Auth::Anonymous if self.has_certificate => match self.user.as_str() {
                "" => "the client certificate is not accepted".to_owned(),
                user => format!("the client certificate of user {user:?} is not accepted"),
            },
            Auth::Anonymous => {
                "no credentials were sent, and anonymous requests are refused".to_owned()
            }
            Auth::Token(secret) => token(secret.expose(), ""),
            Auth::TokenFile(path) => {
                let text = read_text(path, SMALL).unwrap_or_default();
                token(&text, &format!(" in {}", path.display()))
            }
            Auth::Basic(user, _) => format!("user {user:?} or the password is not accepted"),
            Auth::Exec(plugin) => {
                token("", &format!(" of exec plugin {}", plugin.command.display()))
            }
        }
    }

    /// Makes the next request read credentials anew; whether that can change anything.
    pub(crate) fn forget(&self) -> bool {
        if let Some(cached) = &mut *self.cached.lock() {
            cached.refused = true;
        }
        matches!(self.auth, Auth::TokenFile(_) | Auth::Exec(_))
    }

    fn cached_or(
        &self,
        read: impl FnOnce() -> Result<(Secret, Option<i64>), String>,
    ) -> Result<Secret, String> {
        let now = self.clock.now();
        let mut cached = self.cached.lock();
        if let Some(cached) = &*cached
            && self.is_good(cached, now)
        {
            return Ok(cached.header.clone());
        }
        match (read(), &mut *cached) {
            (Ok((header, expires)), cached) => {
                *cached = Some(Cached {
                    header: header.clone(),
                    read: now,
                    expires,
                    refused: false,
                });
                Ok(header)
            }
            // The last good one stays in use, as client-go does it.
            (Err(error), Some(last)) => {
                warn!("credentials cannot be read anew, the last ones stay in use err={error}");
                last.read = now;
                Ok(last.header.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    fn is_good(&self, cached: &Cached, now: Instant) -> bool {
        if cached.refused {
            return false;
        }
        match (&self.auth, cached.expires) {
            (Auth::TokenFile(_), _) => now.saturating_duration_since(cached.read) < REREAD,
            (_, Some(expires)) => self.clock.unix_ms() + EARLY_MS < expires,
            (_, None) => true,
        }
    }

    fn run(&self, plugin: &Exec) -> Result<(Secret, Option<i64>), String> {
        let output = run(plugin)?;
        read_credential(plugin, &output)
    }
}

fn bearer(token: &str) -> Secret {
    Secret::new(format!("Bearer {}", token.trim()))
}

/// Whose token it is, if it says so itself: those of service accounts are JWTs.
fn subject(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = URL_SAFE_NO_PAD
        .decode(token.trim().split('.').nth(1)?)
        .ok()?;
    let Claims { sub } = serde_json::from_slice(&claims).ok()?;
    let account = sub.strip_prefix("system:serviceaccount:")?;
    Some(account.replacen(':', "/", 1))
}

fn read_token(path: &Path) -> Result<(Secret, Option<i64>), String> {
    let text = read_text(path, SMALL)
        .map_err(|error| format!("token file {}: {}", path.display(), reason(&error)))?;
    if text.trim().is_empty() {
        return Err(format!("token file {} is empty", path.display()));
    }
    Ok((bearer(&text), None))
}

/// Runs the plugin and returns what it printed. Its messages pass through to our standard error.
fn run(plugin: &Exec) -> Result<Vec<u8>, String> {
    let name = plugin.command.display();
    let cluster = match plugin.cluster_info.as_str() {
        "" => String::new(),
        json => format!(r#","cluster":{json}"#),
    };
    let info = format!(
        r#"{{"kind":"ExecCredential","apiVersion":"{}","spec":{{"interactive":false{cluster}}}}}"#,
        plugin.api_version
    );
    let mut child = Command::new(&plugin.command)
        .args(&plugin.args)
        .envs(
            plugin
                .env
                .iter()
                .map(|(name, value)| (name, value.expose())),
        )
        .env("KUBERNETES_EXEC_INFO", info)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let reason = reason(&error);
            match plugin.install_hint.as_str() {
                "" => format!("exec plugin {name} cannot be started: {reason}"),
                hint => format!("exec plugin {name} cannot be started: {reason}. {hint}"),
            }
        })?;
    let (sender, output) = bounded(1);
    let stdout = child.stdout.take();
    let mut crew = Crew::new();
    let reader = crew.spawn("kube/exec", STACK, move || {
        let mut text = Vec::new();
        if let Some(stdout) = stdout {
            // Output that breaks off does not parse.
            stdout.take(MAX_OUTPUT).read_to_end(&mut text).ok();
        }
        sender.send(text).ok();
    });
    let text = match reader {
        Ok(()) => output.recv_timeout(EXEC_TIMEOUT).ok(),
        Err(_) => None,
    };
    if text.is_none() {
        // It may have ended by itself meanwhile.
        child.kill().ok();
    }
    let status = child
        .wait()
        .map_err(|error| format!("exec plugin {name}: {}", reason(&error)))?;
    match text {
        Some(text) if status.success() => Ok(text),
        Some(_) => Err(format!("exec plugin {name} failed: {status}")),
        None => Err(format!("exec plugin {name} did not end within 60 s")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: String,
    #[serde(default)]
    status: Option<ExecStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecStatus {
    #[serde(default)]
    expiration_timestamp: Option<String>,
    #[serde(default)]
    token: String,
    #[serde(default)]
    client_certificate_data: String,
}

fn read_credential(plugin: &Exec, output: &[u8]) -> Result<(Secret, Option<i64>), String> {
    let name = plugin.command.display();
    // The parser's own message could quote the token.
    let credential: ExecCredential = json::read(&String::from_utf8_lossy(output))
        .ok()
        .and_then(|value| decode(value).ok())
        .ok_or_else(|| format!("exec plugin {name} did not print an ExecCredential"))?;
    if credential.api_version != plugin.api_version {
        return Err(format!(
            "exec plugin {name} printed apiVersion {:?}, want {:?}",
            credential.api_version, plugin.api_version
        ));
    }
    let status = credential
        .status
        .ok_or_else(|| format!("exec plugin {name} printed no status"))?;
    if status.token.is_empty() {
        let what = if status.client_certificate_data.is_empty() {
            "no token"
        } else {
            "a client certificate, which is not supported: only tokens are"
        };
        return Err(format!("exec plugin {name} printed {what}"));
    }
    let expires = match status.expiration_timestamp.as_deref() {
        None | Some("") => None,
        Some(text) => Some(parse_time(text).ok_or_else(|| {
            format!("exec plugin {name} printed the expirationTimestamp {text:?}, which is no RFC 3339 time")
        })?),
    };
    Ok((bearer(&status.token), expires))
}

fn parse_time(text: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::clock::ManualClock;

    fn exec(script: &str) -> Auth {
        Auth::Exec(Box::new(Exec {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec![("WORD".to_owned(), Secret::new("w"))],
            ..Exec::default()
        }))
    }

    fn with(auth: Auth, clock: Arc<dyn Clock>) -> Credentials {
        let config = Config {
            auth,
            ..Config::default()
        };
        Credentials::new(&config, clock)
    }

    #[test]
    fn a_refusal_names_whose_credentials_are_at_fault() {
        let check = |auth: Auth, user: &str, cert: &str, want: &str| {
            let mut config = Config {
                auth,
                user: user.to_owned(),
                ..Config::default()
            };
            config.tls.cert = cert.into();
            assert_eq!(
                Credentials::new(&config, ManualClock::new(0)).refused(),
                want
            );
        };
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"system:serviceaccount:monitoring:promop"}"#);
        let token = format!("h.{claims}.s");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, &token).unwrap();
        let in_file = format!(
            "the token of monitoring/promop in {} is not valid",
            path.display()
        );
        check(Auth::TokenFile(path), "", "", &in_file);
        let of = "the token of monitoring/promop is not valid";
        check(Auth::Token(Secret::new(token)), "me", "", of);
        let opaque = || Auth::Token(Secret::new("abc"));
        check(opaque(), "me", "", "the token of user \"me\" is not valid");
        check(opaque(), "", "", "the token is not valid");
        let certificate = "the client certificate of user \"me\" is not accepted";
        check(Auth::Anonymous, "me", "pem", certificate);
        let anonymous = "no credentials were sent, and anonymous requests are refused";
        check(Auth::Anonymous, "me", "", anonymous);
        let plugin = "the token of exec plugin /bin/sh is not valid";
        check(exec(""), "", "", plugin);
    }

    #[test]
    fn a_rotated_token_file_is_read_after_50_seconds_or_a_401() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let clock = ManualClock::new(0);
        let credentials = with(Auth::TokenFile(path.clone()), Arc::clone(&clock) as _);
        let header = || credentials.header().unwrap().unwrap().expose().to_owned();
        assert_eq!(header(), "Bearer one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(header(), "Bearer one");
        clock.advance(Duration::from_secs(50));
        assert_eq!(header(), "Bearer two");
        std::fs::write(&path, "three").unwrap();
        assert!(credentials.forget());
        assert_eq!(header(), "Bearer three");
        std::fs::remove_file(&path).unwrap();
        credentials.forget();
        assert_eq!(header(), "Bearer three");
    }

    #[test]
    fn an_exec_plugin_is_asked_again_before_expiry() {
        let script = r#"echo "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",
            \"status\":{\"token\":\"$WORD-$(date +%N)\",\"expirationTimestamp\":\"1970-01-01T00:10:00Z\"}}""#;
        let clock = ManualClock::new(0);
        let credentials = with(exec(script), Arc::clone(&clock) as _);
        let header = || credentials.header().unwrap().unwrap().expose().to_owned();
        let first = header();
        assert!(first.starts_with("Bearer w-"), "{first}");
        assert_eq!(header(), first);
        clock.advance(Duration::from_secs(541));
        assert_ne!(header(), first);
    }

    #[test]
    fn bad_plugins_say_why_without_their_output() {
        for (script, want) in [
            ("echo secret-thing", "did not print an ExecCredential"),
            ("exit 3", "failed"),
            (
                "echo 'apiVersion: client.authentication.k8s.io/v1'",
                "no status",
            ),
            ("echo '{\"apiVersion\":\"v0\"}'", "apiVersion"),
        ] {
            let credentials = with(exec(script), ManualClock::new(0));
            let error = credentials.header().unwrap_err().to_string();
            assert!(
                error.contains(want) && !error.contains("secret-thing"),
                "{error}"
            );
        }
    }
}

//! What a monitor's job may not have although it loads: files outside of the folders for them, credentials from Secrets that
//! no header can carry.

use crate::config::ScrapeConfig;
use crate::http;
use crate::http::config::Secret;
use crate::model::hash::Fnv1a;
use crate::operator::{Credential, Generator, NamedFile, Origin, Owner};
use crate::rt::files::{Confined, Disk, Files};
use log::warn;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where monitors may name files without further ado: the service account's token, and what prometheus-operator mounts for a
/// Prometheus object's `secrets`, `configMaps` and monitors' TLS assets.
const FOLDERS: [&str; 4] = [
    "/var/run/secrets/kubernetes.io/serviceaccount",
    "/etc/prometheus/secrets",
    "/etc/prometheus/configmaps",
    "/etc/prometheus/certs",
];

/// In the list of folders: every file.
const ANY: &str = "any";

/// The folders in which monitors may name files; none: everywhere.
pub(super) fn folders(said: &[String]) -> Option<Confined> {
    let is_any = said.iter().any(|folder| folder == ANY);
    let said = said.iter().map(String::as_str);
    let folders = FOLDERS.into_iter().chain(said).map(PathBuf::from);
    (!is_any).then(|| Confined::new(folders))
}

/// The disk as the clients of monitors' jobs see it.
pub(super) fn disk(said: &[String]) -> Arc<dyn Files> {
    match folders(said) {
        Some(confined) => Arc::new(confined),
        None => Arc::new(Disk),
    }
}

/// Whether it can stand in the list of folders.
pub(super) fn is_folder(said: &str) -> bool {
    said == ANY || Path::new(said).is_absolute()
}

/// Credentials that were warned of: where they come from, and a hash of what was cut.
pub(super) type Cut = BTreeMap<Origin, u64>;

/// The job as it is to be built.
///
/// # Errors
/// The field, and what is wrong with it.
pub(super) fn vet(
    config: Arc<ScrapeConfig>,
    owner: &Owner,
    generator: &Generator,
    folders: Option<&Confined>,
    cut: &mut Cut,
) -> Result<Arc<ScrapeConfig>, String> {
    // Additional jobs are the operator's own.
    if matches!(owner, Owner::Additional { .. }) {
        return Ok(config);
    }
    if let Some(folders) = folders {
        check_files(&config.http, owner, generator, folders)?;
    }
    tidy(config, owner, generator, cut)
}

fn check_files(
    http: &http::config::Config,
    owner: &Owner,
    generator: &Generator,
    folders: &Confined,
) -> Result<(), String> {
    let token = http.authorization.as_ref().map(|a| &*a.credentials_file);
    let tls = &http.tls;
    for (file, path) in [
        (NamedFile::Token, token.unwrap_or_default()),
        (NamedFile::Ca, &tls.ca_file),
        (NamedFile::Cert, &tls.cert_file),
        (NamedFile::Key, &tls.key_file),
    ] {
        if path.is_empty()
            || folders.holds(Path::new(path))
            || generator.is_of_class(owner, file, path)
        {
            continue;
        }
        let field = file.field();
        let list: Vec<_> = folders
            .folders()
            .iter()
            .map(|f| f.display().to_string())
            .collect();
        return Err(format!(
            "{field}: the file {path} lies outside of the folders in which monitors may name files ({}); \
             --monitor-files FOLDER (monitorFiles in the settings) adds one, --monitor-files any allows every file",
            list.join(", ")
        ));
    }
    Ok(())
}

/// Cuts line breaks off the ends of what Secrets hold: `echo token | base64` leaves one, and no header can have it. A
/// deviation from upstream, whose scrapes fail.
fn tidy(
    config: Arc<ScrapeConfig>,
    owner: &Owner,
    generator: &Generator,
    cut: &mut Cut,
) -> Result<Arc<ScrapeConfig>, String> {
    let it = &config.http;
    let is_anonymous = it.authorization.is_none() && it.basic_auth.is_none() && it.oauth2.is_none();
    if is_anonymous && it.proxy.connect_header.is_empty() {
        return Ok(config);
    }
    let mut http = http::config::Config::clone(it);
    let mut is_changed = false;
    for (credential, text) in credentials(&mut http) {
        let has_break = text.get().ends_with(['\n', '\r']);
        let rest = if has_break {
            text.get().trim_end()
        } else {
            text.get()
        };
        let invalid = rest
            .bytes()
            .find(|byte| credential.is_header() && !is_in_header(*byte));
        if !has_break && invalid.is_none() {
            continue;
        }
        let Some(origin) = generator.origin(owner, &credential) else {
            continue;
        };
        if let Some(byte) = invalid {
            return Err(format!(
                "{origin} holds the byte {byte:#04x}, which no HTTP header can have: is it a file with several lines, or no token?"
            ));
        }
        if rest.is_empty() {
            return Err(format!("{origin} holds nothing but line breaks"));
        }
        let hash = Fnv1a::new().write(text.get().as_bytes()).finish();
        if cut.get(&origin) != Some(&hash) {
            warn!(
                "a line break at the end of a credential is cut off, it is better taken out of the object {owner}: {origin}"
            );
            cut.insert(origin, hash);
        }
        let rest = rest.to_owned();
        text.set(rest);
        is_changed = true;
    }
    if !is_changed {
        return Ok(config);
    }
    Ok(Arc::new(ScrapeConfig {
        http: Arc::new(http),
        ..ScrapeConfig::clone(&config)
    }))
}

/// As the client has it, which refuses the others at each scrape (Go: golang.org/x/net/http/httpguts, ValidHeaderFieldValue).
fn is_in_header(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// A credential in a client's settings.
enum Text<'a> {
    Plain(&'a mut Box<str>),
    Secret(&'a mut Secret),
}

impl Text<'_> {
    fn get(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }

    fn set(self, text: String) {
        match self {
            Self::Plain(place) => *place = text.into(),
            Self::Secret(place) => *place = Secret::new(text),
        }
    }
}

fn credentials(http: &mut http::config::Config) -> Vec<(Credential, Text<'_>)> {
    let mut found = Vec::new();
    if let Some(it) = &mut http.authorization {
        let text = Text::Secret(&mut it.credentials);
        found.push((Credential::Authorization, text));
    }
    if let Some(it) = &mut http.basic_auth {
        found.push((Credential::Username, Text::Plain(&mut it.username)));
        found.push((Credential::Password, Text::Secret(&mut it.password)));
    }
    let mut proxies = vec![(&mut http.proxy, false)];
    if let Some(it) = &mut http.oauth2 {
        found.push((Credential::ClientId, Text::Plain(&mut it.client_id)));
        found.push((
            Credential::ClientSecret,
            Text::Secret(&mut it.client_secret),
        ));
        proxies.push((&mut it.proxy, true));
    }
    for (proxy, is_of_oauth2) in proxies {
        for (name, values) in &mut proxy.connect_header {
            for (index, value) in values.iter_mut().enumerate() {
                let (header, text) = (name.clone(), Text::Secret(value));
                found.push((
                    Credential::ProxyHeader {
                        is_of_oauth2,
                        header,
                        index,
                    },
                    text,
                ));
            }
        }
    }
    found
}

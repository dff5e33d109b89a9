//! Relative paths in a configuration are relative to its file (Go: path/filepath, `Join`).

use super::{Config, Global, ScrapeConfig, SdConfig};
use crate::http;
use std::sync::Arc;

/// The folder of a file, as Go's `filepath.Dir`.
pub(super) fn folder_of(path: &str) -> String {
    clean(path.rsplit_once('/').map_or(
        "",
        |(folder, _)| if folder.is_empty() { "/" } else { folder },
    ))
}

/// A path that is neither empty nor absolute, seen from a folder.
pub(super) fn join(folder: &str, path: &str) -> Box<str> {
    if path.is_empty() || path.starts_with('/') {
        return path.into();
    }
    clean(&format!("{folder}/{path}")).into()
}

/// Without `.`, `..` and doubled slashes, where that can be done by the text alone.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Joins the paths of `global`.
pub(super) fn place_global(global: &mut Global, folder: &str) {
    global.query_log_file = join(folder, &global.query_log_file);
    global.scrape_failure_log_file = join(folder, &global.scrape_failure_log_file);
}

/// Joins the paths of the document's own lists of files.
pub(super) fn place_files(config: &mut Config, folder: &str) {
    for file in &mut config.scrape_config_files {
        *file = join(folder, file);
    }
}

/// Joins the paths of a job; `client` is asked to do so for the settings of its clients.
pub(super) fn place_job(
    job: &mut ScrapeConfig,
    folder: &str,
    mut client: impl FnMut(&mut Arc<http::config::Config>),
) {
    job.failure_log_file = join(folder, &job.failure_log_file);
    client(&mut job.http);
    for sd in &mut job.discovery {
        match sd {
            SdConfig::File(sd) => sd
                .files
                .iter_mut()
                .for_each(|file| *file = join(folder, file)),
            SdConfig::Http(sd) => client(&mut sd.http),
            SdConfig::Kubernetes(sd) => {
                let sd = Arc::make_mut(sd);
                sd.kubeconfig_file = join(folder, &sd.kubeconfig_file);
                client(&mut sd.http);
            }
            SdConfig::Static(_) => {}
        }
    }
}

/// Joins the paths of a client's settings.
pub(super) fn place_client(client: &mut http::config::Config, folder: &str) {
    let place = |path: &mut Box<str>| *path = join(folder, path);
    let place_tls = |tls: &mut http::config::Tls| {
        [&mut tls.ca_file, &mut tls.cert_file, &mut tls.key_file]
            .into_iter()
            .for_each(place);
    };
    place_tls(&mut client.tls);
    if let Some(basic) = &mut client.basic_auth {
        [&mut basic.username_file, &mut basic.password_file]
            .into_iter()
            .for_each(place);
    }
    if let Some(authorization) = &mut client.authorization {
        place(&mut authorization.credentials_file);
    }
    if let Some(oauth2) = &mut client.oauth2 {
        // Upstream leaves `client_certificate_key_file` as it is.
        place(&mut oauth2.client_secret_file);
        place_tls(&mut oauth2.tls);
    }
    for header in client
        .headers
        .iter_mut()
        .flat_map(|headers| headers.values_mut())
    {
        header.files.iter_mut().for_each(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_go_does() {
        for (folder, path, want) in [
            ("a/b", "c", "a/b/c"),
            ("a", "./c//d", "a/c/d"),
            ("a", "../../c", "../c"),
            (".", "c", "c"),
            ("/", "../c", "/c"),
            ("a", "/c", "/c"),
            ("a", "", ""),
        ] {
            assert_eq!(&*join(folder, path), want);
        }
        assert_eq!(folder_of("a/b.yml"), "a");
        assert_eq!(folder_of("b.yml"), ".");
        assert_eq!(folder_of("/b.yml"), "/");
    }
}

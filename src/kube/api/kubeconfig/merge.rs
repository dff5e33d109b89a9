//! Several files as one, and the cluster and user of one context out of it (client-go: tools/clientcmd/loader.go).

use super::{Cluster, Context, File, Found, User};
use crate::kube::api::config::ConfigError;
use std::path::{Path, PathBuf};

/// One context with what it names.
pub(super) struct Picked {
    /// In words: which context of which files.
    pub(super) origin: String,
    pub(super) context: Context,
    pub(super) cluster: Found<Cluster>,
    pub(super) user: Found<User>,
}

/// The first file that defines a name wins, whole; and the first current context that is not empty.
pub(super) fn pick(
    files: Vec<(PathBuf, File)>,
    context: Option<&str>,
    all: &str,
) -> Result<Picked, ConfigError> {
    let current = files
        .iter()
        .find_map(|(_, file)| file.current_context.clone().filter(|c| !c.is_empty()));
    let wanted = context.map(str::to_owned).or(current);
    let wanted = wanted.ok_or_else(|| {
        ConfigError::new(
            all,
            format!(
                "no current-context is set, and no context was asked for; {}",
                choice(files.iter().flat_map(|(_, file)| {
                    file.contexts.iter().flatten().map(|c| c.name.as_str())
                }))
            ),
        )
    })?;
    let (mut contexts, mut clusters, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for (path, file) in files {
        let folder = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
        contexts.extend(
            file.contexts
                .into_iter()
                .flatten()
                .map(|c| (c.name, c.context)),
        );
        for named in file.clusters.into_iter().flatten() {
            let value = named.cluster;
            clusters.push((
                named.name,
                Found {
                    value,
                    folder: folder.clone(),
                },
            ));
        }
        for named in file.users.into_iter().flatten() {
            let value = named.user.unwrap_or_default();
            users.push((
                named.name,
                Found {
                    value,
                    folder: folder.clone(),
                },
            ));
        }
    }
    let missing = |what: &str, name: &str, there: String| {
        let asked = if what == "context" {
            String::new()
        } else {
            format!(", which context {wanted:?} names")
        };
        ConfigError::new(all, format!("there is no {what} {name:?}{asked}; {there}"))
    };
    let there = choice(contexts.iter().map(|(name, _)| name.as_str()));
    let context = first(contexts, &wanted).ok_or_else(|| missing("context", &wanted, there))?;
    let there = choice(clusters.iter().map(|(name, _)| name.as_str()));
    let cluster = first(clusters, &context.cluster)
        .ok_or_else(|| missing("cluster", &context.cluster, there))?;
    let there = choice(users.iter().map(|(name, _)| name.as_str()));
    // client-go: a context without a user is anonymous, one with an unknown user is an error.
    let user = match context.user.as_str() {
        "" => Found {
            value: User::default(),
            folder: PathBuf::new(),
        },
        name => first(users, name).ok_or_else(|| missing("user", name, there))?,
    };
    Ok(Picked {
        origin: format!("context {wanted} of {all}"),
        context,
        cluster,
        user,
    })
}

fn choice<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        "there is none at all".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    }
}

fn first<T>(named: Vec<(String, T)>, name: &str) -> Option<T> {
    named
        .into_iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| value)
}

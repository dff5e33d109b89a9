//! The way to the cluster, from settings and environment, and what HTTP clients need.

use super::error::{Error, ErrorKind, system};
use super::settings::{Environment, Source};
use crate::USER_AGENT;
use crate::http::client::{HttpContext, Resolver};
use crate::http::{proxy, tls};
use crate::kube::{self, Informers, Tuning};
use crate::rt::clock::Clock;
use crate::rt::files::{Disk, reason};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where monitors come from, and the namespace that is ours there; none if Kubernetes is not wanted.
pub(super) fn source(
    source: &Source,
    environment: &Environment,
    roots: &Arc<tls::SharedRoots>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<(kube::Source, String)>, Error> {
    let found = match source {
        Source::None => return Ok(None),
        Source::Folder(path) => {
            std::fs::read_dir(path).map_err(|error| {
                let (path, reason) = (path.display(), reason(&error));
                let text =
                    format!("the folder of Kubernetes objects, {path}, cannot be read: {reason}");
                Error::new(ErrorKind::Settings, text)
            })?;
            (
                kube::Source::Folder(path.clone()),
                kube::DEFAULT_NAMESPACE.to_owned(),
            )
        }
        Source::Cluster => cluster(None, None, environment, roots, clock)?,
        Source::Kubeconfig { path, context } => cluster(
            path.as_deref(),
            context.as_deref(),
            environment,
            roots,
            clock,
        )?,
    };
    Ok(Some(found))
}

/// Watches of what is in scope.
pub(super) fn informers(
    source: kube::Source,
    scope: kube::Scope,
    clock: &Arc<dyn Clock>,
) -> Result<Informers, Error> {
    Informers::start(source, scope, Tuning::default(), Arc::clone(clock))
        .map_err(|error| system("watches", error))
}

/// The API server, found as `kubectl` finds it, and the namespace that is ours there.
fn cluster(
    kubeconfig: Option<&str>,
    context: Option<&str>,
    environment: &Environment,
    roots: &Arc<tls::SharedRoots>,
    clock: &Arc<dyn Clock>,
) -> Result<(kube::Source, String), Error> {
    let mut config = find_cluster(kubeconfig, context, environment)
        .map_err(|error| Error::with(ErrorKind::Kubernetes, "no way to an API server", error))?;
    if let Some(namespace) = environment
        .get("POD_NAMESPACE")
        .filter(|name| !name.is_empty())
    {
        config.namespace = namespace.to_owned();
    }
    let own = config.namespace.clone();
    let client = kube::Client::new(config, USER_AGENT, Arc::clone(roots), Arc::clone(clock))
        .map_err(|error| {
            Error::with(
                ErrorKind::Kubernetes,
                "the API client cannot be built",
                error,
            )
        })?;
    Ok((kube::Source::Api(client), own))
}

/// The named kubeconfig, else `KUBECONFIG`, else the one in the home folder, else the service account of the pod
/// (client-go: tools/clientcmd, DeferredLoadingClientConfig). A broken kubeconfig is an error, not a reason to look further.
fn find_cluster(
    kubeconfig: Option<&str>,
    context: Option<&str>,
    environment: &Environment,
) -> Result<kube::Config, kube::config::ConfigError> {
    let env = |name: &str| environment.get(name).unwrap_or_default();
    let home = Path::new(env("HOME")).join(".kube/config");
    let paths: Vec<PathBuf> = match (kubeconfig, env("KUBECONFIG")) {
        (Some(path), _) => vec![path.into()],
        (None, "") if home.exists() => vec![home],
        (None, list) => list
            .split(':')
            .filter(|path| !path.is_empty())
            .map(Into::into)
            .collect(),
    };
    if paths.is_empty() {
        let (host, port) = (
            env("KUBERNETES_SERVICE_HOST"),
            env("KUBERNETES_SERVICE_PORT"),
        );
        return kube::Config::in_cluster(host, port, Path::new(kube::config::SERVICE_ACCOUNT));
    }
    kube::kubeconfig::load(&paths, context)
}

pub(super) fn surroundings(environment: &Environment) -> HttpContext {
    let text = |names: [&str; 2]| {
        let found = names.into_iter().find_map(|name| environment.get(name));
        Box::from(found.unwrap_or_default())
    };
    HttpContext {
        files: Arc::new(Disk),
        roots: Arc::default(),
        resolver: Resolver::default(),
        proxies: proxy::Environment {
            http: text(["HTTP_PROXY", "http_proxy"]),
            https: text(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: text(["NO_PROXY", "no_proxy"]),
        },
        user_agent: USER_AGENT.into(),
    }
}

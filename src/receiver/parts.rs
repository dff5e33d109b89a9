//! What a receiver is made of, from its settings and the environment: the way to the cluster, the generator's settings,
//! what HTTP clients need.

use super::error::{Error, ErrorKind, system};
use super::settings::{Environment, Settings, Source};
use crate::USER_AGENT;
use crate::config;
use crate::http::client::{HttpContext, Resolver};
use crate::http::{proxy, tls};
use crate::kube::{self, Informers, Tuning};
use crate::model::hash::Fnv1a;
use crate::operator::{self, Assets, Placeholders, Snapshot};
use crate::rt::clock::Clock;
use crate::rt::files::{Disk, reason};
use std::collections::BTreeMap;
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

/// The shard that is ours, if anybody said so: the settings, else `SHARD`.
pub(super) fn shard(settings: &Settings, environment: &Environment) -> Result<Option<u32>, Error> {
    let text = environment.get("SHARD").filter(|text| !text.is_empty());
    match (settings.shard, text) {
        (None, Some(text)) => text.parse().map(Some).map_err(|_| {
            Error::new(
                ErrorKind::Settings,
                format!("SHARD={text:?} is no number of a shard"),
            )
        }),
        (shard, _) => Ok(shard),
    }
}

/// What the generator is told: the newest Prometheus, and values where upstream writes variables.
pub(super) fn for_run(
    settings: operator::Settings,
    shard: Option<u32>,
    environment: &Environment,
) -> Result<operator::Settings, operator::Error> {
    let mut generator = settings.for_run()?;
    let mut values = pod_environment(&generator, shard, environment);
    for name in ["POD_NAME", "NODE_NAME"] {
        let host = environment
            .get("HOSTNAME")
            .filter(|_| environment.get(name).is_none());
        values.extend(host.map(|host| (name.to_owned(), host.to_owned())));
    }
    generator.placeholders = Placeholders::new(values);
    Ok(generator)
}

/// Whether what all jobs have in common can be generated and loaded: if not, nothing would ever be scraped.
pub(super) fn check_frame(
    settings: &operator::Settings,
    environment: &Environment,
) -> Result<(), Error> {
    let wrong = |error: String| Error::new(ErrorKind::Settings, format!("prometheus: {error}"));
    let mut settings = settings.clone();
    // Its Secret is not known yet.
    settings.spec.additional_scrape_configs = None;
    let generated = operator::generate(&Snapshot::default(), &Assets::default(), &settings)
        .map_err(|error| wrong(error.to_string()))?;
    let context = config::Context {
        path: "",
        files: &Disk,
        env: &|name| environment.get(name).map(str::to_owned),
    };
    config::load(generated.head.as_bytes(), &context)
        .map(drop)
        .map_err(|error| wrong(error.to_string()))
}

/// The variables of a pod: upstream's for the shard, unless the environment says otherwise.
pub(super) fn pod_environment(
    generator: &operator::Settings,
    shard: Option<u32>,
    environment: &Environment,
) -> BTreeMap<String, String> {
    let shard = shard
        .or_else(|| ordinal(generator, environment))
        .unwrap_or(0);
    let mut values = generator.pod_environment(shard, 0);
    for name in ["POD_NAME", "NODE_NAME"] {
        let value = environment.get(name).map(str::to_owned);
        values.extend(value.map(|value| (name.to_owned(), value)));
    }
    values
}

/// What is wrong with the number of our shard: one that there is not has no targets. `shard` is what the settings or `SHARD` say.
pub(super) fn shard_problem(
    generator: &operator::Settings,
    shard: Option<u32>,
    environment: &Environment,
) -> Option<String> {
    let shards = generator.spec.shards();
    let pod = environment.get("POD_NAME").unwrap_or_default();
    let (said_by, number) = match (shard, ordinal(generator, environment)) {
        (Some(number), _) => ("--shard, the setting `shard`, or SHARD".to_owned(), number),
        (None, Some(number)) => (format!("the number at the end of POD_NAME={pod}"), number),
        (None, None) => return None,
    };
    // A DaemonSet's pods divide targets by node.
    let is_one = number < shards || generator.features.daemon_set;
    let last = shards.saturating_sub(1);
    (!is_one).then(|| {
        format!(
            "there is no shard {number} ({said_by}): of {shards} shards the numbers are 0 to {last}"
        )
    })
}

/// The number of the pod as that of its shard. Without shards it says nothing: every pod scrapes everything.
fn ordinal(generator: &operator::Settings, environment: &Environment) -> Option<u32> {
    pod_ordinal(environment).filter(|_| generator.spec.shards() > 1)
}

/// The number at the end of a StatefulSet's pod's name.
fn pod_ordinal(environment: &Environment) -> Option<u32> {
    let (_, ordinal) = environment.get("POD_NAME")?.rsplit_once('-')?;
    ordinal.parse().ok()
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

/// Gives each replica other phases of the interval (prometheus: scrape/manager.go, setOffsetSeed: the host's name and the
/// external labels; the pod's name stands for both here, so that a changed configuration moves nothing).
pub(super) fn seed(environment: &Environment) -> u64 {
    let name = ["POD_NAME", "HOSTNAME"]
        .into_iter()
        .find_map(|name| environment.get(name));
    Fnv1a::new()
        .write(name.unwrap_or_default().as_bytes())
        .finish()
}

/// Who we are among other pods of our kind.
pub(super) fn instance(environment: &Environment) -> String {
    let names = ["POD_NAME", "HOSTNAME"].into_iter();
    let found = names.filter_map(|name| environment.get(name)).next();
    found.unwrap_or("promop").to_owned()
}

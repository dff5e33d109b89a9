//! The request of a scrape and what comes back: headers, status, inflation (prometheus: scrape/scrape.go, targetScraper).

use super::job::Job;
use super::state::{TargetState, Worker};
use super::target::Target;
use crate::config::ScrapeConfig;
use crate::http::client::{Request, Response};
use crate::http::error::Error;

/// Asks a target for its page. It lies in `worker.buffers` then, perhaps compressed.
pub(super) fn fetch(
    target: &Target,
    state: &mut TargetState,
    worker: &mut Worker,
) -> Result<Response, Error> {
    if let Some(error) = target.request_error() {
        return Err(Error::failed(error));
    }
    if target.identity.internal.get("__unix_socket__").is_some() {
        return Err(Error::failed(
            "__unix_socket__ is not supported: scrape the target over TCP",
        ));
    }
    let config = &target.config;
    let timeout = target.timeout.as_secs_f64().to_string();
    let encoding = if config.enable_compression {
        "gzip"
    } else {
        "identity"
    };
    let request = Request {
        url: &target.url,
        headers: &[
            ("Accept", &state.job.accept),
            ("Accept-Encoding", encoding),
            ("X-Prometheus-Scrape-Timeout-Seconds", &timeout),
        ],
    };
    let response = state.job.client.exchange(
        &mut state.connection,
        &request,
        target.timeout,
        limit(&state.job),
        &worker.interrupt,
        &mut worker.buffers,
    )?;
    if response.status != 200 {
        let hint = rights_hint(response.status, config);
        let text = format!("server returned HTTP status {}{hint}", response.status_text);
        return Err(Error::failed(text));
    }
    if response.zstd {
        // prometheus: scrape/scrape.go, errZstdNotEnabled
        return Err(Error::failed(
            "received a zstd-compressed response, but the \"zstd-scrape\" feature flag is not enabled",
        ));
    }
    Ok(response)
}

/// Where the tokens of a pod's service account stand.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/";

/// API server, kubelet and kube-rbac-proxy ask the API server whether a service account may read their metrics.
fn rights_hint(status: u16, config: &ScrapeConfig) -> &'static str {
    let sent = config.http.authorization.as_ref();
    let is_account = sent.is_some_and(|a| a.credentials_file.starts_with(SERVICE_ACCOUNT));
    match status {
        401 if is_account => " (the token of promop's service account was sent)",
        403 if is_account => {
            " (promop's service account lacks the right: get on nodes/metrics, or on the nonResourceURL of the path, as in scripts/rbac/cluster.yaml)"
        }
        _ => "",
    }
}

/// Puts the page into `worker.page`. Costs CPU if it was compressed.
pub(super) fn inflate(response: &Response, job: &Job, worker: &mut Worker) -> Result<(), Error> {
    if response.gzip {
        let compressed = &worker.buffers.body;
        return worker
            .inflater
            .inflate(compressed, limit(job), &mut worker.page);
    }
    std::mem::swap(&mut worker.page, &mut worker.buffers.body);
    Ok(())
}

/// `body_size_limit`, or what we allow if that is less.
fn limit(job: &Job) -> Option<u64> {
    let configured = u64::try_from(job.config.limits.body_size).ok();
    let configured = configured.filter(|limit| *limit > 0);
    Some(configured.unwrap_or(u64::MAX).min(job.options.bounds.page))
}

/// Which limit a page has exceeded.
pub(super) fn too_large(job: &Job, error: &Error) -> String {
    let limit = limit(job).unwrap_or_default();
    let ours = if limit == job.options.bounds.page {
        ", maxPageBytes"
    } else {
        ""
    };
    format!("{} (limit: {limit} bytes{ours})", error.message)
}

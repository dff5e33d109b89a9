//! Where promop differs from prometheus-operator, Prometheus and the collector on purpose, and what it cannot do yet.
//!
//! Behaviour is that of prometheus-operator v0.93.1, Prometheus 3.15 (module v0.315.0) and the collector's
//! `prometheusreceiver` v0.164.1. Everything not listed here is meant to be equal; a difference is a defect.
//!
//! # Generating
//!
//! - Without an inherited Prometheus object every monitor in every namespace is selected, and targets come from
//!   EndpointSlices; upstream always has an object, which selects nothing by default.
//! - `promop run` generates for the newest supported version; an inherited 2.x version only maps defaults that differ.
//!   `promop generate` honours the version.
//! - `promop run` puts values only where the generator itself wrote `$(SHARD)`, `$(POD_NAME)` or `$(NODE_NAME)`; the same text in
//!   a monitor is literal. Upstream's config reloader replaces it everywhere; `promop generate --expand` does as well.
//! - A monitor whose job Prometheus would refuse is rejected with the loader's reason, and its last good version runs on;
//!   upstream writes it, and Prometheus refuses the whole configuration.
//! - `promop generate` and `--from-dir` refuse monitors as an API server with the current definitions would: with its path and
//!   reason, one by one. The schema of a Prometheus or PrometheusAgent in a file is not applied, only the types of its fields.
//!   `promop generate` writes a job that Prometheus would refuse, as upstream does, says so and exits with 3.
//! - `Probe` and `ScrapeConfig` objects are not read.
//! - An inherited object that is missing, unreadable or of no use leaves the last usable settings in force; monitors go on to apply.
//! - Of an inherited Prometheus object only what concerns scraping is carried over; every other field that is set is listed once,
//!   as a warning if it shapes what is scraped. An agent in `DaemonSet` mode says how many ServiceMonitors it leaves out.
//!   `storage` keeps a server's retention, as upstream writes it; it has no effect here.
//! - An authorization for a Prometheus before 2.26 rejects the monitor; upstream's operator crashes.
//! - `additionalScrapeConfigs` are read and written again as upstream does it: `yes` becomes `true`, `010` becomes `8`, merge keys
//!   (`<<`) vanish with what they would merge.
//! - A certificate's key is compared with it for RSA (2048 bits or more), P-256, P-384 and Ed25519; of other kinds the pair is accepted,
//!   and its job is rejected when its client is built.
//!
//! ## Kept from prometheus-operator, though it may surprise
//!
//! - References of `apiserverConfig` and of scrape classes are looked up in the *monitor's* namespace. What is not found there
//!   comes out empty, or as a path without a file; a class's `authorization.credentials` only work where a monitor of the same
//!   namespace has loaded the same Secret. Use files (`credentialsFile`, `caFile`) in classes.
//! - `cert` from a Secret with `keyFile`: the certificate is not mounted. A certificate authority that is empty is named, but not
//!   mounted.
//! - `authorization.credentials` without a name, and a PodMonitor's `bearerTokenSecret` without a key, send no credentials.
//! - Values of a monitor's selector, ports and names of ports are regular expressions: `version: v1.2` also selects `v1x2`.
//!   `selectorMechanism: RoleSelector` compares exactly.
//! - Label keys that differ only in characters that label names cannot have (`a.b/c`, `a_b_c`) are one label.
//! - `optional: true` in a monitor is ignored: a missing Secret or key rejects it until it appears.
//! - `bearerTokenSecret: {key: ""}`, which old clients wrote, counts as set and excludes any other authentication.
//! - An override of honored timestamps writes `honor_timestamps: false` even where nothing was said.
//! - `enforcedBodySizeLimit: 0` counts as set; a global limit above the enforced one is lowered to it, but for `bodySizeLimit`.
//! - A ServiceMonitor's empty `tlsConfig: {}` keeps the class's TLS settings out but for its files; a PodMonitor's does not.
//! - `nativeHistogramMinBucketFactor: "1.2"` is written as `1.2000000000000002`.
//! - A Secret's value goes into the configuration with the line break it ends with, if any.
//! - A monitor that waits for finalizers still has jobs.
//!
//! # Loading
//!
//! - `promop check` is the server's loader, not `promtool`: no linting, no look at the files that are named.
//! - `rule_files`, `alerting`, `remote_read`, `storage` and the like are checked as Prometheus does, and have no effect. How an entry
//!   of `alertmanagers` is discovered is only looked at where promop knows the mechanism.
//! - A second byte order mark is skipped or an error of another line than go-yaml's, which loses a character there.
//! - In brackets and braces, plain text with a colon in front of a comma or bracket (`[a:,]`) is refused, and so is a tag without
//!   a blank behind it (`[!!str,]`); go-yaml reads them. Quote the text. Old files of `additionalScrapeConfigs` likewise.
//! - Where a text is no YAML in several places, the line named may be that of another error than go-yaml's. Behind an empty `{}` or
//!   `[]` at its beginning, go-yaml reads no further; here the rest is an error.
//! - A quoted `"~"` or `"null"` as the action or regex of a rule or as a discovery role is refused; Prometheus does not look at it
//!   when it loads, and panics or fails later.
//! - Regular expressions of relabel rules are RE2's, but bounded: 64 KiB of text, 250 levels, 256 KiB compiled.
//! - Text that is not valid UTF-8 (`!!binary`) is refused, but for static targets and their labels; Prometheus takes any bytes.
//!
//! # Discovering and scraping
//!
//! - A reload keeps targets whose identity and scrape settings are unchanged, with their next slot; upstream restarts the loops
//!   of a pool whose configuration changed, and writes end-of-run markers for live series.
//! - A job that cannot be discovered yet (no right, slow API server) does not hold up the others; it starts when synced. Nor do
//!   monitors that cannot be listed: at the start the others wait for them 10 s at most.
//! - A monitor that selects a namespace outside `--namespaces` gets no targets from there: a warning, and the `reason` in
//!   `/api/v1/monitors`.
//! - A list has at most 1,000 pages, 250,000 objects and 512 MiB, an object 16 MiB, and it takes at most two minutes; a list of
//!   another kind than was asked for is an error. What is known stays.
//! - A target with the label `__unix_socket__` fails with an error: targets are scraped over TCP only.
//! - Requests are HTTP/1.1; `enable_http2` has no effect. TLS is 1.2 or 1.3.
//!   A lower `min_version` means 1.2, with a warning; a lower `max_version` is refused when the client is built. So are keys of
//!   client certificates other than RSA with 2048 to 4096 bits, ECDSA with P-256 or P-384, and Ed25519.
//! - Servers whose certificates, or those of their CAs, have P-521 keys or RSA keys with fewer than 2048 bits are down, and so are
//!   servers that offer nothing but CBC cipher suites of TLS 1.2; the error says which. With `insecure_skip_verify` any
//!   certificate will do.
//! - The whole exchange is bounded by the scrape timeout: name look-ups, connecting and OAuth2 token requests, too. Upstream
//!   lets a token request run on.
//! - A page is bounded (`maxPageBytes`, 128 MiB), whatever `body_size_limit` allows, and so are a label (1 MiB), the labels of a
//!   series or target (2 MiB), those of `target_info` and exemplars (1024), and the labels that all series of a target take
//!   together; see `manual::settings`. What exceeds them fails that scrape or leaves that target out, an exemplar is dropped.
//! - Reading a page counts against the scrape timeout, waiting for the CPU does not. A pattern that is too complicated for a
//!   long value (about 256 places for 1 MiB) fails the scrape or target, and so does relabelling that takes too long.
//! - Monitors, jobs and targets with an interval below 100 ms are rejected (`--min-scrape-interval`), and so is a monitor whose
//!   jobs take more than 16 MiB (`maxMonitorBytes`).
//! - When the wall clock is set, timestamps begin anew on the new time, and none is given to a target twice. Upstream repeats
//!   the last one until a clock that was set back has caught up.
//! - The errors of exceeded limits end with the number and the limit.
//! - Whatever the limit, a page of 4 GiB and more is an error. The head
//!   of a response is cut off at 64 KiB. A response with both Content-Length and Transfer-Encoding is refused;
//!   upstream believes the latter.
//! - A protobuf page whose metrics have so many labels and buckets that the labels of all series together take more than 64 MiB and
//!   64 times the page's length is an error, and so is an OpenMetrics page whose units do so as labels of their series.
//! - When the rules of a job change that make its series, a target begins anew with its next slot; series that only the old
//!   rules made get no markers.
//! - A target that vanishes and comes back before its end-of-run markers are due goes on as if it had not been away.
//! - Credentials follow a redirect only to the same host name (its port may be another), and never from https to http. Values of
//!   `http_headers` from `secrets` and `files` count as credentials.
//! - Monitors may name files (`bearerTokenFile`, `tlsConfig.caFile`, `certFile`, `keyFile`) only in
//!   `/var/run/secrets/kubernetes.io/serviceaccount`, `/etc/prometheus/secrets`, `configmaps` and `certs`, and in those of
//!   `--monitor-files`; links that lead out of them are refused. Upstream lets them name every file.
//! - Certificates, tokens and passwords are read from regular files of at most 1 MiB, lists of jobs and targets of at most 64 MiB.
//! - A line break at the end of a credential that a monitor has from a Secret is cut off, with a warning; other bytes that no
//!   header can have reject the monitor. Upstream's scrapes fail.
//! - Clients of an API server: no impersonation, no `auth-provider`, no SOCKS proxy; of exec plugins tokens are taken, client
//!   certificates are not. Beside `api_server`, `kubernetes_sd_configs` takes TLS settings, basic authentication and bearer
//!   tokens; OAuth2, further headers and `proxy_from_environment` are an error of the job: use `kubeconfig_file`.
//! - Files of `file_sd_configs` are looked at every two seconds instead of by the kernel's notice.
//! - Discovery other than `kubernetes_sd_configs`, `static_configs`, `file_sd_configs` and `http_sd_configs` is refused.
//!
//! # Handing on
//!
//! - The scope is named `prometheus-operator-receiver` with promop's version; requests have the User-Agent `promop/<version>`.
//! - OTLP over HTTP with protobuf only; neither gRPC nor JSON.
//! - What a backend does not take is tried again until the queue is full, then the oldest goes; the collector gives up after
//!   five minutes. Certificates of an exporter are read at start only.
//! - A scope without metrics is left out; upstream writes it beside others.
//! - A native histogram whose gaps claim more than 524 288 buckets of a sign is left out; upstream writes all the zeros.
//! - Where a family changes its type so that the marker of one series takes the name of another's live value (`x` and `x_total`),
//!   both are written; upstream loses one. A series still on the page that a new type refuses gets no marker.
//! - Histogram parts that were refused for their timestamps get a stale marker when they vanish; upstream has forgotten them.
//!
//! # Status endpoints
//!
//! - `/api/v1/targets`: `globalUrl` equals `scrapeUrl`, as there is no external address. Targets of a job are sorted.
//! - `/config` is the YAML text alone, not a page.
//!
//! # Not yet
//!
//! - SIGHUP reads the settings file again, but only `prometheus`, `shard`, `additionalScrapeConfigs`, `monitorFiles`,
//!   `lastGoodMaxAge` and `assetRefresh` apply at once. The others hold until the next start; the log names those that changed.
//! - Outputs other than OTLP over HTTP and standard output.

//! Running promop: signals, what to look at when something is missing, and which rights are needed for what.
//!
//! # Signals
//!
//! | Signal | Effect |
//! |---|---|
//! | SIGHUP | the settings file, additional scrape configs, credentials and the folder of `--from-dir` are read again, and what changed is applied |
//! | SIGTERM, SIGINT | no further scrape; those under way have 2 s; queues drain until `--shutdown-timeout`, what waits in a back-off is tried at once; exit code 0. Whatever 2 s later still computes or is blocked is named and left behind: exit code 1. No stale markers, as upstream |
//! | whoever reads `--output stdout` has gone (`\| head`) | as SIGTERM |
//! | a second SIGINT | ends at once, exit code 130 |
//!
//! # When something is missing
//!
//! | Seen | Look at | Usual reason |
//! |---|---|---|
//! | `/-/ready` is 503 | its text | a right is missing (the text names it), the API server is away, neither definition of monitors is installed (one of them may be absent) |
//! | a monitor has no effect | `/api/v1/monitors`; the log: `monitor rejected`; `promop_rejected_monitors` | the reason stands there |
//! | a monitor is selected, but no target comes | `/config`, then `droppedTargets` of `/api/v1/targets` | the Service's labels, the port's name |
//! | a target is down | the log (`target down`, once, and `target up again`); `lastError` in `/api/v1/targets`; `promop_targets` | the cause stands there |
//! | metrics don't arrive | `promop_exporter_*` in `/metrics`, the log | the endpoint, its credentials |
//! | a change has no effect | `prometheus_config_last_reload_successful`, the log | settings that do not load: the old configuration runs on |
//!
//! A monitor that became invalid keeps its last good version for `lastGoodMaxAge`; log, metric and `/api/v1/monitors` say so.
//!
//! `/api/v1/monitors` answers `{"status": "success", "data": […]}` with, for each monitor that gives a job or is not used as it is,
//! `kind`, `namespace`, `name` and `state` (`applied`, `rejected`, `last-good`); for the latter two `cause` (the `reason` of the
//! metric) and `reason`, and for the last `lastGoodAge` in seconds. An applied one has a `reason` if targets of it cannot be found.
//!
//! A Secret or ConfigMap that is missing rejects the monitors that name it; it is looked for again within 10 s (or `assetRefresh`,
//! if that is less), so they heal by themselves. A changed one is seen within `assetRefresh`, at once after SIGHUP. If the API server
//! fails to answer, what was read before is used and asked for again.
//! `/-/healthy` fails only if a restart helps: a thread has ended or is stuck, and is named; do not probe `/-/ready` for liveness.
//!
//! # Own metrics
//!
//! | Metric | Says |
//! |---|---|
//! | `promop_build_info` | the version |
//! | `prometheus_ready` | whether `/-/ready` is 200 |
//! | `prometheus_config_last_reload_successful` | whether the last attempt to apply a configuration succeeded |
//! | `prometheus_config_last_reload_success_timestamp_seconds` | when one was last applied |
//! | `prometheus_operator_managed_resources` | monitors by kind and state: selected, and of them rejected |
//! | `promop_rejected_monitors` | rejected monitors by kind and reason: `unreadable` (a type is wrong), `validation` (the operator's checks), `asset` (a Secret or ConfigMap), `load` (Prometheus refuses the job) |
//! | `promop_last_good_monitors`, `promop_last_good_oldest_age_seconds` | rejected monitors whose last good version runs on; for how long the oldest has |
//! | `prometheus_target_scrape_pools`, `prometheus_target_scrape_pool_targets` | jobs; targets of each |
//! | `promop_targets` | targets by health: `up`, `down`, `unknown` (not scraped yet) |
//! | `promop_scrape_workers`, `promop_scrapes_started_total` | threads that scrape; scrapes begun |
//! | `promop_scrape_delay_seconds` | how long after their slots scrapes began |
//! | `promop_scrape_slots_missed_total` | slots left out because the scrape before took too long or no worker was free |
//! | `promop_exemplars_dropped_total` | exemplars with more labels than `maxAttributes` |
//! | `promop_panics_total` | defects that were caught |
//! | `prometheus_target_scrapes_exceeded_body_size_limit_total`, `prometheus_target_scrapes_exceeded_sample_limit_total`, `prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total`, `prometheus_target_scrape_pool_exceeded_label_limits_total`, `prometheus_target_scrape_pool_exceeded_target_limit_total` | what ran into a limit |
//! | `prometheus_target_scrapes_sample_duplicate_timestamp_total`, `prometheus_target_scrapes_sample_out_of_order_total`, `prometheus_target_scrapes_sample_out_of_bounds_total`, `prometheus_target_scrapes_exemplar_out_of_order_total` | samples and exemplars that were left out; those out of order are always 0, for nothing is stored here that could be newer |
//! | `prometheus_target_scrapes_cache_flush_forced_total` | times that what is known of a target was thrown away because it grew too large |
//! | `promop_exporter_points_accepted_total`, `promop_exporter_points_sent_total`, `promop_exporter_points_dropped_total` | the books of each exporter: accepted = sent + dropped + waiting |
//! | `promop_consumer_points_refused_total` | points that consumers of the embedding program refused |
//! | `promop_exporter_queue_points`, `promop_exporter_queue_bytes` | what waits |
//! | `promop_exporter_retries_total` | failed requests that are sent again |
//! | `promop_watch_objects`, `promop_watch_up` | objects held of each watch; whether it works, and why not |
//!
//! # Rights
//!
//! | For | Group, resource | Verbs |
//! |---|---|---|
//! | monitors | `monitoring.coreos.com` `servicemonitors`, `podmonitors` | list, watch |
//! | `--inherit` | `monitoring.coreos.com` `prometheuses` or `prometheusagents` | list, watch; in the object's namespace |
//! | `--events` | `events.k8s.io` `events` | create; without it none are written, and the log says so once |
//! | targets of ServiceMonitors | `discovery.k8s.io` `endpointslices`; `""` `services`, `pods` | list, watch |
//! | targets of PodMonitors | `""` `pods` | list, watch |
//! | `serviceDiscoveryRole: Endpoints`, additional configs with that role | `""` `endpoints` | list, watch |
//! | namespace selectors, `attachMetadata.namespace` | `""` `namespaces` | list, watch; cluster-wide only |
//! | `attachMetadata.node` | `""` `nodes` | list, watch; cluster-wide only |
//! | credentials and certificates that monitors name, `additionalScrapeConfigs` of an inherited object | `""` `secrets`, `configmaps` | get; never listed or watched |
//! | targets that ask the API server who may read them: kubelets, API servers, what stands behind kube-rbac-proxy | `""` `nodes/metrics`; `nonResourceURLs` `/metrics`, `/metrics/*` | get; cluster-wide only |
//!
//! All but the cluster-wide ones can be given by a Role in each namespace of `--namespaces`. A missing right never narrows the
//! scope silently: promop is not ready, says which right is missing, tries again, and heals when it is given.

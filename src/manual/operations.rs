//! Running promop: signals, what to look at when something is missing, and which rights are needed for what.
//!
//! # Signals
//!
//! | Signal | Effect |
//! |---|---|
//! | SIGHUP | settings, additional scrape configs, credentials and the folder of `--from-dir` are read again, and what changed is applied |
//! | SIGTERM, SIGINT | no further scrape; those under way have 2 s; queues drain until `--shutdown-timeout`; exit code 0. No stale markers, as upstream |
//! | a second SIGINT | ends at once, exit code 130 |
//!
//! # When something is missing
//!
//! | Seen | Look at | Usual reason |
//! |---|---|---|
//! | `/-/ready` is 503 | its text | a right is missing (the text names it), the API server is away, the definitions are not installed |
//! | a monitor has no effect | the log: `monitor rejected`; `prometheus_operator_managed_resources{state="rejected"}` | the reason stands there |
//! | a monitor is selected, but no target comes | `/config`, then `droppedTargets` of `/api/v1/targets` | the Service's labels, the port's name |
//! | a target is down | `lastError` in `/api/v1/targets` | the target's answer |
//! | metrics don't arrive | `promop_exporter_*` in `/metrics`, the log | the endpoint, its credentials |
//! | a change has no effect | `prometheus_config_last_reload_successful`, the log | settings that do not load: the old configuration runs on |
//!
//! A monitor that became invalid keeps its last good version for `lastGoodMaxAge`; the log and the metric say so.
//! `/-/healthy` fails only if a restart helps; do not probe `/-/ready` for liveness.
//!
//! # Rights
//!
//! | For | Group, resource | Verbs |
//! |---|---|---|
//! | monitors | `monitoring.coreos.com` `servicemonitors`, `podmonitors` | list, watch |
//! | targets of ServiceMonitors | `discovery.k8s.io` `endpointslices`; `""` `services`, `pods` | list, watch |
//! | targets of PodMonitors | `""` `pods` | list, watch |
//! | `serviceDiscoveryRole: Endpoints`, additional configs with that role | `""` `endpoints` | list, watch |
//! | namespace selectors, `attachMetadata.namespace` | `""` `namespaces` | list, watch; cluster-wide only |
//! | `attachMetadata.node` | `""` `nodes` | list, watch; cluster-wide only |
//! | credentials and certificates that monitors name | `""` `secrets`, `configmaps` | get; never listed or watched |
//!
//! All but the cluster-wide ones can be given by a Role in each namespace of `--namespaces`. A missing right never narrows the
//! scope silently: promop is not ready, says which right is missing, tries again, and heals when it is given.

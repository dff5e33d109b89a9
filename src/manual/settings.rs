//! The settings file (`--settings FILE`): YAML, every field optional, unknown fields refused. Flags and environment win over it.
//!
//! ```yaml
//! namespaces: [team-a, team-b]
//! webListenAddress: 0.0.0.0:9099
//! prometheus:                       # the fields of a Prometheus object's spec
//!   scrapeInterval: 15s
//!   serviceMonitorSelector: {matchLabels: {release: stable}}
//!   externalLabels: {cluster: edge-7}
//!   enforcedSampleLimit: 50000
//! ```
//!
//! | Field | Default | Meaning |
//! |---|---|---|
//! | `source` | `cluster` | where objects come from: `cluster`, `kubeconfig: {path, context}`, `folder: PATH`, `none` |
//! | `namespaces` | all | namespaces that are looked at; `own` is the pod's |
//! | `denyNamespaces` | none | namespaces that are not looked at; `own` likewise; not together with `namespaces` |
//! | `prometheus` | every monitor, EndpointSlices, 30 s | what the `spec` of a Prometheus object would say |
//! | `inherit` | none | `prometheus/NS/NAME` or `prometheusagent/NS/NAME`: the object whose `spec` takes the place of the defaults |
//! | `shard` | `SHARD`, then the pod's number | only the targets of this shard of `shards`, from 0 |
//! | `additionalScrapeConfigs` | none | file with a YAML list of Prometheus scrape configs |
//! | `monitorFiles` | none | list of further folders in which monitors may name files; `any`: every file |
//! | `webListenAddress` | `127.0.0.1:9099` | where the status endpoints are |
//! | `shutdownTimeout` | `10s` | how long queues may drain at the end |
//! | `lastGoodMaxAge` | `1h` | how long the last good version of a monitor that became invalid runs on; `0s`: not at all |
//! | `assetRefresh` | `1m` | the time after which Secrets and ConfigMaps are read again: the bound of a rotation |
//! | `events` | false | whether Kubernetes Events are written on rejected monitors, once per change of the rejection |
//! | `maxWorkers` | 1024 | most scrapes at the same time |
//! | `queueBytes` | 67108864 | bytes that may wait for an exporter; beyond it the oldest are dropped and counted |
//! | `minScrapeInterval` | `100ms` | monitors, jobs and targets with a shorter interval are rejected |
//! | `maxPageBytes` | 134217728 | bytes of a page, inflated, whatever `bodySizeLimit` says; a larger one fails the scrape |
//! | `maxLabelBytes` | 1048576 | bytes of a label's name or value, or of a HELP text; a longer one fails the scrape, or leaves the target out |
//! | `maxLabelsBytes` | 2097152 | bytes of all labels of a series or target, likewise |
//! | `maxAttributes` | 1024 | labels of `target_info`, likewise; an exemplar with more is dropped and counted |
//! | `maxMonitorBytes` | 16777216 | bytes of the configuration that is generated for one monitor; a larger one is rejected |
//!
//! # Inheriting
//!
//! With `inherit` (or `--inherit`) the object is watched, and its changes apply as those of monitors do. Which field wins:
//!
//! 1. a selector given by a flag,
//! 2. a field under `prometheus` in the settings file: it replaces the object's field as a whole,
//! 3. the object's field,
//! 4. the default of the object's definition. The defaults of this program don't hold then: an object without
//!    `serviceMonitorSelector` selects no ServiceMonitor, and "own" namespaces are the object's.
//!
//! `version` is not inherited: the text is for the newest Prometheus. `additionalScrapeConfigs` of the object come from its Secret;
//! those of a file are added to them. What has no counterpart is listed in the log when the list changes.
//!
//! An object that is missing, that cannot be read, or whose settings give no configuration changes nothing: the last settings
//! that could be used hold, monitors that change meanwhile still apply, and `/-/ready` and the log say what is wrong. At start,
//! without such settings, nothing is scraped until there are some.
//!
//! # Shards
//!
//! If `shards` is more than 1, each pod scrapes its share: that of `shard` (`--shard`), else of the variable `SHARD`, else of the
//! number at the end of `POD_NAME`, else the first. It stands for `$(SHARD)`; with `shardingStrategy` `Topology` the zone and the
//! position within it follow from it. A shard beyond `shards` is refused at the start; if `shards` of an inherited object shrinks
//! below it later, the log warns, and nothing is scraped until it grows again.

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
//! | `denyNamespaces` | none | namespaces that are not looked at; not together with `namespaces` |
//! | `prometheus` | every monitor, EndpointSlices, 30 s | what the `spec` of a Prometheus object would say |
//! | `additionalScrapeConfigs` | none | file with a YAML list of Prometheus scrape configs |
//! | `webListenAddress` | `127.0.0.1:9099` | where the status endpoints are |
//! | `shutdownTimeout` | `10s` | how long queues may drain at the end |
//! | `lastGoodMaxAge` | `1h` | how long the last good version of a monitor that became invalid runs on; `0s`: not at all |
//! | `assetRefresh` | `1m` | the time after which Secrets and ConfigMaps are read again: the bound of a rotation |
//! | `maxWorkers` | 1024 | most scrapes at the same time |
//! | `queueBytes` | 67108864 | bytes that may wait for an exporter; beyond it the oldest are dropped and counted |

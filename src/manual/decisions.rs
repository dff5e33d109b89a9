//! What was decided, and why: the rulings that the code cites as `manual::decisions, N`. One that no longer holds is changed
//! here and in the code together.
//!
//! 1. **Swap.** One pool of scrapers and one discovery live as long as the receiver. A configuration is a table of jobs; it
//!    replaces the running table under one lock, after every part of it has been built. A target that is in both keeps its
//!    state, its connection and its next slot: the sequence of its slots has no hole and no double. Nothing waits for a scrape.
//! 2. **What fails, and what follows.** Settings that do not load leave the old configuration running. A job that does not
//!    load, or whose client cannot be built, is quarantined: its monitor is rejected with the reason, its last good version
//!    runs on. A discovery that does not sync holds the others up 10 s at the first start and 2 s later, at most; its job
//!    starts when it has synced and is reported until then. If the system refuses threads, the old configuration runs on.
//! 3. **Generator and loader meet in text.** What the generator writes is loaded as any Prometheus configuration would be, job
//!    by job: the loader is the judge of the generator, and a job whose text has not changed is not built again. A job is
//!    known by its text and by the contents of the files that it names: a rotated certificate is a change.
//! 4. **Goldens are upstream's outputs**, never rewritten. Differences that are wanted are recognised by a rule in
//!    `tests/golden/DIVERGENCES.md`, counted apart. Texts of errors are compared only where Prometheus itself words them.
//! 5. **Content types.** A missing or odd Content-Type is read as the text format 0.0.4 in `run`, as the collector's receiver
//!    does; the loader and the scrape engine follow Prometheus.
//! 6. **Placeholders.** `run` fills in only the placeholders that the generator itself wrote (`$(SHARD)`, `$(POD_NAME)`,
//!    `$(NODE_NAME)`), where it wrote them; a tenant's text is literal. `promop generate --expand` replaces text as upstream.
//! 7. **Version.** `run` generates for the newest Prometheus; an inherited object's 2.x version changes defaults only.
//!    `generate` honours it.
//! 8. **Times.** A change is acted upon 500 ms after the last one, at most 5 s after the first. No retry against the API
//!    server waits longer than 30 s. A watch that is silent for too long is given up within 150 s.
//! 9. **Health.** `/-/healthy` fails only when a thread of ours is dead or stuck. Whatever else is missing is `/-/ready`: a
//!    pod that still scrapes is not restarted because the API server is away.
//! 10. **A deleted monitor's series get no stale markers**, as upstream. A target that vanishes from discovery gets them.
//! 11. **Redirects** take credentials along only to the same host, never from https to http.
//! 12. **A full queue** drops the oldest.
//! 13. **Scope.** Without flags it is the whole cluster. A missing right never narrows it silently: `/-/ready` is 503 and names
//!     the right, the log says it once, it is tried again and heals.
//! 14. **Signals.** SIGHUP reads settings, additional scrape configs, credentials and `--from-dir` again. SIGTERM and SIGINT:
//!     no further slot; scrapes under way have 2 s; queues drain until `--shutdown-timeout`; exit code 0. A second SIGINT ends
//!     at once.
//! 15. **`promop generate`** inherits from the only Prometheus or PrometheusAgent object of its input; of several
//!     `--inherit` chooses. `promop check` is the server's loader, not promtool.
//! 16. **Watched kinds.** Endpoints only where a job has that role, workloads only where an additional scrape config attaches
//!     their metadata. Secrets and ConfigMaps are read one by one, never listed.
//! 17. **Files that monitors name** are read from the service account's folder and the operator's mount points; others only
//!     with `--monitor-files`. They are regular files of 1 MiB at most.
//! 18. **Work and size are bounded** per scrape, per monitor and per list; `manual::settings` has the bounds.
//! 19. **The end is bounded.** Scrapes have 2 s, queues `--shutdown-timeout`; 2 s later the program exits and says what it
//!     waited for. What waits in a back-off is tried once at once.
//! 20. **Clock.** A step of the wall clock begins the grid of timestamps anew, is logged, and never gives one series two values
//!     at one time.
//! 21. **YAML.** What kubectl, client-go or Prometheus read is YAML 1.1 in Go's meaning, through our own nodes. `serde_yaml`
//!     reads our own settings only.
//! 22. **Clients.** ureq talks to the Kubernetes API and fetches OAuth2 tokens; scrapes use the client in `http`.

//! Cases of the area `otlp`: the jobs of a receiver's configuration scraped cycle by cycle against loopback servers, every
//! batch translated, and the metrics compared with what the collector's receiver handed on.

mod servers;

use super::{Outcome, json, one, read_yaml};
use prometheus_operator_receiver::config::{
    self, Config, Context, ScrapeConfig, ScrapeProtocol, SdConfig,
};
use prometheus_operator_receiver::http::client::{Client, HttpContext, Resolver};
use prometheus_operator_receiver::http::proxy;
use prometheus_operator_receiver::model::batch::{Batch, TargetOutput};
use prometheus_operator_receiver::model::bounds::Bounds;
use prometheus_operator_receiver::model::group::{RawLabels, TargetGroup};
use prometheus_operator_receiver::model::labels::Interner;
use prometheus_operator_receiver::pdata::{Metrics, write_json};
use prometheus_operator_receiver::rt::clock::{Clock, ManualClock, SystemClock};
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::rt::gate::Gate;
use prometheus_operator_receiver::scrape::cycle::{End, end_of_run, scrape_once};
use prometheus_operator_receiver::scrape::job::{Counters, Job, Options};
use prometheus_operator_receiver::scrape::state::{TargetState, Worker};
use prometheus_operator_receiver::scrape::target::{Target, sync};
use prometheus_operator_receiver::translate::protobuf::pieces;
use prometheus_operator_receiver::translate::{Settings, Translator};
use serde::Deserialize;
use serde_json::{Value, json};
use servers::{Scraped, mapped, placeholders};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub fn check(case: &Path) -> Vec<Outcome> {
    one(case, compare(case))
}

/// Our own name and version stand in this scope; the cases have upstream's.
const SCOPE: (&str, &str) = (
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver",
    "0.164.1",
);

/// The keys of `receiver.yaml` beside `config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Receiver {
    config: Value,
    trim_metric_suffixes: bool,
    scrape_on_shutdown: bool,
}

/// `case.yaml`. How many loops there are is seen from the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseOptions {
    targets: usize,
    reject_cycles: Vec<usize>,
    after_shutdown: bool,
}

/// What a configuration is refused for: the stage, and the list of unsupported features if it is that.
#[derive(Debug, PartialEq)]
struct Refusal {
    stage: &'static str,
    features: Vec<String>,
}

fn compare(case: &Path) -> Result<(), String> {
    let want: Value =
        serde_json::from_slice(&std::fs::read(case.join("want.json")).unwrap()).unwrap();
    let servers = Scraped::all(case);
    let ours = run(case, &servers);
    match (ours, want.get("error")) {
        (Ok(batches), None) => {
            let mut ours = mapped(json!({ "batches": batches }), &servers);
            let mut want = want;
            sort(&mut ours);
            sort(&mut want);
            json::compare(&ours, &want)
        }
        (Ok(_), Some(error)) => Err(format!("accepted, want {error}")),
        (Err(refusal), None) => Err(format!("refused: {refusal:?}")),
        (Err(refusal), Some(error)) => {
            let message = error["message"].as_str().unwrap();
            let features = message.lines().filter_map(|line| line.strip_prefix('\t'));
            let features: Vec<_> = features.map(str::to_owned).collect();
            let is_same = error["stage"] == refusal.0.stage && refusal.0.features == features;
            is_same
                .then_some(())
                .ok_or_else(|| format!("{refusal:?}, want {error}"))
        }
    }
}

/// A refusal and, for the reader, its wording.
type Refused = (Refusal, String);

fn refused(stage: &'static str, message: impl ToString) -> Refused {
    (
        Refusal {
            stage,
            features: Vec::new(),
        },
        message.to_string(),
    )
}

/// All batches of a case, in the form of `want.json`.
fn run(case: &Path, servers: &[Scraped]) -> Result<Vec<Value>, Refused> {
    let options: CaseOptions = read_yaml(&case.join("case.yaml")).unwrap_or_default();
    let gates: BTreeMap<String, bool> = read_yaml(&case.join("gates.yaml")).unwrap_or_default();
    let text = placeholders(
        &std::fs::read_to_string(case.join("receiver.yaml")).unwrap(),
        servers,
    );
    let receiver: Receiver = serde_yaml::from_str(&text).map_err(|error| refused("load", error))?;
    let config = load(&text)?;
    let mut run = Run::new(&receiver, &options, &gates);
    let before = read_groups(&case.join("targets.yaml"), servers);
    run.sync(&config, &before);
    while run.is_cycle_due(servers) {
        run.cycle(servers);
    }
    if case.join("targets-after.yaml").exists() {
        run.sync(
            &config,
            &read_groups(&case.join("targets-after.yaml"), servers),
        );
        while run.is_cycle_due(servers) {
            run.cycle(servers);
        }
    }
    if receiver.scrape_on_shutdown {
        run.shutdown_scrape();
    }
    Ok(run.batches)
}

/// The receiver's own checks come after Prometheus' loader (contrib: prometheusreceiver/config.go, Validate).
fn load(receiver: &str) -> Result<Config, Refused> {
    let text = section(receiver, "config");
    let cx = Context {
        path: "",
        files: &Disk,
        env: &|_| None,
    };
    let config = config::load(text.as_bytes(), &cx).map_err(|error| refused("load", error))?;
    let features = config::unsupported(text.as_bytes()).map_err(|error| refused("load", error))?;
    if !features.is_empty() {
        let features = features.into_iter().map(str::to_owned).collect();
        return Err((
            Refusal {
                stage: "validate",
                features,
            },
            "unsupported features".into(),
        ));
    }
    if config.jobs.is_empty() {
        return Err(refused("validate", "no scrape_configs"));
    }
    Ok(config)
}

/// The text below a top-level key, without its indentation: read as it is written, styles of scalars included.
fn section(text: &str, key: &str) -> String {
    let start = text
        .lines()
        .skip_while(|line| line.trim_end() != format!("{key}:"))
        .skip(1);
    let lines: Vec<_> = start
        .take_while(|line| line.is_empty() || line.starts_with([' ', '#']))
        .collect();
    let indents = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = indents
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    lines
        .iter()
        .map(|line| format!("{}\n", line.get(indent..).unwrap_or_default()))
        .collect()
}

/// A scrape loop: a target and what is kept of it.
struct Loop {
    target: Target,
    state: TargetState,
    recorder: Recorder,
    cycles: usize,
    server: Option<usize>,
}

struct Run<'a> {
    options: &'a CaseOptions,
    scrape: Options,
    translation: Settings,
    jobs: Vec<Arc<Job>>,
    loops: Vec<Loop>,
    clock: Arc<ManualClock>,
    worker: Worker,
    around: HttpContext,
    batches: Vec<Value>,
}

impl<'a> Run<'a> {
    fn new(receiver: &Receiver, options: &'a CaseOptions, gates: &BTreeMap<String, bool>) -> Self {
        let clock = ManualClock::new(SystemClock.unix_ms());
        let zero_ingestion = "receiver.prometheusreceiver.EnableCreatedTimestampZeroIngestion";
        Self {
            options,
            scrape: Options {
                parse_start: gates.get(zero_ingestion) == Some(&true),
                ..Options::default()
            },
            translation: Settings {
                trim_metric_suffixes: receiver.trim_metric_suffixes,
                scope_name: SCOPE.0.into(),
                scope_version: SCOPE.1.into(),
            },
            jobs: Vec::new(),
            loops: Vec::new(),
            worker: Worker::new(Arc::clone(&clock) as _, Gate::new(1), Arc::default()),
            clock,
            around: HttpContext {
                files: Arc::new(Disk),
                roots: Arc::default(),
                resolver: Resolver::default(),
                proxies: proxy::Environment::default(),
                user_agent: "promop/test".into(),
            },
            batches: Vec::new(),
        }
    }

    /// Starts the loops of new targets and ends those of targets that are gone.
    fn sync(&mut self, config: &Config, file_groups: &[Arc<TargetGroup>]) {
        let mut loops = Vec::new();
        for job in &config.jobs {
            let mut job = ScrapeConfig::clone(job);
            // The receiver's default; Prometheus has none.
            job.fallback_protocol
                .get_or_insert(ScrapeProtocol::PrometheusText0_0_4);
            let groups = groups(&job, file_groups);
            let targets = sync(
                &Arc::new(job.clone()),
                &groups,
                &Bounds::default(),
                &mut Interner::new(),
            );
            let job = self.job(config, job);
            job.note_sync(&targets);
            for target in targets.active {
                let known = self.loops.iter().position(|known| {
                    known.target.hash == target.hash
                        && known.target.identity.job == target.identity.job
                });
                loops.push(match known {
                    Some(at) => self.loops.swap_remove(at),
                    None => self.start(target, &job),
                });
            }
        }
        let gone = std::mem::replace(&mut self.loops, loops);
        for gone in gone {
            self.end(gone);
        }
    }

    fn job(&mut self, config: &Config, job: ScrapeConfig) -> Arc<Job> {
        let known = self
            .jobs
            .iter()
            .find(|known| known.config.job_name == job.job_name);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let client = Client::build(&job.http, &self.around).unwrap();
        let job = Arc::new(Job::new(
            Arc::new(job),
            Arc::new(client),
            config.global.external_labels.clone(),
            self.scrape,
            Arc::new(Counters::default()),
            None,
        ));
        self.jobs.push(Arc::clone(&job));
        job
    }

    fn start(&self, target: Target, job: &Arc<Job>) -> Loop {
        let recorder = Recorder::new(self.translation.clone());
        let state = TargetState::new(Arc::clone(job), Box::new(recorder.clone()));
        Loop {
            target,
            state,
            recorder,
            cycles: 0,
            server: None,
        }
    }

    fn is_cycle_due(&self, servers: &[Scraped]) -> bool {
        self.loops
            .iter()
            .any(|it| it.cycles < it.due_cycles(servers))
    }

    /// One scrape of each loop that has an answer left.
    fn cycle(&mut self, servers: &[Scraped]) {
        for at in 0..self.loops.len() {
            if self.loops[at].cycles < self.loops[at].due_cycles(servers) {
                self.scrape(at);
            }
        }
        self.clock.advance(Duration::from_secs(1));
    }

    fn shutdown_scrape(&mut self) {
        for at in 0..self.loops.len() {
            if self.options.after_shutdown {
                self.scrape(at);
            }
        }
    }

    fn scrape(&mut self, at: usize) {
        let it = &mut self.loops[at];
        it.cycles += 1;
        let slot = self.clock.unix_ms();
        it.recorder
            .slots
            .lock()
            .unwrap()
            .push((slot, format!("T{}", it.cycles)));
        scrape_once(&it.target, &mut it.state, &mut self.worker, slot);
        for metrics in it.recorder.take() {
            let mut batch = json!({
                "cycle": it.cycles,
                "event": "scrape",
                "job": it.target.identity.labels.get("job"),
                "target": &*it.target.url,
                "metrics": metrics,
            });
            if self.options.reject_cycles.contains(&it.cycles) {
                batch["rejected"] = json!(true);
            }
            self.batches.push(batch);
        }
    }

    fn end(&mut self, mut gone: Loop) {
        let at = self.clock.unix_ms();
        gone.recorder
            .slots
            .lock()
            .unwrap()
            .push((at, "TEND".to_owned()));
        end_of_run(
            &gone.target,
            &mut gone.state,
            &mut self.worker,
            End::TargetGone,
            at,
        );
        for metrics in gone.recorder.take() {
            self.batches.push(json!({
                "event": "end-of-run",
                "job": gone.target.identity.labels.get("job"),
                "target": &*gone.target.url,
                "metrics": metrics,
            }));
        }
    }
}

impl Loop {
    /// As many cycles as its server has answers.
    fn due_cycles(&self, servers: &[Scraped]) -> usize {
        let server = servers
            .iter()
            .find(|server| self.target.url.contains(&server.address));
        server.map_or(1, |server| server.n_responses)
    }
}

/// Translates each batch and keeps it as JSON, times as symbols.
#[derive(Debug, Clone)]
struct Recorder {
    translator: Arc<Mutex<Translator>>,
    metrics: Arc<Mutex<Vec<Value>>>,
    slots: Arc<Mutex<Vec<(i64, String)>>>,
}

impl Recorder {
    fn new(settings: Settings) -> Self {
        Self {
            translator: Arc::new(Mutex::new(Translator::new(settings))),
            metrics: Arc::default(),
            slots: Arc::default(),
        }
    }

    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.metrics.lock().unwrap())
    }
}

/// The walker's bytes and the template's are equal; the template is written when a table comes again.
fn assert_bytes_are_the_same(mut translator: Translator, batch: &Batch<'_>) {
    let mut scratch = Vec::new();
    for _ in 0..3 {
        let (mut walked, mut written) = (Vec::new(), Vec::new());
        if let Some(metrics) = translator.without_plan().translate(batch) {
            let take = &mut |bytes: &[u8], _| walked.extend_from_slice(bytes);
            pieces(metrics, usize::MAX, take);
        }
        let take = &mut |bytes: &[u8], _| written.extend_from_slice(bytes);
        translator.encode(batch, usize::MAX, &mut scratch, take);
        assert_eq!(written, walked);
    }
}

impl TargetOutput for Recorder {
    fn deliver(&mut self, batch: &Batch<'_>) {
        let text = |metrics: Option<Metrics>| {
            let mut text = String::new();
            metrics
                .iter()
                .for_each(|metrics| write_json(metrics, &mut text));
            text
        };
        let mut translator = self.translator.lock().unwrap();
        assert_bytes_are_the_same(translator.without_plan(), batch);
        // A plan that was kept gives what a new one would.
        let anew = text(translator.without_plan().translate(batch));
        let mut ours = text(translator.translate(batch));
        assert_eq!(ours, anew);
        if ours.is_empty() {
            return;
        }
        for (ms, symbol) in &*self.slots.lock().unwrap() {
            ours = ours.replace(&format!("\"{ms}000000\""), &format!("\"{symbol}\""));
        }
        self.metrics
            .lock()
            .unwrap()
            .push(serde_json::from_str(&ours).unwrap());
    }
}

fn groups(job: &ScrapeConfig, file_groups: &[Arc<TargetGroup>]) -> Vec<Arc<TargetGroup>> {
    let mut all = Vec::new();
    for sd in &job.discovery {
        match sd {
            SdConfig::Static(groups) => all.extend(groups.iter().cloned()),
            SdConfig::File(_) => all.extend(file_groups.iter().cloned()),
            other => panic!("no case discovers by {other:?}"),
        }
    }
    all
}

/// Target groups of a file; none if there is no such file.
fn read_groups(path: &Path, servers: &[Scraped]) -> Vec<Arc<TargetGroup>> {
    #[derive(Deserialize)]
    struct Group {
        targets: Vec<String>,
        #[serde(default)]
        labels: BTreeMap<String, String>,
    }
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    let groups: Vec<Group> = serde_yaml::from_str(&placeholders(&text, servers)).unwrap();
    let labels = |pairs: BTreeMap<String, String>| {
        RawLabels::new(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into_bytes().into_boxed_slice())),
        )
    };
    let groups = groups.into_iter().enumerate().map(|(at, group)| {
        let targets = group.targets.into_iter();
        Arc::new(TargetGroup {
            source: format!("{}:{at}", path.display()).into(),
            labels: labels(group.labels),
            targets: targets
                .map(|t| labels([("__address__".into(), t)].into()))
                .collect(),
        })
    });
    groups.collect()
}

/// Sorts what is compared as a multiset, innermost first.
fn sort(value: &mut Value) {
    const MULTISETS: [&str; 6] = [
        "attributes",
        "batches",
        "dataPoints",
        "metrics",
        "resourceMetrics",
        "scopeMetrics",
    ];
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                sort(member);
                if let (true, Value::Array(items)) = (MULTISETS.contains(&&**key), member) {
                    items.sort_by_cached_key(Value::to_string);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}

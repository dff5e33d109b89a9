//! Cases of the area `scrape`: one job scraped cycle by cycle against a loopback server. The clock stands still within a
//! cycle and moves by the interval between cycles; only sockets wait in real time.

mod head;
mod record;
mod servers;

use super::targets::load_job;
use super::{Outcome, json, one, read_yaml, yaml_files};
use crate::fake::http::Server;
use head::Head;
use prometheus_operator_receiver::config::SdConfig;
use prometheus_operator_receiver::http::client::{Client, HttpContext, Resolver};
use prometheus_operator_receiver::http::proxy;
use prometheus_operator_receiver::model::bounds::Bounds;
use prometheus_operator_receiver::model::labels::{Interner, Labels};
use prometheus_operator_receiver::rt::clock::{Clock, ManualClock, SystemClock};
use prometheus_operator_receiver::rt::files::Disk;
use prometheus_operator_receiver::rt::gate::Gate;
use prometheus_operator_receiver::scrape::cycle::{End, Scrape};
use prometheus_operator_receiver::scrape::failure::FailureLog;
use prometheus_operator_receiver::scrape::job::{Counter, Counters, Job, Options};
use prometheus_operator_receiver::scrape::state::{TargetState, Worker};
use prometheus_operator_receiver::scrape::target::{Target, sync};
use record::{Batches, Recorder, as_batch, number};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use servers::{
    Cycle, Names, Response, TlsFiles, answerer, mapped, request_json, substitute, tls_server,
};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

pub fn check(case: &Path) -> Vec<Outcome> {
    one(case, compare(case))
}

/// `options.yaml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseOptions {
    storage: String,
    exemplar_storage: bool,
    cycles: usize,
    targets: usize,
    end: String,
    append_metadata: bool,
    parse_st: bool,
    synthesize_st: bool,
    type_and_unit_labels: bool,
    scrape_on_shutdown: bool,
    report_metadata: bool,
    tls: Option<TlsFiles>,
}

fn compare(case: &Path) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    copy(case, dir.path());
    let dir = dir.path();
    let options: CaseOptions = read_yaml(&dir.join("options.yaml")).unwrap_or_default();
    let responses = read_responses(&dir.join("responses"));
    let cycle = Arc::new(Mutex::new(Cycle::default()));
    let names = Arc::new(OnceLock::new());
    let answer = answerer(Arc::clone(&cycle), Arc::clone(&names));
    let server = match &options.tls {
        None => Server::start(answer),
        Some(files) => tls_server(files, dir, answer),
    };
    let names = names.get_or_init(|| Names {
        address: server.address.to_string(),
        base_ms: SystemClock.unix_ms(),
        dir: dir.to_str().unwrap().to_owned(),
    });

    let ours = run(dir, &options, &responses, names, &cycle)?;
    drop(server);
    let mut want: Value =
        serde_json::from_slice(&std::fs::read(case.join("want.json")).unwrap()).unwrap();
    let mut ours: Value = serde_json::from_str(&mapped(&ours.to_string(), names)).unwrap();
    free_wording(&mut ours, &mut want);
    json::compare(&ours, &want)
}

/// All cycles of all targets, and the end.
fn run(
    dir: &Path,
    options: &CaseOptions,
    responses: &[Response],
    names: &Names,
    cycle: &Mutex<Cycle>,
) -> Result<Value, String> {
    let read = |name| {
        std::fs::read_to_string(dir.join(name))
            .ok()
            .map(|text| substitute(&text, names))
    };
    let config = load_job(
        &read("job.yaml").unwrap(),
        read("global.yaml").as_deref(),
        dir,
    );
    let config = config.map_err(|error| format!("the job does not load: {error}"))?;
    let config = &config.jobs[0];
    let groups = config.discovery.iter().filter_map(|sd| match sd {
        SdConfig::Static(groups) => Some(groups.clone()),
        _ => None,
    });
    let groups: Vec<_> = groups.flatten().collect();
    let targets = sync(config, &groups, &Bounds::default(), &mut Interner::new());
    let around = HttpContext {
        files: Arc::new(Disk),
        roots: Arc::default(),
        resolver: Resolver::default(),
        proxies: proxy::Environment::default(),
        user_agent: "Prometheus/VERSION".into(),
    };
    let client = Client::build(&config.http, &around).map_err(|e| format!("no client: {e}"))?;
    let failures = Some(&*config.failure_log_file).filter(|path| !path.is_empty());
    let counters = Arc::new(Counters::default());
    let job = Job::new(
        Arc::clone(config),
        Arc::new(client),
        Labels::empty(),
        Options {
            parse_start: options.parse_st,
            synthesize_start: options.synthesize_st,
            type_and_unit_labels: options.type_and_unit_labels,
            bounds: Bounds::default(),
        },
        Arc::clone(&counters),
        failures.map(|path| Arc::new(FailureLog::open(path).unwrap())),
    );
    job.note_sync(&targets);
    let clock = ManualClock::new(names.base_ms + 3);
    let mut case = Case {
        options,
        responses,
        names,
        cycle,
        dir,
        job: Arc::new(job),
        worker: Worker::new(Arc::clone(&clock) as _, Gate::new(1), Arc::default()),
        clock,
        counted: None,
        head: (options.storage == "tsdb")
            .then(|| Head::new(names.base_ms, options.exemplar_storage)),
    };
    let mut entries = targets
        .active
        .iter()
        .map(|target| case.target(target))
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| format!("{}{}", entry["labels"], entry["url"]));
    // As the oracle, without the scrape on shutdown.
    let counted = case.counted.unwrap_or_else(|| counters.all());
    let counted = counted.into_iter().filter(|counter| counter.value > 0);
    let mut ours = json!({
        "targets": entries,
        "counters": counted.map(|counter| (counter.name.to_owned(), json!(counter.value))).collect::<Map<_, _>>(),
    });
    if let Some(path) = failures {
        let text = std::fs::read_to_string(path).unwrap();
        let records = text.lines().map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().remove("time");
            record["source"] = json!("scrape.go");
            record
        });
        ours["failure_log"] = records.collect();
    }
    Ok(ours)
}

struct Case<'a> {
    options: &'a CaseOptions,
    responses: &'a [Response],
    names: &'a Names,
    cycle: &'a Mutex<Cycle>,
    dir: &'a Path,
    job: Arc<Job>,
    worker: Worker,
    clock: Arc<ManualClock>,
    /// The counters before the scrape on shutdown.
    counted: Option<[Counter; 11]>,
    head: Option<Head>,
}

impl Case<'_> {
    /// All cycles of one target.
    fn target(&mut self, target: &Target) -> Result<Value, String> {
        let batches = Batches::default();
        let mut state = TargetState::new(Arc::clone(&self.job), Box::new(batches.clone()));
        let mut storage = Recorder::new(self.head.take());
        storage.append_metadata = self.options.append_metadata;
        storage.report_metadata = self.options.report_metadata;
        let n_cycles = if self.options.cycles > 0 {
            self.options.cycles
        } else {
            self.responses.len()
        };
        let n_cycles = n_cycles + usize::from(self.options.scrape_on_shutdown);
        let mut cycles = Vec::new();
        let mut slots = Vec::new();
        for n in 0..n_cycles {
            if let Some(response) = self.responses.get(n) {
                for (name, content) in &response.write_files {
                    std::fs::write(self.dir.join(name), content).unwrap();
                }
            }
            *self.cycle.lock().unwrap() = Cycle {
                response: self.responses[n.min(self.responses.len() - 1)].clone(),
                requests: Vec::new(),
            };
            if self.options.scrape_on_shutdown && n + 1 == n_cycles {
                self.counted = Some(self.job.counters.all());
            }
            let slot = self.clock.unix_ms();
            slots.push(slot);
            let scrape = Scrape {
                target,
                state: &mut state,
                worker: &mut self.worker,
                slot_ms: slot,
                storage: &mut storage,
            };
            let outcome = scrape.run();
            self.clock.advance(target.interval);
            let seen = std::mem::take(&mut *self.cycle.lock().unwrap()).requests;
            let mut entry = json!({
                "requests": seen.iter().map(request_json).collect::<Vec<_>>(),
                "health": outcome.health.as_str(),
                "transactions": std::mem::take(&mut storage.transactions),
            });
            if let Some(error) = outcome.error {
                entry["error"] = json!(error);
            }
            cycles.push(entry);
        }
        let why = if self.options.end == "remove-target" {
            End::TargetGone
        } else {
            End::JobGone
        };
        let scrape = Scrape {
            target,
            state: &mut state,
            worker: &mut self.worker,
            slot_ms: self.clock.unix_ms(),
            storage: &mut storage,
        };
        scrape.end(why);
        let end = std::mem::take(&mut storage.transactions);
        if storage.head.is_none() {
            check_batches(&batches, &cycles, &end)?;
        }
        self.head = storage.head;

        let symbols = Symbols {
            base_ms: self.names.base_ms,
            slots: &slots,
        };
        for (n, cycle) in cycles.iter_mut().enumerate() {
            symbols.transactions(cycle["transactions"].as_array_mut().unwrap(), Some(n));
        }
        let mut end = end;
        symbols.transactions(&mut end, None);
        let labels = target.identity.labels.iter();
        Ok(json!({
            "labels": labels.map(|(name, value)| (name.to_owned(), json!(value))).collect::<Map<_, _>>(),
            "url": target.url,
            "cycles": cycles,
            "end_of_run": end,
        }))
    }
}

/// The batches say what the committed transactions say.
fn check_batches(batches: &Batches, cycles: &[Value], end: &[Value]) -> Result<(), String> {
    let transactions = cycles
        .iter()
        .flat_map(|cycle| cycle["transactions"].as_array().unwrap());
    let committed = transactions
        .chain(end)
        .filter(|it| it["result"] == "committed");
    let want: Vec<_> = committed.map(as_batch).collect();
    let ours = batches.0.lock().unwrap().clone();
    json::compare(&json!(ours), &json!(want)).map_err(|difference| format!("batch {difference}"))
}

/// Times become symbols, as the oracle writes them.
struct Symbols<'a> {
    base_ms: i64,
    slots: &'a [i64],
}

impl Symbols<'_> {
    fn transactions(&self, transactions: &mut [Value], cycle: Option<usize>) {
        for transaction in transactions {
            let samples = transaction["samples"].as_array_mut().unwrap();
            for sample in samples.iter_mut() {
                self.time(&mut sample["t"], cycle);
                if let Some(start) = sample.get_mut("st") {
                    self.time(start, cycle);
                }
                for exemplar in sample
                    .get_mut("exemplars")
                    .into_iter()
                    .flat_map(|it| it.as_array_mut().unwrap())
                {
                    self.time(&mut exemplar["t"], cycle);
                }
                let is_duration = sample["labels"]["__name__"] == "scrape_duration_seconds";
                if is_duration && sample.get("report").is_some() && !is_marker(sample) {
                    sample["v"] = json!("@duration");
                }
            }
            samples
                .chunk_by_mut(|a, b| is_series_marker(a) && is_series_marker(b))
                .filter(|run| is_series_marker(&run[0]))
                .for_each(|run| run.sort_by_key(|sample| sample["labels"].to_string()));
            for sample in samples {
                sample.as_object_mut().unwrap().remove("report");
            }
        }
    }

    fn time(&self, time: &mut Value, cycle: Option<usize>) {
        let t = time.as_i64().unwrap();
        let own = cycle.map(|n| self.slots[n]);
        let other = |t: i64| self.slots.iter().position(|slot| *slot == t);
        *time = if own == Some(t) {
            json!("cycle")
        } else if let Some(n) = other(t) {
            json!(format!("cycle:{}", n + 1))
        } else if let Some(n) = other(t.saturating_add(1)) {
            json!(format!("cycle:{}-1ms", n + 1))
        } else if cycle.is_none() {
            json!("end-of-run")
        } else if t.saturating_sub(self.base_ms).abs() < 48 * 3600 * 1000 {
            json!(format!("now{:+}", t - self.base_ms))
        } else {
            json!(t)
        };
    }
}

fn is_marker(sample: &Value) -> bool {
    sample["bits"] == "7ff0000000000002"
}

fn is_series_marker(sample: &Value) -> bool {
    is_marker(sample) && sample.get("report").is_none()
}

/// Only what Prometheus itself words is compared as text; of the rest, that there is an error (manual::decisions, 4).
fn free_wording(ours: &mut Value, want: &mut Value) {
    let free = |text: Option<&mut Value>| {
        let Some(text) = text else { return };
        // Ours says in brackets what the number and the limit were.
        if let Some(words) = BRACKETED
            .iter()
            .find(|words| text.as_str().unwrap().starts_with(*words))
        {
            *text = json!(words);
        } else if !ENGINE_WORDS
            .iter()
            .any(|words| text.as_str().unwrap().starts_with(words))
        {
            *text = json!("some error");
        }
    };
    for side in [ours, want] {
        for target in side["targets"].as_array_mut().unwrap() {
            for cycle in target["cycles"].as_array_mut().unwrap() {
                free(cycle.get_mut("error"));
            }
        }
        for record in side
            .get_mut("failure_log")
            .into_iter()
            .flat_map(|log| log.as_array_mut().unwrap())
        {
            free(record.get_mut("msg"));
        }
    }
}

const BRACKETED: [&str; 3] = [
    "sample limit exceeded",
    "body size limit exceeded",
    "histogram bucket limit exceeded",
];

const ENGINE_WORDS: [&str; 9] = [
    "server returned HTTP status",
    "sample limit exceeded",
    "body size limit exceeded",
    "target_limit exceeded",
    "histogram bucket limit exceeded",
    "missing metric name",
    "invalid metric name or label names",
    "label_",
    "label name ",
];

fn read_responses(dir: &Path) -> Vec<Response> {
    let paths = yaml_files(dir).unwrap();
    paths.iter().map(|path| read_yaml(path).unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

//! Documents and fragments: text → nodes → jobs. What equal jobs can share is kept from load to load.

use super::decode::{Decoder, Result};
use super::divide::divide;
use super::global::RawGlobal;
use super::job::RawJob;
use super::shared::Shared;
use super::{
    Config, Context, Error, Global, ScrapeConfig, Stage, environment, paths, rules, sections,
};
use crate::model::labels::{Labels, Text};
use crate::model::name::ValidationScheme;
use crate::model::quote::quoted;
use crate::model::relabel::RelabelRules;
use crate::rt::files::LARGE;
use crate::wire::yaml::{self, Data, Node};
use std::collections::HashMap;
use std::sync::Arc;

/// Loads configurations. A loader that is kept shares what is equal between all that it loads.
#[derive(Debug, Default)]
pub struct Loader {
    shared: Shared,
}

impl Loader {
    /// A loader that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads a whole document.
    ///
    /// # Errors
    /// Prometheus would refuse it.
    pub fn load(&mut self, text: &[u8], cx: &Context<'_>) -> Result<Config> {
        // What is wrong is for the whole text to tell.
        let divided =
            divide(text).and_then(|(frame, jobs)| self.load_parts(&frame, &jobs, cx).ok());
        match divided {
            Some(config) => Ok(config),
            None => self.load_parts(text, &[], cx),
        }
    }

    /// Loads a document and the texts of jobs that were taken out of it.
    fn load_parts(&mut self, text: &[u8], taken_out: &[&[u8]], cx: &Context<'_>) -> Result<Config> {
        let node = parse(text)?;
        let document = Document::decode(node.as_ref(), &mut self.shared)?;
        document.check_patterns()?;
        let folder = paths::folder_of(cx.path);
        let mut names = HashMap::new();
        let mut global = document.global.global;
        let mut jobs = Vec::with_capacity(document.jobs.len() + taken_out.len());
        for raw in document.jobs {
            let job = self.job_of_document(raw, jobs.len(), &global, &mut names)?;
            jobs.push(self.place(job, &folder));
        }
        for text in taken_out {
            let node = yaml::parse_block(text);
            let raw = self.raw_job(node.as_ref())?;
            let job = self.job_of_document(raw, jobs.len(), &global, &mut names)?;
            jobs.push(self.place(job, &folder));
        }
        document
            .sections
            .check(global.validation_scheme.unwrap_or_default())?;
        let labels = &document.global.external_labels;
        let labels = labels.iter().map(|(name, value)| {
            (
                self.shared.intern(name),
                environment::expand(value, cx.env).into(),
            )
        });
        global.external_labels = Labels::from_sorted(labels.collect());
        paths::place_global(&mut global, &folder);
        let mut config = Config {
            global: Arc::new(global),
            scrape_config_files: document.scrape_config_files,
            jobs,
        };
        paths::place_files(&mut config, &folder);
        self.load_files(&mut config, cx, &mut names)?;
        Ok(config)
    }

    /// Loads one job: a fragment is a YAML list with one scrape config.
    ///
    /// # Errors
    /// Prometheus would refuse a document with this job.
    pub fn load_job(
        &mut self,
        fragment: &[u8],
        global: &Arc<Global>,
        cx: &Context<'_>,
    ) -> Result<Arc<ScrapeConfig>> {
        let node = parse(fragment)?;
        let raw = self.raw_job(node.as_ref())?;
        let job = self.resolve(raw, 0, global)?;
        Ok(self.place(job, &paths::folder_of(cx.path)))
    }

    fn raw_job(&mut self, node: Option<&Node<'_>>) -> Result<Option<RawJob>> {
        let mut jobs = Vec::new();
        let mut decoder = Decoder::new(&mut self.shared);
        if let Some(node) = node {
            decoder.list(node, &mut jobs, RawJob::decode)?;
        }
        decoder.finish()?;
        let count = jobs.len();
        match jobs.pop() {
            Some(job) if count == 1 => Ok(job),
            _ => Err(Error::invalid(
                "",
                format!("a fragment holds {count} scrape configs, not 1"),
            )),
        }
    }

    /// A job of the main file, which must be the first of its name.
    fn job_of_document(
        &mut self,
        raw: Option<RawJob>,
        index: usize,
        global: &Global,
        names: &mut HashMap<Text, String>,
    ) -> Result<ScrapeConfig> {
        let job = self.resolve(raw, index, global)?;
        let name = Text::clone(&job.job_name);
        match names.insert(name, MAIN_FILE.to_owned()) {
            Some(first) => Err(twice(index, &job.job_name, &first)),
            None => Ok(job),
        }
    }

    /// Loads a list of scrape configs job by job: one that Prometheus would refuse leaves the others unharmed.
    ///
    /// # Errors
    /// The text is no YAML, or no list.
    pub fn load_list(
        &mut self,
        text: &[u8],
        global: &Arc<Global>,
        cx: &Context<'_>,
    ) -> Result<Vec<Result<Arc<ScrapeConfig>>>> {
        let Some(node) = parse(text)? else {
            return Ok(Vec::new());
        };
        let Data::Sequence(items) = &node.resolved().data else {
            return Err(Error {
                stage: Stage::Decode,
                path: String::new(),
                lines: vec![node.line],
                message: "not a list of scrape configs".to_owned(),
            });
        };
        let folder = paths::folder_of(cx.path);
        let jobs = items.iter().enumerate().map(|(index, item)| {
            let mut raw = Vec::new();
            let mut decoder = Decoder::new(&mut self.shared);
            let alone = Node {
                data: Data::Sequence(vec![item.clone()]),
                ..node.clone()
            };
            decoder.list(&alone, &mut raw, RawJob::decode)?;
            decoder.finish()?;
            let job = self.resolve(raw.pop().flatten(), index, global)?;
            Ok(self.place(job, &folder))
        });
        Ok(jobs.collect())
    }

    /// Loads a list of relabel rules that stands alone.
    ///
    /// # Errors
    /// Prometheus would refuse a job with these rules.
    pub fn load_rules(
        &mut self,
        node: &Node<'_>,
        scheme: ValidationScheme,
    ) -> Result<RelabelRules> {
        let mut raw = Vec::new();
        let mut decoder = Decoder::new(&mut self.shared);
        rules::rules(&mut decoder, node, &mut raw)?;
        decoder.finish()?;
        if raw.iter().any(Option::is_none) {
            return Err(Error::invalid("", "empty or null relabeling rule"));
        }
        rules::validated(raw, scheme, &mut self.shared)
            .map_err(|message| Error::invalid("", message))
    }

    /// Forgets what no loaded configuration uses any more.
    pub fn sweep(&mut self) {
        self.shared.sweep();
    }

    /// The files of `scrape_config_files`, which hold nothing but scrape configs. As upstream they inherit from `global` with its
    /// paths joined, unlike the document's own jobs, and join them once more.
    fn load_files(
        &mut self,
        config: &mut Config,
        cx: &Context<'_>,
        names: &mut HashMap<Text, String>,
    ) -> Result {
        let global = Arc::clone(&config.global);
        for pattern in config.scrape_config_files.clone() {
            let files = cx
                .files
                .glob(&pattern)
                .map_err(|error| unreadable(&pattern, &error))?;
            for file in files {
                let jobs = self.load_file(&file, &global, cx, names);
                let jobs = jobs.map_err(|error| Error {
                    path: format!("{file}: {}", error.path),
                    ..error
                })?;
                config.jobs.extend(jobs);
            }
        }
        Ok(())
    }

    fn load_file(
        &mut self,
        file: &str,
        global: &Global,
        cx: &Context<'_>,
        names: &mut HashMap<Text, String>,
    ) -> Result<Vec<Arc<ScrapeConfig>>> {
        let text = cx
            .files
            .read(file, LARGE)
            .map_err(|error| unreadable(file, &error))?;
        let node = parse(&text)?;
        let mut raw_jobs = Vec::new();
        let mut decoder = Decoder::new(&mut self.shared);
        if let Some(node) = &node {
            decoder.fields(node, &mut |d, key, node| match key {
                "scrape_configs" => d.list(node, &mut raw_jobs, RawJob::decode).map(|()| true),
                _ => Ok(false),
            })?;
        }
        decoder.finish()?;
        let folder = paths::folder_of(file);
        let mut jobs = Vec::with_capacity(raw_jobs.len());
        for (index, raw) in raw_jobs.into_iter().enumerate() {
            let mut job = self.resolve(raw, index, global)?;
            if let Some(first) = names.get(&job.job_name) {
                return Err(twice(index, &job.job_name, first));
            }
            names.insert(Text::clone(&job.job_name), file.to_owned());
            job.from_file = true;
            jobs.push(self.place(job, &folder));
        }
        Ok(jobs)
    }

    fn resolve(
        &mut self,
        raw: Option<RawJob>,
        index: usize,
        global: &Global,
    ) -> Result<ScrapeConfig> {
        let path = || format!("scrape_configs[{index}]");
        match raw {
            Some(raw) => raw
                .resolve(global, &mut self.shared)
                .map_err(|message| Error::invalid(path(), message)),
            None => Err(Error::invalid(
                path(),
                "empty or null scrape config section",
            )),
        }
    }

    /// Joins the paths of a job, then shares its client settings.
    fn place(&mut self, mut job: ScrapeConfig, folder: &str) -> Arc<ScrapeConfig> {
        paths::place_job(&mut job, folder, |client| {
            self.shared.place_client(client, folder)
        });
        Arc::new(job)
    }
}

/// How messages call the document itself.
const MAIN_FILE: &str = "the main file";

/// What a document holds.
struct Document {
    global: RawGlobal,
    rule_files: Vec<Box<str>>,
    scrape_config_files: Vec<Box<str>>,
    jobs: Vec<Option<RawJob>>,
    sections: sections::Sections,
}

impl Document {
    fn decode(node: Option<&Node<'_>>, shared: &mut Shared) -> Result<Self> {
        let mut document = Self {
            global: RawGlobal::default(),
            rule_files: Vec::new(),
            scrape_config_files: Vec::new(),
            jobs: Vec::new(),
            sections: sections::Sections::default(),
        };
        let Some(node) = node else {
            return Ok(document);
        };
        let mut decoder = Decoder::new(shared);
        if decoder.is_null(node)? {
            decoder.finish()?;
            document.global = RawGlobal::zero();
            return Ok(document);
        }
        decoder.fields(node, &mut |d, key, node| {
            match key {
                "global" => document.global = RawGlobal::decode(d, node)?,
                "rule_files" => d.boxes(node, &mut document.rule_files)?,
                "scrape_config_files" => d.boxes(node, &mut document.scrape_config_files)?,
                "scrape_configs" => d.list(node, &mut document.jobs, RawJob::decode)?,
                _ => return document.sections.field(d, key, node),
            }
            Ok(true)
        })?;
        decoder.finish()?;
        Ok(document)
    }

    /// A `*` may only stand in the last element of a path.
    fn check_patterns(&self) -> Result {
        let all = self.rule_files.iter().map(|file| ("rule_files", file));
        let all = all.chain(
            self.scrape_config_files
                .iter()
                .map(|file| ("scrape_config_files", file)),
        );
        for (key, file) in all {
            if file
                .split_once('*')
                .is_some_and(|(_, tail)| tail.contains('/'))
            {
                return Err(Error::invalid(
                    key,
                    format!(
                        "invalid file path {file}: * only in the last element",
                        file = quoted(file)
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Sections of a document that a receiver has no use for, sorted, named as the collector's receiver does
/// (prometheusreceiver: config.go). Empty lists don't count.
///
/// # Errors
/// The text is no YAML.
pub fn unsupported(text: &[u8]) -> Result<Vec<&'static str>> {
    let node = parse(text)?;
    let at = |path: &[&str]| {
        let mut node = node.as_ref()?.resolved();
        for step in path {
            let Data::Mapping(pairs) = &node.data else {
                return None;
            };
            let is_step = |key: &Node| matches!(&key.resolved().data, Data::Scalar(text, _) if &**text == *step);
            node = pairs.iter().find(|(key, _)| is_step(key))?.1.resolved();
        }
        matches!(&node.data, Data::Sequence(items) if !items.is_empty()).then_some(())
    };
    let all: [(&'static str, &[&str]); 5] = [
        ("alert_config.alertmanagers", &["alerting", "alertmanagers"]),
        (
            "alert_config.relabel_configs",
            &["alerting", "alert_relabel_configs"],
        ),
        ("remote_read", &["remote_read"]),
        ("remote_write", &["remote_write"]),
        ("rule_files", &["rule_files"]),
    ];
    Ok(all
        .into_iter()
        .filter(|(_, path)| at(path).is_some())
        .map(|(name, _)| name)
        .collect())
}

fn parse(text: &[u8]) -> Result<Option<Node<'_>>> {
    yaml::parse(text).map_err(|error| Error {
        stage: Stage::Decode,
        path: String::new(),
        lines: error.line.into_iter().collect(),
        message: error.message,
    })
}

fn twice(index: usize, name: &str, first: &str) -> Error {
    let path = format!("scrape_configs[{index}].job_name");
    Error::invalid(
        path,
        format!(
            "found multiple scrape configs with job name {name}, first found in {first}",
            name = quoted(name)
        ),
    )
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::invalid(
        "scrape_config_files",
        format!("{path}: {error}", path = quoted(path)),
    )
}

//! What prometheus-operator does with monitors: select, validate, resolve assets, generate the configuration text. Pure.
//!
//! Two steps: [`Round::references`] names the Secrets and ConfigMaps that are needed; with their content,
//! [`Round::generate`] turns monitors into text. Each endpoint of each monitor becomes one [`Fragment`], generated again only when something
//! it depends on has changed; [`Generated::document`] puts the fragments together to what upstream would write.
//!
//! Upstream: `pkg/prometheus/{promcfg,resource_selector,store}.go`, `pkg/assets`. Where it errs, so do we if the text
//! would otherwise differ; `manual::compatibility` has the list.

mod assets;
mod carried_over;
mod check_spec;
mod checks;
mod context;
pub mod expand;
mod generate;
mod generator;
mod lookup;
mod monitor;
mod origins;
mod relabel;
mod select;
mod settings;
mod snapshot;
mod spec;
mod types;
mod validate;
mod version;

pub use assets::{Asset, AssetId, AssetKind, Assets};
pub use carried_over::NotCarriedOver;
pub use expand::Placeholders;
pub use generator::{Generator, Round};
pub use origins::{Credential, NamedFile, Origin};
pub use settings::{Features, MAX_MONITOR_BYTES, Settings, Workload};
pub use snapshot::{Namespace, Snapshot};
pub use spec::Spec;
pub use types::{Cause, Error, Kind, MonitorId, Owner, Rejection};
pub use version::Version;

use std::collections::BTreeMap;
use std::sync::Arc;

/// Folder under which jobs name the files of [`Fragment::files`].
pub const TLS_ASSETS_DIR: &str = "/etc/prometheus/certs";

/// A file of a job: its path and its content.
pub type JobFile = (Arc<str>, Arc<[u8]>);

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Whose job it is.
    pub owner: Owner,
    /// The job as an item of the list `scrape_configs`: `- job_name: …`, with a line break at its end.
    pub yaml: Arc<str>,
    /// The certificates and keys that it names, by path.
    pub files: Arc<[JobFile]>,
    /// Equal if text and contents of files are; different, but for 2⁻¹²⁸, if they are not.
    pub key: u128,
}

impl Fragment {
    fn new(owner: Owner, yaml: String, files: Vec<JobFile>) -> Self {
        let mut digest = md5::Context::new();
        digest.consume(&yaml);
        for (_, content) in &files {
            // Lengths keep contents apart.
            digest.consume(content.len().to_be_bytes());
            digest.consume(content);
        }
        Self {
            owner,
            yaml: yaml.into(),
            files: files.into(),
            key: u128::from_be_bytes(digest.finalize().0),
        }
    }
}

/// A configuration, in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generated {
    /// The section `global`, as a document of its own.
    pub head: String,
    /// The jobs in the order of the document. Those of a monitor are together, and the same `Arc` as before if they are
    /// unchanged.
    pub jobs: Vec<Arc<[Fragment]>>,
    /// What follows the jobs: `storage` of a server, else nothing.
    pub tail: String,
    /// Monitors that are selected but cannot be used, and those that cannot even be read.
    pub rejected: Vec<Rejection>,
    /// How many monitors of each kind are selected, the rejected ones included.
    pub selected: BTreeMap<Kind, usize>,
    /// How many ServiceMonitors are selected and left out: an agent in `DaemonSet` mode reads PodMonitors only.
    pub left_out: usize,
}

impl Generated {
    /// The whole configuration, byte for byte what upstream writes.
    pub fn document(&self) -> String {
        let length = self.parts().map(str::len).sum();
        let mut text = String::with_capacity(length);
        text.extend(self.parts());
        text
    }

    /// The jobs one by one.
    pub fn fragments(&self) -> impl Iterator<Item = &Fragment> {
        self.jobs.iter().flat_map(|jobs| jobs.iter())
    }

    /// The parts of the whole configuration, to be written one after the other.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        let jobs = match self.fragments().next() {
            None => "scrape_configs: []\n",
            Some(_) => "scrape_configs:\n",
        };
        let fragments = self.fragments().map(|fragment| &*fragment.yaml);
        [self.head.as_str(), jobs]
            .into_iter()
            .chain(fragments)
            .chain([self.tail.as_str()])
    }
}

/// Generates once, without memory.
///
/// # Errors
/// As [`Generator::begin`] and [`Round::generate`].
pub fn generate(
    snapshot: &Snapshot,
    assets: &Assets,
    settings: &Settings,
) -> Result<Generated, Error> {
    Generator::default()
        .begin(snapshot, settings)?
        .generate(assets)
}

//! `file_sd_configs` (prometheus: discovery/file/file.go). Files are looked at every other second, where upstream has
//! the kernel tell it and reads them again every `refresh_interval`.

use super::group_list;
use super::groups::{GroupMap, Groups, merge};
use crate::config::FileSd;
use crate::model::group::TargetGroup;
use crate::rt::files::{Files, LARGE};
use log::warn;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The files of one SD config.
pub(super) struct FileProvider {
    patterns: Vec<Box<str>>,
    files: Arc<dyn Files>,
    known: BTreeMap<String, Known>,
    groups: GroupMap,
    was_read: bool,
}

/// What a file held when it was last read, and what came of it; a file that cannot be read keeps its groups.
struct Known {
    bytes: Option<Arc<[u8]>>,
    groups: Vec<Arc<TargetGroup>>,
}

impl FileProvider {
    pub(super) fn open(sd: &FileSd, files: Arc<dyn Files>) -> Self {
        Self {
            patterns: sd.files.clone(),
            files,
            known: BTreeMap::new(),
            groups: GroupMap::new(),
            was_read: false,
        }
    }

    /// Reads what has changed; the groups, if any did.
    pub(super) fn step(&mut self) -> Option<Groups> {
        self.was_read = true;
        let mut changed = false;
        let mut paths = BTreeSet::new();
        for pattern in &self.patterns {
            match self.files.glob(pattern) {
                Ok(found) => paths.extend(found),
                Err(error) => warn!("file_sd pattern cannot be used pattern={pattern} err={error}"),
            }
        }
        let before = self.known.len();
        self.known.retain(|path, _| paths.contains(path));
        changed |= self.known.len() != before;
        for path in paths {
            changed |= self.read(path);
        }
        if !changed {
            return None;
        }
        let mut now = GroupMap::new();
        for known in self.known.values() {
            merge(&mut now, known.groups.clone());
        }
        self.groups = now;
        Some(self.groups.values().cloned().collect())
    }

    pub(super) fn missing(&self) -> Vec<String> {
        let never = !self.was_read;
        never
            .then(|| "file_sd_configs: not read yet".to_owned())
            .into_iter()
            .collect()
    }

    /// Whether the file's groups changed.
    fn read(&mut self, path: String) -> bool {
        let read = self.files.read(&path, LARGE);
        let known = self.known.entry(path.clone()).or_insert(Known {
            bytes: None,
            groups: Vec::new(),
        });
        let groups = match read {
            Ok(bytes) if known.bytes.as_ref() == Some(&bytes) => return false,
            Ok(bytes) => {
                let groups = group_list::read(&bytes, &path, "__meta_filepath");
                known.bytes = Some(bytes);
                groups
            }
            // Its text is only of interest once.
            Err(_) if known.bytes.is_none() => return false,
            Err(error) => {
                known.bytes = None;
                Err(error.to_string())
            }
        };
        match groups {
            Ok(groups) => {
                known.groups = groups;
                true
            }
            Err(error) => {
                warn!("file_sd file cannot be read, its last groups stay path={path} err={error}");
                false
            }
        }
    }
}

//! A folder of YAML and JSON files that plays the API server (`--from-dir`): looked at by modification time and length.
//! A file that breaks keeps the objects it last held, so that a half-written file takes no target away.

use super::api::error::{Error, Status};
use super::decode;
use super::fields;
use super::manifest;
use super::types::kind::Kind;
use super::types::object::{Key, Object};
use super::watch::store_key::StoreKey;
use crate::rt::files::{open_regular, reason};
use crate::wire::yaml::documents;
use log::{info, warn};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Larger files are no objects that an API server would take, not even a list of all.
const MAX_FILE: u64 = 64 << 20;

/// All files of a folder together: they are held in memory.
const MAX_TOTAL: u64 = 512 << 20;

/// Entries of a folder and the folders below it.
const MAX_ENTRIES: usize = 100_000;

/// A file, or a part of it, that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderProblem {
    /// The file, and the document in it.
    pub origin: String,
    /// What is wrong, and what holds instead.
    pub message: String,
}

impl fmt::Display for FolderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// The folder and what it last held.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    files: BTreeMap<PathBuf, File>,
    was_read: bool,
    /// What cannot be looked at, as opposed to files that cannot be read.
    problems: Vec<FolderProblem>,
}

#[derive(Debug)]
struct File {
    stamp: Stamp,
    entries: Vec<Entry>,
    problems: Vec<FolderProblem>,
}

/// A file whose stamp is the same has the same contents.
pub type Stamp = (Option<SystemTime>, u64);

#[derive(Debug)]
struct Entry {
    kind: Kind,
    key: Key,
    origin: String,
    value: Value,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            files: BTreeMap::new(),
            was_read: false,
            problems: Vec::new(),
        }
    }

    /// Looks for changed files; whether the objects may have changed.
    pub(crate) fn scan(&mut self) -> bool {
        let found = find_files(&self.path);
        let problems: Vec<_> = found
            .unreadable
            .iter()
            .map(|(path, message)| FolderProblem {
                origin: path.display().to_string(),
                message: message.clone(),
            })
            .collect();
        let mut changed = self.problems != problems;
        if changed {
            for problem in &problems {
                warn!("a part of the folder cannot be read, its last state holds err={problem}");
            }
            self.problems = problems;
        }
        if found.unreadable.contains_key(&self.path) {
            return changed;
        }
        changed |= !self.was_read;
        self.was_read = true;
        let before = self.files.len();
        self.files.retain(|path, _| {
            let mut unreadable = found.unreadable.keys();
            found.files.contains_key(path) || unreadable.any(|folder| path.starts_with(folder))
        });
        changed |= self.files.len() != before;
        for (path, stamp) in found.files {
            let known = self.files.get(&path);
            if known.is_some_and(|file| file.stamp == stamp) {
                continue;
            }
            changed = true;
            let last = self.files.remove(&path);
            let file = read_file(&path, stamp, last);
            for problem in &file.problems {
                warn!("a file cannot be read in full err={problem}");
            }
            self.files.insert(path, file);
        }
        if changed {
            info!(
                "read the folder path={} files={}",
                self.path.display(),
                self.files.len()
            );
        }
        changed
    }

    /// Whether its state is known: it could be read at least once.
    pub(crate) fn was_read(&self) -> bool {
        self.was_read
    }

    pub(crate) fn problems(&self) -> Vec<FolderProblem> {
        let mut problems = self.problems.clone();
        for file in self.files.values() {
            problems.extend(file.problems.iter().cloned());
        }
        let mut seen = BTreeMap::new();
        for entry in self.entries() {
            if let Some(first) = seen.insert((entry.kind, &entry.key), &entry.origin) {
                problems.push(FolderProblem {
                    origin: entry.origin.clone(),
                    message: format!(
                        "{} {} is in {first}, too; the first one holds",
                        entry.kind, entry.key
                    ),
                });
            }
        }
        problems
    }

    /// The objects a store wants; and those that cannot be decoded, with the reason.
    pub(crate) fn objects(&self, wanted: &StoreKey) -> (Vec<Object>, BTreeMap<Key, String>) {
        let (mut objects, mut undecodable) = (Vec::new(), BTreeMap::new());
        // Checked when the store was opened.
        let selector = fields::parse(wanted.kind, &wanted.fields).unwrap_or_default();
        let mut seen = BTreeSet::new();
        for entry in self.entries() {
            let inside = wanted
                .namespace
                .as_ref()
                .is_none_or(|n| *n == entry.key.namespace);
            if entry.kind != wanted.kind || !inside || !seen.insert(&entry.key) {
                continue;
            }
            if !fields::matches(&selector, &entry.value) {
                continue;
            }
            let read = |value: &Value| Object::decode(entry.kind, &value.to_string());
            match read(&entry.value) {
                Ok(object) => objects.push(object),
                Err(error) => {
                    let is_readable = |rest: &Value| read(rest).is_ok();
                    let reason = decode::explain(&entry.value, &error, &is_readable);
                    undecodable.insert(entry.key.clone(), format!("{}: {reason}", entry.origin));
                }
            }
        }
        (objects, undecodable)
    }

    pub(crate) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value, Error> {
        let key = Key::new(namespace, name);
        let mut found = self.entries().filter(|e| e.kind == kind && e.key == key);
        found
            .next()
            .map(|entry| entry.value.clone())
            .ok_or_else(|| {
                Error::Status(Status {
                    code: 404,
                    reason: "NotFound".to_owned(),
                    message: format!("{} \"{name}\" not found", kind.plural()),
                    ..Status::default()
                })
            })
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.files.values().flat_map(|file| &file.entries)
    }
}

/// What is in a folder.
#[derive(Debug, Default)]
pub struct Found {
    /// The files to read.
    pub files: BTreeMap<PathBuf, Stamp>,
    /// What is left out, and why; the folder itself, if it cannot be read.
    pub unreadable: BTreeMap<PathBuf, String>,
}

/// Files with the endings of YAML and JSON in the folder and the folders below it. Hidden names are left out:
/// editors and mounted ConfigMaps keep copies under them. Each folder is looked into once, whatever links lead to it.
pub fn find_files(folder: &Path) -> Found {
    let mut found = Found::default();
    let (mut seen, mut entries) = (HashSet::new(), 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let names = std::fs::metadata(&folder).and_then(|meta| {
            if !seen.insert((meta.dev(), meta.ino())) {
                return Ok(BTreeSet::new());
            }
            let names = std::fs::read_dir(&folder)?;
            let names = names.map(|entry| entry.map(|entry| entry.path()));
            names.take(MAX_ENTRIES + 1 - entries).collect()
        });
        let names = match names {
            Ok(names) => names,
            Err(error) => {
                found.unreadable.insert(folder, reason(&error));
                continue;
            }
        };
        entries += names.len();
        if entries > MAX_ENTRIES {
            let message =
                format!("more than {MAX_ENTRIES} files and folders: the rest is left out");
            found.unreadable.insert(folder, message);
            break;
        }
        for path in names {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') {
                continue;
            }
            // Gone since the folder was read, or a dangling link: not there.
            let Ok(meta) = std::fs::metadata(&path) else {
                continue;
            };
            let is_text = [".yaml", ".yml", ".json"]
                .iter()
                .any(|end| name.ends_with(end));
            if meta.is_dir() {
                folders.push(path);
            } else if is_text {
                found.files.insert(path, (meta.modified().ok(), meta.len()));
            }
        }
    }
    let mut total: u64 = 0;
    found.files.retain(|path, (_, len)| {
        total = total.saturating_add((*len).min(MAX_FILE));
        let fits = total <= MAX_TOTAL;
        if !fits {
            let message = format!("more than {} MiB in all: left out", MAX_TOTAL >> 20);
            found.unreadable.insert(path.clone(), message);
        }
        fits
    });
    found
}

/// The text of a file that was found in a folder.
///
/// # Errors
/// It is no regular file, is too large, cannot be read, or is in another encoding; in words for whoever put it there.
pub fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = open_regular(path).map_err(|error| reason(&error))?;
    // Files of the kernel say that they are empty, others grow: only what is read counts.
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    match read {
        Ok(read) if u64::try_from(read).is_ok_and(|read| read <= MAX_FILE) => {
            documents::text(bytes)
        }
        Ok(_) => Err(format!("larger than {} MiB", MAX_FILE >> 20)),
        Err(error) => Err(reason(&error)),
    }
}

fn read_file(path: &Path, stamp: Stamp, last: Option<File>) -> File {
    let origin = path.display().to_string();
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    match read_text(path) {
        Ok(text) => {
            let (objects, errors) = manifest::read(&origin, &text);
            problems.extend(errors.into_iter().map(|error| FolderProblem {
                origin: error.origin,
                message: error.message,
            }));
            for object in objects {
                match entry_of(object) {
                    Ok(entry) => entries.extend(entry),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        Err(message) => problems.push(FolderProblem { origin, message }),
    }
    if !problems.is_empty()
        && let Some(last) = last
    {
        entries = last.entries;
        for problem in &mut problems {
            problem
                .message
                .push_str(" (the file's last good objects hold)");
        }
    }
    File {
        stamp,
        entries,
        problems,
    }
}

/// The object, if it is of a kind that is read.
fn entry_of(object: manifest::Manifest) -> Result<Option<Entry>, FolderProblem> {
    let Some(kind) = Kind::of(object.api_version(), object.kind()) else {
        return Ok(None);
    };
    let key = Key::new(object.namespace(), object.name());
    if key.name.is_empty() {
        return Err(FolderProblem {
            origin: object.origin,
            message: format!("a {kind} without metadata.name"),
        });
    }
    let mut value = object.value;
    decode::normalize(&mut value);
    Ok(Some(Entry {
        kind,
        key,
        origin: object.origin,
        value,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn pods(folder: &Folder) -> Vec<String> {
        let key = StoreKey {
            kind: Kind::Pod,
            namespace: None,
            fields: String::new(),
        };
        let (objects, _) = folder.objects(&key);
        objects.iter().map(|pod| pod.key().to_string()).collect()
    }

    #[test]
    fn a_broken_file_keeps_its_last_good_objects() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yaml");
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus:\n";
        std::fs::write(&file, pod).unwrap();
        std::fs::write(dir.path().join(".hidden.yaml"), pod).unwrap();
        let mut folder = Folder::new(dir.path().to_owned());
        assert!(folder.scan());
        assert!(!folder.scan());
        assert_eq!(pods(&folder), ["default/a"]);
        std::fs::write(&file, "apiVersion: v1\nkind: Pod\nmetadata: {name: [").unwrap();
        assert!(folder.scan());
        assert_eq!(pods(&folder), ["default/a"]);
        assert_eq!(folder.problems().len(), 1);
        std::fs::write(dir.path().join("b.yml"), pod).unwrap();
        std::fs::write(
            &file,
            format!("{pod}---\n{}", pod.replace("name: a", "name: b")),
        )
        .unwrap();
        assert!(folder.scan());
        assert_eq!(pods(&folder), ["default/a", "default/b"]);
        assert!(folder.problems()[0].message.contains("is in"));
        std::fs::remove_dir_all(dir.path()).unwrap();
        assert!(folder.scan());
        assert_eq!(pods(&folder).len(), 2);
        assert!(
            folder
                .get(Kind::Secret, "default", "x")
                .unwrap_err()
                .is_not_found()
        );
    }

    #[test]
    fn only_regular_files_are_read_and_folders_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for link in ["a", "b", "c"] {
            symlink(".", at(link)).unwrap();
        }
        symlink("/dev/zero", at("zero.yaml")).unwrap();
        symlink("gone", at("gone.yaml")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("fifo.json"))
            .status();
        assert!(made.unwrap().success());
        std::fs::write(at("latin.yaml"), b"# caf\xe9\n").unwrap();
        std::fs::write(
            at("good.yaml"),
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n",
        )
        .unwrap();
        let mut folder = Folder::new(dir.path().to_owned());
        assert!(folder.scan());
        assert_eq!(pods(&folder), ["default/x"]);
        let problems: Vec<_> = folder.problems().iter().map(ToString::to_string).collect();
        let want = [
            "fifo.json: is a FIFO",
            "latin.yaml: line 1: not UTF-8",
            "zero.yaml: is a device",
        ];
        assert_eq!(problems.len(), want.len(), "{problems:?}");
        for (problem, want) in problems.iter().zip(want) {
            assert!(problem.contains(want), "{problem}");
        }
    }

    #[test]
    fn what_cannot_be_read_of_a_folder_keeps_its_last_state() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, big) = (dir.path().join("inner"), dir.path().join("big.yaml"));
        std::fs::create_dir(&inner).unwrap();
        let pod = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n");
        std::fs::write(inner.join("a.yaml"), pod("a")).unwrap();
        let mut folder = Folder::new(dir.path().to_owned());
        assert!(folder.scan());
        std::fs::File::create(&big)
            .unwrap()
            .set_len(MAX_FILE + 1)
            .unwrap();
        std::fs::write(dir.path().join("b.yaml"), pod("b")).unwrap();
        let found = find_files(dir.path());
        assert!(found.unreadable.is_empty());
        assert!(folder.scan());
        assert_eq!(pods(&folder), ["default/b", "default/a"]);
        assert_eq!(folder.problems()[0].message, "larger than 64 MiB");
        let wrong = pod("c").replace(
            "metadata",
            "spec: {containers: [{ports: [{containerPort: 1.5}]}]}\nmetadata",
        );
        std::fs::write(dir.path().join("c.yaml"), wrong).unwrap();
        assert!(folder.scan());
        let key = StoreKey {
            kind: Kind::Pod,
            namespace: None,
            fields: String::new(),
        };
        let (_, undecodable) = folder.objects(&key);
        let reason = &undecodable[&Key::new("default", "c")];
        assert!(
            reason.contains("c.yaml#1: spec.containers[0].ports[0].containerPort: "),
            "{reason}"
        );
    }
}

//! A folder of YAML and JSON files that plays the API server (`--from-dir`): looked at by modification time and length.
//! A file that breaks keeps the objects it last held, so that a half-written file takes no target away.

use super::error::{Error, Status};
use super::informers::StoreKey;
use super::manifest;
use super::selectors::FieldSelector;
use super::types::kind::Kind;
use super::types::object::{Key, Object};
use log::{info, warn};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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
    problem: Option<FolderProblem>,
}

#[derive(Debug)]
struct File {
    stamp: Stamp,
    entries: Vec<Entry>,
    problems: Vec<FolderProblem>,
}

/// A file whose stamp is the same has the same contents.
type Stamp = (Option<SystemTime>, u64);

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
            problem: None,
        }
    }

    /// Looks for changed files; whether the objects may have changed.
    pub(crate) fn scan(&mut self) -> bool {
        let found = match find_files(&self.path) {
            Ok(found) => found,
            Err(error) => {
                let problem = FolderProblem {
                    origin: self.path.display().to_string(),
                    message: error.to_string(),
                };
                let news = self.problem.as_ref() != Some(&problem);
                if news {
                    warn!("the folder cannot be read, its last state holds err={problem}");
                }
                self.problem = Some(problem);
                return news;
            }
        };
        let mut changed = !self.was_read || self.problem.take().is_some();
        self.was_read = true;
        let before = self.files.len();
        self.files.retain(|path, _| found.contains_key(path));
        changed |= self.files.len() != before;
        for (path, stamp) in found {
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
        let mut problems: Vec<_> = self.problem.iter().cloned().collect();
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
        let fields = FieldSelector::parse(wanted.kind, &wanted.fields).unwrap_or_default();
        let mut seen = BTreeSet::new();
        for entry in self.entries() {
            let inside = wanted
                .namespace
                .as_ref()
                .is_none_or(|n| *n == entry.key.namespace);
            if entry.kind != wanted.kind || !inside || !seen.insert(&entry.key) {
                continue;
            }
            if !fields.matches(&entry.value) {
                continue;
            }
            match Object::decode(entry.kind, &entry.value.to_string()) {
                Ok(object) => objects.push(object),
                Err(error) => {
                    undecodable.insert(entry.key.clone(), error.to_string());
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

/// Files with the endings of YAML and JSON in the folder and the folders below it. Hidden names are left out:
/// editors and mounted ConfigMaps keep copies under them.
fn find_files(folder: &Path) -> io::Result<BTreeMap<PathBuf, Stamp>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
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
                found.insert(path, (meta.modified().ok(), meta.len()));
            }
        }
    }
    Ok(found)
}

fn read_file(path: &Path, stamp: Stamp, last: Option<File>) -> File {
    let origin = path.display().to_string();
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    match std::fs::read_to_string(path) {
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
        Err(error) => problems.push(FolderProblem {
            origin,
            message: error.to_string(),
        }),
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
fn entry_of(object: manifest::Object) -> Result<Option<Entry>, FolderProblem> {
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
    strip_nulls(&mut value);
    Ok(Some(Entry {
        kind,
        key,
        origin: object.origin,
        value,
    }))
}

/// The API server drops nulls of YAML (`status:` with nothing behind it) before it stores an object.
fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

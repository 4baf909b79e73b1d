//! What changed between two configurations, for the log of acts: which files, and which of their keys. Values are compared
//! by their digests and never told.

use crate::config::{Config, FILE_BYTES_MAX};
use crate::domain::{Digest, Hasher};
use crate::journal::acts::{CHANGED_FILES_MAX, CHANGED_KEYS_MAX, ChangedFile, Deed};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files that are looked at; no configuration has as many.
const FILES_MAX: usize = 50_000;
/// Folders within one another below a folder of mappings.
const DEPTH_MAX: usize = 4;

/// The files of a configuration as they were read.
#[derive(Debug, Default)]
pub struct Snapshot(BTreeMap<String, Seen>);

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    digest: Digest,
    keys: BTreeMap<String, Digest>,
}

impl Snapshot {
    /// Reads the configuration's own files and those of its mappings, their cases left out. What cannot be read is left
    /// out too: whoever needs it has said so.
    pub fn of(config: &Config) -> Self {
        let mut files = vec![config.folder.join("portolan.toml")];
        for (folder, depth) in [("partners", 1), ("flows", 1), ("queries", 1), ("reconciliations", 1), ("operators", 1), ("calendars", 2)] {
            gather(&config.folder.join(folder), depth, &mut files);
        }
        config.gateway.mappings.iter().for_each(|folder| gather(folder, DEPTH_MAX, &mut files));
        let read = files.iter().filter_map(|file| {
            let name = file.strip_prefix(&config.folder).unwrap_or(file).display().to_string();
            Some((name, read(file)?))
        });
        Self(read.collect())
    }

    /// One digest of all of it.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        for (name, file) in &self.0 {
            hasher.update(name.as_bytes());
            hasher.update(&[0]);
            hasher.update(&file.digest.0);
        }
        hasher.finish()
    }

    /// What the log says of it: the files that are not as they were `before`, where that is known.
    pub fn deed(&self, before: Option<&Self>) -> Deed {
        let mut files = before.map(|before| self.since(before)).unwrap_or_default();
        let left_out = files.len().saturating_sub(CHANGED_FILES_MAX);
        files.truncate(CHANGED_FILES_MAX);
        Deed::Configure { digest: self.digest(), files, files_left_out: left_out as u64 }
    }

    fn since(&self, before: &Self) -> Vec<ChangedFile> {
        let names: BTreeSet<&String> = self.0.keys().chain(before.0.keys()).collect();
        let changed = names.into_iter().filter_map(|name| {
            let (how, keys) = match (before.0.get(name), self.0.get(name)) {
                (None, _) => ("added", Vec::new()),
                (_, None) => ("removed", Vec::new()),
                (Some(old), Some(new)) if old.digest == new.digest => return None,
                (Some(old), Some(new)) => ("changed", changed_keys(&old.keys, &new.keys)),
            };
            Some(ChangedFile { file: name.clone(), how: how.to_owned(), keys })
        });
        changed.collect()
    }
}

fn changed_keys(old: &BTreeMap<String, Digest>, new: &BTreeMap<String, Digest>) -> Vec<String> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).take(CHANGED_KEYS_MAX).cloned().collect()
}

/// The files below a folder, in so many folders within one another.
fn gather(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in entries {
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden || files.len() >= FILES_MAX {
            continue;
        }
        if path.is_file() {
            files.push(path);
        } else if depth > 1 && !path.ends_with("cases") {
            gather(&path, depth - 1, files);
        }
    }
}

fn read(file: &Path) -> Option<Seen> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let mut keys = BTreeMap::new();
    if let Some(table) = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<toml::Table>().ok()) {
        flatten("", &table, &mut keys);
    }
    Some(Seen { digest: Digest::of(&bytes), keys })
}

/// Keys with their tables before them; a list is one value.
fn flatten(path: &str, table: &toml::Table, keys: &mut BTreeMap<String, Digest>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, keys),
            value => drop(keys.insert(path, Digest::of(&serde_json::to_vec(value).unwrap_or_default()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        let folder = tempfile::tempdir().unwrap();
        let read = files.iter().map(|(name, text)| {
            let file = folder.path().join("file");
            fs::write(&file, text).unwrap();
            ((*name).to_owned(), read(&file).unwrap())
        });
        Snapshot(read.collect())
    }

    #[test]
    fn changes_are_told_by_file_and_key() {
        let before = snapshot(&[("flows/a.toml", "x = 1\n[t]\ny = 'secret'\nz = [1]"), ("gone", ""), ("same", "a = 1")]);
        let after = snapshot(&[("flows/a.toml", "x = 1\n[t]\ny = 'other'\nz = [1, 2]\nw = 0"), ("new", ""), ("same", "a = 1")]);
        let Deed::Configure { files, files_left_out, digest } = after.deed(Some(&before)) else { panic!("no deed") };
        let told: Vec<_> = files.iter().map(|file| (file.file.as_str(), file.how.as_str(), file.keys.join(" "))).collect();
        let expected =
            [("flows/a.toml", "changed", "t.w t.y t.z".to_owned()), ("gone", "removed", String::new()), ("new", "added", String::new())];
        assert_eq!((told.as_slice(), files_left_out), (expected.as_slice(), 0));
        assert!(digest != before.digest() && digest == after.digest());
    }
}

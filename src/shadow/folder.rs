//! Candidates on the disk: `candidates/NAME` of the configuration. What was replaced or dropped lies in `candidates/.aside`.
//!
//! A folder's digest is SHA-256 over each of its files in the order of their paths: path, a zero byte, SHA-256 of the contents.
//! Only files and folders count; a link, which could lead elsewhere tomorrow, is refused. Limits: [`FILES_MAX`], [`BYTES_MAX`],
//! [`DEPTH_MAX`].

use crate::domain::{Digest, Hasher, Name};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The folder of candidates within the configuration.
pub const CANDIDATES: &str = "candidates";
/// Candidates that are listed.
pub const CANDIDATES_MAX: usize = 100;
/// Files of one candidate, its cases counted.
pub const FILES_MAX: usize = 2_000;
/// Bytes of one candidate.
pub const BYTES_MAX: u64 = 256 << 20;
/// Folders within one another.
pub const DEPTH_MAX: usize = 8;

/// Within [`CANDIDATES`], what was replaced or dropped.
const ASIDE: &str = ".aside";

/// What lies in a folder of candidates.
#[derive(Debug, Default)]
pub struct Listed {
    /// Names of candidates.
    pub names: Vec<Name>,
    /// Entries that are none.
    pub ignored: Vec<String>,
}

/// Lists a folder of candidates; one that is not there has none.
///
/// # Errors
/// A folder that cannot be read, or holds too many.
pub fn list(folder: &Path) -> io::Result<Listed> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listed::default()),
        Err(error) => return Err(error),
    };
    let mut listed = Listed::default();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if listed.names.len() + listed.ignored.len() >= CANDIDATES_MAX {
            return Err(io::Error::other(format!("{} holds more than {CANDIDATES_MAX} entries", folder.display())));
        }
        match name.parse() {
            Ok(known) if entry.file_type()?.is_dir() => listed.names.push(known),
            _ => listed.ignored.push(name),
        }
    }
    listed.names.sort();
    listed.ignored.sort();
    Ok(listed)
}

/// The digest of a candidate's folder.
///
/// # Errors
/// What cannot be read, is no plain file, or is too much.
pub fn digest(folder: &Path) -> io::Result<Digest> {
    let mut files = BTreeMap::new();
    gather(folder, folder, 1, &mut files)?;
    let mut left = BYTES_MAX;
    let mut hasher = Hasher::default();
    for (relative, file) in files {
        let bytes = fs::read(&file)?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| refused(folder, &format!("has more than {BYTES_MAX} bytes")))?;
        hasher.update(relative.as_bytes());
        hasher.update(&[0]);
        hasher.update(&Digest::of(&bytes).0);
    }
    Ok(hasher.finish())
}

fn gather(root: &Path, folder: &Path, depth: usize, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(refused(folder, &format!("has more than {DEPTH_MAX} folders within one another")));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            gather(root, &path, depth + 1, files)?;
        } else if !kind.is_file() {
            return Err(refused(&path, "is no plain file"));
        } else if files.len() >= FILES_MAX || entry.metadata()?.len() > BYTES_MAX {
            return Err(refused(root, &format!("has more than {FILES_MAX} files or {BYTES_MAX} bytes")));
        } else {
            files.insert(path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned(), path);
        }
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} {why}", path.display()))
}

/// Puts the candidate `name` of the folder of candidates in its place among the mappings, in one step. First it is moved beside it,
/// where nobody looks and nothing is edited, and must have this digest there. What it replaces is put aside as `aside`.
///
/// # Errors
/// What cannot be moved, or has changed: the candidate lies where it lay, and the mapping before stays.
pub fn promote(candidates: &Path, mappings: &Path, name: &Name, expected: Digest, aside: &str) -> io::Result<()> {
    let (candidate, place, beside) =
        (candidates.join(name.as_str()), mappings.join(name.as_str()), mappings.join(format!(".candidate-{name}")));
    fs::rename(&candidate, &beside)?;
    let placed = digest(&beside).and_then(|found| {
        if found != expected {
            return Err(refused(&candidate, "was changed in the meantime"));
        }
        let replaces = place.exists();
        renameat_with(CWD, &beside, CWD, &place, if replaces { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE })?;
        Ok(replaces)
    });
    let replaces = placed.inspect_err(|_| {
        if let Err(error) = fs::rename(&beside, &candidate) {
            tracing::error!(%error, folder = %beside.display(), "a candidate that was not promoted could not be moved back");
        }
    })?;
    // It holds from here on; what is left can be done by hand.
    let tidied = File::open(mappings).and_then(|folder| folder.sync_all());
    let tidied = if replaces { tidied.and_then(|()| set_aside(candidates, &beside, aside)) } else { tidied };
    if let Err(error) = tidied {
        tracing::warn!(%error, folder = %beside.display(), "the mapping that was replaced could not be put aside");
    }
    Ok(())
}

/// Puts a folder aside under a name.
///
/// # Errors
/// What cannot be moved.
pub fn set_aside(candidates: &Path, folder: &Path, name: &str) -> io::Result<()> {
    let aside = candidates.join(ASIDE);
    fs::create_dir_all(&aside)?;
    fs::rename(folder, aside.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, path: &str, text: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(folder: &Path, path: &str) -> Option<String> {
        fs::read_to_string(folder.join(path)).ok()
    }

    #[test]
    fn a_digest_covers_every_file_and_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "mapping.toml", "a");
        write(folder, "cases/one.in.csv", "b");
        let first = digest(folder).unwrap();
        let mut seen = vec![first];
        for (path, text) in [("mapping.toml", "aa"), ("cases/one.in.csv", "c"), (".hidden", ""), ("cases/two.in.csv", "b")] {
            write(folder, path, text);
            let next = digest(folder).unwrap();
            assert!(!seen.contains(&next), "{path}");
            seen.push(next);
        }
        std::os::unix::fs::symlink("/etc/hostname", folder.join("link.toml")).unwrap();
        assert!(digest(folder).unwrap_err().to_string().contains("link.toml is no plain file"));
    }

    #[test]
    fn a_candidate_takes_its_place_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (candidates, mappings, name) = (root.join("candidates"), root.join("mappings"), "pay".parse::<Name>().unwrap());
        write(root, "candidates/pay/mapping.toml", "new");
        fs::create_dir_all(&mappings).unwrap();
        let known = digest(&candidates.join("pay")).unwrap();
        // Something else than what was run stays where it is.
        let refused = promote(&candidates, &mappings, &name, Digest::default(), "a").unwrap_err();
        assert!(refused.to_string().contains("changed"), "{refused}");
        assert_eq!((read(root, "candidates/pay/mapping.toml").as_deref(), mappings.join("pay").exists()), (Some("new"), false));
        promote(&candidates, &mappings, &name, known, "a").unwrap();
        assert_eq!((read(root, "mappings/pay/mapping.toml").as_deref(), candidates.join("pay").exists()), (Some("new"), false));
        // The next one replaces it, and it lies aside.
        write(root, "candidates/pay/mapping.toml", "newer");
        promote(&candidates, &mappings, &name, digest(&candidates.join("pay")).unwrap(), "b").unwrap();
        assert_eq!(read(root, "mappings/pay/mapping.toml").as_deref(), Some("newer"));
        assert_eq!(read(root, "candidates/.aside/b/mapping.toml").as_deref(), Some("new"));
        let left: Vec<_> = fs::read_dir(&mappings).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["pay"]);
        assert!(list(&candidates).unwrap().names.is_empty());
    }
}

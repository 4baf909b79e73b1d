//! The files of a folder of the configuration, by their names.

use super::{FILES_PER_FOLDER_MAX, Problem};
use crate::domain::Name;
use std::path::{Path, PathBuf};

/// The `NAME.toml` files of a folder in the order of their names, hidden ones left out. A folder that
/// does not exist is empty.
pub(super) fn named_files(folder: &Path, problems: &mut Vec<Problem>) -> Vec<(Name, PathBuf)> {
    let mut files = Vec::new();
    let mut note = |file: &Path, message: String| problems.push(Problem { file: file.to_owned(), line: 0, message });
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return files,
        Err(error) => {
            note(folder, format!("cannot be read: {error}"));
            return files;
        }
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                note(folder, format!("cannot be read: {error}"));
                break;
            }
        };
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = file_name.strip_suffix(".toml").filter(|_| !file_name.starts_with('.')) else { continue };
        match stem.parse::<Name>() {
            Ok(name) => files.push((name, path.clone())),
            Err(message) => note(&path, format!("the file's name: {message}")),
        }
        if files.len() > FILES_PER_FOLDER_MAX {
            note(folder, format!("more than {FILES_PER_FOLDER_MAX} files"));
            break;
        }
    }
    files.sort();
    files
}

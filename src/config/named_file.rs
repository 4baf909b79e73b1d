//! A file that the configuration names, with the place where it does: what is wrong with the file is told
//! there, since that is where an operator looks for it.

use super::Problem;
use std::fmt::Display;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file, and where it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    path: PathBuf,
    /// The configuration file and its line; `None` where no configuration was read.
    place: Option<(Arc<Path>, usize)>,
}

impl NamedFile {
    /// A file that is named at a line of a configuration file.
    pub fn named_at(path: PathBuf, file: &Path, line: usize) -> Self {
        Self { path, place: Some((file.into(), line)) }
    }

    /// A problem of the file, told where it is named.
    pub fn problem(&self, message: impl Display) -> Problem {
        match &self.place {
            Some((file, line)) => Problem { file: file.to_path_buf(), line: *line, message: format!("{}: {message}", self.path.display()) },
            None => Problem { file: self.path.clone(), line: 0, message: message.to_string() },
        }
    }
}

impl Deref for NamedFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl AsRef<Path> for NamedFile {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// A file that no configuration names: its problems are told at the file itself.
impl From<PathBuf> for NamedFile {
    fn from(path: PathBuf) -> Self {
        Self { path, place: None }
    }
}

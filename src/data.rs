//! The data folder: one gateway's at a time, and closed to everybody else.
//!
//! A gateway holds `lock` in it as long as it runs, and takes it before it touches anything else there:
//! the journal, the keys of the receipts, the spool. Folder and subfolders are their owner's alone (0700).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of folders: their owner's alone.
const FOLDER_MODE: u32 = 0o700;
/// What a mode gives to others than the owner.
const OTHERS: u32 = 0o077;

/// Why a data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another process has it.
    #[error("{path} is in use by another gateway", path = .0.display())]
    InUse(PathBuf),
    /// It could not be made, closed to others, or locked.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// The lock goes with the open file.
    _lock: File,
}

impl DataFolder {
    /// Makes the folder where it is missing, closes it to others, and locks it.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made or closed.
    pub fn take(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Io { path: path.to_owned(), source };
        let existed = path.exists();
        make_private_folder(path).map_err(failed)?;
        if !existed && let Some(parent) = path.parent() {
            // What is kept in a folder is only as durable as the folder's name.
            File::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent }).and_then(|p| p.sync_all()).map_err(failed)?;
        }
        close_to_others(path).map_err(failed)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The file, if there is one, that keeps a folder from being taken or made at this path. Nothing is made here.
pub fn file_in_the_way(path: &Path) -> Option<&Path> {
    path.ancestors().find(|above| above.exists()).filter(|above| !above.is_dir())
}

/// Makes a folder that is its owner's alone, and those above it that are missing; one that is there
/// stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// What lies in a data folder is personal, or secret: a mode that is too open is a mistake, and put right.
fn close_to_others(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & OTHERS != 0 {
        fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))?;
        let was = format!("{:o}", mode & 0o7777);
        tracing::warn!(folder = %path.display(), was, "the data folder was open to others than its owner; it is closed now");
    }
    Ok(())
}

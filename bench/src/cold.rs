//! Taking a file out of the system's cache, so that the next read of it goes to the disk.

use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Drops what the system keeps in memory of the files of a folder. Needs no rights, and leaves other programs' files alone;
/// what is not on the disk yet is written first, since only clean pages can go.
///
/// # Errors
/// Files that cannot be read.
pub fn forget(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let file = File::open(entry.path())?;
            file.sync_data()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

//! Bytes that stay in memory while small and go to a file once they are not.
//!
//! Spool files lie in one folder of the data directory, are named at random, and belong to the
//! journal once a commit has renamed them; one that is dropped before that removes itself. No file is
//! begun or goes on growing where that would take the last free bytes of the disk: those are for the
//! journal, which must still be able to record what became of what it has accepted.

use crate::domain::{Digest, Hasher, Stored};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// Bytes buffered before a write to a spool file, and between two looks at the room that is left.
const FILE_BUFFER_BYTES: usize = 256 * 1024;
/// Random characters in the name of a spool file. A name is removed when its [`Spooled`] is dropped,
/// even after the journal has renamed the file: no other may come to have it in between.
const NAME_RANDOM_CHARS: usize = 22;

/// Where spool files are made, and what stays in memory.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: Arc<Path>,
    inline_bytes_max: usize,
    free_bytes_min: u64,
}

impl Spool {
    /// A spool in an existing folder: for bodies larger than `inline_bytes_max`, and as long as
    /// `free_bytes_min` are free there.
    pub fn new(folder: &Path, inline_bytes_max: usize, free_bytes_min: u64) -> Self {
        Self { folder: folder.into(), inline_bytes_max, free_bytes_min }
    }

    /// A spool that keeps everything in memory, and nothing for long.
    pub fn nowhere() -> Self {
        Self { folder: Path::new("").into(), inline_bytes_max: usize::MAX, free_bytes_min: 0 }
    }

    /// Whether there is room for something new. One system call, which asks no disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when fewer than `free_bytes_min` are free; or that nobody can tell.
    pub fn check_room(&self) -> io::Result<()> {
        let volume = rustix::fs::statvfs(self.folder.as_ref())?;
        let free_bytes = volume.f_bavail.saturating_mul(volume.f_frsize);
        if free_bytes < self.free_bytes_min {
            let message = format!("{free_bytes} bytes are free on the data folder's disk; free_bytes_min is {}", self.free_bytes_min);
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        Ok(())
    }

    /// Starts to store something.
    pub fn writer(&self) -> SpoolWriter {
        SpoolWriter { spool: self.clone(), memory: Vec::new(), file: None, unchecked_bytes: 0, bytes: 0, hasher: Hasher::default() }
    }
}

/// Stores bytes as they come and hashes them.
pub struct SpoolWriter {
    spool: Spool,
    memory: Vec<u8>,
    file: Option<(BufWriter<File>, tempfile::TempPath)>,
    /// Bytes that went to the file since it was looked whether there is room.
    unchecked_bytes: usize,
    bytes: u64,
    hasher: Hasher,
}

impl SpoolWriter {
    /// Bytes stored so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether `more` bytes still fit in memory, so that writing them cannot block.
    pub fn stays_in_memory(&self, more: usize) -> bool {
        self.file.is_none() && self.memory.len() + more <= self.spool.inline_bytes_max
    }

    /// Ends with what was stored, and its digest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> io::Result<(Spooled, Digest)> {
        let digest = self.hasher.finish();
        let Some((mut file, path)) = self.file else {
            return Ok((Spooled { stored: Stored::Inline(self.memory.into()), _guard: None }, digest));
        };
        file.flush()?;
        let stored = Stored::File { path: path.to_path_buf(), bytes: self.bytes };
        Ok((Spooled { stored, _guard: Some(path) }, digest))
    }

    fn move_to_file(&mut self) -> io::Result<()> {
        self.spool.check_room()?;
        let (file, path) =
            tempfile::Builder::new().prefix("spool-").rand_bytes(NAME_RANDOM_CHARS).tempfile_in(&self.spool.folder)?.into_parts();
        let mut file = BufWriter::with_capacity(FILE_BUFFER_BYTES, file);
        file.write_all(&self.memory)?;
        self.memory = Vec::new();
        self.file = Some((file, path));
        Ok(())
    }
}

impl Write for SpoolWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && !self.stays_in_memory(bytes.len()) {
            self.move_to_file()?;
        }
        if self.file.is_some() {
            self.unchecked_bytes += bytes.len();
            if self.unchecked_bytes >= FILE_BUFFER_BYTES {
                self.spool.check_room()?;
                self.unchecked_bytes = 0;
            }
        }
        match &mut self.file {
            Some((file, _)) => file.write_all(bytes)?,
            None => self.memory.extend_from_slice(bytes),
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Something stored. A file is removed with it, unless it was renamed by someone who takes it over:
/// the journal. So it is held until a commit has ended, whichever way.
#[derive(Debug)]
pub struct Spooled {
    stored: Stored,
    /// Removes the file when it is dropped.
    _guard: Option<tempfile::TempPath>,
}

impl Spooled {
    /// What is stored.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }
}

/// Opens what is stored for reading from its start.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(stored: &Stored) -> io::Result<Box<dyn Read + Send>> {
    Ok(match stored {
        Stored::Inline(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        Stored::File { path, .. } => Box::new(BufReader::with_capacity(FILE_BUFFER_BYTES, File::open(path)?)),
    })
}

/// Some of the bytes that are stored; less at their end.
///
/// # Errors
/// When the file cannot be read.
pub fn slice(stored: &Stored, from: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match stored {
        Stored::Inline(all) => {
            let rest = all.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
            rest.take(length).read_to_end(&mut bytes)?;
        }
        Stored::File { path, .. } => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(from))?;
            file.take(length).read_to_end(&mut bytes)?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spooled(folder: &Path, bytes: &[u8]) -> Spooled {
        let mut writer = Spool::new(folder, 0, 0).writer();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap().0
    }

    fn files(folder: &Path) -> Vec<std::path::PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
    }

    #[test]
    fn a_file_is_removed_unless_it_was_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let (left, taken) = (spooled(folder.path(), b"left"), spooled(folder.path(), b"taken"));
        let (Stored::File { path, .. }, kept) = (taken.stored(), folder.path().join("kept")) else { panic!("not in a file") };
        std::fs::rename(path, &kept).unwrap();
        drop((left, taken));
        assert_eq!(files(folder.path()), std::slice::from_ref(&kept));
        assert_eq!(std::fs::read(kept).unwrap(), b"taken");
    }

    #[test]
    fn the_last_free_bytes_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        // No disk has so many bytes; every disk has none.
        let (none, enough) = (Spool::new(folder.path(), 0, u64::MAX), Spool::new(folder.path(), 0, 0));
        assert_eq!(none.check_room().unwrap_err().kind(), io::ErrorKind::StorageFull);
        enough.check_room().unwrap();
        let refused = none.writer().write_all(b"begun");
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
        // One that has begun does not go on either.
        let mut writer = enough.writer();
        writer.write_all(b"begun").unwrap();
        writer.spool.free_bytes_min = u64::MAX;
        writer.write_all(b"little").unwrap();
        assert_eq!(writer.write_all(&[0; FILE_BUFFER_BYTES]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        drop(writer);
        assert_eq!(files(folder.path()), Vec::<std::path::PathBuf>::new());
    }
}

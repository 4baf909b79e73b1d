//! The durable store of bodies too large for the journal's own tables.
//!
//! The file store keeps them as `FOLDER/XX/EXCHANGE.PART`, where XX is the last byte of the exchange
//! id in hexadecimal and PART is `body`, `canonical` or `index`. A file is complete and durable
//! before the transaction that names it begins; one that no transaction came to name is removed
//! when the journal is opened.

use crate::data::make_private_folder;
use crate::domain::{ExchangeId, Stored};
use crate::seams::Disk;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Which bytes of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The body as it was received.
    Body,
    /// The canonical NDJSON.
    Canonical,
    /// One [`crate::domain::IndexRow`] for each line of it.
    Index,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Body, Self::Canonical, Self::Index];

    /// The part as the end of a file's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Canonical => "canonical",
            Self::Index => "index",
        }
    }
}

/// A store of large bodies. Its methods block; they are called on blocking threads.
pub trait BodyStore: Send + Sync {
    /// Takes a local file over and makes it durable. What is kept already is not replaced: an
    /// exchange never changes, and one that is committed again may be evidence already.
    ///
    /// # Errors
    /// When it could not be made durable; nothing is kept then.
    fn keep(&self, exchange: ExchangeId, part: Part, file: &Path) -> io::Result<()>;

    /// The bytes of a part that was kept, as a local file.
    ///
    /// # Errors
    /// When they are not there.
    fn open(&self, exchange: ExchangeId, part: Part) -> io::Result<Stored>;

    /// Removes every part of an exchange; those that are not there are passed over.
    ///
    /// # Errors
    /// When one could not be removed.
    fn remove(&self, exchange: ExchangeId) -> io::Result<()>;

    /// Calls `visit` with each exchange that has a part kept, more than once where it has several.
    ///
    /// # Errors
    /// When the store cannot be listed.
    fn visit(&self, visit: &mut dyn FnMut(ExchangeId)) -> io::Result<()>;
}

/// Bodies as files of one folder.
pub struct FileBodies {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    /// The subfolders that are durable. Held while one is made, so that nobody relies on it sooner.
    shelves: Mutex<HashSet<u8>>,
}

impl FileBodies {
    /// The store in a folder, made where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: PathBuf, disk: Arc<dyn Disk>) -> io::Result<Self> {
        make_private_folder(&folder)?;
        if let Some(parent) = folder.parent() {
            disk.sync_folder(parent)?;
        }
        Ok(Self::as_it_is(folder, disk))
    }

    /// The store in a folder that is there already, or is empty while it is not.
    pub fn as_it_is(folder: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self { folder, disk, shelves: Mutex::default() }
    }

    fn path(&self, exchange: ExchangeId, part: Part) -> PathBuf {
        self.shelf(exchange).join(format!("{exchange}.{}", part.as_str()))
    }

    fn shelf(&self, exchange: ExchangeId) -> PathBuf {
        self.folder.join(format!("{:02x}", shelf_number(exchange)))
    }

    fn make_shelf(&self, exchange: ExchangeId) -> io::Result<()> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if !shelves.contains(&shelf_number(exchange)) {
            make_private_folder(&self.shelf(exchange))?;
            self.disk.sync_folder(&self.folder)?;
            shelves.insert(shelf_number(exchange));
        }
        Ok(())
    }

    /// A spool on another file system: its bytes are copied, under a name that is no part's until they
    /// are durable.
    fn move_across(&self, file: &Path, kept: &Path) -> io::Result<()> {
        let partial = partial(kept);
        std::fs::copy(file, &partial)?;
        self.disk.sync_file(&partial)?;
        std::fs::rename(&partial, kept)?;
        std::fs::remove_file(file)
    }
}

impl BodyStore for FileBodies {
    fn keep(&self, exchange: ExchangeId, part: Part, file: &Path) -> io::Result<()> {
        let kept = self.path(exchange, part);
        self.make_shelf(exchange)?;
        if kept.exists() {
            std::fs::remove_file(file)?;
            return self.disk.sync_folder(&self.shelf(exchange));
        }
        self.disk.sync_file(file)?;
        match std::fs::rename(file, &kept) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => self.move_across(file, &kept)?,
            other => other?,
        }
        self.disk.sync_folder(&self.shelf(exchange))
    }

    fn open(&self, exchange: ExchangeId, part: Part) -> io::Result<Stored> {
        let path = self.path(exchange, part);
        let bytes = std::fs::metadata(&path)?.len();
        Ok(Stored::File { path, bytes })
    }

    fn remove(&self, exchange: ExchangeId) -> io::Result<()> {
        let partial = partial(&self.path(exchange, Part::Body));
        for path in Part::ALL.map(|part| self.path(exchange, part)).iter().chain([&partial]) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn visit(&self, visit: &mut dyn FnMut(ExchangeId)) -> io::Result<()> {
        for shelf in std::fs::read_dir(&self.folder)? {
            for file in std::fs::read_dir(shelf?.path())? {
                let name = file?.file_name();
                let exchange = name.to_str().and_then(|name| name.split('.').next()).and_then(|id| id.parse().ok());
                if let Some(exchange) = exchange {
                    visit(exchange);
                }
            }
        }
        Ok(())
    }
}

/// The last byte of the id: it is random, where the first ones are a time.
fn shelf_number(exchange: ExchangeId) -> u8 {
    let [.., last] = exchange.as_bytes();
    *last
}

fn partial(kept: &Path) -> PathBuf {
    kept.with_extension("partial")
}

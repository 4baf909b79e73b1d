//! What lies in the data folder, opened: the receipts' keys, the journal, the spool.

use super::{StartError, other};
use crate::config::Config;
use crate::data::{DataFolder, make_private_folder};
use crate::journal::Journal;
use crate::journal::sqlite::{Options, SqliteJournal};
use crate::receipt::Keys;
use crate::receipt::keys::keys_folder;
use crate::seams::SharedClock;
use crate::spool::Spool;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is kept.
pub struct Storage {
    /// The keys of the receipts.
    pub keys: Arc<Keys>,
    /// The durable state.
    pub journal: Arc<dyn Journal>,
    /// Bodies being received.
    pub spool: Spool,
}

/// Takes the data folder and opens the keys, the journal and the spool in it. The lock comes first: a
/// gateway that is turned away must not have changed the keys of the one that runs.
///
/// # Errors
/// What cannot be opened, and why.
pub async fn open(config: &Arc<Config>, clock: &SharedClock) -> Result<Storage, StartError> {
    let (config, clock) = (Arc::clone(config), Arc::clone(clock));
    let opened = tokio::task::spawn_blocking(move || {
        let data = &config.gateway.data;
        let folder = DataFolder::take(data).map_err(other("the data folder"))?;
        let keys = Arc::new(Keys::open_or_create(&keys_folder(data), Arc::clone(&clock)).map_err(other("the receipts' keys"))?);
        let journal = SqliteJournal::open_in(folder, Arc::clone(&keys) as _, clock, Options::default()).map_err(other("the journal"))?;
        let spool = empty_spool(&data.join("spool")).map_err(other("the spool folder"))?;
        let limits = &config.gateway.limits;
        let spool = Spool::new(&spool, limits.inline_bytes_max, limits.free_bytes_min);
        Ok::<_, StartError>(Storage { keys, journal: Arc::new(journal), spool })
    });
    opened.await.map_err(other("opening the data folder"))?
}

/// The spool folder, without what an earlier life left half received. The data folder is locked by
/// now, so that nobody else uses it.
fn empty_spool(folder: &Path) -> std::io::Result<PathBuf> {
    make_private_folder(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("spool-")) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(folder.to_owned())
}

//! What a seeded simulation replaces: the clock, chance, and what makes files durable.
//!
//! The disk under SQLite is replaced below SQLite itself (a recording VFS in the tests), and the
//! transport of deliveries by [`crate::delivery`]'s own trait.

use crate::domain::Id;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Wall-clock time and randomness.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> jiff::Timestamp;

    /// Fills `into` with random bytes that nobody can guess.
    fn random(&self, into: &mut [u8]);
}

/// A clock that is shared.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock and random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn random(&self, into: &mut [u8]) {
        // The only failure is a machine without any source of randomness; nothing can be signed then.
        if aws_lc_rs::rand::fill(into).is_err() {
            std::process::abort();
        }
    }
}

/// Makes files outlast a loss of power.
pub trait Disk: Send + Sync {
    /// Returns once a file's bytes are on the disk.
    ///
    /// # Errors
    /// When it cannot be opened or synced.
    fn sync_file(&self, file: &Path) -> io::Result<()>;

    /// Returns once the names in a folder are on the disk.
    ///
    /// # Errors
    /// When it cannot be opened or synced.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The machine's own disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn sync_file(&self, file: &Path) -> io::Result<()> {
        File::open(file)?.sync_all()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// A new id of this moment.
pub fn new_id(clock: &dyn Clock) -> Id {
    let mut random = [0; 10];
    clock.random(&mut random);
    Id::new(u64::try_from(clock.now().as_millisecond()).unwrap_or(0), random)
}

//! The embedded store under the suite.

use crate::suite::Store;
use crate::support::TestClock;
use portolan::journal::Journal;
use portolan::journal::sqlite::SqliteJournal;
use portolan::receipt::{Jwks, Keys};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A data folder and what is opened with it.
pub struct SqliteStore {
    folder: TempDir,
    clock: Arc<TestClock>,
    keys: Arc<Keys>,
}

impl Default for SqliteStore {
    fn default() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::new(1));
        let keys = Arc::new(Keys::open_or_create(&folder.path().join("keys"), clock.clone()).unwrap());
        Self { folder, clock, keys }
    }
}

impl Store for SqliteStore {
    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(SqliteJournal::open(&self.folder.path().join("data"), self.keys.clone(), self.clock.clone()).unwrap())
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn jwks(&self) -> Jwks {
        self.keys.jwks()
    }

    fn spool(&self) -> &Path {
        self.folder.path()
    }
}

crate::suite::journal_suite!(SqliteStore);

//! Opening the embedded store: the lock, the tables, the end of the chain, and what a crash left over.

use super::acts;
use super::reads::{self, Readers};
use super::writer::{ChainEnd, Writer};
use super::{LIST_READERS_MAX, Options, QUEUE_CALLS_MAX, READERS_MAX, RESTORED_MARK, SqliteJournal, Synchronous, column, milliseconds};
use crate::data::{DataError, DataFolder};
use crate::domain::{Digest, ExchangeId};
use crate::journal::bodies::{BodyStore, FileBodies};
use crate::journal::chain::{Tree, leaf_hash};
use crate::journal::evidence::Head;
use crate::journal::{FIRST_EPOCH, HeadSigner, JournalError};
use crate::seams::{Clock, SharedClock};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Version of the tables, in `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// `application_id` of a journal: "PTLN".
const APPLICATION_ID: i64 = 0x5054_4C4E;
/// Bytes of the header of a database.
const DATABASE_HEADER_BYTES: u64 = 100;
/// Wait for a lock that another connection holds.
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Prepared statements kept by each connection.
const STATEMENTS_MAX: usize = 96;
/// Page cache of the writer.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Length to which the WAL is cut when it begins anew.
const WAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder could not be taken.
    #[error(transparent)]
    Folder(#[from] DataError),
    /// Written by a newer version.
    #[error("the journal's tables have version {found}; this gateway knows up to {SCHEMA_VERSION}: use the newer gateway")]
    Newer {
        /// The version found.
        found: i64,
    },
    /// The file is some other program's.
    #[error("journal.db is not a journal")]
    Foreign,
    /// There are bodies without the journal that names them.
    #[error("bodies are there but journal.db is not: restore it, or use an empty data folder")]
    JournalMissing,
    /// A folder or file could not be read or written.
    #[error("the data folder: {0}")]
    Io(#[from] io::Error),
    /// The database could not be read or written.
    #[error("journal.db: {0}")]
    Sql(#[from] rusqlite::Error),
    /// What is stored is not what was stored.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl SqliteJournal {
    /// Opens or creates the journal of a folder in a given way. Blocks.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`].
    pub fn open_with(folder: &Path, signer: Arc<dyn HeadSigner>, clock: SharedClock, options: Options) -> Result<Self, OpenError> {
        Self::open_in(DataFolder::take(folder)?, signer, clock, options)
    }

    /// Opens or creates the journal of a folder that was taken before. Blocks.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`].
    pub fn open_in(folder: DataFolder, signer: Arc<dyn HeadSigner>, clock: SharedClock, options: Options) -> Result<Self, OpenError> {
        let database = folder.path().join("journal.db");
        let existed = database.exists();
        let bodies = FileBodies::new(folder.path().join("bodies"), options.disk.clone())?;
        if !existed && holds_any(&bodies)? {
            return Err(OpenError::JournalMissing);
        }
        // SQLite would let others read it; its companions (-wal, -shm) get the mode of the database.
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&database)?;
        let connection = connect_writer(&database, &options, clock.as_ref())?;
        options.disk.sync_folder(folder.path())?;
        remove_orphans(&connection, &bodies)?;
        release_leases(&connection, clock.as_ref())?;
        let mark = folder.path().join(RESTORED_MARK);
        let restored = mark.exists();
        let chain = find_end(&connection, clock.as_ref(), restored)?;
        if restored {
            // Only now that the epoch is on the disk. One without a head is not followed by another, so that a mark
            // which a crash left here does no harm.
            std::fs::remove_file(&mark)?;
            tracing::warn!(epoch = chain.epoch, "the data folder was restored: the chain goes on in an epoch of its own");
        }
        let readers = |readers_max| {
            let connections = (0..readers_max).map(|_| connect_reader(&database, &options)).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, OpenError>(Arc::new(Readers::new(connections, options.read_timeout)))
        };
        let (readers, list_readers) = (readers(READERS_MAX)?, readers(LIST_READERS_MAX)?);
        let (queue, calls) = mpsc::channel(QUEUE_CALLS_MAX);
        let writer = Writer::new(connection, signer, clock, &options, chain, folder);
        let writer = std::thread::Builder::new().name("journal-writer".to_owned()).spawn(move || writer.run(calls))?;
        Ok(Self { queue: Some(queue), writer: Some(writer), readers, list_readers, bodies: Arc::new(bodies) })
    }

    /// Whether the journal of a folder could be opened, as far as its files tell without being opened: nothing is made,
    /// locked or changed. A folder without a journal gets one when it is opened.
    ///
    /// # Errors
    /// When it is no journal, was written by a newer version, or is missing beside its bodies.
    pub fn inspect(folder: &Path) -> Result<(), OpenError> {
        let database = folder.join("journal.db");
        if !database.exists() {
            let bodies = folder.join("bodies");
            let kept = bodies.is_dir() && holds_any(&FileBodies::as_it_is(bodies, Options::default().disk))?;
            return if kept { Err(OpenError::JournalMissing) } else { Ok(()) };
        }
        match marks_of_header(&database)? {
            Some((0, 0)) => Ok(()),
            Some((APPLICATION_ID, version)) if version <= SCHEMA_VERSION => Ok(()),
            Some((APPLICATION_ID, found)) => Err(OpenError::Newer { found }),
            _ => Err(OpenError::Foreign),
        }
    }

    /// Looks into the journal of a folder, beside the gateway that may run on it: nothing is made, locked,
    /// mended or written there, and what would change it is refused. Blocks.
    ///
    /// # Errors
    /// When there is no journal, or it is unreadable, or was written by a newer version.
    pub fn look(folder: &Path) -> Result<Self, OpenError> {
        let (database, options) = (folder.join("journal.db"), Options::default());
        let connect = || connect_reader(&database, &options);
        match marks(&connect()?)? {
            (APPLICATION_ID, SCHEMA_VERSION) => {}
            (APPLICATION_ID, found) => return Err(OpenError::Newer { found }),
            _ => return Err(OpenError::Foreign),
        }
        let readers = || Ok::<_, OpenError>(Arc::new(Readers::new(vec![connect()?], options.read_timeout)));
        let bodies = FileBodies::as_it_is(folder.join("bodies"), options.disk.clone());
        Ok(Self { queue: None, writer: None, readers: readers()?, list_readers: readers()?, bodies: Arc::new(bodies) })
    }
}

/// What the first bytes of a database say (SQLite's file format, section 1.3): its marks, `None` of a file that SQLite
/// has not written. What stands in the write-ahead log alone is not seen: such a file is new.
fn marks_of_header(database: &Path) -> Result<Option<(i64, i64)>, OpenError> {
    let mut header = Vec::new();
    File::open(database)?.take(DATABASE_HEADER_BYTES).read_to_end(&mut header)?;
    if header.is_empty() {
        return Ok(Some((0, 0)));
    }
    let number =
        |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(|bytes| i64::from(u32::from_be_bytes(bytes)));
    let written = header.starts_with(b"SQLite format 3\0");
    Ok(number(68).zip(number(60)).filter(|_| written))
}

/// Whose file it is, and of which version its tables are.
fn marks(connection: &Connection) -> Result<(i64, i64), OpenError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("application_id")?, pragma("user_version")?))
}

fn connect(database: &Path, options: &Options, flags: OpenFlags) -> Result<Connection, OpenError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(database, flags, vfs.as_str())?,
        None => Connection::open_with_flags(database, flags)?,
    };
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // A plan holds whatever is bound; otherwise statements with a bound LIMIT are compiled again each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn connect_reader(database: &Path, options: &Options) -> Result<Connection, OpenError> {
    connect(database, options, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn connect_writer(database: &Path, options: &Options, clock: &dyn Clock) -> Result<Connection, OpenError> {
    let mut connection = connect(database, options, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let (application, version) = marks(&connection)?;
    let tables: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    match (application, version) {
        (APPLICATION_ID, SCHEMA_VERSION) => {}
        (APPLICATION_ID, found) => return Err(OpenError::Newer { found }),
        // Nothing was ever written: new, or a creation that was cut short.
        (0, 0) if tables == 0 => connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?,
        _ => return Err(OpenError::Foreign),
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(
        None,
        "synchronous",
        match options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Off => "OFF",
        },
    )?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The writer checkpoints by itself, after it has answered.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    if application == 0 {
        create_tables(&mut connection, clock)?;
    }
    connection.execute_batch(include_str!("duty.sql"))?;
    connection.execute_batch(include_str!("statements.sql"))?;
    connection.execute_batch(include_str!("matters.sql"))?;
    Ok(connection)
}

fn create_tables(connection: &mut Connection, clock: &dyn Clock) -> Result<(), OpenError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    begin_epoch(&transaction, FIRST_EPOCH, clock)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn begin_epoch(connection: &Connection, epoch: u64, clock: &dyn Clock) -> Result<(), OpenError> {
    connection.execute("INSERT INTO epoch (epoch, begun_at) VALUES (?1, ?2)", params![column(epoch), milliseconds(clock.now())])?;
    Ok(())
}

/// Where the chain goes on: behind its last head, whose leaves must be those that it signed for. An
/// epoch without a head is gone on with rather than left behind empty.
fn find_end(connection: &Connection, clock: &dyn Clock, restored: bool) -> Result<ChainEnd, OpenError> {
    let epoch = reads::one(connection, "SELECT max(epoch) FROM epoch", [], |row| reads::number(row, 0))?.unwrap_or(FIRST_EPOCH);
    let last = "SELECT epoch, batch, jws FROM head ORDER BY epoch DESC, batch DESC LIMIT 1";
    let last = reads::one(connection, last, [], |row| Ok((reads::number(row, 0)?, reads::number(row, 1)?, row.get::<_, String>(2)?)))?;
    let begun = ChainEnd { epoch, next_batch: 0, next_index: 0, previous: Digest::default(), acts: acts::end(connection)? };
    let Some((last_epoch, batch, jws)) = last else { return Ok(begun) };
    let head = check_head(connection, last_epoch, batch, &jws)?;
    let previous = Digest::of(jws.as_bytes());
    if restored && last_epoch == epoch {
        begin_epoch(connection, epoch + 1, clock)?;
        return Ok(ChainEnd { epoch: epoch + 1, previous, ..begun });
    }
    if last_epoch < epoch {
        return Ok(ChainEnd { previous, ..begun });
    }
    Ok(ChainEnd { next_batch: batch + 1, next_index: head.first_index + head.size, previous, ..begun })
}

fn check_head(connection: &Connection, epoch: u64, batch: u64, jws: &str) -> Result<Head, OpenError> {
    let damaged = |what: &str| JournalError::Damaged(format!("the last head of the chain (epoch {epoch}, batch {batch}) {what}"));
    let head = Head::of_jws(jws).ok_or_else(|| damaged("cannot be read"))?;
    let leaves = reads::leaves(connection, epoch, batch)?;
    let hashes = leaves.iter().map(|(_, leaf)| leaf_hash(leaf.as_bytes())).collect();
    if (head.epoch, head.batch, head.size) != (epoch, batch, leaves.len() as u64) || head.root != Tree::new(hashes).root() {
        return Err(damaged("does not belong to its leaves").into());
    }
    Ok(head)
}

fn holds_any(bodies: &dyn BodyStore) -> io::Result<bool> {
    let mut any = false;
    bodies.visit(&mut |_| any = true)?;
    Ok(any)
}

/// Removes the files of exchanges whose transaction never came.
fn remove_orphans(connection: &Connection, bodies: &dyn BodyStore) -> Result<(), OpenError> {
    let mut find = connection.prepare("SELECT 1 FROM exchange WHERE id = ?1")?;
    let mut orphans: HashSet<ExchangeId> = HashSet::new();
    let mut failed = None;
    bodies.visit(&mut |exchange| match find.exists([exchange.as_bytes()]) {
        Ok(true) => {}
        Ok(false) => {
            orphans.insert(exchange);
        }
        Err(error) => failed = Some(error),
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    for exchange in orphans {
        bodies.remove(exchange)?;
        tracing::info!(%exchange, "removed the files of an exchange that was never committed");
    }
    Ok(())
}

/// Queues what an earlier life was delivering. The folder is locked, so nobody holds those leases any
/// more, and none has to be waited out; an attempt that was under way is made again.
fn release_leases(connection: &Connection, clock: &dyn Clock) -> Result<(), OpenError> {
    // Both conditions: the first is that of the index.
    let released =
        connection.execute("UPDATE delivery SET state = 0, due_at = ?1 WHERE state <= 1 AND state = 1", [milliseconds(clock.now())])?;
    if released > 0 {
        tracing::info!(deliveries = released, "deliveries that were under way when the gateway ended are queued again");
    }
    Ok(())
}

//! The embedded store: SQLite in one folder, for one gateway at a time.
//!
//! - `journal.db` (WAL, `synchronous=FULL`; tables in `schema.sql` and `duty.sql`) and `bodies/` (see
//!   [`super::bodies`]); the folder stays locked while the journal is open.
//! - One writer thread commits in groups of at most [`GROUP_CALLS_MAX`] calls and [`GROUP_ROWS_MAX`] rows and answers them
//!   after their `COMMIT` returned, never before. At most [`QUEUE_CALLS_MAX`] calls wait for it.
//! - At most [`READERS_MAX`] reads that messages wait for run at once and, beside them, at most
//!   [`LIST_READERS_MAX`] others, each at most [`READ_TIMEOUT_MS_MAX`] long.
//! - A file [`RESTORED_MARK`] says that the folder is a copy that was put back: opening it begins a new
//!   epoch of the chain and takes the mark away.
//! - A full disk undoes the group and is told. Any other failure of a `COMMIT`, an fsync above all,
//!   ends the process: nobody can know what the disk still holds.

mod acts;
mod claims;
mod commit;
mod deliveries;
mod duty;
mod holders;
mod hours;
mod matters;
mod open;
mod profiles;
mod reads;
mod search;
mod statements;
mod writer;

pub use open::OpenError;
pub use writer::{GROUP_BYTES_MAX, GROUP_CALLS_MAX, GROUP_ROWS_MAX};

use super::acts::{Act, ActFilter, Acted, NewAct, Paused, Pick, PickSummary};
use super::bodies::{BodyStore, Part};
use super::hours::{DestinationHour, FlowHour, HourFilter, RuleCount};
use super::search::{Attempt, DeliverySums, Found, Search};
use super::{
    Committed, DeadLetterFilter, DeliveryRow, ExchangeFilter, ExchangeRow, HeadRow, HeadSigner, Journal, JournalError, Lease, NewExchange,
    RepeatQuery, Settlement, Totals,
};
use crate::domain::{BusinessAnswer, DeliveryId, DestinationId, Digest, ExchangeId, FlowId, IndexRow, Stored};
use crate::seams::{Disk, SharedClock, SystemDisk};
use jiff::Timestamp;
use reads::Readers;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use writer::{Answer, Call, Work};

/// A file of this name in a data folder says that the folder was restored from a copy. It is made beside the
/// copy when that is taken, so that nobody has to think of it on the day when the copy is needed.
pub const RESTORED_MARK: &str = "restored";
/// Calls that wait for the writer.
pub const QUEUE_CALLS_MAX: usize = 4096;
/// Reads at once on the way of messages: in and out.
pub const READERS_MAX: usize = 4;
/// Reads at once for those who look: lists, totals, the chain. However long they take, no message waits.
pub const LIST_READERS_MAX: usize = 2;
/// Longest read.
pub const READ_TIMEOUT_MS_MAX: u64 = 10_000;

/// What watches the writer. The gateway's own is [`AbortOnDiskFailure`]; tests have theirs.
pub trait Witness: Send + Sync {
    /// The writer is about to answer the calls of a group, the last thing before it does.
    fn answering(&self, calls: usize);

    /// The disk did not keep what it was told to. Where this returns, the writer stops for good.
    fn disk_failed(&self, error: &str);
}

/// Ends the process when the disk fails, so that no later answer rests on what may be lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct AbortOnDiskFailure;

impl Witness for AbortOnDiskFailure {
    fn answering(&self, _calls: usize) {}

    fn disk_failed(&self, error: &str) {
        tracing::error!(error, "the disk failed under the journal; the process ends so that nothing unsure is answered");
        std::process::abort();
    }
}

/// `PRAGMA synchronous`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Every commit is synced before it returns.
    #[default]
    Full,
    /// Nothing is: for the test that proves that it would notice.
    Off,
}

/// How a journal is opened.
pub struct Options {
    /// Name of the SQLite VFS; `None` is the platform's own.
    pub vfs: Option<String>,
    /// What syncs the files beside the database.
    pub disk: Arc<dyn Disk>,
    /// When commits are synced.
    pub synchronous: Synchronous,
    /// What watches the writer.
    pub witness: Arc<dyn Witness>,
    /// Longest read.
    pub read_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vfs: None,
            disk: Arc::new(SystemDisk),
            synchronous: Synchronous::Full,
            witness: Arc::new(AbortOnDiskFailure),
            read_timeout: Duration::from_millis(READ_TIMEOUT_MS_MAX),
        }
    }
}

/// The journal in a folder. Dropping it ends the writer after the group at hand and frees the folder.
pub struct SqliteJournal {
    /// `None` while being dropped, and where the journal is only looked into.
    queue: Option<mpsc::Sender<Call>>,
    writer: Option<std::thread::JoinHandle<()>>,
    readers: Arc<Readers>,
    list_readers: Arc<Readers>,
    bodies: Arc<dyn BodyStore>,
}

impl SqliteJournal {
    /// Opens or creates the journal of a folder. Blocks.
    ///
    /// # Errors
    /// When the folder is in use, unreadable, damaged, or was written by a newer version.
    pub fn open(folder: &Path, signer: Arc<dyn HeadSigner>, clock: SharedClock) -> Result<Self, OpenError> {
        Self::open_with(folder, signer, clock, Options::default())
    }

    /// Hands a call to the writer and waits for its answer.
    async fn write(&self, work: Work) -> Result<Answer, JournalError> {
        let ended = || JournalError::Unavailable("the writer has ended".to_owned());
        let (to, answer) = oneshot::channel();
        self.queue.as_ref().ok_or_else(ended)?.send(Call { work, to }).await.map_err(|_| ended())?;
        // Dropped unanswered, it was taken by a writer that ended in between.
        answer.await.unwrap_or(Err(JournalError::OutcomeUnknown))
    }

    /// Makes the files of an exchange durable under its id, on a blocking thread.
    async fn keep_files(&self, mut exchange: NewExchange) -> Result<NewExchange, JournalError> {
        let bodies = self.bodies.clone();
        on_blocking_thread(move || {
            let id = exchange.id;
            let verdict = &mut exchange.verdict;
            let stored = [(Part::Body, &mut exchange.body), (Part::Canonical, &mut verdict.canonical), (Part::Index, &mut verdict.index)];
            for (part, stored) in stored {
                if let Stored::File { path, .. } = stored {
                    bodies.keep(id, part, path)?;
                    *stored = bodies.open(id, part)?;
                }
            }
            Ok(exchange)
        })
        .await
    }

    /// Removes the files of an exchange unless it is journaled after all.
    async fn forget_files(&self, exchange: ExchangeId) {
        if let Ok(None) = self.exchange(exchange).await {
            let bodies = self.bodies.clone();
            // What could not be removed is logged there, and removed at the next opening.
            let _ = tokio::task::spawn_blocking(move || forget(bodies.as_ref(), exchange)).await;
        }
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the journal's writer did not end well");
        }
    }
}

#[async_trait::async_trait]
impl Journal for SqliteJournal {
    async fn commit(&self, exchange: NewExchange) -> Result<Committed, JournalError> {
        let id = exchange.id;
        let in_files = [&exchange.body, &exchange.verdict.canonical, &exchange.verdict.index];
        let in_files = in_files.iter().any(|stored| matches!(stored, Stored::File { .. }));
        let exchange = match in_files {
            false => exchange,
            true => match self.keep_files(exchange).await {
                Ok(exchange) => exchange,
                Err(error) => {
                    self.forget_files(id).await;
                    return Err(error);
                }
            },
        };
        let report = commit::report(&exchange.verdict.findings);
        let committed = self.write(Work::Commit(Box::new(commit::Submission { exchange, report }))).await.and_then(|answer| match answer {
            Answer::Committed(committed) => Ok(committed),
            other => Err(other.unexpected()),
        });
        let keeps_files = matches!(committed, Ok(Committed::New(_)) | Err(JournalError::OutcomeUnknown));
        if in_files && !keeps_files {
            self.forget_files(id).await;
        }
        committed
    }

    async fn find_repeat(&self, query: RepeatQuery) -> Result<Option<Committed>, JournalError> {
        self.readers.read(move |connection| holders::find_repeat(connection, &query)).await
    }

    async fn exchange(&self, id: ExchangeId) -> Result<Option<ExchangeRow>, JournalError> {
        self.readers.read(move |connection| reads::exchange(connection, id)).await
    }

    async fn exchanges(&self, filter: ExchangeFilter) -> Result<Vec<ExchangeRow>, JournalError> {
        self.list_readers.read(move |connection| reads::exchanges(connection, &filter)).await
    }

    async fn known_messages(&self, flow: &FlowId, message_ids: Vec<String>) -> Result<Vec<bool>, JournalError> {
        let flow = flow.to_string();
        self.readers.read(move |connection| reads::known_messages(connection, &flow, &message_ids)).await
    }

    async fn known_records(&self, spaces: Vec<String>, keys: Vec<[u8; 16]>) -> Result<Vec<bool>, JournalError> {
        self.readers.read(move |connection| reads::known_records(connection, &spaces, &keys)).await
    }

    async fn search(&self, search: Search) -> Result<Found, JournalError> {
        self.list_readers.read(move |connection| search::search(connection, &search)).await
    }

    async fn holder(&self, key_space: String, key: [u8; 16]) -> Result<Option<ExchangeId>, JournalError> {
        self.list_readers.read(move |connection| search::holder(connection, &key_space, &key)).await
    }

    async fn report(&self, id: ExchangeId) -> Result<Option<Arc<str>>, JournalError> {
        self.readers.read(move |connection| reads::report(connection, id)).await
    }

    async fn answer(&self, id: ExchangeId) -> Result<Option<BusinessAnswer>, JournalError> {
        self.readers.read(move |connection| reads::answer(connection, id)).await
    }

    async fn body(&self, id: ExchangeId) -> Result<Option<Stored>, JournalError> {
        let bodies = self.bodies.clone();
        self.list_readers.read(move |connection| reads::part(connection, bodies.as_ref(), id, Part::Body)).await
    }

    async fn canonical(&self, id: ExchangeId) -> Result<Option<Stored>, JournalError> {
        let bodies = self.bodies.clone();
        self.readers.read(move |connection| reads::part(connection, bodies.as_ref(), id, Part::Canonical)).await
    }

    async fn index(&self, id: ExchangeId, first_row: u64, rows: u64) -> Result<Vec<(IndexRow, bool)>, JournalError> {
        let bodies = self.bodies.clone();
        self.readers.read(move |connection| reads::index(connection, bodies.as_ref(), id, first_row, rows)).await
    }

    async fn deliveries(&self, id: ExchangeId, after: Option<DeliveryId>, rows_max: usize) -> Result<Vec<DeliveryRow>, JournalError> {
        self.list_readers.read(move |connection| reads::deliveries(connection, id, after, rows_max)).await
    }

    async fn attempted(
        &self,
        id: ExchangeId,
        after: Option<DeliveryId>,
        rows_max: usize,
    ) -> Result<Vec<(DeliveryRow, Vec<Attempt>)>, JournalError> {
        self.list_readers.read(move |connection| reads::attempted(connection, id, after, rows_max)).await
    }

    async fn delivery_sums(&self, id: ExchangeId) -> Result<DeliverySums, JournalError> {
        self.list_readers.read(move |connection| search::delivery_sums(connection, id)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<(DeliveryRow, Vec<Attempt>)>, JournalError> {
        self.list_readers.read(move |connection| reads::delivery(connection, id)).await
    }

    async fn pinned(&self, digest: Digest) -> Result<Option<Arc<str>>, JournalError> {
        self.readers.read(move |connection| reads::pinned(connection, digest)).await
    }

    async fn lease(&self, to: &DestinationId, now: Timestamp, until: Timestamp, leases_max: usize) -> Result<Vec<Lease>, JournalError> {
        match self.write(Work::Lease { to: to.clone(), now, until, leases_max }).await? {
            Answer::Leases(leases) => Ok(leases),
            other => Err(other.unexpected()),
        }
    }

    async fn rendered(&self, delivery: DeliveryId, token: u64, digest: Digest) -> Result<(), JournalError> {
        match self.write(Work::Rendered { delivery, token, digest }).await? {
            Answer::Changed(true) => Ok(()),
            Answer::Changed(false) => Err(JournalError::Unavailable("the lease is no longer held".to_owned())),
            other => Err(other.unexpected()),
        }
    }

    async fn settle(&self, delivery: DeliveryId, token: u64, now: Timestamp, settlement: Settlement) -> Result<bool, JournalError> {
        self.write(Work::Settle { delivery, token, now, settlement }).await?.changed()
    }

    async fn dead_letters(&self, filter: DeadLetterFilter) -> Result<Vec<DeliveryRow>, JournalError> {
        self.list_readers.read(move |connection| reads::dead_letters(connection, &filter)).await
    }

    async fn picked(&self, pick: Pick) -> Result<PickSummary, JournalError> {
        self.list_readers.read(move |connection| acts::summary(connection, &pick)).await
    }

    async fn act(&self, act: NewAct) -> Result<Acted, JournalError> {
        match self.write(Work::Act(Box::new(act))).await? {
            Answer::Acted(acted) => Ok(*acted),
            other => Err(other.unexpected()),
        }
    }

    async fn acts(&self, filter: ActFilter) -> Result<Vec<Act>, JournalError> {
        self.list_readers.read(move |connection| acts::list(connection, &filter)).await
    }

    async fn act_entries(&self, after: u64, rows_max: usize) -> Result<Vec<(u64, String, Digest)>, JournalError> {
        self.list_readers.read(move |connection| acts::entries(connection, after, rows_max)).await
    }

    async fn paused(&self) -> Result<Vec<Paused>, JournalError> {
        self.list_readers.read(acts::paused).await
    }

    async fn next_due(&self, to: &DestinationId) -> Result<Option<Timestamp>, JournalError> {
        let to = to.clone();
        self.readers.read(move |connection| reads::next_due(connection, &to)).await
    }

    async fn totals(&self) -> Result<Totals, JournalError> {
        self.list_readers.read(reads::totals).await
    }

    async fn flow_hours(&self, filter: HourFilter) -> Result<Vec<FlowHour>, JournalError> {
        self.list_readers.read(move |connection| hours::flows(connection, &filter)).await
    }

    async fn rule_counts(&self, filter: HourFilter) -> Result<Vec<RuleCount>, JournalError> {
        self.list_readers.read(move |connection| hours::rules(connection, &filter)).await
    }

    async fn destination_hours(
        &self,
        to: Option<DestinationId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<DestinationHour>, JournalError> {
        self.list_readers.read(move |connection| hours::destinations(connection, to.as_ref(), from, until)).await
    }

    async fn heads(&self, epoch: u64, from_batch: u64, heads_max: usize) -> Result<Vec<HeadRow>, JournalError> {
        self.list_readers.read(move |connection| reads::heads(connection, epoch, from_batch, heads_max)).await
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::OperationInterrupted) => Self::Unavailable("a read took longer than allowed".to_owned()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => Self::Damaged(error.to_string()),
            Some(_) => Self::Unavailable(error.to_string()),
            // What is left is a value of the wrong type or range in a column.
            None => Self::Damaged(error.to_string()),
        }
    }
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

async fn on_blocking_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, JournalError> + Send + 'static) -> Result<T, JournalError> {
    let ended = |error: tokio::task::JoinError| Err(JournalError::Unavailable(error.to_string()));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(ended)
}

/// Removes what was kept of an exchange that was not committed. What stays is removed at the next opening.
fn forget(bodies: &dyn BodyStore, exchange: ExchangeId) {
    if let Err(error) = bodies.remove(exchange) {
        tracing::warn!(%exchange, %error, "files of an exchange that was not committed could not be removed");
    }
}

/// A time as the tables keep it: milliseconds since 1970, what is finer cut off.
fn milliseconds(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A time from a column.
fn timestamp(milliseconds: i64) -> Result<Timestamp, JournalError> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| JournalError::Damaged(error.to_string()))
}

/// A number that is never negative, as a column keeps it. None that occurs is beyond `i64`.
fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::Keys;
    use crate::seams::SystemClock;

    /// Longer than any machine takes for a read that has a connection.
    const PATIENCE: Duration = Duration::from_secs(120);

    #[tokio::test]
    async fn messages_do_not_wait_for_lists_nor_lists_for_messages() {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let keys = Arc::new(Keys::open_or_create(&folder.path().join("keys"), clock.clone()).unwrap());
        let journal = SqliteJournal::open(folder.path(), keys, clock.clone()).unwrap();
        let (id, name) = (crate::seams::new_id(clock.as_ref()), || "name".parse().unwrap());
        let query = RepeatQuery {
            partner: name(),
            flow: name(),
            idempotency_key: Some("key".to_owned()),
            message_id: None,
            body_digest: Digest::default(),
            corrects: None,
        };

        let busy = journal.list_readers.take_all().await;
        let message = async {
            journal.find_repeat(query).await.unwrap();
            journal.exchange(id).await.unwrap();
            journal.known_messages(&name(), vec!["message".to_owned()]).await.unwrap();
            journal.report(id).await.unwrap();
            journal.canonical(id).await.unwrap();
            journal.index(id, 0, 1).await.unwrap();
            journal.pinned(Digest::default()).await.unwrap();
            journal.next_due(&"bureau/inbox".parse().unwrap()).await.unwrap();
        };
        tokio::time::timeout(PATIENCE, message).await.expect("a message waits for a list");
        drop(busy);

        let _busy = journal.readers.take_all().await;
        let lists = async {
            journal.exchanges(ExchangeFilter::default()).await.unwrap();
            journal.deliveries(id, None, 1).await.unwrap();
            journal.body(id).await.unwrap();
            journal.dead_letters(DeadLetterFilter::default()).await.unwrap();
            journal.totals().await.unwrap();
            journal.heads(1, 0, 1).await.unwrap();
        };
        tokio::time::timeout(PATIENCE, lists).await.expect("a list waits for messages");
    }
}

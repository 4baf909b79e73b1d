//! The writer: a thread that is a thin shell around one synchronous step, [`Writer::commit_group`].

use super::commit::{Group, Known, Submission};
use super::duty::DutyWork;
use super::matters::MatterWork;
use super::statements::NewStatement;
use super::{Options, Witness};
use crate::data::DataFolder;
use crate::domain::{DeliveryId, DestinationId, Digest};
use crate::journal::acts::{Acted, ActsEnd, NewAct};
use crate::journal::{Committed, HeadSigner, JournalError, Lease, Settlement};
use crate::seams::SharedClock;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, ffi};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Calls of one group.
pub const GROUP_CALLS_MAX: usize = 512;
/// Bytes of bodies, canonical records and indexes in memory after which a group takes no more calls.
pub const GROUP_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Rows of indexes whose keys one group claims, some tenths of a second. A submission that would bring a group
/// beyond waits for the next, so that one with more than these has a group of its own: nobody's work is done
/// again with it, and only what comes after it waits.
pub const GROUP_ROWS_MAX: u64 = 32 * 1024;
/// Bytes written since the last checkpoint, estimated, after which there is another.
const CHECKPOINT_BYTES: u64 = 32 * 1024 * 1024;
/// Pages in the WAL (4 KiB each) after which a checkpoint waits for the readers.
const WAL_FRAMES_MAX: i64 = 256 * 1024;
/// What one call writes beside its bodies, estimated: the pages of its rows in the WAL.
const CALL_BYTES: u64 = 8 * 1024;
/// What one business key writes, estimated: keys are random, so that each meets a page of its own in a large table.
const KEY_BYTES: u64 = 4 * 1024;
/// What one queued delivery writes, estimated: its row, and its place in each index.
const DELIVERY_BYTES: u64 = 1024;

/// A call, and where its answer goes.
pub(super) struct Call {
    pub work: Work,
    pub to: oneshot::Sender<Result<Answer, JournalError>>,
}

/// What the writer is asked to do.
pub(super) enum Work {
    Commit(Box<Submission>),
    Lease { to: DestinationId, now: Timestamp, until: Timestamp, leases_max: usize },
    Rendered { delivery: DeliveryId, token: u64, digest: Digest },
    Settle { delivery: DeliveryId, token: u64, now: Timestamp, settlement: Settlement },
    Act(Box<NewAct>),
    Duty(DutyWork),
    Statement(Box<NewStatement>),
    Matters(MatterWork),
}

/// What came of it.
pub(super) enum Answer {
    Committed(Committed),
    Leases(Vec<Lease>),
    Changed(bool),
    Acted(Box<Acted>),
    /// Turned away by itself, without any effect on the rest of the group.
    Refused(JournalError),
}

impl Answer {
    pub fn changed(self) -> Result<bool, JournalError> {
        match self {
            Self::Changed(changed) => Ok(changed),
            other => Err(other.unexpected()),
        }
    }

    /// The error that this answer is where another was expected.
    pub fn unexpected(self) -> JournalError {
        match self {
            Self::Refused(error) => error,
            _ => JournalError::Damaged("the writer's answer is another call's".to_owned()),
        }
    }
}

/// Where the chain goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChainEnd {
    pub epoch: u64,
    pub next_batch: u64,
    pub next_index: u64,
    /// SHA-256 of the last head's bytes.
    pub previous: Digest,
    /// Where the log of administrative acts ends.
    pub acts: ActsEnd,
}

/// The one connection that writes, and what it knows.
pub(super) struct Writer {
    connection: Connection,
    signer: Arc<dyn HeadSigner>,
    clock: SharedClock,
    witness: Arc<dyn Witness>,
    chain: ChainEnd,
    known: Known,
    bytes_since_checkpoint: u64,
    /// Ours as long as the connection is open.
    _folder: DataFolder,
}

/// The disk may or may not hold what was written.
pub(super) struct DiskFailed(String);

enum Failed {
    Disk(DiskFailed),
    /// No piece of work is to blame, and none would fare better by itself.
    NotBegun(String),
    Undone(JournalError),
}

impl Writer {
    pub fn new(
        connection: Connection,
        signer: Arc<dyn HeadSigner>,
        clock: SharedClock,
        options: &Options,
        chain: ChainEnd,
        folder: DataFolder,
    ) -> Self {
        let witness = options.witness.clone();
        Self { connection, signer, clock, witness, chain, known: Known::default(), bytes_since_checkpoint: 0, _folder: folder }
    }

    /// Serves calls until there is nobody left to call, or the disk fails.
    pub fn run(mut self, mut queue: mpsc::Receiver<Call>) {
        let mut waiting = None;
        while let Some(first) = waiting.take().or_else(|| queue.blocking_recv()) {
            let calls;
            (calls, waiting) = gather(first, &mut queue);
            let (work, callers): (Vec<Work>, Vec<_>) = calls.into_iter().map(|call| (call.work, call.to)).unzip();
            match self.commit_group(&work) {
                Ok(answers) => {
                    self.witness.answering(answers.len());
                    callers.into_iter().zip(answers).for_each(|(to, answer)| tell(to, answer));
                }
                Err(DiskFailed(error)) => {
                    self.witness.disk_failed(&error);
                    callers.into_iter().for_each(|to| tell(to, Err(JournalError::OutcomeUnknown)));
                    return;
                }
            }
            self.bytes_since_checkpoint += work.iter().map(written_bytes).sum::<u64>();
            if self.bytes_since_checkpoint >= CHECKPOINT_BYTES
                && let Err(DiskFailed(error)) = self.checkpoint()
            {
                self.witness.disk_failed(&error);
                return;
            }
        }
    }

    /// Does all of the work in one transaction and returns once it is durable. Where one piece
    /// cannot be done, the transaction is undone and each piece is done by itself.
    pub fn commit_group(&mut self, work: &[Work]) -> Result<Vec<Result<Answer, JournalError>>, DiskFailed> {
        let error = match self.try_group(work) {
            Ok(answers) => return Ok(answers.into_iter().map(Ok).collect()),
            Err(Failed::Disk(failed)) => return Err(failed),
            Err(Failed::NotBegun(why)) => return Ok(work.iter().map(|_| Err(JournalError::Unavailable(why.clone()))).collect()),
            Err(Failed::Undone(error)) => error,
        };
        self.known.clear();
        match error {
            JournalError::Full => Ok(work.iter().map(|_| Err(JournalError::Full)).collect()),
            error if work.len() == 1 => Ok(vec![Err(error)]),
            _ => {
                let each = work.iter().map(|work| self.commit_group(std::slice::from_ref(work)));
                Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
        }
    }

    fn try_group(&mut self, work: &[Work]) -> Result<Vec<Answer>, Failed> {
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| match sync_failed(&error) {
            true => Failed::Disk(DiskFailed(error.to_string())),
            false => Failed::NotBegun(error.to_string()),
        })?;
        let mut group = Group::new(&transaction, self.clock.as_ref(), self.chain, &mut self.known);
        let drafts = work.iter().map(|work| group.apply(work)).collect::<Result<Vec<_>, _>>()?;
        let (sealed, chain) = group.seal(self.signer.as_ref())?;
        let answers = drafts.into_iter().map(|draft| sealed.answer(draft)).collect();
        // An undone transaction is rolled back when it is dropped.
        transaction.commit().map_err(commit_failed)?;
        self.chain = chain;
        Ok(answers)
    }

    /// Moves what is committed from the WAL into the database, after answering so that nobody waits.
    /// Readers may keep the WAL from beginning anew; once it is too long, it is waited for them.
    fn checkpoint(&mut self) -> Result<(), DiskFailed> {
        self.bytes_since_checkpoint = 0;
        let run = |checkpoint: &str| self.connection.query_row(checkpoint, [], |row| row.get::<_, i64>(1));
        let checkpointed = run("PRAGMA wal_checkpoint(PASSIVE)").and_then(|frames| match frames {
            ..=WAL_FRAMES_MAX => Ok(frames),
            _ => run("PRAGMA wal_checkpoint(RESTART)"),
        });
        match checkpointed {
            Err(error) if sync_failed(&error) => Err(DiskFailed(error.to_string())),
            Err(error) => {
                tracing::warn!(%error, "the journal could not be checkpointed; it will be tried again");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        if sync_failed(&error) { Self::Disk(DiskFailed(error.to_string())) } else { Self::Undone(error.into()) }
    }
}

impl From<JournalError> for Failed {
    fn from(error: JournalError) -> Self {
        Self::Undone(error)
    }
}

/// The group: the first call and those that wait behind it. The one that did not fit, if one did not, begins the next.
fn gather(first: Call, queue: &mut mpsc::Receiver<Call>) -> (Vec<Call>, Option<Call>) {
    let (mut bytes, mut rows) = (held_bytes(&first.work), claimed_rows(&first.work));
    let mut calls = vec![first];
    while calls.len() < GROUP_CALLS_MAX
        && bytes < GROUP_BYTES_MAX
        && rows < GROUP_ROWS_MAX
        && let Ok(call) = queue.try_recv()
    {
        bytes += held_bytes(&call.work);
        rows += claimed_rows(&call.work);
        if rows > GROUP_ROWS_MAX {
            return (calls, Some(call));
        }
        calls.push(call);
    }
    (calls, None)
}

fn tell(to: oneshot::Sender<Result<Answer, JournalError>>, answer: Result<Answer, JournalError>) {
    // Whoever no longer waits asks by exchange id.
    let _ = to.send(answer);
}

/// Bytes of a call that are in memory.
fn held_bytes(work: &Work) -> u64 {
    match work {
        Work::Commit(submission) => submission.inline_bytes(),
        _ => 0,
    }
}

/// Rows of a call whose keys are claimed.
fn claimed_rows(work: &Work) -> u64 {
    match work {
        Work::Commit(submission) => submission.claimed_rows(),
        _ => 0,
    }
}

/// What a call writes, estimated.
fn written_bytes(work: &Work) -> u64 {
    let deliveries = match work {
        Work::Commit(submission) => submission.exchange.verdict.chunks.len() as u64,
        _ => 0,
    };
    CALL_BYTES + held_bytes(work) + claimed_rows(work) * KEY_BYTES + deliveries * DELIVERY_BYTES
}

/// A commit that failed. A full disk is found while the WAL is being written, before the frame that
/// would make the transaction valid; after anything else nobody knows.
fn commit_failed(error: rusqlite::Error) -> Failed {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Failed::Undone(JournalError::Full),
        _ => Failed::Disk(DiskFailed(error.to_string())),
    }
}

/// Whether the disk may have lost what it was told to keep.
fn sync_failed(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC | ffi::SQLITE_IOERR_TRUNCATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Chunk, Counts, IndexRow, Outcome, Pins, Stored, Verdict};
    use crate::journal::NewExchange;
    use crate::receipt::Keys;
    use crate::seams::{Clock, SystemClock, new_id};
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// How often the writer has found the database busy.
    static BUSY: AtomicUsize = AtomicUsize::new(0);

    /// A submission of so many rows in so many deliveries.
    fn submission(rows: u64, deliveries: u64) -> Work {
        let (name, digest, nothing) = (|| "name".parse().unwrap(), Digest::default(), || Stored::Inline(Bytes::new()));
        let chunk = Chunk { destination: 0, first_row: 0, rows, order_key: None, repeated_ids: 0 };
        let verdict = Verdict {
            outcome: Outcome::Accepted,
            counts: Counts::default(),
            fault: None,
            findings: Vec::new(),
            findings_left_out: 0,
            message_id: None,
            decoded_digest: digest,
            canonical_digest: digest,
            canonical: nothing(),
            index: Stored::File { path: "index".into(), bytes: rows * IndexRow::BYTES as u64 },
            destinations: Vec::new(),
            chunks: vec![chunk; deliveries as usize],
            pins: Pins { mapping: digest, schema: digest, flow: digest },
            profile: crate::profile::Profile::default(),
            tally: crate::amounts::Tally::default(),
        };
        let exchange = NewExchange {
            id: new_id(&SystemClock),
            partner: name(),
            flow: name(),
            received_at: SystemClock.now(),
            translated_at: SystemClock.now(),
            business_day: crate::schedule::BusinessDay::new("UTC", None),
            idempotency_key: None,
            question: None,
            certificate: digest,
            corrects: None,
            mapping: String::new(),
            key_space: String::new(),
            content_type: None,
            content_encoding: String::new(),
            trace_id: String::new(),
            body: nothing(),
            body_digest: digest,
            verdict,
            answer: None,
            pinned: Vec::new(),
        };
        Work::Commit(Box::new(Submission { exchange, report: String::new() }))
    }

    #[test]
    fn a_large_submission_has_a_group_of_its_own() {
        // Rows of submissions as they wait, and the groups that they come to.
        const FULL: u64 = GROUP_ROWS_MAX;
        let cases: [(&[u64], &[usize]); 4] = [
            (&[1, 2, 3], &[3]),
            (&[1, FULL + 1, 2, 3], &[1, 1, 2]),
            (&[FULL, 1, FULL - 1, 1], &[1, 2, 1]),
            (&[9 * FULL, 9 * FULL], &[1, 1]),
        ];
        for (rows, expected) in cases {
            let (sender, mut queue) = mpsc::channel(rows.len());
            rows.iter().for_each(|rows| sender.try_send(Call { work: submission(*rows, 1), to: oneshot::channel().0 }).ok().unwrap());
            let (mut groups, mut waiting) = (Vec::new(), queue.try_recv().ok());
            while let Some(first) = waiting {
                let (calls, next) = gather(first, &mut queue);
                groups.push(calls.len());
                waiting = next.or_else(|| queue.try_recv().ok());
            }
            assert_eq!(groups, expected, "{rows:?}");
        }
    }

    #[test]
    fn keys_and_deliveries_bring_a_checkpoint_on() {
        for (rows, deliveries) in [(10_000, 1), (0, 40_000)] {
            assert!(written_bytes(&submission(rows, deliveries)) >= CHECKPOINT_BYTES, "{rows} rows, {deliveries} deliveries");
        }
        assert!(written_bytes(&submission(1, 1)) < CHECKPOINT_BYTES / 1_000);
    }

    #[test]
    fn a_transaction_that_cannot_begin_is_tried_once_for_the_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let keys = Arc::new(Keys::open_or_create(&folder.path().join("keys"), clock.clone()).unwrap());
        let database = folder.path().join("journal.db");
        let [other, mut connection] = [(); 2].map(|()| Connection::open(&database).unwrap());
        other.execute_batch(include_str!("schema.sql")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let busy = |_| {
            BUSY.fetch_add(1, Ordering::SeqCst);
            false
        };
        connection.busy_handler(Some(busy)).unwrap();
        let chain = ChainEnd { epoch: 1, next_batch: 0, next_index: 0, previous: Digest::default(), acts: ActsEnd::default() };
        let taken = DataFolder::take(&folder.path().join("data")).unwrap();
        let mut writer = Writer::new(connection, keys, clock.clone(), &Options::default(), chain, taken);
        let (to, now) = ("tax/inbox".parse::<DestinationId>().unwrap(), clock.now());
        let work = [(); 3].map(|()| Work::Lease { to: to.clone(), now, until: now, leases_max: 1 });
        let answers = writer.commit_group(&work).ok().unwrap();
        assert!(answers.len() == 3 && answers.iter().all(|answer| matches!(answer, Err(JournalError::Unavailable(_)))));
        assert_eq!(BUSY.load(Ordering::SeqCst), 1);
        other.execute_batch("COMMIT").unwrap();
        assert!(writer.commit_group(&work).ok().unwrap().iter().all(Result::is_ok), "the next group begins");
    }
}

//! The writer: a thread that is a thin shell around one synchronous step, [`Writer::commit_group`].

use super::commit::{Group, Known, Submission};
use super::duty::DutyWork;
use super::{Options, Witness};
use crate::data::DataFolder;
use crate::domain::{DeliveryId, DestinationId, Digest};
use crate::journal::{Act, Committed, HeadSigner, JournalError, Lease, Settlement};
use crate::seams::SharedClock;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, ffi};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Calls of one group.
pub const GROUP_CALLS_MAX: usize = 512;
/// Bytes of bodies, canonical records and indexes in memory after which a group takes no more calls.
pub const GROUP_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes written since the last checkpoint, estimated, after which there is another.
const CHECKPOINT_BYTES: u64 = 32 * 1024 * 1024;
/// Pages in the WAL (4 KiB each) after which a checkpoint waits for the readers.
const WAL_FRAMES_MAX: i64 = 256 * 1024;
/// What one call writes beside its bodies, estimated: the pages of its rows in the WAL.
const CALL_BYTES: u64 = 8 * 1024;

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
    Act { delivery: DeliveryId, act: Act },
    Duty(DutyWork),
}

/// What came of it.
pub(super) enum Answer {
    Committed(Committed),
    Leases(Vec<Lease>),
    Changed(bool),
    /// The destination of the dead letter that was acted on, if there was one.
    Acted(Option<DestinationId>),
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
        while let Some(first) = queue.blocking_recv() {
            let (work, callers): (Vec<Work>, Vec<_>) = gather(first, &mut queue).into_iter().map(|call| (call.work, call.to)).unzip();
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
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
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

/// The group: the first call and those that wait behind it.
fn gather(first: Call, queue: &mut mpsc::Receiver<Call>) -> Vec<Call> {
    let mut bytes = written_bytes(&first.work);
    let mut calls = vec![first];
    while calls.len() < GROUP_CALLS_MAX
        && bytes < GROUP_BYTES_MAX
        && let Ok(call) = queue.try_recv()
    {
        bytes += written_bytes(&call.work);
        calls.push(call);
    }
    calls
}

fn tell(to: oneshot::Sender<Result<Answer, JournalError>>, answer: Result<Answer, JournalError>) {
    // Whoever no longer waits asks by exchange id.
    let _ = to.send(answer);
}

/// What a call writes, estimated.
fn written_bytes(work: &Work) -> u64 {
    match work {
        Work::Commit(submission) => CALL_BYTES + submission.inline_bytes(),
        _ => CALL_BYTES,
    }
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

//! The journal (交换台账): the one durable state of the gateway, and the trait that its stores fulfil.
//!
//! A commit is the only way to a [`Journaled`], and a [`Journaled`] is the only way to a receipt:
//! an answer cannot leave before what it says is durable. The trait speaks the domain's words, so
//! that an embedded store and a server share one suite (`tests/journal/suite.rs`).

pub mod acts;
pub mod alarms;
pub mod bodies;
pub mod chain;
pub mod evidence;
pub mod hours;
pub mod matters;
mod repeats;
mod resolve;
pub mod search;
pub mod sqlite;
pub mod statements;

pub use resolve::resolve;

use acts::{Act, ActFilter, Acted, NewAct, Paused, Pick, PickSummary};
use hours::{DestinationHour, FlowHour, HourFilter, RuleCount};
use search::{Attempt, DeliverySums, Found, Search};

use crate::amounts::Amounts;
use crate::domain::{
    BusinessAnswer, Counts, DeliveryId, DestinationId, Digest, ExchangeId, FlowId, IndexRow, Outcome, PartnerId, Pins, Stored, Verdict,
};
use crate::fault::{Fault, FaultCode};
use crate::schedule::BusinessDay;
use crate::traces::TraceContext;
use jiff::Timestamp;
use std::sync::Arc;

/// A body, translated and about to be committed.
#[derive(Clone, Debug)]
pub struct NewExchange {
    /// Its id, made at admission.
    pub id: ExchangeId,
    /// Who sent it.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// When its last byte had come in.
    pub received_at: Timestamp,
    /// When it was read and checked.
    pub translated_at: Timestamp,
    /// How the days of its flow are told apart.
    pub business_day: BusinessDay,
    /// The sender's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The question that it answers. Its key is that question's name, which earlier bytes never come to hold:
    /// they are the answer to another.
    pub question: Option<ExchangeId>,
    /// SHA-256 of the client certificate (DER) that it came with.
    pub certificate: Digest,
    /// The exchange that `Portolan-Corrects` names.
    pub corrects: Option<ExchangeId>,
    /// The name of the mapping that read it.
    pub mapping: String,
    /// Among which business keys those of its records are: in one space a key names one fact, under whichever flow
    /// it comes. A space is one sender's and one canonical record's, without its version: what one bank says never
    /// silences another.
    pub key_space: String,
    /// `Content-Type` as sent, for people.
    pub content_type: Option<String>,
    /// `Content-Encoding` as sent; empty for none.
    pub content_encoding: String,
    /// Where in a trace it was taken in.
    pub trace: TraceContext,
    /// The body as it was received, content coding and all.
    pub body: Stored,
    /// Its digest.
    pub body_digest: Digest,
    /// What translation made of it.
    pub verdict: Verdict,
    /// What its sender is answered in a format of its own.
    pub answer: Option<BusinessAnswer>,
    /// The texts (mappings, schema, flow) that deliveries will be rendered with, by digest; the
    /// journal keeps each once.
    pub pinned: Vec<(Digest, Arc<str>)>,
}

/// Number of the first epoch.
pub const FIRST_EPOCH: u64 = 1;

/// A place in the chain. A restore begins a new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainPosition {
    /// Which life of the journal.
    pub epoch: u64,
    /// The exchange's place in it, counted from 0 without gaps.
    pub index: u64,
}

/// The evidence of one exchange, as the commit returned it or the store keeps it. Only the journal
/// constructs it; the bytes of its parts never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journaled {
    exchange: ExchangeId,
    position: ChainPosition,
    outcome: Outcome,
    counts: Counts,
    leaf: Arc<str>,
    path: Arc<[Digest]>,
    leaf_index: u64,
    tree_size: u64,
    head: Arc<str>,
}

impl Journaled {
    /// The exchange.
    pub fn exchange(&self) -> ExchangeId {
        self.exchange
    }

    /// Its place in the chain.
    pub fn position(&self) -> ChainPosition {
        self.position
    }

    /// Accepted, in part or refused.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The counts as committed, records known by business key included.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The leaf: canonical JSON (RFC 8785), exactly the bytes that were hashed.
    pub fn leaf(&self) -> &str {
        &self.leaf
    }

    /// The inclusion path from the leaf to the batch's root (RFC 6962, section 2.1.1).
    pub fn path(&self) -> &[Digest] {
        &self.path
    }

    /// The leaf's index within the batch's tree.
    pub fn leaf_index(&self) -> u64 {
        self.leaf_index
    }

    /// The number of leaves of the batch's tree.
    pub fn tree_size(&self) -> u64 {
        self.tree_size
    }

    /// The signed head of the batch, a compact JWS (RFC 7515).
    pub fn head(&self) -> &str {
        &self.head
    }
}

/// What a commit came to.
#[derive(Clone, Debug)]
pub enum Committed {
    /// Durable, for the first time.
    New(Journaled),
    /// These very bytes were committed before under this key or message id: the first evidence.
    Repeat(Journaled),
    /// The key or message id belongs to other bytes, of this exchange.
    OtherBytes(ExchangeId),
    /// The key belongs to one exchange and the message id to another.
    Conflict,
}

/// Why the journal could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Nothing was changed, and it may work later.
    #[error("the journal is not available: {0}")]
    Unavailable(String),
    /// The disk is full; nothing was changed.
    #[error("the journal's disk is full")]
    Full,
    /// It may or may not have been committed; ask by exchange id.
    #[error("the outcome of the commit is not known")]
    OutcomeUnknown,
    /// What is stored is not what was stored.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
}

impl JournalError {
    /// The fault that it is to whoever waits for the journal.
    pub fn code(&self) -> FaultCode {
        match self {
            Self::Unavailable(_) => FaultCode::Unavailable,
            Self::Full => FaultCode::StorageFull,
            Self::OutcomeUnknown => FaultCode::OutcomeUnknown,
            Self::Damaged(_) => FaultCode::Internal,
        }
    }
}

impl From<JournalError> for Fault {
    /// The fault of a request that the journal could not serve.
    fn from(error: JournalError) -> Self {
        Self::new(error.code()).caused_by(error)
    }
}

/// Which repeat keys a submission carries.
#[derive(Clone, Debug)]
pub struct RepeatQuery {
    /// Who.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// The `Idempotency-Key`, if any.
    pub idempotency_key: Option<String>,
    /// The message id, once known.
    pub message_id: Option<String>,
    /// Digest of the bytes received.
    pub body_digest: Digest,
    /// The exchange that `Portolan-Corrects` names, which may hold the message id.
    pub corrects: Option<ExchangeId>,
}

/// An exchange as the store knows it.
#[derive(Clone, Debug)]
pub struct ExchangeRow {
    /// Its evidence.
    pub journaled: Journaled,
    /// Who sent it.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// When.
    pub received_at: Timestamp,
    /// When it was read and checked.
    pub translated_at: Timestamp,
    /// The sender's key.
    pub idempotency_key: Option<String>,
    /// The message id that the mapping found.
    pub message_id: Option<String>,
    /// The exchange that it corrects.
    pub corrects: Option<ExchangeId>,
    /// The mapping that read it.
    pub mapping: String,
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// `Content-Encoding` as sent; empty for none.
    pub content_encoding: String,
    /// W3C trace id.
    pub trace_id: String,
    /// Why it was refused whole, as a fault code.
    pub fault: Option<String>,
    /// Length of the body as received.
    pub body_bytes: u64,
    /// Digest of the body as received.
    pub body_digest: Digest,
    /// Digest of the canonical NDJSON.
    pub canonical_digest: Digest,
    /// What it was read and checked with.
    pub pins: Pins,
    /// How many findings the report left out.
    pub findings_left_out: u64,
}

/// Which exchanges to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ExchangeFilter {
    /// Only this partner's.
    pub partner: Option<PartnerId>,
    /// Only this flow's.
    pub flow: Option<FlowId>,
    /// Only with this message id.
    pub message_id: Option<String>,
    /// Received at or after.
    pub received_from: Option<Timestamp>,
    /// Received before.
    pub received_to: Option<Timestamp>,
    /// Only those before this id, for the next page.
    pub before: Option<ExchangeId>,
    /// At most so many; capped at [`PAGE_ROWS_MAX`].
    pub rows_max: usize,
}

/// Rows of one page.
pub const PAGE_ROWS_MAX: usize = 200;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Waiting for its time, or for those before it.
    Queued,
    /// Leased to a worker.
    Leased,
    /// The receiver has it.
    Acknowledged,
    /// Given up until someone resends it (投递失败待处理).
    Dead,
    /// Given up for good, with a reason, so that its key goes on.
    Waived,
}

impl DeliveryState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Acknowledged => "acknowledged",
            Self::Dead => "dead-letter",
            Self::Waived => "waived",
        }
    }
}

/// A delivery as the store knows it.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// Its id, the same for every attempt.
    pub id: DeliveryId,
    /// The exchange that it is a part of.
    pub exchange: ExchangeId,
    /// Where to.
    pub to: DestinationId,
    /// Where it stands.
    pub state: DeliveryState,
    /// Records in it, those known before left out.
    pub records: u64,
    /// Attempts begun.
    pub attempts: u32,
    /// When it may be tried next.
    pub due_at: Timestamp,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// Why the last attempt failed: fault code and detail.
    pub last_fault: Option<(String, String)>,
    /// What the receiver answered with a failed attempt, cut to [`ANSWER_BYTES_MAX`].
    pub last_answer: Option<String>,
    /// What operators did to it as a dead letter, oldest first; the latest [`acts::ACTS_LISTED_MAX`].
    pub acts: Vec<Act>,
}

/// Which dead letters to list: by destination, and oldest first within it.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    /// Only of this destination.
    pub to: Option<DestinationId>,
    /// Only those after this one, for the next page. It need not be a dead letter any more.
    pub after: Option<DeliveryId>,
    /// At most so many; capped at [`PAGE_ROWS_MAX`].
    pub rows_max: usize,
}

/// Bytes kept of a receiver's answer.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Work for a delivery worker. It must be settled before `until`, or another may take it.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Which lease this is; a settlement with an older one is turned away.
    pub token: u64,
    /// Until when it is held.
    pub until: Timestamp,
    /// The exchange.
    pub exchange: ExchangeId,
    /// Who sent it.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// When the exchange was received.
    pub received_at: Timestamp,
    /// Since when it may be delivered: when it was queued, let go by those before it in its order, or
    /// resent, whichever was last.
    pub due_since: Timestamp,
    /// Where to.
    pub to: DestinationId,
    /// The mapping to render with.
    pub mapping: Digest,
    /// What the exchange was read and checked with.
    pub pins: Pins,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Digest of the bytes that the first attempt sent, if there was one.
    pub rendered: Option<Digest>,
    /// Where in a trace the exchange was taken in.
    pub trace: TraceContext,
    /// Bit of this destination in [`IndexRow::destinations`].
    pub bit: u8,
    /// First row of the exchange's index.
    pub first_row: u64,
    /// Rows spanned.
    pub rows: u64,
    /// Which of its message's ids an earlier delivery has too, as bits.
    pub repeated_ids: u32,
    /// Records in it, those known before left out.
    pub records: u64,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// The receiver has it: records of these amounts.
    Acknowledged(Amounts),
    /// To be tried again.
    RetryAt {
        /// When.
        at: Timestamp,
        /// Fault code.
        fault: String,
        /// In words, for the operator.
        detail: String,
        /// The receiver's answer, if there was one.
        answer: Option<String>,
    },
    /// Given up until someone resends it.
    Dead {
        /// Fault code.
        fault: String,
        /// In words, for the operator.
        detail: String,
        /// The receiver's answer, if there was one.
        answer: Option<String>,
    },
}

/// Numbers for the console and metrics, from the store.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// One row for each partner and flow.
    pub flows: Vec<FlowTotals>,
    /// One row for each destination.
    pub destinations: Vec<DestinationTotals>,
}

/// What one partner has sent under one flow.
#[derive(Clone, Debug)]
pub struct FlowTotals {
    /// Who.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// Exchanges journaled.
    pub exchanges: u64,
    /// Those of them whose body was refused whole.
    pub refused_whole: u64,
    /// Their records.
    pub counts: Counts,
    /// When the last came.
    pub last_received_at: Option<Timestamp>,
}

/// What stands at one destination.
#[derive(Clone, Debug)]
pub struct DestinationTotals {
    /// Where to.
    pub to: DestinationId,
    /// Records in deliveries, by state.
    pub queued: u64,
    /// Acknowledged records.
    pub acknowledged: u64,
    /// Records in dead letters.
    pub dead: u64,
    /// When the oldest delivery that is not acknowledged was received.
    pub oldest_waiting: Option<Timestamp>,
}

/// One signed head of the chain, as `audit verify` walks them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRow {
    /// Which life of the journal.
    pub epoch: u64,
    /// Which batch of it, from 0.
    pub batch: u64,
    /// Index of its first leaf.
    pub first_index: u64,
    /// The compact JWS.
    pub head: String,
    /// Its leaves, in order: exchange id and leaf text.
    pub leaves: Vec<(ExchangeId, String)>,
}

/// Signs the heads of the chain.
pub trait HeadSigner: Send + Sync {
    /// The id of the key that signs now.
    fn kid(&self) -> String;

    /// A compact JWS (RFC 7515) over the payload.
    fn sign(&self, payload: &[u8]) -> String;
}

/// A journal. Every method may be called from any task; none blocks a thread of the runtime.
#[async_trait::async_trait]
pub trait Journal: alarms::DutyBook + matters::MatterBook + statements::StatementBook {
    /// Makes an exchange durable, in one transaction with everything that follows from it, and
    /// returns once it is on the disk. Repeats are found here, inside the transaction. Bodies in
    /// files are made durable first. A refused exchange is kept but binds no key.
    ///
    /// Only an exchange with something accepted binds its key and message id; business keys of the
    /// accepted records are claimed, and those known before are counted as repeated and not
    /// delivered. A correction (`corrects`) may carry the key and the message id of what it corrects.
    /// Committing the very exchange once more is a repeat of it.
    async fn commit(&self, exchange: NewExchange) -> Result<Committed, JournalError>;

    /// Looks for a repeat before any work is done on the body.
    async fn find_repeat(&self, query: RepeatQuery) -> Result<Option<Committed>, JournalError>;

    /// One exchange.
    async fn exchange(&self, id: ExchangeId) -> Result<Option<ExchangeRow>, JournalError>;

    /// A page of exchanges, newest first.
    async fn exchanges(&self, filter: ExchangeFilter) -> Result<Vec<ExchangeRow>, JournalError>;

    /// Whether each message with such an id was taken in under a flow, whoever sent it: something of it was accepted.
    async fn known_messages(&self, flow: &FlowId, message_ids: Vec<String>) -> Result<Vec<bool>, JournalError>;

    /// Whether each business key is that of a record that was accepted among these keys.
    async fn known_records(&self, spaces: Vec<String>, keys: Vec<[u8; 16]>) -> Result<Vec<bool>, JournalError>;

    /// A page of exchanges that fit, newest first.
    async fn search(&self, search: Search) -> Result<Found, JournalError>;

    /// The exchange that has a business key, within the key space of its sender and canonical record.
    async fn holder(&self, key_space: String, key: [u8; 16]) -> Result<Option<ExchangeId>, JournalError>;

    /// The findings of an exchange's report, as NDJSON of [`crate::domain::Finding`].
    async fn report(&self, id: ExchangeId) -> Result<Option<Arc<str>>, JournalError>;

    /// The business answer that the sender was given, if it was given one.
    async fn answer(&self, id: ExchangeId) -> Result<Option<BusinessAnswer>, JournalError>;

    /// The body as it was received.
    async fn body(&self, id: ExchangeId) -> Result<Option<Stored>, JournalError>;

    /// The canonical NDJSON.
    async fn canonical(&self, id: ExchangeId) -> Result<Option<Stored>, JournalError>;

    /// Rows of the exchange's index with whether each is known from before (`true` = not to be
    /// delivered), at most `rows` from `first_row`.
    async fn index(&self, id: ExchangeId, first_row: u64, rows: u64) -> Result<Vec<(IndexRow, bool)>, JournalError>;

    /// A page of the deliveries of an exchange, in the order in which they were queued: those after this one, at
    /// most so many, capped at [`PAGE_ROWS_MAX`].
    async fn deliveries(&self, id: ExchangeId, after: Option<DeliveryId>, rows_max: usize) -> Result<Vec<DeliveryRow>, JournalError>;

    /// A page of the deliveries of an exchange, from behind one on, each with the attempts that are kept of it.
    async fn attempted(
        &self,
        id: ExchangeId,
        after: Option<DeliveryId>,
        rows_max: usize,
    ) -> Result<Vec<(DeliveryRow, Vec<Attempt>)>, JournalError>;

    /// How many deliveries of an exchange stand where.
    async fn delivery_sums(&self, id: ExchangeId) -> Result<DeliverySums, JournalError>;

    /// A delivery, with the attempts that are kept of it.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<(DeliveryRow, Vec<Attempt>)>, JournalError>;

    /// A pinned text by its digest.
    async fn pinned(&self, digest: Digest) -> Result<Option<Arc<str>>, JournalError>;

    /// Leases due deliveries to one destination, oldest first, at most `leases_max`, until `until`.
    /// Among deliveries with the same order key only the first that is not settled is given out. What passes
    /// between `now` and the giving is added to `until`, so that a lease is never short.
    async fn lease(&self, to: &DestinationId, now: Timestamp, until: Timestamp, leases_max: usize) -> Result<Vec<Lease>, JournalError>;

    /// Notes the digest of what the first attempt is about to send; a later call with another
    /// digest is refused as damage.
    async fn rendered(&self, delivery: DeliveryId, token: u64, digest: Digest) -> Result<(), JournalError>;

    /// Ends an attempt. Returns false when the lease is no longer held: the delivery is settled, or
    /// another lease was given out since; nothing is changed then. A settlement after the lease's
    /// end still counts as long as nobody else took the delivery.
    async fn settle(&self, delivery: DeliveryId, token: u64, now: Timestamp, settlement: Settlement) -> Result<bool, JournalError>;

    /// A page of dead letters.
    async fn dead_letters(&self, filter: DeadLetterFilter) -> Result<Vec<DeliveryRow>, JournalError>;

    /// What an act on the dead letters that fit would change.
    async fn picked(&self, pick: Pick) -> Result<PickSummary, JournalError>;

    /// Does what an operator asks for and logs it, in one transaction; or keeps it as a proposal, where it
    /// changes more deliveries than one person may.
    async fn act(&self, act: NewAct) -> Result<Acted, JournalError>;

    /// A page of the log of administrative acts, newest first.
    async fn acts(&self, filter: ActFilter) -> Result<Vec<Act>, JournalError>;

    /// Entries of that log as they stand, oldest first, from behind a number on: number, text and hash.
    async fn act_entries(&self, after: u64, rows_max: usize) -> Result<Vec<(u64, String, Digest)>, JournalError>;

    /// Everything that is paused. A destination that is paused has nothing due; that a flow is, is for those
    /// who admit to ask.
    async fn paused(&self) -> Result<Vec<Paused>, JournalError>;

    /// When the next delivery to a destination is due, leases that run out included.
    async fn next_due(&self, to: &DestinationId) -> Result<Option<Timestamp>, JournalError>;

    /// Numbers for the console and metrics.
    async fn totals(&self) -> Result<Totals, JournalError>;

    /// What was sent in each of these hours, hours without anything left out; at most [`hours::HOUR_ROWS_MAX`].
    async fn flow_hours(&self, filter: HourFilter) -> Result<Vec<FlowHour>, JournalError>;

    /// The rules with the most findings in these hours; at most [`hours::RULE_ROWS_MAX`].
    async fn rule_counts(&self, filter: HourFilter) -> Result<Vec<RuleCount>, JournalError>;

    /// What reached one destination or all of them in the hours that begin in a span; at most [`hours::HOUR_ROWS_MAX`].
    async fn destination_hours(
        &self,
        to: Option<DestinationId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<DestinationHour>, JournalError>;

    /// Heads of the chain from a batch on, at most `heads_max`, with their leaves.
    async fn heads(&self, epoch: u64, from_batch: u64, heads_max: usize) -> Result<Vec<HeadRow>, JournalError>;
}

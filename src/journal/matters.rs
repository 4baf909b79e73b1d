//! What the journal keeps for reconciliations (核对): the matters (核对项), each of one key, and how far committed
//! exchanges were looked through.
//!
//! A matter's standing follows from what was seen of its legs, and from an operator who settles it, but not from the order in
//! which it was seen: of several records with one key in one leg the earliest received counts, the others are duplicates.
//! A step is written together with its cursor, so that whatever happens every record is seen once.

use super::JournalError;
use super::acts::Act;
use crate::amounts::Amount;
use crate::domain::{Digest, ExchangeId, FlowId, Name};
use jiff::{SignedDuration, Timestamp};

/// Records that one step brings.
pub const SEEN_PER_STEP_MAX: usize = 500;
/// Matters that are forgotten in one step, when a declaration was changed.
pub const FORGOTTEN_PER_STEP_MAX: usize = 1_000;
/// Characters of a key; of a longer one the digest stands for it.
pub const KEY_CHARS_MAX: usize = 256;
/// For how long a matter that cannot meet is counted as recent, and alarmed.
pub const RECENT_SPAN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How a matter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatterState {
    /// All legs are there with the same amount, or nothing more is expected (已核对).
    Matched,
    /// A leg is still to come, and has time (待核对).
    Waiting,
    /// A leg has not come in its time (逾期).
    Late,
    /// The first leg is not there (无对应).
    Unmatched,
    /// Amounts or currencies differ (金额不符).
    AmountDifferent,
    /// It did not meet, and an operator has said why that is well (已处置). Whatever is seen of it later has it judged anew.
    Settled,
}

impl MatterState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Matched, Self::Waiting, Self::Late, Self::Unmatched, Self::AmountDifferent, Self::Settled];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Waiting => "waiting",
            Self::Late => "late",
            Self::Unmatched => "unmatched",
            Self::AmountDifferent => "amount-different",
            Self::Settled => "settled",
        }
    }
}

/// A record of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The exchange that it came in.
    pub exchange: ExchangeId,
    /// Its number in the body.
    pub record: u64,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its amount and currency, where it has one.
    pub amount: Option<(Amount, String)>,
    /// Whether nothing more is expected after it.
    pub ends: bool,
}

/// What a step has seen.
#[derive(Clone, Debug)]
pub struct NewSeen {
    /// Which leg, from 0.
    pub leg: usize,
    /// Its key.
    pub key: String,
    /// The record.
    pub seen: Seen,
}

/// How far committed exchanges were looked through: everything before this row of this exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The exchange, in the order of commits.
    pub sequence: u64,
    /// The row of its index.
    pub row: u64,
}

/// Where a reconciliation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which declaration its matters are of.
    pub declaration: Digest,
    /// How far it has come.
    pub cursor: Cursor,
}

/// One step: what was seen between two cursors.
#[derive(Clone, Debug)]
pub struct MatterStep {
    /// The reconciliation.
    pub name: Name,
    /// Where it stood; the step is dropped where it stands elsewhere by now. `None` begins it.
    pub before: Option<Progress>,
    /// Where it stands then.
    pub after: Progress,
    /// For each leg, how long after the one before it may come.
    pub within: Vec<Option<SignedDuration>>,
    /// What was seen.
    pub seen: Vec<NewSeen>,
    /// Records that take no part because they have no key, or because a condition cannot be judged of them.
    pub left_out: u64,
}

/// A committed exchange, as a reconciliation looks for it.
#[derive(Clone, Debug)]
pub struct CommittedRow {
    /// Its place in the order of commits.
    pub sequence: u64,
    /// Its id.
    pub exchange: ExchangeId,
    /// Under which flow it came.
    pub flow: FlowId,
    /// When.
    pub received_at: Timestamp,
    /// Its records that were taken in.
    pub accepted: u64,
}

/// A matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatterRow {
    /// Its number, for paging.
    pub number: u64,
    /// Its key.
    pub key: String,
    /// How it stands.
    pub state: MatterState,
    /// Until when the next leg is to come, where one is waited for.
    pub due_at: Option<Timestamp>,
    /// What was seen of each leg, and how many more with the same key.
    pub legs: Vec<Option<(Seen, u64)>>,
    /// Whether some leg came after its time.
    pub came_late: bool,
    /// By whom it was settled and why, where it is.
    pub settled: Option<Act>,
}

/// Which matters to list, newest first.
#[derive(Clone, Debug)]
pub struct MatterFilter {
    /// Of which reconciliation.
    pub name: Name,
    /// Only those that stand so.
    pub state: Option<MatterState>,
    /// Only with this key.
    pub key: Option<String>,
    /// Only those before this number.
    pub before: Option<u64>,
    /// At most so many; capped at [`super::PAGE_ROWS_MAX`].
    pub rows_max: usize,
    /// Now: what is late by now.
    pub now: Timestamp,
}

/// How many matters stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatterCounts {
    /// All legs are there.
    pub matched: u64,
    /// A leg is waited for, late ones left out.
    pub waiting: u64,
    /// A leg has not come in its time.
    pub late: u64,
    /// Without a first leg.
    pub unmatched: u64,
    /// With different amounts.
    pub amount_different: u64,
    /// Settled by an operator.
    pub settled: u64,
    /// Records whose key was there before, in the same leg.
    pub duplicates: u64,
    /// Records that take no part.
    pub left_out: u64,
    /// Of those late, unmatched or different the ones that became so within [`RECENT_SPAN`].
    pub recent: u64,
}

impl MatterCounts {
    /// The count of a state.
    pub fn of(&self, state: MatterState) -> u64 {
        match state {
            MatterState::Matched => self.matched,
            MatterState::Waiting => self.waiting,
            MatterState::Late => self.late,
            MatterState::Unmatched => self.unmatched,
            MatterState::AmountDifferent => self.amount_different,
            MatterState::Settled => self.settled,
        }
    }
}

/// How a matter stands by what was seen of its legs, until when the next is to come, and whether one came late.
pub fn standing(legs: &[Option<Seen>], within: &[Option<SignedDuration>]) -> (MatterState, Option<Timestamp>, bool) {
    let span = |leg: usize| within.get(leg).copied().flatten().unwrap_or(SignedDuration::MAX);
    let due = |leg: usize, before: &Seen| before.received_at.saturating_add(span(leg)).unwrap_or(Timestamp::MAX);
    let came_late = legs.windows(2).enumerate().any(|(place, pair)| match pair {
        [Some(before), Some(seen)] => seen.received_at > due(place + 1, before),
        _ => false,
    });
    let missing = legs.iter().position(Option::is_none);
    let present = missing.unwrap_or(legs.len());
    if missing == Some(0) {
        return (MatterState::Unmatched, None, came_late);
    }
    let amounts: Vec<&(Amount, String)> = legs.iter().flatten().filter_map(|seen| seen.amount.as_ref()).collect();
    let differ =
        amounts.windows(2).any(|pair| matches!(pair, [(one, of_one), (other, of_other)] if of_one != of_other || !one.same_value(*other)));
    if differ {
        return (MatterState::AmountDifferent, None, came_late);
    }
    let ended = legs.iter().take(present).flatten().any(|seen| seen.ends);
    let last = present.checked_sub(1).and_then(|last| legs.get(last)).and_then(Option::as_ref);
    match (ended || missing.is_none(), last) {
        (false, Some(last)) => (MatterState::Waiting, Some(due(present, last)), came_late),
        _ => (MatterState::Matched, None, came_late),
    }
}

/// Reconciliations and their matters.
#[async_trait::async_trait]
pub trait MatterBook: Send + Sync {
    /// Where a reconciliation stands; `None` before its first step.
    async fn reconciled_to(&self, name: &Name) -> Result<Option<Progress>, JournalError>;

    /// The place in the order of commits from which on the exchanges stand that were received at a moment or later.
    async fn first_received(&self, from: Timestamp) -> Result<u64, JournalError>;

    /// Committed exchanges from a place on, at most `rows_max`, in the order of commits.
    async fn committed_from(&self, sequence: u64, rows_max: usize) -> Result<Vec<CommittedRow>, JournalError>;

    /// Makes a step durable, all of it or none. Returns false where the reconciliation stood elsewhere: nothing is changed.
    async fn reconcile(&self, step: MatterStep) -> Result<bool, JournalError>;

    /// Forgets some matters of a reconciliation, and at last where it stood. Returns whether there are more.
    async fn forget_matters(&self, name: &Name) -> Result<bool, JournalError>;

    /// A page of matters.
    async fn matters(&self, filter: MatterFilter) -> Result<Vec<MatterRow>, JournalError>;

    /// How many matters stand how.
    async fn matter_counts(&self, name: &Name, now: Timestamp) -> Result<MatterCounts, JournalError>;
}

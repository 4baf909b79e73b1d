//! What the journal keeps for daily statements (日对账单): sums by day, added up by the commits themselves, and the
//! statements of days that are over.
//!
//! A body belongs to the day in which its last byte came in; one that was committed more than [`CLOSING_SPAN`] after
//! that day was over belongs to the next one, so that what was once told of a day stays true. What was
//! delivered belongs to the day in which it was acknowledged.

use super::JournalError;
use crate::amounts::{Line, Sum};
use crate::domain::{FlowId, PartnerId};
use jiff::SignedDuration;
use jiff::civil::Date;

/// How long after a day's end bodies of that day may still be committed to it.
pub const CLOSING_SPAN: SignedDuration = SignedDuration::from_mins(10);
/// How long after a day's end its statement is final: a commit that began within the span above has ended by then.
pub const FINAL_AFTER: SignedDuration = SignedDuration::from_mins(11);
/// Different sums of one measure with one other party, in a day of a partner and flow; what is beyond is added up as other
/// dates and currencies.
pub const SUMS_PER_MEASURE_MAX: usize = 2_048;

/// What a sum of a day is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// What the partner sent and was taken in.
    Accepted,
    /// What the partner sent and was refused.
    Refused,
    /// What the partner sent and a destination has acknowledged, once for each destination.
    Delivered,
    /// What the partner has acknowledged as a receiver.
    Taken,
}

/// One sum of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySum {
    /// What of.
    pub measure: Measure,
    /// The destination that acknowledged, or the sender of what the partner took; else empty.
    pub other: String,
    /// By which date, of which date, currency and direction.
    pub line: Line,
    /// How much.
    pub sum: Sum,
}

/// Exchanges of a day, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayExchanges {
    /// All.
    pub all: u64,
    /// Accepted in part.
    pub in_part: u64,
    /// Refused whole.
    pub refused: u64,
    /// Accepted records that were known by their business key and are not delivered again.
    pub repeated_records: u64,
}

/// A day of one partner and flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayBook {
    /// Exchanges.
    pub exchanges: DayExchanges,
    /// Sums, in their order.
    pub sums: Vec<DaySum>,
}

/// A statement as it was first given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptStatement {
    /// The signed JSON.
    pub text: String,
    /// The workbook that it names by digest.
    pub workbook: Vec<u8>,
}

/// Days and their statements.
#[async_trait::async_trait]
pub trait StatementBook: Send + Sync {
    /// The sums of a day as they stand.
    async fn day_book(&self, partner: &PartnerId, flow: &FlowId, day: Date) -> Result<DayBook, JournalError>;

    /// The statement that was given out of a day, once it was over.
    async fn statement(&self, partner: &PartnerId, flow: &FlowId, day: Date) -> Result<Option<KeptStatement>, JournalError>;

    /// Keeps the statement of a day that is over, unless one is kept already. Returns the one that is kept.
    async fn keep_statement(
        &self,
        partner: &PartnerId,
        flow: &FlowId,
        day: Date,
        statement: KeptStatement,
    ) -> Result<KeptStatement, JournalError>;
}

//! What operators look for: exchanges by what is known of them, and what became of each delivery.
//!
//! A search costs the same however many exchanges there are: one index leads to the rows in their order, the rest
//! is asked of each row, and after [`SEARCH_EXAMINED_MAX`] rows or [`SEARCH_MS_MAX`], whichever is first, a page ends where
//! it is, with a place to go on.

use crate::domain::{Counts, ExchangeId, FlowId, Outcome, PartnerId};
use jiff::Timestamp;

/// Rows that one page of a search looks at.
pub const SEARCH_EXAMINED_MAX: usize = 5_000;
/// Milliseconds after which a page of a search ends. Only rows that must be read from a slow disk take it so far.
pub const SEARCH_MS_MAX: u64 = 50;
/// Rules of one exchange's findings by which it can be found; the first that there are.
pub const RULES_PER_EXCHANGE_MAX: usize = 32;
/// Attempts that are kept of one delivery, the latest.
pub const ATTEMPTS_KEPT_MAX: u32 = 64;

/// Which exchanges to find, newest first: those that fit all that is given.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Of this partner.
    pub partner: Option<PartnerId>,
    /// Under this flow.
    pub flow: Option<FlowId>,
    /// With this message id.
    pub message_id: Option<String>,
    /// With a finding by this rule.
    pub rule: Option<String>,
    /// Refused whole with this fault code.
    pub fault: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// With a delivery that is a dead letter.
    pub has_dead_letter: bool,
    /// Received at or after.
    pub received_from: Option<Timestamp>,
    /// Received before.
    pub received_to: Option<Timestamp>,
    /// Only those before this one: where the page before ended.
    pub before: Option<ExchangeId>,
    /// At most so many; capped at [`super::PAGE_ROWS_MAX`].
    pub rows_max: usize,
}

/// A page of what was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The exchanges.
    pub exchanges: Vec<Brief>,
    /// Where to go on, unless everything was looked at.
    pub next_before: Option<ExchangeId>,
    /// Rows that were looked at.
    pub examined: usize,
}

/// An exchange without its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Its id.
    pub id: ExchangeId,
    /// Who sent it.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// When.
    pub received_at: Timestamp,
    /// Accepted, in part or refused.
    pub outcome: Outcome,
    /// Why it was refused whole, as a fault code.
    pub fault: Option<String>,
    /// The message id that the mapping found.
    pub message_id: Option<String>,
    /// Numbers of records.
    pub counts: Counts,
    /// Length of the body as received.
    pub body_bytes: u64,
}

/// One attempt of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which, from 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it is under way, and where its lease ran out.
    pub ended_at: Option<Timestamp>,
    /// Why it failed: fault code and detail.
    pub fault: Option<(String, String)>,
    /// What the receiver answered with a failed attempt.
    pub answer: Option<String>,
}

/// The deliveries of an exchange, by where they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliverySums {
    /// Deliveries, by the word for their state.
    pub deliveries: std::collections::BTreeMap<&'static str, u64>,
    /// When the first was acknowledged.
    pub first_acknowledged_at: Option<Timestamp>,
    /// When the last was acknowledged.
    pub last_acknowledged_at: Option<Timestamp>,
    /// When the last attempt ended at one that is a dead letter.
    pub last_dead_at: Option<Timestamp>,
}

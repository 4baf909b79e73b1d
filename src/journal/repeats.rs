//! What a submission is to those before it: new, a repeat, or a clash. Every store decides by this.

use crate::domain::ExchangeId;

/// Exchanges of one key or message id that are looked at; more than one only where corrections
/// carry the id of what they correct.
pub const HOLDERS_MAX: usize = 1000;

/// An exchange that holds the key or message id asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The exchange.
    pub exchange: ExchangeId,
    /// Whether its body is the same, byte for byte.
    pub same_bytes: bool,
}

/// What a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not seen before, or a correction of what was.
    New,
    /// These very bytes, as this exchange.
    Repeat(ExchangeId),
    /// Other bytes than this exchange's.
    OtherBytes(ExchangeId),
    /// The key belongs to one exchange and the message id to another.
    Conflict,
}

/// Decides by those who hold the key and those who hold the message id, oldest first.
pub fn standing(by_key: &[Holder], by_message: &[Holder], corrects: Option<ExchangeId>) -> Standing {
    match (claim(by_key, corrects), claim(by_message, corrects)) {
        (Claim::Free, Claim::Free) => Standing::New,
        (Claim::Same(exchange), Claim::Free) | (Claim::Free, Claim::Same(exchange)) => Standing::Repeat(exchange),
        (Claim::Same(a), Claim::Same(b)) if a == b => Standing::Repeat(a),
        (Claim::Other(exchange), Claim::Free) | (Claim::Free, Claim::Other(exchange)) => Standing::OtherBytes(exchange),
        (Claim::Other(_), Claim::Other(_)) => shared(by_key, by_message).map_or(Standing::Conflict, Standing::OtherBytes),
        (Claim::Same(_) | Claim::Other(_), Claim::Same(_) | Claim::Other(_)) => Standing::Conflict,
    }
}

enum Claim {
    Free,
    Same(ExchangeId),
    Other(ExchangeId),
}

/// What one key or message id says. It is free for a correction of any exchange that holds it.
fn claim(holders: &[Holder], corrects: Option<ExchangeId>) -> Claim {
    let same = holders.iter().find(|holder| holder.same_bytes);
    let corrected = holders.iter().any(|holder| Some(holder.exchange) == corrects);
    match (same, holders.last()) {
        (Some(same), _) => Claim::Same(same.exchange),
        (None, Some(latest)) if !corrected => Claim::Other(latest.exchange),
        _ => Claim::Free,
    }
}

/// The latest exchange that holds both.
fn shared(by_key: &[Holder], by_message: &[Holder]) -> Option<ExchangeId> {
    let holds_message = |holder: &&Holder| by_message.iter().any(|other| other.exchange == holder.exchange);
    by_key.iter().rev().find(holds_message).map(|holder| holder.exchange)
}

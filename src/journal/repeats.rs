//! What a submission is to those before it: new, a repeat, or a clash. Every store decides by this.

use crate::domain::ExchangeId;

/// Who holds a key or message id. Corrections carry the id of what they correct, so that any number may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// The first whose body is the same, byte for byte.
    pub same_bytes: Option<ExchangeId>,
    /// The latest of all.
    pub latest: Option<ExchangeId>,
    /// Whether the exchange that is to be corrected is one of them.
    pub corrected: bool,
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

/// Decides by those who hold the key and those who hold the message id. `shared` looks for the latest exchange
/// that holds both.
///
/// # Errors
/// Those of `shared`.
pub fn standing<E>(by_key: Holders, by_message: Holders, shared: impl FnOnce() -> Result<Option<ExchangeId>, E>) -> Result<Standing, E> {
    Ok(match (claim(by_key), claim(by_message)) {
        (Claim::Free, Claim::Free) => Standing::New,
        (Claim::Same(exchange), Claim::Free) | (Claim::Free, Claim::Same(exchange)) => Standing::Repeat(exchange),
        (Claim::Same(a), Claim::Same(b)) if a == b => Standing::Repeat(a),
        (Claim::Other(exchange), Claim::Free) | (Claim::Free, Claim::Other(exchange)) => Standing::OtherBytes(exchange),
        (Claim::Other(_), Claim::Other(_)) => shared()?.map_or(Standing::Conflict, Standing::OtherBytes),
        (Claim::Same(_) | Claim::Other(_), Claim::Same(_) | Claim::Other(_)) => Standing::Conflict,
    })
}

enum Claim {
    Free,
    Same(ExchangeId),
    Other(ExchangeId),
}

/// What one key or message id says. It is free for a correction of any exchange that holds it.
fn claim(holders: Holders) -> Claim {
    match (holders.same_bytes, holders.latest) {
        (Some(same), _) => Claim::Same(same),
        (None, Some(latest)) if !holders.corrected => Claim::Other(latest),
        _ => Claim::Free,
    }
}

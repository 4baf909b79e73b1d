//! Who holds the key and the message id of a submission, and what it is to them: looked up before a body is
//! translated, and again inside the transaction that commits it.

use super::reads::{id, journaled, one};
use crate::domain::{Digest, ExchangeId, PartnerId};
use crate::journal::repeats::{Holders, Standing, standing};
use crate::journal::{Committed, JournalError, RepeatQuery};
use rusqlite::{Connection, params};

/// Which submission is asked about.
pub(super) struct Identity<'a> {
    pub partner: &'a PartnerId,
    pub flow: &'a PartnerId,
    pub idempotency_key: Option<&'a str>,
    pub message_id: Option<&'a str>,
    pub body_digest: Digest,
    pub corrects: Option<ExchangeId>,
}

/// `repeat_key.kind`.
#[derive(Clone, Copy)]
pub(super) enum KeyKind {
    IdempotencyKey = 0,
    MessageId = 1,
}

/// The latest exchange that holds a key or message id.
pub(super) const LATEST: &str = "SELECT e.id FROM repeat_key k CROSS JOIN exchange e ON e.sequence = k.sequence
    WHERE k.partner = ?1 AND k.flow = ?2 AND k.kind = ?3 AND k.value = ?4 ORDER BY k.sequence DESC LIMIT 1";
/// The first one of them with these bytes. It may be any, however many there are.
pub(super) const SAME_BYTES: &str = "SELECT e.id FROM repeat_key k CROSS JOIN exchange e ON e.sequence = k.sequence
    WHERE k.partner = ?1 AND k.flow = ?2 AND k.kind = ?3 AND k.value = ?4 AND k.body_digest = ?5 ORDER BY k.sequence LIMIT 1";
/// Whether an exchange is one of them.
pub(super) const HOLDS: &str = "SELECT 1 FROM repeat_key WHERE partner = ?1 AND flow = ?2 AND kind = ?3 AND value = ?4
    AND sequence = (SELECT sequence FROM exchange WHERE id = ?5)";
/// The latest exchange that holds a key and a message id.
pub(super) const SHARED: &str = "SELECT e.id FROM repeat_key k CROSS JOIN repeat_key m ON m.partner = k.partner AND m.flow = k.flow
    AND m.kind = 1 AND m.value = ?4 AND m.sequence = k.sequence CROSS JOIN exchange e ON e.sequence = k.sequence
    WHERE k.partner = ?1 AND k.flow = ?2 AND k.kind = 0 AND k.value = ?3 ORDER BY k.sequence DESC LIMIT 1";

/// What a submission is to those before it.
pub(super) fn stand(connection: &Connection, identity: &Identity) -> Result<Standing, JournalError> {
    let Identity { partner, flow, idempotency_key, message_id, .. } = identity;
    let by_key = holders(connection, identity, KeyKind::IdempotencyKey, *idempotency_key)?;
    let by_message = holders(connection, identity, KeyKind::MessageId, *message_id)?;
    let shared = params![partner.as_str(), flow.as_str(), idempotency_key, message_id];
    standing(by_key, by_message, || one(connection, SHARED, shared, |row| id(row, 0)))
}

/// Who holds a key or message id.
fn holders(connection: &Connection, identity: &Identity, kind: KeyKind, value: Option<&str>) -> Result<Holders, JournalError> {
    let Some(value) = value else { return Ok(Holders::default()) };
    let (partner, flow, kind) = (identity.partner.as_str(), identity.flow.as_str(), kind as i64);
    let latest = one(connection, LATEST, params![partner, flow, kind, value], |row| id(row, 0))?;
    if latest.is_none() {
        return Ok(Holders::default());
    }
    let same = params![partner, flow, kind, value, identity.body_digest.0];
    let same_bytes = one(connection, SAME_BYTES, same, |row| id(row, 0))?;
    let corrects = identity.corrects.as_ref().map(ExchangeId::as_bytes);
    let corrected = one(connection, HOLDS, params![partner, flow, kind, value, corrects], |_| Ok(()))?.is_some();
    Ok(Holders { same_bytes, latest, corrected })
}

pub(super) fn find_repeat(connection: &Connection, query: &RepeatQuery) -> Result<Option<Committed>, JournalError> {
    let identity = Identity {
        partner: &query.partner,
        flow: &query.flow,
        idempotency_key: query.idempotency_key.as_deref(),
        message_id: query.message_id.as_deref(),
        body_digest: query.body_digest,
        corrects: query.corrects,
    };
    Ok(match stand(connection, &identity)? {
        Standing::New => None,
        Standing::Repeat(earlier) => Some(Committed::Repeat(journaled(connection, earlier)?)),
        Standing::OtherBytes(earlier) => Some(Committed::OtherBytes(earlier)),
        Standing::Conflict => Some(Committed::Conflict),
    })
}

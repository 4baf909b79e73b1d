//! Finding out what became of a commit whose outcome is not known.

use super::{Journal, JournalError, Journaled};
use crate::domain::ExchangeId;
use std::time::Duration;

/// Times that the journal is asked.
pub const RESOLVE_TRIES_MAX: u32 = 5;
/// Wait before the second try; doubled each time.
pub const RESOLVE_WAIT_MS: u64 = 100;

/// The evidence of an exchange if it was committed, `None` if it was not. Nobody may be answered
/// before this has an answer.
///
/// # Errors
/// When the journal could not say in [`RESOLVE_TRIES_MAX`] tries: the outcome stays unknown.
pub async fn resolve(journal: &dyn Journal, exchange: ExchangeId) -> Result<Option<Journaled>, JournalError> {
    let mut wait = Duration::from_millis(RESOLVE_WAIT_MS);
    for _ in 1..RESOLVE_TRIES_MAX {
        match journal.exchange(exchange).await {
            Ok(row) => return Ok(row.map(|row| row.journaled)),
            Err(JournalError::Damaged(what)) => return Err(JournalError::Damaged(what)),
            Err(_) => tokio::time::sleep(wait).await,
        }
        wait *= 2;
    }
    journal.exchange(exchange).await.map(|row| row.map(|row| row.journaled)).map_err(|error| match error {
        JournalError::Damaged(what) => JournalError::Damaged(what),
        _ => JournalError::OutcomeUnknown,
    })
}

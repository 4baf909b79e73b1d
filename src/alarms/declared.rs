//! Whether a partner has declared that there is nothing for a period (本期无数据).

use crate::domain::{FlowId, Outcome, PartnerId};
use crate::journal::{ExchangeFilter, Journal, JournalError};
use crate::schedule::Period;

/// Whether a period of a feed was declared to be empty.
///
/// # Errors
/// The journal's failures.
pub async fn is_declared_empty(journal: &dyn Journal, partner: &PartnerId, flow: &FlowId, period: &Period) -> Result<bool, JournalError> {
    let filter = ExchangeFilter {
        partner: Some(partner.clone()),
        flow: Some(flow.clone()),
        message_id: Some(period.empty_message_id()),
        rows_max: 1,
        ..ExchangeFilter::default()
    };
    Ok(journal.exchanges(filter).await?.iter().any(|row| row.journaled.outcome() == Outcome::Accepted))
}

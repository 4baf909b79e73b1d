//! Reconciliation (核对): whether what should meet does, such as a debit request, the bank's answer and the payment's
//! confirmation; by key, amount and time.
//!
//! A declaration is compiled with everything else that is in force ([`plan`]). A follower ([`follower`]) reads what was
//! committed, in the order of commits, and writes what it has seen together with how far it came, so that a commit costs
//! nothing for it and a restart loses and repeats nothing. The journal keeps the matters and says how each stands.

pub mod follower;
pub mod plan;

pub use follower::Follower;
pub use plan::{LegPlan, ReconciliationPlan};

use crate::domain::Name;
use crate::journal::matters::MatterCounts;
use crate::journal::{Journal, JournalError};
use crate::live::Live;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How many matters of every reconciliation in force stand how.
///
/// # Errors
/// The journal's failures.
pub async fn matter_counts(journal: &dyn Journal, live: &Live, now: Timestamp) -> Result<BTreeMap<Name, MatterCounts>, JournalError> {
    let mut counts = BTreeMap::new();
    for name in live.reconciliations.keys() {
        counts.insert(name.clone(), journal.matter_counts(name, now).await?);
    }
    Ok(counts)
}

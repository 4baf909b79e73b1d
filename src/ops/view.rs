//! Where a status comes from: the journal, the metrics, the configuration in force and, through
//! [`Lookups`], the modules that `ops` may not import.

use super::health::Health;
use super::status::{Ending, JournalStatus, Status};
use crate::domain::{DestinationId, Digest};
use crate::journal::{ChainPosition, ExchangeFilter, Journal, Totals};
use crate::lineage::Lineages;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::seams::SharedClock;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;

/// How long the journal may take to answer before it counts as unavailable.
const JOURNAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Latest exchanges among which the end of the chain is looked for: they are listed by admission, and
/// those admitted together may be committed in another order.
const LATEST_EXCHANGES: usize = 64;

/// Everything that a status is made from. Shared by the operators' listener and the loopback link.
pub struct OpsView {
    /// The durable state.
    pub journal: Arc<dyn Journal>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What is in force.
    pub live: Arc<ArcSwap<Live>>,
    /// Time.
    pub clock: SharedClock,
    /// What `app` tells of itself.
    pub health: Arc<Health>,
    /// Looks into records.
    pub lineages: Arc<Lineages>,
    /// What other modules know.
    pub lookups: Lookups,
}

/// What `ops` asks of modules that it may not import, and tells them.
pub struct Lookups {
    /// What ends soon or has ended, soonest first. May read files: it is called on a thread that may
    /// be blocked.
    pub endings: Arc<dyn Fn() -> Vec<Ending> + Send + Sync>,
    /// Whether a destination is not called for a while because it keeps failing.
    pub circuit_open: Box<dyn Fn(&DestinationId) -> bool + Send + Sync>,
    /// Something may have become due at a destination.
    pub wake: Box<dyn Fn(&DestinationId) + Send + Sync>,
}

impl OpsView {
    /// How the gateway stands now.
    pub async fn status(&self) -> Status {
        let endings = Arc::clone(&self.lookups.endings);
        let endings = tokio::task::spawn_blocking(move || endings());
        let journal = self.in_time(async { Ok((self.journal.totals().await?, self.chain_end().await?)) }).await;
        let endings = endings.await.unwrap_or_else(|error| {
            tracing::error!(%error, "what ends soon could not be found out");
            Vec::new()
        });
        Status {
            at: self.clock.now(),
            health: self.health.state(),
            journal: journal.map(|(totals, chain)| self.beside_configuration(totals, chain)),
            endings,
        }
    }

    /// Whether the journal answers, asked over the connections that exchanges and deliveries need: lists, which
    /// partners ask for too, have connections of their own.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn journal_answers(&self) -> Result<(), String> {
        self.in_time(self.journal.pinned(Digest::of(b""))).await.map(drop)
    }

    fn beside_configuration(&self, totals: Totals, chain: Option<ChainPosition>) -> JournalStatus {
        JournalStatus::new(totals, chain, &self.live.load().config, &self.metrics, &self.lookups.circuit_open)
    }

    async fn chain_end(&self) -> Result<Option<ChainPosition>, crate::journal::JournalError> {
        let latest = ExchangeFilter { rows_max: LATEST_EXCHANGES, ..ExchangeFilter::default() };
        Ok(self.journal.exchanges(latest).await?.iter().map(|row| row.journaled.position()).max())
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, crate::journal::JournalError>>) -> Result<T, String> {
        match tokio::time::timeout(JOURNAL_TIMEOUT, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the journal did not answer within {} s", JOURNAL_TIMEOUT.as_secs())),
        }
    }
}

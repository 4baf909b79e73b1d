//! Where a status comes from: the journal, the metrics, the configuration in force and, through
//! [`Lookups`], the modules that `ops` may not import.

use super::console::live::Watchers;
use super::guard::Guard;
use super::health::Health;
use super::partners::{LimitsLeft, PartnerFacts};
use super::status::{Ending, JournalStatus, Status, Traffic};
use crate::domain::{DestinationId, Digest, FlowId, PartnerId};
use crate::fault::{Fault, FaultCode};
use crate::journal::alarms::AlarmRow;
use crate::journal::{ChainPosition, ExchangeFilter, Journal, JournalError};
use crate::lineage::Lineages;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::pauses::Pauses;
use crate::receipt::audit::watch::ChainWatch;
use crate::reconcile::matter_counts;
use crate::seams::SharedClock;
use crate::shadow::Shadow;
use crate::statement::Statements;
use arc_swap::ArcSwap;
use jiff::Timestamp;
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
    /// Daily statements.
    pub statements: Arc<Statements>,
    /// Candidate mappings and their runs.
    pub shadow: Arc<Shadow>,
    /// Which flows are paused.
    pub pauses: Arc<Pauses>,
    /// How far the chain is verified.
    pub chain: Arc<ChainWatch>,
    /// Keeps other sites from acting in an operator's name.
    pub guard: Guard,
    /// Places of the pages that are told when to look again.
    pub watchers: Watchers,
    /// What other modules know.
    pub lookups: Lookups,
}

/// Finds a partner's limits: over all flows, or all that hold under one.
pub type LimitsOf = Arc<dyn Fn(&PartnerId, Option<&FlowId>) -> Option<LimitsLeft> + Send + Sync>;

/// What `ops` asks of modules that it may not import, and tells them.
pub struct Lookups {
    /// What ends soon or has ended, soonest first. May read files: it is called on a thread that may
    /// be blocked.
    pub endings: Arc<dyn Fn() -> Vec<Ending> + Send + Sync>,
    /// Certificates that partners have called with: partner, subject, end. May read files, as `endings`.
    pub certificates: Arc<dyn Fn() -> Vec<(PartnerId, String, Timestamp)> + Send + Sync>,
    /// A partner's limits.
    pub limits: LimitsOf,
    /// Whether a destination is not called for a while because it keeps failing.
    pub circuit_open: Box<dyn Fn(&DestinationId) -> bool + Send + Sync>,
    /// The alarms that are open.
    pub alarms: Box<dyn Fn() -> Arc<Vec<AlarmRow>> + Send + Sync>,
    /// Something may have become due at a destination.
    pub wake: Box<dyn Fn(&DestinationId) + Send + Sync>,
}

impl OpsView {
    /// How the gateway stands now.
    pub async fn status(&self) -> Status {
        let endings = Arc::clone(&self.lookups.endings);
        let endings = tokio::task::spawn_blocking(move || endings());
        let journal = self.in_time(async {
            let (traffic, chain) = (self.asked_traffic().await?, self.chain_end().await?);
            Ok(JournalStatus {
                traffic,
                chain,
                reconciliations: matter_counts(self.journal.as_ref(), &self.live.load_full(), self.clock.now()).await?,
            })
        });
        let journal = journal.await;
        let endings = endings.await.unwrap_or_else(|error| {
            tracing::error!(%error, "what ends soon could not be found out");
            Vec::new()
        });
        let (health, alarms, verified) = (self.health.state(), (self.lookups.alarms)(), self.chain.verified());
        Status { at: self.clock.now(), health, journal, verified, endings, alarms }
    }

    /// What came and went, and what waits: what pages ask for again and again, without the rest of a status.
    ///
    /// # Errors
    /// [`FaultCode::Unavailable`] where the journal does not answer.
    pub async fn traffic(&self) -> Result<Traffic, Fault> {
        self.in_time(self.asked_traffic()).await.map_err(|reason| Fault::new(FaultCode::Unavailable).caused_by(reason))
    }

    /// Whether the journal answers, asked over the connections that exchanges and deliveries need: lists, which
    /// partners ask for too, have connections of their own.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn journal_answers(&self) -> Result<(), String> {
        self.in_time(self.journal.pinned(Digest::of(b""))).await.map(drop)
    }

    /// What is known of each partner beside the journal.
    pub async fn partner_facts(&self) -> impl Fn(&PartnerId) -> PartnerFacts + use<> {
        let certificates = Arc::clone(&self.lookups.certificates);
        let known = tokio::task::spawn_blocking(move || certificates()).await.unwrap_or_else(|error| {
            tracing::error!(%error, "partners' certificates could not be found out");
            Vec::new()
        });
        let (limits, live) = (Arc::clone(&self.lookups.limits), self.live.load_full());
        move |partner| {
            let own = known.iter().filter(|(who, ..)| who == partner);
            let flows = live.config.flows.values().filter(|flow| flow.senders.contains_key(partner));
            PartnerFacts {
                certificates: own.map(|(_, subject, end)| (subject.clone(), *end)).collect(),
                limits: limits(partner, None),
                flow_limits: flows.filter_map(|flow| Some((flow.id.clone(), within_flow(&limits, partner, &flow.id)?))).collect(),
            }
        }
    }

    /// The limits that hold for a partner under a flow; none where they are those over all its flows.
    pub fn flow_limits(&self, partner: &PartnerId, flow: &FlowId) -> Option<LimitsLeft> {
        within_flow(&self.lookups.limits, partner, flow)
    }

    async fn asked_traffic(&self) -> Result<Traffic, JournalError> {
        let (totals, paused) = (self.journal.totals().await?, self.journal.paused().await?);
        Ok(Traffic::new(totals, paused, &self.live.load().config, &self.metrics, &self.lookups.circuit_open))
    }

    /// The end of the chain, as the latest exchanges say.
    pub(super) async fn chain_end(&self) -> Result<Option<ChainPosition>, JournalError> {
        let latest = ExchangeFilter { rows_max: LATEST_EXCHANGES, ..ExchangeFilter::default() };
        Ok(self.journal.exchanges(latest).await?.iter().map(|row| row.journaled.position()).max())
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, JournalError>>) -> Result<T, String> {
        match tokio::time::timeout(JOURNAL_TIMEOUT, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the journal did not answer within {} s", JOURNAL_TIMEOUT.as_secs())),
        }
    }
}

fn within_flow(limits: &LimitsOf, partner: &PartnerId, flow: &FlowId) -> Option<LimitsLeft> {
    let own = limits(partner, None);
    limits(partner, Some(flow)).filter(|within| own.is_none_or(|own| own.policy != within.policy))
}

//! What the parts of a gateway have in common, and each part made from it.

use super::collector::HttpCollector;
use super::gate::{OperatorGate, lookups};
use super::prepare::Prepared;
use super::provider::PushProvider;
use super::{Clients, StartError, other};
use crate::alarms::AlarmWatch;
use crate::alarms::watch::Sources;
use crate::config::{Config, Destination};
use crate::delivery::{Delivery, Parts, PushTransport};
use crate::exchange::Exchanges;
use crate::expiry::Endings;
use crate::ingress::api::PartnerDoor;
use crate::ingress::identity::{Operators, Partners, TrustStore};
use crate::ingress::in_flight::{InFlight, Per, PerName};
use crate::ingress::limits::RateLimits;
use crate::ingress::strangers::Strangers;
use crate::journal::Journal;
use crate::lineage::{LINEAGES_MAX, Lineages};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::ops::{Guard, Health, OperatorDoor, OpsView, Watchers};
use crate::pauses::Pauses;
use crate::pinned::PinnedMappings;
use crate::places::Places;
use crate::query::Queries;
use crate::receipt::Keys;
use crate::receipt::audit::watch::ChainWatch;
use crate::render::PinnedRender;
use crate::seams::SharedClock;
use crate::shadow::Shadow;
use crate::spool::Spool;
use crate::statement::Statements;
use crate::traces::{Exporter, Traces};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What the parts of a gateway share. What a reload replaces is behind an [`ArcSwap`].
pub struct Shared {
    /// The configuration that the gateway started with.
    pub started_with: Arc<Config>,
    /// What is in force.
    pub live: Arc<ArcSwap<Live>>,
    /// How each destination is called.
    pub clients: Arc<ArcSwap<Clients>>,
    /// Whom the partner listener trusts.
    pub partners: Arc<TrustStore<Partners>>,
    /// Whom the operator listener trusts.
    pub operators: Arc<TrustStore<Operators>>,
    /// The limits of partners and flows.
    pub limits: Arc<ArcSwap<RateLimits>>,
    /// The limits of whom nobody knows yet: of the partner listener, and of the operator listener.
    pub strangers: [Arc<Strangers>; 2],
    /// The keys of the receipts.
    pub keys: Arc<Keys>,
    /// The durable state.
    pub journal: Arc<dyn Journal>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Time and chance.
    pub clock: SharedClock,
    pauses: Arc<Pauses>,
    mappings: Arc<PinnedMappings>,
}

impl Shared {
    /// What was prepared, in force, with what is kept.
    pub fn new(prepared: Prepared, keys: Arc<Keys>, journal: Arc<dyn Journal>, pauses: Arc<Pauses>, clock: SharedClock) -> Self {
        let Prepared { live, partners, operators, clients } = prepared;
        let started_with = Arc::clone(&live.config);
        let limits = &started_with.gateway.limits;
        let strangers = || Arc::new(Strangers::new(limits.stranger_handshakes_per_minute_max, Arc::clone(&clock)));
        let strangers = [strangers(), strangers()];
        let rates = RateLimits::new(&started_with.partners, &started_with.flows, None, Arc::clone(&clock));
        Self {
            live: Arc::new(ArcSwap::from_pointee(live)),
            clients: Arc::new(ArcSwap::from_pointee(clients)),
            partners: Arc::new(TrustStore::new(partners, Arc::clone(&clock))),
            operators: Arc::new(TrustStore::new(operators, Arc::clone(&clock))),
            limits: Arc::new(ArcSwap::from_pointee(rates)),
            strangers,
            keys,
            journal,
            metrics: Arc::new(Metrics::new()),
            clock,
            pauses,
            mappings: Arc::new(PinnedMappings::default()),
            started_with,
        }
    }

    /// What calls receivers, with what is in force at that moment.
    pub fn transport(&self) -> Arc<PushTransport> {
        let clients = Arc::clone(&self.clients);
        Arc::new(PushTransport::new(Arc::new(move |destination: &Destination| clients.load().get(&destination.id).cloned())))
    }

    /// What makes spans and what sends them, if the configuration wants any.
    ///
    /// # Errors
    /// A collector that cannot be called.
    pub fn traces(&self) -> Result<(Traces, Option<Exporter>), StartError> {
        let Some(settings) = &self.started_with.gateway.traces else { return Ok((Traces::off(), None)) };
        let collector = HttpCollector::new(Arc::clone(settings)).map_err(other("the collector of traces"))?;
        let (traces, exporter) = Traces::start(settings, Arc::new(collector), Arc::clone(&self.metrics), Arc::clone(&self.clock));
        Ok((traces, Some(exporter)))
    }

    /// What delivers, from now on.
    pub fn deliver(&self, transport: &Arc<PushTransport>, traces: &Traces, config: watch::Receiver<Arc<Config>>) -> Arc<Delivery> {
        let parts = Parts {
            journal: Arc::clone(&self.journal),
            render: Arc::new(PinnedRender::new(Arc::clone(&self.mappings))),
            transport: Arc::clone(transport) as _,
            clock: Arc::clone(&self.clock),
            observer: Arc::clone(&self.metrics) as _,
            traces: traces.clone(),
        };
        Arc::new(Delivery::start(parts, config))
    }

    /// Where values came from. Each listener has looks of its own, so that no partner takes those of the operators.
    fn lineages(&self) -> Arc<Lineages> {
        Arc::new(Lineages {
            journal: Arc::clone(&self.journal),
            live: Arc::clone(&self.live),
            places: Arc::new(Semaphore::new(LINEAGES_MAX)),
            mappings: Arc::clone(&self.mappings),
        })
    }

    /// The days' sums.
    pub fn statements(&self) -> Arc<Statements> {
        Arc::new(Statements {
            journal: Arc::clone(&self.journal),
            live: Arc::clone(&self.live),
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(&self.clock),
        })
    }

    /// What watches for reasons to call somebody.
    pub fn alarms(&self, chain: &Arc<ChainWatch>) -> Arc<AlarmWatch> {
        Arc::new(AlarmWatch::new(Sources {
            journal: Arc::clone(&self.journal),
            metrics: Arc::clone(&self.metrics),
            live: Arc::clone(&self.live),
            endings: self.endings(),
            keys: Arc::clone(&self.keys),
            chain: Arc::clone(chain),
            clock: Arc::clone(&self.clock),
        }))
    }

    /// What verifies the chain, a little at a time.
    pub fn chain(&self) -> Arc<ChainWatch> {
        Arc::new(ChainWatch::new(Arc::clone(&self.journal), Arc::clone(&self.keys), Arc::clone(&self.clock)))
    }

    /// The door that partners come in by.
    pub fn partner_door(
        &self,
        spool: Spool,
        transport: Arc<PushTransport>,
        traces: &Traces,
        delivery: &Arc<Delivery>,
        statements: &Arc<Statements>,
    ) -> Arc<PartnerDoor> {
        let delivery = Arc::clone(delivery);
        let exchanges = Arc::new(Exchanges {
            live: Arc::clone(&self.live),
            trust: Arc::clone(&self.partners),
            journal: Arc::clone(&self.journal),
            pauses: Arc::clone(&self.pauses),
            in_flight: InFlight::default(),
            translations: Places::new(self.started_with.gateway.limits.translations_max),
            spool,
            clock: Arc::clone(&self.clock),
            traces: traces.clone(),
            wake: Box::new(move |to| delivery.wake(to)),
        });
        let queries = Queries {
            exchanges: Arc::clone(&exchanges),
            provider: Arc::new(PushProvider { transport, clock: Arc::clone(&self.clock), traces: traces.clone() }),
            under_way: PerName::default(),
            under_way_of: Per::default(),
            metrics: Arc::clone(&self.metrics),
        };
        let [strangers, _] = &self.strangers;
        Arc::new(PartnerDoor {
            queries,
            exchanges,
            limits: Arc::clone(&self.limits),
            strangers: Arc::clone(strangers),
            connections: PerName::default(),
            submissions: PerName::default(),
            reads: PerName::default(),
            lineages: self.lineages(),
            keys: Arc::clone(&self.keys),
            statements: Arc::clone(statements),
            metrics: Arc::clone(&self.metrics),
        })
    }

    /// Everything that ends.
    pub fn endings(&self) -> Endings {
        Endings { partners: Arc::clone(&self.partners), operators: Arc::clone(&self.operators), live: Arc::clone(&self.live) }
    }

    /// What operators see.
    pub fn view(
        &self,
        delivery: &Arc<Delivery>,
        statements: Arc<Statements>,
        alarms: &Arc<AlarmWatch>,
        chain: Arc<ChainWatch>,
        spool: Spool,
    ) -> Arc<OpsView> {
        Arc::new(OpsView {
            shadow: Arc::new(Shadow::new(Arc::clone(&self.journal), Arc::clone(&self.live), Arc::clone(&self.clock), spool)),
            journal: Arc::clone(&self.journal),
            metrics: Arc::clone(&self.metrics),
            live: Arc::clone(&self.live),
            clock: Arc::clone(&self.clock),
            health: Arc::new(Health::new(self.clock.now())),
            lineages: self.lineages(),
            statements,
            pauses: Arc::clone(&self.pauses),
            chain,
            guard: Guard::new(self.clock.as_ref()),
            watchers: Watchers::default(),
            lookups: lookups(self.endings(), &self.limits, &self.metrics, &self.clock, delivery, alarms),
        })
    }

    /// The door that operators come in by.
    pub fn operator_door(&self, view: &Arc<OpsView>) -> Arc<OperatorDoor<OperatorGate>> {
        let [_, strangers] = &self.strangers;
        let gate = OperatorGate { trust: Arc::clone(&self.operators), strangers: Arc::clone(strangers), clock: Arc::clone(&self.clock) };
        Arc::new(OperatorDoor::new(gate, Arc::clone(view)))
    }

    /// Swaps in what was prepared, and takes up the receipt key that waits, if there is one. What the key
    /// meets with is no reason to keep the old configuration.
    pub fn put_in_force(&self, prepared: Prepared) {
        let Prepared { live, partners, operators, clients } = prepared;
        let config = Arc::clone(&live.config);
        self.operators.replace(operators);
        self.partners.replace(partners);
        self.limits.store(Arc::new(RateLimits::new(&config.partners, &config.flows, Some(&self.limits.load()), Arc::clone(&self.clock))));
        let per_minute_max = config.gateway.limits.stranger_handshakes_per_minute_max;
        self.strangers.iter().for_each(|strangers| strangers.set_per_minute_max(per_minute_max));
        self.clients.store(Arc::new(clients));
        self.live.store(Arc::new(live));
        match self.keys.take_up() {
            Ok(Some(kid)) => tracing::info!(kid, "receipts are signed with a new key"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the receipt key that waits cannot be taken up; the one in use goes on"),
        }
    }
}

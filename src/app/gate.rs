//! The operators' gate: their trust store and their limits on strangers, as `ops` asks for them.

use crate::alarms::AlarmWatch;
use crate::delivery::Delivery;
use crate::domain::{DestinationId, Operator, PartnerId};
use crate::expiry::{EVER, Endings, words};
use crate::fault::{Fault, FaultCode};
use crate::ingress::identity::{ConnectionIdentity, Expiring, Expiry, Operators, TrustStore};
use crate::ingress::limits::RateLimits;
use crate::ingress::strangers::Strangers;
use crate::ingress::tls::refused_identity;
use crate::metrics::Metrics;
use crate::ops::partners::LimitsLeft;
use crate::ops::status::Ending;
use crate::ops::{Gate, Lookups};
use crate::seams::SharedClock;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// Who may come in as an operator.
pub struct OperatorGate {
    /// Their trust store.
    pub trust: Arc<TrustStore<Operators>>,
    /// Limits of those whom nobody knows yet.
    pub strangers: Arc<Strangers>,
    /// Time.
    pub clock: SharedClock,
}

impl Gate for OperatorGate {
    type Caller = ConnectionIdentity;

    fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.trust.server_config()
    }

    fn admits_stranger(&self, from: IpAddr) -> bool {
        self.strangers.admit(from).is_ok()
    }

    fn connect(&self, from: IpAddr, chain: &[CertificateDer<'_>]) -> Result<ConnectionIdentity, Fault> {
        let identity = self.trust.connect(chain, self.clock.now())?;
        self.strangers.refund(from);
        Ok(identity)
    }

    fn operator(&self, caller: &ConnectionIdentity) -> Result<Operator, Fault> {
        self.trust.resolve(caller, self.clock.now())
    }

    fn server_names(&self) -> Vec<String> {
        self.trust.server_names()
    }

    fn identity_fault(&self, error: &io::Error) -> Option<FaultCode> {
        refused_identity(error)
    }
}

/// What `ops` asks of the modules that it may not import, and tells them.
pub fn lookups(
    endings: Endings,
    limits: &Arc<ArcSwap<RateLimits>>,
    metrics: &Arc<Metrics>,
    clock: &SharedClock,
    delivery: &Arc<Delivery>,
    alarms: &Arc<AlarmWatch>,
) -> Lookups {
    let (limits, metrics, delivery, alarms) = (Arc::clone(limits), Arc::clone(metrics), Arc::clone(delivery), Arc::clone(alarms));
    let (partners, now, clock) = (Arc::clone(&endings.partners), Arc::clone(clock), Arc::clone(clock));
    Lookups {
        certificates: Arc::new(move || partners.expiring(&EVER, now.now()).into_iter().filter_map(of_partner).collect()),
        limits: Arc::new(move |partner, flow| {
            limits.load().fields(partner, flow).map(|fields| LimitsLeft { policy: fields.policy, left: fields.limit })
        }),
        endings: Arc::new(move || endings.due(clock.now()).iter().map(ending).collect()),
        circuit_open: Box::new(move |to: &DestinationId| metrics.circuit_open(to)),
        alarms: Box::new(move || alarms.open()),
        wake: Box::new(move |to: &DestinationId| delivery.wake(to)),
    }
}

fn of_partner(expiry: Expiry) -> Option<(PartnerId, String, Timestamp)> {
    match expiry.what {
        Expiring::PartnerCertificate { partner, subject, .. } => Some((partner, subject, expiry.not_after)),
        _ => None,
    }
}

fn ending(expiry: &Expiry) -> Ending {
    Ending { what: words(&expiry.what), not_after: expiry.not_after, days_left: expiry.days_left }
}

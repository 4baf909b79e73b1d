//! The operators' gate: their trust store and their limits on strangers, as `ops` asks for them.

use crate::config::Config;
use crate::domain::DestinationId;
use crate::fault::{Fault, FaultCode};
use crate::ingress::identity::{ConnectionIdentity, Expiring, Expiry, Operators, Partners, TrustStore, expiring_outbound};
use crate::ingress::strangers::Strangers;
use crate::ingress::tls::refused_identity;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::ops::status::Ending;
use crate::ops::{Gate, Lookups};
use crate::seams::SharedClock;
use arc_swap::ArcSwap;
use portolan_contract::Words;
use rustls::pki_types::CertificateDer;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// Who may come in as an operator.
pub struct OperatorGate {
    /// Their trust store.
    pub trust: Arc<TrustStore<Operators>>,
    /// Limits of those whom nobody knows yet.
    pub strangers: Strangers,
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

    fn operator(&self, caller: &ConnectionIdentity) -> Result<String, Fault> {
        self.trust.resolve(caller, self.clock.now()).map(|operator| operator.subject)
    }

    fn identity_fault(&self, error: &io::Error) -> Option<FaultCode> {
        refused_identity(error)
    }
}

/// What the status page asks of the modules that it may not import.
pub fn lookups(
    partners: &Arc<TrustStore<Partners>>,
    operators: &Arc<TrustStore<Operators>>,
    live: &Arc<ArcSwap<Live>>,
    metrics: &Arc<Metrics>,
    clock: &SharedClock,
) -> Lookups {
    let (partners, operators, live, clock) = (Arc::clone(partners), Arc::clone(operators), Arc::clone(live), Arc::clone(clock));
    let metrics = Arc::clone(metrics);
    Lookups {
        endings: Arc::new(move || endings(&partners, &operators, &live.load().config, &clock)),
        circuit_open: Box::new(move |to: &DestinationId| metrics.circuit_open(to)),
    }
}

fn endings(partners: &TrustStore<Partners>, operators: &TrustStore<Operators>, config: &Config, clock: &SharedClock) -> Vec<Ending> {
    let (days, now) = (&config.gateway.expiry_warning_days, clock.now());
    let mut all = partners.expiring(days, now);
    for expiry in operators.expiring(days, now).into_iter().chain(expiring_outbound(config, now)) {
        if !all.iter().any(|known| known.what == expiry.what) {
            all.push(expiry);
        }
    }
    all.sort_by_key(|expiry| expiry.not_after);
    all.into_iter().map(|Expiry { what, not_after, days_left, .. }| Ending { what: words(&what), not_after, days_left }).collect()
}

fn words(what: &Expiring) -> Words {
    match what {
        Expiring::ServerCertificate(file) => {
            Words::new(format!("网关服务器证书 {}", file.display()), format!("the gateway's server certificate {}", file.display()))
        }
        Expiring::OutboundCertificate(file) => {
            Words::new(format!("网关对外证书 {}", file.display()), format!("the gateway's outbound certificate {}", file.display()))
        }
        Expiring::Authority { subject, .. } => Words::new(format!("证书颁发机构 {subject}"), format!("the authority {subject}")),
        Expiring::RevocationList { issuer, .. } => Words::new(format!("{issuer} 的吊销列表"), format!("the revocation list of {issuer}")),
        Expiring::PartnerCertificate { partner, subject, .. } => {
            Words::new(format!("接入单位 {partner} 的证书 {subject}"), format!("the certificate {subject} of {partner}"))
        }
    }
}

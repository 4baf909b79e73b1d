//! Who a caller is: from a certificate to a partner or an operator, against the trust of this moment.
//!
//! A [`Trust`] is a snapshot built from configuration: authorities, revocation lists, and the register
//! of who may call. A [`TrustStore`] holds the current one; a reload replaces it whole. Identity is
//! asked for with every request and once more before a commit. While the snapshot is the one that the
//! connection was checked against, and nothing of its chain has ended, that is a look-up; otherwise the
//! whole chain is checked again, so that a revocation reaches connections that are open.
//!
//! "Issuer" always means the key that signed the caller's certificate in the verified chain, never a
//! name: anyone can make an authority of the same name.

use super::authorities::{Authorities, Vouched};
use super::tls;
use crate::certs::{Certified, Summary, Usage, files};
use crate::config::{self, CertificateHolder, CertificateMatch, Config, Identity, Listener, Partner, Problem};
use crate::domain::{Digest, Name, Operator, PartnerId, Role};
use crate::fault::{Fault, FaultCode};
use crate::seams::SharedClock;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Certificates remembered of one partner, the latest seen, to warn of their end.
pub const SEEN_PER_PARTNER_MAX: usize = 4;

/// A caller whose chain was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// SHA-256 of its certificate.
    pub leaf_sha256: Digest,
    /// SHA-256 of its public key.
    pub key_sha256: Digest,
    /// SHA-256 of the public key that signed its certificate, in the verified chain.
    pub issuer_key_sha256: Digest,
    /// Its subject, RFC 4514 text.
    pub subject: String,
    /// Its alternative names.
    pub alternative_names: Vec<String>,
    /// The end of its certificate.
    pub not_after: Timestamp,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// The chain that it sent, leaf first.
    pub chain: Arc<[CertificateDer<'static>]>,
}

/// Who may call a listener, and by which certificates they are known.
pub trait Register: Send + Sync + 'static {
    /// What a caller turns out to be.
    type Who: Clone + Send + Sync;

    /// Finds a verified caller.
    ///
    /// # Errors
    /// [`FaultCode::CertificateUnlisted`] if nobody, or more than one, is known by this certificate.
    fn find(&self, caller: &Caller) -> Result<Self::Who, Fault>;

    /// The partner whose certificates are remembered to warn of their end.
    fn partner(who: &Self::Who) -> Option<&PartnerId>;
}

/// Names by the certificates that they are known by.
#[derive(Debug, Default)]
struct Listed {
    by_key: HashMap<Digest, Name>,
    by_issuer: HashMap<Digest, Vec<(CertificateMatch, Name)>>,
}

impl Listed {
    /// Indexes the certificates of those in a folder of the configuration.
    fn new<'c>(folder: &str, known: impl Iterator<Item = (&'c Name, &'c [CertificateMatch])>) -> Result<Self, Vec<Problem>> {
        let mut listed = Self::default();
        let mut problems = Vec::new();
        for (name, certificates) in known {
            for certificate in certificates {
                if let Some(other) = listed.add(certificate, name).filter(|other| other != name) {
                    let message = format!("{name} and {other} both list the same certificate; a certificate belongs to one of them");
                    problems.push(Problem { file: PathBuf::from(format!("{folder}/{name}.toml")), line: 0, message });
                }
            }
        }
        if problems.is_empty() { Ok(listed) } else { Err(problems) }
    }

    /// Adds a certificate; returns who had it before.
    fn add(&mut self, certificate: &CertificateMatch, name: &Name) -> Option<Name> {
        match certificate {
            CertificateMatch::Key(key) => self.by_key.insert(*key, name.clone()),
            CertificateMatch::Issued { issuer_key, .. } => {
                let issued = self.by_issuer.entry(*issuer_key).or_default();
                let before = issued.iter().find(|(known, _)| known == certificate).map(|(_, name)| name.clone());
                issued.push((certificate.clone(), name.clone()));
                before
            }
        }
    }

    /// Who is known by a caller's certificate, if anybody is.
    fn find(&self, caller: &Caller) -> Result<Option<&Name>, Fault> {
        let by_key = self.by_key.get(&caller.key_sha256);
        let issued = self.by_issuer.get(&caller.issuer_key_sha256).into_iter().flatten();
        let mut found: Vec<_> = by_key.into_iter().chain(issued.filter(|(m, _)| names_match(m, caller)).map(|(_, name)| name)).collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [] => Ok(None),
            [name] => Ok(Some(name)),
            [first, second, ..] => Err(Fault::new(FaultCode::CertificateUnlisted)
                .detail("该证书同时登记在多个名下", "more than one is known by this certificate")
                .caused_by(format!("{first} and {second} both match {}", caller.subject))),
        }
    }
}

/// The refusal of a caller whom nobody lists.
fn unlisted(caller: &Caller) -> Fault {
    Fault::new(FaultCode::CertificateUnlisted).detail(
        format!("证书主体 {}，公钥 SHA-256 {}", caller.subject, caller.key_sha256),
        format!("subject {}, public key SHA-256 {}", caller.subject, caller.key_sha256),
    )
}

/// The partners of a configuration, by their certificates.
#[derive(Debug, Default)]
pub struct Partners(Listed);

impl Partners {
    /// Indexes the partners' certificates.
    ///
    /// # Errors
    /// A problem for every key or name that two partners claim.
    pub fn new(partners: &BTreeMap<PartnerId, Arc<Partner>>) -> Result<Self, Vec<Problem>> {
        Listed::new("partners", partners.values().map(|partner| (&partner.id, partner.certificates.as_slice()))).map(Self)
    }
}

impl Register for Partners {
    type Who = PartnerId;

    fn find(&self, caller: &Caller) -> Result<PartnerId, Fault> {
        self.0.find(caller)?.cloned().ok_or_else(|| unlisted(caller))
    }

    fn partner(who: &PartnerId) -> Option<&PartnerId> {
        Some(who)
    }
}

/// The operators of a configuration, by their certificates. Whom no file lists stays out, unless the
/// configuration lets all that the operators' authorities vouch for look.
#[derive(Debug, Default)]
pub struct Operators {
    listed: Listed,
    roles: BTreeMap<Name, Role>,
    unlisted_may_read: bool,
}

impl Operators {
    /// Indexes the operators' certificates.
    ///
    /// # Errors
    /// A problem for every key or name that two operators claim.
    pub fn new(operators: &BTreeMap<Name, Arc<config::Operator>>, unlisted_may_read: bool) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            listed: Listed::new("operators", operators.values().map(|o| (&o.name, o.certificates.as_slice())))?,
            roles: operators.values().map(|operator| (operator.name.clone(), operator.role)).collect(),
            unlisted_may_read,
        })
    }
}

impl Register for Operators {
    type Who = Operator;

    fn find(&self, caller: &Caller) -> Result<Operator, Fault> {
        let name = self.listed.find(caller)?;
        let role = match name {
            Some(name) => self.roles.get(name).copied(),
            None => self.unlisted_may_read.then_some(Role::Read),
        };
        let (subject, certificate) = (caller.subject.clone(), caller.leaf_sha256);
        Ok(Operator { name: name.cloned(), role: role.ok_or_else(|| unlisted(caller))?, subject, certificate })
    }

    fn partner(_who: &Operator) -> Option<&PartnerId> {
        None
    }
}

/// The part of a snapshot that a handshake needs.
pub struct Checks<R> {
    /// Who vouches for callers.
    pub authorities: Authorities,
    /// Who the callers are.
    pub register: R,
}

impl<R> Checks<R> {
    /// The caller of a chain that was vouched for.
    ///
    /// # Errors
    /// [`FaultCode::CertificateUntrusted`] if the certificate cannot be read.
    pub fn caller(&self, chain: &[CertificateDer<'static>], vouched: &Vouched) -> Result<Caller, Fault> {
        let leaf = chain.first().ok_or_else(|| Fault::new(FaultCode::CertificateMissing))?;
        let summary = Summary::of(leaf).map_err(|e| Fault::new(FaultCode::CertificateUntrusted).caused_by(e))?;
        Ok(Caller {
            leaf_sha256: summary.sha256,
            key_sha256: summary.key_sha256,
            issuer_key_sha256: vouched.issuer_key,
            subject: summary.subject,
            alternative_names: summary.alternative_names,
            not_after: summary.not_after,
            serial: summary.serial,
            chain: chain.into(),
        })
    }
}

/// A snapshot of trust for one listener: its own identity, whom it trusts, whom it knows.
pub struct Trust<R> {
    checks: Arc<Checks<R>>,
    server: Identity,
    certified: Certified,
}

impl<R: Register> Trust<R> {
    /// Builds a snapshot from a listener's configuration.
    ///
    /// # Errors
    /// Every problem of its files: unreadable, damaged, a key that others may read or that is not the
    /// certificate's, an authority without its revocation list.
    pub fn build(listener: &Listener, register: R) -> Result<Self, Vec<Problem>> {
        let authorities = Authorities::read(&listener.client_authorities, &listener.revocation_lists, listener.accept_expired_lists);
        match (authorities, server_certificate(&listener.identity)) {
            (Ok(authorities), Ok(certified)) => {
                Ok(Self { checks: Arc::new(Checks { authorities, register }), server: listener.identity.clone(), certified })
            }
            (authorities, certified) => Err(authorities.err().into_iter().chain(certified.err()).flatten().collect()),
        }
    }

    /// What ends of it within the longest of `warning_days`.
    fn expiring(&self, warning_days: &[u32], now: Timestamp) -> Vec<Expiry> {
        let authorities = &self.checks.authorities;
        let server = (Expiring::ServerCertificate(self.server.chain.to_path_buf()), self.certified.summary.not_after);
        let anchors = authorities
            .anchors()
            .iter()
            .map(|a| (Expiring::Authority { file: a.file.to_path_buf(), subject: a.summary.subject.clone() }, a.summary.not_after));
        let ends = std::iter::once(server).chain(anchors);
        let mut found: Vec<Expiry> = ends.filter_map(|(what, end)| Expiry::of(what, end, warning_days, now)).collect();
        found.extend(authorities.lists().iter().filter_map(|list| {
            // Lists live for days, not years: a third of a list's own life is when to wonder where the next one is.
            let third = list.next_update.duration_since(list.this_update) / 3;
            let due = now >= list.next_update.checked_sub(third).unwrap_or(now);
            let what = Expiring::RevocationList { file: list.file.to_path_buf(), issuer: list.issuer.clone() };
            Expiry::of(what, list.next_update, warning_days, now).filter(|_| due)
        }));
        found
    }

    fn vouch(&self, chain: &[CertificateDer<'static>], now: Timestamp) -> Result<(Arc<Caller>, Timestamp), Fault> {
        let vouched = self.checks.authorities.vouch(chain, now)?;
        Ok((Arc::new(self.checks.caller(chain, &vouched)?), vouched.until))
    }
}

/// The current trust of a listener, and the TLS configuration that belongs to it.
pub struct TrustStore<R> {
    current: ArcSwap<Numbered<R>>,
    seen: Mutex<BTreeMap<PartnerId, Vec<Seen>>>,
    clock: SharedClock,
}

struct Numbered<R> {
    generation: u64,
    trust: Trust<R>,
    server_config: Arc<ServerConfig>,
}

/// A snapshot with its TLS configuration, ready to be put in force.
pub struct PreparedTrust<R> {
    trust: Trust<R>,
    server_config: Arc<ServerConfig>,
}

/// What a connection has shown of its caller. Kept with the connection, asked about with
/// [`TrustStore::resolve`].
pub struct ConnectionIdentity {
    checked: ArcSwap<Checked>,
}

struct Checked {
    generation: u64,
    until: Timestamp,
    caller: Arc<Caller>,
}

struct Seen {
    sha256: Digest,
    subject: String,
    serial: String,
    not_after: Timestamp,
}

impl ConnectionIdentity {
    /// The caller as last verified.
    pub fn caller(&self) -> Arc<Caller> {
        self.checked.load().caller.clone()
    }
}

impl<R: Register> TrustStore<R> {
    /// A store with its first snapshot.
    pub fn new(first: PreparedTrust<R>, clock: SharedClock) -> Self {
        let PreparedTrust { trust, server_config } = first;
        let first = Numbered { generation: 0, trust, server_config };
        Self { current: ArcSwap::from_pointee(first), seen: Mutex::default(), clock }
    }

    /// Replaces the snapshot and the TLS configuration. Connections that are open are checked against
    /// the new one with their next request.
    pub fn replace(&self, next: PreparedTrust<R>) {
        let PreparedTrust { trust, server_config } = next;
        self.current.store(Arc::new(Numbered { generation: self.current.load().generation + 1, trust, server_config }));
    }

    /// The configuration for the next handshake.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.current.load().server_config.clone()
    }

    /// The names that the server's certificate has: those by which a caller that verified it can have come here.
    pub fn server_names(&self) -> Vec<String> {
        self.current.load().trust.certified.summary.alternative_names.clone()
    }

    /// The identity of a connection whose handshake is done, from the chain that the peer presented.
    ///
    /// # Errors
    /// As [`TrustStore::resolve`]: the snapshot may have changed since the handshake.
    pub fn connect(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<ConnectionIdentity, Fault> {
        let current = self.current.load();
        let chain: Vec<_> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let (caller, until) = current.trust.vouch(&chain, now)?;
        let who = current.trust.checks.register.find(&caller)?;
        if let Some(partner) = R::partner(&who) {
            self.remember(partner, &caller);
        }
        Ok(ConnectionIdentity { checked: ArcSwap::from_pointee(Checked { generation: current.generation, until, caller }) })
    }

    /// Who the caller of a connection is, by the trust of this moment.
    ///
    /// # Errors
    /// A fault of identity: expired, revoked, revocation unknown, untrusted or unlisted by now.
    pub fn resolve(&self, identity: &ConnectionIdentity, now: Timestamp) -> Result<R::Who, Fault> {
        let current = self.current.load();
        let checked = identity.checked.load();
        if checked.generation == current.generation && now < checked.until {
            return current.trust.checks.register.find(&checked.caller);
        }
        let (caller, until) = current.trust.vouch(&checked.caller.chain, now)?;
        let who = current.trust.checks.register.find(&caller)?;
        identity.checked.store(Arc::new(Checked { generation: current.generation, until, caller }));
        Ok(who)
    }

    /// Everything of this listener that ends within the longest of `warning_days`, soonest first: its own
    /// certificate, authorities, revocation lists, and the certificates that partners have called with.
    pub fn expiring(&self, warning_days: &[u32], now: Timestamp) -> Vec<Expiry> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let partners = seen.iter().flat_map(|(partner, certificates)| {
            certificates.iter().map(|c| {
                let (subject, serial) = (c.subject.clone(), c.serial.clone());
                (Expiring::PartnerCertificate { partner: partner.clone(), subject, serial }, c.not_after)
            })
        });
        let mut found = self.current.load().trust.expiring(warning_days, now);
        found.extend(partners.filter_map(|(what, end)| Expiry::of(what, end, warning_days, now)));
        found.sort_by_key(|expiry| expiry.not_after);
        found
    }

    /// Keeps the latest certificates of a partner. One that has ended is forgotten as soon as the
    /// partner calls with another.
    fn remember(&self, partner: &PartnerId, caller: &Caller) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let certificates = seen.entry(partner.clone()).or_default();
        certificates.retain(|certificate| certificate.sha256 != caller.leaf_sha256 && certificate.not_after > now);
        certificates.insert(
            0,
            Seen {
                sha256: caller.leaf_sha256,
                subject: caller.subject.clone(),
                serial: caller.serial.clone(),
                not_after: caller.not_after,
            },
        );
        certificates.truncate(SEEN_PER_PARTNER_MAX);
    }
}

impl<R: Register> PreparedTrust<R> {
    /// Everything about a snapshot that can still fail; nothing changes yet.
    ///
    /// # Errors
    /// What the TLS library objects to.
    pub fn new(trust: Trust<R>, clock: SharedClock) -> Result<Self, Problem> {
        let config = tls::server_config(trust.checks.clone(), trust.certified.key.clone(), clock);
        let server_config = config.map_err(|error| trust.server.chain.problem(format!("TLS cannot be served with it: {error}")))?;
        Ok(Self { trust, server_config })
    }

    /// What ends of it within the longest of `warning_days`: the server's certificate, authorities, revocation lists.
    pub fn expiring(&self, warning_days: &[u32], now: Timestamp) -> Vec<Expiry> {
        self.trust.expiring(warning_days, now)
    }
}

/// Something that ends soon or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What.
    pub what: Expiring,
    /// Its end.
    pub not_after: Timestamp,
    /// Whole days until then; negative once it has ended.
    pub days_left: i64,
    /// The warning that is due: the shortest span it has come within.
    pub within_days: u32,
}

/// What can end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expiring {
    /// A listener's own certificate, in this file.
    ServerCertificate(PathBuf),
    /// The certificate that the gateway calls receivers with, in this file.
    OutboundCertificate(PathBuf),
    /// An authority that callers must chain to.
    Authority {
        /// The file.
        file: PathBuf,
        /// Its subject.
        subject: String,
    },
    /// A revocation list: past its end, callers of its authority are refused.
    RevocationList {
        /// The file.
        file: PathBuf,
        /// Its issuer.
        issuer: String,
    },
    /// A certificate that an operator's file lists.
    OperatorCertificate {
        /// The operator.
        operator: Name,
        /// The file.
        file: PathBuf,
    },
    /// A certificate that a partner has called with, or that its file lists.
    PartnerCertificate {
        /// The partner.
        partner: PartnerId,
        /// The certificate's subject.
        subject: String,
        /// Its serial number.
        serial: String,
    },
}

impl Expiry {
    /// The warning that is due for something with this end, if any.
    pub fn of(what: Expiring, not_after: Timestamp, warning_days: &[u32], now: Timestamp) -> Option<Self> {
        const SECONDS_PER_DAY: i64 = 86_400;
        let days_left = not_after.duration_since(now).as_secs().div_euclid(SECONDS_PER_DAY);
        let within_days = warning_days.iter().copied().filter(|days| days_left < i64::from(*days)).min()?;
        Some(Self { what, not_after, days_left, within_days })
    }
}

/// The certificates with which the gateway calls others and that end within the longest of `warning_days`: its own identity, and those
/// of single destinations, of webhooks and of the collector of traces. Files that cannot be read are reported where they are
/// used.
pub fn expiring_outbound(config: &Config, warning_days: &[u32], now: Timestamp) -> Vec<Expiry> {
    let destinations = config.partners.values().flat_map(|partner| partner.destinations.values());
    let of_destinations = destinations.filter_map(|destination| destination.identity.as_ref());
    let gateway = &config.gateway;
    let of_webhooks = gateway.alarms.webhooks.values().filter_map(|webhook| webhook.identity.as_ref());
    let of_collector = gateway.traces.iter().filter_map(|traces| traces.identity.as_ref());
    let identities = gateway.outbound_identity.iter().chain(of_destinations).chain(of_webhooks).chain(of_collector);
    let mut files: Vec<&Path> = identities.map(|identity| &*identity.chain).collect();
    files.sort();
    files.dedup();
    let ends =
        files.into_iter().filter_map(|file| Some((file, Summary::of(files::read_certificates(file).ok()?.first()?).ok()?.not_after)));
    ends.filter_map(|(file, end)| Expiry::of(Expiring::OutboundCertificate(file.to_owned()), end, warning_days, now)).collect()
}

/// The certificates that partners' and operators' files list and that end within the longest of `warning_days`, whether or not their
/// holders have called yet.
pub fn expiring_listed(config: &Config, warning_days: &[u32], now: Timestamp) -> Vec<Expiry> {
    let ends = config.certificate_files.iter().filter_map(|(file, holder)| {
        let Summary { subject, serial, not_after, .. } = Summary::of(files::read_certificates(file).ok()?.first()?).ok()?;
        let what = match holder.clone() {
            CertificateHolder::Partner(partner) => Expiring::PartnerCertificate { partner, subject, serial },
            CertificateHolder::Operator(operator) => Expiring::OperatorCertificate { operator, file: file.clone() },
        };
        Expiry::of(what, not_after, warning_days, now)
    });
    ends.collect()
}

fn names_match(certificate: &CertificateMatch, caller: &Caller) -> bool {
    match certificate {
        CertificateMatch::Key(key) => *key == caller.key_sha256,
        CertificateMatch::Issued { issuer_key, subject, alternative_name } => {
            *issuer_key == caller.issuer_key_sha256
                && subject.as_ref().is_none_or(|subject| *subject == caller.subject)
                && alternative_name.as_ref().is_none_or(|name| caller.alternative_names.iter().any(|known| same_name(known, name)))
        }
    }
}

/// DNS names do not distinguish case; everything else does.
fn same_name(known: &str, wanted: &str) -> bool {
    let exact = known == wanted;
    exact || (!wanted.contains(['@', ':']) && known.eq_ignore_ascii_case(wanted))
}

/// What a listener shows of itself.
///
/// # Errors
/// Every problem of its files.
pub fn server_certificate(identity: &Identity) -> Result<Certified, Vec<Problem>> {
    Certified::read(identity, Usage::Server)
}

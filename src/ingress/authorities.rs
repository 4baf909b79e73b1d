//! Who vouches for a caller: authorities, their revocation lists, and the check of a chain.
//!
//! The check is webpki's (RFC 5280), with what a gateway must insist on: the extended key usage
//! clientAuth is required, not merely allowed; an authority whose own certificate has ended vouches
//! for nobody; with revocation lists configured, a status that cannot be known refuses, and so does a
//! list past its nextUpdate unless the listener says otherwise.
//!
//! webpki takes the first list of an issuer's *name*. Two authorities may share a name (a new key after
//! a rollover), so each authority is tried with the lists that its own key has signed.

use crate::certs::summary::{distinguished_name, signed_by, timestamp};
use crate::certs::{Summary, files};
use crate::config::{NamedFile, Problem};
use crate::domain::Digest;
use crate::fault::{Fault, FaultCode};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use std::time::Duration;
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList, RevocationOptionsBuilder, VerifiedPath,
    anchor_from_trusted_cert,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

/// Certificates that a caller may send, its own included.
pub const CHAIN_CERTIFICATES_MAX: usize = 8;
/// Authorities of one listener.
pub const AUTHORITIES_MAX: usize = 64;

/// The authorities of a listener and their revocation lists.
pub struct Authorities {
    anchors: Vec<Anchor>,
    lists: Vec<List>,
    accept_expired_lists: bool,
}

/// One authority.
pub struct Anchor {
    /// The file it was read from.
    pub file: NamedFile,
    /// What its certificate says.
    pub summary: Summary,
    /// In a slice of one, as the check wants it.
    trusted: [TrustAnchor<'static>; 1],
    certificate: CertificateDer<'static>,
    /// Which lists may be used for chains that end here; those of its own name only with its signature.
    lists: Vec<usize>,
}

/// One revocation list.
pub struct List {
    /// The file it was read from.
    pub file: NamedFile,
    /// Whose list it is, as RFC 4514 text.
    pub issuer: String,
    /// When it was signed.
    pub this_update: Timestamp,
    /// When it is out of date.
    pub next_update: Timestamp,
    issuer_der: Vec<u8>,
    parsed: CertRevocationList<'static>,
}

/// What a verified chain shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// SHA-256 of the public key that signed the caller's certificate.
    pub issuer_key: Digest,
    /// When a part of the chain ends or a list that was used is out of date: check again from then on.
    pub until: Timestamp,
}

/// Why a chain was not accepted.
#[derive(Debug)]
pub struct Refusal {
    /// The code of the fault.
    pub code: FaultCode,
    /// What the check said.
    pub reason: webpki::Error,
}

impl Authorities {
    /// Reads the authorities and lists of a listener.
    ///
    /// # Errors
    /// Every problem found, told where its file is named.
    pub fn read(authorities: &[NamedFile], lists: &[NamedFile], accept_expired_lists: bool) -> Result<Self, Vec<Problem>> {
        let (mut problems, mut of_lists) = (Vec::new(), Vec::new());
        let mut anchors = read_anchors(authorities, &mut problems);
        let lists = read_lists(lists, &mut of_lists);
        let [bare, stray] = assign(&mut anchors, &lists);
        // A list that is missing may be the one that cannot be read; whoever signed a list, the authority.
        let (bare, stray) = (Some(bare).filter(|_| of_lists.is_empty()), Some(stray).filter(|_| problems.is_empty()));
        problems.extend(of_lists.into_iter().chain(bare.into_iter().chain(stray).flatten()));
        let lists = lists.into_iter().map(|(list, _)| list).collect();
        if problems.is_empty() { Ok(Self { anchors, lists, accept_expired_lists }) } else { Err(problems) }
    }

    /// The authorities.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// The revocation lists.
    pub fn lists(&self) -> &[List] {
        &self.lists
    }

    /// The names of the authorities, as DER without the outer tag, to be hinted to clients.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.anchors.iter().map(|anchor| anchor.trusted[0].subject.as_ref())
    }

    /// Checks a chain, leaf first, for a client of this moment.
    ///
    /// # Errors
    /// The refusal that says most: what an authority of the right name objects to, rather than that
    /// another one does not know the caller.
    pub fn vouch(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Vouched, Refusal> {
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Err(Refusal { code: FaultCode::CertificateMissing, reason: webpki::Error::UnknownIssuer });
        };
        if chain.len() > CHAIN_CERTIFICATES_MAX {
            return Err(webpki::Error::MaximumPathDepthExceeded.into());
        }
        let leaf = EndEntityCert::try_from(leaf).map_err(Refusal::from)?;
        let mut worst = webpki::Error::UnknownIssuer;
        for anchor in &self.anchors {
            match self.vouch_below(anchor, &leaf, intermediates, now) {
                Ok(vouched) => return Ok(vouched),
                Err(error) => worst = if weight(&error) > weight(&worst) { error } else { worst },
            }
        }
        Err(worst.into())
    }

    fn vouch_below(
        &self,
        anchor: &Anchor,
        leaf: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<Vouched, webpki::Error> {
        let time = unix_time(now);
        let lists: Vec<&CertRevocationList<'_>> =
            anchor.lists.iter().filter_map(|&at| self.lists.get(at)).map(|list| &list.parsed).collect();
        let expiration = if self.accept_expired_lists { ExpirationPolicy::Ignore } else { ExpirationPolicy::Enforce };
        // Without lists there is nothing to build options from; the check of chain and status stays the default otherwise.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|builder| builder.with_expiration_policy(expiration).build());
        let usage = KeyUsage::client_auth();
        let path = leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchor.trusted, intermediates, time, usage, revocation, None)?;
        require_usage(leaf)?;
        if now >= anchor.summary.not_after {
            return Err(webpki::Error::CertExpired { time, not_after: unix_time(anchor.summary.not_after) });
        }
        Ok(Vouched { issuer_key: Digest::of(&path.issuer_spki()), until: self.until(anchor, &path, now)? })
    }

    /// The earliest end among the certificates of a path and the lists that may have been used for it.
    /// A list that is past its end was not used: it would have refused.
    fn until(&self, anchor: &Anchor, path: &VerifiedPath<'_>, now: Timestamp) -> Result<Timestamp, webpki::Error> {
        let mut until = anchor.summary.not_after;
        for certificate in std::iter::once(&**path.end_entity()).chain(path.intermediate_certificates()) {
            let der = certificate.der();
            let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| webpki::Error::BadDer)?;
            until = until.min(timestamp(parsed.validity().not_after));
            if !self.accept_expired_lists {
                let lists = anchor.lists.iter().filter_map(|&at| self.lists.get(at));
                let used = lists.filter(|list| list.issuer_der == parsed.issuer().as_raw() && list.next_update > now);
                until = used.map(|list| list.next_update).fold(until, Timestamp::min);
            }
        }
        Ok(until)
    }
}

impl From<webpki::Error> for Refusal {
    fn from(reason: webpki::Error) -> Self {
        use webpki::Error;
        let code = match &reason {
            Error::CertExpired { .. } | Error::CertNotValidYet { .. } => FaultCode::CertificateExpired,
            Error::CertRevoked => FaultCode::CertificateRevoked,
            Error::UnknownRevocationStatus
            | Error::CrlExpired { .. }
            | Error::InvalidCrlSignatureForPublicKey
            | Error::IssuerNotCrlSigner
            | Error::UnsupportedCrlSignatureAlgorithmContext(_)
            | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => FaultCode::RevocationUnknown,
            // Whatever else the check objects to, now or in a later version, is no trust.
            _ => FaultCode::CertificateUntrusted,
        };
        Self { code, reason }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let fault = Self::new(refusal.code);
        let fault = match &refusal.reason {
            webpki::Error::RequiredEkuNotFoundContext(_) | webpki::Error::EmptyEkuExtension => fault.detail(
                "证书没有 clientAuth 扩展密钥用途，请向发证机构申请客户端证书",
                "the certificate lacks the extended key usage clientAuth: ask its authority for a client certificate",
            ),
            webpki::Error::UnknownIssuer => fault.detail(
                "证书不是由本网关信任的发证机构签发，或证书链不完整",
                "the certificate is not signed by an authority that the gateway trusts, or the chain sent is incomplete",
            ),
            _ => fault,
        };
        fault.caused_by(refusal.reason)
    }
}

/// The check of the path lets a certificate pass that has no extended key usage; here it is refused.
/// webpki can require one too, but then of every authority on the path, and most of those have none.
fn require_usage(leaf: &EndEntityCert<'_>) -> Result<(), webpki::Error> {
    let der = leaf.der();
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| webpki::Error::BadDer)?;
    match parsed.extended_key_usage() {
        Ok(Some(usage)) if usage.value.client_auth => Ok(()),
        _ => Err(webpki::Error::EmptyEkuExtension),
    }
}

/// An error of one authority against that of another: not knowing the caller says least.
fn weight(error: &webpki::Error) -> u8 {
    match error {
        webpki::Error::UnknownIssuer => 0,
        webpki::Error::InvalidSignatureForPublicKey => 1,
        _ => 2,
    }
}

fn unix_time(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0)))
}

fn read_anchors(files: &[NamedFile], problems: &mut Vec<Problem>) -> Vec<Anchor> {
    let mut anchors: Vec<Anchor> = Vec::new();
    for file in files {
        match files::read_certificates(file) {
            Ok(certificates) => {
                for certificate in &certificates {
                    match anchor(file, certificate) {
                        Ok(anchor) if anchors.iter().any(|known| known.summary.sha256 == anchor.summary.sha256) => {}
                        Ok(anchor) => anchors.push(anchor),
                        Err(message) => problems.push(file.problem(message)),
                    }
                }
            }
            Err(message) => problems.push(file.problem(message)),
        }
    }
    if let Some(last) = files.last().filter(|_| anchors.len() > AUTHORITIES_MAX) {
        problems.push(last.problem(format!("a listener takes at most {AUTHORITIES_MAX} authorities; {} are given", anchors.len())));
    }
    anchors
}

fn anchor(file: &NamedFile, certificate: &CertificateDer<'_>) -> Result<Anchor, String> {
    let summary = Summary::of(certificate)?;
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| files::NOT_X509)?;
    if !parsed.is_ca() {
        return Err(format!("{} is no authority's certificate (its basicConstraints do not say CA)", summary.subject));
    }
    let trusted = anchor_from_trusted_cert(certificate)
        .map_err(|_| {
            format!("the certificate of {} has something that no chain can be checked with; have it issued anew", summary.subject)
        })?
        .to_owned();
    Ok(Anchor { file: file.clone(), summary, trusted: [trusted], certificate: certificate.clone().into_owned(), lists: Vec::new() })
}

fn read_lists(files: &[NamedFile], problems: &mut Vec<Problem>) -> Vec<(List, CertificateRevocationListDer<'static>)> {
    let mut lists = Vec::new();
    for file in files {
        match files::read_lists(file) {
            Ok(ders) => {
                for der in ders {
                    match list(file, &der) {
                        Ok(list) => lists.push((list, der)),
                        Err(message) => problems.push(file.problem(message)),
                    }
                }
            }
            Err(message) => problems.push(file.problem(message)),
        }
    }
    // The newest first: it is the first of an issuer that is used.
    lists.sort_by_key(|(list, _)| std::cmp::Reverse(list.this_update));
    lists
}

fn list(file: &NamedFile, der: &[u8]) -> Result<List, String> {
    let (_, shown) = CertificateRevocationList::from_der(der).map_err(|_| "not a revocation list, or a damaged one; fetch it again")?;
    let next_update =
        shown.next_update().ok_or("the revocation list has no nextUpdate; ask its authority for one that says when it ends")?;
    let issuer = distinguished_name(shown.issuer());
    let parsed = OwnedCertRevocationList::from_der(der).map_err(|_| {
        format!("the revocation list of {issuer} is of a kind that cannot be used (delta and indirect lists are not); ask for a full one")
    })?;
    Ok(List {
        file: file.clone(),
        issuer,
        this_update: timestamp(shown.last_update()),
        next_update: timestamp(next_update),
        issuer_der: shown.issuer().as_raw().to_vec(),
        parsed: parsed.into(),
    })
}

/// Gives every authority the lists that may be used below it: those that its key has signed, and those
/// of other names, which belong to authorities below it and are verified when they are used. Returns the problems of
/// authorities without a list, and those of lists that none of the authorities has signed.
fn assign(anchors: &mut [Anchor], lists: &[(List, CertificateRevocationListDer<'static>)]) -> [Vec<Problem>; 2] {
    let mut bare = Vec::new();
    let mut whose = vec![false; lists.len()];
    for anchor in anchors.iter_mut() {
        let Ok((_, certificate)) = X509Certificate::from_der(&anchor.certificate) else { continue };
        let mut own = false;
        for (at, (list, der)) in lists.iter().enumerate() {
            let same_name = list.issuer_der == certificate.subject().as_raw();
            let signed = same_name && is_signed_by(der, &certificate);
            own |= signed;
            whose[at] |= signed || !same_name;
            if signed || !same_name {
                anchor.lists.push(at);
            }
        }
        if !own && !lists.is_empty() {
            bare.push(anchor.file.problem(format!(
                "{} has no revocation list; with any list given, every authority needs one: name its list too",
                anchor.summary.subject
            )));
        }
    }
    let stray = lists.iter().zip(&whose).filter(|(_, usable)| !**usable).map(|((list, _), _)| {
        list.file.problem(format!(
            "the revocation list of {} is not signed by the key of any authority of that name; name the list that belongs to the authority",
            list.issuer
        ))
    });
    [bare, stray.collect()]
}

fn is_signed_by(list: &[u8], certificate: &X509Certificate<'_>) -> bool {
    let Ok((_, list)) = CertificateRevocationList::from_der(list) else { return false };
    signed_by(certificate.public_key(), list.tbs_cert_list.as_ref(), &list.signature_value.data)
}

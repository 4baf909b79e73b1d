//! TLS for callers: 1.3 and 1.2, client certificate mandatory, no resumption of any kind.
//!
//! A session that is resumed skips the client's certificate, so a ticket or a stored session would
//! outlive a revocation. There are none: every connection is a full handshake. A configuration is
//! never changed; a reload builds a new one whole.
//!
//! Limits: the wire format's own (a certificate message of 64 KiB) and those of [`super::authorities`].

use super::authorities::Refusal;
use super::identity::{Checks, Register};
use crate::fault::FaultCode;
use crate::http::PROTOCOLS;
use crate::seams::SharedClock;
use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use std::fmt;
use std::io;
use std::sync::Arc;

/// The server's configuration for one snapshot of trust.
///
/// # Errors
/// What the TLS library objects to.
pub fn server_config<R: Register>(
    checks: Arc<Checks<R>>,
    identity: Arc<CertifiedKey>,
    clock: SharedClock,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(ClientVerifier::new(checks, provider.clone()));
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(WallClock(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::new(NoTickets);
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Which fault made a handshake fail, where it was the caller's identity; `None` for everything else,
/// such as a caller that speaks no TLS or goes away.
pub fn refused_identity(error: &io::Error) -> Option<FaultCode> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::NoCertificatesPresented => Some(FaultCode::CertificateMissing),
        rustls::Error::InvalidCertificate(error) => Some(match error {
            CertificateError::Expired | CertificateError::NotValidYet => FaultCode::CertificateExpired,
            CertificateError::Revoked => FaultCode::CertificateRevoked,
            CertificateError::UnknownRevocationStatus | CertificateError::ExpiredRevocationList => FaultCode::RevocationUnknown,
            CertificateError::ApplicationVerificationFailure => FaultCode::CertificateUnlisted,
            _ => FaultCode::CertificateUntrusted,
        }),
        _ => None,
    }
}

/// Lets a handshake through if the caller's chain is vouched for and the caller is listed.
struct ClientVerifier<R> {
    checks: Arc<Checks<R>>,
    names: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl<R: Register> ClientVerifier<R> {
    fn new(checks: Arc<Checks<R>>, provider: Arc<CryptoProvider>) -> Self {
        let names = checks.authorities.names().map(DistinguishedName::in_sequence).collect();
        Self { checks, names, provider }
    }
}

impl<R> fmt::Debug for ClientVerifier<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<R: Register> ClientCertVerifier for ClientVerifier<R> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).map(|c| c.clone().into_owned()).collect();
        let now = i64::try_from(now.as_secs())
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok())
            .ok_or(rustls::Error::FailedToGetCurrentTime)?;
        let vouched = self.checks.authorities.vouch(&chain, now).map_err(|refusal| alert(&refusal))?;
        let who = self.checks.caller(&chain, &vouched).and_then(|caller| self.checks.register.find(&caller));
        who.map_err(|_| CertificateError::ApplicationVerificationFailure)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The error whose TLS alert tells the caller most.
fn alert(refusal: &Refusal) -> CertificateError {
    use webpki::Error;
    match &refusal.reason {
        Error::CertExpired { .. } => CertificateError::Expired,
        Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        Error::CertRevoked => CertificateError::Revoked,
        Error::CrlExpired { .. } => CertificateError::ExpiredRevocationList,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => CertificateError::InvalidPurpose,
        _ if refusal.code == FaultCode::RevocationUnknown => CertificateError::UnknownRevocationStatus,
        _ => CertificateError::UnknownIssuer,
    }
}

struct WallClock(SharedClock);

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _plain: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _cipher: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

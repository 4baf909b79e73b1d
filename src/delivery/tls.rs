//! TLS towards receivers: 1.3 and 1.2, the gateway's client certificate, and a server that proves to be
//! the one that the destination names.
//!
//! A server's chain must end at one of the destination's own authorities (the system's are not asked),
//! its name must be that of the address, and where the destination lists server keys, its key must be
//! one of them. Sessions are never resumed, so that every connection proves all of it again.

use crate::certs::{Certified, Summary, Usage, files};
use crate::config::{Destination, Identity, NamedFile, Problem};
use crate::domain::Digest;
use crate::http::PROTOCOLS;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// The client's configuration for one destination; `gateway` is the identity that is presented where
/// the destination names none of its own.
///
/// # Errors
/// Every problem of its files. None where there is no identity to present, or no authority to trust: that is a problem
/// of the configuration's text, and told when it is read.
pub fn client_config(destination: &Destination, gateway: Option<&Identity>) -> Result<ClientConfig, Vec<Problem>> {
    let roots = read_roots(&destination.authorities);
    let client = destination.identity.as_ref().or(gateway).map(client_certificate);
    match (roots, client) {
        (Ok(roots), Some(Ok(client))) => build(&destination.authorities, roots, &destination.server_keys, Some(client)),
        (roots, client) => Err(roots.err().into_iter().chain(client.and_then(Result::err)).flatten().collect()),
    }
}

/// The client's configuration towards a server that may not ask who calls, such as a webhook.
///
/// # Errors
/// Every problem of its files.
pub fn server_trust(authorities: &[NamedFile], server_keys: &[Digest], identity: Option<&Identity>) -> Result<ClientConfig, Vec<Problem>> {
    match (read_roots(authorities), identity.map(client_certificate).transpose()) {
        (Ok(roots), Ok(client)) => build(authorities, roots, server_keys, client),
        (roots, client) => Err(roots.err().into_iter().chain(client.err()).flatten().collect()),
    }
}

/// What the gateway shows of itself to receivers.
///
/// # Errors
/// Every problem of its files.
pub fn client_certificate(identity: &Identity) -> Result<Certified, Vec<Problem>> {
    Certified::read(identity, Usage::Client)
}

fn build(
    authorities: &[NamedFile],
    roots: RootCertStore,
    server_keys: &[Digest],
    client: Option<Certified>,
) -> Result<ClientConfig, Vec<Problem>> {
    let failed = |error: &dyn std::fmt::Display| {
        authorities.first().map(|file| file.problem(format!("TLS cannot be called with it: {error}"))).into_iter().collect::<Vec<_>>()
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let by_chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().map_err(|e| failed(&e))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|e| failed(&e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Server { by_chain, keys: server_keys.to_vec() }));
    let mut config = match client {
        Some(client) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(client.key))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}

/// Verifies a server by chain and name, then by its key where keys are listed.
#[derive(Debug)]
struct Server {
    by_chain: Arc<WebPkiServerVerifier>,
    keys: Vec<Digest>,
}

impl ServerCertVerifier for Server {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.by_chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        if self.keys.is_empty() {
            return Ok(verified);
        }
        let key = Summary::of(end_entity).map_err(|_| CertificateError::BadEncoding)?.key_sha256;
        if self.keys.contains(&key) { Ok(verified) } else { Err(CertificateError::ApplicationVerificationFailure.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_chain.supported_verify_schemes()
    }
}

fn read_roots(files: &[NamedFile]) -> Result<RootCertStore, Vec<Problem>> {
    let (mut roots, mut problems) = (RootCertStore::empty(), Vec::new());
    for file in files {
        match files::read_certificates(file) {
            Ok(certificates) => {
                let added = certificates.into_iter().map(|certificate| roots.add(certificate));
                problems.extend(added.filter_map(Result::err).map(|_| file.problem(files::NOT_X509)));
            }
            Err(message) => problems.push(file.problem(message)),
        }
    }
    if problems.is_empty() { Ok(roots) } else { Err(problems) }
}

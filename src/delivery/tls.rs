//! TLS towards receivers: 1.3 and 1.2, the gateway's client certificate, and a server that proves to be
//! the one that the destination names.
//!
//! A server's chain must end at one of the destination's own authorities (the system's are not asked),
//! its name must be that of the address, and where the destination lists server keys, its key must be
//! one of them. Sessions are never resumed, so that every connection proves all of it again.

use crate::certs::{Summary, files};
use crate::config::{Destination, Identity, Problem};
use crate::domain::Digest;
use crate::http::PROTOCOLS;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// The client's configuration for one destination; `gateway` is the identity that is presented where
/// the destination names none of its own.
///
/// # Errors
/// Every problem of its files, or that there is no identity to present.
pub fn client_config(destination: &Destination, gateway: Option<&Identity>) -> Result<ClientConfig, Vec<Problem>> {
    let mut problems = Vec::new();
    let roots = read_roots(destination, &mut problems);
    let client = read_identity(destination, gateway, &mut problems);
    let (Some(roots), Some((chain, key))) = (roots, client) else { return Err(problems) };
    let failed = |message: String| vec![Problem { file: destination.authorities.first().cloned().unwrap_or_default(), line: 0, message }];
    let provider = Arc::new(aws_lc_rs::default_provider());
    let by_chain =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().map_err(|e| failed(e.to_string()))?;
    let verifier = Arc::new(Server { by_chain, keys: destination.server_keys.clone() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|e| failed(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(chain, key)
        .map_err(|e| failed(format!("{}: the client identity cannot be used: {e}", destination.id)))?;
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

fn read_roots(destination: &Destination, problems: &mut Vec<Problem>) -> Option<RootCertStore> {
    let before = problems.len();
    let mut roots = RootCertStore::empty();
    for file in &destination.authorities {
        let certificates = files::read_certificates(file).unwrap_or_else(|message| {
            problems.push(problem(file, message));
            Vec::new()
        });
        for certificate in certificates {
            if let Err(e) = roots.add(certificate) {
                problems.push(problem(file, format!("not an authority's certificate: {e}")));
            }
        }
    }
    if destination.authorities.is_empty() {
        problems.push(problem(Path::new(""), format!("{} names no authorities for its server's certificate", destination.id)));
    }
    (problems.len() == before).then_some(roots)
}

type Client = (Vec<CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>);

fn read_identity(destination: &Destination, gateway: Option<&Identity>, problems: &mut Vec<Problem>) -> Option<Client> {
    let Some(identity) = destination.identity.as_ref().or(gateway) else {
        let message =
            format!("{} has no client identity: set outbound_identity in portolan.toml, or an identity of its own", destination.id);
        problems.push(problem(Path::new(""), message));
        return None;
    };
    let chain = files::read_certificates(&identity.chain).map_err(|message| problems.push(problem(&identity.chain, message))).ok();
    let key = files::read_private_key(&identity.key).map_err(|message| problems.push(problem(&identity.key, message))).ok();
    chain.zip(key)
}

fn problem(file: &Path, message: impl Into<String>) -> Problem {
    Problem { file: file.to_owned(), line: 0, message: message.into() }
}

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
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The client's configuration for one destination; `gateway` is the identity that is presented where
/// the destination names none of its own.
///
/// # Errors
/// Every problem of its files, or that there is no identity to present.
pub fn client_config(destination: &Destination, gateway: Option<&Identity>) -> Result<ClientConfig, Vec<Problem>> {
    let mut problems = Vec::new();
    let name = destination.id.to_string();
    let roots = read_roots(&name, &destination.authorities, &mut problems);
    let client = read_identity(destination, gateway, &mut problems);
    match (roots, client) {
        (Some(roots), Some(client)) => build(&name, roots, &destination.server_keys, Some(client)),
        _ => Err(problems),
    }
}

/// The client's configuration towards a server that may not ask who calls, such as a webhook.
///
/// # Errors
/// Every problem of its files.
pub fn server_trust(
    name: &str,
    authorities: &[PathBuf],
    server_keys: &[Digest],
    identity: Option<&Identity>,
) -> Result<ClientConfig, Vec<Problem>> {
    let mut problems = Vec::new();
    let roots = read_roots(name, authorities, &mut problems);
    let client = identity.map(|identity| read_files(identity, &mut problems));
    match (roots, client) {
        (Some(roots), None) => build(name, roots, server_keys, None),
        (Some(roots), Some(Some(client))) => build(name, roots, server_keys, Some(client)),
        _ => Err(problems),
    }
}

fn build(name: &str, roots: RootCertStore, server_keys: &[Digest], client: Option<Client>) -> Result<ClientConfig, Vec<Problem>> {
    let failed = |message: String| vec![problem(Path::new(""), format!("{name}: {message}"))];
    let provider = Arc::new(aws_lc_rs::default_provider());
    let by_chain =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().map_err(|e| failed(e.to_string()))?;
    let verifier = Arc::new(Server { by_chain, keys: server_keys.to_vec() });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|e| failed(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match client {
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(|e| failed(format!("the client identity cannot be used: {e}")))?
        }
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

fn read_roots(name: &str, authorities: &[PathBuf], problems: &mut Vec<Problem>) -> Option<RootCertStore> {
    let before = problems.len();
    let mut roots = RootCertStore::empty();
    for file in authorities {
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
    if authorities.is_empty() {
        problems.push(problem(Path::new(""), format!("{name} names no authorities for its server's certificate")));
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
    read_files(identity, problems)
}

fn read_files(identity: &Identity, problems: &mut Vec<Problem>) -> Option<Client> {
    let chain = files::read_certificates(&identity.chain).map_err(|message| problems.push(problem(&identity.chain, message))).ok();
    let key = files::read_private_key(&identity.key).map_err(|message| problems.push(problem(&identity.key, message))).ok();
    chain.zip(key)
}

fn problem(file: &Path, message: impl Into<String>) -> Problem {
    Problem { file: file.to_owned(), line: 0, message: message.into() }
}

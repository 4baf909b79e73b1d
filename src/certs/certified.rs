//! A certificate chain with the private key that belongs to it, fit for the side that shows it.

use super::{Summary, Usage, files};
use crate::config::{Identity, Problem};
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// What proves who we are in a handshake.
pub struct Certified {
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
    /// What the certificate says.
    pub summary: Summary,
}

impl Certified {
    /// Reads chain and key. That the certificate has ended is no problem here: a gateway whose certificate ends must still
    /// take in other changes, and it is warned of in good time.
    ///
    /// # Errors
    /// Every problem of both files: unreadable, damaged, a key that others may read or that is another certificate's, a
    /// certificate that is not for this usage.
    pub fn read(identity: &Identity, usage: Usage) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let chain = files::read_certificates(&identity.chain).map_err(|message| problems.push(identity.chain.problem(message))).ok();
        let summary = chain.as_ref().and_then(|chain| {
            let summary = leaf(chain, usage);
            summary.map_err(|message| problems.push(identity.chain.problem(message))).ok()
        });
        let key = files::read_private_key(&identity.key).map_err(|message| problems.push(identity.key.problem(message))).ok();
        let paired = chain.zip(key).and_then(|(chain, key)| {
            let paired = pair(identity, chain, key);
            paired.map_err(|message| problems.push(identity.key.problem(message))).ok()
        });
        match (paired, summary) {
            (Some(key), Some(summary)) if problems.is_empty() => Ok(Self { key: Arc::new(key), summary }),
            _ => Err(problems),
        }
    }
}

fn pair(identity: &Identity, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, String> {
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
            "this private key belongs to another certificate than the first one in {}; name the key that was made for it",
            identity.chain.display()
        ),
        Error::InvalidCertificate(_) => format!("whether this key belongs to {} cannot be told", identity.chain.display()),
        _ => "this kind of private key is not used in TLS; make one of P-256, P-384, Ed25519 or RSA with 2048 bits or more".to_owned(),
    })
}

/// What the first certificate says, if it may be shown.
fn leaf(chain: &[CertificateDer<'_>], usage: Usage) -> Result<Summary, String> {
    let leaf = chain.first().ok_or("there is no certificate in it")?;
    let summary = Summary::of(leaf)?;
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| files::NOT_X509)?;
    // Without the extension a certificate is for everything.
    let Some(allowed) = parsed.extended_key_usage().map_err(|_| "its extended key usage cannot be read")? else { return Ok(summary) };
    let (server, client) = (allowed.value.server_auth || allowed.value.any, allowed.value.client_auth || allowed.value.any);
    let subject = &summary.subject;
    match usage {
        Usage::Server | Usage::Both if !server => Err(format!(
            "{subject} is no server's certificate (its extended key usage lacks serverAuth), so that every caller would refuse it; \
             name one that was issued for a server"
        )),
        Usage::Client | Usage::Both if !client => Err(format!(
            "{subject} is no client's certificate (its extended key usage lacks clientAuth), so that every receiver would refuse it; \
             name one that was issued for a client"
        )),
        _ => Ok(summary),
    }
}

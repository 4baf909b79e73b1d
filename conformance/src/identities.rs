//! An authority and the identities that the scenarios call with, good ones and bad ones.
//!
//! On disk: `NAME.pem` and `NAME.key` each, `ca.pem`, and `ca.crl` with the revoked one in it. The
//! dates are fixed and far away, so that no clock decides.

use crate::BoxError;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Partners in good standing.
const PARTNERS: [&str; 8] = ["bank", "neighbour", "platform", "customs", "ledger", "hasty", "small", "leaver"];
/// The one whose certificate is in the revocation list.
const REVOKED: &str = "revoked";

/// Certificates with their keys.
pub struct Identities {
    /// The authority of the gateway's own certificate.
    pub authority: CertificateDer<'static>,
    callers: HashMap<String, Identity>,
}

/// A certificate and its key.
pub struct Identity {
    /// The certificate, DER.
    pub certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    /// The private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

impl Identities {
    /// Makes them all and writes them into a folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn make(folder: &Path) -> Result<Self, BoxError> {
        std::fs::create_dir_all(folder)?;
        let maker = Maker { folder, authority: authority("Conformance CA")?, other: authority("Another CA")? };
        write(folder, "ca.pem", &maker.authority.pem)?;
        write(folder, "ca.crl", &revocation_list(&maker.authority.issuer)?)?;
        maker.issue("gateway", ExtendedKeyUsagePurpose::ServerAuth, LONG, &maker.authority)?;
        let client = ExtendedKeyUsagePurpose::ClientAuth;
        maker.issue("gateway-outbound", client.clone(), LONG, &maker.authority)?;
        let mut callers = HashMap::new();
        for name in PARTNERS.into_iter().chain(["unlisted", REVOKED]) {
            callers.insert(name.to_owned(), maker.issue(name, client.clone(), LONG, &maker.authority)?);
        }
        let expired = maker.issue("expired", client.clone(), (2020, 2021), &maker.authority)?;
        let early = maker.issue("early", client.clone(), (2090, 2100), &maker.authority)?;
        let other = maker.issue("other-authority", client, LONG, &maker.other)?;
        let server = maker.issue("server-only", ExtendedKeyUsagePurpose::ServerAuth, LONG, &maker.authority)?;
        callers.extend(
            [("expired", expired), ("early", early), ("other-authority", other), ("server-only", server)].map(|(n, i)| (n.to_owned(), i)),
        );
        Ok(Self { authority: maker.authority.certificate, callers })
    }

    /// The identity of that name; `none` has no certificate.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn find(&self, name: &str) -> Result<Option<&Identity>, BoxError> {
        match (name, self.callers.get(name)) {
            ("none", _) => Ok(None),
            (_, None) => Err(format!("there is no identity {name:?}").into()),
            (_, found) => Ok(found),
        }
    }
}

/// First and last year of validity.
const LONG: (i32, i32) = (2020, 2100);

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

struct Maker<'f> {
    folder: &'f Path,
    authority: Authority,
    other: Authority,
}

impl Maker<'_> {
    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose, years: (i32, i32), authority: &Authority) -> Result<Identity, BoxError> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(name));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority.issuer)?;
        write(self.folder, &format!("{name}.pem"), &certificate.pem())?;
        write(self.folder, &format!("{name}.key"), &key.serialize_pem())?;
        Ok(Identity { certificate: certificate.der().clone(), key: key.serialize_der() })
    }
}

/// The serial numbers are the names: different, and known to the revocation list.
fn serial(name: &str) -> SerialNumber {
    SerialNumber::from_slice(name.as_bytes())
}

fn authority(name: &str) -> Result<Authority, BoxError> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(LONG.0, 1, 1);
    params.not_after = date_time_ymd(LONG.1, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Authority { certificate: certificate.der().clone(), pem: certificate.pem(), issuer: Issuer::new(params, key) })
}

fn revocation_list(issuer: &Issuer<'static, KeyPair>) -> Result<String, BoxError> {
    let revoked = RevokedCertParams {
        serial_number: serial(REVOKED),
        revocation_time: date_time_ymd(2021, 1, 1),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(LONG.0, 1, 1),
        next_update: date_time_ymd(LONG.1, 1, 1),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(issuer)?.pem()?)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), BoxError> {
    let path = folder.join(name);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| format!("{}: {e}", path.display()).into())
}

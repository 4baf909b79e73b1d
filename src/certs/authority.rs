//! A small private certificate authority: ECDSA P-256 keys, one level, one revocation list.
//!
//! It lives in a folder of plain files. `ca.pem` is its certificate, `ca.key` its key, `crl.pem` its
//! revocation list, `index.toml` what it has signed; `issued/NAME.pem` is a chain (leaf first) and
//! `issued/NAME.key` its key where this authority made it, `NAME.old.pem` and `NAME.old.key` what a
//! renewal replaced. Every file is replaced whole. `lock` is held while the folder is open. Each
//! command signs the revocation list anew, so that only a folder left alone lets it run out.

use super::files;
use super::summary::{Summary, alternative_name, attribute_text, distinguished_name, signed_by};
use crate::domain::{Digest, Name};
use crate::seams::Clock;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams, SanType, SerialNumber, SubjectPublicKeyInfo, date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use serde::Deserialize;
use std::fs::{DirBuilder, File, TryLockError};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

/// Days that an authority is valid for, unless told otherwise.
pub const AUTHORITY_DAYS: u32 = 3650;
/// Days that a certificate is valid for, unless told otherwise.
pub const CERTIFICATE_DAYS: u32 = 365;
/// Days until a revocation list is out of date, unless told otherwise.
pub const LIST_DAYS: u32 = 30;
/// Days that anything may be valid for.
pub const DAYS_MAX: u32 = 36500;
/// Certificates that one authority signs in its life; beyond that, run a real one.
pub const CERTIFICATES_MAX: usize = 10_000;
/// Bits of an RSA key in a signing request, at least; less is refused in a handshake too.
pub const RSA_BITS_MIN: usize = 2048;

/// How far validity begins in the past, for peers whose clock is slow.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);
const SERIAL_BYTES: usize = 16;
const LOCK_ATTEMPTS_MAX: usize = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// What a certificate may be used for: its extended key usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    /// To call as a client (clientAuth).
    Client,
    /// To be called as a server (serverAuth).
    Server,
    /// Both.
    Both,
}

impl Usage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "both",
        }
    }

    fn purposes(self) -> Vec<ExtendedKeyUsagePurpose> {
        match self {
            Self::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Self::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Self::Both => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        }
    }
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub not_before: Timestamp,
    /// Until. Cut to the authority's own end.
    pub not_after: Timestamp,
}

impl Validity {
    /// From a little before `now` until so many days after it, at most [`DAYS_MAX`].
    pub fn days(now: Timestamp, days: u32) -> Self {
        let span = SignedDuration::from_hours(24 * i64::from(days.min(DAYS_MAX)));
        Self { not_before: now.checked_sub(CLOCK_SKEW).unwrap_or(now), not_after: now.checked_add(span).unwrap_or(Timestamp::MAX) }
    }
}

/// Whom a certificate names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The subject's CN.
    pub common_name: String,
    /// The subject's O, if any.
    pub organization: Option<String>,
    /// DNS names, IP addresses, e-mail addresses and URIs.
    pub alternative: Vec<String>,
}

/// A certificate that was signed, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The key, where this authority made it.
    pub key: Option<PathBuf>,
    /// What the certificate says.
    pub summary: Summary,
}

/// Why the authority did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// A file cannot be read or written.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// What was asked for cannot be.
    #[error("{0}")]
    Request(String),
    /// A certificate could not be made.
    #[error("the certificate could not be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// An authority whose folder is open. Nobody else can open it meanwhile.
pub struct Authority {
    folder: PathBuf,
    certificate: CertificateDer<'static>,
    summary: Summary,
    issuer: Issuer<'static, KeyPair>,
    index: Index,
    _lock: File,
}

impl Authority {
    /// Makes an authority in a folder that holds none, with an empty revocation list.
    ///
    /// # Errors
    /// [`CertsError::Request`] if there is one already; [`CertsError::File`] where the folder cannot be written.
    pub fn create(folder: &Path, names: &Names, validity: Validity, list_days: u32, clock: &dyn Clock) -> Result<Self, CertsError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder.join("issued")).map_err(|e| at(folder, e))?;
        let lock = lock(folder)?;
        if folder.join("ca.key").exists() {
            return Err(CertsError::Request(format!("{} holds an authority already; choose another folder", folder.display())));
        }
        let key = KeyPair::generate()?;
        let mut params = params(subject(names), validity, clock)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        let key_file = folder.join("ca.key");
        files::write_secret(&key_file, key.serialize_pem().as_bytes()).map_err(|e| at(&key_file, e))?;
        let certificate_file = folder.join("ca.pem");
        files::write_public(&certificate_file, certificate.pem().as_bytes()).map_err(|e| at(&certificate_file, e))?;
        let certificate = CertificateDer::from(certificate);
        let mut authority = Self {
            folder: folder.to_owned(),
            summary: summary_of(&certificate)?,
            issuer: Issuer::from_ca_cert_der(&certificate, key)?,
            certificate,
            index: Index { list_number: 0, list_days: list_days.clamp(1, DAYS_MAX), certificates: Vec::new() },
            _lock: lock,
        };
        authority.save(clock)?;
        Ok(authority)
    }

    /// Opens the authority of a folder.
    ///
    /// # Errors
    /// [`CertsError::File`] naming the file that is missing, damaged, locked or readable by others.
    pub fn open(folder: &Path) -> Result<Self, CertsError> {
        let lock = lock(folder)?;
        let file = folder.join("ca.pem");
        let certificate = files::read_certificates(&file).map_err(|e| at(&file, e))?.remove(0);
        let file = folder.join("ca.key");
        let key = files::read_secret(&file).map_err(|e| at(&file, e))?;
        let key = KeyPair::from_pem(&String::from_utf8_lossy(&key)).map_err(|e| at(&file, e))?;
        let summary = summary_of(&certificate)?;
        if Digest::of(&key.subject_public_key_info()) != summary.key_sha256 {
            return Err(at(&file, "is not the key of ca.pem"));
        }
        let file = folder.join("index.toml");
        let text = std::fs::read_to_string(&file).map_err(|e| at(&file, e))?;
        let index: Index = toml::from_str(&text).map_err(|e| at(&file, e))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { folder: folder.to_owned(), certificate, summary, issuer, index, _lock: lock })
    }

    /// The authority's certificate, to be named under `client_authorities`.
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Its revocation list, to be named under `revocation_lists`.
    pub fn list_file(&self) -> PathBuf {
        self.folder.join("crl.pem")
    }

    /// What its own certificate says.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Makes a key and a certificate for it.
    ///
    /// # Errors
    /// [`CertsError::Request`] if the name is taken or names are malformed; [`CertsError::File`].
    pub fn issue(&mut self, name: &Name, names: &Names, usage: Usage, validity: Validity, clock: &dyn Clock) -> Result<Issued, CertsError> {
        if self.chain_file(name).exists() {
            return Err(CertsError::Request(format!("{name} has a certificate already; use `renew`, or `--name` with another name")));
        }
        let key = KeyPair::generate()?;
        let mut params = params(subject(names), validity, clock)?;
        params.subject_alt_names = names.alternative.iter().map(|text| alternative(text)).collect::<Result<_, _>>()?;
        self.write_key(name, &key)?;
        self.certify(name, params, &key, usage, clock)
    }

    /// Signs a partner's request (PKCS#10, PEM). Its key never leaves the partner. Only the public key
    /// and the names are taken from the request; use and validity are the caller's.
    ///
    /// # Errors
    /// [`CertsError::Request`] if the request is malformed, not signed by its own key, or names what
    /// this authority does not sign.
    pub fn sign(&mut self, name: &Name, request: &Path, usage: Usage, validity: Validity, clock: &dyn Clock) -> Result<Issued, CertsError> {
        if self.key_file(name).exists() {
            return Err(CertsError::Request(format!("{name} was issued with a key made here; choose another --name for this request")));
        }
        let der = read_request(request)?;
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|e| at(request, format!("not a signing request: {e}")))?;
        let info = &parsed.certification_request_info;
        match info.subject_pki.parsed() {
            Ok(PublicKey::RSA(key)) if key.key_size() < RSA_BITS_MIN => {
                return Err(at(request, format!("its RSA key has {} bits; at least {RSA_BITS_MIN} are needed", key.key_size())));
            }
            _ => {}
        }
        if !signed_by(&info.subject_pki, info.raw, &parsed.signature_value.data) {
            return Err(at(request, "the request is not signed by the key it names"));
        }
        let key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw)
            .map_err(|e| at(request, format!("its key is of no supported kind: {e}")))?;
        let mut params = params(distinguished(&info.subject)?, validity, clock)?;
        params.subject_alt_names = requested_names(&parsed)?;
        if params.subject_alt_names.is_empty() && info.subject.iter().next().is_none() {
            return Err(at(request, "it names nobody: give it a subject or an alternative name"));
        }
        self.keep_old(&self.chain_file(name))?;
        self.certify(name, params, &key, usage, clock)
    }

    /// Signs again for the names of an earlier certificate, for the same key unless a new one is asked
    /// for. The old certificate stays valid, so that both can be listed while one replaces the other.
    ///
    /// # Errors
    /// [`CertsError::Request`] if there is no such certificate, or a new key is asked for one whose key
    /// is its partner's.
    pub fn renew(&mut self, name: &Name, new_key: bool, validity: Validity, clock: &dyn Clock) -> Result<Issued, CertsError> {
        let chain = self.chain_file(name);
        if !chain.exists() {
            return Err(CertsError::Request(format!(
                "this authority signed no certificate \"{name}\"; see {}",
                self.index_file().display()
            )));
        }
        let old = files::read_certificates(&chain).map_err(|e| at(&chain, e))?.remove(0);
        let summary = summary_of(&old)?;
        let usage = self.index.certificates.iter().find(|entry| entry.serial == summary.serial).map(|entry| entry.usage);
        let usage = usage.ok_or_else(|| at(&chain, "this authority did not sign it"))?;
        let (_, parsed) = X509Certificate::from_der(&old).map_err(|e| at(&chain, e))?;
        let mut params = params(distinguished(parsed.subject())?, validity, clock)?;
        params.subject_alt_names = summary.alternative_names.iter().map(|text| alternative(text)).collect::<Result<_, _>>()?;
        if !new_key {
            let key = SubjectPublicKeyInfo::from_der(parsed.public_key().raw)?;
            self.keep_old(&chain)?;
            return self.certify(name, params, &key, usage, clock);
        }
        if !self.key_file(name).exists() {
            return Err(CertsError::Request(format!("the key of {name} is its partner's; ask for a new request and use `sign`")));
        }
        let key = KeyPair::generate()?;
        self.keep_old(&chain)?;
        self.keep_old(&self.key_file(name))?;
        self.write_key(name, &key)?;
        self.certify(name, params, &key, usage, clock)
    }

    /// Revokes a certificate, named by serial number, by name (its newest) or by a PEM file of it, and
    /// signs the revocation list anew. Returns the serial number.
    ///
    /// # Errors
    /// [`CertsError::Request`] if this authority signed nothing of that name.
    pub fn revoke(&mut self, which: &str, clock: &dyn Clock) -> Result<String, CertsError> {
        let wanted = which.replace(':', "").to_ascii_lowercase();
        let by_name = || self.index.certificates.iter().rfind(|entry| entry.name == which).map(|entry| entry.serial.clone());
        let serial = match Path::new(which) {
            file if file.is_file() => {
                summary_of(files::read_certificates(file).map_err(|e| at(file, e))?.first().ok_or_else(|| at(file, "empty"))?)?.serial
            }
            _ => by_name().unwrap_or(wanted),
        };
        let index = self.index_file();
        let entry = self.index.certificates.iter_mut().find(|entry| entry.serial == serial);
        let entry =
            entry.ok_or_else(|| CertsError::Request(format!("this authority signed no certificate {which:?}; see {}", index.display())))?;
        entry.revoked.get_or_insert_with(|| clock.now().to_string());
        self.save(clock)?;
        Ok(serial)
    }

    /// Serial numbers of the other certificates with the same name as this one that are still valid.
    pub fn valid_beside(&self, serial: &str, clock: &dyn Clock) -> Vec<&str> {
        let all = &self.index.certificates;
        let name = all.iter().find(|entry| entry.serial == serial).map(|entry| &entry.name);
        let ended = |entry: &Entry| entry.not_after.parse::<Timestamp>().is_ok_and(|end| end < clock.now());
        let others = all.iter().filter(|entry| Some(&entry.name) == name && entry.serial != serial);
        others.filter(|entry| entry.revoked.is_none() && !ended(entry)).map(|entry| entry.serial.as_str()).collect()
    }

    /// Signs the revocation list anew, as a daily job does before it is out of date.
    ///
    /// # Errors
    /// [`CertsError::File`] where it cannot be written.
    pub fn renew_list(&mut self, clock: &dyn Clock) -> Result<(), CertsError> {
        self.save(clock)
    }

    fn index_file(&self) -> PathBuf {
        self.folder.join("index.toml")
    }

    fn chain_file(&self, name: &Name) -> PathBuf {
        self.folder.join("issued").join(format!("{name}.pem"))
    }

    fn key_file(&self, name: &Name) -> PathBuf {
        self.folder.join("issued").join(format!("{name}.key"))
    }

    fn write_key(&self, name: &Name, key: &KeyPair) -> Result<(), CertsError> {
        let file = self.key_file(name);
        files::write_secret(&file, key.serialize_pem().as_bytes()).map_err(|e| at(&file, e))
    }

    /// Moves `NAME.pem` to `NAME.old.pem`, if it is there.
    fn keep_old(&self, file: &Path) -> Result<(), CertsError> {
        let extension = file.extension().unwrap_or_default().to_string_lossy().into_owned();
        match std::fs::rename(file, file.with_extension(format!("old.{extension}"))) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(at(file, e)),
            _ => Ok(()),
        }
    }

    fn certify(
        &mut self,
        name: &Name,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        usage: Usage,
        clock: &dyn Clock,
    ) -> Result<Issued, CertsError> {
        if self.index.certificates.len() >= CERTIFICATES_MAX {
            return Err(CertsError::Request(format!("this authority has signed {CERTIFICATES_MAX} certificates, which is its limit")));
        }
        params.not_after = params.not_after.min(date_time_ymd(1970, 1, 1) + since_1970(self.summary.not_after));
        if params.not_after <= params.not_before {
            return Err(CertsError::Request("validity ends before it begins (it is cut to the authority's own)".to_owned()));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usage.purposes();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer)?;
        let summary = summary_of(certificate.der())?;
        let authority = pem_text(&self.certificate);
        let chain = self.chain_file(name);
        files::write_public(&chain, (certificate.pem() + &authority).as_bytes()).map_err(|e| at(&chain, e))?;
        self.index.certificates.push(Entry {
            serial: summary.serial.clone(),
            name: name.to_string(),
            subject: summary.subject.clone(),
            usage,
            not_before: summary.not_before.to_string(),
            not_after: summary.not_after.to_string(),
            key_sha256: summary.key_sha256.to_string(),
            revoked: None,
        });
        self.save(clock)?;
        let key_file = self.key_file(name);
        Ok(Issued { chain, key: key_file.exists().then_some(key_file), summary })
    }

    /// Writes the index, then the revocation list that follows from it.
    fn save(&mut self, clock: &dyn Clock) -> Result<(), CertsError> {
        self.index.list_number += 1;
        let file = self.index_file();
        files::write_public(&file, self.index.to_toml().as_bytes()).map_err(|e| at(&file, e))?;
        let revoked = self.index.certificates.iter().filter_map(Entry::revocation).collect();
        let now = clock.now();
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + since_1970(now.checked_sub(CLOCK_SKEW).unwrap_or(now)),
            next_update: date_time_ymd(1970, 1, 1) + since_1970(Validity::days(now, self.index.list_days).not_after),
            crl_number: SerialNumber::from(self.index.list_number),
            issuing_distribution_point: None,
            revoked_certs: revoked,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let file = self.list_file();
        files::write_public(&file, list.signed_by(&self.issuer)?.pem()?.as_bytes()).map_err(|e| at(&file, e))
    }
}

/// `index.toml`: what the authority has signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    list_number: u64,
    list_days: u32,
    #[serde(default)]
    certificates: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    serial: String,
    name: String,
    subject: String,
    #[serde(rename = "use")]
    usage: Usage,
    not_before: String,
    not_after: String,
    key_sha256: String,
    revoked: Option<String>,
}

impl Index {
    fn to_toml(&self) -> String {
        let mut text = format!(
            "# What this authority has signed. Written by `portolan certs`; do not edit.\nlist_number = {}\nlist_days = {}\n",
            self.list_number, self.list_days
        );
        for entry in &self.certificates {
            text.push_str("\n[[certificates]]\n");
            let revoked = entry.revoked.as_ref().map(|time| ("revoked", time));
            let fields = [
                ("serial", &entry.serial),
                ("name", &entry.name),
                ("subject", &entry.subject),
                ("use", &entry.usage.as_str().to_owned()),
                ("not_before", &entry.not_before),
                ("not_after", &entry.not_after),
                ("key_sha256", &entry.key_sha256),
            ]
            .map(|(key, value)| format!("{key} = {}\n", toml_string(value)));
            text.extend(fields);
            text.extend(revoked.map(|(key, value)| format!("{key} = {}\n", toml_string(value))));
        }
        text
    }
}

impl Entry {
    fn revocation(&self) -> Option<RevokedCertParams> {
        let time: Timestamp = self.revoked.as_ref()?.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        Some(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial_bytes(&self.serial)),
            revocation_time: date_time_ymd(1970, 1, 1) + since_1970(time),
            reason_code: None,
            invalidity_date: None,
        })
    }
}

fn toml_string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn serial_bytes(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn at(file: &Path, reason: impl ToString) -> CertsError {
    CertsError::File { file: file.to_owned(), reason: reason.to_string() }
}

fn lock(folder: &Path) -> Result<File, CertsError> {
    let path = folder.join("lock");
    let options = File::options().create(true).truncate(false).write(true).to_owned();
    let file = options.open(&path).map_err(|e| at(folder, format!("no authority here ({e}); run `portolan certs init`")))?;
    // Another command is done in an instant; one that is not, is not waited for.
    for _ in 0..LOCK_ATTEMPTS_MAX {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(e)) => return Err(at(&path, e)),
        }
    }
    Err(at(&path, "another command is at work in this folder"))
}

fn summary_of(certificate: &CertificateDer<'_>) -> Result<Summary, CertsError> {
    Summary::of(certificate).map_err(CertsError::Request)
}

fn pem_text(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine;
    const LINE_CHARS: usize = 64;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(LINE_CHARS).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// What to add to the certificate library's 1970-01-01 to get its form of a time.
fn since_1970(time: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0))
}

fn params(subject: DistinguishedName, validity: Validity, clock: &dyn Clock) -> Result<CertificateParams, CertsError> {
    let mut serial = [0; SERIAL_BYTES];
    clock.random(&mut serial);
    // Positive and without a leading zero byte, so that it is written the same everywhere.
    serial[0] = serial[0] & 0x7F | 0x40;
    let mut params = CertificateParams::new(Vec::new())?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(validity.not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(validity.not_after);
    params.distinguished_name = subject;
    Ok(params)
}

fn subject(names: &Names) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(organization) = &names.organization {
        subject.push(DnType::OrganizationName, organization.as_str());
    }
    subject.push(DnType::CommonName, names.common_name.as_str());
    subject
}

fn alternative(text: &str) -> Result<SanType, CertsError> {
    let malformed = |_| CertsError::Request(format!("{text:?} is no DNS name, IP address, e-mail address or URI (ASCII only)"));
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    match text {
        _ if text.contains(':') => text.try_into().map(SanType::URI).map_err(malformed),
        _ if text.contains('@') => text.try_into().map(SanType::Rfc822Name).map_err(malformed),
        _ => text.try_into().map(SanType::DnsName).map_err(malformed),
    }
}

/// Copies a subject. Attributes that occur twice cannot be written again, so they are refused.
fn distinguished(name: &X509Name<'_>) -> Result<DistinguishedName, CertsError> {
    let unusual = |what: &str| CertsError::Request(format!("the subject {} {what}; ask for a plainer one", distinguished_name(name)));
    let mut copy = DistinguishedName::new();
    for attribute in name.iter_attributes() {
        let oid: Vec<u64> =
            attribute.attr_type().iter().map(Iterator::collect).ok_or_else(|| unusual("has an attribute of an unknown type"))?;
        let kind = DnType::from_oid(&oid);
        let text = attribute_text(attribute.attr_value()).ok_or_else(|| unusual("has a value that is no text"))?;
        if copy.get(&kind).is_some() {
            return Err(unusual("has the same attribute twice"));
        }
        copy.push(kind, text);
    }
    Ok(copy)
}

fn requested_names(request: &X509CertificationRequest<'_>) -> Result<Vec<SanType>, CertsError> {
    let mut names = Vec::new();
    for extension in request.requested_extensions().into_iter().flatten() {
        if let ParsedExtension::SubjectAlternativeName(wanted) = extension {
            for name in &wanted.general_names {
                let text = alternative_name(name).ok_or_else(|| {
                    CertsError::Request(format!("the request asks for the name {name}, which this authority does not sign"))
                })?;
                names.push(alternative(&text)?);
            }
        }
    }
    Ok(names)
}

fn read_request(file: &Path) -> Result<CertificateSigningRequestDer<'static>, CertsError> {
    const REQUEST_BYTES_MAX: u64 = 64 * 1024;
    let length = std::fs::metadata(file).map_err(|e| at(file, e))?.len();
    if length > REQUEST_BYTES_MAX {
        return Err(at(file, format!("larger than {REQUEST_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(|e| at(file, e))?;
    // Java's keytool writes the older label.
    let text = text.replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST");
    CertificateSigningRequestDer::from_pem_slice(text.as_bytes())
        .map_err(|e| at(file, format!("expected -----BEGIN CERTIFICATE REQUEST----- ({e})")))
}

//! PEM files: reading them with a limit, refusing private keys that others may read, and writing so
//! that a crash leaves the old file or the new one.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Bytes of a file with certificates, keys or revocation lists.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Certificates of one file.
pub const CERTIFICATES_PER_FILE_MAX: usize = 256;

/// What is said of bytes that should be a certificate.
pub const NOT_X509: &str = "not an X.509 certificate, or a damaged one; export it again as PEM";

/// The certificates of a PEM file, at least one.
///
/// # Errors
/// What is wrong with the file and what is expected.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .take(CERTIFICATES_PER_FILE_MAX + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| damaged("-----BEGIN CERTIFICATE-----"))?;
    match certificates.len() {
        0 => Err("there is no certificate in it; expected PEM with -----BEGIN CERTIFICATE-----".to_owned()),
        1..=CERTIFICATES_PER_FILE_MAX => Ok(certificates),
        _ => Err(format!("more than {CERTIFICATES_PER_FILE_MAX} certificates in one file")),
    }
}

/// The revocation lists of a PEM file, or the one of a DER file.
///
/// # Errors
/// What is wrong with the file and what is expected.
pub fn read_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    const DER_SEQUENCE: u8 = 0x30;
    let bytes = read(path)?;
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![CertificateRevocationListDer::from(bytes)]);
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let lists = lists.map_err(|_| damaged("-----BEGIN X509 CRL-----"))?;
    if lists.is_empty() {
        return Err("there is no revocation list in it; expected DER or -----BEGIN X509 CRL-----".to_owned());
    }
    Ok(lists)
}

/// The private key of a PEM file (PKCS#8, SEC1 or PKCS#1) that its owner alone may read.
///
/// # Errors
/// What is wrong with the file and what to do.
pub fn read_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read_secret(path)?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| "there is no private key in it that can be used; expected -----BEGIN PRIVATE KEY----- without a passphrase".to_owned())
}

/// The bytes of a file that its owner alone may read.
///
/// # Errors
/// Why it cannot be read, or that others may read it and what to do.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("others may read this private key (mode {mode:04o}); run: chmod 600 {}", path.display()));
    }
    read_limited(file)
}

/// Replaces a file that anybody may read: written beside it, made durable, then renamed.
///
/// # Errors
/// Those of the file system.
pub fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o644)
}

/// Replaces a file that only its owner may read.
///
/// # Errors
/// Those of the file system.
pub fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o600)
}

fn unreadable(error: io::Error) -> String {
    format!("cannot be read: {error}")
}

fn damaged(expected: &str) -> String {
    format!("the PEM in it is damaged: {expected}, lines of base64 and the END line that belongs to it are expected; export the file again")
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_limited(File::open(path).map_err(unreadable)?)
}

fn read_limited(file: File) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let length = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(format!("larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A new temporary file is 0600 from the start, so that a key is never readable in between.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

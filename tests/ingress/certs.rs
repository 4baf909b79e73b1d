//! The private authority, judged by OpenSSL: what it makes verifies there, and its revocation list counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

use clap::Parser;
use portolan::certs::cli::{CertsCommand, run};
use portolan::certs::{Authority, Summary, files};
use portolan::domain::Digest;
use portolan::seams::SystemClock;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: CertsCommand,
}

/// A folder with an authority in `ca`, and the command line in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.certs("init --folder ca --name Development --organization 税务局").unwrap();
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Runs `portolan certs …`; words that name a file of the desk are made paths.
    fn certs(&self, line: &str) -> Result<(), String> {
        let path = |word: &str| match word {
            "ca" => self.path("ca").display().to_string(),
            _ if word.contains('.') && self.path(word).exists() => self.path(word).display().to_string(),
            _ => word.to_owned(),
        };
        let words = std::iter::once("certs".to_owned()).chain(line.split(' ').map(path));
        let line = Line::try_parse_from(words).map_err(|e| e.to_string())?;
        run(line.command).map_err(|e| e.to_string())
    }

    /// Runs openssl in the desk's folder; what it said, and whether it was content.
    fn openssl(&self, line: &str) -> (bool, String) {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(self.0.path()).output();
        let output = output.expect("openssl must be installed to run this test");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }

    fn summary(&self, file: &str) -> Summary {
        Summary::of(&files::read_certificates(&self.path(file)).unwrap()[0]).unwrap()
    }
}

const VERIFY: &str = "verify -x509_strict -crl_check -CAfile ca/ca.pem -CRLfile ca/crl.pem -purpose";

#[test]
fn what_is_issued_verifies() {
    let desk = Desk::new();
    desk.certs("issue --folder ca --name gateway --use server --dns gateway.example --ip 127.0.0.1 --ip ::1").unwrap();
    desk.certs("issue --folder ca --name bank --use client --organization 银行,北京").unwrap();
    for (name, purpose, other) in [("gateway", "sslserver", "sslclient"), ("bank", "sslclient", "sslserver")] {
        let (good, text) = desk.openssl(&format!("{VERIFY} {purpose} ca/issued/{name}.pem"));
        assert!(good, "{text}");
        let (good, text) = desk.openssl(&format!("{VERIFY} {other} ca/issued/{name}.pem"));
        assert!(!good && text.contains("purpose"), "{text}");
    }
    assert_eq!(desk.summary("ca/issued/gateway.pem").alternative_names, ["gateway.example", "127.0.0.1", "::1"]);
}

#[test]
fn certificates_are_described_as_openssl_describes_them() {
    let desk = Desk::new();
    desk.certs("issue --folder ca --name bank --use client --organization 银行,北京 --common-name #1;<推送>").unwrap();
    let summary = desk.summary("ca/issued/bank.pem");
    let shown = |what: &str| desk.openssl(&format!("x509 -in ca/issued/bank.pem -noout {what}")).1.trim().to_owned();
    assert_eq!(shown("-subject -nameopt RFC2253,utf8,-esc_msb"), format!("subject={}", summary.subject));
    assert_eq!(shown("-serial").to_lowercase(), format!("serial={}", summary.serial));
    assert_eq!(shown("-fingerprint -sha256").to_lowercase().replace(':', ""), format!("sha256 fingerprint={}", summary.sha256));
    let (good, _) = desk.openssl("pkey -in ca/issued/bank.key -pubout -outform DER -out public.der");
    assert!(good);
    assert_eq!(Digest::of(&std::fs::read(desk.path("public.der")).unwrap()), summary.key_sha256);
}

#[test]
fn keys_are_for_their_owner_alone() {
    let desk = Desk::new();
    desk.certs("issue --folder ca --name bank --use client").unwrap();
    for key in ["ca/ca.key", "ca/issued/bank.key"] {
        let path = desk.path(key);
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(files::read_private_key(&path).unwrap_err().contains("chmod 600"));
    }
    let message = desk.certs("issue --folder ca --name other --use client").unwrap_err();
    assert!(message.contains("chmod 600"), "{message}");
}

#[test]
fn what_is_revoked_no_longer_verifies() {
    let desk = Desk::new();
    let verify = |file: &str| desk.openssl(&format!("{VERIFY} sslclient {file}"));
    desk.certs("issue --folder ca --name bank --use client").unwrap();
    desk.certs("renew bank --folder ca").unwrap();
    let (old, new) = ("ca/issued/bank.old.pem", "ca/issued/bank.pem");
    assert_eq!(desk.summary(old).key_sha256, desk.summary(new).key_sha256);
    assert_ne!(desk.summary(old).serial, desk.summary(new).serial);
    assert!(verify(old).0 && verify(new).0, "a renewal leaves no gap");
    desk.certs(&format!("revoke {old} --folder ca")).unwrap();
    assert!(verify(old).1.contains("certificate revoked"));
    assert!(verify(new).0);
    let valid_beside = |file: &str| {
        let authority = Authority::open(&desk.path("ca")).unwrap();
        authority.valid_beside(&desk.summary(file).serial, &SystemClock).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(valid_beside(old), [desk.summary(new).serial]);
    desk.certs(&format!("revoke {} --folder ca", desk.summary(new).serial.to_uppercase())).unwrap();
    assert!(valid_beside(old).is_empty() && valid_beside(new).is_empty());
    desk.certs("renew --folder ca").unwrap();
    assert!(verify(old).1.contains("certificate revoked") && verify(new).1.contains("certificate revoked"));
    desk.certs("renew bank --folder ca --new-key").unwrap();
    assert!(verify(new).0);
    assert_ne!(desk.summary("ca/issued/bank.old.pem").key_sha256, desk.summary(new).key_sha256);
    assert!(desk.certs("revoke 0123 --folder ca").unwrap_err().contains("signed no certificate"));
}

#[test]
fn requests_are_signed_for_names_and_key_alone() {
    let desk = Desk::new();
    // The request asks to be an authority and for every use; it gets neither.
    let extensions = "-addext subjectAltName=DNS:push.bank.example,email:push@bank.example -addext basicConstraints=CA:TRUE -addext extendedKeyUsage=anyExtendedKeyUsage";
    for (name, kind) in [("ec", "ec -pkeyopt ec_paramgen_curve:P-256"), ("rsa", "rsa:2048"), ("edwards", "ed25519")] {
        let (good, text) = desk.openssl(&format!(
            "req -new -newkey {kind} -nodes -keyout {name}.key -out {name}.csr -subj /C=CN/O=Bank/CN={name} {extensions}"
        ));
        assert!(good, "{text}");
        desk.certs(&format!("sign {name}.csr --folder ca --name {name}")).unwrap();
        let file = format!("ca/issued/{name}.pem");
        assert!(desk.openssl(&format!("{VERIFY} sslclient {file}")).0);
        assert!(!desk.openssl(&format!("{VERIFY} sslserver {file}")).0);
        let text = desk.openssl(&format!("x509 -in {file} -noout -ext basicConstraints,extendedKeyUsage")).1;
        assert!(text.contains("CA:FALSE") && text.contains("TLS Web Client Authentication") && !text.contains("Any"), "{text}");
        let summary = desk.summary(&file);
        assert_eq!(
            (summary.subject, summary.alternative_names),
            (format!("CN={name},O=Bank,C=CN"), vec!["push.bank.example".to_owned(), "push@bank.example".to_owned()])
        );
    }
}

/// The profiles that partners are given, and the label that Java's keytool writes.
#[test]
fn requests_of_the_profiles_are_signed() {
    let desk = Desk::new();
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/profiles");
    for (usage, purpose) in [("client", "sslclient"), ("server", "sslserver")] {
        let profile = profiles.join(format!("{usage}.cnf"));
        let kind = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";
        let (good, text) = desk.openssl(&format!("req -new {kind} -config {} -keyout {usage}.key -out {usage}.csr", profile.display()));
        assert!(good, "{text}");
        let request = std::fs::read_to_string(desk.path(&format!("{usage}.csr"))).unwrap();
        std::fs::write(desk.path("java.csr"), request.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")).unwrap();
        desk.certs(&format!("sign java.csr --folder ca --name {usage} --use {usage}")).unwrap();
        let (good, text) = desk.openssl(&format!("{VERIFY} {purpose} ca/issued/{usage}.pem"));
        assert!(good, "{text}");
        assert_eq!(mode(&desk.path(&format!("{usage}.key"))), 0o600);
    }
}

#[test]
fn requests_that_prove_nothing_are_refused() {
    let desk = Desk::new();
    assert!(desk.openssl("req -new -newkey rsa:1024 -nodes -keyout weak.key -out weak.csr -subj /CN=weak").0);
    assert!(desk.openssl("req -new -newkey rsa:2048 -nodes -keyout good.key -out good.csr -subj /CN=good -outform DER").0);
    let mut bytes = std::fs::read(desk.path("good.csr")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(desk.path("forged.der"), bytes).unwrap();
    assert!(desk.openssl("req -inform DER -in forged.der -out forged.csr -outform PEM").0);
    std::fs::write(desk.path("words.csr"), "a certificate, please").unwrap();
    for (request, expected) in
        [("weak.csr", "1024 bits"), ("forged.csr", "not signed by the key"), ("words.csr", "BEGIN CERTIFICATE REQUEST")]
    {
        let message = desk.certs(&format!("sign {request} --folder ca --name partner")).unwrap_err();
        assert!(message.contains(expected), "{message}");
        assert!(!desk.path("ca/issued/partner.pem").exists());
    }
}

#[test]
fn mistakes_are_explained() {
    let desk = Desk::new();
    desk.certs("issue --folder ca --name bank --use client").unwrap();
    let cases = [
        ("init --folder ca --name Again", "holds an authority already"),
        ("issue --folder ca --name bank --use client", "use `renew`"),
        ("issue --folder ca --name Bank/.. --use client", "is not a name"),
        ("issue --folder ca --name shop --use client --dns 网关.example", "ASCII"),
        ("issue --folder elsewhere --name shop --use client", "portolan certs init"),
        ("issue --folder ca --name shop --use client --not-after 2020-01-01", "ends before it begins"),
        ("renew nobody --folder ca", "signed no certificate \"nobody\""),
        ("renew --folder ca --new-key", "<NAME>"),
    ];
    for (line, expected) in cases {
        let message = desk.certs(line).unwrap_err();
        assert!(message.contains(expected), "{line}: {message}");
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

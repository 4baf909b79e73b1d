//! The console in a browser: Debian's Chromium walks every page of a demonstration that runs, in both languages, at both
//! widths, light and dark (`walk.mjs`). Screenshots go to the build's folder, `tmp/console`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../support/tools.rs"]
mod tools;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A demonstration; it ends with the test.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Demo {
    /// Plays one until it says where to look next; then it stays up and traffic trickles on.
    fn start(folder: &Path, operator_port: u16) -> Self {
        let [partner_port, receiver_port] = [free_port(), free_port()].map(|port| port.to_string());
        let mut demo = Command::new(env!("CARGO_BIN_EXE_portolan"))
            .args(["demo", "--records", "300", "--folder"])
            .arg(folder)
            .args(["--partner-port", &partner_port, "--operator-port", &operator_port.to_string(), "--receiver-port", &receiver_port])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
        let demo = Self(demo);
        assert!(lines.any(|line| line.contains("The gateway stays up")), "the demonstration ended before it was up");
        // What it goes on to say is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        demo
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}

/// Candidates of mappings that the demonstration uses: one with a field from another source, one with a rule that refuses records, and one
/// with a problem; the first two are run against what was sent.
fn candidates(folder: &Path, operator_port: u16) {
    let limit = "\n[[rule]]\nid = \"income.limit\"\ncel = 'decimalCompare(record.gross_income, \"100000\") <= 0'\nfield = \"gross_income\"\n\
                 words = { zh = \"收入总额不得超过 100000\", en = \"at most 100000 is expected\" }\n";
    for (mapping, from, to) in [
        ("camt054", "Refs/EndToEndId", "Refs/ClrSysRef"),
        ("cn-platform-income", "\n# The table does not say", &format!("{limit}\n# The table does not say")),
        ("ceb603", "\ncanonical =", "\ncolour = \"red\"\ncanonical ="),
    ] {
        let shipped =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings").join(mapping).join("mapping.toml")).unwrap();
        let candidate = folder.join("gateway/candidates").join(mapping);
        std::fs::create_dir_all(&candidate).unwrap();
        let text = shipped.replacen(from, to, 1);
        assert_ne!(text, shipped, "{mapping}");
        std::fs::write(candidate.join("mapping.toml"), text).unwrap();
    }
    let certificates = folder.join("certs");
    for mapping in ["camt054", "cn-platform-income"] {
        let ran = Command::new(env!("CARGO_BIN_EXE_portolan"))
            .args(["ops", "candidates", "run", mapping, "--wait", "--received-from", "2020-01-01T00:00:00Z", "--received-to"])
            .args(["2200-01-01T00:00:00Z", "--url", &format!("https://localhost:{operator_port}"), "--ca"])
            .arg(certificates.join("ca.pem"))
            .arg("--cert")
            .arg(certificates.join("issued/operator.pem"))
            .arg("--key")
            .arg(certificates.join("issued/operator.key"))
            .output()
            .unwrap();
        assert!(ran.status.success(), "{mapping}: {ran:?}");
    }
}

/// The operator's certificate replaced by one that ends in five days: a cause for an alarm.
fn renew_for_five_days(folder: &Path) {
    let mut renew = Command::new(env!("CARGO_BIN_EXE_portolan"));
    let output = renew.args(["certs", "renew", "operator", "--days", "5", "--folder"]).arg(folder.join("certs")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_page_is_sound_in_both_languages_at_both_widths() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _demo = Demo::start(folder.path(), port);
    candidates(folder.path(), port);
    renew_for_five_days(folder.path());
    let certificate = folder.path().join("certs/issued/operator.pem");
    let walked = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/walk.mjs"))
        .arg(format!("https://localhost:{port}"))
        .args([&certificate, &certificate.with_extension("key")])
        .args([tools::package("playwright-core").join("index.js"), tools::package("axe-core")])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("console"))
        .output()
        .unwrap();
    let (wrong, walk) = (String::from_utf8_lossy(&walked.stdout), String::from_utf8_lossy(&walked.stderr));
    assert!(walked.status.success() && wrong.is_empty(), "{wrong}{walk}");
    for page in
        [" /partners/", " /flows/", " /alarms/", " /exchanges/", "/records ", " /dead-letters", " /changes", " /audit", " /handover"]
    {
        assert!(walk.contains(page), "no page {page}NAME was walked: {walk}");
    }
}

//! The configuration: what is read of a good one, every problem of a bad one, and its reference.
//!
//! A case in `tests/config_cases/` lays its files over `docs/example/` and lists the problems
//! that must be named, one a line, as `FILE:LINE: MESSAGE`, in their order. `-- NAME --` begins a file,
//! `-- problems --` the list.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use portolan::config::{CertificateMatch, Config, FILE_BYTES_MAX, OnInvalid, Order, Rate, reference};
use portolan::domain::{Digest, Name};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[test]
fn every_problem_is_named_with_file_and_line() {
    let cases = sorted_files(&here("tests/config_cases"));
    assert!(!cases.is_empty());
    let failures: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Lays a case over the example and compares the problems found with those it lists.
fn check(case: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(case).unwrap();
    let folder = copy_of_example();
    let mut expected = String::new();
    for part in text.split("\n-- ").map(|part| part.trim_start_matches("-- ")) {
        let (name, content) = part.split_once(" --\n").unwrap_or((part.trim_end_matches(" --"), ""));
        match name {
            "problems" => expected = content.trim_end().to_owned(),
            _ => write_file(&folder.path().join(name), content.as_bytes()),
        }
    }
    let problems = Config::load(folder.path()).err().unwrap_or_default();
    let found = problems.iter().fold(String::new(), |mut lines, problem| {
        writeln!(lines, "{problem}").unwrap();
        lines
    });
    let found = found.replace(&format!("{}/", folder.path().display()), "").trim_end().to_owned();
    if found == expected { Ok(()) } else { Err(format!("{}\n  expected:\n{expected}\n  found:\n{found}", case.display())) }
}

#[test]
fn a_good_configuration_is_read_whole() {
    let config = Config::load(&here("docs/example")).unwrap();
    let name = |text: &str| text.parse::<Name>().unwrap();

    assert_eq!(config.gateway.partner_listener.address.port(), 8443);
    assert_eq!(config.gateway.data, here("docs/example").join("data"));
    assert_eq!(config.gateway.expiry_warning_days, [60, 30, 7]);
    assert_eq!(config.gateway.limits.body_timeout, Duration::from_secs(30 * 60));
    assert_eq!(config.gateway.limits.body_bytes_max, 4 * 1024 * 1024 * 1024);

    let bank = &config.partners[&name("bank")];
    // The digest is what `openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | sha256sum` says of bank.pem.
    let key = "6f22e8e06f80218fabf269ea02ce3919d7e397100c29acb415c4df080e39e99b".parse::<Digest>().unwrap();
    assert_eq!(bank.certificates[0], CertificateMatch::Key(key));
    assert!(
        matches!(&bank.certificates[1], CertificateMatch::Issued { subject: None, alternative_name: Some(name), .. } if name == "bank.example")
    );
    assert_eq!(bank.title.zh, "示范银行");
    assert_eq!(bank.limits.requests, Some(Rate { per_second: 10, burst: 20 }));
    assert_eq!(bank.limits.bytes, Some(Rate { per_second: 1_000_000, burst: 1_000_000 }));
    assert_eq!(bank.limits.records_per_body_max, Some(500_000));
    assert_eq!(config.partners[&name("tax-bureau")].limits.records_per_body_max, Some(20_000_000), "as docs/configuration.md says");

    let place = &config.partners[&name("tax-bureau")].destinations[&name("payments")];
    assert_eq!(place.id.to_string(), "tax-bureau/payments");
    assert_eq!(place.timeout, Duration::from_secs(5));
    assert_eq!(place.give_up_after, Duration::from_secs(72 * 3600));

    let flow = &config.flows[&name("payment-confirmation")];
    assert_eq!(flow.senders[&name("bank")].mappings, ["camt-054", "camt-053"]);
    assert_eq!((flow.on_invalid, &flow.order), (OnInvalid::RefuseBody, &Order::Key("account".to_owned())));
    assert_eq!(flow.zone, "Asia/Shanghai");
    assert_eq!(flow.routes[0].when.as_deref(), Some("record.status == \"booked\""));
    assert_eq!(flow.digest, Digest::of(&std::fs::read(here("docs/example/flows/payment-confirmation.toml")).unwrap()));
}

#[test]
fn other_files_in_the_folders_are_passed_over() {
    let folder = copy_of_example();
    for other in ["partners/.bank.toml.swp", "partners/.hidden.toml", "flows/README.md", "flows/old.toml~"] {
        write_file(&folder.path().join(other), b"not a configuration");
    }
    assert_eq!(Config::load(folder.path()).unwrap().partners.len(), 2);
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_a_problem_of_that_file_alone() {
    let folder = copy_of_example();
    let large = vec![b'#'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
    write_file(&folder.path().join("partners/large.toml"), &large);
    write_file(&folder.path().join("partners/latin.toml"), b"title = { zh = \"\xE9\", en = \"e\" }");
    let problems = Config::load(folder.path()).unwrap_err();
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["the file is larger than 1048576 bytes", "the file is not UTF-8 text"]);
}

/// `PORTOLAN_BLESS=1 cargo test --test config` writes the file anew.
#[test]
fn the_reference_is_up_to_date() {
    let file = here("docs/configuration.md");
    if std::env::var_os("PORTOLAN_BLESS").is_some() {
        std::fs::write(&file, reference()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == reference(), "docs/configuration.md is out of date: run `PORTOLAN_BLESS=1 cargo test --test config`");
}

#[tokio::test]
async fn a_changed_file_asks_for_a_reload_and_a_file_of_the_journal_does_not() {
    let folder = copy_of_example();
    let config = Config::load(folder.path()).unwrap();
    let mut reloads = portolan::config::Reloads::new(&config).unwrap();
    let silent = |path: &str| write_file(&folder.path().join(path), b"x");

    silent("data/journal.db");
    silent("notes.txt");
    Config::load(folder.path()).unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), reloads.next()).await.is_err(), "nothing of the configuration changed");

    for changed in ["portolan.toml", "flows/new.toml", "mappings/camt-054/mapping.toml", "ca.pem"] {
        silent(changed);
        tokio::time::timeout(Duration::from_secs(60), reloads.next()).await.unwrap_or_else(|_| panic!("{changed} was not seen"));
    }
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn copy_of_example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&here("docs/example"), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in sorted_files(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { write_file(&target, &std::fs::read(&path).unwrap()) }
    }
}

fn write_file(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn sorted_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

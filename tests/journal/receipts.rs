//! Receipts: ours verified by another program, another program's verified by us, and none that was
//! changed; and the keys.

use crate::cases::cases;
use crate::support::{TestClock, sample};
use jiff::SignedDuration;
use portolan::journal::sqlite::SqliteJournal;
use portolan::journal::{Committed, HeadSigner, Journal, Journaled};
use portolan::receipt::{Jwks, Keys, KeysError, Mismatch, Receipt, verify};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, empty};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Made by `cases/foreign_receipt.py`, with nothing of ours.
const RECEIPT: &str = include_str!("cases/foreign/receipt.json");
const JWKS: &str = include_str!("cases/foreign/jwks.json");
const BODY: &[u8] = include_bytes!("cases/foreign/body");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    receipt: BTreeMap<String, Value>,
    #[serde(default)]
    jwks: BTreeMap<String, Value>,
    replace: Option<[String; 2]>,
    #[serde(default)]
    append: String,
    body: Option<String>,
    expect: Vec<String>,
}

#[test]
fn a_foreign_receipt_holds() {
    let verified = verify(RECEIPT.as_bytes(), &Jwks::parse(JWKS).unwrap(), Some(BODY)).unwrap();
    assert_eq!((verified.leaf.index, verified.head.batch, verified.leaf.body.bytes), (44, 12, BODY.len() as u64));
    assert_eq!(verified.leaf.message_id.as_deref(), Some("批次 2026\t\u{1}\u{7f}\"\\/€😀"));
}

#[test]
fn whatever_was_changed_is_found() {
    for case in cases::<Case>(include_str!("cases/tampered.toml")) {
        let mut receipt = changed(RECEIPT, &case.receipt);
        if let Some([from, to]) = &case.replace {
            receipt = RECEIPT.replacen(from, to, 1);
            assert_ne!(receipt, RECEIPT, "{}", case.name);
        }
        let body = case.body.map_or(BODY.to_vec(), String::into_bytes);
        let body = [body, case.append.into_bytes()].concat();
        let verified = verify(receipt.as_bytes(), &Jwks::parse(&changed(JWKS, &case.jwks)).unwrap(), Some(body.as_slice()));
        let found = verified.err().map_or(Vec::new(), |error| error.mismatches);
        assert_eq!(found.iter().map(kind).collect::<Vec<_>>(), case.expect, "{}: {found:?}", case.name);
        assert!(found.iter().all(|mismatch| !mismatch.words().zh.is_empty() && !mismatch.words().en.is_empty()));
    }
}

#[test]
fn a_receipt_without_its_body_still_holds() {
    verify(RECEIPT.as_bytes(), &Jwks::parse(JWKS).unwrap(), None::<std::io::Empty>).unwrap();
}

#[test]
fn a_body_that_cannot_be_read_is_no_match() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let error = verify(RECEIPT.as_bytes(), &Jwks::parse(JWKS).unwrap(), Some(Broken)).unwrap_err();
    assert_eq!(error.mismatches, [Mismatch::BodyUnreadable("the disk is gone".to_owned())]);
    assert!(verify(b"", &Jwks::default(), Some(empty())).is_err());
}

#[tokio::test]
async fn another_program_verifies_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, keys, clock) = open(folder.path());
    let tasks: Vec<_> = (0..7)
        .map(|number| {
            let mut exchange = sample(clock.as_ref(), &format!("报文 {number}"));
            exchange.verdict.message_id = Some(format!("批次\t\u{1}\u{7f}\"\\/€😀{number}"));
            exchange.idempotency_key = Some(number.to_string());
            commit(journal.clone(), exchange)
        })
        .collect();
    let journaled = futures_util::future::join_all(tasks).await;
    let python = Command::new("python3").args(["-c", "import cryptography"]).output();
    assert!(python.is_ok_and(|python| python.status.success()), "python3 with the package cryptography is not there: run `make tools`");
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("jwks.json"), keys.jwks().to_text()).unwrap();
    for (number, journaled) in journaled.iter().enumerate() {
        std::fs::write(file("receipt"), Receipt::new(journaled).to_bytes()).unwrap();
        std::fs::write(file("body"), format!("报文 {number}")).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journal/cases/verify_receipt.py");
        let verified = Command::new("python3").arg(script).args([file("receipt"), file("jwks.json"), file("body")]).output().unwrap();
        assert!(verified.status.success(), "{verified:?}");
    }
}

#[tokio::test]
async fn a_receipt_outlives_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, keys, clock) = open(folder.path());
    let before = commit(journal.clone(), sample(clock.as_ref(), "before")).await;
    let (first_kid, pinned) = (keys.kid(), keys.jwks());
    clock.advance(SignedDuration::from_hours(24));
    keys.rotate().unwrap();
    assert_ne!(keys.kid(), first_kid);
    let after = commit(journal.clone(), sample(clock.as_ref(), "after")).await;
    let published = Jwks::parse(&std::fs::read_to_string(folder.path().join("keys/jwks.json")).unwrap()).unwrap();
    assert_eq!(published, keys.jwks());
    for (journaled, kid) in [(&before, &first_kid), (&after, &keys.kid())] {
        assert_eq!(&verify(Receipt::new(journaled).to_bytes(), &published, None::<std::io::Empty>).unwrap().kid, kid);
    }
    let unknown = verify(Receipt::new(&after).to_bytes(), &pinned, None::<std::io::Empty>).unwrap_err();
    assert_eq!(unknown.mismatches, [Mismatch::KeyUnknown(keys.kid())]);
    // Opened again, the same key goes on, and the retired one stays retired.
    drop(journal);
    let again = Keys::open_or_create(&folder.path().join("keys"), clock).unwrap();
    assert_eq!((again.kid(), again.jwks()), (keys.kid(), published));
}

#[test]
fn an_exposed_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::new(3));
    Keys::open_or_create(folder.path(), clock.clone()).unwrap();
    let path = folder.path().join("receipt-key.pem");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Keys::open_or_create(folder.path(), clock), Err(KeysError::Exposed(_))));
}

#[test]
fn a_rotation_that_was_cut_short_is_made_whole() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::new(4));
    let first = Keys::open_or_create(folder.path(), clock.clone()).unwrap();
    let published = std::fs::read(folder.path().join("jwks.json")).unwrap();
    first.rotate().unwrap();
    // As if the process had ended between the new key and its publication.
    std::fs::write(folder.path().join("jwks.json"), published).unwrap();
    let again = Keys::open_or_create(folder.path(), clock).unwrap();
    let keys = again.jwks().keys;
    assert_eq!(keys.iter().map(|key| key.portolan_valid_to.is_some()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(keys[1].kid, again.kid());
}

/// JSON with other values at some pointers.
fn changed(text: &str, values: &BTreeMap<String, Value>) -> String {
    let mut json: Value = serde_json::from_str(text).unwrap();
    for (pointer, value) in values {
        *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
    }
    json.to_string()
}

fn kind(mismatch: &Mismatch) -> String {
    let text = format!("{mismatch:?}");
    text.chars().take_while(char::is_ascii_alphabetic).collect()
}

async fn commit(journal: Arc<SqliteJournal>, exchange: portolan::journal::NewExchange) -> Journaled {
    match journal.commit(exchange).await.unwrap() {
        Committed::New(journaled) => journaled,
        other => panic!("{other:?}"),
    }
}

fn open(folder: &Path) -> (Arc<SqliteJournal>, Arc<Keys>, Arc<TestClock>) {
    let clock = Arc::new(TestClock::new(5));
    let keys = Arc::new(Keys::open_or_create(&folder.join("keys"), clock.clone()).unwrap());
    let journal = SqliteJournal::open(&folder.join("data"), keys.clone(), clock.clone()).unwrap();
    (Arc::new(journal), keys, clock)
}

//! The embedded store under the suite.

use crate::suite::Store;
use crate::support::{TestClock, bytes_of, sample, spooled};
use portolan::data::DataError;
use portolan::domain::{Digest, IndexRow, Stored};
use portolan::journal::acts::{ActRequest, Deed, NewAct};
use portolan::journal::sqlite::{OpenError, Options, RESTORED_MARK, SqliteJournal};
use portolan::journal::{Committed, Journal, JournalError};
use portolan::receipt::audit::watch::{ChainWatch, Verified};
use portolan::receipt::audit::{AuditProblem, verify_chain};
use portolan::receipt::{Jwks, Keys};
use portolan::seams::{Clock, new_id};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A data folder and what is opened with it.
pub struct SqliteStore {
    folder: TempDir,
    clock: Arc<TestClock>,
    keys: Arc<Keys>,
}

impl Default for SqliteStore {
    fn default() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::new(1));
        let keys = Arc::new(Keys::open_or_create(&folder.path().join("keys"), clock.clone()).unwrap());
        Self { folder, clock, keys }
    }
}

impl Store for SqliteStore {
    /// A process that another test starts has the lock of a journal just closed until it runs: that is waited for.
    fn open(&self) -> Arc<dyn Journal> {
        for _ in 0..1_000 {
            match SqliteJournal::open(&self.folder.path().join("data"), self.keys.clone(), self.clock.clone()) {
                Err(OpenError::Folder(DataError::InUse(_))) => std::thread::sleep(Duration::from_millis(5)),
                opened => return Arc::new(opened.unwrap()),
            }
        }
        panic!("the data folder stays in use")
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn jwks(&self) -> Jwks {
        self.keys.jwks()
    }

    fn spool(&self) -> &Path {
        self.folder.path()
    }
}

crate::suite::journal_suite!(SqliteStore);

#[test]
fn a_folder_has_one_gateway_at_a_time() {
    let store = SqliteStore::default();
    let journal = store.open();
    assert!(matches!(store.try_open(Options::default()), Err(OpenError::Folder(DataError::InUse(_)))));
    drop(journal);
    store.try_open(Options::default()).unwrap();
}

#[tokio::test]
async fn an_audit_looks_beside_the_running_gateway_and_changes_nothing() {
    let store = SqliteStore::default();
    assert!(SqliteJournal::look(&store.data()).is_err());
    assert!(!store.data().exists(), "nothing is made where nothing is");
    let journal = store.open();
    for body in ["a", "b"] {
        journal.commit(sample(store.clock(), body)).await.unwrap();
    }
    // As a file of a commit that is still under way.
    let shelf = store.data().join("bodies/00");
    std::fs::create_dir_all(&shelf).unwrap();
    std::fs::write(shelf.join("00000000000000000000000000000000.body"), "to come").unwrap();
    let looked = SqliteJournal::look(&store.data()).unwrap();
    let report = verify_chain(&looked, &store.jwks()).await;
    assert_eq!((report.problems, report.exchanges), (Vec::new(), 2));
    assert!(matches!(looked.commit(sample(store.clock(), "c")).await, Err(JournalError::Unavailable(_))));
    journal.commit(sample(store.clock(), "c")).await.unwrap();
    let report = verify_chain(&looked, &store.jwks()).await;
    assert_eq!((report.problems, report.exchanges), (Vec::new(), 3));
    assert_eq!(store.files().len(), 1);
}

#[tokio::test]
async fn an_audit_names_a_changed_end_of_the_chain() {
    let store = SqliteStore::default();
    let journal = store.open();
    journal.commit(sample(store.clock(), "a")).await.unwrap();
    drop(journal);
    store.database().execute_batch("UPDATE leaf SET leaf = replace(leaf, 'bank', 'bang')").unwrap();
    let report = verify_chain(&SqliteJournal::look(&store.data()).unwrap(), &store.jwks()).await;
    assert!(
        report.problems.iter().any(|problem| problem.words.en.contains("the root recomputed from the leaves")),
        "{:?}",
        report.problems
    );
}

#[test]
fn what_is_not_ours_or_newer_is_not_touched() {
    // What is done to journal.db, and what opening it must say then.
    let cases = [
        ("PRAGMA user_version = 2", "have version 2"),
        ("PRAGMA application_id = 1", "is not a journal"),
        ("PRAGMA application_id = 0; PRAGMA user_version = 0", "is not a journal"),
    ];
    for (change, expected) in cases {
        let store = SqliteStore::default();
        drop(store.open());
        store.database().execute_batch(change).unwrap();
        let error = store.try_open(Options::default()).err().unwrap();
        assert!(error.to_string().contains(expected), "{change}: {error}");
        let error = SqliteJournal::look(&store.data()).err().unwrap();
        assert!(error.to_string().contains(expected), "{change}: {error}");
    }
    let store = SqliteStore::default();
    std::fs::create_dir_all(store.data()).unwrap();
    std::fs::write(store.data().join("journal.db"), "this is no database, however long it may be".repeat(50)).unwrap();
    assert!(matches!(store.try_open(Options::default()), Err(OpenError::Sql(_))));
}

#[tokio::test]
async fn bodies_without_their_journal_are_not_swept_away() {
    let store = SqliteStore::default();
    let journal = store.open();
    journal.commit(spooled(sample(store.clock(), "a"), store.spool())).await.unwrap();
    drop(journal);
    for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(store.data().join(file));
    }
    assert!(matches!(store.try_open(Options::default()), Err(OpenError::JournalMissing)));
    assert_eq!(store.files().len(), 3);
}

#[tokio::test]
async fn files_that_were_never_committed_are_removed() {
    let store = SqliteStore::default();
    let journal = store.open();
    let mut kept = spooled(sample(store.clock(), "kept"), store.spool());
    kept.idempotency_key = Some("k".to_owned());
    journal.commit(kept.clone()).await.unwrap();
    // A repeat brings files of its own, which are not kept.
    let mut repeat = spooled(sample(store.clock(), "kept"), store.spool());
    repeat.idempotency_key = Some("k".to_owned());
    assert!(matches!(journal.commit(repeat).await, Ok(Committed::Repeat(_))));
    assert_eq!(store.files().len(), 3);
    drop(journal);
    let orphan = new_id(store.clock());
    let shelf = store.data().join(format!("bodies/{:02x}", orphan.as_bytes()[15]));
    std::fs::create_dir_all(&shelf).unwrap();
    for part in ["body", "canonical", "index", "partial"] {
        std::fs::write(shelf.join(format!("{orphan}.{part}")), "cut sho").unwrap();
    }
    let journal = store.open();
    assert_eq!(store.files().len(), 3);
    assert_eq!(bytes_of(&journal.body(kept.id).await.unwrap().unwrap()), b"kept");
}

#[tokio::test]
async fn files_of_a_journaled_exchange_outlive_a_second_commit_that_fails() {
    let store = SqliteStore::default();
    let journal = store.open();
    let kept = spooled(sample(store.clock(), "kept"), store.spool());
    journal.commit(kept.clone()).await.unwrap();
    // Its spool files are the journal's by now, so that they cannot be taken over once more.
    assert!(journal.commit(kept.clone()).await.is_err());
    assert_eq!(store.files().len(), 3);
    assert_eq!(bytes_of(&journal.body(kept.id).await.unwrap().unwrap()), b"kept");
    // Nothing is left of one that was never journaled.
    let mut cut = spooled(sample(store.clock(), "cut"), store.spool());
    cut.verdict.index = Stored::File { path: store.spool().join("missing"), bytes: 1 };
    assert!(journal.commit(cut).await.is_err());
    assert_eq!(store.files().len(), 3);
}

#[tokio::test]
async fn leases_end_with_the_gateway_that_held_them() {
    let store = SqliteStore::default();
    let (to, journal) = ("tax/inbox".parse().unwrap(), store.open());
    journal.commit(sample(store.clock(), "a")).await.unwrap();
    let until = store.clock().now() + jiff::SignedDuration::from_hours(1);
    let held = journal.lease(&to, store.clock().now(), until, 9).await.unwrap();
    journal.rendered(held[0].delivery, held[0].token, Digest::of(b"rendered")).await.unwrap();
    drop(journal);
    let journal = store.open();
    let again = journal.lease(&to, store.clock().now(), until, 9).await.unwrap();
    assert_eq!((again.len(), again[0].delivery, again[0].attempt), (1, held[0].delivery, 2), "nobody waits for the hour to pass");
    assert_eq!(again[0].rendered, Some(Digest::of(b"rendered")), "and the same bytes are sent");
}

#[tokio::test]
async fn one_that_cannot_be_committed_does_not_take_others_along() {
    let store = SqliteStore::default();
    let journal = store.open();
    let tasks: Vec<_> = (0..9)
        .map(|number| {
            let mut exchange = sample(store.clock(), &number.to_string());
            if number == 4 {
                exchange.verdict.index = Stored::Inline(vec![0; IndexRow::BYTES - 1].into());
            }
            let journal = journal.clone();
            tokio::spawn(async move { journal.commit(exchange).await })
        })
        .collect();
    let mut indexes = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(Committed::New(journaled)) => indexes.push(journaled.position().index),
            Err(JournalError::Damaged(_)) => assert_eq!(number, 4),
            other => panic!("{other:?}"),
        }
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (0..8).collect::<Vec<_>>());
    assert!(verify_chain(journal.as_ref(), &store.jwks()).await.holds());
}

#[tokio::test]
async fn a_restored_journal_goes_on_in_a_new_epoch() {
    let store = SqliteStore::default();
    let mark = store.data().join(RESTORED_MARK);
    let reopen = |restored: bool| {
        std::fs::create_dir_all(store.data()).unwrap();
        if restored {
            std::fs::write(&mark, "").unwrap();
        }
        let journal = store.open();
        assert!(!mark.exists(), "the mark is taken away");
        journal
    };
    // An epoch without a head is not left behind.
    drop(reopen(true));
    for (epoch, restored) in [(1, true), (2, true), (2, false), (3, true)] {
        let journal = reopen(restored);
        let Ok(Committed::New(journaled)) = journal.commit(sample(store.clock(), "a")).await else { panic!("not new") };
        assert_eq!(journaled.position().epoch, epoch);
    }
    // Begun, without a head yet, and opened again.
    drop(reopen(true));
    let journal = reopen(false);
    let Ok(Committed::New(journaled)) = journal.commit(sample(store.clock(), "b")).await else { panic!("not new") };
    assert_eq!((journaled.position().epoch, journaled.position().index), (4, 0));
    let report = verify_chain(journal.as_ref(), &store.jwks()).await;
    assert_eq!((report.problems, report.epochs, report.heads), (Vec::new(), 4, 5));
}

#[tokio::test]
async fn whatever_is_changed_in_the_tables_is_named() {
    // The change, and the words that the audit must have for it.
    let cases = [
        ("UPDATE exchange SET accepted = 9 WHERE sequence = 2", "the leaf does not match: outcome and counts"),
        ("UPDATE exchange SET partner = 'customs' WHERE sequence = 2", "the leaf does not match: partner and flow"),
        ("UPDATE exchange SET received_at = received_at + 1 WHERE sequence = 2", "the leaf does not match: the time of receipt"),
        ("UPDATE exchange SET fault = 'records.refused' WHERE sequence = 2", "the leaf does not match: the fault"),
        ("UPDATE exchange SET corrects = zeroblob(16) WHERE sequence = 2", "the leaf does not match: the exchange that it corrects"),
        ("UPDATE exchange SET idempotency_key = 'k' WHERE sequence = 2", "the leaf does not match: the idempotency key"),
        ("UPDATE exchange SET body_digest = zeroblob(32) WHERE sequence = 2", "the leaf does not match: digest and length of the body"),
        ("UPDATE content SET body = x'78' WHERE sequence = 2", "the body has the SHA-256"),
        ("UPDATE content SET canonical = NULL WHERE sequence = 2", "the canonical records cannot be read"),
        ("UPDATE leaf SET leaf = replace(leaf, '\"bank\"', '\"bang\"') WHERE sequence = 2", "the root recomputed from the leaves"),
        ("UPDATE leaf SET path = zeroblob(32) WHERE sequence = 2", "the leaf does not match: the inclusion path"),
        ("DELETE FROM content WHERE sequence = 2; DELETE FROM leaf WHERE sequence = 2", "the number of leaves"),
        ("DELETE FROM content WHERE sequence = 2; DELETE FROM leaf WHERE sequence = 2", "1 exchanges are counted but not in the chain"),
        ("DELETE FROM head WHERE batch = 1", "the heads of batches 1 up to 2 are missing"),
        ("DELETE FROM head WHERE batch = 1", "the link to the head before it"),
        ("UPDATE head SET jws = replace(jws, '.', '.A') WHERE batch = 1", "the signature does not match the key"),
        ("UPDATE head SET first_index = 7 WHERE batch = 1", "the first index"),
        ("UPDATE act SET text = replace(text, 'repairs', 'nothing') WHERE number = 2", "it does not match: the digest"),
        ("DELETE FROM act WHERE number = 2", "the link to the act before it"),
        ("DELETE FROM act WHERE number >= 2", "a head has signed for it, and it is missing"),
        ("UPDATE act SET hash = zeroblob(32) WHERE number = 3", "it is not what a head has signed for"),
    ];
    let store = SqliteStore::default();
    let journal = store.open();
    for body in ["a", "b", "c"] {
        let (at, deed) = (store.clock().now(), Deed::Pause { what: format!("flow/{body}").parse().unwrap() });
        let (reason, request) = ("repairs".to_owned(), ActRequest::Do(deed));
        let act = NewAct { operator: None, at, reason, request, deliveries_alone_max: 0, proposal_until: at };
        journal.act(act).await.unwrap();
        journal.commit(sample(store.clock(), body)).await.unwrap();
    }
    drop(journal);
    let sound = std::fs::read(store.data().join("journal.db")).unwrap();
    for (change, expected) in cases {
        std::fs::write(store.data().join("journal.db"), &sound).unwrap();
        let database = store.database();
        database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        database.execute_batch(change).unwrap();
        drop(database);
        let journal = store.open();
        let report = verify_chain(journal.as_ref(), &store.jwks()).await;
        let found: Vec<&str> = report.problems.iter().map(|problem| problem.words.en.as_str()).collect();
        assert!(found.iter().any(|words| words.contains(expected)), "{change}: {found:?}");
        // What the gateway sees of it while it runs: everything but what only counting shows.
        let watched = walked(&store.watch(journal)).await.report;
        let counted = |problem: &&AuditProblem| problem.words.en.ends_with("counted but not in the chain");
        assert!(watched.problems.iter().eq(report.problems.iter().filter(|problem| !counted(problem))), "{change}: {watched:?}");
    }
}

/// Walks to the end of the chain.
async fn walked(watch: &ChainWatch) -> Verified {
    while watch.step().await.unwrap() {}
    Verified::clone(&watch.verified())
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was() {
    let store = SqliteStore::default();
    let journal = store.open();
    let act = async |body: &str| {
        let (at, deed) = (store.clock().now(), Deed::Pause { what: format!("flow/{body}").parse().unwrap() });
        let (reason, request) = ("repairs".to_owned(), ActRequest::Do(deed));
        let act = NewAct { operator: None, at, reason, request, deliveries_alone_max: 0, proposal_until: at };
        journal.act(act).await.unwrap();
    };
    let watch = store.watch(journal.clone());
    assert_eq!(watch.verified().whole_at, None);
    for (round, body) in (1..).zip(["a", "b", "c"]) {
        // Of two acts before a head, it signs for the latter; the one after it is signed for by the next head.
        for suffix in ["1", "2"] {
            act(&format!("{body}{suffix}")).await;
        }
        journal.commit(sample(store.clock(), body)).await.unwrap();
        act(&format!("{body}3")).await;
        let Verified { report, whole_at } = walked(&watch).await;
        assert_eq!(report.problems, []);
        assert_eq!((report.epochs, report.heads, report.exchanges, report.acts), (1, round, round, 3 * round));
        assert_eq!((report.last_head.unwrap().1, whole_at), (round - 1, Some(store.clock().now())));
    }
    // A head that signs for nothing new, and one that signs for an act that was walked before.
    journal.commit(sample(store.clock(), "d")).await.unwrap();
    journal.commit(sample(store.clock(), "e")).await.unwrap();
    assert_eq!(walked(&watch).await.report.problems, []);
    // What is changed behind it is found by the next watch, what is changed ahead of it by this one.
    store.database().execute_batch("UPDATE content SET body = x'78' WHERE sequence = 1").unwrap();
    journal.commit(sample(store.clock(), "f")).await.unwrap();
    assert!(walked(&watch).await.report.holds());
    assert_eq!(walked(&store.watch(journal.clone())).await.report.problems.len(), 1);
    journal.commit(sample(store.clock(), "g")).await.unwrap();
    store.database().execute_batch("UPDATE content SET body = x'78' WHERE sequence = 7").unwrap();
    let found = walked(&watch).await;
    assert!(found.broken().unwrap().0.en.contains("the body has the SHA-256"), "{found:?}");
}

#[tokio::test]
async fn a_chain_whose_end_was_changed_is_not_gone_on_with() {
    let store = SqliteStore::default();
    let journal = store.open();
    journal.commit(sample(store.clock(), "a")).await.unwrap();
    drop(journal);
    store.database().execute_batch("UPDATE leaf SET leaf = replace(leaf, 'bank', 'bang')").unwrap();
    assert!(matches!(store.try_open(Options::default()), Err(OpenError::Journal(JournalError::Damaged(_)))));
}

impl SqliteStore {
    /// A watch over a journal of this store.
    fn watch(&self, journal: Arc<dyn Journal>) -> ChainWatch {
        ChainWatch::new(journal, self.keys.clone(), self.clock.clone())
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn try_open(&self, options: Options) -> Result<SqliteJournal, OpenError> {
        SqliteJournal::open_with(&self.data(), self.keys.clone(), self.clock.clone(), options)
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data().join("journal.db")).unwrap()
    }

    /// Files in the store of bodies.
    fn files(&self) -> Vec<std::path::PathBuf> {
        let shelves = std::fs::read_dir(self.data().join("bodies")).unwrap();
        shelves.flat_map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap()).map(|file| file.unwrap().path()).collect()
    }
}

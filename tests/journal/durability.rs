//! No answer before the fsync that covers it, seen below SQLite, and no transaction before the files
//! that it names are durable; and what is answered when the disk is full or fails.

use crate::recording_vfs::{Event, Recorder};
use crate::support::{TestClock, sample, spooled};
use jiff::SignedDuration;
use portolan::domain::DestinationId;
use portolan::journal::sqlite::{Options, SqliteJournal, Synchronous};
use portolan::journal::{Committed, Journal, JournalError, Settlement, resolve};
use portolan::receipt::Keys;
use portolan::receipt::audit::verify_chain;
use portolan::seams::Clock;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A journal on the recording VFS.
struct Recorded {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    keys: Arc<Keys>,
    recorder: Arc<Recorder>,
    vfs: String,
}

impl Recorded {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::new(2));
        let keys = Arc::new(Keys::open_or_create(&folder.path().join("keys"), clock.clone()).unwrap());
        let (recorder, vfs) = Recorder::register();
        Self { folder, clock, keys, recorder, vfs }
    }

    fn open(&self, synchronous: Synchronous) -> Arc<SqliteJournal> {
        let (disk, witness) = (self.recorder.clone(), self.recorder.clone());
        let options = Options { vfs: Some(self.vfs.clone()), disk, synchronous, witness, ..Options::default() };
        Arc::new(SqliteJournal::open_with(&self.data(), self.keys.clone(), self.clock.clone(), options).unwrap())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// Answers of groups that had not yet written to the WAL, or whose writing was not yet synced. Every
/// group must have changed something.
fn early_answers(events: &[Event]) -> usize {
    let (mut written, mut synced) = (false, false);
    let early = events.iter().filter(|event| match event {
        Event::WalWritten => {
            (written, synced) = (true, false);
            false
        }
        Event::WalSynced => {
            synced = true;
            false
        }
        Event::Answering(_) => {
            let covered = written && synced;
            (written, synced) = (false, false);
            !covered
        }
        Event::FileSynced(_) | Event::FolderSynced(_) | Event::DiskFailed => false,
    });
    early.count()
}

/// What a loss of power could take from `bodies` once the transaction that begins behind the first
/// `before` events is durable: files whose bytes were not synced by then, and files and folders whose
/// names were not.
fn not_durable(events: &[Event], before: usize, bodies: &Path) -> Vec<PathBuf> {
    let begun = events.iter().skip(before).position(|event| *event == Event::WalWritten).expect("a transaction");
    let earlier = &events[..before + begun];
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let bytes = |path: &Path| earlier.contains(&Event::FileSynced(inode(path)));
    let name = |path: &Path| earlier.iter().any(|event| matches!(event, Event::FolderSynced(names) if names.contains(&inode(path))));
    let shelves = entries(bodies);
    let files: Vec<PathBuf> = shelves.iter().flat_map(|shelf| entries(shelf)).collect();
    let names_lost = [bodies.to_owned()].into_iter().chain(shelves).filter(|folder| !name(folder)).collect::<Vec<_>>();
    names_lost.into_iter().chain(files.into_iter().filter(|file| !bytes(file) || !name(file))).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Commits, alone and many at once, and takes their deliveries to an end: every kind of answer.
async fn work(recorded: &Recorded, journal: &Arc<SqliteJournal>) {
    let clock = &recorded.clock;
    for number in 0..5 {
        journal.commit(sample(clock.as_ref(), &format!("alone {number}"))).await.unwrap();
    }
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let (journal, exchange) = (journal.clone(), sample(clock.as_ref(), &format!("at once {number}")));
            tokio::spawn(async move { journal.commit(exchange).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let to: DestinationId = "tax/inbox".parse().unwrap();
    let now = clock.now();
    for lease in journal.lease(&to, now, now + SignedDuration::from_secs(60), 10).await.unwrap() {
        journal.rendered(lease.delivery, lease.token, lease.mapping).await.unwrap();
        assert!(journal.settle(lease.delivery, lease.token, now, Settlement::Acknowledged(Default::default())).await.unwrap());
    }
}

#[tokio::test]
async fn no_answer_precedes_its_fsync() {
    let recorded = Recorded::new();
    let journal = recorded.open(Synchronous::Full);
    recorded.recorder.forget();
    work(&recorded, &journal).await;
    let events = recorded.recorder.events();
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    let answers: usize = events.iter().map(|event| if let Event::Answering(calls) = event { *calls } else { 0 }).sum();
    // 5 + 64 commits, one call to lease, and two for each of the ten leases.
    assert_eq!(answers, 5 + 64 + 1 + 20, "every answer was seen");
    let groups = count(|event| matches!(event, Event::Answering(_)));
    assert!(count(|event| *event == Event::WalSynced) >= groups, "a sync for every group");
    assert!(count(|event| *event == Event::WalWritten) > groups);
    assert_eq!(early_answers(&events), 0, "{events:?}");
}

#[tokio::test]
async fn the_test_above_would_notice() {
    let recorded = Recorded::new();
    let journal = recorded.open(Synchronous::Off);
    recorded.recorder.forget();
    work(&recorded, &journal).await;
    assert!(early_answers(&recorded.recorder.events()) > 0);
    // Nor would it be taken in by answers that come a group too soon.
    use Event::{Answering, WalSynced, WalWritten};
    assert_eq!(early_answers(&[WalWritten, WalSynced, Answering(1), WalWritten, WalWritten, WalSynced, Answering(2)]), 0);
    assert_eq!(early_answers(&[Answering(1), WalWritten, WalSynced, Answering(2), WalWritten, WalSynced]), 1);
    assert_eq!(early_answers(&[WalWritten, WalSynced, WalWritten, Answering(1), WalSynced]), 1);
}

#[tokio::test]
async fn no_transaction_precedes_the_files_that_it_names() {
    let recorded = Recorded::new();
    let journal = recorded.open(Synchronous::Full);
    let bodies = recorded.data().join("bodies");
    // A spool on the journal's own file system, and one on another, from which files are copied.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    assert_ne!(fs::metadata(elsewhere.path()).unwrap().dev(), fs::metadata(recorded.folder.path()).unwrap().dev(), "TMPDIR is in memory");
    for (number, spool) in [recorded.folder.path(), elsewhere.path()].into_iter().cycle().take(6).enumerate() {
        let before = recorded.recorder.events().len();
        let exchange = spooled(sample(recorded.clock.as_ref(), &format!("in files {number}")), spool);
        assert!(matches!(journal.commit(exchange).await, Ok(Committed::New(_))));
        let events = recorded.recorder.events();
        assert_eq!(not_durable(&events, before, &bodies), Vec::<PathBuf>::new());
        // It would notice if either kind of sync were left out.
        let without = |left_out: fn(&Event) -> bool| {
            let kept = |events: &[Event]| events.iter().filter(|event| !left_out(event)).cloned().collect::<Vec<_>>();
            not_durable(&[kept(&events[..before]), kept(&events[before..])].concat(), kept(&events[..before]).len(), &bodies).len()
        };
        assert_eq!(without(|event| matches!(event, Event::FileSynced(_))), 3 * (number + 1), "three files for each exchange");
        assert!(without(|event| matches!(event, Event::FolderSynced(_))) > 3 * (number + 1), "and the folders");
    }
    assert_eq!(entries(&bodies).iter().flat_map(|shelf| entries(shelf)).count(), 18);
}

#[tokio::test]
async fn a_failed_fsync_ends_the_journal() {
    let recorded = Recorded::new();
    let journal = recorded.open(Synchronous::Full);
    assert!(matches!(journal.commit(sample(recorded.clock.as_ref(), "before")).await, Ok(Committed::New(_))));
    recorded.recorder.syncs_fail.store(true, Ordering::SeqCst);
    let unsure = sample(recorded.clock.as_ref(), "unsure");
    let (id, committed) = (unsure.id, journal.commit(unsure).await);
    assert!(matches!(committed, Err(JournalError::OutcomeUnknown)), "{committed:?}");
    let after = journal.commit(sample(recorded.clock.as_ref(), "after")).await;
    assert!(matches!(after, Err(JournalError::Unavailable(_) | JournalError::OutcomeUnknown)), "{after:?}");
    let events = recorded.recorder.events();
    assert_eq!(events.last(), Some(&Event::DiskFailed), "nothing was answered as done since");
    drop(journal);
    recorded.recorder.syncs_fail.store(false, Ordering::SeqCst);
    // Whatever became of it, the journal can say, and goes on behind a whole chain.
    let journal = recorded.open(Synchronous::Full);
    let resolved = resolve(journal.as_ref(), id).await.unwrap();
    let Ok(Committed::New(journaled)) = journal.commit(sample(recorded.clock.as_ref(), "later")).await else { panic!("not new") };
    assert_eq!(journaled.position().index, if resolved.is_some() { 2 } else { 1 });
    assert!(verify_chain(journal.as_ref(), &recorded.keys.jwks()).await.holds());
}

#[tokio::test]
async fn a_full_disk_changes_nothing() {
    let recorded = Recorded::new();
    let journal = recorded.open(Synchronous::Full);
    journal.commit(sample(recorded.clock.as_ref(), "before")).await.unwrap();
    recorded.recorder.disk_is_full.store(true, Ordering::SeqCst);
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (journal, mut exchange) = (journal.clone(), sample(recorded.clock.as_ref(), &format!("full {number}")));
            exchange.idempotency_key = Some(number.to_string());
            tokio::spawn(async move { (exchange.clone(), journal.commit(exchange).await) })
        })
        .collect();
    let mut refused = Vec::new();
    for task in tasks {
        let (exchange, committed) = task.await.unwrap();
        assert!(matches!(committed, Err(JournalError::Full)), "{committed:?}");
        refused.push(exchange);
    }
    recorded.recorder.disk_is_full.store(false, Ordering::SeqCst);
    for (exchange, index) in refused.into_iter().zip(1..) {
        assert!(journal.exchange(exchange.id).await.unwrap().is_none());
        let Ok(Committed::New(journaled)) = journal.commit(exchange).await else { panic!("the same bytes are new once there is room") };
        assert_eq!(journaled.position().index, index);
    }
    assert!(verify_chain(journal.as_ref(), &recorded.keys.jwks()).await.holds());
}

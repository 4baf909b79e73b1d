//! Killed at any moment, the journal has everything that it had acknowledged.

use crate::recording_vfs::Recorder;
use crate::support::{TestClock, bytes_of, sample, splitmix, spooled};
use portolan::domain::{Digest, ExchangeId};
use portolan::journal::sqlite::{AbortOnDiskFailure, Options, SqliteJournal};
use portolan::journal::{Committed, Journal};
use portolan::receipt::audit::verify_chain;
use portolan::receipt::{Keys, Receipt};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Folder and seed of a child, which is this very program.
const CHILD_FOLDER: &str = "PORTOLAN_TEST_JOURNAL_FOLDER";
const CHILD_SEED: &str = "PORTOLAN_TEST_JOURNAL_SEED";
/// Lives of the journal in one test.
const ROUNDS: u64 = 6;
/// Acknowledgements after which a child is killed, at most.
const ACKNOWLEDGED_MAX: u64 = 300;
/// Tasks of a child.
const TASKS: u64 = 8;

#[tokio::test]
async fn whatever_was_acknowledged_is_there_after_a_kill() {
    // Another seed is tried by setting it; it is shown when the test fails.
    let seed = std::env::var(CHILD_SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_701);
    println!("{CHILD_SEED}={seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut chance = seed;
    let mut acknowledged: Vec<(ExchangeId, Digest)> = Vec::new();
    for round in 0..ROUNDS {
        let mut child = start_child("child_that_commits_until_it_is_killed", folder.path(), seed + round + 1);
        // The last word of a round may be cut; the first round is sure to have some.
        let wanted = if round == 0 { ACKNOWLEDGED_MAX } else { splitmix(&mut chance) % ACKNOWLEDGED_MAX };
        acknowledged.extend(read_then_kill(&mut child, wanted as usize));
        check_all(folder.path(), &acknowledged).await;
    }
    assert!(acknowledged.len() as u64 >= ACKNOWLEDGED_MAX);
}

#[test]
fn a_failed_fsync_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let child = start_child("child_whose_disk_fails", folder.path(), 1).wait_with_output().unwrap();
    assert_eq!(child.status.signal(), Some(6), "SIGABRT: {child:?}");
    assert!(!String::from_utf8_lossy(&child.stdout).contains("answered"), "{child:?}");
}

#[tokio::test]
#[ignore = "the child of another test, which starts it by name"]
async fn child_that_commits_until_it_is_killed() {
    let Some((folder, seed)) = child_settings() else { return };
    let (journal, _, clock) = open(&folder, seed, Options::default());
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let (journal, clock, spool) = (journal.clone(), clock.clone(), folder.clone());
        tasks.push(tokio::spawn(async move {
            for number in 0.. {
                let exchange = sample(clock.as_ref(), &format!("{seed} {task} {number}"));
                let exchange = if number % 4 == 3 { spooled(exchange, &spool) } else { exchange };
                let Ok(Committed::New(journaled)) = journal.commit(exchange).await else { panic!("not new") };
                let receipt = Digest::of(Receipt::new(&journaled).to_bytes());
                writeln!(std::io::stdout().lock(), "acknowledged {} {receipt}", journaled.exchange()).unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
#[ignore = "the child of another test, which starts it by name"]
async fn child_whose_disk_fails() {
    let Some((folder, seed)) = child_settings() else { return };
    let (recorder, vfs) = Recorder::register();
    let options = Options { vfs: Some(vfs), witness: Arc::new(AbortOnDiskFailure), ..Options::default() };
    let (journal, _, clock) = open(&folder, seed, options);
    journal.commit(sample(clock.as_ref(), "before")).await.unwrap();
    recorder.syncs_fail.store(true, Ordering::SeqCst);
    let answer = journal.commit(sample(clock.as_ref(), "a")).await;
    println!("answered {answer:?}");
}

fn child_settings() -> Option<(std::path::PathBuf, u64)> {
    Some((std::env::var_os(CHILD_FOLDER)?.into(), std::env::var(CHILD_SEED).ok()?.parse().ok()?))
}

fn start_child(test: &str, folder: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", &format!("crash::{test}")])
        .env(CHILD_FOLDER, folder)
        .env(CHILD_SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads so many acknowledgements, kills the child, and reads those that it wrote meanwhile.
fn read_then_kill(child: &mut Child, wanted: usize) -> Vec<(ExchangeId, Digest)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = lines.map_while(Result::ok).filter_map(|line| parse_acknowledgement(&line));
    let mut read: Vec<_> = acknowledged.by_ref().take(wanted).collect();
    assert_eq!(read.len(), wanted, "the child ended by itself");
    child.kill().unwrap();
    read.extend(acknowledged);
    child.wait().unwrap();
    read
}

fn parse_acknowledgement(line: &str) -> Option<(ExchangeId, Digest)> {
    let (_, words) = line.split_once("acknowledged ")?;
    let (id, receipt) = words.split_once(' ')?;
    Some((id.parse().ok()?, receipt.parse().ok()?))
}

async fn check_all(folder: &Path, acknowledged: &[(ExchangeId, Digest)]) {
    let (journal, keys, _) = open(folder, 0, Options::default());
    for (id, receipt) in acknowledged {
        let row = journal.exchange(*id).await.unwrap().unwrap_or_else(|| panic!("{id} was acknowledged and is gone"));
        assert_eq!(Digest::of(Receipt::new(&row.journaled).to_bytes()), *receipt, "the receipt of {id}");
        assert_eq!(Digest::of(&bytes_of(&journal.body(*id).await.unwrap().unwrap())), row.body_digest);
        assert_eq!(journal.deliveries(*id, None, 99).await.unwrap().len(), 1);
    }
    let report = verify_chain(journal.as_ref(), &keys.jwks()).await;
    assert_eq!(report.problems, []);
    assert!(report.exchanges >= acknowledged.len() as u64);
}

fn open(folder: &Path, seed: u64, options: Options) -> (Arc<SqliteJournal>, Arc<Keys>, Arc<TestClock>) {
    let clock = Arc::new(TestClock::new(seed));
    let keys = Arc::new(Keys::open_or_create(&folder.join("keys"), clock.clone()).unwrap());
    let journal = SqliteJournal::open_with(&folder.join("data"), keys.clone(), clock.clone(), options).unwrap();
    (Arc::new(journal), keys, clock)
}

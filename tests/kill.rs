//! Accepted work survives `kill -9` at a random moment of the demonstration, and is delivered after a restart.
//!
//! A round kills the demonstration in one folder one to three times and then plays it to its end.
//! The play itself compares every record at the receiver, field by field, with what was accepted,
//! and every receipt with the one given first. From outside it is looked at again: answers and
//! deliveries that were seen on disk after a kill must never change, at the end there are as many
//! as in a play that nobody disturbed, and the chain holds.
//!
//! The seed is printed first. `PORTOLAN_SEED` and `PORTOLAN_ROUNDS` choose others; what is killed
//! when follows from the seed, as far as a machine does the same twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

mod support;

use portolan::demo::receiver::HeldDelivery;
use portolan::domain::{DeliveryId, Digest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};
use support::{Running, free_ports, portolan};

/// Longest time for a play that nobody disturbs: many times what it takes.
const PLAY_TIMEOUT: Duration = Duration::from_secs(240);
/// Kills of one round, at most.
const KILLS_MAX: u64 = 3;
/// Rounds that run at once. A play waits more than it computes.
const ROUNDS_AT_ONCE: usize = 4;

#[test]
fn accepted_work_survives_kill_9() {
    play_rounds(20, 1_500);
}

#[test]
#[ignore = "takes half an hour: make test-long"]
fn accepted_work_survives_kill_9_long() {
    play_rounds(100, 20_000);
}

fn play_rounds(rounds: u64, records: u64) {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let now = || SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let (seed, rounds) = (asked("PORTOLAN_SEED").unwrap_or_else(now), asked("PORTOLAN_ROUNDS").unwrap_or(rounds));
    println!("PORTOLAN_SEED={seed} PORTOLAN_ROUNDS={rounds}");
    // As many beside one another as there will be, so that kills fall anywhere in the time that a play takes.
    let mut plays = at_once(0..ROUNDS_AT_ONCE as u64, |_| Round::new(seed, records).undisturbed());
    let undisturbed = plays.pop().unwrap();
    assert!(plays.iter().all(|play| (play.answers, &play.records) == (undisturbed.answers, &undisturbed.records)), "plays differ");
    let killed = at_once(0..rounds, |round| Round::new(seed.wrapping_add(round), records).killed_and_played_on(&undisturbed));
    let killed: u64 = killed.iter().sum();
    println!("{rounds} rounds, {killed} kills, nothing lost");
    assert!(killed >= rounds / 2, "most rounds must be killed: {killed} of {rounds} were");
}

/// Does something for each number, [`ROUNDS_AT_ONCE`] at once; the first that fails ends it.
fn at_once<T: Send>(numbers: Range<u64>, each: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let numbers = Mutex::new(numbers);
    let next = || numbers.lock().ok().and_then(|mut numbers| numbers.next());
    let work = || {
        let mut done = Vec::new();
        while let Some(number) = next() {
            match catch_unwind(AssertUnwindSafe(|| each(number))) {
                Ok(one) => done.push(one),
                Err(failure) => {
                    while next().is_some() {}
                    resume_unwind(failure);
                }
            }
        }
        done
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..ROUNDS_AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|failure| resume_unwind(failure))).collect()
    })
}

/// A play that nobody disturbed: how long it takes and what it comes to.
struct Undisturbed {
    took: Duration,
    answers: usize,
    records: BTreeMap<String, u64>,
}

/// What is on disk: what was answered, by flow and number, and what the receiver holds.
#[derive(Default)]
struct Seen {
    answers: BTreeMap<(u64, u64), String>,
    held: BTreeMap<DeliveryId, Digest>,
    records: BTreeMap<String, u64>,
}

struct Round {
    seed: u64,
    records: u64,
    ports: [u16; 3],
    folder: tempfile::TempDir,
}

impl Round {
    fn new(seed: u64, records: u64) -> Self {
        Self { seed, records, ports: free_ports(), folder: tempfile::tempdir().unwrap() }
    }

    fn undisturbed(self) -> Undisturbed {
        let begun = Instant::now();
        self.play_to_the_end();
        let took = begun.elapsed();
        let seen = self.seen();
        println!("undisturbed: {} answers, {} deliveries, {} ms", seen.answers.len(), seen.held.len(), took.as_millis());
        Undisturbed { took, answers: seen.answers.len(), records: seen.records }
    }

    /// Returns how often it was killed before it ended by itself.
    fn killed_and_played_on(self, undisturbed: &Undisturbed) -> u64 {
        let mut chance = self.seed;
        let (mut killed, mut seen) = (0, Seen::default());
        for kill in 0..=splitmix(&mut chance) % KILLS_MAX {
            // A play that was killed before has less left to do.
            let span = undisturbed.took.as_millis() as u64 / (kill + 1);
            let after = Duration::from_millis(splitmix(&mut chance) % span.max(1));
            let mut playing = Running::start(&mut self.demo(), &self.output());
            std::thread::sleep(after);
            killed += u64::from(playing.kill());
            seen = self.still_there(&seen);
            let Self { seed, .. } = self;
            println!(
                "seed {seed}: killed after {} ms with {} answers, {} deliveries",
                after.as_millis(),
                seen.answers.len(),
                seen.held.len()
            );
        }
        self.play_to_the_end();
        let end = self.still_there(&seen);
        self.check(end.answers.len() == undisturbed.answers, || format!("{} answers, not {}", end.answers.len(), undisturbed.answers));
        self.check(end.records == undisturbed.records, || format!("the receiver holds {:?}, not {:?}", end.records, undisturbed.records));
        self.audit();
        killed
    }

    fn play_to_the_end(&self) {
        let mut playing = Running::start(&mut self.demo(), &self.output());
        let ended = playing.wait(PLAY_TIMEOUT);
        self.check(ended.is_some_and(|status| status.success()), || format!("the play ended with {ended:?}:\n{}", playing.printed()));
    }

    fn demo(&self) -> Command {
        let mut command = portolan();
        command.args(["demo", "--once", "--records", &self.records.to_string()]).arg("--folder").arg(self.demo_folder());
        for (option, port) in ["--partner-port", "--operator-port", "--receiver-port"].iter().zip(self.ports) {
            command.args([option, port.to_string().as_str()]);
        }
        command
    }

    /// What is on disk, with all that was `before` in it.
    fn still_there(&self, before: &Seen) -> Seen {
        let seen = self.seen();
        let answers = before.answers.iter().all(|(message, receipt)| seen.answers.get(message) == Some(receipt));
        self.check(answers, || "an answer is gone or has another receipt".to_owned());
        let held = before.held.iter().all(|(delivery, digest)| seen.held.get(delivery) == Some(digest));
        self.check(held, || "a delivery is gone from the receiver, or has other bytes".to_owned());
        seen
    }

    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for answer in whole_lines(&self.demo_folder().join("answers.ndjson")) {
            let answer: Value = serde_json::from_str(&answer).expect("an answer in JSON");
            let number = |name: &str| answer["message"][name].as_u64().expect("a number");
            let receipt = answer["receipt_sha256"].as_str().expect("a digest").to_owned();
            let first = seen.answers.insert((number("flow"), number("number")), receipt);
            self.check(first.is_none(), || format!("two answers to one message: {answer}"));
        }
        for row in whole_lines(&self.demo_folder().join("tax-bureau/ledger.ndjson")) {
            let row: HeldDelivery = serde_json::from_str(&row).expect("a delivery in JSON");
            *seen.records.entry(row.flow).or_default() += row.records;
            let first = seen.held.insert(row.delivery, row.digest);
            self.check(first.is_none(), || format!("delivery {} is held twice", row.delivery));
        }
        seen
    }

    fn audit(&self) {
        let data = self.demo_folder().join("gateway/data");
        let jwks = data.join("keys/jwks.json");
        let audit = portolan().args(["audit", "verify"]).arg("--data").arg(data).arg("--jwks").arg(jwks).output().unwrap();
        self.check(audit.status.success(), || String::from_utf8_lossy(&[audit.stdout, audit.stderr].concat()).into_owned());
    }

    /// Fails the test unless something is so: with how to see it again, and with the folder kept.
    fn check(&self, so: bool, message: impl FnOnce() -> String) {
        if !so {
            let kept = std::env::temp_dir().join(format!("portolan-kill-{}", self.seed));
            let _ = std::fs::rename(self.folder.path(), &kept);
            let Self { seed, .. } = self;
            let again = format!("PORTOLAN_SEED={seed} PORTOLAN_ROUNDS=1 cargo test --test kill -- --nocapture");
            panic!("{}\nagain: {again}\nthe folder is kept: {}", message(), kept.display());
        }
    }

    fn demo_folder(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }
}

/// The lines of a file that end with a line feed; none where there is no file.
fn whole_lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

/// One step of SplitMix64.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

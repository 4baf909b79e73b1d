//! Whether every question of the benchmark is answered whole and right, on a small journal: the expected answers follow from
//! what it was filled with, number by number. No time is asserted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use portolan_bench::fill::filled;
use portolan_bench::gateway::{Gateway, Place};
use portolan_bench::past::{CANONICAL, Chance, Past};
use portolan_bench::questions::{KINDS, Question, Wanted, found};
use portolan_bench::search::{Options, run};
use std::path::Path;

const EXCHANGES: u64 = 2_000;
/// Questions of a kind until one finds something.
const TRIES: usize = 200;
/// Pages that a search of so few exchanges may have: each looks at thousands.
const PAGES_MAX: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_question_is_answered_whole_and_the_row_runs() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_portolan-bench"));
    let past = Past { exchanges: EXCHANGES };
    // In two goes, as one that was ended and taken up.
    filled(folder.path(), EXCHANGES / 3).await.unwrap();
    let (data, told) = filled(folder.path(), EXCHANGES).await.unwrap();
    assert_eq!(told.exchanges, EXCHANGES);
    let mut gateway = Place::new(&data, program).unwrap().start().await.unwrap();
    let chance = Chance::new(7);
    for kind in KINDS {
        // Of so few, none breaks the rare rule.
        let is_nothing =
            ["nothing", "message id that nobody sent", "rule that is rarely broken"].iter().any(|name| kind.name.starts_with(name));
        // Of so few exchanges, not every bank has some on every day.
        let question = (0..TRIES).map(|_| (kind.next)(past, &chance)).find(|question| fitting(past, question).is_empty() == is_nothing);
        match question.unwrap_or_else(|| panic!("{}: no question of it has the answer that it ought to have", kind.name)) {
            Question::Find(wanted) => {
                let expected = fitting(past, &Question::Find(wanted.clone()));
                assert_eq!(all_pages(&mut gateway, past, wanted).await, expected, "{}", kind.name);
            }
            shown => {
                let answer = gateway.ask(&shown.path(past)).await.unwrap().body;
                shown.check(past, &answer).unwrap();
            }
        }
    }
    gateway.end().await.unwrap();

    // The folder is used again, and the tables have every kind.
    let options = Options { exchanges: EXCHANGES, warm: 1, cold: 1 };
    let tables = run(&options, folder.path(), program).await.unwrap();
    assert_eq!(tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["search", "growth"]);
    assert_eq!(tables[0].rows.len(), KINDS.len());
}

/// The exchanges that fit, newest first; of one that is shown, itself.
fn fitting(past: Past, question: &Question) -> Vec<u64> {
    match question {
        Question::Find(wanted) => (0..EXCHANGES).rev().filter(|number| wanted.fits(&past.facts(*number))).collect(),
        Question::Show(number, _) => vec![*number],
    }
}

/// The exchanges of all pages of a search.
async fn all_pages(gateway: &mut Gateway, past: Past, mut wanted: Wanted) -> Vec<u64> {
    let mut all = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = gateway.ask(&wanted.path(past)).await.unwrap().body;
        all.extend(found(past, &page).unwrap());
        let Some(next) = page["next_before"].as_str() else { return all };
        let next = (0..EXCHANGES).find(|number| past.facts(*number).id().to_string() == next).unwrap();
        wanted = wanted.behind(next);
    }
    panic!("more pages than there can be of {wanted:?}");
}

#[test]
fn records_are_as_their_schema_has_them() {
    let library = portolan::mapping::Library::load(&[]).map_err(|problems| problems.len()).unwrap();
    let canonical = library.canonical(CANONICAL).unwrap();
    let past = Past { exchanges: EXCHANGES };
    for number in 0..20 {
        let findings = canonical.check(&past.facts(number).record());
        assert!(findings.is_empty(), "{number}: {} findings", findings.len());
    }
}

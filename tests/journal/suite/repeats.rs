//! Repeats of bodies, and records known by their business keys.

use super::{Store, commit_new, sample_record};
use crate::cases::cases;
use crate::support::{SampleRecord, bytes_of, sample, sample_of, spooled, unknown_id};
use portolan::domain::{ExchangeId, Outcome};
use portolan::fault::FaultCode;
use portolan::journal::{Committed, JournalError, Journaled, NewExchange, RepeatQuery};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Case<S> {
    name: String,
    steps: Vec<S>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepeatStep {
    commit: String,
    #[serde(default = "bank")]
    partner: String,
    #[serde(default = "payments")]
    flow: String,
    key: Option<String>,
    message: Option<String>,
    body: String,
    corrects: Option<String>,
    #[serde(default)]
    refused: bool,
    /// It answers a question, whose name is its key.
    #[serde(default)]
    answers: bool,
    is: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyStep {
    #[serde(default = "bank")]
    partner: String,
    #[serde(default = "payments")]
    flow: String,
    #[serde(default = "confirmation")]
    space: String,
    #[serde(default)]
    refused: bool,
    records: String,
    known: String,
    tax: u64,
    archive: u64,
}

fn bank() -> String {
    "bank".to_owned()
}

fn payments() -> String {
    "payments".to_owned()
}

fn confirmation() -> String {
    "payment-confirmation".to_owned()
}

pub async fn repeats(store: &dyn Store) {
    let journal = store.open();
    for (number, case) in cases::<Case<RepeatStep>>(include_str!("../cases/repeats.toml")).iter().enumerate() {
        let mut evidence: BTreeMap<&str, Journaled> = BTreeMap::new();
        for step in &case.steps {
            // The number keeps the cases apart in the one journal.
            let tag = |text: &String| format!("{number} {text}");
            let mut exchange = sample(store.clock(), &step.body);
            (exchange.partner, exchange.flow) = (step.partner.parse().unwrap(), step.flow.parse().unwrap());
            exchange.idempotency_key = step.key.as_ref().map(tag);
            exchange.verdict.message_id = step.message.as_ref().map(tag);
            exchange.corrects = step.corrects.as_ref().map(|earlier| evidence[earlier.as_str()].exchange());
            exchange.question = step.answers.then(|| unknown_id(store.clock()));
            if step.refused {
                exchange.verdict.outcome = Outcome::Refused;
                exchange.verdict.fault = Some(FaultCode::RecordsRefused);
            }
            let query = RepeatQuery {
                partner: exchange.partner.clone(),
                flow: exchange.flow.clone(),
                idempotency_key: exchange.idempotency_key.clone(),
                message_id: exchange.verdict.message_id.clone(),
                body_digest: exchange.body_digest,
                corrects: exchange.corrects,
            };
            let found = journal.find_repeat(query).await.unwrap();
            let committed = journal.commit(exchange).await.unwrap();
            let place = format!("{}: {}", case.name, step.commit);
            assert_eq!(in_words(&committed, &evidence), step.is, "{place}");
            assert_eq!(found.map_or("new".to_owned(), |found| in_words(&found, &evidence)), step.is, "{place}, asked before");
            if let Committed::New(journaled) = committed {
                evidence.insert(&step.commit, journaled);
            }
        }
    }
}

pub async fn any_correction_of_an_id_is_known(store: &dyn Store) {
    const CORRECTIONS: usize = 1_100;
    let journal = store.open();
    let message = |body: &str, corrects: Option<ExchangeId>| {
        let mut exchange = sample(store.clock(), body);
        exchange.verdict.message_id = Some("m".to_owned());
        exchange.corrects = corrects;
        exchange
    };
    let first = commit_new(journal.as_ref(), message("first", None)).await.exchange();
    let tasks: Vec<_> = (0..CORRECTIONS)
        .map(|number| {
            let (journal, exchange) = (journal.clone(), message(&number.to_string(), Some(first)));
            tokio::spawn(async move { commit_new(journal.as_ref(), exchange).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let latest = commit_new(journal.as_ref(), message("latest", Some(first))).await;
    for body in ["first", "0", "latest"] {
        let again = journal.commit(message(body, None)).await.unwrap();
        assert!(matches!(again, Committed::Repeat(_)), "{body}: {again:?}");
    }
    let other = journal.commit(message("other", None)).await.unwrap();
    assert!(matches!(other, Committed::OtherBytes(id) if id == latest.exchange()), "{other:?}");
    // The first may still be corrected, however many hold its id since.
    commit_new(journal.as_ref(), message("one more", Some(first))).await;
}

pub async fn the_same_exchange_again_is_a_repeat(store: &dyn Store) {
    let journal = store.open();
    for (number, spool) in [(0, false), (1, true)] {
        // Without a key or message id, so that nothing else makes it one.
        let exchange = sample(store.clock(), &number.to_string());
        let prepare = |exchange: NewExchange| if spool { spooled(exchange, store.spool()) } else { exchange };
        let journaled = commit_new(journal.as_ref(), prepare(exchange.clone())).await;
        match journal.commit(prepare(exchange.clone())).await.unwrap() {
            Committed::Repeat(first) => assert_eq!(first, journaled),
            other => panic!("{other:?}"),
        }
        let other = NewExchange { id: exchange.id, ..sample(store.clock(), "other bytes under the same id") };
        assert!(matches!(journal.commit(prepare(other)).await, Err(JournalError::Damaged(_))));
        assert_eq!(bytes_of(&journal.body(exchange.id).await.unwrap().unwrap()), number.to_string().as_bytes());
    }
}

pub async fn the_same_body_at_once_is_committed_once(store: &dyn Store) {
    let journal = store.open();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let mut exchange = sample(store.clock(), "the same");
            exchange.idempotency_key = Some("k".to_owned());
            let journal = journal.clone();
            tokio::spawn(async move { journal.commit(exchange).await.unwrap() })
        })
        .collect();
    let (mut new, mut repeats) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            Committed::New(journaled) => new.push(journaled),
            Committed::Repeat(journaled) => repeats.push(journaled),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new.len(), repeats.len()), (1, 15));
    assert!(repeats.iter().all(|repeat| *repeat == new[0]));
}

pub async fn a_message_is_known_once_something_of_it_was_accepted(store: &dyn Store) {
    let journal = store.open();
    // A flow, a message and what became of it; then whether it is known under `payments`.
    let cases = [
        ("payments", "m1", Outcome::Refused, false),
        ("statements", "m1", Outcome::Accepted, false),
        ("payments", "m1", Outcome::InPart, true),
        ("payments", "m1", Outcome::Refused, true),
        ("payments", "m2", Outcome::Accepted, true),
    ];
    for (number, (flow, message, outcome, known)) in cases.into_iter().enumerate() {
        let mut exchange = sample(store.clock(), &number.to_string());
        // Whoever sent it.
        exchange.partner = format!("bank-{number}").parse().unwrap();
        (exchange.flow, exchange.verdict.outcome) = (flow.parse().unwrap(), outcome);
        exchange.verdict.message_id = Some(message.to_owned());
        commit_new(journal.as_ref(), exchange).await;
        let ids = vec![message.to_owned(), "m3".to_owned()];
        let found = journal.known_messages(&"payments".parse().unwrap(), ids).await.unwrap();
        assert_eq!(found, [known, false], "case {number}");
    }
}

/// What a commit came to, in the words of the cases. A repeat must be the first evidence exactly.
fn in_words(committed: &Committed, evidence: &BTreeMap<&str, Journaled>) -> String {
    let name = |exchange: ExchangeId| {
        let named = evidence.iter().find(|(_, journaled)| journaled.exchange() == exchange);
        named.map_or("nobody", |(name, _)| *name)
    };
    match committed {
        Committed::New(_) => "new".to_owned(),
        Committed::Repeat(journaled) => {
            let first = name(journaled.exchange());
            assert_eq!(evidence.get(first), Some(journaled));
            format!("repeat of {first}")
        }
        Committed::OtherBytes(exchange) => format!("other bytes of {}", name(*exchange)),
        Committed::Conflict => "conflict".to_owned(),
    }
}

pub async fn business_keys(store: &dyn Store) {
    check_business_keys(store, |exchange| exchange).await;
}

pub async fn business_keys_from_files(store: &dyn Store) {
    check_business_keys(store, |exchange| spooled(exchange, store.spool())).await;
}

async fn check_business_keys(store: &dyn Store, prepare: impl Fn(NewExchange) -> NewExchange) {
    let journal = store.open();
    for (number, case) in cases::<Case<KeyStep>>(include_str!("../cases/business-keys.toml")).iter().enumerate() {
        for (place, step) in case.steps.iter().enumerate() {
            let records: Vec<SampleRecord> = step.records.split(' ').map(|record| sample_record(record, number)).collect();
            let mut exchange = sample_of(store.clock(), &format!("{number} {place}"), &records);
            (exchange.partner, exchange.flow) = (step.partner.parse().unwrap(), step.flow.parse().unwrap());
            exchange.key_space = step.space.clone();
            if step.refused {
                exchange.verdict.outcome = Outcome::Refused;
                exchange.verdict.fault = Some(FaultCode::RecordsRefused);
            }
            let journaled = commit_new(journal.as_ref(), prepare(exchange)).await;
            let id = journaled.exchange();
            let (name, rows) = (format!("{}, step {place}", case.name), records.len() as u64);
            let known = |rows: &[(_, bool)]| rows.iter().map(|(_, known)| if *known { '1' } else { '0' }).collect::<String>();
            assert_eq!(known(&journal.index(id, 0, rows).await.unwrap()), step.known, "{name}");
            // Any stretch of the rows says the same.
            let from = rows / 2;
            assert_eq!(known(&journal.index(id, from, rows).await.unwrap()), step.known[from as usize..], "{name}, from {from}");
            let repeated = step.known.bytes().filter(|known| *known == b'1').count() as u64;
            assert_eq!((journaled.counts().repeated, journaled.counts().accepted), (repeated, rows), "{name}");
            let report = journal.report(id).await.unwrap().unwrap();
            assert_eq!(report.matches("record.repeated").count() as u64, repeated, "{name}: the report names each");
            let delivered: BTreeMap<String, u64> = journal
                .deliveries(id, None, 99)
                .await
                .unwrap()
                .iter()
                .map(|delivery| (delivery.to.to_string(), delivery.records))
                .collect();
            let expected = [("archive/inbox", step.archive), ("tax/inbox", step.tax)];
            let expected = expected.iter().filter(|(_, records)| *records > 0).map(|(to, records)| ((*to).to_owned(), *records)).collect();
            assert_eq!(delivered, expected, "{name}");
        }
    }
}

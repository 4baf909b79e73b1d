//! The suite: what every store of the journal must do, through the trait alone.
//!
//! A store joins by implementing [`Store`] and calling `journal_suite!`.

pub use crate::books::*;
use crate::support::{SampleRecord, TestClock, bytes_of, of, sample, sample_of, spooled, unknown_id};
use jiff::{SignedDuration, Timestamp};
use portolan::domain::{Chunk, Counts, DeliveryId, DestinationId, Digest, ExchangeId, Finding, Operator, Outcome, Role, Severity, Stored};
use portolan::fault::FaultCode;
use portolan::journal::acts::{ACTS_LISTED_MAX, Act, ActRequest, Acted, Deed, NewAct, Pausable, Pick};
use portolan::journal::evidence::time_text;
use portolan::journal::{
    ANSWER_BYTES_MAX, Committed, DeadLetterFilter, DeliveryState, ExchangeFilter, Journal, JournalError, Journaled, Lease, NewExchange,
    RepeatQuery, Settlement, resolve,
};
use portolan::receipt::audit::verify_chain;
use portolan::receipt::{Jwks, Receipt, verify};
use portolan::seams::Clock;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A store that can be opened again with what it holds.
pub trait Store {
    fn open(&self) -> Arc<dyn Journal>;
    fn clock(&self) -> &TestClock;
    fn jwks(&self) -> Jwks;
    /// A folder for spool files.
    fn spool(&self) -> &Path;
}

/// One test for each check, against a store that begins empty.
macro_rules! journal_suite {
    ($store:ty) => {
        $crate::suite::journal_suite!($store:
            commit_is_read_back_inline
            commit_is_read_back_from_files
            refused_is_kept
            receipt_verifies
            evidence_stays_the_same_after_reopening
            repeats
            any_correction_of_an_id_is_known
            business_keys
            business_keys_from_files
            the_same_exchange_again_is_a_repeat
            the_same_body_at_once_is_committed_once
            exchanges_at_once_share_heads
            leases_are_given_out_once
            a_lease_is_whole_when_it_is_given
            a_lease_that_ran_out_is_given_again
            a_lease_that_ran_out_may_be_settled_until_it_is_taken
            a_retry_waits_for_its_time
            every_retry_sends_the_same
            a_dead_letter_waits_until_it_is_resent
            a_waived_dead_letter_is_not_sent
            order_is_kept_within_a_key
            a_dead_letter_holds_its_key
            a_delivery_is_due_since_it_could_be_made
            dead_letters_are_listed_by_destination
            acts_are_kept
            many_dead_letters_are_resent_one_after_the_other
            a_proposal_is_decided_once_by_somebody_else
            what_is_paused_has_nothing_due
            the_log_of_acts_is_audited
            deliveries_survive_reopening
            chunks_count_their_own_rows
            pages_are_in_order
            lists_are_filtered
            a_message_is_known_once_something_of_it_was_accepted
            totals_add_up
            the_chain_is_audited
            an_unknown_outcome_is_resolved
            a_day_adds_up
            what_is_delivered_counts_on_its_own_day
            a_late_commit_is_the_next_days
            days_add_up_however_bodies_are_split
            a_day_has_a_bounded_number_of_sums
            absurd_amounts_stop_nothing
            a_sender_takes_no_room_of_anothers_sums
            a_statement_is_kept_once
            matters_stand_as_they_should
            matters_meet_in_any_order
        );
    };
    ($store:ty: $($check:ident)*) => {
        $(
            #[tokio::test]
            async fn $check() {
                $crate::suite::$check(&<$store>::default()).await;
            }
        )*
    };
}
pub(crate) use journal_suite;

pub async fn commit_is_read_back_inline(store: &dyn Store) {
    check_read_back(store, store.open().as_ref(), rich_sample(store.clock())).await;
}

pub async fn commit_is_read_back_from_files(store: &dyn Store) {
    let exchange = spooled(rich_sample(store.clock()), store.spool());
    check_read_back(store, store.open().as_ref(), exchange).await;
}

pub async fn refused_is_kept(store: &dyn Store) {
    let journal = store.open();
    let mut exchange = sample_of(store.clock(), "not XML", &[]);
    exchange.verdict.outcome = Outcome::Refused;
    exchange.verdict.fault = Some(FaultCode::SyntaxMalformed);
    let journaled = commit_new(journal.as_ref(), exchange.clone()).await;
    assert_eq!(journaled.outcome(), Outcome::Refused);
    let row = journal.exchange(exchange.id).await.unwrap().unwrap();
    assert_eq!(row.fault.as_deref(), Some("syntax.malformed"));
    let totals = journal.totals().await.unwrap();
    assert_eq!((totals.flows[0].exchanges, totals.flows[0].refused_whole), (1, 1));
    assert_eq!(bytes_of(&journal.body(exchange.id).await.unwrap().unwrap()), b"not XML");
    assert!(journal.deliveries(exchange.id, None, 99).await.unwrap().is_empty());
}

pub async fn receipt_verifies(store: &dyn Store) {
    let journal = store.open();
    let journaled = commit_new(journal.as_ref(), sample(store.clock(), "a body")).await;
    let receipt = Receipt::new(&journaled);
    let verified = verify(receipt.to_bytes(), &store.jwks(), Some(&b"a body"[..])).unwrap();
    assert_eq!(verified.leaf.exchange, journaled.exchange());
    let refused = verify(receipt.to_bytes(), &store.jwks(), Some(&b"a bodY"[..])).unwrap_err();
    assert_eq!(refused.mismatches.len(), 1, "{refused}");
}

pub async fn evidence_stays_the_same_after_reopening(store: &dyn Store) {
    let mut first = Vec::new();
    for round in 0..3 {
        let journal = store.open();
        for body in 0..3 {
            first.push(commit_new(journal.as_ref(), sample(store.clock(), &format!("{round} {body}"))).await);
        }
    }
    let journal = store.open();
    for (index, journaled) in first.iter().enumerate() {
        let row = journal.exchange(journaled.exchange()).await.unwrap().unwrap();
        assert_eq!(&row.journaled, journaled);
        assert_eq!(journaled.position().index, index as u64);
    }
}

#[derive(Deserialize)]
struct Cases<S> {
    case: Vec<Case<S>>,
}

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
    let cases: Cases<RepeatStep> = toml::from_str(include_str!("cases/repeats.toml")).unwrap();
    for (number, case) in cases.case.iter().enumerate() {
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
    let cases: Cases<KeyStep> = toml::from_str(include_str!("cases/business-keys.toml")).unwrap();
    for (number, case) in cases.case.iter().enumerate() {
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

/// `KEY`, `KEY@BITS` or `-`; the number of the case keeps keys apart in the one journal.
fn sample_record(text: &str, case: usize) -> SampleRecord {
    let (key, bits) = text.split_once('@').unwrap_or((text, "1"));
    let key = (key != "-").then(|| format!("{case} {key}"));
    SampleRecord { key, destinations: bits.parse().unwrap() }
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

pub async fn exchanges_at_once_share_heads(store: &dyn Store) {
    let journal = store.open();
    const ROUNDS: usize = 8;
    const TASKS: usize = 64;
    let mut indexes = BTreeSet::new();
    for round in 0..ROUNDS {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (journal, exchange) = (journal.clone(), sample(store.clock(), &format!("{round} {task}")));
                tokio::spawn(async move { commit_new(journal.as_ref(), exchange).await })
            })
            .collect();
        for task in tasks {
            indexes.insert(task.await.unwrap().position().index);
        }
    }
    assert!(indexes.iter().copied().eq(0..(ROUNDS * TASKS) as u64), "indexes have no gaps");
    let report = verify_chain(journal.as_ref(), &store.jwks()).await;
    assert_eq!((report.problems, report.exchanges), (Vec::new(), (ROUNDS * TASKS) as u64));
    assert!(report.heads < report.exchanges / 2, "{} heads for {} exchanges", report.heads, report.exchanges);
}

pub async fn leases_are_given_out_once(store: &dyn Store) {
    let journal = store.open();
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.push(commit_new(journal.as_ref(), sample(store.clock(), &number.to_string())).await.exchange());
        store.clock().advance(SignedDuration::from_millis(5));
    }
    let first = lease(store, journal.as_ref(), 3).await;
    let second = lease(store, journal.as_ref(), 9).await;
    assert_eq!(first.iter().chain(&second).map(|lease| lease.exchange).collect::<Vec<_>>(), expected, "oldest first");
    assert!(lease(store, journal.as_ref(), 9).await.is_empty());
    let other: DestinationId = "nobody/inbox".parse().unwrap();
    let now = store.clock().now();
    assert!(journal.lease(&other, now, now, 9).await.unwrap().is_empty());
    for lease in first.iter().chain(&second) {
        assert_eq!((lease.attempt, lease.bit, lease.first_row, lease.rows), (1, 0, 0, 1));
        assert_eq!(lease.trace, sample(store.clock(), "any").trace, "the context that it was committed with");
        assert!(acknowledge(store, journal.as_ref(), lease).await);
        assert!(!acknowledge(store, journal.as_ref(), lease).await, "settled already");
    }
    assert_eq!(journal.next_due(&tax()).await.unwrap(), None);
    store.clock().advance(SignedDuration::from_hours(1));
    assert!(lease(store, journal.as_ref(), 9).await.is_empty());
}

pub async fn a_lease_is_whole_when_it_is_given(store: &dyn Store) {
    let journal = store.open();
    commit_new(journal.as_ref(), sample(store.clock(), "a")).await;
    // As one that was asked for an hour ago, and waited.
    let asked = store.clock().now();
    store.clock().advance(SignedDuration::from_hours(1));
    let lease = journal.lease(&tax(), asked, asked + LEASE, 9).await.unwrap().remove(0);
    assert_eq!(lease.until, store.clock().now() + LEASE);
    assert_eq!(journal.next_due(&tax()).await.unwrap(), Some(lease.until));
}

pub async fn a_lease_that_ran_out_is_given_again(store: &dyn Store) {
    let journal = store.open();
    commit_new(journal.as_ref(), sample(store.clock(), "a")).await;
    let lost = lease_one(store, journal.as_ref()).await;
    assert_eq!(journal.next_due(&tax()).await.unwrap(), Some(lost.until));
    store.clock().advance(LEASE);
    let taken = lease_one(store, journal.as_ref()).await;
    assert_eq!((taken.delivery, taken.attempt), (lost.delivery, 2));
    assert!(!acknowledge(store, journal.as_ref(), &lost).await, "too late: another has it");
    let dead = Settlement::Dead { fault: "delivery.refused".to_owned(), detail: String::new(), answer: None };
    assert!(!journal.settle(lost.delivery, lost.token, store.clock().now(), dead).await.unwrap());
    assert_eq!(state(journal.as_ref(), &taken).await, DeliveryState::Leased, "nothing was changed");
    assert!(acknowledge(store, journal.as_ref(), &taken).await);
    assert_eq!(state(journal.as_ref(), &taken).await, DeliveryState::Acknowledged);
}

pub async fn a_lease_that_ran_out_may_be_settled_until_it_is_taken(store: &dyn Store) {
    let journal = store.open();
    commit_new(journal.as_ref(), sample(store.clock(), "a")).await;
    let late = lease_one(store, journal.as_ref()).await;
    store.clock().advance(LEASE + LEASE);
    assert!(acknowledge(store, journal.as_ref(), &late).await);
    assert!(lease(store, journal.as_ref(), 9).await.is_empty());
}

pub async fn a_retry_waits_for_its_time(store: &dyn Store) {
    let journal = store.open();
    let exchange = commit_new(journal.as_ref(), sample(store.clock(), "a")).await.exchange();
    let first = lease_one(store, journal.as_ref()).await;
    let at = store.clock().now() + SignedDuration::from_secs(30);
    let answer = "错".repeat(ANSWER_BYTES_MAX);
    let retry = Settlement::RetryAt { at, fault: "delivery.timeout".to_owned(), detail: "no answer".to_owned(), answer: Some(answer) };
    assert!(journal.settle(first.delivery, first.token, store.clock().now(), retry).await.unwrap());
    assert_eq!(journal.next_due(&tax()).await.unwrap(), Some(at));
    store.clock().advance(SignedDuration::from_millis(29_999));
    assert!(lease(store, journal.as_ref(), 9).await.is_empty());
    store.clock().advance(SignedDuration::from_millis(1));
    let second = lease_one(store, journal.as_ref()).await;
    assert_eq!((second.delivery, second.attempt), (first.delivery, 2));
    assert!(acknowledge(store, journal.as_ref(), &second).await);
    let row = &journal.deliveries(exchange, None, 99).await.unwrap()[0];
    assert_eq!((row.attempts, row.acknowledged_at), (2, Some(store.clock().now())));
    assert_eq!(row.last_fault, Some(("delivery.timeout".to_owned(), "no answer".to_owned())));
    // A whole number of three-byte characters that fits.
    assert_eq!(row.last_answer.as_ref().map(String::len), Some(ANSWER_BYTES_MAX / 3 * 3));
}

pub async fn every_retry_sends_the_same(store: &dyn Store) {
    let journal = store.open();
    commit_new(journal.as_ref(), sample(store.clock(), "a")).await;
    let first = lease_one(store, journal.as_ref()).await;
    assert_eq!(first.rendered, None);
    journal.rendered(first.delivery, first.token, of("rendered")).await.unwrap();
    store.clock().advance(LEASE);
    let second = lease_one(store, journal.as_ref()).await;
    assert_eq!(second.rendered, Some(of("rendered")));
    assert!(journal.rendered(first.delivery, first.token, of("rendered")).await.is_err(), "no longer held");
    journal.rendered(second.delivery, second.token, of("rendered")).await.unwrap();
    let changed = journal.rendered(second.delivery, second.token, of("something else")).await;
    assert!(matches!(changed, Err(JournalError::Damaged(_))), "{changed:?}");
}

pub async fn a_dead_letter_waits_until_it_is_resent(store: &dyn Store) {
    let journal = store.open();
    let exchange = commit_new(journal.as_ref(), sample(store.clock(), "a")).await.exchange();
    let first = lease_one(store, journal.as_ref()).await;
    assert!(!resend(store, journal.as_ref(), first.delivery).await, "no dead letter yet");
    bury(store, journal.as_ref(), &first, "delivery.refused").await;
    let row = &journal.deliveries(exchange, None, 99).await.unwrap()[0];
    assert_eq!((row.state, row.last_answer.as_deref()), (DeliveryState::Dead, Some("no")));
    store.clock().advance(SignedDuration::from_hours(48));
    assert!(lease(store, journal.as_ref(), 9).await.is_empty());
    assert_eq!(journal.next_due(&tax()).await.unwrap(), None);
    assert!(resend(store, journal.as_ref(), first.delivery).await);
    assert!(!resend(store, journal.as_ref(), first.delivery).await);
    let again = lease_one(store, journal.as_ref()).await;
    assert_eq!(again.delivery, first.delivery, "under the same id");
    assert!(again.token > first.token);
    assert!(acknowledge(store, journal.as_ref(), &again).await);
}

pub async fn a_waived_dead_letter_is_not_sent(store: &dyn Store) {
    let journal = store.open();
    commit_new(journal.as_ref(), sample(store.clock(), "a")).await;
    let lease_held = lease_one(store, journal.as_ref()).await;
    assert!(!waive(store, journal.as_ref(), lease_held.delivery, "not dead").await);
    bury(store, journal.as_ref(), &lease_held, "delivery.refused").await;
    assert!(waive(store, journal.as_ref(), lease_held.delivery, "agreed by telephone").await);
    let row = &journal.deliveries(lease_held.exchange, None, 99).await.unwrap()[0];
    assert_eq!(row.state, DeliveryState::Waived);
    let [Act { entry, .. }] = &row.acts[..] else { panic!("{:?}", row.acts) };
    assert_eq!((entry.deed.kind(), entry.reason.as_str(), entry.deliveries), ("waive", "agreed by telephone", 1));
    let kept = entry.operator.as_ref().map(|operator| (operator.name.as_str(), operator.role));
    assert_eq!((entry.at.clone(), kept), (time_text(store.clock().now()), Some(("operator", Role::Operate))));
    assert!(!resend(store, journal.as_ref(), lease_held.delivery).await);
    assert!(!waive(store, journal.as_ref(), lease_held.delivery, "again").await);
    assert!(lease(store, journal.as_ref(), 9).await.is_empty());
}

pub async fn order_is_kept_within_a_key(store: &dyn Store) {
    let journal = store.open();
    let mut ids = Vec::new();
    for (body, key) in [("a1", "A"), ("b1", "B"), ("a2", "A"), ("a3", "A"), ("b2", "B")] {
        ids.push(commit_new(journal.as_ref(), ordered(store, body, key)).await.exchange());
        store.clock().advance(SignedDuration::from_millis(1));
    }
    let unordered = commit_new(journal.as_ref(), sample(store.clock(), "free")).await.exchange();
    let heads = lease(store, journal.as_ref(), 9).await;
    assert_eq!(heads.iter().map(|lease| lease.exchange).collect::<Vec<_>>(), [ids[0], ids[1], unordered]);
    // A retry keeps its place at the head of its key.
    let retry = Settlement::RetryAt { at: store.clock().now(), fault: String::new(), detail: String::new(), answer: None };
    assert!(journal.settle(heads[0].delivery, heads[0].token, store.clock().now(), retry).await.unwrap());
    let again = lease_one(store, journal.as_ref()).await;
    assert_eq!(again.exchange, ids[0]);
    assert!(acknowledge(store, journal.as_ref(), &again).await);
    let next = lease_one(store, journal.as_ref()).await;
    assert_eq!(next.exchange, ids[2]);
    assert!(acknowledge(store, journal.as_ref(), &heads[1]).await);
    assert_eq!(lease_one(store, journal.as_ref()).await.exchange, ids[4]);
    assert!(acknowledge(store, journal.as_ref(), &next).await);
    assert_eq!(lease_one(store, journal.as_ref()).await.exchange, ids[3]);
}

pub async fn a_dead_letter_holds_its_key(store: &dyn Store) {
    let journal = store.open();
    let mut ids = Vec::new();
    for body in ["a1", "a2", "a3"] {
        ids.push(commit_new(journal.as_ref(), ordered(store, body, "A")).await.exchange());
    }
    let first = lease_one(store, journal.as_ref()).await;
    bury(store, journal.as_ref(), &first, "delivery.refused").await;
    // One that comes while the key is held waits too.
    ids.push(commit_new(journal.as_ref(), ordered(store, "a4", "A")).await.exchange());
    store.clock().advance(SignedDuration::from_hours(1));
    assert!(lease(store, journal.as_ref(), 9).await.is_empty());
    assert_eq!(journal.next_due(&tax()).await.unwrap(), None, "nobody is due behind a dead letter");
    assert!(resend(store, journal.as_ref(), first.delivery).await);
    let again = lease_one(store, journal.as_ref()).await;
    assert_eq!(again.exchange, ids[0]);
    bury(store, journal.as_ref(), &again, "delivery.refused").await;
    assert!(waive(store, journal.as_ref(), again.delivery, "sent by post").await);
    for expected in &ids[1..] {
        let next = lease_one(store, journal.as_ref()).await;
        assert_eq!(next.exchange, *expected);
        assert!(acknowledge(store, journal.as_ref(), &next).await);
    }
}

pub async fn a_delivery_is_due_since_it_could_be_made(store: &dyn Store) {
    let journal = store.open();
    let clock = store.clock();
    for body in ["a1", "a2", "a3"] {
        commit_new(journal.as_ref(), ordered(store, body, "A")).await;
    }
    let hour = || {
        clock.advance(SignedDuration::from_hours(1));
        clock.now()
    };
    let (queued, _) = (clock.now(), hour());
    let first = lease_one(store, journal.as_ref()).await;
    assert_eq!(first.due_since, queued);
    bury(store, journal.as_ref(), &first, "delivery.refused").await;
    let resent = hour();
    assert!(resend(store, journal.as_ref(), first.delivery).await);
    hour();
    let again = lease_one(store, journal.as_ref()).await;
    assert_eq!((again.received_at, again.due_since), (queued, resent));
    bury(store, journal.as_ref(), &again, "delivery.refused").await;
    let waived = hour();
    assert!(waive(store, journal.as_ref(), again.delivery, "sent by post").await);
    hour();
    let second = lease_one(store, journal.as_ref()).await;
    assert_eq!((second.received_at, second.due_since), (queued, waived));
    let acknowledged = hour();
    assert!(acknowledge(store, journal.as_ref(), &second).await);
    hour();
    assert_eq!(lease_one(store, journal.as_ref()).await.due_since, acknowledged);
}

pub async fn dead_letters_are_listed_by_destination(store: &dyn Store) {
    let journal = store.open();
    // Each letter is a delivery; capitals are dead letters. Within a destination they were queued in this order.
    let mut names = BTreeMap::new();
    for (name, to) in ["At", "Bz", "ct", "Dt", "ez", "Ft"].map(|text| text.split_at(1)) {
        let mut exchange = sample(store.clock(), name);
        exchange.verdict.destinations[0].to = if to == "t" { tax() } else { "zoo/inbox".parse().unwrap() };
        let to = exchange.verdict.destinations[0].to.clone();
        commit_new(journal.as_ref(), exchange).await;
        let now = store.clock().now();
        let held = journal.lease(&to, now, now + LEASE, 9).await.unwrap().remove(0);
        names.insert(held.delivery, name);
        match name {
            "c" | "e" => assert!(acknowledge(store, journal.as_ref(), &held).await),
            _ => bury(store, journal.as_ref(), &held, "delivery.refused").await,
        }
    }
    let id = |wanted: &str| names.iter().find(|(_, name)| **name == wanted).map(|(id, _)| *id);
    let zoo = || Some("zoo/inbox".parse().unwrap());
    let cases = [
        ("ADFB", DeadLetterFilter { rows_max: 10, ..Default::default() }),
        ("AD", DeadLetterFilter { rows_max: 2, ..Default::default() }),
        ("", DeadLetterFilter::default()),
        ("FB", DeadLetterFilter { after: id("D"), rows_max: 10, ..Default::default() }),
        ("DFB", DeadLetterFilter { after: id("c"), rows_max: 10, ..Default::default() }),
        ("", DeadLetterFilter { after: id("B"), rows_max: 10, ..Default::default() }),
        ("ADF", DeadLetterFilter { to: Some(tax()), rows_max: 10, ..Default::default() }),
        ("F", DeadLetterFilter { to: Some(tax()), after: id("D"), rows_max: 1 }),
        ("B", DeadLetterFilter { to: zoo(), rows_max: 10, ..Default::default() }),
        ("B", DeadLetterFilter { to: zoo(), after: id("F"), rows_max: 10 }),
        ("", DeadLetterFilter { to: Some("nobody/inbox".parse().unwrap()), rows_max: 10, ..Default::default() }),
    ];
    for (expected, filter) in cases {
        let found: String = journal.dead_letters(filter.clone()).await.unwrap().iter().map(|row| names[&row.id]).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let row = journal.dead_letters(DeadLetterFilter { rows_max: 1, ..Default::default() }).await.unwrap().remove(0);
    assert_eq!((row.state, row.to, row.records, row.attempts), (DeliveryState::Dead, tax(), 1, 1));
    assert_eq!(row.last_fault.map(|(code, _)| code).as_deref(), Some("delivery.refused"));
}

pub async fn acts_are_kept(store: &dyn Store) {
    let journal = store.open();
    let exchange = commit_new(journal.as_ref(), sample(store.clock(), "a")).await.exchange();
    for _ in 0..=ACTS_LISTED_MAX {
        let held = lease_one(store, journal.as_ref()).await;
        bury(store, journal.as_ref(), &held, "delivery.refused").await;
        assert!(resend(store, journal.as_ref(), held.delivery).await);
    }
    let held = lease_one(store, journal.as_ref()).await;
    assert!(!waive(store, journal.as_ref(), held.delivery, "不是投递失败").await);
    bury(store, journal.as_ref(), &held, "delivery.refused").await;
    assert!(waive(store, journal.as_ref(), held.delivery, "已由人工送达").await);
    assert!(!act(store, journal.as_ref(), unknown_id(store.clock()), "resend", "nothing").await);
    drop(journal);
    let acts = store.open().deliveries(exchange, None, 99).await.unwrap().remove(0).acts;
    let kinds: Vec<&str> = acts.iter().map(|act| act.entry.deed.kind()).collect();
    let mut expected = vec!["resend"; ACTS_LISTED_MAX - 1];
    expected.push("waive");
    assert_eq!(kinds, expected, "the latest, oldest first");
    let last = acts.last().unwrap();
    assert_eq!(last.entry.reason, "已由人工送达");
}

pub async fn many_dead_letters_are_resent_one_after_the_other(store: &dyn Store) {
    let journal = store.open();
    for body in ["a", "b", "c"] {
        commit_new(journal.as_ref(), sample(store.clock(), body)).await;
    }
    for held in lease(store, journal.as_ref(), 9).await {
        bury(store, journal.as_ref(), &held, "delivery.refused").await;
    }
    let deed = Deed::Resend { per_second: 2, pick: Pick { destination: Some(tax()), ..Pick::default() } };
    let act = NewAct { deliveries_alone_max: 3, ..asked(store, "operator", ActRequest::Do(deed), "all at once") };
    let Acted::Done { act, .. } = journal.act(act).await.unwrap() else { panic!("three may be resent alone") };
    assert_eq!((act.entry.deliveries, act.entry.complete), (3, true));
    let mut due = vec![lease(store, journal.as_ref(), 9).await.len()];
    for _ in 0..3 {
        store.clock().advance(SignedDuration::from_millis(500));
        due.push(lease(store, journal.as_ref(), 9).await.len());
    }
    assert_eq!(due, [1, 1, 1, 0], "two a second");
}

pub async fn a_proposal_is_decided_once_by_somebody_else(store: &dyn Store) {
    let journal = store.open();
    for body in ["a", "b"] {
        commit_new(journal.as_ref(), sample(store.clock(), body)).await;
    }
    for held in lease(store, journal.as_ref(), 9).await {
        bury(store, journal.as_ref(), &held, "delivery.refused").await;
    }
    let act = async |name: &str, request| journal.act(asked(store, name, request, "why")).await.unwrap();
    let waive = || ActRequest::Do(Deed::Waive { pick: Pick { flow: Some("payments".parse().unwrap()), ..Pick::default() } });
    assert!(matches!(act("one", waive()).await, Acted::Proposed(_)));
    assert!(matches!(act("one", ActRequest::Approve(1)).await, Acted::OwnProposal));
    assert!(matches!(act("one", ActRequest::Reject(1)).await, Acted::Done { .. }), "taken back");
    assert!(matches!(act("other", ActRequest::Approve(1)).await, Acted::ProposalUnknown));
    assert!(matches!(act("one", waive()).await, Acted::Proposed(_)));
    store.clock().advance(SignedDuration::from_hours(1));
    assert!(matches!(act("other", ActRequest::Approve(3)).await, Acted::ProposalUnknown), "its span has run out");
    assert!(matches!(act("one", waive()).await, Acted::Proposed(_)));
    assert!(matches!(act("other", ActRequest::Approve(4)).await, Acted::Done { .. }));
    assert!(matches!(act("third", ActRequest::Approve(4)).await, Acted::ProposalUnknown));
    assert!(journal.dead_letters(DeadLetterFilter { rows_max: 9, ..DeadLetterFilter::default() }).await.unwrap().is_empty());
}

pub async fn what_is_paused_has_nothing_due(store: &dyn Store) {
    let journal = store.open();
    commit_new(journal.as_ref(), sample(store.clock(), "a")).await;
    let what = || Pausable::Destination(tax());
    let act = async |deed| journal.act(asked(store, "operator", ActRequest::Do(deed), "repairs")).await.unwrap();
    assert!(matches!(act(Deed::Resume { what: what() }).await, Acted::Unchanged));
    assert!(matches!(act(Deed::Pause { what: what() }).await, Acted::Done { .. }));
    assert!(matches!(act(Deed::Pause { what: what() }).await, Acted::Unchanged));
    assert!(lease(store, journal.as_ref(), 9).await.is_empty());
    assert_eq!(journal.next_due(&tax()).await.unwrap(), None);
    let paused = journal.paused().await.unwrap();
    let paused: Vec<_> = paused.iter().map(|paused| (paused.what.to_string(), paused.act.entry.reason.as_str())).collect();
    assert_eq!(paused, [("destination/tax/inbox".to_owned(), "repairs")]);
    let Acted::Done { woken, .. } = act(Deed::Resume { what: what() }).await else { panic!("it was paused") };
    assert_eq!(woken, [tax()]);
    assert_eq!(lease(store, journal.as_ref(), 9).await.len(), 1);
}

pub async fn the_log_of_acts_is_audited(store: &dyn Store) {
    let journal = store.open();
    for (number, body) in (1..).zip(["a", "b", "c"]) {
        let what = Pausable::Flow(format!("flow-{number}").parse().unwrap());
        journal.act(asked(store, "operator", ActRequest::Do(Deed::Pause { what }), "repairs")).await.unwrap();
        commit_new(journal.as_ref(), sample(store.clock(), body)).await;
    }
    let report = verify_chain(journal.as_ref(), &store.jwks()).await;
    assert!(report.holds(), "{:?}", report.problems);
    assert_eq!(report.acts, 3);
}

pub async fn deliveries_survive_reopening(store: &dyn Store) {
    let journal = store.open();
    for body in ["a", "b", "c"] {
        commit_new(journal.as_ref(), sample(store.clock(), body)).await;
        store.clock().advance(SignedDuration::from_millis(1));
    }
    let leases = lease(store, journal.as_ref(), 2).await;
    assert!(acknowledge(store, journal.as_ref(), &leases[0]).await);
    drop(journal);
    let journal = store.open();
    store.clock().advance(LEASE);
    let again: Vec<_> = lease(store, journal.as_ref(), 9).await.iter().map(|lease| (lease.exchange, lease.attempt)).collect();
    assert_eq!(again.len(), 2, "the first is settled");
    assert!(again.contains(&(leases[1].exchange, 2)), "{again:?}");
}

pub async fn chunks_count_their_own_rows(store: &dyn Store) {
    let journal = store.open();
    let records: Vec<SampleRecord> = [1, 3, 2, 1, 1, 0, 2, 3].map(|destinations| SampleRecord { key: None, destinations }).to_vec();
    let mut exchange = sample_of(store.clock(), "chunks", &records);
    let chunk = |destination, first_row, rows| Chunk { destination, first_row, rows, order_key: None, repeated_ids: 0 };
    // Not in order of their rows, and one that holds nothing for its destination.
    exchange.verdict.chunks = vec![chunk(1, 4, 4), chunk(0, 0, 3), chunk(0, 3, 2), chunk(1, 0, 4), chunk(0, 5, 2), chunk(0, 7, 1)];
    let id = commit_new(journal.as_ref(), exchange).await.exchange();
    let records: Vec<_> =
        journal.deliveries(id, None, 99).await.unwrap().iter().map(|row| (row.to.partner.to_string(), row.records)).collect();
    let expected = [("archive", 2), ("tax", 2), ("tax", 2), ("archive", 2), ("tax", 1)];
    assert_eq!(records, expected.map(|(to, records)| (to.to_owned(), records)));
    let all: Vec<DeliveryId> = journal.deliveries(id, None, 99).await.unwrap().iter().map(|row| row.id).collect();
    let (mut paged, mut page) = (Vec::new(), journal.deliveries(id, None, 2).await.unwrap());
    while let Some(last) = page.last().map(|row| row.id) {
        paged.push(page.iter().map(|row| row.id).collect::<Vec<_>>());
        page = journal.deliveries(id, Some(last), 2).await.unwrap();
    }
    assert_eq!(paged, all.chunks(2).collect::<Vec<_>>(), "page by page");
    let spans: Vec<_> = lease(store, journal.as_ref(), 9).await.iter().map(|lease| (lease.first_row, lease.rows)).collect();
    assert_eq!(spans, [(0, 3), (3, 2), (7, 1)]);
}

pub async fn pages_are_in_order(store: &dyn Store) {
    let journal = store.open();
    let mut newest_first = Vec::new();
    for number in 0..23 {
        newest_first.insert(0, commit_new(journal.as_ref(), sample(store.clock(), &number.to_string())).await.exchange());
        // Some have the same time.
        store.clock().advance(SignedDuration::from_millis(i64::from(number % 3 == 0)));
    }
    for partner in [None, Some("bank".parse().unwrap())] {
        let mut listed: Vec<ExchangeId> = Vec::new();
        loop {
            let filter = ExchangeFilter { partner: partner.clone(), before: listed.last().copied(), rows_max: 5, ..Default::default() };
            let page = journal.exchanges(filter).await.unwrap();
            listed.extend(page.iter().map(|row| row.journaled.exchange()));
            if page.len() < 5 {
                break;
            }
        }
        assert_eq!(listed, newest_first);
    }
}

pub async fn lists_are_filtered(store: &dyn Store) {
    let journal = store.open();
    let begin = store.clock().now();
    let mut ids = BTreeMap::new();
    for (name, partner, flow, message) in
        [("a", "bank", "payments", "m1"), ("b", "bank", "statements", "m2"), ("c", "customs", "payments", "m1")]
    {
        let mut exchange = sample(store.clock(), name);
        (exchange.partner, exchange.flow) = (partner.parse().unwrap(), flow.parse().unwrap());
        exchange.verdict.message_id = Some(message.to_owned());
        ids.insert(commit_new(journal.as_ref(), exchange).await.exchange(), name);
        store.clock().advance(SignedDuration::from_secs(1));
    }
    let after = |seconds| Some(begin + SignedDuration::from_secs(seconds));
    let all = || ExchangeFilter { rows_max: 10, ..Default::default() };
    let (bank, payments) = (Some("bank".parse().unwrap()), Some("payments".parse().unwrap()));
    let cases: [(&str, ExchangeFilter); 10] = [
        ("cba", all()),
        ("cb", ExchangeFilter { rows_max: 2, ..all() }),
        ("", ExchangeFilter { rows_max: 0, ..all() }),
        ("ba", ExchangeFilter { partner: bank.clone(), ..all() }),
        ("ca", ExchangeFilter { flow: payments.clone(), ..all() }),
        ("a", ExchangeFilter { partner: bank.clone(), flow: payments, ..all() }),
        ("ca", ExchangeFilter { message_id: Some("m1".to_owned()), ..all() }),
        ("a", ExchangeFilter { message_id: Some("m1".to_owned()), partner: bank, ..all() }),
        ("cb", ExchangeFilter { received_from: after(1), ..all() }),
        ("b", ExchangeFilter { received_from: after(1), received_to: after(2), ..all() }),
    ];
    for (expected, filter) in cases {
        let found = journal.exchanges(filter.clone()).await.unwrap();
        let found: String = found.iter().map(|row| ids[&row.journaled.exchange()]).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
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
        assert_eq!(journal.knows_message(&"payments".parse().unwrap(), message).await.unwrap(), known, "case {number}");
    }
    assert!(!journal.knows_message(&"payments".parse().unwrap(), "m3").await.unwrap());
}

pub async fn totals_add_up(store: &dyn Store) {
    let journal = store.open();
    let begin = store.clock().now();
    assert!(journal.totals().await.unwrap().flows.is_empty());
    for records in ["p1 p2 p3", "p2 p4", "p5", "p6@3 p7", "p8"] {
        let records: Vec<SampleRecord> = records.split(' ').map(|record| sample_record(record, 0)).collect();
        commit_new(journal.as_ref(), sample_of(store.clock(), "body", &records)).await;
        store.clock().advance(SignedDuration::from_secs(1));
    }
    let leases = lease(store, journal.as_ref(), 4).await;
    assert!(acknowledge(store, journal.as_ref(), &leases[0]).await);
    bury(store, journal.as_ref(), &leases[1], "delivery.refused").await;
    bury(store, journal.as_ref(), &leases[2], "delivery.refused").await;
    bury(store, journal.as_ref(), &leases[3], "delivery.refused").await;
    assert!(resend(store, journal.as_ref(), leases[2].delivery).await);
    assert!(waive(store, journal.as_ref(), leases[3].delivery, "not needed").await);
    let totals = journal.totals().await.unwrap();
    let flow = &totals.flows[0];
    assert_eq!((flow.partner.as_str(), flow.flow.as_str(), flow.exchanges, flow.refused_whole), ("bank", "payments", 5, 0));
    assert_eq!(flow.counts, Counts { records: 9, accepted: 9, refused: 0, warnings: 0, repeated: 1 });
    assert_eq!(flow.last_received_at, Some(begin + SignedDuration::from_secs(4)));
    let stand: Vec<_> = totals.destinations.iter().map(|row| (row.to.to_string(), row.queued, row.acknowledged, row.dead)).collect();
    assert_eq!(stand, [("archive/inbox".to_owned(), 1, 0, 0), ("tax/inbox".to_owned(), 2, 3, 1)]);
    assert_eq!(totals.destinations[1].oldest_waiting, Some(begin + SignedDuration::from_secs(1)), "the dead letter's");
}

pub async fn the_chain_is_audited(store: &dyn Store) {
    let journal = store.open();
    let empty = verify_chain(journal.as_ref(), &store.jwks()).await;
    assert!(empty.holds() && empty.last_head.is_none());
    for number in 0..20 {
        let exchange = sample(store.clock(), &number.to_string());
        let exchange = if number % 2 == 0 { spooled(exchange, store.spool()) } else { exchange };
        commit_new(journal.as_ref(), exchange).await;
    }
    drop(journal);
    let journal = store.open();
    commit_new(journal.as_ref(), sample(store.clock(), "after reopening")).await;
    let report = verify_chain(journal.as_ref(), &store.jwks()).await;
    assert_eq!((report.problems, report.exchanges, report.epochs), (Vec::new(), 21, 1));
    // With a body changed on the disk and without any key, everything that is wrong is named.
    let changed = journal.exchanges(ExchangeFilter { rows_max: 2, ..Default::default() }).await.unwrap();
    let changed = journal.exchanges(ExchangeFilter { before: Some(changed[1].journaled.exchange()), rows_max: 1, ..Default::default() });
    let changed = changed.await.unwrap()[0].journaled.exchange();
    let Some(Stored::File { path, .. }) = journal.body(changed).await.unwrap() else { panic!("a body in a file") };
    std::fs::write(path, "other").unwrap();
    let report = verify_chain(journal.as_ref(), &Jwks::default()).await;
    let (of_bodies, of_heads): (Vec<_>, Vec<_>) = report.problems.iter().partition(|problem| problem.exchange.is_some());
    assert_eq!(of_bodies.iter().map(|problem| problem.exchange).collect::<Vec<_>>(), [Some(changed)]);
    assert_eq!(of_heads.len() as u64, report.heads, "each head is signed with a key that is not given");
}

pub async fn an_unknown_outcome_is_resolved(store: &dyn Store) {
    let journal = store.open();
    let journaled = commit_new(journal.as_ref(), sample(store.clock(), "a")).await;
    assert_eq!(resolve(journal.as_ref(), journaled.exchange()).await.unwrap(), Some(journaled));
    assert_eq!(resolve(journal.as_ref(), unknown_id(store.clock())).await.unwrap(), None);
}

/// How long the tests lease.
const LEASE: SignedDuration = SignedDuration::from_secs(60);

fn tax() -> DestinationId {
    "tax/inbox".parse().unwrap()
}

/// An exchange whose delivery keeps its order within a key.
fn ordered(store: &dyn Store, body: &str, key: &str) -> NewExchange {
    let mut exchange = sample(store.clock(), body);
    exchange.verdict.chunks.iter_mut().for_each(|chunk| chunk.order_key = Some(key.to_owned()));
    exchange
}

async fn lease(store: &dyn Store, journal: &dyn Journal, leases_max: usize) -> Vec<Lease> {
    let now: Timestamp = store.clock().now();
    journal.lease(&tax(), now, now + LEASE, leases_max).await.unwrap()
}

async fn lease_one(store: &dyn Store, journal: &dyn Journal) -> Lease {
    let mut leases = lease(store, journal, 9).await;
    assert_eq!(leases.len(), 1);
    leases.remove(0)
}

async fn resend(store: &dyn Store, journal: &dyn Journal, delivery: DeliveryId) -> bool {
    act(store, journal, delivery, "resend", "the receiver is repaired").await
}

async fn waive(store: &dyn Store, journal: &dyn Journal, delivery: DeliveryId, reason: &str) -> bool {
    act(store, journal, delivery, "waive", reason).await
}

async fn act(store: &dyn Store, journal: &dyn Journal, delivery: DeliveryId, kind: &str, reason: &str) -> bool {
    let pick = Pick::one(delivery);
    let deed = if kind == "resend" { Deed::Resend { per_second: 1, pick } } else { Deed::Waive { pick } };
    match journal.act(asked(store, "operator", ActRequest::Do(deed), reason)).await.unwrap() {
        Acted::Done { woken, .. } => {
            assert_eq!(woken, [tax()]);
            true
        }
        Acted::NothingPicked => false,
        other => panic!("{other:?}"),
    }
}

/// What an operator asks for; more than one delivery takes two people, for an hour.
pub fn asked(store: &dyn Store, name: &str, request: ActRequest, reason: &str) -> NewAct {
    let (name, subject) = (Some(name.parse().unwrap()), format!("CN={name}"));
    let at = store.clock().now();
    NewAct {
        operator: Some(Operator { name, role: Role::Operate, subject, certificate: Digest::default() }),
        at,
        reason: reason.to_owned(),
        request,
        deliveries_alone_max: 1,
        proposal_until: at + SignedDuration::from_hours(1),
    }
}

async fn acknowledge(store: &dyn Store, journal: &dyn Journal, lease: &Lease) -> bool {
    journal.settle(lease.delivery, lease.token, store.clock().now(), Settlement::Acknowledged(Default::default())).await.unwrap()
}

async fn bury(store: &dyn Store, journal: &dyn Journal, lease: &Lease, fault: &str) {
    let dead = Settlement::Dead { fault: fault.to_owned(), detail: "400".to_owned(), answer: Some("no".to_owned()) };
    assert!(journal.settle(lease.delivery, lease.token, store.clock().now(), dead).await.unwrap());
}

async fn state(journal: &dyn Journal, lease: &Lease) -> DeliveryState {
    let deliveries = journal.deliveries(lease.exchange, None, 99).await.unwrap();
    deliveries.iter().find(|row| row.id == lease.delivery).unwrap().state
}

async fn commit_new(journal: &dyn Journal, exchange: NewExchange) -> Journaled {
    match journal.commit(exchange).await.unwrap() {
        Committed::New(journaled) => journaled,
        other => panic!("not new: {other:?}"),
    }
}

/// A sample with something in every field.
fn rich_sample(clock: &TestClock) -> NewExchange {
    let records = [SampleRecord::keyed("one"), SampleRecord { key: None, destinations: 0b11 }, SampleRecord::plain()];
    let mut exchange = sample_of(clock, "报文 <a/>", &records);
    exchange.idempotency_key = Some("钥匙 \"1\"".to_owned());
    exchange.corrects = Some(unknown_id(clock));
    exchange.content_encoding = "gzip".to_owned();
    let verdict = &mut exchange.verdict;
    verdict.message_id = Some("MSG/2026-07\t\u{1}\u{7f}\u{20ac}\u{1f600}".to_owned());
    verdict.outcome = Outcome::InPart;
    verdict.counts = Counts { records: 5, accepted: 3, refused: 2, warnings: 1, repeated: 0 };
    verdict.findings_left_out = 7;
    verdict.decoded_digest = of("decoded");
    verdict.findings = vec![Finding {
        part: None,
        severity: Severity::Error,
        rule: "type.money".to_owned(),
        record: Some(4),
        at: portolan_contract::Position { line: 17, byte: 900, column: 3 },
        source: Some("收入总额".to_owned()),
        canonical: Some("income".to_owned()),
        found: Some("1.005".to_owned()),
        words: portolan_contract::Words::new("小数位过多", "too many decimals"),
    }];
    exchange
}

async fn check_read_back(store: &dyn Store, journal: &dyn Journal, exchange: NewExchange) {
    let (body, canonical) = (bytes_of(&exchange.body), bytes_of(&exchange.verdict.canonical));
    let journaled = commit_new(journal, exchange.clone()).await;
    let row = journal.exchange(exchange.id).await.unwrap().unwrap();
    let verdict = &exchange.verdict;
    assert_eq!(row.journaled, journaled);
    assert_eq!((&row.partner, &row.flow, row.received_at), (&exchange.partner, &exchange.flow, exchange.received_at));
    assert_eq!((&row.idempotency_key, &row.message_id), (&exchange.idempotency_key, &verdict.message_id));
    assert_eq!((row.corrects, &row.mapping, &row.trace_id), (exchange.corrects, &exchange.mapping, &exchange.trace.trace_id()));
    assert_eq!((&row.content_type, &row.content_encoding), (&exchange.content_type, &exchange.content_encoding));
    assert_eq!((row.body_bytes, row.body_digest), (body.len() as u64, exchange.body_digest));
    assert_eq!((row.canonical_digest, row.pins, row.findings_left_out), (verdict.canonical_digest, verdict.pins, 7));
    assert_eq!((journaled.outcome(), journaled.counts()), (verdict.outcome, verdict.counts));
    assert_eq!(bytes_of(&journal.body(exchange.id).await.unwrap().unwrap()), body);
    assert_eq!(bytes_of(&journal.canonical(exchange.id).await.unwrap().unwrap()), canonical);
    let report = journal.report(exchange.id).await.unwrap().unwrap();
    let findings: Vec<Finding> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings, verdict.findings);
    assert_eq!(journal.answer(exchange.id).await.unwrap(), exchange.answer, "byte for byte, text or not");
    for (digest, text) in &exchange.pinned {
        assert_eq!(journal.pinned(*digest).await.unwrap().as_ref(), Some(text));
    }
    assert_eq!(journal.pinned(of("never pinned")).await.unwrap(), None);
    let index = journal.index(exchange.id, 1, 10).await.unwrap();
    assert_eq!(index.iter().map(|(row, known)| (row.record, row.destinations, *known)).collect::<Vec<_>>(), [(2, 3, false), (3, 1, false)]);
    let deliveries = journal.deliveries(exchange.id, None, 99).await.unwrap();
    let deliveries: Vec<(String, u64)> = deliveries.iter().map(|delivery| (delivery.to.to_string(), delivery.records)).collect();
    assert_eq!(deliveries, [("tax/inbox".to_owned(), 3), ("archive/inbox".to_owned(), 1)]);
    let verified = verify(Receipt::new(&journaled).to_bytes(), &store.jwks(), Some(body.as_slice())).unwrap();
    assert_eq!(verified.leaf.message_id, verdict.message_id);
    assert!(journal.exchange(unknown_id(store.clock())).await.unwrap().is_none());
    assert!(journal.body(unknown_id(store.clock())).await.unwrap().is_none());
    assert_eq!(journal.answer(unknown_id(store.clock())).await.unwrap(), None);
}

//! Deliveries: leases, retries, and the order within a key.

use super::{LEASE, Store, acknowledge, bury, commit_new, lease, lease_one, resend, tax, waive};
use crate::support::{SampleRecord, of, sample, sample_of};
use jiff::SignedDuration;
use portolan::domain::{Chunk, DeliveryId, DestinationId};
use portolan::journal::{ANSWER_BYTES_MAX, DeliveryState, Journal, JournalError, Lease, NewExchange, Settlement};
use portolan::seams::Clock;

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

/// An exchange whose delivery keeps its order within a key.
fn ordered(store: &dyn Store, body: &str, key: &str) -> NewExchange {
    let mut exchange = sample(store.clock(), body);
    exchange.verdict.chunks.iter_mut().for_each(|chunk| chunk.order_key = Some(key.to_owned()));
    exchange
}

async fn state(journal: &dyn Journal, lease: &Lease) -> DeliveryState {
    let deliveries = journal.deliveries(lease.exchange, None, 99).await.unwrap();
    deliveries.iter().find(|row| row.id == lease.delivery).unwrap().state
}

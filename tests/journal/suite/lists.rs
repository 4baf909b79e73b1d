//! Pages, filters and totals.

use super::{Store, acknowledge, bury, commit_new, lease, resend, sample_record, waive};
use crate::support::{SampleRecord, sample, sample_of};
use jiff::SignedDuration;
use portolan::domain::{Counts, ExchangeId};
use portolan::journal::ExchangeFilter;
use portolan::seams::Clock;
use std::collections::BTreeMap;

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

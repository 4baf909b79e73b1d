//! What operators do: dead letters that are listed, resent and waived, proposals, pauses, and the log of all.

use super::{LEASE, Store, acknowledge, act, asked, bury, commit_new, lease, lease_one, resend, tax, waive};
use crate::support::{sample, unknown_id};
use jiff::SignedDuration;
use portolan::domain::Role;
use portolan::journal::acts::{ACTS_LISTED_MAX, Act, ActRequest, Acted, Deed, NewAct, Pausable, Pick};
use portolan::journal::evidence::time_text;
use portolan::journal::{DeadLetterFilter, DeliveryState};
use portolan::receipt::audit::verify_chain;
use portolan::seams::Clock;
use std::collections::BTreeMap;

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

//! What the journal keeps for those on duty.

use crate::sqlite::SqliteStore;
use crate::suite::{Store, asked};
use crate::support::sample;
use jiff::SignedDuration;
use portolan::domain::Outcome;
use portolan::journal::acts::{ActRequest, Acted, Deed};
use portolan::journal::alarms::{
    ACTS_PER_ALARM_MAX, Activity, AlarmChange, AlarmFilter, AlarmRow, AlarmSeverity, AlarmState, AlarmSubject,
};
use portolan::journal::{Journal, PAGE_ROWS_MAX};
use portolan::profile::{CODES_MAX, Profile};
use portolan::seams::Clock;
use portolan_contract::Words;
use std::collections::BTreeMap;

fn opened(store: &SqliteStore, what: &str) -> AlarmChange {
    let at = store.clock().now();
    let state = AlarmState {
        severity: AlarmSeverity::Warning,
        party: "gateway".to_owned(),
        words: Words::new("盘满", "full"),
        figures: [("free_bytes".to_owned(), 1.into())].into(),
    };
    let subject = AlarmSubject { what: Some(what.to_owned()), ..AlarmSubject::default() };
    AlarmChange::Open { kind: "disk.low".to_owned(), subject, state, since: at, at }
}

/// Has an operator do something about an alarm. Returns whether it takes that.
async fn act(store: &SqliteStore, journal: &dyn Journal, deed: Deed) -> bool {
    match journal.act(asked(store, "night", ActRequest::Do(deed), "看过")).await.unwrap() {
        Acted::Done { .. } => true,
        Acted::AlarmUnknown => false,
        other => panic!("{other:?}"),
    }
}

async fn open(journal: &dyn Journal) -> Vec<AlarmRow> {
    journal.alarms(AlarmFilter::Open).await.unwrap()
}

#[tokio::test]
async fn alarms_survive_with_everything_said_of_them() {
    let store = SqliteStore::default();
    let journal = store.open();
    journal.change_alarms(vec![opened(&store, "a"), opened(&store, "b"), opened(&store, "a")]).await.unwrap();
    let rows = open(journal.as_ref()).await;
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2], "one of a kind and subject");

    let acknowledge = async |journal: &dyn Journal, number| act(&store, journal, Deed::AcknowledgeAlarm { number }).await;
    let note = async |journal: &dyn Journal, number| act(&store, journal, Deed::NoteAlarm { number }).await;
    assert!(acknowledge(journal.as_ref(), 1).await);
    let noted = open(journal.as_ref()).await.remove(0);
    let entry = &noted.acknowledgement().unwrap().entry;
    assert_eq!((entry.operator.as_ref().unwrap().name.as_str(), entry.reason.as_str()), ("night", "看过"));
    assert!(!acknowledge(journal.as_ref(), 1).await, "once");
    assert!(!note(journal.as_ref(), 9).await, "there is none");
    drop(journal);
    let journal = store.open();
    assert_eq!(open(journal.as_ref()).await[0], noted, "as it was before it was opened again");

    store.clock().advance(SignedDuration::from_secs(5));
    let at = store.clock().now();
    journal.change_alarms(vec![AlarmChange::Close { number: 1, at }, AlarmChange::Close { number: 2, at }]).await.unwrap();
    assert!(!acknowledge(journal.as_ref(), 2).await, "it is closed");
    for _ in 0..ACTS_PER_ALARM_MAX {
        assert!(note(journal.as_ref(), 2).await);
    }
    assert!(!note(journal.as_ref(), 2).await, "enough was said");
    // Of one that nobody was told of, nobody is told that it was closed.
    assert_eq!(journal.alarms(AlarmFilter::ClosedUntold).await.unwrap(), []);
    journal.change_alarms(vec![AlarmChange::Told { number: 1, closed: false, at }]).await.unwrap();
    assert_eq!(journal.alarms(AlarmFilter::ClosedUntold).await.unwrap()[0].number, 1);
    journal.change_alarms(vec![AlarmChange::Told { number: 1, closed: true, at }, opened(&store, "a")]).await.unwrap();
    assert_eq!(journal.alarms(AlarmFilter::ClosedUntold).await.unwrap(), []);
    assert_eq!(open(journal.as_ref()).await[0].number, 3, "the same again is another alarm");
}

#[tokio::test]
async fn history_is_listed_by_pages() {
    let store = SqliteStore::default();
    let journal = store.open();
    journal.change_alarms((0..PAGE_ROWS_MAX + 1).map(|number| opened(&store, &number.to_string())).collect()).await.unwrap();
    let first = journal.alarms(AlarmFilter::Before(None)).await.unwrap();
    let last = first.last().unwrap().number;
    assert_eq!((first.len(), first[0].number, last), (PAGE_ROWS_MAX, PAGE_ROWS_MAX as u64 + 1, 2));
    assert_eq!(journal.alarms(AlarmFilter::Before(Some(last))).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_came_is_counted_with_its_exchange() {
    let store = SqliteStore::default();
    let journal = store.open();
    let hour = store.clock().now().as_second() / 3600;
    let path = || "currency".to_owned();
    let profile = |code: &str| Profile { records: 2, present: [(path(), 2)].into(), codes: [((path(), code.to_owned()), 2)].into() };
    let mut accepted = sample(store.clock(), "accepted");
    accepted.verdict.profile = profile("CNY");
    let (partner, flow) = (accepted.partner.clone(), accepted.flow.clone());
    assert_eq!(journal.last_accepted(&partner, &flow).await.unwrap(), None);
    let at = accepted.received_at;
    journal.commit(accepted.clone()).await.unwrap();
    journal.commit(accepted).await.unwrap();
    store.clock().advance(SignedDuration::from_hours(1));
    let mut refused = sample(store.clock(), "refused");
    refused.verdict.outcome = Outcome::Refused;
    (refused.verdict.counts.accepted, refused.verdict.counts.refused) = (0, 1);
    journal.commit(refused).await.unwrap();

    let rows = journal.activity(hour).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.hour, row.activity)).collect();
    let one = Activity { exchanges: 1, records: 1, ..Activity::default() };
    assert_eq!(found, [(hour + 1, Activity { refused_exchanges: 1, refused_records: 1, ..one }), (hour, one)], "a repeat is no other");
    assert_eq!(journal.last_accepted(&partner, &flow).await.unwrap(), Some(at), "what was refused is no feed");
    assert_eq!(journal.activity(hour + 1).await.unwrap().len(), 1);

    // A day has no more codes than a body may have.
    for number in 0..CODES_MAX + 5 {
        let mut exchange = sample(store.clock(), &format!("code {number}"));
        exchange.verdict.profile = profile(&format!("C{number}"));
        journal.commit(exchange).await.unwrap();
    }
    let day = hour / 24;
    let profiles = journal.profiles(day).await.unwrap();
    assert_eq!(profiles.len(), 1);
    let codes: BTreeMap<&str, u64> = profiles[0].profile.codes.iter().map(|((_, code), records)| (code.as_str(), *records)).collect();
    assert_eq!((codes.len(), codes["CNY"], codes["…"]), (CODES_MAX + 1, 2, 12));
    assert_eq!((profiles[0].profile.records, profiles[0].profile.present["currency"]), (140, 140));

    journal.forget_profiles(day + 1).await.unwrap();
    assert_eq!(journal.profiles(day).await.unwrap(), []);
}

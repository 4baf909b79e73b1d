//! What the journal keeps for those on duty.

use crate::sqlite::SqliteStore;
use crate::suite::Store;
use crate::support::sample;
use jiff::SignedDuration;
use portolan::domain::Outcome;
use portolan::journal::alarms::{
    Activity, AlarmChange, AlarmFilter, AlarmNote, AlarmRow, AlarmSeverity, AlarmState, AlarmSubject, NOTES_PER_ALARM_MAX, NoteKind,
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

fn note(store: &SqliteStore, kind: NoteKind) -> AlarmNote {
    AlarmNote { kind, at: store.clock().now(), operator: "CN=night".to_owned(), text: "看过".to_owned() }
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

    let noted = journal.note_alarm(1, note(&store, NoteKind::Acknowledged)).await.unwrap().unwrap();
    assert_eq!(noted.acknowledgement().unwrap().operator, "CN=night");
    assert_eq!(journal.note_alarm(1, note(&store, NoteKind::Acknowledged)).await.unwrap(), None, "once");
    assert_eq!(journal.note_alarm(9, note(&store, NoteKind::Done)).await.unwrap(), None, "there is none");
    drop(journal);
    let journal = store.open();
    assert_eq!(open(journal.as_ref()).await[0], noted, "as it was before it was opened again");

    store.clock().advance(SignedDuration::from_secs(5));
    let at = store.clock().now();
    journal.change_alarms(vec![AlarmChange::Close { number: 1, at }, AlarmChange::Close { number: 2, at }]).await.unwrap();
    assert_eq!(journal.note_alarm(2, note(&store, NoteKind::Acknowledged)).await.unwrap(), None, "it is closed");
    for _ in 0..NOTES_PER_ALARM_MAX {
        journal.note_alarm(2, note(&store, NoteKind::Done)).await.unwrap().unwrap();
    }
    assert_eq!(journal.note_alarm(2, note(&store, NoteKind::Done)).await.unwrap(), None, "enough was said");
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
    assert_eq!(found, [(hour, one), (hour + 1, Activity { refused_exchanges: 1, refused_records: 1, ..one })], "a repeat is no other");
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

    journal.forget_history(day + 1).await.unwrap();
    assert_eq!((journal.activity(hour).await.unwrap().len(), journal.profiles(day).await.unwrap().len()), (0, 0));
}

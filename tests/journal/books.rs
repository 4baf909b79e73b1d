//! Days in sums, statements that are kept, and matters that should meet: checks of the suite.

use crate::suite::Store;
use crate::support::{SampleRecord, sample, sample_of, splitmix};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use portolan::amounts::{Amount, Amounts, Basis, Noted};
use portolan::domain::{Digest, Name, Outcome};
use portolan::journal::acts::{ActRequest, Acted, Deed, NewAct};
use portolan::journal::matters::{Cursor, MatterCounts, MatterFilter, MatterRow, MatterState, MatterStep, NewSeen, Progress, Seen};
use portolan::journal::statements::{DayBook, KeptStatement, Measure, SUMS_PER_MEASURE_MAX};
use portolan::journal::{Committed, Journal, NewExchange, Settlement};
use portolan::schedule::BusinessDay;
use portolan::seams::{Clock, new_id};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn amounts(rows: &[(&str, &str, &str)]) -> Amounts {
    let mut amounts = Amounts::default();
    for (amount, currency, booking_date) in rows {
        let (amount, currency, booking_date) = (Some(*amount), Some(*currency), Some(*booking_date));
        amounts.note(Noted { amount, currency, booking_date, ..Noted::default() });
    }
    amounts
}

/// A body's day as text: measure, other, basis, date, currency, records, amount.
fn told(book: &DayBook) -> Vec<String> {
    let told = book.sums.iter().map(|sum| {
        let amount = sum.sum.amount.map_or("-".to_owned(), |amount| amount.to_string());
        let line = &sum.line;
        let words = [
            format!("{:?}", sum.measure).to_lowercase(),
            sum.other.clone(),
            line.basis.as_str().to_owned(),
            line.date.clone(),
            line.currency.clone(),
            sum.sum.records.to_string(),
            amount,
        ];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    });
    told.collect()
}

async fn book(journal: &dyn Journal, partner: &str, on: &str) -> DayBook {
    journal.day_book(&name(partner), &name("payments"), day(on)).await.unwrap()
}

async fn new(journal: &dyn Journal, exchange: NewExchange) {
    assert!(matches!(journal.commit(exchange).await.unwrap(), Committed::New(_)));
}

/// The clock stands at 08:00 of 1 July in Shanghai.
pub async fn a_day_adds_up(store: &dyn Store) {
    let journal = store.open();
    let mut first = sample(store.clock(), "first");
    first.verdict.tally.accepted = amounts(&[("0.10", "CNY", "2026-06-30"), ("0.20", "CNY", "2026-07-01")]);
    first.verdict.tally.refused = amounts(&[("5", "EUR", "")]);
    first.verdict.outcome = Outcome::InPart;
    new(journal.as_ref(), first.clone()).await;
    assert!(matches!(journal.commit(first).await.unwrap(), Committed::Repeat(_)), "a repeat adds nothing");
    let mut second = sample_of(store.clock(), "second", &[SampleRecord::keyed("k"), SampleRecord::keyed("k")]);
    second.verdict.tally.accepted = amounts(&[("99.75", "CNY", "2026-07-01"), ("0.00", "CNY", "2026-07-01")]);
    new(journal.as_ref(), second).await;
    let of_day = book(journal.as_ref(), "bank", "2026-07-01").await;
    assert_eq!((of_day.exchanges.all, of_day.exchanges.in_part, of_day.exchanges.repeated_records), (2, 1, 1));
    assert_eq!(
        told(&of_day),
        [
            "accepted received CNY 4 100.05",
            "accepted booking 2026-06-30 CNY 1 0.10",
            "accepted booking 2026-07-01 CNY 3 99.95",
            "refused received EUR 1 5",
            "refused booking EUR 1 5",
        ]
    );
    assert_eq!(book(journal.as_ref(), "bank", "2026-07-02").await, DayBook::default());
}

pub async fn what_is_delivered_counts_on_its_own_day(store: &dyn Store) {
    let journal = store.open();
    new(journal.as_ref(), sample(store.clock(), "body")).await;
    store.clock().advance(SignedDuration::from_hours(16));
    let now = store.clock().now();
    let to = "tax/inbox".parse().unwrap();
    let lease = journal.lease(&to, now, now + SignedDuration::from_mins(1), 1).await.unwrap().remove(0);
    let delivered = Settlement::Acknowledged(amounts(&[("12.50", "CNY", "2026-06-30")]));
    assert!(journal.settle(lease.delivery, lease.token, now, delivered.clone()).await.unwrap());
    assert!(!journal.settle(lease.delivery, lease.token, now, delivered).await.unwrap(), "once");
    assert!(book(journal.as_ref(), "bank", "2026-07-01").await.sums.iter().all(|sum| sum.measure != Measure::Delivered));
    let sender = book(journal.as_ref(), "bank", "2026-07-02").await;
    assert_eq!(told(&sender), ["delivered tax/inbox received CNY 1 12.50", "delivered tax/inbox booking 2026-06-30 CNY 1 12.50"]);
    let receiver = book(journal.as_ref(), "tax", "2026-07-02").await;
    assert_eq!(told(&receiver), ["taken bank received CNY 1 12.50", "taken bank booking 2026-06-30 CNY 1 12.50"]);
}

/// A body that comes in before the day is over and is committed soon after is that day's; one that takes too long is the
/// next day's, so that a statement that was given out stays true.
pub async fn a_late_commit_is_the_next_days(store: &dyn Store) {
    let journal = store.open();
    store.clock().advance(SignedDuration::from_hours(16) - SignedDuration::from_secs(1));
    let received_at = store.clock().now();
    for (after, body) in [(SignedDuration::from_mins(9), "soon"), (SignedDuration::from_mins(2), "late")] {
        store.clock().advance(after);
        new(journal.as_ref(), NewExchange { received_at, ..sample(store.clock(), body) }).await;
    }
    let counted = async |on| book(journal.as_ref(), "bank", on).await.exchanges.all;
    assert_eq!((counted("2026-07-01").await, counted("2026-07-02").await), (1, 1));
    let cut_off = BusinessDay::new("Asia/Shanghai", Some(jiff::civil::time(0, 5, 0, 0)));
    new(journal.as_ref(), NewExchange { business_day: cut_off, ..sample(store.clock(), "after the cut-off") }).await;
    assert_eq!(counted("2026-07-03").await, 1);
}

/// However records are split into bodies and days, the sums of all days are those that another library's decimals come to.
pub async fn days_add_up_however_bodies_are_split(store: &dyn Store) {
    let journal = store.open();
    let (mut state, mut expected, mut records) = (7, rust_decimal::Decimal::ZERO, 0);
    let first = day("2026-07-01");
    for body in 0..40 {
        let rows: Vec<(String, String)> = (0..splitmix(&mut state) % 30)
            .map(|_| {
                let cents = (splitmix(&mut state) % 1_000_000_000_000) as i64;
                expected += rust_decimal::Decimal::new(cents, 2);
                records += 1;
                let date = first.saturating_add(jiff::Span::new().days((splitmix(&mut state) % 5) as i64));
                (rust_decimal::Decimal::new(cents, 2).to_string(), date.to_string())
            })
            .collect();
        let rows: Vec<(&str, &str, &str)> = rows.iter().map(|(amount, date)| (amount.as_str(), "CNY", date.as_str())).collect();
        let mut exchange = sample(store.clock(), &format!("body {body}"));
        exchange.verdict.tally.accepted = amounts(&rows);
        new(journal.as_ref(), exchange).await;
        store.clock().advance(SignedDuration::from_mins((splitmix(&mut state) % 600) as i64));
    }
    for basis in [Basis::Received, Basis::Booking] {
        let (mut sum, mut counted) = (rust_decimal::Decimal::ZERO, 0);
        for days in 0..30 {
            let on = first.saturating_add(jiff::Span::new().days(days)).to_string();
            for found in book(journal.as_ref(), "bank", &on).await.sums.iter().filter(|found| found.line.basis == basis) {
                sum += found.sum.amount.unwrap().to_string().parse::<rust_decimal::Decimal>().unwrap();
                counted += found.sum.records;
            }
        }
        assert_eq!((sum, counted), (expected, records), "{basis:?}");
    }
}

pub async fn a_day_has_a_bounded_number_of_sums(store: &dyn Store) {
    let journal = store.open();
    let start = day("2000-01-01");
    let mut records = 0;
    for body in 0..90 {
        let mut exchange = sample(store.clock(), &format!("body {body}"));
        let dates: Vec<String> = (0..60).map(|n| start.saturating_add(jiff::Span::new().days(body * 60 + n)).to_string()).collect();
        let rows: Vec<(&str, &str, &str)> = dates.iter().map(|date| ("1.00", "CNY", date.as_str())).collect();
        exchange.verdict.tally.accepted = amounts(&rows);
        records += 60;
        new(journal.as_ref(), exchange).await;
    }
    let of_day = book(journal.as_ref(), "bank", "2026-07-01").await;
    assert!(of_day.sums.len() <= SUMS_PER_MEASURE_MAX + 2, "{}", of_day.sums.len());
    let booked = of_day.sums.iter().filter(|sum| sum.line.basis == Basis::Booking).map(|sum| sum.sum.records).sum::<u64>();
    assert_eq!(booked, records, "nothing is left out");
    assert!(of_day.sums.iter().any(|sum| sum.line.date == "…" && sum.sum.amount.is_some()));
}

/// Amounts that come to more digits than a sum holds: everything goes on and is counted, their sum is no longer told.
pub async fn absurd_amounts_stop_nothing(store: &dyn Store) {
    let journal = store.open();
    let nines = "9".repeat(28);
    for (body, amount) in [("first", nines.as_str()), ("second", "0.0000000001"), ("third", "1.00"), ("fourth", "1.00")] {
        let mut exchange = sample(store.clock(), body);
        exchange.verdict.tally.accepted = amounts(&[(amount, "CNY", ""), ("1.00", "EUR", "")]);
        deliver(journal.as_ref(), store, exchange, amounts(&[(amount, "CNY", "")])).await;
    }
    let received = |of_day: &DayBook| told(of_day).into_iter().filter(|sum| sum.contains(" received ")).collect::<Vec<_>>();
    let sender = book(journal.as_ref(), "bank", "2026-07-01").await;
    assert_eq!(received(&sender), ["accepted received CNY 4 -", "accepted received EUR 4 4.00", "delivered tax/inbox received CNY 4 -"]);
    assert_eq!(received(&book(journal.as_ref(), "tax", "2026-07-01").await), ["taken bank received CNY 4 -"]);
}

/// A sender whose records have any number of currencies and dates takes no room from what another has sent to the same receiver.
pub async fn a_sender_takes_no_room_of_anothers_sums(store: &dyn Store) {
    let journal = store.open();
    let currencies: Vec<String> =
        (0..40_u8).map(|number| format!("X{}{}", char::from(b'A' + number / 26), char::from(b'A' + number % 26))).collect();
    let start = day("2000-01-01");
    for body in 0..4 {
        let dates: Vec<String> = (0..60).map(|n| start.saturating_add(jiff::Span::new().days(body * 60 + n)).to_string()).collect();
        let every = dates.iter().flat_map(|date| currencies.iter().map(move |currency| ("1.00", currency.as_str(), date.as_str())));
        deliver(journal.as_ref(), store, sample(store.clock(), &format!("body {body}")), amounts(&every.collect::<Vec<_>>())).await;
    }
    let other = NewExchange { partner: name("customs"), ..sample(store.clock(), "another's") };
    deliver(journal.as_ref(), store, other, amounts(&[("2.50", "CNY", "2026-06-30")])).await;
    let receiver = told(&book(journal.as_ref(), "tax", "2026-07-01").await);
    let room = SUMS_PER_MEASURE_MAX + SUMS_PER_MEASURE_MAX / 8 + 3;
    assert!((SUMS_PER_MEASURE_MAX..room).contains(&(receiver.len() - 2)), "{}", receiver.len());
    for expected in ["taken customs received CNY 1 2.50", "taken customs booking 2026-06-30 CNY 1 2.50"] {
        assert!(receiver.iter().any(|sum| sum == expected), "{expected}");
    }
}

/// Commits an exchange and acknowledges its delivery as one of these amounts.
async fn deliver(journal: &dyn Journal, store: &dyn Store, exchange: NewExchange, of: Amounts) {
    new(journal, exchange).await;
    let now = store.clock().now();
    let lease = journal.lease(&"tax/inbox".parse().unwrap(), now, now + SignedDuration::from_mins(1), 1).await.unwrap().remove(0);
    assert!(journal.settle(lease.delivery, lease.token, now, Settlement::Acknowledged(of)).await.unwrap());
}

pub async fn a_statement_is_kept_once(store: &dyn Store) {
    let journal = store.open();
    let kept = |text: &str| KeptStatement { text: text.to_owned(), workbook: text.as_bytes().to_vec() };
    let (partner, flow, on) = (name("bank"), name("payments"), day("2026-07-01"));
    assert_eq!(journal.statement(&partner, &flow, on).await.unwrap(), None);
    let first = journal.keep_statement(&partner, &flow, on, kept("first")).await.unwrap();
    let second = journal.keep_statement(&partner, &flow, on, kept("second")).await.unwrap();
    assert_eq!((first, second), (kept("first"), kept("first")));
    drop(journal);
    assert_eq!(store.open().statement(&partner, &flow, on).await.unwrap(), Some(kept("first")));
}

const WITHIN: [Option<SignedDuration>; 3] = [None, Some(SignedDuration::from_mins(10)), Some(SignedDuration::from_mins(30))];

/// What is seen, as a test writes it: leg, key, minute, amount, currency.
type Row<'r> = (usize, &'r str, i64, &'r str, &'r str);

fn seen(store: &dyn Store, (leg, key, minute, amount, currency): Row<'_>) -> NewSeen {
    let received_at = Timestamp::from_second(1_782_864_000 + minute * 60).unwrap();
    let amount = amount.parse::<Amount>().ok().map(|amount| (amount, currency.to_owned()));
    let seen = Seen { exchange: new_id(store.clock()), record: 1, received_at, amount, ends: currency == "END" };
    NewSeen { leg, key: key.to_owned(), seen }
}

async fn steps(journal: &dyn Journal, reconciliation: &str, rows: &[NewSeen], at_a_time: usize) {
    let declaration = Digest::of(b"declaration");
    let reconciliation = name(reconciliation);
    for piece in rows.chunks(at_a_time) {
        let before = journal.reconciled_to(&reconciliation).await.unwrap();
        let sequence = before.map_or(1, |before| before.cursor.sequence + 1);
        let after = Progress { declaration, cursor: Cursor { sequence, row: 0 } };
        let step = MatterStep { name: reconciliation.clone(), before, after, within: WITHIN.to_vec(), seen: piece.to_vec(), left_out: 0 };
        assert!(journal.reconcile(step.clone()).await.unwrap());
        assert!(!journal.reconcile(step).await.unwrap(), "a step is made once");
    }
}

async fn matters(journal: &dyn Journal, reconciliation: &str, state: Option<MatterState>, now: Timestamp) -> Vec<MatterRow> {
    let (name, key, before) = (name(reconciliation), None, None);
    journal.matters(MatterFilter { name, state, key, before, rows_max: 200, now }).await.unwrap()
}

pub async fn matters_stand_as_they_should(store: &dyn Store) {
    let journal = store.open();
    // 60 minutes after the first row.
    let now = Timestamp::from_second(1_782_864_000 + 3600).unwrap();
    let rows: [Row<'_>; 17] = [
        (0, "met", 0, "100.00", "CNY"),
        (1, "met", 5, "100", "CNY"),
        (2, "met", 20, "100.0", "CNY"),
        (0, "waiting", 55, "1", "CNY"),
        (0, "late", 0, "1", "CNY"),
        (1, "unmatched", 3, "1", "CNY"),
        (0, "other-amount", 0, "1.00", "CNY"),
        (1, "other-amount", 1, "1.01", "CNY"),
        (0, "other-currency", 0, "1", "CNY"),
        (1, "other-currency", 1, "1", "USD"),
        (0, "refused", 0, "7", "END"),
        (0, "without-amount", 0, "7", "CNY"),
        (1, "without-amount", 2, "", ""),
        (2, "without-amount", 3, "7", "CNY"),
        (0, "came-late", 0, "7", "CNY"),
        (1, "came-late", 11, "7", "CNY"),
        (2, "came-late", 12, "7", "CNY"),
    ];
    let rows: Vec<NewSeen> = rows.into_iter().map(|row| seen(store, row)).collect();
    steps(journal.as_ref(), "debits", &rows, 4).await;
    let keys = async |state| {
        let mut keys: Vec<String> = matters(journal.as_ref(), "debits", Some(state), now).await.into_iter().map(|row| row.key).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(MatterState::Matched).await, ["came-late", "met", "refused", "without-amount"]);
    assert_eq!(keys(MatterState::Waiting).await, ["waiting"]);
    assert_eq!(keys(MatterState::Late).await, ["late"]);
    assert_eq!(keys(MatterState::Unmatched).await, ["unmatched"]);
    assert_eq!(keys(MatterState::AmountDifferent).await, ["other-amount", "other-currency"]);
    let came_late = matters(journal.as_ref(), "debits", None, now).await;
    assert_eq!(came_late.iter().filter(|row| row.came_late).map(|row| row.key.as_str()).collect::<Vec<_>>(), ["came-late"]);
    let counts = journal.matter_counts(&name("debits"), now).await.unwrap();
    let expected =
        MatterCounts { matched: 4, waiting: 1, late: 1, unmatched: 1, amount_different: 2, recent: 4, ..MatterCounts::default() };
    assert_eq!(counts, expected);
    let a_month_later = now + SignedDuration::from_hours(30 * 24);
    assert_eq!(journal.matter_counts(&name("debits"), a_month_later).await.unwrap().recent, 0, "what is old is known");
    let one = MatterFilter { name: name("debits"), state: None, key: Some("met".to_owned()), before: None, rows_max: 1, now };
    assert_eq!(journal.matters(one).await.unwrap().len(), 1);
    settled_until_something_comes(store, journal.as_ref(), now).await;
    while journal.forget_matters(&name("debits")).await.unwrap() {}
    assert_eq!(
        (journal.reconciled_to(&name("debits")).await.unwrap(), matters(journal.as_ref(), "debits", None, now).await),
        (None, vec![])
    );
}

/// What an operator settles is neither counted as unmet nor recent, until something comes for it; what is well is not settled.
async fn settled_until_something_comes(store: &dyn Store, journal: &dyn Journal, now: Timestamp) {
    let settle = async |key: &str| {
        let deed = Deed::SettleMatter { key: key.to_owned(), reconciliation: name("debits") };
        let (reason, request) = ("paid in cash".to_owned(), ActRequest::Do(deed));
        let act = NewAct { operator: None, at: now, reason, request, deliveries_alone_max: 0, proposal_until: now };
        matches!(journal.act(act).await.unwrap(), Acted::Done { .. })
    };
    for key in ["met", "waiting", "nobody"] {
        assert!(!settle(key).await, "{key}");
    }
    for key in ["late", "unmatched", "other-amount"] {
        assert!(settle(key).await && !settle(key).await, "{key} is settled once");
    }
    let counts = journal.matter_counts(&name("debits"), now).await.unwrap();
    let expected = MatterCounts { matched: 4, waiting: 1, settled: 3, amount_different: 1, recent: 1, ..MatterCounts::default() };
    assert_eq!(counts, expected);
    let settled = matters(journal, "debits", Some(MatterState::Settled), now).await;
    let told: Vec<_> = settled.iter().map(|row| (row.key.as_str(), row.settled.as_ref().unwrap().entry.reason.as_str())).collect();
    assert_eq!(told, ["other-amount", "unmatched", "late"].map(|key| (key, "paid in cash")));
    steps(journal, "debits", &[seen(store, (1, "late", 70, "1", "CNY"))], 1).await;
    let counts = journal.matter_counts(&name("debits"), now).await.unwrap();
    assert_eq!((counts.settled, counts.waiting, counts.late), (2, 2, 0));
}

/// Every order of arrival, and every cut into steps, comes to the same matters.
pub async fn matters_meet_in_any_order(store: &dyn Store) {
    let journal = store.open();
    let now = Timestamp::from_second(1_782_864_000 + 3600).unwrap();
    let rows: [Row<'_>; 12] = [
        (0, "a", 0, "1", "CNY"),
        (0, "a", 2, "9", "CNY"),
        (0, "a", 1, "3", "CNY"),
        (1, "a", 4, "1", "CNY"),
        (2, "a", 9, "1", "CNY"),
        (2, "a", 8, "1.0", "CNY"),
        (1, "b", 2, "5", "CNY"),
        (0, "c", 1, "5", "CNY"),
        (1, "c", 3, "6", "CNY"),
        (1, "c", 2, "5", "CNY"),
        (0, "d", 0, "5", "END"),
        (2, "d", 50, "5", "END"),
    ];
    let rows: Vec<NewSeen> = rows.into_iter().map(|row| seen(store, row)).collect();
    let mut first: Option<(Vec<MatterRow>, MatterCounts)> = None;
    for order in 0..40_u64 {
        let mut shuffled = rows.clone();
        let mut state = order;
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, (splitmix(&mut state) % (place as u64 + 1)) as usize);
        }
        let reconciliation = format!("order-{order}");
        steps(journal.as_ref(), &reconciliation, &shuffled, 1 + order as usize % 5).await;
        let mut found = matters(journal.as_ref(), &reconciliation, None, now).await;
        found.sort_by(|one, other| one.key.cmp(&other.key));
        found.iter_mut().for_each(|row| row.number = 0);
        let counts = journal.matter_counts(&name(&reconciliation), now).await.unwrap();
        let first = first.get_or_insert_with(|| (found.clone(), counts));
        assert_eq!((&first.0, first.1), (&found, counts), "order {order}");
    }
    let (found, counts) = first.unwrap();
    let states: Vec<(&str, MatterState)> = found.iter().map(|row| (row.key.as_str(), row.state)).collect();
    assert_eq!(states, [("a", MatterState::Matched), ("b", MatterState::Unmatched), ("c", MatterState::Late), ("d", MatterState::Matched)]);
    assert_eq!(counts.duplicates, 4);
}

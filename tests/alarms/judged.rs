//! What is judged an alarm of history and of this hour: figures worked out by hand.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use portolan::alarms::{Condition, Evidence, Kind};
use portolan::config::{Config, Flow};
use portolan::domain::{DestinationId, Name};
use portolan::journal::DestinationTotals;
use portolan::journal::acts::Pausable;
use portolan::journal::alarms::{Activity, ActivityRow, ProfileRow};
use portolan::journal::matters::MatterCounts;
use portolan::profile::Profile;
use portolan::schedule::{Every, OnHoliday, Schedule, Seen};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Wednesday, 15:00 in Shanghai.
const NOW: &str = "2026-07-15T07:00:00Z";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Nothing is known and nothing is wrong.
fn evidence(now: &str) -> Evidence {
    let config = Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/example")).unwrap();
    Evidence {
        now: now.parse().unwrap(),
        config: Arc::new(config),
        destinations: Vec::new(),
        circuits_open: Default::default(),
        paused: Default::default(),
        feeds: BTreeMap::new(),
        recent: Vec::new(),
        history: Arc::default(),
        profiles: Arc::default(),
        throttled: BTreeMap::new(),
        latencies: BTreeMap::new(),
        endings: Arc::default(),
        reconciliations: BTreeMap::new(),
        free_bytes: None,
        clock_jump_ms: None,
        clock_unsynchronised: false,
        key_since: None,
        chain_broken: None,
    }
}

fn of_kind(evidence: &Evidence, kind: Kind) -> Vec<Condition> {
    evidence.conditions().into_iter().filter(|condition| condition.kind == kind).collect()
}

/// So many records of a day at noon in Shanghai.
fn row(day: Date, records: u64) -> ActivityRow {
    let noon = day.at(12, 0, 0, 0).to_zoned_datetime(TimeZone::get("Asia/Shanghai").unwrap()).unwrap().timestamp();
    let activity = Activity { exchanges: 1, records, ..Activity::default() };
    ActivityRow { partner: name("bank"), flow: name("payment-confirmation"), hour: noon.as_second() / 3600, activity }
}

/// Yesterday and today beside six Tuesdays and Wednesdays of 100, 102, 98, 100, 104 and 96: their median is 100, the
/// median distance 2, so a deviation is 2.97, and at least 5 (a twentieth of the median). Six of them are 30.
#[test]
fn a_volume_far_from_its_weekday_is_told() {
    let today: Date = "2026-07-15".parse().unwrap();
    let volumes = |yesterday: u64, now: u64| {
        let mut rows = Vec::new();
        for (weeks, records) in (1..).zip([100, 102, 98, 100, 104, 96]) {
            rows.extend([row(today - (7 * weeks).days(), records), row(today - (7 * weeks + 1).days(), records)]);
        }
        rows.extend([row(today - 1.days(), yesterday), row(today, now)]);
        let evidence = Evidence { history: Arc::new(rows), ..evidence(NOW) };
        of_kind(&evidence, Kind::VolumeDrift)
            .iter()
            .map(|found| found.state.figures["day"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(volumes(100, 50), none, "a day that has not ended cannot be too little");
    assert_eq!(volumes(71, 100), none);
    assert_eq!(volumes(69, 100), ["2026-07-14"]);
    assert_eq!(volumes(131, 100), ["2026-07-14"]);
    assert_eq!(volumes(100, 131), ["2026-07-15"]);
    assert_eq!(volumes(0, 0), none, "an absent feed is its schedule's matter");
}

#[test]
fn three_days_are_too_few_to_judge() {
    let today: Date = "2026-07-15".parse().unwrap();
    let rows: Vec<_> = (1..=3).map(|weeks| row(today - (7 * weeks).days(), 100)).chain([row(today, 100_000)]).collect();
    let evidence = Evidence { history: Arc::new(rows), ..evidence(NOW) };
    assert_eq!(of_kind(&evidence, Kind::VolumeDrift), []);
}

/// A day of 200 records, of which so many have a value and so many of those the code CNY.
fn profile(day: i64, present: u64, cny: u64, new: u64) -> ProfileRow {
    let path = || "currency".to_owned();
    let codes = [("CNY", cny), ("USD", present - cny - new), ("XTS", new)].into_iter().filter(|(_, records)| *records > 0);
    let profile = Profile {
        records: 200,
        present: [(path(), present)].into(),
        codes: codes.map(|(code, records)| ((path(), code.to_owned()), records)).collect(),
    };
    ProfileRow { partner: name("bank"), flow: name("payment-confirmation"), day, profile }
}

#[test]
fn shares_that_leave_their_medians_are_told() {
    let today = NOW.parse::<Timestamp>().unwrap().as_second() / 86_400;
    let shares = |latest: ProfileRow, kind| {
        let rows = (1..=8).rev().map(|days| profile(today - days, 190, 171, 0)).chain([latest]).collect();
        let evidence = Evidence { profiles: Arc::new(rows), ..evidence(NOW) };
        of_kind(&evidence, kind)
            .iter()
            .map(|found| (found.subject.what.clone().unwrap(), found.state.figures["share"].as_f64().unwrap()))
            .collect::<Vec<(String, f64)>>()
    };
    let told = |share: f64| vec![("currency".to_owned(), share)];
    let none: Vec<(String, f64)> = Vec::new();
    // Empty in 5 % of records as a rule, and twenty points are allowed.
    assert_eq!(shares(profile(today, 152, 137, 0), Kind::NullShareDrift), none, "24 %");
    assert_eq!(shares(profile(today, 148, 133, 0), Kind::NullShareDrift), told(0.26));
    assert_eq!(shares(profile(today - 2, 0, 0, 0), Kind::NullShareDrift), none, "an old day is no news");
    // CNY in 90 % as a rule; a code that was never there is told of from 5 % on.
    assert_eq!(shares(profile(today, 200, 144, 0), Kind::CodeListDrift), none, "72 %");
    assert_eq!(shares(profile(today, 200, 130, 0), Kind::CodeListDrift), told(0.65));
    assert_eq!(shares(profile(today, 200, 180, 8), Kind::CodeListDrift), none, "4 % are new");
    assert_eq!(shares(profile(today, 200, 180, 12), Kind::CodeListDrift), told(0.06));
}

#[test]
fn too_much_that_is_refused_is_told() {
    let refusals = |exchanges, refused_exchanges, records, refused_records| {
        let activity = Activity { exchanges, refused_exchanges, records, refused_records };
        let recent = vec![ActivityRow { activity, ..row("2026-07-15".parse().unwrap(), 0) }];
        of_kind(&Evidence { recent, ..evidence(NOW) }, Kind::RefusalsHigh).len()
    };
    assert_eq!(refusals(1, 0, 100, 20), 0, "a fifth is allowed");
    assert_eq!(refusals(1, 0, 100, 21), 1);
    assert_eq!(refusals(1, 1, 19, 19), 0, "too few to judge");
    assert_eq!(refusals(20, 5, 0, 0), 1, "bodies whose records could not be counted");
}

/// A feed is expected on every working day.
fn expecting(now: &str) -> Evidence {
    let evidence = evidence(now);
    let mut config = Config::clone(&evidence.config);
    let mut flow = Flow::clone(&config.flows[&name("payment-confirmation")]);
    let schedule = Schedule {
        every: Every::Workday,
        time: None,
        opens_before: None,
        grace: SignedDuration::ZERO,
        missed_after: SignedDuration::from_hours(24),
        on_holiday: OnHoliday::After,
        calendar: Some(name("cn")),
    };
    flow.senders.values_mut().for_each(|sender| sender.schedule = Some(schedule.clone()));
    config.flows.insert(name("payment-confirmation"), Arc::new(flow));
    Evidence { config: Arc::new(config), ..evidence }
}

#[test]
fn dead_letters_are_told_where_a_destination_keeps_deliveries() {
    let now: Timestamp = NOW.parse().unwrap();
    let told = |queued: u64, dead: u64| {
        let waiting = Some(now - SignedDuration::from_hours(1));
        let totals =
            DestinationTotals { to: "tax-bureau/payments".parse().unwrap(), queued, acknowledged: 0, dead, oldest_waiting: waiting };
        let mut found = of_kind(&Evidence { destinations: vec![totals], ..evidence(NOW) }, Kind::DestinationDown);
        let state = found.remove(0).state;
        assert_eq!((&state.figures["queued_records"], &state.figures["dead_records"]), (&queued.into(), &dead.into()));
        (state.words.zh, state.words.en)
    };
    let (zh, en) = told(0, 114);
    assert_eq!(zh, "tax-bureau/payments 投递积压：0 条记录等待，114 条投递失败待处理，最早的已等 3600 秒");
    assert!(en.ends_with(": 0 records wait, 114 are in dead letters, the oldest for 3600 s"), "{en}");
    let (zh, en) = told(3, 0);
    assert_eq!(zh, "tax-bureau/payments 投递积压：3 条记录等待，最早的已等 3600 秒");
    assert!(en.ends_with(": 3 records wait, the oldest for 3600 s"), "{en}");
}

#[test]
fn what_is_paused_is_the_gateways_own_doing() {
    let now: Timestamp = NOW.parse().unwrap();
    let told = |evidence: &Evidence, kind| {
        let found = of_kind(evidence, kind);
        found.iter().map(|found| format!("{} {}", found.state.severity.as_str(), found.state.party)).collect::<Vec<_>>()
    };
    let to: DestinationId = "tax-bureau/payments".parse().unwrap();
    let down = |waiting: Option<Timestamp>, paused: bool| {
        let totals = DestinationTotals { to: to.clone(), queued: 3, acknowledged: 0, dead: 0, oldest_waiting: waiting };
        let paused = paused.then(|| Pausable::Destination(to.clone())).into_iter().collect();
        let evidence = Evidence { destinations: vec![totals], circuits_open: [to.clone()].into(), paused, ..evidence(NOW) };
        told(&evidence, Kind::DestinationDown)
    };
    let hour_ago = Some(now - SignedDuration::from_hours(1));
    assert_eq!(down(hour_ago, false), ["critical receiver"]);
    assert_eq!(down(hour_ago, true), ["warning gateway"]);
    assert_eq!((down(None, false), down(None, true)), (vec!["critical receiver".to_owned()], vec![]));

    let mut expecting = expecting(NOW);
    let bank = expecting.config.flows[&name("payment-confirmation")].senders.keys().next().unwrap().clone();
    let seen = Seen { since: now - SignedDuration::from_hours(240), ..Seen::default() };
    expecting.feeds.insert((bank, name("payment-confirmation")), seen);
    assert_eq!(told(&expecting, Kind::FeedMissed), ["critical sender"]);
    expecting.paused.insert(Pausable::Flow(name("payment-confirmation")));
    assert_eq!(told(&expecting, Kind::FeedMissed), ["warning gateway"]);
}

#[test]
fn a_missing_year_of_holidays_is_told_from_the_middle_of_december() {
    let missing = |now: &str| {
        let evidence = expecting(now);
        let found = of_kind(&evidence, Kind::CalendarMissing);
        found.iter().map(|c| format!("{} {}", c.subject.what.as_deref().unwrap(), c.state.severity.as_str())).collect::<Vec<_>>()
    };
    // 16:00Z is midnight in Shanghai. What ships goes to 2026.
    assert_eq!(missing("2026-12-14T15:59:59Z"), [""; 0]);
    assert_eq!(missing("2026-12-14T16:00:00Z"), ["cn/2027 warning"]);
    assert_eq!(missing("2026-12-31T16:00:00Z"), ["cn/2027 critical"]);
    assert_eq!(missing("2025-12-20T00:00:00Z"), [""; 0]);
}

#[test]
fn a_key_a_disk_and_a_clock_are_judged_by_their_limits() {
    let kinds = |evidence: Evidence| {
        let found = evidence.conditions();
        found.iter().map(|c| format!("{} {}", c.kind, c.state.severity.as_str())).collect::<Vec<_>>()
    };
    let key = |days: i64| {
        let now: Timestamp = NOW.parse().unwrap();
        kinds(Evidence { key_since: Some(now - SignedDuration::from_hours(24 * days)), ..evidence(NOW) })
    };
    assert_eq!(
        (key(334), key(335), key(365)),
        (vec![], vec!["receipts-key.ending warning".into()], vec!["receipts-key.ending critical".into()])
    );
    let disk = |mib: u64| kinds(Evidence { free_bytes: Some(mib << 20), ..evidence(NOW) });
    assert_eq!((disk(2048), disk(2047), disk(511)), (vec![], vec!["disk.low warning".into()], vec!["disk.low critical".into()]));
    assert_eq!(kinds(Evidence { clock_jump_ms: Some(-7000), ..evidence(NOW) }), ["clock.wrong critical"]);
    assert_eq!(kinds(Evidence { clock_unsynchronised: true, ..evidence(NOW) }), ["clock.wrong warning"]);
}

#[test]
fn what_does_not_meet_of_late_is_told_once_for_each_reconciliation() {
    let counts = |recent| MatterCounts { matched: 9, late: 4, unmatched: 2, recent, ..MatterCounts::default() };
    let of = |recent| {
        let evidence = Evidence { reconciliations: [(name("debits"), counts(recent))].into(), ..evidence(NOW) };
        of_kind(&evidence, Kind::ReconciliationUnmet)
    };
    assert_eq!(of(0), []);
    let found = of(3).remove(0);
    assert_eq!((found.subject.what.as_deref(), found.state.figures["late"].as_u64()), (Some("debits"), Some(4)));
}

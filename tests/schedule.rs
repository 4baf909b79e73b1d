//! Schedules: what a flow's file says is expected, and how a feed stands at a moment.
//!
//! A case in `tests/schedule_cases/` is a flow's `[schedule]` with moments. Each says `now`, when something was
//! last accepted, and which periods were declared empty, and what was worked out by hand with the State Council's
//! notices of 2025 and 2026 at hand. Times are of the zone Asia/Shanghai, written without it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use portolan::config::Config;
use portolan::domain::Name;
use portolan::schedule::calendar::embedded;
use portolan::schedule::{Calendar, Every, OnHoliday, Schedule, Seen, Standing, standing};
use proptest::prelude::*;
use serde::Deserialize;
use std::path::{Path, PathBuf};

const ZONE: &str = "Asia/Shanghai";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    schedule: toml::Table,
    moment: Vec<Moment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    now: String,
    last: Option<String>,
    since: Option<String>,
    #[serde(default)]
    declared: Vec<String>,
    expect: String,
}

#[test]
fn feeds_stand_as_worked_out_by_hand() {
    let cases: Vec<PathBuf> = std::fs::read_dir(here("tests/schedule_cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!cases.is_empty());
    let failures: Vec<String> = cases.iter().flat_map(|case| check(case)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What stands otherwise than the case says.
fn check(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (schedule, calendar) = read(&case.schedule);
    let zone = TimeZone::get(ZONE).unwrap();
    let differs = case.moment.iter().filter_map(|moment| {
        let now = time(&moment.now);
        let seen = Seen {
            since: moment.since.as_deref().map_or(Timestamp::UNIX_EPOCH, time),
            last_accepted: moment.last.as_deref().map(time),
            declared: moment.declared.iter().map(|period| period.parse().unwrap()).collect(),
        };
        let found = match standing(&schedule.late_by(now, &calendar, &zone), &seen, now) {
            Standing::Kept => "kept".to_owned(),
            Standing::Late(occurrence) => format!("late {}", occurrence.period),
            Standing::Missed { first, count } => format!("missed {count} since {}", first.period),
        };
        let next = schedule.next_after(now, &calendar, &zone);
        let next = next.map(|next| next.due_at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string());
        let found = format!("{found}; next due {}", next.unwrap_or_default());
        (found != moment.expect).then(|| format!("{} at {}: expected {:?}, found {found:?}", file.display(), moment.now, moment.expect))
    });
    differs.collect()
}

/// The schedule as a configuration reads it, and its calendar.
fn read(schedule: &toml::Table) -> (Schedule, Calendar) {
    let folder = tempfile::tempdir().unwrap();
    copy(&here("docs/example"), folder.path());
    let file = folder.path().join("flows/payment-confirmation.toml");
    let inline = schedule.iter().map(|(key, value)| format!("{key} = {}\n", serde_json::to_string(value).unwrap())).collect::<String>();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n[schedule]\n{inline}")).unwrap();
    let config = Config::load(folder.path()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let name = |text: &str| text.parse::<Name>().unwrap();
    let schedule = config.flows[&name("payment-confirmation")].senders[&name("bank")].schedule.clone().unwrap();
    let calendar = schedule.calendar.as_ref().map_or(Calendar::default(), |name| config.calendars[name].clone());
    (schedule, calendar)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn time(text: &str) -> Timestamp {
    text.parse::<DateTime>().unwrap().to_zoned_datetime(TimeZone::get(ZONE).unwrap()).unwrap().timestamp()
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn schedules() -> impl Strategy<Value = Schedule> {
    use jiff::civil::Weekday::{Friday, Monday, Saturday, Sunday};
    let every = prop_oneof![
        Just(Every::Workday),
        Just(Every::Week(vec![Monday, Friday])),
        Just(Every::Week(vec![Saturday, Sunday])),
        (1..=31_u8).prop_map(Every::Month),
        (1..=90_u8).prop_map(Every::Quarter),
    ];
    let on_holiday = prop_oneof![Just(OnHoliday::Expect), Just(OnHoliday::Skip), Just(OnHoliday::Before), Just(OnHoliday::After)];
    (every, on_holiday, prop::option::of(0..24_i8), 0..300_i64, any::<bool>()).prop_map(|(every, on_holiday, hour, grace, known)| {
        Schedule {
            every,
            time: hour.map(|hour| jiff::civil::time(hour, 0, 0, 0)),
            opens_before: None,
            grace: SignedDuration::from_mins(grace),
            missed_after: SignedDuration::from_hours(24),
            on_holiday,
            calendar: known.then(|| "cn".parse().unwrap()),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Moments stand in their order; what is asked for is late by now; whatever came just now keeps everything;
    /// and what was declared for the latest period is not asked for.
    #[test]
    fn what_must_always_hold(schedule in schedules(), minutes in 0..1_000_000_i64) {
        let calendar = if schedule.calendar.is_some() { embedded().unwrap().remove("cn").unwrap() } else { Calendar::default() };
        let zone = TimeZone::get(ZONE).unwrap();
        let now = time("2025-01-15T00:00") + SignedDuration::from_mins(minutes);
        let late = schedule.late_by(now, &calendar, &zone);
        for occurrence in &late {
            prop_assert!(occurrence.opens_at < occurrence.due_at && occurrence.due_at <= occurrence.late_at);
            prop_assert!(occurrence.late_at < occurrence.missed_at && occurrence.late_at <= now);
        }
        prop_assert!(late.windows(2).all(|pair| pair[0].due_at <= pair[1].due_at));
        prop_assert!(schedule.next_after(now, &calendar, &zone).is_none_or(|next| next.due_at > now));
        let judge = |seen: &Seen| standing(&late, seen, now);
        prop_assert_eq!(judge(&Seen { last_accepted: Some(now), ..Seen::default() }), Standing::Kept);
        prop_assert_eq!(judge(&Seen { since: now, ..Seen::default() }), Standing::Kept);
        if let Some(latest) = late.last() {
            prop_assert_ne!(judge(&Seen::default()), Standing::Kept);
            let declared = [latest.period].into();
            prop_assert_eq!(judge(&Seen { declared, ..Seen::default() }), Standing::Kept);
            // The later something came, the less is missing.
            let count = |last| match judge(&Seen { last_accepted: Some(last), ..Seen::default() }) {
                Standing::Kept => 0,
                Standing::Late(_) => 1,
                Standing::Missed { count, .. } => count,
            };
            prop_assert!(late.windows(2).all(|pair| count(pair[0].opens_at) >= count(pair[1].opens_at)));
        }
    }
}

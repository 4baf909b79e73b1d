//! Business days: zones, changes of the clock and cut-offs. The cases in `business_days.toml` were worked out by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "support/cases.rs"]
mod cases;

use cases::cases;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use portolan::schedule::BusinessDay;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    zone: String,
    cut_off: Option<String>,
    at: Timestamp,
    day: Date,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

#[test]
fn days_are_as_worked_out_by_hand() {
    for Case { zone, cut_off, at, day, from, to } in cases(include_str!("business_days.toml")) {
        let days = BusinessDay::new(&zone, cut_off.as_deref().map(|time| time.parse().unwrap()));
        assert_eq!(days.of(at), day, "{zone} {cut_off:?} {at}");
        let (begins, ends) = days.span(day);
        assert!(begins <= at && at < ends, "{zone} {cut_off:?} {at}: {begins} to {ends}");
        assert_eq!((from.unwrap_or(begins), to.unwrap_or(ends)), (begins, ends), "{zone} {cut_off:?} {day}");
    }
}

proptest! {
    /// Days follow one another without a gap, and every moment is within the day that it belongs to.
    #[test]
    fn every_moment_is_in_one_day(
        seconds in 1_000_000_000_i64..2_000_000_000,
        zone in prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "UTC"]),
        minutes in prop::option::of(0_i64..1440),
    ) {
        let cut_off = minutes.map(|minutes| jiff::civil::Time::midnight() + SignedDuration::from_mins(minutes));
        let days = BusinessDay::new(zone, cut_off);
        let at = Timestamp::from_second(seconds).unwrap();
        let day = days.of(at);
        let (from, to) = days.span(day);
        prop_assert!(from <= at && at < to, "{} is not between {} and {}", at, from, to);
        prop_assert_eq!(days.span(day.tomorrow().unwrap()).0, to);
    }
}

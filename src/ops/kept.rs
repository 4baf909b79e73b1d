//! Whether feeds came when they were expected: each occurrence of a schedule within the last month, judged by the hours in
//! which something was accepted, and by what its sender has declared. So it is as exact as an hour; the alarms, which act on it,
//! are exact.

use crate::alarms::is_declared_empty;
use crate::config::{Config, Flow};
use crate::domain::{FlowId, PartnerId};
use crate::journal::hours::FlowHour;
use crate::journal::{Journal, JournalError};
use crate::schedule::{Calendar, Occurrence, Schedule};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// What became of an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It came in time.
    InTime,
    /// It came late (迟报).
    Late,
    /// There is nothing, as its sender has declared (本期无数据).
    Empty,
    /// It is late and may still come.
    Overdue,
    /// It did not come (未报).
    Missed,
    /// It is not due yet.
    Ahead,
}

impl Kept {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InTime => "in-time",
            Self::Late => "late",
            Self::Empty => "declared-empty",
            Self::Overdue => "overdue",
            Self::Missed => "missed",
            Self::Ahead => "ahead",
        }
    }
}

/// An occurrence of a feed's schedule, and what became of it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Who is to send.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// What and when.
    pub occurrence: Occurrence,
    /// What became of it.
    pub kept: Kept,
}

impl Expected {
    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        json!({
            "partner": self.partner,
            "flow": self.flow,
            "period": self.occurrence.period.to_string(),
            "due_at": self.occurrence.due_at.to_string(),
            "kept": self.kept.as_str(),
        })
    }
}

/// The occurrences that feeds have had since `from` and their next ones, each feed's oldest first; none of one without a schedule.
/// `hours` are of the span since then.
///
/// # Errors
/// The journal's failures.
pub async fn expected(
    journal: &dyn Journal,
    config: &Config,
    feeds: impl Iterator<Item = (&Flow, &PartnerId)>,
    hours: &[FlowHour],
    (from, now): (Timestamp, Timestamp),
) -> Result<Vec<Expected>, JournalError> {
    let mut expected = Vec::new();
    for (flow, partner) in feeds {
        let Some(schedule) = flow.senders.get(partner).and_then(|sender| sender.schedule.as_ref()) else { continue };
        let zone = TimeZone::get(&flow.zone).unwrap_or(TimeZone::UTC);
        // As for the alarms, something came where a record of it was accepted; a declaration has none.
        let of_feed = hours.iter().filter(|hour| hour.flow == flow.id && hour.partner == *partner && hour.counts.accepted > 0);
        let came: Vec<Timestamp> = of_feed.map(|hour| hour.hour).collect();
        let occurrences = occurrences(schedule, schedule.calendar_of(&config.calendars), &zone, from, now);
        for (place, occurrence) in occurrences.iter().enumerate() {
            let until = occurrences.get(place + 1).map_or(Timestamp::MAX, |next| next.opens_at);
            let mut kept = judge(occurrence, until, &came, now);
            if !matches!(kept, Kept::InTime | Kept::Late) && is_declared_empty(journal, partner, &flow.id, &occurrence.period).await? {
                kept = Kept::Empty;
            }
            expected.push(Expected { partner: partner.clone(), flow: flow.id.clone(), occurrence: occurrence.clone(), kept });
        }
    }
    Ok(expected)
}

fn occurrences(schedule: &Schedule, calendar: &Calendar, zone: &TimeZone, from: Timestamp, now: Timestamp) -> Vec<Occurrence> {
    let mut found = schedule.late_by(now, calendar, zone);
    found.retain(|occurrence| occurrence.opens_at >= from);
    // One may be due and within its grace.
    let due_before = found.last().map_or(from, |last| last.due_at);
    let mut next = schedule.next_after(due_before, calendar, zone);
    while let Some(occurrence) = next.filter(|occurrence| found.last().is_none_or(|last| occurrence.due_at > last.due_at)) {
        let is_ahead = occurrence.due_at > now;
        let due_at = occurrence.due_at;
        if occurrence.opens_at >= from {
            found.push(occurrence);
        }
        next = if is_ahead { None } else { schedule.next_after(due_at, calendar, zone) };
    }
    found
}

/// Judges an occurrence by the hours in which something came for it: from its opening until the next one's.
fn judge(occurrence: &Occurrence, until: Timestamp, came: &[Timestamp], now: Timestamp) -> Kept {
    let hour = jiff::SignedDuration::from_hours(1);
    let first = came.iter().filter(|at| at.saturating_add(hour).is_ok_and(|end| end > occurrence.opens_at) && **at < until).min();
    match first {
        Some(at) if *at < occurrence.late_at => Kept::InTime,
        Some(_) => Kept::Late,
        None if now < occurrence.late_at => Kept::Ahead,
        None if now < occurrence.missed_at => Kept::Overdue,
        None => Kept::Missed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Period;

    /// Open from 00:00, due at 10:00, late from 10:30, missed from 12:00.
    fn check(now: &str, came: &[&str], expected: Kept) {
        let at = |time: &str| format!("2026-07-01T{time}:00Z").parse::<Timestamp>().unwrap_or_default();
        let occurrence = Occurrence {
            period: Period::Day(jiff::civil::date(2026, 7, 1)),
            opens_at: at("00:00"),
            due_at: at("10:00"),
            late_at: at("10:30"),
            missed_at: at("12:00"),
        };
        let came: Vec<Timestamp> = came.iter().map(|time| at(time)).collect();
        assert_eq!(judge(&occurrence, at("22:00"), &came, at(now)), expected, "{came:?} at {now}");
    }

    #[test]
    fn an_occurrence_is_judged_by_the_first_hour_in_which_something_came() {
        check("09:00", &[], Kept::Ahead);
        check("10:15", &[], Kept::Ahead);
        check("10:30", &[], Kept::Overdue);
        check("12:00", &[], Kept::Missed);
        check("20:00", &["10:00", "15:00"], Kept::InTime);
        check("20:00", &["11:00"], Kept::Late);
        check("20:00", &["13:00"], Kept::Late);
        check("23:00", &["22:00"], Kept::Missed);
    }
}

//! What is expected when (报送时限): a feed's schedule, the moments that follow from it, and how a feed stands.
//!
//! Pure: no clock of its own, no journal. A schedule names days; each gives an [`Occurrence`], which is open
//! from `opens_at`, due at `due_at`, late (迟报) from `late_at` on, when the grace is over, and missed (未报)
//! from `missed_at` on, or once the next one is late too. Whatever had something accepted from `opens_at` on
//! keeps it; so does a declaration that its period is empty (本期无数据), whenever it came.

pub mod calendar;
pub mod day;
pub mod period;

pub use calendar::Calendar;
pub use day::BusinessDay;
pub use period::Period;

use crate::domain::Name;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::collections::{BTreeMap, BTreeSet};

/// Days before and after a day among which a working day is looked for.
const MOVE_DAYS_MAX: usize = 31;
/// Occurrences that are looked back upon: enough for the longest holidays.
pub const OCCURRENCES_MAX: usize = 32;

/// When a feed is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// On which days.
    pub every: Every,
    /// At what time of that day it is due; `None` is the end of the day.
    pub time: Option<Time>,
    /// From how long before that on something counts for it; from the day's beginning unless given.
    pub opens_before: Option<SignedDuration>,
    /// How much later it may come.
    pub grace: SignedDuration,
    /// How long after that a late one counts as missed.
    pub missed_after: SignedDuration,
    /// What becomes of a day on which no work is done.
    pub on_holiday: OnHoliday,
    /// Whose holidays; none has Saturdays and Sundays alone.
    pub calendar: Option<Name>,
}

/// The days of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Every {
    /// Each working day, make-up days included.
    Workday,
    /// Each of these days of the week.
    Week(Vec<Weekday>),
    /// The day of the month after a month, counted from 1; the last day where the month is shorter.
    Month(u8),
    /// The day after the end of a quarter, counted from 1.
    Quarter(u8),
}

/// What becomes of a day on which no work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHoliday {
    /// It is expected all the same.
    Expect,
    /// Nothing is expected for it.
    Skip,
    /// It is due on the last working day before.
    Before,
    /// It is due on the next working day (顺延).
    After,
}

/// One time at which a feed is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// What for.
    pub period: Period,
    /// What comes from here on is for it.
    pub opens_at: Timestamp,
    /// Until when it should be there.
    pub due_at: Timestamp,
    /// From when on it is late.
    pub late_at: Timestamp,
    /// From when on it is missed.
    pub missed_at: Timestamp,
}

/// What is known of a feed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Since when anything could be known; what was due before is not asked for.
    pub since: Timestamp,
    /// When something was last accepted.
    pub last_accepted: Option<Timestamp>,
    /// Periods that were declared empty.
    pub declared: BTreeSet<Period>,
}

/// How a feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything that was expected is there.
    Kept,
    /// The latest is late.
    Late(Occurrence),
    /// The latest is missed, or not the first in a row that is late.
    Missed {
        /// The first of those in a row that are not there.
        first: Occurrence,
        /// How many in a row.
        count: usize,
    },
}

impl Schedule {
    /// Its calendar among those that there are.
    pub fn calendar_of<'c>(&self, calendars: &'c BTreeMap<Name, Calendar>) -> &'c Calendar {
        self.calendar.as_ref().and_then(|name| calendars.get(name)).unwrap_or(Calendar::WEEKENDS_ALONE)
    }

    /// The latest occurrences that have become late by now, oldest first, at most [`OCCURRENCES_MAX`].
    pub fn late_by(&self, now: Timestamp, calendar: &Calendar, zone: &TimeZone) -> Vec<Occurrence> {
        let today = now.to_zoned_datetime(zone.clone()).date();
        let ended = |occurrence: &Occurrence| occurrence.late_at <= now;
        let mut found: Vec<Occurrence> =
            self.nominal(today).filter_map(|(period, day)| self.occurrence(period, day, calendar, zone)).filter(ended).collect();
        found.sort_by_key(|occurrence| (occurrence.due_at, occurrence.period));
        found.split_off(found.len().saturating_sub(OCCURRENCES_MAX))
    }

    /// The next occurrence that is not due yet.
    pub fn next_after(&self, now: Timestamp, calendar: &Calendar, zone: &TimeZone) -> Option<Occurrence> {
        let today = now.to_zoned_datetime(zone.clone()).date();
        let all = self.nominal(today).filter_map(|(period, day)| self.occurrence(period, day, calendar, zone));
        all.filter(|occurrence| occurrence.due_at > now).min_by_key(|occurrence| (occurrence.due_at, occurrence.period))
    }

    /// The periods around a day with the days on which they would be due if work were done on every day.
    fn nominal(&self, today: Date) -> impl Iterator<Item = (Period, Date)> + use<> {
        let every = self.every.clone();
        let (back, ahead) = match every {
            Every::Workday | Every::Week(_) => ((2 * MOVE_DAYS_MAX) as i64, MOVE_DAYS_MAX as i64),
            Every::Month(_) => (150, 62),
            Every::Quarter(_) => (460, 280),
        };
        let first = today.saturating_sub(back.days());
        let days = first.series(1.day()).take(usize::try_from(back + ahead).unwrap_or(0));
        days.filter_map(move |day| match &every {
            Every::Workday => Some((Period::Day(day), day)),
            Every::Week(weekdays) => weekdays.contains(&day.weekday()).then_some((Period::Day(day), day)),
            Every::Month(number) => {
                let (period, begins) = (Period::month_of(day), day.last_of_month().checked_add(1.day()).ok()?);
                let due = begins.checked_add((i64::from(*number) - 1).days()).ok()?.min(begins.last_of_month());
                (day.day() == 1).then_some((period, due))
            }
            Every::Quarter(number) => {
                let period = Period::quarter_of(day);
                let due = period.day_after()?.checked_add((i64::from(*number) - 1).days()).ok()?;
                (period.first_day() == Some(day)).then_some((period, due))
            }
        })
    }

    fn occurrence(&self, period: Period, day: Date, calendar: &Calendar, zone: &TimeZone) -> Option<Occurrence> {
        let due_day = self.moved(day, calendar)?;
        let opens = match period {
            Period::Day(_) => day.min(due_day),
            // Moved before a holiday, it may be due within the period itself.
            _ => period.day_after()?.min(due_day),
        };
        // Due at midnight, it is to come the day before.
        let opens = if self.time == Some(Time::midnight()) { opens.yesterday().ok()? } else { opens };
        let begin_of = |day: Date| day.to_zoned_datetime(zone.clone()).ok().map(|zoned| zoned.timestamp());
        let due_at = match self.time {
            Some(time) => due_day.to_datetime(time).to_zoned_datetime(zone.clone()).ok()?.timestamp(),
            None => begin_of(due_day.checked_add(1.day()).ok()?)?,
        };
        let opens_at = match self.opens_before {
            Some(before) => due_at.checked_sub(before).ok()?,
            None => begin_of(opens)?,
        };
        let late_at = due_at.checked_add(self.grace).ok()?;
        Some(Occurrence { period, opens_at, due_at, late_at, missed_at: late_at.checked_add(self.missed_after).ok()? })
    }

    /// The day on which it is due; `None` where nothing is expected.
    fn moved(&self, day: Date, calendar: &Calendar) -> Option<Date> {
        if calendar.is_workday(day) {
            return Some(day);
        }
        let search = |step: i64| day.series(step.days()).take(MOVE_DAYS_MAX).find(|day| calendar.is_workday(*day));
        match (&self.every, self.on_holiday) {
            (Every::Workday, _) | (_, OnHoliday::Skip) => None,
            (_, OnHoliday::Expect) => Some(day),
            (_, OnHoliday::Before) => search(-1),
            (_, OnHoliday::After) => search(1),
        }
    }
}

/// How a feed stands, of occurrences that are late by `now`, oldest first.
pub fn standing(late: &[Occurrence], seen: &Seen, now: Timestamp) -> Standing {
    let kept = |occurrence: &Occurrence| {
        occurrence.late_at <= seen.since
            || seen.last_accepted.is_some_and(|at| at >= occurrence.opens_at)
            || seen.declared.contains(&occurrence.period)
    };
    let absent: Vec<&Occurrence> = late.iter().rev().take_while(|occurrence| !kept(occurrence)).collect();
    match (absent.first(), absent.last()) {
        (Some(latest), Some(first)) if absent.len() > 1 || latest.missed_at <= now => {
            Standing::Missed { first: (*first).clone(), count: absent.len() }
        }
        (Some(latest), _) => Standing::Late((*latest).clone()),
        _ => Standing::Kept,
    }
}

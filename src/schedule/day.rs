//! The business day (营业日): 00:00–24:00 in a flow's zone, or from one cut-off to the next. What comes at the
//! cut-off or later belongs to the next day.
//!
//! Where a clock is put forward over the limit, the day ends when the clock has moved; where it is put back, at the
//! first of the two.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The zone of flows that name none.
pub const ZONE_DEFAULT: &str = "Asia/Shanghai";

/// How the days of a flow are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessDay {
    zone: TimeZone,
    name: String,
    cut_off: Option<Time>,
}

impl BusinessDay {
    /// Days in a zone; one that is not known is taken for UTC.
    pub fn new(zone: &str, cut_off: Option<Time>) -> Self {
        Self {
            zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC),
            name: zone.to_owned(),
            cut_off: cut_off.filter(|time| *time != Time::midnight()),
        }
    }

    /// The zone's name.
    pub fn zone(&self) -> &str {
        &self.name
    }

    /// The time at which the next day begins; `None` is midnight.
    pub fn cut_off(&self) -> Option<Time> {
        self.cut_off
    }

    /// The day to which a moment belongs.
    pub fn of(&self, at: Timestamp) -> Date {
        let date = at.to_zoned_datetime(self.zone.clone()).date();
        let mut day = date.saturating_sub(1.day());
        while at >= self.end(day) && day < Date::MAX {
            day = day.saturating_add(1.day());
        }
        day
    }

    /// Where a day begins, and where it is over.
    pub fn span(&self, day: Date) -> (Timestamp, Timestamp) {
        (self.end(day.saturating_sub(1.day())), self.end(day))
    }

    fn end(&self, day: Date) -> Timestamp {
        let limit = match self.cut_off {
            Some(time) => day.to_datetime(time),
            None => day.saturating_add(1.day()).to_datetime(Time::midnight()),
        };
        self.zone.to_timestamp(limit).unwrap_or(if day < Date::constant(2000, 1, 1) { Timestamp::MIN } else { Timestamp::MAX })
    }
}

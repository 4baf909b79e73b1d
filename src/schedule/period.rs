//! Periods (所属期) for which a feed is expected: `2026-07-15`, `2026-07`, `2026Q3`, `2026`.

use jiff::ToSpan;
use jiff::civil::Date;
use std::fmt;
use std::str::FromStr;

/// A day, month, quarter or year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// `2026-07-15`.
    Day(Date),
    /// `2026-07`.
    Month(i16, i8),
    /// `2026Q3`, the quarter counted from 1.
    Quarter(i16, i8),
    /// `2026`.
    Year(i16),
}

impl Period {
    /// The message id of a declaration that there is nothing for it (本期无数据), by which its sender and the gateway
    /// find it again.
    pub fn empty_message_id(self) -> String {
        format!("empty-period:{self}")
    }

    /// The month of a day.
    pub fn month_of(day: Date) -> Self {
        Self::Month(day.year(), day.month())
    }

    /// The quarter of a day.
    pub fn quarter_of(day: Date) -> Self {
        Self::Quarter(day.year(), (day.month() - 1) / 3 + 1)
    }

    /// Its first day.
    pub fn first_day(self) -> Option<Date> {
        match self {
            Self::Day(day) => Some(day),
            Self::Month(year, month) => Date::new(year, month, 1).ok(),
            Self::Quarter(year, quarter) => Date::new(year, quarter * 3 - 2, 1).ok(),
            Self::Year(year) => Date::new(year, 1, 1).ok(),
        }
    }

    /// The first day that is no longer in it.
    pub fn day_after(self) -> Option<Date> {
        let first = self.first_day()?;
        match self {
            Self::Day(_) => first.checked_add(1.day()),
            Self::Month(..) => first.checked_add(1.month()),
            Self::Quarter(..) => first.checked_add(3.months()),
            Self::Year(_) => first.checked_add(1.year()),
        }
        .ok()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Quarter(year, quarter) => write!(f, "{year:04}Q{quarter}"),
            Self::Year(year) => write!(f, "{year:04}"),
        }
    }
}

impl FromStr for Period {
    type Err = String;

    /// Only the form in which a period is written; another spelling would be another period to a store.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        let read = || {
            let (year, rest) = text.split_at_checked(4).filter(|(year, _)| digits(year, 4))?;
            let year = year.parse::<i16>().ok().filter(|year| *year >= 1)?;
            let period = match (rest.get(..1), rest.get(1..)) {
                (None, _) | (Some(""), _) => Self::Year(year),
                (Some("Q"), Some(quarter)) if digits(quarter, 1) => Self::Quarter(year, quarter.parse().ok()?),
                (Some("-"), Some(month)) if digits(month, 2) => Self::Month(year, month.parse().ok()?),
                _ => Self::Day(text.parse().ok()?),
            };
            let known = !matches!(period, Self::Quarter(_, quarter) if !(1..=4).contains(&quarter));
            (known && period.first_day().is_some() && period.to_string() == text).then_some(period)
        };
        read().ok_or_else(|| format!("{text:?} is no period: write a day 2026-07-15, a month 2026-07, a quarter 2026Q3 or a year 2026"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_have_their_days() {
        // Text, first day, the day after; nothing for what is no period.
        let cases = [
            ("2026-02-28", Some(("2026-02-28", "2026-03-01"))),
            ("2024-02-29", Some(("2024-02-29", "2024-03-01"))),
            ("2026-12", Some(("2026-12-01", "2027-01-01"))),
            ("2026Q1", Some(("2026-01-01", "2026-04-01"))),
            ("2026Q4", Some(("2026-10-01", "2027-01-01"))),
            ("2026", Some(("2026-01-01", "2027-01-01"))),
            ("2026Q0", None),
            ("2026Q5", None),
            ("2026-13", None),
            ("2026-00", None),
            ("2026-02-29", None),
            ("2026-2", None),
            ("2026q1", None),
            ("0000", None),
            ("20260715", None),
            ("2026-07-15T00:00", None),
            ("２０２６", None),
            ("", None),
        ];
        for (text, days) in cases {
            let period = text.parse::<Period>().ok();
            let found = period.and_then(|period| Some((period.first_day()?.to_string(), period.day_after()?.to_string())));
            assert_eq!(found, days.map(|(from, to)| (from.to_owned(), to.to_owned())), "{text}");
        }
    }
}

//! Calendars of working days: holidays (节假日) and make-up working days (调休), one file for each year.
//!
//! `NAME/YEAR.toml`: `[[holiday]]` with `name`, `from`, `to`, and `work`, the Saturdays and Sundays on which
//! work is done instead. A file is about its own year and, where a holiday begins before it or is worked for
//! before it, about the December before. A year without a file has Saturdays and Sundays alone.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use portolan_contract::Words;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Days of one holiday.
const HOLIDAY_DAYS_MAX: usize = 31;
/// Holidays of one year's file.
const HOLIDAYS_MAX: usize = 64;

/// The calendars that ship with the program: `NAME/YEAR.toml` and text.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/calendars.rs"));

/// Working days, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeMap<i16, Year>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Year {
    off: BTreeSet<Date>,
    work: BTreeSet<Date>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawYear {
    #[serde(default)]
    holiday: Vec<RawHoliday>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHoliday {
    name: Words,
    from: String,
    to: String,
    #[serde(default)]
    work: Vec<String>,
}

impl Calendar {
    /// A calendar that knows no holidays.
    pub const WEEKENDS_ALONE: &'static Self = &Self { years: BTreeMap::new() };

    /// Takes a year's file in, in the place of what was known of that year.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, year: i16, text: &str) -> Result<(), String> {
        self.years.insert(year, Year::parse(year, text)?);
        Ok(())
    }

    /// Whether the holidays of a year are known.
    pub fn knows(&self, year: i16) -> bool {
        self.years.contains_key(&year)
    }

    /// Whether work is done on a day.
    pub fn is_workday(&self, day: Date) -> bool {
        // The file of the year itself counts before the one after, which may speak of this December.
        let said = [Some(day.year()), day.year().checked_add(1)].into_iter().flatten().filter_map(|year| self.years.get(&year));
        for year in said {
            if year.off.contains(&day) {
                return false;
            }
            if year.work.contains(&day) {
                return true;
            }
        }
        !is_weekend(day)
    }
}

impl Year {
    fn parse(year: i16, text: &str) -> Result<Self, String> {
        let raw: RawYear = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if raw.holiday.is_empty() || raw.holiday.len() > HOLIDAYS_MAX {
            return Err(format!("a year has from 1 to {HOLIDAYS_MAX} [[holiday]]"));
        }
        let date = |text: &String| {
            let date = text.parse::<Date>().map_err(|_| format!("{text:?} is no day; write it as {year}-10-01"))?;
            let near = date.year() == year || (date.year() + 1 == year && date.month() == 12);
            if near { Ok(date) } else { Err(format!("{date} belongs to another year's file")) }
        };
        let mut parsed = Self::default();
        for holiday in &raw.holiday {
            let name = &holiday.name.zh;
            let (from, to) = (date(&holiday.from)?, date(&holiday.to)?);
            let days = from.series(1.day()).take_while(|day| *day <= to).take(HOLIDAY_DAYS_MAX + 1).collect::<Vec<_>>();
            if days.is_empty() || days.len() > HOLIDAY_DAYS_MAX {
                return Err(format!("{name}: from {from} to {to} must be from 1 to {HOLIDAY_DAYS_MAX} days"));
            }
            parsed.off.extend(days);
            for work in &holiday.work {
                let work = date(work)?;
                if !is_weekend(work) {
                    return Err(format!("{name}: {work} is no Saturday or Sunday; only those are worked instead"));
                }
                parsed.work.insert(work);
            }
        }
        match parsed.off.intersection(&parsed.work).next() {
            Some(day) => Err(format!("{day} is both a holiday and a working day")),
            None => Ok(parsed),
        }
    }
}

/// Every calendar that ships with the program, by name.
///
/// # Errors
/// A file that is wrong, which a test would have noticed.
pub fn embedded() -> Result<BTreeMap<String, Calendar>, String> {
    let mut calendars: BTreeMap<String, Calendar> = BTreeMap::new();
    for (path, text) in EMBEDDED {
        let (name, year) = name_and_year(path).ok_or_else(|| format!("calendars/{path}: the name must be NAME/YEAR.toml"))?;
        calendars.entry(name.to_owned()).or_default().add(year, text).map_err(|error| format!("calendars/{path}: {error}"))?;
    }
    Ok(calendars)
}

/// The calendar and the year that a path `NAME/YEAR.toml` names.
fn name_and_year(path: &str) -> Option<(&str, i16)> {
    let (name, file) = path.split_once('/')?;
    Some((name, year_of(file)?))
}

/// The year that a file's name is, `2026.toml`.
pub fn year_of(file: &str) -> Option<i16> {
    file.strip_suffix(".toml").filter(|year| year.len() == 4)?.parse().ok()
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A day of these years.
    fn day() -> impl Strategy<Value = Date> {
        (0..730_i64).prop_map(|days| jiff::civil::date(2025, 1, 1) + days.days())
    }

    proptest! {
        /// Whatever a calendar says, every holiday ends: a search for the next working day does too.
        #[test]
        fn there_is_a_working_day_within_a_fortnight_of_any(day in day()) {
            let calendars = embedded().unwrap();
            prop_assert!(day.series(1.day()).take(14).any(|day| calendars["cn"].is_workday(day)));
        }

        /// Without a file a day is worked on exactly from Monday to Friday.
        #[test]
        fn a_calendar_of_nothing_has_weekends_alone(day in day()) {
            prop_assert_eq!(Calendar::default().is_workday(day), day.weekday().to_monday_one_offset() <= 5);
        }
    }

    /// Of each notice: which days are off, and which Saturdays and Sundays are worked. Counted by hand: working
    /// days of a year are those from Monday to Friday, less those off among them, and the ones made up.
    #[test]
    fn the_years_of_china_are_as_announced() {
        let calendars = embedded().unwrap();
        let workdays = |year: i16| {
            let days = jiff::civil::date(year, 1, 1).series(1.day()).take_while(|day| day.year() == year);
            days.filter(|day| calendars["cn"].is_workday(*day)).count()
        };
        // 2025: 261 from Monday to Friday; off among them 1 + 6 + 1 + 3 + 1 + 6 = 18; made up 5.
        // 2026: 261; off among them 2 + 6 + 1 + 3 + 1 + 1 + 5 = 19; made up 6.
        assert_eq!((workdays(2025), workdays(2026)), (261 - 18 + 5, 261 - 19 + 6));
        for (day, works) in [
            ("2026-02-14", true),
            ("2026-02-16", false),
            ("2026-02-28", true),
            ("2026-02-22", false),
            ("2026-10-10", true),
            ("2026-10-17", false),
            ("2025-09-28", true),
            ("2025-10-08", false),
        ] {
            assert_eq!(calendars["cn"].is_workday(day.parse().unwrap()), works, "{day}");
        }
    }

    #[test]
    fn a_file_that_is_wrong_is_refused() {
        let holiday = |rest: &str| format!("[[holiday]]\nname = {{ zh = \"节\", en = \"Day\" }}\n{rest}");
        let cases = [
            (String::new(), "a year has from 1 to 64 [[holiday]]"),
            (holiday("from = \"2026-10-07\"\nto = \"2026-10-01\"\n"), "节: from 2026-10-07 to 2026-10-01 must be from 1 to 31 days"),
            (holiday("from = \"2026-13-07\"\nto = \"2026-10-01\"\n"), "\"2026-13-07\" is no day; write it as 2026-10-01"),
            (holiday("from = \"2027-01-01\"\nto = \"2027-01-01\"\n"), "2027-01-01 belongs to another year's file"),
            (
                holiday("from = \"2026-10-01\"\nto = \"2026-10-01\"\nwork = [\"2026-10-09\"]\n"),
                "节: 2026-10-09 is no Saturday or Sunday; only those are worked instead",
            ),
            (
                holiday("from = \"2026-10-01\"\nto = \"2026-10-04\"\nwork = [\"2026-10-03\"]\n"),
                "2026-10-03 is both a holiday and a working day",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Calendar::default().add(2026, &text).unwrap_err(), expected);
        }
        let unknown = holiday("form = \"2026-10-01\"\n");
        assert!(Calendar::default().add(2026, &unknown).unwrap_err().contains("unknown field `form`"));
    }
}

//! Days of two-digit years, and of none.

/// `YYMMDD` as `YYYY-MM-DD`: years from 80 are of the last century (SWIFT's window is 1980 to 2079).
pub fn day(text: &str) -> Option<String> {
    let (year, month, day) = (number(text.get(..2)?)?, number(text.get(2..4)?)?, number(text.get(4..)?)?);
    let year = if year >= 80 { 1900 + year } else { 2000 + year };
    (text.len() == 6 && exists(year, month, day)).then(|| iso(year, month, day))
}

/// `MMDD` as `YYYY-MM-DD`, in the year that brings it nearest to `near`.
pub fn day_near(text: &str, near: &str) -> Option<String> {
    let (month, day) = (number(text.get(..2)?)?, number(text.get(2..)?)?);
    let (year, near) = (number(near.get(..4)?)?, days(near)?);
    let years = (year - 1..=year + 1).filter(|&year| text.len() == 4 && exists(year, month, day));
    years.min_by_key(|&year| (count(year, month, day) - near).abs()).map(|year| iso(year, month, day))
}

/// `YYYY-MM-DD` as `YYMMDD`; `None` outside the window.
pub fn short(text: &str) -> Option<String> {
    let short: String = text.get(2..)?.split('-').collect();
    (day(&short).as_deref() == Some(text)).then_some(short)
}

fn days(iso: &str) -> Option<i64> {
    let mut parts = iso.split('-').map(number);
    Some(count(parts.next()??, parts.next()??, parts.next()??))
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 4 || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

fn iso(year: i64, month: i64, day: i64) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

fn exists(year: i64, month: i64, day: i64) -> bool {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=12).contains(&month) && (1..=last).contains(&day)
}

/// Days since some day, the same for all; March begins the year, so that February's end is the year's.
fn count(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn years() {
        for (text, expected) in [
            ("260930", Some("2026-09-30")),
            ("791231", Some("2079-12-31")),
            ("800101", Some("1980-01-01")),
            ("000229", Some("2000-02-29")),
            ("260229", None),
            ("261301", None),
            ("26093", None),
            ("26O930", None),
        ] {
            assert_eq!(day(text).as_deref(), expected, "{text}");
            assert_eq!(expected.and_then(short).as_deref(), expected.map(|_| text));
        }
        assert_eq!((short("1979-12-31"), short("2080-01-01")), (None, None));
    }

    #[test]
    fn entries_around_the_years_end() {
        for (text, near, expected) in [
            ("1231", "2024-01-02", Some("2023-12-31")),
            ("0102", "2023-12-29", Some("2024-01-02")),
            ("0229", "2023-12-31", Some("2024-02-29")),
            ("0229", "2022-06-30", None),
            ("0630", "2023-12-31", Some("2024-06-30")),
            ("0702", "2023-12-31", Some("2023-07-02")),
        ] {
            assert_eq!(day_near(text, near).as_deref(), expected, "{text} near {near}");
        }
    }
}

//! Whether a layout can do what an entry asks of it, found out when the mapping is compiled: two values are written in it
//! and must differ, and each must be read back as itself. So letters that no layout knows, and words that
//! are none, never reach a receiver.

use super::{KindContext, date, first_layout, laid_out, write};
use crate::mapping::file::{Direction, Kind};
use jiff::ZonedDateTime;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// What a layout of a tax period can be.
pub const PERIOD_LAYOUTS: [&str; 5] = ["quarter", "month", "year", "range", "year-end"];
/// Two moments without a part in common, so that a layout which holds any part of them tells them apart.
const SAMPLES: [DateTime; 2] = [DateTime::constant(2026, 9, 30, 17, 45, 0, 0), DateTime::constant(2031, 12, 5, 6, 8, 0, 0)];

/// What is wrong with a layout of a kind that is read, written or both; `None` when nothing is.
pub fn layout_problem(kind: Kind, layout: &str, direction: Direction) -> Option<String> {
    match kind {
        Kind::TaxPeriod if PERIOD_LAYOUTS.contains(&layout) => None,
        Kind::TaxPeriod => Some(format!("layout {layout:?} is none of a tax period; allowed: {}", PERIOD_LAYOUTS.join(", "))),
        Kind::Date | Kind::WorkDate | Kind::DateTime => moment_problem(kind, layout, direction),
        _ => Some(format!("layout belongs to type date, date-time, work-date and tax-period, and not to {kind}")),
    }
}

fn moment_problem(kind: Kind, layout: &str, direction: Direction) -> Option<String> {
    let samples: Vec<ZonedDateTime> = SAMPLES.iter().filter_map(|sample| sample.to_zoned_datetime(TimeZone::UTC).ok()).collect();
    let unread = layout.split('|').find(|one| direction.reads() && !samples.iter().all(|sample| is_read_back(kind, one, sample)));
    let what = if let Some(one) = unread {
        format!("layout {one:?} does not hold what a {} is read from", noun(kind))
    } else if direction.writes() && !tells_apart(kind, first_layout(layout), &samples) {
        format!("layout {:?} does not say one {} from another", first_layout(layout), noun(kind))
    } else {
        return None;
    };
    Some(format!("{what}; letters stand after %, such as {}", if kind == Kind::DateTime { "%Y%m%d%H%M%S" } else { "%Y%m%d" }))
}

fn noun(kind: Kind) -> &'static str {
    if kind == Kind::DateTime { "moment" } else { "day" }
}

fn is_read_back(kind: Kind, layout: &str, sample: &ZonedDateTime) -> bool {
    let Ok(text) = strtime::format(layout, sample) else { return false };
    if kind != Kind::DateTime {
        return date(&text, Some(layout)).is_ok_and(|day| day == sample.date());
    }
    laid_out(&text, layout).and_then(|parsed| parsed.to_datetime().ok()).is_some_and(|moment| moment == sample.datetime())
}

fn tells_apart(kind: Kind, layout: &str, samples: &[ZonedDateTime]) -> bool {
    let context = KindContext { layout: Some(layout), currency: None, zone: &TimeZone::UTC };
    let written: Vec<Option<String>> = samples
        .iter()
        .map(|sample| {
            // A day has no hour: the letters of one are refused here, where writing a day would repeat them as they stand.
            let (value, whole) = match kind {
                Kind::DateTime => (sample.timestamp().to_string(), strtime::format(layout, sample)),
                _ => (sample.date().to_string(), strtime::format(layout, sample.date())),
            };
            whole.ok().and_then(|_| write(kind, &Value::from(value), &context))
        })
        .collect();
    written.iter().all(Option::is_some) && written.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row of `cases/layouts.tsv`: kind, direction, layout, and what the problem says, or `-` for none.
    #[test]
    fn layouts_that_cannot_do_what_is_asked_are_told() {
        let rows = include_str!("../cases/layouts.tsv").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut seen = 0;
        for row in rows {
            let cells: Vec<&str> = row.split('\t').collect();
            let kind: Kind = serde_json::from_value(Value::from(cells[0])).unwrap();
            let direction: Direction = serde_json::from_value(Value::from(cells[1])).unwrap();
            let problem = layout_problem(kind, cells[2], direction);
            match cells[3] {
                "-" => assert_eq!(problem, None, "{row}"),
                said => assert!(problem.as_ref().is_some_and(|problem| problem.contains(said)), "{row}: {problem:?}"),
            }
            seen += 1;
        }
        assert!(seen > 10);
    }
}

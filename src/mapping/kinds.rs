//! What a text means: from the wire to the canonical form and back, with check digits.
//!
//! `read` gives a JSON value or says what was expected; nothing is guessed and nothing is repaired.
//! Full-width digits, a third decimal of a two-decimal currency or a 30th of February are errors.

mod codes;
mod layout;

pub use layout::layout_problem;

use super::file::Kind;
use super::tables;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use portolan_contract::Words;
use rust_decimal::Decimal;
use serde_json::Value;

/// Characters of a number as text.
const NUMBER_CHARS_MAX: usize = 40;
/// Full-width characters that a finding repeats.
const FULL_WIDTH_CHARS_SHOWN: usize = 20;

/// What a value needs to know beyond its own text.
#[derive(Clone, Copy)]
pub struct KindContext<'c> {
    /// The entry's layout, if it has one.
    pub layout: Option<&'c str>,
    /// The currency of an amount.
    pub currency: Option<&'c str>,
    /// The flow's zone, for moments without an offset.
    pub zone: &'c TimeZone,
}

/// Why a text does not fit its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The rule's id.
    pub rule: &'static str,
    /// What was expected.
    pub words: Words,
    /// The canonical form is known all the same: only a check digit or a code list says no.
    pub checked_only: Option<Value>,
}

impl Misfit {
    fn new(rule: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { rule, words: Words::new(zh, en), checked_only: None }
    }
}

/// The canonical form of a text.
///
/// # Errors
/// What was expected instead; where full-width characters stand in its way, that.
pub fn read(kind: Kind, text: &str, context: &KindContext<'_>) -> Result<Value, Misfit> {
    half_width(kind, text, context).map_err(|misfit| full_width(text, &misfit.words).unwrap_or(misfit))
}

/// What a text with full-width digits, letters or signs is told beside what was `expected`; `None`
/// where it has none. Such a text is refused even where its check digits are not looked at: to take
/// it for its half-width twin would be a guess.
pub fn full_width(text: &str, expected: &Words) -> Option<Misfit> {
    let found: String = text.chars().filter(|&c| is_full_width(c)).take(FULL_WIDTH_CHARS_SHOWN).collect();
    let Words { zh, en } = expected;
    (!found.is_empty()).then(|| {
        Misfit::new(
            "type.full-width",
            format!("含全角字符“{found}”，应改用半角字符；{zh}"),
            format!("there are full-width characters ({found}) where half-width ones belong; {en}"),
        )
    })
}

/// The full-width forms (U+FF01 to U+FF5E) of digits, letters and the signs that numbers, dates and codes hold.
fn is_full_width(character: char) -> bool {
    matches!(character, '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '，' | '．' | '－' | '＋' | '／' | '：' | '％')
}

fn half_width(kind: Kind, text: &str, context: &KindContext<'_>) -> Result<Value, Misfit> {
    match kind {
        Kind::Text => Ok(Value::from(text)),
        Kind::Integer => integer(text),
        Kind::Decimal => decimal(text).map(Value::from),
        Kind::Fraction => fraction(text),
        Kind::Money => money(text, context.currency),
        Kind::Boolean => boolean(text),
        Kind::Date | Kind::WorkDate => date(text, context.layout).map(|d| Value::from(d.to_string())),
        Kind::DateTime => moment(text, context),
        Kind::TaxPeriod => tax_period(text, context.layout),
        _ => codes::code(kind, text),
    }
}

/// The text that a canonical value has on the wire; `None` where it has none (a wrong JSON type).
pub fn write(kind: Kind, value: &Value, context: &KindContext<'_>) -> Option<String> {
    match (kind, value) {
        (Kind::Boolean, Value::Bool(b)) => Some(b.to_string()),
        (Kind::Integer, Value::Number(n)) => Some(n.to_string()),
        (Kind::Date | Kind::WorkDate, Value::String(text)) => match context.layout {
            None => Some(text.clone()),
            Some(layout) => text.parse::<Date>().ok().map(|d| d.strftime(first_layout(layout)).to_string()),
        },
        (Kind::DateTime, Value::String(text)) => match context.layout {
            None => Some(text.clone()),
            // A layout is read in the flow's zone, whatever offset the record has.
            Some(layout) => moment_in(text, context.zone)
                .map(|z| z.timestamp().to_zoned_datetime(context.zone.clone()))
                .and_then(|z| jiff::fmt::strtime::format(first_layout(layout), &z).ok()),
        },
        (Kind::Fraction, Value::String(text)) => scaled(text, -2),
        (Kind::TaxPeriod, Value::String(text)) => period_in(text, context.layout),
        (_, Value::String(text)) => Some(text.clone()),
        (_, Value::Number(n)) => Some(n.to_string()),
        (_, Value::Bool(b)) => Some(b.to_string()),
        _ => None,
    }
}

fn integer(text: &str) -> Result<Value, Misfit> {
    let misfit = || Misfit::new("type.integer", "应为整数，如 42", "a whole number such as 42 is expected");
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(misfit());
    }
    text.parse::<i64>().map(Value::from).map_err(|_| misfit())
}

/// A part of one as a rate in per cent, without zeros at its end.
fn fraction(text: &str) -> Result<Value, Misfit> {
    let misfit = || Misfit::new("type.fraction", "应为小数形式的比率，如 0.13", "a rate as a part of one, such as 0.13, is expected");
    decimal(text).ok().and_then(|text| scaled(&text, 2)).map(Value::from).ok_or_else(misfit)
}

/// A decimal with its point moved by some places to the right, or to the left where they are negative.
fn scaled(text: &str, places: i32) -> Option<String> {
    let decimal = Decimal::from_str_exact(text).ok()?;
    let by = Decimal::from(10_u32.checked_pow(places.unsigned_abs())?);
    let moved = if places < 0 { decimal.checked_div(by)? } else { decimal.checked_mul(by)? };
    Some(moved.normalize().to_string())
}

/// A plain decimal without superfluous zeros before the point; decimals stay as they are.
fn decimal(text: &str) -> Result<String, Misfit> {
    let misfit = || Misfit::new("type.decimal", "应为普通十进制数，如 1234.56", "a plain decimal number such as 1234.56 is expected");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = match digits.split_once('.') {
        Some((whole, part)) if !part.is_empty() => (whole, Some(part)),
        Some(_) => return Err(misfit()),
        None => (digits, None),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || text.len() > NUMBER_CHARS_MAX || !all_digits(whole) || !part.is_none_or(all_digits) {
        return Err(misfit());
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let zero = whole == "0" && part.is_none_or(|p| p.bytes().all(|b| b == b'0'));
    let sign = if zero { "" } else { sign };
    Ok(part.map_or_else(|| format!("{sign}{whole}"), |part| format!("{sign}{whole}.{part}")))
}

/// An amount with exactly its currency's decimals; fewer are filled up, more are an error.
fn money(text: &str, currency: Option<&str>) -> Result<Value, Misfit> {
    let plain = decimal(text).map_err(|_| {
        Misfit::new(
            "type.money",
            "应为金额，如 1234.56，不含千分位或空格",
            "an amount such as 1234.56 is expected, without separators or spaces",
        )
    })?;
    let Some(code) = currency else {
        return Err(Misfit::new("type.money-currency", "金额缺少币种", "the amount has no currency"));
    };
    let Some(decimals) = tables::currency_decimals(code) else {
        return Err(Misfit::new("type.currency", format!("{code:?} 不是 ISO 4217 币种代码"), format!("{code:?} is no ISO 4217 currency")));
    };
    let given = plain.split_once('.').map_or(0, |(_, part)| part.len());
    if given > decimals {
        return Err(Misfit::new(
            "type.money-decimals",
            format!("{code} 金额最多 {decimals} 位小数，实为 {given} 位"),
            format!("an amount in {code} has at most {decimals} decimals, this one has {given}"),
        ));
    }
    if decimals == 0 || given == decimals {
        return Ok(Value::from(plain));
    }
    let point = if given == 0 { "." } else { "" };
    Ok(Value::from(format!("{plain}{point}{}", "0".repeat(decimals - given))))
}

fn boolean(text: &str) -> Result<Value, Misfit> {
    match text {
        "true" | "1" | "Y" | "是" => Ok(Value::Bool(true)),
        "false" | "0" | "N" | "否" => Ok(Value::Bool(false)),
        _ => Err(Misfit::new("type.boolean", "应为 true/false、1/0、Y/N 或 是/否", "true/false, 1/0, Y/N or 是/否 is expected")),
    }
}

fn date(text: &str, layout: Option<&str>) -> Result<Date, Misfit> {
    let parsed = match layout {
        Some(layout) => layout.split('|').find_map(|layout| Date::strptime(layout, text).ok()),
        None => iso_date(text),
    };
    parsed.ok_or_else(|| date_misfit(layout))
}

fn date_misfit(layout: Option<&str>) -> Misfit {
    let example = layout.map(first_layout).map_or_else(|| "2026-09-30".to_owned(), |l| Date::constant(2026, 9, 30).strftime(l).to_string());
    Misfit::new("type.date", format!("应为存在的日期，写作 {example}"), format!("a day that exists is expected, written {example}"))
}

/// The layout that is written, of several that are read.
fn first_layout(layouts: &str) -> &str {
    layouts.split('|').next().unwrap_or(layouts)
}

/// `YYYY-MM-DD`, with what XML Schema allows after it (a zone), or the day of a moment.
fn iso_date(text: &str) -> Option<Date> {
    let day = text.get(..10)?;
    let rest = text.get(10..)?;
    let shaped = day.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    let zone = rest.is_empty() || rest == "Z" || is_offset(rest);
    let moment =
        rest.starts_with('T') && text.parse::<DateTime>().is_ok() || rest.starts_with('T') && text.parse::<jiff::Timestamp>().is_ok();
    (shaped && (zone || moment)).then(|| day.parse().ok()).flatten()
}

fn is_offset(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 6
        && matches!(bytes[0], b'+' | b'-')
        && bytes[3] == b':'
        && [1, 2, 4, 5].iter().all(|&i: &usize| bytes[i].is_ascii_digit())
}

fn moment(text: &str, context: &KindContext<'_>) -> Result<Value, Misfit> {
    let zoned = match context.layout {
        None => moment_in(text, context.zone),
        Some(layouts) => layouts.split('|').find_map(|layout| laid_out(text, layout)).and_then(|parsed| match parsed.offset() {
            Some(_) => parsed.to_timestamp().ok().map(|t| t.to_zoned_datetime(context.zone.clone())),
            None => parsed.to_datetime().ok().and_then(|d| d.to_zoned_datetime(context.zone.clone()).ok()),
        }),
    };
    let Some(zoned) = zoned else {
        return Err(Misfit::new(
            "type.date-time",
            "应为日期时间，如 2026-09-30T08:00:00+08:00",
            "a date and time such as 2026-09-30T08:00:00+08:00 is expected",
        ));
    };
    Ok(Value::from(rfc3339(&zoned)))
}

/// A moment in a layout. Where the layout ends with an offset, `Z` may stand for the one of UTC.
fn laid_out(text: &str, layout: &str) -> Option<jiff::fmt::strtime::BrokenDownTime> {
    let parse = |text: &str| jiff::fmt::strtime::parse(layout, text).ok();
    let utc = || {
        let local = text.strip_suffix('Z').filter(|_| layout.ends_with('z'))?;
        ["+00", "+0000", "+00:00"].iter().find_map(|offset| parse(&format!("{local}{offset}")))
    };
    parse(text).or_else(utc)
}

/// A moment with an offset keeps it; one without is in the flow's zone.
fn moment_in(text: &str, zone: &TimeZone) -> Option<jiff::ZonedDateTime> {
    let has_offset = text.ends_with('Z') || text.len() > 6 && text.is_char_boundary(text.len() - 6) && is_offset(&text[text.len() - 6..]);
    if !text.contains('T') {
        return None;
    }
    if !has_offset {
        return text.parse::<DateTime>().ok()?.to_zoned_datetime(zone.clone()).ok();
    }
    let stamp: jiff::Timestamp = text.parse().ok()?;
    let offset = if text.ends_with('Z') {
        jiff::tz::Offset::UTC
    } else {
        let digits = |range: std::ops::Range<usize>| text.get(range).and_then(|d| d.parse::<i32>().ok());
        let at = text.len() - 6;
        let seconds = digits(at + 1..at + 3)? * 3600 + digits(at + 4..at + 6)? * 60;
        jiff::tz::Offset::from_seconds(if text.as_bytes()[at] == b'-' { -seconds } else { seconds }).ok()?
    };
    Some(stamp.to_zoned_datetime(TimeZone::fixed(offset)))
}

/// RFC 3339 has offsets of whole minutes; clocks before 1901 had others, and the moment stays the same.
fn rfc3339(zoned: &jiff::ZonedDateTime) -> String {
    let offset = zoned.offset().round(jiff::Unit::Minute).unwrap_or(zoned.offset());
    let text = zoned.timestamp().display_with_offset(offset).to_string();
    match text.strip_suffix("+00:00") {
        Some(utc) => format!("{utc}Z"),
        None => text,
    }
}

/// `2026Q3`, `2026年第3季度`, `2026-07`, `202607`, `2026年7月`, `2026`, or two days joined by `/`, `至` or `~`.
fn tax_period(text: &str, layout: Option<&str>) -> Result<Value, Misfit> {
    if layout == Some("year-end") {
        let last = date(text, None)?;
        let first = last.checked_sub(jiff::Span::new().years(1)).and_then(|day| day.tomorrow()).map_err(|_| date_misfit(None))?;
        return Ok(Value::from(format!("{first}/{last}")));
    }
    let misfit = || {
        Misfit::new(
            "type.tax-period",
            "应为所属期，如 2026Q3、2026-07、2026 或 2026-07-01至2026-09-30",
            "a tax period such as 2026Q3, 2026-07, 2026 or 2026-07-01/2026-09-30 is expected",
        )
    };
    let (start, end) = whole_period(text).or_else(|| two_days(text)).ok_or_else(misfit)?;
    if start > end {
        return Err(misfit());
    }
    Ok(Value::from(format!("{start}/{end}")))
}

fn whole_period(text: &str) -> Option<(Date, Date)> {
    let year: i16 = text.get(..4).filter(|y| y.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let rest = text.get(4..)?;
    let rest = rest.strip_prefix('年').unwrap_or(rest);
    if rest.is_empty() {
        return months(year, 1, 12);
    }
    let quarter = rest.strip_prefix('Q').or_else(|| rest.strip_prefix("第").and_then(|r| r.strip_suffix("季度")));
    if let Some(quarter) = quarter {
        let quarter = one_digit(quarter).filter(|q| (1..=4).contains(q))?;
        return months(year, quarter * 3 - 2, 3);
    }
    let month = rest.strip_prefix('-').unwrap_or(rest);
    let month = month.strip_suffix('月').unwrap_or(month);
    let digits = matches!(month.len(), 1..=2) && month.bytes().all(|b| b.is_ascii_digit());
    let month: i8 = digits.then(|| month.parse().ok()).flatten()?;
    months(year, month, 1)
}

fn one_digit(text: &str) -> Option<i8> {
    (text.len() == 1 && text.as_bytes()[0].is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn months(year: i16, first: i8, count: i8) -> Option<(Date, Date)> {
    let start = Date::new(year, first, 1).ok()?;
    let last = Date::new(year, first.checked_add(count - 1)?, 1).ok()?;
    Some((start, last.last_of_month()))
}

fn two_days(text: &str) -> Option<(Date, Date)> {
    let (start, end) = text.split_once('/').or_else(|| text.split_once('至')).or_else(|| text.split_once('~'))?;
    Some((exact_day(start.trim())?, exact_day(end.trim())?))
}

fn exact_day(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| iso_date(text)).flatten()
}

/// A canonical period in a layout: `quarter`, `month`, `year` where it is one, else both days.
fn period_in(text: &str, layout: Option<&str>) -> Option<String> {
    let (start, end) = two_days(text)?;
    let spans = |count: i8| months(start.year(), start.month(), count) == Some((start, end));
    match layout {
        Some("year-end") if months(start.year(), 1, 12) == Some((start, end)) => Some(end.to_string()),
        Some("year-end") => None,
        Some("quarter") if start.month() % 3 == 1 && spans(3) => Some(format!("{}Q{}", start.year(), (start.month() + 2) / 3)),
        Some("month") if spans(1) => Some(format!("{:04}-{:02}", start.year(), start.month())),
        Some("year") if start.month() == 1 && spans(12) => Some(format!("{:04}", start.year())),
        Some("quarter" | "month" | "year" | "range") => Some(format!("{start}至{end}")),
        _ => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row of `cases/kinds.tsv`: kind, layout, currency, text, expected canonical or `!rule`.
    #[test]
    fn kinds_read_as_their_standards_say() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let or_none = |text: &'static str| (text != "-").then_some(text);
        let mut rows = 0;
        for (number, line) in include_str!("cases/kinds.tsv").lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
            let cells: Vec<&'static str> = line.split('\t').collect();
            let kind: Kind = serde_json::from_value(Value::from(cells[0])).unwrap_or_else(|e| panic!("row {}: {e}", number + 1));
            let context = KindContext { layout: or_none(cells[1]), currency: or_none(cells[2]), zone: &zone };
            let got = match read(kind, cells[3], &context) {
                Ok(Value::String(text)) => text,
                Ok(other) => other.to_string(),
                Err(misfit) => format!("!{}", misfit.rule),
            };
            assert_eq!(got, cells[4], "row {}: {line}", number + 1);
            if !got.starts_with('!') && kind != Kind::Boolean && cells[1] != "-" {
                let value = read(kind, cells[3], &context).unwrap();
                assert_eq!(write(kind, &value, &context).as_deref(), Some(cells[3]), "row {}: written again", number + 1);
            }
            rows += 1;
        }
        assert!(rows > 60, "the table has only {rows} rows");
    }

    #[test]
    fn a_moment_of_another_offset_is_written_by_the_clocks_of_the_flow() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let context = KindContext { layout: Some("%Y%m%d%H%M%S"), currency: None, zone: &zone };
        for moment in ["2026-09-30T18:00:00Z", "2026-09-30T14:00:00-04:00", "2026-10-01T02:00:00+08:00"] {
            assert_eq!(write(Kind::DateTime, &Value::from(moment), &context).as_deref(), Some("20261001020000"), "{moment}");
        }
    }
}

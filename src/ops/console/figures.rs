//! Figures as the console writes them: one way for each kind, the same on every page.
//!
//! Times are of [`ZONE`], 24-hour, and say their UTC time to a program.

use super::words::{Lang, NOTHING};
use crate::figures::thousands;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use rust_decimal::Decimal;
use std::sync::LazyLock;
use std::time::Duration;

/// The zone of the times shown.
pub const ZONE: &str = "Asia/Shanghai";

/// The same, to reckon with.
pub(super) static SHOWN: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get(ZONE).unwrap_or(TimeZone::UTC));

/// Nothing, where a figure would stand.
pub fn nothing() -> Markup {
    html! { span.none { (NOTHING) } }
}

/// A date and time: `2026-07-01 08:01:30`.
pub fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (local(at, "%Y-%m-%d %H:%M:%S")) } }
}

/// A time of today as `08:01:30`, of another day as `06-30 08:01`.
pub fn short_time(at: Timestamp, now: Timestamp) -> Markup {
    let is_today = SHOWN.to_datetime(at).date() == SHOWN.to_datetime(now).date();
    html! { time datetime=(at) { (local(at, if is_today { "%H:%M:%S" } else { "%m-%d %H:%M" })) } }
}

/// A time in another form, of jiff's `strftime`.
pub fn local(at: Timestamp, form: &str) -> String {
    SHOWN.to_datetime(at).strftime(form).to_string()
}

/// How long ago, with the time itself below it.
pub fn moment(at: Option<Timestamp>, now: Timestamp, lang: Lang) -> Markup {
    html! {
        @if let Some(at) = at { span { (ago(at, now, lang)) small { (short_time(at, now)) } } }
        @else { (nothing()) }
    }
}

/// How long ago: `2 min ago`.
pub fn ago(at: Timestamp, now: Timestamp, lang: Lang) -> String {
    format!("{}{}", age(now.duration_since(at).as_secs(), lang), lang.say("前", " ago"))
}

/// A span of seconds in the unit that fits: `2 min`.
pub fn age(seconds: i64, lang: Lang) -> String {
    let seconds = seconds.max(0);
    let (number, zh, en) = match seconds {
        0..60 => (seconds, "秒", "s"),
        60..3_600 => (seconds / 60, "分钟", "min"),
        3_600..86_400 => (seconds / 3_600, "小时", "h"),
        _ => (seconds / 86_400, "天", "d"),
    };
    format!("{number} {}", lang.say(zh, en))
}

/// A whole number: `1,234`, a zero without weight.
pub fn count(number: u64) -> Markup {
    html! { @if number == 0 { span.none { "0" } } @else { (thousands(number)) } }
}

/// A share of a whole: `1.25 %`; nothing where there is no whole.
pub fn share(part: u64, whole: u64) -> Markup {
    html! {
        @if whole == 0 { (nothing()) }
        @else if part == 0 { span.none { "0 %" } }
        @else { (percent(part, whole)) }
    }
}

/// The same as text.
pub fn percent(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    if percent < 0.01 {
        "< 0.01 %".to_owned()
    } else if percent < 10.0 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// How long something took, in the unit that fits: `42 ms`.
pub fn took(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    match milliseconds {
        ..10.0 => format!("{milliseconds:.1} ms"),
        10.0..1_000.0 => format!("{milliseconds:.0} ms"),
        1_000.0..120_000.0 => format!("{:.2} s", milliseconds / 1_000.0),
        _ => format!("{:.1} min", milliseconds / 60_000.0),
    }
}

/// The end of a bucket of latencies: `≤ 50 ms`; beyond the last one where there is none.
pub fn within(milliseconds: Option<u64>, any: bool) -> Markup {
    html! {
        @match milliseconds {
            Some(bound) => { "≤ " (bound_text(bound)) }
            None if any => { "> " (bound_text(86_400_000)) }
            None => { (nothing()) }
        }
    }
}

fn bound_text(milliseconds: u64) -> String {
    match milliseconds {
        ..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{} s", milliseconds as f64 / 1_000.0),
        60_000..3_600_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", milliseconds / 3_600_000),
    }
}

/// A size: `1.5 MiB`.
pub fn bytes(size: u64) -> String {
    let (unit, divisor) = match size {
        ..1_024 => return format!("{size} B"),
        1_024..1_048_576 => ("KiB", 1_024.0),
        1_048_576..1_073_741_824 => ("MiB", 1_048_576.0),
        _ => ("GiB", 1_073_741_824.0),
    };
    format!("{:.1} {unit}", size as f64 / divisor)
}

/// An amount: `1,234.56 元`, `1,234.56 USD`.
pub fn money(amount: Decimal, currency: &str) -> String {
    let text = format!("{:.2}", amount.abs());
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    let sign = if amount.is_sign_negative() && !amount.is_zero() { "-" } else { "" };
    format!("{sign}{whole}.{cents} {}", if currency == "CNY" { "元" } else { currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_that_fits() {
        for (microseconds, expected) in
            [(0, "0.0 ms"), (1_250, "1.2 ms"), (42_400, "42 ms"), (1_000_000, "1.00 s"), (75_500_000, "75.50 s"), (600_000_000, "10.0 min")]
        {
            assert_eq!(took(Duration::from_micros(microseconds)), expected);
        }
    }

    #[test]
    fn ages_have_a_unit_that_fits() {
        for (seconds, zh, en) in [(-1, "0 秒", "0 s"), (60, "1 分钟", "1 min"), (7_300, "2 小时", "2 h"), (200_000, "2 天", "2 d")] {
            assert_eq!((age(seconds, Lang::Zh).as_str(), age(seconds, Lang::En).as_str()), (zh, en));
        }
    }

    #[test]
    fn sizes_and_shares_have_a_unit_that_fits() {
        for (size, expected) in [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (5_242_880, "5.0 MiB"), (3_221_225_472, "3.0 GiB")] {
            assert_eq!(bytes(size), expected);
        }
        for (part, whole, expected) in [(1, 100_000, "< 0.01 %"), (1, 80, "1.25 %"), (1, 3, "33.3 %"), (3, 3, "100.0 %")] {
            assert_eq!(percent(part, whole), expected);
        }
    }

    #[test]
    fn amounts_have_thousands_and_a_unit() {
        let cases = [
            ("1234.56", "CNY", "1,234.56 元"),
            ("-0.5", "CNY", "-0.50 元"),
            ("1000000", "USD", "1,000,000.00 USD"),
            ("-0.00", "CNY", "0.00 元"),
        ];
        for (amount, currency, expected) in cases {
            assert_eq!(money(amount.parse().unwrap_or_default(), currency), expected);
        }
    }

    #[test]
    fn times_are_local() {
        let at: Timestamp = "2026-07-01T00:01:30Z".parse().unwrap_or_default();
        assert_eq!(time(at).into_string(), r#"<time datetime="2026-07-01T00:01:30Z">2026-07-01 08:01:30</time>"#);
        let next_day: Timestamp = "2026-07-01T16:00:00Z".parse().unwrap_or_default();
        assert!(
            short_time(at, at).into_string().contains(">08:01:30<") && short_time(at, next_day).into_string().contains(">07-01 08:01<")
        );
    }
}

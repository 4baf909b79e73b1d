//! Charts of a day or a month. The figures stand in a table, for whoever cannot see a drawing; `assets/console.js` draws that
//! table with uPlot. So a chart and its table cannot differ, and a chart needs no second request.

use super::figures::{SHOWN, count, local, time, within};
use super::words::{self, Lang, Text, text};
use crate::journal::hours::{DestinationHour, FlowHour, LATENCY_BOUNDS_MS, Latencies};
use crate::ops::access::Ask;
use crate::ops::partners::{self, Sums, Taken};
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};

/// Hours of a day's chart.
const DAY_HOURS: i64 = 24;
/// Days of a month's chart.
const MONTH_DAYS: i32 = 31;

/// A stretch of time of a chart: an hour, or a local day.
pub struct Slot {
    /// Its beginning.
    pub at: Timestamp,
    /// What was sent in it.
    pub sent: Sums,
    /// What was taken in it.
    pub taken: Taken,
}

/// The stretches of a day or a month up to now, with what happened in each.
pub fn slots(hours: &[FlowHour], taken: &[DestinationHour], is_month: bool, now: Timestamp) -> Vec<Slot> {
    let begins = if is_month { days(now) } else { last_hours(now) };
    let ends = begins.iter().skip(1).copied().chain([Timestamp::MAX]);
    let slots = begins.iter().zip(ends).map(|(begin, end)| {
        let within = |hour: Timestamp| (*begin..end).contains(&hour);
        Slot {
            at: *begin,
            sent: hours.iter().filter(|hour| within(hour.hour)).collect(),
            taken: taken.iter().filter(|hour| within(hour.hour)).collect(),
        }
    });
    slots.collect()
}

fn last_hours(now: Timestamp) -> Vec<Timestamp> {
    let this_hour = now.as_second().div_euclid(3_600);
    ((this_hour - DAY_HOURS + 1)..=this_hour).filter_map(|hour| Timestamp::from_second(hour * 3_600).ok()).collect()
}

fn days(now: Timestamp) -> Vec<Timestamp> {
    let today = SHOWN.to_datetime(now).date();
    let days = (0..MONTH_DAYS).rev().filter_map(|back| today.checked_sub(back.days()).ok());
    days.filter_map(|day| day.to_zoned_datetime(SHOWN.clone()).ok().map(|day| day.timestamp())).collect()
}

/// The choice between the last day and the last month.
pub fn spans(ask: &Ask<'_>, is_month: bool, lang: Lang) -> Markup {
    let path = ask.request.uri.path();
    let choice = |span: &str, word: &str, is_this: bool| {
        html! { a href={ (path) "?span=" (span) } aria-current=[is_this.then_some("true")] { (word) } }
    };
    html! {
        nav.tabs aria-label=(lang.say("时间范围", "Span")) {
            (choice("day", lang.say("24 小时", "24 hours"), !is_month))
            (choice("month", lang.say("31 天", "31 days"), is_month))
        }
    }
}

/// What a series says of a stretch of time.
type Of<'s, T> = Box<dyn Fn(&Slot) -> T + 's>;

/// A line or a row of bars of a chart.
struct Series<'s> {
    name: Text,
    /// The name of its colour in the style sheet.
    colour: &'static str,
    value: Of<'s, Option<u64>>,
    shown: Of<'s, Markup>,
}

impl Series<'_> {
    fn counts(name: Text, colour: &'static str, of: impl Fn(&Slot) -> u64 + Copy + 'static) -> Self {
        Series { name, colour, value: Box::new(move |slot| Some(of(slot))), shown: Box::new(move |slot| count(of(slot))) }
    }
}

/// Records sent: all of them, and those refused of them.
pub fn volume(id: &str, slots: &[Slot], is_month: bool, lang: Lang) -> Markup {
    let series = [
        Series::counts(words::RECORDS, "brand", |slot| slot.sent.records),
        Series::counts(words::REFUSED, "bad", |slot| slot.sent.records_refused),
    ];
    Drawing { id, title: lang.say("报送记录数", "Records sent"), kind: "bars", unit: "", is_month, lang }.of(slots, &series)
}

/// Records taken, and attempts that failed.
pub fn taken(id: &str, slots: &[Slot], is_month: bool, lang: Lang) -> Markup {
    let series = [
        Series::counts(words::ACKNOWLEDGED, "brand", |slot| slot.taken.records),
        Series::counts(text("失败次数", "Failed attempts"), "bad", |slot| slot.taken.failed),
    ];
    Drawing { id, title: lang.say("送达记录数", "Records taken"), kind: "bars", unit: "", is_month, lang }.of(slots, &series)
}

/// How long it took: half of all, and all but one in a hundred.
pub fn latency<'s>(
    id: &str,
    title: &str,
    slots: &'s [Slot],
    of: impl Fn(&Slot) -> &Latencies + Copy + 's,
    is_month: bool,
    lang: Lang,
) -> Markup {
    let percentile = |percent: u64, name: &'static str, colour: &'static str| Series {
        name: text(name, name),
        colour,
        value: Box::new(move |slot| bound(of(slot), percent)),
        shown: Box::new(move |slot| within(of(slot).within_ms(percent), of(slot).0.iter().any(|count| *count > 0))),
    };
    let series = [percentile(50, "p50", "brand"), percentile(99, "p99", "warn")];
    Drawing { id, title, kind: "lines", unit: "ms", is_month, lang }.of(slots, &series)
}

/// The end of the bucket that a percentile falls into; the last bound where it is beyond.
fn bound(latencies: &Latencies, percent: u64) -> Option<u64> {
    let any = latencies.0.iter().any(|count| *count > 0);
    any.then(|| latencies.within_ms(percent).or(LATENCY_BOUNDS_MS.last().copied()).unwrap_or_default())
}

/// A chart, but for its figures.
struct Drawing<'d> {
    id: &'d str,
    title: &'d str,
    kind: &'static str,
    unit: &'static str,
    is_month: bool,
    lang: Lang,
}

impl Drawing<'_> {
    fn of(&self, slots: &[Slot], series: &[Series<'_>]) -> Markup {
        html! {
            figure.chart.sheet id=(self.id) data-chart=(self.kind) data-unit=(self.unit) data-step=(if self.is_month { 86_400 } else { 3_600 }) {
                figcaption {
                    (self.title)
                    span.legend { @for series in series { span.key.(series.colour) { (self.lang.of(series.name)) } } }
                }
                div.plot aria-hidden="true" data-empty=(self.lang.say("没有数据", "no data")) {}
                details {
                    summary { (self.lang.say("以表格查看", "As a table")) }
                    div.scroll tabindex="0" role="region" aria-label=(self.title) {
                        table.plain-table {
                            thead { tr {
                                th scope="col" { (self.lang.say("时间", "Time")) }
                                @for series in series { th.figure scope="col" data-colour=(series.colour) { (self.lang.of(series.name)) } }
                            } }
                            tbody {
                                @for slot in slots {
                                    tr {
                                        th scope="row" data-at=(slot.at.as_second()) { (moment(slot.at, self.is_month)) }
                                        @for series in series { td.figure data-value=[(series.value)(slot)] { ((series.shown)(slot)) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn moment(at: Timestamp, is_month: bool) -> Markup {
    html! { time datetime=(at) { (local(at, if is_month { "%m-%d" } else { "%m-%d %H:%M" })) } }
}

/// A caption for what a page shows of a span.
pub fn since(is_month: bool, now: Timestamp, lang: Lang) -> Markup {
    html! { small { (lang.say("自 ", "since ")) (time(partners::begin(is_month, now))) } }
}

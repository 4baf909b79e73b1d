//! The first page: whether the exchange is well, whose fault it is if not, and where to go then. Whoever is in the worst
//! trouble stands first.

use super::figures::{age, count, moment, nothing, share, within};
use super::parts::{Column, Tone, badge, live, note, table};
use super::words::{self, Lang, Text, text};
use super::{layout, parts};
use crate::fault::Fault;
use crate::http::Response;
use crate::ops::access::Ask;
use crate::ops::partners::{self, PartnerRow, Standing};
use crate::ops::view::OpsView;
use jiff::Timestamp;
use maud::{Markup, html};

/// Days before its end from which a certificate is shown as expiring.
const EXPIRING_DAYS: i64 = 30;
/// Hours of a spark line.
const SPARK_HOURS: i64 = 24;

/// How a partner stands, the calmest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Healthy,
    Expiring,
    Failing,
}

/// Whether all is well, and who is not.
///
/// # Errors
/// The journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let lang = Lang::of_ask(&ask);
    let now = view.clock.now();
    let standing = partners::everybody(view).await?;
    let body = html! {
        (notes(view, &standing, lang))
        h2 { (lang.of(words::PARTNERS)) }
        (partners_table(&standing, now, lang))
    };
    Ok(layout::page(view, &ask, lang.of(words::NOW), &live(&ask, lang, "now", &body)))
}

impl State {
    fn of(row: &PartnerRow, now: Timestamp) -> Self {
        if !row.circuits_open.is_empty() || row.dead > 0 {
            Self::Failing
        } else if row.facts.days_left(now).is_some_and(|days| days < EXPIRING_DAYS) {
            Self::Expiring
        } else {
            Self::Healthy
        }
    }

    fn badge(self, lang: Lang) -> Markup {
        let (tone, word): (Tone, Text) = match self {
            Self::Healthy => (Tone::Good, text("正常", "healthy")),
            Self::Expiring => (Tone::Warn, text("证书将到期", "expiring")),
            Self::Failing => (Tone::Bad, text("投递失败", "failing")),
        };
        badge(tone, lang.of(word))
    }
}

fn notes(view: &OpsView, standing: &Standing, lang: Lang) -> Markup {
    let dead: u64 = standing.partners.iter().map(|row| row.dead).sum();
    html! {
        @if view.health.state().refused_reload.is_some() {
            (note(Tone::Bad, &html! { (lang.say("新配置被拒绝，原配置继续生效。", "A new configuration was refused; the one before it stays in force.")) }))
        }
        @if dead > 0 {
            (note(Tone::Bad, &html! { (lang.of(words::DEAD_LETTERS)) (lang.say("：", ": ")) (count(dead)) " " (lang.say("条记录", "records")) }))
        }
    }
}

fn partners_table(standing: &Standing, now: Timestamp, lang: Lang) -> Markup {
    let columns = [
        Column::Words(words::PARTNER),
        Column::Words(text("状态", "State")),
        Column::Figure(text("最近接收", "Last seen")),
        Column::Words(text("24 小时", "24 hours")),
        Column::Figure(words::RECORDS),
        Column::Figure(text("退回占比", "Refused")),
        Column::Figure(text("p50", "p50")),
        Column::Figure(text("p99", "p99")),
        Column::Figure(words::QUEUED),
        Column::Figure(text("最早待投递", "Oldest waiting")),
        Column::Figure(text("证书剩余", "Certificate")),
    ];
    let mut rows: Vec<&PartnerRow> = standing.partners.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(State::of(row, now)));
    let cells = |row: &&PartnerRow| {
        let sent = &row.sent;
        vec![
            html! { a id={ "partner-" (row.partner) } href={ "/partners/" (row.partner) } { (lang.words(&row.title)) } small { (row.partner) } },
            State::of(row, now).badge(lang),
            moment(row.last_received_at, now, lang),
            parts::spark(&by_hour(row, standing, now), lang.say("每小时记录数", "Records in each hour")),
            count(sent.records),
            share(sent.records_refused, sent.records),
            within(sent.latencies.within_ms(50), sent.exchanges > 0),
            within(sent.latencies.within_ms(99), sent.exchanges > 0),
            count(row.queued),
            html! { @if let Some(since) = row.oldest_waiting { (age(now.duration_since(since).as_secs(), lang)) } @else { (nothing()) } },
            days(row.facts.days_left(now), lang),
        ]
    };
    let rows: Vec<Vec<Markup>> = rows.iter().map(cells).collect();
    table(lang, lang.of(words::PARTNERS), &columns, &rows, lang.say("没有配置接入单位。", "No partner is configured."))
}

/// The days that a certificate has left.
fn days(left: Option<i64>, lang: Lang) -> Markup {
    html! {
        @match left {
            None => { (nothing()) }
            Some(days) if days < 0 => { (badge(Tone::Bad, lang.say("已到期", "ended"))) }
            Some(days) => { (days) (lang.say(" 天", " d")) }
        }
    }
}

/// Records of a partner in each of the last hours.
fn by_hour(row: &PartnerRow, standing: &Standing, now: Timestamp) -> Vec<u64> {
    let this_hour = now.as_second().div_euclid(3_600);
    let hours = (this_hour - SPARK_HOURS + 1)..=this_hour;
    let own = |hour: i64| standing.hours.iter().filter(move |known| known.partner == row.partner && known.hour.as_second() / 3_600 == hour);
    hours.map(|hour| own(hour).map(|known| known.counts.records).sum()).collect()
}

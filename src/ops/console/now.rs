//! The first page: whether the exchange is well, whose fault it is if not, and where to go then. Whoever is in the worst
//! trouble stands first.

use super::figures::{age, ago, count, local, moment, nothing, percent, share, time, within};
use super::parts::{Column, Tone, badge, link, live, mark, note, table};
use super::words::{self, Lang, text};
use super::{alarms, deeds, layout, map, parts};
use crate::fault::Fault;
use crate::figures::thousands;
use crate::http::Response;
use crate::journal::acts::ActFilter;
use crate::journal::alarms::{AlarmRow, AlarmSeverity};
use crate::ops::access::Ask;
use crate::ops::health::{HealthState, RefusedReload};
use crate::ops::partners::{self, PartnerRow, Standing};
use crate::ops::status::PROBLEMS_MAX;
use crate::ops::view::OpsView;
use jiff::Timestamp;
use maud::{Markup, html};

/// Hours of a spark line.
const SPARK_HOURS: i64 = 24;
/// Proposals that are counted; more are "at least".
const PROPOSALS_MAX: usize = 50;

/// Whether all is well, and who is not.
///
/// # Errors
/// None: where the journal does not answer, that is what the page says.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let lang = Lang::of_ask(&ask);
    let now = view.clock.now();
    let body = match everything(view, now, lang).await {
        Ok(body) => body,
        Err(fault) => html! {
            (verdict(&[], Some(lang.say("交换台账没有应答，网关无法接收报文", "The journal does not answer, and nothing can be taken in")), lang))
            (note(Tone::Bad, &html! { (fault) }))
            (of_configuration(&view.health.state(), lang))
        },
    };
    let body = live(&ask, lang, "now", &body);
    Ok(if ask.part().is_some() { layout::part(body) } else { layout::page(view, &ask, lang.of(words::NOW), &body) })
}

async fn everything(view: &OpsView, now: Timestamp, lang: Lang) -> Result<Markup, Fault> {
    let standing = partners::everybody(view).await?;
    let waiting = ActFilter { waiting_at: Some(now), rows_max: PROPOSALS_MAX, ..ActFilter::default() };
    let proposals = view.journal.acts(waiting).await?.len();
    let open: Vec<&AlarmRow> = standing.alarms.iter().collect();
    let live = view.live.load();
    Ok(html! {
        (verdict(&open, None, lang))
        (of_configuration(&view.health.state(), lang))
        (to_do(&standing, proposals, now, lang))
        @if !open.is_empty() { (alarms::list(&open, &live.config, now, lang)) }
        (sums(&standing, lang))
        h2 { (lang.of(words::PARTNERS)) }
        (partners_table(&standing, now, lang))
        h2 { (lang.say("数据流向", "Flows")) }
        (map::map(&live.config, &standing, lang))
    })
}

/// The answer to the first question, in one line: is it well, and whose fault is it if not.
fn verdict(open: &[&AlarmRow], broken: Option<&str>, lang: Lang) -> Markup {
    let critical = open.iter().filter(|row| row.state.severity == AlarmSeverity::Critical).count();
    let warnings = open.len() - critical;
    let tone = if broken.is_some() || critical > 0 {
        Tone::Bad
    } else if warnings > 0 {
        Tone::Warn
    } else {
        Tone::Good
    };
    let of = |party: &str| open.iter().filter(|row| row.state.party == party).count();
    let parties: Vec<String> = ["sender", "gateway", "receiver"]
        .into_iter()
        .filter(|party| of(party) > 0)
        .map(|party| format!("{} {}", lang.party(party), of(party)))
        .collect();
    html! {
        section.verdict.(tone.class()) aria-live="polite" {
            (mark(tone))
            @if let Some(broken) = broken { strong { (broken) } }
            @else if open.is_empty() {
                strong { (lang.say("一切正常", "All is well")) }
                span { (lang.say("没有告警。", "No alarm is open.")) }
            } @else {
                strong {
                    @if critical > 0 { (critical) (lang.say(" 个严重告警", " critical")) }
                    @if critical > 0 && warnings > 0 { (lang.say("，", ", ")) }
                    @if warnings > 0 { (warnings) (lang.say(" 个警告", " warning")) @if !lang.is_zh() && warnings > 1 { "s" } }
                }
                span { (lang.of(words::PARTY)) (lang.say("：", ": ")) (parties.join(lang.say("、", ", "))) }
            }
        }
    }
}

/// What is the matter with the configuration.
fn of_configuration(health: &HealthState, lang: Lang) -> Markup {
    html! {
        @if let Some(refused) = &health.refused_reload { (refused_reload(refused, lang)) }
        @if !health.for_next_start.is_empty() {
            (note(Tone::Warn, &html! {
                (lang.say("重启后才生效的配置项：", "Of the configuration in force these keys hold from the next start on: "))
                code { (health.for_next_start.join(", ")) }
            }))
        }
    }
}

fn refused_reload(refused: &RefusedReload, lang: Lang) -> Markup {
    let left_out = refused.problems.len().saturating_sub(PROBLEMS_MAX);
    note(
        Tone::Bad,
        &html! {
            strong { (lang.say("新配置被拒绝，原配置继续生效", "A new configuration was refused; the one before it stays in force")) }
            " " (time(refused.at)) " " (link("/changes", &html! { (lang.of(words::CHANGES)) }))
            ul {
                @for problem in refused.problems.iter().take(PROBLEMS_MAX) { li { code { (problem) } } }
                @if left_out > 0 { li { (lang.say("另有 ", "")) (left_out) (lang.say(" 个问题", " more")) } }
            }
        },
    )
}

/// What waits for somebody: dead letters, proposals, what is paused.
fn to_do(standing: &Standing, proposals: usize, now: Timestamp, lang: Lang) -> Markup {
    let dead: Vec<_> = standing.status.destinations.iter().filter(|row| row.dead > 0).collect();
    html! {
        @for row in &dead {
            (note(Tone::Bad, &html! {
                (link(&format!("/dead-letters?destination={}", row.to), &html! { (lang.of(words::DEAD_LETTERS)) }))
                (lang.say("：", ": ")) strong { (thousands(row.dead)) } (lang.say(" 条记录，接收方 ", " records for ")) code { (row.to) }
            }))
        }
        @if proposals > 0 {
            (note(Tone::Warn, &html! {
                (lang.say("待第二人批准的操作：", "Waiting for a second operator: ")) strong { (proposals) @if proposals == PROPOSALS_MAX { "+" } }
                " " a href="/dead-letters#waiting" { (lang.say("查看并批准", "see and approve")) }
            }))
        }
        @for paused in &standing.status.paused {
            @let entry = &paused.act.entry;
            (note(Tone::Warn, &html! {
                (lang.say("已暂停：", "Paused: ")) (deeds::paused(&paused.what, lang))
                span.soft {
                    " · " @if let Some(operator) = &entry.operator { (operator.name) } @else { (words::NOTHING) }
                    @if let Ok(at) = entry.at.parse::<Timestamp>() { " · " (ago(at, now, lang)) }
                    " · " (entry.reason)
                }
            }))
        }
        @if standing.status.rows_left_out > 0 {
            (note(Tone::Warn, &html! { (lang.say("表格过长，未列出的行数：", "Rows that the tables leave out: ")) (standing.status.rows_left_out) }))
        }
    }
}

fn sums(standing: &Standing, lang: Lang) -> Markup {
    let sent: partners::Sums = standing.hours.iter().collect();
    let minute = &standing.last_minute;
    let sums = standing.status.sums();
    let cells = [
        (lang.say("最近一分钟收到", "In, last minute"), thousands(minute.sent.values().sum()), None, false),
        (lang.say("最近一分钟送达", "Out, last minute"), thousands(minute.delivered.values().sum()), None, false),
        (lang.say("24 小时交换单", "Exchanges, 24 h"), thousands(sent.exchanges), Some("/exchanges"), false),
        (lang.say("24 小时记录", "Records, 24 h"), thousands(sent.records), None, false),
        (lang.say("24 小时退回", "Refused, 24 h"), percent(sent.records_refused, sent.records), Some("/exchanges?verdict=refused"), false),
        (lang.of(words::QUEUED), thousands(sums.queued), None, false),
        (lang.of(words::DEAD_LETTERS), thousands(sums.dead), Some("/dead-letters"), sums.dead > 0),
    ];
    html! {
        dl.sums.sheet {
            @for (name, figure, to, is_bad) in cells {
                div { dt { (name) } dd.bad[is_bad] { @match to { Some(to) => { a href=(to) { (figure) } } None => { (figure) } } } }
            }
        }
    }
}

fn partners_table(standing: &Standing, now: Timestamp, lang: Lang) -> Markup {
    let columns = [
        Column::Words(words::PARTNER),
        Column::Short(words::STATE),
        Column::Figure(text("最近接收", "Last seen")),
        Column::Short(text("24 小时", "24 hours")),
        Column::Figure(words::RATE),
        Column::Figure(text("退回占比", "Refused")),
        Column::Figure(text("p50", "p50")),
        Column::Figure(text("p99", "p99")),
        Column::Figure(words::QUEUED),
        Column::Figure(text("最早待投递", "Oldest waiting")),
        Column::Figure(text("证书剩余", "Certificate")),
    ];
    let mut rows: Vec<&PartnerRow> = standing.partners.iter().collect();
    rows.sort_by(|one, other| other.states.cmp(&one.states).then_with(|| one.partner.cmp(&other.partner)));
    let rows: Vec<Vec<Markup>> = rows.iter().map(|row| partner_cells(row, standing, now, lang)).collect();
    table(lang, lang.of(words::PARTNERS), &columns, &rows, lang.say("没有配置接入单位。", "No partner is configured."))
}

fn partner_cells(row: &PartnerRow, standing: &Standing, now: Timestamp, lang: Lang) -> Vec<Markup> {
    let (sent, taken) = (&row.sent, &row.taken);
    // Of one who only receives, its deliveries are timed.
    let (latencies, any) = if sent.exchanges > 0 { (&sent.latencies, true) } else { (&taken.latencies, taken.acknowledged > 0) };
    vec![
        html! { a id={ "partner-" (row.partner) } href={ "/partners/" (row.partner) } { (lang.words(&row.title)) } small { (row.partner) } },
        parts::states(&row.states, lang),
        moment(row.last_received_at, now, lang),
        spark(row, standing, now, lang),
        rate(row.last_minute, lang),
        share(sent.records_refused, sent.records),
        within(latencies.within_ms(50), any),
        within(latencies.within_ms(99), any),
        count(row.queued),
        html! { @if let Some(since) = row.oldest_waiting { (age(now.duration_since(since).as_secs(), lang)) } @else { (nothing()) } },
        days(row.facts.days_left(now), standing.expiring_days, lang),
    ]
}

/// Records that came and, below, that were taken in the last minute.
fn rate((sent, taken): (u64, u64), lang: Lang) -> Markup {
    html! {
        span {
            @if sent > 0 || taken == 0 { (count(sent)) } @else { (thousands(taken)) }
            @if taken > 0 && sent > 0 { small { (lang.say("送达 ", "taken ")) (thousands(taken)) } }
            @else if taken > 0 { small { (lang.say("送达", "taken")) } }
        }
    }
}

/// The days that a certificate has left.
pub fn days(left: Option<i64>, expiring_days: i64, lang: Lang) -> Markup {
    html! {
        @match left {
            None => { (nothing()) }
            Some(days) if days < 0 => { (badge(Tone::Bad, lang.say("已到期", "ended"))) }
            Some(days) if days < expiring_days => { (badge(Tone::Warn, &format!("{days} {}", lang.say("天", "d")))) }
            Some(days) => { (days) " " (lang.say("天", "d")) }
        }
    }
}

/// Records in each of the last hours: what was sent or, of one who only receives, what was taken.
fn spark(row: &PartnerRow, standing: &Standing, now: Timestamp, lang: Lang) -> Markup {
    let this_hour = now.as_second().div_euclid(3_600);
    let first = this_hour - SPARK_HOURS + 1;
    let mut by_hour = vec![0; usize::try_from(SPARK_HOURS).unwrap_or_default()];
    let mut add = |hour: Timestamp, records: u64| {
        let place = usize::try_from(hour.as_second().div_euclid(3_600) - first).ok();
        if let Some(slot) = place.and_then(|place| by_hour.get_mut(place)) {
            *slot += records;
        }
    };
    if row.sent.exchanges > 0 || row.taken.records == 0 {
        standing.hours.iter().filter(|hour| hour.partner == row.partner).for_each(|hour| add(hour.hour, hour.counts.records));
    } else {
        standing.taken.iter().filter(|hour| hour.to.partner == row.partner).for_each(|hour| add(hour.hour, hour.records));
    }
    let most = by_hour.iter().copied().max().unwrap_or(0);
    let since = now.checked_sub(jiff::SignedDuration::from_hours(SPARK_HOURS - 1)).unwrap_or(now);
    let label = format!(
        "{} {} {} {}",
        lang.say("每小时记录数，自", "Records by hour since"),
        local(since, "%m-%d %H:00"),
        lang.say("，最多", ", at most"),
        thousands(most)
    );
    parts::spark(&by_hour, &label)
}

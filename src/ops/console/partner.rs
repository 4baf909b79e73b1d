//! A partner: how it stands, what it sends and takes, its limits, its certificates, and whether it came when it was expected.

use super::chart;
use super::figures::{age, count, moment, nothing, share, short_time, time, within};
use super::now::days;
use super::parts::{Column, Tone, badge, form, link, live, live_seldom, table};
use super::words::{self, Lang, Text, text};
use super::{alarms, layout, names, parts};
use crate::config::{Config, Partner};
use crate::domain::{DestinationId, FlowId, Role};
use crate::fault::Fault;
use crate::figures::thousands;
use crate::http::Response;
use crate::journal::acts::Pausable;
use crate::journal::alarms::AlarmRow;
use crate::journal::hours::{DestinationHour, FlowHour, RuleCount};
use crate::ops::access::Ask;
use crate::ops::kept::{Expected, Kept, expected};
use crate::ops::partners::{self, LimitsLeft, PartnerRow, Standing, Sums, days_left, hours_of};
use crate::ops::standing::{State, concerns, worst_of_route};
use crate::ops::view::OpsView;
use jiff::Timestamp;
use maud::{Markup, html};

/// Seconds between two drawings of the charts.
pub const CHARTS_SECONDS: u32 = 60;

/// One partner.
///
/// # Errors
/// A partner that is not configured; the journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (lang, now) = (Lang::of_ask(&ask), view.clock.now());
    let is_month = partners::is_month(&ask)?;
    let config = std::sync::Arc::clone(&view.live.load().config);
    let partner = partners::configured(&config, ask.segment(0))?;
    let part = ask.part();
    if part.as_deref() == Some("charts") {
        return Ok(layout::part(charts(view, &ask, &partner, &hours_of(view, &partner, is_month).await?, is_month)));
    }
    let everybody = partners::everybody(view).await?;
    let Some(row) = everybody.partners.iter().find(|row| row.partner == partner.id) else {
        return Err(Fault::new(crate::fault::FaultCode::PathUnknown));
    };
    let standing = live(&ask, lang, "standing", &standing_part(row, &everybody, &config, &partner, now, lang));
    if part.is_some() {
        return Ok(layout::part(standing));
    }
    let came = hours_of(view, &partner, is_month).await?;
    let rules = partners::rules(view, Some(partner.id.clone()), None, is_month).await?;
    let feeds = config.flows.values().map(|flow| (flow.as_ref(), &partner.id));
    let schedule = expected(view.journal.as_ref(), &config, feeds, &came.0, (partners::begin(is_month, now), now)).await?;
    let body = html! {
        (standing)
        div.split { h2 { (lang.say("报送与送达", "What came and went")) (chart::since(is_month, now, lang)) } (chart::spans(&ask, is_month, lang)) }
        (charts(view, &ask, &partner, &came, is_month))
        @if !schedule.is_empty() {
            h2 { (lang.say("报送时限", "Schedule")) }
            (kept_table(&schedule, &config, lang))
        }
        h2 { (lang.say("校验问题最多的规则", "Rules with the most findings")) }
        (rules_table(&rules, &format!("partner={}", partner.id), lang))
        (facts_part(row, everybody.expiring_days, now, lang))
        (changes(view, &ask, &partner, &everybody, lang))
    };
    Ok(layout::page(view, &ask, lang.words(&partner.title), &body))
}

fn standing_part(row: &PartnerRow, standing: &Standing, config: &Config, partner: &Partner, now: Timestamp, lang: Lang) -> Markup {
    let open: Vec<&AlarmRow> = standing.alarms.iter().filter(|alarm| concerns(alarm, &partner.id)).collect();
    html! {
        p.standing {
            (parts::states(&row.states, lang)) " " code { (partner.id) }
            " · " a href={ "/exchanges?partner=" (partner.id) } { (lang.say("它的交换单", "its exchanges")) }
            @if let Some(at) = row.last_received_at { " · " (lang.say("最近接收 ", "last seen ")) (short_time(at, now)) }
        }
        @if !open.is_empty() { (alarms::list(&open, config, now, lang)) }
        (flows_table(row, standing, config, now, lang))
        @if !partner.destinations.is_empty() { (destinations_table(standing, partner, now, lang)) }
    }
}

fn charts(
    view: &OpsView,
    ask: &Ask<'_>,
    partner: &Partner,
    (sent, taken): &(Vec<FlowHour>, Vec<DestinationHour>),
    is_month: bool,
) -> Markup {
    let lang = Lang::of_ask(ask);
    let slots = &chart::slots(sent, taken, is_month, view.clock.now());
    let sends = slots.iter().any(|slot| slot.sent.exchanges > 0) || partner.destinations.is_empty();
    let drawn = html! {
        div.charts {
            @if sends {
                (chart::volume("volume", slots, is_month, lang))
                (chart::latency("latency", lang.say("接收用时（收完至提交）", "Time to commit, after the last byte"), slots, |slot| &slot.sent.latencies, is_month, lang))
            }
            @if !partner.destinations.is_empty() {
                (chart::taken("taken", slots, is_month, lang))
                (chart::latency("delivery-latency", lang.say("投递用时（收到至送达）", "Time to delivery, after receipt"), slots, |slot| &slot.taken.latencies, is_month, lang))
            }
        }
    };
    live_seldom(ask, lang, "charts", CHARTS_SECONDS, &drawn)
}

/// What a partner sends, flow by flow.
fn flows_table(row: &PartnerRow, standing: &Standing, config: &Config, now: Timestamp, lang: Lang) -> Markup {
    let rows = config.flows.values().filter(|flow| flow.senders.contains_key(&row.partner)).map(|flow| {
        let sums: Sums = standing.hours.iter().filter(|hour| hour.partner == row.partner && hour.flow == flow.id).collect();
        let last = standing.status.flows.iter().find(|known| known.partner == row.partner && known.flow == flow.id);
        let minute = standing.last_minute.sent.get(&(row.partner.clone(), flow.id.clone())).copied().unwrap_or(0);
        let name = html! { a id={ "flow-" (flow.id) } href={ "/flows/" (flow.id) } { (lang.words(&flow.title)) } small { (flow.id) } };
        sent_cells(name, last.and_then(|row| row.last_received_at), minute, &sums, now, lang)
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        @if !rows.is_empty() {
            h2 { (lang.say("报送", "Sends")) small { (lang.say("近 24 小时", "last 24 hours")) } }
            (table(lang, lang.say("报送", "Sends"), &sent_columns(words::FLOW), &rows, ""))
        }
    }
}

/// The columns of a table of what was sent, by this.
pub fn sent_columns(by: Text) -> [Column; 9] {
    [
        Column::Words(by),
        Column::Figure(text("最近接收", "Last seen")),
        Column::Figure(words::RATE),
        Column::Figure(words::EXCHANGES),
        Column::Figure(words::RECORDS),
        Column::Figure(words::REFUSED),
        Column::Figure(text("退回占比", "Refused share")),
        Column::Figure(text("p50", "p50")),
        Column::Figure(text("p99", "p99")),
    ]
}

/// A row of it.
pub fn sent_cells(name: Markup, last: Option<Timestamp>, minute: u64, sums: &Sums, now: Timestamp, lang: Lang) -> Vec<Markup> {
    let any = sums.exchanges > 0;
    vec![
        name,
        moment(last, now, lang),
        count(minute),
        html! {
            span { (thousands(sums.exchanges)) @if sums.refused > 0 { small { (lang.say("整体退回 ", "refused whole ")) (thousands(sums.refused)) } } }
        },
        count(sums.records),
        count(sums.records_refused),
        share(sums.records_refused, sums.records),
        within(sums.latencies.within_ms(50), any),
        within(sums.latencies.within_ms(99), any),
    ]
}

/// Where a partner receives.
fn destinations_table(standing: &Standing, partner: &Partner, now: Timestamp, lang: Lang) -> Markup {
    let columns = [
        Column::Words(words::DESTINATION),
        Column::Short(words::STATE),
        Column::Figure(words::RATE),
        Column::Figure(words::ACKNOWLEDGED),
        Column::Figure(words::QUEUED),
        Column::Figure(words::DEAD_LETTERS),
        Column::Figure(text("最早待投递", "Oldest waiting")),
    ];
    let rows = partner.destinations.values().map(|destination| {
        let row = standing.status.destinations.iter().find(|row| row.to == destination.id);
        let minute = standing.last_minute.delivered.iter().filter(|((_, to), _)| *to == destination.id).map(|(_, records)| records).sum();
        let dead = row.map_or(0, |row| row.dead);
        vec![
            html! { span { (destination.id) small { (destination.url) } } },
            destination_state(standing, None, &destination.id, lang),
            count(minute),
            count(row.map_or(0, |row| row.acknowledged)),
            count(row.map_or(0, |row| row.queued)),
            html! { @if dead > 0 { (link(&format!("/dead-letters?destination={}", destination.id), &count(dead))) } @else { (count(0)) } },
            html! { @if let Some(at) = row.and_then(|row| row.oldest_waiting) { (age(now.duration_since(at).as_secs(), lang)) } @else { (nothing()) } },
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        h2 { (lang.say("接收", "Receives")) }
        (table(lang, lang.say("接收", "Receives"), &columns, &rows, ""))
    }
}

/// How a destination stands: its worst alarm (of one flow, or of any), and what is wrong with it; healthy alone where nothing is.
pub fn destination_state(standing: &Standing, flow: Option<&FlowId>, to: &DestinationId, lang: Lang) -> Markup {
    let alarm = worst_of_route(&standing.alarms, flow, to);
    let troubles = destination_troubles(standing, to, lang);
    html! {
        span.badges {
            @if let Some(alarm) = alarm { (badge(alarms::tone(alarm), &alarms::title(alarm, lang))) }
            @for (tone, word) in &troubles { (badge(*tone, word)) }
            @if alarm.is_none() && troubles.is_empty() { (badge(Tone::Good, lang.state(State::Healthy))) }
        }
    }
}

/// What is wrong with a destination beside its alarms, the worst first.
pub fn destination_troubles(standing: &Standing, to: &DestinationId, lang: Lang) -> Vec<(Tone, &'static str)> {
    let row = standing.status.destinations.iter().find(|row| row.to == *to);
    let found = [
        (row.is_some_and(|row| row.circuit_open), Tone::Bad, lang.say("线路断开", "circuit open")),
        (row.is_some_and(|row| row.dead > 0), Tone::Bad, lang.of(words::DEAD_LETTERS)),
        (standing.is_paused(&Pausable::Destination(to.clone())), Tone::Warn, lang.state(State::Paused)),
    ];
    found.into_iter().filter_map(|(is_so, tone, word)| is_so.then_some((tone, word))).collect()
}

/// Whether feeds came when they were expected, the next one first.
pub fn kept_table(schedule: &[Expected], config: &Config, lang: Lang) -> Markup {
    let columns = [
        Column::Short(text("所属期", "Period")),
        Column::Short(words::FLOW),
        Column::Short(words::PARTNER),
        Column::Short(text("时限", "Due")),
        Column::Short(words::STATE),
    ];
    let mut schedule: Vec<&Expected> = schedule.iter().collect();
    schedule.sort_by_key(|expected| std::cmp::Reverse(expected.occurrence.due_at));
    let rows = schedule.iter().map(|expected| {
        let (tone, word) = match expected.kept {
            Kept::InTime => (Tone::Good, lang.say("按时", "in time")),
            Kept::Empty => (Tone::Good, lang.say("本期无数据", "declared empty")),
            Kept::Late => (Tone::Warn, lang.say("迟报", "late")),
            Kept::Overdue => (Tone::Warn, lang.say("迟报，尚未收到", "late, not there yet")),
            Kept::Missed => (Tone::Bad, lang.say("未报", "missed")),
            Kept::Ahead => (Tone::Calm, lang.say("未到时限", "not due yet")),
        };
        vec![
            html! { (expected.occurrence.period) },
            names::flow(config, &expected.flow, lang),
            names::partner(config, &expected.partner, lang),
            time(expected.occurrence.due_at),
            badge(tone, word),
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    table(lang, lang.say("报送时限", "Schedule"), &columns, &rows, "")
}

/// Rules with the most findings, each with an example.
pub fn rules_table(rules: &[RuleCount], of: &str, lang: Lang) -> Markup {
    let columns = [Column::Words(words::RULE), Column::Figure(words::FINDINGS), Column::Words(text("最近一例", "Latest example"))];
    let rows = rules.iter().map(|rule| {
        let all = format!("/exchanges?{of}&rule={}", crate::http::query::percent_encoded(&rule.rule));
        vec![
            link(&all, &html! { code { (rule.rule) } }),
            count(rule.findings),
            link(&format!("/exchanges/{}", rule.example), &html! { code { (rule.example) } }),
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    table(lang, lang.say("规则", "Rules"), &columns, &rows, lang.say("没有校验问题。", "There are no findings."))
}

/// Limits and certificates.
fn facts_part(row: &PartnerRow, expiring_days: i64, now: Timestamp, lang: Lang) -> Markup {
    let columns =
        [Column::Words(text("证书主体", "Certificate")), Column::Short(text("到期时间", "Ends")), Column::Figure(text("剩余", "Left"))];
    let certificates = row
        .facts
        .certificates
        .iter()
        .map(|(subject, end)| vec![html! { (subject) }, time(*end), days(Some(days_left(*end, now)), expiring_days, lang)]);
    let certificates: Vec<Vec<Markup>> = certificates.collect();
    html! {
        h2 { (lang.say("限额", "Limits")) }
        @match &row.facts.limits {
            Some(limits) => { (limits_part(limits, lang)) }
            None => { div.sheet { p.empty { (lang.say("没有限额。", "It has none.")) } } }
        }
        @for (flow, limits) in &row.facts.flow_limits {
            h3 { (lang.of(words::FLOW)) " " (link(&format!("/flows/{flow}"), &html! { (flow) })) }
            (limits_part(limits, lang))
        }
        h2 { (lang.say("证书", "Certificates")) small { (lang.say("启动以来用过的", "seen since the start")) } }
        (table(lang, lang.say("证书", "Certificates"), &columns, &certificates, lang.say("启动以来没有用证书接入过。", "It has not called since the start.")))
    }
}

/// Limits as their header fields say them (`RateLimit-Policy`, `RateLimit`): the tightest as a bar.
pub fn limits_part(limits: &LimitsLeft, lang: Lang) -> Markup {
    let quotas: Vec<Quota> = limits.policy.split(',').filter_map(Quota::parse).collect();
    let tightest = Quota::parse(&limits.left).and_then(|left| Some((quotas.iter().find(|quota| quota.name == left.name)?, left.left?)));
    html! {
        dl.facts.sheet {
            @if let Some((quota, left)) = tightest {
                @let burst = quota.burst.unwrap_or(left).max(1);
                @let used = burst.saturating_sub(left);
                dt { (lang.say("最紧的一项", "The tightest")) }
                dd {
                    code { (quota.name) } " " meter min="0" max=(burst) value=(used) aria-label=(lang.say("已用", "used")) {}
                    " " (lang.say("已用 ", "used ")) (count(used)) " / " (count(burst))
                }
            }
            @for quota in &quotas {
                dt { code { (quota.name) } }
                dd {
                    @if let Some(burst) = quota.burst { (lang.say("一次至多 ", "at most ")) (count(burst)) " " @if let Some(unit) = &quota.unit { (unit) } }
                    @if let Some(window) = quota.window_s { (lang.say("，每 ", " within ")) (window) (lang.say(" 秒恢复", " s")) }
                }
            }
            @if quotas.is_empty() { dt { (lang.say("限额", "Limits")) } dd { code { (limits.policy) } } }
        }
    }
}

/// One item of those header fields.
struct Quota {
    name: String,
    burst: Option<u64>,
    unit: Option<String>,
    window_s: Option<u64>,
    left: Option<u64>,
}

impl Quota {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(';');
        let name = parts.next()?.trim().strip_prefix('"')?.strip_suffix('"')?.to_owned();
        let mut quota = Self { name, burst: None, unit: None, window_s: None, left: None };
        for (key, value) in parts.filter_map(|part| part.trim().split_once('=')) {
            match key {
                "q" => quota.burst = value.parse().ok(),
                "w" => quota.window_s = value.parse().ok(),
                "r" => quota.left = value.parse().ok(),
                "qu" => quota.unit = Some(value.trim_matches('"').to_owned()),
                _ => {}
            }
        }
        Some(quota)
    }
}

/// Pausing and resuming its destinations.
fn changes(view: &OpsView, ask: &Ask<'_>, partner: &Partner, standing: &Standing, lang: Lang) -> Markup {
    let here = format!("/partners/{}", partner.id);
    html! {
        @if ask.operator.role >= Role::Operate && !partner.destinations.is_empty() {
            h2 { (lang.say("暂停与恢复投递", "Pausing and resuming deliveries")) }
            div.sheet.padded.forms {
                @for destination in partner.destinations.values() {
                    @let is_paused = standing.is_paused(&Pausable::Destination(destination.id.clone()));
                    (pause_form(view, ask, lang, &format!("/v1/destinations/{}", destination.id), &destination.id.to_string(), is_paused, &here))
                }
            }
        }
    }
}

/// The form that pauses or resumes something, by the address of the API.
pub fn pause_form(view: &OpsView, ask: &Ask<'_>, lang: Lang, address: &str, name: &str, is_paused: bool, here: &str) -> Markup {
    let (deed, word) = if is_paused { ("resume", words::RESUME) } else { ("pause", words::PAUSE) };
    let name = html! { span.what { code { (name) } @if is_paused { " " (badge(Tone::Warn, lang.say("已暂停", "paused"))) } } };
    form(view, ask, lang, &format!("{address}/{deed}"), here, lang.of(word), &name)
}

#[cfg(test)]
mod tests {
    use super::Quota;

    #[test]
    fn fields_of_limits_are_read() {
        let quota =
            Quota::parse(r#" "requests";q=100;qu="requests";w=10"#).map(|quota| (quota.name, quota.burst, quota.unit, quota.window_s));
        assert_eq!(quota, Some(("requests".to_owned(), Some(100), Some("requests".to_owned()), Some(10))));
        assert_eq!(Quota::parse(r#""requests";r=7;t=1"#).and_then(|quota| quota.left), Some(7));
        assert!(Quota::parse("policy").is_none());
    }
}

//! A flow: who sends it and who receives it, how much of it came and how long that took, and whether it came when expected.

use super::chart;
use super::figures::{age, count};
use super::partner::{CHARTS_SECONDS, destination_state, kept_table, limits_part, pause_form, rules_table, sent_cells, sent_columns};
use super::parts::{Column, Tone, badge, facts, live, live_seldom, table};
use super::words::{self, Lang, text};
use super::{alarms, layout};
use crate::config::{Config, Flow, OnInvalid, Order};
use crate::domain::Role;
use crate::fault::Fault;
use crate::http::Response;
use crate::journal::alarms::AlarmRow;
use crate::journal::hours::FlowHour;
use crate::ops::access::Ask;
use crate::ops::kept::expected;
use crate::ops::partners::{self, Standing, Sums, hours_of_flow};
use crate::ops::view::OpsView;
use jiff::Timestamp;
use maud::{Markup, html};
use std::sync::Arc;

/// One flow.
///
/// # Errors
/// A flow that is not configured; the journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (lang, now) = (Lang::of_ask(&ask), view.clock.now());
    let is_month = partners::is_month(&ask)?;
    let config = Arc::clone(&view.live.load().config);
    let flow = partners::configured_flow(&config, ask.segment(0))?;
    let part = ask.part();
    if part.as_deref() == Some("charts") {
        return Ok(layout::part(charts(view, &ask, &hours_of_flow(view, &flow.id, is_month).await?, is_month)));
    }
    let everybody = partners::everybody(view).await?;
    let is_paused = view.pauses.holds(&flow.id);
    let standing = live(&ask, lang, "standing", &standing_part(&flow, &everybody, &config, is_paused, now, lang));
    if part.is_some() {
        return Ok(layout::part(standing));
    }
    let hours = hours_of_flow(view, &flow.id, is_month).await?;
    let rules = partners::rules(view, None, Some(flow.id.clone()), is_month).await?;
    let feeds = flow.senders.keys().map(|partner| (flow.as_ref(), partner));
    let schedule = expected(view.journal.as_ref(), &config, feeds, &hours, (partners::begin(is_month, now), now)).await?;
    let body = html! {
        (standing)
        div.split { h2 { (lang.say("报送", "What came")) (chart::since(is_month, now, lang)) } (chart::spans(&ask, is_month, lang)) }
        (charts(view, &ask, &hours, is_month))
        @if !schedule.is_empty() {
            h2 { (lang.say("报送时限", "Schedule")) }
            (kept_table(&schedule, &config, lang))
        }
        h2 { (lang.say("校验问题最多的规则", "Rules with the most findings")) }
        (rules_table(&rules, &format!("flow={}", flow.id), lang))
        h2 { (lang.say("约定", "As agreed")) }
        (agreed(&flow, lang))
        (limits(view, &flow, lang))
        @if ask.operator.role >= Role::Operate {
            h2 { (lang.say("暂停与恢复接收", "Pausing and resuming")) }
            div.sheet.padded.forms { (pause_form(view, &ask, lang, &format!("/v1/flows/{}", flow.id), flow.id.as_str(), is_paused, &format!("/flows/{}", flow.id))) }
        }
    };
    Ok(layout::page(view, &ask, lang.words(&flow.title), &body))
}

fn charts(view: &OpsView, ask: &Ask<'_>, hours: &[FlowHour], is_month: bool) -> Markup {
    let lang = Lang::of_ask(ask);
    let slots = chart::slots(hours, &[], is_month, view.clock.now());
    let drawn = html! {
        div.charts {
            (chart::volume("volume", &slots, is_month, lang))
            (chart::latency("latency", lang.say("接收用时（收完至提交）", "Time to commit, after the last byte"), &slots, |slot| &slot.sent.latencies, is_month, lang))
        }
    };
    live_seldom(ask, lang, "charts", CHARTS_SECONDS, &drawn)
}

fn standing_part(flow: &Flow, standing: &Standing, config: &Config, is_paused: bool, now: Timestamp, lang: Lang) -> Markup {
    let open: Vec<&AlarmRow> = standing.alarms.iter().filter(|alarm| alarm.subject.flow.as_ref() == Some(&flow.id)).collect();
    html! {
        p.standing {
            span.badges {
                @if is_paused { (badge(Tone::Warn, lang.say("已暂停", "paused"))) }
                @if open.is_empty() { @if !is_paused { (badge(Tone::Good, lang.say("正常", "healthy"))) } }
                @else { @for alarm in &open { (badge(alarms::tone(alarm), &alarms::title(alarm, lang))) } }
            }
            " " code { (flow.id) } " · " code { (flow.canonical) }
            " · " a href={ "/exchanges?flow=" (flow.id) } { (lang.say("它的交换单", "its exchanges")) }
        }
        @if !open.is_empty() { (alarms::list(&open, config, now, lang)) }
        h2 { (lang.say("报送方", "Senders")) small { (lang.say("近 24 小时", "last 24 hours")) } }
        (senders(flow, standing, config, now, lang))
        h2 { (lang.say("接收方", "Receivers")) }
        (receivers(flow, standing, config, now, lang))
    }
}

fn senders(flow: &Flow, standing: &Standing, config: &Config, now: Timestamp, lang: Lang) -> Markup {
    let rows = flow.senders.keys().map(|partner| {
        let sums: Sums = standing.hours.iter().filter(|hour| hour.partner == *partner && hour.flow == flow.id).collect();
        let last = standing.status.flows.iter().find(|known| known.partner == *partner && known.flow == flow.id);
        let minute = standing.last_minute.sent.get(&(partner.clone(), flow.id.clone())).copied().unwrap_or(0);
        let title = config.partners.get(partner).map(|known| lang.words(&known.title)).unwrap_or_default();
        let name = html! { a id={ "partner-" (partner) } href={ "/partners/" (partner) } { (title) } small { (partner) } };
        sent_cells(name, last.and_then(|row| row.last_received_at), minute, &sums, now, lang)
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    table(
        lang,
        lang.say("报送方", "Senders"),
        &sent_columns(words::PARTNER),
        &rows,
        lang.say("没有配置报送方。", "No sender is configured."),
    )
}

fn receivers(flow: &Flow, standing: &Standing, config: &Config, now: Timestamp, lang: Lang) -> Markup {
    let columns = [
        Column::Words(words::DESTINATION),
        Column::Short(words::MAPPING),
        Column::Words(text("条件", "Condition")),
        Column::Short(words::STATE),
        Column::Figure(words::RATE),
        Column::Figure(words::QUEUED),
        Column::Figure(text("最早待投递", "Oldest waiting")),
    ];
    let rows = flow.routes.iter().map(|route| {
        let row = standing.status.destinations.iter().find(|row| row.to == route.to);
        let title = config.partners.get(&route.to.partner).map(|known| lang.words(&known.title)).unwrap_or_default();
        let minute = standing.last_minute.delivered.get(&(flow.id.clone(), route.to.clone())).copied().unwrap_or(0);
        vec![
            html! { a href={ "/partners/" (route.to.partner) } { (title) } small { (route.to) } },
            html! { code { (route.mapping) } },
            html! { @if let Some(when) = &route.when { code { (when) } } @else { span.soft { (lang.say("全部记录", "every record")) } } },
            destination_state(standing, Some(&flow.id), &route.to, lang),
            count(minute),
            count(row.map_or(0, |row| row.queued)),
            html! { @if let Some(at) = row.and_then(|row| row.oldest_waiting) { (age(now.duration_since(at).as_secs(), lang)) } @else { (super::figures::nothing()) } },
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    table(lang, lang.of(words::DESTINATION), &columns, &rows, lang.say("没有接收方。", "It is kept, and sent to nobody."))
}

/// The limits of each sender that this flow limits besides.
fn limits(view: &OpsView, flow: &Flow, lang: Lang) -> Markup {
    let limited = flow.senders.keys().filter_map(|partner| Some((partner, view.flow_limits(partner, &flow.id)?)));
    let limited: Vec<_> = limited.collect();
    html! {
        @if !limited.is_empty() { h2 { (lang.say("限额", "Limits")) } }
        @for (partner, limits) in &limited {
            h3 { a href={ "/partners/" (partner) } { (partner) } }
            (limits_part(limits, lang))
        }
    }
}

/// What its file says.
fn agreed(flow: &Flow, lang: Lang) -> Markup {
    let on_invalid = match flow.on_invalid {
        OnInvalid::RefuseBody => lang.say("整份报文退回", "the whole body is refused"),
        OnInvalid::RefuseRecord => lang.say("只退回该记录", "that record alone is refused"),
    };
    let order = match &flow.order {
        Order::None => html! { (lang.say("不保证", "none")) },
        Order::Sender => html! { (lang.say("按报送方", "for each sender")) },
        Order::Key(path) => html! { (lang.say("按字段 ", "for each value of ")) code { (path) } },
    };
    let promise = flow.promise.map(super::figures::took);
    facts(&[
        (lang.say("标准记录", "Canonical record"), html! { code { (flow.canonical) } }),
        (lang.say("有错误的记录", "A record with an error"), html! { (on_invalid) }),
        (lang.say("投递顺序", "Order of deliveries"), order),
        (
            lang.say("承诺投递时限", "Delivery promised within"),
            html! { @if let Some(promise) = promise { (promise) } @else { (super::figures::nothing()) } },
        ),
        (lang.say("时区", "Time zone"), html! { (flow.zone) }),
    ])
}

//! The deliveries of an exchange: where each stands, each attempt with, for those who may operate, what the receiver answered, what operators did about it,
//! and, of a dead letter, the forms that resend or waive it.

use super::deeds;
use super::exchange::{between, precise};
use super::figures::{nothing, time, took};
use super::parts::{Tone, badge, form};
use super::words::{self, Lang};
use crate::domain::{DeliveryId, Role};
use crate::fault::Fault;
use crate::figures::thousands;
use crate::journal::acts::Act;
use crate::journal::search::Attempt;
use crate::journal::{DeliveryRow, DeliveryState, ExchangeRow};
use crate::ops::access::Ask;
use crate::ops::exchange::receivers_answer;
use crate::ops::view::OpsView;
use jiff::Timestamp;
use maud::{Markup, html};

/// The parameter that says behind which delivery a page begins.
pub const AFTER: &str = "deliveries_after";
/// Deliveries of a page.
const ROWS: usize = 20;

/// Some of the deliveries of an exchange.
///
/// # Errors
/// The journal's failures.
pub async fn part(view: &OpsView, ask: &Ask<'_>, row: &ExchangeRow, after: Option<DeliveryId>, lang: Lang) -> Result<Markup, Fault> {
    let id = row.journaled.exchange();
    let page = view.journal.attempted(id, after, ROWS).await?;
    let next = page.last().filter(|_| page.len() == ROWS).map(|(row, _)| row.id);
    Ok(html! {
        h2 #deliveries { (lang.of(words::DELIVERIES)) }
        @if page.is_empty() { div.sheet { p.empty { (lang.say("没有投递。", "There is none.")) } } }
        @for (delivery, attempts) in &page { (one(view, ask, delivery, attempts, lang)) }
        @if let Some(next) = next {
            p.pager { a.button.quiet href={ "/exchanges/" (id) "?" (AFTER) "=" (next) "#deliveries" } { (lang.say("后面的投递", "More deliveries")) } }
        }
    })
}

fn one(view: &OpsView, ask: &Ask<'_>, row: &DeliveryRow, attempts: &[Attempt], lang: Lang) -> Markup {
    let earlier = u64::from(row.attempts).saturating_sub(attempts.len() as u64);
    html! {
        section.delivery.sheet id={ "delivery-" (row.id) } aria-label={ (lang.of(words::DELIVERY)) " " (row.id) } {
            p.head {
                (state(row.state, lang))
                strong { a href={ "/partners/" (row.to.partner) } { (row.to) } }
                span { (thousands(row.records)) " " (lang.say("条记录", if row.records == 1 { "record" } else { "records" })) }
                @if row.state == DeliveryState::Queued { span.soft { (lang.say("应于 ", "due ")) (time(row.due_at)) } }
                code.soft { (row.id) }
            }
            @if !attempts.is_empty() {
                ol.attempts {
                    @if earlier > 0 { li { span.soft { (lang.say("更早的 ", "")) (earlier) (lang.say(" 次不再保留", " earlier ones are not kept any more")) } } }
                    @for alike in attempts.chunk_by(failed_alike) { (folded(alike, lang)) @if let Some(last) = alike.last() { (tried(last, row, ask, lang)) } }
                }
            }
            @if !row.acts.is_empty() { ul.attempts { @for act in &row.acts { li { (act_line(act, lang)) } } } }
            @if row.state == DeliveryState::Dead && ask.operator.role >= Role::Operate {
                @let (nothing, here) = (html! {}, format!("/exchanges/{}", row.exchange));
                div.forms.choice.padded {
                    (form(view, ask, lang, &format!("/v1/deliveries/{}/resend", row.id), &here, lang.of(words::RESEND), &nothing))
                    (form(view, ask, lang, &format!("/v1/deliveries/{}/waive", row.id), &here, lang.of(words::WAIVE), &nothing))
                }
            }
        }
    }
}

/// Where a delivery stands.
pub fn state(state: DeliveryState, lang: Lang) -> Markup {
    match state {
        DeliveryState::Queued => badge(Tone::Calm, lang.say("待投递", "queued")),
        DeliveryState::Leased => badge(Tone::Calm, lang.say("正在投递", "under way")),
        DeliveryState::Acknowledged => badge(Tone::Good, lang.say("已送达", "acknowledged")),
        DeliveryState::Dead => badge(Tone::Bad, lang.say("投递失败待处理", "dead letter")),
        DeliveryState::Waived => badge(Tone::Calm, lang.say("已免除", "waived")),
    }
}

/// Whether two attempts failed, and in the same way.
fn failed_alike(one: &Attempt, other: &Attempt) -> bool {
    one.fault.is_some() && one.fault == other.fault && one.answer == other.answer
}

/// What goes before the last of several attempts that failed in the same way: the first of them, and how many there were.
fn folded(alike: &[Attempt], lang: Lang) -> Markup {
    html! {
        @if let [first, _, ..] = alike {
            li {
                span.number { "#" (first.number) }
                span.when { (precise(first.started_at)) }
                strong { "× " (alike.len()) }
                span.soft { (lang.say("同一错误，最后一次：", "the same fault each time, the last of them:")) }
            }
        }
    }
}

/// An attempt, and what came of it. The last one of a delivery that was acknowledged is the one that was.
fn tried(attempt: &Attempt, row: &DeliveryRow, ask: &Ask<'_>, lang: Lang) -> Markup {
    let (answer, masked) = receivers_answer(attempt.answer.as_deref(), ask.operator);
    let is_last = attempt.number == row.attempts;
    html! {
        li {
            span.number { "#" (attempt.number) }
            span.when { (precise(attempt.started_at)) }
            span.took { @if let Some(ended_at) = attempt.ended_at { (took(between(attempt.started_at, ended_at))) } @else { (nothing()) } }
            div {
                @match &attempt.fault {
                    Some((code, detail)) => {
                        (badge(Tone::Bad, lang.fault(code))) " " code { (code) }
                        @if !detail.is_empty() { " " span.soft { (detail) } }
                    }
                    None if is_last && row.state == DeliveryState::Acknowledged => { (state(row.state, lang)) }
                    None if is_last && row.state == DeliveryState::Leased => { (state(row.state, lang)) }
                    None => { span.soft { (lang.say("没有结果", "nothing came of it")) } }
                }
                @if let Some(answer) = answer {
                    details { summary { (lang.say("接收方的应答", "What the receiver answered")) } pre.raw { (answer) } }
                }
                @if masked { p.soft { (lang.say("接收方的应答只向可操作的人员显示。", "What the receiver answered is shown to those who may operate.")) } }
            }
        }
    }
}

/// What an operator did, when and why.
fn act_line(act: &Act, lang: Lang) -> Markup {
    let entry = &act.entry;
    let at = entry.at.parse::<Timestamp>().ok();
    html! {
        @if let Some(at) = at { span.when { (time(at)) } }
        strong { (deeds::title(&entry.deed, lang)) }
        (deeds::who(act, lang))
        span.soft { (entry.reason) (lang.say("（操作记录第 ", " (act ")) (entry.number) (lang.say(" 号）", ")")) }
    }
}

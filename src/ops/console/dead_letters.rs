//! Dead letters (投递失败待处理): which there are, what an act on some of them would change, the forms that resend or waive them,
//! and the acts that wait for a second operator.
//!
//! The form that picks takes what [`crate::ops::dead_letters`] does, under the same names, and goes to this page, which then says
//! what would happen. Nothing is changed but by the API's own addresses.

use super::audit::proposals;
use super::fields::{Field, FieldKind, Given, field};
use super::figures::{count, nothing, time};
use super::parts::{Column, Tone, facts, form, live, note, table};
use super::words::{self, Lang, text};
use super::{deeds, layout, names};
use crate::config::Config;
use crate::domain::{DeliveryId, Role};
use crate::fault::Fault;
use crate::figures::thousands;
use crate::http::Response;
use crate::journal::acts::{ActFilter, PICKED_MAX, Pick, PickSummary, RESEND_PER_SECOND_DEFAULT, RESEND_PER_SECOND_MAX};
use crate::journal::{DeadLetterFilter, DeliveryRow};
use crate::ops::access::Ask;
use crate::ops::dead_letters::{PICKS, pick};
use crate::ops::view::OpsView;
use maud::{Markup, html};

/// Rows of a page.
const ROWS: usize = 50;
/// The fields that are moments.
const MOMENTS: [&str; 2] = ["received_from", "received_to"];
/// The parameter that says behind which delivery a page begins.
const AFTER: &str = "after";
/// Where its forms come back to.
const HERE: &str = "/dead-letters";

/// Dead letters, and what waits for a second operator.
///
/// # Errors
/// The journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let lang = Lang::of_ask(&ask);
    let config = std::sync::Arc::clone(&view.live.load().config);
    let mut given = Given::new(ask.form());
    let picked = picked(&mut given);
    let after: Option<DeliveryId> = given.text(AFTER).parse().ok();
    let to = given.text("destination").parse().ok();
    let rows = view.journal.dead_letters(DeadLetterFilter { to, after, rows_max: ROWS }).await?;
    let listed = live(&ask, lang, "dead-letters", &list(&rows, &config, lang));
    if ask.part().is_some() {
        return Ok(layout::part(listed));
    }
    let waiting = ActFilter { waiting_at: Some(view.clock.now()), rows_max: ROWS, ..ActFilter::default() };
    let waiting = view.journal.acts(waiting).await?;
    let summary = match picked {
        Some(pick) => Some(view.journal.picked(pick).await?),
        None => None,
    };
    let body = html! {
        @if !waiting.is_empty() { (proposals(view, &ask, &waiting, HERE, lang)) }
        h2 { (lang.say("选取", "Pick some")) }
        (form_of_picks(&given, &config, &rows, lang))
        @if let Some(summary) = &summary { (preview(view, &ask, &given, summary, lang)) }
        h2 { (lang.of(words::DEAD_LETTERS)) @if let Some(to) = Some(given.text("destination")).filter(|to| !to.is_empty()) { small { (to) } } }
        (listed)
        @if let Some(last) = rows.last().filter(|_| rows.len() == ROWS) {
            p.pager { a.button.quiet rel="next" href={ (HERE) "?" (AFTER) "=" (last.id) @if !given.text("destination").is_empty() { "&destination=" (given.text("destination")) } } { (lang.say("下一页", "Next page")) } }
        }
    };
    Ok(layout::page(view, &ask, lang.of(words::DEAD_LETTERS), &body))
}

/// Which the form picks; nothing where it was not sent, or where something in it cannot be read.
fn picked(given: &mut Given) -> Option<Pick> {
    let query = given.for_api(&MOMENTS);
    let unknown = query.iter().map(|(name, _)| name).filter(|name| !PICKS.contains(&name.as_str()) && *name != AFTER);
    given.wrong.extend(unknown.cloned());
    if !query.iter().any(|(name, _)| PICKS.contains(&name.as_str())) {
        return None;
    }
    match pick(|name| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())) {
        Ok(pick) => Some(pick).filter(|_| given.wrong.is_empty()),
        Err(name) => {
            given.wrong.push(name.to_owned());
            None
        }
    }
}

fn form_of_picks(given: &Given, config: &Config, rows: &[DeliveryRow], lang: Lang) -> Markup {
    let ask = |name, label, takes, kind| field(given, lang, Field { name, label, takes, kind });
    let name = text("小写字母、数字和连字符", "small letters, digits and hyphens");
    let moment = text("形如 2026-07-01 08:00，北京时间", "such as 2026-07-01 08:00, Asia/Shanghai");
    let place = text("形如 单位/地点", "such as PARTNER/PLACE");
    let destinations = config.partners.values().flat_map(|partner| partner.destinations.values());
    let mut faults: Vec<&String> = rows.iter().filter_map(|row| row.last_fault.as_ref().map(|(code, _)| code)).collect();
    faults.sort();
    faults.dedup();
    let everything_is_wrong = given.wrong.iter().any(|name| name == "everything");
    let unknown: Vec<&String> = given.wrong.iter().filter(|name| !PICKS.contains(&name.as_str())).collect();
    html! {
        datalist id="destinations" { @for known in destinations { option value=(known.id) { @if let Some(partner) = config.partners.get(&known.id.partner) { (lang.words(&partner.title)) } } } }
        datalist id="partners" { @for known in config.partners.values() { option value=(known.id) { (lang.words(&known.title)) } } }
        datalist id="flows" { @for known in config.flows.values() { option value=(known.id) { (lang.words(&known.title)) } } }
        datalist id="faults" { @for code in faults { option value=(code) { (lang.fault(code)) } } }
        form.search.sheet.padded method="get" action=(HERE) {
            (ask("destination", lang.of(words::DESTINATION), place, FieldKind::Known("destinations")))
            (ask("partner", lang.say("报送方", "Sender"), name, FieldKind::Known("partners")))
            (ask("flow", lang.of(words::FLOW), name, FieldKind::Known("flows")))
            (ask("fault", lang.say("错误代码", "Fault code"), text("", ""), FieldKind::Known("faults")))
            (ask("received_from", lang.say("接收时间，自", "Received from"), moment, FieldKind::Moment))
            (ask("received_to", lang.say("接收时间，早于", "Received before"), moment, FieldKind::Moment))
            label.check.wrong[everything_is_wrong] {
                input type="checkbox" name="everything" value="true" checked[given.text("everything") == "true"];
                span { (lang.say("全部", "Everything")) }
                @if everything_is_wrong { small { (lang.say("选“全部”，或给出条件，二者取其一", "either everything, or a condition")) } }
            }
            div.buttons {
                button type="submit" { (lang.say("预览", "Preview")) }
                a.button.quiet href=(HERE) { (lang.say("清空", "Clear")) }
            }
        }
        @for name in unknown {
            (note(Tone::Bad, &html! { (lang.say("没有此选取条件：", "There is no such condition: ")) code { (name) } }))
        }
    }
}

/// What an act on those that fit would change, and the forms of these acts.
fn preview(view: &OpsView, ask: &Ask<'_>, given: &Given, summary: &PickSummary, lang: Lang) -> Markup {
    let alone_max = view.live.load().config.gateway.operators.deliveries_alone_max;
    let deliveries = summary.deliveries();
    if deliveries == 0 {
        return note(Tone::Calm, &html! { (lang.say("没有符合条件的。", "None of them fits.")) });
    }
    let columns = [Column::Words(words::DESTINATION), Column::Figure(words::DELIVERIES), Column::Figure(words::RECORDS)];
    let parts = summary.destinations.iter().map(|(to, part)| vec![html! { (to) }, count(part.deliveries), count(part.records)]);
    let parts: Vec<Vec<Markup>> = parts.collect();
    html! {
        h2 #preview { (lang.say("预览：将会怎样", "Preview: what would happen")) }
        (facts(&[
            (lang.of(words::DELIVERIES), html! { strong { (thousands(deliveries)) } (lang.say("，共 ", ", of ")) (thousands(summary.records())) (lang.say(" 条记录", " records")) }),
            (lang.say("从未发出", "Never sent"), count(summary.never_sent)),
            (lang.say("接收方拒收", "Refused by the receiver"), count(summary.refused)),
            (lang.say("可能重复", "Maybe duplicates"), html! {
                (count(summary.maybe_received))
                @if summary.maybe_received > 0 { small.soft { (lang.say("已发出而没有确认，接收方可能已收到；按原投递号和原字节重发，接收方据此识别重复。", "Sent and not acknowledged: the receiver may have them. They go out under their own delivery ids with the same bytes, by which it can tell.")) } }
            }),
            (lang.say("最早接收", "Oldest received"), html! { @match summary.oldest_received_at { Some(at) => { (time(at)) } None => { (nothing()) } } }),
        ]))
        div.gap {}
        (table(lang, lang.say("按接收方", "By receiver"), &columns, &parts, ""))
        @if !summary.complete {
            (note(Tone::Warn, &html! { (lang.say("一次至多 ", "One act takes at most ")) (thousands(PICKED_MAX as u64)) (lang.say(" 个投递，其余需再做一次。", " deliveries; another one takes the rest.")) }))
        }
        @if deliveries > alone_max {
            (note(Tone::Warn, &html! { (lang.say("超过一人可办的 ", "More than the ")) (thousands(alone_max)) (lang.say(" 个，提交后需第二人批准。", " that one operator may change: it will wait for a second one.")) }))
        }
        @if ask.operator.role >= Role::Operate { (acts(view, ask, given, lang)) }
    }
}

fn acts(view: &OpsView, ask: &Ask<'_>, given: &Given, lang: Lang) -> Markup {
    let picks = given.for_api(&MOMENTS);
    let picks = html! {
        @for (name, value) in picks.iter().filter(|(name, _)| PICKS.contains(&name.as_str())) { input type="hidden" name=(name) value=(value); }
    };
    let resend = html! {
        (picks)
        label.rate { span { (lang.say("每秒至多（个）", "Per second, at most")) } input type="number" name="per_second" min="1" max=(RESEND_PER_SECOND_MAX) value=(RESEND_PER_SECOND_DEFAULT) required; }
    };
    html! {
        div.sheet.padded.forms.choice.after {
            (form(view, ask, lang, "/v1/dead-letters/resend", HERE, lang.of(words::RESEND), &resend))
            (form(view, ask, lang, "/v1/dead-letters/waive", HERE, lang.say("免除（不再投递）", "Waive (never deliver)"), &picks))
        }
    }
}

/// Every dead letter of a page.
fn list(rows: &[DeliveryRow], config: &Config, lang: Lang) -> Markup {
    let columns = [
        Column::Words(words::DELIVERY),
        Column::Words(words::DESTINATION),
        Column::Figure(words::RECORDS),
        Column::Figure(text("次数", "Attempts")),
        Column::Words(text("最后的错误", "Last fault")),
        Column::Words(text("处理", "Acts")),
    ];
    let cells = |row: &DeliveryRow| {
        vec![
            html! { a.id href={ "/exchanges/" (row.exchange) "#delivery-" (row.id) } { code { (row.id) } } small { (lang.say("交换单 ", "exchange ")) (row.exchange) } },
            names::destination(config, &row.to, lang),
            count(row.records),
            count(row.attempts.into()),
            html! {
                @match &row.last_fault {
                    Some((code, detail)) => { span { (lang.fault(code)) small { (code) @if !detail.is_empty() { " · " (detail) } } } }
                    None => { (nothing()) }
                }
            },
            html! {
                @if row.acts.is_empty() { (nothing()) }
                span.lines { @for act in &row.acts { span { (deeds::title(&act.entry.deed, lang)) small { (act.entry.reason) } } } }
            },
        ]
    };
    let rows: Vec<Vec<Markup>> = rows.iter().map(cells).collect();
    html! { div.tight.letters { (table(lang, lang.of(words::DEAD_LETTERS), &columns, &rows, lang.say("没有投递失败待处理的。", "There is no dead letter."))) } }
}

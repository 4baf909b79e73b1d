//! The handover (交接班): what is open and who has it, what was done about it, and what the shifts before had to say.

use super::figures::{short_time, time};
use super::parts::{Column, Tone, badge, form, form_asking, live, table};
use super::words::{self, Lang, text};
use super::{alarms, deeds, layout};
use crate::domain::Role;
use crate::fault::Fault;
use crate::http::Response;
use crate::journal::acts::{Act, Deed};
use crate::journal::alarms::{AlarmFilter, AlarmRow};
use crate::ops::access::Ask;
use crate::ops::alarms::notes;
use crate::ops::view::OpsView;
use jiff::Timestamp;
use maud::{Markup, html};

/// Handovers that are shown, the latest.
const HANDOVERS: usize = 20;

/// What the next shift should know.
///
/// # Errors
/// The journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (lang, now) = (Lang::of_ask(&ask), view.clock.now());
    let open = view.journal.alarms(AlarmFilter::Open).await?;
    let rows: Vec<&AlarmRow> = open.iter().collect();
    let listed = html! {
        h2 { (lang.say("未解除的告警", "Open alarms")) }
        (alarms::list(&rows, &view.live.load().config, now, lang))
        @if open.iter().any(|row| !row.acts.is_empty()) { (done(&open, now, lang)) }
    };
    let listed = live(&ask, lang, "open", &listed);
    if ask.part().is_some() {
        return Ok(layout::part(listed));
    }
    let handovers = notes(view, HANDOVERS).await?;
    let may_act = ask.operator.role >= Role::Operate;
    let body = html! {
        (listed)
        @if may_act { (to_take_on(view, &ask, &open, lang)) (leave_note(view, &ask, open.len(), lang)) }
        h2 { (lang.say("历次交接", "Handovers before")) }
        (handovers_table(&handovers, lang))
    };
    Ok(layout::page(view, &ask, lang.of(words::HANDOVER), &body))
}

/// What was said of the alarms that are open, the latest first.
fn done(open: &[AlarmRow], now: Timestamp, lang: Lang) -> Markup {
    let columns = [
        Column::Short(text("时间", "When")),
        Column::Short(words::ALARM),
        Column::Short(text("操作员", "Who")),
        Column::Short(text("操作", "What")),
        Column::Words(text("内容", "Words")),
    ];
    let mut acts: Vec<(&AlarmRow, &Act)> = open.iter().flat_map(|row| row.acts.iter().map(move |act| (row, act))).collect();
    acts.sort_by_key(|(_, act)| std::cmp::Reverse(act.entry.number));
    let rows = acts.iter().map(|(row, act)| {
        vec![
            html! { @if let Ok(at) = act.entry.at.parse::<Timestamp>() { (short_time(at, now)) } },
            html! { a href={ "/alarms/" (row.number) } { (alarms::title(row, lang)) " " (row.number) } },
            deeds::who(act, lang),
            html! { (deeds::title(&act.entry.deed, lang)) },
            html! { (act.entry.reason) },
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        h2 { (lang.say("处理经过", "What was done")) }
        (table(lang, lang.say("处理经过", "What was done"), &columns, &rows, ""))
    }
}

/// The alarms that nobody has taken on, each with its form.
fn to_take_on(view: &OpsView, ask: &Ask<'_>, open: &[AlarmRow], lang: Lang) -> Markup {
    let free: Vec<&AlarmRow> = open.iter().filter(|row| row.acknowledgement().is_none()).collect();
    html! {
        @if !free.is_empty() {
            h2 { (lang.say("确认告警", "Take alarms on")) }
            div.sheet.padded.forms {
                @for row in free {
                    @let what = html! { span.what { (badge(alarms::tone(row), &alarms::title(row, lang))) small { (lang.words(&row.state.words)) } } };
                    (form(view, ask, lang, &format!("/v1/alarms/{}/acknowledge", row.number), "/handover", lang.say("确认", "Take it on"), &what))
                }
            }
        }
    }
}

fn leave_note(view: &OpsView, ask: &Ask<'_>, open: usize, lang: Lang) -> Markup {
    let asked = text("留给下一班的话", "Note to the next shift");
    let kept = match open {
        0 => badge(Tone::Good, lang.say("没有告警", "no alarm is open")),
        1 => badge(Tone::Warn, lang.say("1 个未解除的告警", "1 open alarm")),
        _ => badge(Tone::Warn, &format!("{open}{}", lang.say(" 个未解除的告警", " open alarms"))),
    };
    let inside = html! { span.what { (lang.say("同时记下：", "kept with it: ")) (kept) } };
    html! {
        h2 { (lang.say("交班", "Hand over")) }
        div.sheet.padded { (form_asking((asked, lang.say("交班", "Hand over")), view, ask, lang, "/v1/handover", "/handover", &inside)) }
    }
}

fn handovers_table(handovers: &[Act], lang: Lang) -> Markup {
    let columns = [
        Column::Short(text("时间", "When")),
        Column::Short(text("交班人", "Who")),
        Column::Words(text("交班说明", "Note")),
        Column::Short(text("当时的告警", "Alarms open then")),
    ];
    let rows = handovers.iter().map(|act| {
        let open = match &act.entry.deed {
            Deed::HandOver { open } => open.as_slice(),
            _ => &[],
        };
        vec![
            html! { @if let Ok(at) = act.entry.at.parse::<Timestamp>() { (time(at)) } },
            deeds::who(act, lang),
            html! { (act.entry.reason) },
            html! {
                @if open.is_empty() { span.none { (lang.say("没有", "none")) } }
                @for number in open { a.number href={ "/alarms/" (number) } { (number) } " " }
            },
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    table(lang, lang.say("历次交接", "Handovers before"), &columns, &rows, lang.say("还没有交接班记录。", "Nobody has handed over yet."))
}

//! Alarms as pages show them: a list, worst first, and a page for each with what to do about it.

use super::figures::{age, short_time, time};
use super::parts::{Column, Tone, badge, facts, form, form_asking, live, table};
use super::words::{self, Lang, text};
use super::{deeds, layout, names, prose::prose};
use crate::alarms::Kind;
use crate::config::Config;
use crate::domain::Role;
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::journal::alarms::{AlarmFilter, AlarmRow, AlarmSeverity, AlarmSubject};
use crate::ops::access::Ask;
use crate::ops::view::OpsView;
use jiff::Timestamp;
use maud::{Markup, html};

/// One alarm: what it says, what to do, and what was said of it.
///
/// # Errors
/// An alarm that there is not; the journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let lang = Lang::of_ask(&ask);
    let unknown = || Fault::new(FaultCode::AlarmUnknown);
    let number: u64 = ask.segment(0).parse().map_err(|_| unknown())?;
    let before = number.checked_add(1).ok_or_else(unknown)?;
    let rows = view.journal.alarms(AlarmFilter::Before(Some(before))).await?;
    let row = rows.into_iter().find(|row| row.number == number).ok_or_else(unknown)?;
    let kind = row.kind.parse::<Kind>().ok();
    let (now, config) = (view.clock.now(), std::sync::Arc::clone(&view.live.load().config));
    let listed = live(&ask, lang, "alarm", &whole(&row, &config, now, lang));
    if ask.part().is_some() {
        return Ok(layout::part(listed));
    }
    let body = html! {
        (listed)
        @if let Some(kind) = kind {
            h2 { (lang.say("怎么办", "What to do")) }
            div.sheet.plain { (prose(kind.page(), lang)) }
        }
        @if ask.operator.role >= Role::Operate { (changes(view, &ask, &row, lang)) }
    };
    Ok(layout::page(view, &ask, &title(&row, lang), &body))
}

/// What an alarm is called.
pub fn title(row: &AlarmRow, lang: Lang) -> String {
    row.kind.parse::<Kind>().map_or_else(|_| row.kind.clone(), |kind| lang.say(kind.title().0, kind.title().1).to_owned())
}

/// How bad it is, in word, shape and colour.
pub fn severity(row: &AlarmRow, lang: Lang) -> Markup {
    badge(tone(row), lang.words(&row.state.severity.words()))
}

/// Its tone.
pub fn tone(row: &AlarmRow) -> Tone {
    match row.state.severity {
        AlarmSeverity::Critical => Tone::Bad,
        AlarmSeverity::Warning => Tone::Warn,
    }
}

/// Alarms as a table: those that nobody has taken on first, of them the worst, of them the oldest.
pub fn list(rows: &[&AlarmRow], config: &Config, now: Timestamp, lang: Lang) -> Markup {
    let columns = [
        Column::Words(words::ALARM),
        Column::Short(text("级别", "Severity")),
        Column::Short(words::PARTY),
        Column::Short(text("涉及", "About")),
        Column::Figure(text("已持续", "For")),
        Column::Short(text("确认", "Taken on")),
    ];
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| (row.acknowledgement().is_some(), row.state.severity == AlarmSeverity::Warning, row.number));
    let cells = |row: &&AlarmRow| {
        vec![
            html! { a id={ "alarm-" (row.number) } href={ "/alarms/" (row.number) } { (title(row, lang)) } small { (lang.words(&row.state.words)) } },
            severity(row, lang),
            html! { (lang.party(&row.state.party)) },
            subject(row, config, lang),
            html! { span { (age(now.duration_since(row.since).as_secs(), lang)) small { (short_time(row.since, now)) } } },
            html! { @if let Some(act) = row.acknowledgement() { (deeds::who(act, lang)) } @else { strong.unbroken { (lang.say("无人确认", "nobody")) } } },
        ]
    };
    let rows: Vec<Vec<Markup>> = rows.iter().map(cells).collect();
    table(lang, lang.of(words::ALARMS), &columns, &rows, lang.say("没有告警。", "No alarm is open."))
}

/// What an alarm is about, each with its page; what its sentence names already is not said again.
fn subject(row: &AlarmRow, config: &Config, lang: Lang) -> Markup {
    let AlarmSubject { partner, flow, destination, what } = &row.subject;
    let what = what.as_ref().filter(|what| !row.state.words.en.contains(what.as_str()));
    html! {
        span.lines {
            @if let Some(partner) = partner { span { (names::partner(config, partner, lang)) } }
            @if let Some(flow) = flow { span { (names::flow(config, flow, lang)) } }
            @if let Some(to) = destination { span { (names::destination(config, to, lang)) } }
            @if let Some(what) = what { span { (what) } }
            @if partner.is_none() && flow.is_none() && destination.is_none() && what.is_none() { span.none { (words::NOTHING) } }
        }
    }
}

/// Where to look further: exchanges of its partner and flow, dead letters of its destination.
fn looks(subject: &AlarmSubject, lang: Lang) -> Markup {
    let mut query = Vec::new();
    query.extend(subject.partner.as_ref().map(|partner| format!("partner={partner}")));
    query.extend(subject.flow.as_ref().map(|flow| format!("flow={flow}")));
    html! {
        @if let Some(to) = &subject.destination { a href={ "/dead-letters?destination=" (to) } { (lang.of(words::DEAD_LETTERS)) } " · " }
        a href={ "/exchanges" @if !query.is_empty() { "?" (query.join("&")) } } { (lang.of(words::EXCHANGES)) }
    }
}

fn whole(row: &AlarmRow, config: &Config, now: Timestamp, lang: Lang) -> Markup {
    let standing = match row.closed_at {
        Some(at) => html! { (badge(Tone::Good, lang.say("已解除", "over"))) " " (time(at)) },
        None => html! { (severity(row, lang)) },
    };
    let acts = row.acts.iter().map(|act| {
        let said = deeds::title(&act.entry.deed, lang);
        let at = act.entry.at.parse::<Timestamp>().ok();
        vec![html! { @if let Some(at) = at { (time(at)) } }, html! { (said) }, deeds::who(act, lang), html! { (act.entry.reason) }]
    });
    let acts: Vec<Vec<Markup>> = acts.collect();
    let columns = [
        Column::Short(text("时间", "Time")),
        Column::Short(text("操作", "What")),
        Column::Short(text("操作员", "Who")),
        Column::Words(text("内容", "Words")),
    ];
    html! {
        (facts(&[
            (lang.of(words::STATE), standing),
            (lang.say("内容", "It says"), html! { (lang.words(&row.state.words)) }),
            (lang.of(words::PARTY), html! { (lang.party(&row.state.party)) }),
            (lang.say("涉及", "About"), subject(row, config, lang)),
            (lang.say("查看", "See"), looks(&row.subject, lang)),
            (lang.of(words::SINCE), html! { (time(row.since)) " " span.soft { (lang.say("已持续 ", "for ")) (age(row.closed_at.unwrap_or(now).duration_since(row.since).as_secs(), lang)) } }),
            (lang.say("种类", "Kind"), html! { code { (row.kind) } " · " (lang.say("第 ", "number ")) (row.number) (lang.say(" 号", "")) }),
        ]))
        h2 { (lang.say("处理经过", "What was said of it")) }
        (table(lang, lang.say("处理经过", "What was said of it"), &columns, &acts, lang.say("还没有人处理。", "Nobody has said anything yet.")))
    }
}

fn changes(view: &OpsView, ask: &Ask<'_>, row: &AlarmRow, lang: Lang) -> Markup {
    let (number, here) = (row.number, format!("/alarms/{}", row.number));
    let (nothing, asked) = (html! {}, text("发现和处理", "Found and done"));
    html! {
        @if row.closed_at.is_none() && row.acknowledgement().is_none() {
            h2 { (lang.say("确认告警", "Take it on")) }
            div.sheet.padded { (form(view, ask, lang, &format!("/v1/alarms/{number}/acknowledge"), &here, lang.say("确认", "Take it on"), &nothing)) }
        }
        h2 { (lang.say("记下发现和处理", "Note what was found and done")) }
        div.sheet.padded { (form_asking((asked, lang.say("记下", "Note it")), view, ask, lang, &format!("/v1/alarms/{number}/note"), &here, &nothing)) }
    }
}

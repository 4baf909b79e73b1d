//! One record of an exchange: the body's own text and the canonical record side by side. Each canonical value leads to the bytes
//! that it was read from, and each of these stretches leads back, by plain links; the script only keeps the page from jumping.
//!
//! `number` says which record. The body's text takes the role operate, and each look is logged. Personal values are masked unless
//! `?reveal=REASON` of one who may operate says why they are needed, which is an act in the log; see [`super::raw`] for what is seen of the body then.

use super::exchange::{finding_cells, findings_table, reveal};
use super::parts::{Column, Tone, badge, note, table};
use super::raw::{self, Mark};
use super::words::{self, Lang, text};
use super::{layout, prose::prose};
use crate::domain::{Role, spot};
use crate::fault::{Fault, FaultCode, Party};
use crate::figures::thousands;
use crate::http::Response;
use crate::http::query::bad_query;
use crate::journal::ExchangeRow;
use crate::journal::acts::Revealed;
use crate::lineage::{Looked, record_number};
use crate::mapping::trace::{SourceText, Traced};
use crate::mask::Shown;
use crate::ops::access::{Ask, REVEAL};
use crate::ops::exchange::{self, WINDOW_BYTES_MAX, note as log};
use crate::ops::view::OpsView;
use maud::{Markup, html};
use serde_json::Value;

/// One record.
///
/// # Errors
/// An exchange or a record that there is not, a parameter that is none; failures of the gateway.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let lang = Lang::of_ask(&ask);
    if let Some((name, _)) = ask.query().iter().find(|(name, _)| !["number", REVEAL].contains(&name.as_str())) {
        return Err(bad_query(name, &format!("number=NUMBER, {REVEAL}=REASON")));
    }
    let row = exchange::row(view, &ask).await?;
    let (id, records) = (row.journaled.exchange(), row.journaled.counts().records);
    let number = ask.given("number").unwrap_or_else(|| "1".to_owned());
    let shown = ask.shown(view, id, Revealed::Record(record_number(&row, &number)?)).await?;
    log(&ask, &row, &format!("record {number}"));
    let body = match view.lineages.look(&row, &number, shown).await {
        Ok(looked) => looked_into(view, &ask, &row, &looked, shown, lang).await?,
        Err(fault) if is_told(&fault) => not_read(&fault, lang),
        Err(fault) => return Err(fault),
    };
    let heading = format!("{} {number} / {}", lang.say("记录", "Record"), thousands(records));
    let whole = html! {
        p.standing { (lang.say("交换单 ", "of exchange ")) a href={ "/exchanges/" (id) } { code { (id) } } " · " (row.partner) " · " (row.flow) }
        (pager(&id.to_string(), number.parse().unwrap_or(1), records, lang))
        (body)
    };
    Ok(layout::page(view, &ask, &heading, &whole))
}

/// Whether a fault says something of the body or of the moment, for a page that shows the rest.
fn is_told(fault: &Fault) -> bool {
    fault.code != FaultCode::RecordUnknown && (fault.code == FaultCode::TooManyRequests || fault.code.party() == Party::Sender)
}

fn not_read(fault: &Fault, lang: Lang) -> Markup {
    if fault.code == FaultCode::TooManyRequests {
        return busy(lang);
    }
    note(
        Tone::Bad,
        &html! {
            strong { (lang.say("报文读不到这条记录：", "The body cannot be read as far as this record: ")) (lang.fault(fault.code.as_str())) }
            @for finding in &fault.findings { p { (finding.place(lang.is_zh())) (lang.say("：", ": ")) (lang.words(&finding.words)) } }
            details { summary { (lang.say("含义与处理", "What it means, and what to do")) } (prose(fault.code.page(), lang)) }
        },
    )
}

fn busy(lang: Lang) -> Markup {
    note(
        Tone::Warn,
        &html! { (lang.say("正有多人查看报文，请稍后刷新。", "Others are looking into bodies right now; load the page again in a moment.")) },
    )
}

/// Leads from record to record.
fn pager(exchange: &str, number: u64, records: u64, lang: Lang) -> Markup {
    let to = |number: u64, word: &str, is_open: bool| {
        html! { @if is_open { a.button.quiet href={ "/exchanges/" (exchange) "/records?number=" (number) } { (word) } } }
    };
    html! {
        div.pager {
            (to(1, lang.say("首条", "First"), number > 1))
            (to(number.saturating_sub(1), lang.say("上一条", "Previous"), number > 1))
            (to(number.saturating_add(1), lang.say("下一条", "Next"), number < records))
            (to(records, lang.say("末条", "Last"), number < records))
            @if records > 1 { (go_to(exchange, number, records, lang)) }
        }
    }
}

/// Leads to a record by its number.
fn go_to(exchange: &str, number: u64, records: u64, lang: Lang) -> Markup {
    html! {
        form.go method="get" action={ "/exchanges/" (exchange) "/records" } {
            label { span { (lang.say("查看记录，共 ", "See a record, of ")) (thousands(records)) } input type="number" name="number" min="1" max=(records) value=(number) required; }
            button.quiet type="submit" { (lang.say("查看", "See it")) }
        }
    }
}

async fn looked_into(view: &OpsView, ask: &Ask<'_>, row: &ExchangeRow, looked: &Looked, shown: Shown, lang: Lang) -> Result<Markup, Fault> {
    let lineage = &looked.lineage;
    let has_personal = looked.schemas.iter().any(|schema| schema.has_personal());
    let masked = shown == Shown::Masked && has_personal;
    let hidden = |field: &Traced| masked && looked.schemas.iter().any(|schema| schema.is_personal(&field.canonical));
    // Within a container the places are those of a member, and not of the body that is shown.
    let marks = if looked.mapping.contained.is_some() { Vec::new() } else { raw::marks(&lineage.fields, hidden) };
    let sees_body = ask.operator.role >= Role::Operate;
    let raw = if sees_body {
        raw_part(view, ask, row, looked, &marks, masked, lang).await?
    } else {
        html! {}
    };
    let here = format!("/exchanges/{}", row.journaled.exchange());
    let findings: Vec<Vec<Markup>> = lineage.findings.iter().map(|finding| finding_cells(finding, &here, lang)).collect();
    Ok(html! {
        p.standing {
            @if looked.is_taken(row) { (badge(Tone::Good, lang.of(words::ACCEPTED))) } @else { (badge(Tone::Bad, lang.of(words::REFUSED))) }
            " " (lang.of(words::MAPPING)) " " code { (looked.mapping.name) }
        }
        @if !findings.is_empty() { h2 { (lang.of(words::FINDINGS)) } (findings_table(&findings, lang)) }
        div.lineage.alone[!sees_body] {
            @if sees_body { section.original { (raw) } }
            section {
                h2 { (lang.say("标准记录", "Canonical record")) @if sees_body { small { (lang.say("点一个值，看它的原文", "choose a value to see where it stands")) } } }
                (fields(looked, if sees_body { &marks } else { &[] }, lang))
            }
        }
        details { summary { "JSON" } pre.raw.sheet tabindex="0" { (serde_json::to_string_pretty(&lineage.canonical).unwrap_or_default()) } }
        @if has_personal { (reveal_of_record(ask, masked, lang)) }
    })
}

/// The reveal form goes to this record again.
fn reveal_of_record(ask: &Ask<'_>, masked: bool, lang: Lang) -> Markup {
    let number = ask.given("number");
    reveal(ask, masked, number.as_deref().map(|number| ("number", number)), lang)
}

/// The record as it stands in the body.
async fn raw_part(
    view: &OpsView,
    ask: &Ask<'_>,
    row: &ExchangeRow,
    looked: &Looked,
    marks: &[Mark],
    masked: bool,
    lang: Lang,
) -> Result<Markup, Fault> {
    let at = looked.lineage.at;
    let before = marks.partition_point(|mark| mark.from < at.byte);
    let (outside, inside) = marks.split_at(before);
    let end = inside.last().map_or(at.byte, |mark| mark.to);
    let length = (end - at.byte).min(WINDOW_BYTES_MAX);
    log(ask, row, "the body");
    let text = match view.lineages.window(row, at.byte, length).await {
        Ok(window) => html! {
            pre.raw.sheet tabindex="0" role="region" aria-label=(lang.say("原文", "Original")) { (raw::text(&window.bytes, at.byte, inside, before, masked)) "…" }
            @if end - at.byte > length { p.soft { (lang.say("记录过长，只显示开头。", "The record is long; this is its beginning.")) } }
        },
        Err(fault) if fault.code == FaultCode::TooManyRequests => busy(lang),
        Err(fault) => return Err(fault),
    };
    Ok(html! {
        h2 { (lang.say("原文", "Original")) small { (spot(None, at, false, lang.is_zh())) } }
        @if inside.is_empty() {
            p.soft { (lang.say("报文不是文本，或取值在报文的分部里；各值的位置见右表。", "The body is no text, or its values stand in a part of it; where each stands is told beside it.")) }
        } @else { (text) }
        @if !outside.is_empty() {
            p.soft { (lang.say("取自记录之前：", "From before the record:")) }
            ul.raw.sheet.outside {
                @for (n, mark) in outside.iter().enumerate() {
                    @if let Some((place, source)) = first_source(mark, &looked.lineage.fields) {
                        li {
                            span.soft { (source.spot(lang.is_zh()).unwrap_or_default()) (lang.say("：", ": ")) }
                            a.source id={ "source-" (n) } href={ "#field-" (place) } data-lights { (mark.hidden.as_deref().unwrap_or(&source.text)) }
                        }
                    }
                }
            }
        }
    })
}

fn first_source<'f>(mark: &Mark, fields: &'f [Traced]) -> Option<(usize, &'f SourceText)> {
    let place = *mark.fields.first()?;
    Some((place, fields.get(place)?.source.as_ref()?))
}

/// Each canonical value, where it came from and how.
fn fields(looked: &Looked, marks: &[Mark], lang: Lang) -> Markup {
    let columns = [
        Column::Words(text("字段", "Field")),
        Column::Words(text("值", "Value")),
        Column::Words(text("原文位置与得来", "Where it stands, how it was made")),
    ];
    let mark_of = |place: usize| marks.iter().position(|mark| mark.fields.contains(&place));
    let rows = looked.lineage.fields.iter().enumerate().map(|(place, field)| {
        let value = html! { code { (value_text(field)) } };
        vec![
            html! { span.field id={ "field-" (place) } tabindex="-1" { (lang.words(&looked.mapping.canonical.title(&field.canonical))) small { (field.canonical) } } },
            html! { @match mark_of(place) { Some(n) => { a href={ "#source-" (n) } data-lights { (value) } } None => { (value) } } },
            html! { span { @if let Some(source) = &field.source { (source_place(source, lang)) } small { (lang.words(&field.rule.words())) } } },
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! { div.tight.fields { (table(lang, lang.say("标准记录", "Canonical record"), &columns, &rows, lang.say("没有读出任何值。", "No value could be read."))) } }
}

fn value_text(field: &Traced) -> String {
    match &field.value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => words::NOTHING.to_owned(),
    }
}

fn source_place(source: &SourceText, lang: Lang) -> Markup {
    html! { (source.spot(lang.is_zh()).unwrap_or_default()) small { (source.source) } }
}

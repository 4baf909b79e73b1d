//! Finding exchanges (交换单): a form of what may be known of one, and what fits all of it, newest first.
//!
//! The form asks for what [`crate::ops::search`] takes, under the same names, and what cannot be read is told at its field. A
//! business key is asked for by its parts once partner and flow are known: `key.PATH` is a part, by its path in the canonical
//! record. A page has [`ROWS`] rows and says where the next one begins.

use super::fields::{Field, FieldKind, Given, field};
use super::figures::{bytes, count, time};
use super::parts::{Column, Tone, badge, note, table};
use super::words::{self, Lang, text};
use super::{layout, names};
use crate::config::Config;
use crate::domain::{FlowId, Outcome};
use crate::fault::Fault;
use crate::figures::thousands;
use crate::http::Response;
use crate::http::query::percent_encoded;
use crate::journal::search::{Brief, Found};
use crate::mapping::Canonical;
use crate::ops::access::Ask;
use crate::ops::search::{self, Wanted};
use crate::ops::view::OpsView;
use maud::{Markup, html};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Rows of a page.
pub const ROWS: usize = 50;
/// What a part of a business key is called in the address, before its path.
const KEY: &str = "key.";
/// The fields that are moments.
const MOMENTS: [&str; 2] = ["received_from", "received_to"];

/// The form, and what fits.
///
/// # Errors
/// The journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let lang = Lang::of_ask(&ask);
    let mut given = Given::new(ask.form());
    let live = view.live.load_full();
    let flow: Option<FlowId> = given.text("flow").parse().ok();
    let canonical = flow.and_then(|flow| live.flows.get(&flow).map(|plan| Arc::clone(&plan.canonical)));
    let wanted = wanted(&mut given, canonical.is_some());
    let found = if given.wrong.is_empty() { Some(search::find(view, wanted).await?) } else { None };
    let body = html! {
        (form(&given, &live.config, canonical.as_deref(), lang))
        @match &found {
            Some(found) => { (results(found, &given, &live.config, lang)) }
            None => { (note(Tone::Warn, &html! { (lang.say("有条件无法识别，见上。", "Some of what was asked for cannot be read; it is marked above.")) })) }
        }
    };
    Ok(layout::page(view, &ask, lang.of(words::EXCHANGES), &body))
}

/// What was accepted of an exchange, in word, shape and colour.
pub fn outcome(outcome: Outcome, lang: Lang) -> Markup {
    match outcome {
        Outcome::Accepted => badge(Tone::Good, lang.of(words::ACCEPTED)),
        Outcome::InPart => badge(Tone::Warn, lang.of(words::IN_PART)),
        Outcome::Refused => badge(Tone::Bad, lang.of(words::REFUSED)),
    }
}

/// What is looked for; names that cannot be read stand in `given` then.
fn wanted(given: &mut Given, knows_flow: bool) -> Wanted {
    let mut record = Value::Object(Map::new());
    let mut query = given.for_api(&MOMENTS);
    query.retain(|(name, value)| match name.strip_prefix(KEY) {
        Some(path) => {
            put(&mut record, path, value);
            false
        }
        None => true,
    });
    let has_key = record.as_object().is_some_and(|members| !members.is_empty());
    if has_key {
        query.push(("business_key".to_owned(), record.to_string()));
        if given.text("partner").is_empty() {
            given.wrong.push("partner".to_owned());
        }
        if !knows_flow {
            given.wrong.push("flow".to_owned());
        }
    }
    query.push(("rows".to_owned(), ROWS.to_string()));
    let (wanted, wrong) = Wanted::of(query);
    given.wrong.extend(wrong);
    wanted
}

/// Puts a text at a path of a record. A path through what is no object leads nowhere, and is no key's.
fn put(record: &mut Value, path: &str, text: &str) {
    match (record.as_object_mut(), path.split_once('.')) {
        (Some(members), Some((name, rest))) => {
            put(members.entry(name).or_insert_with(|| Value::Object(Map::new())), rest, text);
        }
        (Some(members), None) => {
            members.insert(path.to_owned(), Value::String(text.to_owned()));
        }
        (None, _) => {}
    }
}

fn form(given: &Given, config: &Config, canonical: Option<&Canonical>, lang: Lang) -> Markup {
    let ask = |name, label, takes, kind| field(given, lang, Field { name, label, takes, kind });
    let any = text("", "");
    let name = text("小写字母、数字和连字符", "small letters, digits and hyphens");
    let moment = text("形如 2026-07-01 08:00，北京时间", "such as 2026-07-01 08:00, Asia/Shanghai");
    let outcomes = [Outcome::Accepted, Outcome::InPart, Outcome::Refused].map(|outcome| (outcome.as_str(), outcome_word(outcome, lang)));
    let dead = [("dead-letter", lang.say("有投递失败待处理", "with a dead letter"))];
    let unknown: Vec<&String> = given.wrong.iter().filter(|name| !is_asked_for(name)).collect();
    html! {
        form.search.sheet.padded method="get" action="/exchanges" role="search" {
            datalist id="partners" { @for known in config.partners.values() { option value=(known.id) { (lang.words(&known.title)) } } }
            datalist id="flows" { @for known in config.flows.values() { option value=(known.id) { (lang.words(&known.title)) } } }
            (ask("id", lang.say("交换单号", "Exchange"), text("32 位十六进制", "32 hexadecimal digits"), FieldKind::Text))
            (ask("partner", lang.of(words::PARTNER), name, FieldKind::Known("partners")))
            (ask("flow", lang.of(words::FLOW), name, FieldKind::Known("flows")))
            (ask("message_id", lang.say("报文标识号", "Message id"), any, FieldKind::Text))
            (ask("received_from", lang.say("接收时间，自", "Received from"), moment, FieldKind::Moment))
            (ask("received_to", lang.say("接收时间，早于", "Received before"), moment, FieldKind::Moment))
            (ask("verdict", lang.of(words::STATE), text("三者之一", "one of the three"), FieldKind::Choice(&outcomes)))
            (ask("deliveries", lang.say("投递", "Deliveries"), text("dead-letter", "dead-letter"), FieldKind::Choice(&dead)))
            (ask("rule", lang.of(words::RULE), any, FieldKind::Text))
            (ask("fault", lang.say("错误代码", "Fault code"), any, FieldKind::Text))
            (key_fields(given, canonical, lang))
            div.buttons {
                button type="submit" { (lang.say("查找", "Search")) }
                a.button.quiet href="/exchanges" { (lang.say("清空", "Clear")) }
            }
        }
        @for name in unknown {
            (note(Tone::Bad, &html! { (lang.say("没有此查询条件，或其取值不正确：", "There is no such condition, or not with this value: ")) code { (name) } }))
        }
    }
}

/// The parts of the business key of a flow's records; what to do first where the flow is not chosen.
fn key_fields(given: &Given, canonical: Option<&Canonical>, lang: Lang) -> Markup {
    let Some(canonical) = canonical.filter(|canonical| !canonical.key().is_empty()) else {
        return html! {
            @if canonical.is_none() {
                p.soft.hint { (lang.say("按业务主键查找：先填接入单位和交换业务，查找一次，主键各项随即出现。", "By business key: give partner and flow and search once; the parts of its key appear then.")) }
            }
        };
    };
    let is_open = given.filled().any(|(name, _)| name.starts_with(KEY));
    html! {
        details.by-key open[is_open] {
            summary { (lang.say("业务主键", "Business key")) }
            p.soft { (lang.say("填写记录所有的各项，与标准记录逐字相同；同一项有几种取法时取靠前的。", "Give every part that the record has, to the letter as in the canonical record; of alternatives the first that it has.")) }
            div.parts {
                @for path in canonical.key().iter().flatten() {
                    (field(given, lang, Field { name: &format!("{KEY}{path}"), label: lang.words(&canonical.title(path)), takes: text("", ""), kind: FieldKind::Text }))
                }
            }
        }
    }
}

fn is_asked_for(name: &str) -> bool {
    ["id", "partner", "flow", "message_id", "received_from", "received_to", "verdict", "deliveries", "rule", "fault"].contains(&name)
}

fn outcome_word(outcome: Outcome, lang: Lang) -> &'static str {
    lang.of(match outcome {
        Outcome::Accepted => words::ACCEPTED,
        Outcome::InPart => words::IN_PART,
        Outcome::Refused => words::REFUSED,
    })
}

fn results(found: &Found, given: &Given, config: &Config, lang: Lang) -> Markup {
    let columns = [
        Column::Words(text("交换单", "Exchange")),
        Column::Words(text("接收时间", "Received")),
        Column::Words(words::PARTNER),
        Column::Words(words::FLOW),
        Column::Words(words::STATE),
        Column::Figure(words::RECORDS),
        Column::Figure(words::REFUSED),
        Column::Figure(text("大小", "Size")),
    ];
    let rows: Vec<Vec<Markup>> = found.exchanges.iter().map(|brief| cells(brief, config, lang)).collect();
    let nothing = match found.next_before {
        Some(_) => lang.say("这一页没有符合的，后面还有没查的。", "Nothing fits on this page; there is more to look at."),
        None => lang.say("没有符合的交换单。", "No exchange fits."),
    };
    html! {
        h2 {
            (lang.say("结果", "Found"))
            small { (lang.say("按接收时间从新到旧，查看了 ", "newest first, looked at ")) (thousands(found.examined as u64)) (lang.say(" 行", " rows")) }
        }
        div.tight.found { (table(lang, lang.of(words::EXCHANGES), &columns, &rows, nothing)) }
        @if let Some(before) = found.next_before {
            p.pager { a.button.quiet rel="next" href=(next(given, &before.to_string())) { (lang.say("下一页（更早）", "Next page (older)")) } }
        }
    }
}

/// The address of the next page.
fn next(given: &Given, before: &str) -> String {
    let mut address = format!("/exchanges?before={before}");
    for (name, value) in given.filled().filter(|(name, _)| *name != "before") {
        address.push_str(&format!("&{}={}", percent_encoded(name), percent_encoded(value)));
    }
    address
}

fn cells(brief: &Brief, config: &Config, lang: Lang) -> Vec<Markup> {
    vec![
        html! { a.id href={ "/exchanges/" (brief.id) } { code { (brief.id) } } @if let Some(id) = &brief.message_id { small { (id) } } },
        time(brief.received_at),
        names::partner(config, &brief.partner, lang),
        names::flow(config, &brief.flow, lang),
        html! { span { (outcome(brief.outcome, lang)) @if let Some(fault) = &brief.fault { small { (lang.fault(fault)) } } } },
        count(brief.counts.records),
        count(brief.counts.refused),
        html! { (bytes(brief.body_bytes)) },
    ]
}

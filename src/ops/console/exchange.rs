//! One exchange: its life as a timeline, its receipt and what that proves, what is wrong with it, and each attempt to deliver it.
//!
//! `findings_from` and `deliveries_after` lead to the next pages of either. What is personal in findings is masked unless
//! `?reveal=REASON` of one who may operate says why it is needed, which is an act in the log; a page that was asked for so is not made anew by itself. Each record
//! has a page of its own ([`super::record`]).

use super::exchanges::outcome;
use super::figures::{bytes, local, nothing, took};
use super::parts::{Column, Tone, badge, facts, live, note, table};
use super::words::{self, Lang, text};
use super::{deliveries, layout, names, prose::prose};
use crate::config::Config;
use crate::domain::{Finding, Role, Severity};
use crate::fault::{Fault, FaultCode};
use crate::figures::thousands;
use crate::http::Response;
use crate::http::query::{bad_query, percent_encoded};
use crate::journal::ExchangeRow;
use crate::journal::evidence::Head;
use crate::journal::search::DeliverySums;
use crate::ops::access::{Ask, REASON_CHARS_MAX, REVEAL};
use crate::ops::exchange::{self, FindingsPage};
use crate::ops::view::OpsView;
use jiff::Timestamp;
use maud::{Markup, html};

/// Findings of a page.
const FINDINGS_ROWS: usize = 50;
/// The part that is live while something is still to be delivered.
const LIFE: &str = "life";
/// The parameter that says where a page of findings begins.
const FINDINGS_FROM: &str = "findings_from";

/// One exchange.
///
/// # Errors
/// An exchange that there is not, a parameter that is none; the journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let lang = Lang::of_ask(&ask);
    let row = exchange::row(view, &ask).await?;
    let id = row.journaled.exchange();
    let asked = Asked::of(&ask)?;
    let sums = view.journal.delivery_sums(id).await?;
    let life = html! {
        (timeline(&row, &sums, lang))
        (deliveries::part(view, &ask, &row, asked.deliveries_after, lang).await?)
    };
    let is_moving = ["queued", "leased"].iter().any(|state| sums.deliveries.contains_key(state));
    // What somebody types into a form of a dead letter would be lost.
    let is_live = is_moving && !sums.deliveries.contains_key("dead-letter") && ask.given(REVEAL).is_none();
    let life = if is_live {
        live(&ask, lang, LIFE, &life)
    } else {
        html! { div id=(LIFE) { (life) } }
    };
    if ask.part().is_some() {
        return Ok(layout::part(life));
    }
    let findings = FindingsPage::of(view, &ask, &row, asked.findings_from, FINDINGS_ROWS).await?;
    let has_answer = ask.operator.role >= Role::Operate && view.journal.answer(id).await?.is_some();
    let body = html! {
        (standing(&row, &view.live.load().config, lang))
        (why(&row, lang))
        (life)
        (findings_part(&row, &findings, &ask, lang))
        (receipt(&row, has_answer, lang))
        h2 { (lang.say("约定与原文", "What it was taken by")) }
        (taken_by(&row, lang))
    };
    Ok(layout::page(view, &ask, &format!("{} {id}", lang.say("交换单", "Exchange")), &body))
}

/// What the address asks for.
#[derive(Default)]
struct Asked {
    findings_from: usize,
    deliveries_after: Option<crate::domain::DeliveryId>,
}

impl Asked {
    fn of(ask: &Ask<'_>) -> Result<Self, Fault> {
        let mut asked = Self::default();
        for (name, value) in ask.query() {
            let fits = match name.as_str() {
                FINDINGS_FROM => value.parse().map(|from| asked.findings_from = from).is_ok(),
                deliveries::AFTER => value.parse().map(|id| asked.deliveries_after = Some(id)).is_ok(),
                REVEAL => true,
                _ => false,
            };
            if !fits {
                return Err(bad_query(&name, &format!("{FINDINGS_FROM}=NUMBER, {}=ID, {REVEAL}=REASON", deliveries::AFTER)));
            }
        }
        Ok(asked)
    }
}

fn standing(row: &ExchangeRow, config: &Config, lang: Lang) -> Markup {
    html! {
        p.standing {
            (outcome(row.journaled.outcome(), lang))
            " " (names::partner(config, &row.partner, lang)) " · " (names::flow(config, &row.flow, lang))
            @if let Some(id) = &row.message_id { " · " (lang.say("报文标识号 ", "message id ")) code { (id) } }
        }
    }
}

/// Why it was refused whole, and what to do then.
fn why(row: &ExchangeRow, lang: Lang) -> Markup {
    let Some(code) = &row.fault else { return html! {} };
    let known = code.parse::<FaultCode>().ok();
    note(
        Tone::Bad,
        &html! {
            strong { (lang.fault(code)) } " " code { (code) }
            @if let Some(known) = known {
                span.soft { " · " (lang.of(words::PARTY)) (lang.say("：", ": ")) (lang.party(known.party().as_str())) }
                details { summary { (lang.say("含义与处理", "What it means, and what to do")) } (prose(known.page(), lang)) }
            }
        },
    )
}

/// Its life, moment by moment.
fn timeline(row: &ExchangeRow, sums: &DeliverySums, lang: Lang) -> Markup {
    let counts = row.journaled.counts();
    let committed = Head::of_jws(row.journaled.head()).and_then(|head| head.signed_at.parse::<Timestamp>().ok());
    let position = row.journaled.position();
    let waiting: u64 = ["queued", "leased"].iter().filter_map(|state| sums.deliveries.get(state)).sum();
    let all: u64 = sums.deliveries.values().sum();
    let dead = sums.deliveries.get("dead-letter").copied().unwrap_or(0);
    html! {
        h2 { (lang.say("经过", "Its life")) }
        ol.timeline.sheet {
            (moment(lang, Some(row.received_at), None, lang.say("收到", "Received"), &html! { (bytes(row.body_bytes)) @if let Some(kind) = &row.content_type { " · " (kind) } }))
            (moment(lang, Some(row.translated_at), Some(row.received_at), lang.say("翻译并校验", "Translated and checked"), &html! {
                (thousands(counts.records)) " " (lang.say("条记录：", "records: "))
                (lang.of(words::ACCEPTED)) " " (thousands(counts.accepted)) (lang.say("，", ", ")) (lang.of(words::REFUSED)) " " (thousands(counts.refused))
                @if counts.repeated > 0 { (lang.say("，", ", ")) (lang.of(words::REPEATED)) " " (thousands(counts.repeated)) }
                @if counts.warnings > 0 { (lang.say("，警告 ", ", warnings ")) (thousands(counts.warnings)) }
            }))
            (moment(lang, committed, Some(row.translated_at), lang.say("提交并签发签收凭证", "Committed, receipt signed"), &html! {
                (lang.say("存证链 ", "chain ")) (position.epoch) "-" (position.index)
            }))
            @if all == 0 { (moment(lang, None, None, lang.say("没有投递", "No delivery"), &html! { (lang.say("没有要送往接收方的记录", "nothing of it goes to a receiver")) })) }
            @if let Some(at) = sums.first_acknowledged_at { (moment(lang, Some(at), Some(row.received_at), lang.say("首次送达", "First acknowledged"), &html! {})) }
            @if let Some(at) = sums.last_acknowledged_at.filter(|at| sums.first_acknowledged_at != Some(*at)) {
                (moment(lang, Some(at), Some(row.received_at), lang.say("最近送达", "Last acknowledged"), &html! {}))
            }
            @if waiting > 0 { (moment(lang, None, None, lang.of(words::QUEUED), &html! { (badge(Tone::Warn, &format!("{} / {}", thousands(waiting), thousands(all)))) })) }
            @if dead > 0 {
                (moment(lang, sums.last_dead_at, None, lang.of(words::DEAD_LETTERS), &html! { (badge(Tone::Bad, &format!("{} / {}", thousands(dead), thousands(all)))) " " a href="#deliveries" { (lang.say("查看投递", "see the deliveries")) } }))
            }
        }
    }
}

/// A moment of a life, with what it took since another.
fn moment(lang: Lang, at: Option<Timestamp>, since: Option<Timestamp>, what: &str, about: &Markup) -> Markup {
    html! {
        li {
            span.when { @if let Some(at) = at { (precise(at)) } @else { (nothing()) } }
            strong { (what) }
            span.soft {
                @if let Some((at, since)) = at.zip(since) { span.took { (lang.say("用时 ", "took ")) (took(between(since, at))) } }
                (about)
            }
        }
    }
}

/// A moment to the millisecond.
pub fn precise(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (local(at, "%Y-%m-%d %H:%M:%S%.3f")) } }
}

/// The time from one moment to another; none where the clock went back.
pub fn between(since: Timestamp, at: Timestamp) -> std::time::Duration {
    at.duration_since(since).try_into().unwrap_or_default()
}

/// The evidence, and how to check it without the gateway.
fn receipt(row: &ExchangeRow, has_answer: bool, lang: Lang) -> Markup {
    let journaled = &row.journaled;
    let (id, head) = (journaled.exchange(), Head::of_jws(journaled.head()));
    let root = exchange::root(journaled);
    let holds = exchange::holds(root, head.as_ref());
    let file = format!("{id}.receipt.json");
    let encoded = if is_compressed(row) { " --encoded" } else { "" };
    let digest =
        |digest: Option<crate::domain::Digest>| html! { @match digest { Some(digest) => { code { (digest) } } None => { (nothing()) } } };
    html! {
        h2 { (lang.of(words::RECEIPT)) }
        (facts(&[
            (lang.say("存证", "Evidence"), html! {
                @if holds { (badge(Tone::Good, lang.say("叶子通向已签名的根", "the leaf leads to the signed root"))) }
                @else { (badge(Tone::Bad, lang.say("叶子不通向已签名的根", "the leaf does not lead to the signed root"))) }
            }),
            (lang.say("下载", "Download"), html! {
                a href={ "/v1/exchanges/" (id) "/receipt" } download=(file) { (lang.of(words::RECEIPT)) }
                @if has_answer { (answer_form(&format!("/v1/exchanges/{id}/answer"), lang)) }
            }),
            (lang.say("离线验证", "Verify it offline"), html! {
                code { "portolan verify " (file) " " (lang.say("原报文文件", "BODY")) " --jwks jwks.json" (encoded) }
                small.soft { (lang.say("公钥取自接入端口的 /.well-known/jwks.json；原报文文件即报送方发出的文件。", "The keys are at /.well-known/jwks.json of the partners' listener; BODY is the file that the sender sent.")) }
            }),
            (lang.say("报文 SHA-256", "SHA-256 of the body"), html! { code { (row.body_digest) } }),
            (lang.say("标准记录 SHA-256", "SHA-256 of the records"), html! { code { (row.canonical_digest) } }),
            (lang.say("根", "Root"), digest(root)),
            (lang.say("叶子位置", "Leaf"), html! { (journaled.leaf_index()) " / " (journaled.tree_size()) (lang.say("，路径 ", ", path of ")) (journaled.path().len()) }),
        ]))
    }
}

/// What the sender was given is as it was sent, and may hold personal values: it is had for a reason.
fn answer_form(path: &str, lang: Lang) -> Markup {
    html! {
        details.reveal {
            summary { (lang.say("给报送方的业务回执", "answer to the sender")) }
            form method="get" action=(path) {
                (reveal_reason(lang))
                button type="submit" { (lang.say("显示", "Show it")) }
            }
        }
    }
}

/// The field of a form that asks why personal values are needed.
fn reveal_reason(lang: Lang) -> Markup {
    html! {
        label { span { (lang.say("理由（记入操作记录）", "Reason (logged)")) } input type="text" name=(REVEAL) required maxlength=(REASON_CHARS_MAX) autocomplete="off"; }
    }
}

fn is_compressed(row: &ExchangeRow) -> bool {
    !matches!(row.content_encoding.as_str(), "" | "identity")
}

fn taken_by(row: &ExchangeRow, lang: Lang) -> Markup {
    let optional = |text: Option<String>| html! { @match text { Some(text) => { code { (text) } } None => { (nothing()) } } };
    facts(&[
        (lang.of(words::MAPPING), html! { code { (row.mapping) } " " small.soft { (row.pins.mapping) } }),
        (lang.say("压缩", "Content encoding"), optional(is_compressed(row).then(|| row.content_encoding.clone()))),
        (lang.say("幂等键", "Idempotency key"), optional(row.idempotency_key.clone())),
        (
            lang.say("更正", "Corrects"),
            html! { @match row.corrects { Some(id) => { a href={ "/exchanges/" (id) } { code { (id) } } } None => { (nothing()) } } },
        ),
        (lang.say("跟踪号", "Trace"), html! { code { (row.trace_id) } }),
    ])
}

fn findings_part(row: &ExchangeRow, page: &FindingsPage, ask: &Ask<'_>, lang: Lang) -> Markup {
    let (id, records) = (row.journaled.exchange(), row.journaled.counts().records);
    let rows: Vec<Vec<Markup>> = page.findings.iter().map(|finding| finding_cells(finding, &format!("/exchanges/{id}"), lang)).collect();
    html! {
        div.split {
            h2 #findings { (lang.of(words::FINDINGS)) @if page.kept > 0 { small { (thousands(page.kept as u64)) @if row.findings_left_out > 0 { (lang.say("，另有未保留 ", ", not kept ")) (thousands(row.findings_left_out)) } } } }
            @if records > 0 { p.pager { a.button.quiet href={ "/exchanges/" (id) "/records" } { (lang.say("逐条看记录与原文", "Records beside their original")) } } }
        }
        (findings_table(&rows, lang))
        @if let Some(next) = page.next_from {
            p.pager { a.button.quiet href={ "/exchanges/" (id) "?" (FINDINGS_FROM) "=" (next) "#findings" } { (lang.say("后面的校验问题", "More findings")) } }
        }
        @if page.kept > 0 { (reveal(ask, page.masked, None, lang)) }
    }
}

/// The table of such rows.
pub fn findings_table(rows: &[Vec<Markup>], lang: Lang) -> Markup {
    let columns = [
        Column::Words(words::FINDINGS),
        Column::Words(text("级别", "Severity")),
        Column::Words(words::RULE),
        Column::Figure(text("记录", "Record")),
        Column::Words(text("位置", "Place")),
        Column::Words(text("字段", "Field")),
        Column::Words(text("原值", "Found")),
    ];
    html! { div.tight { (table(lang, lang.of(words::FINDINGS), &columns, rows, lang.say("没有校验问题。", "Nothing is wrong with it."))) } }
}

/// A finding in the reader's language, with the record that it is in.
pub fn finding_cells(finding: &Finding, exchange: &str, lang: Lang) -> Vec<Markup> {
    let severity = match finding.severity {
        Severity::Error => badge(Tone::Bad, lang.say("错误", "error")),
        Severity::Warning => badge(Tone::Warn, lang.say("警告", "warning")),
    };
    vec![
        html! { (lang.words(&finding.words)) },
        severity,
        html! { code { (finding.rule) } },
        html! { @match finding.record { Some(number) => { a href={ (exchange) "/records?number=" (number) } { (thousands(number)) } } None => { (nothing()) } } },
        html! { @if finding.is_somewhere() { span.when { (finding.spot(lang.is_zh())) } } @else { (lang.say("整份报文", "the whole body")) } },
        html! {
            span {
                @match &finding.canonical { Some(path) => { code { (path) } } None => { @if finding.source.is_none() { (nothing()) } } }
                @if let Some(source) = &finding.source { small { (source) } }
            }
        },
        html! { @match &finding.found { Some(found) => { code { (found) } } None => { (nothing()) } } },
    ]
}

/// Whether personal values are masked, and the form that asks for them with a reason; `beside` is another parameter that stays.
pub fn reveal(ask: &Ask<'_>, masked: bool, beside: Option<(&str, &str)>, lang: Lang) -> Markup {
    let path = ask.request.uri.path();
    let back = beside.map_or_else(|| path.to_owned(), |(name, value)| format!("{path}?{name}={}", percent_encoded(value)));
    let may_ask = ask.operator.role >= Role::Operate;
    html! {
        @if !masked {
            (note(Tone::Warn, &html! {
                (lang.say("正显示个人信息，此次查看及理由已记入操作记录。", "Personal values are shown; this look and its reason are logged."))
                " " a href=(back) { (lang.say("重新遮盖", "Mask them again")) }
            }))
        } @else if may_ask {
            details.reveal {
                summary { (lang.say("个人信息已遮盖；确需查看", "Personal values are masked; see them for a reason")) }
                form method="get" action=(path) {
                    @if let Some((name, value)) = beside { input type="hidden" name=(name) value=(value); }
                    (reveal_reason(lang))
                    button type="submit" { (lang.say("显示", "Show them")) }
                }
            }
        } @else {
            p.soft { (lang.say("个人信息已遮盖。", "Personal values are masked.")) }
        }
    }
}

//! The audit (审计): what operators did and what waits for a second one, and how far the chain of evidence is verified.

use super::deeds::{self, KINDS};
use super::figures::{count, nothing, time};
use super::layout;
use super::parts::{Column, Tone, badge, facts, form, link, live, note, table};
use super::words::{self, Lang, REASON, text};
use crate::domain::Role;
use crate::fault::Fault;
use crate::http::Response;
use crate::journal::ChainPosition;
use crate::journal::acts::{Act, ActFilter, ActStanding};
use crate::ops::access::Ask;
use crate::ops::chain::PROBLEMS_SHOWN_MAX;
use crate::ops::view::OpsView;
use crate::ops::{acts, chain};
use crate::receipt::audit::AuditProblem;
use crate::receipt::audit::watch::Verified;
use jiff::Timestamp;
use maud::{Markup, html};

/// Acts on one page, unless the address asks for another number.
const ROWS: usize = 50;
/// Proposals that are shown, the latest.
const PROPOSALS_MAX: usize = 50;

/// The log of acts, and the chain.
///
/// # Errors
/// A parameter that is not one; the journal's failures.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (lang, now) = (Lang::of_ask(&ask), view.clock.now());
    let standing = live(&ask, lang, "chain", &chain_part(&view.chain.verified(), chain::end(view).await?, lang));
    if ask.part().is_some() {
        return Ok(layout::part(standing));
    }
    let mut filter = acts::filter(view, &ask)?;
    if ask.given("rows").is_none() {
        filter.rows_max = ROWS;
    }
    let rows_max = filter.rows_max;
    let log = view.journal.acts(filter).await?;
    let waiting = ActFilter { waiting_at: Some(now), rows_max: PROPOSALS_MAX, ..ActFilter::default() };
    let waiting = view.journal.acts(waiting).await?;
    let body = html! {
        (standing)
        @if !waiting.is_empty() { (proposals(view, &ask, &waiting, "/audit", lang)) }
        h2 { (lang.say("操作记录", "Administrative acts")) }
        (sieve(&ask, lang))
        (log_table(&log, now, lang))
        (older(&ask, log.last().filter(|_| log.len() == rows_max), lang))
    };
    Ok(layout::page(view, &ask, lang.of(words::AUDIT), &body))
}

fn chain_part(verified: &Verified, end: Option<ChainPosition>, lang: Lang) -> Markup {
    let report = &verified.report;
    let standing = match (report.holds(), verified.whole_at) {
        (false, _) => badge(Tone::Bad, lang.say("不完整", "broken")),
        (true, Some(_)) => badge(Tone::Good, lang.say("完整", "whole")),
        (true, None) => badge(Tone::Calm, lang.say("正在校验", "being verified")),
    };
    let walked = [
        (lang.say("签名头", "heads"), report.heads),
        (lang.say("交换单", "exchanges"), report.exchanges),
        (lang.say("操作记录", "acts"), report.acts),
    ];
    let checked = html! { @for (n, (name, number)) in walked.iter().enumerate() { @if n > 0 { " · " } (name) " " (count(*number)) } };
    let up_to =
        html! { @match verified.whole_at { Some(at) => { (time(at)) } None => { (lang.say("尚未校验到链尾", "not yet at its end")) } } };
    let head = html! {
        @match &report.last_head {
            Some((epoch, batch, sha256)) => {
                (lang.say("第 ", "epoch ")) (epoch) (lang.say(" 纪元第 ", ", batch ")) (batch) (lang.say(" 批 ", " ")) br; code { (sha256) }
            }
            None => { (nothing()) }
        }
    };
    let reach = html! {
        @match end { Some(at) => { (lang.say("第 ", "epoch ")) (at.epoch) (lang.say(" 纪元第 ", ", index ")) (at.index) (lang.say(" 号", "")) } None => { (nothing()) } }
    };
    html! {
        h2 { (lang.say("存证链", "Chain of evidence")) }
        (facts(&[
            (lang.of(words::STATE), standing),
            (lang.say("校验至", "Verified up to"), up_to),
            (lang.say("校验方式", "By"), html! { (lang.say("网关运行中自行校验，启动后从头开始", "the gateway itself while it runs, from the beginning since its start")) }),
            (lang.say("已校验", "Verified"), checked),
            (lang.say("链尾", "The chain reaches"), reach),
            (lang.say("最后校验的签名头", "Last head verified"), head),
        ]))
        @if !report.holds() { (problems(verified, lang)) }
    }
}

fn problems(verified: &Verified, lang: Lang) -> Markup {
    let columns = [Column::Words(text("不符之处", "What does not hold")), Column::Words(text("位置", "Where"))];
    let place = |problem: &AuditProblem| {
        html! {
            @if let Some(number) = problem.act { (lang.say("操作记录第 ", "act ")) (number) (lang.say(" 号", "")) }
            @else {
                (lang.say("第 ", "epoch ")) (problem.epoch) (lang.say(" 纪元第 ", ", batch ")) (problem.batch) (lang.say(" 批", ""))
                @if let Some(id) = problem.exchange { br; (link(&format!("/exchanges/{id}"), &html! { code { (id) } })) }
            }
        }
    };
    let shown = verified.report.problems.iter().take(PROBLEMS_SHOWN_MAX);
    let rows: Vec<Vec<Markup>> = shown.map(|problem| vec![html! { (lang.words(&problem.words)) }, place(problem)]).collect();
    let left_out = verified.left_out(PROBLEMS_SHOWN_MAX);
    html! {
        h2 { (lang.say("不符之处", "What does not hold")) }
        (table(lang, lang.say("不符之处", "What does not hold"), &columns, &rows, ""))
        @if left_out > 0 { (note(Tone::Bad, &html! { (lang.say("另有 ", "and more: ")) (left_out) (lang.say(" 处", "")) })) }
    }
}

/// Proposals that wait, each with the forms of whoever may decide it: nobody approves an own one. They come back to `then`.
pub fn proposals(view: &OpsView, ask: &Ask<'_>, waiting: &[Act], then: &str, lang: Lang) -> Markup {
    let nothing = html! {};
    html! {
        h2 #waiting { (lang.say("待第二人批准", "Waiting for a second operator")) }
        div.sheet.padded.forms {
            @for act in waiting {
                @let entry = &act.entry;
                @let is_own = entry.operator.as_ref().map(|operator| &operator.name) == ask.operator.name.as_ref();
                div.proposal {
                    p {
                        strong { (deeds::title(&entry.deed, lang)) } " · " (deeds::about(&entry.deed, lang)) " · "
                        (lang.say("投递 ", "deliveries ")) (count(entry.deliveries))
                    }
                    p.soft {
                        (lang.say("第 ", "number ")) (entry.number) (lang.say(" 号 · ", " · "))
                        @if let Some(operator) = &entry.operator { (operator.name) " · " }
                        (lang.of(REASON)) (lang.say("：", ": ")) (entry.reason)
                        @if let Some(until) = act.waits_until { " · " (lang.say("有效至 ", "waits until ")) (time(until)) }
                    }
                    @if ask.operator.role >= Role::Operate {
                        @let address = |word: &str| format!("/v1/acts/{}/{word}", entry.number);
                        @if !is_own { (form(view, ask, lang, &address("approve"), then, lang.say("批准", "Approve"), &nothing)) }
                        @let word = if is_own { lang.say("撤回", "Take back") } else { lang.say("否决", "Reject") };
                        (form(view, ask, lang, &address("reject"), then, word, &nothing))
                    }
                }
            }
        }
    }
}

/// By what the log is narrowed down.
fn sieve(ask: &Ask<'_>, lang: Lang) -> Markup {
    let kind = ask.given("kind").unwrap_or_default();
    html! {
        form.sieve method="get" action="/audit" {
            label {
                span { (lang.say("操作", "What")) }
                select name="kind" {
                    option value="" { (lang.say("全部", "everything")) }
                    @for (known, title) in KINDS { option value=(known) selected[known == kind] { (lang.of(title)) } }
                }
            }
            button type="submit" { (lang.say("筛选", "Show")) }
        }
    }
}

fn log_table(log: &[Act], now: Timestamp, lang: Lang) -> Markup {
    let columns = [
        Column::Short(text("序号", "Number")),
        Column::Short(text("时间", "When")),
        Column::Short(text("操作员", "Who")),
        Column::Words(text("操作", "What")),
        Column::Words(REASON),
        Column::Short(text("第二人", "Second person")),
    ];
    let rows = log.iter().map(|act| {
        let entry = &act.entry;
        let at = entry.at.parse::<Timestamp>().ok();
        let deliveries = html! { @if entry.deliveries > 0 { small { (lang.say("投递 ", "deliveries ")) (count(entry.deliveries)) } } };
        vec![
            html! { span id={ "act-" (entry.number) } { (entry.number) } },
            html! { @if let Some(at) = at { (time(at)) } @else { (nothing()) } },
            deeds::who(act, lang),
            html! { div { strong { (deeds::title(&entry.deed, lang)) } div.soft { (deeds::about(&entry.deed, lang)) } (deliveries) } },
            html! { (deeds::reason(act, lang)) },
            second(act, now, lang),
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    table(lang, lang.say("操作记录", "Administrative acts"), &columns, &rows, lang.say("没有操作记录。", "There are no acts."))
}

/// What a second person had to do with an act.
fn second(act: &Act, now: Timestamp, lang: Lang) -> Markup {
    let number =
        |number: u64| html! { a href={ "/audit?before=" (number + 1) } { (lang.say("第 ", "act ")) (number) (lang.say(" 号", "")) } };
    match (act.entry.standing, act.entry.proposal) {
        (ActStanding::Done, Some(proposal)) => html! { (lang.say("批准", "approves ")) (number(proposal)) },
        (ActStanding::Rejected, Some(proposal)) => html! { (lang.say("否决", "rejects ")) (number(proposal)) },
        (ActStanding::Proposed, _) => match (act.decided_by, act.waits_until) {
            (Some(by), _) => html! { (lang.say("提议，由", "proposed; decided by ")) (number(by)) (lang.say("决定", "")) },
            (None, Some(until)) if until > now => {
                html! { (badge(Tone::Warn, lang.say("待批准", "waits"))) small { (lang.say("至 ", "until ")) (time(until)) } }
            }
            (None, _) => badge(Tone::Calm, lang.say("已过期", "ran out")),
        },
        (ActStanding::Done | ActStanding::Rejected, None) => nothing(),
    }
}

/// Where the acts before these are.
fn older(ask: &Ask<'_>, last: Option<&Act>, lang: Lang) -> Markup {
    let kind = ask.given("kind").filter(|kind| KINDS.iter().any(|(known, _)| known == kind));
    html! {
        nav.pages aria-label=(lang.say("翻页", "Pages")) {
            @if ask.given("before").is_some() { a.button.quiet href="/audit" { (lang.say("最新", "Newest")) } }
            @if let Some(last) = last {
                a.button.quiet href={ "/audit?before=" (last.entry.number) @if let Some(kind) = kind { "&kind=" (kind) } } { (lang.say("更早", "Older")) }
            }
        }
    }
}

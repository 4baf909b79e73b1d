//! Changes: which configuration is in force, what changed when and by whom, and candidate mappings with their shadow runs.

use super::figures::{count, time};
use super::parts::{Column, Tone, badge, facts, form, form_without_reason, link, live, note, table};
use super::words::{self, Lang, NOTHING, text};
use super::{deeds, layout};
use crate::domain::Role;
use crate::fault::Fault;
use crate::http::Response;
use crate::journal::acts::{Act, ActFilter, ActStanding, Deed};
use crate::lines::Change;
use crate::ops::access::Ask;
use crate::ops::view::OpsView;
use crate::shadow::Candidate;
use crate::shadow::compare::Difference;
use crate::shadow::run::{Run, RunState, Standing};
use jiff::Timestamp;
use maud::{Markup, html};
use portolan_contract::Words;

/// Where this page is.
const HERE: &str = "/changes";
/// How the id of a run's part begins.
const PART: &str = "run-";
/// Acts of each kind that are shown.
const ACTS_SHOWN: usize = 30;
/// Differences of a run that are shown; the API has all that are kept.
const DIFFERENCES_SHOWN: usize = 100;
/// Differences that are shown at once; more are unfolded by who wants to see them.
const DIFFERENCES_OPEN_MAX: usize = 10;
/// Kinds of acts that change what is in force, or were to.
const KINDS: [&str; 4] = ["configure", "promote-mapping", "promotion-failed", "drop-mapping"];

/// The page.
///
/// # Errors
/// The journal's failures; candidates that cannot be read.
pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (lang, part) = (Lang::of_ask(&ask), ask.part());
    if let Some(name) = part.as_deref().and_then(|part| part.strip_prefix(PART)).and_then(|name| name.parse().ok()) {
        let candidate = view.shadow.candidate(&name).await?;
        return Ok(layout::part(outcome(view, &ask, &candidate, lang)));
    }
    let acts = acts(view).await?;
    let standing = live(&ask, lang, "standing", &standing(view, &acts, lang));
    if part.is_some() {
        return Ok(layout::part(standing));
    }
    let waiting = ActFilter { waiting_at: Some(view.clock.now()), rows_max: ACTS_SHOWN, ..ActFilter::default() };
    let waiting = view.journal.acts(waiting).await?;
    let found = view.shadow.candidates().await?;
    let none = lang.say(
        "没有候选。把目录 NAME（内有 mapping.toml）放进配置目录的 candidates/ 即可试跑。",
        "There is none. Put a folder NAME with a mapping.toml into candidates/ of the configuration to try it.",
    );
    let body = html! {
        (standing)
        h2 { (lang.of(words::CANDIDATES)) small { (lang.say("用已接收的报文试跑，再生效或放弃", "read accepted traffic again with it, then promote or drop it")) } }
        @if found.candidates.is_empty() { div.sheet { p.empty { (none) } } }
        @for name in &found.ignored {
            (note(Tone::Warn, &html! { code { "candidates/" (name) } (lang.say(" 不是候选：候选是以小写字母、数字和 - 命名的目录。", " is no candidate: that is a folder named with a-z, 0-9 and -.")) }))
        }
        @for candidate in &found.candidates {
            section.candidate.sheet aria-label=(candidate.name.as_str()) {
                h3 { code { (candidate.name.as_str()) } " " (judged(candidate, lang)) }
                (about(candidate, lang))
                (outcome(view, &ask, candidate, lang))
                @if ask.operator.role >= Role::Operate { (changes(view, &ask, candidate, &waiting, lang)) }
            }
        }
        h2 { (lang.say("变更记录", "What changed")) }
        (history(&acts, lang))
    };
    Ok(layout::page(view, &ask, lang.of(words::CHANGES), &body))
}

/// What changed the configuration, newest first.
async fn acts(view: &OpsView) -> Result<Vec<Act>, Fault> {
    let mut acts = Vec::new();
    for kind in KINDS {
        let filter = ActFilter { kind: Some(kind.to_owned()), rows_max: ACTS_SHOWN, ..ActFilter::default() };
        acts.extend(view.journal.acts(filter).await?);
    }
    acts.sort_by_key(|act| std::cmp::Reverse(act.entry.number));
    Ok(acts)
}

/// What is in force.
fn standing(view: &OpsView, acts: &[Act], lang: Lang) -> Markup {
    let health = view.health.state();
    let digest = acts.iter().find_map(|act| if let Deed::Configure { digest, .. } = &act.entry.deed { Some(digest) } else { None });
    let config = &view.live.load().config;
    html! {
        @if let Some(refused) = &health.refused_reload {
            (note(Tone::Bad, &html! {
                strong { (lang.say("新配置被拒绝，旧配置继续有效。", "A new configuration was refused; the one before stays in force.")) } " " (time(refused.at))
                ul { @for problem in &refused.problems { li { code { (problem) } } } }
            }))
        }
        @if !health.for_next_start.is_empty() {
            (note(Tone::Warn, &html! { (lang.say("下次启动才生效：", "From the next start on: ")) code { (health.for_next_start.join(", ")) } }))
        }
        (facts(&[
            (lang.say("现行配置自", "In force since"), time(health.in_force_since)),
            (lang.say("摘要", "SHA-256"), html! { @match digest { Some(digest) => { code { (digest) } } None => { (NOTHING) } } }),
            (lang.say("内容", "It holds"), html! {
                (config.partners.len()) (lang.say(" 个接入单位，", " partners, ")) (config.flows.len()) (lang.say(" 个交换业务", " flows"))
            }),
        ]))
    }
}

/// What the run of a candidate has come to, made anew as it goes on. Once it is over, whoever watched it is led to what can be done.
fn outcome(view: &OpsView, ask: &Ask<'_>, candidate: &Candidate, lang: Lang) -> Markup {
    let Some(run) = view.shadow.run_of(&candidate.name) else { return html! {} };
    let (id, part) = (format!("{PART}{}", candidate.name), ran(&run, candidate, lang));
    if run.state().standing == Standing::Running {
        return live(ask, lang, &id, &part);
    }
    html! {
        div id=(id) {
            (part)
            @if ask.part().is_some() { p { a.button href=(HERE) { (lang.say("继续", "Go on")) } } }
        }
    }
}

fn judged(candidate: &Candidate, lang: Lang) -> Markup {
    match (candidate.holds(), candidate.cases) {
        (false, _) => badge(Tone::Bad, lang.say("有问题", "has problems")),
        (true, 0) => badge(Tone::Calm, lang.say("可编译，没有案例", "compiles, has no cases")),
        (true, _) => badge(Tone::Good, lang.say("可编译，案例通过", "compiles, cases hold")),
    }
}

fn about(candidate: &Candidate, lang: Lang) -> Markup {
    let said = about_facts(candidate, lang);
    html! {
        @for problem in candidate.problems.iter().chain(&candidate.failures) { (note(Tone::Bad, &html! { code { (problem) } })) }
        @if !said.is_empty() { (facts(&said)) }
        @for (file, lines) in &candidate.lines {
            details {
                summary { code { (file) } ": " (lines.len()) (lang.say(" 行", " lines")) }
                div.sheet.lines-changed tabindex="0" role="region" aria-label=(file) {
                    @for line in lines {
                        @match line.change {
                            Change::Removed => del { b { "−" (line.number) } (line.text) },
                            Change::Added => ins { b { "+" (line.number) } (line.text) },
                        }
                    }
                }
            }
        }
    }
}

/// What can be said of a candidate: of one that cannot be read, little.
fn about_facts(candidate: &Candidate, lang: Lang) -> Vec<(&'static str, Markup)> {
    let changed: usize = candidate.lines.iter().map(|(_, lines)| lines.len()).sum::<usize>() + candidate.lines_left_out;
    let mut facts = Vec::new();
    facts.extend(candidate.mapping().map(|mapping| (lang.say("名称", "Title"), html! { (lang.words(&mapping.title)) })));
    facts.extend(candidate.digest.map(|digest| (lang.say("摘要", "SHA-256"), html! { code { (digest) } })));
    if candidate.cases > 0 {
        facts.push((lang.say("案例", "Cases"), count(candidate.cases as u64)));
    }
    facts.extend(candidate.mapping().map(|_| {
        let differs = html! {
            @if candidate.replaces().is_none() { (lang.say("现行配置中没有此映射规则", "there is no mapping of this name in force")) }
            @else { (count(changed as u64)) (lang.say(" 行不同", " lines differ")) }
        };
        (lang.say("与现行相比", "Against the one in force"), differs)
    }));
    facts
}

/// What a run has come to.
fn ran(run: &Run, candidate: &Candidate, lang: Lang) -> Markup {
    let state = run.state();
    let (tone, word) = match &state.standing {
        Standing::Running => (Tone::Calm, lang.say("正在试跑", "running")),
        Standing::Finished => (Tone::Good, lang.say("已完成", "finished")),
        Standing::Cancelled => (Tone::Warn, lang.say("已取消", "cancelled")),
        Standing::Failed(_) => (Tone::Bad, lang.say("未能完成", "failed")),
    };
    html! {
        h4 { (lang.of(words::SHADOW_RUN)) " " (badge(tone, word)) }
        @if let Standing::Failed(message) = &state.standing { (note(Tone::Bad, &html! { code { (message) } })) }
        @if candidate.digest != Some(run.digest) {
            (note(Tone::Warn, &html! { (lang.say("候选在试跑之后被修改；须重新试跑才能生效。", "The candidate was changed since; run it again before it is promoted.")) }))
        }
        @if state.more {
            (note(Tone::Warn, &html! { (lang.say("报文超过试跑上限，只试跑了最近的。", "There is more traffic than a run takes; the newest was taken.")) }))
        }
        (facts(&run_facts(run, &state, lang)))
        @if state.standing != Standing::Running || !state.found.sums.is_empty() { (sums(&state, lang)) (kept(&state.found.kept, lang)) }
    }
}

fn run_facts(run: &Run, state: &RunState, lang: Lang) -> Vec<(&'static str, Markup)> {
    let found = &state.found;
    let label = lang.say("进度", "progress");
    vec![
        (lang.say("开始", "Begun"), html! { (time(run.started_at)) " · " (run.by) }),
        (
            lang.say("报文", "Exchanges"),
            html! {
                meter min="0" max=(state.exchanges_total.max(1)) value=(state.exchanges_done + state.exchanges_left_out) aria-label=(label) {}
                " " (count(state.exchanges_done)) " / " (count(state.exchanges_total))
                @if state.exchanges_left_out > 0 { span.soft { (lang.say("，略过 ", ", left out ")) (state.exchanges_left_out) (lang.say("（过大或已不留存）", " (too large, or not kept any more)")) } }
            },
        ),
        (lang.of(words::RECORDS), count(found.records)),
        (
            lang.say("有差异的报文", "Exchanges that differ"),
            html! {
                @if found.exchanges_differing == 0 { (count(0)) } @else { strong { (count(found.exchanges_differing)) } }
            },
        ),
    ]
}

fn sums(state: &RunState, lang: Lang) -> Markup {
    let columns =
        [Column::Words(text("差异", "What differs")), Column::Words(text("位置", "Where")), Column::Figure(text("次数", "Times"))];
    let rows = state.found.sums.iter().map(|((what, at), times)| {
        vec![
            html! { (lang.say(what.title().0, what.title().1)) },
            html! { @if at.is_empty() { (NOTHING) } @else { code { (at) } } },
            count(*times),
        ]
    });
    table(lang, lang.say("差异合计", "Differences in sum"), &columns, &rows.collect::<Vec<_>>(), lang.say("没有差异。", "Nothing differs."))
}

fn kept(differences: &[Difference], lang: Lang) -> Markup {
    let columns = [
        Column::Words(text("位置", "Where")),
        Column::Words(text("现行", "In force")),
        Column::Words(words::CANDIDATE),
        Column::Figure(text("记录", "Record")),
        Column::Words(text("交换单", "Exchange")),
    ];
    let value =
        |value: &Option<Words>| html! { @match value { Some(words) => { span.value { (lang.words(words)) } } None => { (NOTHING) } } };
    let rows = differences.iter().take(DIFFERENCES_SHOWN).map(|one| {
        let exchange = one.of.exchange.to_string();
        vec![
            html! { (lang.say(one.what.title().0, one.what.title().1)) @if !one.at.is_empty() { small { (one.at) } } },
            value(&one.live),
            value(&one.candidate),
            html! { @match one.record { Some(number) => { (number) } None => { (NOTHING) } } },
            html! { (link(&format!("/exchanges/{exchange}"), &html! { code { (exchange) } })) small { (one.of.partner) " · " (one.of.flow) } },
        ]
    });
    html! {
        @if !differences.is_empty() {
            details open[differences.len() <= DIFFERENCES_OPEN_MAX] {
                summary { (lang.say("逐条差异", "One by one")) @if differences.len() > DIFFERENCES_SHOWN { (lang.say("（前 ", " (the first ")) (DIFFERENCES_SHOWN) (lang.say(" 条）", ")")) } }
                (table(lang, lang.say("逐条差异", "Differences one by one"), &columns, &rows.collect::<Vec<_>>(), NOTHING))
            }
        }
    }
}

/// What can be done with a candidate.
fn changes(view: &OpsView, ask: &Ask<'_>, candidate: &Candidate, waiting: &[Act], lang: Lang) -> Markup {
    let address = |act: &str| format!("/v1/candidates/{}/{act}", candidate.name);
    let (nothing, run) = (html! {}, view.shadow.run_of(&candidate.name));
    let state = run.as_ref().map(|run| run.state());
    if state.as_ref().is_some_and(|state| state.standing == Standing::Running) {
        return html! { div.sheet.padded { (form_without_reason(view, ask, &address("cancel"), HERE, lang.say("取消试跑", "Cancel the run"), &nothing)) } };
    }
    let was_run =
        run.as_ref().filter(|run| candidate.digest == Some(run.digest) && state.is_some_and(|state| state.standing == Standing::Finished));
    let about = |act: &&Act| matches!(&act.entry.deed, Deed::PromoteMapping { mapping, sha256 } if *mapping == candidate.name && Some(*sha256) == candidate.digest);
    let proposal = waiting.iter().find(about);
    let is_administrator = ask.operator.role >= Role::Administer;
    let day = html! { label { span { (lang.say("日期（空为昨日）", "Day (yesterday unless given)")) } input type="date" name="day"; } };
    html! {
        @if let Some(proposal) = proposal {
            (note(Tone::Warn, &html! {
                (lang.say("待第二人批准生效：", "Its promotion waits for a second operator: "))
                a href="/audit" { (lang.say("第 ", "act ")) (proposal.entry.number) (lang.say(" 号", "")) }
            }))
        }
        div.sheet.padded.forms {
            @if candidate.holds() { (form_without_reason(view, ask, &address("run"), HERE, lang.say("试跑", "Run"), &day)) }
            @if let (Some(run), None, true) = (was_run, proposal, is_administrator) {
                (form(view, ask, lang, &address("promote"), HERE, lang.say("申请生效（须第二人批准）", "Propose to promote (a second operator approves)"),
                    &html! { input type="hidden" name="sha256" value=(run.digest); }))
            }
            @if is_administrator { div.quietly { (form(view, ask, lang, &address("drop"), HERE, lang.say("放弃", "Drop"), &nothing)) } }
        }
    }
}

fn history(acts: &[Act], lang: Lang) -> Markup {
    let columns = [
        Column::Short(text("时间", "When")),
        Column::Words(text("变更", "What")),
        Column::Short(text("操作员", "By")),
        Column::Words(words::REASON),
        Column::Figure(text("操作号", "Act")),
    ];
    let rows = acts.iter().map(|act| {
        let at = act.entry.at.parse::<Timestamp>().ok();
        vec![
            html! { @if let Some(at) = at { (time(at)) } },
            html! { div { strong { (deeds::title(&act.entry.deed, lang)) (standing_of(act, lang)) } div.soft { (deeds::about(&act.entry.deed, lang)) } } },
            html! {
                (deeds::who(act, lang))
                @if is_of_files(act) { small { (lang.say("网关不知道是谁改的文件", "who changed the files is not known to the gateway")) } }
            },
            html! { (deeds::reason(act, lang)) },
            html! { (act.entry.number) },
        ]
    });
    table(
        lang,
        lang.say("变更记录", "What changed"),
        &columns,
        &rows.collect::<Vec<_>>(),
        lang.say("还没有变更。", "Nothing has changed yet."),
    )
}

/// Whether files were changed, and by whoever may write to them.
fn is_of_files(act: &Act) -> bool {
    let entry = &act.entry;
    entry.operator.is_none() && matches!(&entry.deed, Deed::Configure { files, .. } if !files.is_empty())
}

/// What a proposal is called beside its deed; nothing where it was done.
fn standing_of(act: &Act, lang: Lang) -> &'static str {
    match act.entry.standing {
        ActStanding::Done => "",
        ActStanding::Proposed => lang.say("（提议）", " (proposed)"),
        ActStanding::Rejected => lang.say("（已否决）", " (rejected)"),
    }
}

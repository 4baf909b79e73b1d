//! Administrative acts in words: what was done, to what, by whom.

use super::parts::link;
use super::words::{self, Lang, NOTHING, Text, text};
use crate::journal::acts::{Act, ChangedFile, Deed, Pausable, Pick, Revealed};
use maud::{Markup, html};

/// What each kind of act is called, in the order in which a list offers them.
pub const KINDS: [(&str, Text); 13] = [
    ("acknowledge-alarm", text("确认告警", "Alarm taken on")),
    ("note-alarm", text("告警处理说明", "Note on an alarm")),
    ("hand-over", text("交接班", "Handover")),
    ("pause", text("暂停", "Pause")),
    ("resume", text("恢复", "Resume")),
    ("resend", text("重新投递", "Resend")),
    ("waive", text("免除投递", "Waive")),
    ("settle-matter", text("核对处置", "Matter settled")),
    ("configure", text("配置生效", "Configuration")),
    ("promote-mapping", text("候选映射生效", "Promotion of a mapping")),
    ("promotion-failed", text("候选映射未能生效", "Promotion that failed")),
    ("drop-mapping", text("放弃候选映射", "Candidate dropped")),
    ("reveal", text("查看个人信息", "Personal values shown")),
];

/// What an act is called.
pub fn title(deed: &Deed, lang: Lang) -> &'static str {
    let kind = deed.kind();
    KINDS.iter().find(|(known, _)| *known == kind).map_or(kind, |(_, title)| lang.of(*title))
}

/// What it was done to.
pub fn about(deed: &Deed, lang: Lang) -> Markup {
    match deed {
        Deed::AcknowledgeAlarm { number } | Deed::NoteAlarm { number } => alarm(*number, lang),
        Deed::HandOver { open } => html! {
            @if open.is_empty() { (lang.say("当时没有告警", "no alarm was open")) }
            @else { (lang.say("当时的告警：", "alarms open then: ")) @for number in open { (alarm(*number, lang)) " " } }
        },
        Deed::Pause { what } | Deed::Resume { what } => paused(what, lang),
        Deed::Resend { per_second, pick } => html! {
            (picked(pick, lang)) " · " (per_second) (lang.say(" 份/秒", " a second"))
        },
        Deed::Reveal { exchange, what } => html! {
            (link(&format!("/exchanges/{exchange}"), &html! { code { (exchange) } })) " · " (revealed(*what, lang))
        },
        Deed::SettleMatter { key, reconciliation } => html! { (reconciliation) " · " code { (key) } },
        Deed::Waive { pick } => picked(pick, lang),
        Deed::Configure { files, files_left_out, .. } => html! {
            @if files.is_empty() { (lang.say("启动时的配置", "as the gateway started")) }
            span.lines { @for file in files { span { (changed(file, lang)) } } }
            @if *files_left_out > 0 { (lang.say("另有文件 ", "and more files: ")) (files_left_out) }
        },
        Deed::PromoteMapping { mapping, sha256 } | Deed::PromotionFailed { mapping, sha256 } | Deed::DropMapping { mapping, sha256 } => {
            html! {
                (lang.of(words::MAPPING)) " " (link("/changes", &html! { (mapping.as_str()) })) small { code { (sha256) } }
            }
        }
    }
}

/// By whom an act is; the gateway's own is by itself.
pub fn who(act: &Act, lang: Lang) -> Markup {
    html! {
        @match &act.entry.operator {
            Some(operator) => { span { (operator.name) small { (lang.role(operator.role)) } } }
            None => { span.soft { (lang.say("网关", "gateway")) } }
        }
    }
}

/// Why it was done; the gateway itself does what its files say.
pub fn reason(act: &Act, lang: Lang) -> &str {
    match (&act.entry.operator, &act.entry.deed) {
        (None, Deed::Configure { .. }) => lang.say("配置文件", "configuration files"),
        _ => &act.entry.reason,
    }
}

/// What can be paused, with its page.
pub fn paused(what: &Pausable, lang: Lang) -> Markup {
    match what {
        Pausable::Flow(flow) => html! { (lang.of(words::FLOW)) " " (link(&format!("/flows/{flow}"), &html! { (flow) })) },
        Pausable::Destination(to) => {
            html! { (lang.of(words::DESTINATION)) " " (link(&format!("/partners/{}", to.partner), &html! { (to) })) }
        }
    }
}

fn revealed(what: Revealed, lang: Lang) -> Markup {
    match what {
        Revealed::Answer => html! { (lang.say("业务回执", "answer to the sender")) },
        Revealed::Body => html! { (lang.say("报文", "the body")) },
        Revealed::Canonical => html! { (lang.say("标准记录", "canonical records")) },
        Revealed::Findings => html! { (lang.of(words::FINDINGS)) },
        Revealed::Record(number) => html! { (lang.say("记录 ", "record ")) (number) },
    }
}

fn alarm(number: u64, lang: Lang) -> Markup {
    link(&format!("/alarms/{number}"), &html! { (lang.of(words::ALARM)) " " (number) })
}

fn picked(pick: &Pick, lang: Lang) -> Markup {
    let moment = |at: Option<jiff::Timestamp>| at.map(|at| super::figures::local(at, "%Y-%m-%d %H:%M:%S"));
    let given = [
        (lang.say("投递", "delivery"), pick.delivery.map(|id| id.to_string())),
        (lang.of(words::DESTINATION), pick.destination.as_ref().map(ToString::to_string)),
        (lang.say("错误", "fault"), pick.fault.clone()),
        (lang.of(words::FLOW), pick.flow.as_ref().map(ToString::to_string)),
        (lang.of(words::PARTNER), pick.partner.as_ref().map(ToString::to_string)),
        (lang.say("接收于", "received from"), moment(pick.received_from)),
        (lang.say("接收早于", "received before"), moment(pick.received_to)),
    ];
    let given: Vec<String> = given.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
    html! { @if given.is_empty() { (lang.say("全部投递失败待处理", "all dead letters")) } @else { (given.join(" · ")) } }
}

fn changed(file: &ChangedFile, lang: Lang) -> Markup {
    let how = match file.how.as_str() {
        "added" => lang.say("新增", "added"),
        "changed" => lang.say("修改", "changed"),
        "removed" => lang.say("删除", "removed"),
        _ => NOTHING,
    };
    html! { code { (file.file) } " " (how) @if !file.keys.is_empty() { small { (file.keys.join(", ")) } } }
}

//! The status page: HTML from the server, in Chinese or English, light and dark, without a script.
//!
//! It loads itself again every [`REFRESH_SECONDS`]. Its one style sheet stands in it, and the content
//! security policy allows that one by its digest and nothing else. Every text is escaped by the
//! template's compiler (maud). Times are shown in [`ZONE`].

use super::health::{Phase, RefusedReload};
use super::status::{DestinationStatus, Ending, FlowStatus, JournalStatus, PROBLEMS_MAX, Status};
use crate::domain::Digest;
use crate::figures::thousands;
use crate::http::{self, Response};
use crate::journal::acts::Paused;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use portolan_contract::Words;
use std::sync::LazyLock;
use std::time::Duration;

/// Seconds after which the page loads itself again.
pub const REFRESH_SECONDS: u32 = 15;
/// The time zone of the times shown; each also says its UTC time to a program.
pub const ZONE: &str = "Asia/Shanghai";
/// The product's title, the same in both languages.
pub const TITLE: &str = "Portolan 数据交换网关";

const STYLE: &str = include_str!("page.css");

/// A compass rose in the style of a portolan chart.
const MARK: &str = r#"<svg viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="1.6" aria-hidden="true"><circle cx="20" cy="20" r="18"/><path d="M20 3v34M3 20h34M8 8l24 24M32 8L8 32" stroke-width=".8"/><path d="M20 5l4 11 11 4-11 4-4 11-4-11-11-4 11-4z" fill="currentColor" stroke="none"/></svg>"#;

/// Through which listener the page goes out: they offer different links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The operators' listener.
    OperatorListener,
    /// The one-time link on loopback.
    Loopback,
}

/// The page as an answer, with the header fields that a browser must see.
pub fn page(status: &Status, via: Via, zh: bool) -> Response {
    html_answer(StatusCode::OK, render_html(status, via, zh))
}

/// The status as an HTML page.
pub fn render_html(status: &Status, via: Via, zh: bool) -> String {
    let say = |chinese: &'static str, english: &'static str| if zh { chinese } else { english };
    let body = html! {
        header {
            (PreEscaped(MARK))
            h1 { (TITLE) }
            (phase(status, zh))
            nav {
                @if zh { b { "中文" } a href="?lang=en" lang="en" { "English" } } @else { a href="?lang=zh" lang="zh" { "中文" } b { "English" } }
            }
        }
        main {
            (notes(status, zh))
            @if let Ok(journal) = &status.journal {
                (sums(journal, zh))
                h2 { (say("接入单位与交换业务", "Partners and flows")) }
                (flows(journal, status.at, zh))
                h2 { (say("投递", "Deliveries")) small { (say("单位：条记录", "in records")) } }
                (destinations(journal, status.at, zh))
            }
            h2 { (say("即将到期", "Expiring")) }
            (endings(&status.endings, zh))
            h2 { (say("网关", "Gateway")) }
            (facts(status, zh))
        }
        footer {
            @if via == Via::OperatorListener {
                p { a href="/metrics" { (say("监控指标", "Metrics")) } " · " a href="/status.json" { "JSON" } " · " a href="/readyz" { (say("就绪检查", "Readiness")) } }
            } @else {
                p { (say("监控指标（/metrics）在操作员端口，需操作员证书。", "Metrics (/metrics) are on the operators' listener, for holders of an operator's certificate.")) }
            }
            p {
                (say("本页只读，每 ", "This page is read-only and loads again every ")) (REFRESH_SECONDS) (say(" 秒刷新。", " s. "))
                (say("时间均为北京时间（", "Times are of ")) (ZONE) (say("，UTC+08:00）。", " (UTC+08:00)."))
            }
        }
    };
    document(Some(REFRESH_SECONDS), TITLE, &body, zh)
}

/// A page of a few sentences, such as why there is no other page.
pub(super) fn notice(status: StatusCode, title: &str, sentences: &[&str], zh: bool) -> Response {
    let body = html! {
        header { (PreEscaped(MARK)) h1 { (TITLE) } }
        main.plain {
            h2 { (title) }
            @for sentence in sentences { p { (sentence) } }
        }
    };
    html_answer(status, document(None, title, &body, zh))
}

/// The header fields of every page: nothing from elsewhere, nowhere in a frame, no sniffing.
fn html_answer(status: StatusCode, page: String) -> Response {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let digest = STANDARD.encode(Digest::of(STYLE.as_bytes()).0);
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    let mut response = http::answer(status, "text/html; charset=utf-8", page);
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn document(refresh_seconds: Option<u32>, title: &str, body: &Markup, zh: bool) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(if zh { "zh-CN" } else { "en" }) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = refresh_seconds { meta http-equiv="refresh" content=(seconds); }
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn phase(status: &Status, zh: bool) -> Markup {
    let (class, chinese, english) = match (status.health.phase, status.is_ready()) {
        (Phase::Starting, _) => ("tag warn", "正在启动", "starting"),
        (Phase::Stopping, _) => ("tag warn", "正在停机", "shutting down"),
        (Phase::Serving, true) => ("tag good", "运行正常", "serving"),
        (Phase::Serving, false) => ("tag bad", "无法接收", "cannot take work"),
    };
    html! { span class=(class) { (if zh { chinese } else { english }) } }
}

/// What someone must look at, worst first; or that there is nothing.
fn notes(status: &Status, zh: bool) -> Markup {
    let say = |chinese: &'static str, english: &'static str| if zh { chinese } else { english };
    let sums = status.journal.as_ref().map(JournalStatus::sums).unwrap_or_default();
    let open = status.journal.iter().flat_map(|journal| &journal.destinations).filter(|d| d.circuit_open);
    let open: Vec<String> = open.map(|d| d.to.to_string()).collect();
    let ended = status.endings.iter().filter(|ending| ending.days_left < 0).count();
    html! {
        ul.notes {
            @if let Err(reason) = &status.journal {
                li.bad { (say("交换台账没有应答，网关无法接收报文。", "The journal does not answer; the gateway cannot take anything in.")) p { (reason) } }
            }
            @if ended > 0 {
                li.bad { (say("有证书或吊销列表已到期：", "Certificates or revocation lists that have ended: ")) (ended) (say("，见「即将到期」。", "; see “Expiring”.")) }
            }
            @if let Some(refused) = &status.health.refused_reload { (refused_reload(refused, zh)) }
            @if sums.dead > 0 {
                li.bad { (say("投递失败待处理的记录：", "Records in dead letters: ")) (thousands(sums.dead)) (say("，见「投递」。", "; see “Deliveries”.")) }
            }
            @for paused in status.journal.iter().flat_map(|journal| &journal.paused) { (paused_note(paused, zh)) }
            @if !open.is_empty() {
                li.warn { (say("接收方持续失败，已暂停投递：", "Not called for now, as they keep failing: ")) (open.join(say("、", ", "))) }
            }
            @if let Ok(journal) = &status.journal && journal.rows_left_out > 0 {
                li.warn { (say("表格过长，未列出的行数：", "Rows that the tables leave out: ")) (journal.rows_left_out) }
            }
        }
    }
}

/// What operators have paused, by whom and why.
fn paused_note(paused: &Paused, zh: bool) -> Markup {
    let entry = &paused.act.entry;
    let operator = entry.operator.as_ref().map_or("—", |operator| operator.name.as_str());
    html! {
        li.warn {
            (if zh { "已由运维暂停：" } else { "Paused by an operator: " }) code { (paused.what) }
            p { (operator) (if zh { "，" } else { ", " }) time datetime=(entry.at) { (entry.at) } (if zh { "：" } else { ": " }) (entry.reason) }
        }
    }
}

fn refused_reload(refused: &RefusedReload, zh: bool) -> Markup {
    let left_out = refused.problems.len().saturating_sub(PROBLEMS_MAX);
    html! {
        li.bad {
            @if zh { "新配置于 " (time(refused.at)) " 被拒绝，原配置继续生效。" }
            @else { "A new configuration was refused at " (time(refused.at)) "; the one before it stays in force." }
            ul {
                @for problem in refused.problems.iter().take(PROBLEMS_MAX) { li { code { (problem) } } }
                @if left_out > 0 { li { @if zh { "另有 " (left_out) " 个问题" } @else { (left_out) " more" } } }
            }
        }
    }
}

fn sums(journal: &JournalStatus, zh: bool) -> Markup {
    let sums = journal.sums();
    let cells = [
        ("交换单", "Exchanges", sums.exchanges, ""),
        ("已接收记录", "Records accepted", sums.accepted, ""),
        ("退回记录", "Records refused", sums.refused, ""),
        ("待投递", "Queued", sums.queued, ""),
        ("已送达", "Acknowledged", sums.acknowledged, ""),
        ("投递失败待处理", "Dead letters", sums.dead, if sums.dead > 0 { "bad" } else { "" }),
    ];
    html! {
        dl.sums.sheet {
            @for (chinese, english, number, class) in cells {
                div { dt { (if zh { chinese } else { english }) } dd class=(class) { (thousands(number)) } }
            }
        }
    }
}

fn flows(journal: &JournalStatus, now: Timestamp, zh: bool) -> Markup {
    let heads: [&str; 10] = if zh {
        ["接入单位", "交换业务", "交换单", "整体退回", "已接收记录", "退回记录", "重复记录", "p50", "p99", "最近接收"]
    } else {
        ["Partner", "Flow", "Exchanges", "Refused whole", "Accepted", "Refused", "Repeated", "p50", "p99", "Last received"]
    };
    let row = |flow: &FlowStatus| {
        html! {
            tr {
                th scope="row" { (titled(flow.partner_title.as_ref(), flow.partner.as_str(), zh)) }
                td { (titled(flow.flow_title.as_ref(), flow.flow.as_str(), zh)) }
                td.number data-label=(heads[2]) { (count(flow.exchanges)) }
                td.number data-label=(heads[3]) { (marked(flow.refused_whole, "tag warn")) }
                td.number data-label=(heads[4]) { (count(flow.counts.accepted)) }
                td.number data-label=(heads[5]) { (marked(flow.counts.refused, "tag warn")) }
                td.number data-label=(heads[6]) { (count(flow.counts.repeated)) }
                td.number data-label=(heads[7]) { (taken(flow.percentiles.map(|p| p.p50))) }
                td.number data-label=(heads[8]) { (taken(flow.percentiles.map(|p| p.p99))) }
                td.number.moment data-label=(heads[9]) { (moment(flow.last_received_at, now, zh)) }
            }
        }
    };
    table(&heads, 2, journal.flows.iter().map(row), if zh { "没有配置交换业务。" } else { "No flow is configured." })
}

fn destinations(journal: &JournalStatus, now: Timestamp, zh: bool) -> Markup {
    let heads: [&str; 6] = if zh {
        ["接收方", "待投递", "已送达", "投递失败待处理", "最早待投递", "线路"]
    } else {
        ["Destination", "Queued", "Acknowledged", "Dead letters", "Oldest waiting", "Circuit"]
    };
    let row = |destination: &DestinationStatus| {
        html! {
            tr {
                th scope="row" { (titled(destination.title.as_ref(), &destination.to.to_string(), zh)) }
                td.number data-label=(heads[1]) { (count(destination.queued)) }
                td.number data-label=(heads[2]) { (count(destination.acknowledged)) }
                td.number data-label=(heads[3]) { (marked(destination.dead, "tag bad")) }
                td.number.moment data-label=(heads[4]) { (moment(destination.oldest_waiting, now, zh)) }
                td.number data-label=(heads[5]) {
                    @if destination.circuit_open { span.tag.warn { (if zh { "断开，暂停投递" } else { "open, paused" }) } }
                    @else { span.tag.good { (if zh { "正常" } else { "closed, normal" }) } }
                }
            }
        }
    };
    table(&heads, 1, journal.destinations.iter().map(row), if zh { "没有配置接收方。" } else { "No destination is configured." })
}

fn endings(endings: &[Ending], zh: bool) -> Markup {
    let heads: [&str; 3] =
        if zh { ["证书或列表", "到期时间", "剩余天数"] } else { ["Certificate or list", "Ends", "Days left"] };
    let row = |ending: &Ending| {
        let class = if ending.days_left < 7 { "tag bad" } else { "tag warn" };
        html! {
            tr {
                th scope="row" { (in_language(&ending.what, zh)) }
                td.number.moment data-label=(heads[1]) { (time(ending.not_after)) }
                td.number data-label=(heads[2]) {
                    span class=(class) { @if ending.days_left < 0 { (if zh { "已到期" } else { "ended" }) } @else { (ending.days_left) } }
                }
            }
        }
    };
    table(
        &heads,
        1,
        endings.iter().map(row),
        if zh { "近期没有证书或吊销列表到期。" } else { "No certificate or revocation list ends soon." },
    )
}

fn facts(status: &Status, zh: bool) -> Markup {
    let say = |chinese: &'static str, english: &'static str| if zh { chinese } else { english };
    let chain = status.journal.as_ref().ok().and_then(|journal| journal.chain);
    html! {
        dl.facts.sheet {
            dt { (say("存证链位置", "Chain position")) }
            dd {
                @if let Some(at) = chain { (say("第 ", "epoch ")) (at.epoch) (say(" 纪元，第 ", ", index ")) (thousands(at.index)) (say(" 号", "")) }
                @else { span.none { @if status.journal.is_ok() { (say("尚无存证", "empty")) } @else { (say("未知", "not known")) } } }
            }
            dt { (say("生效配置", "Configuration in force")) }
            dd { (say("自 ", "since ")) (time(status.health.in_force_since)) (say(" 起生效", "")) }
            dt { (say("最近一次重新加载", "Last reload")) }
            dd {
                @if status.health.refused_reload.is_some() { span.tag.bad { (say("被拒绝", "refused")) } }
                @else { (say("未被拒绝", "not refused")) }
            }
            dt { (say("版本", "Version")) }
            dd { (env!("CARGO_PKG_VERSION")) }
            dt { (say("页面生成于", "Page made at")) }
            dd { (time(status.at)) }
        }
    }
}

/// A table, its first `texts` columns aligned as text and the others as numbers.
fn table(heads: &[&str], texts: usize, rows: impl ExactSizeIterator<Item = Markup>, empty: &str) -> Markup {
    html! {
        div.sheet.wide {
            @if rows.len() == 0 { p.empty { (empty) } }
            @else {
                table {
                    thead { tr { @for (n, head) in heads.iter().enumerate() { th scope="col" class=[(n >= texts).then_some("number")] { (head) } } } }
                    tbody { @for row in rows { (row) } }
                }
            }
        }
    }
}

/// A title with the name below it; the name alone where the configuration does not know it any more.
fn titled(title: Option<&Words>, name: &str, zh: bool) -> Markup {
    html! {
        @if let Some(title) = title { span { (in_language(title, zh)) small { (name) } } }
        @else { span { (name) small { (if zh { "已不在配置中" } else { "no longer configured" }) } } }
    }
}

fn in_language(words: &Words, zh: bool) -> &str {
    if zh { &words.zh } else { &words.en }
}

fn count(number: u64) -> Markup {
    html! { @if number == 0 { span.none { "0" } } @else { (thousands(number)) } }
}

fn marked(number: u64, class: &str) -> Markup {
    html! { @if number == 0 { (count(0)) } @else { span class=(class) { (thousands(number)) } } }
}

/// How long ago, and the moment itself below it.
fn moment(at: Option<Timestamp>, now: Timestamp, zh: bool) -> Markup {
    html! {
        @if let Some(at) = at { span { (ago(now.duration_since(at).as_secs().max(0), zh)) small { (time(at)) } } }
        @else { span.none { "—" } }
    }
}

fn time(at: Timestamp) -> Markup {
    static SHOWN: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get(ZONE).unwrap_or(TimeZone::UTC));
    let shown = SHOWN.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string();
    html! { time datetime=(at) { (shown) } }
}

fn ago(seconds: i64, zh: bool) -> String {
    let (number, chinese, english) = match seconds {
        0..60 => (seconds, "秒前", "s ago"),
        60..3_600 => (seconds / 60, "分钟前", "min ago"),
        3_600..86_400 => (seconds / 3_600, "小时前", "h ago"),
        _ => (seconds / 86_400, "天前", "d ago"),
    };
    format!("{number} {}", if zh { chinese } else { english })
}

fn taken(time: Option<Duration>) -> Markup {
    html! { @if let Some(time) = time { (duration(time)) } @else { span.none { "—" } } }
}

fn duration(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    match milliseconds {
        ..10.0 => format!("{milliseconds:.1} ms"),
        10.0..1000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.2} s", milliseconds / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_that_fits() {
        for (microseconds, expected) in
            [(0, "0.0 ms"), (1_250, "1.2 ms"), (42_400, "42 ms"), (1_000_000, "1.00 s"), (75_500_000, "75.50 s")]
        {
            assert_eq!(duration(Duration::from_micros(microseconds)), expected);
        }
    }

    #[test]
    fn ages_have_a_unit_that_fits() {
        for (seconds, chinese, english) in
            [(0, "0 秒前", "0 s ago"), (60, "1 分钟前", "1 min ago"), (7_300, "2 小时前", "2 h ago"), (200_000, "2 天前", "2 d ago")]
        {
            assert_eq!((ago(seconds, true).as_str(), ago(seconds, false).as_str()), (chinese, english));
        }
    }
}

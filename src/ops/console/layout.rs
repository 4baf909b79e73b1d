//! The frame of every page: head, menu, who is looking, language, and the header fields that a browser must see.
//!
//! The content security policy lets in scripts, styles and images of this address alone, and none that stand
//! in the page. The language is what the address says (`lang=zh`, `lang=en`), which a cookie then keeps; else the
//! browser's. The referrer policy is `same-origin`: with less, browsers would send changes with `Origin: null`.

use super::words::{Lang, TITLE};
use super::{assets, figures};
use crate::config::Config;
use crate::domain::Operator;
use crate::fault::Fault;
use crate::http::query::percent_encoded;
use crate::http::{self, Response};
use crate::ops::access::Ask;
use crate::ops::health::Phase;
use crate::ops::routes::{Kind, ROUTES};
use crate::ops::view::OpsView;
use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The cookie that keeps the language.
pub const LANGUAGE_COOKIE: &str = "portolan-lang";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// No style of htmx's own, nothing evaluated, nothing asked of others, no page kept in the browser's storage.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyCacheSize":0,"historyEnabled":false,"timeout":15000}"#;

/// A compass rose in the style of a portolan chart.
const MARK: &str = r#"<svg class="mark" viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="1.6" aria-hidden="true"><circle cx="20" cy="20" r="18"/><path d="M20 3v34M3 20h34M8 8l24 24M32 8L8 32" stroke-width=".8"/><path d="M20 5l4 11 11 4-11 4-4 11-4-11-11-4 11-4z" fill="currentColor" stroke="none"/></svg>"#;

/// A page with a heading.
pub fn page(view: &OpsView, ask: &Ask<'_>, heading: &str, body: &Markup) -> Response {
    answer(view, ask, StatusCode::OK, heading, body)
}

/// A live part of a page alone, as [`super::parts::live`] asks for it again.
pub fn part(part: Markup) -> Response {
    with_fields(http::answer(StatusCode::OK, "text/html; charset=utf-8", part.into_string()))
}

/// A refusal, for whoever reads pages.
pub fn refusal(view: &OpsView, ask: &Ask<'_>, fault: &Fault) -> Response {
    let lang = Lang::of_ask(ask);
    let (zh, en) = fault.code.title();
    let status = StatusCode::from_u16(fault.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = html! {
        div.sheet.plain {
            @if !fault.detail.zh.is_empty() { p { (lang.words(&fault.detail)) } }
            p.soft { (lang.say("错误代码：", "Code: ")) code { (fault.code.as_str()) } " · HTTP " (status.as_u16()) }
            p { a href="/" { (lang.say("回到实时页", "Back to the first page")) } }
        }
    };
    answer(view, ask, status, lang.say(zh, en), &body)
}

/// A page of a few sentences for someone whom the gateway does not know.
pub fn notice(status: StatusCode, title: &str, sentences: &[&str], lang: Lang) -> Response {
    let body = html! {
        header.top { div.brand { (PreEscaped(MARK)) span { (TITLE) } } }
        main #main tabindex="-1" {
            h1 { (title) }
            div.sheet.plain { @for sentence in sentences { p { (sentence) } } }
        }
    };
    with_fields(http::answer(status, "text/html; charset=utf-8", document(title, None, &body, lang)))
}

/// The address of this page, saying its language: what is live in it is asked for there.
pub fn address(ask: &Ask<'_>, lang: Lang) -> String {
    let pairs = ask.form().into_iter().chain([("lang".to_owned(), lang.say("zh", "en").to_owned())]);
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{}={}", percent_encoded(&name), percent_encoded(&value))).collect();
    format!("{}?{}", ask.request.uri.path(), pairs.join("&"))
}

fn answer(view: &OpsView, ask: &Ask<'_>, status: StatusCode, heading: &str, body: &Markup) -> Response {
    let lang = Lang::of_ask(ask);
    let config = &view.live.load().config;
    let whole = html! {
        a.skip href="#main" { (lang.say("跳到正文", "Skip to content")) }
        (top(view, ask, config, lang))
        (lost(lang))
        main #main tabindex="-1" {
            h1 { (heading) }
            (super::parts::said(ask, lang))
            (body)
        }
        footer {
            p {
                (lang.say("时间均为北京时间（", "Times are of ")) (figures::ZONE) (lang.say("，UTC+08:00）。", " (UTC+08:00)."))
                " " (lang.say("版本 ", "Version ")) (env!("CARGO_PKG_VERSION"))
            }
        }
    };
    let token = view.guard.token(ask.operator, view.clock.now());
    let page = document(&format!("{heading} · {TITLE}"), Some(&token), &whole, lang);
    let mut response = with_fields(http::answer(status, "text/html; charset=utf-8", page));
    if ask.names_language() {
        let cookie = format!("{LANGUAGE_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000", lang.say("zh", "en"));
        // Digits and letters: there is nothing that a header forbids.
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
    }
    response
}

fn with_fields(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn document(title: &str, token: Option<&str>, body: &Markup, lang: Lang) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                @if let Some(token) = token { meta name="csrf" content=(token); }
                title { (title) }
                link rel="icon" type="image/svg+xml" href=(assets::address("icon.svg"));
                link rel="stylesheet" href=(assets::address("uPlot.min.css"));
                link rel="stylesheet" href=(assets::address("console.css"));
                script defer src=(assets::address("htmx.min.js")) {}
                script defer src=(assets::address("uPlot.iife.min.js")) {}
                script defer src=(assets::address("console.js")) {}
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// Product, menu, who is looking, language.
fn top(view: &OpsView, ask: &Ask<'_>, config: &Config, lang: Lang) -> Markup {
    let path = ask.request.uri.path();
    let entries = ROUTES.iter().filter_map(|route| match route.kind {
        Kind::Page { menu: Some(word) } if ask.operator.role >= route.role => Some((route.path, word)),
        _ => None,
    });
    let other = lang.say(Lang::En, Lang::Zh);
    html! {
        header.top {
            a.brand href="/" { (PreEscaped(MARK)) span { (TITLE) } }
            nav aria-label=(lang.say("主菜单", "Main menu")) {
                @for (address, word) in entries {
                    a href=(address) aria-current=[is_within(path, address).then_some("page")] { (lang.of(word)) }
                }
            }
            div.who {
                (phase(view, lang))
                span.operator { (operator_title(ask.operator, config, lang)) small { (lang.role(ask.operator.role)) } }
                a.language href=(address(ask, other)) lang=(other.tag()) hreflang=(other.tag()) { (other.say("中文", "English")) }
            }
        }
    }
}

/// Whether a page is the menu's, or one below it.
fn is_within(path: &str, address: &str) -> bool {
    path.strip_prefix(address).is_some_and(|rest| rest.is_empty() || (address != "/" && rest.starts_with('/')))
}

fn phase(view: &OpsView, lang: Lang) -> Markup {
    use super::parts::{Tone, badge};
    match view.health.state().phase {
        Phase::Starting => badge(Tone::Warn, lang.say("正在启动", "starting")),
        Phase::Stopping => badge(Tone::Warn, lang.say("正在停机", "shutting down")),
        Phase::Serving => badge(Tone::Good, lang.say("运行中", "serving")),
    }
}

fn operator_title(operator: &Operator, config: &Config, lang: Lang) -> String {
    let known = operator.name.as_ref().and_then(|name| config.operators.get(name));
    known.map_or_else(|| operator.to_string(), |known| lang.words(&known.title).to_owned())
}

/// What `console.js` shows while the page hears nothing of the gateway.
fn lost(lang: Lang) -> Markup {
    html! {
        div #lost role="status" aria-live="polite" {
            p hidden {
                strong { (lang.say("连接已中断", "Connection lost")) }
                " " (lang.say("自", "since")) " " time {} (lang.say(" 起没有收到网关的消息，正在重试；页面上的数字停在那时。", ", trying again; the figures on this page are of then."))
            }
        }
    }
}

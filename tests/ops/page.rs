//! The page itself: nothing that it shows can become markup, and its policy lets in its own style alone.

use crate::world::{World, ending};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use portolan::config::Problem;
use portolan::domain::Digest;
use portolan::ops::page::page;
use portolan::ops::status::{PROBLEMS_MAX, Status};
use portolan::ops::{Via, render_html};
use portolan_contract::Words;

const HOSTILE: &str = "\"><script>alert('1')</script>&amp;";

#[tokio::test]
async fn no_text_becomes_markup() {
    let status = hostile().await;
    for zh in [true, false] {
        let page = render_html(&status, Via::Loopback, zh);
        // Four texts: a partner's title, a flow's title, a problem of a reload, the name of a certificate.
        assert_eq!(page.matches("&quot;&gt;&lt;script&gt;alert('1')&lt;/script&gt;&amp;amp;").count(), 4, "{page}");
        assert!(!page.contains("<script"), "{page}");
    }
}

#[tokio::test]
async fn the_journal_may_be_silent() {
    let mut status = hostile().await;
    status.journal = Err(HOSTILE.to_owned());
    for (zh, expected) in [(true, "交换台账没有应答"), (false, "The journal does not answer")] {
        let page = render_html(&status, Via::OperatorListener, zh);
        assert!(page.contains(expected) && !page.contains("<script"), "{page}");
    }
    assert!(!status.is_ready());
    assert_eq!(status.to_json()["journal"]["available"], false);
}

#[tokio::test]
async fn the_policy_names_the_style_sheet_that_stands_in_the_page() {
    let answer = page(&hostile().await, Via::Loopback, true);
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    let (_, rest) = text.split_once("<style>").unwrap();
    let (style, rest) = rest.split_once("</style>").unwrap();
    assert!(!rest.contains("<style") && !text.contains("style="));
    let digest = STANDARD.encode(Digest::of(style.as_bytes()).0);
    assert!(policy.contains(&format!("style-src 'sha256-{digest}';")) && policy.starts_with("default-src 'none';"), "{policy}");
}

/// A status with hostile text wherever text comes from elsewhere.
async fn hostile() -> Status {
    let world = World::new().await;
    let problem = Problem { file: "flows/x.toml".into(), line: 3, message: HOSTILE.to_owned() };
    let mut problems = vec![problem];
    problems.resize_with(PROBLEMS_MAX + 3, || Problem { file: "flows/y.toml".into(), line: 1, message: "no".to_owned() });
    world.view.health.reload_refused(world.view.clock.now(), problems);
    let mut status = world.view.status().await;
    let words = || Words::new(HOSTILE, HOSTILE);
    status.endings = vec![ending("2026-06-30T00:00:00Z", -1)];
    status.endings[0].what = words();
    let flow = &mut status.journal.as_mut().unwrap().flows[0];
    (flow.partner_title, flow.flow_title) = (Some(words()), Some(words()));
    status
}

#[tokio::test]
async fn problems_beyond_the_limit_are_counted() {
    let status = hostile().await;
    assert!(render_html(&status, Via::Loopback, false).contains("<li>3 more</li>"));
    let json = status.to_json();
    let refused = &json["configuration"]["refused_reload"];
    assert_eq!((refused["problems"].as_array().unwrap().len(), &refused["problems_left_out"]), (PROBLEMS_MAX, &3.into()));
}

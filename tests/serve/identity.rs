//! Revocation and rotation reach lines that are open, and work that is under way.

use crate::line::{get, head, payments, post};
use crate::world::{Gateway, World, eventually, gateway_file};
use jiff::{SignedDuration, Timestamp};
use portolan::seams::{Clock, SystemClock};

/// The machine's clock, so many days ago.
pub struct DaysAgo(pub i64);

impl Clock for DaysAgo {
    fn now(&self) -> Timestamp {
        SystemClock.now() - SignedDuration::from_hours(24 * self.0)
    }

    fn random(&self, into: &mut [u8]) {
        SystemClock.random(into);
    }
}

#[tokio::test]
async fn a_revocation_reaches_an_open_line() {
    let mut world = World::new();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &payments("BEFORE", 1), "")).await.unwrap().exchange();
    world.authority.revoke("bank", &SystemClock).unwrap();
    let refused = eventually("the revocation holds", async || {
        let answer = bank.ask(&get("/v1/me")).await.unwrap();
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "identity.certificate-revoked"));
    assert_eq!(bank.ask(&post("payments", &payments("AFTER", 1), "")).await.unwrap().code(), "identity.certificate-revoked");
    assert!(!world.is_let_in(&gateway, "bank").await);
    assert!(world.is_let_in(&gateway, "platform").await);
}

#[tokio::test]
async fn a_revocation_list_out_of_date_refuses_unless_configured() {
    let mut world = World::new();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    assert_eq!(bank.ask(&get("/v1/me")).await.unwrap().status, 200);
    world.authority.renew_list(&DaysAgo(400)).unwrap();
    let refused = eventually("the list holds", async || {
        let answer = bank.ask(&get("/v1/me")).await.unwrap();
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "identity.revocation-unknown"));
    assert!(!world.is_let_in(&gateway, "bank").await);

    world.write("conf/portolan.toml", &gateway_file("127.0.0.1:0", "accept_expired_lists = true\n"));
    eventually("lists out of date are accepted", async || (bank.ask(&get("/v1/me")).await.unwrap().status == 200).then_some(())).await;
    assert!(world.is_let_in(&gateway, "bank").await);
}

#[tokio::test]
async fn a_second_certificate_lets_a_partner_rotate_without_a_failed_request() {
    let mut world = World::new();
    let gateway = world.serve().await;
    let mut old = world.line(&gateway, "bank").await.unwrap();
    let mut sent = 0;
    let mut send = async |line: &mut crate::line::Line| {
        sent += 1;
        line.ask(&post("payments", &payments(&format!("MESSAGE-{sent}"), 1), "")).await.unwrap().exchange()
    };
    send(&mut old).await;
    world.issue("bank-next");
    world.partner("bank", &["bank", "bank-next"], "");
    let mut new = eventually("the second certificate is known", async || {
        send(&mut old).await;
        let mut line = world.line(&gateway, "bank-next").await.ok()?;
        line.ask(&get("/v1/me")).await.ok()?;
        Some(line)
    })
    .await;
    send(&mut old).await;
    send(&mut new).await;
    world.partner("bank", &["bank-next"], "");
    let refused = eventually("the first certificate is retired", async || {
        send(&mut new).await;
        let answer = old.ask(&get("/v1/me")).await.unwrap();
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "identity.unlisted"));
    send(&mut new).await;
}

#[tokio::test]
async fn a_certificate_file_that_a_partner_names_is_followed() {
    let mut world = World::new();
    let gateway = world.serve().await;
    assert!(world.is_let_in(&gateway, "bank").await);
    world.renew("bank", true, 30);
    eventually("the new certificate is known", async || world.is_let_in(&gateway, "bank").await.then_some(())).await;
}

#[tokio::test]
async fn what_ends_soon_is_told_of_once_and_shown_among_the_metrics() {
    let mut world = World::new();
    world.renew("gateway", false, 5);
    let bank = world.renew("bank", false, 20);
    let gateway = world.serve().await;
    let urgent = gateway.logs("the gateway's server certificate", 1).await;
    assert_eq!((&urgent["level"], &urgent["days_left"]), (&"ERROR".into(), &4.into()));
    gateway.logs("the gateway's outbound certificate", 1).await;
    // A partner's certificate that its file lists is known before it has called, and is the same once it has.
    let warned = gateway.logs("the certificate CN=bank of bank", 1).await;
    assert_eq!((&warned["level"], &warned["days_left"]), (&"WARN".into(), &19.into()));
    assert!(world.is_let_in(&gateway, "bank").await);
    gateway.signal("HUP");
    gateway.logs("the new configuration is in force", 1).await;
    assert_eq!(gateway.logged("certificate CN=bank").len(), 1, "told once");
    assert_eq!(gateway.logged("the gateway's server certificate").len(), 1, "told once");

    let renewed = world.renew("gateway", false, 200);
    let ends = [("server-certificate", renewed.not_after), ("partner-certificate", bank.not_after)];
    let mut operator = world.line_to(gateway.operators, "platform").await.unwrap();
    eventually("the metrics show the new ends", async || {
        let metrics = String::from_utf8(operator.ask(&get("/metrics")).await.unwrap().body).unwrap();
        let shows = |(what, end): &(&str, Timestamp)| {
            metrics.contains(&format!("portolan_certificate_expiry_seconds{{what=\"{what}\"}} {}\n", end.as_second()))
        };
        ends.iter().all(shows).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_revocation_while_a_body_comes_in_keeps_it_from_being_committed() {
    let mut world = World::new();
    world.issue("bank-next");
    world.partner("bank", &["bank", "bank-next"], "");
    let gateway = world.serve().await;
    let mut slow = world.line(&gateway, "bank").await.unwrap();
    let body = payments("SLOW", 3);
    let (first, second) = body.split_at(body.len() / 2);
    let go_on = slow.ask(&head("payments", body.len(), "expect: 100-continue\r\n")).await.unwrap();
    assert_eq!(go_on.status, 100, "it was admitted while its certificate was good");
    slow.send(first.as_bytes()).await.unwrap();

    world.authority.revoke("bank", &SystemClock).unwrap();
    eventually("the revocation holds", async || (!world.is_let_in(&gateway, "bank").await).then_some(())).await;
    let answer = slow.ask(second.as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (401, "identity.certificate-revoked"));
    assert_eq!(exchanges(&world, &gateway, "bank-next").await, 0);
}

async fn exchanges(world: &World, gateway: &Gateway, party: &str) -> usize {
    let mut line = world.line(gateway, party).await.unwrap();
    line.ask(&get("/v1/exchanges")).await.unwrap().json()["exchanges"].as_array().unwrap().len()
}

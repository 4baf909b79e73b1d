//! Start, end, and lines that break in between.

use crate::line::{get, head, payments, post};
use crate::world::{PATIENCE, World, eventually, gateway_file};
use std::net::TcpListener;
use std::time::Duration;
use tokio::net::TcpStream;

/// Submissions whose line breaks right behind the last byte.
const BROKEN_LINES: usize = 60;
/// Senders that dribble.
const SLOW_SENDERS: usize = 200;
/// What a slow sender waits between two bytes.
const DRIBBLE_INTERVAL: Duration = Duration::from_millis(300);
/// Submissions of a healthy partner meanwhile.
const HEALTHY: usize = 40;

#[tokio::test]
async fn a_graceful_end_finishes_what_is_under_way_and_loses_nothing() {
    let world = World::new();
    let mut receiver = world.receiver().await;
    receiver.down().await;
    let mut gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &payments("ACCEPTED", 4), "")).await.unwrap().exchange();
    let body = payments("UNDER-WAY", 3);
    let (first, second) = body.split_at(body.len() / 2);
    let mut slow = world.line(&gateway, "platform").await.unwrap();
    assert_eq!(slow.ask(&head("payments", body.len(), "expect: 100-continue\r\n")).await.unwrap().status, 100);
    slow.send(first.as_bytes()).await.unwrap();

    gateway.signal("TERM");
    eventually("nobody new is let in", async || TcpStream::connect(gateway.address).await.is_err().then_some(())).await;
    assert!(bank.ask(&get("/v1/me")).await.is_err(), "a line that was idle is closed");
    slow.ask(second.as_bytes()).await.unwrap().exchange();
    assert!(gateway.ended().await.success());
    assert!(receiver.held().is_empty());

    let _gateway = world.serve().await;
    receiver.up().await.unwrap();
    eventually("everything accepted is delivered", async || {
        (receiver.totals().get("payments").is_some_and(|totals| totals.records == 7)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_line_that_breaks_behind_the_last_byte_does_not_undo_the_commit() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut broken = Vec::new();
    for number in 0..BROKEN_LINES {
        let mut line = world.line(&gateway, "bank").await.unwrap();
        let (body, at) = (payments(&format!("BROKEN-{number}"), 2), 300);
        // The last bytes and the end of the line arrive together.
        line.send(&head("payments", body.len(), "")).await.unwrap();
        line.send(&body.as_bytes()[..at]).await.unwrap();
        line.send(&body.as_bytes()[at..]).await.unwrap();
        line.hang_up().await.unwrap();
        broken.push(line);
    }
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    for number in 0..BROKEN_LINES {
        let path = format!("/v1/exchanges?flow=payments&message_id=BROKEN-{number}");
        let found = eventually(&path, async || {
            let found = bank.ask(&get(&path)).await.unwrap().json()["exchanges"].as_array().unwrap().clone();
            (!found.is_empty()).then_some(found)
        })
        .await;
        assert_eq!((found.len(), &found[0]["counts"]["accepted"]), (1, &2.into()));
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_what_to_do() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    world.write("conf/portolan.toml", &gateway_file(&address.to_string(), ""));
    let mut running = world.start();
    let ended = running.wait(PATIENCE).expect("it ends");
    assert_eq!(ended.code(), Some(1));
    let printed = running.printed();
    for part in [format!("cannot listen on {address}"), format!("ss -ltnp 'sport = :{}'", address.port()), "another port".to_owned()] {
        assert!(printed.contains(&part), "{printed}");
    }
}

#[tokio::test]
async fn slow_senders_hold_no_thread() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut healthy = world.line(&gateway, "bank").await.unwrap();
    healthy.ask(&post("payments", &payments("FIRST", 1), "")).await.unwrap().exchange();
    let threads = gateway.threads();

    let mut slow = tokio::task::JoinSet::new();
    for number in 0..SLOW_SENDERS {
        let mut line = world.line(&gateway, "platform").await.unwrap();
        let body = payments(&format!("SLOW-{number}"), 20);
        assert_eq!(line.ask(&head("payments", body.len(), "expect: 100-continue\r\n")).await.unwrap().status, 100);
        slow.spawn(async move {
            for byte in body.as_bytes() {
                line.send(&[*byte]).await.unwrap();
                tokio::time::sleep(DRIBBLE_INTERVAL).await;
            }
        });
    }
    for number in 0..HEALTHY {
        healthy.ask(&post("payments", &payments(&format!("HEALTHY-{number}"), 1), "")).await.unwrap().exchange();
        tokio::time::sleep(DRIBBLE_INTERVAL / 10).await;
    }
    assert!(slow.try_join_next().is_none(), "all of them are still at it");
    let more = gateway.threads().saturating_sub(threads);
    assert!(more < SLOW_SENDERS / 10, "{more} more threads for {SLOW_SENDERS} slow senders");
}

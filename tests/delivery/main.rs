//! Deliveries through the real journal to real receivers behind mutual TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

mod bench;
mod receiver;

use base64::Engine;
use bench::{Bench, within};
use portolan::delivery::Ended;
use portolan::domain::Digest;
use portolan::fault::FaultCode;
use portolan::journal::DeliveryState;
use portolan::journal::acts::{Deed, Pick};
use receiver::Reply;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

const RECORDS: [&str; 2] = [r#"{"amount":"1.00"}"#, r#"{"amount":"2.50"}"#];

/// Plays one row of `attempts.txt` over one protocol.
async fn check(row: &str, protocol: &'static str) {
    let fields = row.split('|').map(str::trim).collect::<Vec<_>>();
    let [replies, attempts, state, fault, answer] = fields[..] else { panic!("{row} has not 5 fields") };
    let bench = Bench::new();
    let receiver = bench.receiver(protocol).await;
    receiver.script(replies.split(", ").map(reply));
    let mut destination = bench.destination("tax/push", receiver.address.port());
    if replies.contains("silence") {
        // Long enough for the answers beside it on a busy machine.
        destination.timeout = Duration::from_secs(4);
    }
    bench.configure([destination]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    let delivery = bench.start();
    within(async || bench.delivery(exchange).await.state.as_str() == state).await;
    assert!(delivery.shutdown(Duration::from_secs(20)).await, "{row}");

    let (seen, found) = (receiver.seen(), bench.delivery(exchange).await);
    assert_eq!((seen.len().to_string().as_str(), found.attempts.to_string().as_str()), (attempts, attempts), "{row}");
    for attempt in &seen {
        assert_eq!(attempt.body, seen[0].body, "{row}: every attempt has the same bytes");
        assert_eq!(attempt.field("portolan-delivery"), found.id.to_string(), "{row}: and the same id");
        assert_eq!(attempt.field("idempotency-key"), found.id.to_string(), "{row}: which is the idempotency key");
        assert_eq!(attempt.path, "/in", "{row}: only the configured address is called");
    }
    if state == "dead-letter" {
        assert_eq!(found.last_fault.map(|(code, _)| code).as_deref(), Some(fault), "{row}");
        assert_eq!(found.last_answer.unwrap_or_default(), answer, "{row}");
    }
}

fn reply(text: &str) -> Reply {
    match text {
        "silence" => return Reply::Silence,
        "cut" => return Reply::Cut,
        _ => {}
    }
    if let Some((status, location)) = text.split_once('>') {
        return Reply::Answer(status.parse().unwrap(), vec![("location", location.to_owned())], String::new());
    }
    let (status, body) = text.split_once('=').unwrap_or((text, ""));
    Reply::Answer(status.parse().unwrap(), Vec::new(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts() {
    for row in include_str!("attempts.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        check(row, "http/1.1").await;
        check(row, "h2").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_says_what_it_is() {
    let bench = Bench::new();
    let receiver = bench.receiver("h2").await;
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    let _delivery = bench.start();
    bench.reaches(exchange, DeliveryState::Acknowledged).await;

    let seen = receiver.seen().remove(0);
    let body = format!("{}\n{}\n", RECORDS[0], RECORDS[1]);
    assert_eq!(seen.body, body);
    assert_eq!(seen.field("portolan-exchange"), exchange.to_string());
    assert_eq!(seen.field("portolan-flow"), "payments");
    assert_eq!(seen.field("portolan-sender"), "bank");
    assert_eq!(seen.field("portolan-attempt"), "1");
    assert_eq!(seen.field("portolan-records"), "2");
    assert_eq!(seen.field("content-type"), "application/x-ndjson");
    let digest = base64::engine::general_purpose::STANDARD.encode(Digest::of(body.as_bytes()).0);
    assert_eq!(seen.field("content-digest"), format!("sha-256=:{digest}:"));
    let traceparent = seen.field("traceparent").split('-').collect::<Vec<_>>();
    let [version, trace, span, flags] = traceparent[..] else { panic!("{traceparent:?}") };
    assert_eq!((version, trace, span.len(), flags), ("00", "4bf92f3577b34da6a3ce929d0e0e4736", 16, "01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_gets_everything_once() {
    let bench = Bench::new();
    let port = bench.receiver("h2").await.address.port();
    bench.configure([bench.destination("tax/push", port)]);
    let delivery = bench.start();
    let mut exchanges = Vec::new();
    for _ in 0..8 {
        exchanges.push(bench.commit(&RECORDS, &["tax/push"], None, 0).await);
        delivery.wake(&"tax/push".parse().unwrap());
    }
    within(async || bench.delivery(exchanges[0]).await.last_fault.is_some_and(|(code, _)| code == "delivery.unreachable")).await;

    let receiver = bench.receiver_at("h2", port).await;
    for &exchange in &exchanges {
        bench.reaches(exchange, DeliveryState::Acknowledged).await;
    }
    let ids = receiver.seen().iter().map(|seen| seen.field("portolan-exchange").to_owned()).collect::<Vec<_>>();
    assert_eq!(ids.len(), exchanges.len(), "each once");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), exchanges.iter().map(ToString::to_string).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_resent_under_the_same_id() {
    let bench = Bench::new();
    let receiver = bench.receiver("http/1.1").await;
    receiver.script([Reply::status(422)]);
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let delivery = bench.start();
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    delivery.wake(&"tax/push".parse().unwrap());
    let dead = bench.reaches(exchange, DeliveryState::Dead).await;
    assert!(bench.act(Deed::Resend { per_second: 1, pick: Pick::one(dead.id) }).await);
    delivery.wake(&"tax/push".parse().unwrap());
    bench.reaches(exchange, DeliveryState::Acknowledged).await;

    let [first, second] = &receiver.seen()[..] else { panic!("not two attempts") };
    assert_eq!((first.body.clone(), first.field("portolan-delivery")), (second.body.clone(), second.field("portolan-delivery")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_holds_its_key_until_it_is_waived() {
    let bench = Bench::new();
    let receiver = bench.receiver("h2").await;
    receiver.script([Reply::status(422)]);
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let mut ordered = Vec::new();
    for _ in 0..4 {
        ordered.push(bench.commit(&RECORDS, &["tax/push"], Some("account 7"), 0).await);
    }
    let delivery = bench.start();
    let dead = bench.reaches(ordered[0], DeliveryState::Dead).await;
    let other = bench.commit(&RECORDS, &["tax/push"], Some("account 8"), 0).await;
    delivery.wake(&"tax/push".parse().unwrap());
    bench.reaches(other, DeliveryState::Acknowledged).await;
    assert_eq!(bench.delivery(ordered[1]).await.attempts, 0, "what is behind a dead letter waits");

    assert!(bench.act(Deed::Waive { pick: Pick::one(dead.id) }).await);
    delivery.wake(&"tax/push".parse().unwrap());
    bench.reaches(ordered[3], DeliveryState::Acknowledged).await;
    let seen = receiver.seen().iter().map(|seen| seen.field("portolan-exchange").to_owned()).collect::<Vec<_>>();
    let expected = [ordered[0], other, ordered[1], ordered[2], ordered[3]].map(|id| id.to_string());
    assert_eq!(seen, expected, "in order within the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_slows_no_other() {
    let bench = Bench::new();
    let (silent, quick) = (bench.receiver("h2").await, bench.receiver("h2").await);
    silent.script((0..100).map(|_| Reply::Silence));
    bench.configure([bench.destination("tax/silent", silent.address.port()), bench.destination("tax/quick", quick.address.port())]);
    let delivery = bench.start();
    let mut exchanges = Vec::new();
    for _ in 0..20 {
        exchanges.push(bench.commit(&RECORDS, &["tax/silent", "tax/quick"], None, 0).await);
        delivery.wake(&"tax/silent".parse().unwrap());
        delivery.wake(&"tax/quick".parse().unwrap());
    }
    within(async || quick.seen().len() == exchanges.len()).await;
    assert!(silent.seen().len() <= 4, "no more at once than the destination allows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_certificate_gets_nothing() {
    let bench = Bench::new();
    let stranger = bench.stranger();
    let impostor = bench.receiver_as(&stranger, "h2", 0).await;
    bench.configure([bench.destination("tax/push", impostor.address.port())]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    let _delivery = bench.start();
    within(async || bench.delivery(exchange).await.last_fault.is_some()).await;
    let (code, detail) = bench.delivery(exchange).await.last_fault.unwrap();
    assert_eq!(code, "delivery.untrusted");
    // The other authority has the same name.
    assert!(detail.contains("but with another key than that of the authority it must chain to"), "{detail}");
    assert!(impostor.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_does_not_admit_us_is_tried_again() {
    for protocol in ["http/1.1", "h2"] {
        let bench = Bench::new();
        let closed = bench.closed_receiver(protocol).await;
        bench.configure([bench.destination("tax/push", closed.address.port())]);
        let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
        let _delivery = bench.start();
        within(async || bench.delivery(exchange).await.last_fault.is_some()).await;
        let (code, detail) = bench.delivery(exchange).await.last_fault.unwrap();
        assert_eq!(code, "delivery.unreachable", "{protocol}");
        assert!(detail.contains("alert"), "{protocol}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_exchange_is_read_from_its_files() {
    let bench = Bench::new();
    let (even, odd) = (bench.receiver("h2").await, bench.receiver("http/1.1").await);
    bench.configure([bench.destination("tax/even", even.address.port()), bench.destination("tax/odd", odd.address.port())]);
    let records = (0..20_000).map(|number| format!(r#"{{"number":{number},"filler":"{}"}}"#, "x".repeat(number % 50))).collect::<Vec<_>>();
    let lines = records.iter().map(String::as_str).collect::<Vec<_>>();
    bench.commit(&lines, &["tax/even", "tax/odd"], None, 0).await;
    let _delivery = bench.start();
    within(async || !even.seen().is_empty() && !odd.seen().is_empty()).await;
    let expected = |first: usize| lines.iter().skip(first).step_by(2).map(|line| format!("{line}\n")).collect::<String>();
    assert!(even.seen()[0].body == expected(0), "every other record, from the first");
    assert!(odd.seen()[0].body == expected(1), "every other record, from the second");
    assert_eq!(odd.seen()[0].field("portolan-records"), "10000");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_at_a_crash_is_sent_again() {
    let bench = Bench::new();
    let receiver = bench.receiver("http/1.1").await;
    receiver.script([Reply::Silence]);
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    let delivery = bench.start();
    within(async || receiver.seen().len() == 1).await;
    drop(delivery);

    let bench = bench.reopen().await;
    bench.clock.forward(60);
    let _delivery = bench.start();
    bench.reaches(exchange, DeliveryState::Acknowledged).await;
    let [first, second] = &receiver.seen()[..] else { panic!("not two attempts") };
    assert_eq!((first.body.clone(), first.field("portolan-delivery")), (second.body.clone(), second.field("portolan-delivery")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_for_what_is_under_way() {
    let bench = Bench::new();
    let receiver = bench.receiver("h2").await;
    receiver.script([Reply::Held]);
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    let delivery = bench.start();
    within(async || receiver.seen().len() == 1).await;
    let (ended, ()) = tokio::join!(delivery.shutdown(Duration::from_secs(20)), async { receiver.release() });
    assert!(ended);
    assert_eq!(bench.delivery(exchange).await.state, DeliveryState::Acknowledged);

    let late = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    delivery.wake(&"tax/push".parse().unwrap());
    assert_eq!(bench.delivery(late).await.attempts, 0, "nothing is leased after a shutdown");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_those_of_the_first_attempt_are_not_sent() {
    let bench = Bench::new();
    let receiver = bench.receiver("h2").await;
    receiver.script([Reply::Answer(503, vec![("retry-after", "1".into())], String::new())]);
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    let _delivery = bench.start();
    within(async || receiver.seen().len() == 1).await;
    bench.render.drifted.store(true, Ordering::SeqCst);
    let dead = bench.reaches(exchange, DeliveryState::Dead).await;
    assert_eq!(dead.last_fault.map(|(code, _)| code).as_deref(), Some("delivery.render"));
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_found_again_does_not_count_as_delivered() {
    let bench = Bench::new();
    let receiver = bench.receiver("h2").await;
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    bench.damage("UPDATE content SET rows = NULL");
    let _delivery = bench.start();
    let dead = bench.reaches(exchange, DeliveryState::Dead).await;
    assert_eq!(dead.last_fault.map(|(code, _)| code).as_deref(), Some("delivery.render"));
    assert!(receiver.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_due_too_long_is_given_up() {
    let bench = Bench::new();
    let receiver = bench.receiver("h2").await;
    receiver.script((0..1000).map(|_| Reply::Answer(503, Vec::new(), "closed".into())));
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 2 * 24 * 60).await;
    let delivery = bench.start();
    within(async || bench.delivery(exchange).await.attempts > 1).await;
    assert_ne!(bench.delivery(exchange).await.state, DeliveryState::Dead, "received long ago, but due since a moment");
    bench.clock.forward(24 * 60);
    delivery.wake(&"tax/push".parse().unwrap());
    let dead = bench.reaches(exchange, DeliveryState::Dead).await;
    let (code, detail) = dead.last_fault.unwrap();
    assert_eq!((code.as_str(), detail.as_str()), ("delivery.expired", "delivery.failing: HTTP 503"));
    assert_eq!(dead.last_answer.as_deref(), Some("closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_brings_destinations_and_takes_them_away() {
    let bench = Bench::new();
    let (first, second) = (bench.receiver("h2").await, bench.receiver("h2").await);
    bench.configure([bench.destination("tax/push", 1)]);
    let delivery = bench.start();
    let one = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    delivery.wake(&"tax/push".parse().unwrap());
    within(async || bench.delivery(one).await.last_fault.is_some()).await;

    bench.configure([bench.destination("tax/push", first.address.port()), bench.destination("tax/new", second.address.port())]);
    bench.reaches(one, DeliveryState::Acknowledged).await;
    let two = bench.commit(&RECORDS, &["tax/new"], None, 0).await;
    delivery.wake(&"tax/new".parse().unwrap());
    bench.reaches(two, DeliveryState::Acknowledged).await;

    bench.configure([bench.destination("tax/new", second.address.port())]);
    let three = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    let four = bench.commit(&RECORDS, &["tax/new"], None, 0).await;
    delivery.wake(&"tax/push".parse().unwrap());
    delivery.wake(&"tax/new".parse().unwrap());
    bench.reaches(four, DeliveryState::Acknowledged).await;
    assert!(delivery.shutdown(Duration::from_secs(20)).await);
    assert_eq!(bench.delivery(three).await.attempts, 0, "what goes to no destination any more stays queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again() {
    for protocol in ["http/1.1", "h2"] {
        let bench = Bench::new();
        let receiver = bench.receiver(protocol).await;
        let mut destination = bench.destination("tax/push", receiver.address.port());
        destination.concurrency_max = 1;
        bench.configure([destination]);
        let delivery = bench.start();
        for _ in 0..5 {
            let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
            delivery.wake(&"tax/push".parse().unwrap());
            bench.reaches(exchange, DeliveryState::Acknowledged).await;
        }
        assert_eq!((receiver.seen().len(), receiver.connections()), (5, 1), "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_receiver_closes_costs_no_attempt() {
    let bench = Bench::new();
    let receiver = bench.receiver("http/1.1").await;
    receiver.script((0..5).map(|_| Reply::Answer(204, vec![("connection", "close".into())], String::new())));
    bench.configure([bench.destination("tax/push", receiver.address.port())]);
    let delivery = bench.start();
    for _ in 0..5 {
        let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
        delivery.wake(&"tax/push".parse().unwrap());
        assert_eq!(bench.reaches(exchange, DeliveryState::Acknowledged).await.attempts, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_circuit_probes_and_closes() {
    let bench = Bench::new();
    let receiver = bench.receiver("h2").await;
    receiver.script((0..4).map(|_| Reply::status(500)));
    let mut destination = bench.destination("tax/push", receiver.address.port());
    destination.circuit_failures = 3;
    bench.configure([destination]);
    let exchange = bench.commit(&RECORDS, &["tax/push"], None, 0).await;
    let _delivery = bench.start();
    bench.reaches(exchange, DeliveryState::Acknowledged).await;
    within(async || bench.heard.circuit.lock().unwrap().len() == 2).await;
    assert_eq!(*bench.heard.circuit.lock().unwrap(), [true, false]);
    let ended = bench.heard.attempts.lock().unwrap().iter().map(|attempt| attempt.ended).collect::<Vec<_>>();
    let failing = Ended::Retried(FaultCode::ReceiverFailing);
    assert_eq!(ended, [failing, failing, failing, failing, Ended::Acknowledged]);
}

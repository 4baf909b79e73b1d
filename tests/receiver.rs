//! The tax bureau's receiver over real mutual TLS, called by the gateway's own transport (HTTP/2) and
//! by a plain HTTP/1.1 client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

#[path = "support/identities.rs"]
mod identities;

use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use identities::Identities;
use portolan::certs::Issued;
use portolan::config::{Destination, Identity};
use portolan::delivery::push::{DeliveryRequest, PushTransport, Transport, TransportError};
use portolan::delivery::tls::client_config;
use portolan::demo::feeds::camt054::Camt054;
use portolan::demo::feeds::ceb603::{Ceb603, Charset};
use portolan::demo::feeds::platform_income::PlatformIncome;
use portolan::demo::feeds::{Expected, Feed, Size};
use portolan::demo::receiver::{Behaviour, Receiver, ReceiverOptions};
use portolan::domain::{DeliveryId, Digest, Id, Name};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// The identities of a bureau and of the gateway, and a folder for what the bureau holds.
struct World {
    identities: Identities,
}

impl World {
    fn new() -> Self {
        Self { identities: Identities::new("bureau", "gateway") }
    }

    async fn receiver(&self) -> Receiver {
        let options = ReceiverOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            chain: self.identities.server.chain.clone(),
            key: self.identities.server.key.clone().unwrap(),
            client_authorities: self.identities.authority(),
            folder: self.held(),
        };
        Receiver::start(options).await.unwrap()
    }

    fn held(&self) -> std::path::PathBuf {
        self.identities.folder.path().join("held")
    }

    fn destination(&self, receiver: &Receiver, caller: &Issued) -> Arc<Destination> {
        let second = Duration::from_secs(1);
        Arc::new(Destination {
            id: "bureau/main".parse().unwrap(),
            url: format!("https://{}/deliveries", receiver.address()),
            authorities: vec![self.identities.authority().into()],
            server_keys: Vec::new(),
            identity: Some(Identity { chain: caller.chain.clone().into(), key: caller.key.clone().unwrap().into() }),
            concurrency_max: 1,
            timeout: second,
            retry_first: second,
            retry_max: second,
            give_up_after: second,
            circuit_failures: 1,
            circuit_pause: second,
        })
    }
}

fn transport() -> PushTransport {
    PushTransport::new(Arc::new(|destination| client_config(destination, None).ok().map(Arc::new)))
}

fn request(number: u64, flow: &str, media_type: &str, records: u64, body: Vec<u8>) -> DeliveryRequest {
    DeliveryRequest {
        service: None,
        delivery: Id::new(number, [0; 10]),
        exchange: Id::new(number, [1; 10]),
        flow: flow.parse::<Name>().unwrap(),
        sender: "bank".parse().unwrap(),
        attempt: 1,
        media_type: media_type.to_owned(),
        records,
        digest: Digest::of(&body),
        body: body.into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
    }
}

fn expected(feed: &dyn Feed) -> Vec<Value> {
    let accepted = feed.facts().into_iter().filter_map(|fact| match fact.expected {
        Expected::Accepted(canonical) => Some(canonical),
        Expected::Refused(_) => None,
    });
    accepted.collect()
}

fn lines(records: &[Value]) -> Vec<u8> {
    records.iter().flat_map(|record| format!("{record}\n").into_bytes()).collect()
}

const RECORDS: u64 = 300;

fn feeds() -> (Camt054, PlatformIncome, Ceb603) {
    let (seed, message, size) = (3, 1, Size::Records(RECORDS));
    let income = PlatformIncome { seed, message, size, wrong: [].into() };
    (Camt054 { seed, message, size }, income, Ceb603 { seed, message, size, charset: Charset::Gb2312 })
}

/// Three deliveries in three formats.
fn deliveries() -> [DeliveryRequest; 3] {
    let (payments, income, customs) = feeds();
    [
        request(1, "payments", "application/x-ndjson", RECORDS, lines(&expected(&payments))),
        request(2, "income", "text/csv; charset=gb18030", RECORDS, income.body()),
        request(3, "customs", "application/xml; charset=gb18030", RECORDS, customs.body()),
    ]
}

fn assert_holds_all(receiver: &Receiver) {
    let (payments, income, customs) = feeds();
    for (flow, feed) in [("payments", &payments as &dyn Feed), ("income", &income), ("customs", &customs)] {
        let mut comparison = receiver.compare(flow).unwrap();
        expected(feed).iter().for_each(|record| comparison.expect(record));
        let compared = comparison.finish().unwrap();
        assert!(compared.is_exact(), "{flow}: {compared:?}");
        assert_eq!(compared.matched, RECORDS);

        let totals = &receiver.totals()[flow];
        assert_eq!((totals.deliveries, totals.records), (1, RECORDS), "{flow}");
    }
    let fen: u64 =
        expected(&payments).iter().map(|record| record["amount"].as_str().unwrap().replace('.', "").parse::<u64>().unwrap()).sum();
    assert_eq!(receiver.totals()["payments"].amounts["CNY"].to_string(), format!("{}.{:02}", fen / 100, fen % 100));
}

#[tokio::test]
async fn a_delivery_counts_once_and_outlives_the_receiver() {
    let world = World::new();
    let (receiver, transport) = (world.receiver().await, transport());
    let destination = world.destination(&receiver, &world.identities.client);
    for delivery in deliveries() {
        for again in [false, true] {
            let answer = transport.send(&destination, delivery.clone()).await.unwrap();
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!((answer.status, &body["again"]), (200, &Value::Bool(again)), "{}", answer.text());
        }
    }
    assert_eq!(receiver.repeats(), 3);
    assert_holds_all(&receiver);

    drop(receiver);
    let receiver = world.receiver().await;
    assert_holds_all(&receiver);
    let destination = world.destination(&receiver, &world.identities.client);
    for delivery in deliveries() {
        assert_eq!(transport.send(&destination, delivery).await.unwrap().status, 200);
    }
    assert_holds_all(&receiver);
    assert_eq!(receiver.held().len(), 3);
}

#[tokio::test]
async fn a_delivery_whose_answer_is_lost_counts_once() {
    let world = World::new();
    let (receiver, transport) = (world.receiver().await, transport());
    let destination = world.destination(&receiver, &world.identities.client);
    let [delivery, ..] = deliveries();
    receiver.behave(Behaviour::TakeAndCut);
    let error = transport.send(&destination, delivery.clone()).await.unwrap_err();
    assert!(matches!(error, TransportError::Broken(_)), "{error:?}");
    receiver.behave(Behaviour::Take);
    let answer = transport.send(&destination, delivery).await.unwrap();
    assert!(answer.text().contains("\"again\":true"), "{}", answer.text());
    assert_eq!((receiver.totals()["payments"].deliveries, receiver.repeats()), (1, 1));
}

#[tokio::test]
async fn a_receiver_goes_down_and_comes_back_at_its_address() {
    let world = World::new();
    let mut receiver = world.receiver().await;
    let (address, transport) = (receiver.address(), transport());
    let destination = world.destination(&receiver, &world.identities.client);
    let [first, second, _] = deliveries();
    assert_eq!(transport.send(&destination, first).await.unwrap().status, 200);

    receiver.down().await;
    let error = transport.send(&destination, second.clone()).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable(_) | TransportError::Broken(_)), "{error:?}");
    assert!(!receiver.totals().contains_key("income"));

    receiver.up().await.unwrap();
    assert_eq!(receiver.address(), address);
    assert_eq!(transport.send(&destination, second).await.unwrap().status, 200);
    assert_eq!(receiver.totals()["income"].records, RECORDS);
}

#[tokio::test]
async fn a_line_that_was_being_written_is_cut_off() {
    let world = World::new();
    let (receiver, transport) = (world.receiver().await, transport());
    let destination = world.destination(&receiver, &world.identities.client);
    let [first, second, _] = deliveries();
    transport.send(&destination, first).await.unwrap();
    drop(receiver);
    tear(&world.held());

    let receiver = world.receiver().await;
    assert_eq!(receiver.held().len(), 1);
    let destination = world.destination(&receiver, &world.identities.client);
    assert_eq!(transport.send(&destination, second).await.unwrap().status, 200);
    drop(receiver);
    assert_eq!(world.receiver().await.held().len(), 2);
}

/// What a process leaves that was killed between the records and the end of the ledger's line.
fn tear(folder: &Path) {
    let second = deliveries()[1].delivery;
    std::fs::write(folder.join(format!("records/{second}.ndjson")), "{\"half\":").unwrap();
    let mut ledger = std::fs::OpenOptions::new().append(true).open(folder.join("ledger.ndjson")).unwrap();
    write!(ledger, "{{\"delivery\":\"{second}\",\"exch").unwrap();
}

#[tokio::test]
async fn who_is_not_the_gateway_is_not_heard() {
    let world = World::new();
    let receiver = world.receiver().await;
    let [delivery, ..] = deliveries();
    let destination = world.destination(&receiver, &world.identities.stranger);
    assert!(transport().send(&destination, delivery).await.is_err());
    assert!(receiver.held().is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let world = World::new();
    let receiver = world.receiver().await;
    let line = b"{\"amount\":\"1.00\",\"currency\":\"CNY\"}\n";
    let other = b"{\"amount\":\"2.00\",\"currency\":\"CNY\"}\n";
    let check = async |expected: u16, change: &dyn Fn(&mut Request<Full<Bytes>>), body: &[u8]| {
        let mut request = plain_request(Id::new(1, [0; 10]), body);
        change(&mut request);
        let (status, answer) = post(&world, &receiver, request).await;
        assert_eq!(status.as_u16(), expected, "{answer}");
    };
    let set = |name: &'static str, value: &'static str| {
        move |request: &mut Request<Full<Bytes>>| drop(request.headers_mut().insert(name, value.parse().unwrap()))
    };
    check(400, &|request| drop(request.headers_mut().remove("portolan-delivery")), line).await;
    check(400, &set("portolan-delivery", "1"), line).await;
    check(400, &set("content-digest", "sha-512=:AAAA:"), line).await;
    check(400, &set("content-digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"), line).await;
    check(405, &|request| *request.method_mut() = hyper::Method::PUT, line).await;
    check(422, &set("portolan-records", "2"), line).await;
    check(422, &set("content-type", "image/png"), line).await;
    check(422, &|_| {}, b"{").await;
    receiver.behave(Behaviour::Answer(StatusCode::SERVICE_UNAVAILABLE));
    check(503, &|_| {}, line).await;
    receiver.behave(Behaviour::Delay(Duration::from_millis(1)));
    assert!(receiver.held().is_empty());
    check(200, &|_| {}, line).await;
    check(409, &|_| {}, other).await;
    check(200, &|_| {}, line).await;
    assert_eq!(receiver.totals()["payments"].amounts["CNY"].to_string(), "1.00");
}

fn plain_request(delivery: DeliveryId, body: &[u8]) -> Request<Full<Bytes>> {
    let digest = base64::engine::general_purpose::STANDARD.encode(Digest::of(body).0);
    let request = Request::post("/deliveries")
        .header("host", "127.0.0.1")
        .header("content-type", "application/x-ndjson")
        .header("content-digest", format!("sha-512=:AAAA:, sha-256=:{digest}:"))
        .header("portolan-delivery", delivery.to_string())
        .header("portolan-exchange", delivery.to_string())
        .header("portolan-flow", "payments")
        .header("portolan-sender", "bank")
        .header("portolan-records", "1");
    request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
}

/// One request over HTTP/1.1 on a connection of its own.
async fn post(world: &World, receiver: &Receiver, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let mut config = client_config(&world.destination(receiver, &world.identities.client), None).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(receiver.address()).await.unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    let _ = connection.await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

//! What bounds the running gateway: what each partner may have under way, so that none takes the places
//! of all others; how a reload that fails leaves everything as it was; and how an end waits for every
//! answer. Whoever is refused is found in the log, under the partner and the trace id of the request.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

use crate::line::{Line, get, head, payments, post};
use crate::world::{World, eventually};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use portolan::config::{Config, RequestLimits};
use portolan::fault::Fault;
use portolan::http::{self, Door, Response, TurnedAway};
use portolan::ingress::identity::{Operators, PreparedTrust, Trust, TrustStore};
use portolan::seams::SystemClock;
use rustls::pki_types::CertificateDer;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

/// A world whose gateway has these limits.
fn world_with(limits: &str) -> World {
    let world = World::new();
    let file = fs::read_to_string(world.path("conf/portolan.toml")).unwrap();
    world.write("conf/portolan.toml", &format!("{file}{limits}"));
    world
}

/// A submission of which everything but the last byte has been sent, and that byte.
async fn begun(line: &mut Line, message_id: &str) -> Vec<u8> {
    let mut body = payments(message_id, 2).into_bytes();
    assert_eq!(line.ask(&head("payments", body.len(), "expect: 100-continue\r\n")).await.unwrap().status, 100);
    let last = body.split_off(body.len() - 1);
    line.send(&body).await.unwrap();
    last
}

#[tokio::test]
async fn a_partner_has_so_many_submissions_at_once_and_another_has_its_own() {
    let world = world_with("partner_submissions_max = 2\n");
    let gateway = world.serve().await;
    let mut lines = [world.line(&gateway, "bank").await.unwrap(), world.line(&gateway, "bank").await.unwrap()];
    let mut rest = Vec::new();
    for (number, line) in lines.iter_mut().enumerate() {
        rest.push(begun(line, &format!("SLOW-{number}")).await);
    }

    let mut third = world.line(&gateway, "bank").await.unwrap();
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let fields = format!("traceparent: 00-{trace_id}-b7ad6b7169203331-01\r\naccept-language: zh\r\n");
    let refused = third.ask(&post("payments", &payments("THIRD", 1), &fields)).await.unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (503, "limit.concurrency"));
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.json()["detail"], "单个单位同时报送不得超过 2 个");
    let logged = gateway.logs("a request was refused", 1).await;
    assert_eq!(
        ["code", "partner", "trace_id", "method", "path"].map(|field| logged[field].as_str().unwrap()),
        ["limit.concurrency", "bank", trace_id, "POST", "/v1/flows/payments/exchanges"]
    );
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    assert_eq!(bank.ask(&get("/v1/me")).await.unwrap().status, 200, "to ask is no submission");
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    platform.ask(&post("payments", &payments("OTHER", 1), "")).await.unwrap().exchange();

    for (line, last) in lines.iter_mut().zip(rest) {
        line.ask(&last).await.unwrap().exchange();
    }
    bank.ask(&post("payments", &payments("FOURTH", 1), "")).await.unwrap().exchange();
}

#[tokio::test]
async fn a_partner_has_so_many_connections_at_once_and_another_has_its_own() {
    let world = world_with("partner_connections_max = 2\n");
    let gateway = world.serve().await;
    let mut lines = [world.line(&gateway, "bank").await.unwrap(), world.line(&gateway, "bank").await.unwrap()];
    for line in &mut lines {
        assert_eq!(line.ask(&get("/v1/me")).await.unwrap().status, 200);
    }
    assert!(!world.is_let_in(&gateway, "bank").await);
    assert_eq!(gateway.logs("a connection was turned away", 1).await["code"], "limit.concurrency");
    assert!(world.is_let_in(&gateway, "platform").await);
    let [first, _second] = lines;
    drop(first);
    eventually("the place is free again", async || world.is_let_in(&gateway, "bank").await.then_some(())).await;
}

#[tokio::test]
async fn what_is_refused_by_its_method_is_counted_and_logged_too() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let refused = bank.ask(b"DELETE /v1/me HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert_eq!((refused.status, refused.headers["allow"].as_str()), (405, "GET, HEAD"));
    let logged = gateway.logs("a request was refused", 1).await;
    assert_eq!((&logged["code"], &logged["partner"], &logged["path"]), (&"request.method".into(), &"bank".into(), &"/v1/me".into()));
    assert_eq!(logged["trace_id"].as_str().unwrap().len(), 32, "a new one, where the request has none");
    assert_eq!(logged["level"], "INFO", "nothing that an operator must do");
    let mut operator = world.line_to(gateway.operators, "bank").await.unwrap();
    let metrics = operator.ask(&get("/metrics")).await.unwrap();
    assert!(String::from_utf8(metrics.body).unwrap().contains("portolan_refusals_total{code=\"request.method\"} 1"));
}

#[tokio::test]
async fn operators_are_refused_a_large_header_section_in_words() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut operator = world.line_to(gateway.operators, "bank").await.unwrap();
    let field = format!("x-much: {}\r\n", "x".repeat(33 * 1024));
    let refused = operator.ask(format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{field}\r\n").as_bytes()).await.unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (431, "limit.header-size"));
}

#[tokio::test]
async fn a_reload_that_fails_tells_of_both_listeners_and_changes_nothing() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let keys = bank.ask(&get("/.well-known/jwks.json")).await.unwrap().body;
    let good = fs::read_to_string(world.path("conf/portolan.toml")).unwrap();
    world.write("conf/portolan.toml", &good.replace("client_authorities = [\"../ca/ca.pem\"]", "client_authorities = [\"portolan.toml\"]"));
    let refused = "the new configuration is refused and the old one stays in force";
    let told = gateway.logs(refused, 1).await["message"].as_str().unwrap().to_owned();
    assert_eq!(told.matches("there is no certificate in it").count(), 2, "{told}");

    let refusals = gateway.logged(refused).len();
    let staged = portolan::receipt::keys::stage(&world.path("conf/data/keys")).unwrap();
    gateway.logs(refused, refusals + 1).await;
    assert_eq!(bank.ask(&get("/.well-known/jwks.json")).await.unwrap().body, keys, "the key waits, as the rest does");
    world.write("conf/portolan.toml", &good);
    assert_eq!(gateway.logs("receipts are signed with a new key", 1).await["kid"], staged.as_str());
}

/// A door that answers once it is allowed to.
struct SlowDoor {
    trust: TrustStore<Operators>,
    asked: Notify,
    allowed: Notify,
    answered: AtomicBool,
}

#[async_trait::async_trait]
impl Door for SlowDoor {
    type Caller = ();

    fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.trust.server_config()
    }

    fn admits_stranger(&self, _: IpAddr) -> bool {
        true
    }

    fn caller(&self, _: IpAddr, _: &[CertificateDer<'_>]) -> Result<(), Fault> {
        Ok(())
    }

    fn turned_away(&self, _: IpAddr, _: TurnedAway<'_>) {}

    async fn answer(self: Arc<Self>, _: Arc<()>, _: Arc<Parts>, body: Incoming) -> Response {
        let _ = body.collect().await;
        self.asked.notify_one();
        self.allowed.notified().await;
        self.answered.store(true, Ordering::SeqCst);
        http::answer(StatusCode::OK, "text/plain", "")
    }

    fn refuse(&self, (): &(), _: &Parts, fault: &Fault) -> Response {
        http::refusal(fault, 0, false)
    }
}

#[tokio::test]
async fn the_end_waits_for_what_is_done_although_its_line_is_gone() {
    lose_line(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n", true).await;
}

#[tokio::test]
async fn what_only_reads_ends_with_its_line() {
    lose_line(&get("/"), false).await;
}

/// Asks, and is gone before the answer is made, which it is all the same or not.
async fn lose_line(request: &[u8], is_answered: bool) {
    let world = World::new();
    let config = Config::load(&world.path("conf")).unwrap();
    let trust = Trust::build(&config.gateway.operator_listener, Operators::new(&config.operators, true).unwrap()).unwrap();
    let trust = TrustStore::new(PreparedTrust::new(trust, Arc::new(SystemClock)).unwrap(), Arc::new(SystemClock));
    let door = Arc::new(SlowDoor { trust, asked: Notify::new(), allowed: Notify::new(), answered: AtomicBool::new(false) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let limits: RequestLimits = config.gateway.limits.clone();
    let listening = tokio::spawn(http::listen(listener, Arc::clone(&door), limits, stopped));

    let mut line = world.line_to(address, "bank").await.unwrap();
    line.send(request).await.unwrap();
    door.asked.notified().await;
    drop(line);
    stop.send(true).unwrap();
    let allowing = Arc::clone(&door);
    tokio::spawn(async move {
        // Time for the listener to end too early, if it does.
        tokio::time::sleep(Duration::from_millis(500)).await;
        allowing.allowed.notify_one();
    });
    listening.await.unwrap();
    assert_eq!(door.answered.load(Ordering::SeqCst), is_answered);
}

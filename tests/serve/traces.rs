//! Traces: what a collector gets of a message's life, and what becomes of messages when it gets nothing.

use crate::collector::{Collector, Span};
use crate::line::{get, payments, post};
use crate::receiver::{Receiver, Reply, Seen, Server};
use crate::world::{Gateway, World, eventually, gateway_file};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use portolan::certs::{Issued, Summary, files};
use std::collections::{BTreeMap, BTreeSet};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A bank, a bureau that is played by a scripted server, and where traces go.
struct Traced {
    world: World,
    bureau: Receiver,
}

impl Traced {
    async fn new(endpoint: &str, traces: &str) -> Self {
        let world = World::new();
        let table = format!("\n[traces]\nendpoint = \"{endpoint}\"\n{traces}");
        world.write("conf/portolan.toml", &(gateway_file("127.0.0.1:0", "") + &table));
        let bureau = server(&world, 0).await;
        let port = bureau.address.port();
        let lines = "authorities = [\"../ca/ca.pem\"]\nretry_first_ms = 50\nretry_ms_max = 100\ncircuit_pause_ms = 100\n";
        let destination = format!("[destination.payments]\nurl = \"https://localhost:{port}/payments?token=secret\"\n{lines}");
        world.partner("bureau", &["bureau"], &destination);
        let route = "[[route]]\nto = \"bureau/payments\"\nmapping = \"payment-confirmation-json\"\n";
        world.flow("payments", "payment-confirmation.v1", &["bank", "platform"], "payment-confirmation-json", route);
        Self { world, bureau }
    }

    /// Submits under a message id, with these fields, and gives the exchange.
    async fn send(&self, gateway: &Gateway, message_id: &str, fields: &str) -> String {
        let mut bank = self.world.line(gateway, "bank").await.unwrap();
        bank.ask(&post("payments", &payments(message_id, 2), fields)).await.unwrap().exchange()
    }

    /// Waits until the bureau has seen so many attempts.
    async fn seen(&self, attempts: usize) -> Vec<Seen> {
        eventually("attempts", async || Some(self.bureau.seen()).filter(|seen| seen.len() >= attempts)).await
    }
}

/// A server with the bureau's certificate.
async fn server(world: &World, port: u16) -> Receiver {
    let file = |kind: &str| world.path(&format!("ca/issued/bureau.{kind}"));
    let summary = Summary::of(&files::read_certificates(&file("pem")).unwrap()[0]).unwrap();
    let identity = Issued { chain: file("pem"), key: Some(file("key")), summary };
    Receiver::start(&Server { identity: &identity, client_authority: &world.path("ca/ca.pem"), protocol: "h2" }, port).await
}

fn traceparent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\ntracestate: rojo=1,congo=2\r\n")
}

/// Each span as `PARENT > NAME`, in order.
fn tree(spans: &[Span]) -> Vec<String> {
    let names: BTreeMap<&str, &str> = spans.iter().map(|span| (span.id.as_str(), span.name.as_str())).collect();
    let mut lines: Vec<String> =
        spans.iter().map(|span| format!("{} > {}", names.get(span.parent.as_str()).unwrap_or(&span.parent.as_str()), span.name)).collect();
    lines.sort();
    lines
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    let mut named: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    named.sort_by_key(|span| span.nanoseconds);
    named
}

#[tokio::test]
async fn a_message_is_one_trace_from_its_first_byte_to_its_acknowledgement() {
    let collector = Collector::start(0).await;
    let endpoint = format!("http://{}/v1/traces", collector.address);
    let traced = Traced::new(&endpoint, "service_name = \"gateway-1\"\nbatch_wait_ms = 50\n").await;
    traced.bureau.script([Reply::status(503)]);
    let gateway = traced.world.serve().await;
    let exchange = traced.send(&gateway, "TRACED", &traceparent("01")).await;

    let seen = traced.seen(2).await;
    let spans = collector.trace(TRACE, 15).await;
    let request = "POST /v1/flows/{flow}/exchanges";
    let (attempt, stages) = (["lease", "render", "POST", "settle"], ["receive", "translate", "commit", "receipt", "delivery", "delivery"]);
    let mut expected = vec![format!("{CALLER} > {request}")];
    expected.extend(stages.map(|stage| format!("{request} > {stage}")));
    expected.extend([attempt, attempt].concat().into_iter().map(|step| format!("delivery > {step}")));
    expected.sort();
    assert_eq!(tree(&spans), expected);

    let root = named(&spans, request)[0];
    let told = ["http.request.method", "http.route", "url.path", "http.response.status_code", "portolan.partner", "portolan.flow"];
    let told = told.map(|key| root.attribute(key));
    assert_eq!(told, ["POST", "/v1/flows/{flow}/exchanges", "/v1/flows/payments/exchanges", "202", "bank", "payments"]);
    assert_eq!((root.attribute("portolan.exchange.id"), root.attribute("portolan.verdict")), (exchange.as_str(), "accepted"));
    assert_eq!((root.kind, root.failed, root.service.as_str()), (SpanKind::Server, false, "gateway-1"));
    let ends: BTreeSet<bool> = spans.iter().map(|span| span.nanoseconds.0 <= span.nanoseconds.1).collect();
    assert_eq!(ends, BTreeSet::from([true]), "no span ends before it begins");

    let [first, second] = named(&spans, "delivery")[..] else { panic!("two attempts") };
    assert_eq!((first.attribute("portolan.attempt"), first.attribute("portolan.verdict"), first.failed), ("1", "retried", true));
    assert_eq!(first.attribute("portolan.fault.code"), "delivery.failing");
    assert_eq!((second.attribute("portolan.attempt"), second.attribute("portolan.verdict"), second.failed), ("2", "acknowledged", false));
    assert_eq!(second.attribute("portolan.exchange.id"), exchange);
    let calls = named(&spans, "POST");
    let url = format!("https://localhost:{}/payments", traced.bureau.address.port());
    for (call, (seen, status)) in calls.iter().zip(seen.iter().zip(["503", "204"])) {
        assert_eq!((call.kind, call.attribute("http.response.status_code")), (SpanKind::Client, status));
        assert_eq!((call.attribute("server.address"), call.attribute("url.full")), ("localhost", url.as_str()));
        assert_eq!(seen.field("traceparent"), format!("00-{TRACE}-{}-01", call.id), "the receiver's spans are within the call");
        assert_eq!((seen.field("tracestate"), call.state.as_str()), ("rojo=1,congo=2", "rojo=1,congo=2"));
    }
    for value in ["1100106100220000001", "TRACED", "100.00", "secret"] {
        assert!(!format!("{spans:?}").contains(value), "{value} is in a span");
    }
}

#[tokio::test]
async fn a_delivery_after_a_restart_is_in_the_trace_of_its_exchange() {
    let collector = Collector::start(0).await;
    // No batch is sent before its time, so that what comes was sent at the end.
    let endpoint = format!("http://{}/v1/traces", collector.address);
    let mut traced = Traced::new(&endpoint, "batch_wait_ms = 600000\n").await;
    let port = traced.bureau.address.port();
    drop(std::mem::replace(&mut traced.bureau, server(&traced.world, 0).await));
    let mut gateway = traced.world.serve().await;
    traced.send(&gateway, "RESTARTED", &traceparent("01")).await;
    gateway.logs("to be tried again", 1).await;
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    let before = collector.trace(TRACE, 5).await;
    let root = named(&before, "POST /v1/flows/{flow}/exchanges")[0].id.clone();

    traced.bureau = server(&traced.world, port).await;
    let mut gateway = traced.world.serve().await;
    traced.seen(1).await;
    gateway.logs("acknowledged", 1).await;
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    let after = collector.trace(TRACE, before.len() + 5).await.split_off(before.len());
    let [delivery] = named(&after, "delivery")[..] else { panic!("one attempt") };
    assert_eq!((&delivery.parent, delivery.attribute("portolan.verdict")), (&root, "acknowledged"));
}

#[tokio::test]
async fn who_does_not_record_is_not_recorded_and_a_wrong_context_begins_a_new_trace() {
    let collector = Collector::start(0).await;
    let traced = Traced::new(&format!("http://{}/v1/traces", collector.address), "batch_wait_ms = 50\n").await;
    let gateway = traced.world.serve().await;
    traced.send(&gateway, "UNRECORDED", &traceparent("00")).await;
    let seen = traced.seen(1).await;
    let (trace, flags) = (&seen[0].field("traceparent")[3..35], &seen[0].field("traceparent")[53..]);
    assert_eq!((trace, flags, seen[0].field("tracestate")), (TRACE, "00", "rojo=1,congo=2"));

    traced.send(&gateway, "WRONG", &format!("traceparent: 00-{TRACE}-{CALLER}-1\r\ntracestate: rojo=1\r\n")).await;
    let seen = traced.seen(2).await;
    let trace = seen[1].field("traceparent")[3..35].to_owned();
    assert_ne!(trace, TRACE);
    assert_eq!(seen[1].field("tracestate"), "");
    let spans = collector.trace(&trace, 10).await;
    assert_eq!(named(&spans, "POST /v1/flows/{flow}/exchanges")[0].parent, "");
    assert!(collector.spans().iter().all(|span| span.trace != TRACE), "{:?}", collector.spans());
}

#[tokio::test]
async fn of_the_traces_that_begin_here_none_is_recorded_where_the_share_is_none() {
    let collector = Collector::start(0).await;
    let traced = Traced::new(&format!("http://{}/v1/traces", collector.address), "batch_wait_ms = 50\nsampled_share = 0.0\n").await;
    let gateway = traced.world.serve().await;
    traced.send(&gateway, "BEGUN-HERE", "").await;
    assert_eq!(&traced.seen(1).await[0].field("traceparent")[53..], "00");
    traced.send(&gateway, "BEGUN-ELSEWHERE", &traceparent("01")).await;
    traced.seen(2).await;
    collector.trace(TRACE, 10).await;
    assert!(collector.spans().iter().all(|span| span.trace == TRACE), "{:?}", collector.spans());
}

#[tokio::test]
async fn a_refused_request_has_a_span_with_its_code_and_a_look_has_none() {
    let collector = Collector::start(0).await;
    let traced = Traced::new(&format!("http://{}/v1/traces", collector.address), "batch_wait_ms = 50\n").await;
    let gateway = traced.world.serve().await;
    let mut bank = traced.world.line(&gateway, "bank").await.unwrap();
    bank.ask(&get("/v1/me")).await.unwrap();
    assert_eq!(bank.ask(&post("elsewhere", "", &traceparent("01"))).await.unwrap().status, 404);
    let spans = collector.trace(TRACE, 1).await;
    let [refused] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((refused.attribute("http.response.status_code"), refused.attribute("portolan.fault.code")), ("404", "request.flow-unknown"));
    assert!(!refused.failed, "what the caller has to mend is no error of the server");
    assert_eq!(collector.spans().len(), 1);
}

#[tokio::test]
async fn a_repeat_is_a_trace_of_its_own_that_names_the_first_exchange() {
    let collector = Collector::start(0).await;
    let traced = Traced::new(&format!("http://{}/v1/traces", collector.address), "batch_wait_ms = 50\n").await;
    let gateway = traced.world.serve().await;
    let key = "idempotency-key: once\r\n";
    let first = traced.send(&gateway, "REPEATED", key).await;
    assert_eq!(traced.send(&gateway, "REPEATED", &format!("{key}{}", traceparent("01"))).await, first);
    let spans = collector.trace(TRACE, 2).await;
    let request = "POST /v1/flows/{flow}/exchanges";
    assert_eq!(tree(&spans), [format!("{request} > receive"), format!("{CALLER} > {request}")].as_slice());
    let root = named(&spans, request)[0];
    assert_eq!((root.attribute("portolan.exchange.id"), root.attribute("portolan.repeat")), (first.as_str(), "true"));
}

#[tokio::test]
async fn a_collector_that_is_down_costs_spans_alone_and_is_told_of_once() {
    let port = Collector::start(0).await.address.port();
    let table = "batch_wait_ms = 10\nqueue_spans_max = 4\nbatch_spans_max = 2\n";
    let traced = Traced::new(&format!("http://127.0.0.1:{port}/v1/traces"), table).await;
    let mut gateway = traced.world.serve().await;
    for number in 0..10 {
        traced.send(&gateway, &format!("DOWN-{number}"), "").await;
    }
    let seen = traced.seen(10).await;
    assert_eq!(seen.iter().map(|seen| seen.field("portolan-exchange")).collect::<BTreeSet<_>>().len(), 10, "everything is delivered");
    gateway.logs("the collector does not take spans", 1).await;
    let mut operator = traced.world.line_to(gateway.operators, "bank").await.unwrap();
    let metrics = String::from_utf8(operator.ask(&get("/metrics")).await.unwrap().body).unwrap();
    assert!(metrics.contains("portolan_trace_spans_dropped_total{why=\"queue-full\"}"), "{metrics}");
    assert!(metrics.contains("portolan_trace_spans_sent_total 0"), "{metrics}");

    let collector = Collector::start(port).await;
    gateway.logs("the collector takes spans again", 1).await;
    assert!(!collector.spans().is_empty());
    let warned = gateway.logged("the collector does not take spans");
    assert_eq!((warned.len(), warned[0]["level"].as_str().unwrap()), (1, "WARN"));
    drop(collector);
    traced.send(&gateway, "DOWN-AT-THE-END", "").await;
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn traces_are_changed_by_a_restart_alone() {
    let collector = Collector::start(0).await;
    let traced = Traced::new(&format!("http://{}/v1/traces", collector.address), "").await;
    let gateway = traced.world.serve().await;
    traced.world.write("conf/portolan.toml", &gateway_file("127.0.0.1:0", ""));
    assert_eq!(gateway.logs("holds from the next start on", 1).await["keys"], "traces");
}

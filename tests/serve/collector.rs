//! A collector of traces: a real server that reads OTLP with the types of OpenTelemetry's own protocol files.

use crate::world::eventually;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A span as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub name: String,
    pub kind: SpanKind,
    pub trace: String,
    pub id: String,
    /// Empty for a span without one.
    pub parent: String,
    pub state: String,
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    /// Of the resource.
    pub service: String,
    pub nanoseconds: (u64, u64),
}

impl Span {
    /// An attribute; empty where it is missing.
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

/// A collector that speaks plain HTTP; dropping it closes its port and every connection.
pub struct Collector {
    pub address: SocketAddr,
    bodies: Arc<Mutex<Vec<Bytes>>>,
    _tasks: JoinSet<()>,
}

impl Collector {
    /// Listens on a port, 0 for any.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let (address, bodies) = (listener.local_addr().unwrap(), Arc::new(Mutex::default()));
        let (mut tasks, kept) = (JoinSet::new(), Arc::clone(&bodies));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request| take(Arc::clone(&kept), request));
                connections.spawn(async move {
                    // A connection that the other side gives up is no failure of a test.
                    let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await;
                });
            }
        });
        Self { address, bodies, _tasks: tasks }
    }

    /// Every span so far.
    pub fn spans(&self) -> Vec<Span> {
        self.bodies.lock().unwrap().iter().flat_map(|body| spans(body)).collect()
    }

    /// Waits for so many spans of a trace.
    pub async fn trace(&self, trace: &str, spans: usize) -> Vec<Span> {
        let of_trace = || self.spans().into_iter().filter(|span| span.trace == trace).collect::<Vec<_>>();
        eventually("spans of a trace", async || Some(of_trace()).filter(|found| found.len() >= spans)).await
    }
}

async fn take(kept: Arc<Mutex<Vec<Bytes>>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let status = match (head.method.as_str(), head.uri.path(), body.collect().await) {
        ("POST", "/v1/traces", Ok(body)) if head.headers["content-type"] == "application/x-protobuf" => {
            kept.lock().unwrap().push(body.to_bytes());
            200
        }
        _ => 400,
    };
    Ok(Response::builder().status(status).body(Full::default()).unwrap())
}

/// The spans of one request.
pub fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut found = Vec::new();
    for resource in request.resource_spans {
        let of_service = attributes(resource.resource.unwrap().attributes);
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            found.push(Span {
                kind: span.kind(),
                failed: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                state: span.trace_state,
                attributes: attributes(span.attributes),
                service: of_service["service.name"].clone(),
                nanoseconds: (span.start_time_unix_nano, span.end_time_unix_nano),
                name: span.name,
            });
        }
    }
    found
}

/// Attributes as text; OTLP lets no key stand twice.
fn attributes(given: Vec<KeyValue>) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    for KeyValue { key, value, .. } in given {
        let value = match value.and_then(|value| value.value) {
            Some(any_value::Value::StringValue(text)) => text,
            Some(any_value::Value::IntValue(number)) => number.to_string(),
            Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
            other => panic!("{key}: {other:?}"),
        };
        assert_eq!(attributes.insert(key.clone(), value), None, "{key} stands twice");
    }
    attributes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

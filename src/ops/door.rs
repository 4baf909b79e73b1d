//! The operators' listener: health, metrics, status and dead letters, for holders of an operator's certificate.
//!
//! | address | answer |
//! |---|---|
//! | `/healthz` | 200 while the process runs |
//! | `/readyz` | 200 while it takes work: a configuration is in force and the journal answers; else 503 |
//! | `/metrics` | OpenMetrics text |
//! | `/`, `/status` | the status page; `?lang=zh` or `?lang=en` overrules `Accept-Language` |
//! | `/status.json` | the same numbers |
//! | `/v1/exchanges/ID/records/N` | where each value of a record came from, by which rule, and what is wrong with it; each look is logged with the operator's name. Personal values are masked unless `?reveal=REASON` says why they are needed, which is logged too |
//!
//! GET and HEAD. Beside them the calls of [`super::dead_letters`]. Everything else is problem+json.

use super::dead_letters::Call;
use super::gauges::with_gauges;
use super::health::Phase;
use super::page::{Via, page};
use super::view::OpsView;
use crate::domain::ExchangeId;
use crate::fault::problem::prefers_chinese;
use crate::fault::{Fault, FaultCode};
use crate::http::query::{bad_query, parse_query};
use crate::http::{self, Door, Response, TurnedAway};
use crate::mask::Shown;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, HeaderValue, VARY};
use hyper::http::request;
use hyper::{Method, StatusCode};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// What can be asked of every page here.
pub(super) const METHODS: &str = "GET, HEAD";
/// The parameter that asks for personal values.
const REVEAL: &str = "reveal";
/// Characters of the reason for it.
const REASON_CHARS_MAX: usize = 200;
/// The media type of OpenMetrics text (OpenMetrics 1.0, "Overall structure").
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Who may come in. Fulfilled by the operators' trust store.
pub trait Gate: Send + Sync + 'static {
    /// What a connection has shown of its caller.
    type Caller: Send + Sync + 'static;

    /// TLS for the next handshake.
    fn server_config(&self) -> Arc<rustls::ServerConfig>;

    /// Whether someone from this address may try a handshake now.
    fn admits_stranger(&self, from: IpAddr) -> bool;

    /// The caller of a connection whose handshake is done.
    ///
    /// # Errors
    /// A fault of identity; the connection is closed.
    fn connect(&self, from: IpAddr, chain: &[CertificateDer<'_>]) -> Result<Self::Caller, Fault>;

    /// The operator's name, by the trust of this moment.
    ///
    /// # Errors
    /// A fault of identity: expired or revoked by now.
    fn operator(&self, caller: &Self::Caller) -> Result<String, Fault>;

    /// The fault of identity that made a handshake fail, if it was one.
    fn identity_fault(&self, error: &io::Error) -> Option<FaultCode>;
}

/// The operators' door.
pub struct OperatorDoor<G> {
    gate: G,
    view: Arc<OpsView>,
}

impl<G: Gate> OperatorDoor<G> {
    /// A door with this gate.
    pub fn new(gate: G, view: Arc<OpsView>) -> Self {
        Self { gate, view }
    }
}

#[async_trait::async_trait]
impl<G: Gate> Door for OperatorDoor<G> {
    type Caller = G::Caller;

    fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.gate.server_config()
    }

    fn admits_stranger(&self, from: IpAddr) -> bool {
        self.gate.admits_stranger(from)
    }

    fn caller(&self, from: IpAddr, chain: &[CertificateDer<'_>]) -> Result<G::Caller, Fault> {
        self.gate.connect(from, chain)
    }

    fn turned_away(&self, from: IpAddr, why: TurnedAway<'_>) {
        let (code, detail) = why.reason(|error| self.gate.identity_fault(error));
        self.view.metrics.turned_away(code);
        tracing::info!(%from, code, detail, "a connection to the operators' listener was turned away");
    }

    async fn answer(self: Arc<Self>, caller: Arc<G::Caller>, head: Arc<request::Parts>, _body: Incoming) -> Response {
        let zh = asks_chinese(&head);
        let answered = match self.gate.operator(&caller) {
            Ok(operator) => {
                tracing::debug!(operator, path = head.uri.path(), "an operator asks");
                self.view.answer(&head, &operator, zh).await
            }
            Err(fault) => Err(fault),
        };
        match answered {
            Ok(response) => finished(response, &head, zh),
            Err(fault) => self.refuse(&caller, &head, &fault),
        }
    }

    fn refuse(&self, caller: &G::Caller, head: &request::Parts, fault: &Fault) -> Response {
        let (code, path) = (fault.code.as_str(), head.uri.path());
        let operator = self.gate.operator(caller).unwrap_or_default();
        self.view.metrics.refused(code);
        match &fault.source {
            Some(error) => tracing::error!(code, operator, path, %error, "an operator's request failed"),
            None => tracing::info!(code, operator, path, "an operator's request was refused"),
        }
        let zh = asks_chinese(head);
        finished(http::refusal(fault, 0, zh), head, zh)
    }
}

impl OpsView {
    async fn answer(&self, request: &request::Parts, operator: &str, zh: bool) -> Result<Response, Fault> {
        http::within_header_bytes(&request.headers, self.live.load().config.gateway.limits.header_bytes_max)?;
        let path = request.uri.path();
        if let Some(call) = Call::at(path) {
            return self.answer_call(call, request, operator, zh).await;
        }
        let record = record_at(path);
        if record.is_none() && !matches!(path, "/healthz" | "/readyz" | "/metrics" | "/" | "/status" | "/status.json") {
            return Err(Fault::new(FaultCode::PathUnknown).detail(
                "这里有 /status、/status.json、/metrics、/healthz、/readyz、/v1/dead-letters、/v1/exchanges/ID/records/N",
                "there are /status, /status.json, /metrics, /healthz, /readyz, /v1/dead-letters and /v1/exchanges/ID/records/N",
            ));
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Ok(http::method_not_allowed(METHODS, zh));
        }
        if let Some((id, number)) = record {
            let reveal = reason_to_reveal(request)?;
            return self.record(id, number, reveal.as_deref(), operator, zh).await;
        }
        match path {
            "/healthz" => Ok(http::answer(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")),
            "/readyz" => self.ready().await,
            "/metrics" => Ok(http::answer(StatusCode::OK, METRICS_TYPE, with_gauges(&self.metrics.to_text(), &self.status().await))),
            "/status.json" => Ok(http::answer(StatusCode::OK, "application/json", self.status().await.to_json().to_string())),
            _ => Ok(page(&self.status().await, Via::OperatorListener, zh)),
        }
    }

    /// A record with its personal values masked, unless they are asked for with a reason, which is logged.
    async fn record(&self, id: &str, number: &str, reveal: Option<&str>, operator: &str, zh: bool) -> Result<Response, Fault> {
        let unknown = || Fault::new(FaultCode::ExchangeUnknown);
        let exchange: ExchangeId = id.parse().map_err(|_| unknown())?;
        let row = self.journal.exchange(exchange).await?.ok_or_else(unknown)?;
        let shown = match reveal {
            None => Shown::Masked,
            Some(reason) => {
                tracing::warn!(%exchange, number, operator, reason, "an operator looks at the personal values of a record");
                Shown::Whole
            }
        };
        tracing::info!(%exchange, number, operator, "an operator looks into a record");
        let lineage = self.lineages.record(&row, number, shown, zh).await?;
        Ok(http::answer(StatusCode::OK, "application/json", lineage.to_string()))
    }

    /// A configuration is always in force here: without one there is no gateway to ask.
    async fn ready(&self) -> Result<Response, Fault> {
        let state = self.health.state();
        match state.phase {
            Phase::Starting => return Err(Fault::new(FaultCode::Unavailable).detail("网关正在启动", "the gateway is starting")),
            Phase::Stopping => return Err(Fault::new(FaultCode::ShuttingDown)),
            Phase::Serving => {}
        }
        self.journal_answers().await.map_err(|reason| {
            Fault::new(FaultCode::Unavailable).detail("交换台账没有应答", "the journal does not answer").caused_by(reason)
        })?;
        let body = json!({ "ready": true, "configuration_in_force_since": state.in_force_since.to_string() });
        Ok(http::answer(StatusCode::OK, "application/json", body.to_string()))
    }
}

/// Why an operator wants to see personal values, where it does: `?reveal=REASON`.
fn reason_to_reveal(request: &request::Parts) -> Result<Option<String>, Fault> {
    let parameters = parse_query(request.uri.query().unwrap_or_default());
    let Some((name, reason)) = parameters.into_iter().find(|(name, _)| name == REVEAL) else { return Ok(None) };
    let reason = reason.trim();
    let says_something = (1..=REASON_CHARS_MAX).contains(&reason.chars().count()) && !reason.contains(char::is_control);
    let allowed = format!("{REVEAL}=REASON (1-{REASON_CHARS_MAX})");
    if says_something { Ok(Some(reason.to_owned())) } else { Err(bad_query(&name, &allowed)) }
}

/// The exchange and the record's number that an address names.
fn record_at(path: &str) -> Option<(&str, &str)> {
    let (id, number) = path.strip_prefix("/v1/exchanges/")?.split_once("/records/")?;
    (!number.contains('/')).then_some((id, number))
}

/// Whether the answer is to be Chinese: as the address says, else as the browser prefers.
pub(super) fn asks_chinese(request: &request::Parts) -> bool {
    let named = request.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("lang="));
    match named {
        Some("zh") => true,
        Some("en") => false,
        _ => prefers_chinese(request.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())),
    }
}

/// The header fields of every answer; nothing here may be kept by a cache. HEAD gets no body.
pub(super) fn finished(mut response: Response, request: &request::Parts, zh: bool) -> Response {
    if request.method == Method::HEAD {
        let length = response.body().size_hint().lower();
        *response.body_mut() = Full::default();
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(if zh { "zh" } else { "en" }));
    headers.insert(VARY, HeaderValue::from_static("Accept-Language"));
    response
}

//! The operators' listener, for holders of an operator's certificate: from a request to the route that answers it.
//!
//! What there is stands in [`super::routes`]. A request is answered where its path has a route, the operator's
//! role covers it and, for a change, [`super::guard`] lets it through. Everything else is problem+json, or a page for whoever
//! accepts one.

use super::access::{Ask, Fields};
use super::console::layout::{self, LANGUAGE_COOKIE};
use super::routes::{self, Found};
use super::view::OpsView;
use crate::domain::Operator;
use crate::fault::problem::prefers_chinese;
use crate::fault::{Fault, FaultCode};
use crate::http::{self, Door, Response, TurnedAway};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, COOKIE, HeaderMap, HeaderValue, VARY};
use hyper::http::request;
use rustls::pki_types::CertificateDer;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

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

    /// The operator, by the trust of this moment.
    ///
    /// # Errors
    /// A fault of identity: expired, revoked or taken out of the configuration by now.
    fn operator(&self, caller: &Self::Caller) -> Result<Operator, Fault>;

    /// The names that the listener's certificate has.
    fn server_names(&self) -> Vec<String>;

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

    async fn answer(self: Arc<Self>, caller: Arc<G::Caller>, head: Arc<request::Parts>, body: Incoming) -> Response {
        match self.answered(&caller, &head, body).await {
            Ok(response) => finished(response, asks_chinese(&head)),
            Err(fault) => self.refuse(&caller, &head, &fault),
        }
    }

    fn refuse(&self, caller: &G::Caller, head: &request::Parts, fault: &Fault) -> Response {
        let (code, path) = (fault.code.as_str(), head.uri.path());
        let known = self.gate.operator(caller).ok();
        let operator = known.as_ref().map(|operator| operator.to_string()).unwrap_or_default();
        self.view.metrics.refused(code);
        match &fault.source {
            Some(error) => tracing::error!(code, operator, path, %error, "an operator's request failed"),
            None => tracing::info!(code, operator, path, "an operator's request was refused"),
        }
        let zh = asks_chinese(head);
        let response = match known {
            Some(operator) => refusal(&self.view, &operator, head, fault),
            None => http::refusal(fault, 0, zh),
        };
        finished(response, zh)
    }
}

impl<G: Gate> OperatorDoor<G> {
    /// The answer of the route that a request has, if the operator may have it.
    async fn answered(&self, caller: &G::Caller, request: &request::Parts, body: Incoming) -> Result<Response, Fault> {
        let operator = &self.gate.operator(caller)?;
        let (path, zh) = (request.uri.path(), asks_chinese(request));
        tracing::debug!(%operator, path, "an operator asks");
        let limits = self.view.live.load().config.gateway.limits.clone();
        http::within_header_bytes(&request.headers, limits.header_bytes_max)?;
        let (route, open) = match routes::find(&request.method, path) {
            Found::Route(route, open) => (route, open),
            Found::OtherMethod(allowed) => return Ok(http::method_not_allowed(allowed, zh)),
            Found::Nothing => return Err(Fault::new(FaultCode::PathUnknown).detail("/v1 列出所有地址", "/v1 lists the addresses")),
        };
        route.admits(operator)?;
        let mut fields = Fields::default();
        if route.changes() {
            let reading = tokio::time::timeout(limits.body_idle_timeout, Fields::read(request, body)).await;
            fields = reading.map_err(|_| Fault::new(FaultCode::RequestTimeout))??;
            self.view.guard.admit(request, &fields, operator, &self.gate.server_names(), self.view.clock.now())?;
        }
        (route.answer)(&self.view, Ask { request, open, operator, fields, zh }).await
    }
}

/// A refusal: a page for whoever asks for one, as browsers do when they go somewhere; else problem+json.
pub(super) fn refusal(view: &OpsView, operator: &Operator, request: &request::Parts, fault: &Fault) -> Response {
    let zh = asks_chinese(request);
    let accepts = request.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepts.to_ascii_lowercase().contains("text/html") {
        return http::refusal(fault, 0, zh);
    }
    layout::refusal(view, &Ask { request, open: Vec::new(), operator, fields: Fields::default(), zh }, fault)
}

/// Whether the answer is to be Chinese: as the address says, else as the reader chose before, else as the browser prefers.
pub(super) fn asks_chinese(request: &request::Parts) -> bool {
    let named = request.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("lang="));
    let chosen = || cookies(&request.headers).find(|(name, _)| *name == LANGUAGE_COOKIE).map(|(_, value)| value);
    match named.filter(|lang| ["zh", "en"].contains(lang)).or_else(chosen) {
        Some("zh") => true,
        Some("en") => false,
        _ => prefers_chinese(request.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())),
    }
}

/// The cookies that a request brings.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// The header fields of every answer; nothing here may be kept by a cache unless it says so.
pub(super) fn finished(mut response: Response, zh: bool) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(if zh { "zh" } else { "en" }));
    headers.insert(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
    response
}

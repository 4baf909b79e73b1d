//! The partner's API: what each address and method does. Every answer carries the caller's limits,
//! every refusal is problem+json, and what belongs to another partner answers as if it were not there.

use super::admit::{Asking, Mode, Query, admit};
use super::identity::{ConnectionIdentity, Partners, TrustStore};
use super::limits::{RateFields, RateLimits};
use super::strangers::Strangers;
use super::tls::refused_identity;
use crate::domain::{ExchangeId, FlowId, Outcome, PartnerId};
use crate::exchange::{Answer, Exchanges, exchange, journal_fault, report};
use crate::fault::problem::{FINDINGS_IN_PROBLEM_MAX, FindingEntry, prefers_chinese, problem, report_csv};
use crate::fault::{Fault, FaultCode};
use crate::http::{self, Door, Response, TurnedAway};
use crate::journal::{DeliveryRow, ExchangeFilter, ExchangeRow, PAGE_ROWS_MAX};
use crate::metrics::Metrics;
use crate::receipt::{Keys, Receipt};
use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_LANGUAGE, ALLOW, CONTENT_LANGUAGE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, Request, StatusCode};
use rustls::pki_types::CertificateDer;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

const REFUSED_RECORDS: HeaderName = HeaderName::from_static("portolan-refused-records");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Exchanges that `/v1/me` lists.
const LATEST_EXCHANGES: usize = 10;

/// The partners' door.
pub struct PartnerDoor {
    /// What exchanges are handled with.
    pub exchanges: Arc<Exchanges>,
    /// Limits of partners and flows.
    pub limits: Arc<ArcSwap<RateLimits>>,
    /// Limits of those whom nobody knows yet.
    pub strangers: Arc<Strangers>,
    /// The keys that verify receipts.
    pub keys: Arc<Keys>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// What is asked, by whom.
struct Asked<'r> {
    partner: PartnerId,
    identity: Arc<ConnectionIdentity>,
    method: Method,
    path: Vec<&'r str>,
    query: Vec<(String, String)>,
    headers: &'r HeaderMap,
    zh: bool,
}

#[async_trait::async_trait]
impl Door for PartnerDoor {
    type Caller = Arc<ConnectionIdentity>;

    fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.trust().server_config()
    }

    fn admits_stranger(&self, from: IpAddr) -> bool {
        self.strangers.admit(from).is_ok()
    }

    fn caller(&self, from: IpAddr, chain: &[CertificateDer<'_>]) -> Result<Self::Caller, Fault> {
        let identity = self.trust().connect(chain, self.exchanges.clock.now())?;
        self.strangers.refund(from);
        Ok(Arc::new(identity))
    }

    fn turned_away(&self, from: IpAddr, why: TurnedAway<'_>) {
        let (code, detail) = match why {
            TurnedAway::Stranger => ("strangers", String::new()),
            TurnedAway::Full => ("full", String::new()),
            TurnedAway::Slow => ("slow", String::new()),
            TurnedAway::Handshake(error) => (refused_identity(error).map_or("handshake", FaultCode::as_str), error.to_string()),
            TurnedAway::Unknown(fault) => (fault.code.as_str(), fault.to_string()),
        };
        self.metrics.turned_away(code);
        tracing::info!(%from, code, detail, "a connection was turned away");
    }

    async fn answer(self: Arc<Self>, identity: Arc<Self::Caller>, request: Request<Incoming>) -> Response {
        let (parts, body) = request.into_parts();
        let language = parts.headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let zh = prefers_chinese(language);
        let mut limited = None;
        let answered = match self.trust().resolve(&identity, self.exchanges.clock.now()) {
            Err(fault) => Err(fault),
            Ok(partner) => {
                let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
                limited = Some((partner.clone(), flow_of(&path)));
                let query = parse_query(parts.uri.query().unwrap_or_default());
                let asked = Asked {
                    partner,
                    identity: Arc::clone(&identity),
                    method: parts.method.clone(),
                    path,
                    query,
                    headers: &parts.headers,
                    zh,
                };
                self.route(&asked, body).await
            }
        };
        let mut response = answered.unwrap_or_else(|fault| self.refusal(&fault, zh));
        if let Some(fields) = limited.and_then(|(partner, flow)| self.limits.load().fields(&partner, flow.as_ref())) {
            insert_limits(response.headers_mut(), &fields);
        }
        response.headers_mut().insert(CONTENT_LANGUAGE, HeaderValue::from_static(if zh { "zh" } else { "en" }));
        response
    }
}

impl PartnerDoor {
    fn trust(&self) -> &TrustStore<Partners> {
        &self.exchanges.trust
    }

    fn refusal(&self, fault: &Fault, zh: bool) -> Response {
        self.metrics.refused(fault.code.as_str());
        if let Some(source) = &fault.source {
            tracing::error!(code = %fault.code, error = %source, "a request failed");
        }
        http::refusal(fault, 0, zh)
    }

    async fn route(&self, asked: &Asked<'_>, body: Incoming) -> Result<Response, Fault> {
        http::within_header_bytes(asked.headers, self.exchanges.live.load().config.gateway.limits.header_bytes_max)?;
        match (asked.path.as_slice(), asked.method.as_str()) {
            (["v1", "flows", flow, "exchanges"], "POST") => return self.submit(asked, flow, body).await,
            (["v1", "flows", _, "exchanges"], _) => return Ok(method_not_allowed("POST", asked.zh)),
            _ => {}
        }
        if !known(&asked.path) {
            return Err(Fault::new(FaultCode::PathUnknown));
        }
        if asked.method != Method::GET && asked.method != Method::HEAD {
            return Ok(method_not_allowed("GET, HEAD", asked.zh));
        }
        self.limits.load().admit(&asked.partner, None, None)?;
        match asked.path.as_slice() {
            ["v1", "exchanges"] => self.list(asked).await,
            ["v1", "exchanges", id] => self.own(asked, id).await.map(|row| json_answer(&state(&row))),
            ["v1", "exchanges", id, "receipt"] => {
                let row = self.own(asked, id).await?;
                Ok(http::answer(StatusCode::OK, "application/json", Receipt::new(&row.journaled).to_bytes().to_vec()))
            }
            ["v1", "exchanges", id, "report"] => self.report(asked, id).await,
            ["v1", "exchanges", id, "deliveries"] => self.deliveries(asked, id).await,
            ["v1", "errors", code] => page(code),
            ["v1", "me"] => self.me(asked).await,
            _ => Ok(http::answer(StatusCode::OK, "application/json", self.keys.jwks().to_text())),
        }
    }

    async fn submit(&self, asked: &Asked<'_>, flow: &str, body: Incoming) -> Result<Response, Fault> {
        let begun = Instant::now();
        let query = submission_query(&asked.query)?;
        let live = self.exchanges.live.load_full();
        let limits = self.limits.load_full();
        let asking = Asking {
            partner: asked.partner.clone(),
            identity: &asked.identity,
            live: &live,
            limits: &limits,
            spool: &self.exchanges.spool,
            clock: self.exchanges.clock.as_ref(),
        };
        let admitted = admit(asking, flow, &query, asked.headers)?;
        let (flow, trace_id, bytes) =
            (admitted.flow.flow.id.clone(), admitted.trace_id.clone(), hyper::body::Body::size_hint(&body).exact());
        let answer = exchange(&self.exchanges, admitted, body).await?;
        self.note(asked, &flow, &answer, bytes.unwrap_or(0), begun, &trace_id);
        Ok(answered(&answer, &flow, asked.zh))
    }

    fn note(&self, asked: &Asked<'_>, flow: &FlowId, answer: &Answer, bytes: u64, begun: Instant, trace_id: &str) {
        let Some(evidence) = &answer.evidence else { return };
        self.metrics.exchanged(&asked.partner, flow, answer.outcome, answer.counts, bytes, begun.elapsed());
        tracing::info!(
            exchange = %evidence.exchange, trace_id, partner = %asked.partner, %flow,
            outcome = answer.outcome.as_str(), records = answer.counts.records, refused = answer.counts.refused,
            took_ms = begun.elapsed().as_secs_f64() * 1e3, "an exchange was committed"
        );
    }

    /// One of the caller's own exchanges; another's answers as if it were not there.
    async fn own(&self, asked: &Asked<'_>, id: &str) -> Result<ExchangeRow, Fault> {
        let unknown = || Fault::new(FaultCode::ExchangeUnknown);
        let id: ExchangeId = id.parse().map_err(|_| unknown())?;
        let row = self.exchanges.journal.exchange(id).await.map_err(journal_fault)?;
        row.filter(|row| row.partner == asked.partner).ok_or_else(unknown)
    }

    async fn list(&self, asked: &Asked<'_>) -> Result<Response, Fault> {
        let mut filter = ExchangeFilter { partner: Some(asked.partner.clone()), rows_max: PAGE_ROWS_MAX, ..ExchangeFilter::default() };
        for (name, value) in &asked.query {
            let fits = match name.as_str() {
                "flow" => value.parse().map(|flow| filter.flow = Some(flow)).is_ok(),
                "message_id" => {
                    filter.message_id = Some(value.clone());
                    true
                }
                "received_from" => value.parse().map(|at| filter.received_from = Some(at)).is_ok(),
                "received_to" => value.parse().map(|at| filter.received_to = Some(at)).is_ok(),
                "before" => value.parse().map(|id| filter.before = Some(id)).is_ok(),
                "rows" => value.parse::<usize>().map(|rows| filter.rows_max = rows.clamp(1, PAGE_ROWS_MAX)).is_ok(),
                _ => false,
            };
            if !fits {
                return Err(bad_query(name, "flow, message_id, received_from, received_to, before, rows"));
            }
        }
        let rows = self.exchanges.journal.exchanges(filter).await.map_err(journal_fault)?;
        let next = rows.last().map(|row| row.journaled.exchange().to_string());
        Ok(json_answer(&json!({ "exchanges": rows.iter().map(state).collect::<Vec<_>>(), "next_before": next })))
    }

    async fn report(&self, asked: &Asked<'_>, id: &str) -> Result<Response, Fault> {
        let row = self.own(asked, id).await?;
        let findings = report(self.exchanges.journal.as_ref(), row.journaled.exchange()).await?;
        let accept = asked.headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if accept.contains("text/csv") {
            return Ok(http::answer(StatusCode::OK, "text/csv; charset=utf-8", report_csv(&findings, asked.zh)));
        }
        let entries: Vec<FindingEntry<'_>> = findings.iter().map(|f| FindingEntry::new(f, asked.zh)).collect();
        if accept.contains("application/x-ndjson") {
            let lines: Vec<String> = entries.iter().filter_map(|e| serde_json::to_string(e).ok()).map(|l| l + "\n").collect();
            return Ok(http::answer(StatusCode::OK, "application/x-ndjson", lines.concat()));
        }
        let mut whole = state(&row);
        whole["findings"] = json!(entries);
        whole["findings_left_out"] = json!(row.findings_left_out);
        Ok(json_answer(&whole))
    }

    async fn deliveries(&self, asked: &Asked<'_>, id: &str) -> Result<Response, Fault> {
        let row = self.own(asked, id).await?;
        let rows = self.exchanges.journal.deliveries(row.journaled.exchange()).await.map_err(journal_fault)?;
        Ok(json_answer(
            &json!({ "exchange": row.journaled.exchange().to_string(), "deliveries": rows.iter().map(delivery).collect::<Vec<_>>() }),
        ))
    }

    /// The caller's own page.
    async fn me(&self, asked: &Asked<'_>) -> Result<Response, Fault> {
        let live = self.exchanges.live.load_full();
        let caller = asked.identity.caller();
        let filter = ExchangeFilter { partner: Some(asked.partner.clone()), rows_max: LATEST_EXCHANGES, ..ExchangeFilter::default() };
        let latest = self.exchanges.journal.exchanges(filter).await.map_err(journal_fault)?;
        let days_left = (caller.not_after.as_second() - self.exchanges.clock.now().as_second()) / 86_400;
        let flows: Vec<Value> = live
            .flows
            .values()
            .filter_map(|plan| {
                plan.flow
                    .senders
                    .get(&asked.partner)
                    .map(|s| json!({ "flow": plan.flow.id.to_string(), "title": plan.flow.title, "mappings": s.mappings }))
            })
            .collect();
        let fields = self.limits.load().fields(&asked.partner, None);
        Ok(json_answer(&json!({
            "partner": asked.partner.to_string(),
            "title": live.config.partners.get(&asked.partner).map(|p| &p.title),
            "certificate": { "subject": caller.subject, "serial": caller.serial, "not_after": caller.not_after.to_string(), "days_left": days_left },
            "flows": flows,
            "limits": fields.map(|f| json!({ "policy": f.policy, "left": f.limit })),
            "latest_exchanges": latest.iter().map(state).collect::<Vec<_>>(),
        })))
    }
}

/// The flow whose limits count, where the address names one.
fn flow_of(path: &[&str]) -> Option<FlowId> {
    match path {
        ["v1", "flows", flow, ..] => flow.parse().ok(),
        _ => None,
    }
}

fn known(path: &[&str]) -> bool {
    matches!(
        path,
        ["v1", "exchanges"]
            | ["v1", "exchanges", _]
            | ["v1", "exchanges", _, "receipt" | "report" | "deliveries"]
            | ["v1", "errors", _]
            | ["v1", "me"]
            | [".well-known", "jwks.json"]
    )
}

/// The answer to a submission: 202 with the receipt, or a problem that carries it.
fn answered(answer: &Answer, flow: &FlowId, zh: bool) -> Response {
    let receipt =
        answer.evidence.as_ref().and_then(|e| RawValue::from_string(String::from_utf8_lossy(e.receipt.to_bytes()).into_owned()).ok());
    let exchange = answer.evidence.as_ref().map(|e| e.exchange.to_string());
    let shown = answer.findings.iter().take(FINDINGS_IN_PROBLEM_MAX);
    let left_out = answer.findings_left_out + answer.findings.len().saturating_sub(FINDINGS_IN_PROBLEM_MAX) as u64;
    let mut members = serde_json::Map::new();
    if let Some(exchange) = &exchange {
        members.insert("exchange".into(), json!(exchange));
        members.insert("report".into(), json!(format!("/v1/exchanges/{exchange}/report")));
    } else {
        members.insert("mode".into(), json!("validate"));
    }
    members.insert("counts".into(), json!(answer.counts));
    let mut response = if answer.outcome == Outcome::Refused {
        let mut fault = Fault::new(answer.fault.unwrap_or(FaultCode::RecordsRefused));
        fault.findings = answer.findings.clone();
        let mut whole = serde_json::to_value(problem(&fault, answer.findings_left_out, zh)).unwrap_or_default();
        if let Value::Object(object) = &mut whole {
            object.extend(members);
        }
        http::refusal_with(&fault, with_receipt(&whole, receipt.as_deref()))
    } else {
        members.insert("flow".into(), json!(flow.to_string()));
        members.insert("verdict".into(), json!(answer.outcome.as_str()));
        members.insert("findings".into(), json!(shown.map(|f| FindingEntry::new(f, zh)).collect::<Vec<_>>()));
        members.insert("findings_left_out".into(), json!(left_out));
        let status = if exchange.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
        http::answer(status, "application/json", with_receipt(&Value::Object(members), receipt.as_deref()))
    };
    let headers = response.headers_mut();
    headers.insert(REFUSED_RECORDS, HeaderValue::from(answer.counts.refused));
    if let Some(location) = exchange.and_then(|id| HeaderValue::from_str(&format!("/v1/exchanges/{id}")).ok()) {
        headers.insert(LOCATION, location);
    }
    response
}

/// An object with the receipt as its last member, byte for byte.
fn with_receipt(object: &Value, receipt: Option<&RawValue>) -> Vec<u8> {
    let mut text = object.to_string();
    if let Some(receipt) = receipt
        && text.ends_with('}')
    {
        text.pop();
        text.push_str(",\"receipt\":");
        text.push_str(receipt.get());
        text.push('}');
    }
    text.into_bytes()
}

fn state(row: &ExchangeRow) -> Value {
    let id = row.journaled.exchange();
    json!({
        "exchange": id.to_string(),
        "flow": row.flow.to_string(),
        "verdict": row.journaled.outcome().as_str(),
        "received_at": row.received_at.to_string(),
        "message_id": row.message_id,
        "idempotency_key": row.idempotency_key,
        "corrects": row.corrects.map(|id| id.to_string()),
        "mapping": row.mapping,
        "fault": row.fault,
        "counts": row.journaled.counts(),
        "body": { "bytes": row.body_bytes, "sha256": row.body_digest.to_string() },
        "links": {
            "receipt": format!("/v1/exchanges/{id}/receipt"),
            "report": format!("/v1/exchanges/{id}/report"),
            "deliveries": format!("/v1/exchanges/{id}/deliveries"),
        },
    })
}

fn delivery(row: &DeliveryRow) -> Value {
    json!({
        "delivery": row.id.to_string(),
        "to": row.to.partner.to_string(),
        "state": row.state.as_str(),
        "records": row.records,
        "attempts": row.attempts,
        "acknowledged_at": row.acknowledged_at.map(|at| at.to_string()),
        "last_fault": row.last_fault.as_ref().map(|(code, _)| code),
    })
}

fn page(code: &str) -> Result<Response, Fault> {
    let code: FaultCode = code.parse().map_err(|_| Fault::new(FaultCode::PathUnknown))?;
    Ok(http::answer(StatusCode::OK, "text/markdown; charset=utf-8", code.page()))
}

fn json_answer(value: &Value) -> Response {
    http::answer(StatusCode::OK, "application/json", value.to_string())
}

fn method_not_allowed(allowed: &'static str, zh: bool) -> Response {
    let fault = Fault::new(FaultCode::MethodNotAllowed).detail(format!("可用方法：{allowed}"), format!("use {allowed}"));
    let mut response = http::refusal(&fault, 0, zh);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn submission_query(pairs: &[(String, String)]) -> Result<Query, Fault> {
    let mut query = Query::default();
    for (name, value) in pairs {
        match (name.as_str(), value.as_str()) {
            ("mode", "validate") => query.mode = Mode::Validate,
            ("mapping", name) => query.mapping = Some(name.to_owned()),
            (name, _) => return Err(bad_query(name, "mode=validate, mapping=NAME")),
        }
    }
    Ok(query)
}

fn bad_query(name: &str, allowed: &str) -> Fault {
    let name: String = name.chars().take(40).collect();
    Fault::new(FaultCode::QueryInvalid).detail(
        format!("查询参数 {name:?} 不可用或取值不正确；可用 {allowed}"),
        format!("the query parameter {name:?} is unknown or malformed; there are {allowed}"),
    )
}

/// Splits a query string; percent-encoding is undone, `+` stands for itself as RFC 3986 has it.
fn parse_query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (unescape(name), unescape(value))).collect()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok()).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (first, pair) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn insert_limits(headers: &mut HeaderMap, fields: &RateFields) {
    for (name, text) in [(RATE_LIMIT_POLICY, &fields.policy), (RATE_LIMIT, &fields.limit)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
}

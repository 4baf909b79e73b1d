//! The partner's API: what each address and method does. Every answer carries the caller's limits,
//! every refusal is problem+json, and what belongs to another partner answers as if it were not there.

mod me;
mod queries;
mod statements;

use super::admit::{Admitted, Asking, Mode, Query, admit, trace_id};
use super::identity::{ConnectionIdentity, Partners, TrustStore};
use super::in_flight::{PerName, Share};
use super::limits::{RateFields, RateLimits};
use super::strangers::Strangers;
use super::tls::refused_identity;
use crate::domain::{BusinessAnswer, ExchangeId, FlowId, Outcome, PartnerId};
use crate::exchange::{Answer, Exchanges, exchange, journal_fault, report};
use crate::fault::problem::{FINDINGS_IN_PROBLEM_MAX, FindingEntry, prefers_chinese, problem, report_csv};
use crate::fault::{Fault, FaultCode, Party};
use crate::http::query::{bad_query, parse_query};
use crate::http::{self, Door, Response, TurnedAway};
use crate::journal::{DeliveryRow, ExchangeFilter, ExchangeRow, PAGE_ROWS_MAX};
use crate::lineage::Lineages;
use crate::live::Live;
use crate::mask::Shown;
use crate::metrics::{Exchanged, Metrics};
use crate::query::Queries;
use crate::receipt::{Keys, Receipt};
use crate::statement::Statements;
use arc_swap::ArcSwap;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use rustls::pki_types::CertificateDer;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

const REFUSED_RECORDS: HeaderName = HeaderName::from_static("portolan-refused-records");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Reads that one partner may have under way, so that none keeps all others waiting for the journal.
const PARTNER_READS_MAX: usize = 8;

/// The partners' door.
pub struct PartnerDoor {
    /// What exchanges are handled with.
    pub exchanges: Arc<Exchanges>,
    /// Limits of partners and flows.
    pub limits: Arc<ArcSwap<RateLimits>>,
    /// Limits of those whom nobody knows yet.
    pub strangers: Arc<Strangers>,
    /// Connections open, of each partner.
    pub connections: PerName,
    /// Submissions under way, of each partner.
    pub submissions: PerName,
    /// Reads under way, of each partner.
    pub reads: PerName,
    /// Queries.
    pub queries: Queries,
    /// Looks into records.
    pub lineages: Arc<Lineages>,
    /// The keys that verify receipts.
    pub keys: Arc<Keys>,
    /// Daily statements.
    pub statements: Arc<Statements>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// A partner's connection.
pub struct Connected {
    identity: Arc<ConnectionIdentity>,
    _share: Share,
}

/// What is asked, by whom.
struct Asked<'r> {
    partner: PartnerId,
    identity: &'r Arc<ConnectionIdentity>,
    head: &'r Parts,
    path: Vec<&'r str>,
    query: Vec<(String, String)>,
    trace_id: String,
    zh: bool,
}

#[async_trait::async_trait]
impl Door for PartnerDoor {
    type Caller = Connected;

    fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.trust().server_config()
    }

    fn admits_stranger(&self, from: IpAddr) -> bool {
        self.strangers.admit(from).is_ok()
    }

    fn caller(&self, from: IpAddr, chain: &[CertificateDer<'_>]) -> Result<Self::Caller, Fault> {
        let now = self.exchanges.clock.now();
        let identity = Arc::new(self.trust().connect(chain, now)?);
        let partner = self.trust().resolve(&identity, now)?;
        let max = self.exchanges.live.load().config.gateway.limits.partner_connections_max;
        let share = self.connections.enter(&partner, max).ok_or_else(|| too_many(max, "连接", "connections"))?;
        self.strangers.refund(from);
        Ok(Connected { identity, _share: share })
    }

    fn turned_away(&self, from: IpAddr, why: TurnedAway<'_>) {
        let (code, detail) = why.reason(refused_identity);
        self.metrics.turned_away(code);
        tracing::info!(%from, code, detail, "a connection was turned away");
    }

    async fn answer(self: Arc<Self>, caller: Arc<Connected>, head: Arc<Parts>, body: Incoming) -> Response {
        let asked = match self.asked(&caller, &head) {
            Ok(asked) => asked,
            Err(fault) => return self.refuse(&caller, &head, &fault),
        };
        let answered = self.route(&asked, body).await;
        let response = answered.unwrap_or_else(|fault| {
            self.note_refusal(&asked, &fault);
            http::refusal(&fault, 0, asked.zh)
        });
        self.finished(response, &asked)
    }

    fn refuse(&self, caller: &Connected, head: &Parts, fault: &Fault) -> Response {
        let zh = asks_chinese(head);
        let response = http::refusal(fault, 0, zh);
        match self.asked(caller, head) {
            Ok(asked) => {
                self.note_refusal(&asked, fault);
                self.finished(response, &asked)
            }
            Err(_) => {
                self.metrics.refused(fault.code.as_str());
                let (code, subject) = (fault.code.as_str(), &caller.identity.caller().subject);
                tracing::info!(code, subject, path = head.uri.path(), error = fault.source.as_deref(), "a request of nobody was refused");
                in_language(response, zh)
            }
        }
    }
}

impl PartnerDoor {
    fn trust(&self) -> &TrustStore<Partners> {
        &self.exchanges.trust
    }

    /// Who asks what.
    ///
    /// # Errors
    /// A fault of identity: the caller is nobody by now.
    fn asked<'r>(&self, caller: &'r Connected, head: &'r Parts) -> Result<Asked<'r>, Fault> {
        let clock = self.exchanges.clock.as_ref();
        Ok(Asked {
            partner: self.trust().resolve(&caller.identity, clock.now())?,
            identity: &caller.identity,
            head,
            path: head.uri.path().split('/').skip(1).collect(),
            query: parse_query(head.uri.query().unwrap_or_default()),
            trace_id: trace_id(&head.headers, clock),
            zh: asks_chinese(head),
        })
    }

    /// The fields of every answer.
    fn finished(&self, mut response: Response, asked: &Asked<'_>) -> Response {
        if let Some(fields) = self.limits.load().fields(&asked.partner, self.flow_of(&asked.path).as_ref()) {
            insert_limits(response.headers_mut(), &fields);
        }
        in_language(response, asked.zh)
    }

    /// The flow whose limits count, where the address names one.
    fn flow_of(&self, path: &[&str]) -> Option<FlowId> {
        match path {
            ["v1", "flows", flow, ..] => flow.parse().ok(),
            ["v1", "queries", service] => queries::plan(&self.exchanges.live.load(), service).map(|plan| plan.query.question.clone()),
            _ => None,
        }
    }

    /// Counts and logs a refusal. What is to blame on the gateway and has a cause is for an operator; the
    /// detail stays out of the log, since it may hold values of a record.
    fn note_refusal(&self, asked: &Asked<'_>, fault: &Fault) {
        let (code, trace_id, partner) = (fault.code.as_str(), asked.trace_id.as_str(), &asked.partner);
        let (method, path) = (asked.head.method.as_str(), asked.head.uri.path());
        let exchange = fault.exchange.map(tracing::field::display);
        self.metrics.refused(code);
        if matches!(fault.code, FaultCode::RateExceeded | FaultCode::TooManyRequests) {
            self.metrics.throttled(partner);
        }
        match &fault.source {
            Some(error) if fault.code.party() == Party::Gateway => {
                tracing::error!(code, %partner, trace_id, exchange, method, path, %error, "a request failed");
            }
            _ => tracing::info!(code, %partner, trace_id, exchange, method, path, "a request was refused"),
        }
    }

    async fn route(&self, asked: &Asked<'_>, body: Incoming) -> Result<Response, Fault> {
        http::within_header_bytes(&asked.head.headers, self.exchanges.live.load().config.gateway.limits.header_bytes_max)?;
        let call = Call::at(&asked.path).ok_or_else(|| Fault::new(FaultCode::PathUnknown))?;
        let allowed = call.methods();
        if !allowed.split(", ").any(|allowed| allowed == asked.head.method.as_str()) {
            self.note_refusal(asked, &Fault::new(FaultCode::MethodNotAllowed));
            return Ok(http::method_not_allowed(allowed, asked.zh));
        }
        match call {
            Call::Submit(flow) => self.submit(asked, flow, body).await,
            Call::Query(service) => self.query(asked, service, body).await,
            Call::Read(read) => self.read(asked, read).await,
        }
    }

    async fn read(&self, asked: &Asked<'_>, read: Read<'_>) -> Result<Response, Fault> {
        self.limits.load().admit(&asked.partner, None, None)?;
        let share = self.reads.enter(&asked.partner, PARTNER_READS_MAX);
        let _share = share.ok_or_else(|| too_many(PARTNER_READS_MAX, "查询", "reads"))?;
        match read {
            Read::List => self.list(asked).await,
            Read::State(id) => self.own(asked, id).await.map(|row| json_answer(&state(&row))),
            Read::Receipt(id) => {
                let row = self.own(asked, id).await?;
                Ok(http::answer(StatusCode::OK, "application/json", Receipt::new(&row.journaled).to_bytes().to_vec()))
            }
            Read::Report(id) => self.report(asked, id).await,
            Read::Deliveries(id) => self.deliveries(asked, id).await,
            Read::Record(id, number) => {
                let row = self.own(asked, id).await?;
                self.lineages.record(&row, number, Shown::Whole, asked.zh).await.map(|lineage| json_answer(&lineage))
            }
            Read::Answer(id) => self.business_answer(asked, id).await,
            Read::Fault(code) => page(code),
            Read::Me => self.me(asked).await,
            Read::Statement(day) => self.statement(asked, day).await,
            Read::Keys => Ok(http::answer(StatusCode::OK, "application/json", self.keys.jwks().to_text())),
        }
    }

    async fn submit(&self, asked: &Asked<'_>, flow: &str, body: Incoming) -> Result<Response, Fault> {
        let begun = Instant::now();
        let (admitted, share) = self.admit(asked, &self.exchanges.live.load_full(), flow)?;
        let flow = admitted.intake.flow.flow.id.clone();
        let answer = exchange(&self.exchanges, admitted, body).await?;
        drop(share);
        self.note(asked, &flow, &answer, begun);
        Ok(answered(&answer, &flow, asked))
    }

    /// Admits a body of a flow, as one of those that the caller has under way.
    fn admit(&self, asked: &Asked<'_>, live: &Arc<Live>, flow: &str) -> Result<(Admitted, Share), Fault> {
        let query = submission_query(&asked.query)?;
        let limits = self.limits.load_full();
        let asking = Asking {
            partner: asked.partner.clone(),
            identity: asked.identity,
            live,
            pauses: &self.exchanges.pauses,
            limits: &limits,
            spool: &self.exchanges.spool,
            clock: self.exchanges.clock.as_ref(),
            trace_id: asked.trace_id.clone(),
        };
        let admitted = admit(asking, flow, &query, &asked.head.headers)?;
        let max = live.config.gateway.limits.partner_submissions_max;
        let share = self.submissions.enter(&asked.partner, max).ok_or_else(|| too_many(max, "报送", "submissions"))?;
        Ok((admitted, share))
    }

    fn note(&self, asked: &Asked<'_>, flow: &FlowId, answer: &Answer, begun: Instant) {
        let Some(evidence) = &answer.evidence else { return };
        if evidence.repeat {
            tracing::info!(exchange = %evidence.exchange, trace_id = asked.trace_id, partner = %asked.partner, %flow, "a repeat got its first answer");
            return;
        }
        let (outcome, counts, bytes) = (answer.outcome, answer.counts, evidence.received_bytes);
        let exchanged = Exchanged { outcome, counts, bytes, took: begun.elapsed(), trace_id: &asked.trace_id };
        self.metrics.exchanged(&asked.partner, flow, &exchanged);
        tracing::info!(
            exchange = %evidence.exchange, trace_id = asked.trace_id, partner = %asked.partner, %flow,
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
        let accept = asked.head.headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
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

    async fn business_answer(&self, asked: &Asked<'_>, id: &str) -> Result<Response, Fault> {
        let row = self.own(asked, id).await?;
        let answer = self.exchanges.journal.answer(row.journaled.exchange()).await.map_err(journal_fault)?;
        answer.map(|answer| business_answer(StatusCode::OK, &answer)).ok_or_else(|| Fault::new(FaultCode::PathUnknown))
    }

    async fn deliveries(&self, asked: &Asked<'_>, id: &str) -> Result<Response, Fault> {
        let (mut after, mut rows_max) = (None, PAGE_ROWS_MAX);
        for (name, value) in &asked.query {
            let fits = match name.as_str() {
                "after" => value.parse().map(|id| after = Some(id)).is_ok(),
                "rows" => value.parse::<usize>().map(|rows| rows_max = rows.clamp(1, PAGE_ROWS_MAX)).is_ok(),
                _ => false,
            };
            if !fits {
                return Err(bad_query(name, "after, rows"));
            }
        }
        let exchange = self.own(asked, id).await?.journaled.exchange();
        let rows = self.exchanges.journal.deliveries(exchange, after, rows_max).await.map_err(journal_fault)?;
        let next = rows.last().filter(|_| rows.len() == rows_max).map(|row| row.id.to_string());
        let deliveries: Vec<Value> = rows.iter().map(delivery).collect();
        Ok(json_answer(&json!({ "exchange": exchange.to_string(), "deliveries": deliveries, "next_after": next })))
    }
}

/// What an address asks for.
enum Call<'p> {
    /// Takes in a body of a flow.
    Submit(&'p str),
    /// Asks a query's provider.
    Query(&'p str),
    /// Changes nothing.
    Read(Read<'p>),
}

/// A call that only reads; of exchanges by their ids, as they stand in the address.
enum Read<'p> {
    List,
    State(&'p str),
    Receipt(&'p str),
    Report(&'p str),
    Deliveries(&'p str),
    /// A record by its number.
    Record(&'p str, &'p str),
    Answer(&'p str),
    /// The page of a fault code.
    Fault(&'p str),
    Me,
    /// The statement of a day.
    Statement(&'p str),
    Keys,
}

impl<'p> Call<'p> {
    /// The call at an address.
    fn at(path: &[&'p str]) -> Option<Self> {
        Some(Self::Read(match *path {
            ["v1", "flows", flow, "exchanges"] => return Some(Self::Submit(flow)),
            ["v1", "queries", service] => return Some(Self::Query(service)),
            ["v1", "exchanges"] => Read::List,
            ["v1", "exchanges", id] => Read::State(id),
            ["v1", "exchanges", id, "receipt"] => Read::Receipt(id),
            ["v1", "exchanges", id, "report"] => Read::Report(id),
            ["v1", "exchanges", id, "deliveries"] => Read::Deliveries(id),
            ["v1", "exchanges", id, "records", number] => Read::Record(id, number),
            ["v1", "exchanges", id, "answer"] => Read::Answer(id),
            ["v1", "errors", code] => Read::Fault(code),
            ["v1", "me"] => Read::Me,
            ["v1", "statements", day] => Read::Statement(day),
            [".well-known", "jwks.json"] => Read::Keys,
            _ => return None,
        }))
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Submit(_) | Self::Query(_) => "POST",
            Self::Read(_) => "GET, HEAD",
        }
    }
}

/// The answer to a submission: 202 with the receipt, or a problem that carries it.
fn answered(answer: &Answer, flow: &FlowId, asked: &Asked<'_>) -> Response {
    let zh = asked.zh;
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
    if let Some(business) = answer.business.as_ref().filter(|_| !accepts_json(asked.head)) {
        response = business_answer(response.status(), business);
    }
    let headers = response.headers_mut();
    headers.insert(REFUSED_RECORDS, HeaderValue::from(answer.counts.refused));
    if let Some(location) = exchange.and_then(|id| HeaderValue::from_str(&format!("/v1/exchanges/{id}")).ok()) {
        headers.insert(LOCATION, location);
    }
    response
}

/// Whether the caller asks for JSON by its name, and not only for anything.
fn accepts_json(head: &Parts) -> bool {
    head.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("json"))
}

/// An answer in the sender's own format. Its receipt is at the `Location`'s `/receipt`.
fn business_answer(status: StatusCode, answer: &BusinessAnswer) -> Response {
    let mut response = http::answer(status, "application/octet-stream", answer.bytes.clone());
    if let Ok(media_type) = HeaderValue::from_str(&answer.media_type) {
        response.headers_mut().insert(CONTENT_TYPE, media_type);
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

fn asks_chinese(head: &Parts) -> bool {
    prefers_chinese(head.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

fn in_language(mut response: Response, zh: bool) -> Response {
    response.headers_mut().insert(CONTENT_LANGUAGE, HeaderValue::from_static(if zh { "zh" } else { "en" }));
    response
}

/// The fault of a partner that has `max` of something already.
fn too_many(max: usize, zh: &str, en: &str) -> Fault {
    Fault::new(FaultCode::TooManyRequests)
        .detail(format!("单个单位同时{zh}不得超过 {max} 个"), format!("one partner may have at most {max} {en} at once"))
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

fn insert_limits(headers: &mut HeaderMap, fields: &RateFields) {
    for (name, text) in [(RATE_LIMIT_POLICY, &fields.policy), (RATE_LIMIT, &fields.limit)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
}

//! What operators do about dead letters (投递失败待处理): look at them, resend them, waive them.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/dead-letters?destination=&after=&rows=` | 200, a page of dead letters by destination, oldest first; `next_after` is the `after` of the next page, if there may be one |
//! | `POST /v1/deliveries/ID/resend` | 200, queued again under the same id, with the same bytes |
//! | `POST /v1/deliveries/ID/waive` | 200, given up for good; in an ordered flow those behind it go on |
//!
//! Either act needs a `Portolan-Reason`: percent-encoded UTF-8, 1 to [`REASON_CHARS_MAX`] characters
//! without control characters. The journal keeps it with the operator's name. A browser lets no page of
//! another site send such a field unless we allowed it, which we never do, so no page acts in an
//! operator's name. A dead letter that is none any more answers 404, so that two operators cannot act twice.

use super::view::OpsView;
use crate::domain::DeliveryId;
use crate::fault::{Fault, FaultCode};
use crate::http::query::{bad_query, parse_query, percent_decoded};
use crate::http::{self, Response};
use crate::journal::{Act, ActKind, DeadLetterFilter, DeliveryRow, PAGE_ROWS_MAX};
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

/// The field that says why.
pub const REASON: HeaderName = HeaderName::from_static("portolan-reason");
/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 500;

/// What an address asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call<'p> {
    /// A page of dead letters.
    List,
    /// An act on a delivery, by its id as it stands in the address.
    Act(ActKind, &'p str),
}

impl<'p> Call<'p> {
    /// The call at an address.
    pub(super) fn at(path: &'p str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        match segments[..] {
            ["", "v1", "dead-letters"] => Some(Self::List),
            ["", "v1", "deliveries", id, "resend"] => Some(Self::Act(ActKind::Resent, id)),
            ["", "v1", "deliveries", id, "waive"] => Some(Self::Act(ActKind::Waived, id)),
            _ => None,
        }
    }
}

impl OpsView {
    /// Answers a call of an operator.
    pub(super) async fn answer_call(&self, call: Call<'_>, request: &request::Parts, operator: &str, zh: bool) -> Result<Response, Fault> {
        match (call, &request.method) {
            (Call::List, &Method::GET | &Method::HEAD) => self.list(request.uri.query().unwrap_or_default()).await,
            (Call::List, _) => Ok(http::method_not_allowed("GET, HEAD", zh)),
            (Call::Act(kind, id), &Method::POST) => self.act(kind, id, reason(&request.headers)?, operator).await,
            (Call::Act(..), _) => Ok(http::method_not_allowed("POST", zh)),
        }
    }

    async fn list(&self, query: &str) -> Result<Response, Fault> {
        let filter = filter(query)?;
        let rows_max = filter.rows_max;
        let rows = self.journal.dead_letters(filter).await?;
        let next = rows.last().filter(|_| rows.len() == rows_max).map(|row| row.id.to_string());
        Ok(json_answer(&json!({ "dead_letters": rows.iter().map(dead_letter).collect::<Vec<_>>(), "next_after": next })))
    }

    async fn act(&self, kind: ActKind, id: &str, reason: String, operator: &str) -> Result<Response, Fault> {
        let unknown = || Fault::new(FaultCode::DeadLetterUnknown);
        let delivery: DeliveryId = id.parse().map_err(|_| unknown())?;
        let act = Act { kind, at: self.clock.now(), operator: operator.to_owned(), reason };
        let to = self.journal.act(delivery, act.clone()).await?.ok_or_else(unknown)?;
        (self.lookups.wake)(&to);
        tracing::info!(%delivery, %to, act = kind.as_str(), operator, reason = act.reason, "an operator acted on a dead letter");
        Ok(json_answer(&json!({ "delivery": delivery.to_string(), "to": to.to_string(), "act": act_entry(&act) })))
    }
}

fn filter(query: &str) -> Result<DeadLetterFilter, Fault> {
    let mut filter = DeadLetterFilter { rows_max: PAGE_ROWS_MAX, ..DeadLetterFilter::default() };
    for (name, value) in parse_query(query) {
        let fits = match name.as_str() {
            "destination" => value.parse().map(|to| filter.to = Some(to)).is_ok(),
            "after" => value.parse().map(|id| filter.after = Some(id)).is_ok(),
            "rows" => value.parse::<usize>().map(|rows| filter.rows_max = rows.clamp(1, PAGE_ROWS_MAX)).is_ok(),
            // The language, as on every page here.
            "lang" => true,
            _ => false,
        };
        if !fits {
            return Err(bad_query(&name, "destination=PARTNER/PLACE, after=ID, rows=NUMBER, lang=zh, lang=en"));
        }
    }
    Ok(filter)
}

/// Why the operator acts.
pub(super) fn reason(headers: &HeaderMap) -> Result<String, Fault> {
    let text = headers.get(REASON).and_then(|value| String::from_utf8(percent_decoded(value.to_str().ok()?)).ok());
    let fits = |text: &String| (1..=REASON_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    text.map(|text| text.trim().to_owned()).filter(fits).ok_or_else(|| {
        Fault::new(FaultCode::HeaderInvalid).detail(
            format!("请用 Portolan-Reason 写明理由：经百分号编码的 UTF-8，1 至 {REASON_CHARS_MAX} 个字符，不含控制字符"),
            format!("give a reason in Portolan-Reason: percent-encoded UTF-8, 1 to {REASON_CHARS_MAX} characters, no control characters"),
        )
    })
}

fn dead_letter(row: &DeliveryRow) -> Value {
    let (fault, detail) = row.last_fault.as_ref().map(|(fault, detail)| (fault, detail)).unzip();
    json!({
        "delivery": row.id.to_string(),
        "exchange": row.exchange.to_string(),
        "to": row.to.to_string(),
        "records": row.records,
        "attempts": row.attempts,
        "fault": fault,
        "detail": detail,
        "answer": row.last_answer,
        "acts": row.acts.iter().map(act_entry).collect::<Vec<_>>(),
    })
}

fn act_entry(act: &Act) -> Value {
    json!({ "act": act.kind.as_str(), "at": act.at.to_string(), "operator": act.operator, "reason": act.reason })
}

pub(super) fn json_answer(value: &Value) -> Response {
    http::answer(StatusCode::OK, "application/json", value.to_string())
}

//! The log of administrative acts (操作记录), and the second person's word on what waits for it.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/acts?before=&rows=&kind=&waiting=true` | 200, a page of acts, newest first; `next_before` is the `before` of the next page, if there may be one |
//! | `POST /v1/acts/NUMBER/approve` | 200, done: by another operator than the one who proposed it |
//! | `POST /v1/acts/NUMBER/reject` | 200, never to be done; its proposer may take it back so |
//!
//! Every change here is answered alike: 200 with the act as it was logged; 202 with the proposal, where it
//! waits for a second person; 200 with `"changed": false` where everything was so already. A form of the console that says
//! where it goes `then` is answered 303 with that address and, in `said`, what came of it.

use super::access::{Ask, Said};
use super::candidates;
use super::view::OpsView;
use crate::domain::Operator;
use crate::fault::{Fault, FaultCode};
use crate::http::query::bad_query;
use crate::http::{self, Response};
use crate::journal::PAGE_ROWS_MAX;
use crate::journal::acts::{Act, ActFilter, ActRequest, Acted, NewAct};
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};
use serde_json::{Value, json};

/// A page of the log.
///
/// # Errors
/// A parameter that is not one; the journal's failures.
pub(super) async fn list(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let filter = filter(view, &ask)?;
    let rows_max = filter.rows_max;
    let acts = view.journal.acts(filter).await?;
    let next = acts.last().filter(|_| acts.len() == rows_max).map(|act| act.entry.number);
    Ok(answer(StatusCode::OK, &json!({ "acts": acts.iter().map(entry).collect::<Vec<_>>(), "next_before": next })))
}

/// Which acts are asked for.
///
/// # Errors
/// A parameter that is not one.
pub(super) fn filter(view: &OpsView, ask: &Ask<'_>) -> Result<ActFilter, Fault> {
    let mut filter = ActFilter { rows_max: PAGE_ROWS_MAX, ..ActFilter::default() };
    // A form sends what was left blank as well.
    for (name, value) in ask.query().into_iter().filter(|(_, value)| !value.is_empty()) {
        let fits = match (name.as_str(), value.as_str()) {
            ("before", text) => text.parse().map(|number| filter.before = Some(number)).is_ok(),
            ("rows", text) => text.parse::<usize>().map(|rows| filter.rows_max = rows.clamp(1, PAGE_ROWS_MAX)).is_ok(),
            ("kind", kind) => filter.kind.replace(kind.to_owned()).is_none(),
            ("waiting", "true") => {
                filter.waiting_at = Some(view.clock.now());
                true
            }
            ("waiting", "false") => true,
            _ => false,
        };
        if !fits {
            return Err(bad_query(&name, "before=NUMBER, rows=NUMBER, kind=KIND, waiting=true"));
        }
    }
    Ok(filter)
}

/// Does what somebody else proposed.
///
/// # Errors
/// A proposal that does not wait or is the operator's own; the journal's failures.
pub(super) async fn approve(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    let number = proposal(&ask)?;
    let promotion = candidates::promotion(view, &ask, number).await?;
    let approved = act(view, &ask, ActRequest::Approve(number)).await?;
    match promotion {
        Some(promotion) => candidates::promote_now(view, promotion).await.map(|()| approved),
        None => Ok(approved),
    }
}

/// Lets a proposal fall.
///
/// # Errors
/// A proposal that does not wait; the journal's failures.
pub(super) async fn reject(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    act(view, &ask, ActRequest::Reject(proposal(&ask)?)).await
}

fn proposal(ask: &Ask<'_>) -> Result<u64, Fault> {
    ask.segment(0).parse().map_err(|_| Fault::new(FaultCode::ProposalUnknown))
}

/// Does what an operator asks for, for the reason that the request gives, and answers with what came of it.
pub(super) async fn act(view: &OpsView, ask: &Ask<'_>, request: ActRequest) -> Result<Response, Fault> {
    let (said, status, whole) = match view.act(ask.operator, ask.reason()?, request).await? {
        Acted::Done { act, .. } => (Said::Done(act.entry.number), StatusCode::OK, json!({ "changed": true, "act": entry(&act) })),
        Acted::Proposed(act) => {
            (Said::Proposed(act.entry.number), StatusCode::ACCEPTED, json!({ "changed": false, "proposal": entry(&act) }))
        }
        Acted::Unchanged => (Said::Unchanged, StatusCode::OK, json!({ "changed": false })),
        Acted::NothingPicked => return Err(Fault::new(FaultCode::DeadLetterUnknown)),
        Acted::AlarmUnknown => return Err(Fault::new(FaultCode::AlarmUnknown)),
        Acted::ProposalUnknown => return Err(Fault::new(FaultCode::ProposalUnknown)),
        Acted::OwnProposal => return Err(Fault::new(FaultCode::OwnProposal)),
    };
    Ok(told(ask, said, status, &whole))
}

/// What came of a change: to a program as JSON, to a form of the console by the page that it goes to.
pub(super) fn told(ask: &Ask<'_>, said: Said, status: StatusCode, whole: &Value) -> Response {
    let Some(then) = ask.then(said).and_then(|then| HeaderValue::from_str(&then).ok()) else { return answer(status, whole) };
    let mut response = http::answer(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    response.headers_mut().insert(LOCATION, then);
    response
}

impl OpsView {
    /// Has the journal do what an operator asks for, and wakes those for whom something became due.
    ///
    /// # Errors
    /// The journal's failures.
    pub async fn act(&self, operator: &Operator, reason: String, request: ActRequest) -> Result<Acted, Fault> {
        let (rules, at) = (self.live.load().config.gateway.operators, self.clock.now());
        let new = NewAct {
            operator: Some(operator.clone()),
            at,
            reason,
            request,
            deliveries_alone_max: rules.deliveries_alone_max,
            proposal_until: at.checked_add(rules.proposal_span).unwrap_or(at),
        };
        let acted = self.journal.act(new).await?;
        if let Acted::Done { act, woken } = &acted {
            woken.iter().for_each(|to| (self.lookups.wake)(to));
            let (number, kind, deliveries) = (act.entry.number, act.entry.deed.kind(), act.entry.deliveries);
            tracing::info!(number, kind, deliveries, %operator, reason = act.entry.reason, "an operator acted");
        }
        Ok(acted)
    }
}

/// An act as the API shows it.
pub(super) fn entry(act: &Act) -> Value {
    let entry = &act.entry;
    json!({
        "number": entry.number,
        "at": entry.at,
        "deed": entry.deed,
        "operator": entry.operator.as_ref().map(|operator| &operator.name),
        "role": entry.operator.as_ref().map(|operator| operator.role),
        "certificate_sha256": entry.operator.as_ref().map(|operator| operator.certificate_sha256),
        "reason": entry.reason,
        "standing": entry.standing,
        "deliveries": entry.deliveries,
        "complete": entry.complete,
        "proposal": entry.proposal,
        "decided_by": act.decided_by,
        "waits_until": act.waits_until.map(|until| until.to_string()),
        "sha256": act.hash,
    })
}

/// A JSON answer.
pub(super) fn answer(status: StatusCode, value: &Value) -> Response {
    http::answer(status, "application/json", value.to_string())
}

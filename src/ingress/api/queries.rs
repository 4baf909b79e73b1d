//! `POST /v1/queries/{service}`: a question is admitted, received and committed as a submission of its flow is,
//! and answered with the provider's answer in the asker's format.

use super::{Asked, PartnerDoor, Response, answered, business_answer};
use crate::domain::Outcome;
use crate::exchange::exchange;
use crate::fault::{Fault, FaultCode};
use crate::live::Live;
use crate::query::{Given, QueryPlan, Question};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION};
use std::sync::Arc;
use std::time::Instant;

const ANSWER_EXCHANGE: HeaderName = HeaderName::from_static("portolan-answer-exchange");

impl PartnerDoor {
    pub(super) async fn query(&self, asked: &Asked<'_>, service: &str, body: Incoming) -> Result<Response, Fault> {
        let begun = Instant::now();
        let live = self.exchanges.live.load_full();
        let plan = Arc::clone(plan(&live, service).ok_or_else(|| Fault::new(FaultCode::QueryUnknown))?);
        let (mut admitted, _share) = self.admit(asked, &live, plan.query.question.as_str())?;
        if admitted.intake.empty_period.is_some() {
            return Err(Fault::new(FaultCode::HeaderInvalid).detail(
                "查询不能声明本期无数据：请去掉 Portolan-Empty-Period",
                "a question is not empty: leave Portolan-Empty-Period out",
            ));
        }
        admitted.intake.records_max = admitted.intake.records_max.min(1);
        let taken = exchange(&self.exchanges, admitted, body).await?;
        self.note(asked, &plan.query.question, &taken, begun);
        let evidence = match &taken.evidence {
            Some(evidence) if taken.outcome != Outcome::Refused => evidence,
            // Refused, or `mode=validate`: nothing is asked.
            _ => return Ok(answered(&taken, &plan.query.question, asked)),
        };
        let question = Question {
            plan: &plan,
            live: &live,
            exchange: evidence.exchange,
            records: taken.counts.accepted,
            asker: &asked.partner,
            trace_id: &asked.trace_id,
        };
        let given = self.queries.answer(&question).await?;
        Ok(response(&question, &given))
    }
}

/// The service of this name.
pub(super) fn plan<'l>(live: &'l Live, service: &str) -> Option<&'l Arc<QueryPlan>> {
    live.queries.get(&service.parse().ok()?)
}

fn response(question: &Question<'_>, given: &Given) -> Response {
    let mut response = business_answer(StatusCode::OK, &given.body);
    let cache = match given.lifetime_left.as_secs() {
        0 => "no-store".to_owned(),
        seconds => format!("private, max-age={seconds}"),
    };
    let fields =
        [(LOCATION, format!("/v1/exchanges/{}", question.exchange)), (ANSWER_EXCHANGE, given.answer.to_string()), (CACHE_CONTROL, cache)];
    for (name, text) in fields {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

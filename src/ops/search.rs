//! Finding exchanges by what is known of them.
//!
//! `GET /v1/exchanges` takes any of `id`, `partner`, `flow`, `message_id`, `rule`, `fault`, `verdict` (`accepted`,
//! `in-part`, `refused`), `deliveries=dead-letter`, `received_from`, `received_to`, `before`, `rows`; or
//! `business_key`, a JSON object with the fields of the canonical record's key, with `partner` and `flow`. It answers
//! 200 with the exchanges that fit all of it, newest first. A page looks at a bounded number of rows: it may
//! have fewer than `rows`, even none, and still a `next_before` with which the search goes on.

use super::access::Ask;
use super::acts::answer;
use super::view::OpsView;
use crate::domain::{ExchangeId, Outcome};
use crate::exchange::key_space;
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::http::query::bad_query;
use crate::journal::search::{Brief, Found, Search};
use crate::journal::{ExchangeRow, PAGE_ROWS_MAX};
use hyper::StatusCode;
use serde_json::{Value, json};

const ALLOWED: &str =
    "id, partner, flow, message_id, rule, fault, verdict, deliveries=dead-letter, business_key, received_from, received_to, before, rows";

/// What is looked for.
#[derive(Default)]
pub(super) struct Wanted {
    search: Search,
    id: Option<ExchangeId>,
    business_key: Option<Value>,
}

/// A page of exchanges.
///
/// # Errors
/// A parameter that is not one; the journal's failures.
pub(super) async fn list(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (wanted, wrong) = Wanted::of(ask.query());
    if let Some(name) = wrong.first() {
        return Err(bad_query(name, ALLOWED));
    }
    let found = find(view, wanted).await?;
    Ok(answer(
        StatusCode::OK,
        &json!({
            "exchanges": found.exchanges.iter().map(brief).collect::<Vec<_>>(),
            "next_before": found.next_before.map(|id| id.to_string()),
            "examined": found.examined,
        }),
    ))
}

/// The exchanges that fit, newest first.
///
/// # Errors
/// A business key without partner and flow, a flow that there is not; the journal's failures.
pub(super) async fn find(view: &OpsView, wanted: Wanted) -> Result<Found, Fault> {
    let id = match (wanted.id, &wanted.business_key) {
        (Some(id), _) => Some(Some(id)),
        (None, Some(key)) => Some(holder(view, &wanted.search, key).await?),
        (None, None) => None,
    };
    Ok(match id {
        Some(Some(id)) => view.journal.exchange(id).await?.map(|row| one(&row)).unwrap_or_default(),
        Some(None) => Found::default(),
        None => view.journal.search(wanted.search).await?,
    })
}

impl Wanted {
    /// What parameters ask for, and the names of those that are none or cannot be read.
    pub(super) fn of(query: Vec<(String, String)>) -> (Self, Vec<String>) {
        let mut wanted = Self { search: Search { rows_max: PAGE_ROWS_MAX, ..Search::default() }, ..Self::default() };
        // A form sends what was left blank as well.
        let given = query.into_iter().filter(|(_, value)| !value.is_empty());
        let wrong = given.filter_map(|(name, value)| if wanted.take(&name, value) { None } else { Some(name) }).collect();
        (wanted, wrong)
    }

    /// Takes a parameter, unless it is none or cannot be read.
    fn take(&mut self, name: &str, value: String) -> bool {
        let search = &mut self.search;
        match name {
            "id" => value.parse().map(|id| self.id = Some(id)).is_ok(),
            "partner" => value.parse().map(|partner| search.partner = Some(partner)).is_ok(),
            "flow" => value.parse().map(|flow| search.flow = Some(flow)).is_ok(),
            "message_id" => search.message_id.replace(value).is_none(),
            "rule" => search.rule.replace(value).is_none(),
            "fault" => search.fault.replace(value).is_none(),
            "verdict" => {
                search.outcome = [Outcome::Accepted, Outcome::InPart, Outcome::Refused].into_iter().find(|o| o.as_str() == value);
                search.outcome.is_some()
            }
            "deliveries" => {
                search.has_dead_letter = true;
                value == "dead-letter"
            }
            "business_key" => {
                self.business_key = serde_json::from_str(&value).ok().filter(Value::is_object);
                self.business_key.is_some()
            }
            "received_from" => value.parse().map(|at| search.received_from = Some(at)).is_ok(),
            "received_to" => value.parse().map(|at| search.received_to = Some(at)).is_ok(),
            "before" => value.parse().map(|id| search.before = Some(id)).is_ok(),
            "rows" => value.parse::<usize>().map(|rows| search.rows_max = rows.clamp(1, PAGE_ROWS_MAX)).is_ok(),
            _ => false,
        }
    }
}

/// The exchange that has a business key.
async fn holder(view: &OpsView, search: &Search, record: &Value) -> Result<Option<ExchangeId>, Fault> {
    let Some((partner, flow)) = search.partner.as_ref().zip(search.flow.as_ref()) else {
        return Err(Fault::new(FaultCode::QueryInvalid)
            .detail("business_key 须与 partner、flow 一起给出", "business_key goes with partner and flow"));
    };
    let live = view.live.load_full();
    let plan = live.flows.get(flow).ok_or_else(|| Fault::new(FaultCode::FlowUnknown))?;
    let key = plan.canonical.business_key(record);
    Ok(view.journal.holder(key_space(partner, plan), key).await?)
}

fn one(row: &ExchangeRow) -> Found {
    let brief = Brief {
        id: row.journaled.exchange(),
        partner: row.partner.clone(),
        flow: row.flow.clone(),
        received_at: row.received_at,
        outcome: row.journaled.outcome(),
        fault: row.fault.clone(),
        message_id: row.message_id.clone(),
        counts: row.journaled.counts(),
        body_bytes: row.body_bytes,
    };
    Found { exchanges: vec![brief], next_before: None, examined: 1 }
}

fn brief(brief: &Brief) -> Value {
    json!({
        "exchange": brief.id.to_string(),
        "partner": brief.partner,
        "flow": brief.flow,
        "received_at": brief.received_at.to_string(),
        "verdict": brief.outcome.as_str(),
        "fault": brief.fault,
        "message_id": brief.message_id,
        "counts": brief.counts,
        "body_bytes": brief.body_bytes,
    })
}

//! What operators do about dead letters (投递失败待处理): look at them, resend them, waive them.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/dead-letters?destination=&after=&rows=` | 200, a page of dead letters by destination, oldest first; `next_after` is the `after` of the next page, if there may be one |
//! | `GET /v1/dead-letters/preview?destination=&partner=&flow=&fault=&received_from=&received_to=` | 200, what an act on those that fit all of it would change; `everything=true` for all there are |
//! | `POST /v1/dead-letters/resend` | those that fit the same fields; `per_second` is how fast they go out |
//! | `POST /v1/dead-letters/waive` | those that fit the same fields |
//! | `POST /v1/deliveries/ID/resend` | queued again under the same id, with the same bytes |
//! | `POST /v1/deliveries/ID/waive` | given up for good; in an ordered flow those behind it go on |
//!
//! An act takes at most [`PICKED_MAX`] deliveries; where more fit, `complete` is false, and another act takes the
//! rest. More than the configuration lets one operator change wait for a second one.
//!
//! Either act needs a reason and answers as [`super::acts`] says. A dead letter that is none any more answers
//! 404, so that two operators cannot act twice.

use super::access::{Ask, bad_field};
use super::acts::{act, answer, entry};
use super::exchange::receivers_answer;
use super::view::OpsView;
use crate::domain::{DeliveryId, DestinationId, Operator};
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::http::query::bad_query;
#[cfg(doc)]
use crate::journal::acts::PICKED_MAX;
use crate::journal::acts::PickedPart;
use crate::journal::acts::{ActRequest, Deed, Pick, RESEND_PER_SECOND_DEFAULT, RESEND_PER_SECOND_MAX};
use crate::journal::{DeadLetterFilter, DeliveryRow, PAGE_ROWS_MAX};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::str::FromStr;

/// A page of dead letters.
///
/// # Errors
/// A parameter that is not one; the journal's failures.
pub(super) async fn list(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let filter = filter(ask.query())?;
    let rows_max = filter.rows_max;
    let rows = view.journal.dead_letters(filter).await?;
    let next = rows.last().filter(|_| rows.len() == rows_max).map(|row| row.id.to_string());
    Ok(answer(
        StatusCode::OK,
        &json!({ "dead_letters": rows.iter().map(|row| dead_letter(row, ask.operator)).collect::<Vec<_>>(), "next_after": next }),
    ))
}

/// The names of what picks dead letters.
pub(super) const PICKS: [&str; 7] = ["destination", "partner", "flow", "fault", "received_from", "received_to", "everything"];

/// What an act on the dead letters that fit would change.
///
/// # Errors
/// A parameter that is not one; the journal's failures.
pub(super) async fn preview(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let query = ask.query();
    let given = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let allowed = "destination, partner, flow, fault, received_from, received_to, everything=true";
    if let Some((unknown, _)) = query.iter().find(|(name, _)| !PICKS.contains(&name.as_str())) {
        return Err(bad_query(unknown, allowed));
    }
    let pick = pick(given).map_err(|name| bad_query(name, allowed))?;
    let summary = view.journal.picked(pick).await?;
    let rules = view.live.load().config.gateway.operators;
    let to = |(to, part): (&DestinationId, &PickedPart)| json!({ "to": to, "deliveries": part.deliveries, "records": part.records });
    Ok(answer(
        StatusCode::OK,
        &json!({
            "deliveries": summary.deliveries(),
            "records": summary.records(),
            "complete": summary.complete,
            "destinations": summary.destinations.iter().map(to).collect::<Vec<_>>(),
            "never_sent": summary.never_sent,
            "refused": summary.refused,
            "maybe_received": summary.maybe_received,
            "oldest_received_at": summary.oldest_received_at.map(|at| at.to_string()),
            "second_person": summary.deliveries() > rules.deliveries_alone_max,
        }),
    ))
}

/// Queues the dead letters that fit again.
///
/// # Errors
/// What [`act`] refuses.
pub(super) async fn resend_picked(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let mut allowed = PICKS.to_vec();
    allowed.push("per_second");
    ask.fields.only(&allowed)?;
    let per_second = ask.fields.parsed("per_second")?.unwrap_or(RESEND_PER_SECOND_DEFAULT);
    if !(1..=RESEND_PER_SECOND_MAX).contains(&per_second) {
        return Err(bad_field("per_second"));
    }
    let pick = pick(|name| ask.fields.text(name)).map_err(bad_field)?;
    act(view, &ask, ActRequest::Do(Deed::Resend { per_second, pick })).await
}

/// Gives the dead letters that fit up for good.
///
/// # Errors
/// What [`act`] refuses.
pub(super) async fn waive_picked(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&PICKS)?;
    let pick = pick(|name| ask.fields.text(name)).map_err(bad_field)?;
    act(view, &ask, ActRequest::Do(Deed::Waive { pick })).await
}

/// A pick from named values, or the name of the one that is wrong. Nothing given is no way to say everything.
///
/// # Errors
/// The name.
pub(super) fn pick<'f>(given: impl Fn(&str) -> Option<&'f str>) -> Result<Pick, &'static str> {
    let pick = Pick {
        delivery: None,
        destination: parsed(&given, "destination")?,
        fault: parsed(&given, "fault")?,
        flow: parsed(&given, "flow")?,
        partner: parsed(&given, "partner")?,
        received_from: parsed(&given, "received_from")?,
        received_to: parsed(&given, "received_to")?,
    };
    let everything = parsed(&given, "everything")?.unwrap_or(false);
    if everything == (pick == Pick::default()) { Ok(pick) } else { Err("everything") }
}

fn parsed<'f, T: FromStr>(given: &impl Fn(&str) -> Option<&'f str>, name: &'static str) -> Result<Option<T>, &'static str> {
    given(name).map(str::parse).transpose().map_err(|_| name)
}

/// Queues one dead letter again.
///
/// # Errors
/// What [`act`] refuses.
pub(super) async fn resend_one(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    let pick = Pick::one(delivery(&ask)?);
    act(view, &ask, ActRequest::Do(Deed::Resend { per_second: RESEND_PER_SECOND_DEFAULT, pick })).await
}

/// Gives one dead letter up for good.
///
/// # Errors
/// What [`act`] refuses.
pub(super) async fn waive_one(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    let pick = Pick::one(delivery(&ask)?);
    act(view, &ask, ActRequest::Do(Deed::Waive { pick })).await
}

fn delivery(ask: &Ask<'_>) -> Result<DeliveryId, Fault> {
    ask.segment(0).parse().map_err(|_| Fault::new(FaultCode::DeadLetterUnknown))
}

fn filter(query: Vec<(String, String)>) -> Result<DeadLetterFilter, Fault> {
    let mut filter = DeadLetterFilter { rows_max: PAGE_ROWS_MAX, ..DeadLetterFilter::default() };
    for (name, value) in query {
        let fits = match name.as_str() {
            "destination" => value.parse().map(|to| filter.to = Some(to)).is_ok(),
            "after" => value.parse().map(|id| filter.after = Some(id)).is_ok(),
            "rows" => value.parse::<usize>().map(|rows| filter.rows_max = rows.clamp(1, PAGE_ROWS_MAX)).is_ok(),
            _ => false,
        };
        if !fits {
            return Err(bad_query(&name, "destination=PARTNER/PLACE, after=ID, rows=NUMBER, lang=zh, lang=en"));
        }
    }
    Ok(filter)
}

fn dead_letter(row: &DeliveryRow, operator: &Operator) -> Value {
    let (answer, masked) = receivers_answer(row.last_answer.as_deref(), operator);
    let (fault, detail) = row.last_fault.as_ref().map(|(fault, detail)| (fault, detail)).unzip();
    json!({
        "delivery": row.id.to_string(),
        "exchange": row.exchange.to_string(),
        "to": row.to.to_string(),
        "records": row.records,
        "attempts": row.attempts,
        "fault": fault,
        "detail": detail,
        "answer": answer,
        "masked": masked,
        "acts": row.acts.iter().map(entry).collect::<Vec<_>>(),
    })
}

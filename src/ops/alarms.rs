//! What operators see and say of alarms (告警), and what one shift tells the next (交接班).
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/alarms` | 200: `open`, oldest first, as the journal has them |
//! | `GET /v1/alarms?before=NUMBER` | 200: `alarms`, closed ones too, newest first, a page of those before the number (`last`: of the newest); `next_before` of the next page |
//! | `POST /v1/alarms/NUMBER/acknowledge` | as [`super::acts`] says; 404 `request.alarm-unknown` where it is not open or is acknowledged |
//! | `POST /v1/alarms/NUMBER/note` | the same, with what was found and done as its reason; also on one that is closed |
//! | `GET /v1/handover` | 200: `open` alarms, `notes` of the shifts before, newest first |
//! | `POST /v1/handover` | as [`super::acts`] says; the note is its reason, and is kept with the alarms that were open |
//!
//! Nothing here changes an alarm, which is raised and closed by the data alone.

use super::access::Ask;
use super::acts::{act, answer};
use super::view::OpsView;
use crate::alarms::alarm_entry;
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::http::query::bad_query;
use crate::journal::PAGE_ROWS_MAX;
use crate::journal::acts::{Act, ActFilter, ActRequest, Deed};
use crate::journal::alarms::{AlarmFilter, AlarmRow};
use hyper::StatusCode;
use serde_json::{Value, json};

/// Alarms that are open, or a page of all.
///
/// # Errors
/// A parameter that is not one; the journal's failures.
pub(super) async fn list(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let mut filter = AlarmFilter::Open;
    for (name, value) in ask.query() {
        let before = match (name.as_str(), value.as_str()) {
            ("before", "last") => Some(None),
            ("before", number) => number.parse().ok().map(Some),
            _ => None,
        };
        filter = AlarmFilter::Before(before.ok_or_else(|| bad_query(&name, "before=NUMBER, before=last"))?);
    }
    let rows = view.journal.alarms(filter).await?;
    if filter == AlarmFilter::Open {
        return Ok(answer(StatusCode::OK, &json!({ "open": entries(&rows) })));
    }
    let next = rows.last().filter(|_| rows.len() == PAGE_ROWS_MAX).map(|row| row.number);
    Ok(answer(StatusCode::OK, &json!({ "alarms": entries(&rows), "next_before": next })))
}

/// Takes an alarm on.
///
/// # Errors
/// An alarm that there is not, is not open, or that somebody has taken on.
pub(super) async fn acknowledge(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    act(view, &ask, ActRequest::Do(Deed::AcknowledgeAlarm { number: number(&ask)? })).await
}

/// Keeps what was found and done about an alarm.
///
/// # Errors
/// An alarm that there is not, or that has all the notes that it may have.
pub(super) async fn note(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    act(view, &ask, ActRequest::Do(Deed::NoteAlarm { number: number(&ask)? })).await
}

/// What the next shift should know.
///
/// # Errors
/// The journal's failures.
pub(super) async fn handovers(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    let open = view.journal.alarms(AlarmFilter::Open).await?;
    let notes = notes(view, PAGE_ROWS_MAX).await?;
    let notes = notes.iter().map(handover_entry).collect::<Vec<_>>();
    Ok(answer(StatusCode::OK, &json!({ "open": entries(&open), "notes": notes })))
}

/// The notes of the shifts before, newest first.
///
/// # Errors
/// The journal's failures.
pub(super) async fn notes(view: &OpsView, rows_max: usize) -> Result<Vec<Act>, Fault> {
    let filter = ActFilter { kind: Some("hand-over".to_owned()), rows_max, ..ActFilter::default() };
    Ok(view.journal.acts(filter).await?)
}

/// Leaves a note to the next shift.
///
/// # Errors
/// The journal's failures.
pub(super) async fn hand_over(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    let open = view.journal.alarms(AlarmFilter::Open).await?.iter().map(|row| row.number).collect();
    act(view, &ask, ActRequest::Do(Deed::HandOver { open })).await
}

fn number(ask: &Ask<'_>) -> Result<u64, Fault> {
    ask.segment(0).parse().map_err(|_| Fault::new(FaultCode::AlarmUnknown))
}

fn entries(rows: &[AlarmRow]) -> Vec<Value> {
    rows.iter().map(alarm_entry).collect()
}

fn handover_entry(act: &Act) -> Value {
    let open = match &act.entry.deed {
        Deed::HandOver { open } => open.as_slice(),
        _ => &[],
    };
    let operator = act.entry.operator.as_ref().map(|operator| &operator.name);
    json!({ "act": act.entry.number, "at": act.entry.at, "operator": operator, "note": act.entry.reason, "open": open })
}

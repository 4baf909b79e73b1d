//! Reconciliations (核对) as operators see them.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/reconciliations` | 200, each with its legs and how many matters stand how |
//! | `GET /v1/reconciliations/NAME/matters?state=&key=&before=&rows=` | 200, a page of matters, newest first; `next_before` of the next page |
//! | `GET /v1/reconciliations/NAME/export?state=&before=` | 200, at most [`EXPORT_ROWS_MAX`] matters as CSV, or as a workbook where `Accept` names its media type; `Portolan-Next-Before` where there are more |
//! | `POST /v1/reconciliations/NAME/settle` with `key` | as [`super::acts`] says: a matter that is late, unmatched or different is explained, in the words of the reason (核对处置) |
//!
//! `state` is one of `matched`, `waiting`, `late`, `unmatched`, `amount-different` and `settled`. A matter that is settled is
//! neither counted as unmet nor alarmed; a record that comes for it later has it judged anew.

use super::access::{Ask, bad_field};
use super::acts::{act, answer, entry};
use super::view::OpsView;
use crate::cells::{neutral, write_row};
use crate::domain::Name;
use crate::fault::{Fault, FaultCode};
use crate::http::query::bad_query;
use crate::http::{self, Response};
use crate::journal::PAGE_ROWS_MAX;
use crate::journal::acts::{ActRequest, Deed};
use crate::journal::matters::{MatterFilter, MatterRow, MatterState, Seen};
use crate::reconcile::{ReconciliationPlan, matter_counts};
use crate::workbook::{Table, WORKBOOK_TYPE, workbook};
use hyper::StatusCode;
use hyper::header::{ACCEPT, CONTENT_DISPOSITION, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::sync::Arc;

/// Matters of one export.
pub const EXPORT_ROWS_MAX: usize = 50_000;

const NEXT_BEFORE: HeaderName = HeaderName::from_static("portolan-next-before");

/// Every reconciliation.
///
/// # Errors
/// The journal's failures.
pub(super) async fn list(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    let live = view.live.load_full();
    let rows = matter_counts(view.journal.as_ref(), &live, view.clock.now()).await?.into_iter().filter_map(|(name, counts)| {
        let plan = live.reconciliations.get(&name)?;
        let legs = plan.reconciliation.legs.iter().map(|leg| json!({ "name": leg.name, "flow": leg.flow }));
        let states = MatterState::ALL.iter().map(|state| (state.as_str().to_owned(), json!(counts.of(*state))));
        Some(json!({
            "reconciliation": name,
            "title": { "zh": plan.reconciliation.title.zh, "en": plan.reconciliation.title.en },
            "from": plan.reconciliation.from.to_string(),
            "legs": legs.collect::<Vec<_>>(),
            "matters": Value::Object(states.collect()),
            "duplicates": counts.duplicates,
            "left_out": counts.left_out,
            "recent": counts.recent,
        }))
    });
    Ok(answer(StatusCode::OK, &json!({ "reconciliations": rows.collect::<Vec<_>>() })))
}

/// A page of matters.
///
/// # Errors
/// A reconciliation that there is not, a parameter that is not one; the journal's failures.
pub(super) async fn matters(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (plan, filter) = asked(view, &ask)?;
    let rows_max = filter.rows_max;
    let rows = view.journal.matters(filter).await?;
    let next = rows.last().filter(|_| rows.len() == rows_max).map(|row| row.number);
    let shown = rows.iter().map(|row| shown(&plan, row)).collect::<Vec<_>>();
    Ok(answer(StatusCode::OK, &json!({ "matters": shown, "next_before": next })))
}

/// Settles a matter that does not meet.
///
/// # Errors
/// A reconciliation or a matter that there is not; the journal's failures.
pub(super) async fn settle(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&["key"])?;
    let plan = plan(view, &ask)?;
    let key = ask.fields.text("key").ok_or_else(|| bad_field("key"))?.to_owned();
    let (reconciliation, now) = (plan.reconciliation.name.clone(), view.clock.now());
    let filter = MatterFilter { name: reconciliation.clone(), state: None, key: Some(key.clone()), before: None, rows_max: 1, now };
    if view.journal.matters(filter).await?.is_empty() {
        return Err(Fault::new(FaultCode::PathUnknown).detail("没有此核对项", "there is no such matter"));
    }
    act(view, &ask, ActRequest::Do(Deed::SettleMatter { key, reconciliation })).await
}

/// Matters as a table.
///
/// # Errors
/// As for [`matters`].
pub(super) async fn export(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (plan, mut filter) = asked(view, &ask)?;
    filter.rows_max = PAGE_ROWS_MAX;
    let mut rows: Vec<MatterRow> = Vec::new();
    let next = loop {
        let page = view.journal.matters(filter.clone()).await?;
        let last = page.last().filter(|_| page.len() == PAGE_ROWS_MAX).map(|row| row.number);
        rows.extend(page);
        match last {
            Some(last) if rows.len() < EXPORT_ROWS_MAX => filter.before = Some(last),
            last => break last,
        }
    };
    let headings = headings(&plan);
    let cells = rows.iter().map(|row| table_row(&plan, row)).collect::<Vec<_>>();
    let accept = ask.request.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let name = format!("reconciliation_{}_{}", plan.reconciliation.name, view.clock.now().strftime("%Y%m%d"));
    let (mut response, extension) = if accept.contains(WORKBOOK_TYPE) {
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        let neutral = cells.iter().map(|row| row.iter().map(|cell| neutral(cell).into_owned()).collect()).collect();
        let table = Table { sheet: "matters", labels: Vec::new(), headings: &headings, rows: neutral };
        let bytes = workbook(&table).map_err(|why| Fault::new(FaultCode::Internal).caused_by(why))?;
        (http::answer(StatusCode::OK, WORKBOOK_TYPE, bytes), "xlsx")
    } else {
        let mut table = String::from('\u{FEFF}');
        write_row(&mut table, &headings.iter().map(String::as_str).collect::<Vec<_>>());
        cells.iter().for_each(|row| write_row(&mut table, &row.iter().map(String::as_str).collect::<Vec<_>>()));
        (http::answer(StatusCode::OK, "text/csv; charset=utf-8", table), "csv")
    };
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{extension}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    if let Some(next) = next {
        response.headers_mut().insert(NEXT_BEFORE, HeaderValue::from(next));
    }
    Ok(response)
}

fn plan(view: &OpsView, ask: &Ask<'_>) -> Result<Arc<ReconciliationPlan>, Fault> {
    let unknown = || Fault::new(FaultCode::PathUnknown);
    let name: Name = ask.segment(0).parse().map_err(|_| unknown())?;
    view.live.load().reconciliations.get(&name).cloned().ok_or_else(unknown)
}

fn asked(view: &OpsView, ask: &Ask<'_>) -> Result<(Arc<ReconciliationPlan>, MatterFilter), Fault> {
    let plan = plan(view, ask)?;
    let name = plan.reconciliation.name.clone();
    let mut filter = MatterFilter { name, state: None, key: None, before: None, rows_max: PAGE_ROWS_MAX, now: view.clock.now() };
    for (name, value) in ask.query().into_iter().filter(|(_, value)| !value.is_empty()) {
        let fits = match name.as_str() {
            "state" => {
                filter.state = MatterState::ALL.into_iter().find(|state| state.as_str() == value);
                filter.state.is_some()
            }
            "key" => filter.key.replace(value).is_none(),
            "before" => value.parse().map(|number| filter.before = Some(number)).is_ok(),
            "rows" => value.parse::<usize>().map(|rows| filter.rows_max = rows.clamp(1, PAGE_ROWS_MAX)).is_ok(),
            _ => false,
        };
        if !fits {
            return Err(bad_query(
                &name,
                "state=matched|waiting|late|unmatched|amount-different|settled, key=TEXT, before=NUMBER, rows=NUMBER",
            ));
        }
    }
    Ok((plan, filter))
}

fn shown(plan: &ReconciliationPlan, row: &MatterRow) -> Value {
    let legs = plan.legs.iter().enumerate().filter_map(|(place, leg)| {
        let (seen, duplicates) = row.legs.get(place)?.as_ref()?;
        let Seen { exchange, record, received_at, amount, .. } = seen;
        let (amount, currency) = amount.as_ref().map(|(amount, currency)| (amount.to_string(), currency)).unzip();
        Some(json!({
            "leg": leg.name(),
            "flow": leg.flow(),
            "exchange": exchange.to_string(),
            "record": record,
            "received_at": received_at.to_string(),
            "amount": amount,
            "currency": currency,
            "duplicates": duplicates,
        }))
    });
    json!({
        "number": row.number,
        "key": row.key,
        "state": row.state.as_str(),
        "due_at": row.due_at.map(|at| at.to_string()),
        "came_late": row.came_late,
        "settled": row.settled.as_ref().map(entry),
        "legs": legs.collect::<Vec<_>>(),
    })
}

fn headings(plan: &ReconciliationPlan) -> Vec<String> {
    let fixed = ["number", "key", "state", "due at", "came late"].map(str::to_owned);
    let of_leg = |leg: &str| ["received", "exchange", "record", "amount", "currency", "duplicates"].map(|what| format!("{leg} {what}"));
    fixed.into_iter().chain(plan.legs.iter().flat_map(|leg| of_leg(leg.name()))).collect()
}

fn table_row(plan: &ReconciliationPlan, row: &MatterRow) -> Vec<String> {
    let fixed = [
        row.number.to_string(),
        row.key.clone(),
        row.state.as_str().to_owned(),
        row.due_at.map(|at| at.to_string()).unwrap_or_default(),
        row.came_late.to_string(),
    ];
    let legs = (0..plan.legs.len()).flat_map(|place| match row.legs.get(place).and_then(Option::as_ref) {
        None => Default::default(),
        Some((seen, duplicates)) => {
            let (amount, currency) =
                seen.amount.as_ref().map(|(amount, currency)| (amount.to_string(), currency.clone())).unwrap_or_default();
            [seen.received_at.to_string(), seen.exchange.to_string(), seen.record.to_string(), amount, currency, duplicates.to_string()]
        }
    });
    fixed.into_iter().chain(legs).collect()
}

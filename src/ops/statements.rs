//! Daily statements (日对账单) of any partner: the very files that the partner sees.
//!
//! `GET /v1/statements/DAY/PARTNER/FLOW` answers 200 with the signed JSON, or with the workbook where `Accept` names
//! its media type. `DAY` is a business day of the flow, as `2026-07-01` or `20260701`.

use super::access::Ask;
use super::view::OpsView;
use crate::fault::{Fault, FaultCode};
use crate::http::Response;

/// One statement.
///
/// # Errors
/// A day, a partner or a flow that there is not; the journal's failures.
pub(super) async fn show(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let unknown = || Fault::new(FaultCode::PathUnknown);
    let partner = ask.segment(1).parse().map_err(|_| unknown())?;
    let flow = ask.segment(2).parse().map_err(|_| unknown())?;
    view.statements.answer(&partner, Some(&flow), ask.segment(0), &ask.request.headers).await
}

//! What the operators' listener shows without changing anything: health, readiness, metrics, status, the
//! addresses themselves, and one record with its lineage.
//!
//! | address | answer |
//! |---|---|
//! | `/healthz` | 200 while the process runs |
//! | `/readyz` | 200 while it takes work: a configuration is in force and the journal answers; else 503 |
//! | `/metrics` | OpenMetrics text |
//! | `/status.json` | how the gateway stands, in numbers |
//! | `/v1` | every address, the least role for each, and whether it is a page of the console |
//! | `/v1/token` | the token of a browser's changes, see [`super::guard`]; and who asks |
//! | `/v1/exchanges/ID/records/N` | where each value of a record came from, by which rule, and what is wrong with it; each look is logged with the operator's name. Personal values are masked unless `?reveal=REASON` of one who may operate says why they are needed, which is an act in the log |

use super::access::Ask;
use super::acts::answer;
use super::gauges::with_gauges;
use super::health::Phase;
use super::routes::{Kind, Method, ROUTES};
use super::view::OpsView;
use crate::domain::ExchangeId;
use crate::fault::{Fault, FaultCode};
use crate::http::{self, Response};
use crate::journal::acts::Revealed;
use crate::lineage::record_number;
use hyper::StatusCode;
use serde_json::json;

/// The media type of OpenMetrics text (OpenMetrics 1.0, "Overall structure").
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn healthy(_view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    Ok(http::answer(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"))
}

/// A configuration is always in force here: without one there is no gateway to ask.
pub(super) async fn ready(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    let state = view.health.state();
    match state.phase {
        Phase::Starting => return Err(Fault::new(FaultCode::Unavailable).detail("网关正在启动", "the gateway is starting")),
        Phase::Stopping => return Err(Fault::new(FaultCode::ShuttingDown)),
        Phase::Serving => {}
    }
    view.journal_answers()
        .await
        .map_err(|reason| Fault::new(FaultCode::Unavailable).detail("交换台账没有应答", "the journal does not answer").caused_by(reason))?;
    Ok(answer(StatusCode::OK, &json!({ "ready": true, "configuration_in_force_since": state.in_force_since.to_string() })))
}

pub(super) async fn metrics(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    Ok(http::answer(StatusCode::OK, METRICS_TYPE, with_gauges(&view.metrics.to_text(), &view.status().await)))
}

pub(super) async fn status(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    Ok(answer(StatusCode::OK, &view.status().await.to_json()))
}

pub(super) async fn addresses(_view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    let method = |method| match method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let rows = ROUTES.iter().map(|route| {
        let page = matches!(route.kind, Kind::Page { .. });
        json!({ "method": method(route.method), "path": route.path, "role": route.role, "page": page })
    });
    Ok(answer(StatusCode::OK, &json!({ "addresses": rows.collect::<Vec<_>>() })))
}

pub(super) async fn token(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let operator = ask.operator;
    let token = view.guard.token(operator, view.clock.now());
    Ok(answer(StatusCode::OK, &json!({ "operator": operator.to_string(), "role": operator.role, "token": token })))
}

pub(super) async fn record(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let unknown = || Fault::new(FaultCode::ExchangeUnknown);
    let exchange: ExchangeId = ask.segment(0).parse().map_err(|_| unknown())?;
    let (number, operator) = (ask.segment(1), ask.operator);
    let row = view.journal.exchange(exchange).await?.ok_or_else(unknown)?;
    let shown = ask.shown(view, exchange, Revealed::Record(record_number(&row, number)?)).await?;
    tracing::info!(%exchange, number, %operator, "an operator looks into a record");
    Ok(answer(StatusCode::OK, &view.lineages.record(&row, number, shown, ask.zh).await?))
}

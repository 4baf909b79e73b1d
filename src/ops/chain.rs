//! How far the chain of evidence (存证链) reaches, and how far the gateway has verified it.
//!
//! `GET /v1/chain` answers 200: `end` (epoch and index of the last leaf), and `verified`: what the gateway has walked since its
//! start (`epochs`, `heads`, `exchanges`, `acts`), the last head of it, `whole_at`, when the walk came to the end of the
//! chain last, and what does not hold, at most [`PROBLEMS_SHOWN_MAX`] of it. `portolan audit verify` does the same from
//! outside.

use super::access::Ask;
use super::acts::answer;
use super::view::OpsView;
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::http::query::bad_query;
use crate::journal::ChainPosition;
use crate::receipt::audit::AuditProblem;
use crate::receipt::audit::watch::Verified;
use hyper::StatusCode;
use serde_json::{Value, json};

/// Problems that are shown; more are counted only.
pub const PROBLEMS_SHOWN_MAX: usize = 50;

/// How far the chain reaches and is verified.
///
/// # Errors
/// A parameter; the journal's failures.
pub(super) async fn show(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    if let Some((name, _)) = ask.query().first() {
        return Err(bad_query(name, "—"));
    }
    let end = end(view).await?;
    Ok(answer(StatusCode::OK, &json!({ "end": end.map(position), "verified": to_json(&view.chain.verified()) })))
}

/// The end of the chain; `None` while it is empty.
///
/// # Errors
/// [`FaultCode::Unavailable`] where the journal does not answer.
pub async fn end(view: &OpsView) -> Result<Option<ChainPosition>, Fault> {
    view.chain_end().await.map_err(|error| Fault::new(FaultCode::Unavailable).caused_by(error))
}

/// A place in the chain.
pub(super) fn position(at: ChainPosition) -> Value {
    json!({ "epoch": at.epoch, "index": at.index })
}

/// How far it is verified.
pub(super) fn to_json(verified: &Verified) -> Value {
    let report = &verified.report;
    let head = report.last_head.map(|(epoch, batch, sha256)| json!({ "epoch": epoch, "batch": batch, "sha256": sha256 }));
    json!({
        "whole_at": verified.whole_at.map(|at| at.to_string()),
        "epochs": report.epochs,
        "heads": report.heads,
        "exchanges": report.exchanges,
        "acts": report.acts,
        "last_head": head,
        "problems": report.problems.iter().take(PROBLEMS_SHOWN_MAX).map(problem).collect::<Vec<_>>(),
        "problems_left_out": verified.left_out(PROBLEMS_SHOWN_MAX),
    })
}

fn problem(problem: &AuditProblem) -> Value {
    json!({
        "epoch": problem.epoch,
        "batch": problem.batch,
        "exchange": problem.exchange.map(|id| id.to_string()),
        "act": problem.act,
        "message": problem.words,
    })
}

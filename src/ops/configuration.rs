//! Which configuration is in force, and what changed when.
//!
//! `GET /v1/configuration?before=` answers 200: since when the one in force is, its digest, the last reload if it was
//! refused, and the latest changes as the log of acts has them; `next_before` for the next page.

use super::access::Ask;
use super::acts::{answer, entry};
use super::view::OpsView;
use crate::fault::Fault;
use crate::http::Response;
use crate::http::query::bad_query;
use crate::journal::acts::{ActFilter, Deed};
use hyper::StatusCode;
use serde_json::json;

/// Changes of one page.
const CHANGES_MAX: usize = 50;

/// What is in force, and what changed.
///
/// # Errors
/// A parameter that is not one; the journal's failures.
pub(super) async fn show(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let kind = Some("configure".to_owned());
    let mut filter = ActFilter { kind: kind.clone(), rows_max: CHANGES_MAX, ..ActFilter::default() };
    for (name, value) in ask.query() {
        match (name.as_str(), value.parse()) {
            ("before", Ok(number)) => filter.before = Some(number),
            _ => return Err(bad_query(&name, "before=NUMBER")),
        }
    }
    let changes = view.journal.acts(filter).await?;
    let latest = view.journal.acts(ActFilter { kind, rows_max: 1, ..ActFilter::default() }).await?;
    let digest = latest.first().and_then(|act| match &act.entry.deed {
        Deed::Configure { digest, .. } => Some(digest),
        _ => None,
    });
    let health = view.health.state();
    let next = changes.last().filter(|_| changes.len() == CHANGES_MAX).map(|act| act.entry.number);
    Ok(answer(
        StatusCode::OK,
        &json!({
            "in_force_since": health.in_force_since.to_string(),
            "sha256": digest,
            "refused_reload": health.refused_reload.as_ref().map(|refused| refused.to_json()),
            "changes": changes.iter().map(entry).collect::<Vec<_>>(),
            "next_before": next,
        }),
    ))
}

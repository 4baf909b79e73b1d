//! Pausing and resuming (暂停、恢复): a flow that is paused answers its senders 503, a destination that is paused is
//! not called; what was accepted is kept either way. Both outlive a restart.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/pauses` | 200, everything that is paused, with the act that paused it |
//! | `POST /v1/flows/NAME/pause`, `…/resume` | as [`super::acts`] says |
//! | `POST /v1/destinations/PARTNER/PLACE/pause`, `…/resume` | the same |
//!
//! Only what is configured can be paused; whatever is paused can be resumed.

use super::access::Ask;
use super::acts::{act, answer, entry};
use super::view::OpsView;
use crate::config::Config;
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::journal::acts::{ActRequest, Deed, Pausable, Paused};
use hyper::StatusCode;
use serde_json::{Value, json};

/// Everything that is paused.
///
/// # Errors
/// The journal's failures.
pub(super) async fn list(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    let paused = view.journal.paused().await?;
    Ok(answer(StatusCode::OK, &json!({ "paused": paused.iter().map(one).collect::<Vec<_>>() })))
}

/// Something that is paused, as the API shows it.
pub(super) fn one(paused: &Paused) -> Value {
    json!({ "what": paused.what, "act": entry(&paused.act) })
}

/// Pauses the flow or the destination of the path.
///
/// # Errors
/// What is not configured; what [`act`] refuses.
pub(super) async fn pause(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let what = what(&ask)?;
    if !is_configured(&what, &view.live.load().config) {
        return Err(unknown(&what));
    }
    change(view, &ask, Deed::Pause { what }).await
}

/// Resumes it.
///
/// # Errors
/// What [`act`] refuses.
pub(super) async fn resume(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let what = what(&ask)?;
    change(view, &ask, Deed::Resume { what }).await
}

async fn change(view: &OpsView, ask: &Ask<'_>, deed: Deed) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    let answered = act(view, ask, ActRequest::Do(deed)).await;
    // Whatever became of it: admission goes by what the journal says.
    view.pauses.follow(view.journal.as_ref()).await?;
    answered
}

fn what(ask: &Ask<'_>) -> Result<Pausable, Fault> {
    match ask.open[..] {
        [flow] => flow.parse().map(Pausable::Flow).map_err(|_| Fault::new(FaultCode::FlowUnknown)),
        [partner, place] => format!("{partner}/{place}").parse().map(Pausable::Destination).map_err(|_| no_destination()),
        _ => Err(Fault::new(FaultCode::PathUnknown)),
    }
}

fn is_configured(what: &Pausable, config: &Config) -> bool {
    match what {
        Pausable::Flow(flow) => config.flows.contains_key(flow),
        Pausable::Destination(to) => config.partners.get(&to.partner).is_some_and(|partner| partner.destinations.contains_key(&to.place)),
    }
}

fn unknown(what: &Pausable) -> Fault {
    match what {
        Pausable::Flow(_) => Fault::new(FaultCode::FlowUnknown),
        Pausable::Destination(_) => no_destination(),
    }
}

fn no_destination() -> Fault {
    Fault::new(FaultCode::PathUnknown).detail("没有此接收方", "there is no such destination")
}

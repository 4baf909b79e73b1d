//! `GET /v1/statements/DAY?flow=NAME`: the caller's own statement of a business day; without `flow` where it has a part in one
//! flow alone. JSON, or the workbook where `Accept` names its media type.

use super::{Asked, PartnerDoor};
use crate::domain::FlowId;
use crate::fault::Fault;
use crate::http::Response;
use crate::http::query::bad_query;

impl PartnerDoor {
    pub(super) async fn statement(&self, asked: &Asked<'_>, day: &str) -> Result<Response, Fault> {
        let mut flow = None;
        for (name, value) in &asked.query {
            match (name.as_str(), value.parse::<FlowId>()) {
                ("flow", Ok(named)) => flow = Some(named),
                _ => return Err(bad_query(name, "flow=NAME")),
            }
        }
        self.statements.answer(&asked.partner, flow.as_ref(), day, &asked.head.headers).await
    }
}

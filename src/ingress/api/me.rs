//! `GET /v1/me`: the caller's own page.

use super::{Asked, PartnerDoor, Response, json_answer, state};
use crate::domain::PartnerId;
use crate::exchange::journal_fault;
use crate::fault::Fault;
use crate::journal::ExchangeFilter;
use crate::live::Live;
use serde_json::{Value, json};

/// Exchanges that it lists.
const LATEST_EXCHANGES: usize = 10;

impl PartnerDoor {
    /// The caller's own page.
    pub(super) async fn me(&self, asked: &Asked<'_>) -> Result<Response, Fault> {
        let live = self.exchanges.live.load_full();
        let caller = asked.identity.caller();
        let filter = ExchangeFilter { partner: Some(asked.partner.clone()), rows_max: LATEST_EXCHANGES, ..ExchangeFilter::default() };
        let latest = self.exchanges.journal.exchanges(filter).await.map_err(journal_fault)?;
        let days_left = (caller.not_after.as_second() - self.exchanges.clock.now().as_second()) / 86_400;
        let flows: Vec<Value> = live
            .flows
            .values()
            .filter_map(|plan| {
                plan.flow
                    .senders
                    .get(&asked.partner)
                    .map(|s| json!({ "flow": plan.flow.id.to_string(), "title": plan.flow.title, "mappings": s.mappings }))
            })
            .collect();
        let fields = self.limits.load().fields(&asked.partner, None);
        Ok(json_answer(&json!({
            "partner": asked.partner.to_string(),
            "title": live.config.partners.get(&asked.partner).map(|p| &p.title),
            "certificate": { "subject": caller.subject, "serial": caller.serial, "not_after": caller.not_after.to_string(), "days_left": days_left },
            "flows": flows,
            "queries": askable(&live, &asked.partner),
            "limits": fields.map(|f| json!({ "policy": f.policy, "left": f.limit })),
            "latest_exchanges": latest.iter().map(state).collect::<Vec<_>>(),
        })))
    }
}

/// The services that a partner may ask, for its own page.
fn askable(live: &Live, partner: &PartnerId) -> Vec<Value> {
    let asked = live.queries.values().filter(|plan| plan.askers.contains_key(partner));
    let told = asked.map(|plan| {
        let query = &plan.query;
        json!({
            "service": query.service.to_string(), "title": query.title, "flow": query.question.to_string(),
            "answer_lifetime_s": query.answer_lifetime.as_secs(),
        })
    });
    told.collect()
}

//! The checks of where a flow's records go, in which order, and what they refer to.

use super::super::raw::{At, RawOrder, RawReference, RawReferenceKey, RawRoute, RawUnknown};
use super::super::{Order, Reference, Route};
use super::{Checker, Partners, Span};
use crate::domain::{DESTINATIONS_PER_FLOW_MAX, DestinationId, Name, Severity};
use std::collections::BTreeSet;

impl Checker<'_> {
    pub(super) fn routes(&mut self, raw: &[At<RawRoute>], partners: &Partners) -> Option<Vec<Route>> {
        if raw.len() > DESTINATIONS_PER_FLOW_MAX {
            self.page.note(raw.last().and_then(At::span), format!("a flow has at most {DESTINATIONS_PER_FLOW_MAX} routes"));
        }
        let read: Vec<_> = raw.iter().map(|at| self.route(at, partners)).collect();
        let routes: Vec<Route> = read.into_iter().collect::<Option<_>>()?;
        let mut seen = BTreeSet::new();
        for (route, at) in routes.iter().zip(raw) {
            if !seen.insert((&route.to, &route.mapping)) {
                let message = format!("a second route to {} with mapping {}: join both conditions with ||", route.to, route.mapping);
                self.page.note(at.span(), message);
            }
        }
        Some(routes)
    }

    fn route(&mut self, at: &At<RawRoute>, partners: &Partners) -> Option<Route> {
        let raw = at.value();
        let to = self.known_destination(raw.to.as_ref(), "to", at.span(), partners);
        let mapping = self.page.required(raw.mapping.as_ref(), "mapping", at.span());
        let mapping = mapping.and_then(|name| self.page.parsed::<Name>(name));
        Some(Route { to: to?, mapping: mapping?.into(), when: raw.when.as_ref().map(|when| when.value().clone()) })
    }

    /// Whether the other flow and the path are there is for those who know all flows and schemas.
    pub(super) fn reference(&mut self, at: &At<RawReference>) -> Option<Reference> {
        let raw = at.value();
        let flow = self.page.required(raw.flow.as_ref(), "flow", at.span());
        let flow = flow.and_then(|flow| self.name(flow.value(), flow.span()));
        let field = self.page.required(raw.field.as_ref(), "field", at.span());
        let key: Vec<Option<(String, String)>> = raw.key.iter().map(|part| self.reference_key(part)).collect();
        let unknown = match raw.unknown {
            RawUnknown::Warning => Severity::Warning,
            RawUnknown::Error => Severity::Error,
        };
        Some(Reference { flow: flow?, field: field?.value().clone(), key: key.into_iter().collect::<Option<_>>()?, unknown })
    }

    fn reference_key(&mut self, at: &At<RawReferenceKey>) -> Option<(String, String)> {
        let theirs = self.page.required(at.value().theirs.as_ref(), "theirs", at.span());
        let ours = self.page.required(at.value().ours.as_ref(), "ours", at.span());
        Some((theirs?.value().clone(), ours?.value().clone()))
    }

    /// A destination that a partner's file has.
    pub(super) fn known_destination(
        &mut self,
        text: Option<&At<String>>,
        key: &str,
        table: Span,
        partners: &Partners,
    ) -> Option<DestinationId> {
        let text = self.page.required(text, key, table)?;
        let id = self.page.parsed::<DestinationId>(text)?;
        match partners.get(&id.partner) {
            None => self.page.note(text.span(), format!("`{key}`: there is no partners/{}.toml", id.partner)),
            Some(Some(partner)) if !partner.destinations.contains_key(&id.place) => {
                self.page.note(text.span(), format!("`{key}`: partners/{}.toml has no [destination.{}]", id.partner, id.place));
            }
            _ => {}
        }
        Some(id)
    }

    pub(super) fn order(&mut self, order: &At<RawOrder>) -> Option<Order> {
        match order.value() {
            RawOrder::None => Some(Order::None),
            RawOrder::Sender => Some(Order::Sender),
            RawOrder::Key(path) if path.trim().is_empty() => {
                self.page.note(order.span(), "`order`: `key` names a path of the canonical record, such as `account`");
                None
            }
            RawOrder::Key(path) => Some(Order::Key(path.clone())),
        }
    }
}

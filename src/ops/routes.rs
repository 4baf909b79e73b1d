//! Every address of the operators' listener: what it takes, who may ask, and who answers.
//!
//! The door walks [`ROUTES`] and nothing else, so that an address without a row does not exist, and none is
//! without a role. A GET changes nothing, though one that reveals personal values is logged as an act; a POST changes something, and [`super::guard`] lets it through only
//! where it comes from the console or from a program of an operator's.
//!
//! | segment of a path | takes |
//! |---|---|
//! | `name` | itself |
//! | `{name}` | any one segment, given to the handler |
//! | `{name…}` | everything to the end, slashes included; only as the last one |

use super::access::{Ask, covered};
use super::console::words::{self, Text};
use super::view::OpsView;
use super::{
    acts, alarms, candidates, chain, configuration, console, dead_letters, documents, exchange, partners, pauses, reconciliations, search,
    statements,
};
use crate::domain::{Operator, Role};
use crate::fault::Fault;
use crate::http::Response;
use std::pin::Pin;

/// An answer that is on its way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response, Fault>> + Send + 'a>>;

/// What an address takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET and HEAD: looks, and changes nothing.
    Get,
    /// POST: changes something.
    Post,
}

/// Whom an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For programs.
    Data,
    /// For people: a page of the console, in the menu under this word if it has one.
    Page {
        /// Its word.
        menu: Option<Text>,
    },
}

/// One address.
pub struct Route {
    /// Whom it is for.
    pub kind: Kind,
    /// What it takes.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// The least role that may ask.
    pub role: Role,
    /// Who answers.
    pub answer: for<'a> fn(&'a OpsView, Ask<'a>) -> Answering<'a>,
}

const fn get(path: &'static str, answer: for<'a> fn(&'a OpsView, Ask<'a>) -> Answering<'a>) -> Route {
    Route { kind: Kind::Data, method: Method::Get, path, role: Role::Read, answer }
}

/// A page of the console; see [`console`].
const fn page(path: &'static str, menu: Option<Text>, answer: for<'a> fn(&'a OpsView, Ask<'a>) -> Answering<'a>) -> Route {
    Route { kind: Kind::Page { menu }, method: Method::Get, path, role: Role::Read, answer }
}

/// An address that shows what partners sent: for those who may act on it.
const fn sent(path: &'static str, answer: for<'a> fn(&'a OpsView, Ask<'a>) -> Answering<'a>) -> Route {
    Route { kind: Kind::Data, method: Method::Get, path, role: Role::Operate, answer }
}

const fn post(path: &'static str, role: Role, answer: for<'a> fn(&'a OpsView, Ask<'a>) -> Answering<'a>) -> Route {
    Route { kind: Kind::Data, method: Method::Post, path, role, answer }
}

/// Every address.
pub static ROUTES: &[Route] = &[
    page("/", Some(words::NOW), |view, ask| Box::pin(console::now::page(view, ask))),
    page("/alarms/{number}", None, |view, ask| Box::pin(console::alarms::page(view, ask))),
    page("/exchanges", Some(words::EXCHANGES), |view, ask| Box::pin(console::exchanges::page(view, ask))),
    page("/dead-letters", Some(words::DEAD_LETTERS), |view, ask| Box::pin(console::dead_letters::page(view, ask))),
    page("/exchanges/{id}", None, |view, ask| Box::pin(console::exchange::page(view, ask))),
    page("/exchanges/{id}/records", None, |view, ask| Box::pin(console::record::page(view, ask))),
    page("/audit", Some(words::AUDIT), |view, ask| Box::pin(console::audit::page(view, ask))),
    page("/changes", Some(words::CHANGES), |view, ask| Box::pin(console::changes::page(view, ask))),
    page("/flows/{flow}", None, |view, ask| Box::pin(console::flow::page(view, ask))),
    page("/handover", Some(words::HANDOVER), |view, ask| Box::pin(console::handover::page(view, ask))),
    page("/partners/{partner}", None, |view, ask| Box::pin(console::partner::page(view, ask))),
    get("/assets/{name}", |view, ask| Box::pin(console::assets::file(view, ask))),
    get("/healthz", |view, ask| Box::pin(documents::healthy(view, ask))),
    get("/live", |view, ask| Box::pin(console::live::stream(view, ask))),
    get("/metrics", |view, ask| Box::pin(documents::metrics(view, ask))),
    get("/readyz", |view, ask| Box::pin(documents::ready(view, ask))),
    get("/status.json", |view, ask| Box::pin(documents::status(view, ask))),
    get("/v1", |view, ask| Box::pin(documents::addresses(view, ask))),
    get("/v1/acts", |view, ask| Box::pin(acts::list(view, ask))),
    post("/v1/acts/{number}/approve", Role::Operate, |view, ask| Box::pin(acts::approve(view, ask))),
    post("/v1/acts/{number}/reject", Role::Operate, |view, ask| Box::pin(acts::reject(view, ask))),
    get("/v1/alarms", |view, ask| Box::pin(alarms::list(view, ask))),
    post("/v1/alarms/{number}/acknowledge", Role::Operate, |view, ask| Box::pin(alarms::acknowledge(view, ask))),
    post("/v1/alarms/{number}/note", Role::Operate, |view, ask| Box::pin(alarms::note(view, ask))),
    get("/v1/chain", |view, ask| Box::pin(chain::show(view, ask))),
    get("/v1/candidates", |view, ask| Box::pin(candidates::list(view, ask))),
    get("/v1/candidates/{mapping}", |view, ask| Box::pin(candidates::show(view, ask))),
    post("/v1/candidates/{mapping}/cancel", Role::Operate, |view, ask| Box::pin(candidates::cancel(view, ask))),
    post("/v1/candidates/{mapping}/drop", Role::Administer, |view, ask| Box::pin(candidates::drop_one(view, ask))),
    post("/v1/candidates/{mapping}/promote", Role::Administer, |view, ask| Box::pin(candidates::promote(view, ask))),
    post("/v1/candidates/{mapping}/run", Role::Operate, |view, ask| Box::pin(candidates::run(view, ask))),
    get("/v1/configuration", |view, ask| Box::pin(configuration::show(view, ask))),
    get("/v1/dead-letters", |view, ask| Box::pin(dead_letters::list(view, ask))),
    get("/v1/dead-letters/preview", |view, ask| Box::pin(dead_letters::preview(view, ask))),
    post("/v1/dead-letters/resend", Role::Operate, |view, ask| Box::pin(dead_letters::resend_picked(view, ask))),
    post("/v1/dead-letters/waive", Role::Operate, |view, ask| Box::pin(dead_letters::waive_picked(view, ask))),
    get("/v1/deliveries/{id}", |view, ask| Box::pin(exchange::delivery(view, ask))),
    post("/v1/deliveries/{id}/resend", Role::Operate, |view, ask| Box::pin(dead_letters::resend_one(view, ask))),
    post("/v1/deliveries/{id}/waive", Role::Operate, |view, ask| Box::pin(dead_letters::waive_one(view, ask))),
    post("/v1/destinations/{partner}/{place}/pause", Role::Operate, |view, ask| Box::pin(pauses::pause(view, ask))),
    post("/v1/destinations/{partner}/{place}/resume", Role::Operate, |view, ask| Box::pin(pauses::resume(view, ask))),
    get("/v1/exchanges", |view, ask| Box::pin(search::list(view, ask))),
    get("/v1/exchanges/{id}", |view, ask| Box::pin(exchange::show(view, ask))),
    sent("/v1/exchanges/{id}/answer", |view, ask| Box::pin(exchange::business_answer(view, ask))),
    sent("/v1/exchanges/{id}/body", |view, ask| Box::pin(exchange::body(view, ask))),
    sent("/v1/exchanges/{id}/canonical", |view, ask| Box::pin(exchange::canonical(view, ask))),
    get("/v1/exchanges/{id}/deliveries", |view, ask| Box::pin(exchange::deliveries(view, ask))),
    get("/v1/exchanges/{id}/findings", |view, ask| Box::pin(exchange::findings(view, ask))),
    get("/v1/exchanges/{id}/receipt", |view, ask| Box::pin(exchange::receipt(view, ask))),
    get("/v1/exchanges/{id}/records/{number}", |view, ask| Box::pin(documents::record(view, ask))),
    get("/v1/flows/{flow}", |view, ask| Box::pin(partners::flow(view, ask))),
    post("/v1/flows/{flow}/pause", Role::Operate, |view, ask| Box::pin(pauses::pause(view, ask))),
    post("/v1/flows/{flow}/resume", Role::Operate, |view, ask| Box::pin(pauses::resume(view, ask))),
    get("/v1/handover", |view, ask| Box::pin(alarms::handovers(view, ask))),
    post("/v1/handover", Role::Operate, |view, ask| Box::pin(alarms::hand_over(view, ask))),
    get("/v1/partners", |view, ask| Box::pin(partners::list(view, ask))),
    get("/v1/partners/{partner}", |view, ask| Box::pin(partners::show(view, ask))),
    get("/v1/pauses", |view, ask| Box::pin(pauses::list(view, ask))),
    get("/v1/reconciliations", |view, ask| Box::pin(reconciliations::list(view, ask))),
    sent("/v1/reconciliations/{name}/matters", |view, ask| Box::pin(reconciliations::matters(view, ask))),
    sent("/v1/reconciliations/{name}/export", |view, ask| Box::pin(reconciliations::export(view, ask))),
    post("/v1/reconciliations/{name}/settle", Role::Operate, |view, ask| Box::pin(reconciliations::settle(view, ask))),
    get("/v1/statements/{day}/{partner}/{flow}", |view, ask| Box::pin(statements::show(view, ask))),
    get("/v1/token", |view, ask| Box::pin(documents::token(view, ask))),
];

/// What a path leads to.
pub enum Found<'p> {
    /// A route, with what its open segments hold.
    Route(&'static Route, Vec<&'p str>),
    /// An address that takes another method: these.
    OtherMethod(&'static str),
    /// Nothing.
    Nothing,
}

/// Finds the route of a request.
pub fn find<'p>(method: &hyper::Method, path: &'p str) -> Found<'p> {
    let asked = match *method {
        hyper::Method::GET | hyper::Method::HEAD => Some(Method::Get),
        hyper::Method::POST => Some(Method::Post),
        _ => None,
    };
    let (mut gets, mut posts) = (false, false);
    for route in ROUTES {
        let Some(open) = route.matches(path) else { continue };
        if Some(route.method) == asked {
            return Found::Route(route, open);
        }
        match route.method {
            Method::Get => gets = true,
            Method::Post => posts = true,
        }
    }
    match (gets, posts) {
        (true, true) => Found::OtherMethod("GET, HEAD, POST"),
        (true, false) => Found::OtherMethod("GET, HEAD"),
        (false, true) => Found::OtherMethod("POST"),
        (false, false) => Found::Nothing,
    }
}

impl Route {
    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        self.method == Method::Post
    }

    /// Lets in whoever's role covers it.
    ///
    /// # Errors
    /// [`crate::fault::FaultCode::RoleForbidden`].
    pub fn admits(&self, operator: &Operator) -> Result<(), Fault> {
        covered(operator, self.role)
    }

    /// What the open segments of its path hold in this one, if it is the route's.
    fn matches<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let mut open = Vec::new();
        let mut rest = path.strip_prefix('/')?;
        let mut segments = self.path.strip_prefix('/')?.split('/').peekable();
        while let Some(segment) = segments.next() {
            if segment.ends_with("…}") {
                open.push(rest);
                return Some(open).filter(|_| !rest.is_empty());
            }
            let (found, after) = rest.split_once('/').map_or((rest, None), |(found, after)| (found, Some(after)));
            if segment.starts_with('{') {
                open.push(found);
            } else if segment != found {
                return None;
            }
            match (after, segments.peek().is_some()) {
                (Some(after), true) => rest = after,
                (None, false) => {}
                _ => return None,
            }
        }
        Some(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &'static str, path: &str, expected: Option<&[&str]>) {
        let route = Route { path: pattern, ..get("/", |view, ask| Box::pin(documents::healthy(view, ask))) };
        assert_eq!(route.matches(path).as_deref(), expected, "{pattern} {path}");
    }

    #[test]
    fn paths_are_matched_whole() {
        check("/", "/", Some(&[]));
        check("/", "/a", None);
        check("/a", "/a/", None);
        check("/a/{id}/b", "/a/1/b", Some(&["1"]));
        check("/a/{id}/b", "/a/1", None);
        check("/a/{id}/b", "/a/1/b/c", None);
        check("/a/{id}/{n}", "/a/1/2", Some(&["1", "2"]));
        check("/a/{rest…}", "/a/b/c", Some(&["b/c"]));
        check("/a/{rest…}", "/a/", None);
        check("/a/{rest…}", "/a", None);
    }

    #[test]
    fn no_address_stands_twice() {
        for (place, route) in ROUTES.iter().enumerate() {
            let twin = ROUTES.iter().take(place).find(|other| other.path == route.path && other.method == route.method);
            assert!(twin.is_none(), "{}", route.path);
        }
    }
}

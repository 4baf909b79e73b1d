//! The span of a request: of submissions and queries. To look something up is no part of a message's life and has none.

use crate::domain::PartnerId;
use crate::exchange::{Answer, Exchanges};
use crate::traces::{Span, TraceContext, key};
use hyper::http::request::Parts;
use hyper::{Method, Version};

/// Characters that are told of a path.
const PATH_CHARS_MAX: usize = 256;

/// The span of this request, if it is one that is traced; its context in any case.
pub(super) fn request(exchanges: &Exchanges, head: &Parts, partner: &PartnerId) -> Span {
    let inward = TraceContext::inward(&head.headers);
    let Some(route) = route(head) else {
        return Span::unrecorded(inward.unwrap_or_else(|| TraceContext::begun(exchanges.clock.as_ref())));
    };
    let span = exchanges.traces.request(format!("POST {route}"), inward, &exchanges.clock);
    span.set("http.request.method", "POST");
    span.set("http.route", route);
    span.tell("url.path", head.uri.path().chars().take(PATH_CHARS_MAX).collect::<String>());
    span.set("url.scheme", "https");
    span.set("network.protocol.version", if head.version == Version::HTTP_2 { "2" } else { "1.1" });
    span.tell(key::PARTNER, partner);
    span
}

fn route(head: &Parts) -> Option<&'static str> {
    let path = head.uri.path().split('/').skip(1).collect::<Vec<_>>();
    match path[..] {
        _ if head.method != Method::POST => None,
        ["v1", "flows", _, "exchanges"] => Some("/v1/flows/{flow}/exchanges"),
        ["v1", "queries", _] => Some("/v1/queries/{service}"),
        _ => None,
    }
}

/// Says what became of a submission.
pub(super) fn verdict(span: &Span, answer: &Answer) {
    span.set(key::VERDICT, answer.outcome.as_str());
    span.set(key::RECORDS, i64::try_from(answer.counts.records).unwrap_or(i64::MAX));
    if let Some(code) = answer.fault {
        span.set(key::FAULT, code.as_str());
    }
    if let Some(evidence) = &answer.evidence {
        span.tell(key::EXCHANGE, evidence.exchange);
        span.set(key::REPEAT, evidence.repeat);
    }
}

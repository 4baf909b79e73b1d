//! The spans of deliveries and questions: one for each attempt with its lease, rendering, call and settlement in it, all
//! within the span in which the exchange was taken in, however long ago that was.

use crate::config::Destination;
use crate::delivery::{Ended, ReceiverAnswer, TransportError};
use crate::journal::Lease;
use crate::traces::{Span, SpanKind, TraceContext, Traces, key};
use hyper::Uri;
use jiff::Timestamp;

/// The span of an attempt that was leased between these times.
pub(super) fn attempt(traces: &Traces, lease: &Lease, asked: Timestamp, leased: Timestamp) -> Span {
    let span = traces.child_since("delivery", asked, &lease.trace);
    span.tell(key::EXCHANGE, lease.exchange);
    span.tell(key::DELIVERY, lease.delivery);
    span.tell(key::PARTNER, &lease.partner);
    span.tell(key::FLOW, &lease.flow);
    span.tell(key::DESTINATION, &lease.to);
    span.set(key::ATTEMPT, i64::from(lease.attempt));
    traces.child_since("lease", asked, span.context()).ended_at(leased);
    span
}

/// Says how an attempt ended.
pub(super) fn note_end(span: &Span, ended: Ended) {
    if let Ended::Retried(code) | Ended::Dead(code) = ended {
        span.failed(code);
    }
    span.set(key::VERDICT, ended.as_str());
}

/// The span of a call to a destination. The query of its address stays out: it may hold a secret.
pub fn call(traces: &Traces, destination: &Destination, within: &TraceContext) -> Span {
    let span = traces.child("POST", SpanKind::Client, within);
    span.set("http.request.method", "POST");
    if let Ok(url) = destination.url.parse::<Uri>() {
        span.tell("server.address", url.host().unwrap_or_default());
        span.set("server.port", i64::from(url.port_u16().unwrap_or(443)));
        span.tell("url.full", format_args!("https://{}{}", url.authority().map_or("", |authority| authority.as_str()), url.path()));
    }
    span
}

/// Ends the span of a call with what came of it.
pub fn called(span: Span, sent: &Result<ReceiverAnswer, TransportError>) {
    match sent {
        Ok(answer) => {
            span.set("http.response.status_code", i64::from(answer.status));
            if !(200..300).contains(&answer.status) {
                span.failed_with(answer.status.to_string());
            }
        }
        Err(error) => span.failed(error.code()),
    }
}

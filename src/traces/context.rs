//! Where in a trace something happened, as it is handed on: W3C Trace Context.
//!
//! Wire format: the header fields `traceparent` (`VERSION-TRACE-SPAN-FLAGS`, lower-case hexadecimal digits) and
//! `tracestate` (`KEY=VALUE,…`). What is not written so is ignored, as the recommendation asks: nothing is refused for it.
//! Of a `tracestate` at most [`TRACE_STATE_BYTES_MAX`] bytes are handed on.

use crate::seams::Clock;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header field of the trace and the span.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header field of what others keep with a trace.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Bytes of a `tracestate` that are handed on.
pub const TRACE_STATE_BYTES_MAX: usize = 512;
/// Bytes of one of its members that stays when room is wanted; longer ones go first.
const TRACE_STATE_MEMBER_BYTES: usize = 128;

/// A span in a trace, whether the trace is recorded, and what others keep with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext(pub(super) SpanContext);

impl TraceContext {
    /// The context that a request came with; `None` where it came with none, or with one that is not as it must be.
    pub fn inward(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(TRACEPARENT).iter();
        let (Some(given), None) = (given.next(), given.next()) else { return None };
        let (trace, span, flags) = parse(given.to_str().ok()?)?;
        let states: Option<Vec<&str>> = headers.get_all(TRACESTATE).iter().map(|state| state.to_str().ok()).collect();
        Some(Self(SpanContext::new(trace, span, flags, true, state(&states.unwrap_or_default().join(",")))))
    }

    /// A new trace, recorded by the log at least.
    pub fn begun(clock: &dyn Clock) -> Self {
        let (trace, span) = (TraceId::from_bytes(random(clock)), SpanId::from_bytes(random(clock)));
        Self(SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE))
    }

    /// The context that the journal has kept. What it never wrote is no context: [`Self::fields`] has nothing of it then.
    pub fn kept(trace: &str, span: &str, flags: u8, tracestate: &str) -> Self {
        let (trace, span) = (TraceId::from_hex(trace), SpanId::from_hex(span));
        let (trace, span) = (trace.unwrap_or(TraceId::INVALID), span.unwrap_or(SpanId::INVALID));
        Self(SpanContext::new(trace, span, TraceFlags::new(flags), true, state(tracestate)))
    }

    /// The trace, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// The span, 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        self.0.span_id().to_string()
    }

    /// `01` where the trace is recorded.
    pub fn flags(&self) -> u8 {
        self.0.trace_flags().to_u8()
    }

    /// `tracestate`; empty for none.
    pub fn tracestate(&self) -> String {
        self.0.trace_state().header()
    }

    /// The header fields that hand it on.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let traceparent = format!("00-{}-{}-{:02x}", self.trace_id(), self.span_id(), self.flags() & TraceFlags::SAMPLED.to_u8());
        let traceparent = Some(traceparent).filter(|_| self.0.is_valid());
        let tracestate = Some(self.tracestate()).filter(|state| self.0.is_valid() && !state.is_empty());
        let fields = [(TRACEPARENT, traceparent), (TRACESTATE, tracestate)];
        fields.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value?).ok()?)))
    }
}

/// Trace, span and flags of a `traceparent`. A version to come may have more after the flags; none may have less.
fn parse(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let text = text.trim_matches([' ', '\t']);
    let mut parts = text.splitn(5, '-');
    let [version, trace, span, flags] = [2, 32, 16, 2].map(|digits| parts.next().filter(|part| is_hex(part, digits)));
    let further = parts.next();
    match (version?, further) {
        ("ff", _) | ("00", Some(_)) => return None,
        _ => {}
    }
    let (trace, span) = (TraceId::from_hex(trace?).ok()?, SpanId::from_hex(span?).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags?, 16).ok()?) & TraceFlags::SAMPLED;
    (trace != TraceId::INVALID && span != SpanId::INVALID).then_some((trace, span, flags))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A `tracestate` as far as it is handed on; none where it is not written as it must be.
fn state(text: &str) -> TraceState {
    let mut members: Vec<&str> =
        text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty()).collect();
    let bytes = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    if bytes(&members) > TRACE_STATE_BYTES_MAX {
        members.retain(|member| member.len() <= TRACE_STATE_MEMBER_BYTES);
    }
    while bytes(&members) > TRACE_STATE_BYTES_MAX {
        members.pop();
    }
    members.join(",").parse().unwrap_or(TraceState::NONE)
}

pub(super) fn random<const BYTES: usize>(clock: &dyn Clock) -> [u8; BYTES] {
    let mut random = [0; BYTES];
    clock.random(&mut random);
    random
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request's fields come to: the fields that hand the same context on, or nothing.
    fn check(case: &str) -> Result<(), String> {
        let fields = |part: &str| -> Vec<(String, String)> {
            part.lines().filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let (given, expected) = case.split_once("=>\n").unwrap_or((case, ""));
        let mut headers = HeaderMap::new();
        for (name, value) in fields(given) {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(&value).unwrap());
        }
        let context = TraceContext::inward(&headers);
        let handed_on = context.iter().flat_map(|context| context.fields().collect::<Vec<_>>());
        let found: Vec<_> = handed_on.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        if found == fields(expected) { Ok(()) } else { Err(format!("{case}found {found:?}")) }
    }

    #[test]
    fn contexts_are_read_as_the_recommendation_says() {
        let cases = include_str!("cases/contexts.txt").split("\n\n").filter(|case| case.contains("=>"));
        let failures: Vec<String> = cases.filter_map(|case| check(&format!("{}\n", case.trim())).err()).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn what_the_journal_keeps_is_the_same_context() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        headers.append(TRACESTATE, HeaderValue::from_static("a=1,b=2"));
        let context = TraceContext::inward(&headers).unwrap();
        let kept = TraceContext::kept(&context.trace_id(), &context.span_id(), context.flags(), &context.tracestate());
        assert_eq!(kept, context);
        assert_eq!(TraceContext::kept("", "x", 1, "").fields().count(), 0);
    }
}

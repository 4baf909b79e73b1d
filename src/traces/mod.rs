//! Traces (链路追踪) for OpenTelemetry: spans of what is done to a message, from its first byte to its acknowledged deliveries.
//!
//! - [`TraceContext`] is where in a trace something happened; it comes with a request, stays with the exchange in the
//!   journal and goes on with each delivery, whether anything is recorded or not.
//! - [`Traces`] makes [`Span`]s, if the configuration has a `[traces]` table. Whether a trace is recorded was decided by
//!   whoever began it (its `traceparent` says so); of those that begin here a share is.
//! - [`Exporter`] sends spans that have ended to a [`Collector`] in batches. No span is ever waited for: what has no room in the
//!   queue is dropped and counted.
//!
//! Attributes have the names of OpenTelemetry's semantic conventions where there is one, else those of [`key`]. No span
//! holds a value of a record, a body or what a receiver answered.

mod context;
mod export;

pub use context::{TRACE_STATE_BYTES_MAX, TraceContext};
pub use export::{ANSWER_BYTES_MAX, Collector, Exporter, Setback};

use crate::config::TraceSettings;
use crate::fault::{Fault, FaultCode};
use crate::metrics::Metrics;
use crate::seams::SharedClock;
use hyper::StatusCode;
use jiff::Timestamp;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanId, Status, TraceContextExt, TraceId, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracer, SdkTracerProvider, Span as SdkSpan, SpanLimits};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub use opentelemetry::trace::SpanKind;

/// Names of attributes that no convention has.
pub mod key {
    /// The exchange.
    pub const EXCHANGE: &str = "portolan.exchange.id";
    /// Who sent it.
    pub const PARTNER: &str = "portolan.partner";
    /// Under which flow.
    pub const FLOW: &str = "portolan.flow";
    /// The mapping that reads or writes.
    pub const MAPPING: &str = "portolan.mapping";
    /// What became of it: `accepted`, `in-part`, `refused`; of a delivery `acknowledged`, `retried`, `dead-letter`, `abandoned`.
    pub const VERDICT: &str = "portolan.verdict";
    /// How many records.
    pub const RECORDS: &str = "portolan.records";
    /// The first answer was given again.
    pub const REPEAT: &str = "portolan.repeat";
    /// The fault code of a refusal or a failure.
    pub const FAULT: &str = "portolan.fault.code";
    /// The delivery.
    pub const DELIVERY: &str = "portolan.delivery.id";
    /// Where to.
    pub const DESTINATION: &str = "portolan.destination";
    /// Which attempt, from 1.
    pub const ATTEMPT: &str = "portolan.attempt";
}

/// Makes spans, or none.
#[derive(Clone)]
pub struct Traces(Option<SdkTracer>);

impl Traces {
    /// Nothing is recorded; contexts are handed on as they came.
    pub fn off() -> Self {
        Self(None)
    }

    /// Records, and sends what has ended to a collector.
    pub fn start(settings: &TraceSettings, collector: Arc<dyn Collector>, metrics: Arc<Metrics>, clock: SharedClock) -> (Self, Exporter) {
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", settings.service_name.clone()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let (queue, exporter) = export::start(settings, &resource, collector, metrics);
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sampled_share))))
            .with_id_generator(Chance(clock))
            // Else the environment would choose them.
            .with_span_limits(SpanLimits::default())
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        let scope = InstrumentationScope::builder("portolan").with_version(env!("CARGO_PKG_VERSION")).build();
        (Self(Some(provider.tracer_with_scope(scope))), exporter)
    }

    /// The span of a request that came in this context, or in none.
    pub fn request(&self, name: impl Into<Cow<'static, str>>, inward: Option<TraceContext>, clock: &SharedClock) -> Span {
        match &self.0 {
            Some(tracer) => Span::begin(tracer, SpanBuilder::from_name(name).with_kind(SpanKind::Server), inward.as_ref()),
            None => Span::unrecorded(inward.unwrap_or_else(|| TraceContext::begun(clock.as_ref()))),
        }
    }

    /// A span within another.
    pub fn child(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind, of: &TraceContext) -> Span {
        self.built(|| SpanBuilder::from_name(name).with_kind(kind), of)
    }

    /// A span within another that began at that time.
    pub fn child_since(&self, name: impl Into<Cow<'static, str>>, began: Timestamp, of: &TraceContext) -> Span {
        self.built(|| SpanBuilder::from_name(name).with_kind(SpanKind::Internal).with_start_time(system_time(began)), of)
    }

    fn built(&self, builder: impl FnOnce() -> SpanBuilder, of: &TraceContext) -> Span {
        match &self.0 {
            Some(tracer) => Span::begin(tracer, builder(), Some(of)),
            None => Span::unrecorded(of.clone()),
        }
    }
}

/// Something that takes time. It ends when it is dropped, wherever that is.
pub struct Span {
    recorded: Option<Mutex<SdkSpan>>,
    context: TraceContext,
}

impl Span {
    /// No span: only a context that is handed on.
    pub fn unrecorded(context: TraceContext) -> Self {
        Self { recorded: None, context }
    }

    fn begin(tracer: &SdkTracer, builder: SpanBuilder, of: Option<&TraceContext>) -> Self {
        let parent = of.map_or_else(Context::new, |of| Context::new().with_remote_span_context(of.0.clone()));
        let span = tracer.build_with_context(builder, &parent);
        let context = TraceContext(span.span_context().clone());
        Self { recorded: span.is_recording().then(|| Mutex::new(span)), context }
    }

    /// What is handed on to whatever happens within it.
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Says something about it, once for each key.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        self.change(|span| span.set_attribute(KeyValue::new(key, value)));
    }

    /// Says something about it that has to be put into words first.
    pub fn tell(&self, key: &'static str, value: impl fmt::Display) {
        self.change(|span| span.set_attribute(KeyValue::new(key, value.to_string())));
    }

    /// It failed, in a way of which the code is known.
    pub fn failed(&self, code: FaultCode) {
        self.failed_with(code.as_str());
        self.set(key::FAULT, code.as_str());
    }

    /// It failed, in a way that is told by other than a code of ours.
    pub fn failed_with(&self, error_type: impl Into<Value>) {
        self.change(|span| {
            span.set_attribute(KeyValue::new("error.type", error_type));
            span.set_status(Status::error(""));
        });
    }

    /// How the request was answered. What its caller has to mend is no error of the span that served it.
    pub fn answered(&self, status: StatusCode) {
        self.set("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            self.failed_with(status.as_str().to_owned());
        }
    }

    /// Ends it with what it came to.
    ///
    /// # Errors
    /// Those that it is given.
    pub fn ended<T>(self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.inspect_err(|fault| self.failed(fault.code))
    }

    /// Ends it at a time that is past.
    pub fn ended_at(self, end: Timestamp) {
        self.change(|span| span.end_with_timestamp(system_time(end)));
    }

    fn change(&self, change: impl FnOnce(&mut SdkSpan)) {
        if let Some(span) = &self.recorded {
            change(&mut span.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// A time as the spans have it; none is before 1970.
fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::try_from(at).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Ids by the gateway's own chance, which a simulation replaces.
struct Chance(SharedClock);

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance")
    }
}

impl IdGenerator for Chance {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_bytes(context::random(self.0.as_ref()))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(context::random(self.0.as_ref()))
    }
}

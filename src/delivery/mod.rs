//! Delivery (投递): what the journal has queued goes to its receivers.
//!
//! A delivery is a bounded chunk of one exchange for one destination. It is leased from the
//! journal, rendered in the receiver's format, posted, and settled: acknowledged, to be tried
//! again, or a dead letter. At least once on the wire; every attempt has the same delivery id and
//! the same bytes, so a receiver that durably remembers delivery ids sees each once.
//!
//! - [`Delivery`] runs one task for each destination of the configuration ([`worker`]).
//! - [`Render`] makes the bytes; the mapping engine stands behind it.
//! - [`Transport`] carries them; [`PushTransport`] over mutual TLS, a simulation in its place.
//! - [`retry`] and [`circuit`] decide, without clock or line of their own.
//!
//! On the wire (HTTP/1.1 or HTTP/2, chosen by ALPN): `POST` to the destination's URL with
//!
//! | field | meaning |
//! |---|---|
//! | `Portolan-Delivery`, `Idempotency-Key` | the delivery's id, the same for every attempt |
//! | `Portolan-Exchange` | the exchange that it is a part of |
//! | `Portolan-Flow`, `Portolan-Sender` | under which flow, and who sent the exchange |
//! | `Portolan-Attempt` | which attempt this is, from 1 |
//! | `Portolan-Records` | how many records the body holds |
//! | `Content-Digest` | `sha-256` of the body (RFC 9530) |
//! | `traceparent`, `tracestate` | W3C trace context: the exchange's trace, and the span of this call where it is recorded |
//!
//! A question of a query is posted in the same way, with `Portolan-Query`, the service, in place of
//! `Portolan-Delivery` and `Portolan-Attempt`; its `Idempotency-Key` is the question's exchange. The body of a 2xx is
//! its answer.
//!
//! Any 2xx acknowledges: the receiver answers so once the delivery is durable on its side.

mod attempt;
pub mod circuit;
mod heard;
mod outlet;
pub mod push;
pub mod render;
pub mod retry;
pub mod spans;
pub mod tls;
pub mod worker;

pub use push::{DeliveryRequest, PushTransport, ReceiverAnswer, Transport, TransportError};
pub(crate) use render::lines;
pub use render::{Render, RenderJob, Rendered};
pub use worker::{Delivery, Parts};

use crate::domain::{DestinationId, FlowId, PartnerId};
use crate::fault::FaultCode;
use jiff::Timestamp;
use std::time::Duration;

/// How an attempt ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The receiver has it.
    Acknowledged,
    /// It will be tried again, because of this.
    Retried(FaultCode),
    /// It is a dead letter, because of this.
    Dead(FaultCode),
    /// The lease was lost or the journal could not settle it; the lease runs out by itself.
    Abandoned,
}

impl Ended {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Retried(_) => "retried",
            Self::Dead(_) => "dead-letter",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One attempt that has ended.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// Where to.
    pub to: DestinationId,
    /// Under which flow.
    pub flow: FlowId,
    /// Who sent the exchange.
    pub sender: PartnerId,
    /// Its records.
    pub records: u64,
    /// How it ended.
    pub ended: Ended,
    /// From the lease to the settlement.
    pub took: Duration,
    /// From the receipt of the exchange to now; for an acknowledged delivery its whole latency.
    pub since_received: Duration,
    /// W3C trace id of the exchange.
    pub trace_id: String,
}

/// What metrics want to hear of deliveries. Called from the delivery tasks: it must not block.
pub trait Observer: Send + Sync {
    /// An attempt has ended.
    fn attempted(&self, attempted: &Attempted);

    /// The circuit of a destination has opened (`true`) or closed again.
    fn circuit(&self, to: &DestinationId, open: bool);
}

/// Nobody listens.
impl Observer for () {
    fn attempted(&self, _: &Attempted) {}
    fn circuit(&self, _: &DestinationId, _: bool) {}
}

/// A moment later; the last one there is, where that is out of range.
fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

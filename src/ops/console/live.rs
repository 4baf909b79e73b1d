//! Tells open pages when to look again: server-sent events (HTML Standard, section 9.2) at `GET /live`.
//!
//! Each event is named `tick`; its data is the gateway's time, nothing of what it knows. A page that hears one asks
//! for its live parts by their own address, so that there is one way to make them. A page that hears none for
//! a while says so and tries again by itself.
//!
//! Limits: [`WATCHERS_MAX`] at once, each for [`AGE_MAX`] and one event every [`INTERVAL`]; then the browser comes back, and
//! is asked who it is again. Whoever reads slowly misses events, and costs nothing.

use crate::fault::{Fault, FaultCode};
use crate::http::{Body, Response};
use crate::ops::access::Ask;
use crate::ops::health::Phase;
use crate::ops::view::OpsView;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior};

/// Pages that are told at once.
pub const WATCHERS_MAX: usize = 64;
/// How often they are told.
pub const INTERVAL: Duration = Duration::from_secs(2);
/// How long one is told before it must come again.
pub const AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// The places of those who are told.
pub struct Watchers(Arc<Semaphore>);

impl Watchers {
    /// So many places.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }
}

impl Default for Watchers {
    fn default() -> Self {
        Self::new(WATCHERS_MAX)
    }
}

/// Tells a page until it leaves.
///
/// # Errors
/// Too many pages are open.
pub async fn stream(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    let place = Arc::clone(&view.watchers.0)
        .try_acquire_owned()
        .map_err(|_| Fault::new(FaultCode::TooManyRequests).detail("打开的页面过多", "too many pages are open"))?;
    let (teller, pieces) = mpsc::channel(1);
    let (health, clock) = (Arc::clone(&view.health), Arc::clone(&view.clock));
    tokio::spawn(async move {
        let _place = place;
        let end = Instant::now() + AGE_MAX;
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end && health.state().phase != Phase::Stopping {
            tokio::select! {
                _ = ticks.tick() => {}
                () = teller.closed() => return,
            }
            if teller.send(event(clock.now())).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Body::Pieces(pieces));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

fn event(now: Timestamp) -> Bytes {
    format!("event: tick\ndata: {now}\n\n").into()
}

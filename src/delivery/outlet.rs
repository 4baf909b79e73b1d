//! The task of one destination: leases while there is room, sleeps until something is due.

use crate::config::Destination;
use crate::delivery::attempt::attempt;
use crate::delivery::circuit::Circuit;
use crate::delivery::worker::Parts;
use crate::delivery::{Ended, later, spans};
use crate::fault::Party;
use crate::places::Places;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

/// How much longer than the attempt's timeout a lease is held: the time for rendering and settling.
pub(super) const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// Longest sleep, whatever the journal says of the next delivery.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Sleep when something is due that was not leased a moment ago: it was committed since, or more was due than one
/// call leases.
const DUE_SLEEP: Duration = Duration::from_secs(1);
/// Sleep when the journal is not available.
const JOURNAL_SLEEP: Duration = Duration::from_secs(1);

/// One destination's task.
pub(super) struct Outlet {
    pub parts: Arc<Parts>,
    /// Renderings at once, over all destinations; one place is left to the other receivers.
    pub renders: Arc<Places>,
    /// The destination as configured; its end is the end of the task.
    pub settings: watch::Receiver<Arc<Destination>>,
    /// Something was queued.
    pub wake: Arc<Notify>,
}

impl Outlet {
    /// Runs until the settings' sender is gone; then what is under way is finished.
    pub(super) async fn run(mut self) {
        let mut circuit = Circuit::default();
        let mut under_way = JoinSet::new();
        loop {
            let destination = self.settings.borrow_and_update().clone();
            let sleep = self.fill(&destination, &circuit, &mut under_way).await;
            tokio::select! {
                Some(ended) = under_way.join_next() => {
                    self.note(&destination, &mut circuit, ended);
                    while let Some(ended) = under_way.try_join_next() {
                        self.note(&destination, &mut circuit, ended);
                    }
                }
                changed = self.settings.changed() => if changed.is_err() { break },
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
        self.parts.transport.release(&self.settings.borrow().id);
    }

    /// Leases what there is room for and begins it. Returns how long nothing more can be done,
    /// unless an attempt ends or something is queued.
    async fn fill(&self, destination: &Arc<Destination>, circuit: &Circuit, under_way: &mut JoinSet<Ended>) -> Duration {
        let now = self.parts.clock.now();
        let free = destination.concurrency_max.saturating_sub(under_way.len());
        let room = circuit.admits(now, free, under_way.len());
        if room == 0 {
            return circuit.open_until().filter(|until| *until > now).map_or(SLEEP_MAX, |until| until_then(now, until));
        }
        let until = later(later(now, destination.timeout), LEASE_MARGIN);
        let leases = match self.parts.journal.lease(&destination.id, now, until, room).await {
            Ok(leases) => leases,
            Err(error) => return self.journal_failed(destination, &error),
        };
        let (taken, leased) = (leases.len(), self.parts.clock.now());
        for lease in leases {
            let (parts, renders, destination) = (self.parts.clone(), self.renders.clone(), destination.clone());
            let span = tracing::info_span!("delivery", exchange = %lease.exchange, delivery = %lease.delivery, trace_id = lease.trace.trace_id(), to = %lease.to, attempt = lease.attempt);
            let whole = spans::attempt(&parts.traces, &lease, now, leased);
            under_way.spawn(async move { attempt(&parts, &renders, &destination, lease, whole).await }.instrument(span));
        }
        if taken >= room {
            return SLEEP_MAX;
        }
        match self.parts.journal.next_due(&destination.id).await {
            Ok(None) => SLEEP_MAX,
            Ok(Some(due)) if due <= now => DUE_SLEEP,
            Ok(Some(due)) => until_then(self.parts.clock.now(), due),
            Err(error) => self.journal_failed(destination, &error),
        }
    }

    fn journal_failed(&self, destination: &Destination, error: &crate::journal::JournalError) -> Duration {
        tracing::warn!(to = %destination.id, %error, "no deliveries can be leased");
        JOURNAL_SLEEP
    }

    fn note(&self, destination: &Destination, circuit: &mut Circuit, ended: Result<Ended, JoinError>) {
        let now = self.parts.clock.now();
        let changed = match ended {
            Ok(Ended::Acknowledged) => circuit.succeeded(),
            // A refusal is the answer of a receiver that works.
            Ok(Ended::Retried(code) | Ended::Dead(code)) if code.party() != Party::Receiver => false,
            Ok(Ended::Dead(crate::fault::FaultCode::ReceiverRefused)) => circuit.succeeded(),
            Ok(Ended::Retried(_) | Ended::Dead(_)) => circuit.failed(now, destination.circuit_failures, destination.circuit_pause),
            Ok(Ended::Abandoned) => false,
            Err(error) => {
                tracing::error!(to = %destination.id, %error, "an attempt broke off; it will be made again when its lease runs out");
                false
            }
        };
        if changed {
            let open = circuit.open_until().is_some();
            tracing::warn!(to = %destination.id, open, pause_ms = destination.circuit_pause.as_millis(), "the circuit has changed");
            self.parts.observer.circuit(&destination.id, open);
        }
    }
}

fn until_then(now: Timestamp, then: Timestamp) -> Duration {
    // A millisecond more, since timers may fire a little early against the wall clock.
    let wait = Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO) + Duration::from_millis(1);
    wait.min(SLEEP_MAX)
}

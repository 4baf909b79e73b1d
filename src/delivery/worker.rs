//! The supervisor: one task for each destination of the configuration, following its reloads.
//!
//! A destination that appears in a new configuration is served at once, one that has changed goes
//! on with its new settings, and one that is gone finishes what is under way. Its deliveries stay
//! in the journal.

use crate::config::{Config, Destination};
use crate::delivery::outlet::Outlet;
use crate::delivery::{Observer, Render, Transport};
use crate::domain::DestinationId;
use crate::journal::Journal;
use crate::places::Places;
use crate::seams::SharedClock;
use crate::traces::Traces;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;

/// Deliveries being rendered at once, over all destinations; one fewer of a single receiver.
pub const RENDERS_MAX: usize = 4;

/// What deliveries are made with.
pub struct Parts {
    /// Where they are queued.
    pub journal: Arc<dyn Journal>,
    /// What makes their bytes.
    pub render: Arc<dyn Render>,
    /// What carries them.
    pub transport: Arc<dyn Transport>,
    /// Time and chance.
    pub clock: SharedClock,
    /// Who hears of attempts.
    pub observer: Arc<dyn Observer>,
    /// What spans of them are made with.
    pub traces: Traces,
}

/// The running deliveries. Dropping it ends them where they stand, as a crash would.
pub struct Delivery {
    wakes: Arc<Wakes>,
    stop: watch::Sender<bool>,
    supervisor: Mutex<JoinSet<()>>,
}

impl Delivery {
    /// Begins to deliver to every destination of the configuration, on the current runtime.
    pub fn start(parts: Parts, config: watch::Receiver<Arc<Config>>) -> Self {
        let wakes = Arc::new(Wakes::default());
        let (stop, stopped) = watch::channel(false);
        let mut supervisor = JoinSet::new();
        supervisor.spawn(supervise(Arc::new(parts), config, wakes.clone(), stopped));
        Self { wakes, stop, supervisor: Mutex::new(supervisor) }
    }

    /// Says that something was queued for a destination, so that it is delivered at once. Called
    /// after each commit; for a destination that is not configured it does nothing.
    pub fn wake(&self, destination: &DestinationId) {
        if let Some(wake) = self.wakes.0.read().unwrap_or_else(PoisonError::into_inner).get(destination) {
            wake.notify_one();
        }
    }

    /// Leases nothing more and lets what is under way end, for so long at most. What is cut off
    /// then is delivered again after the next start. Returns whether all of it ended.
    pub async fn shutdown(&self, timeout: Duration) -> bool {
        self.stop.send_replace(true);
        let mut supervisor = self.supervisor.lock().await;
        let ended = tokio::time::timeout(timeout, supervisor.join_next()).await.is_ok();
        if !ended {
            tracing::warn!(timeout_ms = timeout.as_millis(), "deliveries under way were cut off; they will be made again");
            supervisor.shutdown().await;
        }
        ended
    }
}

/// How to wake each destination's task.
#[derive(Default)]
struct Wakes(RwLock<BTreeMap<DestinationId, Arc<Notify>>>);

async fn supervise(parts: Arc<Parts>, mut config: watch::Receiver<Arc<Config>>, wakes: Arc<Wakes>, mut stop: watch::Receiver<bool>) {
    let renders = Arc::new(Places::new(RENDERS_MAX));
    let mut settings = BTreeMap::<DestinationId, watch::Sender<Arc<Destination>>>::new();
    let mut outlets = JoinSet::new();
    loop {
        let destinations = destinations_of(&config.borrow_and_update());
        settings.retain(|id, _| destinations.contains_key(id));
        wakes.0.write().unwrap_or_else(PoisonError::into_inner).retain(|id, _| destinations.contains_key(id));
        for (id, destination) in destinations {
            if let Some(outlet) = settings.get(&id) {
                outlet.send_replace(destination);
                continue;
            }
            let (sender, receiver) = watch::channel(destination);
            let wake = Arc::new(Notify::new());
            wakes.0.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), wake.clone());
            settings.insert(id, sender);
            let outlet = Outlet { parts: parts.clone(), renders: renders.clone(), settings: receiver, wake };
            outlets.spawn(outlet.run());
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Ok(()) = config.changed() => {}
        }
        // Tasks of destinations that were taken out of the configuration have nothing left to say.
        while outlets.try_join_next().is_some() {}
    }
    drop(settings);
    while outlets.join_next().await.is_some() {}
}

fn destinations_of(config: &Config) -> BTreeMap<DestinationId, Arc<Destination>> {
    let all = config.partners.values().flat_map(|partner| partner.destinations.values());
    all.map(|destination| (destination.id.clone(), destination.clone())).collect()
}

//! The only wiring: a configuration folder becomes a running gateway.

mod changes;
mod collector;
mod gate;
mod prepare;
mod provider;
mod shared;
mod storage;

pub use prepare::Prepared;

use crate::config::watch::Reloads;
use crate::config::{Config, Draft, Problem};
use crate::delivery::Delivery;
use crate::domain::DestinationId;
use crate::expiry::{ExpiryWatch, LOOK_INTERVAL};
use crate::fault::BoxError;
use crate::http;
use crate::journal::acts::{ActFilter, ActRequest, Deed, NewAct};
use crate::journal::{Journal, JournalError};
use crate::ops::OpsView;
use crate::pauses::Pauses;
use crate::reconcile::Follower;
use crate::seams::{SharedClock, SystemClock};
use crate::traces::Exporter;
use changes::Snapshot;
use jiff::Timestamp;
use shared::Shared;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use storage::Storage;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How each destination is called.
pub type Clients = BTreeMap<DestinationId, Arc<rustls::ClientConfig>>;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has problems.
    #[error("the configuration has {} problem(s):\n{}", .0.len(), list(.0))]
    Configuration(Vec<Problem>),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}\nAnother process may have the port: find it with `ss -ltnp 'sport = :{}'`, or choose another port.", address.port())]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else: the data folder, the keys, the journal.
    #[error("{what}: {source}")]
    Other {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: BoxError,
    },
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n")
}

fn other<E: Into<BoxError>>(what: &'static str) -> impl FnOnce(E) -> StartError {
    move |source| StartError::Other { what, source: source.into() }
}

/// A running gateway.
pub struct Gateway {
    /// What operators see.
    pub view: Arc<OpsView>,
    /// The durable state.
    pub journal: Arc<dyn Journal>,
    folder: PathBuf,
    shared: Shared,
    delivery: Arc<Delivery>,
    expiry: Arc<ExpiryWatch>,
    exporter: Option<Exporter>,
    reloads: Option<Reloads>,
    config: watch::Sender<Arc<Config>>,
    /// The files of the configuration in force, by which the next one's changes are told.
    files: tokio::sync::Mutex<Snapshot>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Gateway {
    /// Starts everything that a configuration folder describes.
    ///
    /// # Errors
    /// Whatever stands in the way; nothing is left running then.
    pub async fn start(folder: &Path) -> Result<Self, StartError> {
        let clock: SharedClock = Arc::new(SystemClock);
        let prepared = Prepared::for_start(Draft::read(folder), &clock).map_err(StartError::Configuration)?;
        let config = Arc::clone(&prepared.live.config);
        let Storage { keys, journal, spool } = storage::open(&config, &clock).await?;
        let (partner_listener, partner_address) = bind(config.gateway.partner_listener.address).await?;
        let (operator_listener, operator_address) = bind(config.gateway.operator_listener.address).await?;
        let pauses = Arc::new(Pauses::default());
        pauses.follow(journal.as_ref()).await.map_err(other("what is paused"))?;
        let files = snapshot(&config).await;
        log_first(journal.as_ref(), &files, clock.now()).await.map_err(other("the log of acts"))?;
        let reloads = follow(&config);
        let shared = Shared::new(prepared, keys, Arc::clone(&journal), pauses, clock);
        let (config_sender, config_receiver) = watch::channel(Arc::clone(&config));
        let transport = shared.transport();
        let (traces, exporter) = shared.traces()?;
        let delivery = shared.deliver(&transport, &traces, config_receiver);
        let (statements, chain) = (shared.statements(), shared.chain());
        let alarms = shared.alarms(&chain);
        let door = shared.partner_door(spool.clone(), transport, &traces, &delivery, &statements);
        let view = shared.view(&delivery, statements, &alarms, Arc::clone(&chain), spool);
        let operator_door = shared.operator_door(&view);
        let expiry = Arc::new(ExpiryWatch::new(shared.endings(), Arc::clone(&shared.metrics), Arc::clone(&shared.clock)));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(http::listen(partner_listener, door, config.gateway.limits.clone(), stopped.clone()));
        tasks.spawn(http::listen(operator_listener, operator_door, config.gateway.limits.clone(), stopped.clone()));
        tasks.spawn(Follower::new(Arc::clone(&journal), Arc::clone(&shared.live)).run(stopped.clone()));
        tasks.spawn(chain.run(stopped.clone()));
        tasks.spawn(alarms.run(stopped));
        view.health.serving();
        tracing::info!(%partner_address, %operator_address, partners = config.partners.len(), flows = config.flows.len(), "the gateway is up");
        let (folder, files, config) = (folder.to_owned(), tokio::sync::Mutex::new(files), config_sender);
        Ok(Self { view, journal, folder, shared, delivery, expiry, exporter, reloads, config, files, stop, tasks })
    }

    /// Runs until `end`, following changes of the configuration; then shuts down.
    pub async fn run(mut self, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        let mut reloads = self.reloads.take();
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            tokio::select! {
                () = &mut end => break,
                () = next(&mut reloads) => {
                    if self.reload() {
                        self.log_changes().await;
                    }
                    if let Some(Err(error)) = reloads.as_mut().map(|reloads| reloads.follow(&self.shared.live.load().config)) {
                        tracing::error!(%error, "some of the configuration cannot be watched");
                    }
                    looks.reset_immediately();
                }
                _ = looks.tick() => {
                    let expiry = Arc::clone(&self.expiry);
                    // Nobody waits for it; the next look is as good.
                    drop(tokio::task::spawn_blocking(move || expiry.look()));
                }
            }
        }
        self.shutdown().await;
    }

    /// Reads the configuration again. With any problem in it the old one stays, whole. Returns whether the new one is in
    /// force.
    fn reload(&self) -> bool {
        let clock = &self.shared.clock;
        match Prepared::for_reload(&self.folder, clock) {
            Ok(prepared) => {
                let config = Arc::clone(&prepared.live.config);
                let later = self.shared.started_with.gateway.keys_for_next_start(&config.gateway);
                self.shared.put_in_force(prepared);
                let _ = self.config.send(config);
                tracing::info!("the new configuration is in force");
                if !later.is_empty() {
                    tracing::warn!(keys = later.join(", "), "some of the new configuration holds from the next start on");
                }
                self.view.health.reloaded(clock.now(), later);
                true
            }
            Err(problems) => {
                self.view.health.reload_refused(clock.now(), problems.clone());
                tracing::error!("the new configuration is refused and the old one stays in force:\n{}", list(&problems));
                false
            }
        }
    }

    /// Logs what is new in the configuration that came into force, if anything is.
    async fn log_changes(&self) {
        let new = snapshot(&self.shared.live.load().config).await;
        let mut files = self.files.lock().await;
        if new.digest() == files.digest() {
            return;
        }
        let logged = log(self.journal.as_ref(), new.deed(Some(&files)), self.shared.clock.now()).await;
        *files = new;
        if let Err(error) = logged {
            tracing::error!(%error, "the change of the configuration could not be logged");
        }
    }

    /// Takes nothing new in, ends requests and deliveries under way, both within the same shutdown time,
    /// and stops.
    pub async fn shutdown(mut self) {
        let timeout = self.shared.live.load().config.gateway.limits.shutdown_timeout;
        let end = Instant::now() + timeout;
        self.view.health.stopping();
        let _ = self.stop.send(true);
        let answered = tokio::time::timeout(timeout, async { while self.tasks.join_next().await.is_some() {} });
        let (answered, delivered) = tokio::join!(answered, self.delivery.shutdown(timeout));
        if answered.is_err() {
            tracing::warn!("requests were cut at the end of the shutdown time");
        }
        if !delivered {
            tracing::warn!("deliveries were cut at the end of the shutdown time; they go on after the next start");
        }
        if let Some(exporter) = self.exporter.take() {
            exporter.shutdown(end.saturating_duration_since(Instant::now())).await;
        }
        tracing::info!("the gateway is down");
    }
}

/// Watches the configuration, if the system lets us.
fn follow(config: &Config) -> Option<Reloads> {
    let reloads = Reloads::new(config);
    let told = |error: &BoxError| {
        tracing::error!(%error, "changes of the configuration cannot be followed; restart the gateway after a change");
    };
    reloads.inspect_err(told).ok()
}

/// The files of a configuration.
async fn snapshot(config: &Arc<Config>) -> Snapshot {
    let config = Arc::clone(config);
    tokio::task::spawn_blocking(move || Snapshot::of(&config)).await.unwrap_or_default()
}

/// Logs the configuration that the gateway starts with, unless it is the one that the log has last.
async fn log_first(journal: &dyn Journal, files: &Snapshot, now: Timestamp) -> Result<(), JournalError> {
    let filter = ActFilter { kind: Some("configure".to_owned()), rows_max: 1, ..ActFilter::default() };
    let last = journal.acts(filter).await?.into_iter().next().map(|act| act.entry.deed);
    match last {
        Some(Deed::Configure { digest, .. }) if digest == files.digest() => Ok(()),
        _ => log(journal, files.deed(None), now).await,
    }
}

/// Logs what the gateway itself did.
async fn log(journal: &dyn Journal, deed: Deed, at: Timestamp) -> Result<(), JournalError> {
    let (reason, request) = ("the configuration's files".to_owned(), ActRequest::Do(deed));
    journal.act(NewAct { operator: None, at, reason, request, deliveries_alone_max: 0, proposal_until: at }).await.map(drop)
}

/// Waits for the next reason to reload; for ever if nothing is watched.
async fn next(reloads: &mut Option<Reloads>) {
    match reloads {
        Some(reloads) => reloads.next().await,
        None => std::future::pending().await,
    }
}

/// Listens on an address; with the one that the system chose, where it may choose.
async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let chosen = listener.local_addr().map_err(failed)?;
    Ok((listener, chosen))
}

//! The only wiring: a configuration folder becomes a running gateway.

mod changes;
mod gate;
mod provider;

use crate::alarms::AlarmWatch;
use crate::alarms::watch::Sources;
use crate::config::watch::Reloads;
use crate::config::{Config, Problem};
use crate::data::{DataFolder, make_private_folder};
use crate::delivery::tls::client_config;
use crate::delivery::{Delivery, Parts, PushTransport};
use crate::exchange::Exchanges;
use crate::expiry::{Endings, ExpiryWatch, LOOK_INTERVAL};
use crate::fault::BoxError;
use crate::http;
use crate::ingress::api::PartnerDoor;
use crate::ingress::identity::{Operators, Partners, PreparedTrust, Trust, TrustStore};
use crate::ingress::in_flight::{InFlight, PerName};
use crate::ingress::limits::RateLimits;
use crate::ingress::strangers::Strangers;
use crate::journal::acts::{ActFilter, ActRequest, Deed, NewAct};
use crate::journal::sqlite::{Options, SqliteJournal};
use crate::journal::{Journal, JournalError};
use crate::lineage::Lineages;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::ops::{Guard, Health, OperatorDoor, OpsView, Watchers};
use crate::pauses::Pauses;
use crate::pinned::PinnedMappings;
use crate::query::Queries;
use crate::receipt::Keys;
use crate::receipt::keys::keys_folder;
use crate::render::PinnedRender;
use crate::seams::{SharedClock, SystemClock};
use crate::spool::Spool;
use arc_swap::ArcSwap;
use changes::Snapshot;
use gate::{OperatorGate, lookups};
use jiff::Timestamp;
use provider::PushProvider;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

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
    /// Where partners connect.
    pub partner_address: SocketAddr,
    /// Where operators connect.
    pub operator_address: SocketAddr,
    /// What operators see.
    pub view: Arc<OpsView>,
    /// What is in force.
    pub live: Arc<ArcSwap<Live>>,
    /// The durable state.
    pub journal: Arc<dyn Journal>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The keys of the receipts.
    pub keys: Arc<Keys>,
    /// Time and chance.
    pub clock: SharedClock,
    folder: PathBuf,
    partners: Arc<TrustStore<Partners>>,
    operators: Arc<TrustStore<Operators>>,
    limits: Arc<ArcSwap<RateLimits>>,
    strangers: [Arc<Strangers>; 2],
    delivery: Arc<Delivery>,
    expiry: Arc<ExpiryWatch>,
    reloads: Option<Reloads>,
    config: watch::Sender<Arc<Config>>,
    /// The files of the configuration in force, by which the next one's changes are told.
    files: tokio::sync::Mutex<Snapshot>,
    started_with: Arc<Config>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// A configuration that was read, with all that can fail behind it.
struct Prepared {
    live: Live,
    partners: PreparedTrust<Partners>,
    operators: PreparedTrust<Operators>,
}

impl Gateway {
    /// Starts everything that a configuration folder describes.
    ///
    /// # Errors
    /// Whatever stands in the way; nothing is left running then.
    pub async fn start(folder: &Path) -> Result<Self, StartError> {
        let clock: SharedClock = Arc::new(SystemClock);
        let live = Live::load(folder).map_err(StartError::Configuration)?;
        let config = Arc::clone(&live.config);
        let partners = Arc::new(partner_trust(&config, &clock).map_err(StartError::Configuration)?);
        let operators = Arc::new(operator_trust(&config, &clock).map_err(StartError::Configuration)?);
        let (keys, journal, spool) = storage(&config, &clock).await?;
        let pauses = Arc::new(Pauses::default());
        pauses.follow(journal.as_ref()).await.map_err(other("what is paused"))?;
        let files = snapshot(&config).await;
        log_first(journal.as_ref(), &files, clock.now()).await.map_err(other("the log of acts"))?;
        let reloads = follow(&config);
        let live = Arc::new(ArcSwap::from_pointee(live));
        let metrics = Arc::new(Metrics::new());
        let limits = Arc::new(ArcSwap::from_pointee(RateLimits::new(&config.partners, &config.flows, None, Arc::clone(&clock))));
        let (config_sender, config_receiver) = watch::channel(Arc::clone(&config));
        let mappings = Arc::new(PinnedMappings::default());
        let translations = Arc::new(Semaphore::new(config.gateway.limits.translations_max));
        let lineages = Arc::new(Lineages {
            journal: Arc::clone(&journal),
            live: Arc::clone(&live),
            translations: Arc::clone(&translations),
            mappings: Arc::clone(&mappings),
        });
        let transport = Arc::new(transport(&live));
        let delivery = Arc::new(deliver(&journal, mappings, &metrics, &clock, &transport, config_receiver));
        let exchanges = Arc::new(Exchanges {
            live: Arc::clone(&live),
            trust: Arc::clone(&partners),
            journal: Arc::clone(&journal),
            pauses: Arc::clone(&pauses),
            in_flight: InFlight::default(),
            translations,
            spool,
            clock: Arc::clone(&clock),
            wake: {
                let delivery = Arc::clone(&delivery);
                Box::new(move |to| delivery.wake(to))
            },
        });
        let strangers = || Arc::new(Strangers::new(config.gateway.limits.stranger_handshakes_per_minute_max, Arc::clone(&clock)));
        let (partner_strangers, operator_strangers) = (strangers(), strangers());
        let door = Arc::new(PartnerDoor {
            queries: Queries {
                exchanges: Arc::clone(&exchanges),
                provider: Arc::new(PushProvider { transport, clock: Arc::clone(&clock) }),
                under_way: PerName::default(),
                metrics: Arc::clone(&metrics),
            },
            exchanges,
            limits: Arc::clone(&limits),
            strangers: Arc::clone(&partner_strangers),
            connections: PerName::default(),
            submissions: PerName::default(),
            lineages: Arc::clone(&lineages),
            keys: Arc::clone(&keys),
            metrics: Arc::clone(&metrics),
        });
        let endings = Endings { partners: Arc::clone(&partners), operators: Arc::clone(&operators), live: Arc::clone(&live) };
        let alarms = Arc::new(AlarmWatch::new(Sources {
            journal: Arc::clone(&journal),
            metrics: Arc::clone(&metrics),
            live: Arc::clone(&live),
            endings: endings.clone(),
            keys: Arc::clone(&keys),
            clock: Arc::clone(&clock),
        }));
        let view = Arc::new(OpsView {
            journal: Arc::clone(&journal),
            metrics: Arc::clone(&metrics),
            live: Arc::clone(&live),
            clock: Arc::clone(&clock),
            health: Arc::new(Health::new(clock.now())),
            lineages,
            pauses,
            guard: Guard::new(clock.as_ref()),
            watchers: Watchers::default(),
            lookups: lookups(endings.clone(), &limits, &metrics, &clock, &delivery, &alarms),
        });
        let gate = OperatorGate { trust: Arc::clone(&operators), strangers: Arc::clone(&operator_strangers), clock: Arc::clone(&clock) };
        let operator_door = Arc::new(OperatorDoor::new(gate, Arc::clone(&view)));
        let expiry = Arc::new(ExpiryWatch::new(endings, Arc::clone(&metrics), Arc::clone(&clock)));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let partner_listener = bind(config.gateway.partner_listener.address).await?;
        let operator_listener = bind(config.gateway.operator_listener.address).await?;
        let partner_address = partner_listener.local_addr().map_err(other("the partner listener"))?;
        let operator_address = operator_listener.local_addr().map_err(other("the operator listener"))?;
        tasks.spawn(http::listen(partner_listener, door, config.gateway.limits.clone(), stopped.clone()));
        tasks.spawn(http::listen(operator_listener, operator_door, config.gateway.limits.clone(), stopped.clone()));
        tasks.spawn(alarms.run(stopped));
        view.health.serving();
        tracing::info!(%partner_address, %operator_address, partners = config.partners.len(), flows = config.flows.len(), "the gateway is up");
        Ok(Self {
            partner_address,
            operator_address,
            view,
            live,
            journal,
            metrics,
            keys,
            clock,
            folder: folder.to_owned(),
            partners,
            operators,
            limits,
            strangers: [partner_strangers, operator_strangers],
            delivery,
            expiry,
            reloads,
            config: config_sender,
            files: tokio::sync::Mutex::new(files),
            started_with: config,
            stop,
            tasks,
        })
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
                    if let Some(Err(error)) = reloads.as_mut().map(|reloads| reloads.follow(&self.live.load().config)) {
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
        match self.prepare() {
            Ok(prepared) => {
                let later = self.started_with.gateway.keys_for_next_start(&prepared.live.config.gateway);
                self.put_in_force(prepared);
                tracing::info!("the new configuration is in force");
                if !later.is_empty() {
                    tracing::warn!(keys = later.join(", "), "some of the new configuration holds from the next start on");
                }
                self.view.health.reloaded(self.clock.now(), later);
                true
            }
            Err(problems) => {
                self.view.health.reload_refused(self.clock.now(), problems.clone());
                tracing::error!("the new configuration is refused and the old one stays in force:\n{}", list(&problems));
                false
            }
        }
    }

    /// Logs what is new in the configuration that came into force, if anything is.
    async fn log_changes(&self) {
        let new = snapshot(&self.live.load().config).await;
        let mut files = self.files.lock().await;
        if new.digest() == files.digest() {
            return;
        }
        let logged = log(self.journal.as_ref(), new.deed(Some(&files)), self.clock.now()).await;
        *files = new;
        if let Err(error) = logged {
            tracing::error!(%error, "the change of the configuration could not be logged");
        }
    }

    /// Reads and builds everything that can fail. Nothing is in force yet.
    fn prepare(&self) -> Result<Prepared, Vec<Problem>> {
        let live = Live::load(&self.folder)?;
        let gateway = &live.config.gateway;
        let register = Partners::new(&live.config.partners)?;
        let partners = Trust::build(&gateway.partner_listener, register).and_then(|t| self.partners.prepare(t).map_err(|p| vec![p]));
        let register = operators(&live.config)?;
        let operators = Trust::build(&gateway.operator_listener, register).and_then(|t| self.operators.prepare(t).map_err(|p| vec![p]));
        match (partners, operators) {
            (Ok(partners), Ok(operators)) => Ok(Prepared { live, partners, operators }),
            (partners, operators) => Err(partners.err().into_iter().chain(operators.err()).flatten().collect()),
        }
    }

    /// Swaps in what was prepared, and takes up the receipt key that waits, if there is one. What the key
    /// meets with is no reason to keep the old configuration.
    fn put_in_force(&self, prepared: Prepared) {
        let Prepared { live, partners, operators } = prepared;
        let config = Arc::clone(&live.config);
        self.operators.replace(operators);
        self.partners.replace(partners);
        self.limits.store(Arc::new(RateLimits::new(&config.partners, &config.flows, Some(&self.limits.load()), Arc::clone(&self.clock))));
        let per_minute_max = config.gateway.limits.stranger_handshakes_per_minute_max;
        self.strangers.iter().for_each(|strangers| strangers.set_per_minute_max(per_minute_max));
        self.live.store(Arc::new(live));
        let _ = self.config.send(config);
        match self.keys.take_up() {
            Ok(Some(kid)) => tracing::info!(kid, "receipts are signed with a new key"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the receipt key that waits cannot be taken up; the one in use goes on"),
        }
    }

    /// Takes nothing new in, ends requests and deliveries under way, both within the same shutdown time,
    /// and stops.
    pub async fn shutdown(mut self) {
        let timeout = self.live.load().config.gateway.limits.shutdown_timeout;
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

fn partner_trust(config: &Config, clock: &SharedClock) -> Result<TrustStore<Partners>, Vec<Problem>> {
    let trust = Trust::build(&config.gateway.partner_listener, Partners::new(&config.partners)?)?;
    TrustStore::new(trust, Arc::clone(clock)).map_err(|p| vec![p])
}

/// The operators' register.
fn operators(config: &Config) -> Result<Operators, Vec<Problem>> {
    Operators::new(&config.operators, config.gateway.operators.unlisted_may_read)
}

fn operator_trust(config: &Config, clock: &SharedClock) -> Result<TrustStore<Operators>, Vec<Problem>> {
    let trust = Trust::build(&config.gateway.operator_listener, operators(config)?)?;
    TrustStore::new(trust, Arc::clone(clock)).map_err(|p| vec![p])
}

/// Takes the data folder and opens the keys, the journal and the spool in it. The lock comes first: a
/// gateway that is turned away must not have changed the keys of the one that runs.
async fn storage(config: &Arc<Config>, clock: &SharedClock) -> Result<(Arc<Keys>, Arc<dyn Journal>, Spool), StartError> {
    let (config, clock) = (Arc::clone(config), Arc::clone(clock));
    let opened = tokio::task::spawn_blocking(move || {
        let data = &config.gateway.data;
        let folder = DataFolder::take(data).map_err(other("the data folder"))?;
        let keys = Arc::new(Keys::open_or_create(&keys_folder(data), Arc::clone(&clock)).map_err(other("the receipts' keys"))?);
        let journal = SqliteJournal::open_in(folder, Arc::clone(&keys) as _, clock, Options::default()).map_err(other("the journal"))?;
        let spool = empty_spool(&data.join("spool")).map_err(other("the spool folder"))?;
        let limits = &config.gateway.limits;
        let spool = Spool::new(&spool, limits.inline_bytes_max, limits.free_bytes_min);
        Ok::<_, StartError>((keys, Arc::new(journal) as Arc<dyn Journal>, spool))
    });
    opened.await.map_err(other("opening the data folder"))?
}

/// The spool folder, without what an earlier life left half received. The data folder is locked by
/// now, so that nobody else uses it.
fn empty_spool(folder: &Path) -> std::io::Result<PathBuf> {
    make_private_folder(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("spool-")) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(folder.to_owned())
}

/// What calls receivers: with the gateway's identity of the moment, where they name none.
fn transport(live: &Arc<ArcSwap<Live>>) -> PushTransport {
    let live = Arc::clone(live);
    let tls =
        move |destination: &crate::config::Destination| client_config(destination, live.load().config.gateway.outbound_identity.as_ref());
    PushTransport::new(Arc::new(tls))
}

fn deliver(
    journal: &Arc<dyn Journal>,
    mappings: Arc<PinnedMappings>,
    metrics: &Arc<Metrics>,
    clock: &SharedClock,
    transport: &Arc<PushTransport>,
    config: watch::Receiver<Arc<Config>>,
) -> Delivery {
    let parts = Parts {
        journal: Arc::clone(journal),
        render: Arc::new(PinnedRender::new(mappings)),
        transport: Arc::clone(transport) as _,
        clock: Arc::clone(clock),
        observer: Arc::clone(metrics) as _,
    };
    Delivery::start(parts, config)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

//! The watch: gathers evidence every few seconds, writes what follows from it into the journal, and has it told.
//!
//! What the journal cannot answer or keep is tried again at the next look; the log tells it once. History is
//! read anew every [`HISTORY_INTERVAL`], what ends every [`ENDINGS_INTERVAL`].

use super::conditions::Evidence;
use super::declared::is_declared_empty;
use super::engine::Engine;
use super::webhook::Webhooks;
use crate::config::{Config, Flow};
use crate::domain::{DestinationId, FlowId, PartnerId};
use crate::expiry::Endings;
use crate::ingress::identity::Expiry;
use crate::journal::alarms::{ActivityRow, AlarmChange, AlarmFilter, AlarmRow, AlarmSeverity, HISTORY_DAYS_MAX, ProfileRow};
use crate::journal::{HeadSigner, Journal, JournalError};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::receipt::Keys;
use crate::receipt::audit::watch::ChainWatch;
use crate::reconcile::matter_counts;
use crate::schedule::{Schedule, Seen};
use crate::seams::SharedClock;
use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

/// How often history is read anew.
pub const HISTORY_INTERVAL: Duration = Duration::from_secs(300);
/// How often it is looked at what ends.
pub const ENDINGS_INTERVAL: Duration = Duration::from_secs(3);
/// For how long a jump of the clock is shown.
pub const JUMP_SHOWN: Duration = Duration::from_secs(600);
/// Where systemd tells whether it has synchronised the clock.
const TIMESYNC_FOLDER: &str = "/run/systemd/timesync";

/// Where the evidence comes from.
pub struct Sources {
    /// The durable state.
    pub journal: Arc<dyn Journal>,
    /// What happened lately.
    pub metrics: Arc<Metrics>,
    /// What is in force.
    pub live: Arc<ArcSwap<Live>>,
    /// What ends.
    pub endings: Endings,
    /// The keys of the receipts.
    pub keys: Arc<Keys>,
    /// How far the chain is verified.
    pub chain: Arc<ChainWatch>,
    /// Time.
    pub clock: SharedClock,
}

/// The watch over everything.
pub struct AlarmWatch {
    sources: Sources,
    webhooks: Webhooks,
    memory: Mutex<Memory>,
    open: ArcSwap<Vec<AlarmRow>>,
    failing: AtomicBool,
}

/// What came by hour, and its profiles by day.
type History = (Arc<Vec<ActivityRow>>, Arc<Vec<ProfileRow>>);

/// What is remembered between two looks.
#[derive(Default)]
struct Memory {
    engine: Engine,
    begun_at: Option<Timestamp>,
    history: Option<(Instant, History)>,
    forgotten_day: i64,
    endings: Option<(Instant, Arc<Vec<Expiry>>)>,
    clock: Option<(Instant, Timestamp)>,
    jump: Option<(Instant, i64)>,
}

impl AlarmWatch {
    /// A watch that has not looked yet.
    pub fn new(sources: Sources) -> Self {
        let webhooks = Webhooks::new(Arc::clone(&sources.clock), Arc::clone(&sources.metrics));
        Self { sources, webhooks, memory: Mutex::default(), open: ArcSwap::default(), failing: AtomicBool::new(false) }
    }

    /// The alarms that are open, as of the last look.
    pub fn open(&self) -> Arc<Vec<AlarmRow>> {
        self.open.load_full()
    }

    /// Looks every few seconds until it is to stop.
    pub async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            let interval = self.sources.live.load().config.gateway.alarms.evaluation_interval;
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                () = tokio::time::sleep(interval) => {}
            }
            match self.look().await {
                Ok(()) => self.failing.store(false, Ordering::Relaxed),
                Err(error) => {
                    if !self.failing.swap(true, Ordering::Relaxed) {
                        tracing::error!(%error, "alarms cannot be judged while the journal does not answer");
                    }
                }
            }
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the journal cannot be read or written; the next look does what this one could not.
    pub async fn look(&self) -> Result<(), JournalError> {
        let mut memory = self.memory.lock().await;
        let config = Arc::clone(&self.sources.live.load().config);
        let journal = &self.sources.journal;
        let evidence = self.gather(&mut memory, &config).await?;
        let open = journal.alarms(AlarmFilter::Open).await?;
        let changes = memory.engine.step(evidence.now, &open, evidence.conditions(), |kind| config.gateway.alarms.hold_of(kind));
        let open = if changes.is_empty() {
            open
        } else {
            journal.change_alarms(changes.clone()).await?;
            changes.iter().for_each(|change| log(change, &open));
            journal.alarms(AlarmFilter::Open).await?
        };
        self.open.store(Arc::new(open));
        self.tell(&config).await
    }

    /// Has those told who are configured, and remembers who knows.
    async fn tell(&self, config: &Config) -> Result<(), JournalError> {
        let journal = &self.sources.journal;
        let mut untold: Vec<AlarmRow> = self.open().iter().filter(|row| row.told_opened_at.is_none()).cloned().collect();
        if !config.gateway.alarms.webhooks.is_empty() {
            untold.extend(journal.alarms(AlarmFilter::ClosedUntold).await?);
        }
        let at = self.sources.clock.now();
        let told: Vec<AlarmChange> =
            self.webhooks.offer(config, &untold).into_iter().map(|(number, closed)| AlarmChange::Told { number, closed, at }).collect();
        if told.is_empty() { Ok(()) } else { journal.change_alarms(told).await }
    }

    async fn gather(&self, memory: &mut Memory, config: &Arc<Config>) -> Result<Evidence, JournalError> {
        let Sources { journal, metrics, clock, .. } = &self.sources;
        let now = clock.now();
        let hour = now.as_second().div_euclid(3600);
        let (history, profiles) = self.history(memory, hour).await?;
        let open = |to: &DestinationId| metrics.circuit_open(to);
        let destinations = config.partners.values().flat_map(|partner| partner.destinations.values());
        Ok(Evidence {
            now,
            config: Arc::clone(config),
            destinations: journal.totals().await?.destinations,
            circuits_open: destinations.map(|destination| destination.id.clone()).filter(open).collect(),
            paused: journal.paused().await?.into_iter().map(|paused| paused.what).collect(),
            feeds: self.feeds(memory, config, now).await?,
            recent: journal.activity(hour - 1).await?,
            history,
            profiles,
            throttled: metrics.throttled_lately(),
            latencies: metrics.latencies(|flow| config.flows.get(flow)?.promise),
            endings: self.endings(memory, now).await,
            reconciliations: matter_counts(journal.as_ref(), &self.sources.live.load_full(), now).await?,
            free_bytes: free_bytes(&config.gateway.data),
            clock_jump_ms: jump(memory, now, config.gateway.alarms.thresholds.clock_jump_max),
            clock_unsynchronised: is_unsynchronised(),
            key_since: key_since(&self.sources.keys),
            chain_broken: self.sources.chain.verified().broken(),
        })
    }

    /// What is known of every feed that has a schedule.
    async fn feeds(
        &self,
        memory: &mut Memory,
        config: &Config,
        now: Timestamp,
    ) -> Result<BTreeMap<(PartnerId, FlowId), Seen>, JournalError> {
        let since = match memory.begun_at {
            Some(since) => since,
            None => *memory.begun_at.insert(self.sources.journal.begun_at().await?),
        };
        let mut feeds = BTreeMap::new();
        for flow in config.flows.values() {
            for (partner, sender) in &flow.senders {
                let Some(schedule) = &sender.schedule else { continue };
                let last_accepted = self.sources.journal.last_accepted(partner, &flow.id).await?;
                let declared = self.declared(config, flow, partner, schedule, last_accepted, now).await?;
                feeds.insert((partner.clone(), flow.id.clone()), Seen { since, last_accepted, declared });
            }
        }
        Ok(feeds)
    }

    /// Of the periods that nothing has come for those that were declared empty.
    async fn declared(
        &self,
        config: &Config,
        flow: &Flow,
        partner: &PartnerId,
        schedule: &Schedule,
        last_accepted: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<BTreeSet<crate::schedule::Period>, JournalError> {
        let calendar = schedule.calendar_of(&config.calendars);
        let zone = TimeZone::get(&flow.zone).unwrap_or(TimeZone::UTC);
        let mut declared = BTreeSet::new();
        for occurrence in schedule.late_by(now, calendar, &zone) {
            if last_accepted.is_some_and(|at| at >= occurrence.opens_at) {
                continue;
            }
            let is_declared = is_declared_empty(self.sources.journal.as_ref(), partner, &flow.id, &occurrence.period).await?;
            declared.extend(is_declared.then_some(occurrence.period));
        }
        Ok(declared)
    }

    async fn history(&self, memory: &mut Memory, hour: i64) -> Result<History, JournalError> {
        if let Some((at, history)) = &memory.history
            && at.elapsed() < HISTORY_INTERVAL
        {
            return Ok(history.clone());
        }
        let journal = &self.sources.journal;
        let first_day = hour.div_euclid(24) - HISTORY_DAYS_MAX;
        if memory.forgotten_day != first_day {
            journal.forget_profiles(first_day).await?;
            memory.forgotten_day = first_day;
        }
        let history: History = (Arc::new(journal.activity(first_day * 24).await?), Arc::new(journal.profiles(first_day).await?));
        memory.history = Some((Instant::now(), history.clone()));
        Ok(history)
    }

    /// What ends, on a thread that may be blocked: it reads files.
    async fn endings(&self, memory: &mut Memory, now: Timestamp) -> Arc<Vec<Expiry>> {
        if let Some((at, endings)) = &memory.endings
            && at.elapsed() < ENDINGS_INTERVAL
        {
            return Arc::clone(endings);
        }
        let endings = self.sources.endings.clone();
        let found = tokio::task::spawn_blocking(move || endings.all(now)).await;
        let found = Arc::new(found.unwrap_or_else(|error| {
            tracing::error!(%error, "what ends could not be found out");
            Vec::new()
        }));
        memory.endings = Some((Instant::now(), Arc::clone(&found)));
        found
    }
}

/// An alarm in the log: what is critical is for an operator to act on.
fn log(change: &AlarmChange, open: &[AlarmRow]) {
    match change {
        AlarmChange::Open { kind, state, .. } if state.severity == AlarmSeverity::Critical => {
            tracing::error!(kind, party = state.party, "an alarm is raised: {}", state.words.en);
        }
        AlarmChange::Open { kind, state, .. } => tracing::warn!(kind, party = state.party, "an alarm is raised: {}", state.words.en),
        AlarmChange::Close { number, .. } => {
            let kind = open.iter().find(|row| row.number == *number).map(|row| row.kind.as_str());
            tracing::info!(kind, number, "an alarm is closed");
        }
        AlarmChange::Update { .. } | AlarmChange::Told { .. } => {}
    }
}

/// By how much the clock has jumped since the last look or a while ago, in milliseconds.
fn jump(memory: &mut Memory, now: Timestamp, jump_max: Duration) -> Option<i64> {
    let here = Instant::now();
    if let Some((then, at)) = memory.clock.replace((here, now)) {
        let passed = SignedDuration::try_from(here.duration_since(then)).unwrap_or(SignedDuration::MAX);
        let jumped = now.duration_since(at).saturating_sub(passed);
        if jumped.unsigned_abs() > jump_max {
            memory.jump = Some((here, i64::try_from(jumped.as_millis()).unwrap_or(i64::MAX)));
        }
    }
    memory.jump.filter(|(at, _)| at.elapsed() < JUMP_SHOWN).map(|(_, ms)| ms)
}

/// Whether systemd, where it is in charge of the clock, has not synchronised it.
fn is_unsynchronised() -> bool {
    let folder = Path::new(TIMESYNC_FOLDER);
    folder.is_dir() && !folder.join("synchronized").exists()
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(folder).ok()?;
    Some(volume.f_bavail.saturating_mul(volume.f_frsize))
}

fn key_since(keys: &Keys) -> Option<Timestamp> {
    let kid = keys.kid();
    keys.jwks().keys.iter().find(|key| key.kid == kid)?.portolan_valid_from.as_deref()?.parse().ok()
}

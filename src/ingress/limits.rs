//! Rate limits per partner, and per partner and flow: requests, bytes and records a second, with burst.
//!
//! Each limit is a governor limiter (GCRA), one object for each limit of the configuration: a fixed set,
//! kept over a reload where its limit is unchanged. Requests and declared bytes are taken at admission,
//! all or nothing. What is only known later is *debt*: bytes of a body without a declared length as
//! they arrive, records after translation. governor has no debt, but takes its state from outside: a
//! [`Level`] is that state, and charging it moves the theoretical arrival time on, past what the burst
//! allows if need be. Nothing is refused for it in the middle of a body; the next admission waits until
//! it is paid, at most [`DEBT_MAX`] longer.
//!
//! governor counts in cells of whole nanoseconds and 32 bits. A fast limit therefore counts cells of
//! several units ([`CELLS_PER_SECOND_MAX`]); a part of a cell counts as a whole one.
//!
//! Wire format: `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10. All
//! policies are listed, and the state of the one with the least left.

use crate::config::{Flow, Limits, Partner, Rate};
use crate::domain::{FlowId, PartnerId};
use crate::fault::{Fault, FaultCode};
use crate::seams::SharedClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long debt can hold back a partner beyond an emptied bucket, however large it is.
pub const DEBT_MAX: Duration = Duration::from_secs(3600);
/// Cells a second of the fastest limit; beyond it a cell is more than one unit.
pub const CELLS_PER_SECOND_MAX: u64 = 1_000_000;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// The largest integer of a structured field (RFC 9651 section 3.3.1).
const FIELD_INTEGER_MAX: u64 = 999_999_999_999_999;

/// The limits of every partner and flow. Replaced at a reload, with what was used carried over.
pub struct RateLimits {
    partners: HashMap<PartnerId, PartnerLimits>,
    time: Arc<Time>,
}

struct PartnerLimits {
    own: Arc<Scope>,
    flows: HashMap<FlowId, Arc<Scope>>,
}

/// The limits of one partner, or of one partner within one flow.
struct Scope {
    limits: Limits,
    requests: Option<Bucket>,
    bytes: Option<Bucket>,
    records: Option<Bucket>,
}

/// The header fields about rate limits, for any answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateFields {
    /// `RateLimit-Policy`: every policy.
    pub policy: String,
    /// `RateLimit`: what is left of the one with the least left.
    pub limit: String,
}

/// A request that was let in, to be charged for what it turns out to be. Bytes that were declared and
/// never came are given back when it is dropped.
pub struct Admission {
    scopes: Vec<Arc<Scope>>,
    time: Arc<Time>,
    bytes_declared: u64,
    bytes_received: u64,
}

impl RateLimits {
    /// The limits of a configuration's partners and flows, continuing `previous` wherever a limit is the same.
    pub fn new(
        partners: &BTreeMap<PartnerId, Arc<Partner>>,
        flows: &BTreeMap<FlowId, Arc<Flow>>,
        previous: Option<&Self>,
        clock: SharedClock,
    ) -> Self {
        let time = previous.map_or_else(|| Arc::new(Time::new(clock)), |previous| previous.time.clone());
        let partners = partners.values().map(|partner| {
            let before = previous.and_then(|previous| previous.partners.get(&partner.id));
            let own = Scope::keep(before.map(|before| &before.own), partner.limits, &PARTNER_POLICIES);
            let senders = flows.values().filter_map(|flow| Some((&flow.id, flow.senders.get(&partner.id)?)));
            let flows = senders.map(|(flow, sender)| {
                let before = before.and_then(|before| before.flows.get(flow));
                (flow.clone(), Scope::keep(before, sender.limits, &FLOW_POLICIES))
            });
            (partner.id.clone(), PartnerLimits { own, flows: flows.collect() })
        });
        Self { partners: partners.collect(), time }
    }

    /// Lets a request in, or says when to come again. `declared_bytes` is its Content-Length. A request
    /// without a flow asks for something and submits nothing: it is counted, and debt does not hold it back.
    ///
    /// # Errors
    /// [`FaultCode::BodyTooLarge`] if no burst allows so many bytes; [`FaultCode::RateExceeded`] with the
    /// seconds until the same request would be let in. A request that is refused is charged nothing.
    pub fn admit(&self, partner: &PartnerId, flow: Option<&FlowId>, declared_bytes: Option<u64>) -> Result<Admission, Fault> {
        let now = self.time.now();
        let scopes = self.scopes(partner, flow);
        let declared = declared_bytes.unwrap_or(0);
        within_bursts(&scopes, declared)?;
        let mut taken: Vec<(&Bucket, u64)> = Vec::new();
        let mut refused: Vec<(&Bucket, Duration)> = Vec::new();
        for (bucket, units) in scopes.iter().flat_map(|scope| scope.due(flow.is_some(), declared)) {
            match bucket.take(units, now) {
                Ok(()) => taken.push((bucket, units)),
                Err(wait) => refused.push((bucket, wait)),
            }
        }
        let Some((bucket, wait)) = refused.into_iter().max_by_key(|(_, wait)| *wait) else {
            return Ok(Admission { scopes, time: self.time.clone(), bytes_declared: declared, bytes_received: 0 });
        };
        for (bucket, units) in taken {
            bucket.refund(units);
        }
        let (policy, seconds) = (bucket.policy.name, seconds_up(wait));
        Err(Fault::new(FaultCode::RateExceeded)
            .detail(
                format!("限额 {policy} 已用尽，请在 {seconds} 秒后重试"),
                format!("the limit {policy:?} is used up; try again in {seconds} seconds"),
            )
            .retry_after(seconds))
    }

    /// The header fields of this moment; `None` where nothing is limited.
    pub fn fields(&self, partner: &PartnerId, flow: Option<&FlowId>) -> Option<RateFields> {
        fields(&self.scopes(partner, flow), self.time.now())
    }

    fn scopes(&self, partner: &PartnerId, flow: Option<&FlowId>) -> Vec<Arc<Scope>> {
        let Some(limits) = self.partners.get(partner) else { return Vec::new() };
        let flow = flow.and_then(|flow| limits.flows.get(flow));
        std::iter::once(&limits.own).chain(flow).cloned().collect()
    }
}

impl Admission {
    /// Charges bytes of the body as they arrive. What was declared has been paid for; more is debt.
    ///
    /// # Errors
    /// [`FaultCode::BodyTooLarge`] once the body is larger than any burst allows.
    pub fn charge_bytes(&mut self, bytes: u64) -> Result<(), Fault> {
        let paid = self.bytes_declared.max(self.bytes_received);
        self.bytes_received = self.bytes_received.saturating_add(bytes);
        let owed = self.bytes_received.saturating_sub(paid);
        let now = self.time.now();
        self.scopes.iter().filter_map(|scope| scope.bytes.as_ref()).for_each(|bucket| bucket.charge(owed, now));
        within_bursts(&self.scopes, self.bytes_received)
    }

    /// Charges the records that translation found, accepted or not: debt of the next request.
    pub fn charge_records(&self, records: u64) {
        let now = self.time.now();
        self.scopes.iter().filter_map(|scope| scope.records.as_ref()).for_each(|bucket| bucket.charge(records, now));
    }

    /// Records that the body may hold; `None` where the limits do not say.
    pub fn records_per_body_max(&self) -> Option<u64> {
        self.scopes.iter().filter_map(|scope| scope.limits.records_per_body_max).min()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let unused = self.bytes_declared.saturating_sub(self.bytes_received);
        self.scopes.iter().filter_map(|scope| scope.bytes.as_ref()).for_each(|bucket| bucket.refund(unused));
    }
}

impl Scope {
    /// The scope of before if its limits are the same, else a new one.
    fn keep(before: Option<&Arc<Self>>, limits: Limits, policies: &'static [Policy; 3]) -> Arc<Self> {
        if let Some(before) = before.filter(|before| before.limits == limits) {
            return before.clone();
        }
        let [requests, bytes, records] = policies;
        Arc::new(Self {
            limits,
            requests: limits.requests.map(|rate| Bucket::new(requests, rate)),
            bytes: limits.bytes.map(|rate| Bucket::new(bytes, rate)),
            records: limits.records.map(|rate| Bucket::new(records, rate)),
        })
    }

    fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        [&self.requests, &self.bytes, &self.records].into_iter().flatten()
    }

    /// What a request needs at admission: itself; and to submit, the bytes it declares, and that no
    /// records are owed.
    fn due(&self, submits: bool, declared_bytes: u64) -> impl Iterator<Item = (&Bucket, u64)> {
        let due = [(&self.requests, 1, true), (&self.bytes, declared_bytes, submits), (&self.records, 0, submits)];
        due.into_iter().filter_map(|(bucket, units, needed)| Some((bucket.as_ref().filter(|_| needed)?, units)))
    }
}

/// How a limit is called in header fields, and its quota unit (the draft's section 3.1.2).
#[derive(Debug)]
struct Policy {
    name: &'static str,
    unit: &'static str,
}

const PARTNER_POLICIES: [Policy; 3] = [
    Policy { name: "requests", unit: "requests" },
    Policy { name: "bytes", unit: "content-bytes" },
    Policy { name: "records", unit: "records" },
];
const FLOW_POLICIES: [Policy; 3] = [
    Policy { name: "flow-requests", unit: "requests" },
    Policy { name: "flow-bytes", unit: "content-bytes" },
    Policy { name: "flow-records", unit: "records" },
];

/// One limit: a governor limiter, and the same state for charging and showing.
struct Bucket {
    policy: &'static Policy,
    rate: Rate,
    units_per_cell: u64,
    nanos_per_cell: u64,
    cells_max: NonZeroU32,
    level: Level,
    reading: Reading,
    limiter: RateLimiter<NotKeyed, Level, Reading, NoOpMiddleware<Nanos>>,
}

impl Bucket {
    fn new(policy: &'static Policy, rate: Rate) -> Self {
        let per_second = rate.per_second.max(1);
        let burst = rate.burst.max(1);
        let units_per_cell = per_second.div_ceil(CELLS_PER_SECOND_MAX).max(burst.div_ceil(u64::from(u32::MAX)));
        let nanos_per_cell = (NANOS_PER_SECOND.saturating_mul(units_per_cell) / per_second).max(1);
        let cells = u32::try_from(burst.div_ceil(units_per_cell)).unwrap_or(u32::MAX);
        let cells_max = NonZeroU32::new(cells).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(Duration::from_nanos(nanos_per_cell)).unwrap_or(Quota::per_second(cells_max)).allow_burst(cells_max);
        let (level, reading) = (Level::default(), Reading::default());
        let limiter = RateLimiter::new(quota, level.clone(), reading.clone());
        Self { policy, rate, units_per_cell, nanos_per_cell, cells_max, level, reading, limiter }
    }

    /// Takes so many units now, or says how long until they could be. None are taken only if nothing is owed.
    fn take(&self, units: u64, now: u64) -> Result<(), Duration> {
        self.reading.0.fetch_max(now, Ordering::Relaxed);
        let cells = u32::try_from(units.div_ceil(self.units_per_cell)).unwrap_or(u32::MAX).min(self.cells_max.get());
        let Some(cells) = NonZeroU32::new(cells) else { return self.owes(now) };
        match self.limiter.check_n(cells) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(Nanos::new(self.reading.0.load(Ordering::Relaxed)))),
            // Cannot be: the cells are cut to the burst above.
            Err(_) => Err(DEBT_MAX),
        }
    }

    /// How long until one cell could be taken, if it cannot be now.
    fn owes(&self, now: u64) -> Result<(), Duration> {
        let tolerance = self.nanos_per_cell.saturating_mul(u64::from(self.cells_max.get()) - 1);
        match self.level.load().saturating_sub(tolerance).saturating_sub(now) {
            0 => Ok(()),
            nanos => Err(Duration::from_nanos(nanos)),
        }
    }

    /// Takes units that may not be there.
    fn charge(&self, units: u64, now: u64) {
        let full = self.nanos_per_cell.saturating_mul(u64::from(self.cells_max.get()));
        let ceiling = now.saturating_add(full).saturating_add(DEBT_MAX.as_nanos() as u64);
        self.level.update(|level| level.max(now).saturating_add(self.nanos(units)).min(ceiling.max(level)));
    }

    fn refund(&self, units: u64) {
        self.level.update(|level| level.saturating_sub(self.nanos(units)));
    }

    fn nanos(&self, units: u64) -> u64 {
        units.div_ceil(self.units_per_cell).saturating_mul(self.nanos_per_cell)
    }

    /// Units that could be taken now.
    fn left(&self, now: u64) -> u64 {
        let full = self.nanos_per_cell.saturating_mul(u64::from(self.cells_max.get()));
        let used = self.level.load().saturating_sub(now);
        (full.saturating_sub(used) / self.nanos_per_cell).saturating_mul(self.units_per_cell).min(self.rate.burst)
    }

    fn policy_field(&self) -> String {
        let window_s = self.rate.burst.div_ceil(self.rate.per_second.max(1));
        let (quota, window_s) = (self.rate.burst.min(FIELD_INTEGER_MAX), window_s.min(FIELD_INTEGER_MAX));
        format!("\"{}\";q={quota};qu=\"{}\";w={window_s}", self.policy.name, self.policy.unit)
    }

    fn limit_field(&self, now: u64) -> String {
        let full_in = Duration::from_nanos(self.level.load().saturating_sub(now));
        let seconds = full_in.as_secs() + u64::from(full_in.subsec_nanos() > 0);
        format!("\"{}\";r={};t={seconds}", self.policy.name, self.left(now).min(FIELD_INTEGER_MAX))
    }
}

/// GCRA's theoretical arrival time: when the bucket would be full again, in nanoseconds.
#[derive(Clone, Debug, Default)]
struct Level(Arc<AtomicU64>);

impl Level {
    fn load(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn update(&self, change: impl Fn(u64) -> u64) {
        // The closure always has an answer, so this cannot fail.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |level| Some(change(level)));
    }
}

impl StateStore for Level {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut before = self.load();
        loop {
            let (outcome, after) = decide(Some(Nanos::new(before)))?;
            match self.0.compare_exchange_weak(before, after.as_u64(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(outcome),
                Err(other) => before = other,
            }
        }
    }
}

/// What a limiter reads as now: set before each decision. It begins at zero, so that governor's start
/// is zero too and the level is on the scale of [`Time`].
#[derive(Clone, Debug, Default)]
struct Reading(Arc<AtomicU64>);

impl governor::clock::Clock for Reading {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

/// Nanoseconds that the wall clock has gone forward. When it is set back, time stands still for that
/// moment and goes on, so that nobody is held back until it has caught up.
pub(super) struct Time {
    clock: SharedClock,
    last: Mutex<(Timestamp, u64)>,
}

impl Time {
    pub(super) fn new(clock: SharedClock) -> Self {
        let now = clock.now();
        Self { clock, last: Mutex::new((now, 0)) }
    }

    pub(super) fn now(&self) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let wall = self.clock.now();
        let forward = u64::try_from(wall.duration_since(last.0).as_nanos()).unwrap_or(0);
        *last = (wall, last.1.saturating_add(forward));
        last.1
    }
}

fn bytes_max(scopes: &[Arc<Scope>]) -> Option<u64> {
    scopes.iter().filter_map(|scope| Some(scope.limits.bytes?.burst)).min()
}

fn within_bursts(scopes: &[Arc<Scope>], bytes: u64) -> Result<(), Fault> {
    match bytes_max(scopes) {
        Some(max) if bytes > max => Err(Fault::new(FaultCode::BodyTooLarge)
            .detail(format!("报文不得超过 {max} 字节，请拆分后报送"), format!("a body may have at most {max} bytes; split it"))),
        _ => Ok(()),
    }
}

fn fields(scopes: &[Arc<Scope>], now: u64) -> Option<RateFields> {
    let buckets = || scopes.iter().flat_map(|scope| scope.buckets());
    // Compared as fractions of their bursts, without rounding.
    let tightest = buckets().min_by(|a, b| {
        let product = |left: u64, burst: u64| u128::from(left) * u128::from(burst);
        product(a.left(now), b.rate.burst).cmp(&product(b.left(now), a.rate.burst))
    })?;
    Some(RateFields { policy: buckets().map(Bucket::policy_field).collect::<Vec<_>>().join(", "), limit: tightest.limit_field(now) })
}

fn seconds_up(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

//! The shadow run (试跑): accepted exchanges of a span, newest first, read again from their stored bodies by the translation
//! that live traffic goes through, once with the mapping in force and once with the candidate.

use super::Shadow;
use super::compare::{Found, Subject, compare};
use crate::coding::Coding;
use crate::domain::{Digest, ExchangeId, Name, Outcome, Stored};
use crate::fault::{BoxError, Fault};
use crate::journal::search::Search;
use crate::journal::{ExchangeRow, PAGE_ROWS_MAX};
use crate::live::Live;
use crate::schedule::BusinessDay;
use crate::spool::Spool;
use crate::translate::{Arrived, BodyCheck, TranslateLimits, Translated, storage_fault, translate};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Exchanges of one run, the newest.
pub const EXCHANGES_MAX: usize = 2_000;
/// Records after which a run takes no further exchange.
pub const RECORDS_MAX: u64 = 500_000;
/// Bytes of a body that is read again; a larger one is left out, and counted.
pub const BODY_BYTES_MAX: u64 = 64 << 20;
/// Longest rest between two bodies.
const REST_MAX: Duration = Duration::from_secs(5);

/// Which exchanges are read again, by their time of receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Those of a business day of their flow; yesterday unless named.
    Day(Option<Date>),
    /// Those from a moment on, before another.
    Between(Timestamp, Timestamp),
}

impl Span {
    /// From when, and before when.
    fn of(self, day: &BusinessDay, now: Timestamp) -> (Timestamp, Timestamp) {
        match self {
            Self::Day(Some(date)) => day.span(date),
            Self::Day(None) => day.span(day.of(now).saturating_sub(1.day())),
            Self::Between(from, to) => (from, to),
        }
    }
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Running,
    /// It came to its end.
    Finished,
    /// An operator has ended it.
    Cancelled,
    /// It could not go on, and why.
    Failed(String),
}

impl Standing {
    /// The word on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a run has come to.
#[derive(Clone, Debug)]
pub struct RunState {
    /// Where it stands.
    pub standing: Standing,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Exchanges to be read; known once they are counted.
    pub exchanges_total: u64,
    /// Those that were read.
    pub exchanges_done: u64,
    /// Those that are too large, or whose body is not kept any more.
    pub exchanges_left_out: u64,
    /// Whether there are older ones that it does not take.
    pub more: bool,
    /// What differs.
    pub found: Found,
}

/// One run of a candidate.
pub struct Run {
    /// The digest of the candidate's folder.
    pub digest: Digest,
    /// Which exchanges.
    pub span: Span,
    /// Who began it.
    pub by: String,
    /// When.
    pub started_at: Timestamp,
    cancelled: AtomicBool,
    state: Mutex<RunState>,
}

impl Run {
    pub(super) fn new(digest: Digest, span: Span, by: String, started_at: Timestamp) -> Self {
        let state = RunState {
            standing: Standing::Running,
            ended_at: None,
            exchanges_total: 0,
            exchanges_done: 0,
            exchanges_left_out: 0,
            more: false,
            found: Found::default(),
        };
        Self { digest, span, by, started_at, cancelled: AtomicBool::new(false), state: Mutex::new(state) }
    }

    /// What it has come to so far.
    pub fn state(&self) -> RunState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it after the body that it is reading.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn records(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).found.records
    }

    fn note(&self, note: impl FnOnce(&mut RunState)) {
        note(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Which mapping is read with, in the configuration in force and with the candidate in its place.
pub(super) struct Sides {
    /// The mapping.
    pub name: Name,
    /// What is in force.
    pub live: Arc<Live>,
    /// The same with the candidate.
    pub candidate: Arc<Live>,
}

/// What became of one exchange.
enum Replayed {
    /// It was read twice.
    Compared(Found),
    /// It was read with another mapping, or only declares that there is nothing.
    OfAnother,
    /// It is too large, or not kept any more.
    LeftOut,
}

impl Shadow {
    /// Runs to the end, whatever that is.
    pub(super) async fn replay(&self, run: &Run, sides: Sides) {
        let sides = Arc::new(sides);
        let ended = self.replay_all(run, &sides).await;
        let standing = match ended {
            Ok(()) if run.is_cancelled() => Standing::Cancelled,
            Ok(()) => Standing::Finished,
            Err(message) => Standing::Failed(message),
        };
        tracing::info!(mapping = %sides.name, sha256 = %run.digest, standing = standing.as_str(), "a shadow run ended");
        run.note(|state| {
            state.standing = standing;
            state.ended_at = Some(self.clock.now());
        });
    }

    async fn replay_all(&self, run: &Run, sides: &Arc<Sides>) -> Result<(), String> {
        let (chosen, more) = self.chosen(run, sides).await.map_err(|fault| words(&fault))?;
        run.note(|state| {
            state.exchanges_total = chosen.len() as u64;
            state.more = more;
        });
        for exchange in chosen {
            if run.is_cancelled() {
                return Ok(());
            }
            if run.records() >= RECORDS_MAX {
                run.note(|state| state.more = true);
                return Ok(());
            }
            let began = Instant::now();
            let replayed = self.replay_one(exchange, sides).await.map_err(|fault| format!("{exchange}: {}", words(&fault)))?;
            run.note(|state| match replayed {
                Replayed::Compared(found) => {
                    state.exchanges_done += 1;
                    state.found.add(found);
                }
                Replayed::OfAnother => state.exchanges_total -= 1,
                Replayed::LeftOut => state.exchanges_left_out += 1,
            });
            tokio::time::sleep(began.elapsed().min(REST_MAX)).await;
        }
        Ok(())
    }

    /// The exchanges of the span that were accepted from senders who may send with the mapping, and whether there are more.
    async fn chosen(&self, run: &Run, sides: &Sides) -> Result<(Vec<ExchangeId>, bool), Fault> {
        let (mut chosen, now) = (Vec::new(), self.clock.now());
        for (id, plan) in &sides.live.flows {
            let (from, to) = run.span.of(&plan.business_day, now);
            let mut search = Search {
                flow: Some(id.clone()),
                received_from: Some(from),
                received_to: Some(to),
                rows_max: PAGE_ROWS_MAX,
                ..Search::default()
            };
            let may_send = |partner: &Name| {
                let sender = plan.flow.senders.get(partner);
                sender.is_some_and(|sender| sender.mappings.iter().any(|mapping| mapping == sides.name.as_str()))
            };
            if !plan.flow.senders.keys().any(may_send) {
                continue;
            }
            loop {
                let page = self.journal.search(search.clone()).await?;
                for brief in page.exchanges.iter().filter(|brief| brief.outcome != Outcome::Refused && may_send(&brief.partner)) {
                    if chosen.len() == EXCHANGES_MAX {
                        return Ok((chosen, true));
                    }
                    chosen.push(brief.id);
                }
                match page.next_before {
                    Some(before) if !run.is_cancelled() => search.before = Some(before),
                    _ => break,
                }
            }
        }
        Ok((chosen, false))
    }

    async fn replay_one(&self, exchange: ExchangeId, sides: &Arc<Sides>) -> Result<Replayed, Fault> {
        let Some(row) = self.journal.exchange(exchange).await? else { return Ok(Replayed::LeftOut) };
        if row.mapping != sides.name.as_str() || row.body_bytes == 0 {
            return Ok(Replayed::OfAnother);
        }
        if row.body_bytes > BODY_BYTES_MAX {
            return Ok(Replayed::LeftOut);
        }
        let Some(body) = self.journal.body(exchange).await? else { return Ok(Replayed::LeftOut) };
        let (sides, spool) = (Arc::clone(sides), self.spool.clone());
        super::blocking(move || Ok(sides.read_twice(&row, &body, &spool))).await?
    }
}

impl Sides {
    fn read_twice(&self, row: &ExchangeRow, body: &Stored, spool: &Spool) -> Result<Replayed, Fault> {
        let [live, candidate] = [&self.live, &self.candidate].map(|side| self.read(side, row, body, spool));
        let (Some(live), Some(candidate)) = (live?, candidate?) else { return Ok(Replayed::OfAnother) };
        let of = Subject { exchange: row.journaled.exchange(), partner: row.partner.clone(), flow: row.flow.clone() };
        let schemas: Vec<_> =
            [&self.live, &self.candidate].iter().filter_map(|side| Some(&side.library.mapping(self.name.as_str())?.canonical)).collect();
        let schemas: Vec<_> = schemas.iter().map(|schema| schema.as_ref()).collect();
        compare(&of, &live, &candidate, &schemas).map(Replayed::Compared).map_err(storage_fault)
    }

    /// Reads a body as a sender's is read; nothing where this side has no such flow or mapping.
    fn read(&self, side: &Live, row: &ExchangeRow, body: &Stored, spool: &Spool) -> Result<Option<Translated>, Fault> {
        let name = self.name.as_str();
        let (Some(plan), Some(mapping)) = (side.flows.get(&row.flow), side.library.mapping(name)) else { return Ok(None) };
        let check = side.xsds.get(name).map(|xsd| xsd.as_ref() as &dyn BodyCheck);
        let coding = Coding::from_header(&row.content_encoding).unwrap_or_default();
        let arrived = Arrived { body, digest: row.body_digest, coding, is_answered: false };
        let limits = TranslateLimits::of(&side.config.gateway.limits, u64::MAX);
        translate(arrived, mapping, check, plan, &limits, spool).map(Some)
    }
}

/// Why the gateway could not go on, in words for an operator.
fn words(fault: &Fault) -> String {
    let source = fault.source.as_ref().map(|source: &BoxError| format!(": {source}")).unwrap_or_default();
    format!("{}{source}", fault.code.as_str())
}

//! The chain verified while the gateway runs: a little at a time, from its beginning at every start, then whatever is new.
//!
//! Limits: a step is a few heads; between two steps the watch rests [`REST_FACTOR`] times as long as the step took, at
//! least [`STEP_REST_MIN`], so that it never takes more than a twentieth of a core. At the end of the chain it waits for
//! [`END_REST`]. It reads, and changes nothing.

use super::{AuditReport, ChainWalk};
use crate::journal::{Journal, JournalError};
use crate::receipt::Keys;
use crate::seams::SharedClock;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use portolan_contract::Words;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

/// How much longer than a step took the rest after it is.
pub const REST_FACTOR: u32 = 19;
/// The least rest after a step.
pub const STEP_REST_MIN: Duration = Duration::from_millis(200);
/// The rest at the end of the chain.
pub const END_REST: Duration = Duration::from_secs(5);

/// What was verified since the gateway started.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// What was walked, and what is wrong with it.
    pub report: AuditReport,
    /// When the walk came to the end of the chain last; `None` while it has not yet.
    pub whole_at: Option<Timestamp>,
}

impl Verified {
    /// What does not hold, the first of it in words, and how much there is.
    pub fn broken(&self) -> Option<(Words, u64)> {
        let first = self.report.problems.first()?;
        Some((first.words.clone(), self.left_out(0)))
    }

    /// How many problems there are beside so many that are shown.
    pub fn left_out(&self, shown: usize) -> u64 {
        self.report.problems.len().saturating_sub(shown) as u64 + self.report.problems_left_out
    }
}

/// Walks the chain, and tells how far it came.
pub struct ChainWatch {
    journal: Arc<dyn Journal>,
    keys: Arc<Keys>,
    clock: SharedClock,
    walk: Mutex<ChainWalk>,
    verified: ArcSwap<Verified>,
}

impl ChainWatch {
    /// A watch that has verified nothing yet.
    pub fn new(journal: Arc<dyn Journal>, keys: Arc<Keys>, clock: SharedClock) -> Self {
        Self { journal, keys, clock, walk: Mutex::default(), verified: ArcSwap::default() }
    }

    /// What was verified so far.
    pub fn verified(&self) -> Arc<Verified> {
        self.verified.load_full()
    }

    /// Walks on until it is to stop. While the journal does not answer, which others tell of, it waits.
    pub async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut rest = STEP_REST_MIN;
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                () = tokio::time::sleep(rest) => {}
            }
            let began = Instant::now();
            rest = match self.step().await {
                Ok(true) => began.elapsed().saturating_mul(REST_FACTOR).max(STEP_REST_MIN),
                Ok(false) => END_REST,
                Err(error) => {
                    tracing::warn!(%error, "the chain cannot be verified while the journal does not answer");
                    END_REST
                }
            };
        }
    }

    /// Walks a few heads; at the end of the chain the acts that are new, and false.
    ///
    /// # Errors
    /// The journal's failures; the next step goes on there.
    pub async fn step(&self) -> Result<bool, JournalError> {
        let mut walk = self.walk.lock().await;
        let (known, whole_at) = (walk.report().problems.len(), self.verified.load().whole_at);
        let goes_on = match self.walk_on(&mut walk).await {
            // What the journal has and cannot read does not hold either. It is told once; the next step tries again.
            Err(error @ JournalError::Damaged(_)) => {
                if walk.report().holds() {
                    walk.unreadable(&error);
                }
                self.verified.store(Arc::new(Verified { report: walk.report().clone(), whole_at }));
                return Err(error);
            }
            walked => walked?,
        };
        let whole_at = if goes_on { whole_at } else { Some(self.clock.now()) };
        for problem in walk.report().problems.iter().skip(known) {
            let exchange = problem.exchange.map(|id| id.to_string());
            let (epoch, batch, act) = (problem.epoch, problem.batch, problem.act);
            tracing::error!(epoch, batch, exchange, act, "the chain does not hold: {}", problem.words.en);
        }
        self.verified.store(Arc::new(Verified { report: walk.report().clone(), whole_at }));
        Ok(goes_on)
    }

    async fn walk_on(&self, walk: &mut ChainWalk) -> Result<bool, JournalError> {
        let goes_on = walk.step(self.journal.as_ref(), &self.keys.jwks()).await?;
        if !goes_on {
            walk.walk_acts(self.journal.as_ref()).await?;
        }
        Ok(goes_on)
    }
}

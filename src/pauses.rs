//! Which flows take nothing in for now, known without asking the journal: what admission looks at.
//!
//! The journal has the truth, so that a pause outlives a restart; here is what it said when something was
//! paused or resumed last. Destinations that are paused are the journal's own matter: it leases nothing to them.

use crate::domain::FlowId;
use crate::journal::acts::Pausable;
use crate::journal::{Journal, JournalError};
use arc_swap::ArcSwap;
use std::collections::BTreeSet;
use tokio::sync::Mutex;

/// The flows that are paused. One for each gateway, shared.
#[derive(Default)]
pub struct Pauses {
    flows: ArcSwap<BTreeSet<FlowId>>,
    /// Held while the journal is asked, so that what it said last is what stays.
    asking: Mutex<()>,
}

impl Pauses {
    /// Whether a flow takes nothing in.
    pub fn holds(&self, flow: &FlowId) -> bool {
        self.flows.load().contains(flow)
    }

    /// Takes over what the journal says.
    ///
    /// # Errors
    /// When it cannot be read; nothing changes then.
    pub async fn follow(&self, journal: &dyn Journal) -> Result<(), JournalError> {
        let _asking = self.asking.lock().await;
        let paused = journal.paused().await?.into_iter().filter_map(|paused| match paused.what {
            Pausable::Flow(flow) => Some(flow),
            Pausable::Destination(_) => None,
        });
        self.flows.store(std::sync::Arc::new(paused.collect()));
        Ok(())
    }
}

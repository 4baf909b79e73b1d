//! What is under way: the keys of submissions, so that a repeat that overtakes the first is told to
//! come back; and how much each partner has, so that none takes the places of all others.

use super::admit::Admitted;
use crate::domain::{FlowId, PartnerId};
use crate::fault::{Fault, FaultCode};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

type Key = (PartnerId, FlowId, String);

/// The keys of submissions under way. It holds no more entries than there are requests.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<HashSet<Key>>>);

/// A place held while a submission is under way.
#[derive(Debug)]
pub struct Place {
    keys: InFlight,
    key: Option<Key>,
}

impl InFlight {
    /// Takes the place of a submission's key, if it has one.
    ///
    /// # Errors
    /// [`FaultCode::RepeatInFlight`] while the same key is under way.
    pub fn enter(&self, admitted: &Admitted) -> Result<Place, Fault> {
        let key = admitted.idempotency_key.as_ref().map(|k| (admitted.partner.clone(), admitted.flow.flow.id.clone(), k.clone()));
        if let Some(key) = &key
            && !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
        {
            return Err(Fault::new(FaultCode::RepeatInFlight));
        }
        Ok(Place { keys: self.clone(), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
    }
}

/// How many each partner has of something: connections, or submissions. It holds no more entries than
/// there are partners.
#[derive(Clone, Debug, Default)]
pub struct PerPartner(Arc<Mutex<HashMap<PartnerId, usize>>>);

/// One of a partner's, until it is dropped.
#[derive(Debug)]
pub struct Share {
    counts: PerPartner,
    partner: PartnerId,
}

impl PerPartner {
    /// One more for a partner that has fewer than `max`.
    pub fn enter(&self, partner: &PartnerId, max: usize) -> Option<Share> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(partner.clone()).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Share { counts: self.clone(), partner: partner.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.partner) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.partner);
            }
        }
    }
}

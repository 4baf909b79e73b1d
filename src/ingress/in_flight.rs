//! What is under way: the keys of submissions, so that a repeat that overtakes the first is told to
//! come back; and how much each has, so that none takes the places of all others.

use crate::domain::{FlowId, Name, PartnerId};
use crate::fault::{Fault, FaultCode};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
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
    pub fn enter(&self, partner: &PartnerId, flow: &FlowId, key: Option<&str>) -> Result<Place, Fault> {
        let key = key.map(|key| (partner.clone(), flow.clone(), key.to_owned()));
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

/// How many each has of something: a partner of connections or submissions, a service of questions. It holds
/// no more entries than there are partners or services.
pub type PerName = Per<Name>;

/// How many each has of something, whatever it is told apart by.
#[derive(Clone, Debug)]
pub struct Per<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Default for Per<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// One of somebody's, until it is dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash = Name> {
    counts: Per<K>,
    whose: K,
}

impl<K: Clone + Eq + Hash> Per<K> {
    /// One more for somebody who has fewer than `max`.
    pub fn enter(&self, whose: &K, max: usize) -> Option<Share<K>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(whose.clone()).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Share { counts: Self(Arc::clone(&self.0)), whose: whose.clone() })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.whose);
            }
        }
    }
}

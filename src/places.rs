//! Places for work of which only so much is done at once, such as translating large bodies and rendering deliveries: one
//! is left to the others, whatever a partner has.

use crate::domain::Name;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Places that all share, of which none may have the last one too: whoever has all of its own waits for one of them,
/// and not before the others. It holds no more entries than there are partners.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    each_max: usize,
    of: Mutex<HashMap<Name, Arc<Semaphore>>>,
}

/// One of the places, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    _of_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Places {
    /// So many places; where there is only one, each may have it.
    pub fn new(places_max: usize) -> Self {
        let each_max = places_max.saturating_sub(1).max(1);
        Self { all: Arc::new(Semaphore::new(places_max)), each_max, of: Mutex::default() }
    }

    /// Waits for a place for somebody.
    ///
    /// # Errors
    /// Once nobody gets a place any more.
    pub async fn enter(&self, whose: &Name) -> Result<Seat, AcquireError> {
        let own = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(of.entry(whose.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.each_max))))
        };
        let own = own.acquire_owned().await?;
        Ok(Seat { _own: own, _of_all: Arc::clone(&self.all).acquire_owned().await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Whether somebody gets a place at once.
    fn seat(places: &Places, whose: &str) -> Option<Seat> {
        match pin!(places.enter(&whose.parse().unwrap())).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(seat) => Some(seat.unwrap()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_place_is_left_to_the_others() {
        for (places_max, each) in [(1, 1), (2, 1), (5, 4)] {
            let places = Places::new(places_max);
            let mut held: Vec<Seat> = (0..each).map(|_| seat(&places, "a").unwrap()).collect();
            assert!(seat(&places, "a").is_none(), "{places_max}");
            assert_eq!(seat(&places, "b").is_some(), places_max > each, "{places_max}");
            held.pop();
            assert!(seat(&places, "a").is_some(), "{places_max}");
        }
    }
}

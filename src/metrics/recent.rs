//! What happened within the last minutes, from which alarms judge: who was turned away, and how long deliveries took.
//!
//! Memory is bounded: a count for each second of [`THROTTLED_SECONDS`] and each partner, and the latest
//! [`LATENCIES_MAX`] deliveries of each flow and destination.

use crate::domain::{DestinationId, FlowId, PartnerId};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Seconds over which requests that were turned away are counted.
pub const THROTTLED_SECONDS: u64 = 10;
/// Deliveries that are remembered of one flow and destination.
pub const LATENCIES_MAX: usize = 512;
/// For how long a delivery is remembered.
pub const LATENCY_AGE_MAX: Duration = Duration::from_secs(300);

/// How long deliveries took lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Deliveries.
    pub deliveries: usize,
    /// Those that took longer than was promised.
    pub over: usize,
    /// The longest.
    pub longest: Duration,
}

/// What happened lately.
#[derive(Debug, Default)]
pub(super) struct Recently {
    throttled: BTreeMap<PartnerId, VecDeque<(Instant, u64)>>,
    latencies: BTreeMap<(FlowId, DestinationId), VecDeque<(Instant, Duration)>>,
}

impl Recently {
    pub fn throttle(&mut self, partner: &PartnerId, now: Instant) {
        let counts = self.throttled.entry(partner.clone()).or_default();
        match counts.back_mut() {
            Some((second, count)) if now.duration_since(*second) < Duration::from_secs(1) => *count += 1,
            _ => counts.push_back((now, 1)),
        }
        forget(counts, now, Duration::from_secs(THROTTLED_SECONDS));
    }

    pub fn throttled(&mut self, now: Instant) -> BTreeMap<PartnerId, u64> {
        self.throttled.values_mut().for_each(|counts| forget(counts, now, Duration::from_secs(THROTTLED_SECONDS)));
        self.throttled.retain(|_, counts| !counts.is_empty());
        self.throttled.iter().map(|(partner, counts)| (partner.clone(), counts.iter().map(|(_, count)| count).sum())).collect()
    }

    pub fn delivered(&mut self, flow: &FlowId, to: &DestinationId, took: Duration, now: Instant) {
        let kept = self.latencies.entry((flow.clone(), to.clone())).or_default();
        kept.push_back((now, took));
        if kept.len() > LATENCIES_MAX {
            kept.pop_front();
        }
    }

    pub fn latencies(
        &mut self,
        promise: impl Fn(&FlowId) -> Option<Duration>,
        now: Instant,
    ) -> BTreeMap<(FlowId, DestinationId), Latencies> {
        self.latencies.values_mut().for_each(|kept| forget(kept, now, LATENCY_AGE_MAX));
        self.latencies.retain(|_, kept| !kept.is_empty());
        let judged = self.latencies.iter().filter_map(|((flow, to), kept)| {
            let promise = promise(flow)?;
            let over = kept.iter().filter(|(_, took)| *took > promise).count();
            let longest = kept.iter().map(|(_, took)| *took).max().unwrap_or_default();
            Some(((flow.clone(), to.clone()), Latencies { deliveries: kept.len(), over, longest }))
        });
        judged.collect()
    }
}

fn forget<T>(kept: &mut VecDeque<(Instant, T)>, now: Instant, age_max: Duration) {
    while kept.front().is_some_and(|(at, _)| now.duration_since(*at) > age_max) {
        kept.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_is_forgotten() {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut recently = Recently::default();
        let (bank, flow): (PartnerId, FlowId) = ("bank".parse().unwrap(), "flow".parse().unwrap());
        let to: DestinationId = "tax/inbox".parse().unwrap();
        (0..100).for_each(|second| recently.throttle(&bank, at(second)));
        // Of the seconds 89 to 99.
        assert_eq!(recently.throttled(at(99))[&bank], 11);
        assert_eq!(recently.throttled(at(200)).len(), 0);

        recently.delivered(&flow, &to, Duration::from_secs(1), at(0));
        recently.delivered(&flow, &to, Duration::from_secs(9), at(200));
        let latencies = |recently: &mut Recently, now| recently.latencies(|_| Some(Duration::from_secs(5)), now);
        let found = latencies(&mut recently, at(300))[&(flow.clone(), to.clone())];
        assert_eq!(found, Latencies { deliveries: 2, over: 1, longest: Duration::from_secs(9) });
        assert_eq!(latencies(&mut recently, at(301))[&(flow.clone(), to.clone())].deliveries, 1);
        assert!(recently.latencies(|_| None, at(301)).is_empty(), "nothing was promised");
    }
}

//! What happened within the last minutes: who was turned away and how long deliveries took, from which alarms judge, and
//! how much came and went, for those who look.
//!
//! Memory is bounded: a count for each second of [`THROTTLED_SECONDS`] and each partner, and the latest
//! [`LATENCIES_MAX`] deliveries of each flow and destination, and a count for each second of [`RATE_SECONDS`] and each way.

use crate::delivery::Attempted;
use crate::domain::{DestinationId, FlowId, PartnerId};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Seconds over which requests that were turned away are counted.
pub const THROTTLED_SECONDS: u64 = 10;
/// Deliveries that are remembered of one flow and destination.
pub const LATENCIES_MAX: usize = 512;
/// For how long a delivery is remembered.
pub const LATENCY_AGE_MAX: Duration = Duration::from_secs(300);

/// Seconds over which records are counted.
pub const RATE_SECONDS: u64 = 60;

/// Records of the last minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastMinute {
    /// What partners sent under flows.
    pub sent: BTreeMap<(PartnerId, FlowId), u64>,
    /// What destinations took, by flow.
    pub delivered: BTreeMap<(FlowId, DestinationId), u64>,
}

impl LastMinute {
    /// Records that a partner sent.
    pub fn sent_by(&self, partner: &PartnerId) -> u64 {
        self.sent.iter().filter(|((sender, _), _)| sender == partner).map(|(_, records)| records).sum()
    }

    /// Records that a partner took.
    pub fn taken_by(&self, partner: &PartnerId) -> u64 {
        self.delivered.iter().filter(|((_, to), _)| to.partner == *partner).map(|(_, records)| records).sum()
    }
}

/// Counts by the second.
type Seconds = VecDeque<(Instant, u64)>;

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
    throttled: BTreeMap<PartnerId, Seconds>,
    sent: BTreeMap<(PartnerId, FlowId), Seconds>,
    taken: BTreeMap<(FlowId, DestinationId), Seconds>,
    latencies: BTreeMap<(FlowId, DestinationId), VecDeque<(Instant, Duration)>>,
}

impl Recently {
    pub fn throttle(&mut self, partner: &PartnerId, now: Instant) {
        add(self.throttled.entry(partner.clone()).or_default(), 1, now, THROTTLED_SECONDS);
    }

    pub fn sent(&mut self, partner: &PartnerId, flow: &FlowId, records: u64, now: Instant) {
        add(self.sent.entry((partner.clone(), flow.clone())).or_default(), records, now, RATE_SECONDS);
    }

    pub fn last_minute(&mut self, now: Instant) -> LastMinute {
        LastMinute { sent: sums(&mut self.sent, now, RATE_SECONDS), delivered: sums(&mut self.taken, now, RATE_SECONDS) }
    }

    pub fn throttled(&mut self, now: Instant) -> BTreeMap<PartnerId, u64> {
        sums(&mut self.throttled, now, THROTTLED_SECONDS)
    }

    pub fn delivered(&mut self, attempted: &Attempted, took: Duration, now: Instant) {
        let way = (attempted.flow.clone(), attempted.to.clone());
        add(self.taken.entry(way.clone()).or_default(), attempted.records, now, RATE_SECONDS);
        let kept = self.latencies.entry(way).or_default();
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

/// Counts more in this second.
fn add(counts: &mut Seconds, more: u64, now: Instant, seconds: u64) {
    match counts.back_mut() {
        Some((second, count)) if now.duration_since(*second) < Duration::from_secs(1) => *count += more,
        _ => counts.push_back((now, more)),
    }
    forget(counts, now, Duration::from_secs(seconds));
}

/// The sums over the last seconds, without what has none.
fn sums<K: Clone + Ord>(counts: &mut BTreeMap<K, Seconds>, now: Instant, seconds: u64) -> BTreeMap<K, u64> {
    counts.values_mut().for_each(|counts| forget(counts, now, Duration::from_secs(seconds)));
    counts.retain(|_, counts| !counts.is_empty());
    counts.iter().map(|(key, counts)| (key.clone(), counts.iter().map(|(_, count)| count).sum())).collect()
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

        recently.delivered(&attempted(&flow, &to), Duration::from_secs(1), at(0));
        recently.delivered(&attempted(&flow, &to), Duration::from_secs(9), at(200));
        let latencies = |recently: &mut Recently, now| recently.latencies(|_| Some(Duration::from_secs(5)), now);
        let found = latencies(&mut recently, at(300))[&(flow.clone(), to.clone())];
        assert_eq!(found, Latencies { deliveries: 2, over: 1, longest: Duration::from_secs(9) });
        assert_eq!(latencies(&mut recently, at(301))[&(flow.clone(), to.clone())].deliveries, 1);
        assert!(recently.latencies(|_| None, at(301)).is_empty(), "nothing was promised");

        let mut recently = Recently::default();
        recently.sent(&bank, &flow, 5, at(1));
        recently.sent(&bank, &flow, 6, at(30));
        recently.sent(&bank, &flow, 7, at(30));
        let minute = recently.last_minute(at(61));
        assert_eq!((minute.sent_by(&bank), minute.taken_by(&to.partner)), (18, 0));
        assert_eq!(recently.last_minute(at(62)).sent_by(&bank), 13);
        recently.delivered(&attempted(&flow, &to), Duration::from_secs(1), at(70));
        assert_eq!(recently.last_minute(at(91)).taken_by(&to.partner), 3);
        assert_eq!(recently.last_minute(at(200)), LastMinute::default());
    }

    fn attempted(flow: &FlowId, to: &DestinationId) -> Attempted {
        Attempted {
            to: to.clone(),
            flow: flow.clone(),
            sender: "bank".parse().unwrap(),
            records: 3,
            ended: crate::delivery::Ended::Acknowledged,
            took: Duration::ZERO,
            since_received: Duration::ZERO,
            trace_id: String::new(),
        }
    }
}
